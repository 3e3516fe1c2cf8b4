//! Windows: how many distinct customers each subject has been granted, and how often it was denied.
//!
//! A window is a stretch of time that ends now. Policies read the count *after* the job, had it been granted: the
//! customers granted within the window and those of the job, each once. The gate reads windows through [`Windows`]: from a
//! ledger, from memory ([`MemoryWindows`]), or as a job file states them.

mod ledger;
mod memory;
mod stated;

use std::fmt;

use exportgate_contract::value::EntityUid;
use exportgate_contract::vocabulary::Window;
use exportgate_ledger::LedgerError;

pub use ledger::declare_from_now;
pub(crate) use ledger::{LedgerWindows, TransactionWindows, subject_of};
pub use memory::MemoryWindows;
pub(crate) use stated::{StatedWindows, count_of_fresh_start};

/// A count that a policy reads, and whose: one window of one subject.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WindowRead {
    /// Whose grants or denials are counted: an agent, a team, a vendor, a tenant, or a destination.
    pub subject: EntityUid,
    /// What is counted, and how far back.
    pub window: Window,
}

/// What each subject was granted and denied, to be read.
///
/// Times are milliseconds since 1970. A grant at time `g` is within a window of `w` seconds at time `now` when
/// `g > now - 1000 * w`. A store never lets a window shrink because a clock stepped back: it orders what it recorded,
/// and a time before the latest record counts as that of the latest record.
pub trait Windows: fmt::Debug {
    /// Tells the store which windows will be read; a gate calls it once when it is made. The store may drop what no
    /// declared window can see any more.
    ///
    /// # Errors
    ///
    /// [`WindowsError`] when the store can't count one of them exactly from now on.
    fn declare(&self, windows: &[Window]) -> Result<(), WindowsError>;

    /// The counts of `reads`, in their order, at `now_ms`.
    ///
    /// A window of customers counts the distinct customers granted within it *and* `customers`; a window of denials
    /// counts the denials recorded. `customers` holds each customer once, as canonical ids: one person, one id.
    ///
    /// # Errors
    ///
    /// [`WindowsError`] when a window wasn't declared, or the store can't be read.
    fn read_after(
        &self,
        reads: &[WindowRead],
        customers: &mut dyn ExactSizeIterator<Item = &str>,
        now_ms: i64,
    ) -> Result<Vec<u64>, WindowsError>;

    /// As [`Windows::read_after`], into a list that is used again and again: what was in it is replaced.
    ///
    /// # Errors
    ///
    /// As [`Windows::read_after`].
    fn read_after_into(
        &self,
        reads: &[WindowRead],
        customers: &mut dyn ExactSizeIterator<Item = &str>,
        now_ms: i64,
        counts: &mut Vec<u64>,
    ) -> Result<(), WindowsError> {
        *counts = self.read_after(reads, customers, now_ms)?;
        Ok(())
    }
}

/// Why windows couldn't be declared or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowsError {
    /// A window was read that nobody declared.
    #[error("a window of {seconds} seconds was read, and none so long was declared")]
    Undeclared {
        /// How far back it reaches.
        seconds: i64,
    },
    /// A window was declared that reaches further back than what the store has kept.
    #[error(
        "a window of {seconds} seconds can't be counted exactly: what is older than {kept_seconds} seconds was dropped"
    )]
    Forgotten {
        /// How far back the window reaches.
        seconds: i64,
        /// How far back the store reaches.
        kept_seconds: i64,
    },
    /// The ledger can't count them.
    #[error(transparent)]
    Ledger(LedgerError),
    /// The store is broken or can't be reached.
    #[error("the store of windows failed: {message}")]
    Store {
        /// What the store says, in one line.
        message: String,
    },
}
