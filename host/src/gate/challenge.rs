//! Finds what would lift a denial: remedies that policies name, checked by asking again with each assumed.
//!
//! First all remedies are assumed at once. If the job would still be denied, nothing helps. Else they are taken away one
//! by one, the last of [`Remedy::ALL`] first, and each without which the job would be denied stays: a set of which every
//! member is needed. It is one such set, not the only one.

use std::collections::BTreeSet;

use exportgate_contract::obligation::Remedy;

use super::answers::Reader;
use super::evaluate::Asking;
use super::words::in_order;
use crate::error::EvaluateError;
use crate::job::Job;

/// How often a job is asked again to find what lifts its denial: each time costs as much as the job itself, at most.
pub(super) const EVALUATIONS_MAX: usize = 16;

/// The remedies that together would let the job leave; none when there are none. What fails on the way finds none: the
/// denial stands, whatever became of the search.
pub(super) fn find(job: &Job, asked: &mut [Asking<'_>]) -> Option<Vec<Remedy>> {
    let candidates: BTreeSet<Remedy> = asked.iter().flat_map(|asking| asking.remedies.iter().copied()).collect();
    let mut kept = in_order(&candidates);
    if kept.is_empty() || !would_allow(job, asked, &kept) {
        return None;
    }
    for (evaluations, remedy) in (2..).zip(kept.clone().into_iter().rev()) {
        if evaluations > EVALUATIONS_MAX {
            break;
        }
        let without: Vec<Remedy> = kept.iter().copied().filter(|other| *other != remedy).collect();
        if !without.is_empty() && would_allow(job, asked, &without) {
            kept = without;
        }
    }
    Some(kept)
}

/// Whether every module would let the job leave, with `remedies` assumed and no policy erring.
fn would_allow(job: &Job, asked: &mut [Asking<'_>], remedies: &[Remedy]) -> bool {
    asked.iter_mut().all(|asking| asking.would_allow(job, remedies).unwrap_or(false))
}

impl Asking<'_> {
    fn would_allow(&mut self, job: &Job, remedies: &[Remedy]) -> Result<bool, EvaluateError> {
        if self.loaded.words.export.is_none() {
            return Ok(true);
        }
        let approvals = self.room.approvals.clone();
        for remedy in remedies {
            self.stated.assume(*remedy, &mut self.room);
        }
        let answer = self.ask_assumed(job, remedies);
        self.stated.restore(&approvals, &mut self.room);
        answer
    }

    fn ask_assumed(&mut self, job: &Job, remedies: &[Remedy]) -> Result<bool, EvaluateError> {
        let words = &self.loaded.words;
        // A tally may read what a remedy changes; then it is counted again, and after that as it was.
        let recount = remedies.iter().any(|remedy| words.tallied_remedies.contains(remedy));
        let counted = recount.then(|| self.room.tallied.clone());
        let answer = if recount && !self.tally(job)?.is_empty() { Ok(false) } else { self.ask_verdict() };
        if let Some(counted) = counted {
            self.room.tallied = counted;
            self.stated.set_tallies(words, &mut self.room);
        }
        answer
    }

    /// Whether the module lets the job leave as things are stated now.
    fn ask_verdict(&mut self) -> Result<bool, EvaluateError> {
        let Self { loaded, agent, session, stated, room, .. } = self;
        let words = &loaded.words;
        let asked = words.export.as_slice();
        let (sheet, facts) = words.export_sheet.of(agent.map(|agent| &agent.verdict));
        stated.with_inputs(words, facts, room, |inputs| session.ask(sheet, asked, inputs))?;
        let reader = Reader::new(loaded.module.plan(), words, asked, session);
        Ok(reader.export()?.is_some_and(|(outcome, allowed)| allowed && outcome.erring.is_empty()))
    }
}
