//! What was taken day by day: for each agent how many customers, and how many of them leaked.
//!
//! One pass finds who took most, where nobody is named; one counts. A customer whom two jobs took on one day counts for
//! each of them: a line of days shows work, where [`exposure`](crate::exposure()) shows people.

use std::collections::{BTreeMap, BTreeSet};

use crate::customer::{CustomerHash, CustomerKey};
use crate::entry::Decision;
use crate::exposure::{ExposureError, check_keys};
use crate::prune::Prefix;
use crate::records::Records;
use crate::takings::{Taking, takings};
use crate::trace::SUBJECTS_MAX;

/// Agents that a timeline shows, each by itself.
pub const TIMELINE_AGENTS_MAX: usize = 8;

/// Days of a timeline on which anybody took anything: more than a century.
pub const TIMELINE_DAYS_MAX: usize = 50_000;

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// What is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimelineQuery {
    /// The agents to show, by id, at most [`TIMELINE_AGENTS_MAX`] of them. None: those who took most.
    pub agents: Vec<String>,
    /// From when on, in milliseconds since 1970.
    pub since_ms: Option<i64>,
    /// Until when, in milliseconds since 1970.
    pub until_ms: Option<i64>,
    /// The canonical ids of the customers who leaked.
    pub leaked: Vec<String>,
    /// Whether only the agents to show are wanted, and nobody else.
    pub only: bool,
}

/// What somebody took on one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Day {
    /// How many customers, those of two jobs for each.
    pub taken: u64,
    /// How many of them leaked.
    pub leaked: u64,
}

/// What somebody took, day by day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// By the number of the day since 1970, in UTC: those on which anything was taken.
    pub days: BTreeMap<i64, Day>,
}

impl Line {
    /// All days together.
    pub fn total(&self) -> Day {
        self.days.values().fold(Day::default(), |sum, day| Day {
            taken: sum.taken.saturating_add(day.taken),
            leaked: sum.leaked.saturating_add(day.leaked),
        })
    }

    fn add(&mut self, day: i64, taken: u64, leaked: u64) {
        if self.days.len() >= TIMELINE_DAYS_MAX && !self.days.contains_key(&day) {
            return;
        }
        let sum = self.days.entry(day).or_default();
        sum.taken = sum.taken.saturating_add(taken);
        sum.leaked = sum.leaked.saturating_add(leaked);
    }
}

/// Who took what, day by day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    /// The agents, in the order in which they were named, or whoever took most first.
    pub agents: Vec<(String, Line)>,
    /// Everybody else together.
    pub others: Line,
}

/// Asks what was taken day by day. `keys` are those of the customers; without leaked customers none are needed.
///
/// # Errors
///
/// [`ExposureError`] when the log can't be read, or a key isn't this log's.
pub fn timeline(
    records: &dyn Records,
    prefix: &Prefix,
    query: &TimelineQuery,
    keys: &[CustomerKey],
) -> Result<Timeline, ExposureError> {
    let wanted = |_: &Decision, time_ms: i64| {
        query.since_ms.is_none_or(|since| time_ms >= since) && query.until_ms.is_none_or(|until| time_ms <= until)
    };
    let mut agents = query.agents.clone();
    if agents.is_empty() && !query.only {
        let mut totals: BTreeMap<String, u64> = BTreeMap::new();
        takings(records, prefix, &wanted, &mut |taking| {
            let agent = &taking.decision.agent.id;
            if totals.len() < SUBJECTS_MAX || totals.contains_key(agent) {
                let sum = totals.entry(agent.clone()).or_default();
                *sum = sum.saturating_add(count(taking));
            }
        })?;
        let mut ranked: Vec<(String, u64)> = totals.into_iter().filter(|(_, taken)| *taken > 0).collect();
        ranked.sort_by(|(a, most), (b, taken)| taken.cmp(most).then_with(|| a.cmp(b)));
        agents.extend(ranked.into_iter().map(|(agent, _)| agent));
    }
    agents.truncate(TIMELINE_AGENTS_MAX);
    let leaked: BTreeSet<(u32, CustomerHash)> =
        query.leaked.iter().flat_map(|id| keys.iter().map(move |key| (key.epoch(), key.hash(id)))).collect();
    let mut found = Timeline {
        agents: agents.into_iter().map(|agent| (agent, Line::default())).collect(),
        others: Line::default(),
    };
    let seen = takings(records, prefix, &wanted, &mut |taking| {
        let (decision, taken) = (taking.decision, count(taking));
        if taken == 0 {
            return;
        }
        let line = match found.agents.iter_mut().find(|(agent, _)| decision.agent.is_called(agent)) {
            Some((_, line)) => line,
            None if query.only => return,
            None => &mut found.others,
        };
        let customers = taking.runs.iter().flat_map(|run| &run.customers);
        let hits = customers.filter(|customer| leaked.contains(&(decision.rows.epoch, **customer))).count();
        line.add(taking.time_ms.div_euclid(DAY_MS), taken, u64::try_from(hits).unwrap_or(u64::MAX));
    })?;
    check_keys(&seen, keys)?;
    Ok(found)
}

fn count(taking: &Taking<'_>) -> u64 {
    let counts = taking.runs.iter().map(|run| u64::try_from(run.customers.len()).unwrap_or(u64::MAX));
    counts.fold(0, u64::saturating_add)
}
