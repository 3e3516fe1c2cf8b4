//! Sets of many policies whose scopes name different principals, roles and resources: found by the scope index, they answer
//! as cedar-policy asks them one by one.

use std::collections::BTreeMap;

use exportgate::{Entity, EntityUid, Request, Value};
use exportgate_tests::differential::{Compared, compare, engine};
use exportgate_tests::generate::construct::Constructs;
use exportgate_tests::generate::{Generated, Syntax};
use fastrand::Rng;

/// Policies of a set: well beyond the constants from which on the index is made.
const POLICIES: usize = 160;

/// Entities of each type that policies name. As many again are named by none.
const NAMED: usize = 40;

const REQUESTS: usize = 400;

const SEEDS: u64 = 6;

const SCHEMA: &str = r#"
entity Role in [Role];
entity Agent in [Role, Agent] { level: Long, grade?: Long };
entity Class in [Class];
entity Field in [Class] { owner: Agent };
action "see" appliesTo { principal: [Agent, Role], resource: [Field, Class], context: { n: Long, on?: Bool } };
"#;

fn pick(rng: &mut Rng, entity_type: &str) -> String {
    format!("{entity_type}::\"{}\"", rng.usize(..NAMED))
}

fn scope(rng: &mut Rng, variable: &str, own: &str, group: &str) -> String {
    match rng.u8(..6) {
        0 => variable.to_owned(),
        1 => format!("{variable} == {}", pick(rng, own)),
        2 => format!("{variable} is {own} in {}", pick(rng, group)),
        3 => format!("{variable} in {}", pick(rng, own)),
        _ => format!("{variable} in {}", pick(rng, group)),
    }
}

fn condition(rng: &mut Rng) -> String {
    let number = rng.i64(-3..8);
    match rng.u8(..9) {
        0 => "true".to_owned(),
        1 => format!("context.n < {number}"),
        // Errs at the ends of the numbers.
        2 => format!("context.n + {number} > 0"),
        3 => format!("context.n * 3 == 9 || principal in {}", pick(rng, "Role")),
        4 => format!("principal in {} && context.n > {number}", pick(rng, "Role")),
        5 => format!("resource in {} && !(principal == {})", pick(rng, "Class"), pick(rng, "Agent")),
        6 => format!("principal is Agent && principal.level > {number}"),
        7 => format!("resource is Field && resource.owner == {} && context.n < 5", pick(rng, "Agent")),
        _ => "context has on && context.on".to_owned(),
    }
}

fn uid(rng: &mut Rng, entity_type: &str) -> EntityUid {
    EntityUid::new(entity_type, rng.usize(..2 * NAMED).to_string())
}

/// A hierarchy with diamonds, in which a parent has a higher number; a part of it isn't in the store.
fn entities(rng: &mut Rng) -> Vec<Entity> {
    let mut all = Vec::new();
    for (entity_type, groups) in [
        ("Role", &["Role"][..]),
        ("Agent", &["Role", "Role", "Agent"]),
        ("Class", &["Class"]),
        ("Field", &["Class", "Class"]),
    ] {
        for number in (0..2 * NAMED).filter(|number| number % 13 != 5) {
            let mut entity = Entity::new(EntityUid::new(entity_type, number.to_string()));
            for group in groups {
                if rng.u8(..3) > 0 && number + 1 < 2 * NAMED {
                    let above = rng.usize(number + 1..2 * NAMED).to_string();
                    entity = entity.with_parent(EntityUid::new(*group, above));
                }
            }
            entity = match entity_type {
                "Agent" => {
                    let entity = entity.with_attribute("level", rng.i64(..8));
                    if rng.bool() { entity.with_attribute("grade", rng.i64(..8)) } else { entity }
                }
                "Field" => entity.with_attribute("owner", uid(rng, "Agent")),
                _ => entity,
            };
            all.push(entity);
        }
    }
    all
}

fn request(rng: &mut Rng) -> Request {
    let numbers = [i64::MIN, i64::MAX, 0, 3, rng.i64(-9..9)];
    let mut context = vec![("n", Value::Long(numbers[rng.usize(..numbers.len())]))];
    if rng.bool() {
        context.push(("on", Value::Bool(rng.bool())));
    }
    let principal = if rng.u8(..5) == 0 { "Role" } else { "Agent" };
    let resource = if rng.u8(..5) == 0 { "Class" } else { "Field" };
    Request {
        principal: uid(rng, principal),
        action: EntityUid::new("Action", "see"),
        resource: uid(rng, resource),
        context: Value::record(context),
    }
}

