//! Verification: everything that is derived, compared with what it is derived from.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::customer::{CustomerHash, Customers};
use crate::error::{LedgerError, StoreError};
use crate::ledger::{JobState, Verified};
use crate::rows::{GrantRow, JobRow, Rows, Scope, SeriesId, View, corrupt};

/// Rows read at once.
const PAGE: usize = 4_096;

/// What a job says of its grants.
struct Expected {
    at_ms: i64,
    scope: Scope,
    is_committed: bool,
}

/// Checks the whole store.
pub(crate) fn verify(rows: &mut dyn Rows) -> Result<Verified, LedgerError> {
    rows.check_integrity()?;
    let state = rows.state()?;
    let mut verified = Verified::default();
    let mut jobs: HashMap<i64, Expected> = HashMap::new();
    // Each customer of each job: the grants that there should be.
    let mut granted: Vec<(CustomerHash, i64)> = Vec::new();
    let mut after = 0;
    loop {
        let page = rows.jobs_after(after, PAGE)?;
        let Some(last) = page.last() else { break };
        after = last.number;
        for job in page {
            verified.jobs += 1;
            verified.unanswered += u64::from(job.state == JobState::Reserved);
            check(job.at_ms <= state.latest_ms, || format!("job `{}` lies after the latest record", job.id))?;
            let customers = rows.job_customers(job.number)?;
            check_counts(&job, &customers)?;
            if job.at_ms <= state.dropped_to_ms {
                continue;
            }
            let customers = if state.merged { rows.canonical(&customers)? } else { customers };
            granted.extend(customers.as_slice().iter().map(|customer| (*customer, job.number)));
            let is_committed = job.state == JobState::Committed;
            jobs.insert(job.number, Expected { at_ms: job.at_ms, scope: job.scope, is_committed });
        }
    }
    granted.sort_unstable();
    let last_grants = check_grants(rows, state.dropped_to_ms, &jobs, &granted, &mut verified)?;
    check_series(rows, state.dropped_to_ms, &last_grants, &mut verified)?;
    let (records, next) = rows.count_records()?;
    let dropped = rows.dropped_records()?.map_or(0, |dropped| dropped.before);
    check(records.checked_add(dropped) == Some(next), || {
        format!("there are {records} records, the first {dropped} were dropped, and the last is number {next} less one")
    })?;
    verified.records = records;
    Ok(verified)
}

fn check(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), StoreError> {
    if holds { Ok(()) } else { Err(StoreError::Corrupt { message: otherwise() }) }
}

fn check_counts(job: &JobRow, customers: &Customers) -> Result<(), StoreError> {
    let counted = match job.state {
        JobState::Cancelled => 0,
        JobState::Reserved => job.reserved,
        JobState::Committed => job.count,
    };
    let holds = customers.len() as u64 == counted && job.count == counted && counted <= job.reserved;
    check(holds, || format!("job `{}` counts {} customers and names {}", job.id, job.count, customers.len()))
}

/// How many last grants each series has at each time.
type LastGrants = BTreeMap<SeriesId, BTreeMap<i64, i64>>;

/// Walks the grants, customer by customer, beside those that the jobs say there are.
fn check_grants(
    rows: &mut dyn Rows,
    dropped_to_ms: i64,
    jobs: &HashMap<i64, Expected>,
    granted: &[(CustomerHash, i64)],
    verified: &mut Verified,
) -> Result<LastGrants, LedgerError> {
    let mut last_grants = LastGrants::new();
    let mut expected = granted.chunk_by(|a, b| a.0 == b.0).peekable();
    let mut grants = Grants { page: Vec::new().into_iter(), after: (CustomerHash([0; 16]), i64::MIN), next: None };
    while let Some(group) = grants.next_customer(rows)? {
        let group: Vec<GrantRow> = group.into_iter().filter(|grant| grant.at_ms > dropped_to_ms).collect();
        let Some(customer) = group.first().map(|grant| grant.customer) else { continue };
        let jobs_of = match expected.next() {
            Some(jobs_of) if jobs_of.first().is_some_and(|(found, _)| *found == customer) => jobs_of,
            _ => return Err(corrupt("a customer of a job has no grant, or a grant has no job").into()),
        };
        check_customer(jobs, &group, jobs_of)?;
        verified.grants += group.len() as u64;
        let series: BTreeSet<SeriesId> = group.iter().flat_map(|grant| grant.scope.0.iter().copied()).collect();
        for series in series {
            let within = group.iter().filter(|grant| grant.scope.0.contains(&series));
            if let Some(last_ms) = within.map(|grant| grant.at_ms).max() {
                *last_grants.entry(series).or_default().entry(last_ms).or_default() += 1;
            }
        }
    }
    check(expected.next().is_none(), || "a customer of a job has no grant".to_owned())?;
    Ok(last_grants)
}

