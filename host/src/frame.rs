//! Builds frames: resolves the facts that questions read, and lays them out as `docs/contract.md` shows.

pub(crate) mod agent;
pub(crate) mod cells;
pub(crate) mod classes;
pub(crate) mod columns;
mod conform;
pub(crate) mod layout;
mod path;
pub(crate) mod resolve;
pub(crate) mod sheet;
pub(crate) mod symbols;
mod world;

use exportgate_contract::frame::STATE_VALUE;
use exportgate_contract::limits::FRAME_WORDS_MAX;
use exportgate_contract::manifest::Axis;

use crate::error::EvaluateError;
use crate::frame::layout::Layout;
use crate::frame::resolve::{Resolver, Target};
use crate::plan::Plan;

/// A frame, with the room that building it takes; used again and again.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    words: Vec<u64>,
    states: Vec<u8>,
    layout: Layout,
}

impl Frame {
    /// The words of the frame built last.
    pub(crate) fn words(&self) -> &[u64] {
        &self.words
    }

    /// How many bytes its room takes.
    pub(crate) fn bytes(&self) -> usize {
        self.words.capacity().saturating_mul(8).saturating_add(self.states.capacity())
    }

    /// Builds the frame of a sheet for `rows`, with room for so many `questions`; none are asked yet. The steps of the job
    /// are resolved.
    ///
    /// # Errors
    ///
    /// [`EvaluateError::FactType`] for a value of another type than its fact's, [`EvaluateError::FrameTooLong`] past the limit.
    pub(crate) fn build(
        &mut self,
        plan: &Plan,
        resolver: &mut Resolver<'_>,
        questions: usize,
        rows: impl ExactSizeIterator<Item = usize> + Clone,
        columns: usize,
    ) -> Result<(), EvaluateError> {
        let layout = Layout::new(plan, questions, rows.len(), columns)?;
        self.layout = layout;
        self.words.clear();
        self.words.resize(layout.fixed_words, 0);
        self.states.clear();
        self.states.resize(layout.state_bytes(), 0);
        layout.put_missing(&mut self.states);
        resolver.symbols.clear();
        let mut target = Target { layout: &layout, words: &mut self.words, states: &mut self.states };
        resolver.put_job(&mut target)?;
        resolver.put_columns(&mut target)?;
        resolver.put_rows(rows, &mut target)?;
        let symbols = &resolver.symbols;
        let directory_first = symbols.directory_first(plan.manifest.contract);
        let directory = symbols.count().saturating_sub(directory_first);
        let length = layout.fixed_words.saturating_add(directory).saturating_add(symbols.payload_words());
        if length > FRAME_WORDS_MAX {
            return Err(EvaluateError::FrameTooLong { words: length });
        }
        layout.put_states(&self.states, &mut self.words);
        layout.put_header(symbols.count(), directory_first, length, &mut self.words);
        symbols.write(directory_first, &mut self.words);
        Ok(())
    }

    /// Asks these questions of the frame built last, whose sheet has them.
    pub(crate) fn ask(&mut self, questions: impl ExactSizeIterator<Item = u32>) {
        self.layout.put_questions(questions, &mut self.words);
    }

    /// How many rows and columns the frame built last has.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.layout.rows, self.layout.columns)
    }

    /// Sets the job fact that is number `place` to a number.
    pub(crate) fn set_number(&mut self, place: usize, number: i64) {
        let at = self.layout.cell(Axis::Job, place, 0);
        self.layout.put_cell(at, number.cast_unsigned(), STATE_VALUE, &mut self.words);
    }
}

/// An empty list with the room of a used one, whose elements may borrow from something else.
pub(crate) fn recycle<A, B>(mut used: Vec<A>) -> Vec<B> {
    used.clear();
    // Collecting in place keeps the room, since both kinds of elements take the same; the tests count allocations.
    used.into_iter().filter_map(|_| None).collect()
}
