//! The rows of a store, and the few things that both stores must be able to do with them. What they mean is decided in
//! `transaction`, once for both.

use std::collections::BTreeSet;

use crate::customer::{CustomerHash, Customers};
use crate::declare::Declared;
use crate::error::{LedgerError, StoreError};
use crate::ledger::{DroppedRecords, JobState, NewAnswer, NewRequest, NewReview, Request, Review, Revocation};
use crate::window::{Counted, Subject};

/// The number of a series: what is counted for one subject.
pub(crate) type SeriesId = u32;

/// What a store knows about itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoreState {
    /// What its customer key is recognised by.
    pub(crate) key_check: [u8; 16],
    /// The time of the latest record, of the series that the transaction is on at least; the least time when there is none.
    pub(crate) latest_ms: i64,
    /// The length of the longest window declared.
    pub(crate) kept_ms: i64,
    /// What was granted or denied at or before this time may have been dropped; the least time when nothing was.
    pub(crate) dropped_to_ms: i64,
    /// Whether any two ids were merged.
    pub(crate) merged: bool,
}

/// Where the next sweep goes on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Swept {
    /// How many customers of the oldest job were looked at.
    pub(crate) customers: usize,
    /// The last series that was looked at.
    pub(crate) series: SeriesId,
}

/// The count of a window that slides: how many customers' last grants (or how many denials) lie after `start_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) series: SeriesId,
    pub(crate) length_ms: i64,
    pub(crate) start_ms: i64,
    pub(crate) count: i64,
}

impl View {
    /// Where the view begins once it has slid to `now_ms`. What was dropped lies before every window, also before one that
    /// was declared too late to see it whole; and a view never slides back.
    pub(crate) fn slid_to(&self, now_ms: i64, dropped_to_ms: i64) -> i64 {
        now_ms.saturating_sub(self.length_ms).max(dropped_to_ms).max(self.start_ms)
    }
}

/// A job as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct JobRow {
    pub(crate) number: i64,
    pub(crate) id: String,
    pub(crate) digest: [u8; 32],
    pub(crate) agent: String,
    pub(crate) at_ms: i64,
    pub(crate) expires_ms: i64,
    pub(crate) used_ms: Option<i64>,
    pub(crate) state: JobState,
    /// The series that it was reserved for, ascending.
    pub(crate) scope: Scope,
    /// How many customers were reserved.
    pub(crate) reserved: u64,
    /// How many customers are counted for it.
    pub(crate) count: u64,
    /// The digest of the customers that left, once it is committed.
    pub(crate) left: Option<[u8; 32]>,
}

/// The series that a job counts for, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scope(pub(crate) Vec<SeriesId>);

impl Scope {
    pub(crate) fn new(mut series: Vec<SeriesId>) -> Self {
        series.sort_unstable();
        series.dedup();
        Self(series)
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|id| id.to_be_bytes()).collect()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, StoreError> {
        let mut series = Vec::with_capacity(bytes.len() / 4);
        read_scope(bytes, &mut series)?;
        Ok(Self(series))
    }
}

/// Appends the series of a stored scope.
pub(crate) fn read_scope(bytes: &[u8], to: &mut Vec<SeriesId>) -> Result<(), StoreError> {
    let (chunks, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(corrupt("a scope isn't a list of series"));
    }
    to.extend(chunks.iter().copied().map(u32::from_be_bytes));
    Ok(())
}

/// The grants of some customers that are still stored.
#[derive(Clone, Debug, Default)]
pub(crate) struct Past {
    /// In the order of the customers.
    rows: Vec<PastRow>,
    scopes: Vec<SeriesId>,
}

#[derive(Clone, Copy, Debug)]
struct PastRow {
    /// The place of the customer in the set that was asked for.
    customer: u32,
    job: i64,
    at_ms: i64,
    scope: (u32, u32),
}

/// One grant: a customer of a job.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grant<'a> {
    pub(crate) job: i64,
    pub(crate) at_ms: i64,
    pub(crate) scope: &'a [SeriesId],
}

impl Past {
    /// Adds a grant of the customer at `customer`; customers come in ascending order.
    pub(crate) fn push(&mut self, customer: usize, job: i64, at_ms: i64, scope: &[u8]) -> Result<(), StoreError> {
        let begin = self.scopes.len();
        read_scope(scope, &mut self.scopes)?;
        let place = |n: usize| u32::try_from(n).map_err(|_| corrupt("there are too many grants of these customers"));
        let scope = (place(begin)?, place(self.scopes.len())?);
        self.rows.push(PastRow { customer: place(customer)?, job, at_ms, scope });
        Ok(())
    }

