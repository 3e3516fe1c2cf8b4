//! The ledger in a PostgreSQL database, for gates on many machines.
//!
//! A transaction locks the rows of its subjects, in the order of their numbers, before it reads anything; so
//! transactions on one subject run one after the other, and those on others beside them. Statements see what was
//! committed before they began (`READ COMMITTED`), so what is read under the locks is the latest.

mod connection;
mod rows;
mod schema;

use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use postgres::Config;

use crate::customer::CustomerKey;
use crate::error::{LedgerError, StoreError};
use crate::ledger::End;
use crate::rows::Rows;
use crate::store::{Lock, Shared, Store, Work};
use connection::Connection;
use rows::PostgresRows;

/// Whose clock decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PostgresClock {
    /// The server's: all machines agree.
    #[default]
    Server,
    /// The caller's: for replays of the past.
    Caller,
}

/// How a PostgreSQL ledger is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresOptions {
    /// The schema that holds the tables; by default `exportgate_ledger`. [`PostgresLedger::open`] makes it where there is none.
    pub schema: String,
    /// Whose clock decides; by default the server's.
    pub clock: PostgresClock,
    /// The most connections that this process opens; by default 16.
    pub connections_max: usize,
    /// How long a transaction waits for a connection or a lock before it fails with [`StoreError::Busy`]; by default 5 s.
    pub busy_timeout: Duration,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            schema: "exportgate_ledger".to_owned(),
            clock: PostgresClock::default(),
            connections_max: 16,
            busy_timeout: Duration::from_secs(5),
        }
    }
}

/// A ledger in a PostgreSQL database.
///
/// What was acknowledged is on the server's disk: it survives the server being killed and, as far as the server runs with
/// `fsync`, the power failing. Connections aren't encrypted: use a Unix socket, or a network that nobody else is on.
///
/// Don't call it on a thread of an asynchronous runtime; such a call is an error.
pub struct PostgresLedger {
    config: Config,
    options: PostgresOptions,
    shared: Shared,
    pool: Mutex<Pool>,
    returned: Condvar,
}

#[derive(Default)]
struct Pool {
    idle: Vec<Connection>,
    open: usize,
}

/// How often a transaction is run again that the server gave up in favour of another.
const ATTEMPTS_MAX: u32 = 16;

impl PostgresLedger {
    /// Opens the ledger in the database that `url` names (`postgres://` or `host=... dbname=...`), or makes one where the
    /// schema is empty.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the server can't be reached or runs without `fsync`, the schema holds something else or was
    /// written by a newer version, or its customers were hashed under another key.
    pub fn open(url: &str, key: CustomerKey, options: PostgresOptions) -> Result<Self, LedgerError> {
        Self::open_schema(url, key, options, true)
    }

    /// Opens the ledger in the database that `url` names, which must hold one: another database, or an empty one, doesn't begin
    /// anew with empty windows.
    ///
    /// # Errors
    ///
    /// As [`Self::open`]; [`StoreError::Missing`] where there is none, and then nothing was made.
    pub fn open_existing(url: &str, key: CustomerKey, options: PostgresOptions) -> Result<Self, LedgerError> {
        Self::open_schema(url, key, options, false)
    }

