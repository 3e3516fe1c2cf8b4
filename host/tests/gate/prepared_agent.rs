//! Agents whose facts are resolved once.

use std::sync::Arc;
use std::time::Duration;

use exportgate::{Entities, Entity, Gate, Job};
use exportgate_contract::value::Value;

use crate::guest::{Guest, Test, forbid};
use crate::job::{entities, job, job_of, opened, uid};
use crate::{NOW_MS, determining, gate};

const LONG: Duration = Duration::from_secs(3_600);

fn guest() -> Guest {
    opened([
        forbid("risky", "export", Test::Above("agent.risk", 7)),
        forbid("of-the-vendor", "export", Test::In("agent", "Vendor", "v")),
    ])
}

/// Ana alone, with this risk, in these teams.
fn ana(risk: i64, teams: &[&str]) -> Entities {
    let ana = Entity::new(uid("Agent", "ana")).with_attribute("risk", risk);
    let ana = teams.iter().fold(ana, |ana, team| ana.with_parent(uid("Team", team)));
    let teams = entities().into_iter().filter(|entity| *entity.uid.entity_type == *"Export::Team");
    Entities::new(teams.chain([ana])).unwrap()
}

/// A job of ana, who is what `now` says and was prepared as `before` says.
fn prepared(gate: &Gate, before: &Entities, now: Entities, max_age: Duration) -> Job {
    let agent = gate.prepare_agent(&uid("Agent", "ana"), before, max_age).unwrap();
    Job { entities: Arc::new(now), prepared_agent: Some(agent), ..job(&["a"]) }
}

#[test]
fn a_prepared_agent_is_what_it_was_when_it_was_prepared() {
    let gate = gate(&guest());
    let decide = |before: &Entities, now: Entities| {
        let decision = gate.evaluate_at(&prepared(&gate, before, now, LONG), NOW_MS);
        determining(&decision).join(" ")
    };
    assert_eq!(decide(&ana(8, &["t2"]), ana(8, &["t2"])), "risky");
    assert_eq!(decide(&ana(8, &["t2"]), ana(1, &["t2"])), "risky");
    assert_eq!(decide(&ana(1, &["t2"]), ana(8, &["t2"])).split(' ').next(), Some("may-export"));
    assert_eq!(decide(&ana(1, &["t1"]), ana(1, &["t2"])), "of-the-vendor");
    assert_eq!(decide(&ana(1, &["t2"]), ana(1, &["t1"])).split(' ').next(), Some("may-export"));
}

#[test]
fn an_agent_prepared_too_long_ago_or_for_others_is_what_the_job_says() {
    let [gate, other] = [gate(&guest()), gate(&guest())];
    let risky = |gate: &Gate, job: &Job| determining(&gate.evaluate_at(job, NOW_MS)) == ["risky"];
    let job = prepared(&gate, &ana(8, &[]), ana(1, &[]), LONG);
    assert!(risky(&gate, &job));
    assert!(!risky(&other, &job));
    let of_bob = Job { agent: uid("Agent", "bob"), ..job_of("job-2", "bob", &["a"], &["card"]) };
    let of_bob = Job {
        prepared_agent: job.prepared_agent.clone(),
        entities: Arc::new(Entities::new([Entity::new(uid("Agent", "bob")).with_attribute("risk", 1)]).unwrap()),
        ..of_bob
    };
    assert!(!risky(&gate, &of_bob));
    assert!(!risky(&gate, &prepared(&gate, &ana(8, &[]), ana(1, &[]), Duration::ZERO)));
}

#[test]
fn an_agent_that_no_job_could_have_cant_be_prepared() {
    let gate = gate(&guest());
    let refused =
        |entities: &Entities| gate.prepare_agent(&uid("Agent", "ana"), entities, LONG).unwrap_err().to_string();
    let nobody = Entities::new([]).unwrap();
    assert_eq!(refused(&nobody), "the job is refused: agent `Export::Agent::\"ana\"` isn't among the job's entities");
    let wrong = Entity::new(uid("Agent", "ana")).with_attribute("risk", Value::Bool(true));
    let wrong = Entities::new([wrong]).unwrap();
    assert_eq!(refused(&wrong), "module `sample` failed: `agent.risk`: expected Long, found Bool");
}
