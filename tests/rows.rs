//! Customers of whom policies read the same are asked about once: with and without that, every decision is the same.

use std::sync::Arc;

use exportgate::{Decision, Engine, EngineConfig, Gate, GateConfig, MemoryWindows, Module, PolicyUse, job_file};
use exportgate_compiler::{CompileOptions, Pack};
use exportgate_tests::bless::{self, workspace};
use exportgate_tests::guests;
use serde_json::{Value as Json, json};

pub(crate) const NOW_MS: i64 = 1_793_872_800_000;

pub(crate) fn gate(component: &[u8], equal_rows_once: bool) -> Gate {
    let engine = EngineConfig { equal_rows_once, ..EngineConfig::default() };
    let config = GateConfig { engine: engine.clone(), ..GateConfig::dry_run() };
    let engine = Engine::new(&engine).unwrap();
    let module = Module::load(&engine, component).unwrap();
    Gate::new(&engine, config, vec![module], Arc::new(MemoryWindows::new())).unwrap_or_else(|e| panic!("{e}"))
}

pub(crate) fn shown(decision: &Decision) -> String {
    let policies = |uses: &[PolicyUse]| -> Vec<String> {
        uses.iter().map(|used| format!("{} {:?} {}", used.policy.id(), used.asked, used.points)).collect()
    };
    let rows: Vec<String> = (0..decision.customers())
        .map(|row| {
            let forms: Vec<&str> = (0..decision.fields().len()).map(|field| decision.form(row, field).name()).collect();
            format!("{} {}", decision.includes(row), forms.join(" "))
        })
        .collect();
    format!(
        "{:?} {:?} {}\ndetermining {:?}\nerring {:?}\n{:?} {:?} {:?}\n{}",
        decision.verdict(),
        decision.cause().map(ToString::to_string),
        decision.customers_included(),
        policies(decision.policies()),
        policies(decision.erring()),
        decision.tallies(),
        decision.usage(),
        decision.obligations(),
        rows.join("\n")
    )
}

/// Which customers a job is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Of any kind, with tickets of their own, of others, or that nobody knows.
    Any,
    /// As an honest agent works on: each with a ticket of its own.
    Ticketed,
    /// As in bulk work: without tickets.
    Bulk,
}

/// Customers of a few kinds, in no order.
pub(crate) fn put_customers(job: &mut Json, kind: Kind, count: usize, numbers: &mut fastrand::Rng) {
    let mut tickets = Vec::new();
    let mut customers = Vec::new();
    for row in 0..count {
        let region = if kind == Kind::Any { ["US", "EU", "US"][numbers.usize(..3)] } else { "US" };
        let mut customer = json!({
            "id": format!("customer-{row}"), "region": region,
            "canary": kind == Kind::Any && numbers.u8(..40) == 0, "legalHold": numbers.u8(..4) == 0,
        });
        match numbers.u8(..8) {
            0 => customer["in"] = json!(["Segment::minor"]),
            1 if kind == Kind::Any => customer["in"] = json!(["Segment::celebrity", "Segment::protected"]),
            _ => {}
        }
        let own = kind == Kind::Ticketed || numbers.bool();
        if kind == Kind::Ticketed || (kind == Kind::Any && numbers.u8(..3) == 0) {
            let owner = if own { row } else { numbers.usize(..count) };
            customer["ticket"] = json!(format!("ticket-{row}"));
            if own || numbers.u8(..6) > 0 {
                tickets.push(json!({"type": "Ticket", "id": format!("ticket-{row}"), "attributes": {
                    "customer": format!("customer-{owner}"), "assignee": "agent-1", "openedBy": "customer",
                    "assignedBy": "queue", "state": "open", "openedAt": "2026-11-04T09:00:00Z",
                }}));
            }
        } else if kind == Kind::Any && numbers.u8(..6) == 0 {
            customer["ticket"] = json!("ticket-shared");
        }
        customers.push(customer);
    }
    tickets.push(json!({"type": "Ticket", "id": "ticket-shared", "attributes": {
        "customer": format!("customer-{}", numbers.usize(..count)), "assignee": "agent-1", "openedBy": "customer",
        "assignedBy": "queue", "state": "open", "openedAt": "2026-11-04T09:00:00Z",
    }}));
    job["customers"] = customers.into();
    let entities = job["entities"].as_array_mut().unwrap();
    entities.retain(|entity| entity["type"] != "Ticket");
    entities.extend(tickets);
}

#[test]
fn rows_that_read_alike_are_decided_as_if_each_were_asked_about() {
    let pack = Pack::from_files(&guests::pack_files("support-desk")).unwrap_or_else(|e| panic!("{e}"));
    let component = exportgate_compiler::compile(&pack, &CompileOptions::default()).unwrap().component;
    let (once, each) = (gate(&component, true), gate(&component, false));
    let manifest = once.modules().next().unwrap().manifest().clone();
    let fields: Vec<&str> = manifest.catalogue.as_ref().unwrap().fields.keys().map(|name| &**name).collect();
    let mut numbers = fastrand::Rng::with_seed(5);
    let (mut allowed, mut varied, mut cheaper, mut decision) = (0, 0, 0, Decision::empty());
    let cases = bless::files(&workspace().join("guest-policies/support-desk/cases"), "json");
    for (path, kind) in cases.iter().flat_map(|path| [Kind::Any, Kind::Ticketed, Kind::Bulk].map(|kind| (path, kind))) {
        let place = format!("{kind:?} {}", path.display());
        let mut case: Json = serde_json::from_str(&bless::read(path)).unwrap();
        let Some(job) = case.get_mut("job").filter(|job| job["entities"].is_array()) else { continue };
        let count = [2, 9, 60][numbers.usize(..3)];
        put_customers(job, kind, count, &mut numbers);
        if numbers.bool() {
            job["fields"] = json!(numbers.choose_multiple(fields.iter().copied(), 3));
        }
        let job = job_file::read_json(&manifest.schema.types, job).unwrap_or_else(|e| panic!("{place}: {e}")).job;
        let (left, right) = (once.evaluate_at(&job, NOW_MS), each.evaluate_at(&job, NOW_MS));
        assert_eq!(shown(&left), shown(&right), "{place}");
        // A decision leaves nothing in the room that the next one is made in.
        once.evaluate_into_at(&job, NOW_MS, &mut decision);
        assert_eq!(shown(&decision), shown(&left), "{place}");
        assert!(left.fuel_used() <= right.fuel_used(), "{place}");
        allowed += usize::from(left.is_allow());
        varied += usize::from(left.is_allow() && left.forms_of_all().is_none());
        cheaper += usize::from(left.fuel_used() < right.fuel_used());
    }
    assert!(
        allowed > 30 && varied > 30 && cheaper > 100,
        "{allowed} allowed, {varied} of them by row, {cheaper} cheaper"
    );
}
