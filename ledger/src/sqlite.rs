//! The ledger in a SQLite file, in WAL mode: several threads and processes may share it.

mod rows;
mod schema;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, params};

use crate::customer::{CustomerKey, Customers};
use crate::declare::{self, Declared};
use crate::error::{ApprovalError, LedgerError, StoreError};
use crate::ledger::{
    End, Job, Ledger, NewAnswer, NewRequest, On, ROWS_LISTED_MAX, Request, RequestState, Review, Revocation,
    SUBJECT_ID_BYTES_MAX, Step, TEXT_BYTES_MAX, Transaction,
};
use crate::rows::{JobRow, RequestsOf, Rows, check_limit};
use crate::transaction::Tx;
use crate::window::{Counted, Subject, SubjectKind, Unseen, Window, WindowRead};
use rows::SqliteRows;

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
/// Threads share one connection for writing and one for reading; a transaction of another process is waited for.
#[derive(Debug)]
pub struct SqliteLedger {
    path: PathBuf,
    key: CustomerKey,
    options: SqliteOptions,
    writer: Mutex<Connection>,
    reader: Mutex<Connection>,
    declared: RwLock<BTreeSet<Window>>,
}

impl SqliteLedger {
    /// Opens the ledger at `path`, or makes one where there is nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the file can't be opened, isn't a ledger, was written by a newer version, or its customers were
    /// hashed under another key.
    pub fn open(path: impl AsRef<Path>, key: CustomerKey, options: SqliteOptions) -> Result<Self, LedgerError> {
        let path = path.as_ref().to_owned();
        let mut writer = connect(&path, &options)?;
        schema::prepare(&mut writer, &path.display().to_string(), &key.check())?;
        let reader = connect(&path, &options)?;
        let ledger = Self {
            path,
            key,
            options,
            writer: Mutex::new(writer),
            reader: Mutex::new(reader),
            declared: RwLock::default(),
        };
        ledger.load_declared()?;
        Ok(ledger)
    }

    /// Where the ledger is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How it was opened.
    pub fn options(&self) -> &SqliteOptions {
        &self.options
    }

    fn reader(&self) -> MutexGuard<'_, Connection> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `write` in a transaction that no other writer can be in.
    fn write<T>(&self, write: impl FnOnce(&Connection) -> Result<(End, T), LedgerError>) -> Result<T, LedgerError> {
        let connection = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = Immediate::begin(&connection)?;
        let (end, value) = write(&connection)?;
        match end {
            End::Commit => transaction.commit()?,
            End::Discard => {}
        }
        Ok(value)
    }

    /// Runs `read` on a snapshot.
    fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T, LedgerError>) -> Result<T, LedgerError> {
        let connection = self.reader();
        connection.execute_batch("BEGIN").map_err(failure)?;
        let value = read(&connection);
        connection.execute_batch("ROLLBACK").map_err(failure)?;
        value
    }

    fn load_declared(&self) -> Result<(), LedgerError> {
        let windows = self.read(|connection| Ok(declared_windows(connection)?))?;
        let mut declared = self.declared.write().unwrap_or_else(PoisonError::into_inner);
        declared.extend(windows.into_iter().map(|declared| declared.window));
        Ok(())
    }

    /// Whether the window was declared, by this process or, as `connection` sees it, by another.
    fn is_declared(&self, window: &Window, connection: &Connection) -> Result<bool, LedgerError> {
        if self.declared.read().unwrap_or_else(PoisonError::into_inner).contains(window) {
            return Ok(true);
        }
        Ok(declared_windows(connection)?.iter().any(|declared| declared.window == *window))
    }
}

impl Ledger for SqliteLedger {
    fn key(&self) -> &CustomerKey {
        &self.key
    }

