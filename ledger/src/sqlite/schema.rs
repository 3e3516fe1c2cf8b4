//! The tables of a SQLite ledger, and the check that a file holds them.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::failure;
use crate::error::StoreError;

/// `EXPL`: what tells a ledger from other SQLite files.
const APPLICATION_ID: i64 = 0x4558_504c;
/// The version of the tables.
const VERSION: i64 = 2;

/// What stands in place of the first records, once they were dropped. Version 1 had no such table.
const DROPPED: &str = "
CREATE TABLE IF NOT EXISTS dropped (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    before INTEGER NOT NULL,
    kept BLOB NOT NULL
) STRICT;
";

const TABLES: &str = "
CREATE TABLE state (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    key_check BLOB NOT NULL,
    latest_ms INTEGER NOT NULL,
    -- The length of the longest window declared, and up to when grants were dropped.
    kept_ms INTEGER NOT NULL,
    dropped_to_ms INTEGER NOT NULL,
    merged INTEGER NOT NULL,
    -- Where the next sweep goes on.
    swept_customers INTEGER NOT NULL,
    swept_series INTEGER NOT NULL
) STRICT;
CREATE TABLE declared (
    kind TEXT NOT NULL,
    counted TEXT NOT NULL,
    length_ms INTEGER NOT NULL,
    -- Since when everything was counted for this kind.
    since_ms INTEGER NOT NULL,
    PRIMARY KEY (kind, counted, length_ms)
) STRICT, WITHOUT ROWID;
CREATE TABLE series (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    counted TEXT NOT NULL,
    id TEXT NOT NULL,
    UNIQUE (id, kind, counted)
) STRICT;
CREATE TABLE view (
    series INTEGER NOT NULL,
    length_ms INTEGER NOT NULL,
    start_ms INTEGER NOT NULL,
    count INTEGER NOT NULL CHECK (count >= 0),
    PRIMARY KEY (series, length_ms)
) STRICT, WITHOUT ROWID;
CREATE TABLE moment (
    series INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    count INTEGER NOT NULL CHECK (count > 0),
    PRIMARY KEY (series, at_ms)
) STRICT, WITHOUT ROWID;
CREATE TABLE granted (
    customer BLOB NOT NULL,
    job INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    scope BLOB NOT NULL,
    PRIMARY KEY (customer, job)
) STRICT, WITHOUT ROWID;
-- The oldest go first, so a number comes again only when no job is left. The latest record is never earlier than the last
-- job, so `latest_ms` isn't written with each of them: a page less.
CREATE TABLE job (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    digest BLOB NOT NULL,
    agent TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    used_ms INTEGER,
    state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 2),
    scope BLOB NOT NULL,
    reserved INTEGER NOT NULL,
    count INTEGER NOT NULL,
    left_digest BLOB,
    customers BLOB NOT NULL
) STRICT;
CREATE TABLE alias (
    alias BLOB PRIMARY KEY,
    canonical BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX alias_canonical ON alias (canonical);
CREATE TABLE revoked (
    agent TEXT PRIMARY KEY,
    since_ms INTEGER NOT NULL,
    reason TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE request (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    digest BLOB NOT NULL,
    requested_by TEXT NOT NULL,
    requested_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    body TEXT NOT NULL,
    denied INTEGER NOT NULL,
    job TEXT
) STRICT;
CREATE INDEX request_digest ON request (digest);
CREATE TABLE answer (
    request INTEGER NOT NULL,
    approver TEXT NOT NULL,
    capacity TEXT NOT NULL,
    approve INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (request, approver)
) STRICT, WITHOUT ROWID;
CREATE TABLE review (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    job TEXT NOT NULL,
    left_ms INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    body TEXT NOT NULL,
    closed_by TEXT,
    closed_ms INTEGER
) STRICT;
CREATE TABLE record (
    number INTEGER PRIMARY KEY,
    bytes BLOB NOT NULL
) STRICT;
";

/// Makes the tables in an empty file, brings those of version 1 up to date, or checks that they are there; then that the
/// customers were hashed under this key.
pub(super) fn prepare(
    connection: &mut Connection,
    place: &str,
    key_check: &[u8; 16],
    create: bool,
) -> Result<(), StoreError> {
    let found = identify(connection, place)?;
    if found == Found::Nothing && !create {
        return Err(StoreError::Missing { place: place.escape_debug().to_string() });
    }
    if found != Found::Ledger {
        // Another process may be doing the same: look again once no other can.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failure)?;
        let found = identify(&transaction, place)?;
        if found == Found::Nothing {
            transaction.execute_batch(TABLES).map_err(failure)?;
            transaction
                .execute("INSERT INTO state VALUES (1, ?1, ?2, 0, ?2, 0, 0, 0)", params![key_check, i64::MIN])
                .map_err(failure)?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(failure)?;
        }
        if found != Found::Ledger {
            transaction.execute_batch(DROPPED).map_err(failure)?;
            transaction.pragma_update(None, "user_version", VERSION).map_err(failure)?;
        }
        transaction.commit().map_err(failure)?;
    }
    let found: Option<Vec<u8>> =
        connection.query_row("SELECT key_check FROM state", [], |row| row.get(0)).optional().map_err(failure)?;
    match found {
        None => Err(StoreError::Corrupt { message: "the row of its state is missing".to_owned() }),
        Some(found) if found == key_check => Ok(()),
        Some(_) => Err(StoreError::WrongKey),
    }
}

#[derive(PartialEq, Eq)]
enum Found {
    Nothing,
    /// A ledger of version 1.
    First,
    Ledger,
}

fn identify(connection: &Connection, place: &str) -> Result<Found, StoreError> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(failure);
    let foreign = |found: String| StoreError::Foreign { place: place.escape_debug().to_string(), found };
    match (pragma("application_id")?, pragma("user_version")?) {
        (APPLICATION_ID, VERSION) => Ok(Found::Ledger),
        (APPLICATION_ID, 1) => Ok(Found::First),
        (APPLICATION_ID, found) if found > VERSION => Err(StoreError::Newer { found, known: VERSION }),
        (APPLICATION_ID, found) => Err(foreign(format!("a ledger of version {found}"))),
        (0, 0) => {
            let tables: i64 =
                connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(failure)?;
            if tables == 0 {
                Ok(Found::Nothing)
            } else {
                Err(foreign("a SQLite database with other tables".to_owned()))
            }
        }
        (found, _) => Err(foreign(format!("a SQLite database with application id {found:#x}"))),
    }
}
