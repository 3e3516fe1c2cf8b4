//! Generated policies about exports: a job of several customers and fields is decided, row by row and form by form, as Cedar
//! answers each question behind it, by code that works out what it can once a job, a customer or a field, and by code that
//! doesn't. Policies err on every axis.
//!
//! `EXPORT_SEEDS=2000 cargo test --workspace --release --test suite exports` compares so many sets of policies, else
//! [`SEEDS`].

use std::sync::Arc;

use exportgate::{Engine, ErringPolicies, Gate, GateConfig, MemoryWindows, Module, job_file};
use exportgate_cli::replay::Observer as _;
use exportgate_compiler::{CompileOptions, Pack, Passes, compile};
use exportgate_tests::replay::Judge;
use fastrand::Rng;
use serde_json::{Value as Json, json};

use crate::rows::NOW_MS;

const SEEDS: u64 = 12;

/// Jobs of each set of policies.
const JOBS: usize = 6;

const PACK: &str = r#"
name = "generated"
version = "1.0.0"
schema = "schema.cedarschema"
catalogue = "fields.toml"
policies = ["policies.cedar"]
"#;

const SCHEMA: &str = r#"
namespace Export {
  entity Role;
  entity Agent in [Role] = { grade: Long };
  entity Segment;
  entity FieldClass in [FieldClass];
  entity Field in [FieldClass] = { weight: Long, note?: String };
  entity Customer in [Segment] = { hold: Bool, score: Long, region: String };
  entity Ticket = { customer: Customer, assignee: Agent, age: Long };
  entity Job = { requester: Agent };
  type Env = { level: Long, note?: String };
  action "export" appliesTo { principal: [Agent], resource: [Job], context: { env: Env, customers: Long } };
  action "include" appliesTo { principal: [Agent], resource: [Customer], context: { env: Env, ticket?: Ticket } };
  action "reveal";
  action "reveal_plain", "reveal_partial", "reveal_token" in ["reveal"] appliesTo {
    principal: [Agent], resource: [Field], context: { env: Env, customer: Customer, ticket?: Ticket },
  };
}
"#;

const FIELDS: &str = r#"
[fields."a"]
classes = ["contact"]
weight = 1
[fields."b"]
classes = ["contact", "secret"]
weight = 5
note = "x"
[fields."c"]
classes = ["account"]
weight = 4611686018427387904
[fields."d"]
classes = []
weight = -2
note = "y"
[classes.secret]
in = ["sensitive"]
"#;

/// What a question is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Export,
    Include,
    Reveal,
}

/// A condition of the job, of a customer, or of a field; some of them err where a number gets too large, or a ticket isn't
/// known.
fn term(rng: &mut Rng, asked: Asked) -> String {
    let number = rng.i64(-2..7);
    let large = 4_611_686_018_427_387_904_i64;
    let customer = if asked == Asked::Include { "resource" } else { "context.customer" };
    let kinds = match asked {
        Asked::Export => 6,
        Asked::Include => 14,
        Asked::Reveal => 20,
    };
    match rng.u8(..kinds) {
        0 => format!("context.env.level > {number}"),
        1 => format!("context.env.level * {large} > {number}"),
        2 => format!("context.env has note && context.env.note == \"{}\"", ["x", "y"][rng.usize(..2)]),
        3 => format!("principal in Export::Role::\"{}\"", rng.u8(..3)),
        4 => format!("principal.grade + {large} * 2 > {number}"),
        5 => format!("principal.grade == {number}"),
        6 => format!("{customer}.hold"),
        7 => format!("{customer}.score > {number}"),
        8 => format!("{customer}.score * {large} == 0"),
        9 => format!("{customer} in Export::Segment::\"{}\"", rng.u8(..2)),
        10 => format!("{customer}.region == \"{}\"", ["x", "y"][rng.usize(..2)]),
        11 => "context has ticket && context.ticket.assignee == principal".to_owned(),
        12 => format!("context has ticket && context.ticket.customer == {customer} && context.ticket.age > {number}"),
        13 => format!("{customer}.score + context.env.level > {number}"),
        14 => format!("resource in Export::FieldClass::\"{}\"", ["contact", "secret", "sensitive"][rng.usize(..3)]),
        15 => format!("resource.weight > {number}"),
        16 => format!("resource.weight * 2 > {number}"),
        17 => format!("resource has note && resource.note == {customer}.region"),
        18 => format!("resource == Export::Field::\"{}\"", ["a", "b", "c"][rng.usize(..3)]),
        _ => format!("resource.weight + context.env.level + {customer}.score > {number}"),
    }
}

fn condition(rng: &mut Rng, asked: Asked, depth: u8) -> String {
    if depth == 0 || rng.u8(..3) == 0 {
        return term(rng, asked);
    }
    let inner = |rng: &mut Rng| condition(rng, asked, depth - 1);
    let (left, right) = (inner(rng), inner(rng));
    match rng.u8(..6) {
        0 => format!("!({left})"),
        1 => format!("(({left}) || ({right}))"),
        2 => format!("(if {left} then {right} else {})", inner(rng)),
        _ => format!("(({left}) && ({right}))"),
    }
}

