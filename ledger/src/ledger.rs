//! The ledger as a gate uses it: transactions in which check and reserve are one step.

use std::fmt;

use crate::customer::{CustomerKey, Customers};
use crate::error::LedgerError;
use crate::window::{Subject, Unseen, Window, WindowRead};

/// The longest id of a job, in bytes.
pub const JOB_ID_BYTES_MAX: usize = 512;
/// The longest id of a subject, an agent or an approver, in bytes.
pub const SUBJECT_ID_BYTES_MAX: usize = 1_024;
/// The most subjects of one transaction.
pub const SUBJECTS_MAX: usize = 64;
/// The longest record, in bytes.
pub const RECORD_BYTES_MAX: usize = 65_535;
/// The longest text of an approval request or a review item, in bytes.
pub const TEXT_BYTES_MAX: usize = 65_535;
/// The most rows that one listing returns.
pub const ROWS_LISTED_MAX: usize = 10_000;

/// What a transaction is opened for. It decides what the store locks, so nothing else can be counted in it.
#[derive(Clone, Copy, Debug)]
pub enum On<'a> {
    /// These subjects: to count, and to reserve for all of them.
    Subjects(&'a [Subject]),
    /// The subjects that a job was reserved for: to use its permit, to commit it or to cancel it.
    Job(&'a str),
}

/// How a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Keep what was written.
    Commit,
    /// Write nothing.
    Discard,
}

/// What runs inside a transaction.
pub type Step<'a> = &'a mut dyn FnMut(&mut dyn Transaction) -> Result<End, LedgerError>;

/// What has left, and who may still ask.
///
/// Times are milliseconds since 1970. `clock_ms` is what the caller's clock says; a store takes the later of it and the
/// latest time that it recorded, so time never steps back. A PostgreSQL store asks the server's clock instead.
pub trait Ledger: fmt::Debug + Send + Sync {
    /// The key under which customers are hashed.
    fn key(&self) -> &CustomerKey;

    /// Tells the store which windows will be read. The store keeps what the longest of them can see; windows that other
    /// processes declared stay.
    ///
    /// # Errors
    ///
    /// [`crate::WindowError::Unseen`] when the store can't count one of them exactly and `unseen` is [`Unseen::Refuse`].
    fn declare(&self, windows: &[Window], unseen: Unseen, clock_ms: i64) -> Result<(), LedgerError>;

    /// All windows that were declared, by whichever process: reserve for subjects of all their kinds, or windows that others
    /// read count too few.
    ///
    /// # Errors
    ///
    /// [`crate::StoreError`].
    fn declared(&self) -> Result<Vec<Window>, LedgerError>;

    /// Runs `step` in a transaction: what it reads stays true until what it wrote is durable, as the store's durability
    /// says. No other transaction on one of the same subjects runs at the same time.
    ///
    /// `step` may be called more than once; only what the last call wrote is kept. On an error nothing is kept.
    ///
    /// # Errors
    ///
    /// What `step` returns; [`crate::JobError::Unknown`] for [`On::Job`]; [`crate::StoreError`] when the store fails.
    fn transact(&self, on: On<'_>, clock_ms: i64, step: Step<'_>) -> Result<(), LedgerError>;

