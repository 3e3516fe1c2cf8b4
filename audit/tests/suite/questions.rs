//! Exposure and trace over logs made from a seed.

use std::collections::BTreeSet;

use super::desk::{Desk, ORIGIN, Taking, customers};
use exportgate_audit::entry::{Form, Verdict};
use exportgate_audit::trace::{Evidence, Leaked, Suspect, Trace, TraceError, TraceQuery};
use exportgate_audit::{
    CustomerKey, Day, Exposure, ExposureError, ExposureQuery, Line, Prefix, TimelineQuery, exposure, timeline, trace,
};

fn ask(desk: &Desk, query: &ExposureQuery) -> Exposure {
    exposure(&desk.records, &Prefix::none(ORIGIN), query).unwrap()
}

fn of_agent(agent: &str) -> ExposureQuery {
    ExposureQuery { agent: Some(agent.into()), ..ExposureQuery::default() }
}

/// Which of the customers 0 to 99 were exposed.
fn resolved(exposure: &Exposure, keys: &[CustomerKey]) -> Vec<usize> {
    (0..100).filter(|number| exposure.of(keys, &format!("customer-{number}")).is_some()).collect()
}

#[test]
fn exposure_is_what_was_let_out_less_what_didnt_leave() {
    let mut desk = Desk::new(ORIGIN, 1);
    let since_ms = desk.time_ms + 90_000;
    desk.take("ana", "billing", "crm", &customers([90]));
    desk.take("ana", "billing", "crm", &customers(0..3));
    desk.take("bob", "billing", "crm", &customers(10..13));
    let decide = |desk: &mut Desk, numbers: std::ops::Range<usize>, verdict| {
        let list = customers(numbers);
        desk.decide(&Taking { agent: "ana", team: "billing", destination: "mail", customers: &list, verdict })
    };
    let cancelled = decide(&mut desk, 20..23, Verdict::Allow);
    let partial = decide(&mut desk, 30..33, Verdict::Allow);
    decide(&mut desk, 40..43, Verdict::Deny);
    decide(&mut desk, 50..53, Verdict::Allow);
    desk.cancel(&cancelled);
    desk.commit(&partial, Some(&customers([31])));
    let none = decide(&mut desk, 60..63, Verdict::Allow);
    desk.commit(&none, Some(&[]));
    let found = ask(&desk, &ExposureQuery { since_ms: Some(since_ms), ..of_agent("ana") });
    let keys = [desk.customers.clone()];
    assert_eq!(resolved(&found, &keys), [0, 1, 2, 31, 50, 51, 52]);
    assert_eq!(found.customers(), 7);
    assert_eq!(
        (found.seen.decisions, found.seen.refused, found.seen.cancelled, found.seen.unanswered, found.jobs),
        (6, 1, 1, 1, 3)
    );
    assert_eq!(
        found.fields().into_iter().collect::<Vec<_>>(),
        [("customer.email", [0, 0, 7]), ("customer.phone", [0, 7, 0])]
    );
    assert_eq!(found.destinations().into_iter().collect::<Vec<_>>(), [("crm", 3), ("mail", 4)]);
    // By the whole name, everybody, and nobody.
    assert_eq!(ask(&desk, &of_agent("Export::Agent::\"ana\"")).customers(), 8);
    assert_eq!(ask(&desk, &ExposureQuery::default()).agents, BTreeSet::from(["ana".into(), "bob".into()]));
    assert_eq!(ask(&desk, &of_agent("eve")).customers(), 0);
}

