//! Job files: what they say, and what is said of those that don't fit the schema.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic: that is how it fails"
)]

#[path = "support/component.rs"]
mod component;
#[path = "support/guest.rs"]
mod guest;

use exportgate::job_file::{self, JobFile, JobFileError};
use exportgate::{Engine, EngineConfig, Form, Gate, GateConfig, MemoryWindows, Module};
use exportgate_contract::manifest::Manifest;
use exportgate_contract::types::{Attribute, Type};
use exportgate_contract::value::{EntityUid, Ip, Value};
use guest::{Guest, Test, forbid, permit};
use serde_json::{Value as Json, json};

fn guest() -> Guest {
    let mut guest = Guest::new(vec![
        permit("may-export", "export", Test::Above("context.usage.customers24h", 9)),
        permit("may-leave", "include", Test::Always),
        forbid("closed", "include", Test::Is("ticket.open"))
            .unless(Test::In("customer", "Segment", "vip"))
            .note("reason", "open"),
        permit("plain", "reveal_plain", Test::Always),
    ]);
    guest.windows = vec!["customers24h", "denied1h"];
    guest
}

fn module() -> Module {
    Module::load(&Engine::new(&EngineConfig::default()).unwrap(), &guest().build()).unwrap()
}

fn job() -> Json {
    json!({
        "job": "job-1",
        "at": "2026-11-05T10:00:00Z",
        "agent": { "id": "ana", "risk": 5, "in": ["Role::support", "Export::Team::\"a::b\""] },
        "fields": ["card", "customer.email"],
        "env": {
            "ok": true, "amount": -3, "destination": "drive", "managedDevice": true,
            "auth": { "phishingResistant": true, "ageSec": 60 },
            "network": { "corporate": true }
        },
        "approvals": { "supervisor": true, "dataOwner": true, "ageSec": 7 },
        "usage": { "customers24h": 12 },
        "customers": [
            { "id": "c-1", "canary": false, "hold": true, "in": ["Segment::vip"], "ticket": "T-1" },
            { "id": "c-2", "canary": true, "attributes": { "hold": false } }
        ],
        "entities": [
            { "type": "Team", "id": "a::b", "in": [{ "type": "Vendor", "id": "v" }] },
            { "type": "Export::Ticket", "id": "T-1", "attributes": { "open": false } },
            { "type": "Destination", "id": "drive" }
        ]
    })
}

fn schema() -> Manifest {
    module().manifest().clone()
}

fn read(json: &Json) -> Result<JobFile, JobFileError> {
    job_file::read(&schema().schema.types, &json.to_string())
}

/// Checks the complaint about the sample with one part replaced; `null` takes the part away.
fn check(pointer: &str, value: Json, message: &str) {
    let mut json = job();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = json.pointer_mut(parent).unwrap();
    match parent {
        Json::Object(members) if value.is_null() => {
            members.remove(name);
        }
        Json::Object(members) => {
            members.insert(name.to_owned(), value);
        }
        Json::Array(items) => items[name.parse::<usize>().unwrap()] = value,
        _ => panic!("{pointer}"),
    }
    assert_eq!(read(&json).unwrap_err().to_string(), message);
}

#[test]
fn a_job_file_says_what_it_shows() {
    let file = read(&job()).unwrap();
    let uid = |entity_type: &str, id: &str| EntityUid::new(format!("Export::{entity_type}"), id);
    assert_eq!(file.now_ms, Some(1_793_872_800_000));
    assert_eq!(file.usage.values().copied().collect::<Vec<_>>(), [12]);
    assert_eq!((&*file.job.id, &file.job.agent), ("job-1", &uid("Agent", "ana")));
    let agent = file.job.entities.entity(&file.job.agent).unwrap();
    assert_eq!(agent.parents, [uid("Role", "support"), uid("Team", "a::b")]);
    assert_eq!(agent.attributes["risk"], Value::Long(5));
    assert_eq!(file.job.entities.entity(&uid("Team", "a::b")).unwrap().parents, [uid("Vendor", "v")]);
    assert_eq!(file.job.customers.ids(), ["c-1".into(), "c-2".into()]);
    assert_eq!(file.job.customers.parents(0), [uid("Segment", "vip")]);
    assert_eq!(file.job.customers.ticket(0), Some(&uid("Ticket", "T-1")));
    assert_eq!(file.job.customers.ticket(1), None);
    let summary = file.job.approvals.summary(0);
    assert_eq!((summary.distinct, summary.supervisor, summary.operator, summary.age_seconds), (2, true, false, 7));
    let Value::Record(env) = &file.job.env else { panic!("env is a record") };
    assert_eq!(env["destination"], Value::Entity(uid("Destination", "drive")));
}