    /// Counts as [`Transaction::count_after`] does, outside a transaction: for a dry run.
    ///
    /// # Errors
    ///
    /// As there.
    fn count_after(
        &self,
        reads: &[WindowRead<'_>],
        customers: &Customers,
        clock_ms: i64,
    ) -> Result<Vec<u64>, LedgerError>;

    /// The agents that are revoked, by name.
    ///
    /// # Errors
    ///
    /// [`crate::StoreError`].
    fn revocations(&self) -> Result<Vec<Revocation>, LedgerError>;

    /// Files a request for approvals; returns its number.
    ///
    /// # Errors
    ///
    /// [`crate::StoreError`].
    fn request_approval(&self, request: &NewRequest<'_>, clock_ms: i64) -> Result<i64, LedgerError>;

    /// The requests with their answers, the latest first, at most [`ROWS_LISTED_MAX`].
    ///
    /// # Errors
    ///
    /// [`crate::StoreError`].
    fn requests(&self) -> Result<Vec<Request>, LedgerError>;

    /// One request with its answers.
    ///
    /// # Errors
    ///
    /// [`crate::ApprovalError::Unknown`].
    fn request(&self, request: i64) -> Result<Request, LedgerError>;

    /// The job's state; none when the ledger doesn't know it.
    ///
    /// # Errors
    ///
    /// [`crate::StoreError`].
    fn job(&self, job: &str) -> Result<Option<Job>, LedgerError>;

    /// The review items, the latest first, at most [`ROWS_LISTED_MAX`].
    ///
    /// # Errors
    ///
    /// [`crate::StoreError`].
    fn reviews(&self) -> Result<Vec<Review>, LedgerError>;

    /// The records from `from` on, with their indexes, at most `max` and at most [`ROWS_LISTED_MAX`].
    ///
    /// # Errors
    ///
    /// [`crate::StoreError`].
    fn records(&self, from: u64, max: usize) -> Result<Vec<(u64, Vec<u8>)>, LedgerError>;

    /// The index after that of the last record.
    ///
    /// # Errors
    ///
    /// [`crate::StoreError`].
    fn records_end(&self) -> Result<u64, LedgerError>;

    /// What stands in place of the records that were dropped; none when none was.
    ///
    /// # Errors
    ///
    /// [`crate::StoreError`].
    fn dropped_records(&self) -> Result<Option<DroppedRecords>, LedgerError>;

    /// Says that two ids are one person: from now on, and in all windows, `alias` counts as `canonical`. It can't be undone.
    ///
    /// # Errors
    ///
    /// [`crate::StoreError`].
    fn merge(&self, alias: &str, canonical: &str, clock_ms: i64) -> Result<(), LedgerError>;

    /// Drops what no window can see any more, at most some thousand rows; says whether there is more. The store does this
    /// itself as it is written; an operator may do it at leisure.
    ///
    /// # Errors
    ///
    /// [`crate::StoreError`].
    fn sweep(&self, clock_ms: i64) -> Result<bool, LedgerError>;

    /// Checks the whole store: that it is undamaged, and that every count equals what was granted. It reads everything.
    ///
    /// # Errors
    ///
    /// [`crate::StoreError::Corrupt`] names the first thing that is wrong.
    fn verify(&self) -> Result<Verified, LedgerError>;
}

/// One transaction. Everything in it is kept, or nothing.
pub trait Transaction {
    /// The time of this transaction: never before that of an earlier one on the same subjects.
    fn now_ms(&self) -> i64;

    /// Since when the agent is revoked; none when it isn't.
    ///
    /// # Errors
    ///
    /// [`crate::StoreError`].
    fn revoked_since_ms(&mut self, agent: &str) -> Result<Option<i64>, LedgerError>;

    /// The counts of `reads`, in their order. A window of customers counts the distinct customers granted within it *and*
    /// `customers`; a window of denials counts the denials recorded.
    ///
    /// # Errors
    ///
    /// [`crate::WindowError`] when a window wasn't declared, or the transaction wasn't opened for a subject.
    fn count_after(&mut self, reads: &[WindowRead<'_>], customers: &Customers) -> Result<Vec<u64>, LedgerError>;

    /// Reserves the job's customers for all subjects that the transaction was opened for. A job that was reserved with
    /// the same content is left as it is.
    ///
    /// # Errors
    ///
    /// [`crate::JobError::Reused`] when the id was used with other content; [`LedgerError::Limit`].
    fn reserve(&mut self, job: &Reservation<'_>) -> Result<Reserved, LedgerError>;

    /// The job's state; none when the ledger doesn't know it.
    ///
    /// # Errors
    ///
    /// [`crate::StoreError`].
    fn job(&mut self, job: &str) -> Result<Option<Job>, LedgerError>;

    /// Uses the permit of the job, once.
    ///
    /// # Errors
    ///
    /// [`crate::JobError`] when it was used, committed or cancelled, when it expired, or its agent is revoked.
    fn use_permit(&mut self, job: &str) -> Result<(), LedgerError>;

    /// States what of the job really left: all that was reserved, or these. What didn't leave is given back. Stating the
    /// same again changes nothing.
    ///
    /// # Errors
    ///
    /// [`crate::JobError`] when more left than was reserved, or the job was cancelled or committed otherwise.
    fn commit(&mut self, job: &str, left: Left<'_>) -> Result<(), LedgerError>;

    /// Gives back all that was reserved. Cancelling again changes nothing.
    ///
    /// # Errors
    ///
    /// [`crate::JobError`] when the job was committed.
    fn cancel(&mut self, job: &str) -> Result<(), LedgerError>;

    /// Records that policies denied `agent`, one of the subjects. Failures and challenges aren't recorded: ten crashes must
    /// not lock out an honest agent.
    ///
    /// # Errors
    ///
    /// [`crate::WindowError::NotOpened`] when the transaction wasn't opened for the agent.
    fn record_denial(&mut self, agent: &Subject) -> Result<(), LedgerError>;

    /// The requests for exactly what `digest` stands for that `job` may go by, with their answers; the oldest first: those that
    /// are neither expired, denied nor used, and those that this job used itself, as long as its permit can still be used. So a
    /// job that is asked again finds what it was granted by.
    ///
    /// # Errors
    ///
    /// [`crate::StoreError`].
    fn approvals(&mut self, digest: &[u8; 32], job: &str) -> Result<Vec<Request>, LedgerError>;

    /// Uses the approvals of a request for the job: no other job can.
    ///
    /// # Errors
    ///
    /// [`crate::ApprovalError`] when the request is unknown, about something else, expired, denied or used by another job.
    fn consume_approvals(&mut self, request: i64, digest: &[u8; 32], job: &str) -> Result<(), LedgerError>;

    /// Answers a request. Whether `answer.by` may is for the caller to find out; one person answers a request once.
    ///
    /// # Errors
    ///
    /// [`crate::ApprovalError`] when the request is unknown, expired, denied, used, or answered by the same person.
    fn answer_request(&mut self, request: i64, answer: &NewAnswer<'_>) -> Result<(), LedgerError>;

    /// Disables an agent: every later ask is denied, and permits already given no longer release. Says whether it is new;
    /// revoking again changes nothing.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Limit`]; [`crate::StoreError`].
    fn revoke(&mut self, agent: &str, reason: &str) -> Result<bool, LedgerError>;

    /// Enables an agent again; says whether it was revoked.
    ///
    /// # Errors
    ///
    /// [`crate::StoreError`].
    fn reinstate(&mut self, agent: &str) -> Result<bool, LedgerError>;

    /// The review item of this number; none when there is none.
    ///
    /// # Errors
    ///
    /// [`crate::StoreError`].
    fn review(&mut self, review: i64) -> Result<Option<Review>, LedgerError>;

    /// Closes a review item; says whether it was open.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Limit`]; [`crate::StoreError`].
    fn close_review(&mut self, review: i64, by: &str) -> Result<bool, LedgerError>;

    /// Leaves an item for somebody to review.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Limit`]; [`crate::StoreError`].
    fn add_review(&mut self, review: &NewReview<'_>) -> Result<i64, LedgerError>;

    /// The index that the next record of this transaction gets, whatever other transactions do: so that a record can hold its own
    /// index. Ask last, as for [`Transaction::append_record`].
    ///
    /// # Errors
    ///
    /// [`crate::StoreError`].
    fn next_record(&mut self) -> Result<u64, LedgerError>;

    /// Drops the records before index `before` for good, and keeps `kept` in their place: what the caller needs to know of them,
    /// in place of what it kept before. Says how many there were.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Limit`] when `kept` is too long, or `before` lies beyond the last record.
    fn drop_records(&mut self, before: u64, kept: &[u8]) -> Result<u64, LedgerError>;

    /// Appends a record that the ledger doesn't look into; returns its index. Indexes begin with 0 and have no gaps. Append
    /// last: in a PostgreSQL store, transactions of all subjects wait for each other from here on.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Limit`] when it is longer than [`RECORD_BYTES_MAX`].
    fn append_record(&mut self, record: &[u8]) -> Result<u64, LedgerError>;
}

/// What is reserved.
#[derive(Clone, Copy, Debug)]
pub struct Reservation<'a> {
    /// The id of the job: under it, it is counted once.
    pub job: &'a str,
    /// What the job is about, as one digest: the same id with another digest is an error.
    pub digest: &'a [u8; 32],
    /// Who asks: what a permit is checked against when it is used.
    pub agent: &'a str,
    /// The customers that may leave.
    pub customers: &'a Customers,
    /// When the permit expires. The reservation doesn't: unanswered, it counts as consumed.
    pub expires_ms: i64,
}

/// What came of a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reserved {
    /// It is new.
    Now,
    /// The job was reserved before, with the same content; nothing changed.
    Before,
}

/// What of a reservation left.
#[derive(Clone, Copy, Debug)]
pub enum Left<'a> {
    /// Everything.
    All,
    /// These customers.
    Only(&'a Customers),
}

/// What became of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum JobState {
    /// It is reserved and unanswered: it counts as consumed.
    Reserved,
    /// It was committed.
    Committed,
    /// It was cancelled.
    Cancelled,
}

/// A job that the ledger knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its id.
    pub id: String,
    /// What it is about.
    pub digest: [u8; 32],
    /// Who asked.
    pub agent: String,
    /// When it was reserved.
    pub reserved_ms: i64,
    /// When its permit expires.
    pub expires_ms: i64,
    /// When its permit was used.
    pub used_ms: Option<i64>,
    /// What became of it.
    pub state: JobState,
    /// How many customers were reserved.
    pub reserved: u64,
    /// How many customers are counted for it: those reserved, or, once it is answered, those that left.
    pub counted: u64,
}

/// An agent that is revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// The agent.
    pub agent: String,
    /// Since when.
    pub since_ms: i64,
    /// Why, in the operator's words.
    pub reason: String,
}

/// A request for approvals, to be filed.
#[derive(Clone, Copy, Debug)]
pub struct NewRequest<'a> {
    /// What is to be approved: a digest of agent, fields, customers, destination and purpose.
    pub digest: &'a [u8; 32],
    /// Who asks for it.
    pub requested_by: &'a str,
    /// When it and its answers expire.
    pub expires_ms: i64,
    /// What the approvers are shown, and what policies are asked about; the ledger doesn't look into it.
    pub text: &'a str,
}

/// An answer to a request, to be filed.
#[derive(Clone, Copy, Debug)]
pub struct NewAnswer<'a> {
    /// Who answers.
    pub by: &'a str,
    /// In which capacity: words of the caller; the ledger doesn't look into it.
    pub capacity: &'a str,
    /// Whether it is a yes. One no denies the request.
    pub approve: bool,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestState {
    /// It can be answered and, where the policies are content with the answers, used.
    Open,
    /// Somebody denied it.
    Denied,
    /// A job used it.
    Consumed {
        /// The id of the job.
        job: String,
    },
}

/// A request with its answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its number.
    pub number: i64,
    /// What is to be approved.
    pub digest: [u8; 32],
    /// Who asked for it.
    pub requested_by: String,
    /// When.
    pub requested_ms: i64,
    /// When it and its answers expire.
    pub expires_ms: i64,
    /// What the approvers are shown.
    pub text: String,
    /// What became of it.
    pub state: RequestState,
    /// The answers, the oldest first.
    pub answers: Vec<Answer>,
}

/// An answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Who answered.
    pub by: String,
    /// In which capacity.
    pub capacity: String,
    /// Whether it is a yes.
    pub approve: bool,
    /// When.
    pub at_ms: i64,
}

