//! What a transaction does, the same for both stores: counts, reservations, permits, approvals.
//!
//! The past is kept as grants, one a customer and job. A subject's **last grant** of a customer is the latest grant of
//! that customer whose job counts for the subject; it alone decides in which of the subject's windows the customer lies.
//! Two things are derived from the last grants and kept in step with them: **moments**, how many last grants a subject has
//! at one millisecond, and **views**, how many it has after the start of a window. A window is read by moving the start of
//! its view over the moments that have left it since, so each moment is stepped over once a window, however long the past.
//!
//! INVARIANT: the count of a view is the sum of the moments of its series after its start.
//! INVARIANT: a moment that any view can see is the number of customers whose last grant lies there.

mod approvals;
mod counts;
mod jobs;
mod merge;
mod sweep;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{PoisonError, RwLock};

use crate::customer::Customers;
use crate::error::{JobError, LedgerError, StoreError, WindowError};
use crate::ledger::{
    JOB_ID_BYTES_MAX, Job, Left, NewAnswer, NewReview, On, RECORD_BYTES_MAX, Request, Reservation, Reserved, Review,
    SUBJECT_ID_BYTES_MAX, TEXT_BYTES_MAX, Transaction,
};
use crate::rows::{JobRow, Past, Rows, SeriesId, StoreState, View, check_limit};
use crate::window::{Counted, Subject, Window, WindowRead};

/// The windows that a process knows to be declared.
pub(crate) type KnownWindows = RwLock<BTreeSet<Window>>;

/// A transaction on the rows of a store.
pub(crate) struct Tx<'a> {
    rows: &'a mut dyn Rows,
    state: StoreState,
    now_ms: i64,
    open: Open,
    known: &'a KnownWindows,
    /// The views of each series that was touched.
    views: BTreeMap<SeriesId, Vec<OpenView>>,
    /// The past of the customers that were counted last.
    past: Option<(Customers, Past)>,
    written: usize,
}

/// What the transaction was opened for.
enum Open {
    Subjects(Vec<(Subject, Option<SeriesId>)>),
    Job(Option<Box<JobRow>>),
}

/// A view within a transaction.
struct OpenView {
    view: View,
    changed: bool,
}

impl<'a> Tx<'a> {
    /// Opens a transaction; `key_check` is what the caller's customer key is recognised by.
    pub(crate) fn open(
        rows: &'a mut dyn Rows,
        on: On<'_>,
        clock_ms: i64,
        key_check: &[u8; 16],
        known: &'a KnownWindows,
    ) -> Result<Self, LedgerError> {
        let state = rows.state()?;
        if state.key_check != *key_check {
            return Err(StoreError::WrongKey.into());
        }
        let open = match on {
            On::Subjects(subjects) => {
                let mut open = Vec::with_capacity(subjects.len());
                rows.find_series(subjects)?;
                for subject in subjects {
                    open.push((subject.clone(), rows.series(subject, Counted::Customers)?));
                }
                Open::Subjects(open)
            }
            On::Job(id) => Open::Job(rows.job(id)?.map(Box::new)),
        };
        let now_ms = rows.now_ms(clock_ms)?.max(state.latest_ms);
        Ok(Self { rows, state, now_ms, open, known, views: BTreeMap::new(), past: None, written: 0 })
    }

    /// Writes what changed in memory; to be called before the store commits.
    pub(crate) fn finish(self) -> Result<(), LedgerError> {
        let touched: Vec<SeriesId> = self.views.keys().copied().collect();
        let changed = self.views.values().flatten().filter(|open| open.changed);
        let changed: Vec<View> = changed.map(|open| open.view).collect();
        self.rows.put_views(&changed)?;
        self.rows.set_latest(&touched, self.now_ms)?;
        Ok(self.rows.flush()?)
    }

    /// About how many rows were written.
    pub(crate) fn rows_written(&self) -> usize {
        self.written
    }

    /// Whether the window was declared, by this process or another.
    fn is_declared(&mut self, window: &Window) -> Result<bool, LedgerError> {
        if self.known.read().unwrap_or_else(PoisonError::into_inner).contains(window) {
            return Ok(true);
        }
        let declared: BTreeSet<Window> = self.rows.declared()?.into_iter().map(|declared| declared.window).collect();
        let found = declared.contains(window);
        self.known.write().unwrap_or_else(PoisonError::into_inner).extend(declared);
        Ok(found)
    }

    fn canonical(&mut self, customers: &Customers) -> Result<Customers, LedgerError> {
        if self.state.merged { Ok(self.rows.canonical(customers)?) } else { Ok(customers.clone()) }
    }

    /// The job that the transaction was opened for, or one whose subjects are all open.
    fn opened_job(&mut self, id: &str) -> Result<JobRow, LedgerError> {
        if let Open::Job(Some(job)) = &self.open
            && job.id == id
        {
            return Ok((**job).clone());
        }
        let job = self.rows.job(id)?.ok_or_else(|| JobError::Unknown { job: id.to_owned() })?;
        let is_open = |series: &SeriesId| match &self.open {
            Open::Subjects(open) => open.iter().any(|(_, found)| found.as_ref() == Some(series)),
            Open::Job(open) => open.as_ref().is_some_and(|open| open.scope.0.contains(series)),
        };
        if job.scope.0.iter().all(is_open) { Ok(job) } else { Err(JobError::NotOpened { job: id.to_owned() }.into()) }
    }

