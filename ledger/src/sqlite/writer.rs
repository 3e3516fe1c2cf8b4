//! The one connection that writes, shared by the threads of a process, with group commit.
//!
//! Threads take turns in one SQLite transaction, each within a savepoint. Who finds nobody waiting commits for all, and
//! the others return when that is durable: under load one sync serves many. A thread that waits for the commit always has
//! another behind it that was waiting for its turn, so somebody commits.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::{SqliteOptions, connect, failure};
use crate::error::{LedgerError, StoreError};
use crate::ledger::End;

/// The most transactions that one commit makes durable.
const GROUP_MAX: usize = 64;

#[derive(Debug)]
pub(super) struct Writer {
    path: PathBuf,
    options: SqliteOptions,
    group: Mutex<Group>,
    /// How many threads wait for their turn.
    waiting: AtomicUsize,
    committed: Condvar,
}

#[derive(Debug)]
struct Group {
    /// None after a failure: it is opened anew.
    connection: Option<Connection>,
    /// The number of the group that is open, or comes next.
    number: u64,
    is_open: bool,
    members: usize,
    /// Groups that couldn't be committed, with how many members haven't been told.
    failed: BTreeMap<u64, (StoreError, usize)>,
}

impl Writer {
    pub(super) fn new(path: PathBuf, options: SqliteOptions, connection: Connection) -> Result<Self, StoreError> {
        let group = Group {
            connection: Some(impatient(connection)?),
            number: 0,
            is_open: false,
            members: 0,
            failed: BTreeMap::new(),
        };
        Ok(Self { path, options, group: Mutex::new(group), waiting: AtomicUsize::new(0), committed: Condvar::new() })
    }

    /// Runs the work in a transaction of its own, as it seems to it; returns when it is durable.
    pub(super) fn write(
        &self,
        work: &mut dyn FnMut(&Connection) -> Result<End, LedgerError>,
    ) -> Result<(), LedgerError> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let mut group = self.lock();
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        let begun = self.begin(&mut group);
        let was_open = group.is_open;
        let turn = Turn { writer: self, group: was_open.then_some(group) };
        // On an error the turn is dropped, and with it whatever it disturbed.
        begun?;
        turn.run(work)
    }

    fn lock(&self) -> MutexGuard<'_, Group> {
        self.group.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a group if none is open, or a savepoint in the one that is.
    fn begin(&self, group: &mut Group) -> Result<(), StoreError> {
        if group.is_open {
            return group.execute("SAVEPOINT turn");
        }
        if group.connection.is_none() {
            group.connection = Some(impatient(connect(&self.path, &self.options, false)?)?);
        }
        let deadline = Instant::now() + self.options.busy_timeout;
        let mut pause = PAUSE_MIN;
        loop {
            match group.execute("BEGIN IMMEDIATE") {
                Ok(()) => {
                    group.is_open = true;
                    group.members = 0;
                    return Ok(());
                }
                Err(StoreError::Busy { .. }) if Instant::now() < deadline => {
                    thread::sleep(pause);
                    pause = (pause * 2).min(PAUSE_MAX);
                }
                Err(error) => {
                    group.close();
                    return Err(error);
                }
            }
        }
    }
}

/// How long a thread sleeps before it asks again for a file that another process holds. Short, because transactions are.
const PAUSE_MIN: Duration = Duration::from_micros(50);
const PAUSE_MAX: Duration = Duration::from_millis(2);

/// A connection that says at once when another process holds the file: SQLite's own waiting begins with milliseconds and
/// ends with a tenth of a second.
fn impatient(connection: Connection) -> Result<Connection, StoreError> {
    connection.busy_timeout(Duration::ZERO).map_err(failure)?;
    Ok(connection)
}

impl Group {
    fn execute(&self, sql: &str) -> Result<(), StoreError> {
        let Some(connection) = &self.connection else {
            return Err(StoreError::Unavailable { message: "the connection was lost".to_owned() });
        };
        connection.prepare_cached(sql).and_then(|mut statement| statement.execute([])).map(|_| ()).map_err(failure)
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        let result = self.execute("COMMIT");
        self.finish(&result);
        result
    }

    /// Ends the group: what its members are told when they ask.
    fn finish(&mut self, result: &Result<(), StoreError>) {
        if let Err(error) = result {
            self.failed.insert(self.number, (error.clone(), self.members));
            self.close();
        }
        self.number += 1;
        self.is_open = false;
        self.members = 0;
    }

    /// Drops a connection that failed; what it didn't commit is rolled back.
    fn close(&mut self) {
        self.connection = None;
        self.is_open = false;
    }
}

/// A thread's turn in the group. Ended by [`Self::run`], or by a panic in its work.
struct Turn<'w> {
    writer: &'w Writer,
    group: Option<MutexGuard<'w, Group>>,
}

impl Turn<'_> {
    fn run(mut self, work: &mut dyn FnMut(&Connection) -> Result<End, LedgerError>) -> Result<(), LedgerError> {
        let result = match self.group.as_deref() {
            Some(Group { connection: Some(connection), .. }) => work(connection),
            _ => Err(StoreError::Unavailable { message: "the connection was lost".to_owned() }.into()),
        };
        match result {
            Ok(End::Commit) => self.join(),
            Ok(End::Discard) => self.leave(),
            Err(error) => {
                // What the work says comes first; a store that can't roll back fails the next call.
                drop(self.leave());
                Err(error)
            }
        }
    }

    /// Joins the group, and returns when it is durable.
    fn join(&mut self) -> Result<(), LedgerError> {
        let Some(mut group) = self.group.take() else { return Ok(()) };
        if group.members > 0
            && let Err(error) = group.execute("RELEASE turn")
        {
            self.group = Some(group);
            self.leave()?;
            return Err(error.into());
        }
        group.members += 1;
        if self.writer.waiting.load(Ordering::SeqCst) == 0 || group.members >= GROUP_MAX {
            // Its own result is returned here, not kept for it.
            group.members -= 1;
            let result = group.commit();
            drop(group);
            self.writer.committed.notify_all();
            return Ok(result?);
        }
        let number = group.number;
        while group.number == number {
            group = self.writer.committed.wait(group).unwrap_or_else(PoisonError::into_inner);
        }
        let Some((error, untold)) = group.failed.get_mut(&number) else { return Ok(()) };
        let error = error.clone();
        *untold = untold.saturating_sub(1);
        if *untold == 0 {
            group.failed.remove(&number);
        }
        Err(error.into())
    }

    /// Takes back what the work wrote; the others of the group keep theirs.
    fn leave(&mut self) -> Result<(), LedgerError> {
        let Some(mut group) = self.group.take() else { return Ok(()) };
        if group.members == 0 {
            let result = group.execute("ROLLBACK");
            group.is_open = false;
            group.number += 1;
            if result.is_err() {
                group.close();
            }
            return Ok(());
        }
        // An error may have made SQLite roll back the whole transaction, and with it the others' part.
        let lost = group.connection.as_ref().is_none_or(Connection::is_autocommit);
        let result = if lost {
            Err(StoreError::Unavailable { message: "the transaction was rolled back".to_owned() })
        } else {
            group.execute("ROLLBACK TO turn").and_then(|()| group.execute("RELEASE turn"))
        };
        if result.is_err() {
            group.finish(&result);
        } else if self.writer.waiting.load(Ordering::SeqCst) == 0 {
            drop(group.commit());
        } else {
            return Ok(());
        }
        drop(group);
        self.writer.committed.notify_all();
        Ok(())
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        drop(self.leave());
    }
}
