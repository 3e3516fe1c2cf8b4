//! The stores that each test runs on.

use std::sync::Arc;

use exportgate_ledger::{CustomerKey, Ledger, SqliteLedger, SqliteOptions};
use tempfile::TempDir;

/// The key of every test.
pub(crate) fn key() -> CustomerKey {
    CustomerKey::new(&[7; 32]).unwrap()
}

/// An empty place for a ledger, and how to open it.
pub(crate) struct Place {
    /// What the test says where it fails.
    pub(crate) name: &'static str,
    folder: TempDir,
}

impl Place {
    pub(crate) fn open(&self) -> Arc<dyn Ledger> {
        let path = self.folder.path().join("ledger.db");
        Arc::new(SqliteLedger::open(path, key(), SqliteOptions::default()).unwrap())
    }
}

/// Runs the test once a store, each time in an empty place.
pub(crate) fn each(mut test: impl FnMut(&Place)) {
    test(&Place { name: "SQLite", folder: tempfile::tempdir().unwrap() });
}
