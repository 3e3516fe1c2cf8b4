//! What somebody else records of each ask, in the transaction that decides it.

use std::fmt;

use exportgate_ledger::{LedgerError, Transaction};

use crate::decision::Decision;
use crate::job::Job;
use crate::permit::Left;

/// Writes into the ledger's transactions: an audit log, the state of a replay.
///
/// What it appends is durable together with the decision, or not at all. A method may run more than once for one ask, since
/// a store may run a transaction again; what counts is what it wrote the last time. An error fails the transaction: an ask
/// is then a denial, and nothing is reserved.
pub trait Recorder: fmt::Debug + Send + Sync {
    /// The job was decided so. It runs last, after everything else was written.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from recording.
    fn decided(&self, transaction: &mut dyn Transaction, job: &Job, decision: &Decision) -> Result<(), LedgerError>;

    /// The job with this id was committed: this left.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from recording.
    fn committed(&self, transaction: &mut dyn Transaction, job: &str, left: Left<'_>) -> Result<(), LedgerError>;

    /// The job with this id was cancelled.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from recording.
    fn cancelled(&self, transaction: &mut dyn Transaction, job: &str) -> Result<(), LedgerError>;
}