    fn declare(&self, windows: &[Window], unseen: Unseen, clock_ms: i64) -> Result<(), LedgerError> {
        self.write(|connection| {
            let state = SqliteRows(connection).state()?;
            let dropped_to_ms =
                connection.query_row("SELECT dropped_to_ms FROM state", [], |row| row.get(0)).map_err(failure)?;
            let past = declare::Past { latest_ms: state.latest_ms, dropped_to_ms };
            let known = declared_windows(connection)?;
            for new in declare::new_windows(windows, &known, past, unseen, clock_ms.max(state.latest_ms))? {
                let Window { kind, counted, length_ms } = new.window;
                let sql = "INSERT INTO declared (kind, counted, length_ms, since_ms) VALUES (?1, ?2, ?3, ?4)";
                connection
                    .execute(sql, params![kind.name(), counted.name(), length_ms, new.since_ms])
                    .and_then(|_| connection.execute("UPDATE state SET kept_ms = max(kept_ms, ?1)", [length_ms]))
                    .map_err(failure)?;
            }
            Ok((End::Commit, ()))
        })?;
        self.load_declared()
    }

    fn declared(&self) -> Result<Vec<Window>, LedgerError> {
        self.read(|connection| Ok(declared_windows(connection)?.into_iter().map(|declared| declared.window).collect()))
    }

    fn transact(&self, on: On<'_>, clock_ms: i64, step: Step<'_>) -> Result<(), LedgerError> {
        self.write(|connection| {
            let is_declared = |window: &Window| self.is_declared(window, connection);
            let mut rows = SqliteRows(connection);
            let mut transaction = Tx::open(&mut rows, on, clock_ms, &is_declared)?;
            let end = step(&mut transaction)?;
            if end == End::Commit {
                transaction.finish()?;
            }
            Ok((end, ()))
        })
    }

