//! The rows of a SQLite ledger.

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, named_params, params};

use super::failure;
use crate::customer::{CustomerHash, Customers};
use crate::error::StoreError;
use crate::ledger::{Answer, JobState, NewReview, Request, RequestState};
use crate::rows::{JobRow, Past, RequestsOf, Rows, Scope, SeriesId, StoreState, View, corrupt};
use crate::window::{Counted, Subject};

/// The rows of one connection.
pub(super) struct SqliteRows<'c>(pub(super) &'c Connection);

const JOB_COLUMNS: &str =
    "number, id, digest, agent, at_ms, expires_ms, used_ms, state, scope, reserved, count, left_digest";

impl SqliteRows<'_> {
    fn run(&self, sql: &str, values: impl rusqlite::Params) -> Result<usize, StoreError> {
        self.0.prepare_cached(sql).and_then(|mut statement| statement.execute(values)).map_err(failure)
    }

    fn one<T>(
        &self,
        sql: &str,
        values: impl rusqlite::Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        self.0
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row(values, read).optional())
            .map_err(failure)
    }

    pub(super) fn all<T>(
        &self,
        sql: &str,
        values: impl rusqlite::Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement = self.0.prepare_cached(sql).map_err(failure)?;
        let rows = statement.query_map(values, read).map_err(failure)?;
        rows.collect::<Result<_, _>>().map_err(failure)
    }
}

