//! The rows of a PostgreSQL ledger.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use postgres::Row;
use postgres::types::{FromSql, ToSql};

use super::PostgresClock;
use super::connection::{Connection, failure};
use crate::customer::{CustomerHash, Customers};
use crate::declare::Declared;
use crate::error::StoreError;
use crate::ledger::{
    Answer, DroppedRecords, NewAnswer, NewRequest, NewReview, On, Request, RequestState, Review, Revocation,
};
use crate::rows::{
    GrantRow, JobRow, Past, RequestsOf, Rows, Scope, SeriesId, StoreState, Swept, View, corrupt, limit, signed,
    state_number, state_of,
};
use crate::store::Lock;
use crate::window::{Counted, Subject, Window};

/// The rows of one transaction.
///
/// A round trip to the server costs more than what it does, so what a transaction will read is read with its locks, and
/// small writes are held back for one statement at the end.
pub(super) struct PostgresRows<'c> {
    connection: &'c mut Connection,
    clock: PostgresClock,
    /// The series that are locked, with the time of their latest record.
    locked: BTreeMap<SeriesId, i64>,
    is_all_locked: bool,
    /// The state as it was read last.
    state: Option<StoreState>,
    series: HashMap<(Subject, Counted), SeriesId>,
    /// Views as they are in the table, of series that are locked.
    views: BTreeMap<SeriesId, Vec<View>>,
    /// Sums of moments: what left the views since they were written.
    sums: HashMap<(SeriesId, i64, i64), i64>,
    views_to_put: Vec<View>,
    latest_to_set: Option<(Vec<i64>, i64)>,
}

/// The class of advisory locks that ledgers use; the other half is the schema.
const LOCK_CLASS: &str = "1163415628";

macro_rules! job_columns {
    ($rest:literal) => {
        concat!(
            "SELECT number, id, digest, agent, at_ms, expires_ms, used_ms, state, scope, reserved, count, left_digest
                FROM job ",
            $rest
        )
    };
}

macro_rules! request_columns {
    ($rest:literal) => {
        concat!("SELECT number, digest, requested_by, requested_ms, expires_ms, body, denied, job FROM request ", $rest)
    };
}

macro_rules! review_columns {
    ($rest:literal) => {
        concat!("SELECT number, job, left_ms, due_ms, body, closed_by, closed_ms FROM review ", $rest)
    };
}

impl<'c> PostgresRows<'c> {
    pub(super) fn new(connection: &'c mut Connection, clock: PostgresClock) -> Self {
        Self {
            connection,
            clock,
            locked: BTreeMap::new(),
            is_all_locked: false,
            state: None,
            series: HashMap::new(),
            views: BTreeMap::new(),
            sums: HashMap::new(),
            views_to_put: Vec::new(),
            latest_to_set: None,
        }
    }

    /// Waits until no other transaction counts for the same subjects.
    pub(super) fn lock(&mut self, lock: Lock<'_>) -> Result<(), StoreError> {
        let lock_store = |connection: &mut Connection, how: &str| {
            connection.batch(&format!(
                "SELECT pg_advisory_xact_lock{how}({LOCK_CLASS}, (current_schema()::regnamespace::oid::bigint % 2147483647)::int)"
            ))
        };
        match lock {
            Lock::Nothing => Ok(()),
            Lock::All => {
                self.is_all_locked = true;
                lock_store(self.connection, "")
            }
            Lock::On(on) => {
                lock_store(self.connection, "_shared")?;
                match on {
                    On::Subjects(subjects) => self.lock_subjects(subjects)?,
                    On::Job(job) => {
                        let sql = "SELECT scope FROM job WHERE id = $1 FOR UPDATE";
                        let Some(row) = self.connection.query(sql, &[&job])?.into_iter().next() else { return Ok(()) };
                        let series: Vec<i64> =
                            Scope::from_bytes(column::<&[u8]>(&row, 0)?)?.0.into_iter().map(i64::from).collect();
                        let sql =
                            "SELECT number, latest_ms FROM series WHERE number = ANY($1) ORDER BY number FOR UPDATE";
                        for row in self.connection.query(sql, &[&series])? {
                            self.locked.insert(id(column(&row, 0)?)?, column(&row, 1)?);
                        }
                    }
                }
                self.read_views()
            }
        }
    }

