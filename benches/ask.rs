//! What one ask costs: evaluate, reserve and make durable, in one transaction of a ledger in a SQLite file. And what a release
//! costs beside it: rows from memory, each value in its form, to a sink that keeps nothing; with the commit of what left.
//!
//! `cargo bench -p exportgate-benches --bench ask`. Criterion's median is the p50 of DESIGN's row. Every job is new to the ledger,
//! and every answer must be an allowance.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use exportgate::ledger::{CustomerKey, Durability, Ledger, NewAnswer, NewRequest, SqliteLedger, SqliteOptions};
use exportgate::{
    AnyError, Approvals, Clock, Engine, Gate, GateConfig, Isolation, Job, JobDigest, Module, ModulePin, ObligationKind,
    Release, Row, Sink, TokenKey, job_file,
};
use exportgate_benches::reference::PackFiles;
use serde_json::{Value as Json, json};

const PACK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../guest-policies/support-desk");

/// The clock of the cases: 2026-11-05T10:00:00Z.
#[derive(Debug)]
struct Stopped;

impl Clock for Stopped {
    fn now_ms(&self) -> i64 {
        1_793_872_800_000
    }
}

fn put_customers(job: &mut Json, count: usize) {
    job["customers"] = (0..count)
        .map(|i| json!({"id": format!("customer-{i}"), "region": "US", "canary": false, "legalHold": false}))
        .collect();
}

struct Desk {
    gate: Gate,
    ledger: Arc<dyn Ledger>,
    asked: u64,
}

impl Desk {
    fn new(folder: &std::path::Path, durability: Durability) -> Self {
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
        let path = folder.join(format!("{durability:?}.sqlite"));
        let key = CustomerKey::new(&[7; 32]).unwrap();
        let ledger: Arc<dyn Ledger> = Arc::new(SqliteLedger::open(path, key, options).unwrap());
        let gate =
            Gate::with_ledger_and_clock(&engine, config, vec![module], ledger.clone(), Arc::new(Stopped)).unwrap();
        Self { gate, ledger, asked: 0 }
    }

    /// The job of a case of the pack, changed.
    fn job(&self, case: &str, change: impl FnOnce(&mut Json)) -> Job {
        let text = std::fs::read_to_string(format!("{PACK}/cases/{case}.json")).unwrap();
        let mut job = serde_json::from_str::<Json>(&text).unwrap()["job"].take();
        change(&mut job);
        let schema = &self.gate.modules().next().unwrap().manifest().schema.types;
        Job { approvals: Approvals::none(), ..job_file::read_json(schema, &job).unwrap().job }
    }

    /// How long it takes to ask about the job, under an id that the ledger doesn't know yet.
    fn ask(&mut self, job: &Job, approved: bool) -> Duration {
        self.asked += 1;
        let job = Job { id: format!("job-{}", self.asked).into(), ..job.clone() };
        if approved {
            self.approve(&job);
        }
        let started = Instant::now();
        let answer = black_box(self.gate.ask(&job));
        let took = started.elapsed();
        assert!(answer.permit.is_some(), "{:?}", answer.decision);
        took
    }

    fn approve(&self, job: &Job) {
        let digest = JobDigest::of(job);
        let request =
            NewRequest { digest: digest.bytes(), requested_by: &job.agent.id, expires_ms: i64::MAX, text: "" };
        let number = self.ledger.request_approval(&request, Stopped.now_ms()).unwrap();
        for (by, capacity) in [("sam", "supervisor"), ("dora", "data_owner")] {
            let answer = NewAnswer { by, capacity, approve: true };
            self.ledger.answer_request(number, &answer, Stopped.now_ms()).unwrap();
        }
    }
}

/// A sink that looks at every value, and keeps none.
#[derive(Default)]
struct Counting(usize);

