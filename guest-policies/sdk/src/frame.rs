//! A frame, checked as a whole and then read: `docs/contract.md` shows it word by word.
//!
//! After [`Frame::parse`] every cell of a fact that was asked for, every payload and every question is known to keep the
//! layout, so that reading can't fail. What breaks the layout is an error, never a guess.

use alloc::vec::Vec;
use core::fmt;

use exportgate_contract::frame::{
    HEADER_WORDS, STATE_ABSENT, STATE_ERR, STATE_VALUE, TAG, WORD_COLUMNS, WORD_DIRECTORY_FIRST, WORD_LENGTH,
    WORD_PAYLOADS, WORD_QUESTIONS, WORD_ROWS, WORD_STATES, WORD_SYMBOLS, WORD_TAG, WORD_VALUES,
};
use exportgate_contract::limits::FRAME_WORDS_MAX;
use exportgate_contract::manifest::Axis;

use crate::cell::{Cell, CellType};
use crate::payload::{self, IpValue, RecordValue, SetValue, TextValue};
use crate::table::{Fact, Kind, QuestionEntry, QuestionId, Symbol, Table};

/// How a frame or an answer breaks the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// A header word isn't what it must be; its position.
    Header(usize),
    /// The frame is longer than [`FRAME_WORDS_MAX`].
    Length,
    /// A part of the frame begins before the one before it ends, or ends after the frame; the header word of its start.
    Part(usize),
    /// The ids of the questions asked don't ascend, or the manifest has no such question.
    Questions,
    /// A cell of this fact has a state or value that its kind doesn't have, or lacks the payload that the manifest asks for.
    Cell(u32),
    /// The payload of this symbol isn't one.
    Payload(u64),
    /// The policy answered with a policy that the question doesn't list, or that it named twice.
    Outcome(u32),
    /// The answer would be longer than the contract allows.
    AnswerLength,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(word) => write!(f, "word {word} of the frame's header isn't what the contract says"),
            Self::Length => f.write_str("the frame is longer than the contract allows"),
            Self::Part(word) => write!(f, "the part of the frame that header word {word} names is out of place"),
            Self::Questions => f.write_str("the frame asks a question that the manifest doesn't have, or one twice"),
            Self::Cell(fact) => write!(f, "a cell of fact {fact} holds what its type doesn't have"),
            Self::Payload(symbol) => write!(f, "the payload of symbol {symbol} isn't one"),
            Self::Outcome(policy) => {
                write!(f, "policy {policy} can't be in an outcome of this question, or is in it twice")
            }
            Self::AnswerLength => f.write_str("the answer would be longer than the contract allows"),
        }
    }
}

impl core::error::Error for FrameError {}

/// A frame that keeps the layout.
#[derive(Debug)]
pub struct Frame<'a> {
    pub(crate) words: &'a [u64],
    table: Table<'a>,
    rows: usize,
    columns: usize,
    symbols: u64,
    values: [usize; 4],
    states: [usize; 4],
    pub(crate) payloads: usize,
    questions: Vec<QuestionId>,
}

/// One point of one question: where a policy is asked.
#[derive(Clone, Copy, Debug)]
pub struct Point<'a> {
    frame: &'a Frame<'a>,
    question: QuestionId,
    entry: &'a QuestionEntry<'a>,
    row: usize,
    column: usize,
}

impl<'a> Frame<'a> {
    /// Checks a frame against the layout and the manifest.
    ///
    /// # Errors
    ///
    /// [`FrameError`], by what is wrong.
    pub fn parse(words: &'a [u64], table: Table<'a>) -> Result<Self, FrameError> {
        if words.len() > FRAME_WORDS_MAX {
            return Err(FrameError::Length);
        }
        let header = |word: usize| words.get(word).copied().ok_or(FrameError::Header(word));
        let number = |word: usize| usize::try_from(header(word)?).map_err(|_| FrameError::Header(word));
        if header(WORD_TAG)? != TAG {
            return Err(FrameError::Header(WORD_TAG));
        }
        if number(WORD_LENGTH)? != words.len() {
            return Err(FrameError::Header(WORD_LENGTH));
        }
        if header(WORD_DIRECTORY_FIRST)? != 0 {
            return Err(FrameError::Header(WORD_DIRECTORY_FIRST));
        }
        let symbols = header(WORD_SYMBOLS)?;
        if symbols < table.symbols.len() as u64 {
            return Err(FrameError::Header(WORD_SYMBOLS));
        }
        let mut frame = Self {
            words,
            table,
            rows: number(WORD_ROWS)?,
            columns: number(WORD_COLUMNS)?,
            symbols,
            values: [0; 4],
            states: [0; 4],
            payloads: 0,
            questions: Vec::new(),
        };
        frame.place_parts(number(WORD_QUESTIONS)?, number)?;
        frame.check_payloads()?;
        frame.check_cells()?;
        Ok(frame)
    }

