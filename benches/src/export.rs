//! Whole exports of the reference pack: one customer and three fields, and seventy thousand customers.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use exportgate::{Decision, EngineConfig, Gate, Isolation, Job, MemoryWindows};

use crate::compare::{CEDAR, CEDAR_IN_WASM, CEDAR_PER_CALL, Contender, Contest, FLOOR, FRESH, PREPARED, WARM};
use crate::floor::Floor;
use crate::interpreted;
use crate::native::Native;
use crate::reference::{NOW_MS, PackFiles, Tickets, bulk_job, gate, gate_with, small_job};

/// Customers of a large job.
pub const CUSTOMERS: usize = 70_000;

/// Fields of a large job.
pub const FIELDS: usize = 12;

/// Of so many customers cedar-policy is asked about one: all of them would take it minutes.
const SHARE: usize = 100;

/// Bytes that each of the two calls of a small job copies, in and out: about what its frames and answers have.
const SMALL_CALL_BYTES: (usize, usize) = (1_024, 64);

/// How a large job's forms depend on its customers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bulk {
    /// Not at all: a field has one form in the whole job.
    FormsOfFields,
    /// They do, and the customers are of a few kinds.
    FormsOfCustomers,
    /// They do, and each customer has a ticket of their own, so that no two are alike.
    Tickets,
    /// As [`Bulk::FormsOfFields`], with the windows of the agent counted, who got half of these customers an hour ago.
    Counted,
}

/// One customer, three fields: a decision with its reasons. `core` is the interpreter's core module, where Cedar in Wasm is
/// to be compared too.
///
/// # Panics
///
/// When an engine decides otherwise than cedar-policy.
pub fn small(core: Option<&[u8]>) -> Contest {
    let files = PackFiles::reference();
    let component = files.component();
    let mut contenders = Vec::new();
    let mut add = |name, gate: Gate| {
        let mut job = small_job(&gate);
        if name == PREPARED {
            let agent = gate.prepare_agent(&job.agent, &job.entities, Duration::MAX).unwrap();
            job.prepared_agent = Some(agent);
        }
        let decision = gate.evaluate_at(&job, NOW_MS);
        assert!(decision.is_allow(), "{name}: {decision:?}");
        Native::new(&files.schema(), &files.policies(), &gate, &job, &decision).check(&decision);
        contenders.push(Contender::new(name, move || gate.evaluate_at(&job, NOW_MS)));
    };
    add(WARM, gate(&component, Isolation::Warm));
    add(PREPARED, gate(&component, Isolation::Warm));
    add(FRESH, gate(&component, Isolation::Fresh));
    if let Some(core) = core {
        let component = interpreted::component(core, &files.pack());
        let windows = Arc::new(MemoryWindows::new());
        add(CEDAR_IN_WASM, gate_with(&component, Isolation::Warm, interpreted::limits(), windows));
    }
    contenders.extend(native(&files, &gate(&component, Isolation::Warm), small_job, 1));
    let mut floor = Floor::new();
    let frame = vec![0; SMALL_CALL_BYTES.0];
    contenders.push(Contender::new(FLOOR, move || {
        floor.call(&frame, SMALL_CALL_BYTES.1) + floor.call(&frame, SMALL_CALL_BYTES.1)
    }));
    Contest { group: "evaluate", input: "1x3".to_owned(), contenders }
}

/// A large job.
///
/// # Panics
///
/// When the gate decides otherwise than cedar-policy, of the customers that both are asked about.
pub fn bulk(kind: Bulk) -> Contest {
    let (files, input, tickets) = match kind {
        Bulk::FormsOfFields => (PackFiles::without_customers_in_forms(), "70000x12-fields", Tickets::None),
        Bulk::FormsOfCustomers => (PackFiles::reference(), "70000x12-customers", Tickets::None),
        Bulk::Tickets => (PackFiles::reference(), "70000x12-tickets", Tickets::Each),
        Bulk::Counted => (PackFiles::without_customers_in_forms(), "70000x12-counted", Tickets::None),
    };
    let windows = Arc::new(MemoryWindows::new());
    let gate = gate_with(&files.component(), Isolation::Warm, EngineConfig::default(), windows.clone());
    let job = bulk_job(&gate, 0..CUSTOMERS, FIELDS, tickets);
    let few = move |gate: &Gate| bulk_job(gate, 0..CUSTOMERS / SHARE, FIELDS, tickets);
    let mut contenders = native(&files, &gate, few, SHARE).into();
    if kind == Bulk::Counted {
        let before = bulk_job(&gate, CUSTOMERS / 2..CUSTOMERS + CUSTOMERS / 2, 1, tickets).customers;
        let mut granted = before.ids().iter().map(|id| &**id);
        windows.record_grant(std::slice::from_ref(&job.agent), &mut granted, NOW_MS - 3_600_000);
        let decision = gate.evaluate_at(&job, NOW_MS);
        let counted = decision.usage().iter().find(|(name, _)| &**name == "customers24h").map(|(_, count)| *count);
        assert!(counted > Some(CUSTOMERS as u64), "{counted:?}");
        // Cedar can't count.
        contenders = Vec::new();
    }
    let decision = gate.evaluate_at(&job, NOW_MS);
    assert!(decision.is_allow(), "{:?}", decision.cause());
    check_forms(kind, &decision);
    contenders.push(Contender::new(WARM, move || gate.evaluate_at(&job, NOW_MS)));
    Contest { group: "evaluate", input: input.to_owned(), contenders }
}

fn check_forms(kind: Bulk, decision: &Decision) {
    let all_alike = (0..decision.fields().len()).all(|field| {
        (0..decision.customers())
            .filter(|row| decision.includes(*row))
            .all(|row| decision.form(row, field) == decision.form(1, field))
    });
    match kind {
        Bulk::FormsOfFields | Bulk::Counted => assert!(all_alike),
        // What the reference pack lets an exporter see doesn't differ by customer in the end; it has to be asked all the same.
        Bulk::FormsOfCustomers | Bulk::Tickets => {}
    }
}

/// cedar-policy, once it answered a job as the gate does; its time counts `share` times.
fn native(files: &PackFiles, gate: &Gate, job: impl Fn(&Gate) -> Job, share: usize) -> [Contender; 2] {
    let job = job(gate);
    let decision = gate.evaluate_at(&job, NOW_MS);
    let native = Rc::new(Native::new(&files.schema(), &files.policies(), gate, &job, &decision));
    native.check(&decision);
    let (prebuilt, per_call) = (native.build(), native.clone());
    [
        Contender::new(CEDAR, move || native.ask(&prebuilt)),
        Contender::new(CEDAR_PER_CALL, move || per_call.ask(&per_call.build())),
    ]
    .map(|contender| contender.with_share(share as f64))
}

/// How many questions native Cedar is asked for the small job.
///
/// # Panics
///
/// As [`small`].
pub fn questions_of_small() -> usize {
    let files = PackFiles::reference();
    let gate = gate_with(&files.component(), Isolation::Warm, EngineConfig::default(), Arc::new(MemoryWindows::new()));
    let job = small_job(&gate);
    let decision = gate.evaluate_at(&job, NOW_MS);
    Native::new(&files.schema(), &files.policies(), &gate, &job, &decision).questions()
}
