//! Resolves the steps of a sheet point by point, and puts the facts into their places.

use exportgate_contract::frame::{STATE_ABSENT, STATE_ERR, STATE_VALUE};
use exportgate_contract::manifest::Axis;
use exportgate_contract::types::Type;
use exportgate_contract::vocabulary::{CUSTOMER, FIELD, JOB};

use crate::entities::UidRef;
use crate::error::EvaluateError;
use crate::frame::cells::{Cell, Datum, customer};
use crate::frame::conform::{self, Mismatch, describe};
use crate::frame::layout::Layout;
use crate::frame::path::path;
use crate::frame::sheet::{FactKind, InFact, InGroup, InRight, Op, Sheet, Step};
use crate::frame::symbols::{self, Symbols};
use crate::frame::world::{Ancestors, Known, Targets, World};
use crate::inputs::{Inputs, Source};
use crate::plan::Plan;

/// What a step says at the point at hand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot<'a> {
    pub(crate) cell: Cell<'a>,
    /// Of an entity that something is read of.
    known: Known<'a>,
}

/// The row and the column at hand.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Point {
    pub(crate) row: usize,
    pub(crate) column: usize,
}

/// The room that resolving takes, used again and again.
#[derive(Debug, Default)]
pub(crate) struct Room<'a> {
    slots: Vec<Slot<'a>>,
    symbols: symbols::Room<'a>,
    ancestors: Ancestors<'a>,
    /// For each constant the search that found it last.
    found: Vec<u32>,
    search: u32,
}

impl Room<'_> {
    /// The same room for another evaluation.
    pub(crate) fn again<'b>(self) -> Room<'b> {
        let Self { slots, symbols, ancestors, found, search } = self;
        Room {
            slots: super::recycle(slots),
            symbols: symbols.again(),
            ancestors: Ancestors::again(ancestors),
            found,
            search,
        }
    }

    /// How many bytes it takes, roughly.
    pub(crate) fn bytes(&self) -> usize {
        self.symbols.bytes().saturating_add(self.slots.capacity().saturating_mul(size_of::<Slot<'_>>()))
    }
}

/// Resolves steps. The slots of the job stay, those of a column, row or cell are replaced by the next one's.
pub(crate) struct Resolver<'a> {
    plan: &'a Plan,
    sheet: &'a Sheet,
    inputs: &'a Inputs<'a>,
    world: World<'a>,
    slots: Vec<Slot<'a>>,
    pub(crate) symbols: Symbols<'a>,
    ancestors: Ancestors<'a>,
    found: Vec<u32>,
    search: u32,
}

/// The cells of a frame being made: values as words, states as bytes.
pub(crate) struct Target<'f> {
    pub(crate) layout: &'f Layout,
    pub(crate) words: &'f mut [u64],
    pub(crate) states: &'f mut [u8],
}

impl Target<'_> {
    pub(crate) fn put(&mut self, axis: Axis, place: usize, point: usize, word: u64, state: u8) {
        let (value_at, state_at) = self.layout.cell(axis, place, point);
        if let (Some(value), Some(slot)) = (self.words.get_mut(value_at), self.states.get_mut(state_at)) {
            (*value, *slot) = (word, state);
        }
    }
}

impl<'a> Resolver<'a> {
    pub(crate) fn new(plan: &'a Plan, sheet: &'a Sheet, inputs: &'a Inputs<'a>, room: Room<'a>) -> Self {
        let Room { mut slots, symbols, ancestors, found, search } = room;
        slots.clear();
        Self {
            plan,
            sheet,
            inputs,
            world: World::new(&plan.manifest, inputs),
            slots,
            symbols: Symbols::new(&plan.constants, &plan.manifest.symbols, symbols),
            ancestors,
            found,
            search,
        }
    }