#[test]
fn a_customer_is_one_person_through_jobs_and_epochs() {
    let mut desk = Desk::new(ORIGIN, 1);
    let first = desk.customers.clone();
    desk.take("ana", "billing", "crm", &customers([1, 2]));
    desk.take("ana", "billing", "mail", &customers([1]));
    let second = CustomerKey::new(2, &[77; 32]);
    desk.start_epoch(second.clone());
    desk.take("ana", "billing", "phone", &customers([1]));
    let found = ask(&desk, &of_agent("ana"));
    assert_eq!(found.customers(), 3, "once in each epoch");
    let both = [first.clone(), second];
    let one = found.of(&both, "customer-1").unwrap();
    assert_eq!((one.jobs, one.destinations), (3, vec!["crm", "mail", "phone"]));
    assert_eq!(one.fields, [("customer.email", Form::Plain), ("customer.phone", Form::Partial)]);
    assert!(one.first_ms < one.last_ms);
    assert_eq!(found.check_keys(&both), Ok(vec![]));
    assert_eq!(found.check_keys(&[first]), Ok(vec![2]), "the customers of the second epoch stay unknown");
    let wrong = CustomerKey::new(2, &[78; 32]);
    assert_eq!(found.check_keys(&[wrong]), Err(ExposureError::WrongKey { epoch: 2 }));
}

/// A desk with twenty honest agents in four teams, and one who takes what nobody sent her.
struct Year {
    desk: Desk,
    taken_by_ana: Vec<String>,
    taken: Vec<String>,
}

fn year(seed: u64) -> Year {
    let mut desk = Desk::new(ORIGIN, 1);
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut taken, mut taken_by_ana) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..160 {
        for agent in 0..20 {
            let own = customers((0..2).map(|_| random.usize(..30_000)).collect::<BTreeSet<_>>());
            desk.take(&format!("agent-{agent:02}"), &format!("team-{}", agent % 4), "crm", &own);
            taken.extend(own);
        }
        let stolen = customers((0..6).map(|_| random.usize(..30_000)).collect::<BTreeSet<_>>());
        desk.take("ana", "team-0", "crm", &stolen);
        taken.extend(stolen.iter().cloned());
        taken_by_ana.extend(stolen);
    }
    Year { desk, taken_by_ana: taken_by_ana.into_iter().collect(), taken: taken.into_iter().collect() }
}

impl Year {
    fn trace(&self, leaked: impl IntoIterator<Item = String>) -> Trace {
        let leaked = leaked.into_iter().map(|customer| Leaked { canary: customer.starts_with("canary"), customer });
        let query = TraceQuery { leaked: leaked.collect(), ..TraceQuery::default() };
        trace(&self.desk.records, &Prefix::none(ORIGIN), &query, std::slice::from_ref(&self.desk.customers)).unwrap()
    }
}

fn drawn(from: &[String], count: usize, seed: u64) -> Vec<String> {
    let mut shuffled = from.to_vec();
    fastrand::Rng::with_seed(seed).shuffle(&mut shuffled);
    shuffled.truncate(count);
    shuffled
}

fn names(suspects: &[Suspect]) -> Vec<&str> {
    suspects.iter().map(|suspect| suspect.name.as_str()).collect()
}

#[test]
fn fifty_complaints_name_the_thief_and_nobody_else() {
    for seed in 0..3 {
        let year = year(seed);
        let found = year.trace(drawn(&year.taken_by_ana, 50, seed + 100));
        assert_eq!(names(&found.named), ["ana"], "seed {seed}");
        let ana = &found.named[0];
        assert_eq!((ana.hits, ana.evidence, ana.canaries), (50, Evidence::Strong, 0));
        assert!(ana.share > 0.9 && ana.chance < 1e-12, "{} {}", ana.share, ana.chance);
        assert!(ana.line.starts_with("ana took 50 of the 50 leaked customers; whoever took"), "{}", ana.line);
        assert_eq!(found.agents[0].name, "ana");
        assert!(found.agents.iter().skip(1).all(|other| other.evidence < Evidence::Moderate));
        assert_eq!((found.leaked, found.untaken), (50, 0));
        let close = found.population.abs_diff(year.taken.len() as u64);
        assert!(close * 20 < year.taken.len() as u64, "{} for {}", found.population, year.taken.len());
    }
}

#[test]
fn fifty_random_customers_name_nobody() {
    for seed in 0..3 {
        let year = year(seed);
        for draw in 0..8 {
            let found = year.trace(drawn(&year.taken, 50, 1_000 + seed * 10 + draw));
            assert_eq!(names(&found.named), [""; 0], "seed {seed}, draw {draw}: {:#?}", found.named);
        }
    }
}