    fn count_after(
        &self,
        reads: &[WindowRead<'_>],
        customers: &Customers,
        clock_ms: i64,
    ) -> Result<Vec<u64>, LedgerError> {
        let subjects: BTreeSet<&Subject> = reads.iter().map(|read| read.subject).collect();
        let subjects: Vec<Subject> = subjects.into_iter().cloned().collect();
        self.read(|connection| {
            let is_declared = |window: &Window| self.is_declared(window, connection);
            let mut rows = SqliteRows(connection);
            Tx::open(&mut rows, On::Subjects(&subjects), clock_ms, &is_declared)?.count_after(reads, customers)
        })
    }

    fn revoke(&self, agent: &str, reason: &str, clock_ms: i64) -> Result<(), LedgerError> {
        check_limit("bytes of an agent's id", agent.len(), SUBJECT_ID_BYTES_MAX)?;
        check_limit("bytes of a reason", reason.len(), TEXT_BYTES_MAX)?;
        self.write(|connection| {
            let now_ms = SqliteRows(connection).state()?.latest_ms.max(clock_ms);
            let sql = "INSERT INTO revoked (agent, since_ms, reason) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
            connection.execute(sql, params![agent, now_ms, reason]).map_err(failure)?;
            Ok((End::Commit, ()))
        })
    }

    fn reinstate(&self, agent: &str) -> Result<bool, LedgerError> {
        self.write(|connection| {
            let changed = connection.execute("DELETE FROM revoked WHERE agent = ?1", [agent]).map_err(failure)?;
            Ok((End::Commit, changed > 0))
        })
    }

    fn revocations(&self) -> Result<Vec<Revocation>, LedgerError> {
        self.read(|connection| {
            Ok(SqliteRows(connection).all("SELECT agent, since_ms, reason FROM revoked ORDER BY agent", [], |row| {
                Ok(Revocation { agent: row.get(0)?, since_ms: row.get(1)?, reason: row.get(2)? })
            })?)
        })
    }

    fn request_approval(&self, request: &NewRequest<'_>, clock_ms: i64) -> Result<i64, LedgerError> {
        check_limit("bytes of an agent's id", request.requested_by.len(), SUBJECT_ID_BYTES_MAX)?;
        check_limit("bytes of a request's text", request.text.len(), TEXT_BYTES_MAX)?;
        self.write(|connection| {
            let now_ms = SqliteRows(connection).state()?.latest_ms.max(clock_ms);
            let sql = "INSERT INTO request (digest, requested_by, requested_ms, expires_ms, body, denied)
                VALUES (?1, ?2, ?3, ?4, ?5, 0)";
            let NewRequest { digest, requested_by, expires_ms, text } = request;
            connection.execute(sql, params![digest, requested_by, now_ms, expires_ms, text]).map_err(failure)?;
            Ok((End::Commit, connection.last_insert_rowid()))
        })
    }

    fn answer_request(&self, request: i64, answer: &NewAnswer<'_>, clock_ms: i64) -> Result<(), LedgerError> {
        check_limit("bytes of an approver's id", answer.by.len(), SUBJECT_ID_BYTES_MAX)?;
        check_limit("bytes of a capacity", answer.capacity.len(), TEXT_BYTES_MAX)?;
        self.write(|connection| {
            let mut rows = SqliteRows(connection);
            let now_ms = rows.state()?.latest_ms.max(clock_ms);
            let found = rows.requests(RequestsOf::Number(request))?.into_iter().next();
            check_answerable(request, found.as_ref(), answer, now_ms)?;
            let sql = "INSERT INTO answer (request, approver, capacity, approve, at_ms) VALUES (?1, ?2, ?3, ?4, ?5)";
            let NewAnswer { by, capacity, approve } = answer;
            connection.execute(sql, params![request, by, capacity, approve, now_ms]).map_err(failure)?;
            if !approve {
                connection.execute("UPDATE request SET denied = 1 WHERE number = ?1", [request]).map_err(failure)?;
            }
            Ok((End::Commit, ()))
        })
    }

    fn requests(&self) -> Result<Vec<Request>, LedgerError> {
        self.read(|connection| Ok(SqliteRows(connection).requests(RequestsOf::Latest(ROWS_LISTED_MAX))?))
    }

    fn request(&self, request: i64) -> Result<Request, LedgerError> {
        let found = self.read(|connection| Ok(SqliteRows(connection).requests(RequestsOf::Number(request))?))?;
        Ok(found.into_iter().next().ok_or(ApprovalError::Unknown { request })?)
    }

    fn job(&self, job: &str) -> Result<Option<Job>, LedgerError> {
        self.read(|connection| Ok(SqliteRows(connection).job(job)?.map(JobRow::into_job)))
    }

    fn reviews(&self) -> Result<Vec<Review>, LedgerError> {
        let sql = format!(
            "SELECT number, job, left_ms, due_ms, body, closed_by, closed_ms FROM review
                ORDER BY number DESC LIMIT {ROWS_LISTED_MAX}"
        );
        self.read(|connection| {
            Ok(SqliteRows(connection).all(&sql, [], |row| {
                let closed: Option<String> = row.get(5)?;
                Ok(Review {
                    number: row.get(0)?,
                    job: row.get(1)?,
                    left_ms: row.get(2)?,
                    due_ms: row.get(3)?,
                    text: row.get(4)?,
                    closed: closed.map(|by| row.get(6).map(|at_ms| (by, at_ms))).transpose()?,
                })
            })?)
        })
    }

    fn close_review(&self, review: i64, by: &str, clock_ms: i64) -> Result<bool, LedgerError> {
        check_limit("bytes of a reviewer's id", by.len(), SUBJECT_ID_BYTES_MAX)?;
        self.write(|connection| {
            let now_ms = SqliteRows(connection).state()?.latest_ms.max(clock_ms);
            let sql = "UPDATE review SET closed_by = ?2, closed_ms = ?3 WHERE number = ?1 AND closed_by IS NULL";
            let changed = connection.execute(sql, params![review, by, now_ms]).map_err(failure)?;
            Ok((End::Commit, changed > 0))
        })
    }

    fn records(&self, from: u64, max: usize) -> Result<Vec<(u64, Vec<u8>)>, LedgerError> {
        let Ok(from) = i64::try_from(from) else { return Ok(Vec::new()) };
        let max = i64::try_from(max.min(ROWS_LISTED_MAX)).unwrap_or(0);
        self.read(|connection| {
            let sql = "SELECT number, bytes FROM record WHERE number >= ?1 ORDER BY number LIMIT ?2";
            let rows = SqliteRows(connection)
                .all(sql, [from, max], |row| Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get(1)?)))?;
            Ok(rows)
        })
    }
}

