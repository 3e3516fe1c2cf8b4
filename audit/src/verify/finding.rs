//! What can be wrong with a log, each by its name.

use crate::checkpoint::CheckpointError;
use crate::entry::{LogId, ReadError};
use crate::keys::RotationError;

/// Something wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// The records between two sizes aren't those that were signed: at least one was edited, removed, put in or moved.
    #[error("changed: the entries from {from} on, up to before {to}, aren't those of the checkpoint of {to} entries")]
    Changed {
        /// Up to here a checkpoint holds.
        from: u64,
        /// The size of the checkpoint that doesn't.
        to: u64,
    },
    /// Records aren't there.
    #[error("deleted: the entries from {from} on, up to before {to}, are missing")]
    Missing {
        /// The first that is missing.
        from: u64,
        /// The first that is there again.
        to: u64,
    },
    /// The log has fewer entries than were signed.
    #[error("truncated: {found} entries are left of the {held} that a checkpoint was signed for")]
    Truncated {
        /// How many were signed.
        held: u64,
        /// How many are left.
        found: u64,
    },
    /// An entry stands where another was.
    #[error("moved: entry {index} says that it is entry {says}")]
    Misplaced {
        /// Where it stands.
        index: u64,
        /// Which it says it is.
        says: u64,
    },
    /// An entry is of another log.
    #[error("spliced: entry {index} is of another log, {log}")]
    Foreign {
        /// Where it stands.
        index: u64,
        /// Of which log it is.
        log: LogId,
    },
    /// A record isn't an entry.
    #[error("edited: entry {index} can't be read: {error}")]
    Unreadable {
        /// Where it stands.
        index: u64,
        /// Why.
        error: ReadError,
    },
    /// An entry is older than one before it, by more than [`crate::verify::TIME_SLACK_MS`].
    #[error("reordered: entry {index} is older than one before it")]
    TimeStepsBack {
        /// Where it stands.
        index: u64,
    },
    /// The customers after a decision or commit aren't those that it lists.
    #[error("edited: the customers up to entry {index} aren't those that were listed: {problem}")]
    Customers {
        /// Where it shows.
        index: u64,
        /// What is wrong.
        problem: &'static str,
    },
    /// A checkpoint is signed by keys that aren't trusted.
    #[error("other key: the checkpoint of {size} entries is signed by {}, none of which is trusted", by.join(", "))]
    OtherKey {
        /// Its size.
        size: u64,
        /// The keys that say they signed it.
        by: Vec<String>,
    },
    /// A checkpoint is signed by a key that had handed over.
    #[error("other key: the checkpoint of {size} entries is signed by {by}, which handed over at {from_size} entries")]
    RetiredKey {
        /// Its size.
        size: u64,
        /// The key.
        by: String,
        /// The size of the log when the key handed over.
        from_size: u64,
    },
    /// A checkpoint can't be read, is of another log, or its signature doesn't hold.
    #[error("a checkpoint can't be used: {error}")]
    Checkpoint {
        /// Why.
        error: CheckpointError,
    },
    /// Two checkpoints of one size have different roots: the log was shown in two ways.
    #[error("split view: two checkpoints of {size} entries were signed, with different roots")]
    SplitView {
        /// Their size.
        size: u64,
    },
    /// An entry that hands over to a new key isn't signed by the key before.
    #[error("other key: entry {index} doesn't hand over to a new key: {error}")]
    Rotation {
        /// Where it stands.
        index: u64,
        /// Why.
        error: RotationError,
    },
    /// The beginning was dropped, and no entry says so.
    #[error("the first {size} entries were dropped, and no entry records that")]
    UnrecordedPruning {
        /// How many.
        size: u64,
    },
}
