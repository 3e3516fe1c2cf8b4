//! What somebody else records of each ask, in the transaction that decides it.

use std::fmt;

use exportgate_contract::value::EntityUid;
use exportgate_ledger::{LedgerError, Transaction};

use crate::approvals::{ApproverRole, JobDigest};
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

    /// The job left, or was let leave, while the store was down: it is recorded now that the store is back, under the id `id` that
    /// the ledger keeps it by.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from recording; it is tried again later.
    fn caught_up(
        &self,
        transaction: &mut dyn Transaction,
        id: &str,
        job: &Job,
        decision: &Decision,
    ) -> Result<(), LedgerError>;

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

    /// Somebody changed what later asks go by.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from recording; then nothing is changed.
    fn changed(&self, transaction: &mut dyn Transaction, change: &Change<'_>) -> Result<(), LedgerError>;
}

/// What somebody did that later asks go by.
#[derive(Clone, Copy, Debug)]
pub enum Change<'a> {
    /// A request for approvals was answered.
    Answered {
        /// The id of the job that it was requested for.
        job: &'a str,
        /// What it is about.
        content: &'a JobDigest,
        /// Who answered.
        by: &'a EntityUid,
        /// In which role.
        role: ApproverRole,
        /// Whether it is a yes.
        approved: bool,
    },
    /// An agent was revoked.
    Revoked {
        /// The agent.
        agent: &'a str,
        /// Who did it, as whoever authenticated them knows them.
        by: &'a str,
        /// Why, in their words.
        reason: &'a str,
    },
    /// A revoked agent may ask again.
    Reinstated {
        /// The agent.
        agent: &'a str,
        /// Who did it.
        by: &'a str,
        /// Why, in their words.
        reason: &'a str,
    },
}