fn set(seed: u64) -> Generated {
    let mut rng = Rng::with_seed(seed);
    let (mut policies, mut unconditional) = (String::new(), String::new());
    for _ in 0..POLICIES {
        let effect = if rng.u8(..4) == 0 { "forbid" } else { "permit" };
        let principal = scope(&mut rng, "principal", "Agent", "Role");
        let resource = scope(&mut rng, "resource", "Field", "Class");
        let head = format!("{effect} ({principal}, action, {resource})");
        let word = if rng.u8(..4) == 0 { "unless" } else { "when" };
        policies.push_str(&format!("{head} {word} {{ {} }};\n", condition(&mut rng)));
        unconditional.push_str(&format!("{head};\n"));
    }
    Generated {
        entities: entities(&mut rng),
        requests: (0..REQUESTS).map(|_| request(&mut rng)).collect(),
        ..set_of(SCHEMA, policies, unconditional)
    }
}

#[test]
fn policies_that_are_found_by_their_scope_answer_as_cedar_does() {
    let engine = engine();
    let mut total = Compared::default();
    for seed in 0..SEEDS {
        match compare(&engine, &set(seed)) {
            Ok(compared) => total.merge(&compared),
            Err(mismatch) => panic!("seed {seed}\n{mismatch}"),
        }
    }
    let Compared { requests, sensitive, erring, .. } = total;
    assert_eq!(requests, SEEDS * REQUESTS as u64);
    assert!(sensitive > requests / 4 && erring > requests / 10, "{sensitive} sensitive, {erring} erring of {requests}");
}

/// Static policies in Cedar's syntax, and the same without their conditions.
fn set_of(schema: &str, policies: String, unconditional: String) -> Generated {
    Generated {
        schema: schema.to_owned(),
        policies,
        links: Vec::new(),
        unconditional,
        syntax: Syntax::default(),
        constructs: Constructs::default(),
        policy_constructs: BTreeMap::new(),
        entities: Vec::new(),
        requests: Vec::new(),
    }
}

/// Roles that policies of one action name, all of them.
const ROLES: usize = 400;

/// Policies of another action name each twentieth of them: constants that lie far from each other.
fn sparse_set(seed: u64) -> Generated {
    let mut rng = Rng::with_seed(seed);
    let schema = "entity Role in [Role]; entity Agent in [Role]; entity Doc;
        action all, few appliesTo { principal: Agent, resource: Doc, context: { n: Long } };";
    let (mut policies, mut unconditional) = (String::new(), String::new());
    let mut add = |head: String, condition: String| {
        policies.push_str(&format!("{head} when {{ {condition} }};\n"));
        unconditional.push_str(&format!("{head};\n"));
    };
    for role in 0..ROLES {
        add(
            format!("permit (principal in Role::\"{role}\", action == Action::\"all\", resource)"),
            "context.n == 1".into(),
        );
    }
    for role in (0..ROLES).step_by(20) {
        for _ in 0..rng.usize(1..4) {
            let effect = if rng.u8(..4) == 0 { "forbid" } else { "permit" };
            let condition = format!("context.n * {} > {}", rng.i64(1..4), rng.i64(-3..8));
            add(format!("{effect} (principal in Role::\"{role}\", action == Action::\"few\", resource)"), condition);
        }
    }
    let role = |number: usize| EntityUid::new("Role", number.to_string());
    let agents = (0..60).map(|number| {
        let agent = Entity::new(EntityUid::new("Agent", number.to_string()));
        let of_few = 20 * rng.usize(..ROLES / 20);
        agent
            .with_parent(role(of_few))
            .with_parent(role(20 * rng.usize(..ROLES / 20)))
            .with_parent(role(rng.usize(..ROLES)))
    });
    let entities: Vec<Entity> = agents.collect();
    let requests = (0..REQUESTS).map(|_| Request {
        principal: EntityUid::new("Agent", rng.usize(..62).to_string()),
        action: EntityUid::new("Action", if rng.u8(..4) == 0 { "all" } else { "few" }),
        resource: EntityUid::new("Doc", "d"),
        context: Value::record([("n", Value::Long([i64::MAX, 0, 1, 2, 5][rng.usize(..5)]))]),
    });
    Generated { requests: requests.collect(), entities, ..set_of(schema, policies, unconditional) }
}

#[test]
fn policies_whose_scopes_lie_far_from_each_other_answer_as_cedar_does() {
    let engine = engine();
    for seed in 0..2 {
        match compare(&engine, &sparse_set(seed)) {
            Ok(compared) => assert!(compared.sensitive > 50 && compared.erring > 20, "seed {seed}"),
            Err(mismatch) => panic!("seed {seed}\n{mismatch}"),
        }
    }
}
