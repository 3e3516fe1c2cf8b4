//! Whether the customers that follow a decision or commit are the ones it lists.

use sha2::{Digest, Sha256};

use crate::customer::CustomerHash;
use crate::entry::{Entry, Event, Form, Rows, RowsSum};

/// What is still to come of the customers of one decision or commit.
#[derive(Debug)]
struct Awaited {
    job: String,
    sum: RowsSum,
    parts: u32,
    customers: u64,
    digest: Sha256,
    last: Option<(Vec<Form>, CustomerHash)>,
}

/// Follows entries, and checks the customers among them.
#[derive(Debug)]
pub(super) struct Follower {
    awaited: Option<Awaited>,
    /// Whether customers may come whose decision isn't known: after a gap, or at the start of a log whose beginning was dropped.
    lost: bool,
}

impl Follower {
    pub(super) fn new(lost: bool) -> Self {
        Self { awaited: None, lost }
    }

    /// The entry before isn't known.
    pub(super) fn lose(&mut self) {
        self.awaited = None;
        self.lost = true;
    }

    /// Takes the next entry. Returns what is wrong.
    pub(super) fn take(&mut self, entry: &Entry) -> Vec<&'static str> {
        if let Event::Rows(rows) = &entry.event {
            return self.rows(rows).into_iter().collect();
        }
        let mut wrong: Vec<&'static str> = self.end().into_iter().collect();
        self.lost = false;
        let (job, sum) = match &entry.event {
            Event::Decision(decision) => (&decision.job, decision.rows),
            Event::Commit(commit) => (&commit.job, commit.rows.unwrap_or_default()),
            _ => return wrong,
        };
        if sum.parts > 0 {
            self.awaited =
                Some(Awaited { job: job.clone(), sum, parts: 0, customers: 0, digest: Sha256::new(), last: None });
        } else if sum.customers > 0 {
            wrong.push("customers are counted and none listed");
        }
        wrong
    }

    fn rows(&mut self, rows: &Rows) -> Option<&'static str> {
        let Some(awaited) = &mut self.awaited else {
            return (!self.lost).then_some("they follow no decision or commit");
        };
        if rows.job != awaited.job || rows.part != awaited.parts {
            self.lose();
            return Some("they are another job's, or another part's");
        }
        awaited.parts = awaited.parts.saturating_add(1);
        awaited.customers = awaited.customers.saturating_add(rows.customers());
        awaited.digest.update(rows.runs_bytes());
        let (first, last) = (edge(rows, false), edge(rows, true));
        let unsorted = matches!((&awaited.last, &first), (Some((forms, customer)), Some(first))
            if *forms == first.0 && *customer >= first.1);
        awaited.last = last;
        if unsorted {
            return Some("they aren't sorted");
        }
        if awaited.parts < awaited.sum.parts {
            return None;
        }
        let awaited = self.awaited.take()?;
        if awaited.customers != awaited.sum.customers {
            return Some("their number differs");
        }
        let digest: [u8; 32] = awaited.digest.finalize().into();
        (digest != awaited.sum.sha256).then_some("their digest differs")
    }

    /// No more customers follow.
    pub(super) fn end(&mut self) -> Option<&'static str> {
        self.awaited.take().map(|_| "some are missing")
    }
}

/// The first or last customer of an entry, with the forms.
fn edge(rows: &Rows, last: bool) -> Option<(Vec<Form>, CustomerHash)> {
    let run = if last { rows.runs.last() } else { rows.runs.first() }?;
    let customer = if last { run.customers.last() } else { run.customers.first() }?;
    Some((run.forms.clone(), *customer))
}
