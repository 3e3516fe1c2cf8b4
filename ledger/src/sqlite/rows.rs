//! The rows of a SQLite ledger.

use std::collections::BTreeSet;

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, named_params, params};

use super::failure;
use crate::customer::{CustomerHash, Customers};
use crate::declare::Declared;
use crate::error::StoreError;
use crate::ledger::{Answer, JobState, NewAnswer, NewRequest, NewReview, Request, RequestState, Review, Revocation};
use crate::rows::{
    GrantRow, JobRow, Past, RequestsOf, Rows, Scope, SeriesId, StoreState, Swept, View, corrupt, limit, signed,
    state_number, state_of,
};
use crate::window::{Counted, Subject, Window};

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
        let read = |row: &Row<'_>| {
            Ok(StoreState {
                key_check: row.get(0)?,
                latest_ms: row.get(1)?,
                kept_ms: row.get(2)?,
                dropped_to_ms: row.get(3)?,
                merged: row.get(4)?,
            })
        };
        let sql = "SELECT key_check, max(latest_ms, coalesce((SELECT at_ms FROM job
            ORDER BY number DESC LIMIT 1), latest_ms)), kept_ms, dropped_to_ms, merged FROM state";
        self.one(sql, [], read)?.ok_or_else(|| corrupt("the row of its state is missing"))
    }

    fn now_ms(&mut self, clock_ms: i64) -> Result<i64, StoreError> {
        Ok(clock_ms)
    }

    fn set_latest(&mut self, _series: &[SeriesId], now_ms: i64) -> Result<(), StoreError> {
        let sql = "UPDATE state SET latest_ms = ?1 WHERE latest_ms < ?1
            AND NOT EXISTS (SELECT 1 FROM (SELECT at_ms FROM job ORDER BY number DESC LIMIT 1) WHERE at_ms >= ?1)";
        self.run(sql, [now_ms]).map(|_| ())
    }

    fn set_key_check(&mut self, key_check: &[u8; 16]) -> Result<(), StoreError> {
        self.run("UPDATE state SET key_check = ?1", [key_check]).map(|_| ())
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn declared(&mut self) -> Result<Vec<Declared>, StoreError> {
        let sql = "SELECT kind, counted, length_ms, since_ms FROM declared ORDER BY kind, counted, length_ms";
        let rows = self
            .all(sql, [], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get(2)?, row.get(3)?)))?;
        rows.into_iter()
            .map(|(kind, counted, length_ms, since_ms)| Declared::parse(&kind, &counted, length_ms, since_ms))
            .collect()
    }

    fn insert_declared(&mut self, declared: &Declared) -> Result<(), StoreError> {
        let Window { kind, counted, length_ms } = declared.window;
        let sql = "INSERT INTO declared (kind, counted, length_ms, since_ms) VALUES (?1, ?2, ?3, ?4)";
        self.run(sql, params![kind.name(), counted.name(), length_ms, declared.since_ms])?;
        self.run("UPDATE state SET kept_ms = max(kept_ms, ?1)", [length_ms]).map(|_| ())
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

    fn delete_series(&mut self, series: SeriesId) -> Result<(), StoreError> {
        self.run("DELETE FROM view WHERE series = ?1", [series])?;
        self.run("DELETE FROM series WHERE number = ?1", [series]).map(|_| ())
    }

    fn series_after(&mut self, after: SeriesId, max: usize) -> Result<Vec<SeriesId>, StoreError> {
        let sql = "SELECT number FROM series WHERE number > ?1 ORDER BY number LIMIT ?2";
        self.all(sql, params![after, limit(max)], |row| row.get(0))
    }

    fn denial_series(&mut self) -> Result<BTreeSet<SeriesId>, StoreError> {
        let sql = "SELECT number FROM series WHERE counted = ?1";
        Ok(self.all(sql, [Counted::Denials.name()], |row| row.get(0))?.into_iter().collect())
    }

    fn views(&mut self, series: SeriesId) -> Result<Vec<View>, StoreError> {
        self.all("SELECT length_ms, start_ms, count FROM view WHERE series = ?1", [series], |row| {
            Ok(View { series, length_ms: row.get(0)?, start_ms: row.get(1)?, count: row.get(2)? })
        })
    }

    fn sliding_views(
        &mut self,
        series: SeriesId,
        now_ms: i64,
        dropped_to_ms: i64,
    ) -> Result<Vec<(View, i64)>, StoreError> {
        let sql = "SELECT length_ms, start_ms, count, (SELECT coalesce(sum(m.count), 0) FROM moment m
                WHERE m.series = ?1 AND m.at_ms > v.start_ms AND m.at_ms <= max(?2 - v.length_ms, ?3))
            FROM view v WHERE v.series = ?1";
        self.all(sql, params![series, now_ms, dropped_to_ms], |row| {
            let view = View { series, length_ms: row.get(0)?, start_ms: row.get(1)?, count: row.get(2)? };
            Ok((view, row.get(3)?))
        })
    }

    fn put_view(&mut self, view: &View) -> Result<(), StoreError> {
        let values = params![view.series, view.length_ms, view.start_ms, view.count];
        let sql = "UPDATE view SET start_ms = ?3, count = ?4 WHERE series = ?1 AND length_ms = ?2";
        if self.run(sql, values)? == 0 {
            self.run("INSERT INTO view (series, length_ms, start_ms, count) VALUES (?1, ?2, ?3, ?4)", values)?;
        }
        Ok(())
    }

    fn moments(&mut self, series: SeriesId, after_ms: i64, to_ms: i64) -> Result<i64, StoreError> {
        let sql = "SELECT coalesce(sum(count), 0) FROM moment WHERE series = ?1 AND at_ms > ?2 AND at_ms <= ?3";
        Ok(self.one(sql, params![series, after_ms, to_ms], |row| row.get(0))?.unwrap_or(0))
    }

    fn all_moments(&mut self, series: SeriesId) -> Result<Vec<(i64, i64)>, StoreError> {
        let sql = "SELECT at_ms, count FROM moment WHERE series = ?1 ORDER BY at_ms";
        self.all(sql, [series], |row| Ok((row.get(0)?, row.get(1)?)))
    }

    fn drop_moments(&mut self, series: SeriesId, to_ms: i64, max: usize) -> Result<usize, StoreError> {
        let sql = "DELETE FROM moment WHERE series = ?1 AND at_ms IN
            (SELECT at_ms FROM moment WHERE series = ?1 AND at_ms <= ?2 ORDER BY at_ms LIMIT ?3)";
        self.run(sql, params![series, to_ms, limit(max)])
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

    fn put_alias(&mut self, alias: CustomerHash, canonical: CustomerHash) -> Result<(), StoreError> {
        self.run("UPDATE alias SET canonical = ?2 WHERE canonical = ?1", params![alias.0, canonical.0])?;
        self.run("INSERT INTO alias (alias, canonical) VALUES (?1, ?2)", params![alias.0, canonical.0])?;
        self.run("UPDATE state SET merged = 1", []).map(|_| ())
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

    fn put_grants(&mut self, job: i64, at_ms: i64, scope: &[u8], customers: &Customers) -> Result<(), StoreError> {
        let sql = "INSERT INTO granted (customer, job, at_ms, scope) VALUES (?1, ?2, ?3, ?4)";
        let mut statement = self.0.prepare_cached(sql).map_err(failure)?;
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

    fn grants_after(&mut self, after: (CustomerHash, i64), max: usize) -> Result<Vec<GrantRow>, StoreError> {
        let sql = "SELECT customer, job, at_ms, scope FROM granted WHERE (customer, job) > (?1, ?2)
            ORDER BY customer, job LIMIT ?3";
        self.all(sql, params![after.0.0, after.1, limit(max)], |row| {
            let scope: Vec<u8> = row.get(3)?;
            let scope = Scope::from_bytes(&scope).map_err(|_| unlike(3, "a scope isn't a list of series"))?;
            Ok(GrantRow { customer: CustomerHash(row.get(0)?), job: row.get(1)?, at_ms: row.get(2)?, scope })
        })
    }

    fn jobs_after(&mut self, after: i64, max: usize) -> Result<Vec<JobRow>, StoreError> {
        let sql = format!("SELECT {JOB_COLUMNS} FROM job WHERE number > ?1 ORDER BY number LIMIT ?2");
        self.all(&sql, params![after, limit(max)], read_job)
    }

    fn delete_job(&mut self, number: i64) -> Result<(), StoreError> {
        self.run("DELETE FROM job WHERE number = ?1", [number]).map(|_| ())
    }

    fn swept(&mut self) -> Result<Swept, StoreError> {
        let read = |row: &Row<'_>| {
            Ok(Swept { customers: usize::try_from(row.get::<_, i64>(0)?).unwrap_or(0), series: row.get(1)? })
        };
        self.one("SELECT swept_customers, swept_series FROM state", [], read)?
            .ok_or_else(|| corrupt("the row of its state is missing"))
    }

    fn set_swept(&mut self, swept: Swept, dropped_to_ms: i64) -> Result<(), StoreError> {
        let sql = "UPDATE state SET swept_customers = ?1, swept_series = ?2, dropped_to_ms = ?3";
        self.run(sql, params![limit(swept.customers), swept.series, dropped_to_ms]).map(|_| ())
    }

    fn job(&mut self, id: &str) -> Result<Option<JobRow>, StoreError> {
        self.one(&format!("SELECT {JOB_COLUMNS} FROM job WHERE id = ?1"), [id], read_job)
    }

    fn committed(&mut self, numbers: &BTreeSet<i64>) -> Result<BTreeSet<i64>, StoreError> {
        let mut committed = BTreeSet::new();
        for number in numbers {
            let sql = "SELECT state FROM job WHERE number = ?1";
            if self.one(sql, [number], |row| row.get(0))? == Some(state_number(JobState::Committed)) {
                committed.insert(*number);
            }
        }
        Ok(committed)
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

    fn revoke(&mut self, agent: &str, reason: &str, now_ms: i64) -> Result<(), StoreError> {
        let sql = "INSERT INTO revoked (agent, since_ms, reason) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
        self.run(sql, params![agent, now_ms, reason]).map(|_| ())
    }

    fn reinstate(&mut self, agent: &str) -> Result<bool, StoreError> {
        Ok(self.run("DELETE FROM revoked WHERE agent = ?1", [agent])? > 0)
    }

    fn revocations(&mut self) -> Result<Vec<Revocation>, StoreError> {
        self.all("SELECT agent, since_ms, reason FROM revoked ORDER BY agent", [], |row| {
            Ok(Revocation { agent: row.get(0)?, since_ms: row.get(1)?, reason: row.get(2)? })
        })
    }

    fn requests(&mut self, of: RequestsOf<'_>) -> Result<Vec<Request>, StoreError> {
        let columns = "SELECT number, digest, requested_by, requested_ms, expires_ms, body, denied, job FROM request";
        let mut requests = match of {
            RequestsOf::Number(number) | RequestsOf::NumberToChange(number) => {
                self.all(&format!("{columns} WHERE number = ?1"), [number], read_request)?
            }
            RequestsOf::Digest(digest) => {
                self.all(&format!("{columns} WHERE digest = ?1 ORDER BY number"), [digest], read_request)?
            }
            RequestsOf::Latest(max) => {
                self.all(&format!("{columns} ORDER BY number DESC LIMIT ?1"), [limit(max)], read_request)?
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

    fn insert_request(&mut self, request: &NewRequest<'_>, now_ms: i64) -> Result<i64, StoreError> {
        let sql = "INSERT INTO request (digest, requested_by, requested_ms, expires_ms, body, denied)
            VALUES (?1, ?2, ?3, ?4, ?5, 0)";
        let NewRequest { digest, requested_by, expires_ms, text } = request;
        self.run(sql, params![digest, requested_by, now_ms, expires_ms, text])?;
        Ok(self.0.last_insert_rowid())
    }

    fn insert_answer(&mut self, request: i64, answer: &NewAnswer<'_>, now_ms: i64) -> Result<(), StoreError> {
        let sql = "INSERT INTO answer (request, approver, capacity, approve, at_ms) VALUES (?1, ?2, ?3, ?4, ?5)";
        let NewAnswer { by, capacity, approve } = answer;
        self.run(sql, params![request, by, capacity, approve, now_ms])?;
        if !approve {
            self.run("UPDATE request SET denied = 1 WHERE number = ?1", [request])?;
        }
        Ok(())
    }

    fn set_consumed(&mut self, request: i64, job: &str) -> Result<(), StoreError> {
        self.run("UPDATE request SET job = ?2 WHERE number = ?1", params![request, job]).map(|_| ())
    }

    fn insert_review(&mut self, review: &NewReview<'_>, now_ms: i64) -> Result<i64, StoreError> {
        let sql = "INSERT INTO review (job, left_ms, due_ms, body) VALUES (?1, ?2, ?3, ?4)";
        self.run(sql, params![review.job, now_ms, review.due_ms, review.text])?;
        Ok(self.0.last_insert_rowid())
    }

    fn close_review(&mut self, review: i64, by: &str, now_ms: i64) -> Result<bool, StoreError> {
        let sql = "UPDATE review SET closed_by = ?2, closed_ms = ?3 WHERE number = ?1 AND closed_by IS NULL";
        Ok(self.run(sql, params![review, by, now_ms])? > 0)
    }

    fn reviews(&mut self, max: usize) -> Result<Vec<Review>, StoreError> {
        let sql = "SELECT number, job, left_ms, due_ms, body, closed_by, closed_ms FROM review
            ORDER BY number DESC LIMIT ?1";
        self.all(sql, [limit(max)], |row| {
            let closed: Option<String> = row.get(5)?;
            Ok(Review {
                number: row.get(0)?,
                job: row.get(1)?,
                left_ms: row.get(2)?,
                due_ms: row.get(3)?,
                text: row.get(4)?,
                closed: closed.map(|by| row.get(6).map(|at_ms| (by, at_ms))).transpose()?,
            })
        })
    }

    fn records(&mut self, from: u64, max: usize) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let Ok(from) = i64::try_from(from) else { return Ok(Vec::new()) };
        let sql = "SELECT number, bytes FROM record WHERE number >= ?1 ORDER BY number LIMIT ?2";
        self.all(sql, params![from, limit(max)], |row| Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get(1)?)))
    }

    fn count_records(&mut self) -> Result<(u64, u64), StoreError> {
        let read = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get::<_, i64>(1)?.unsigned_abs()));
        Ok(self.one("SELECT count(*), coalesce(max(number) + 1, 0) FROM record", [], read)?.unwrap_or_default())
    }

    fn check_integrity(&mut self) -> Result<(), StoreError> {
        let found: Vec<String> = self.all("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        match found.first().map(String::as_str) {
            Some("ok") => Ok(()),
            Some(other) => Err(corrupt(other)),
            None => Err(corrupt("its integrity can't be checked")),
        }
    }

    fn next_record(&mut self) -> Result<u64, StoreError> {
        let next = self.one("SELECT coalesce(max(number) + 1, 0) FROM record", [], |row| row.get::<_, i64>(0))?;
        u64::try_from(next.unwrap_or_default()).map_err(|_| corrupt("a record has a negative number"))
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
    let unsigned = |column: usize| {
        u64::try_from(row.get::<_, i64>(column)?).map_err(|_| unlike(column, "a count of customers is negative"))
    };
    let state = state_of(row.get(7)?).ok_or_else(|| unlike(7, "a job is in no known state"))?;
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

fn unlike(column: usize, message: &'static str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Blob, message.into())
}
