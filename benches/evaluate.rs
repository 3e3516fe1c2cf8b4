//! What one decision costs: `Gate::evaluate` from a job to its decision, with the reference pack.
//!
//! `cargo bench -p exportgate-benches`. Beside the jobs, one Cedar question through the sandbox and natively, with
//! everything prebuilt: the answers are compared before anything is timed.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use cedar_policy::{Authorizer, Context, Decision, Schema};
use criterion::{Criterion, criterion_group, criterion_main};
use exportgate::{
    Engine, EngineConfig, Entities, Entity, EntityUid, Isolation, Module, Request, RequestDecision, Value,
};
use exportgate_benches::{NOW_MS, component, gate, job, put_customers};
use exportgate_compiler::{CompileOptions, Pack, compile};

const SCHEMA: &str = "entity Role; entity User in [Role] = { level: Long }; entity Doc = { owner: User, open: Bool };
action view appliesTo { principal: User, resource: Doc, context: { hour: Long } };";

fn main_jobs(criterion: &mut Criterion) {
    let component = component();
    let mut group = criterion.benchmark_group("evaluate");
    for (name, isolation) in [("fresh", Isolation::Fresh), ("warm", Isolation::Warm)] {
        let gate = gate(&component, isolation);
        let small = job(&gate, "chargeback", |job| {
            job["fields"] = serde_json::json!(["customer.email", "order.lines", "payment.card_last4"])
        });
        assert!(gate.evaluate_at(&small, NOW_MS).is_allow());
        group.bench_function(format!("exportgate-{name}/1x3"), |b| {
            b.iter(|| black_box(gate.evaluate_at(&small, NOW_MS)))
        });
    }
    group.sample_size(10).measurement_time(Duration::from_secs(10));
    let gate = gate(&component, Isolation::Warm);
    let fields: Vec<&str> = gate
        .modules()
        .next()
        .and_then(|module| module.manifest().catalogue.as_ref())
        .map(|catalogue| catalogue.fields.keys().take(12).map(|name| &**name).collect())
        .unwrap_or_default();
    let large = job(&gate, "bulk-two-approvals", |job| {
        put_customers(job, 70_000);
        job["fields"] = serde_json::json!(fields);
    });
    let decision = gate.evaluate_at(&large, NOW_MS);
    assert!(decision.is_allow(), "{decision:?}");
    group.bench_function("exportgate-warm/70000x12", |b| b.iter(|| black_box(gate.evaluate_at(&large, NOW_MS))));
    group.finish();
}

/// Ten policies, one question.
fn question(criterion: &mut Criterion) {
    let mut policies = String::from("permit (principal, action, resource) when { resource.owner == principal };");
    for level in 0..9 {
        policies.push_str(&format!(
            "permit (principal in Role::\"r{level}\", action == Action::\"view\", resource) when {{ principal.level > {level} && resource.open && context.hour < 18 }};"
        ));
    }
    let uid = EntityUid::new;
    let request = Request {
        principal: uid("User", "u"),
        action: uid("Action", "view"),
        resource: uid("Doc", "d"),
        context: Value::record([("hour", Value::Long(9))]),
    };
    let user = Entity::new(uid("User", "u")).with_attribute("level", 4).with_parent(uid("Role", "r3"));
    let doc = Entity::new(uid("Doc", "d")).with_attribute("owner", uid("User", "v")).with_attribute("open", true);
    let entities = Entities::new([user, doc]).unwrap();
    let engine = Arc::new(Engine::new(&EngineConfig::default()).unwrap());
    let artifact = compile(&Pack::bare("bench", SCHEMA, &policies), &CompileOptions::default()).unwrap();
    let module = Module::load(&engine, &artifact.component).unwrap().with_isolation(Isolation::Warm);

    let (schema, _) = Schema::from_cedarschema_str(SCHEMA).unwrap();
    let set: cedar_policy::PolicySet = policies.parse().unwrap();
    let native = cedar_policy::Entities::from_json_str(
        r#"[{"uid": {"type": "User", "id": "u"}, "attrs": {"level": 4}, "parents": [{"type": "Role", "id": "r3"}]},
            {"uid": {"type": "Doc", "id": "d"}, "attrs": {"owner": {"__entity": {"type": "User", "id": "v"}}, "open": true}, "parents": []}]"#,
        Some(&schema),
    )
    .unwrap();
    let parse = |text: &str| text.parse::<cedar_policy::EntityUid>().unwrap();
    let context = Context::from_json_str(r#"{"hour": 9}"#, None).unwrap();
    let asked = cedar_policy::Request::new(
        parse("User::\"u\""),
        parse("Action::\"view\""),
        parse("Doc::\"d\""),
        context,
        Some(&schema),
    )
    .unwrap();
    let authorizer = Authorizer::new();
    let reference = authorizer.is_authorized(&asked, &set, &native);
    let answer = module.authorize(&request, &entities).unwrap();
    assert_eq!(reference.decision() == Decision::Allow, answer.decision == RequestDecision::Allow);
    assert_eq!(
        reference.diagnostics().reason().map(ToString::to_string).collect::<Vec<_>>(),
        answer.determining.iter().map(ToString::to_string).collect::<Vec<_>>()
    );

    let mut group = criterion.benchmark_group("question");
    group
        .bench_function("exportgate-warm/10-policies", |b| b.iter(|| black_box(module.authorize(&request, &entities))));
    group.bench_function("cedar-policy/10-policies", |b| {
        b.iter(|| black_box(authorizer.is_authorized(&asked, &set, &native)))
    });
    group.finish();
}

criterion_group!(benches, main_jobs, question);
criterion_main!(benches);
