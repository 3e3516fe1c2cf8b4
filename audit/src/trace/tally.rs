//! Counts what everybody took: how many customers in all, and which of the leaked ones.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::distinct::Distinct;
use super::{Places, SUBJECTS_MAX};
use crate::customer::{CustomerHash, CustomerKey};
use crate::takings::Taking;

/// Jobs that took leaked customers and are kept.
const JOBS_MAX: usize = 10_000;

/// What somebody took.
#[derive(Clone, Debug, Default)]
pub(super) struct Took {
    pub(super) all: Distinct,
    /// Which of the leaked customers.
    pub(super) hits: Places,
    /// Jobs in which it took some of them.
    pub(super) jobs: u64,
    pub(super) when_ms: Option<(i64, i64)>,
    /// Of an agent: what it is in.
    pub(super) groups: BTreeSet<String>,
}

/// A job that took leaked customers.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) name: String,
    pub(super) agent: String,
    pub(super) taken: u64,
    pub(super) hits: Places,
    pub(super) time_ms: i64,
}

/// All counts.
pub(super) struct Tally {
    /// Whether each of the leaked customers is a canary.
    pub(super) canary: Vec<bool>,
    leaked: HashMap<CustomerHash, u32>,
    /// The customers of all.
    pub(super) all: Distinct,
    pub(super) agents: BTreeMap<String, Took>,
    pub(super) groups: BTreeMap<String, Took>,
    pub(super) destinations: BTreeMap<String, Took>,
    pub(super) jobs: Vec<Job>,
    /// Jobs in all.
    pub(super) jobs_count: u64,
}

impl Tally {
    pub(super) fn new(canary_of: &BTreeMap<&str, bool>, keys: &[CustomerKey]) -> Self {
        let hashes = (0..)
            .zip(canary_of.keys())
            .flat_map(|(place, customer)| keys.iter().map(move |key| (key.hash(customer), place)));
        Self {
            canary: canary_of.values().copied().collect(),
            leaked: hashes.collect(),
            all: Distinct::default(),
            agents: BTreeMap::new(),
            groups: BTreeMap::new(),
            destinations: BTreeMap::new(),
            jobs: Vec::new(),
            jobs_count: 0,
        }
    }

    /// Whether there are more subjects than are counted.
    pub(super) fn overflowed(&self) -> bool {
        [&self.agents, &self.groups, &self.destinations].iter().any(|kind| kind.len() >= SUBJECTS_MAX)
    }

    pub(super) fn is_canary(&self, place: u32) -> bool {
        usize::try_from(place).ok().and_then(|place| self.canary.get(place)).copied().unwrap_or(false)
    }

    pub(super) fn add(&mut self, taking: &Taking<'_>) {
        if taking.runs.is_empty() {
            return;
        }
        self.jobs_count = self.jobs_count.saturating_add(1);
        let customers = || taking.runs.iter().flat_map(|run| &run.customers);
        let mut hits = Places::new();
        let mut taken = 0u64;
        for customer in customers() {
            taken = taken.saturating_add(1);
            self.all.insert(customer);
            hits.extend(self.leaked.get(customer));
        }
        let decision = taking.decision;
        let groups: Vec<String> = decision.groups.iter().map(ToString::to_string).collect();
        let destination = decision.context("destination").unwrap_or("unknown");
        let agent = &decision.agent.id;
        if let Some(took) = entry(&mut self.agents, agent) {
            took.groups.extend(groups.iter().cloned());
        }
        let counted = groups.iter().map(String::as_str).map(|group| (Kind::Group, group));
        for (kind, name) in [(Kind::Agent, agent.as_str()), (Kind::Destination, destination)].into_iter().chain(counted)
        {
            let map = match kind {
                Kind::Agent => &mut self.agents,
                Kind::Group => &mut self.groups,
                Kind::Destination => &mut self.destinations,
            };
            let Some(took) = entry(map, name) else { continue };
            customers().for_each(|customer| took.all.insert(customer));
            if !hits.is_empty() {
                took.hits.extend(&hits);
                took.jobs = took.jobs.saturating_add(1);
                let (first, last) = took.when_ms.unwrap_or((taking.time_ms, taking.time_ms));
                took.when_ms = Some((first.min(taking.time_ms), last.max(taking.time_ms)));
            }
        }
        if !hits.is_empty() {
            self.jobs.push(Job {
                name: decision.job.clone(),
                agent: agent.clone(),
                taken,
                hits,
                time_ms: taking.time_ms,
            });
            if self.jobs.len() > JOBS_MAX.saturating_mul(2) {
                self.keep_best_jobs();
            }
        }
    }

    /// Keeps the jobs that took most of the leaked customers, and among these the smallest.
    pub(super) fn keep_best_jobs(&mut self) {
        self.jobs.sort_by(|a, b| {
            b.hits.len().cmp(&a.hits.len()).then(a.taken.cmp(&b.taken)).then_with(|| a.name.cmp(&b.name))
        });
        self.jobs.truncate(JOBS_MAX);
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Agent,
    Group,
    Destination,
}

/// What `name` took; none when there are too many names.
fn entry<'a>(map: &'a mut BTreeMap<String, Took>, name: &str) -> Option<&'a mut Took> {
    if !map.contains_key(name) {
        if map.len() >= SUBJECTS_MAX {
            return None;
        }
        map.insert(name.to_owned(), Took::default());
    }
    map.get_mut(name)
}
