//! What the keeper of a log does with it: measure it, sign how large it is, and prove that an entry is in it.

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::hash::Hash;
use crate::note::PublicKey;
use crate::proof::{Plan, ProofError, verify_inclusion};
use crate::prune::Prefix;
use crate::receipt::Receipt;
use crate::records::{Records, RecordsError};
use crate::tree::Frontier;

/// Why a log can't be measured, signed or proved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// The store can't be read.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// An entry isn't there.
    #[error("entry {index} is missing")]
    Missing {
        /// Its index.
        index: u64,
    },
    /// The log isn't the one that was signed before. It must not be signed again: run `verify`.
    #[error("the log isn't the one that its checkpoint of {size} entries was signed for")]
    Inconsistent {
        /// The size of that checkpoint.
        size: u64,
    },
    /// The entry isn't covered by the checkpoint.
    #[error("the checkpoint covers {size} entries, entry {index} isn't among them")]
    NotCovered {
        /// The entry.
        index: u64,
        /// The size of the checkpoint.
        size: u64,
    },
    /// The entry was dropped.
    #[error("entry {index} was dropped: the log begins with entry {first}")]
    Pruned {
        /// The entry.
        index: u64,
        /// The first that is there.
        first: u64,
    },
    /// The checkpoint isn't one.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

/// Hands the entries after `prefix` up to before `size` to `each`.
///
/// # Errors
///
/// [`LogError::Records`], and [`LogError::Missing`] when one isn't there.
pub fn walk(
    records: &dyn Records,
    prefix: &Prefix,
    size: u64,
    each: &mut dyn FnMut(u64, &[u8]),
) -> Result<(), LogError> {
    let mut expected = prefix.size();
    let mut gap = None;
    records.read(expected, size, &mut |index, record| {
        if index != expected {
            gap = Some(expected);
            return false;
        }
        expected = expected.saturating_add(1);
        each(index, record);
        true
    })?;
    match gap {
        Some(index) => Err(LogError::Missing { index }),
        None if expected < size => Err(LogError::Missing { index: expected }),
        None => Ok(()),
    }
}

/// Measures a log that begins with `prefix` up to `size` entries.
///
/// # Errors
///
/// As [`walk`].
pub fn measure(records: &dyn Records, prefix: &Prefix, size: u64) -> Result<Frontier, LogError> {
    let mut frontier = prefix.frontier().clone();
    walk(records, prefix, size, &mut |_, record| frontier.push(Hash::of_leaf(record)))?;
    Ok(frontier)
}

/// What is to be signed of the log `origin` now: its size and root, and the frontier, from which the next measurement may
/// begin. `last` is the checkpoint signed before, if there is one: the log must still have what it was signed for.
///
/// # Errors
///
/// [`LogError::Inconsistent`] when it hasn't; else as [`walk`].
pub fn next_checkpoint(
    records: &dyn Records,
    origin: &str,
    prefix: &Prefix,
    last: Option<&Checkpoint>,
) -> Result<(Checkpoint, Prefix), LogError> {
    let size = records.size()?;
    let mut frontier = prefix.frontier().clone();
    let mut known = true;
    if let Some(last) = last {
        if size < last.size {
            return Err(LogError::Inconsistent { size: last.size });
        }
        known = frontier.size() != last.size || frontier.root() == last.root;
    }
    walk(records, prefix, size, &mut |_, record| {
        frontier.push(Hash::of_leaf(record));
        if let Some(last) = last.filter(|last| last.size == frontier.size()) {
            known = frontier.root() == last.root;
        }
    })?;
    if let (false, Some(last)) = (known, last) {
        return Err(LogError::Inconsistent { size: last.size });
    }
    let checkpoint = Checkpoint { origin: origin.to_owned(), size, root: frontier.root() };
    Ok((checkpoint, Prefix::new(origin, frontier)))
}

/// Makes a receipt for the entry at `index`, under a signed checkpoint of the log `origin`.
///
/// # Errors
///
/// [`LogError`] when the checkpoint isn't one by `keys` or doesn't cover the entry, the entry isn't there, or the log isn't the
/// one that the checkpoint was signed for.
pub fn prove(
    records: &dyn Records,
    origin: &str,
    prefix: &Prefix,
    index: u64,
    checkpoint: &str,
    keys: &[PublicKey],
) -> Result<Receipt, LogError> {
    let (signed, _) = Checkpoint::open(checkpoint, origin, keys)?;
    if index < prefix.size() {
        return Err(LogError::Pruned { index, first: prefix.size() });
    }
    let not_covered = |_: ProofError| LogError::NotCovered { index, size: signed.size };
    let mut plan = Plan::inclusion(index, signed.size).map_err(not_covered)?;
    plan.skip(prefix.frontier()).map_err(not_covered)?;
    let mut entry = None;
    walk(records, prefix, signed.size, &mut |at, record| {
        plan.push(Hash::of_leaf(record));
        if at == index {
            entry = Some(record.to_vec());
        }
    })?;
    let (Some(entry), Some(proof)) = (entry, plan.finish()) else {
        return Err(LogError::Missing { index });
    };
    verify_inclusion(index, signed.size, Hash::of_leaf(&entry), &proof, signed.root)
        .map_err(|_| LogError::Inconsistent { size: signed.size })?;
    Ok(Receipt { index, entry, proof, checkpoint: checkpoint.to_owned() })
}