    fn grant(&self, row: &PastRow) -> Grant<'_> {
        let (begin, end) = row.scope;
        let scope = self.scopes.get(begin as usize..end as usize).unwrap_or_default();
        Grant { job: row.job, at_ms: row.at_ms, scope }
    }

    /// The grants.
    pub(crate) fn grants(&self) -> impl Iterator<Item = Grant<'_>> {
        self.rows.iter().map(|row| self.grant(row))
    }

    /// The grants, customer by customer.
    pub(crate) fn by_customer(&self) -> impl Iterator<Item = (usize, Vec<Grant<'_>>)> {
        self.rows.chunk_by(|a, b| a.customer == b.customer).filter_map(|rows| {
            let customer = rows.first()?.customer as usize;
            Some((customer, rows.iter().map(|row| self.grant(row)).collect()))
        })
    }

    /// When each customer was last granted to the series; those who weren't are left out.
    pub(crate) fn last_grants(&self, series: SeriesId) -> impl Iterator<Item = i64> {
        self.rows.chunk_by(|a, b| a.customer == b.customer).filter_map(move |rows| {
            rows.iter().map(|row| self.grant(row)).filter(|grant| grant.scope.contains(&series)).map(|g| g.at_ms).max()
        })
    }
}

/// What a ledger needs of a store, all within one transaction of the store.
pub(crate) trait Rows {
    fn state(&mut self) -> Result<StoreState, StoreError>;
    /// The time that the store goes by, where the caller's clock says `clock_ms`.
    fn now_ms(&mut self, clock_ms: i64) -> Result<i64, StoreError>;
    /// Notes that something was recorded at `now_ms` for these series.
    fn set_latest(&mut self, series: &[SeriesId], now_ms: i64) -> Result<(), StoreError>;
    fn set_key_check(&mut self, key_check: &[u8; 16]) -> Result<(), StoreError>;
    /// Writes what the rows still hold back, before the store commits.
    fn flush(&mut self) -> Result<(), StoreError>;

    fn declared(&mut self) -> Result<Vec<Declared>, StoreError>;
    fn insert_declared(&mut self, declared: &Declared) -> Result<(), StoreError>;

    fn series(&mut self, subject: &Subject, counted: Counted) -> Result<Option<SeriesId>, StoreError>;
    /// Reads the series of these subjects at once, so that [`Self::series`] need not ask for each.
    fn find_series(&mut self, subjects: &[Subject]) -> Result<(), StoreError>;
    fn make_series(&mut self, subject: &Subject, counted: Counted) -> Result<SeriesId, StoreError>;
    fn delete_series(&mut self, series: SeriesId) -> Result<(), StoreError>;
    /// The numbers of the series after `after`, ascending, at most `max`.
    fn series_after(&mut self, after: SeriesId, max: usize) -> Result<Vec<SeriesId>, StoreError>;

    fn views(&mut self, series: SeriesId) -> Result<Vec<View>, StoreError>;
    /// The views of these series, each with how many moments leave it when it slides to `now_ms`: see [`View::slid_to`].
    fn sliding_views(
        &mut self,
        series: &[SeriesId],
        now_ms: i64,
        dropped_to_ms: i64,
    ) -> Result<Vec<(View, i64)>, StoreError>;
    /// Stores these views, each once.
    fn put_views(&mut self, views: &[View]) -> Result<(), StoreError>;

    /// How many of the series lie after `after_ms`, and at or before `to_ms`.
    fn moments(&mut self, series: SeriesId, after_ms: i64, to_ms: i64) -> Result<i64, StoreError>;
    /// The time of the series' oldest moment.
    fn first_moment(&mut self, series: SeriesId) -> Result<Option<i64>, StoreError>;
    /// The series that count denials.
    fn denial_series(&mut self) -> Result<BTreeSet<SeriesId>, StoreError>;
    /// All moments of the series with their counts, ascending.
    fn all_moments(&mut self, series: SeriesId) -> Result<Vec<(i64, i64)>, StoreError>;
    /// Adds to moments; those that come to nothing are deleted.
    fn add_moments(&mut self, changes: &[(SeriesId, i64, i64)]) -> Result<(), StoreError>;
    /// Deletes the oldest moments of the series at or before `to_ms`, at most `max`; says how many there were.
    fn drop_moments(&mut self, series: SeriesId, to_ms: i64, max: usize) -> Result<usize, StoreError>;

    /// The customers with each alias replaced; only called when ids were merged.
    fn canonical(&mut self, customers: &Customers) -> Result<Customers, StoreError>;
    /// Makes `alias`, and what was an alias of it, an alias of `canonical`.
    fn put_alias(&mut self, alias: CustomerHash, canonical: CustomerHash) -> Result<(), StoreError>;

    fn past(&mut self, customers: &Customers) -> Result<Past, StoreError>;
    fn put_grants(&mut self, job: i64, at_ms: i64, scope: &[u8], customers: &Customers) -> Result<(), StoreError>;
    fn delete_grants(&mut self, grants: &[(CustomerHash, i64)]) -> Result<(), StoreError>;
    /// The grants after a customer and job, ascending, at most `max`.
    fn grants_after(&mut self, after: (CustomerHash, i64), max: usize) -> Result<Vec<GrantRow>, StoreError>;

