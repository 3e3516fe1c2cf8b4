//! A gate on a ledger, asked about jobs of the reference pack.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use exportgate::audit_log::CustomerKey as LogKey;
use exportgate::ledger::{
    CustomerKey, Durability, Ledger, NewAnswer, NewRequest, PostgresClock, PostgresLedger, PostgresOptions,
    SqliteLedger, SqliteOptions,
};
use exportgate::{
    Answer, Approvals, AuditLog, Clock, Engine, Gate, GateConfig, Isolation, Job, JobDigest, Left, Module,
};
use serde_json::json;

use crate::reference::{NOW_MS, PackFiles, job, small_job};

/// Begins at the time of the cases, and is a millisecond later at each new job, so that none counts at another's time.
#[derive(Debug)]
struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Where the ledger of a desk lies.
#[derive(Clone, Copy, Debug)]
pub enum Store<'a> {
    /// A new file in this folder.
    Sqlite(&'a Path, Durability),
    /// A new schema in this database, named as `host=... user=... dbname=...`.
    Postgres(&'a str),
}

impl Store<'_> {
    fn open(self, key: CustomerKey) -> Arc<dyn Ledger> {
        static OPENED: AtomicU64 = AtomicU64::new(0);
        let number = OPENED.fetch_add(1, Ordering::Relaxed);
        match self {
            Self::Sqlite(folder, durability) => {
                let options = SqliteOptions { durability, ..SqliteOptions::default() };
                Arc::new(SqliteLedger::open(folder.join(format!("{number}.sqlite")), key, options).unwrap())
            }
            Self::Postgres(url) => {
                let schema = format!("bench_{}_{number}", std::process::id());
                let options = PostgresOptions { schema, clock: PostgresClock::Caller, ..PostgresOptions::default() };
                Arc::new(PostgresLedger::open(url, key, options).unwrap())
            }
        }
    }
}

/// The database to measure, where `EXPORTGATE_BENCH_POSTGRES` names one; the schemas that are made there stay.
pub fn postgres_url() -> Option<String> {
    std::env::var("EXPORTGATE_BENCH_POSTGRES").ok()
}

/// A gate that is asked about one new job after the other.
pub struct Desk {
    gate: Gate,
    ledger: Arc<dyn Ledger>,
    clock: Arc<Ticking>,
    asked: AtomicU64,
}

impl Desk {
    /// A gate on a new ledger; with `recorded` every ask goes into the audit log.
    ///
    /// # Panics
    ///
    /// When the store can't be opened.
    pub fn new(store: Store<'_>, recorded: bool) -> Self {
        let engine = Engine::new(&GateConfig::dry_run().engine).unwrap();
        let module = Module::load(&engine, &PackFiles::reference().component()).unwrap();
        let config = GateConfig { modules: vec![module.pin(Isolation::Warm)], ..GateConfig::dry_run() };
        let ledger = store.open(CustomerKey::new(&[7; 32]).unwrap());
        let clock = Arc::new(Ticking(AtomicI64::new(NOW_MS)));
        let mut gate =
            Gate::with_ledger_and_clock(&engine, config, vec![module], ledger.clone(), clock.clone()).unwrap();
        if recorded {
            let log = AuditLog::new("bench.example/log", LogKey::new(1, &[8; 32]), &gate);
            gate = gate.with_recorder(Arc::new(log));
        }
        Self { gate, ledger, clock, asked: AtomicU64::new(0) }
    }

    /// The gate.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// The job of one customer and three fields.
    pub fn small_job(&self) -> Job {
        Job { approvals: Approvals::none(), ..small_job(&self.gate) }
    }

    /// A job of bulk work, which takes two approvals: so many customers that the ledger doesn't know yet, the first fields
    /// of the catalogue.
    ///
    /// # Panics
    ///
    /// When the pack has no such case.
    pub fn bulk_job(&self, customers: usize, fields: usize) -> Job {
        let catalogue = self.gate.modules().next().and_then(|module| module.manifest().catalogue.as_ref()).unwrap();
        let fields: Vec<&str> = catalogue.fields.keys().take(fields).map(|name| &**name).collect();
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        let job = job(&self.gate, "bulk-two-approvals", |job| {
            job["customers"] = (0..customers)
                .map(|i| json!({"id": format!("customer-{number}-{i}"), "region": "US", "canary": false, "legalHold": false}))
                .collect();
            job["fields"] = json!(fields);
        });
        Job { approvals: Approvals::none(), ..job }
    }

    /// The job under an id that the ledger doesn't know yet, a millisecond later.
    pub fn new_job(&self, job: &Job) -> Job {
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        self.clock.0.fetch_add(1, Ordering::Relaxed);
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
        let number = self.ledger.request_approval(&request, self.clock.now_ms()).unwrap();
        for (by, capacity) in [("sam", "supervisor"), ("dora", "data_owner")] {
            let answer = NewAnswer { by, capacity, approve: true };
            self.ledger.answer_request(number, &answer, self.clock.now_ms()).unwrap();
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

    /// How long it takes to ask about the job, under an id that the ledger doesn't know yet. Then all of it leaves, as an
    /// honest tool says: with what was never answered a customer's next ask has more to look at.
    ///
    /// # Panics
    ///
    /// When it isn't allowed, and when the ledger fails.
    pub fn time_ask(&self, job: &Job) -> Duration {
        let job = self.new_job(job);
        if job.customers.len() > 1 {
            self.approve(&job);
        }
        let (_, took) = self.ask(&job);
        self.gate.commit(&job.id, Left::All).unwrap();
        took
    }
}