/// Each grant is as its job says; a grant that is missing was made pointless by a later one.
fn check_customer(
    jobs: &HashMap<i64, Expected>,
    grants: &[GrantRow],
    jobs_of: &[(CustomerHash, i64)],
) -> Result<(), StoreError> {
    for grant in grants {
        let named = jobs_of.iter().any(|(_, job)| *job == grant.job);
        let alike = jobs.get(&grant.job).is_some_and(|job| job.at_ms == grant.at_ms && job.scope == grant.scope);
        check(named && alike, || format!("a grant of job number {} isn't as the job says", grant.job))?;
    }
    for (_, number) in jobs_of.iter().filter(|(_, number)| grants.iter().all(|grant| grant.job != *number)) {
        let Some(job) = jobs.get(number) else { return Err(corrupt("a job was lost")) };
        let replaced = grants.iter().any(|later| {
            (later.at_ms, later.job) > (job.at_ms, *number)
                && jobs.get(&later.job).is_some_and(|later| later.is_committed)
                && job.scope.0.iter().all(|series| later.scope.0.contains(series))
        });
        check(replaced, || format!("a grant of job number {number} was lost"))?;
    }
    Ok(())
}

/// The grants of the store, page by page.
struct Grants {
    page: std::vec::IntoIter<GrantRow>,
    after: (CustomerHash, i64),
    next: Option<GrantRow>,
}

impl Grants {
    fn take(&mut self, rows: &mut dyn Rows) -> Result<Option<GrantRow>, StoreError> {
        if let Some(grant) = self.next.take() {
            return Ok(Some(grant));
        }
        if let Some(grant) = self.page.next() {
            return Ok(Some(grant));
        }
        let page = rows.grants_after(self.after, PAGE)?;
        if let Some(last) = page.last() {
            self.after = (last.customer, last.job);
        }
        self.page = page.into_iter();
        Ok(self.page.next())
    }

    fn next_customer(&mut self, rows: &mut dyn Rows) -> Result<Option<Vec<GrantRow>>, StoreError> {
        let Some(first) = self.take(rows)? else { return Ok(None) };
        let customer = first.customer;
        let mut group = vec![first];
        while let Some(grant) = self.take(rows)? {
            if grant.customer != customer {
                self.next = Some(grant);
                break;
            }
            group.push(grant);
        }
        Ok(Some(group))
    }
}

/// The moments of each series are its last grants, and each of its views is the sum of its moments.
fn check_series(
    rows: &mut dyn Rows,
    dropped_to_ms: i64,
    last_grants: &LastGrants,
    verified: &mut Verified,
) -> Result<(), LedgerError> {
    let mut seen = 0;
    let mut after = 0;
    let denials = rows.denial_series()?;
    loop {
        let page = rows.series_after(after, PAGE)?;
        let Some(last) = page.last() else { break };
        after = *last;
        for series in page {
            let moments: BTreeMap<i64, i64> = rows.all_moments(series)?.into_iter().collect();
            let kept: BTreeMap<i64, i64> =
                moments.iter().filter(|(at_ms, _)| **at_ms > dropped_to_ms).map(|(at, count)| (*at, *count)).collect();
            if !denials.contains(&series) {
                let none = BTreeMap::new();
                let expected = last_grants.get(&series).unwrap_or(&none);
                seen += usize::from(last_grants.contains_key(&series));
                check(kept == *expected, || format!("the moments of series {series} aren't its last grants"))?;
            }
            for view in rows.views(series)? {
                check_view(&view, &moments)?;
                verified.windows += 1;
            }
        }
    }
    check(seen == last_grants.len(), || "a series of a grant is missing".to_owned())?;
    Ok(())
}

fn check_view(view: &View, moments: &BTreeMap<i64, i64>) -> Result<(), StoreError> {
    let count: i64 = moments.iter().filter(|(at_ms, _)| **at_ms > view.start_ms).map(|(_, count)| *count).sum();
    let View { series, length_ms, .. } = view;
    check(count == view.count, || {
        format!("the window of {length_ms} ms of series {series} counts {}, its moments {count}", view.count)
    })
}