/// An item to be left for review.
#[derive(Clone, Copy, Debug)]
pub struct NewReview<'a> {
    /// The job that it is about.
    pub job: &'a str,
    /// Until when it is to be reviewed.
    pub due_ms: i64,
    /// What the reviewer is shown; the ledger doesn't look into it.
    pub text: &'a str,
}

/// An item for review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    /// Its number.
    pub number: i64,
    /// The job that it is about.
    pub job: String,
    /// When it was left.
    pub left_ms: i64,
    /// Until when it is to be reviewed.
    pub due_ms: i64,
    /// What the reviewer is shown.
    pub text: String,
    /// Who closed it, and when.
    pub closed: Option<(String, i64)>,
}

/// What stands in place of records that were dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DroppedRecords {
    /// The index of the first record that wasn't.
    pub before: u64,
    /// What the caller keeps of them.
    pub kept: Vec<u8>,
}

/// What a verification looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Jobs.
    pub jobs: u64,
    /// Jobs reserved and unanswered.
    pub unanswered: u64,
    /// Grants: customers of jobs that a window may still see.
    pub grants: u64,
    /// Windows of subjects whose count was compared.
    pub windows: u64,
    /// Records.
    pub records: u64,
}

/// Calls that are one transaction each.
impl dyn Ledger + '_ {
    /// The set of the customers with these canonical ids.
    pub fn customers<'a>(&self, ids: impl IntoIterator<Item = &'a str>) -> Customers {
        let key = self.key();
        ids.into_iter().map(|id| key.hash(id)).collect()
    }

    /// [`Transaction::use_permit`] in a transaction of its own.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn use_permit(&self, job: &str, clock_ms: i64) -> Result<(), LedgerError> {
        self.transact(On::Job(job), clock_ms, &mut |transaction| transaction.use_permit(job).map(|()| End::Commit))
    }

    /// [`Transaction::commit`] in a transaction of its own.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn commit(&self, job: &str, left: Left<'_>, clock_ms: i64) -> Result<(), LedgerError> {
        self.transact(On::Job(job), clock_ms, &mut |transaction| transaction.commit(job, left).map(|()| End::Commit))
    }

    /// [`Transaction::cancel`] in a transaction of its own.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn cancel(&self, job: &str, clock_ms: i64) -> Result<(), LedgerError> {
        self.transact(On::Job(job), clock_ms, &mut |transaction| transaction.cancel(job).map(|()| End::Commit))
    }

    /// [`Transaction::revoke`] in a transaction of its own.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn revoke(&self, agent: &str, reason: &str, clock_ms: i64) -> Result<bool, LedgerError> {
        self.change(clock_ms, &mut |transaction| transaction.revoke(agent, reason))
    }

    /// [`Transaction::reinstate`] in a transaction of its own.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn reinstate(&self, agent: &str, clock_ms: i64) -> Result<bool, LedgerError> {
        self.change(clock_ms, &mut |transaction| transaction.reinstate(agent))
    }

    /// [`Transaction::answer_request`] in a transaction of its own.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn answer_request(&self, request: i64, answer: &NewAnswer<'_>, clock_ms: i64) -> Result<(), LedgerError> {
        self.change(clock_ms, &mut |transaction| transaction.answer_request(request, answer).map(|()| true)).map(|_| ())
    }

    /// [`Transaction::close_review`] in a transaction of its own.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn close_review(&self, review: i64, by: &str, clock_ms: i64) -> Result<bool, LedgerError> {
        self.change(clock_ms, &mut |transaction| transaction.close_review(review, by))
    }

    /// Runs what counts for no subject; says what it says of whether anything changed.
    fn change(
        &self,
        clock_ms: i64,
        change: &mut dyn FnMut(&mut dyn Transaction) -> Result<bool, LedgerError>,
    ) -> Result<bool, LedgerError> {
        let mut changed = false;
        self.transact(On::Subjects(&[]), clock_ms, &mut |transaction| {
            changed = change(transaction)?;
            Ok(if changed { End::Commit } else { End::Discard })
        })?;
        Ok(changed)
    }
}
