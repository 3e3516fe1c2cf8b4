//! The stores that each test runs on.

use std::sync::Arc;

use exportgate_ledger::{CustomerKey, Ledger, LedgerError, SqliteLedger, SqliteOptions};
use tempfile::TempDir;

/// The key of every test.
pub(crate) fn key() -> CustomerKey {
    CustomerKey::new(&[7; 32]).unwrap()
}

/// An empty place for a ledger, and how to open it.
pub(crate) struct Place {
    /// What the test says where it fails.
    pub(crate) name: &'static str,
    kind: Kind,
}

enum Kind {
    Sqlite(TempDir),
    #[cfg(feature = "postgres")]
    Postgres(String),
}

impl Place {
    pub(crate) fn open(&self) -> Arc<dyn Ledger> {
        self.open_with(key()).unwrap()
    }

    pub(crate) fn open_with(&self, key: CustomerKey) -> Result<Arc<dyn Ledger>, LedgerError> {
        match &self.kind {
            Kind::Sqlite(folder) => {
                let path = folder.path().join("ledger.db");
                Ok(Arc::new(SqliteLedger::open(path, key, SqliteOptions::default())?))
            }
            #[cfg(feature = "postgres")]
            Kind::Postgres(schema) => {
                use exportgate_ledger::{PostgresClock, PostgresLedger, PostgresOptions};
                let schema = schema.clone();
                // The tests move time.
                let options = PostgresOptions { schema, clock: PostgresClock::Caller, ..PostgresOptions::default() };
                Ok(Arc::new(PostgresLedger::open(&super::server::Server::shared().url(), key, options)?))
            }
        }
    }
}

/// Runs the test once a store, each time in an empty place.
pub(crate) fn each(mut test: impl FnMut(&Place)) {
    test(&Place { name: "SQLite", kind: Kind::Sqlite(tempfile::tempdir().unwrap()) });
    #[cfg(feature = "postgres")]
    {
        use std::sync::atomic::{AtomicUsize, Ordering};
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let schema = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        test(&Place { name: "PostgreSQL", kind: Kind::Postgres(schema) });
    }
}
