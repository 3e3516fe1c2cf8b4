//! The records of a ledger, as the audit log reads them.

use std::sync::Arc;

use exportgate_audit::{Records, RecordsError};
use exportgate_ledger::Ledger;

/// Records read at once: a few MiB at most, were they all as large as can be.
const PAGE: usize = 1_000;

/// The audit log in a ledger.
#[derive(Clone, Debug)]
pub struct LedgerRecords {
    ledger: Arc<dyn Ledger>,
}

impl LedgerRecords {
    /// The log in this ledger.
    pub fn new(ledger: Arc<dyn Ledger>) -> Self {
        Self { ledger }
    }

    /// The ledger.
    pub fn ledger(&self) -> &Arc<dyn Ledger> {
        &self.ledger
    }
}

impl Records for LedgerRecords {
    fn size(&self) -> Result<u64, RecordsError> {
        self.ledger.records_end().map_err(RecordsError::new)
    }

    fn read(&self, from: u64, to: u64, each: &mut dyn FnMut(u64, &[u8]) -> bool) -> Result<(), RecordsError> {
        let mut from = from;
        while from < to {
            let page = self.ledger.records(from, PAGE).map_err(RecordsError::new)?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            from = last.saturating_add(1);
            for (index, record) in &page {
                if *index >= to || !each(*index, record) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}