#[test]
fn a_dry_run_takes_time_and_usage_from_the_file() {
    let module = module();
    let engine = Engine::new(&EngineConfig::default()).unwrap();
    let windows = std::sync::Arc::new(MemoryWindows::new());
    let gate = Gate::new(&engine, GateConfig::dry_run(), vec![module], windows).unwrap();
    let mut json = job();
    json["customers"] = json!([{ "id": "c-1", "canary": false, "hold": true, "ticket": "T-1" }]);
    let decision = gate.evaluate_file(&read(&json).unwrap(), 5);
    assert_eq!(decision.now_ms(), 1_793_872_800_000);
    assert_eq!(decision.usage(), [("customers24h".into(), 12), ("denied1h".into(), 0)]);
    assert!(decision.is_allow() && decision.form(0, 1) == Form::Plain);
    json.as_object_mut().unwrap().retain(|name, _| name != "usage" && name != "at");
    let fresh = gate.evaluate_file(&read(&json).unwrap(), 5);
    assert_eq!((fresh.now_ms(), fresh.usage()), (5, &[("customers24h".into(), 1), ("denied1h".into(), 0)][..]));
    assert!(fresh.is_policy_denial());
}

#[test]
fn complaints_name_the_place_and_what_was_expected_and_found() {
    check("/job", Json::Null, "`job`: is missing");
    check("/job", json!(""), "`job`: the id is empty");
    check("/job", json!("a\nb"), "`job`: the id holds control characters: `a\\nb`");
    check("/at", json!("today"), "`at`: expected a datetime such as `2026-11-05T10:00:00Z`, found `today`");
    check(
        "/now",
        json!("2026-11-05"),
        "`now`: is unknown: expected one of `job`, `at`, `agent`, `fields`, `env`, `approvals`, `usage`, `customers`, `entities`",
    );
    check("/env/ok", json!(1), "`env.ok`: expected a truth value, found `1`");
    check("/env/ok", Json::Null, "`env.ok`: is missing: a `Bool`");
    check("/env/amount", json!(1.5), "`env.amount`: expected a whole number of 64 bits, found `1.5`");
    check(
        "/env/amount",
        json!(1u64 << 63),
        "`env.amount`: expected a whole number of 64 bits, found `9223372036854775808`",
    );
    check("/env/tally", json!({}), "`env.tally`: the schema declares no such attribute");
    check(
        "/env/network/corporate",
        json!("yes"),
        "`env.network.corporate`: expected a truth value, found the string `yes`",
    );
    check(
        "/env/destination",
        json!(["x"]),
        "`env.destination`: expected the id of a `Export::Destination`, found a list",
    );
    check(
        "/env/destination",
        json!({ "type": "Team", "id": "x" }),
        "`env.destination`: expected a `Export::Destination`, found a `Export::Team`",
    );
    check(
        "/agent/in/0",
        json!("Rolle::x"),
        "`agent.in[0]`: expected an entity of a type of the schema, such as `Role::support`, found `Rolle::x`",
    );
    check(
        "/agent/in/0",
        json!("Segment::x"),
        "`agent.in[0]`: the schema doesn't let a `Export::Agent` be in a `Export::Segment`",
    );
    check("/customers/1/canary", Json::Null, "`customers[1].canary`: is missing: a `Bool`");
    check("/customers/1/hold", json!(true), "`customers[1].hold`: is given twice");
    check("/customers/0/ticket", json!(7), "`customers[0].ticket`: expected an id (a string), found `7`");
    check("/customers/1/id", json!("c-1"), "`customers`: customer `c-1` is given twice");
    check("/customers", Json::Null, "`customers`: is missing");
    check("/usage/customers7h", json!(1), "`usage.customers7h`: the schema declares no such window");
    check("/usage/customers24h", json!(-1), "`usage.customers24h`: expected a count, found `-1`");
    check(
        "/approvals/ceo",
        json!(true),
        "`approvals.ceo`: is unknown: expected one of `ageSec`, `dataOwner`, `distinct`, `operator`, `supervisor`",
    );
    check("/entities/2/type", json!("Job"), "`entities[2]`: a `Export::Job` is stated by the gate alone");
    check("/entities/2/type", json!("Desk"), "`entities[2].type`: the schema declares no entity type `Desk`");
}

#[test]
fn complaints_come_together_and_are_capped() {
    let mut json = job();
    json["env"] = json!({});
    json["fields"] = json!("card");
    let error = read(&json).unwrap_err();
    let JobFileError::Complaints { complaints, more } = &error else { panic!("{error}") };
    assert_eq!((complaints.len(), *more), (5, 2));
    assert_eq!(complaints[0].to_string(), "`fields`: expected a list, found the string `card`");
    assert!(error.to_string().ends_with("; and 2 more"), "{error}");
}

#[test]
fn what_is_no_json_is_said_with_its_place() {
    let error = job_file::read(&schema().schema.types, "{\n \"job\": }").unwrap_err();
    assert!(matches!(error, JobFileError::Syntax { line: 2, .. }));
    assert_eq!(error.to_string(), "the job file isn't JSON: expected value at line 2 column 9");
    let error = job_file::read(&schema().schema.types, "{\"env\": {\"ok\": true, \"ok\": false}}").unwrap_err();
    assert_eq!(error.to_string(), "the job file is ambiguous: the member `ok` stands twice at line 1 column 25");
    assert_eq!(read(&json!([])).unwrap_err().to_string(), "expected an object, found a list");
}