#[test]
fn half_a_leak_is_enough_and_strangers_are_counted() {
    let year = year(1);
    let mut leaked = drawn(&year.taken_by_ana, 25, 3);
    leaked.extend(drawn(&year.taken, 15, 4));
    leaked.extend(customers(900_000..900_010));
    let found = year.trace(leaked);
    assert_eq!(names(&found.named), ["ana"]);
    assert_eq!(found.untaken, 10);
    assert!(found.named[0].share > 0.3 && found.named[0].share < 0.8, "{}", found.named[0].share);
}

#[test]
fn two_thieves_are_both_named() {
    let mut year = year(2);
    let of_eve = customers((0..900).map(|n| 40_000 + n));
    for part in of_eve.chunks(9) {
        year.desk.take("eve", "team-1", "mail", part);
    }
    let mut leaked = drawn(&year.taken_by_ana, 30, 3);
    leaked.extend(drawn(&of_eve, 20, 4));
    let found = year.trace(leaked);
    assert_eq!(
        found.named.iter().map(|suspect| suspect.name.as_str()).collect::<BTreeSet<_>>(),
        BTreeSet::from(["ana", "eve"])
    );
    assert_eq!(found.destinations[0].name, "mail", "{:#?}", found.destinations);
}

#[test]
fn a_canary_weighs_more_than_customers() {
    let mut year = year(3);
    year.desk.take("bob", "team-2", "crm", &["canary-1".to_owned()]);
    let mut leaked = drawn(&year.taken, 4, 5);
    leaked.push("canary-1".to_owned());
    let found = year.trace(leaked.clone());
    assert_eq!(names(&found.named), ["bob"]);
    assert_eq!((found.named[0].canaries, found.named[0].hits, found.named[0].evidence), (1, 0, Evidence::Strong));
    assert!(found.named[0].line.contains("a canary that leaked"), "{}", found.named[0].line);
    // Once many have met it, it points at nobody.
    for agent in 0..10 {
        year.desk.take(&format!("agent-{agent:02}"), "team-0", "crm", &["canary-1".to_owned()]);
    }
    let found = year.trace(leaked);
    assert_eq!(names(&found.named), [""; 0], "{:#?}", found.named);
}

#[test]
fn the_customers_of_a_team_dont_name_its_busiest_agent() {
    // All of a team take from the same customers, which leaked elsewhere.
    let mut desk = Desk::new(ORIGIN, 1);
    let mut random = fastrand::Rng::with_seed(9);
    for _ in 0..600 {
        for agent in 0..12 {
            let team = agent % 3;
            let count = if agent == 0 { 4 } else { 2 };
            let own = (0..count).map(|_| team * 10_000 + random.usize(..4_000)).collect::<BTreeSet<_>>();
            desk.take(&format!("agent-{agent:02}"), &format!("team-{team}"), "crm", &customers(own));
        }
    }
    let leaked = drawn(&customers(0..4_000), 40, 1);
    let year = Year { desk, taken_by_ana: Vec::new(), taken: Vec::new() };
    let found = year.trace(leaked);
    assert_eq!(names(&found.named), [""; 0], "{:#?}", found.named);
    assert_eq!(found.groups[0].name, "Export::Team::\"team-0\"");
    assert_eq!(found.groups[0].evidence, Evidence::Strong);
    let first = &found.agents[0];
    assert_eq!(first.evidence, Evidence::Thin);
    assert!(first.cautions[0].contains("isn't told apart"), "{:?}", first.cautions);
}

#[test]
fn one_job_that_took_them_all_stands_out() {
    let mut year = year(4);
    let bulk = customers(50_000..50_200);
    let job = year.desk.take("bob", "team-3", "partner", &bulk);
    let found = year.trace(drawn(&bulk, 20, 6));
    assert_eq!((found.jobs[0].name.as_str(), found.jobs[0].hits, found.jobs[0].taken), (job.as_str(), 20, 200));
    assert_eq!(found.jobs[0].evidence, Evidence::Strong);
    assert!(found.jobs[0].line.starts_with(&format!("{job} by bob: ")), "{}", found.jobs[0].line);
    assert_eq!(found.destinations[0].name, "partner");
    assert_eq!(names(&found.named), ["bob"]);
}

