//! Records every ask, commit and cancel in the audit log, in the ledger's transaction that decides it.
//!
//! What the log holds of a job is what a later question needs and no more: who, which fields, where to, why, what was decided by
//! which policies, and keyed hashes of the customers that may leave. Values, names and the customers of a denied job aren't in it.

mod entry;
mod prune;
mod records;
mod writer;

use std::collections::BTreeMap;
use std::sync::Arc;

use exportgate_audit::entry::{Cancel, Commit, Rows, split};
use exportgate_audit::{CustomerHash, CustomerKey, Event};
use exportgate_contract::obligation::Fallback;
use exportgate_ledger::{LedgerError, Transaction};

use crate::decision::Decision;
use crate::gate::Gate;
use crate::job::Job;
use crate::permit::Left;
use crate::record::{Change, Recorder};

pub use prune::{PruneError, Retention, prune};
pub use records::LedgerRecords;
pub use writer::LogWriter;
use writer::unwritable;

/// Keeps the audit log of a gate, as its recorder: [`Gate::with_recorder`].
///
/// An entry that can't be written fails its transaction: what can't be recorded isn't allowed.
#[derive(Debug)]
pub struct AuditLog {
    writer: LogWriter,
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
            writer: LogWriter::new(origin, key),
            permit_ms,
            classes: classes.map(|(name, field)| (name.clone(), field.classes.join(","))).collect(),
        }
    }

    /// Records a decision under this id; `without` says what it was made without.
    fn record(
        &self,
        transaction: &mut dyn Transaction,
        id: &str,
        job: &Job,
        decision: &Decision,
        without: Option<Fallback>,
    ) -> Result<(), LedgerError> {
        let id = entry::one_line(id);
        let groups = entry::customers_by_forms(job, decision);
        let groups = groups.into_iter().map(|(forms, customers)| (forms, self.hashes(customers.into_iter()))).collect();
        let (rows, parts) =
            split(&id, self.writer.key().epoch(), decision.fields().len(), groups).map_err(unwritable)?;
        let expires_ms = if decision.is_allow() { decision.now_ms().saturating_add(self.permit_ms) } else { 0 };
        let mut recorded = entry::of_decision(job, decision, &self.classes, expires_ms, rows);
        recorded.job = id;
        if let Some(without) = without {
            recorded.context.push(("without".to_owned(), without.name().to_owned()));
        }
        self.append_all(transaction, Event::Decision(Box::new(recorded)), parts)
    }

    fn append_all(&self, transaction: &mut dyn Transaction, event: Event, rows: Vec<Rows>) -> Result<(), LedgerError> {
        self.writer.append(transaction, event)?;
        for part in rows {
            self.writer.append(transaction, Event::Rows(part))?;
        }
        Ok(())
    }

    fn hashes<'a>(&self, customers: impl Iterator<Item = &'a str>) -> Vec<CustomerHash> {
        customers.map(|customer| self.writer.key().hash(customer)).collect()
    }
}

impl Recorder for AuditLog {
    fn decided(&self, transaction: &mut dyn Transaction, job: &Job, decision: &Decision) -> Result<(), LedgerError> {
        self.record(transaction, decision.job(), job, decision, None)
    }

    fn caught_up(
        &self,
        transaction: &mut dyn Transaction,
        id: &str,
        job: &Job,
        decision: &Decision,
    ) -> Result<(), LedgerError> {
        self.record(transaction, id, job, decision, Some(Fallback::StoreDown))
    }

    fn committed(&self, transaction: &mut dyn Transaction, job: &str, left: Left<'_>) -> Result<(), LedgerError> {
        let (rows, parts) = match left {
            Left::All => (None, Vec::new()),
            Left::Only(ids) => {
                let groups = BTreeMap::from([(Vec::new(), self.hashes(ids.iter().map(|id| &**id)))]);
                let (rows, parts) = split(job, self.writer.key().epoch(), 0, groups).map_err(unwritable)?;
                (Some(rows), parts)
            }
        };
        let commit = Commit { job: job.to_owned(), rows, obligations: Vec::new(), output_sha256: [0; 32] };
        self.append_all(transaction, Event::Commit(commit), parts)
    }

    fn cancelled(&self, transaction: &mut dyn Transaction, job: &str) -> Result<(), LedgerError> {
        let cancel = Cancel { job: job.to_owned(), reason: "cancelled".to_owned() };
        self.writer.append(transaction, Event::Cancel(cancel)).map(|_| ())
    }

    fn changed(&self, transaction: &mut dyn Transaction, change: &Change<'_>) -> Result<(), LedgerError> {
        self.writer.change(transaction, change)
    }
}
