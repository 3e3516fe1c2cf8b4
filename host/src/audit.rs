//! Records every ask, commit and cancel in the audit log, in the ledger's transaction that decides it.
//!
//! What the log holds of a job is what a later question needs and no more: who, which fields, where to, why, what was decided by
//! which policies, and keyed hashes of the customers that may leave. Values, names and the customers of a denied job aren't in it.

mod entry;
mod records;

use std::collections::BTreeMap;
use std::sync::Arc;

use exportgate_audit::entry::{Cancel, Commit, LogId, NewCustomerKey, Rows, WriteError, split};
use exportgate_audit::{CustomerHash, CustomerKey, Entry, Event};
use exportgate_ledger::{LedgerError, StoreError, Transaction};

use crate::decision::Decision;
use crate::gate::Gate;
use crate::job::Job;
use crate::permit::Left;
use crate::record::Recorder;

pub use records::LedgerRecords;

/// Keeps the audit log of a gate, as its recorder: [`Gate::with_recorder`].
///
/// An entry that can't be written fails its transaction: what can't be recorded isn't allowed.
#[derive(Debug)]
pub struct AuditLog {
    log: LogId,
    key: CustomerKey,
    permit_ms: i64,
    /// The classes of each field of the base's catalogue, in one text.
    classes: BTreeMap<Arc<str>, String>,
}

impl AuditLog {
    /// The log named `origin` of what `gate` decides, with customers hashed under `key`. The first entry of an empty log
    /// announces the key.
    pub fn new(origin: &str, key: CustomerKey, gate: &Gate) -> Self {
        let catalogue = gate.modules().find_map(|module| module.manifest().catalogue.as_ref());
        let classes = catalogue.into_iter().flat_map(|catalogue| &catalogue.fields);
        let permit_ms = i64::try_from(gate.config().permit_seconds.saturating_mul(1_000)).unwrap_or(i64::MAX);
        Self {
            log: LogId::of(origin),
            key,
            permit_ms,
            classes: classes.map(|(name, field)| (name.clone(), field.classes.join(","))).collect(),
        }
    }

    /// Records something that isn't an ask: a new key, a revocation, an approval. Returns its index.
    ///
    /// # Errors
    ///
    /// [`LedgerError`] when it can't be recorded; the transaction must be discarded then.
    pub fn append(&self, transaction: &mut dyn Transaction, event: Event) -> Result<u64, LedgerError> {
        let mut next = transaction.next_record()?;
        if next == 0 {
            let announced = NewCustomerKey { epoch: self.key.epoch(), check: self.key.check() };
            self.write(transaction, next, Event::CustomerKey(announced))?;
            next = 1;
        }
        self.write(transaction, next, event)?;
        Ok(next)
    }

    fn append_all(&self, transaction: &mut dyn Transaction, event: Event, rows: Vec<Rows>) -> Result<(), LedgerError> {
        self.append(transaction, event)?;
        for part in rows {
            self.append(transaction, Event::Rows(part))?;
        }
        Ok(())
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

    fn hashes<'a>(&self, customers: impl Iterator<Item = &'a str>) -> Vec<CustomerHash> {
        customers.map(|customer| self.key.hash(customer)).collect()
    }
}

/// What the log can't take is refused, and is no outage of the store.
fn unwritable(error: WriteError) -> LedgerError {
    let (what, found, max) = match error {
        WriteError::Text { found, .. } => {
            ("bytes of a text in the audit log", found, exportgate_audit::entry::TEXT_BYTES_MAX)
        }
        WriteError::Entry { found } => {
            ("bytes of an entry of the audit log", found, exportgate_audit::entry::ENTRY_BYTES_MAX)
        }
        WriteError::List { found, .. } => ("items of a list in the audit log", found, usize::from(u16::MAX)),
        WriteError::Control { .. } | WriteError::Order { .. } | WriteError::Rows => {
            ("faults in an entry of the audit log", 1, 0)
        }
    };
    LedgerError::Limit { what, found, max }
}

impl Recorder for AuditLog {
    fn decided(&self, transaction: &mut dyn Transaction, job: &Job, decision: &Decision) -> Result<(), LedgerError> {
        let groups = entry::customers_by_forms(job, decision);
        let groups = groups.into_iter().map(|(forms, customers)| (forms, self.hashes(customers.into_iter()))).collect();
        let (rows, parts) =
            split(decision.job(), self.key.epoch(), decision.fields().len(), groups).map_err(unwritable)?;
        let expires_ms = if decision.is_allow() { decision.now_ms().saturating_add(self.permit_ms) } else { 0 };
        let recorded = entry::of_decision(job, decision, &self.classes, expires_ms, rows);
        self.append_all(transaction, Event::Decision(Box::new(recorded)), parts)
    }

    fn committed(&self, transaction: &mut dyn Transaction, job: &str, left: Left<'_>) -> Result<(), LedgerError> {
        let (rows, parts) = match left {
            Left::All => (None, Vec::new()),
            Left::Only(ids) => {
                let groups = BTreeMap::from([(Vec::new(), self.hashes(ids.iter().map(|id| &**id)))]);
                let (rows, parts) = split(job, self.key.epoch(), 0, groups).map_err(unwritable)?;
                (Some(rows), parts)
            }
        };
        let commit = Commit { job: job.to_owned(), rows, obligations: Vec::new(), output_sha256: [0; 32] };
        self.append_all(transaction, Event::Commit(commit), parts)
    }

    fn cancelled(&self, transaction: &mut dyn Transaction, job: &str) -> Result<(), LedgerError> {
        let cancel = Cancel { job: job.to_owned(), reason: "cancelled".to_owned() };
        self.append(transaction, Event::Cancel(cancel)).map(|_| ())
    }
}
