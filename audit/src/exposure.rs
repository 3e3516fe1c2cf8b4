//! What an agent took: which customers, which of their fields, in which form, where to.
//!
//! The log knows customers as keyed hashes. Without their ids the answer is counts and hashes; with a list of ids and the keys,
//! [`Exposure::of`] says of each customer whether it is among them, and what of it left.

use std::collections::{BTreeMap, BTreeSet};

use crate::customer::{CustomerHash, CustomerKey};
use crate::entry::{Decision, Form};
use crate::log::LogError;
use crate::prune::Prefix;
use crate::records::Records;
use crate::takings::{Seen, Taking, takings};

/// Customers of one exposure, at most.
pub const EXPOSED_CUSTOMERS_MAX: usize = 2_000_000;
/// Different sets of fields and forms, or of destinations, in one exposure, at most.
pub const COMBINATIONS_MAX: usize = 65_536;

/// What is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExposureQuery {
    /// Whose takings: an agent's id, or its type and id as in Cedar. None: everybody's.
    pub agent: Option<String>,
    /// From when on, in milliseconds since 1970.
    pub since_ms: Option<i64>,
    /// Until when, in milliseconds since 1970.
    pub until_ms: Option<i64>,
}

impl ExposureQuery {
    fn wants(&self, decision: &Decision, time_ms: i64) -> bool {
        self.agent.as_ref().is_none_or(|name| decision.agent.is_called(name))
            && self.since_ms.is_none_or(|since| time_ms >= since)
            && self.until_ms.is_none_or(|until| time_ms <= until)
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExposureError {
    /// The log can't be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// There are too many customers.
    #[error("more than {EXPOSED_CUSTOMERS_MAX} customers: ask for a shorter time, or one agent")]
    Customers,
    /// There are too many different sets of fields or destinations.
    #[error("more than {COMBINATIONS_MAX} different sets of fields or destinations: ask for a shorter time")]
    Combinations,
    /// A key of customers isn't the one that the log announced.
    #[error("the customer key of epoch {epoch} isn't the one of this log")]
    WrongKey {
        /// Its epoch.
        epoch: u32,
    },
}

/// What happened to one customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposed<'a> {
    /// The fields that left, each in the most revealing form in which it did.
    pub fields: Vec<(&'a str, Form)>,
    /// Where to.
    pub destinations: Vec<&'a str>,
    /// In how many jobs.
    pub jobs: u32,
    /// When first and when last, in milliseconds since 1970.
    pub first_ms: i64,
    /// When last.
    pub last_ms: i64,
}

/// What is kept of one customer: two numbers for sets that many share.
#[derive(Clone, Copy, Debug)]
struct Kept {
    fields: u32,
    destinations: u32,
    jobs: u32,
    first_ms: i64,
    last_ms: i64,
}

/// What was taken.
#[derive(Debug)]
pub struct Exposure {
    /// What the pass saw.
    pub seen: Seen,
    /// Jobs that took somebody.
    pub jobs: u64,
    /// Agents who took somebody.
    pub agents: BTreeSet<String>,
    names: Vec<String>,
    places: Vec<String>,
    field_sets: Sets<(u32, Form)>,
    place_sets: Sets<u32>,
    customers: BTreeMap<(u32, CustomerHash), Kept>,
}

/// Asks what was taken.
///
/// # Errors
///
/// [`ExposureError`].
pub fn exposure(records: &dyn Records, prefix: &Prefix, query: &ExposureQuery) -> Result<Exposure, ExposureError> {
    let mut found = Exposure {
        seen: Seen::default(),
        jobs: 0,
        agents: BTreeSet::new(),
        names: Vec::new(),
        places: Vec::new(),
        field_sets: Sets::default(),
        place_sets: Sets::default(),
        customers: BTreeMap::new(),
    };
    let mut failed = None;
    let wanted = |decision: &Decision, time_ms: i64| query.wants(decision, time_ms);
    found.seen = takings(records, prefix, &wanted, &mut |taking| {
        if failed.is_none() {
            failed = found.add(taking).err();
        }
    })?;
    match failed {
        Some(error) => Err(error),
        None => Ok(found),
    }
}

impl Exposure {
    fn add(&mut self, taking: &Taking<'_>) -> Result<(), ExposureError> {
        if taking.runs.is_empty() {
            return Ok(());
        }
        self.jobs = self.jobs.saturating_add(1);
        self.agents.insert(taking.decision.agent.id.clone());
        let columns: Vec<u32> =
            taking.decision.fields.iter().map(|field| number(&mut self.names, &field.name)).collect();
        let place = taking.decision.context("destination").unwrap_or("unknown");
        let place = number(&mut self.places, place);
        let places = self.place_sets.number(vec![place])?;
        for run in taking.runs {
            let leaves = columns.iter().zip(&run.forms).filter(|(_, form)| **form > Form::Suppressed);
            let mut fields: BTreeMap<u32, Form> = BTreeMap::new();
            for (column, form) in leaves {
                let most = fields.entry(*column).or_default();
                *most = (*most).max(*form);
            }
            let fields = self.field_sets.number(fields.into_iter().collect())?;
            for customer in &run.customers {
                self.add_customer((taking.decision.rows.epoch, *customer), fields, places, taking.time_ms)?;
            }
        }
        Ok(())
    }

    fn add_customer(
        &mut self,
        customer: (u32, CustomerHash),
        fields: u32,
        destinations: u32,
        time_ms: i64,
    ) -> Result<(), ExposureError> {
        let Some(kept) = self.customers.get_mut(&customer) else {
            if self.customers.len() >= EXPOSED_CUSTOMERS_MAX {
                return Err(ExposureError::Customers);
            }
            let kept = Kept { fields, destinations, jobs: 1, first_ms: time_ms, last_ms: time_ms };
            self.customers.insert(customer, kept);
            return Ok(());
        };
        kept.jobs = kept.jobs.saturating_add(1);
        kept.first_ms = kept.first_ms.min(time_ms);
        kept.last_ms = kept.last_ms.max(time_ms);
        kept.fields = self.field_sets.union(kept.fields, fields, most_revealing)?;
        kept.destinations = self.place_sets.union(kept.destinations, destinations, |places| places)?;
        Ok(())
    }

    /// How many customers: under different epochs one person counts once in each.
    pub fn customers(&self) -> usize {
        self.customers.len()
    }

    /// Each customer's hash, with the epoch of its key, and what happened to it. Sorted.
    pub fn each(&self) -> impl Iterator<Item = (u32, CustomerHash, Exposed<'_>)> {
        self.customers.iter().map(|((epoch, hash), kept)| (*epoch, *hash, self.exposed(kept)))
    }

    /// For each field that left, by name, how many customers it left of in each form, from token to plain.
    pub fn fields(&self) -> BTreeMap<&str, [u64; 3]> {
        let mut counts: BTreeMap<&str, [u64; 3]> = BTreeMap::new();
        for kept in self.customers.values() {
            for (field, form) in self.exposed(kept).fields {
                let [token, partial, plain] = counts.entry(field).or_default();
                let count = match form {
                    Form::Suppressed => continue,
                    Form::Token => token,
                    Form::Partial => partial,
                    Form::Plain => plain,
                };
                *count = count.saturating_add(1);
            }
        }
        counts
    }

    /// For each destination, by name, how many customers went there.
    pub fn destinations(&self) -> BTreeMap<&str, u64> {
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for kept in self.customers.values() {
            for place in self.exposed(kept).destinations {
                let count = counts.entry(place).or_default();
                *count = count.saturating_add(1);
            }
        }
        counts
    }

    /// Checks that these are the keys that the log announced. Returns the epochs whose customers stay unknown without another.
    ///
    /// # Errors
    ///
    /// [`ExposureError::WrongKey`].
    pub fn check_keys(&self, keys: &[CustomerKey]) -> Result<Vec<u32>, ExposureError> {
        check_keys(&self.seen, keys)
    }

    /// What happened to the customer of this id, if anything did.
    pub fn of(&self, keys: &[CustomerKey], customer: &str) -> Option<Exposed<'_>> {
        let kept = keys.iter().filter_map(|key| self.customers.get(&(key.epoch(), key.hash(customer))));
        let mut all = kept.map(|kept| self.exposed(kept));
        let first = all.next()?;
        Some(all.fold(first, |mut whole, part| {
            let mut fields: BTreeMap<&str, Form> = whole.fields.iter().copied().collect();
            for (field, form) in part.fields {
                let most = fields.entry(field).or_default();
                *most = (*most).max(form);
            }
            let places: BTreeSet<&str> = whole.destinations.iter().copied().chain(part.destinations).collect();
            whole.fields = fields.into_iter().collect();
            whole.destinations = places.into_iter().collect();
            whole.jobs = whole.jobs.saturating_add(part.jobs);
            whole.first_ms = whole.first_ms.min(part.first_ms);
            whole.last_ms = whole.last_ms.max(part.last_ms);
            whole
        }))
    }

    fn exposed(&self, kept: &Kept) -> Exposed<'_> {
        fn name(names: &[String], number: u32) -> &str {
            usize::try_from(number).ok().and_then(|number| names.get(number)).map_or("", String::as_str)
        }
        let fields = self.field_sets.of(kept.fields);
        let mut fields: Vec<(&str, Form)> =
            fields.iter().map(|(field, form)| (name(&self.names, *field), *form)).collect();
        fields.sort_unstable();
        let places = self.place_sets.of(kept.destinations);
        let mut destinations: Vec<&str> = places.iter().map(|place| name(&self.places, *place)).collect();
        destinations.sort_unstable();
        Exposed { fields, destinations, jobs: kept.jobs, first_ms: kept.first_ms, last_ms: kept.last_ms }
    }
}

