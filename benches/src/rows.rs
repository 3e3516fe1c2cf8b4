//! The rows of the speed table, in its order: what each measures, and what it is to reach.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use exportgate::ledger::Durability;
use exportgate::{Gate, Isolation};
use exportgate_compiler::Passes;

use crate::compare::{CEDAR, Contender, Contest, FRESH, PREPARED, WARM};
use crate::desk::{self, Desk, Store};
use crate::export::{self, Bulk};
use crate::latency::Latencies;
use crate::load;
use crate::question::{self, Field};
use crate::reference::{NOW_MS, PackFiles, compiled, gate, small_job};
use crate::synthetic::{self, POLICIES_MIN, Synthetic};
use crate::table::{Row, Target, Unit};
use crate::{interpreted, peers};

/// Policies of a large pack.
pub const POLICIES_MANY: usize = 10_000;

/// Single calls of which the distribution is taken.
const CALLS: usize = 200_000;

/// How the rows are measured.
pub struct Bench {
    /// About how much time each engine of a row gets.
    pub each: Duration,
    core: OnceCell<Vec<u8>>,
}

impl Bench {
    /// A bench that gives each engine of a row about so much time.
    pub fn new(each: Duration) -> Self {
        Self { each, core: OnceCell::new() }
    }

    /// The core module of the interpreter, built when it is first asked for.
    pub fn core(&self) -> &[u8] {
        self.core.get_or_init(interpreted::core)
    }

    fn times(&self, mut contest: Contest) -> BTreeMap<&'static str, f64> {
        contest.measure(self.each)
    }
}

/// A part of the table.
pub struct Part {
    /// What is measured, for those who wait.
    pub name: &'static str,
    /// Measures it.
    pub measure: fn(&Bench) -> Vec<Row>,
}

/// The parts of the table. How windows grow, and PostgreSQL, are measured beside the ledger.
pub const PARTS: [Part; 10] = [
    Part { name: "question", measure: question },
    Part { name: "evaluate/1x3", measure: small },
    Part { name: "evaluate/70000x12", measure: bulk },
    Part { name: "evaluate/70000x12-counted", measure: counted },
    Part { name: "evaluate/10000-policies", measure: policies },
    Part { name: "load", measure: load_reference },
    Part { name: "compile", measure: compile },
    Part { name: "memory", measure: memory },
    Part { name: "threads", measure: threads },
    Part { name: "ask", measure: asks },
];

fn question(bench: &Bench) -> Vec<Row> {
    peers::Peers::build();
    let times = bench.times(question::contest(10, Field::All(bench.core())));
    let targets = vec![Target::AtMost(150.0), Target::Times(CEDAR, 50.0)];
    vec![
        Row::of_times("one Cedar question, 10 policies, prepared", targets, Unit::Nanoseconds, PREPARED, &times),
        Row::of_times("  the same, its facts resolved each time", Vec::new(), Unit::Nanoseconds, WARM, &times),
    ]
}

fn small(bench: &Bench) -> Vec<Row> {
    let times = bench.times(export::small(Some(bench.core())));
    let gate = gate(&PackFiles::reference().component(), Isolation::Warm);
    let job = small_job(&gate);
    let latencies = Latencies::measure(CALLS, || gate.evaluate_at(&job, NOW_MS));
    let at = |share| Unit::Microseconds.of_nanoseconds(latencies.per_mille(share) as f64);
    let mut p50 = Row::of_times(
        "evaluate, 1 customer x 3 fields, p50",
        vec![Target::AtMost(1.0), Target::Times(CEDAR, 100.0)],
        Unit::Microseconds,
        WARM,
        &times,
    );
    // The median of single calls, each with the clock's own 20 to 40 ns; the ratios are of means without it.
    p50.measured = at(500);
    let tell = |name: &str, measured| Row {
        name: name.to_owned(),
        targets: Vec::new(),
        measured,
        unit: Unit::Microseconds,
        ratios: BTreeMap::new(),
    };
    vec![
        p50,
        tell("  the same, p99", at(990)),
        tell("  the same, p99.9", at(999)),
        tell("  the same, of a prepared agent", Unit::Microseconds.of_nanoseconds(times[PREPARED])),
        tell("  the same, a fresh instance for each job", Unit::Microseconds.of_nanoseconds(times[FRESH])),
    ]
}

