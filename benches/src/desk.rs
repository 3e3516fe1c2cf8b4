//! A gate on a ledger in a SQLite file, asked about jobs of the reference pack.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use exportgate::audit_log::CustomerKey as LogKey;
use exportgate::ledger::{CustomerKey, Durability, Ledger, NewAnswer, NewRequest, SqliteLedger, SqliteOptions};
use exportgate::{
    Answer, Approvals, AuditLog, Clock, Engine, Gate, GateConfig, Isolation, Job, JobDigest, Module, ModulePin,
};
use serde_json::json;

use crate::reference::{NOW_MS, PackFiles, job, small_job};

/// The clock of the cases.
#[derive(Debug)]
struct Stopped;

impl Clock for Stopped {
    fn now_ms(&self) -> i64 {
        NOW_MS
    }
}

/// A gate that is asked about one new job after the other.
pub struct Desk {
    gate: Gate,
    ledger: Arc<dyn Ledger>,
    asked: AtomicU64,
}

impl Desk {
    /// A gate on a new ledger in `folder`; with `recorded` every ask goes into the audit log.
    ///
    /// # Panics
    ///
    /// When there was one already.
    pub fn new(folder: &Path, durability: Durability, recorded: bool) -> Self {
        let engine = Engine::new(&GateConfig::dry_run().engine).unwrap();
        let module = Module::load(&engine, &PackFiles::reference().component()).unwrap();
        let pin = ModulePin {
            name: module.manifest().name.clone(),
            sha256: module.sha256().to_owned(),
            version_min: None,
            isolation: Isolation::Warm,
        };
        let config = GateConfig { modules: vec![pin], ..GateConfig::dry_run() };
        let options = SqliteOptions { durability, ..SqliteOptions::default() };
        let path = folder.join(format!("{durability:?}-{recorded}.sqlite"));
        assert!(!path.exists(), "a ledger that others used");
        let key = CustomerKey::new(&[7; 32]).unwrap();
        let ledger: Arc<dyn Ledger> = Arc::new(SqliteLedger::open(path, key, options).unwrap());
        let mut gate =
            Gate::with_ledger_and_clock(&engine, config, vec![module], ledger.clone(), Arc::new(Stopped)).unwrap();
        if recorded {
            let log = AuditLog::new("bench.example/log", LogKey::new(1, &[8; 32]), &gate);
            gate = gate.with_recorder(Arc::new(log));
        }
        Self { gate, ledger, asked: AtomicU64::new(0) }
    }

    /// The gate.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// The job of one customer and three fields.
    pub fn small_job(&self) -> Job {
        Job { approvals: Approvals::none(), ..small_job(&self.gate) }
    }

    /// A job of bulk work, which takes two approvals: so many customers, the first fields of the catalogue.
    ///
    /// # Panics
    ///
    /// When the pack has no such case.
    pub fn bulk_job(&self, customers: usize, fields: usize) -> Job {
        let catalogue = self.gate.modules().next().and_then(|module| module.manifest().catalogue.as_ref()).unwrap();
        let fields: Vec<&str> = catalogue.fields.keys().take(fields).map(|name| &**name).collect();
        let job = job(&self.gate, "bulk-two-approvals", |job| {
            job["customers"] = (0..customers)
                .map(|i| json!({"id": format!("customer-{i}"), "region": "US", "canary": false, "legalHold": false}))
                .collect();
            job["fields"] = json!(fields);
        });
        Job { approvals: Approvals::none(), ..job }
    }

    /// The job under an id that the ledger doesn't know yet.
    pub fn new_job(&self, job: &Job) -> Job {
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        Job { id: format!("job-{number}").into(), ..job.clone() }
    }

    /// Approves the job in both capacities.
    ///
    /// # Panics
    ///
    /// When the ledger fails.
    pub fn approve(&self, job: &Job) {
        let digest = JobDigest::of(job);
        let request =
            NewRequest { digest: digest.bytes(), requested_by: &job.agent.id, expires_ms: i64::MAX, text: "" };
        let number = self.ledger.request_approval(&request, NOW_MS).unwrap();
        for (by, capacity) in [("sam", "supervisor"), ("dora", "data_owner")] {
            let answer = NewAnswer { by, capacity, approve: true };
            self.ledger.answer_request(number, &answer, NOW_MS).unwrap();
        }
    }

    /// Asks about the job, and how long that took.
    ///
    /// # Panics
    ///
    /// When it isn't allowed.
    pub fn ask(&self, job: &Job) -> (Answer, Duration) {
        let started = Instant::now();
        let answer = black_box(self.gate.ask(job));
        let took = started.elapsed();
        assert!(answer.permit.is_some(), "{:?}", answer.decision);
        (answer, took)
    }
}
