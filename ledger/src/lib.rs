//! What has left, counted before more leaves: windows of distinct customers, reservations, approvals and revocation.
//!
//! A [`Ledger`] is a store: [`SqliteLedger`], a file that several processes may share. A gate evaluates its policies
//! inside [`Ledger::transact`]: it reads counts as they would be after the job ([`Transaction::count_after`]), reserves
//! the job's customers ([`Transaction::reserve`]), and what it read is still true when the reservation is durable. Later
//! the job's permit is used, and the job is committed with what really left, or cancelled. A reservation that nobody
//! answers counts as consumed.
//!
//! # Examples
//!
//! ```
//! use exportgate_ledger::{
//!     Counted, CustomerKey, End, Ledger, On, Reservation, SqliteLedger, SqliteOptions, Subject, SubjectKind, Unseen,
//!     Window, WindowRead,
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("ledger.db");
//! let ledger = SqliteLedger::open(&path, CustomerKey::new(&[7; 32])?, SqliteOptions::default())?;
//! let ledger: &dyn Ledger = &ledger;
//! let day = 86_400_000;
//! let window = Window { kind: SubjectKind::Agent, counted: Counted::Customers, length_ms: day };
//! ledger.declare(&[window], Unseen::Refuse, 0)?;
//!
//! let agent = [Subject::new(SubjectKind::Agent, "alice")];
//! let customers = ledger.customers(["c1", "c2"]);
//! let mut after = 0;
//! ledger.transact(On::Subjects(&agent), 1_000, &mut |transaction| {
//!     let read = WindowRead { subject: &agent[0], counted: Counted::Customers, length_ms: day };
//!     after = transaction.count_after(&[read], &customers)?[0];
//!     if after > 60 {
//!         transaction.record_denial(&agent[0])?;
//!         return Ok(End::Commit);
//!     }
//!     let (job, digest, expires_ms) = ("job-1", &[0; 32], 61_000);
//!     transaction.reserve(&Reservation { job, digest, agent: "alice", customers: &customers, expires_ms })?;
//!     Ok(End::Commit)
//! })?;
//! assert_eq!(after, 2);
//! ledger.use_permit("job-1", 2_000)?;
//! # Ok(())
//! # }
//! ```

mod customer;
mod declare;
mod error;
mod ledger;
#[cfg(feature = "postgres")]
mod postgres;
mod rows;
mod sqlite;
mod store;
mod transaction;
mod verify;
mod window;

pub use customer::{CUSTOMER_KEY_BYTES_MIN, CUSTOMERS_PER_JOB_MAX, CustomerHash, CustomerKey, Customers};
pub use error::{ApprovalError, JobError, LedgerError, StoreError, WindowError};
pub use ledger::{
    Answer, DroppedRecords, End, JOB_ID_BYTES_MAX, Job, JobState, Ledger, Left, NewAnswer, NewRequest, NewReview, On,
    RECORD_BYTES_MAX, ROWS_LISTED_MAX, Request, RequestState, Reservation, Reserved, Review, Revocation,
    SUBJECT_ID_BYTES_MAX, SUBJECTS_MAX, Step, TEXT_BYTES_MAX, Transaction, Verified,
};
#[cfg(feature = "postgres")]
pub use postgres::{PostgresClock, PostgresLedger, PostgresOptions};
pub use sqlite::{Durability, SqliteLedger, SqliteOptions};
pub use window::{Counted, Subject, SubjectKind, Unseen, WINDOW_MS_MAX, Window, WindowRead};
