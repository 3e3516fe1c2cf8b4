//! What was taken: decisions that let something out, less what didn't leave after all.
//!
//! An answer comes after its decision. So a decision waits, with its customers, until its commit or cancel comes by, or its
//! permit has long expired; an answer that never comes means that everything left.

use std::collections::{BTreeMap, BTreeSet};

use crate::customer::CustomerHash;
use crate::entry::{Decision, Entry, Event, Form, Rows, Run};
use crate::log::{LogError, walk};
use crate::prune::Prefix;
use crate::records::Records;

/// Customers of decisions that wait for their answer, at most. Beyond, the oldest decisions count as taken.
pub const WAITING_CUSTOMERS_MAX: u64 = 4_000_000;
/// How long after a permit has expired its answer is still waited for, in milliseconds.
const GRACE_MS: i64 = 3_600_000;

/// What a job took.
#[derive(Clone, Copy, Debug)]
pub struct Taking<'a> {
    /// The decision.
    pub decision: &'a Decision,
    /// When it was decided, in milliseconds since 1970.
    pub time_ms: i64,
    /// The customers, by the forms in which their fields left.
    pub runs: &'a [Run],
    /// Whether somebody said what left; else everything counts as taken.
    pub answered: bool,
}

/// What a pass over the log saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Entries.
    pub entries: u64,
    /// Entries that couldn't be read: run `verify`.
    pub unreadable: u64,
    /// Decisions that were asked for.
    pub decisions: u64,
    /// Those of them that let nothing out.
    pub refused: u64,
    /// Jobs that were cancelled: nothing left.
    pub cancelled: u64,
    /// Jobs that nobody answered: all of it counts as taken.
    pub unanswered: u64,
    /// The check value of the customer key of each epoch, as the log announces it.
    pub epochs: BTreeMap<u32, [u8; 16]>,
    /// Epochs under whose keys customers were taken.
    pub epochs_used: Vec<u32>,
}

/// A decision that waits for its answer.
struct Waiting {
    decision: Decision,
    time_ms: i64,
    runs: Vec<Run>,
}

impl Waiting {
    fn customers(&self) -> u64 {
        self.runs.iter().fold(0, |sum, run| sum.saturating_add(u64::try_from(run.customers.len()).unwrap_or(u64::MAX)))
    }
}

/// Where the customers that come by belong.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Next {
    Nobody,
    Decision(u64),
    /// To a commit that states which of the customers left; they replace those of the decision.
    Commit(u64, Vec<Run>, u32),
}

/// Goes through the log and hands to `each` what was taken by the decisions that `wanted` wants, given the decision and its
/// time.
///
/// # Errors
///
/// As [`walk`].
pub fn takings(
    records: &dyn Records,
    prefix: &Prefix,
    wanted: &dyn Fn(&Decision, i64) -> bool,
    each: &mut dyn FnMut(&Taking<'_>),
) -> Result<Seen, LogError> {
    let mut pass = Pass {
        wanted,
        each,
        seen: Seen::default(),
        waiting: BTreeMap::new(),
        by_job: BTreeMap::new(),
        customers: 0,
        next: Next::Nobody,
    };
    let size = records.size()?;
    walk(records, prefix, size, &mut |index, record| pass.take(index, record))?;
    Ok(pass.finish())
}

struct Pass<'a> {
    wanted: &'a dyn Fn(&Decision, i64) -> bool,
    each: &'a mut dyn FnMut(&Taking<'_>),
    seen: Seen,
    /// By index.
    waiting: BTreeMap<u64, Waiting>,
    /// The index of the decision of each job that waits.
    by_job: BTreeMap<String, u64>,
    customers: u64,
    next: Next,
}