    /// The room, for another evaluation.
    pub(crate) fn into_room(self) -> Room<'a> {
        let Self { slots, symbols, ancestors, found, search, .. } = self;
        Room { slots, symbols: symbols.into_room(), ancestors, found, search }
    }

    /// What a step says at the point at hand; `ERR` when it wasn't resolved.
    pub(crate) fn cell(&self, step: usize) -> Cell<'a> {
        self.slots.get(step).map_or(Cell::Err, |slot| slot.cell)
    }

    /// Resolves the steps of the job, from the start.
    ///
    /// # Errors
    ///
    /// [`EvaluateError::FactType`] when an attribute or tag is read of something that can't have any.
    pub(crate) fn resolve_job(&mut self) -> Result<(), EvaluateError> {
        self.slots.clear();
        self.resolve(self.sheet.steps(Axis::Job), Point::default())
    }

    /// Puts the facts of the job.
    ///
    /// # Errors
    ///
    /// [`EvaluateError::FactType`] for a value of another type than its fact's; as [`Self::resolve_job`].
    pub(crate) fn put_job(&mut self, target: &mut Target<'_>) -> Result<(), EvaluateError> {
        if let Some(agent) = self.inputs.agent {
            agent.put(target);
        }
        self.put_facts(Axis::Job, 0, target)
    }

    /// Whether an entity is in a customer or a job, above whom each job may say something else stands.
    pub(crate) fn is_in_a_jobs_own(&mut self, step: usize) -> bool {
        let Slot { cell: Cell::Value(Datum::Entity(uid)), known } = self.slot(step) else { return false };
        self.ancestors.find(self.world, uid, known);
        self.ancestors.all().iter().any(|uid| uid.entity_type == CUSTOMER || uid.entity_type == JOB)
    }

    /// Resolves and puts the facts of columns.
    ///
    /// # Errors
    ///
    /// As [`Self::put_job`].
    pub(crate) fn put_columns(&mut self, target: &mut Target<'_>) -> Result<(), EvaluateError> {
        if let Some((fixed, fields)) = self.inputs.fixed {
            fixed.put(fields, target);
        }
        if self.sheet.column.is_empty() {
            return Ok(());
        }
        for column in 0..self.inputs.columns() {
            self.slots.truncate(self.sheet.job.steps.len());
            self.resolve(self.sheet.steps(Axis::Column), Point { row: 0, column })?;
            self.put_facts(Axis::Column, column, target)?;
        }
        Ok(())
    }

    /// Resolves and puts the facts of these rows, and of their cells.
    ///
    /// # Errors
    ///
    /// As [`Self::put_job`].
    pub(crate) fn put_rows(
        &mut self,
        rows: impl Iterator<Item = usize> + Clone,
        target: &mut Target<'_>,
    ) -> Result<(), EvaluateError> {
        if !self.sheet.row.is_empty() {
            let columns = self.sheet.column.steps.end;
            self.slots.truncate(self.sheet.job.steps.len());
            // No row fact reads them; they keep the numbers of the steps after them.
            self.slots.resize(columns, Slot { cell: Cell::Err, known: Known::Name });
            for (point, row) in rows.clone().enumerate() {
                self.slots.truncate(columns);
                self.resolve(self.sheet.steps(Axis::Row), Point { row, column: 0 })?;
                self.put_facts(Axis::Row, point, target)?;
            }
        }
        if self.sheet.cell.is_empty() {
            return Ok(());
        }
        let columns = self.inputs.columns();
        for (place, row) in rows.enumerate() {
            for column in 0..columns {
                self.slots.truncate(self.sheet.job.steps.len());
                for axis in [Axis::Column, Axis::Row, Axis::Cell] {
                    self.resolve(self.sheet.steps(axis), Point { row, column })?;
                }
                self.put_facts(Axis::Cell, place.saturating_mul(columns).saturating_add(column), target)?;
            }
        }
        Ok(())
    }

    fn resolve(&mut self, steps: &'a [Step], point: Point) -> Result<(), EvaluateError> {
        for step in steps {
            let cell = match &step.op {
                Op::Input(input) => self.input(*input, point),
                Op::Symbol(symbol) => {
                    Cell::of(usize::try_from(*symbol).ok().and_then(|symbol| self.plan.manifest.symbols.get(symbol)))
                }
                Op::Attribute { of, name } => self.attribute(*of, name)?,
                Op::Tag { of, key } => self.tag(*of, *key)?,
                Op::Unread => Cell::Err,
            };
            let known = match cell {
                Cell::Value(Datum::Entity(uid)) if step.base => self.know(step, uid, point),
                Cell::Value(_) | Cell::Absent | Cell::Err => Known::Name,
            };
            self.slots.push(Slot { cell, known });
        }
        Ok(())
    }

    fn know(&self, step: &Step, uid: UidRef<'a>, point: Point) -> Known<'a> {
        match step.op {
            // No need to look for the row of a customer that is the row.
            Op::Input(input) if matches!(self.inputs.source(input), Source::Customers) => Known::Customer(point.row),
            Op::Input(_) | Op::Symbol(_) | Op::Attribute { .. } | Op::Tag { .. } | Op::Unread => self.world.know(uid),
        }
    }

    fn input(&self, input: u32, point: Point) -> Cell<'a> {
        match self.inputs.source(input) {
            Source::Absent => Cell::Absent,
            Source::Value(datum) => Cell::Value(datum),
            Source::Customers => {
                self.inputs.customers.ids().get(point.row).map_or(Cell::Err, |id| Cell::Value(customer(id)))
            }
            Source::Tickets => Cell::of(self.inputs.customers.tickets().at(point.row)),
            Source::Fields => self
                .inputs
                .fields
                .get(point.column)
                .map_or(Cell::Err, |id| Cell::Value(Datum::Entity(UidRef { entity_type: FIELD, id }))),
        }
    }

    fn slot(&self, step: usize) -> Slot<'a> {
        self.slots.get(step).copied().unwrap_or(Slot { cell: Cell::Err, known: Known::Name })
    }

    fn attribute(&self, of: usize, name: &str) -> Result<Cell<'a>, EvaluateError> {
        let Slot { cell: Cell::Value(datum), known } = self.slot(of) else { return Ok(Cell::Err) };
        match datum {
            Datum::Record(attributes) => Ok(Cell::of(attributes.get(name))),
            Datum::Entity(_) => Ok(self.world.attribute(known, name)),
            Datum::Bool(_)
            | Datum::Long(_)
            | Datum::Decimal(_)
            | Datum::Datetime(_)
            | Datum::Duration(_)
            | Datum::String(_)
            | Datum::Ip(_)
            | Datum::Set(_) => Err(self.mismatch(of, "a record or an entity", datum)),
        }
    }

    fn tag(&self, of: usize, key: usize) -> Result<Cell<'a>, EvaluateError> {
        let Slot { cell: Cell::Value(base), known } = self.slot(of) else { return Ok(Cell::Err) };
        let Cell::Value(name) = self.cell(key) else { return Ok(Cell::Err) };
        let Datum::Entity(uid) = base else { return Err(self.mismatch(of, "an entity", base)) };
        let Datum::String(name) = name else { return Err(self.mismatch(key, "String", name)) };
        Ok(self.world.tag(uid, known, name))
    }

    fn put_facts(&mut self, axis: Axis, point: usize, target: &mut Target<'_>) -> Result<(), EvaluateError> {
        let reads = self.sheet.axis(axis);
        for fact in &reads.facts {
            let (word, state) = match fact.kind {
                FactKind::Value(step) => self.word(step, fact.fact)?,
                FactKind::State(step) => (0, state_of(self.cell(step))),
                FactKind::Above { of } => self.above(of, fact.fact)?,
                FactKind::HasTag { of, key } => match self.tag(of, key)? {
                    Cell::Value(_) => (1, STATE_VALUE),
                    Cell::Absent => (0, STATE_VALUE),
                    Cell::Err => (0, STATE_ERR),
                },
            };
            target.put(axis, fact.place, point, word, state);
        }
        for group in &reads.groups {
            self.put_group(axis, group, point, target)?;
        }
        Ok(())
    }

    /// The word of a value, checked against its fact's type.
    fn word(&mut self, step: usize, fact: usize) -> Result<(u64, u8), EvaluateError> {
        let cell = self.cell(step);
        let Cell::Value(datum) = cell else { return Ok((0, state_of(cell))) };
        let plan = self.plan;
        // INVARIANT: facts of a sheet are facts of its manifest.
        let Some(fact) = plan.manifest.facts.get(fact) else { return Ok((0, STATE_ERR)) };
        match (datum, &fact.ty) {
            (Datum::Bool(truth), Type::Bool) => return Ok((u64::from(truth), STATE_VALUE)),
            (Datum::Long(number), Type::Long) => return Ok((number.cast_unsigned(), STATE_VALUE)),
            (datum, ty) => {
                conform::check(datum, ty).map_err(|mismatch| self.fact_type(step, mismatch))?;
            }
        }
        let word = match fact.payload {
            true => self.symbols.word_with_payload(datum, &fact.ty),
            false => self.symbols.word(datum),
        };
        Ok((word, STATE_VALUE))
    }

    /// Which constants of the fact's type an entity is in, as a set among the payloads.
    fn above(&mut self, of: usize, fact: usize) -> Result<(u64, u8), EvaluateError> {
        let Slot { cell, known } = self.slot(of);
        let Cell::Value(datum) = cell else { return Ok((0, STATE_ERR)) };
        let Datum::Entity(uid) = datum else { return Err(self.mismatch(of, "an entity", datum)) };
        // INVARIANT: a checked manifest gives such a fact a set of entities as its type.
        let Some(Type::Set(member)) = self.plan.manifest.facts.get(fact).map(|fact| &fact.ty) else {
            return Ok((0, STATE_ERR));
        };
        let Type::Entity(wanted) = &**member else { return Ok((0, STATE_ERR)) };
        self.ancestors.find(self.world, uid, known);
        let fitting = self.ancestors.all().iter().filter(|uid| *uid.entity_type == **wanted).copied();
        Ok((self.symbols.add_constants(fitting), STATE_VALUE))
    }

    /// Whether one entity is in each of several others. All that stands above it is found once.
    fn put_group(
        &mut self,
        axis: Axis,
        group: &'a InGroup,
        point: usize,
        target: &mut Target<'_>,
    ) -> Result<(), EvaluateError> {
        let Slot { cell, known } = self.slot(group.left);
        let datum = match cell {
            Cell::Value(datum) => datum,
            Cell::Absent | Cell::Err => {
                group.facts.iter().for_each(|fact| target.put(axis, fact.place, point, 0, STATE_ERR));
                return Ok(());
            }
        };
        let Datum::Entity(uid) = datum else { return self.put_no_entity(axis, group, datum, point, target) };
        self.ancestors.find(self.world, uid, known);
        self.mark_constants(group);
        for fact in &group.facts {
            let (word, state) = match fact.right {
                InRight::Constant(symbol) => {
                    let found = usize::try_from(symbol).ok().and_then(|symbol| self.found.get(symbol));
                    (u64::from(found == Some(&self.search)), STATE_VALUE)
                }
                InRight::Step(right) => match self.cell(right) {
                    Cell::Value(datum) => {
                        let targets = self.targets(datum, right)?;
                        let within = self.ancestors.all().iter().any(|uid| targets.contains(*uid));
                        (u64::from(within), STATE_VALUE)
                    }
                    Cell::Absent | Cell::Err => (0, STATE_ERR),
                },
            };
            target.put(axis, fact.place, point, word, state);
        }
        Ok(())
    }

    /// What isn't an entity is in nothing; where the other side errs too, that is all there is to say.
    fn put_no_entity(
        &self,
        axis: Axis,
        group: &InGroup,
        datum: Datum<'a>,
        point: usize,
        target: &mut Target<'_>,
    ) -> Result<(), EvaluateError> {
        let errs = |fact: &InFact| match fact.right {
            InRight::Constant(_) => false,
            InRight::Step(right) => !matches!(self.cell(right), Cell::Value(_)),
        };
        for fact in &group.facts {
            if !errs(fact) {
                return Err(self.mismatch(group.left, "an entity", datum));
            }
            target.put(axis, fact.place, point, 0, STATE_ERR);
        }
        Ok(())
    }

    /// Marks the constants among the ancestors just found, if any fact of the group asks for one.
    fn mark_constants(&mut self, group: &InGroup) {
        if !group.facts.iter().any(|fact| matches!(fact.right, InRight::Constant(_))) {
            return;
        }
        self.search = self.search.checked_add(1).unwrap_or_else(|| {
            self.found.clear();
            1
        });
        if self.found.len() < self.plan.manifest.symbols.len() {
            self.found.resize(self.plan.manifest.symbols.len(), 0);
        }
        for uid in self.ancestors.all() {
            let constant = self.symbols.constant(*uid).and_then(|symbol| usize::try_from(symbol).ok());
            if let Some(found) = constant.and_then(|symbol| self.found.get_mut(symbol)) {
                *found = self.search;
            }
        }
    }

    /// What stands on the right of `in`.
    ///
    /// # Errors
    ///
    /// [`EvaluateError::FactType`] when it isn't an entity, nor a set of entities.
    pub(crate) fn targets(&self, datum: Datum<'a>, step: usize) -> Result<Targets<'a>, EvaluateError> {
        match datum {
            Datum::Entity(uid) => Ok(Targets::One(uid)),
            Datum::Set(members) => {
                let stranger = members.iter().map(Datum::from).find(|member| !matches!(member, Datum::Entity(_)));
                stranger
                    .map_or(Ok(Targets::Any(members)), |member| Err(self.mismatch(step, "a Set of entities", member)))
            }
            Datum::Bool(_)
            | Datum::Long(_)
            | Datum::Decimal(_)
            | Datum::Datetime(_)
            | Datum::Duration(_)
            | Datum::String(_)
            | Datum::Ip(_)
            | Datum::Record(_) => Err(self.mismatch(step, "an entity or a Set of entities", datum)),
        }
    }

    fn mismatch(&self, step: usize, expected: &str, found: Datum<'_>) -> EvaluateError {
        self.fact_type(step, Mismatch::new(expected, describe(found)))
    }

    /// The error for a value that isn't of its type.
    fn fact_type(&self, step: usize, mismatch: Mismatch) -> EvaluateError {
        let term = self.sheet.steps.get(step).map_or(u32::MAX, |step| step.term);
        EvaluateError::FactType {
            path: format!("{}{}", path(&self.plan.manifest, term), mismatch.path),
            expected: mismatch.expected,
            found: mismatch.found,
        }
    }
}

fn state_of(cell: Cell<'_>) -> u8 {
    match cell {
        Cell::Value(_) => STATE_VALUE,
        Cell::Absent => STATE_ABSENT,
        Cell::Err => STATE_ERR,
    }
}