    fn open_schema(url: &str, key: CustomerKey, options: PostgresOptions, create: bool) -> Result<Self, LedgerError> {
        let mut config: Config = url.parse().map_err(|error: postgres::Error| connection::failure(&error))?;
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(options.busy_timeout);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(options.busy_timeout.saturating_mul(2));
        }
        let shared = Shared::new(key);
        let mut connection = Connection::open(&config, &options)?;
        let fsync = connection.query("SELECT current_setting('fsync')", &[])?;
        if fsync.first().and_then(|row| row.try_get::<_, String>(0).ok()).as_deref() != Some("on") {
            let message = "the server runs without `fsync`: it can lose what it acknowledged".to_owned();
            return Err(StoreError::Unavailable { message }.into());
        }
        schema::prepare(connection.client(), &options.schema, &shared.key_check, create)?;
        let pool = Mutex::new(Pool { idle: vec![connection], open: 1 });
        Ok(Self { config, options, shared, pool, returned: Condvar::new() })
    }

    /// How it was opened.
    pub fn options(&self) -> &PostgresOptions {
        &self.options
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An idle connection, or a new one; waits when there are as many as there may be.
    fn connection(&self) -> Result<Lent<'_>, StoreError> {
        let deadline = Instant::now() + self.options.busy_timeout;
        let mut pool = self.pool();
        loop {
            if let Some(connection) = pool.idle.pop() {
                if connection.is_closed() {
                    pool.open = pool.open.saturating_sub(1);
                    continue;
                }
                return Ok(Lent { ledger: self, connection: Some(connection), fresh: false });
            }
            if pool.open < self.options.connections_max.max(1) {
                pool.open += 1;
                drop(pool);
                // Counted before it is open; given back if it can't be opened.
                let mut lent = Lent { ledger: self, connection: None, fresh: true };
                lent.connection = Some(Connection::open(&self.config, &self.options)?);
                return Ok(lent);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let message = format!("all {} connections are in use", self.options.connections_max);
                return Err(StoreError::Busy { message });
            }
            pool = self.returned.wait_timeout(pool, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Runs the work once. The outer error is the store's at the very beginning, when nothing has happened yet.
    fn attempt(
        &self,
        lent: &mut Lent<'_>,
        begin: &str,
        lock: Option<Lock<'_>>,
        work: &mut dyn FnMut(&mut dyn Rows) -> Result<End, LedgerError>,
    ) -> Result<Result<(), LedgerError>, StoreError> {
        let connection = lent.get()?;
        connection.retry = false;
        connection.batch(begin)?;
        let result = (|| {
            let mut rows = PostgresRows::new(&mut *connection, self.options.clock);
            if let Some(lock) = lock {
                rows.lock(lock)?;
            }
            work(&mut rows)
        })();
        let ended = match result {
            Ok(End::Commit) => connection.batch("COMMIT").map_err(LedgerError::from),
            Ok(End::Discard) => connection.batch("ROLLBACK").map_err(LedgerError::from),
            Err(error) => {
                let retry = connection.retry;
                let rolled_back = connection.batch("ROLLBACK");
                connection.retry = retry && rolled_back.is_ok();
                if rolled_back.is_err() {
                    lent.connection = None;
                }
                Err(error)
            }
        };
        if matches!(&ended, Err(error) if error.is_store_failure()) && !lent.may_retry() {
            lent.connection = None;
        }
        Ok(ended)
    }

    fn transaction(&self, begin: &str, lock: Option<Lock<'_>>, work: Work<'_>) -> Result<(), LedgerError> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let mut lent = self.connection()?;
            match self.attempt(&mut lent, begin, lock, work) {
                Ok(Err(error)) if lent.may_retry() && attempts < ATTEMPTS_MAX => {
                    drop((lent, error));
                    // Longer each time, so that transactions that met come apart.
                    thread::sleep(Duration::from_micros(200 * u64::from(attempts)));
                }
                Ok(result) => return result,
                // The server closed a connection that was idle: another one may be good.
                Err(error) => {
                    if lent.connection.as_ref().is_some_and(|connection| connection.is_blocked) {
                        return Err(error.into());
                    }
                    lent.connection = None;
                    if lent.fresh || attempts >= ATTEMPTS_MAX {
                        return Err(error.into());
                    }
                }
            }
        }
    }
}

impl fmt::Debug for PostgresLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The configuration may hold a password.
        f.debug_struct("PostgresLedger").field("options", &self.options).finish_non_exhaustive()
    }
}

/// A connection of the pool, given back when dropped.
struct Lent<'l> {
    ledger: &'l PostgresLedger,
    /// None when it is of no more use.
    connection: Option<Connection>,
    fresh: bool,
}

impl Lent<'_> {
    fn get(&mut self) -> Result<&mut Connection, StoreError> {
        let lost = || StoreError::Unavailable { message: "the connection was lost".to_owned() };
        self.connection.as_mut().ok_or_else(lost)
    }

    fn may_retry(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.retry && !connection.is_closed())
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        // A panic in the work leaves the transaction open; such a connection is closed, and the server rolls back.
        let connection = self.connection.take().filter(|connection| !connection.is_closed() && !thread::panicking());
        let mut pool = self.ledger.pool();
        match connection {
            Some(connection) => pool.idle.push(connection),
            None => pool.open = pool.open.saturating_sub(1),
        }
        drop(pool);
        self.ledger.returned.notify_one();
    }
}

impl Store for PostgresLedger {
    fn shared(&self) -> &Shared {
        &self.shared
    }

    fn write(&self, lock: Lock<'_>, work: Work<'_>) -> Result<(), LedgerError> {
        self.transaction("BEGIN", Some(lock), work)
    }

    fn read(&self, work: Work<'_>) -> Result<(), LedgerError> {
        self.transaction("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", None, work)
    }
}