impl Sink for Counting {
    fn begin(&mut self, _: &[Arc<str>]) -> Result<(), AnyError> {
        Ok(())
    }
    fn row(&mut self, row: &Row) -> Result<(), AnyError> {
        self.0 += row.values().flatten().map(str::len).sum::<usize>();
        Ok(())
    }
    fn seal(&mut self) -> Result<(), AnyError> {
        Ok(())
    }
    fn publish(&mut self) -> Result<(), AnyError> {
        Ok(())
    }
    fn discard(&mut self) -> Result<(), AnyError> {
        Ok(())
    }
}

impl Desk {
    /// How long it takes to release the rows of the job, after it was asked.
    fn release(&mut self, job: &Job, tokens: &TokenKey) -> Duration {
        self.asked += 1;
        let job = Job { id: format!("job-{}", self.asked).into(), ..job.clone() };
        self.approve(&job);
        let answer = self.gate.ask(&job);
        let permit = answer.permit.unwrap();
        let mut ids = job.customers.ids().iter();
        let mut rows = |row: &mut Row| {
            let Some(id) = ids.next() else { return Ok(false) };
            row.begin(id);
            (0..job.fields.len()).for_each(|_| row.push(Some("somebody.or.other@example.com")));
            Ok(true)
        };
        let release = Release {
            gate: &self.gate,
            job: &job,
            decision: &answer.decision,
            carries_out: &ObligationKind::ALL.into(),
            tokens: Some(tokens),
        };
        let mut sink = Counting::default();
        let started = Instant::now();
        let released = permit.release(&release, &mut rows, &mut sink).unwrap();
        let took = started.elapsed();
        assert!(released.left == job.customers.len() && sink.0 > 0);
        took
    }
}

fn releases(criterion: &mut Criterion) {
    const ROWS: usize = 10_000;
    let folder = tempfile::tempdir().unwrap();
    let mut desk = Desk::new(folder.path(), Durability::ProcessCrash);
    let tokens = TokenKey::new(&[7; 32]);
    let mut group = criterion.benchmark_group("release");
    group.sample_size(10).measurement_time(Duration::from_secs(5)).throughput(Throughput::Elements(ROWS as u64));
    let catalogue = desk.gate.modules().next().and_then(|module| module.manifest().catalogue.as_ref()).unwrap();
    let fields: Vec<String> = catalogue.fields.keys().take(12).map(|name| name.to_string()).collect();
    for (name, fields) in [("12", fields), ("1-token", vec!["customer.email".to_owned()])] {
        let job = desk.job("bulk-two-approvals", |job| {
            put_customers(job, ROWS);
            job["fields"] = json!(fields);
        });
        group.bench_function(format!("memory/{ROWS}x{name}"), |bencher| {
            bencher.iter_custom(|times| (0..times).map(|_| desk.release(&job, &tokens)).sum());
        });
    }
    group.finish();
}

fn asks(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let mut group = criterion.benchmark_group("ask");
    for (name, durability) in [("process", Durability::ProcessCrash), ("power", Durability::PowerFailure)] {
        let mut desk = Desk::new(folder.path(), durability);
        let small = desk.job("chargeback", |job| {
            job["fields"] = json!(["customer.email", "order.lines", "payment.card_last4"]);
        });
        group.bench_function(format!("sqlite-{name}/1x3"), |bencher| {
            bencher.iter_custom(|times| (0..times).map(|_| desk.ask(&small, false)).sum());
        });
    }
    group.sample_size(10).measurement_time(Duration::from_secs(10));
    let mut desk = Desk::new(folder.path(), Durability::ProcessCrash);
    let catalogue = desk.gate.modules().next().and_then(|module| module.manifest().catalogue.as_ref()).unwrap();
    let fields: Vec<String> = catalogue.fields.keys().take(12).map(|name| name.to_string()).collect();
    let large = desk.job("bulk-two-approvals", |job| {
        put_customers(job, 70_000);
        job["fields"] = json!(fields);
    });
    group.bench_function("sqlite-process/70000x12", |bencher| {
        bencher.iter_custom(|times| (0..times).map(|_| desk.ask(&large, true)).sum());
    });
    group.finish();
}

criterion_group!(all, asks, releases);
criterion_main!(all);
