//! Judges the counts: weighs everybody against chance, and names those whom nothing but guilt explains well.

use std::collections::BTreeMap;

use super::chance::{as_f64, best_share, ln_chance};
use super::tally::{Tally, Took};
use super::{Evidence, Places, SUSPECTS_MAX, Suspect, Trace};
use crate::takings::Seen;

/// Agents that are named at most.
const NAMED_MAX: usize = 10;
/// Below so many leaked customers nobody is named for them: a coincidence is one or two.
const HITS_MIN: u64 = 3;
/// Below so many, evidence isn't strong.
const HITS_STRONG_MIN: u64 = 5;
/// The chance of standing out among honest work below which evidence is thin, moderate, strong.
const CHANCE_THIN: f64 = 0.05;
const CHANCE_MODERATE: f64 = 1e-3;
const CHANCE_STRONG: f64 = 1e-6;
/// The chance within a group above which its members aren't told apart.
const CHANCE_WITHIN: f64 = 0.01;
/// Agents who took a leaked canary, up to which it points at each of them.
const CANARY_TAKERS_MAX: u64 = 3;

/// What all suspects are weighed against.
struct Ground<'a> {
    tally: &'a Tally,
    population: u64,
    /// For each leaked canary, how many agents took it.
    takers: BTreeMap<u32, u64>,
}

pub(super) fn judge(mut tally: Tally, stated: Option<u64>, seen: Seen, epochs_missing: Vec<u32>) -> Trace {
    tally.keep_best_jobs();
    let count = |canary: bool| as_count(tally.canary.iter().filter(|is| **is == canary).count());
    let (leaked, canaries) = (count(false), count(true));
    let population = stated.unwrap_or(0).max(tally.all.count()).max(leaked);
    let mut takers: BTreeMap<u32, u64> = BTreeMap::new();
    for place in tally.agents.values().flat_map(|took| &took.hits).filter(|place| tally.is_canary(**place)) {
        let count = takers.entry(*place).or_default();
        *count = count.saturating_add(1);
    }
    let taken: Places = tally.agents.values().flat_map(|took| took.hits.iter().copied()).collect();
    let untaken = as_count(tally.canary.len()).saturating_sub(as_count(taken.len()));
    let ground = Ground { tally: &tally, population, takers };
    let all: Places = (0..).take(tally.canary.len()).collect();
    let named = ground.named(&all);
    let agents = ground.ranked(&tally.agents, &all, |name, took, suspect| {
        let same = named.iter().find(|other| other.name != *name && suspect.evidence >= Evidence::Moderate);
        match same.filter(|_| !named.iter().any(|other| other.name == *name)) {
            Some(other) => suspect.cautions.push(format!("what {} took explains as much", other.name)),
            None => ground.within_groups(name, took, suspect),
        }
    });
    let groups = ground.ranked(&tally.groups, &all, |_, _, _| {});
    let destinations = ground.ranked(&tally.destinations, &all, |_, _, _| {});
    let jobs = ground.jobs(leaked);
    Trace { seen, leaked, canaries, untaken, population, epochs_missing, named, agents, groups, destinations, jobs }
}

fn as_count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

