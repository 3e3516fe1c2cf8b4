//! Revoking agents without a gate: whoever leaves is out at once, whether modules load or not.

use exportgate_ledger::{End, Ledger, LedgerError, On, Transaction};

use crate::audit::LogWriter;
use crate::record::Change;

/// Disables an agent, and records it where there is a log: every later ask is denied, and permits already given no longer
/// release. Says whether it is new; revoking again changes nothing. `by` is who does it.
///
/// # Errors
///
/// [`LedgerError`] when it can't be written or recorded; then nothing changed.
pub fn revoke(
    ledger: &dyn Ledger,
    log: Option<&LogWriter>,
    agent: &str,
    by: &str,
    reason: &str,
    now_ms: i64,
) -> Result<bool, LedgerError> {
    recorded(ledger, log, &Change::Revoked { agent, by, reason }, now_ms)
}

/// Enables an agent again, and records it where there is a log; says whether it was revoked.
///
/// # Errors
///
/// As [`revoke`].
pub fn reinstate(
    ledger: &dyn Ledger,
    log: Option<&LogWriter>,
    agent: &str,
    by: &str,
    reason: &str,
    now_ms: i64,
) -> Result<bool, LedgerError> {
    recorded(ledger, log, &Change::Reinstated { agent, by, reason }, now_ms)
}

fn recorded(
    ledger: &dyn Ledger,
    log: Option<&LogWriter>,
    change: &Change<'_>,
    now_ms: i64,
) -> Result<bool, LedgerError> {
    change_with(ledger, change, now_ms, &|transaction| log.map_or(Ok(()), |log| log.change(transaction, change)))
}

/// Makes a change of who may ask, and records it in the same transaction; says whether anything changed.
pub(crate) fn change_with(
    ledger: &dyn Ledger,
    change: &Change<'_>,
    now_ms: i64,
    record: &dyn Fn(&mut dyn Transaction) -> Result<(), LedgerError>,
) -> Result<bool, LedgerError> {
    let mut changed = false;
    ledger.transact(On::Subjects(&[]), now_ms, &mut |transaction| {
        changed = match *change {
            Change::Revoked { agent, reason, .. } => transaction.revoke(agent, reason)?,
            Change::Reinstated { agent, .. } => transaction.reinstate(agent)?,
            // An answer is another matter: who may give it is asked of the policies.
            Change::Answered { .. } => false,
        };
        if !changed {
            return Ok(End::Discard);
        }
        record(transaction)?;
        Ok(End::Commit)
    })?;
    Ok(changed)
}
