//! The ledger in a SQLite file, in WAL mode: several threads and processes may share it.

mod past;
mod rows;
mod schema;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::customer::CustomerKey;
use crate::error::{LedgerError, StoreError};
use crate::ledger::End;
use crate::store::{Lock, Shared, Store, Work};
use rows::SqliteRows;
use writer::Writer;

/// What a reservation survives once it was acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The process being killed. After a power failure the last moments may be missing.
    #[default]
    ProcessCrash,
    /// The power failing, as far as the disk keeps what it says it has synced.
    PowerFailure,
}

/// How a SQLite ledger is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteOptions {
    /// What a reservation survives; by default [`Durability::ProcessCrash`].
    pub durability: Durability,
    /// How long a transaction waits for another process before it fails with [`StoreError::Busy`]; by default 5 s.
    pub busy_timeout: Duration,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self { durability: Durability::default(), busy_timeout: Duration::from_secs(5) }
    }
}

/// A ledger in a SQLite file.
///
/// Its threads share one connection that writes, with group commit, and each reads on a connection of its own. A process
/// that writes is waited for.
#[derive(Debug)]
pub struct SqliteLedger {
    path: PathBuf,
    options: SqliteOptions,
    shared: Shared,
    writer: Writer,
    /// Connections that read, while nobody does.
    readers: Mutex<Vec<Connection>>,
}

/// Idle connections kept for reading.
const READERS_MAX: usize = 16;

impl SqliteLedger {
    /// Opens the ledger at `path`, or makes one where there is nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the file can't be opened, isn't a ledger, was written by a newer version, or its customers were
    /// hashed under another key.
    pub fn open(path: impl AsRef<Path>, key: CustomerKey, options: SqliteOptions) -> Result<Self, LedgerError> {
        Self::open_file(path.as_ref(), key, options, true)
    }

    /// Opens the ledger at `path`, which must be there: a file that was lost doesn't begin anew with empty windows.
    ///
    /// # Errors
    ///
    /// As [`Self::open`]; [`StoreError::Missing`] where there is nothing.
    pub fn open_existing(
        path: impl AsRef<Path>,
        key: CustomerKey,
        options: SqliteOptions,
    ) -> Result<Self, LedgerError> {
        Self::open_file(path.as_ref(), key, options, false)
    }

    fn open_file(path: &Path, key: CustomerKey, options: SqliteOptions, create: bool) -> Result<Self, LedgerError> {
        if !create && !path.exists() {
            return Err(StoreError::Missing { place: path.display().to_string().escape_debug().to_string() }.into());
        }
        let shared = Shared::new(key);
        let mut connection = connect(path, &options, create)?;
        schema::prepare(&mut connection, &path.display().to_string(), &shared.key_check, create)?;
        let writer = Writer::new(path.to_owned(), options.clone(), connection)?;
        Ok(Self { path: path.to_owned(), options, shared, writer, readers: Mutex::default() })
    }

    /// Where the ledger is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How it was opened.
    pub fn options(&self) -> &SqliteOptions {
        &self.options
    }

    /// Hashes customers under another key from now on, and returns the ledger. Other processes that have it open are
    /// refused until they open it with the new key.
    ///
    /// What was counted stays counted, under the old key: a customer granted before and after counts twice until the earlier
    /// grant has left the window. So windows count too much for a while, never too few. Answer the jobs that are out first:
    /// a commit of some of their customers can't be compared with what was reserved. Merge again what was merged.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub fn rotate_key(self, key: CustomerKey) -> Result<Self, LedgerError> {
        let key_check = key.check();
        self.write(Lock::All, &mut |rows| {
            if rows.state()?.key_check != self.shared.key_check {
                return Err(StoreError::WrongKey.into());
            }
            rows.set_key_check(&key_check)?;
            Ok(End::Commit)
        })?;
        let (path, options) = (self.path.clone(), self.options.clone());
        drop(self);
        Self::open_existing(path, key, options)
    }

    fn readers(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for SqliteLedger {
    fn shared(&self) -> &Shared {
        &self.shared
    }

    fn write(&self, _lock: Lock<'_>, work: Work<'_>) -> Result<(), LedgerError> {
        // There is one writer at a time, whatever it writes.
        self.writer.write(&mut |connection| work(&mut SqliteRows::new(connection)))
    }

    fn read(&self, work: Work<'_>) -> Result<(), LedgerError> {
        let idle = self.readers().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => connect(&self.path, &self.options, false)?,
        };
        let transaction = connection.unchecked_transaction().map_err(failure)?;
        let result = work(&mut SqliteRows::new(&transaction));
        // A connection that failed isn't used again.
        if transaction.rollback().is_ok() && !matches!(result, Err(LedgerError::Store(_))) {
            let mut readers = self.readers();
            if readers.len() < READERS_MAX {
                readers.push(connection);
            }
        }
        result.map(|_| ())
    }
}

/// Statements kept compiled, a connection.
const STATEMENTS_CACHED: usize = 64;
/// Pages kept in memory, a connection: 64 MiB, as SQLite counts it.
const CACHE_KIB: i64 = -65_536;
/// Bytes of a page. A small job changes about ten pages and writes each whole; smaller ones make large jobs slower.
const PAGE_BYTES: i64 = 2_048;
/// After so many pages the write-ahead log is copied into the file: 16 MiB. Pages that many jobs change are copied once.
const WAL_PAGES: i64 = 8_192;

fn connect(path: &Path, options: &SqliteOptions, create: bool) -> Result<Connection, StoreError> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    flags.set(OpenFlags::SQLITE_OPEN_CREATE, create);
    let connection = Connection::open_with_flags(path, flags).map_err(failure)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    // Else SQLite compiles some statements anew for each value that they are given.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(failure)?;
    connection.busy_timeout(options.busy_timeout).map_err(failure)?;
    let synchronous = match options.durability {
        Durability::ProcessCrash => "NORMAL",
        Durability::PowerFailure => "FULL",
    };
    // Before WAL mode: afterwards it can't be changed. It only holds for a file that is made.
    connection.pragma_update(None, "page_size", PAGE_BYTES).map_err(failure)?;
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)).map_err(failure)?;
    if mode != "wal" {
        let message = format!("the file can't be put into WAL mode, it stays in mode `{mode}`");
        return Err(StoreError::Unavailable { message });
    }
    for (name, value) in [("synchronous", synchronous), ("trusted_schema", "OFF"), ("cell_size_check", "ON")] {
        connection.pragma_update(None, name, value).map_err(failure)?;
    }
    connection.pragma_update(None, "cache_size", CACHE_KIB).map_err(failure)?;
    connection.pragma_update(None, "wal_autocheckpoint", WAL_PAGES).map_err(failure)?;
    Ok(connection)
}

/// What SQLite's error is to a ledger.
fn failure(error: rusqlite::Error) -> StoreError {
    let message = error.to_string().replace('\n', " ");
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy { message },
        Some(ErrorCode::DatabaseCorrupt) => StoreError::Corrupt { message },
        Some(ErrorCode::NotADatabase) => StoreError::Corrupt { message },
        Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch) => StoreError::Corrupt { message },
        Some(_) => StoreError::Unavailable { message },
        // Not from SQLite: a value of another type than the tables have.
        None => StoreError::Corrupt { message },
    }
}
