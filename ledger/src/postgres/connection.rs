//! Connections to the server, and what its errors are to a ledger.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use postgres::error::SqlState;
use postgres::types::ToSql;
use postgres::{Client, Config, NoTls, Row, Statement};

use super::PostgresOptions;
use crate::error::StoreError;

/// A connection with its prepared statements.
pub(super) struct Connection {
    client: Client,
    statements: HashMap<&'static str, Statement>,
    /// Whether the last error was of the kind that goes away when the transaction is run again.
    pub(super) retry: bool,
    /// Whether the last call was made where blocking isn't allowed. The connection is as it was; it can't be closed there.
    pub(super) is_blocked: bool,
}

/// What is set on every connection. A commit returns when the server has it on disk; whoever waits for a lock gives up.
fn settings(options: &PostgresOptions, schema: &str) -> String {
    let quoted = schema.replace('"', "\"\"");
    format!(
        "SET search_path = \"{quoted}\"; SET synchronous_commit = on; SET lock_timeout = {}; \
         SET idle_in_transaction_session_timeout = '60s'; SET default_transaction_isolation = 'read committed'; \
         SET standard_conforming_strings = on; SET client_min_messages = warning",
        options.busy_timeout.as_millis().clamp(1, 2_147_483_647),
    )
}

impl Connection {
    pub(super) fn open(config: &Config, options: &PostgresOptions) -> Result<Self, StoreError> {
        // The client runs a reactor of its own, and panics when a thread is in one already.
        let connect = || -> Result<Client, postgres::Error> {
            let mut client = config.connect(NoTls)?;
            client.batch_execute(&settings(options, &options.schema))?;
            Ok(client)
        };
        let client = catch_unwind(AssertUnwindSafe(connect)).map_err(|_| in_reactor())?.map_err(|e| failure(&e))?;
        Ok(Self { client, statements: HashMap::new(), retry: false, is_blocked: false })
    }

    pub(super) fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    pub(super) fn batch(&mut self, sql: &str) -> Result<(), StoreError> {
        let client = &mut self.client;
        let result = catch_unwind(AssertUnwindSafe(|| client.batch_execute(sql)));
        self.is_blocked = result.is_err();
        result.map_err(|_| in_reactor())?.map_err(|error| self.note(&error))
    }

    pub(super) fn query(&mut self, sql: &'static str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, StoreError> {
        let statement = self.prepare(sql)?;
        self.client.query(&statement, values).map_err(|error| self.note(&error))
    }

    pub(super) fn execute(&mut self, sql: &'static str, values: &[&(dyn ToSql + Sync)]) -> Result<u64, StoreError> {
        let statement = self.prepare(sql)?;
        self.client.execute(&statement, values).map_err(|error| self.note(&error))
    }

    fn prepare(&mut self, sql: &'static str) -> Result<Statement, StoreError> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql).map_err(|error| self.note(&error))?;
        self.statements.insert(sql, statement.clone());
        Ok(statement)
    }

    fn note(&mut self, error: &postgres::Error) -> StoreError {
        // A deadlock, a serialisation failure, or two transactions that made the same row.
        self.retry = matches!(
            error.code(),
            Some(&SqlState::T_R_DEADLOCK_DETECTED | &SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::UNIQUE_VIOLATION)
        );
        failure(error)
    }
}

fn in_reactor() -> StoreError {
    let message = "the ledger was called on a thread of an asynchronous runtime: call it where blocking is allowed";
    StoreError::Unavailable { message: message.to_owned() }
}

/// What the server's error is to a ledger.
pub(super) fn failure(error: &postgres::Error) -> StoreError {
    let message = match error.as_db_error() {
        Some(database) => format!("{} ({})", database.message(), database.code().code()),
        None => {
            let source = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
            format!("{error}{source}")
        }
    };
    let message = message.replace('\n', " ");
    match error.code().map(SqlState::code) {
        Some("55P03" | "57014" | "40P01" | "40001" | "23505") => StoreError::Busy { message },
        Some("XX001" | "XX002" | "23514" | "42P01" | "42703") => StoreError::Corrupt { message },
        _ => StoreError::Unavailable { message },
    }
}
