//! The life of a job: reserved, its permit used, then committed or cancelled.

use std::collections::{BTreeMap, BTreeSet};

use super::counts::Changes;
use super::{Open, Tx};
use crate::customer::{CustomerHash, Customers};
use crate::error::{JobError, LedgerError};
use crate::ledger::{JobState, Left, Reservation, Reserved};
use crate::rows::{Grant, JobRow, Past, Scope, SeriesId, signed};
use crate::window::Counted;

impl Tx<'_> {
    pub(super) fn reserve_job(&mut self, job: &Reservation<'_>) -> Result<Reserved, LedgerError> {
        let scope = self.scope()?;
        let customers = self.canonical(job.customers)?;
        let at_ms = self.now_ms;
        let row = JobRow {
            number: 0,
            id: job.job.to_owned(),
            digest: *job.digest,
            agent: job.agent.to_owned(),
            at_ms,
            expires_ms: job.expires_ms,
            used_ms: None,
            state: JobState::Reserved,
            scope,
            reserved: customers.len() as u64,
            count: customers.len() as u64,
            left: None,
        };
        let Some(number) = self.rows.insert_job(&row, &customers)? else { return self.reserved_before(job) };
        self.written = customers.len().saturating_add(1);
        let past = self.take_past(&customers)?;
        self.grant(&row.scope, at_ms, &customers, &past)?;
        let dead = self.dead(&row.scope, &customers, &past)?;
        if !dead.is_empty() {
            self.rows.delete_grants(&dead.into_iter().collect::<Vec<_>>())?;
        }
        self.rows.put_grants(number, at_ms, &row.scope.to_bytes(), &customers)?;
        Ok(Reserved::Now)
    }

    /// What a job that the ledger knows comes to when it is reserved again.
    fn reserved_before(&mut self, job: &Reservation<'_>) -> Result<Reserved, LedgerError> {
        let id = || job.job.to_owned();
        let found = self.rows.job(job.job)?.ok_or_else(|| JobError::Unknown { job: id() })?;
        if found.digest != *job.digest || found.agent != job.agent {
            return Err(JobError::Reused { job: id() }.into());
        }
        match found.state {
            JobState::Reserved => Ok(Reserved::Before),
            JobState::Committed => Err(JobError::Committed { job: id(), committed: found.count }.into()),
            JobState::Cancelled => Err(JobError::Cancelled { job: id() }.into()),
        }
    }

    /// The series of the subjects that the transaction was opened for, made where there was none.
    fn scope(&mut self) -> Result<Scope, LedgerError> {
        let series = match &mut self.open {
            Open::Job(job) => job.as_ref().map(|job| job.scope.0.clone()).unwrap_or_default(),
            Open::Subjects(open) => {
                let mut series = Vec::with_capacity(open.len());
                for (subject, found) in open {
                    let id = match *found {
                        Some(id) => id,
                        None => *found.insert(self.rows.make_series(subject, Counted::Customers)?),
                    };
                    series.push(id);
                }
                series
            }
        };
        Ok(Scope::new(series))
    }

    /// The past of the customers, no longer kept for later reads: it is about to change.
    fn take_past(&mut self, customers: &Customers) -> Result<Past, LedgerError> {
        match self.past.take() {
            Some((of, past)) if of == *customers => Ok(past),
            _ => Ok(self.rows.past(customers)?),
        }
    }

    /// Moves the last grants of the customers to `at_ms`, for all series of the scope.
    fn grant(&mut self, scope: &Scope, at_ms: i64, customers: &Customers, past: &Past) -> Result<(), LedgerError> {
        let mut changes = Changes::new();
        self.slide_views(&scope.0)?;
        let asked = signed(customers.len() as u64)?;
        for series in &scope.0 {
            let mut known: BTreeMap<i64, i64> = BTreeMap::new();
            for last_ms in past.last_grants(*series) {
                *known.entry(last_ms).or_default() += 1;
            }
            let new = asked.saturating_sub(known.values().sum());
            self.move_last_grants(*series, None, Some(at_ms), new, &mut changes);
            for (last_ms, customers) in known {
                self.move_last_grants(*series, Some(last_ms), Some(at_ms), customers, &mut changes);
            }
        }
        self.write_changes(&changes)
    }

    /// The grants that no longer matter, whatever becomes of the jobs that are unanswered: a later grant of the same
    /// customer counts for the same series, and can't be taken back because its job was committed.
    fn dead(
        &mut self,
        scope: &Scope,
        customers: &Customers,
        past: &Past,
    ) -> Result<BTreeSet<(CustomerHash, i64)>, LedgerError> {
        // A customer's earliest grant is later than none. Jobs are asked for before grants are compared with each other:
        // a customer may be in any number of unanswered ones.
        let mut later = BTreeSet::new();
        for (_, grants) in past.by_customer() {
            let Some(first) = grants.iter().map(order).min() else { continue };
            later.extend(grants.iter().filter(|grant| order(grant) > first).map(|grant| grant.job));
        }
        let committed = if later.is_empty() { BTreeSet::new() } else { self.rows.committed(&later)? };
        let mut dead = BTreeSet::new();
        if committed.is_empty() {
            return Ok(dead);
        }
        for (customer, grants) in past.by_customer() {
            let Some(hash) = customers.as_slice().get(customer) else { continue };
            let committed: Vec<_> = grants.iter().filter(|grant| committed.contains(&grant.job)).collect();
            // Grants for series that aren't open belong to other transactions.
            for grant in grants.iter().filter(|grant| is_subset(grant.scope, &scope.0)) {
                let replaced = |later: &&Grant<'_>| order(later) > order(grant) && is_subset(grant.scope, later.scope);
                if committed.iter().any(replaced) {
                    dead.insert((*hash, grant.job));
                }
            }
        }
        Ok(dead)
    }

    pub(super) fn use_job_permit(&mut self, id: &str) -> Result<(), LedgerError> {
        let mut job = self.opened_job(id)?;
        let id = || id.to_owned();
        match job.state {
            JobState::Reserved => {}
            JobState::Committed => return Err(JobError::Committed { job: id(), committed: job.count }.into()),
            JobState::Cancelled => return Err(JobError::Cancelled { job: id() }.into()),
        }
        if let Some(used_ms) = job.used_ms {
            return Err(JobError::Used { job: id(), used_ms }.into());
        }
        if self.now_ms >= job.expires_ms {
            return Err(JobError::Expired { job: id(), expires_ms: job.expires_ms }.into());
        }
        if let Some(since_ms) = self.rows.revoked_since_ms(&job.agent)? {
            return Err(JobError::Revoked { agent: job.agent, since_ms }.into());
        }
        job.used_ms = Some(self.now_ms);
        self.update(&job, None)
    }

    pub(super) fn commit_job(&mut self, id: &str, left: Left<'_>) -> Result<(), LedgerError> {
        let mut job = self.opened_job(id)?;
        let id = || id.to_owned();
        if job.state == JobState::Cancelled {
            return Err(JobError::Cancelled { job: id() }.into());
        }
        let reserved = self.rows.job_customers(job.number)?;
        let reserved = self.canonical(&reserved)?;
        let (all, left) = match left {
            Left::All => (true, reserved.clone()),
            Left::Only(customers) => (false, self.canonical(customers)?),
        };
        if job.state == JobState::Committed {
            let same = if all { job.count == job.reserved } else { job.left == Some(left.digest()) };
            return if same { Ok(()) } else { Err(JobError::Committed { job: id(), committed: job.count }.into()) };
        }
        let beyond = left.beyond(&reserved);
        if beyond > 0 {
            return Err(JobError::TooLarge { job: id(), beyond }.into());
        }
        job.state = JobState::Committed;
        job.left = Some(left.digest());
        if left.len() == reserved.len() {
            return self.update(&job, None);
        }
        job.count = left.len() as u64;
        self.give_back(&job, &reserved.without(&left))?;
        self.update(&job, Some(&left))
    }

    pub(super) fn cancel_job(&mut self, id: &str) -> Result<(), LedgerError> {
        let mut job = self.opened_job(id)?;
        match job.state {
            JobState::Cancelled => return Ok(()),
            JobState::Committed => {
                return Err(JobError::Committed { job: id.to_owned(), committed: job.count }.into());
            }
            JobState::Reserved => {}
        }
        let reserved = self.rows.job_customers(job.number)?;
        let reserved = self.canonical(&reserved)?;
        self.give_back(&job, &reserved)?;
        job.state = JobState::Cancelled;
        job.count = 0;
        self.update(&job, Some(&Customers::default()))
    }

    fn update(&mut self, job: &JobRow, customers: Option<&Customers>) -> Result<(), LedgerError> {
        self.rows.update_job(job, customers)?;
        self.set_opened_job(job);
        Ok(())
    }

    /// Takes the job's grants of these customers back: each customer's last grant is the latest of the others.
    fn give_back(&mut self, job: &JobRow, customers: &Customers) -> Result<(), LedgerError> {
        let past = self.take_past(customers)?;
        let mut gone = Vec::with_capacity(customers.len());
        let mut changes = Changes::new();
        self.slide_views(&job.scope.0)?;
        for (customer, grants) in past.by_customer() {
            // A grant that a later one made pointless was dropped, and counts nowhere.
            if !grants.iter().any(|grant| grant.job == job.number) {
                continue;
            }
            if let Some(hash) = customers.as_slice().get(customer) {
                gone.push((*hash, job.number));
            }
            for series in &job.scope.0 {
                let last_ms = last_grant(&grants, *series, None);
                let other_ms = last_grant(&grants, *series, Some(job.number));
                self.move_last_grant(*series, last_ms, other_ms, &mut changes);
            }
        }
        self.write_changes(&changes)?;
        Ok(self.rows.delete_grants(&gone)?)
    }
}

/// When a customer with these grants was last granted to the series, but for one job.
fn last_grant(grants: &[Grant<'_>], series: SeriesId, but_for: Option<i64>) -> Option<i64> {
    grants
        .iter()
        .filter(|grant| Some(grant.job) != but_for && grant.scope.contains(&series))
        .map(|grant| grant.at_ms)
        .max()
}

/// Grants in the order in which they count: by time, at the same time by number.
fn order(grant: &Grant<'_>) -> (i64, i64) {
    (grant.at_ms, grant.job)
}

/// Whether all series of one ascending list are in another.
fn is_subset(series: &[SeriesId], of: &[SeriesId]) -> bool {
    series.iter().all(|id| of.binary_search(id).is_ok())
}
