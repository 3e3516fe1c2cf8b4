//! The rows of a SQLite ledger.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, named_params, params, params_from_iter};

use super::{failure, past};
use crate::customer::{CustomerHash, Customers};
use crate::declare::Declared;
use crate::error::StoreError;
use crate::ledger::{
    Answer, DroppedRecords, JobState, NewAnswer, NewRequest, NewReview, Request, RequestState, Review, Revocation,
};
use crate::rows::{
    GrantRow, JobRow, Past, RequestsOf, Rows, Scope, SeriesId, StoreState, Swept, View, corrupt, limit, signed,
    state_number, state_of,
};
use crate::window::{Counted, Subject, SubjectKind, Window};

/// The rows of one transaction.
///
/// A statement costs more than a row, and a page that is written more than either; so what a transaction reads of several
/// subjects is read at once, and what it writes of one table is written at once.
pub(super) struct SqliteRows<'c> {
    connection: &'c Connection,
    /// The series that were looked for.
    series: BTreeMap<(Counted, Subject), Option<SeriesId>>,
    /// The time of the latest record, as the tables have it: only a later one is written.
    latest_ms: i64,
    /// The number that the next record gets; none before it was read.
    next_record: Option<i64>,
}

/// Rows that one statement writes, and series that one reads: within SQLite's limits of 32,766 values and 500 parts.
const ROWS_IN_STATEMENT: usize = 64;
const SERIES_IN_STATEMENT: usize = 64;

const JOB_COLUMNS: &str =
    "number, id, digest, agent, at_ms, expires_ms, used_ms, state, scope, reserved, count, left_digest";

const REVIEW_COLUMNS: &str = "number, job, left_ms, due_ms, body, closed_by, closed_ms";

impl<'c> SqliteRows<'c> {
    pub(super) fn new(connection: &'c Connection) -> Self {
        Self { connection, series: BTreeMap::new(), latest_ms: i64::MIN, next_record: None }
    }

    fn run(&self, sql: &str, values: impl rusqlite::Params) -> Result<usize, StoreError> {
        self.connection.prepare_cached(sql).and_then(|mut statement| statement.execute(values)).map_err(failure)
    }

    fn one<T>(
        &self,
        sql: &str,
        values: impl rusqlite::Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        self.connection
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
        let mut statement = self.connection.prepare_cached(sql).map_err(failure)?;
        let rows = statement.query_map(values, read).map_err(failure)?;
        rows.collect::<Result<_, _>>().map_err(failure)
    }
}

