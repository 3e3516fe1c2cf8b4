//! Builds frames: resolves the facts that questions read, and lays them out as `docs/contract.md` shows.

pub(crate) mod cells;
mod conform;
mod path;
pub(crate) mod symbols;
pub(crate) mod terms;
mod world;

use std::ops::Range;

use exportgate_contract::frame::{
    HEADER_WORDS, STATE_ABSENT, STATE_ERR, STATE_VALUE, TAG, WORD_COLUMNS, WORD_LENGTH, WORD_PAYLOADS, WORD_QUESTIONS,
    WORD_ROWS, WORD_STATES, WORD_SYMBOLS, WORD_TAG, WORD_VALUES,
};
use exportgate_contract::limits::FRAME_WORDS_MAX;
use exportgate_contract::manifest::{Axis, Fact, Read};
use exportgate_contract::types::Type;

use crate::error::EvaluateError;
use crate::frame::cells::{Cell, Cells, Datum};
use crate::frame::symbols::Symbols;
use crate::frame::terms::{Terms, fact_type};
use crate::plan::Plan;

/// The axes in the order in which a frame holds them.
const AXES: [Axis; 4] = [Axis::Job, Axis::Row, Axis::Column, Axis::Cell];

/// A frame, with the room that building it takes; used again and again.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    words: Vec<u64>,
    states: Vec<u8>,
}

impl Frame {
    /// The words of the frame built last.
    pub(crate) fn words(&self) -> &[u64] {
        &self.words
    }

    /// Builds the frame that asks `questions` for `rows`, with `facts` and the `terms` that they are made of.
    ///
    /// # Errors
    ///
    /// [`EvaluateError::FactType`] for a value of another type than its fact's, [`EvaluateError::FrameTooLong`] past the limit.
    pub(crate) fn build<'a>(
        &mut self,
        plan: &'a Plan,
        terms: &Terms<'a>,
        asked: Asked<'_>,
        rows: usize,
        columns: usize,
    ) -> Result<(), EvaluateError> {
        let layout = Layout::new(plan, asked.questions.len(), rows, columns)?;
        self.words.clear();
        self.words.resize(layout.fixed_words, 0);
        self.states.clear();
        self.states.resize(layout.state_words.saturating_mul(8), 0);
        layout.put_missing(plan, &mut self.states);
        let mut symbols = Symbols::new(&plan.constants, &plan.manifest.symbols);
        for fact in asked.facts {
            let Some(place) = layout.place(plan, *fact) else { continue };
            let values = self.words.get_mut(place.values).unwrap_or_default();
            let states = self.states.get_mut(place.states).unwrap_or_default();
            Filler { plan, terms, symbols: &mut symbols, fact: place.fact }.fill(values, states)?;
        }
        let length = layout.fixed_words.saturating_add(symbols.count()).saturating_add(symbols.payload_words());
        if length > FRAME_WORDS_MAX {
            return Err(EvaluateError::FrameTooLong { words: length });
        }
        layout.put_states(&self.states, &mut self.words);
        layout.put_header(asked.questions, rows, columns, symbols.count(), length, &mut self.words);
        symbols.write(&mut self.words);
        Ok(())
    }
}

/// What one call asks: questions, and the facts that they read; both ascending.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) questions: &'a [u32],
    pub(crate) facts: &'a [u32],
}

/// Where each part of a frame stands. Offsets of values are in words from the frame's start, of states in bytes from the
/// first state.
struct Layout {
    points: [usize; 4],
    values: [usize; 4],
    states: [usize; 4],
    state_words: usize,
    states_start: usize,
    fixed_words: usize,
}

/// Where a fact stands.
struct Place<'a> {
    fact: &'a Fact,
    values: Range<usize>,
    states: Range<usize>,
}