impl Rows for SqliteRows<'_> {
    fn state(&mut self) -> Result<StoreState, StoreError> {
        let read = |row: &Row<'_>| Ok(StoreState { latest_ms: row.get(0)?, kept_ms: row.get(1)?, merged: row.get(2)? });
        self.one("SELECT latest_ms, kept_ms, merged FROM state", [], read)?
            .ok_or_else(|| corrupt("the row of its state is missing"))
    }

    fn set_latest(&mut self, _series: &[SeriesId], now_ms: i64) -> Result<(), StoreError> {
        self.run("UPDATE state SET latest_ms = ?1 WHERE latest_ms < ?1", [now_ms]).map(|_| ())
    }

    fn series(&mut self, subject: &Subject, counted: Counted) -> Result<Option<SeriesId>, StoreError> {
        let sql = "SELECT number FROM series WHERE id = ?1 AND kind = ?2 AND counted = ?3";
        self.one(sql, params![subject.id, subject.kind.name(), counted.name()], |row| row.get(0))
    }

    fn make_series(&mut self, subject: &Subject, counted: Counted) -> Result<SeriesId, StoreError> {
        let sql = "INSERT INTO series (id, kind, counted) VALUES (?1, ?2, ?3)";
        self.run(sql, params![subject.id, subject.kind.name(), counted.name()])?;
        SeriesId::try_from(self.0.last_insert_rowid()).map_err(|_| corrupt("there are too many series"))
    }

    fn views(&mut self, series: SeriesId) -> Result<Vec<View>, StoreError> {
        self.all("SELECT length_ms, start_ms, count FROM view WHERE series = ?1", [series], |row| {
            Ok(View { series, length_ms: row.get(0)?, start_ms: row.get(1)?, count: row.get(2)? })
        })
    }

    fn put_view(&mut self, view: &View) -> Result<(), StoreError> {
        let sql = "INSERT INTO view (series, length_ms, start_ms, count) VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT DO UPDATE SET start_ms = excluded.start_ms, count = excluded.count";
        self.run(sql, params![view.series, view.length_ms, view.start_ms, view.count]).map(|_| ())
    }

    fn moments(&mut self, series: SeriesId, after_ms: i64, to_ms: i64) -> Result<i64, StoreError> {
        let sql = "SELECT coalesce(sum(count), 0) FROM moment WHERE series = ?1 AND at_ms > ?2 AND at_ms <= ?3";
        Ok(self.one(sql, params![series, after_ms, to_ms], |row| row.get(0))?.unwrap_or(0))
    }

    fn add_moments(&mut self, changes: &[(SeriesId, i64, i64)]) -> Result<(), StoreError> {
        for (series, at_ms, by) in changes {
            let sql = if *by > 0 {
                "INSERT INTO moment (series, at_ms, count) VALUES (?1, ?2, ?3)
                    ON CONFLICT DO UPDATE SET count = count + excluded.count"
            } else {
                "UPDATE moment SET count = count + ?3 WHERE series = ?1 AND at_ms = ?2 AND count > -?3"
            };
            if self.run(sql, params![series, at_ms, by])? == 0 {
                let sql = "DELETE FROM moment WHERE series = ?1 AND at_ms = ?2 AND count = -?3";
                if self.run(sql, params![series, at_ms, by])? == 0 {
                    return Err(corrupt("more grants were taken back at one time than were granted"));
                }
            }
        }
        Ok(())
    }

    fn canonical(&mut self, customers: &Customers) -> Result<Customers, StoreError> {
        let mut canonical = Vec::with_capacity(customers.len());
        for customer in customers.as_slice() {
            let found = self.one("SELECT canonical FROM alias WHERE alias = ?1", [customer.0], |row| row.get(0))?;
            canonical.push(found.map_or(*customer, CustomerHash));
        }
        Ok(Customers::new(canonical))
    }

    fn past(&mut self, customers: &Customers) -> Result<Past, StoreError> {
        let mut past = Past::default();
        let sql = "SELECT job, at_ms, scope FROM granted WHERE customer = ?1";
        let mut statement = self.0.prepare_cached(sql).map_err(failure)?;
        for (place, customer) in customers.as_slice().iter().enumerate() {
            let mut rows = statement.query([customer.0]).map_err(failure)?;
            while let Some(row) = rows.next().map_err(failure)? {
                let scope = row.get_ref(2).map_err(failure)?;
                let scope = scope.as_blob().map_err(|_| corrupt("a scope isn't a blob"))?;
                past.push(place, row.get(0).map_err(failure)?, row.get(1).map_err(failure)?, scope)?;
            }
        }
        Ok(past)
    }

    fn put_grants(&mut self, job: i64, at_ms: i64, scope: &Scope, customers: &Customers) -> Result<(), StoreError> {
        let sql = "INSERT INTO granted (customer, job, at_ms, scope) VALUES (?1, ?2, ?3, ?4)";
        let mut statement = self.0.prepare_cached(sql).map_err(failure)?;
        let scope = scope.to_bytes();
        for customer in customers.as_slice() {
            statement.execute(params![customer.0, job, at_ms, scope]).map_err(failure)?;
        }
        Ok(())
    }

    fn delete_grants(&mut self, grants: &[(CustomerHash, i64)]) -> Result<(), StoreError> {
        let mut statement =
            self.0.prepare_cached("DELETE FROM granted WHERE customer = ?1 AND job = ?2").map_err(failure)?;
        for (customer, job) in grants {
            statement.execute(params![customer.0, job]).map_err(failure)?;
        }
        Ok(())
    }

    fn job(&mut self, id: &str) -> Result<Option<JobRow>, StoreError> {
        self.one(&format!("SELECT {JOB_COLUMNS} FROM job WHERE id = ?1"), [id], read_job)
    }

    fn is_committed(&mut self, number: i64) -> Result<bool, StoreError> {
        let state = self.one("SELECT state FROM job WHERE number = ?1", [number], |row| row.get::<_, i64>(0))?;
        Ok(state == Some(state_number(JobState::Committed)))
    }

    fn job_customers(&mut self, number: i64) -> Result<Customers, StoreError> {
        let bytes: Option<Vec<u8>> =
            self.one("SELECT customers FROM job WHERE number = ?1", [number], |row| row.get(0))?;
        bytes.as_deref().and_then(Customers::from_bytes).ok_or_else(|| corrupt("the customers of a job can't be read"))
    }

    fn insert_job(&mut self, job: &JobRow, customers: &Customers) -> Result<i64, StoreError> {
        let sql = "INSERT INTO job (id, digest, agent, at_ms, expires_ms, used_ms, state, scope, reserved, count,
            left_digest, customers) VALUES (:id, :digest, :agent, :at_ms, :expires_ms, :used_ms, :state, :scope,
            :reserved, :count, :left, :customers)";
        let values = named_params! {
            ":id": job.id,
            ":digest": job.digest,
            ":agent": job.agent,
            ":at_ms": job.at_ms,
            ":expires_ms": job.expires_ms,
            ":used_ms": job.used_ms,
            ":state": state_number(job.state),
            ":scope": job.scope.to_bytes(),
            ":reserved": signed(job.reserved)?,
            ":count": signed(job.count)?,
            ":left": job.left,
            ":customers": customers.to_bytes(),
        };
        self.run(sql, values)?;
        Ok(self.0.last_insert_rowid())
    }

    fn update_job(&mut self, job: &JobRow, customers: Option<&Customers>) -> Result<(), StoreError> {
        let sql = "UPDATE job SET used_ms = ?2, state = ?3, count = ?4, left_digest = ?5 WHERE number = ?1";
        self.run(sql, params![job.number, job.used_ms, state_number(job.state), signed(job.count)?, job.left])?;
        if let Some(customers) = customers {
            self.run("UPDATE job SET customers = ?2 WHERE number = ?1", params![job.number, customers.to_bytes()])?;
        }
        Ok(())
    }

    fn revoked_since_ms(&mut self, agent: &str) -> Result<Option<i64>, StoreError> {
        self.one("SELECT since_ms FROM revoked WHERE agent = ?1", [agent], |row| row.get(0))
    }

    fn requests(&mut self, of: RequestsOf<'_>) -> Result<Vec<Request>, StoreError> {
        let columns = "SELECT number, digest, requested_by, requested_ms, expires_ms, body, denied, job FROM request";
        let mut requests = match of {
            RequestsOf::Number(number) => self.all(&format!("{columns} WHERE number = ?1"), [number], read_request)?,
            RequestsOf::Digest(digest) => {
                self.all(&format!("{columns} WHERE digest = ?1 ORDER BY number"), [digest], read_request)?
            }
            RequestsOf::Latest(max) => {
                let max = i64::try_from(max).unwrap_or(i64::MAX);
                self.all(&format!("{columns} ORDER BY number DESC LIMIT ?1"), [max], read_request)?
            }
        };
        for request in &mut requests {
            let sql =
                "SELECT approver, capacity, approve, at_ms FROM answer WHERE request = ?1 ORDER BY at_ms, approver";
            request.answers = self.all(sql, [request.number], |row| {
                Ok(Answer { by: row.get(0)?, capacity: row.get(1)?, approve: row.get(2)?, at_ms: row.get(3)? })
            })?;
        }
        Ok(requests)
    }

    fn set_consumed(&mut self, request: i64, job: &str) -> Result<(), StoreError> {
        self.run("UPDATE request SET job = ?2 WHERE number = ?1", params![request, job]).map(|_| ())
    }

    fn insert_review(&mut self, review: &NewReview<'_>, now_ms: i64) -> Result<i64, StoreError> {
        let sql = "INSERT INTO review (job, left_ms, due_ms, body) VALUES (?1, ?2, ?3, ?4)";
        self.run(sql, params![review.job, now_ms, review.due_ms, review.text])?;
        Ok(self.0.last_insert_rowid())
    }

    fn append_record(&mut self, record: &[u8]) -> Result<u64, StoreError> {
        let sql = "INSERT INTO record (number, bytes) SELECT coalesce(max(number) + 1, 0), ?1 FROM record";
        self.run(sql, [record])?;
        u64::try_from(self.0.last_insert_rowid()).map_err(|_| corrupt("a record has a negative number"))
    }
}