impl Pass<'_> {
    fn take(&mut self, index: u64, record: &[u8]) {
        self.seen.entries = self.seen.entries.saturating_add(1);
        let Ok(entry) = Entry::from_bytes(record) else {
            self.seen.unreadable = self.seen.unreadable.saturating_add(1);
            return;
        };
        if let Event::Rows(rows) = entry.event {
            return self.rows(rows);
        }
        self.next = Next::Nobody;
        match entry.event {
            Event::Decision(decision) => self.decision(index, entry.time_ms, *decision),
            Event::Commit(commit) => match (self.by_job.get(&commit.job).copied(), commit.rows) {
                (Some(at), Some(sum)) if sum.parts > 0 => self.next = Next::Commit(at, Vec::new(), sum.parts),
                (Some(at), Some(_)) => self.replace(at, &[]),
                (Some(at), None) => self.release(at, true),
                // It wasn't wanted, or it comes so late that all of it counts as taken.
                (None, _) => {}
            },
            Event::Cancel(cancel) => {
                let waiting = self.by_job.get(&cancel.job).copied().and_then(|at| self.drop_waiting(at));
                self.seen.cancelled = self.seen.cancelled.saturating_add(u64::from(waiting.is_some()));
            }
            Event::CustomerKey(key) => {
                self.seen.epochs.insert(key.epoch, key.check);
            }
            Event::Rows(_) | Event::Approval(_) | Event::Revocation(_) | Event::Rotation(_) | Event::Pruning(_) => {}
        }
        self.release_old(entry.time_ms);
    }

    fn decision(&mut self, index: u64, time_ms: i64, decision: Decision) {
        if !(self.wanted)(&decision, time_ms) {
            return;
        }
        self.seen.decisions = self.seen.decisions.saturating_add(1);
        if !decision.is_allow() {
            self.seen.refused = self.seen.refused.saturating_add(1);
            return;
        }
        if !self.seen.epochs_used.contains(&decision.rows.epoch) {
            self.seen.epochs_used.push(decision.rows.epoch);
        }
        // Asked again before its permit was used, a job lets out once.
        if let Some(before) = self.by_job.insert(decision.job.clone(), index) {
            self.drop_waiting(before);
        }
        self.waiting.insert(index, Waiting { decision, time_ms, runs: Vec::new() });
        self.next = Next::Decision(index);
    }

    fn rows(&mut self, rows: Rows) {
        let count = rows.customers();
        match &mut self.next {
            Next::Nobody => {}
            Next::Decision(at) => {
                if let Some(waiting) = self.waiting.get_mut(at) {
                    waiting.runs.extend(rows.runs);
                    self.customers = self.customers.saturating_add(count);
                }
            }
            Next::Commit(at, runs, left) => {
                runs.extend(rows.runs);
                *left = left.saturating_sub(1);
                if *left == 0 {
                    let (at, runs) = (*at, std::mem::take(runs));
                    self.next = Next::Nobody;
                    self.replace(at, &runs);
                }
            }
        }
    }

    /// Only these customers left, in the forms that were decided.
    fn replace(&mut self, at: u64, runs: &[Run]) {
        if let Some(waiting) = self.waiting.get_mut(&at) {
            let before = waiting.customers();
            let left: BTreeSet<&CustomerHash> = runs.iter().flat_map(|run| &run.customers).collect();
            for run in &mut waiting.runs {
                run.customers.retain(|customer| left.contains(customer));
            }
            self.customers = self.customers.saturating_sub(before).saturating_add(waiting.customers());
        }
        self.release(at, true);
    }

    fn drop_waiting(&mut self, at: u64) -> Option<Waiting> {
        let waiting = self.waiting.remove(&at)?;
        if self.by_job.get(&waiting.decision.job) == Some(&at) {
            self.by_job.remove(&waiting.decision.job);
        }
        self.customers = self.customers.saturating_sub(waiting.customers());
        Some(waiting)
    }

    fn release(&mut self, at: u64, answered: bool) {
        if let Some(Waiting { decision, time_ms, mut runs }) = self.drop_waiting(at) {
            // A customer who was included with no field is in the log, and wasn't taken.
            runs.retain(|run| !run.customers.is_empty() && run.forms.iter().any(|form| *form > Form::Suppressed));
            if !answered {
                self.seen.unanswered = self.seen.unanswered.saturating_add(1);
            }
            (self.each)(&Taking { decision: &decision, time_ms, runs: &runs, answered });
        }
    }

    /// Releases what isn't waited for any longer.
    fn release_old(&mut self, now_ms: i64) {
        while let Some((at, oldest)) = self.waiting.first_key_value() {
            let expired = oldest.decision.expires_ms.saturating_add(GRACE_MS) < now_ms;
            let filling = self.next == Next::Decision(*at);
            if filling || !(expired || self.customers > WAITING_CUSTOMERS_MAX) {
                break;
            }
            let at = *at;
            self.release(at, false);
        }
    }

    fn finish(mut self) -> Seen {
        while let Some(at) = self.waiting.keys().next().copied() {
            self.release(at, false);
        }
        self.seen.epochs_used.sort_unstable();
        self.seen
    }
}
