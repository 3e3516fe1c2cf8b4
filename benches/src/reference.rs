//! The reference pack and packs made from it, gates that hold them, and jobs made of its cases.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use exportgate::{
    Column, Customers, Engine, EngineConfig, EntityUid, Gate, GateConfig, Isolation, Job, MemoryWindows, Module,
    Windows, job_file,
};
use exportgate_compiler::{CompileOptions, Pack, Passes, compile};
use serde_json::{Value as Json, json};

/// The instant at which all jobs are decided, in milliseconds since 1970: that of the pack's cases.
pub const NOW_MS: i64 = 1_793_872_800_000;

/// The folder of the reference pack.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-policies/support-desk")
}

/// The files of a pack.
#[derive(Clone, Debug)]
pub struct PackFiles(BTreeMap<String, Vec<u8>>);

impl PackFiles {
    /// Those of the reference pack.
    ///
    /// # Panics
    ///
    /// When it isn't there.
    pub fn reference() -> Self {
        let mut files = BTreeMap::new();
        for path in ["", "policies"] {
            for entry in std::fs::read_dir(folder().join(path)).unwrap() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_file() {
                    let name = entry.file_name().into_string().unwrap();
                    let name = if path.is_empty() { name } else { format!("{path}/{name}") };
                    files.insert(name, std::fs::read(entry.path()).unwrap());
                }
            }
        }
        Self(files)
    }

    /// The reference pack without the policies by which a form depends on the customer or their ticket: each field of the
    /// job has one form.
    pub fn without_customers_in_forms() -> Self {
        let mut files = Self::reference();
        let fields = files.text("policies/fields.cedar");
        let kept = fields.split_inclusive(";\n").filter(|policy| {
            let code: String = policy.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
            !code.contains("context.customer") && !code.contains("context.ticket")
        });
        let kept: String = kept.collect();
        files.0.insert("policies/fields.cedar".to_owned(), kept.into_bytes());
        files
    }

    /// The reference pack with so many fields more, called `extra.1` and on, of the class `account`.
    #[must_use]
    pub fn with_extra_fields(mut self, count: usize) -> Self {
        let mut fields = self.text("fields.toml");
        for field in 1..=count {
            fields.push_str(&format!("[fields.\"extra.{field}\"]\nclasses = [\"account\"]\n"));
        }
        self.0.insert("fields.toml".to_owned(), fields.into_bytes());
        self
    }

    fn text(&self, path: &str) -> String {
        String::from_utf8(self.0[path].clone()).unwrap()
    }

    /// The text of its schema.
    pub fn schema(&self) -> String {
        self.text("schema.cedarschema")
    }

    /// The text of all its policies.
    pub fn policies(&self) -> String {
        self.0
            .iter()
            .filter(|(path, _)| path.ends_with(".cedar"))
            .map(|(_, text)| String::from_utf8_lossy(text))
            .collect()
    }

    /// The pack.
    ///
    /// # Panics
    ///
    /// When it can't be read.
    pub fn pack(&self) -> Pack {
        Pack::from_files(&self.0).unwrap_or_else(|errors| panic!("{}", errors.render()))
    }

    /// The component.
    ///
    /// # Panics
    ///
    /// When the pack doesn't compile.
    pub fn component(&self) -> Vec<u8> {
        compiled(&self.pack(), Passes::default())
    }
}

/// The component of a pack.
///
/// # Panics
///
/// When it doesn't compile.
pub fn compiled(pack: &Pack, passes: Passes) -> Vec<u8> {
    compile(pack, &CompileOptions { passes }).unwrap_or_else(|errors| panic!("{}", errors.render())).component
}

/// A gate with a module of these bytes and fresh windows.
///
/// # Panics
///
/// When the module doesn't load.
pub fn gate(component: &[u8], isolation: Isolation) -> Gate {
    gate_with(component, isolation, EngineConfig::default(), Arc::new(MemoryWindows::new()))
}

