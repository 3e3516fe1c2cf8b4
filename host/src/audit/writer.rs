//! Appends entries to the audit log, and needs no gate for it: an agent is revoked, a key handed over and a beginning dropped
//! whether modules load or not.

use exportgate_audit::entry::{self, Approval, LogId, NewCustomerKey, Revocation, WriteError};
use exportgate_audit::{CustomerKey, Entry, Event};
use exportgate_ledger::{LedgerError, StoreError, Transaction};

use super::entry::{one_line, uid};
use crate::record::Change;

/// Writes one log.
#[derive(Debug)]
pub struct LogWriter {
    log: LogId,
    key: CustomerKey,
}

impl LogWriter {
    /// The log named `origin`, with customers hashed under `key`.
    pub fn new(origin: &str, key: CustomerKey) -> Self {
        Self { log: LogId::of(origin), key }
    }

    /// The key that customers are hashed under.
    pub fn key(&self) -> &CustomerKey {
        &self.key
    }

    /// Records what happened. Returns its index. The first entry of an empty log announces the key of customers.
    ///
    /// # Errors
    ///
    /// [`LedgerError`] when it can't be recorded; the transaction must be discarded then.
    pub fn append(&self, transaction: &mut dyn Transaction, event: Event) -> Result<u64, LedgerError> {
        let mut next = transaction.next_record()?;
        if next == 0 {
            self.write(transaction, next, Self::announcement(&self.key))?;
            next = 1;
        }
        self.write(transaction, next, event)?;
        Ok(next)
    }

    /// Records what somebody changed.
    ///
    /// # Errors
    ///
    /// As [`Self::append`].
    pub fn change(&self, transaction: &mut dyn Transaction, change: &Change<'_>) -> Result<(), LedgerError> {
        let revocation = |agent: &str, by: &str, reason: &str, lifted| {
            let (kind, id) = ("agent".to_owned(), one_line(agent));
            Event::Revocation(Revocation { kind, id, by: one_line(by), reason: one_line(reason), lifted })
        };
        let event = match *change {
            Change::Answered { job, content, by, role, approved } => Event::Approval(Approval {
                job: one_line(job),
                content: *content.bytes(),
                by: uid(by),
                role: role.name().to_owned(),
                given_at_ms: transaction.now_ms(),
                approved,
            }),
            Change::Revoked { agent, by, reason } => revocation(agent, by, reason, false),
            Change::Reinstated { agent, by, reason } => revocation(agent, by, reason, true),
        };
        self.append(transaction, event).map(|_| ())
    }

    /// What announces a key of customers.
    pub fn announcement(key: &CustomerKey) -> Event {
        Event::CustomerKey(NewCustomerKey { epoch: key.epoch(), check: key.check() })
    }

    fn write(&self, transaction: &mut dyn Transaction, index: u64, event: Event) -> Result<(), LedgerError> {
        let entry = Entry { log: self.log, index, time_ms: transaction.now_ms(), event };
        let bytes = entry.to_bytes().map_err(unwritable)?;
        let found = transaction.append_record(&bytes)?;
        if found == index {
            return Ok(());
        }
        let message = format!("an entry for index {index} of the audit log got index {found}");
        Err(StoreError::Unavailable { message }.into())
    }
}

/// What the log can't take is refused, and is no outage of the store.
pub(super) fn unwritable(error: WriteError) -> LedgerError {
    let (what, found, max) = match error {
        WriteError::Text { found, .. } => ("bytes of a text in the audit log", found, entry::TEXT_BYTES_MAX),
        WriteError::Entry { found } => ("bytes of an entry of the audit log", found, entry::ENTRY_BYTES_MAX),
        WriteError::List { found, .. } => ("items of a list in the audit log", found, usize::from(u16::MAX)),
        WriteError::Control { .. } | WriteError::Order { .. } | WriteError::Rows => {
            ("faults in an entry of the audit log", 1, 0)
        }
    };
    LedgerError::Limit { what, found, max }
}
