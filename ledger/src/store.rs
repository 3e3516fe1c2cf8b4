//! The ledger on any store that gives its rows: every call of [`Ledger`], once for all stores.

use std::fmt;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::customer::{CustomerKey, Customers};
use crate::declare;
use crate::error::{ApprovalError, LedgerError, StoreError};
use crate::ledger::{
    DroppedRecords, End, Job, Ledger, NewRequest, On, ROWS_LISTED_MAX, Request, Review, Revocation,
    SUBJECT_ID_BYTES_MAX, SUBJECTS_MAX, Step, TEXT_BYTES_MAX, Transaction, Verified,
};
use crate::rows::{JobRow, RequestsOf, Rows, StoreState, check_limit};
use crate::transaction::{KnownWindows, Tx};
use crate::verify::verify;
use crate::window::{Subject, Unseen, Window, WindowRead};

/// What a transaction of the store keeps others away from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lock<'a> {
    /// Nothing that is counted.
    Nothing,
    /// What is counted for the subjects of a job, or for these.
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "a store with one writer needs no finer lock"))]
    On(On<'a>),
    /// Everything.
    All,
}

/// What runs on the rows of a store; it may run more than once, and only the last run counts.
pub(crate) type Work<'a> = &'a mut dyn FnMut(&mut dyn Rows) -> Result<End, LedgerError>;

/// A store of rows.
pub(crate) trait Store: fmt::Debug + Send + Sync {
    fn shared(&self) -> &Shared;
    /// Runs the work in a transaction that is durable when this returns.
    fn write(&self, lock: Lock<'_>, work: Work<'_>) -> Result<(), LedgerError>;
    /// Runs the work on a snapshot; what it writes is dropped.
    fn read(&self, work: Work<'_>) -> Result<(), LedgerError>;
}

/// What every store has beside its rows.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) key: CustomerKey,
    pub(crate) key_check: [u8; 16],
    known: KnownWindows,
    /// How much was written since the last sweep.
    unswept: AtomicUsize,
}

/// A sweep follows so many rows written, and drops up to [`SWEEP_ROWS_MAX`]: more than was written, so that it keeps up.
const SWEEP_EVERY_ROWS: usize = 256;
const SWEEP_ROWS_MAX: usize = 1_024;
/// What an operator's sweep drops at most.
const SWEEP_ROWS_BY_HAND: usize = 16_384;

impl Shared {
    pub(crate) fn new(key: CustomerKey) -> Self {
        Self { key_check: key.check(), key, known: KnownWindows::default(), unswept: AtomicUsize::new(0) }
    }

    fn check_key(&self, rows: &mut dyn Rows) -> Result<StoreState, LedgerError> {
        let state = rows.state()?;
        if state.key_check == self.key_check { Ok(state) } else { Err(StoreError::WrongKey.into()) }
    }
}

/// The calls of [`Ledger`] on any store.
pub(crate) trait Calls: Store {
    /// Runs the work with the time that it happens at.
    fn write_now(
        &self,
        clock_ms: i64,
        work: &mut dyn FnMut(&mut dyn Rows, i64) -> Result<(), LedgerError>,
    ) -> Result<(), LedgerError> {
        self.write(Lock::Nothing, &mut |rows| {
            let state = self.shared().check_key(rows)?;
            let now_ms = rows.now_ms(clock_ms)?.max(state.latest_ms);
            work(rows, now_ms)?;
            rows.flush()?;
            Ok(End::Commit)
        })
    }

    fn read_into<T>(&self, read: impl Fn(&mut dyn Rows) -> Result<T, LedgerError>) -> Result<T, LedgerError> {
        let mut found = None;
        self.read(&mut |rows| {
            self.shared().check_key(rows)?;
            found = Some(read(rows)?);
            Ok(End::Discard)
        })?;
        found.ok_or_else(|| StoreError::Unavailable { message: "nothing was read".to_owned() }.into())
    }

