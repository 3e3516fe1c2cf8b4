//! Resolves the terms of a manifest: each once for each point of its axis, and once for each distinct value where known.

use std::ops::Range;

use exportgate_contract::manifest::{Axis, Manifest, Term};
use exportgate_contract::vocabulary::CUSTOMER;

use crate::error::EvaluateError;
use crate::frame::cells::{Cell, Cells, Datum};
use crate::frame::conform::{Mismatch, describe};
use crate::frame::path::path;
use crate::frame::world::{Targets, World};
use crate::inputs::{Inputs, Source};

/// The terms of one evaluation. Those of the job and of columns stay from call to call, those of rows follow the rows.
pub(crate) struct Terms<'a> {
    manifest: &'a Manifest,
    axes: &'a [Axis],
    inputs: &'a Inputs<'a>,
    world: World<'a>,
    rows: Range<usize>,
    cells: Vec<Option<Cells<'a>>>,
}

impl<'a> Terms<'a> {
    /// No terms yet. `axes` holds the axis of each term.
    pub(crate) fn new(manifest: &'a Manifest, axes: &'a [Axis], inputs: &'a Inputs<'a>) -> Self {
        Self {
            manifest,
            axes,
            inputs,
            world: World::new(manifest, inputs),
            rows: 0..0,
            cells: vec![None; manifest.terms.len()],
        }
    }

    /// Resolves `needed`, ascending and with all that they are made of, for these rows.
    ///
    /// # Errors
    ///
    /// [`EvaluateError::FactType`] when an attribute or tag is read of something that can't have any.
    pub(crate) fn resolve(&mut self, needed: &[u32], rows: Range<usize>) -> Result<(), EvaluateError> {
        let moved = self.rows != rows;
        self.rows = rows;
        for term in needed {
            let position = usize::try_from(*term).unwrap_or(usize::MAX);
            let by_row = matches!(self.axis(*term), Axis::Row | Axis::Cell);
            let Some(slot) = self.cells.get(position) else { continue };
            if slot.is_none() || (moved && by_row) {
                let cells = self.resolve_term(position)?;
                if let Some(slot) = self.cells.get_mut(position) {
                    *slot = Some(cells);
                }
            }
        }
        Ok(())
    }