impl Layout {
    /// The layout, refused before anything is allocated when it is too long.
    fn new(plan: &Plan, questions: usize, rows: usize, columns: usize) -> Result<Self, EvaluateError> {
        let too_long = || EvaluateError::FrameTooLong { words: usize::MAX };
        let mut points = [0; 4];
        let mut values = [0; 4];
        let mut states = [0; 4];
        let mut next = HEADER_WORDS.saturating_add(questions);
        let mut state_bytes = 0_usize;
        for (place, axis) in AXES.into_iter().enumerate() {
            let count = plan.axis_facts(axis).len();
            let here = axis.points(rows, columns).ok_or_else(too_long)?;
            let cells = count.checked_mul(here).ok_or_else(too_long)?;
            for (slot, value) in
                [(points.get_mut(place), here), (values.get_mut(place), next), (states.get_mut(place), state_bytes)]
            {
                if let Some(slot) = slot {
                    *slot = value;
                }
            }
            next = next.saturating_add(cells);
            state_bytes = state_bytes.saturating_add(cells.div_ceil(8).saturating_mul(8));
        }
        let state_words = state_bytes / 8;
        let fixed_words = next.saturating_add(state_words);
        if fixed_words > FRAME_WORDS_MAX {
            return Err(EvaluateError::FrameTooLong { words: fixed_words });
        }
        Ok(Self { points, values, states, state_words, states_start: next, fixed_words })
    }

    fn place<'a>(&self, plan: &'a Plan, fact: u32) -> Option<Place<'a>> {
        let position = usize::try_from(fact).ok()?;
        let fact = plan.manifest.facts.get(position)?;
        let axis = axis_place(fact.axis);
        let (points, values, states) = (*self.points.get(axis)?, *self.values.get(axis)?, *self.states.get(axis)?);
        let first = (position - plan.axis_facts(fact.axis).start).checked_mul(points)?;
        Some(Place {
            fact,
            values: values + first..values + first + points,
            states: states + first..states + first + points,
        })
    }

    /// Marks every cell as missing: what no question asked for stays so.
    fn put_missing(&self, plan: &Plan, states: &mut [u8]) {
        for ((axis, start), points) in AXES.into_iter().zip(self.states).zip(self.points) {
            let cells = plan.axis_facts(axis).len().saturating_mul(points);
            states.get_mut(start..start + cells).unwrap_or_default().fill(STATE_ERR);
        }
    }

    fn put_states(&self, states: &[u8], words: &mut [u64]) {
        let to = words.get_mut(self.states_start..self.fixed_words).unwrap_or_default();
        for (word, bytes) in to.iter_mut().zip(states.as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*bytes);
        }
    }

    fn put_header(
        &self,
        questions: &[u32],
        rows: usize,
        columns: usize,
        symbols: usize,
        length: usize,
        words: &mut [u64],
    ) {
        let mut put = |word: usize, value: u64| {
            if let Some(slot) = words.get_mut(word) {
                *slot = value;
            }
        };
        put(WORD_TAG, TAG);
        put(WORD_ROWS, widen(rows));
        put(WORD_COLUMNS, widen(columns));
        put(WORD_QUESTIONS, widen(questions.len()));
        put(WORD_SYMBOLS, widen(symbols));
        for (word, start) in WORD_VALUES.into_iter().zip(self.values) {
            put(word, widen(start));
        }
        for (word, start) in WORD_STATES.into_iter().zip(self.states) {
            put(word, widen(self.states_start + start / 8));
        }
        put(WORD_PAYLOADS, widen(self.fixed_words));
        put(WORD_LENGTH, widen(length));
        for (place, question) in questions.iter().enumerate() {
            put(HEADER_WORDS + place, u64::from(*question));
        }
    }
}

/// How many words a frame takes for each row, and without any, payloads and symbols left out.
pub(crate) fn words_estimate(plan: &Plan, columns: usize) -> (usize, usize) {
    let cells = |axis: Axis, points: usize| {
        let values = plan.axis_facts(axis).len().saturating_mul(points);
        values.saturating_add(values.div_ceil(8))
    };
    let fixed = HEADER_WORDS
        .saturating_add(cells(Axis::Job, 1))
        .saturating_add(cells(Axis::Column, columns))
        .saturating_add(plan.manifest.symbols.len());
    (cells(Axis::Row, 1).saturating_add(cells(Axis::Cell, columns)), fixed)
}

fn axis_place(axis: Axis) -> usize {
    match axis {
        Axis::Job => 0,
        Axis::Row => 1,
        Axis::Column => 2,
        Axis::Cell => 3,
    }
}