/// Refuses an answer to a request that is unknown, expired, denied, used, or answered by the same person.
fn check_answerable(
    number: i64,
    request: Option<&Request>,
    answer: &NewAnswer<'_>,
    now_ms: i64,
) -> Result<(), ApprovalError> {
    let request = request.ok_or(ApprovalError::Unknown { request: number })?;
    if request.answers.iter().any(|given| given.by == answer.by) {
        return Err(ApprovalError::Answered { request: number, by: answer.by.to_owned() });
    }
    match &request.state {
        RequestState::Consumed { job } => {
            return Err(ApprovalError::Consumed { request: number, job: job.clone() });
        }
        RequestState::Denied => {
            let by = request.answers.iter().find(|given| !given.approve).map(|given| given.by.clone());
            return Err(ApprovalError::Denied { request: number, by: by.unwrap_or_default() });
        }
        RequestState::Open => {}
    }
    if now_ms >= request.expires_ms {
        return Err(ApprovalError::Expired { request: number, expires_ms: request.expires_ms });
    }
    Ok(())
}

/// A write transaction; rolled back when dropped.
struct Immediate<'c>(Option<&'c Connection>);

impl<'c> Immediate<'c> {
    fn begin(connection: &'c Connection) -> Result<Self, StoreError> {
        connection.prepare_cached("BEGIN IMMEDIATE").and_then(|mut begin| begin.execute([])).map_err(failure)?;
        Ok(Self(Some(connection)))
    }

    fn commit(mut self) -> Result<(), StoreError> {
        let Some(connection) = self.0 else { return Ok(()) };
        connection.prepare_cached("COMMIT").and_then(|mut commit| commit.execute([])).map_err(failure)?;
        self.0 = None;
        Ok(())
    }
}

impl Drop for Immediate<'_> {
    fn drop(&mut self) {
        // SQLite may have rolled back by itself after an error; then there is nothing to do.
        if let Some(connection) = self.0.filter(|connection| !connection.is_autocommit()) {
            drop(connection.execute_batch("ROLLBACK"));
        }
    }
}

fn declared_windows(connection: &Connection) -> Result<Vec<Declared>, StoreError> {
    let sql = "SELECT kind, counted, length_ms, since_ms FROM declared";
    let rows = SqliteRows(connection)
        .all(sql, [], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get(2)?, row.get(3)?)))?;
    let parse = |(kind, counted, length_ms, since_ms): (String, String, i64, i64)| {
        let window = Window { kind: SubjectKind::parse(&kind)?, counted: Counted::parse(&counted)?, length_ms };
        Some(Declared { window, since_ms })
    };
    rows.into_iter()
        .map(|row| parse(row).ok_or_else(|| crate::rows::corrupt("a declared window can't be read")))
        .collect()
}

/// Statements kept compiled, a connection.
const STATEMENTS_CACHED: usize = 64;
/// Pages kept in memory, a connection: 64 MiB, as SQLite counts it.
const CACHE_KIB: i64 = -65_536;

fn connect(path: &Path, options: &SqliteOptions) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failure)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    connection.busy_timeout(options.busy_timeout).map_err(failure)?;
    let synchronous = match options.durability {
        Durability::ProcessCrash => "NORMAL",
        Durability::PowerFailure => "FULL",
    };
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