    /// What `term` says, once it is resolved.
    pub(crate) fn cells(&self, term: u32) -> &Cells<'a> {
        const UNRESOLVED: &Cells<'static> = &Cells::One(Cell::Err);
        usize::try_from(term).ok().and_then(|term| self.cells.get(term)).and_then(Option::as_ref).unwrap_or(UNRESOLVED)
    }

    /// How many points `axis` has for the rows at hand.
    pub(crate) fn points(&self, axis: Axis) -> usize {
        axis.points(self.rows.len(), self.inputs.columns()).unwrap_or(usize::MAX)
    }

    /// Whether the entity `left` is in `right`, as the contract's table has it.
    ///
    /// # Errors
    ///
    /// [`EvaluateError::FactType`] when they aren't entities, or a set of entities on the right.
    pub(crate) fn is_in(&self, left: u32, right: u32) -> Result<Cells<'a>, EvaluateError> {
        if let (Cells::Customers(_), Cells::One(Cell::Value(targets))) = (self.cells(left), self.cells(right))
            && let Some(cells) = self.customers_in(self.targets(*targets, right)?)
        {
            return Ok(cells);
        }
        self.combine(left, right, |left_cell, right_cell| {
            let (Cell::Value(left_datum), Cell::Value(right_datum)) = (left_cell, right_cell) else {
                return Ok(Cell::Err);
            };
            let Datum::Entity(uid) = left_datum else {
                return Err(self.mismatch(left, "an entity", left_datum));
            };
            Ok(Cell::bool(self.world.is_in(uid, &self.targets(right_datum, right)?)))
        })
    }

    /// Whether the entity `of` has the tag `key`, as the contract's table has it.
    ///
    /// # Errors
    ///
    /// [`EvaluateError::FactType`] when they aren't an entity and a string.
    pub(crate) fn has_tag(&self, of: u32, key: u32) -> Result<Cells<'a>, EvaluateError> {
        self.combine(of, key, |base, name| {
            Ok(match self.tag(of, key, base, name)? {
                Cell::Value(_) => Cell::bool(true),
                Cell::Absent => Cell::bool(false),
                Cell::Err => Cell::Err,
            })
        })
    }

    fn resolve_term(&self, position: usize) -> Result<Cells<'a>, EvaluateError> {
        match self.manifest.terms.get(position) {
            Some(Term::Input(input)) => Ok(self.input(*input)),
            Some(Term::Symbol(symbol)) => {
                let value = usize::try_from(*symbol).ok().and_then(|symbol| self.manifest.symbols.get(symbol));
                Ok(Cells::One(Cell::of(value)))
            }
            Some(Term::Attribute { of, name }) => self.attribute(*of, name),
            Some(Term::Tag { of, key }) => self.combine(*of, *key, |base, name| self.tag(*of, *key, base, name)),
            None => Ok(Cells::One(Cell::Err)),
        }
    }

    fn input(&self, input: u32) -> Cells<'a> {
        let source = usize::try_from(input).ok().and_then(|input| self.inputs.sources.get(input));
        let Range { start, end } = self.rows;
        match source.copied().unwrap_or(Source::Absent) {
            Source::Absent => Cells::One(Cell::Absent),
            Source::Value(value) => Cells::One(Cell::Value(value.into())),
            Source::Customers => Cells::Customers(self.inputs.customers.ids().get(start..end).unwrap_or_default()),
            Source::Tickets if self.inputs.customers.tickets().rows.is_empty() => Cells::One(Cell::Absent),
            Source::Tickets => Cells::dictionary(self.inputs.customers.tickets(), start, end),
            Source::Fields => Cells::Each(self.inputs.fields.iter().map(|field| Cell::Value(field.into())).collect()),
        }
    }

    fn attribute(&self, of: u32, name: &'a str) -> Result<Cells<'a>, EvaluateError> {
        let base = self.cells(of);
        if let Cells::Customers(_) = base {
            let column = self.inputs.customers.column(name);
            return Ok(
                column.map_or(Cells::One(Cell::Absent), |column| Cells::column(column, self.rows.start, self.rows.end))
            );
        }
        base.map(self.points(self.axis(of)), |cell| {
            let Cell::Value(datum) = cell else { return Ok(Cell::Err) };
            match datum {
                Datum::Record(attributes) => Ok(Cell::of(attributes.get(name))),
                Datum::Entity(uid) => Ok(self.world.attribute(uid, name)),
                Datum::Bool(_)
                | Datum::Long(_)
                | Datum::Decimal(_)
                | Datum::Datetime(_)
                | Datum::Duration(_)
                | Datum::String(_)
                | Datum::Ip(_)
                | Datum::Set(_) => Err(self.mismatch(of, "a record or an entity", datum)),
            }
        })
    }

    fn tag(&self, of: u32, key: u32, base: Cell<'a>, name: Cell<'a>) -> Result<Cell<'a>, EvaluateError> {
        let (Cell::Value(base), Cell::Value(name)) = (base, name) else { return Ok(Cell::Err) };
        let Datum::Entity(uid) = base else { return Err(self.mismatch(of, "an entity", base)) };
        let Datum::String(name) = name else { return Err(self.mismatch(key, "String", name)) };
        Ok(self.world.tag(uid, name))
    }

    /// Whether each customer of the rows is in `targets`: asked once for each distinct list of parents. None when that
    /// isn't enough, because a target may be a customer itself, or lists are as many as rows.
    fn customers_in(&self, targets: Targets<'a>) -> Option<Cells<'a>> {
        let lists = self.inputs.customers.parent_lists();
        if targets.names_type(CUSTOMER) || lists.values.len() > self.rows.len() {
            return None;
        }
        if lists.rows.is_empty() {
            return Some(Cells::One(Cell::bool(false)));
        }
        let cells = lists
            .values
            .iter()
            .map(|list| Cell::bool(list.iter().any(|parent| self.world.is_in(parent.into(), &targets))));
        let rows = lists.rows.get(self.rows.clone()).unwrap_or_default();
        Some(Cells::Indexed { cells: cells.collect(), none: Cell::bool(false), rows })
    }

    fn targets(&self, datum: Datum<'a>, term: u32) -> Result<Targets<'a>, EvaluateError> {
        match datum {
            Datum::Entity(uid) => Ok(Targets::One(uid)),
            Datum::Set(members) => {
                let stranger = members.iter().map(Datum::from).find(|member| !matches!(member, Datum::Entity(_)));
                stranger
                    .map_or(Ok(Targets::Any(members)), |member| Err(self.mismatch(term, "a Set of entities", member)))
            }
            Datum::Bool(_)
            | Datum::Long(_)
            | Datum::Decimal(_)
            | Datum::Datetime(_)
            | Datum::Duration(_)
            | Datum::String(_)
            | Datum::Ip(_)
            | Datum::Record(_) => Err(self.mismatch(term, "an entity or a Set of entities", datum)),
        }
    }

    /// What `join` makes of two terms at each point of both.
    fn combine(
        &self,
        left: u32,
        right: u32,
        join: impl Fn(Cell<'a>, Cell<'a>) -> Result<Cell<'a>, EvaluateError>,
    ) -> Result<Cells<'a>, EvaluateError> {
        let (left_axis, right_axis) = (self.axis(left), self.axis(right));
        match (self.cells(left), self.cells(right)) {
            (Cells::One(one), other) => other.map(self.points(right_axis), |cell| join(*one, cell)),
            (other, Cells::One(one)) => other.map(self.points(left_axis), |cell| join(cell, *one)),
            (left, right) => {
                let axis = left_axis.join(right_axis);
                let columns = self.inputs.columns();
                let points = (0..self.points(axis)).map(|point| {
                    join(
                        left.at(project(axis, left_axis, point, columns)),
                        right.at(project(axis, right_axis, point, columns)),
                    )
                });
                Ok(Cells::Each(points.collect::<Result<_, _>>()?))
            }
        }
    }

    fn axis(&self, term: u32) -> Axis {
        usize::try_from(term).ok().and_then(|term| self.axes.get(term)).copied().unwrap_or(Axis::Job)
    }

    fn mismatch(&self, term: u32, expected: &str, found: Datum<'_>) -> EvaluateError {
        fact_type(self.manifest, term, Mismatch::new(expected, describe(found)))
    }
}

/// The error for a value of `term` that isn't of its type.
pub(crate) fn fact_type(manifest: &Manifest, term: u32, mismatch: Mismatch) -> EvaluateError {
    EvaluateError::FactType {
        path: format!("{}{}", path(manifest, term), mismatch.path),
        expected: mismatch.expected,
        found: mismatch.found,
    }
}

/// Where `point` of `axis` lies on the coarser axis `on`.
fn project(axis: Axis, on: Axis, point: usize, columns: usize) -> usize {
    match (axis, on) {
        (_, Axis::Job) => 0,
        (Axis::Cell, Axis::Row) => point.checked_div(columns).unwrap_or(0),
        (Axis::Cell, Axis::Column) => point.checked_rem(columns).unwrap_or(0),
        (Axis::Job | Axis::Row | Axis::Column | Axis::Cell, Axis::Row | Axis::Column | Axis::Cell) => point,
    }
}