/// A few conditions come again and again, as in real packs.
fn policies(rng: &mut Rng) -> String {
    let all = [Asked::Export, Asked::Include, Asked::Reveal];
    let common = all.map(|asked| [0; 3].map(|_| condition(rng, asked, 1)));
    let mut policies = String::new();
    for number in 0..rng.usize(6..70) {
        let kind = rng.usize(..8).saturating_sub(1).min(2);
        let asked = all[kind];
        let (action, resource) = match asked {
            Asked::Export => ("action == Export::Action::\"export\"", "resource".to_owned()),
            Asked::Include => ("action == Export::Action::\"include\"", "resource".to_owned()),
            Asked::Reveal => {
                let class = ["contact", "secret", "account"][rng.usize(..3)];
                let scoped = format!("resource in Export::FieldClass::\"{class}\"");
                let actions = [
                    "action in Export::Action::\"reveal\"",
                    "action == Export::Action::\"reveal_plain\"",
                    "action == Export::Action::\"reveal_token\"",
                ];
                (actions[rng.usize(..3)], if rng.bool() { scoped } else { "resource".to_owned() })
            }
        };
        let effect = if rng.u8(..3) == 0 { "forbid" } else { "permit" };
        let mut links: Vec<String> = (0..rng.usize(..3)).map(|_| common[kind][rng.usize(..3)].clone()).collect();
        links.push(condition(rng, asked, 2));
        let condition = links.iter().map(|link| format!("({link})")).collect::<Vec<_>>().join(" && ");
        policies.push_str(&format!(
            "@id(\"p{number}\") {effect} (principal, {action}, {resource}) when {{ {condition} }};\n"
        ));
    }
    // Else a job of many policies leaves hardly ever, and of what doesn't leave there is little to compare.
    policies + "@id(\"out\") permit (principal, action == Export::Action::\"export\", resource);\n"
}

fn job(rng: &mut Rng) -> Json {
    let customers: Vec<Json> = (0..rng.usize(1..7))
        .map(|row| {
            let mut customer = json!({
                "id": format!("c{row}"), "hold": rng.bool(), "score": rng.i64(-1..4),
                "region": (["x", "y", "z"][rng.usize(..3)]),
            });
            if rng.bool() {
                customer["in"] = json!([format!("Segment::{}", rng.u8(..3))]);
            }
            if rng.u8(..3) > 0 {
                customer["ticket"] = json!(format!("t{row}"));
            }
            customer
        })
        .collect();
    // Not every ticket that is named is known.
    let tickets: Vec<Json> = (0..4)
        .map(|row| {
            json!({"type": "Ticket", "id": format!("t{row}"), "attributes": {"customer": format!("c{row}"),
                "assignee": (["ana", "bob"][rng.usize(..2)]), "age": rng.i64(-1..6)}})
        })
        .collect();
    let mut env = json!({"level": rng.i64(-1..5)});
    if rng.bool() {
        env["note"] = ["x", "y"][rng.usize(..2)].into();
    }
    let fields = rng.choose_multiple(["a", "b", "c", "d"], 3);
    json!({
        "job": "job-1", "fields": fields, "env": env, "customers": customers, "entities": tickets,
        "agent": {"id": "ana", "grade": rng.i64(-1..5), "in": [format!("Role::{}", rng.u8(..4))]},
    })
}

fn gate(pack: &Pack, passes: Passes) -> Gate {
    let config = GateConfig { erring_policies: ErringPolicies::Skip, ..GateConfig::dry_run() };
    let engine = Engine::new(&config.engine).unwrap();
    let compiled = compile(pack, &CompileOptions { passes }).unwrap_or_else(|errors| panic!("{}", errors.render()));
    let module = Module::load(&engine, &compiled.component).unwrap();
    Gate::new(&engine, config, vec![module], Arc::new(MemoryWindows::new())).unwrap()
}

#[test]
fn generated_exports_are_decided_as_cedar_answers_each_question() {
    let seeds = std::env::var("EXPORT_SEEDS").map_or(SEEDS, |seeds| seeds.parse().unwrap());
    let (mut allowed, mut varied, mut erring, mut questions) = (0, 0, 0, 0);
    for seed in 0..seeds {
        let mut rng = Rng::with_seed(seed);
        let policies = policies(&mut rng);
        let files = [("pack.toml", PACK), ("schema.cedarschema", SCHEMA), ("fields.toml", FIELDS)];
        let files = files.into_iter().chain([("policies.cedar", policies.as_str())]);
        let files = files.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec())).collect();
        let pack = Pack::from_files(&files).unwrap_or_else(|errors| panic!("seed {seed}: {}", errors.render()));
        let gates = [Passes::default(), Passes::NONE].map(|passes| gate(&pack, passes));
        let plain = gates[1].modules().next().unwrap().clone();
        let schema = plain.manifest().schema.types.clone();
        let judge = Judge::new(SCHEMA, &policies, plain).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        for _ in 0..JOBS {
            let job = job(&mut rng);
            let job = job_file::read_json(&schema, &job).unwrap_or_else(|error| panic!("seed {seed}: {error}")).job;
            for gate in &gates {
                let decision = gate.evaluate_at(&job, NOW_MS);
                judge.decided(gate, &job, NOW_MS, &decision);
                allowed += usize::from(decision.is_allow());
                varied += usize::from(decision.is_allow() && decision.forms_of_all().is_none());
                erring += usize::from(!decision.erring().is_empty());
            }
        }
        let found = judge.found();
        assert!(found.wrong.is_empty(), "seed {seed}:\n{policies}\n{}", found.wrong.join("\n"));
        questions += found.questions;
    }
    println!(
        "{questions} questions; {allowed} jobs allowed, {varied} with forms by row, {erring} with policies that err"
    );
    let each = usize::try_from(seeds).unwrap();
    assert!(allowed > 2 * each && varied > each && erring > 4 * each, "{allowed} {varied} {erring} of {seeds} seeds");
}