    fn set_opened_job(&mut self, job: &JobRow) {
        if let Open::Job(Some(open)) = &mut self.open
            && open.number == job.number
        {
            **open = job.clone();
        }
    }
}

impl Transaction for Tx<'_> {
    fn now_ms(&self) -> i64 {
        self.now_ms
    }

    fn revoked_since_ms(&mut self, agent: &str) -> Result<Option<i64>, LedgerError> {
        Ok(self.rows.revoked_since_ms(agent)?)
    }

    fn count_after(&mut self, reads: &[WindowRead<'_>], customers: &Customers) -> Result<Vec<u64>, LedgerError> {
        self.counts_after(reads, customers)
    }

    fn reserve(&mut self, job: &Reservation<'_>) -> Result<Reserved, LedgerError> {
        check_limit("bytes of a job's id", job.job.len(), JOB_ID_BYTES_MAX)?;
        check_limit("bytes of an agent's id", job.agent.len(), SUBJECT_ID_BYTES_MAX)?;
        check_limit("customers of a job", job.customers.len(), crate::CUSTOMERS_PER_JOB_MAX)?;
        self.reserve_job(job)
    }

    fn job(&mut self, job: &str) -> Result<Option<Job>, LedgerError> {
        Ok(self.rows.job(job)?.map(JobRow::into_job))
    }

    fn use_permit(&mut self, job: &str) -> Result<(), LedgerError> {
        self.use_job_permit(job)
    }

    fn commit(&mut self, job: &str, left: Left<'_>) -> Result<(), LedgerError> {
        self.commit_job(job, left)
    }

    fn cancel(&mut self, job: &str) -> Result<(), LedgerError> {
        self.cancel_job(job)
    }

    fn record_denial(&mut self, agent: &Subject) -> Result<(), LedgerError> {
        let is_open = match &self.open {
            Open::Subjects(open) => open.iter().any(|(subject, _)| subject == agent),
            Open::Job(_) => false,
        };
        if !is_open {
            return Err(WindowError::NotOpened { subject: agent.clone() }.into());
        }
        self.count_denial(agent)
    }

    fn approvals(&mut self, digest: &[u8; 32], job: &str) -> Result<Vec<Request>, LedgerError> {
        self.approvals_for(digest, job)
    }

    fn consume_approvals(&mut self, request: i64, digest: &[u8; 32], job: &str) -> Result<(), LedgerError> {
        self.consume(request, digest, job)
    }

    fn answer_request(&mut self, request: i64, answer: &NewAnswer<'_>) -> Result<(), LedgerError> {
        self.answer(request, answer)
    }

    fn revoke(&mut self, agent: &str, reason: &str) -> Result<bool, LedgerError> {
        check_limit("bytes of an agent's id", agent.len(), SUBJECT_ID_BYTES_MAX)?;
        check_limit("bytes of a reason", reason.len(), TEXT_BYTES_MAX)?;
        Ok(self.rows.revoke(agent, reason, self.now_ms)?)
    }

    fn reinstate(&mut self, agent: &str) -> Result<bool, LedgerError> {
        Ok(self.rows.reinstate(agent)?)
    }

    fn review(&mut self, review: i64) -> Result<Option<Review>, LedgerError> {
        Ok(self.rows.review(review)?)
    }

    fn close_review(&mut self, review: i64, by: &str) -> Result<bool, LedgerError> {
        check_limit("bytes of a reviewer's id", by.len(), SUBJECT_ID_BYTES_MAX)?;
        Ok(self.rows.close_review(review, by, self.now_ms)?)
    }

    fn add_review(&mut self, review: &NewReview<'_>) -> Result<i64, LedgerError> {
        check_limit("bytes of a job's id", review.job.len(), JOB_ID_BYTES_MAX)?;
        check_limit("bytes of a review's text", review.text.len(), TEXT_BYTES_MAX)?;
        Ok(self.rows.insert_review(review, self.now_ms)?)
    }

    fn next_record(&mut self) -> Result<u64, LedgerError> {
        Ok(self.rows.next_record()?)
    }

    fn drop_records(&mut self, before: u64, kept: &[u8]) -> Result<u64, LedgerError> {
        check_limit("bytes kept of dropped records", kept.len(), RECORD_BYTES_MAX)?;
        let next = self.rows.next_record()?;
        let index = |index: u64| usize::try_from(index).unwrap_or(usize::MAX);
        // One stays, so that the next index is known whatever comes.
        check_limit("records to drop", index(before), index(next.saturating_sub(1)))?;
        Ok(self.rows.drop_records(before, kept)?)
    }

    fn append_record(&mut self, record: &[u8]) -> Result<u64, LedgerError> {
        check_limit("bytes of a record", record.len(), RECORD_BYTES_MAX)?;
        Ok(self.rows.append_record(record)?)
    }
}

impl JobRow {
    pub(crate) fn into_job(self) -> Job {
        Job {
            id: self.id,
            digest: self.digest,
            agent: self.agent,
            reserved_ms: self.at_ms,
            expires_ms: self.expires_ms,
            used_ms: self.used_ms,
            state: self.state,
            reserved: self.reserved,
            counted: self.count,
        }
    }
}