    fn lock_subjects(&mut self, subjects: &[Subject]) -> Result<(), StoreError> {
        let mut subjects: Vec<&Subject> = subjects.iter().collect();
        subjects.sort_unstable();
        subjects.dedup();
        let ids: Vec<&str> = subjects.iter().map(|subject| subject.id.as_str()).collect();
        let kinds: Vec<&str> = subjects.iter().map(|subject| subject.kind.name()).collect();
        let counted = Counted::Customers.name();
        let mut attempts = 0;
        loop {
            // The order of the numbers is the order of the locks, for everyone.
            let sql = "SELECT number, kind, id, latest_ms FROM series
                WHERE counted = $1 AND (kind, id) IN (SELECT * FROM unnest($2::text[], $3::text[]))
                ORDER BY number FOR UPDATE";
            let rows = self.connection.query(sql, &[&counted, &kinds, &ids])?;
            if rows.len() == subjects.len() {
                for row in rows {
                    let number = id(column(&row, 0)?)?;
                    let (kind, name) = (column::<&str>(&row, 1)?, column::<&str>(&row, 2)?);
                    self.locked.insert(number, column(&row, 3)?);
                    if let Some(subject) = subjects.iter().find(|s| s.kind.name() == kind && s.id == name) {
                        self.series.insert(((*subject).clone(), Counted::Customers), number);
                    }
                }
                return Ok(());
            }
            // A sweep may take a series away between making and locking it.
            attempts += 1;
            if attempts > 3 {
                return Err(StoreError::Busy { message: "the subjects are being dropped and made again".to_owned() });
            }
            let sql = "INSERT INTO series (counted, kind, id, latest_ms)
                SELECT $1, kind, id, $4 FROM unnest($2::text[], $3::text[]) AS new (kind, id) ORDER BY kind, id
                ON CONFLICT DO NOTHING";
            self.connection.execute(sql, &[&counted, &kinds, &ids, &i64::MIN])?;
        }
    }

    fn read_views(&mut self) -> Result<(), StoreError> {
        let locked: Vec<i64> = self.locked.keys().map(|series| i64::from(*series)).collect();
        for series in self.locked.keys() {
            self.views.insert(*series, Vec::new());
        }
        let sql =
            "SELECT series, length_ms, start_ms, count FROM view WHERE series = ANY($1) ORDER BY series, length_ms";
        for row in self.connection.query(sql, &[&locked])? {
            let view = read_view(&row)?;
            self.views.entry(view.series).or_default().push(view);
        }
        Ok(())
    }

    /// Reads the sums of moments that all views of locked series need to slide to `now_ms`, at once.
    fn read_sums(&mut self, now_ms: i64, dropped_to_ms: i64) -> Result<(), StoreError> {
        let (mut series, mut after, mut to) = (Vec::new(), Vec::new(), Vec::new());
        for view in self.views.values().flatten() {
            let start_ms = view.slid_to(now_ms, dropped_to_ms);
            if start_ms > view.start_ms {
                series.push(i64::from(view.series));
                after.push(view.start_ms);
                to.push(start_ms);
            }
        }
        if series.is_empty() {
            return Ok(());
        }
        let sql = "SELECT v.series, v.after_ms, v.to_ms, (SELECT coalesce(sum(m.count), 0)::bigint FROM moment m
                WHERE m.series = v.series AND m.at_ms > v.after_ms AND m.at_ms <= v.to_ms)
            FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS v (series, after_ms, to_ms)";
        for row in self.connection.query(sql, &[&series, &after, &to])? {
            let key = (id(column(&row, 0)?)?, column(&row, 1)?, column(&row, 2)?);
            self.sums.insert(key, column(&row, 3)?);
        }
        Ok(())
    }

    fn one<'r, T: for<'a> FromSql<'a>>(
        &mut self,
        sql: &'static str,
        values: &'r [&'r (dyn ToSql + Sync)],
    ) -> Result<Option<T>, StoreError> {
        self.connection.query(sql, values)?.first().map(|row| column(row, 0)).transpose()
    }
}

