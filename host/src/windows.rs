//! Windows: how many distinct customers each subject has been granted, and how often it was denied.
//!
//! A window is a stretch of time that ends now. Policies read the count *after* the job, had it been granted: the
//! customers granted within the window and those of the job, each once. The gate reads windows through [`Windows`];
//! [`MemoryWindows`] keeps them in memory.

mod memory;
mod stated;

use std::fmt;

use exportgate_contract::value::EntityUid;
use exportgate_contract::vocabulary::Window;

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

/// A store of what each subject was granted and denied.
///
/// Times are milliseconds since 1970. A grant at time `g` is within a window of `w` seconds at time `now` when
/// `g > now - 1000 * w`. A store never lets a window shrink because a clock stepped back: it orders what it recorded,
/// and a time before the latest record counts as that of the latest record.
pub trait Windows: fmt::Debug + Send + Sync {
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

    /// Records that `customers` were granted to all of `subjects` at `now_ms`: for all, or on an error for none.
    ///
    /// # Errors
    ///
    /// [`WindowsError`] when the store can't be written.
    fn record_grant(
        &self,
        subjects: &[EntityUid],
        customers: &mut dyn ExactSizeIterator<Item = &str>,
        now_ms: i64,
    ) -> Result<(), WindowsError>;

    /// Records that policies denied `agent` at `now_ms`. Failures and challenges aren't recorded: ten crashes must not
    /// lock out an honest agent.
    ///
    /// # Errors
    ///
    /// [`WindowsError`] when the store can't be written.
    fn record_denial(&self, agent: &EntityUid, now_ms: i64) -> Result<(), WindowsError>;
}

/// Why windows couldn't be declared, read or written.
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
    /// The store is broken or can't be reached.
    #[error("the store of windows failed: {message}")]
    Store {
        /// What the store says, in one line.
        message: String,
    },
}