fn read_request(row: &Row<'_>) -> rusqlite::Result<Request> {
    let job: Option<String> = row.get(7)?;
    let denied: bool = row.get(6)?;
    let state = match job {
        Some(job) => RequestState::Consumed { job },
        None if denied => RequestState::Denied,
        None => RequestState::Open,
    };
    Ok(Request {
        number: row.get(0)?,
        digest: row.get(1)?,
        requested_by: row.get(2)?,
        requested_ms: row.get(3)?,
        expires_ms: row.get(4)?,
        text: row.get(5)?,
        state,
        answers: Vec::new(),
    })
}

fn read_job(row: &Row<'_>) -> rusqlite::Result<JobRow> {
    let unlike = |column: usize, message: &'static str| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Blob, message.into())
    };
    let unsigned = |column: usize| {
        u64::try_from(row.get::<_, i64>(column)?).map_err(|_| unlike(column, "a count of customers is negative"))
    };
    let state = match row.get::<_, i64>(7)? {
        0 => JobState::Reserved,
        1 => JobState::Committed,
        2 => JobState::Cancelled,
        _ => return Err(unlike(7, "a job is in no known state")),
    };
    let scope: Vec<u8> = row.get(8)?;
    Ok(JobRow {
        number: row.get(0)?,
        id: row.get(1)?,
        digest: row.get(2)?,
        agent: row.get(3)?,
        at_ms: row.get(4)?,
        expires_ms: row.get(5)?,
        used_ms: row.get(6)?,
        state,
        scope: Scope::from_bytes(&scope).map_err(|_| unlike(8, "a scope isn't a list of series"))?,
        reserved: unsigned(9)?,
        count: unsigned(10)?,
        left: row.get(11)?,
    })
}

pub(super) fn state_number(state: JobState) -> i64 {
    match state {
        JobState::Reserved => 0,
        JobState::Committed => 1,
        JobState::Cancelled => 2,
    }
}

fn signed(count: u64) -> Result<i64, StoreError> {
    i64::try_from(count).map_err(|_| corrupt("a count of customers is out of range"))
}