impl Rows for PostgresRows<'_> {
    fn state(&mut self) -> Result<StoreState, StoreError> {
        let sql = "SELECT key_check, latest_ms, kept_ms, dropped_to_ms, merged FROM state";
        let rows = self.connection.query(sql, &[])?;
        let row = rows.first().ok_or_else(|| corrupt("the row of its state is missing"))?;
        let mut latest_ms: i64 = column(row, 1)?;
        if self.is_all_locked || self.locked.is_empty() {
            let of_series: Option<i64> = self.one("SELECT coalesce(max(latest_ms), $1) FROM series", &[&i64::MIN])?;
            latest_ms = latest_ms.max(of_series.unwrap_or(i64::MIN));
        } else {
            latest_ms = self.locked.values().copied().fold(latest_ms, i64::max);
        }
        let state = StoreState {
            key_check: fixed(column(row, 0)?)?,
            latest_ms,
            kept_ms: column(row, 2)?,
            dropped_to_ms: column(row, 3)?,
            merged: column(row, 4)?,
        };
        self.state = Some(state);
        Ok(state)
    }

    fn now_ms(&mut self, clock_ms: i64) -> Result<i64, StoreError> {
        let state = match self.state {
            Some(state) => state,
            None => self.state()?,
        };
        let now_ms = match self.clock {
            PostgresClock::Caller => clock_ms,
            PostgresClock::Server => {
                let sql = "SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint";
                self.one(sql, &[])?.ok_or_else(|| corrupt("the server has no clock"))?
            }
        };
        self.read_sums(now_ms.max(state.latest_ms), state.dropped_to_ms)?;
        Ok(now_ms)
    }

    fn set_latest(&mut self, series: &[SeriesId], now_ms: i64) -> Result<(), StoreError> {
        let all = series.iter().chain(self.locked.keys()).map(|series| i64::from(*series));
        self.latest_to_set = Some((all.collect::<BTreeSet<_>>().into_iter().collect(), now_ms));
        Ok(())
    }

    fn set_key_check(&mut self, key_check: &[u8; 16]) -> Result<(), StoreError> {
        self.connection.execute("UPDATE state SET key_check = $1", &[&key_check.as_slice()]).map(|_| ())
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        let views = std::mem::take(&mut self.views_to_put);
        if !views.is_empty() {
            let series: Vec<i64> = views.iter().map(|view| i64::from(view.series)).collect();
            let lengths: Vec<i64> = views.iter().map(|view| view.length_ms).collect();
            let starts: Vec<i64> = views.iter().map(|view| view.start_ms).collect();
            let counts: Vec<i64> = views.iter().map(|view| view.count).collect();
            let sql = "INSERT INTO view (series, length_ms, start_ms, count)
                SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[])
                ON CONFLICT (series, length_ms) DO UPDATE SET start_ms = excluded.start_ms, count = excluded.count";
            self.connection.execute(sql, &[&series, &lengths, &starts, &counts])?;
        }
        if let Some((series, now_ms)) = self.latest_to_set.take() {
            let sql = "UPDATE series SET latest_ms = $2 WHERE number = ANY($1) AND latest_ms < $2";
            self.connection.execute(sql, &[&series, &now_ms])?;
            if self.is_all_locked {
                self.connection.execute("UPDATE state SET latest_ms = $1 WHERE latest_ms < $1", &[&now_ms])?;
            }
        }
        Ok(())
    }

    fn declared(&mut self) -> Result<Vec<Declared>, StoreError> {
        let sql = "SELECT kind, counted, length_ms, since_ms FROM declared ORDER BY kind, counted, length_ms";
        let rows = self.connection.query(sql, &[])?;
        rows.iter()
            .map(|row| Declared::parse(column(row, 0)?, column(row, 1)?, column(row, 2)?, column(row, 3)?))
            .collect()
    }

    fn insert_declared(&mut self, declared: &Declared) -> Result<(), StoreError> {
        let Window { kind, counted, length_ms } = declared.window;
        let sql = "INSERT INTO declared (kind, counted, length_ms, since_ms) VALUES ($1, $2, $3, $4)";
        self.connection.execute(sql, &[&kind.name(), &counted.name(), &length_ms, &declared.since_ms])?;
        self.connection.execute("UPDATE state SET kept_ms = greatest(kept_ms, $1)", &[&length_ms]).map(|_| ())
    }

    fn series(&mut self, subject: &Subject, counted: Counted) -> Result<Option<SeriesId>, StoreError> {
        if let Some(series) = self.series.get(&(subject.clone(), counted)) {
            return Ok(Some(*series));
        }
        let sql = "SELECT number FROM series WHERE id = $1 AND kind = $2 AND counted = $3";
        let found: Option<i64> = self.one(sql, &[&subject.id, &subject.kind.name(), &counted.name()])?;
        let found = found.map(id).transpose()?;
        if let Some(found) = found {
            self.series.insert((subject.clone(), counted), found);
        }
        Ok(found)
    }

    fn find_series(&mut self, _subjects: &[Subject]) -> Result<(), StoreError> {
        // They were read with their locks.
        Ok(())
    }

    fn make_series(&mut self, subject: &Subject, counted: Counted) -> Result<SeriesId, StoreError> {
        let sql = "INSERT INTO series (id, kind, counted, latest_ms) VALUES ($1, $2, $3, $4) RETURNING number";
        let made: Option<i64> = self.one(sql, &[&subject.id, &subject.kind.name(), &counted.name(), &i64::MIN])?;
        let made = id(made.ok_or_else(|| corrupt("a series wasn't made"))?)?;
        self.series.insert((subject.clone(), counted), made);
        Ok(made)
    }

    fn delete_series(&mut self, series: SeriesId) -> Result<(), StoreError> {
        self.views_to_put.retain(|view| view.series != series);
        self.connection.execute("DELETE FROM view WHERE series = $1", &[&i64::from(series)])?;
        self.connection.execute("DELETE FROM series WHERE number = $1", &[&i64::from(series)]).map(|_| ())
    }

    fn series_after(&mut self, after: SeriesId, max: usize) -> Result<Vec<SeriesId>, StoreError> {
        let sql = "SELECT number FROM series WHERE number > $1 ORDER BY number LIMIT $2";
        let rows = self.connection.query(sql, &[&i64::from(after), &limit(max)])?;
        rows.iter().map(|row| id(column(row, 0)?)).collect()
    }

    fn denial_series(&mut self) -> Result<BTreeSet<SeriesId>, StoreError> {
        let rows =
            self.connection.query("SELECT number FROM series WHERE counted = $1", &[&Counted::Denials.name()])?;
        rows.iter().map(|row| id(column(row, 0)?)).collect()
    }

    fn views(&mut self, series: SeriesId) -> Result<Vec<View>, StoreError> {
        if let Some(views) = self.views.get(&series) {
            return Ok(views.clone());
        }
        let sql = "SELECT series, length_ms, start_ms, count FROM view WHERE series = $1 ORDER BY length_ms";
        self.connection.query(sql, &[&i64::from(series)])?.iter().map(read_view).collect()
    }

    fn sliding_views(
        &mut self,
        series: &[SeriesId],
        now_ms: i64,
        dropped_to_ms: i64,
    ) -> Result<Vec<(View, i64)>, StoreError> {
        let mut views = Vec::new();
        for series in series {
            for view in self.views(*series)? {
                let start_ms = view.slid_to(now_ms, dropped_to_ms);
                let left = if start_ms > view.start_ms { self.moments(*series, view.start_ms, start_ms)? } else { 0 };
                views.push((view, left));
            }
        }
        Ok(views)
    }

    fn put_views(&mut self, views: &[View]) -> Result<(), StoreError> {
        for view in views {
            self.views_to_put.retain(|held| (held.series, held.length_ms) != (view.series, view.length_ms));
            self.views_to_put.push(*view);
        }
        Ok(())
    }

    fn first_moment(&mut self, series: SeriesId) -> Result<Option<i64>, StoreError> {
        let first: Option<Option<i64>> =
            self.one("SELECT min(at_ms) FROM moment WHERE series = $1", &[&i64::from(series)])?;
        Ok(first.flatten())
    }

    fn moments(&mut self, series: SeriesId, after_ms: i64, to_ms: i64) -> Result<i64, StoreError> {
        if let Some(sum) = self.sums.get(&(series, after_ms, to_ms)) {
            return Ok(*sum);
        }
        let sql = "SELECT coalesce(sum(count), 0)::bigint FROM moment WHERE series = $1 AND at_ms > $2 AND at_ms <= $3";
        Ok(self.one(sql, &[&i64::from(series), &after_ms, &to_ms])?.unwrap_or(0))
    }

    fn all_moments(&mut self, series: SeriesId) -> Result<Vec<(i64, i64)>, StoreError> {
        let sql = "SELECT at_ms, count FROM moment WHERE series = $1 ORDER BY at_ms";
        let rows = self.connection.query(sql, &[&i64::from(series)])?;
        rows.iter().map(|row| Ok((column(row, 0)?, column(row, 1)?))).collect()
    }

    fn add_moments(&mut self, changes: &[(SeriesId, i64, i64)]) -> Result<(), StoreError> {
        self.sums.clear();
        let (more, fewer): (Vec<_>, Vec<_>) = changes.iter().partition(|(_, _, by)| *by > 0);
        for changes in [&more, &fewer].into_iter().filter(|changes| !changes.is_empty()) {
            let series: Vec<i64> = changes.iter().map(|(series, _, _)| i64::from(*series)).collect();
            let at: Vec<i64> = changes.iter().map(|(_, at_ms, _)| *at_ms).collect();
            let by: Vec<i64> = changes.iter().map(|(_, _, by)| *by).collect();
            if changes.iter().any(|(_, _, by)| *by > 0) {
                let sql = "INSERT INTO moment (series, at_ms, count)
                    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[])
                    ON CONFLICT (series, at_ms) DO UPDATE SET count = moment.count + excluded.count";
                self.connection.execute(sql, &[&series, &at, &by])?;
                continue;
            }
            let sql = "UPDATE moment SET count = count + by
                FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS change (of, at, by)
                WHERE series = of AND at_ms = at AND count + by >= 0";
            if self.connection.execute(sql, &[&series, &at, &by])? != changes.len() as u64 {
                return Err(corrupt("more grants were taken back at one time than were granted"));
            }
            let sql = "DELETE FROM moment USING unnest($1::bigint[], $2::bigint[]) AS change (of, at)
                WHERE series = of AND at_ms = at AND count = 0";
            self.connection.execute(sql, &[&series, &at])?;
        }
        Ok(())
    }

    fn drop_moments(&mut self, series: SeriesId, to_ms: i64, max: usize) -> Result<usize, StoreError> {
        self.sums.clear();
        let sql = "DELETE FROM moment WHERE series = $1 AND at_ms IN
            (SELECT at_ms FROM moment WHERE series = $1 AND at_ms <= $2 ORDER BY at_ms LIMIT $3)";
        let dropped = self.connection.execute(sql, &[&i64::from(series), &to_ms, &limit(max)])?;
        Ok(usize::try_from(dropped).unwrap_or(usize::MAX))
    }

    fn canonical(&mut self, customers: &Customers) -> Result<Customers, StoreError> {
        let hashes = hashes(customers);
        let rows = self.connection.query("SELECT alias, canonical FROM alias WHERE alias = ANY($1)", &[&hashes])?;
        let mut aliases = BTreeMap::new();
        for row in &rows {
            aliases.insert(CustomerHash(fixed(column(row, 0)?)?), CustomerHash(fixed(column(row, 1)?)?));
        }
        Ok(customers.as_slice().iter().map(|customer| *aliases.get(customer).unwrap_or(customer)).collect())
    }

    fn put_alias(&mut self, alias: CustomerHash, canonical: CustomerHash) -> Result<(), StoreError> {
        let (alias, canonical) = (alias.0.as_slice(), canonical.0.as_slice());
        self.connection.execute("UPDATE alias SET canonical = $2 WHERE canonical = $1", &[&alias, &canonical])?;
        self.connection.execute("INSERT INTO alias (alias, canonical) VALUES ($1, $2)", &[&alias, &canonical])?;
        self.connection.execute("UPDATE state SET merged = TRUE", &[]).map(|_| ())
    }

    fn past(&mut self, customers: &Customers) -> Result<Past, StoreError> {
        let mut past = Past::default();
        let sql = "SELECT customer, job, at_ms, scope FROM granted WHERE customer = ANY($1) ORDER BY customer, job";
        for row in self.connection.query(sql, &[&hashes(customers)])? {
            let customer = CustomerHash(fixed(column(&row, 0)?)?);
            let found = customers.as_slice().binary_search(&customer);
            let place = found.map_err(|_| corrupt("a grant of another customer was found"))?;
            past.push(place, column(&row, 1)?, column(&row, 2)?, column(&row, 3)?)?;
        }
        Ok(past)
    }

    fn put_grants(&mut self, job: i64, at_ms: i64, scope: &[u8], customers: &Customers) -> Result<(), StoreError> {
        let sql = "INSERT INTO granted (customer, job, at_ms, scope) SELECT customer, $2, $3, $4
            FROM unnest($1::bytea[]) AS new (customer)";
        self.connection.execute(sql, &[&hashes(customers), &job, &at_ms, &scope]).map(|_| ())
    }

    fn delete_grants(&mut self, grants: &[(CustomerHash, i64)]) -> Result<(), StoreError> {
        let customers: Vec<&[u8]> = grants.iter().map(|(customer, _)| customer.0.as_slice()).collect();
        let jobs: Vec<i64> = grants.iter().map(|(_, job)| *job).collect();
        let sql = "DELETE FROM granted g USING unnest($1::bytea[], $2::bigint[]) AS gone (customer, job)
            WHERE g.customer = gone.customer AND g.job = gone.job";
        self.connection.execute(sql, &[&customers, &jobs]).map(|_| ())
    }

    fn grants_after(&mut self, after: (CustomerHash, i64), max: usize) -> Result<Vec<GrantRow>, StoreError> {
        let sql = "SELECT customer, job, at_ms, scope FROM granted WHERE (customer, job) > ($1, $2)
            ORDER BY customer, job LIMIT $3";
        let rows = self.connection.query(sql, &[&after.0.0.as_slice(), &after.1, &limit(max)])?;
        rows.iter()
            .map(|row| {
                let customer = CustomerHash(fixed(column(row, 0)?)?);
                let scope = Scope::from_bytes(column(row, 3)?)?;
                Ok(GrantRow { customer, job: column(row, 1)?, at_ms: column(row, 2)?, scope })
            })
            .collect()
    }

    fn job(&mut self, id: &str) -> Result<Option<JobRow>, StoreError> {
        self.connection.query(job_columns!("WHERE id = $1"), &[&id])?.first().map(read_job).transpose()
    }

    fn jobs_after(&mut self, after: i64, max: usize) -> Result<Vec<JobRow>, StoreError> {
        let sql = job_columns!("WHERE number > $1 ORDER BY number LIMIT $2");
        self.connection.query(sql, &[&after, &limit(max)])?.iter().map(read_job).collect()
    }

    fn committed(&mut self, numbers: &BTreeSet<i64>) -> Result<BTreeSet<i64>, StoreError> {
        let numbers: Vec<i64> = numbers.iter().copied().collect();
        let committed = state_number(crate::JobState::Committed);
        let sql = "SELECT number FROM job WHERE number = ANY($1) AND state = $2";
        self.connection.query(sql, &[&numbers, &committed])?.iter().map(|row| column(row, 0)).collect()
    }

    fn job_customers(&mut self, number: i64) -> Result<Customers, StoreError> {
        let bytes: Option<Vec<u8>> = self.one("SELECT customers FROM job WHERE number = $1", &[&number])?;
        bytes.as_deref().and_then(Customers::from_bytes).ok_or_else(|| corrupt("the customers of a job can't be read"))
    }

    fn insert_job(&mut self, job: &JobRow, customers: &Customers) -> Result<Option<i64>, StoreError> {
        let sql = "INSERT INTO job (id, digest, agent, at_ms, expires_ms, used_ms, state, scope, reserved, count,
            left_digest, customers) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
            ON CONFLICT (id) DO NOTHING RETURNING number";
        self.one(
            sql,
            &[
                &job.id,
                &job.digest.as_slice(),
                &job.agent,
                &job.at_ms,
                &job.expires_ms,
                &job.used_ms,
                &state_number(job.state),
                &job.scope.to_bytes(),
                &signed(job.reserved)?,
                &signed(job.count)?,
                &job.left.as_ref().map(<[u8; 32]>::as_slice),
                &customers.to_bytes(),
            ],
        )
    }

    fn update_job(&mut self, job: &JobRow, customers: Option<&Customers>) -> Result<(), StoreError> {
        let sql = "UPDATE job SET used_ms = $2, state = $3, count = $4, left_digest = $5,
            customers = coalesce($6, customers) WHERE number = $1";
        let left = job.left.as_ref().map(<[u8; 32]>::as_slice);
        let customers = customers.map(Customers::to_bytes);
        let state = state_number(job.state);
        let count = signed(job.count)?;
        self.connection.execute(sql, &[&job.number, &job.used_ms, &state, &count, &left, &customers]).map(|_| ())
    }

    fn delete_job(&mut self, number: i64) -> Result<(), StoreError> {
        self.connection.execute("DELETE FROM job WHERE number = $1", &[&number]).map(|_| ())
    }

    fn swept(&mut self) -> Result<Swept, StoreError> {
        let rows = self.connection.query("SELECT swept_customers, swept_series FROM state", &[])?;
        let row = rows.first().ok_or_else(|| corrupt("the row of its state is missing"))?;
        Ok(Swept { customers: usize::try_from(column::<i64>(row, 0)?).unwrap_or(0), series: id(column(row, 1)?)? })
    }

    fn set_swept(&mut self, swept: Swept, dropped_to_ms: i64) -> Result<(), StoreError> {
        let sql = "UPDATE state SET swept_customers = $1, swept_series = $2, dropped_to_ms = $3";
        let series = i64::from(swept.series);
        self.connection.execute(sql, &[&limit(swept.customers), &series, &dropped_to_ms]).map(|_| ())
    }

    fn revoked_since_ms(&mut self, agent: &str) -> Result<Option<i64>, StoreError> {
        self.one("SELECT since_ms FROM revoked WHERE agent = $1", &[&agent])
    }

    fn revoke(&mut self, agent: &str, reason: &str, now_ms: i64) -> Result<bool, StoreError> {
        let sql = "INSERT INTO revoked (agent, since_ms, reason) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        Ok(self.connection.execute(sql, &[&agent, &now_ms, &reason])? > 0)
    }

    fn reinstate(&mut self, agent: &str) -> Result<bool, StoreError> {
        Ok(self.connection.execute("DELETE FROM revoked WHERE agent = $1", &[&agent])? > 0)
    }

    fn revocations(&mut self) -> Result<Vec<Revocation>, StoreError> {
        let rows = self.connection.query("SELECT agent, since_ms, reason FROM revoked ORDER BY agent", &[])?;
        rows.iter()
            .map(|row| Ok(Revocation { agent: column(row, 0)?, since_ms: column(row, 1)?, reason: column(row, 2)? }))
            .collect()
    }

    fn requests(&mut self, of: RequestsOf<'_>) -> Result<Vec<Request>, StoreError> {
        let rows = match of {
            RequestsOf::Number(number) => self.connection.query(request_columns!("WHERE number = $1"), &[&number])?,
            RequestsOf::NumberToChange(number) => {
                self.connection.query(request_columns!("WHERE number = $1 FOR UPDATE"), &[&number])?
            }
            RequestsOf::Digest(digest) => {
                self.connection.query(request_columns!("WHERE digest = $1 ORDER BY number"), &[&digest.as_slice()])?
            }
            RequestsOf::Latest(max) => {
                self.connection.query(request_columns!("ORDER BY number DESC LIMIT $1"), &[&limit(max)])?
            }
        };
        let mut requests: Vec<Request> = rows.iter().map(read_request).collect::<Result<_, _>>()?;
        if requests.is_empty() {
            return Ok(requests);
        }
        let numbers: Vec<i64> = requests.iter().map(|request| request.number).collect();
        let sql = "SELECT request, approver, capacity, approve, at_ms FROM answer WHERE request = ANY($1)
            ORDER BY at_ms, approver";
        for row in self.connection.query(sql, &[&numbers])? {
            let number: i64 = column(&row, 0)?;
            let (by, capacity, approve, at_ms) =
                (column(&row, 1)?, column(&row, 2)?, column(&row, 3)?, column(&row, 4)?);
            for request in requests.iter_mut().filter(|request| request.number == number) {
                request.answers.push(Answer {
                    by: String::clone(&by),
                    capacity: String::clone(&capacity),
                    approve,
                    at_ms,
                });
            }
        }
        Ok(requests)
    }

    fn insert_request(&mut self, request: &NewRequest<'_>, now_ms: i64) -> Result<i64, StoreError> {
        let sql = "INSERT INTO request (digest, requested_by, requested_ms, expires_ms, body, denied)
            VALUES ($1, $2, $3, $4, $5, FALSE) RETURNING number";
        let NewRequest { digest, requested_by, expires_ms, text } = request;
        let number = self.one(sql, &[&digest.as_slice(), requested_by, &now_ms, expires_ms, text])?;
        number.ok_or_else(|| corrupt("a request wasn't stored"))
    }

    fn insert_answer(&mut self, request: i64, answer: &NewAnswer<'_>, now_ms: i64) -> Result<(), StoreError> {
        let sql = "INSERT INTO answer (request, approver, capacity, approve, at_ms) VALUES ($1, $2, $3, $4, $5)";
        let NewAnswer { by, capacity, approve } = answer;
        self.connection.execute(sql, &[&request, by, capacity, approve, &now_ms])?;
        if !approve {
            self.connection.execute("UPDATE request SET denied = TRUE WHERE number = $1", &[&request])?;
        }
        Ok(())
    }

    fn set_consumed(&mut self, request: i64, job: &str) -> Result<(), StoreError> {
        self.connection.execute("UPDATE request SET job = $2 WHERE number = $1", &[&request, &job]).map(|_| ())
    }

    fn insert_review(&mut self, review: &NewReview<'_>, now_ms: i64) -> Result<i64, StoreError> {
        let sql = "INSERT INTO review (job, left_ms, due_ms, body) VALUES ($1, $2, $3, $4) RETURNING number";
        let number = self.one(sql, &[&review.job, &now_ms, &review.due_ms, &review.text])?;
        number.ok_or_else(|| corrupt("a review wasn't stored"))
    }

    fn close_review(&mut self, review: i64, by: &str, now_ms: i64) -> Result<bool, StoreError> {
        let sql = "UPDATE review SET closed_by = $2, closed_ms = $3 WHERE number = $1 AND closed_by IS NULL";
        Ok(self.connection.execute(sql, &[&review, &by, &now_ms])? > 0)
    }

    fn review(&mut self, number: i64) -> Result<Option<Review>, StoreError> {
        let sql = review_columns!("WHERE number = $1");
        self.connection.query(sql, &[&number])?.first().map(read_review).transpose()
    }

    fn reviews(&mut self, max: usize) -> Result<Vec<Review>, StoreError> {
        let sql = review_columns!("ORDER BY number DESC LIMIT $1");
        self.connection.query(sql, &[&limit(max)])?.iter().map(read_review).collect()
    }

    fn next_record(&mut self) -> Result<u64, StoreError> {
        let next: Option<i64> = self.one("SELECT count FROM records FOR UPDATE", &[])?;
        let next = next.ok_or_else(|| corrupt("the number of records is missing"))?;
        u64::try_from(next).map_err(|_| corrupt("the number of records is negative"))
    }

    fn append_record(&mut self, record: &[u8]) -> Result<u64, StoreError> {
        let number: Option<i64> = self.one("UPDATE records SET count = count + 1 RETURNING count - 1", &[])?;
        let number = number.ok_or_else(|| corrupt("the number of records is missing"))?;
        self.connection.execute("INSERT INTO record (number, bytes) VALUES ($1, $2)", &[&number, &record])?;
        u64::try_from(number).map_err(|_| corrupt("a record has a negative number"))
    }

    fn records(&mut self, from: u64, max: usize) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let Ok(from) = i64::try_from(from) else { return Ok(Vec::new()) };
        let sql = "SELECT number, bytes FROM record WHERE number >= $1 ORDER BY number LIMIT $2";
        let rows = self.connection.query(sql, &[&from, &limit(max)])?;
        rows.iter().map(|row| Ok((column::<i64>(row, 0)?.unsigned_abs(), column(row, 1)?))).collect()
    }

    fn drop_records(&mut self, before: u64, kept: &[u8]) -> Result<u64, StoreError> {
        let before = signed(before)?;
        let sql = "INSERT INTO dropped (one, before, kept) VALUES (1, $1, $2)
            ON CONFLICT (one) DO UPDATE SET before = excluded.before, kept = excluded.kept";
        self.connection.execute(sql, &[&before, &kept])?;
        self.connection.execute("DELETE FROM record WHERE number < $1", &[&before])
    }

    fn dropped_records(&mut self) -> Result<Option<DroppedRecords>, StoreError> {
        let rows = self.connection.query("SELECT before, kept FROM dropped", &[])?;
        let read =
            |row: &Row| Ok(DroppedRecords { before: column::<i64>(row, 0)?.unsigned_abs(), kept: column(row, 1)? });
        rows.first().map(read).transpose()
    }

    fn count_records(&mut self) -> Result<(u64, u64), StoreError> {
        let count: Option<i64> = self.one("SELECT count(*) FROM record", &[])?;
        let next: Option<i64> = self.one("SELECT count FROM records", &[])?;
        match (count, next) {
            (Some(count), Some(next)) => Ok((count.unsigned_abs(), next.unsigned_abs())),
            _ => Err(corrupt("the number of records is missing")),
        }
    }

    fn check_integrity(&mut self) -> Result<(), StoreError> {
        // Pages and indexes are the server's: `pg_amcheck` and data checksums look at those.
        let found: Option<i64> = self.one("SELECT count(*) FROM moment WHERE count <= 0", &[])?;
        if found == Some(0) { Ok(()) } else { Err(corrupt("a moment counts nothing")) }
    }
}