    /// Finds the parts, each after the one before and none beyond the end, and reads the questions asked.
    fn place_parts(
        &mut self,
        questions: usize,
        number: impl Fn(usize) -> Result<usize, FrameError>,
    ) -> Result<(), FrameError> {
        let asked = HEADER_WORDS
            .checked_add(questions)
            .and_then(|end| self.words.get(HEADER_WORDS..end))
            .ok_or(FrameError::Questions)?;
        for &id in asked {
            let id = u32::try_from(id).map_err(|_| FrameError::Questions)?;
            let known = (id as usize) < self.table.questions.len();
            if !known || self.questions.last().is_some_and(|last| last.0 >= id) {
                return Err(FrameError::Questions);
            }
            self.questions.push(QuestionId(id));
        }
        let mut end = HEADER_WORDS + asked.len();
        let mut counts = [0_usize; 4];
        for (place, axis) in [Axis::Job, Axis::Row, Axis::Column, Axis::Cell].into_iter().enumerate() {
            let facts = self.table.facts.iter().filter(|fact| fact.axis == axis).count();
            let cells = axis.points(self.rows, self.columns).and_then(|points| points.checked_mul(facts));
            *counts.get_mut(place).ok_or(FrameError::Length)? = cells.ok_or(FrameError::Length)?;
        }
        let values = WORD_VALUES.into_iter().zip(counts);
        let states = WORD_STATES.into_iter().zip(counts.map(|cells| cells.div_ceil(8)));
        let directory = usize::try_from(self.symbols).map_err(|_| FrameError::Header(WORD_SYMBOLS))?;
        let mut starts = [0; 9];
        let parts = values.chain(states).chain([(WORD_PAYLOADS, directory)]);
        for (start, (word, length)) in starts.iter_mut().zip(parts) {
            *start = number(word)?;
            if *start < end {
                return Err(FrameError::Part(word));
            }
            end = start.checked_add(length).filter(|end| *end <= self.words.len()).ok_or(FrameError::Part(word))?;
        }
        let [v0, v1, v2, v3, s0, s1, s2, s3, payloads] = starts;
        (self.values, self.states, self.payloads) = ([v0, v1, v2, v3], [s0, s1, s2, s3], payloads);
        Ok(())
    }

    fn check_payloads(&self) -> Result<(), FrameError> {
        for symbol in 0..self.symbols {
            if let Some(start) = self.payload_start(symbol) {
                payload::check(self, start).map_err(|()| FrameError::Payload(symbol))?;
            }
        }
        Ok(())
    }

    /// Checks the cells of the facts that the questions asked read; cells of other facts may hold anything.
    fn check_cells(&self) -> Result<(), FrameError> {
        let mut asked: Vec<bool> = alloc::vec![false; self.table.facts.len()];
        for entry in self.questions.iter().filter_map(|id| self.table.questions.get(id.0 as usize)) {
            for &fact in entry.facts {
                *asked.get_mut(fact as usize).ok_or(FrameError::Cell(fact))? = true;
            }
        }
        let mut places = [0_usize; 4];
        for (index, (fact, asked)) in self.table.facts.iter().zip(asked).enumerate() {
            let place = places.get_mut(fact.axis as usize).ok_or(FrameError::Length)?;
            let points = fact.axis.points(self.rows, self.columns).ok_or(FrameError::Length)?;
            let fits = |at: usize| match self.at(fact.axis, at) {
                (STATE_VALUE, word) => self.fits(fact.kind, fact.payload, word),
                (STATE_ABSENT | STATE_ERR, word) => word == 0,
                _ => false,
            };
            if asked && !(*place * points..(*place + 1) * points).all(fits) {
                return Err(FrameError::Cell(u32::try_from(index).unwrap_or(u32::MAX)));
            }
            *place += 1;
        }
        Ok(())
    }

    fn fits(&self, kind: Kind, payload: bool, word: u64) -> bool {
        match kind {
            Kind::State => word == 0,
            Kind::Bool => word <= 1,
            Kind::Long | Kind::Decimal | Kind::Datetime | Kind::Duration => true,
            Kind::Text | Kind::Entity | Kind::Ip | Kind::Set | Kind::Record => {
                word < self.symbols && (!payload || kind == Kind::Entity || payload::is(self, word, kind))
            }
        }
    }

    /// Where the payload of a symbol begins; none if it has none.
    pub(crate) fn payload_start(&self, symbol: u64) -> Option<usize> {
        let entry = usize::try_from(symbol).ok().and_then(|symbol| self.payloads.checked_add(symbol))?;
        let start = self.words.get(entry).copied().filter(|start| symbol < self.symbols && *start != 0)?;
        usize::try_from(start).ok()
    }

    /// State and value of the cell `at` its axis; ERR beyond the end, where no cell that was checked lies.
    fn at(&self, axis: Axis, at: usize) -> (u8, u64) {
        let start = |starts: &[usize; 4]| starts.get(axis as usize).copied().unwrap_or(usize::MAX);
        let word = |start: usize, at: usize| start.checked_add(at).and_then(|at| self.words.get(at)).copied();
        match (word(start(&self.states), at / 8), word(start(&self.values), at)) {
            (Some(states), Some(value)) => ((states >> (at % 8 * 8)) as u8, value),
            _ => (STATE_ERR, 0),
        }
    }

