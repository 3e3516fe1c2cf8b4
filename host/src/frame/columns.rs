//! Facts of columns that follow from the catalogue alone: worked out for every field when a gate is made.

use std::collections::BTreeSet;
use std::sync::Arc;

use exportgate_contract::frame::STATE_VALUE;
use exportgate_contract::manifest::Axis;
use exportgate_contract::value::Value;
use exportgate_contract::vocabulary::{FIELD, FIELD_CLASS};

use crate::fields::above;
use crate::frame::resolve::Target;
use crate::frame::sheet::{InGroup, InRight, Op, Sheet};
use crate::plan::{Plan, position};

/// Cells of all fields of a catalogue: a megabyte. A catalogue with more is read job by job.
const CELLS_MAX: usize = 1 << 20;

/// Which classes each field of a catalogue is in, as far as questions ask.
#[derive(Debug, Default)]
pub(crate) struct FixedColumns {
    /// The numbers of the facts among those of columns.
    places: Vec<usize>,
    /// For each field, by its place in the catalogue, whether each fact holds.
    cells: Vec<bool>,
}

impl FixedColumns {
    /// Takes out of `sheet` what follows from the catalogue alone, where the columns are the fields that are `input`.
    pub(crate) fn take(plan: &Plan, sheet: &mut Sheet, input: u32) -> Self {
        let Some(catalogue) = &plan.manifest.catalogue else { return Self::default() };
        let is_field = |group: &InGroup| {
            let itself =
                sheet.steps.get(group.left).is_some_and(|step| matches!(step.op, Op::Input(of) if of == input));
            itself && group.facts.iter().all(|fact| matches!(fact.right, InRight::Constant(_)))
        };
        let asked: usize =
            sheet.column.groups.iter().filter(|group| is_field(group)).map(|group| group.facts.len()).sum();
        if asked.saturating_mul(catalogue.fields.len()) > CELLS_MAX {
            return Self::default();
        }
        let mut fixed = Self::default();
        let mut targets: Vec<&Value> = Vec::with_capacity(asked);
        for fact in sheet.column.groups.iter().filter(|group| is_field(group)).flat_map(|group| &group.facts) {
            if let InRight::Constant(symbol) = fact.right
                && let Some(target) = plan.manifest.symbols.get(position(symbol))
            {
                fixed.places.push(fact.place);
                targets.push(target);
            }
        }
        let rest: Vec<bool> = sheet.column.groups.iter().map(|group| !is_field(group)).collect();
        for (name, field) in &catalogue.fields {
            let classes: BTreeSet<&Arc<str>> = above(&field.classes, catalogue);
            fixed.cells.extend(targets.iter().map(|target| match target {
                Value::Entity(uid) if *uid.entity_type == *FIELD_CLASS => classes.contains(&uid.id),
                Value::Entity(uid) => *uid.entity_type == *FIELD && uid.id == *name,
                _ => false,
            }));
        }
        let mut rest = rest.into_iter();
        sheet.column.groups.retain(|_| rest.next().unwrap_or(true));
        fixed
    }

    /// Puts these facts for the fields at these places in the catalogue.
    pub(crate) fn put(&self, fields: &[u32], target: &mut Target<'_>) {
        let count = self.places.len();
        for (column, field) in fields.iter().enumerate() {
            let first = position(*field).saturating_mul(count);
            let cells = self.cells.get(first..first.saturating_add(count)).unwrap_or_default();
            for (place, holds) in self.places.iter().zip(cells) {
                target.put(Axis::Column, *place, column, u64::from(*holds), STATE_VALUE);
            }
        }
    }
}