#[test]
fn values_of_all_types_are_read() {
    let mut manifest = schema();
    let ids = Some(vec!["red".into(), "blue".into()]);
    let colour = exportgate_contract::types::EntityType { ids, ..Default::default() };
    manifest.schema.types.entities.insert("Export::Colour".into(), colour);
    let attributes = [
        ("ip", Type::Ip),
        ("price", Type::Decimal),
        ("wait", Type::Duration),
        ("born", Type::Datetime),
        ("colours", Type::Set(Box::new(Type::Entity("Export::Colour".into())))),
        ("note", Type::String),
    ];
    let ticket = manifest.schema.types.entities.get_mut("Export::Ticket").unwrap();
    ticket.attributes = attributes.map(|(name, ty)| (name.into(), Attribute { ty, required: false })).into();
    let read = |attributes: Json| {
        let mut json = job();
        json["entities"][1]["attributes"] = attributes;
        let file = job_file::read_json(&manifest.schema.types, &json)?;
        let ticket = EntityUid::new("Export::Ticket", "T-1");
        Ok::<_, JobFileError>(file.job.entities.entity(&ticket).unwrap().attributes.clone())
    };
    let values = read(json!({
        "ip": "10.0.0.0/8", "price": "12.5", "wait": "1h", "born": "2000-02-29", "colours": ["red", "blue", "red"], "note": ""
    }))
    .unwrap();
    assert_eq!(values["ip"], Value::Ip(Ip { address: 0x0a00_0000, prefix: 8, v6: false }));
    assert_eq!(values["price"], Value::Decimal(125_000));
    assert_eq!(values["wait"], Value::Duration(3_600_000));
    assert_eq!(values["born"], Value::Datetime(951_782_400_000));
    let colour = |id: &str| Value::Entity(EntityUid::new("Export::Colour", id));
    assert_eq!(values["colours"], Value::set([colour("red"), colour("blue")]));
    assert_eq!(read(json!({})).unwrap().len(), 0);
    let complaint = |attributes: Json| read(attributes).unwrap_err().to_string();
    assert_eq!(
        complaint(json!({ "ip": "10.0.0" })),
        "`entities[1].attributes.ip`: expected a ipaddr such as `198.51.100.0/24`, found `10.0.0`"
    );
    assert_eq!(
        complaint(json!({ "price": 1 })),
        "`entities[1].attributes.price`: expected a string that is a decimal, found `1`"
    );
    assert_eq!(
        complaint(json!({ "colours": ["red", "green"] })),
        "`entities[1].attributes.colours[1]`: expected an id of the enumeration `Export::Colour` (`red`, `blue`), found `green`"
    );
}

#[test]
fn customers_come_from_a_table() {
    let mut json = job();
    json.as_object_mut().unwrap().remove("customers");
    let text = json.to_string();
    let schema = schema();
    let strings = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
    let read = |header: &[&str], rows: &[&[&str]]| {
        let rows: Vec<Vec<String>> = rows.iter().map(|row| strings(row)).collect();
        job_file::read_with_table(&schema.schema.types, &text, &strings(header), &rows)
    };
    let header = ["id", "hold", "ticket", "canary", "in"];
    let file =
        read(&header, &[&["c-1", "true", "T-1", "false", "Segment::a Segment::b"], &["c-2", "false", "", "true", ""]]);
    let customers = file.unwrap().job.customers;
    assert_eq!(customers.ids(), ["c-1".into(), "c-2".into()]);
    assert_eq!((customers.parents(0).len(), customers.parents(1).len()), (2, 0));
    assert!(customers.ticket(0).is_some() && customers.ticket(1).is_none());
    let cell = |name: &str, row| customers.attributes().find(|(known, _)| *known == name).unwrap().1.value(row);
    assert_eq!((cell("hold", 0), cell("canary", 0)), (Some(Value::Bool(true)), Some(Value::Bool(false))));
    let complaint = |header: &[&str], rows: &[&[&str]]| read(header, rows).unwrap_err().to_string();
    assert_eq!(
        complaint(&header, &[&["c-1", "yes", "", "", ""], &["", "true", "", "true", ""], &["c-3"]]),
        "`table[1].hold`: expected `true` or `false`, found `yes`; `table[2].id`: the id is empty; `table[3]`: expected 5 cells, found 1"
    );
    assert_eq!(
        complaint(&["id", "hold", "hold", "colour"], &[]),
        "`table`: column `hold` stands twice in the header; `table`: column `colour`: the schema declares no such attribute; `table`: the header names no column `canary`, which every customer must have"
    );
    let both = job_file::read_with_table(&schema.schema.types, &job().to_string(), &strings(&header), &[]);
    assert_eq!(
        both.unwrap_err().to_string(),
        "`customers`: the customers come from a table, so there can't be any here"
    );
}
