//! The tables of a PostgreSQL ledger, and the check that a schema holds them.

use postgres::types::FromSql;
use postgres::{Client, Transaction};

use super::connection::failure;
use crate::error::StoreError;

/// The version of the tables.
const VERSION: i64 = 2;

/// What stands in place of the first records, once they were dropped. Version 1 had no such table.
const DROPPED: &str = "CREATE TABLE IF NOT EXISTS dropped (one BIGINT PRIMARY KEY CHECK (one = 1), before BIGINT NOT NULL, kept BYTEA NOT NULL)";

/// Tables are in the schema that `search_path` names. Bytes compare as in SQLite, and names by their bytes.
const TABLES: &str = r#"
CREATE TABLE ledger_version (version BIGINT NOT NULL);
CREATE TABLE state (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    key_check BYTEA NOT NULL,
    latest_ms BIGINT NOT NULL,
    kept_ms BIGINT NOT NULL,
    dropped_to_ms BIGINT NOT NULL,
    merged BOOLEAN NOT NULL,
    swept_customers BIGINT NOT NULL,
    swept_series BIGINT NOT NULL
);
CREATE TABLE declared (
    kind TEXT NOT NULL,
    counted TEXT NOT NULL,
    length_ms BIGINT NOT NULL,
    since_ms BIGINT NOT NULL,
    PRIMARY KEY (kind, counted, length_ms)
);
CREATE TABLE series (
    number BIGINT PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    kind TEXT NOT NULL,
    counted TEXT NOT NULL,
    id TEXT NOT NULL COLLATE "C",
    latest_ms BIGINT NOT NULL,
    UNIQUE (id, kind, counted)
) WITH (fillfactor = 70);
CREATE TABLE view (
    series BIGINT NOT NULL,
    length_ms BIGINT NOT NULL,
    start_ms BIGINT NOT NULL,
    count BIGINT NOT NULL CHECK (count >= 0),
    PRIMARY KEY (series, length_ms)
) WITH (fillfactor = 70);
CREATE TABLE moment (
    series BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    count BIGINT NOT NULL CHECK (count >= 0),
    PRIMARY KEY (series, at_ms)
);
CREATE TABLE granted (
    customer BYTEA NOT NULL,
    job BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    scope BYTEA NOT NULL,
    PRIMARY KEY (customer, job)
);
CREATE TABLE job (
    number BIGINT PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    id TEXT NOT NULL UNIQUE,
    digest BYTEA NOT NULL,
    agent TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL,
    used_ms BIGINT,
    state BIGINT NOT NULL CHECK (state BETWEEN 0 AND 2),
    scope BYTEA NOT NULL,
    reserved BIGINT NOT NULL,
    count BIGINT NOT NULL,
    left_digest BYTEA,
    customers BYTEA NOT NULL
);
CREATE TABLE alias (alias BYTEA PRIMARY KEY, canonical BYTEA NOT NULL);
CREATE INDEX alias_canonical ON alias (canonical);
CREATE TABLE revoked (
    agent TEXT PRIMARY KEY COLLATE "C",
    since_ms BIGINT NOT NULL,
    reason TEXT NOT NULL
);
CREATE TABLE request (
    number BIGINT PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    digest BYTEA NOT NULL,
    requested_by TEXT NOT NULL,
    requested_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL,
    body TEXT NOT NULL,
    denied BOOLEAN NOT NULL,
    job TEXT
);
CREATE INDEX request_digest ON request (digest);
CREATE TABLE answer (
    request BIGINT NOT NULL,
    approver TEXT NOT NULL COLLATE "C",
    capacity TEXT NOT NULL,
    approve BOOLEAN NOT NULL,
    at_ms BIGINT NOT NULL,
    PRIMARY KEY (request, approver)
);
CREATE TABLE review (
    number BIGINT PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    job TEXT NOT NULL,
    left_ms BIGINT NOT NULL,
    due_ms BIGINT NOT NULL,
    body TEXT NOT NULL,
    closed_by TEXT,
    closed_ms BIGINT
);
CREATE TABLE record (number BIGINT PRIMARY KEY, bytes BYTEA NOT NULL);
-- How many records there are. A row of its own, because whoever appends one holds it until its transaction ends.
CREATE TABLE records (count BIGINT NOT NULL);
"#;