/// Puts one fact into its place.
struct Filler<'a, 'f> {
    plan: &'a Plan,
    terms: &'f Terms<'a>,
    symbols: &'f mut Symbols<'a>,
    fact: &'a Fact,
}

impl<'a> Filler<'a, '_> {
    fn fill(&mut self, values: &mut [u64], states: &mut [u8]) -> Result<(), EvaluateError> {
        match self.fact.read {
            Read::Value(term) => self.fill_values(term, self.terms.cells(term), values, states),
            Read::State(term) => {
                let cells = self.terms.cells(term);
                for (point, state) in states.iter_mut().enumerate() {
                    *state = state_of(cells.at(point));
                }
                Ok(())
            }
            Read::In { left, right } => self.fill_values(left, &self.terms.is_in(left, right)?, values, states),
            Read::HasTag { of, key } => self.fill_values(of, &self.terms.has_tag(of, key)?, values, states),
        }
    }

    /// `term` is what a message names when a value isn't of the fact's type.
    fn fill_values(
        &mut self,
        term: u32,
        cells: &Cells<'a>,
        values: &mut [u64],
        states: &mut [u8],
    ) -> Result<(), EvaluateError> {
        let slots = values.iter_mut().zip(states.iter_mut());
        match cells {
            Cells::One(cell) => {
                if values.is_empty() {
                    return Ok(());
                }
                let (word, state) = self.word(term, *cell)?;
                values.fill(word);
                states.fill(state);
            }
            Cells::Indexed { cells: distinct, rows, .. } => {
                // Each distinct value is checked and looked up once, and only if it occurs.
                let mut known: Vec<Option<(u64, u8)>> = vec![None; distinct.len()];
                for ((slot, position), point) in slots.zip(*rows).zip(0..) {
                    let position = usize::try_from(*position).unwrap_or(usize::MAX);
                    let (word, state) = match known.get(position).copied().flatten() {
                        Some(found) => found,
                        None => {
                            let found = self.word(term, cells.at(point))?;
                            if let Some(place) = known.get_mut(position) {
                                *place = Some(found);
                            }
                            found
                        }
                    };
                    (*slot.0, *slot.1) = (word, state);
                }
            }
            Cells::Bools(truths) if self.fact.ty == Type::Bool => {
                for (slot, truth) in slots.zip(*truths) {
                    (*slot.0, *slot.1) = truth.map_or((0, STATE_ABSENT), |truth| (u64::from(truth), STATE_VALUE));
                }
            }
            Cells::Longs(numbers) if self.fact.ty == Type::Long => put_numbers(slots, numbers),
            Cells::Datetimes(numbers) if self.fact.ty == Type::Datetime => put_numbers(slots, numbers),
            Cells::Each(_) | Cells::Bools(_) | Cells::Longs(_) | Cells::Datetimes(_) | Cells::Customers(_) => {
                for (point, slot) in slots.enumerate() {
                    (*slot.0, *slot.1) = self.word(term, cells.at(point))?;
                }
            }
        }
        Ok(())
    }

    fn word(&mut self, term: u32, cell: Cell<'a>) -> Result<(u64, u8), EvaluateError> {
        let Cell::Value(datum) = cell else { return Ok((0, state_of(cell))) };
        self.check(term, datum)?;
        let word = self.symbols.word(datum);
        if self.fact.payload {
            self.symbols.add_payload(datum, &self.fact.ty);
        }
        Ok((word, STATE_VALUE))
    }

    fn check(&self, term: u32, datum: Datum<'a>) -> Result<(), EvaluateError> {
        conform::check(datum, &self.fact.ty).map_err(|mismatch| fact_type(&self.plan.manifest, term, mismatch))
    }
}

fn put_numbers<'s>(slots: impl Iterator<Item = (&'s mut u64, &'s mut u8)>, numbers: &[Option<i64>]) {
    for (slot, number) in slots.zip(numbers) {
        (*slot.0, *slot.1) = number.map_or((0, STATE_ABSENT), |number| (number.cast_unsigned(), STATE_VALUE));
    }
}

fn state_of(cell: Cell<'_>) -> u8 {
    match cell {
        Cell::Value(_) => STATE_VALUE,
        Cell::Absent => STATE_ABSENT,
        Cell::Err => STATE_ERR,
    }
}

fn widen(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