/// The same with limits and windows of another kind.
///
/// # Panics
///
/// As there.
pub fn gate_with(
    component: &[u8],
    isolation: Isolation,
    limits: EngineConfig,
    windows: Arc<dyn Windows + Send + Sync>,
) -> Gate {
    let engine = Engine::new(&limits).unwrap();
    gate_of(&engine, component, isolation, windows)
}

/// A gate in an engine that there is already, with fresh windows.
///
/// # Panics
///
/// As [`gate`].
pub fn gate_in(engine: &Engine, component: &[u8], isolation: Isolation) -> Gate {
    gate_of(engine, component, isolation, Arc::new(MemoryWindows::new()))
}

fn gate_of(engine: &Engine, component: &[u8], isolation: Isolation, windows: Arc<dyn Windows + Send + Sync>) -> Gate {
    let module = Module::load(engine, component).unwrap_or_else(|error| panic!("{error}"));
    let config =
        GateConfig { engine: engine.config().clone(), modules: vec![module.pin(isolation)], ..GateConfig::dry_run() };
    Gate::new(engine, config, vec![module], windows).unwrap()
}

/// The job of a case of the pack, changed by `edit`.
///
/// # Panics
///
/// When there is no such case, or it isn't a job any more.
pub fn job(gate: &Gate, case: &str, edit: impl FnOnce(&mut Json)) -> Job {
    let text = std::fs::read_to_string(folder().join(format!("cases/{case}.json"))).unwrap();
    let mut case: Json = serde_json::from_str(&text).unwrap();
    edit(&mut case["job"]);
    let schema = &gate.modules().next().unwrap().manifest().schema.types;
    job_file::read_json(schema, &case["job"]).unwrap_or_else(|error| panic!("{error}")).job
}

/// The job of one customer with a ticket, and three fields, that a support agent asks for.
pub fn small_job(gate: &Gate) -> Job {
    job(gate, "chargeback", |job| job["fields"] = json!(["customer.email", "order.lines", "payment.card_last4"]))
}

/// A job of bulk work, approved: so many customers, the first fields of the catalogue. The customers are of the kinds that
/// the policies tell apart and let through: on hold or not, in a segment or in none.
///
/// # Panics
///
/// When the gate's module has no catalogue.
pub fn bulk_job(gate: &Gate, customers: Range<usize>, fields: usize, tickets: Tickets) -> Job {
    let catalogue = gate.modules().next().unwrap().manifest().catalogue.as_ref().unwrap();
    let fields: Vec<&str> = catalogue.fields.keys().take(fields).map(|name| &**name).collect();
    let mut job = job(gate, "bulk-two-approvals", |job| {
        job["fields"] = json!(fields);
        if tickets == Tickets::Each {
            job["entities"].as_array_mut().unwrap().extend(customers.clone().map(|i| {
                json!({"type": "Ticket", "id": format!("ticket-{i}"), "attributes": {
                    "customer": format!("customer-{i}"), "assignee": "agent-1", "openedBy": "customer",
                    "assignedBy": "queue", "state": "open", "openedAt": "2026-11-04T09:00:00Z"}})
            }));
        }
    });
    let segment = |i: usize| match i % 40 {
        7 => vec![EntityUid::new("Export::Segment", "minor")],
        21 => vec![EntityUid::new("Export::Segment", "employee")],
        _ => Vec::new(),
    };
    let each = || customers.clone();
    job.customers = Customers::new(each().map(|i| format!("customer-{i}")))
        .and_then(|rows| rows.with_attribute("region", Column::texts(each().map(|_| Some("US")))))
        .and_then(|rows| rows.with_attribute("canary", Column::bools(each().map(|_| Some(false)))))
        .and_then(|rows| rows.with_attribute("legalHold", Column::bools(each().map(|i| Some(i.is_multiple_of(50))))))
        .and_then(|rows| rows.with_parents(each().map(segment)))
        .unwrap();
    if tickets == Tickets::Each {
        job.customers = job.customers.with_tickets(each().map(|i| Some(format!("ticket-{i}")))).unwrap();
    }
    job
}

/// Whether the customers of a job have tickets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tickets {
    /// None has: the customers are of a few kinds.
    None,
    /// Each has one of their own: no two customers are alike.
    Each,
}