impl Rows for SqliteRows<'_> {
    fn state(&mut self) -> Result<StoreState, StoreError> {
        let read = |row: &Row<'_>| {
            let state = StoreState {
                key_check: row.get(0)?,
                latest_ms: row.get::<_, i64>(1)?.max(row.get::<_, Option<i64>>(2)?.unwrap_or(i64::MIN)),
                kept_ms: row.get(3)?,
                dropped_to_ms: row.get(4)?,
                merged: row.get(5)?,
            };
            Ok((state, row.get::<_, Option<i64>>(6)?))
        };
        let sql = "SELECT key_check, latest_ms, (SELECT at_ms FROM job ORDER BY number DESC LIMIT 1),
            kept_ms, dropped_to_ms, merged, (SELECT max(number) FROM record) FROM state";
        let (state, last_record) =
            self.one(sql, [], read)?.ok_or_else(|| corrupt("the row of its state is missing"))?;
        self.latest_ms = state.latest_ms;
        self.next_record = Some(after(last_record)?);
        Ok(state)
    }

    fn now_ms(&mut self, clock_ms: i64) -> Result<i64, StoreError> {
        Ok(clock_ms)
    }

    fn set_latest(&mut self, _series: &[SeriesId], now_ms: i64) -> Result<(), StoreError> {
        if now_ms <= self.latest_ms {
            return Ok(());
        }
        self.latest_ms = now_ms;
        self.run("UPDATE state SET latest_ms = ?1 WHERE latest_ms < ?1", [now_ms]).map(|_| ())
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
        let key = (counted, subject.clone());
        if let Some(found) = self.series.get(&key) {
            return Ok(*found);
        }
        let sql = "SELECT number FROM series WHERE id = ?1 AND kind = ?2 AND counted = ?3";
        let found = self.one(sql, params![subject.id, subject.kind.name(), counted.name()], |row| row.get(0))?;
        self.series.insert(key, found);
        Ok(found)
    }

    fn find_series(&mut self, subjects: &[Subject]) -> Result<(), StoreError> {
        if subjects.is_empty() {
            return Ok(());
        }
        // Denials are an agent's.
        let denials = subjects.iter().filter(|subject| subject.kind == SubjectKind::Agent);
        let sought: Vec<(Counted, &Subject)> = subjects
            .iter()
            .map(|subject| (Counted::Customers, subject))
            .chain(denials.map(|subject| (Counted::Denials, subject)))
            .collect();
        let one = "(SELECT number FROM series WHERE id = ? AND kind = ? AND counted = ?)";
        let sql = format!("SELECT {}", repeated(one, ", ", sought.len()));
        let values = sought.iter().flat_map(|(counted, of)| [of.id.as_str(), of.kind.name(), counted.name()]);
        let numbers = self.one(&sql, params_from_iter(values), |row| {
            (0..sought.len()).map(|place| row.get(place)).collect::<rusqlite::Result<Vec<Option<SeriesId>>>>()
        })?;
        let found = sought.iter().zip(numbers.unwrap_or_default());
        self.series.extend(found.map(|((counted, of), number)| ((*counted, (*of).clone()), number)));
        Ok(())
    }

    fn make_series(&mut self, subject: &Subject, counted: Counted) -> Result<SeriesId, StoreError> {
        let sql = "INSERT INTO series (id, kind, counted) VALUES (?1, ?2, ?3)";
        self.run(sql, params![subject.id, subject.kind.name(), counted.name()])?;
        let number = SeriesId::try_from(self.connection.last_insert_rowid());
        let number = number.map_err(|_| corrupt("there are too many series"))?;
        self.series.insert((counted, subject.clone()), Some(number));
        Ok(number)
    }

    fn delete_series(&mut self, series: SeriesId) -> Result<(), StoreError> {
        self.series.clear();
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
        self.all("SELECT series, length_ms, start_ms, count FROM view WHERE series = ?1", [series], read_view)
    }

    fn sliding_views(
        &mut self,
        series: &[SeriesId],
        now_ms: i64,
        dropped_to_ms: i64,
    ) -> Result<Vec<(View, i64)>, StoreError> {
        let mut views = Vec::new();
        for series in series.chunks(SERIES_IN_STATEMENT) {
            let one = "SELECT series, length_ms, start_ms, count, (SELECT coalesce(sum(m.count), 0) FROM moment m
                    WHERE m.series = v.series AND m.at_ms > v.start_ms AND m.at_ms <= max(?1 - v.length_ms, ?2))
                FROM view v WHERE v.series = ?";
            let sql = repeated(one, " UNION ALL ", series.len());
            let values = [now_ms, dropped_to_ms].into_iter().chain(series.iter().map(|id| i64::from(*id)));
            views.extend(self.all(&sql, params_from_iter(values), |row| Ok((read_view(row)?, row.get(4)?)))?);
        }
        Ok(views)
    }

    fn put_views(&mut self, views: &[View]) -> Result<(), StoreError> {
        // What fails discards the whole transaction, so no statement keeps what it would take to undo itself.
        for views in views.chunks(ROWS_IN_STATEMENT) {
            let sql = format!(
                "INSERT OR FAIL INTO view (series, length_ms, start_ms, count) VALUES {}
                    ON CONFLICT DO UPDATE SET start_ms = excluded.start_ms, count = excluded.count",
                repeated("(?, ?, ?, ?)", ", ", views.len())
            );
            let values =
                views.iter().flat_map(|view| [i64::from(view.series), view.length_ms, view.start_ms, view.count]);
            self.run(&sql, params_from_iter(values))?;
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

    fn first_moment(&mut self, series: SeriesId) -> Result<Option<i64>, StoreError> {
        Ok(self.one("SELECT min(at_ms) FROM moment WHERE series = ?1", [series], |row| row.get(0))?.flatten())
    }

    fn add_moments(&mut self, changes: &[(SeriesId, i64, i64)]) -> Result<(), StoreError> {
        let (more, fewer): (Vec<_>, Vec<_>) = changes.iter().partition(|(_, _, by)| *by > 0);
        for more in more.chunks(ROWS_IN_STATEMENT) {
            let sql = format!(
                "INSERT OR FAIL INTO moment (series, at_ms, count) VALUES {}
                    ON CONFLICT DO UPDATE SET count = count + excluded.count",
                repeated("(?, ?, ?)", ", ", more.len())
            );
            let values = more.iter().flat_map(|(series, at_ms, by)| [i64::from(*series), *at_ms, *by]);
            self.run(&sql, params_from_iter(values))?;
        }
        for (series, at_ms, by) in fewer {
            // Most jobs are small, so most moments that lose customers lose all of them.
            let sql = "DELETE FROM moment WHERE series = ?1 AND at_ms = ?2 AND count = -?3";
            if self.run(sql, params![series, at_ms, by])? == 0 {
                let sql = "UPDATE moment SET count = count + ?3 WHERE series = ?1 AND at_ms = ?2 AND count > -?3";
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
        past::read(self.connection, customers)
    }

    fn put_grants(&mut self, job: i64, at_ms: i64, scope: &[u8], customers: &Customers) -> Result<(), StoreError> {
        for customers in customers.as_slice().chunks(ROWS_IN_STATEMENT) {
            let sql = format!(
                "INSERT OR FAIL INTO granted (job, at_ms, scope, customer) VALUES {}",
                repeated("(?1, ?2, ?3, ?)", ", ", customers.len())
            );
            let mut statement = self.connection.prepare_cached(&sql).map_err(failure)?;
            statement.raw_bind_parameter(1, job).map_err(failure)?;
            statement.raw_bind_parameter(2, at_ms).map_err(failure)?;
            statement.raw_bind_parameter(3, scope).map_err(failure)?;
            for (place, customer) in customers.iter().enumerate() {
                statement.raw_bind_parameter(place + 4, customer.0).map_err(failure)?;
            }
            statement.raw_execute().map_err(failure)?;
        }
        Ok(())
    }

    fn delete_grants(&mut self, grants: &[(CustomerHash, i64)]) -> Result<(), StoreError> {
        let mut statement =
            self.connection.prepare_cached("DELETE FROM granted WHERE customer = ?1 AND job = ?2").map_err(failure)?;
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
        // With the last job its time would go.
        self.latest_ms = i64::MIN;
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

    fn insert_job(&mut self, job: &JobRow, customers: &Customers) -> Result<Option<i64>, StoreError> {
        let sql = "INSERT INTO job (id, digest, agent, at_ms, expires_ms, used_ms, state, scope, reserved, count,
            left_digest, customers) VALUES (:id, :digest, :agent, :at_ms, :expires_ms, :used_ms, :state, :scope,
            :reserved, :count, :left, :customers) ON CONFLICT (id) DO NOTHING";
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
        if self.run(sql, values)? == 0 {
            return Ok(None);
        }
        self.latest_ms = self.latest_ms.max(job.at_ms);
        Ok(Some(self.connection.last_insert_rowid()))
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

    fn revoke(&mut self, agent: &str, reason: &str, now_ms: i64) -> Result<bool, StoreError> {
        let sql = "INSERT INTO revoked (agent, since_ms, reason) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
        Ok(self.run(sql, params![agent, now_ms, reason])? > 0)
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
        Ok(self.connection.last_insert_rowid())
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
        Ok(self.connection.last_insert_rowid())
    }

    fn close_review(&mut self, review: i64, by: &str, now_ms: i64) -> Result<bool, StoreError> {
        let sql = "UPDATE review SET closed_by = ?2, closed_ms = ?3 WHERE number = ?1 AND closed_by IS NULL";
        Ok(self.run(sql, params![review, by, now_ms])? > 0)
    }

    fn review(&mut self, number: i64) -> Result<Option<Review>, StoreError> {
        self.one(&format!("SELECT {REVIEW_COLUMNS} FROM review WHERE number = ?1"), [number], read_review)
    }

    fn reviews(&mut self, max: usize) -> Result<Vec<Review>, StoreError> {
        let sql = format!("SELECT {REVIEW_COLUMNS} FROM review ORDER BY number DESC LIMIT ?1");
        self.all(&sql, [limit(max)], read_review)
    }

    fn records(&mut self, from: u64, max: usize) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let Ok(from) = i64::try_from(from) else { return Ok(Vec::new()) };
        let sql = "SELECT number, bytes FROM record WHERE number >= ?1 ORDER BY number LIMIT ?2";
        self.all(sql, params![from, limit(max)], |row| Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get(1)?)))
    }

    fn drop_records(&mut self, before: u64, kept: &[u8]) -> Result<u64, StoreError> {
        let before = signed(before)?;
        let sql = "INSERT INTO dropped (one, before, kept) VALUES (1, ?1, ?2)
            ON CONFLICT DO UPDATE SET before = excluded.before, kept = excluded.kept";
        self.run(sql, params![before, kept])?;
        Ok(self.run("DELETE FROM record WHERE number < ?1", [before])? as u64)
    }

    fn dropped_records(&mut self) -> Result<Option<DroppedRecords>, StoreError> {
        let read =
            |row: &Row<'_>| Ok(DroppedRecords { before: row.get::<_, i64>(0)?.unsigned_abs(), kept: row.get(1)? });
        self.one("SELECT before, kept FROM dropped", [], read)
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
        let next = match self.next_record {
            Some(next) => next,
            None => after(self.one("SELECT max(number) FROM record", [], |row| row.get(0))?.flatten())?,
        };
        self.next_record = Some(next);
        u64::try_from(next).map_err(|_| corrupt("a record has a negative number"))
    }

    fn append_record(&mut self, record: &[u8]) -> Result<u64, StoreError> {
        let number = self.next_record()?;
        let stored = signed(number)?;
        self.run("INSERT INTO record (number, bytes) VALUES (?1, ?2)", params![stored, record])?;
        self.next_record = Some(after(Some(stored))?);
        Ok(number)
    }
}

/// The number after the last record.
fn after(last: Option<i64>) -> Result<i64, StoreError> {
    last.map_or(Some(0), |last| last.checked_add(1)).ok_or_else(|| corrupt("there are too many records"))
}

/// A part of a statement, so many times.
fn repeated(part: &str, between: &str, times: usize) -> String {
    vec![part; times].join(between)
}

fn read_view(row: &Row<'_>) -> rusqlite::Result<View> {
    Ok(View { series: row.get(0)?, length_ms: row.get(1)?, start_ms: row.get(2)?, count: row.get(3)? })
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

fn read_review(row: &Row<'_>) -> rusqlite::Result<Review> {
    let closed: Option<String> = row.get(5)?;
    Ok(Review {
        number: row.get(0)?,
        job: row.get(1)?,
        left_ms: row.get(2)?,
        due_ms: row.get(3)?,
        text: row.get(4)?,
        closed: closed.map(|by| row.get(6).map(|at_ms| (by, at_ms))).transpose()?,
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
