//! Drops the beginning of the audit log, once nobody needs to ask about it: the hashes of what is dropped stay, and what is left
//! is verified from there.

use exportgate_audit::entry::Pruning;
use exportgate_audit::{CustomerKey, Entry, Event, Frontier, Hash, Prefix, Records, RecordsError};
use exportgate_ledger::{End, Ledger, LedgerError, On};

use super::{LedgerRecords, LogWriter};

/// Entries dropped in one transaction, about: some tens of MiB.
const ENTRIES_AT_ONCE: u64 = 50_000;

/// What is to be dropped, and why.
#[derive(Clone, Copy, Debug)]
pub struct Retention<'a> {
    /// The name of the log.
    pub origin: &'a str,
    /// Entries of before this time go, in milliseconds since 1970.
    pub before_ms: i64,
    /// Who drops them.
    pub by: &'a str,
    /// Why.
    pub reason: &'a str,
    /// The keys of customers that are announced anew, since their announcement may go.
    pub keys: &'a [CustomerKey],
}

/// Why the beginning of a log wasn't dropped. What was dropped before that stays dropped, and the log holds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PruneError {
    /// The log can't be read.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// An entry can't be read, or isn't there.
    #[error("entry {index} of the log is missing or can't be read")]
    Damaged {
        /// Its index.
        index: u64,
    },
    /// Somebody else dropped entries at the same time.
    #[error("somebody else drops entries of the log")]
    Raced,
    /// The ledger refuses it, or fails.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl LedgerRecords {
    /// What stands in place of the beginning of the log `origin`, as far as it was dropped.
    ///
    /// # Errors
    ///
    /// [`RecordsError`] when the ledger can't be read, or what it keeps isn't the beginning of that log.
    pub fn prefix(&self, origin: &str) -> Result<Prefix, RecordsError> {
        let Some(dropped) = self.ledger().dropped_records().map_err(RecordsError::new)? else {
            return Ok(Prefix::none(origin));
        };
        let text = String::from_utf8_lossy(&dropped.kept);
        let prefix = Prefix::from_text(&text, origin).map_err(RecordsError::new)?;
        if prefix.size() == dropped.before {
            return Ok(prefix);
        }
        let (found, expected) = (prefix.size(), dropped.before);
        Err(RecordsError::new(format!("the hashes of {found} entries are kept, and {expected} were dropped")))
    }
}

/// Drops the entries of before a time, a part at a time, each with an entry that says so in the same transaction. A decision goes
/// with its customers. Returns how many went.
///
/// # Errors
///
/// [`PruneError`].
pub fn prune(
    records: &LedgerRecords,
    log: &LogWriter,
    retention: &Retention<'_>,
    now_ms: i64,
) -> Result<u64, PruneError> {
    let mut dropped = 0_u64;
    loop {
        let prefix = records.prefix(retention.origin)?;
        let Some(next) = part(records, &prefix, retention.before_ms)? else { return Ok(dropped) };
        let count = next.size().saturating_sub(prefix.size());
        drop_part(&**records.ledger(), log, retention, Prefix::new(retention.origin, next), count, now_ms)?;
        dropped = dropped.saturating_add(count);
    }
}

/// The tree of the log up to where it may be dropped next; none when nothing may.
fn part(records: &LedgerRecords, prefix: &Prefix, before_ms: i64) -> Result<Option<Frontier>, PruneError> {
    let first = prefix.size();
    let (mut frontier, mut damaged) = (prefix.frontier().clone(), None);
    records.read(first, records.size()?, &mut |index, record| {
        let entry = Entry::from_bytes(record).ok().filter(|_| index == frontier.size());
        let Some(entry) = entry else {
            damaged = Some(frontier.size());
            return false;
        };
        // Customers go with the decision or commit before them; what drops a beginning, and the keys after it, begin the rest.
        let may_begin = !matches!(entry.event, Event::Rows(_));
        let enough = frontier.size().saturating_sub(first) >= ENTRIES_AT_ONCE;
        if may_begin && (entry.time_ms >= before_ms || enough) {
            return false;
        }
        frontier.push(Hash::of_leaf(record));
        true
    })?;
    match damaged {
        Some(index) => Err(PruneError::Damaged { index }),
        None => Ok((frontier.size() > first).then_some(frontier)),
    }
}

fn drop_part(
    ledger: &dyn Ledger,
    log: &LogWriter,
    retention: &Retention<'_>,
    prefix: Prefix,
    count: u64,
    now_ms: i64,
) -> Result<(), PruneError> {
    let (size, root) = (prefix.size(), prefix.frontier().root());
    let (by, reason) = (super::entry::one_line(retention.by), super::entry::one_line(retention.reason));
    let pruning = Pruning { size, root, by, reason };
    let mut raced = false;
    ledger.transact(On::Subjects(&[]), now_ms, &mut |transaction| {
        log.append(transaction, Event::Pruning(pruning.clone()))?;
        for key in retention.keys {
            log.append(transaction, LogWriter::announcement(key))?;
        }
        raced = transaction.drop_records(size, prefix.to_string().as_bytes())? != count;
        Ok(if raced { End::Discard } else { End::Commit })
    })?;
    if raced { Err(PruneError::Raced) } else { Ok(()) }
}
