//! Where each part of a frame stands.

use exportgate_contract::frame::{
    HEADER_WORDS, STATE_ERR, TAG, WORD_COLUMNS, WORD_DIRECTORY_FIRST, WORD_LENGTH, WORD_PAYLOADS, WORD_QUESTIONS,
    WORD_ROWS, WORD_STATES, WORD_SYMBOLS, WORD_TAG, WORD_VALUES,
};
use exportgate_contract::limits::FRAME_WORDS_MAX;
use exportgate_contract::manifest::Axis;

use crate::error::EvaluateError;
use crate::plan::Plan;

/// The axes in the order in which a frame holds them.
const AXES: [Axis; 4] = [Axis::Job, Axis::Row, Axis::Column, Axis::Cell];

/// Where each part of a frame stands. Offsets of values are in words from the frame's start, of states in bytes from the
/// first state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    /// Room for the ids of questions: as many as are ever asked of one frame.
    questions: usize,
    points: [usize; 4],
    values: [usize; 4],
    states: [usize; 4],
    /// Cells of each axis.
    cells: [usize; 4],
    states_start: usize,
    pub(crate) fixed_words: usize,
}

impl Layout {
    /// The layout for up to so many `questions`, refused before anything is allocated when it is too long.
    ///
    /// # Errors
    ///
    /// [`EvaluateError::FrameTooLong`].
    pub(crate) fn new(plan: &Plan, questions: usize, rows: usize, columns: usize) -> Result<Self, EvaluateError> {
        let too_long = || EvaluateError::FrameTooLong { words: usize::MAX };
        let mut layout = Self { rows, columns, questions, ..Self::default() };
        let mut next = HEADER_WORDS.saturating_add(questions);
        let mut state_bytes = 0_usize;
        let places = layout.points.iter_mut().zip(&mut layout.values).zip(&mut layout.states).zip(&mut layout.cells);
        for ((((points, values), states), cells), axis) in places.zip(AXES) {
            let here = axis.points(rows, columns).ok_or_else(too_long)?;
            *points = here;
            *values = next;
            *states = state_bytes;
            *cells = plan.axis_facts(axis).len().checked_mul(here).ok_or_else(too_long)?;
            next = next.saturating_add(*cells);
            state_bytes = state_bytes.saturating_add(cells.div_ceil(8).saturating_mul(8));
        }
        layout.states_start = next;
        layout.fixed_words = next.saturating_add(state_bytes / 8);
        if layout.fixed_words > FRAME_WORDS_MAX {
            return Err(EvaluateError::FrameTooLong { words: layout.fixed_words });
        }
        Ok(layout)
    }

    /// How many bytes all states take, padding included.
    pub(crate) fn state_bytes(&self) -> usize {
        (self.fixed_words - self.states_start).saturating_mul(8)
    }

    /// Where the value and the state of a cell stand: of the fact that is number `place` of its axis, at `point`.
    pub(crate) fn cell(&self, axis: Axis, place: usize, point: usize) -> (usize, usize) {
        let number = match axis {
            Axis::Job => 0,
            Axis::Row => 1,
            Axis::Column => 2,
            Axis::Cell => 3,
        };
        let at = |list: &[usize; 4]| list.get(number).copied().unwrap_or(usize::MAX);
        // INVARIANT: all cells together are fewer than the words of a frame. What is outside is put nowhere.
        let offset = place.wrapping_mul(at(&self.points)).wrapping_add(point);
        (at(&self.values).wrapping_add(offset), at(&self.states).wrapping_add(offset))
    }

    /// Marks every cell as missing: what no question asked for stays so.
    pub(crate) fn put_missing(&self, states: &mut [u8]) {
        for (start, cells) in self.states.into_iter().zip(self.cells) {
            states.get_mut(start..start + cells).unwrap_or_default().fill(STATE_ERR);
        }
    }

    /// Packs the states into their words.
    pub(crate) fn put_states(&self, states: &[u8], words: &mut [u64]) {
        let to = words.get_mut(self.states_start..self.fixed_words).unwrap_or_default();
        for (word, bytes) in to.iter_mut().zip(states.as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*bytes);
        }
    }

    /// Sets one value and its state in words that are complete.
    pub(crate) fn put_cell(&self, at: (usize, usize), value: u64, state: u8, words: &mut [u64]) {
        let (value_at, state_at) = at;
        if let Some(word) = words.get_mut(value_at) {
            *word = value;
        }
        if let Some(word) = words.get_mut(self.states_start.saturating_add(state_at / 8)) {
            let mut bytes = word.to_le_bytes();
            if let Some(byte) = bytes.get_mut(state_at % 8) {
                *byte = state;
            }
            *word = u64::from_le_bytes(bytes);
        }
    }

    /// The header of a frame with so many symbols and words, without questions.
    pub(crate) fn put_header(&self, symbols: usize, directory_first: usize, length: usize, words: &mut [u64]) {
        let mut put = |word: usize, value: usize| {
            if let Some(slot) = words.get_mut(word) {
                *slot = widen(value);
            }
        };
        put(WORD_ROWS, self.rows);
        put(WORD_COLUMNS, self.columns);
        put(WORD_SYMBOLS, symbols);
        put(WORD_DIRECTORY_FIRST, directory_first);
        for (word, start) in WORD_VALUES.into_iter().zip(self.values) {
            put(word, start);
        }
        for (word, start) in WORD_STATES.into_iter().zip(self.states) {
            put(word, self.states_start + start / 8);
        }
        put(WORD_PAYLOADS, self.fixed_words);
        put(WORD_LENGTH, length);
        if let Some(tag) = words.get_mut(WORD_TAG) {
            *tag = TAG;
        }
    }

    /// Puts the questions that are asked; there is room for them.
    pub(crate) fn put_questions(&self, questions: impl ExactSizeIterator<Item = u32>, words: &mut [u64]) {
        if let Some(count) = words.get_mut(WORD_QUESTIONS) {
            *count = widen(questions.len());
        }
        let room = words.get_mut(HEADER_WORDS..HEADER_WORDS.saturating_add(self.questions)).unwrap_or_default();
        let ids = questions.map(u64::from).chain(std::iter::repeat(0));
        room.iter_mut().zip(ids).for_each(|(word, id)| *word = id);
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

fn widen(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