    fn declare_windows(&self, windows: &[Window], unseen: Unseen, clock_ms: i64) -> Result<(), LedgerError> {
        self.write(Lock::All, &mut |rows| {
            let state = self.shared().check_key(rows)?;
            // A revocation or a record is nothing that a window counts.
            let is_new = rows.series_after(0, 1)?.is_empty() && rows.jobs_after(0, 1)?.is_empty();
            let latest_ms = if is_new { i64::MIN } else { state.latest_ms };
            let past = declare::Past { latest_ms, dropped_to_ms: state.dropped_to_ms };
            let now_ms = rows.now_ms(clock_ms)?.max(state.latest_ms);
            for new in declare::new_windows(windows, &rows.declared()?, past, unseen, now_ms)? {
                rows.insert_declared(&new)?;
            }
            rows.flush()?;
            Ok(End::Commit)
        })?;
        let mut known = self.shared().known.write().unwrap_or_else(PoisonError::into_inner);
        known.extend(windows);
        Ok(())
    }

    fn run(&self, on: On<'_>, clock_ms: i64, step: Step<'_>) -> Result<(), LedgerError> {
        check_on(on)?;
        let shared = self.shared();
        let mut wrote = 0;
        self.write(Lock::On(on), &mut |rows| {
            let mut tx = Tx::open(rows, on, clock_ms, &shared.key_check, &shared.known)?;
            let end = step(&mut tx)?;
            wrote = tx.rows_written();
            if end == End::Commit {
                tx.finish()?;
            }
            Ok(end)
        })?;
        // It goes by the time recorded: a clock that is ahead in a transaction that was discarded must drop nothing.
        // What was reserved is durable, whatever comes of a sweep; a store that fails will fail the next call.
        if shared.unswept.fetch_add(wrote, Ordering::Relaxed) >= SWEEP_EVERY_ROWS {
            let rows_max = shared.unswept.swap(0, Ordering::Relaxed).saturating_mul(2).min(SWEEP_ROWS_MAX);
            drop(self.sweep_rows(rows_max, i64::MIN));
        }
        Ok(())
    }

    fn sweep_rows(&self, rows_max: usize, clock_ms: i64) -> Result<bool, LedgerError> {
        let shared = self.shared();
        let mut more = false;
        self.write(Lock::All, &mut |rows| {
            let mut tx = Tx::open(rows, On::Subjects(&[]), clock_ms, &shared.key_check, &shared.known)?;
            more = tx.sweep(rows_max)?;
            tx.finish()?;
            Ok(End::Commit)
        })?;
        Ok(more)
    }

