//! What a policy says at a point, and the words of the whole answer.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use exportgate_contract::answer::{HEADER_WORDS, TAG};
use exportgate_contract::limits::ANSWER_WORDS_MAX;

use crate::cell::Erred;
use crate::frame::FrameError;
use crate::table::PolicyIdx;

/// Which policies were satisfied, and which erred, at a point.
///
/// The host derives the decision: a forbid that is satisfied denies, else a permit that is satisfied allows, else it is
/// denied; and it denies wherever a policy erred.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Outcome {
    satisfied: Vec<u32>,
    erring: Vec<u32>,
}

impl Outcome {
    /// Says how a policy came out: satisfied, not satisfied, or erring.
    pub fn add(&mut self, policy: PolicyIdx, result: Result<bool, Erred>) {
        match result {
            Ok(true) => self.satisfied.push(policy.0),
            Ok(false) => {}
            Err(Erred) => self.erring.push(policy.0),
        }
    }

    /// Says that a policy was satisfied.
    pub fn satisfied(&mut self, policy: PolicyIdx) {
        self.satisfied.push(policy.0);
    }

    /// Says that a policy erred.
    pub fn erring(&mut self, policy: PolicyIdx) {
        self.erring.push(policy.0);
    }

    /// Sorts both lists, and refuses a policy that the question doesn't list, or that stands in them twice.
    fn check(&mut self, policies: &[u32]) -> Result<(), FrameError> {
        self.satisfied.sort_unstable();
        self.erring.sort_unstable();
        for list in [&self.satisfied, &self.erring] {
            let twice = list.array_windows().find(|[a, b]| a == b).map(|[a, _]| *a);
            let unlisted = list.iter().copied().find(|policy| policies.binary_search(policy).is_err());
            if let Some(policy) = twice.or(unlisted) {
                return Err(FrameError::Outcome(policy));
            }
        }
        match self.satisfied.iter().find(|policy| self.erring.binary_search(policy).is_ok()) {
            Some(&policy) => Err(FrameError::Outcome(policy)),
            None => Ok(()),
        }
    }
}

/// The outcomes at all points so far; equal outcomes are kept once.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    outcomes: BTreeMap<Outcome, u32>,
    last: Option<(Outcome, u32)>,
    points: Vec<u32>,
}

impl Answer {
    /// Adds the outcome at the next point.
    pub(crate) fn push(&mut self, mut outcome: Outcome, policies: &[u32]) -> Result<(), FrameError> {
        outcome.check(policies)?;
        if self.points.len() >= ANSWER_WORDS_MAX {
            return Err(FrameError::AnswerLength);
        }
        let index = match &self.last {
            Some((last, index)) if *last == outcome => *index,
            _ => {
                let next = u32::try_from(self.outcomes.len()).map_err(|_| FrameError::AnswerLength)?;
                let index = *self.outcomes.entry(outcome.clone()).or_insert(next);
                self.last = Some((outcome, index));
                index
            }
        };
        self.points.push(index);
        Ok(())
    }

    /// The words of the answer.
    pub(crate) fn finish(self) -> Result<Vec<u32>, FrameError> {
        let mut ordered: Vec<(&Outcome, u32)> =
            self.outcomes.iter().map(|(outcome, index)| (outcome, *index)).collect();
        ordered.sort_unstable_by_key(|(_, index)| *index);
        let listed: usize = ordered.iter().map(|(outcome, _)| 2 + outcome.satisfied.len() + outcome.erring.len()).sum();
        let length = HEADER_WORDS + listed + self.points.len();
        if length > ANSWER_WORDS_MAX {
            return Err(FrameError::AnswerLength);
        }
        let count = |n: usize| u32::try_from(n).map_err(|_| FrameError::AnswerLength);
        let mut words = Vec::with_capacity(length);
        words.extend([TAG, count(ordered.len())?]);
        for (outcome, _) in ordered {
            words.extend([count(outcome.satisfied.len())?, count(outcome.erring.len())?]);
            words.extend(outcome.satisfied.iter().chain(&outcome.erring));
        }
        words.extend(self.points);
        Ok(words)
    }
}