    fn job(&mut self, id: &str) -> Result<Option<JobRow>, StoreError>;
    /// The jobs with numbers after `after`, ascending, at most `max`.
    fn jobs_after(&mut self, after: i64, max: usize) -> Result<Vec<JobRow>, StoreError>;
    /// Those of the jobs with these numbers that were committed.
    fn committed(&mut self, numbers: &BTreeSet<i64>) -> Result<BTreeSet<i64>, StoreError>;
    /// The customers counted for the job.
    fn job_customers(&mut self, number: i64) -> Result<Customers, StoreError>;
    /// Stores a new job, whatever its number; returns the number that it got. None, and nothing is stored, when there is a job
    /// of its id.
    fn insert_job(&mut self, job: &JobRow, customers: &Customers) -> Result<Option<i64>, StoreError>;
    /// Stores `used_ms`, `state`, `count`, `left` and, where given, the customers.
    fn update_job(&mut self, job: &JobRow, customers: Option<&Customers>) -> Result<(), StoreError>;
    fn delete_job(&mut self, number: i64) -> Result<(), StoreError>;

    fn swept(&mut self) -> Result<Swept, StoreError>;
    fn set_swept(&mut self, swept: Swept, dropped_to_ms: i64) -> Result<(), StoreError>;

    fn revoked_since_ms(&mut self, agent: &str) -> Result<Option<i64>, StoreError>;
    /// Says whether the agent wasn't revoked before.
    fn revoke(&mut self, agent: &str, reason: &str, now_ms: i64) -> Result<bool, StoreError>;
    fn reinstate(&mut self, agent: &str) -> Result<bool, StoreError>;
    fn revocations(&mut self) -> Result<Vec<Revocation>, StoreError>;

    /// Requests with their answers.
    fn requests(&mut self, of: RequestsOf<'_>) -> Result<Vec<Request>, StoreError>;
    fn insert_request(&mut self, request: &NewRequest<'_>, now_ms: i64) -> Result<i64, StoreError>;
    fn insert_answer(&mut self, request: i64, answer: &NewAnswer<'_>, now_ms: i64) -> Result<(), StoreError>;
    fn set_consumed(&mut self, request: i64, job: &str) -> Result<(), StoreError>;

    fn insert_review(&mut self, review: &NewReview<'_>, now_ms: i64) -> Result<i64, StoreError>;
    fn close_review(&mut self, review: i64, by: &str, now_ms: i64) -> Result<bool, StoreError>;
    fn review(&mut self, number: i64) -> Result<Option<Review>, StoreError>;
    /// The latest review items, at most `max`.
    fn reviews(&mut self, max: usize) -> Result<Vec<Review>, StoreError>;

    /// The number that the next record gets. No other transaction appends one before this one has ended.
    fn next_record(&mut self) -> Result<u64, StoreError>;
    fn append_record(&mut self, record: &[u8]) -> Result<u64, StoreError>;
    fn records(&mut self, from: u64, max: usize) -> Result<Vec<(u64, Vec<u8>)>, StoreError>;
    /// Deletes the records before `before`, and stores what is kept in their place; says how many there were.
    fn drop_records(&mut self, before: u64, kept: &[u8]) -> Result<u64, StoreError>;
    fn dropped_records(&mut self) -> Result<Option<DroppedRecords>, StoreError>;
    /// How many records there are, and the number after the last.
    fn count_records(&mut self) -> Result<(u64, u64), StoreError>;

    /// Asks the store itself whether it is undamaged.
    fn check_integrity(&mut self) -> Result<(), StoreError>;
}

/// A grant as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct GrantRow {
    pub(crate) customer: CustomerHash,
    pub(crate) job: i64,
    pub(crate) at_ms: i64,
    pub(crate) scope: Scope,
}

/// Which requests.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RequestsOf<'a> {
    Number(i64),
    /// As by number, and no other transaction may change it before this one ends.
    NumberToChange(i64),
    Digest(&'a [u8; 32]),
    /// The latest, at most as many.
    Latest(usize),
}

pub(crate) fn corrupt(message: &str) -> StoreError {
    StoreError::Corrupt { message: message.to_owned() }
}

/// Refuses what is longer, or more, than the ledger takes.
pub(crate) fn check_limit(what: &'static str, found: usize, max: usize) -> Result<(), LedgerError> {
    if found > max { Err(LedgerError::Limit { what, found, max }) } else { Ok(()) }
}

/// The number that a job's state is stored as.
pub(crate) fn state_number(state: JobState) -> i64 {
    match state {
        JobState::Reserved => 0,
        JobState::Committed => 1,
        JobState::Cancelled => 2,
    }
}

/// The state that a number stands for.
pub(crate) fn state_of(number: i64) -> Option<JobState> {
    [JobState::Reserved, JobState::Committed, JobState::Cancelled]
        .into_iter()
        .find(|state| state_number(*state) == number)
}

/// A number of rows, as a store takes it.
pub(crate) fn limit(max: usize) -> i64 {
    i64::try_from(max).unwrap_or(i64::MAX)
}

/// A count, as a store takes it.
pub(crate) fn signed(count: u64) -> Result<i64, StoreError> {
    i64::try_from(count).map_err(|_| corrupt("a count of customers is out of range"))
}