/// Checks keys against what the log announced; see [`Exposure::check_keys`].
pub(crate) fn check_keys(seen: &Seen, keys: &[CustomerKey]) -> Result<Vec<u32>, ExposureError> {
    for key in keys {
        if seen.epochs.get(&key.epoch()).is_some_and(|check| *check != key.check()) {
            return Err(ExposureError::WrongKey { epoch: key.epoch() });
        }
    }
    let known = |epoch: &u32| keys.iter().any(|key| key.epoch() == *epoch);
    Ok(seen.epochs_used.iter().copied().filter(|epoch| !known(epoch)).collect())
}

/// The number of a name: its place among those seen.
fn number(names: &mut Vec<String>, name: &str) -> u32 {
    let place = names.iter().position(|known| known == name).unwrap_or_else(|| {
        names.push(name.to_owned());
        names.len().saturating_sub(1)
    });
    u32::try_from(place).unwrap_or(u32::MAX)
}

/// Of each field, sorted, the most revealing form.
fn most_revealing(fields: Vec<(u32, Form)>) -> Vec<(u32, Form)> {
    fields.into_iter().collect::<BTreeMap<_, _>>().into_iter().collect()
}

/// Sets that many customers share, each kept once.
#[derive(Debug, Default)]
struct Sets<T> {
    sets: Vec<Vec<T>>,
    numbers: BTreeMap<Vec<T>, u32>,
    unions: BTreeMap<(u32, u32), u32>,
}