/// Makes the tables where the schema is empty and `create` says so, brings those of version 1 up to date, or checks that they
/// are there; then that the customers were hashed under this key.
pub(super) fn prepare(client: &mut Client, schema: &str, key_check: &[u8; 16], create: bool) -> Result<(), StoreError> {
    let mut transaction = client.transaction().map_err(|error| failure(&error))?;
    let run = |error: postgres::Error| failure(&error);
    // Whoever comes second finds the tables made.
    transaction.batch_execute("SELECT pg_advisory_xact_lock(1163415628)").map_err(run)?;
    let place = place(&mut transaction, schema)?;
    let tables = tables(&mut transaction, schema)?;
    match tables.as_deref() {
        None | Some([]) if !create => return Err(StoreError::Missing { place }),
        None | Some([]) => make(&mut transaction, schema, key_check, tables.is_some())?,
        Some(tables) if tables.iter().any(|table| table == "ledger_version") => {}
        Some(_) => return Err(StoreError::Foreign { place, found: "a schema with other tables".to_owned() }),
    }
    let found: i64 = the_row(&mut transaction, "SELECT version FROM ledger_version", "of its version")?;
    if found > VERSION {
        return Err(StoreError::Newer { found, known: VERSION });
    }
    if found == 1 {
        transaction.batch_execute(DROPPED).map_err(run)?;
        transaction.execute("UPDATE ledger_version SET version = $1", &[&VERSION]).map_err(run)?;
    } else if found < VERSION {
        return Err(StoreError::Foreign { place, found: format!("a ledger of version {found}") });
    }
    let found: Vec<u8> = the_row(&mut transaction, "SELECT key_check FROM state", "of its state")?;
    if found != key_check {
        return Err(StoreError::WrongKey);
    }
    transaction.commit().map_err(run)
}

/// The database and the schema, as messages name them.
fn place(transaction: &mut Transaction<'_>, schema: &str) -> Result<String, StoreError> {
    let database: String = the_row(transaction, "SELECT current_database()::text", "of its database")?;
    let place = format!("schema {schema} of the PostgreSQL database {database}");
    Ok(place.escape_debug().to_string())
}

/// The tables of the schema; none when there is no such schema.
fn tables(transaction: &mut Transaction<'_>, schema: &str) -> Result<Option<Vec<String>>, StoreError> {
    let run = |error: postgres::Error| failure(&error);
    let exists = transaction
        .query_one("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", &[&schema])
        .and_then(|row| row.try_get::<_, bool>(0))
        .map_err(run)?;
    if !exists {
        return Ok(None);
    }
    let sql = "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = $1 AND c.relkind = 'r'";
    let rows = transaction.query(sql, &[&schema]).map_err(run)?;
    rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map(Some).map_err(run)
}

fn make(transaction: &mut Transaction<'_>, schema: &str, key_check: &[u8; 16], exists: bool) -> Result<(), StoreError> {
    let run = |error: postgres::Error| failure(&error);
    if !exists {
        let quoted = schema.replace('"', "\"\"");
        transaction.batch_execute(&format!("CREATE SCHEMA \"{quoted}\"")).map_err(run)?;
    }
    transaction.batch_execute(TABLES).map_err(run)?;
    transaction.batch_execute(DROPPED).map_err(run)?;
    let sql = "INSERT INTO state VALUES (1, $1, $2, 0, $2, FALSE, 0, 0)";
    transaction.execute(sql, &[&key_check.as_slice(), &i64::MIN]).map_err(run)?;
    transaction.execute("INSERT INTO ledger_version VALUES ($1)", &[&VERSION]).map_err(run)?;
    transaction.execute("INSERT INTO records VALUES (0)", &[]).map(|_| ()).map_err(run)
}

/// The value of a table that has one row.
fn the_row<T: for<'a> FromSql<'a>>(transaction: &mut Transaction<'_>, sql: &str, what: &str) -> Result<T, StoreError> {
    let row = transaction.query_opt(sql, &[]).map_err(|error| failure(&error))?;
    let row = row.ok_or_else(|| StoreError::Corrupt { message: format!("the row {what} is missing") })?;
    row.try_get(0).map_err(|error| failure(&error))
}
