//! Whose takings explain a leak: agents, groups, destinations and jobs, ranked by how far what they took explains the leaked
//! customers against what chance would give.
//!
//! One pass over the log counts for each agent how many different customers it took, and which of the leaked ones. Whoever
//! works honestly took about the same share of the leaked customers as of all: how much more somebody took is weighed by the
//! likelihood of both explanations, and judged by the chance that one of so many honest agents stands out as far. A canary
//! weighs most: it is nobody's customer, so honest work never meets it.
//!
//! What it doesn't know: customers who leaked another way, agents who use others' names, and what links the leaked customers
//! besides who took them. It names nobody unless the evidence is strong, and says so where it is thin.

mod chance;
mod distinct;
mod judge;
mod tally;

use std::collections::{BTreeMap, BTreeSet};

use crate::customer::CustomerKey;
use crate::entry::Decision;
use crate::exposure::{ExposureError, check_keys};
use crate::log::LogError;
use crate::prune::Prefix;
use crate::records::Records;
use crate::takings::{Seen, takings};
use tally::Tally;

/// Leaked customers of one trace, at most.
pub const LEAKED_MAX: usize = 1_000_000;
/// Agents, groups or destinations of one trace, at most.
pub const SUBJECTS_MAX: usize = 50_000;
/// Suspects of each kind that a trace lists.
pub const SUSPECTS_MAX: usize = 20;

/// A customer whose data turned up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaked {
    /// The canonical id.
    pub customer: String,
    /// Whether it is a canary: a customer who doesn't exist, and whom nobody has business with.
    pub canary: bool,
}

/// What is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceQuery {
    /// The customers who leaked; each counts once.
    pub leaked: Vec<Leaked>,
    /// From when on, in milliseconds since 1970.
    pub since_ms: Option<i64>,
    /// Until when: what was taken after the leak doesn't explain it.
    pub until_ms: Option<i64>,
    /// How many customers the leaked ones may have been drawn from. None: as many as the log saw taken, which judges more
    /// cautiously.
    pub population: Option<u64>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TraceError {
    /// The log can't be read, or a key is wrong.
    #[error(transparent)]
    Exposure(#[from] ExposureError),
    /// Too many customers leaked.
    #[error("{found} leaked customers, at most {LEAKED_MAX}")]
    Leaked {
        /// How many.
        found: usize,
    },
    /// Nobody leaked.
    #[error("no leaked customers")]
    Nobody,
    /// Too many agents, groups or destinations.
    #[error("more than {SUBJECTS_MAX} agents, groups or destinations: ask for a shorter time")]
    Subjects,
}

impl From<LogError> for TraceError {
    fn from(error: LogError) -> Self {
        Self::Exposure(error.into())
    }
}

/// How far somebody can be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Evidence {
    /// What they took is what chance gives.
    None,
    /// They stand out, but not far enough to name them.
    Thin,
    /// They stand out further than one in a thousand logs of honest work would show.
    Moderate,
    /// They stand out further than one in a million would show, or alone took a canary that leaked.
    Strong,
}

impl Evidence {
    /// How it is named in output.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Thin => "thin",
            Self::Moderate => "moderate",
            Self::Strong => "strong",
        }
    }
}

/// An agent, a group, a destination or a job, and how far what it took explains the leak.
#[derive(Clone, Debug, PartialEq)]
pub struct Suspect {
    /// Its name.
    pub name: String,
    /// How many different customers it took; beyond 512 within about two percent.
    pub taken: u64,
    /// How many of the leaked customers, canaries not among them.
    pub hits: u64,
    /// How many of them chance would give.
    pub expected: f64,
    /// How many of the canaries that leaked.
    pub canaries: u64,
    /// The share of the leak that it explains best, 0 to 1.
    pub share: f64,
    /// The weight of the evidence: how many times likelier the leak is if it is the source, as a power of ten.
    pub weight: f64,
    /// The chance that anybody honest among so many stands out as far, 0 to 1.
    pub chance: f64,
    /// How far it can be named.
    pub evidence: Evidence,
    /// In how many jobs it took leaked customers.
    pub jobs: u64,
    /// When it first and last took one, in milliseconds since 1970.
    pub when_ms: Option<(i64, i64)>,
    /// In one sentence.
    pub line: String,
    /// What to be careful about.
    pub cautions: Vec<String>,
}

/// Whose takings explain a leak.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// What the pass saw.
    pub seen: Seen,
    /// Leaked customers, canaries not among them.
    pub leaked: u64,
    /// Leaked canaries.
    pub canaries: u64,
    /// Leaked customers whom nobody on record took.
    pub untaken: u64,
    /// How many customers chance draws from.
    pub population: u64,
    /// Epochs whose customers can't be matched without their key.
    pub epochs_missing: Vec<u32>,
    /// The agents who can be named: each explains what those before it don't. Often nobody.
    pub named: Vec<Suspect>,
    /// Agents who took leaked customers, the best explanation first.
    pub agents: Vec<Suspect>,
    /// Groups: teams, vendors, roles.
    pub groups: Vec<Suspect>,
    /// Destinations.
    pub destinations: Vec<Suspect>,
    /// Jobs.
    pub jobs: Vec<Suspect>,
}

/// Asks whose takings explain a leak.
///
/// # Errors
///
/// [`TraceError`].
pub fn trace(
    records: &dyn Records,
    prefix: &Prefix,
    query: &TraceQuery,
    keys: &[CustomerKey],
) -> Result<Trace, TraceError> {
    let canary_of: BTreeMap<&str, bool> = query.leaked.iter().fold(BTreeMap::new(), |mut all, leaked| {
        *all.entry(leaked.customer.as_str()).or_default() |= leaked.canary;
        all
    });
    if canary_of.is_empty() {
        return Err(TraceError::Nobody);
    }
    if canary_of.len() > LEAKED_MAX {
        return Err(TraceError::Leaked { found: canary_of.len() });
    }
    let mut tally = Tally::new(&canary_of, keys);
    let wanted = |_: &Decision, time_ms: i64| {
        query.since_ms.is_none_or(|since| time_ms >= since) && query.until_ms.is_none_or(|until| time_ms <= until)
    };
    let seen = takings(records, prefix, &wanted, &mut |taking| tally.add(taking))?;
    let epochs_missing = check_keys(&seen, keys)?;
    if tally.overflowed() {
        return Err(TraceError::Subjects);
    }
    Ok(judge::judge(tally, query.population, seen, epochs_missing))
}

/// Places in the list of the leaked customers.
type Places = BTreeSet<u32>;
