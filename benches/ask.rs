//! What one ask costs: evaluate, reserve, record and make durable, in one transaction of a ledger. And what a release costs
//! beside it: rows from memory, each value in its form, to a sink that keeps nothing; with the commit of what left.
//!
//! `cargo bench -p exportgate-benches --bench ask`. Criterion's median is the p50 of DESIGN's row. Every job is new to the ledger,
//! and every answer must be an allowance. `EXPORTGATE_BENCH_POSTGRES` names a server as `host=... user=... dbname=...` to
//! measure PostgreSQL too.

use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use exportgate::ledger::Durability;
use exportgate::{AnyError, Job, ObligationKind, Release, Row, Sink, TokenKey};
use exportgate_benches::desk::{self, Desk, Store};

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

/// How long it takes to release the rows of a job, after it was asked.
fn release(desk: &Desk, job: &Job, tokens: &TokenKey) -> Duration {
    let job = desk.new_job(job);
    desk.approve(&job);
    let (answer, _) = desk.ask(&job);
    let permit = answer.permit.unwrap();
    let mut ids = job.customers.ids().iter();
    let mut rows = |row: &mut Row| {
        let Some(id) = ids.next() else { return Ok(false) };
        row.begin(id);
        (0..job.fields.len()).for_each(|_| row.push(Some("somebody.or.other@example.com")));
        Ok(true)
    };
    let release = Release {
        gate: desk.gate(),
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

fn releases(criterion: &mut Criterion) {
    const ROWS: usize = 10_000;
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::new(Store::Sqlite(folder.path(), Durability::ProcessCrash), true);
    let tokens = TokenKey::new(&[7; 32]);
    let mut group = criterion.benchmark_group("release");
    group.sample_size(10).measurement_time(Duration::from_secs(5)).throughput(Throughput::Elements(ROWS as u64));
    let token = Job { fields: ["customer.email".into()].into(), ..desk.bulk_job(ROWS, 1) };
    for (name, job) in [("12", desk.bulk_job(ROWS, 12)), ("1-token", token)] {
        group.bench_function(format!("memory/{ROWS}x{name}"), |bencher| {
            bencher.iter_custom(|times| (0..times).map(|_| release(&desk, &job, &tokens)).sum());
        });
    }
    group.finish();
}

fn asks(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let url = desk::postgres_url();
    let process = Store::Sqlite(folder.path(), Durability::ProcessCrash);
    let mut stores =
        vec![("sqlite-process", process), ("sqlite-power", Store::Sqlite(folder.path(), Durability::PowerFailure))];
    stores.extend(url.as_deref().map(|url| ("postgres", Store::Postgres(url))));
    let mut group = criterion.benchmark_group("ask");
    for (name, store) in &stores {
        for (log, recorded) in [("", false), ("-log", true)] {
            let desk = Desk::new(*store, recorded);
            let small = desk.small_job();
            group.bench_function(format!("{name}{log}/1x3"), |bencher| {
                bencher.iter_custom(|times| (0..times).map(|_| desk.time_ask(&small)).sum());
            });
        }
    }
    group.sample_size(10).measurement_time(Duration::from_secs(10));
    for (name, store) in &stores {
        let desk = Desk::new(*store, true);
        group.bench_function(format!("{name}-log/70000x12"), |bencher| {
            bencher.iter_custom(|times| (0..times).map(|_| desk.time_ask(&desk.bulk_job(70_000, 12))).sum());
        });
    }
    group.finish();
}

criterion_group!(all, asks, releases);
criterion_main!(all);