fn hashes(customers: &Customers) -> Vec<&[u8]> {
    customers.as_slice().iter().map(|customer| customer.0.as_slice()).collect()
}

fn column<'r, T: FromSql<'r>>(row: &'r Row, place: usize) -> Result<T, StoreError> {
    row.try_get(place).map_err(|error| failure(&error))
}

fn id(number: i64) -> Result<SeriesId, StoreError> {
    SeriesId::try_from(number).map_err(|_| corrupt("there are too many series"))
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], StoreError> {
    bytes.try_into().map_err(|_| corrupt("a digest or a hash has another length"))
}

fn read_view(row: &Row) -> Result<View, StoreError> {
    let (series, length_ms) = (id(column(row, 0)?)?, column(row, 1)?);
    Ok(View { series, length_ms, start_ms: column(row, 2)?, count: column(row, 3)? })
}

fn read_job(row: &Row) -> Result<JobRow, StoreError> {
    let unsigned = |count: i64| u64::try_from(count).map_err(|_| corrupt("a count of customers is negative"));
    let left: Option<&[u8]> = column(row, 11)?;
    Ok(JobRow {
        number: column(row, 0)?,
        id: column(row, 1)?,
        digest: fixed(column(row, 2)?)?,
        agent: column(row, 3)?,
        at_ms: column(row, 4)?,
        expires_ms: column(row, 5)?,
        used_ms: column(row, 6)?,
        state: state_of(column(row, 7)?).ok_or_else(|| corrupt("a job is in no known state"))?,
        scope: Scope::from_bytes(column(row, 8)?)?,
        reserved: unsigned(column(row, 9)?)?,
        count: unsigned(column(row, 10)?)?,
        left: left.map(fixed).transpose()?,
    })
}

fn read_review(row: &Row) -> Result<Review, StoreError> {
    let closed: Option<String> = column(row, 5)?;
    Ok(Review {
        number: column(row, 0)?,
        job: column(row, 1)?,
        left_ms: column(row, 2)?,
        due_ms: column(row, 3)?,
        text: column(row, 4)?,
        closed: closed.map(|by| Ok::<_, StoreError>((by, column(row, 6)?))).transpose()?,
    })
}

fn read_request(row: &Row) -> Result<Request, StoreError> {
    let job: Option<String> = column(row, 7)?;
    let denied: bool = column(row, 6)?;
    let state = match job {
        Some(job) => RequestState::Consumed { job },
        None if denied => RequestState::Denied,
        None => RequestState::Open,
    };
    Ok(Request {
        number: column(row, 0)?,
        digest: fixed(column(row, 1)?)?,
        requested_by: column(row, 2)?,
        requested_ms: column(row, 3)?,
        expires_ms: column(row, 4)?,
        text: column(row, 5)?,
        state,
        answers: Vec::new(),
    })
}