impl Ground<'_> {
    /// Names agents, each for what those named before it leave unexplained.
    fn named(&self, all: &Places) -> Vec<Suspect> {
        let mut left = all.clone();
        let mut named: Vec<Suspect> = Vec::new();
        while named.len() < NAMED_MAX {
            let best = self
                .tally
                .agents
                .iter()
                .filter(|(name, _)| !named.iter().any(|known| known.name == **name))
                .map(|(name, took)| {
                    let mut suspect = self.weigh(name, took, &left, self.tally.agents.len());
                    self.within_groups(name, took, &mut suspect);
                    (suspect, took)
                })
                .filter(|(suspect, _)| suspect.evidence >= Evidence::Moderate)
                .max_by(|(a, _), (b, _)| a.weight.total_cmp(&b.weight).then_with(|| b.name.cmp(&a.name)));
            let Some((mut suspect, took)) = best else { break };
            self.caution_overlap(&mut suspect, took, &left);
            left.retain(|place| !took.hits.contains(place));
            named.push(suspect);
        }
        named
    }

    /// Weighs what somebody took of the leaked customers `among`.
    fn weigh(&self, name: &str, took: &Took, among: &Places, subjects: usize) -> Suspect {
        let leaked = as_count(among.iter().filter(|place| !self.tally.is_canary(**place)).count());
        let own: Vec<u32> = took.hits.intersection(among).copied().collect();
        let canaries: Vec<u32> = own.iter().copied().filter(|place| self.tally.is_canary(*place)).collect();
        let hits = as_count(own.len().saturating_sub(canaries.len()));
        let taken = took.all.count().max(hits).min(self.population);
        let subjects = as_f64(as_count(subjects)).max(1.0);
        let (share, mut weight) = best_share(self.population, taken, leaked, hits);
        let mut ln = ln_chance(self.population, taken, leaked, hits);
        let agents = as_f64(as_count(self.tally.agents.len())).max(1.0);
        let mut alone = u64::MAX;
        for canary in &canaries {
            // A canary says who it was among those who took it, whatever else they took.
            let takers = self.takers.get(canary).copied().unwrap_or(1).max(1);
            alone = alone.min(takers);
            weight += (as_f64(self.population).max(1.0) / as_f64(takers)).ln();
            ln += (as_f64(takers) / agents).min(1.0).ln();
        }
        let chance = (ln.exp() * subjects).min(1.0);
        let by_hits = |limit: f64, least: u64| chance <= limit && hits >= least;
        let evidence = if by_hits(CHANCE_STRONG, HITS_STRONG_MIN) || alone == 1 {
            Evidence::Strong
        } else if by_hits(CHANCE_MODERATE, HITS_MIN) || alone <= CANARY_TAKERS_MAX {
            Evidence::Moderate
        } else if by_hits(CHANCE_THIN, 1) || alone < u64::MAX {
            Evidence::Thin
        } else {
            Evidence::None
        };
        let expected = as_f64(taken) * as_f64(leaked) / as_f64(self.population).max(1.0);
        let mut suspect = Suspect {
            name: name.to_owned(),
            taken,
            hits,
            expected,
            canaries: as_count(canaries.len()),
            share,
            weight: weight / std::f64::consts::LN_10,
            chance,
            evidence,
            jobs: took.jobs,
            when_ms: took.when_ms,
            line: String::new(),
            cautions: Vec::new(),
        };
        suspect.line = line(&suspect, leaked, self.population);
        if evidence >= Evidence::Thin && hits < 10 && suspect.canaries == 0 {
            suspect.cautions.push(format!("only {hits} leaked customers speak to it"));
        }
        suspect
    }

    /// An agent whose group took as much in proportion isn't told apart from it: the group's customers may have leaked
    /// another way.
    fn within_groups(&self, name: &str, took: &Took, suspect: &mut Suspect) {
        if suspect.evidence < Evidence::Thin || suspect.canaries > 0 {
            return;
        }
        for group in &took.groups {
            let Some(whole) = self.tally.groups.get(group) else { continue };
            let ordinary =
                |places: &Places| as_count(places.iter().filter(|place| !self.tally.is_canary(**place)).count());
            let (of_group, of_agent) = (whole.all.count(), suspect.taken);
            let (hits_group, hits_agent) = (ordinary(&whole.hits), ordinary(&took.hits));
            // A group that is hardly more than the agent tells nothing about others in it.
            if as_f64(of_group) < as_f64(of_agent) * 1.5 {
                continue;
            }
            if ln_chance(of_group, of_agent, hits_group, hits_agent).exp() > CHANCE_WITHIN {
                suspect.evidence = Evidence::Thin;
                suspect.cautions.push(format!("others in {group} took as many in proportion: {name} isn't told apart"));
                return;
            }
        }
    }

    /// Says who else took much of the same.
    fn caution_overlap(&self, suspect: &mut Suspect, took: &Took, among: &Places) {
        let own: Places = took.hits.intersection(among).copied().collect();
        let most = self
            .tally
            .agents
            .iter()
            .filter(|(name, _)| **name != suspect.name)
            .map(|(name, other)| (other.hits.intersection(&own).count(), name))
            .max_by(|a, b| a.0.cmp(&b.0).then_with(|| b.1.cmp(a.1)));
        if let Some((same, other)) = most.filter(|(same, _)| same.saturating_mul(2) > own.len()) {
            suspect.cautions.push(format!("{other} took {same} of the same {} customers", own.len()));
        }
    }

    fn ranked(
        &self,
        kind: &BTreeMap<String, Took>,
        all: &Places,
        caution: impl Fn(&String, &Took, &mut Suspect),
    ) -> Vec<Suspect> {
        let with_hits = kind.iter().filter(|(_, took)| !took.hits.is_empty());
        let mut suspects: Vec<(Suspect, &String, &Took)> =
            with_hits.map(|(name, took)| (self.weigh(name, took, all, kind.len()), name, took)).collect();
        suspects.sort_by(|(a, ..), (b, ..)| b.weight.total_cmp(&a.weight).then_with(|| a.name.cmp(&b.name)));
        suspects.truncate(SUSPECTS_MAX);
        suspects
            .into_iter()
            .map(|(mut suspect, name, took)| {
                caution(name, took, &mut suspect);
                suspect
            })
            .collect()
    }

    fn jobs(&self, leaked: u64) -> Vec<Suspect> {
        let subjects = usize::try_from(self.tally.jobs_count).unwrap_or(usize::MAX);
        let all: Places = (0..).take(self.tally.canary.len()).collect();
        let mut suspects: Vec<(Suspect, u64)> = Vec::new();
        for job in &self.tally.jobs {
            let took =
                Took { hits: job.hits.clone(), jobs: 1, when_ms: Some((job.time_ms, job.time_ms)), ..Took::default() };
            let mut suspect = self.weigh_job(&job.name, &took, job.taken, leaked, subjects, &all);
            suspect.line = format!("{} by {}: {}", job.name, job.agent, suspect.line);
            suspects.push((suspect, job.taken));
        }
        suspects.sort_by(|(a, _), (b, _)| b.weight.total_cmp(&a.weight).then_with(|| a.name.cmp(&b.name)));
        suspects.truncate(SUSPECTS_MAX);
        suspects.into_iter().map(|(suspect, _)| suspect).collect()
    }

    /// As [`Ground::weigh`], for a job, whose customers are known by number only.
    fn weigh_job(&self, name: &str, took: &Took, taken: u64, leaked: u64, subjects: usize, all: &Places) -> Suspect {
        let mut suspect = self.weigh(name, took, all, subjects);
        let taken = taken.max(suspect.hits).min(self.population);
        let (share, weight) = best_share(self.population, taken, leaked, suspect.hits);
        // What the canaries weigh was added to nothing: the counts above were those of a job without customers.
        let bare = best_share(self.population, suspect.taken, leaked, suspect.hits).1;
        suspect.weight += (weight - bare) / std::f64::consts::LN_10;
        suspect.share = share;
        suspect.taken = taken;
        suspect.expected = as_f64(taken) * as_f64(leaked) / as_f64(self.population).max(1.0);
        let chance = ln_chance(self.population, taken, leaked, suspect.hits).exp() * as_f64(as_count(subjects));
        suspect.chance = chance.min(1.0);
        suspect.evidence = match suspect.evidence {
            _ if suspect.canaries > 0 => suspect.evidence,
            _ if chance <= CHANCE_STRONG && suspect.hits >= HITS_STRONG_MIN => Evidence::Strong,
            _ if chance <= CHANCE_MODERATE && suspect.hits >= HITS_MIN => Evidence::Moderate,
            _ if chance <= CHANCE_THIN => Evidence::Thin,
            _ => Evidence::None,
        };
        suspect.line = line(&suspect, leaked, self.population);
        suspect
    }
}

/// The sentence about a suspect.
fn line(suspect: &Suspect, leaked: u64, population: u64) -> String {
    let mut text = format!(
        "{} took {} of the {leaked} leaked customers; whoever took {} of about {population} by honest work took about {:.1} of them",
        suspect.name, suspect.hits, suspect.taken, suspect.expected
    );
    match suspect.canaries {
        0 => {}
        1 => text.push_str("; and a canary that leaked"),
        more => text.push_str(&format!("; and {more} canaries that leaked")),
    }
    text.push_str(&match suspect.chance {
        chance if chance >= 0.05 => "; that is chance".to_owned(),
        chance if chance >= 1e-6 => format!("; chance shows that in one log of {:.0}", 1.0 / chance),
        chance if chance >= 1e-300 => format!("; chance shows that in one log of 10^{:.0}", -chance.log10()),
        _ => "; chance never shows that".to_owned(),
    });
    text
}