    /// What the manifest says.
    pub fn table(&self) -> Table<'a> {
        self.table
    }

    /// How many rows (customers) the frame has.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many columns (fields) the frame has.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// How many symbols there are, the constants of the manifest first.
    pub fn symbols(&self) -> u64 {
        self.symbols
    }

    /// The questions asked, ascending.
    pub fn questions(&self) -> &[QuestionId] {
        &self.questions
    }

    /// Calls `visit` for each point of a question, in the order in which the answer lists them.
    pub fn each_point<'s>(&'s self, question: QuestionId, mut visit: impl FnMut(&Point<'s>)) {
        let Some(entry) = self.table.questions.get(question.0 as usize) else { return };
        let (rows, columns) = match entry.axis {
            Axis::Job => (1, 1),
            Axis::Row => (self.rows, 1),
            Axis::Column => (1, self.columns),
            Axis::Cell => (self.rows, self.columns),
        };
        for row in 0..rows {
            for column in 0..columns {
                visit(&Point { frame: self, question, entry, row, column });
            }
        }
    }

    /// The string that a symbol stands for.
    pub fn text(&self, symbol: Symbol) -> TextValue<'_> {
        TextValue::new(self, symbol)
    }

    /// The address that a symbol stands for.
    pub fn ip(&self, symbol: Symbol) -> IpValue<'_> {
        IpValue::new(self, symbol)
    }

    /// The set that a symbol stands for.
    pub fn set(&self, symbol: Symbol) -> SetValue<'_> {
        SetValue::new(self, symbol)
    }

    /// The record that a symbol stands for.
    pub fn record(&self, symbol: Symbol) -> RecordValue<'_> {
        RecordValue::new(self, symbol)
    }

    /// The value of a job fact, before any point is answered.
    ///
    /// Traps for a fact on another axis.
    pub fn read<'s, T: CellType>(&'s self, fact: Fact<T>) -> Cell<T::Value<'s>> {
        if fact.axis != Axis::Job {
            crate::trap("a fact that varies is read at a point");
        }
        self.cell(fact, 0, 0)
    }

    fn cell<'s, T: CellType>(&'s self, fact: Fact<T>, row: usize, column: usize) -> Cell<T::Value<'s>> {
        match self.word(fact.axis, fact.place as usize, row, column) {
            Cell::Value(word) => Cell::Value(T::value(self, word)),
            Cell::Absent => Cell::Absent,
            Cell::Err => Cell::Err,
        }
    }

    fn word(&self, axis: Axis, place: usize, row: usize, column: usize) -> Cell<u64> {
        let at = match axis {
            Axis::Job => place,
            Axis::Row => place * self.rows + row,
            Axis::Column => place * self.columns + column,
            Axis::Cell => (place * self.rows + row) * self.columns + column,
        };
        match self.at(axis, at) {
            (STATE_VALUE, word) => Cell::Value(word),
            (STATE_ABSENT, _) => Cell::Absent,
            _ => Cell::Err,
        }
    }
}

impl<'a> Point<'a> {
    /// Which question is asked.
    pub fn question(&self) -> QuestionId {
        self.question
    }

    /// What the manifest says of the question.
    pub fn entry(&self) -> &'a QuestionEntry<'a> {
        self.entry
    }

    /// The frame.
    pub fn frame(&self) -> &'a Frame<'a> {
        self.frame
    }

    /// The row; 0 where the question doesn't vary over rows.
    pub fn row(&self) -> usize {
        self.row
    }

    /// The column; 0 where the question doesn't vary over columns.
    pub fn column(&self) -> usize {
        self.column
    }

    /// The value of a fact at this point.
    ///
    /// Traps for a fact that the question doesn't list in the manifest: its cells hold nothing.
    pub fn read<T: CellType>(&self, fact: Fact<T>) -> Cell<T::Value<'a>> {
        if self.entry.facts.binary_search(&fact.index).is_err() {
            crate::trap("the question doesn't list this fact in the manifest");
        }
        self.frame.cell(fact, self.row, self.column)
    }

    /// The word of a fact at this point, for guests that get their manifest while they run.
    ///
    /// Traps for a fact that the question doesn't list in the manifest.
    pub fn word(&self, fact: u32) -> Cell<u64> {
        let entry = self.frame.table.facts.get(fact as usize);
        match (entry, self.entry.facts.binary_search(&fact)) {
            (Some(entry), Ok(_)) => {
                let place = self.frame.table.place(fact as usize);
                self.frame.word(entry.axis, place as usize, self.row, self.column)
            }
            _ => crate::trap("the question doesn't list this fact in the manifest"),
        }
    }
}

#[cfg(test)]
mod tests;