#[test]
fn few_complaints_are_said_to_be_few() {
    let year = year(0);
    let found = year.trace(drawn(&year.taken_by_ana, 4, 7));
    let ana = found.agents.iter().find(|suspect| suspect.name == "ana").unwrap();
    assert!(ana.cautions.iter().any(|caution| caution == "only 4 leaked customers speak to it"), "{ana:#?}");
    assert!(ana.evidence < Evidence::Strong);
}

#[test]
fn wrong_questions_are_refused() {
    let year = year(0);
    let ask = |query: &TraceQuery, key: CustomerKey| trace(&year.desk.records, &Prefix::none(ORIGIN), query, &[key]);
    assert_eq!(ask(&TraceQuery::default(), year.desk.customers.clone()).unwrap_err(), TraceError::Nobody);
    let one = vec![Leaked { customer: "customer-1".into(), canary: false }];
    let query = TraceQuery { leaked: one, ..TraceQuery::default() };
    let wrong = ask(&query, CustomerKey::new(1, &[0; 32])).unwrap_err();
    assert_eq!(wrong.to_string(), "the customer key of epoch 1 isn't the one of this log");
    let other = ask(&query, CustomerKey::new(9, &[0; 32])).unwrap();
    assert_eq!((other.epochs_missing, other.untaken), (vec![1], 1));
}

#[test]
fn a_timeline_shows_who_took_how_many_and_which_of_them_leaked_day_by_day() {
    const DAY_MS: i64 = 86_400_000;
    let mut desk = Desk::new(ORIGIN, 1);
    let day = desk.time_ms.div_euclid(DAY_MS);
    desk.take("ana", "billing", "crm", &customers(0..3));
    desk.take("bob", "billing", "crm", &customers(10..15));
    desk.take("ana", "billing", "crm", &customers(2..4));
    desk.time_ms += 2 * DAY_MS;
    desk.take("ana", "billing", "crm", &customers([1]));
    desk.take("eve", "billing", "crm", &customers([1]));
    let keys = [desk.customers.clone()];
    let ask = |query: &TimelineQuery| timeline(&desk.records, &Prefix::none(ORIGIN), query, &keys).unwrap();
    let line = |days: &[(i64, u64, u64)]| Line {
        days: days.iter().map(|(after, taken, leaked)| (day + after, Day { taken: *taken, leaked: *leaked })).collect(),
    };
    let leaked = || vec!["customer-1".to_owned(), "customer-14".to_owned(), "customer-99".to_owned()];
    let all = ask(&TimelineQuery { leaked: leaked(), ..TimelineQuery::default() });
    let expected = [
        ("ana".to_owned(), line(&[(0, 5, 1), (2, 1, 1)])),
        ("bob".to_owned(), line(&[(0, 5, 1)])),
        ("eve".to_owned(), line(&[(2, 1, 1)])),
    ];
    assert_eq!(all.agents, expected, "whoever took most first");
    assert_eq!(all.others, Line::default());
    assert_eq!(all.agents[0].1.total(), Day { taken: 6, leaked: 2 });
    let bob = TimelineQuery { agents: vec!["bob".into()], leaked: leaked(), ..TimelineQuery::default() };
    let some = ask(&bob);
    assert_eq!((some.agents.len(), some.others), (1, line(&[(0, 5, 1), (2, 2, 2)])));
    let only = ask(&TimelineQuery { only: true, since_ms: Some((day + 1) * DAY_MS), ..bob });
    assert_eq!((only.agents, only.others), (vec![("bob".to_owned(), Line::default())], Line::default()));
    let wrong =
        timeline(&desk.records, &Prefix::none(ORIGIN), &TimelineQuery::default(), &[CustomerKey::new(1, &[9; 32])]);
    assert_eq!(wrong, Err(ExposureError::WrongKey { epoch: 1 }));
}