    fn run_count_after(
        &self,
        reads: &[WindowRead<'_>],
        customers: &Customers,
        clock_ms: i64,
    ) -> Result<Vec<u64>, LedgerError> {
        let shared = self.shared();
        let mut subjects: Vec<Subject> = reads.iter().map(|read| read.subject.clone()).collect();
        subjects.sort_unstable();
        subjects.dedup();
        let on = On::Subjects(&subjects);
        check_on(on)?;
        let mut counts = Vec::new();
        self.read(&mut |rows| {
            let mut tx = Tx::open(rows, on, clock_ms, &shared.key_check, &shared.known)?;
            counts = tx.count_after(reads, customers)?;
            Ok(End::Discard)
        })?;
        Ok(counts)
    }

    fn file_request(&self, request: &NewRequest<'_>, clock_ms: i64) -> Result<i64, LedgerError> {
        check_limit("bytes of an agent's id", request.requested_by.len(), SUBJECT_ID_BYTES_MAX)?;
        check_limit("bytes of a request's text", request.text.len(), TEXT_BYTES_MAX)?;
        let mut number = 0;
        self.write_now(clock_ms, &mut |rows, now_ms| {
            number = rows.insert_request(request, now_ms)?;
            Ok(())
        })?;
        Ok(number)
    }

    fn find_request(&self, request: i64) -> Result<Request, LedgerError> {
        let found = self.read_into(|rows| Ok(rows.requests(RequestsOf::Number(request))?))?;
        Ok(found.into_iter().next().ok_or(ApprovalError::Unknown { request })?)
    }

    fn find_job(&self, job: &str) -> Result<Option<Job>, LedgerError> {
        self.read_into(|rows| Ok(rows.job(job)?.map(JobRow::into_job)))
    }

    fn merge_customers(&self, alias: &str, canonical: &str, clock_ms: i64) -> Result<(), LedgerError> {
        let shared = self.shared();
        let (alias, canonical) = (shared.key.hash(alias), shared.key.hash(canonical));
        self.write(Lock::All, &mut |rows| {
            let mut tx = Tx::open(rows, On::Subjects(&[]), clock_ms, &shared.key_check, &shared.known)?;
            tx.merge(alias, canonical)?;
            tx.finish()?;
            Ok(End::Commit)
        })
    }

    fn verify_all(&self) -> Result<Verified, LedgerError> {
        self.read_into(|rows| verify(rows))
    }
}

impl<S: Store + ?Sized> Calls for S {}

fn check_on(on: On<'_>) -> Result<(), LedgerError> {
    if let On::Subjects(subjects) = on {
        check_limit("subjects of a transaction", subjects.len(), SUBJECTS_MAX)?;
        for subject in subjects {
            check_limit("bytes of a subject's id", subject.id.len(), SUBJECT_ID_BYTES_MAX)?;
        }
    }
    Ok(())
}

/// Makes a store a [`Ledger`] by its [`Calls`].
macro_rules! impl_ledger {
    ($store:ty) => {
        impl Ledger for $store {
            fn key(&self) -> &CustomerKey {
                &self.shared().key
            }

            fn declare(&self, windows: &[Window], unseen: Unseen, clock_ms: i64) -> Result<(), LedgerError> {
                self.declare_windows(windows, unseen, clock_ms)
            }

            fn declared(&self) -> Result<Vec<Window>, LedgerError> {
                self.read_into(|rows| Ok(rows.declared()?.into_iter().map(|declared| declared.window).collect()))
            }

            fn transact(&self, on: On<'_>, clock_ms: i64, step: Step<'_>) -> Result<(), LedgerError> {
                self.run(on, clock_ms, step)
            }

            fn count_after(
                &self,
                reads: &[WindowRead<'_>],
                customers: &Customers,
                clock_ms: i64,
            ) -> Result<Vec<u64>, LedgerError> {
                self.run_count_after(reads, customers, clock_ms)
            }

            fn revocations(&self) -> Result<Vec<Revocation>, LedgerError> {
                self.read_into(|rows| Ok(rows.revocations()?))
            }

            fn request_approval(&self, request: &NewRequest<'_>, clock_ms: i64) -> Result<i64, LedgerError> {
                self.file_request(request, clock_ms)
            }

            fn requests(&self) -> Result<Vec<Request>, LedgerError> {
                self.read_into(|rows| Ok(rows.requests(RequestsOf::Latest(ROWS_LISTED_MAX))?))
            }

            fn request(&self, request: i64) -> Result<Request, LedgerError> {
                self.find_request(request)
            }

            fn job(&self, job: &str) -> Result<Option<Job>, LedgerError> {
                self.find_job(job)
            }

            fn reviews(&self) -> Result<Vec<Review>, LedgerError> {
                self.read_into(|rows| Ok(rows.reviews(ROWS_LISTED_MAX)?))
            }

            fn records(&self, from: u64, max: usize) -> Result<Vec<(u64, Vec<u8>)>, LedgerError> {
                self.read_into(|rows| Ok(rows.records(from, max.min(ROWS_LISTED_MAX))?))
            }

            fn records_end(&self) -> Result<u64, LedgerError> {
                self.read_into(|rows| Ok(rows.count_records()?.1))
            }

            fn dropped_records(&self) -> Result<Option<DroppedRecords>, LedgerError> {
                self.read_into(|rows| Ok(rows.dropped_records()?))
            }

            fn merge(&self, alias: &str, canonical: &str, clock_ms: i64) -> Result<(), LedgerError> {
                self.merge_customers(alias, canonical, clock_ms)
            }

            fn sweep(&self, clock_ms: i64) -> Result<bool, LedgerError> {
                self.sweep_rows(SWEEP_ROWS_BY_HAND, clock_ms)
            }

            fn verify(&self) -> Result<Verified, LedgerError> {
                self.verify_all()
            }
        }
    };
}

impl_ledger!(crate::SqliteLedger);
#[cfg(feature = "postgres")]
impl_ledger!(crate::PostgresLedger);