fn bulk(bench: &Bench) -> Vec<Row> {
    let row = |name: &str, kind, target: Option<f64>| {
        let times = bench.times(export::bulk(kind));
        let targets = target.map(|most| vec![Target::AtMost(most), Target::Times(CEDAR, 500.0)]).unwrap_or_default();
        Row::of_times(name, targets, Unit::Milliseconds, WARM, &times)
    };
    vec![
        row("evaluate, 70,000 x 12, forms independent of the customer", Bulk::FormsOfFields, Some(3.0)),
        row("evaluate, 70,000 x 12, forms reading the customer", Bulk::FormsOfCustomers, Some(30.0)),
        row("  the same, each customer with a ticket", Bulk::Tickets, None),
    ]
}

fn counted(bench: &Bench) -> Vec<Row> {
    let times = bench.times(export::bulk(Bulk::Counted));
    let targets = vec![Target::AtMost(10.0)];
    let name = "evaluate, 70,000 x 12, forms independent, windows counted in memory";
    vec![Row::of_times(name, targets, Unit::Milliseconds, WARM, &times)]
}

/// The gate of a synthetic pack, asked for one customer and three fields.
pub fn synthetic_contender(engine: &'static str, policies: usize) -> Contender {
    let gate = gate(&compiled(&Synthetic::new(policies).pack(), Passes::default()), Isolation::Warm);
    let job = synthetic::job(&gate, 1, 3);
    assert!(gate.evaluate_at(&job, NOW_MS).is_allow());
    Contender::new(engine, move || gate.evaluate_at(&job, NOW_MS))
}

fn policies(bench: &Bench) -> Vec<Row> {
    const FEW: &str = "10 policies";
    const MANY: &str = "10,000 policies";
    let contenders = vec![synthetic_contender(FEW, POLICIES_MIN), synthetic_contender(MANY, POLICIES_MANY)];
    let times = bench.times(Contest { group: "evaluate", input: "policies".to_owned(), contenders });
    vec![Row {
        name: "evaluate, 1 x 3: growth from 10 to 10,000 policies".to_owned(),
        targets: vec![Target::AtMost(2.0)],
        measured: times[MANY] / times[FEW],
        unit: Unit::Times,
        ratios: BTreeMap::new(),
    }]
}

fn load_reference(bench: &Bench) -> Vec<Row> {
    let times = bench.times(load::load());
    let targets = vec![Target::AtMost(20.0)];
    let directory = tempfile::tempdir().unwrap();
    let cached = bench.times(load::load_cached(directory.path()));
    vec![
        Row::of_times("load the reference pack, to the first decision", targets, Unit::Milliseconds, WARM, &times),
        Row::of_times(
            "  the same from the compile cache",
            vec![Target::AtMost(1.0)],
            Unit::Milliseconds,
            load::CACHED,
            &cached,
        ),
    ]
}

fn compile(bench: &Bench) -> Vec<Row> {
    let row = |name: &str, contest, target| {
        let times = bench.times(contest);
        Row::of_times(name, vec![Target::AtMost(target)], Unit::Milliseconds, "exportgate", &times)
    };
    vec![
        row("compile the reference pack", load::compile_reference(), 50.0),
        row("compile 10,000 policies", load::compile_synthetic(POLICIES_MANY), 5_000.0),
    ]
}

fn memory(_: &Bench) -> Vec<Row> {
    let bytes = crate::memory::of_instance();
    let row = |name: &str, targets, bytes: usize| Row {
        name: name.to_owned(),
        targets,
        measured: bytes as f64 / 1024.0,
        unit: Unit::Kibibytes,
        ratios: BTreeMap::new(),
    };
    let most = vec![Target::AtMost(256.0)];
    let linear = row("  its linear memory, touched or not", Vec::new(), bytes.linear);
    // Where the system doesn't say what is in memory, all of it is.
    vec![row("memory of a warm instance, beside its code", most, bytes.resident.unwrap_or(bytes.linear)), linear]
}

fn threads(bench: &Bench) -> Vec<Row> {
    let gate = gate(&PackFiles::reference().component(), Isolation::Warm);
    let most = load::threads_max();
    let (alone, together) = alternating(&gate, most, bench.each);
    vec![Row {
        name: format!("throughput of {most} threads on one gate, for each of them, of that of one"),
        targets: vec![Target::AtLeast(90.0)],
        measured: 100.0 * together / (alone * most as f64),
        unit: Unit::Percent,
        ratios: BTreeMap::new(),
    }]
}