impl<T: Copy + Ord> Sets<T> {
    /// The number of a sorted set.
    fn number(&mut self, set: Vec<T>) -> Result<u32, ExposureError> {
        if let Some(number) = self.numbers.get(&set) {
            return Ok(*number);
        }
        if self.sets.len() >= COMBINATIONS_MAX {
            return Err(ExposureError::Combinations);
        }
        let number = u32::try_from(self.sets.len()).map_err(|_| ExposureError::Combinations)?;
        self.sets.push(set.clone());
        self.numbers.insert(set, number);
        Ok(number)
    }

    /// The number of what is in either, made simpler by `reduce`.
    fn union(&mut self, a: u32, b: u32, reduce: fn(Vec<T>) -> Vec<T>) -> Result<u32, ExposureError> {
        if a == b {
            return Ok(a);
        }
        if let Some(number) = self.unions.get(&(a, b)) {
            return Ok(*number);
        }
        let mut both: Vec<T> = self.of(a).iter().chain(self.of(b)).copied().collect();
        both.sort_unstable();
        both.dedup();
        let number = self.number(reduce(both))?;
        if self.unions.len() < COMBINATIONS_MAX {
            self.unions.insert((a, b), number);
        }
        Ok(number)
    }

    fn of(&self, number: u32) -> &[T] {
        usize::try_from(number).ok().and_then(|number| self.sets.get(number)).map_or(&[], Vec::as_slice)
    }
}