/// Decisions a second of one thread, and of `most` together: the medians of turns.
fn alternating(gate: &Gate, most: usize, time: Duration) -> (f64, f64) {
    let turn = time / 5;
    let turns =
        (0..5).map(|_| (load::decisions_per_second(gate, 1, turn), load::decisions_per_second(gate, most, turn)));
    let (alone, together): (Vec<f64>, Vec<f64>) = turns.unzip();
    (crate::compare::median(alone), crate::compare::median(together))
}

fn asks(bench: &Bench) -> Vec<Row> {
    let folder = tempfile::tempdir().unwrap();
    let row = |name: &str, most: Option<f64>, unit: Unit, nanoseconds: u64| Row {
        name: name.to_owned(),
        targets: most.map(Target::AtMost).into_iter().collect(),
        measured: unit.of_nanoseconds(nanoseconds as f64),
        unit,
        ratios: BTreeMap::new(),
    };
    let time = bench.each * 4;
    let small = |store, recorded| {
        let desk = Desk::new(store, recorded);
        let job = desk.small_job();
        time_asks(time, || desk.time_ask(&job))
    };
    let process = Store::Sqlite(folder.path(), Durability::ProcessCrash);
    let power = Store::Sqlite(folder.path(), Durability::PowerFailure);
    let large = |store| {
        let first = time_asks(time, || {
            let desk = Desk::new(store, true);
            desk.time_ask(&desk.bulk_job(export::CUSTOMERS, export::FIELDS))
        });
        let desk = Desk::new(store, true);
        let job = desk.bulk_job(export::CUSTOMERS, export::FIELDS);
        let again = time_asks(time, || desk.time_ask(&job));
        (first, again)
    };
    let recorded = small(process, true);
    let unrecorded = small(process, false);
    let (first, again) = large(process);
    let mut rows = vec![
        row("ask, 1 x 3, reserved in SQLite, p50", Some(40.0), Unit::Microseconds, unrecorded.per_mille(500)),
        row("  the same, p99", None, Unit::Microseconds, unrecorded.per_mille(990)),
        row("ask, 1 x 3, recorded too, p50", Some(40.0), Unit::Microseconds, recorded.per_mille(500)),
        row("  the same, p99", None, Unit::Microseconds, recorded.per_mille(990)),
        row("  the same, through a power failure, p50", None, Unit::Microseconds, small(power, true).per_mille(500)),
        row("  and committed, by 16 threads, for each", None, Unit::Microseconds, together(power, time)),
        row("ask, 70,000 x 12, recorded too, p50", Some(150.0), Unit::Milliseconds, first.per_mille(500)),
        row("  the same customers again, p50", None, Unit::Milliseconds, again.per_mille(500)),
    ];
    if let Some(url) = desk::postgres_url() {
        let store = Store::Postgres(&url);
        rows.extend([
            row("ask, 1 x 3, on PostgreSQL, p50", None, Unit::Microseconds, small(store, false).per_mille(500)),
            row("  recorded too, p50", None, Unit::Microseconds, small(store, true).per_mille(500)),
        ]);
        let (first, again) = large(store);
        rows.extend([
            row("ask, 70,000 x 12, on PostgreSQL, p50", None, Unit::Milliseconds, first.per_mille(500)),
            row("  the same customers again, p50", None, Unit::Milliseconds, again.per_mille(500)),
        ]);
    }
    rows
}

/// The times of one ask after another, for about so long and at least five; some first that aren't counted.
fn time_asks(time: Duration, mut ask: impl FnMut() -> Duration) -> Latencies {
    let (begin, mut times) = (Instant::now(), Vec::new());
    while begin.elapsed() < time / 10 {
        ask();
    }
    while times.len() < 5 || begin.elapsed() < time {
        times.push(u64::try_from(ask().as_nanos()).unwrap_or(u64::MAX));
    }
    Latencies::of(times)
}

/// Nanoseconds for each of the asks, with its commit, that sixteen threads make together.
fn together(store: Store<'_>, time: Duration) -> u64 {
    const THREADS: usize = 16;
    let desk = Desk::new(store, true);
    let job = desk.small_job();
    let begin = Instant::now();
    let asked: usize = std::thread::scope(|scope| {
        let ask_on = || {
            let mut asked = 0;
            while begin.elapsed() < time {
                desk.time_ask(&job);
                asked += 1;
            }
            asked
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(ask_on)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX) / asked.max(1) as u64
}
