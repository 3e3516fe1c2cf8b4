//! How long an ask takes in the ledger alone: small and large jobs, short and long pasts, many threads; on both stores.
//!
//! `cargo bench -p exportgate-ledger --features postgres -- --past 10000000` compares with so many past grants (else a
//! million). A word runs only what is called so: `ask`, `large`, `past`, `threads`. The load of the machine is printed with
//! the times, and the mean time that the processor took, which other work on the machine doesn't prolong. PostgreSQL is measured where `EXPORTGATE_BENCH_POSTGRES` names a server, as `host=... user=... dbname=...`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a bench may panic: that is how it fails"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use exportgate_ledger::{
    Counted, CustomerKey, Customers, Durability, End, Ledger, Left, On, Reservation, SqliteLedger, SqliteOptions,
    Subject, SubjectKind, Unseen, Window, WindowRead,
};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
const START: i64 = 1_700_000_000_000;
/// A record of the size of a decision in the log.
const RECORD: [u8; 300] = [b'r'; 300];
/// So many jobs of one customer that nobody answered.
const UNANSWERED: usize = 1_000;

/// The windows of the reference pack: kind, what is counted, length.
const WINDOWS: [(usize, Counted, i64); 6] = [
    (0, Counted::Customers, HOUR),
    (0, Counted::Customers, DAY),
    (0, Counted::Customers, 30 * DAY),
    (1, Counted::Customers, DAY),
    (2, Counted::Customers, DAY),
    (0, Counted::Denials, HOUR),
];

fn subjects(agent: usize) -> [Subject; 3] {
    [
        Subject::new(SubjectKind::Agent, format!("agent-{agent}")),
        Subject::new(SubjectKind::Team, format!("team-{}", agent % 4)),
        Subject::new(SubjectKind::Vendor, "vendor"),
    ]
}

fn reads(subjects: &[Subject; 3]) -> Vec<WindowRead<'_>> {
    let read = |(subject, counted, length_ms): (usize, Counted, i64)| WindowRead {
        subject: &subjects[subject],
        counted,
        length_ms,
    };
    WINDOWS.into_iter().map(read).collect()
}

fn declare(ledger: &dyn Ledger) {
    let subjects = subjects(0);
    let windows: Vec<Window> = reads(&subjects).iter().map(WindowRead::window).collect();
    ledger.declare(&windows, Unseen::Refuse, START).unwrap();
}

/// Reads all windows, reserves, records.
fn ask(ledger: &dyn Ledger, agent: usize, job: &str, customers: &Customers, now_ms: i64) {
    let subjects = subjects(agent);
    let reads = reads(&subjects);
    ledger
        .transact(On::Subjects(&subjects), now_ms, &mut |transaction| {
            black_box(transaction.revoked_since_ms(&subjects[0].id)?);
            black_box(transaction.count_after(&reads, customers)?);
            let expires_ms = now_ms + HOUR;
            let agent = &subjects[0].id;
            transaction.reserve(&Reservation { job, digest: &[1; 32], agent, customers, expires_ms })?;
            transaction.append_record(&RECORD)?;
            Ok(End::Commit)
        })
        .unwrap();
}

fn sqlite(folder: &tempfile::TempDir, name: &str, durability: Durability) -> Arc<dyn Ledger> {
    let key = CustomerKey::new(&[7; 32]).unwrap();
    let options = SqliteOptions { durability, ..SqliteOptions::default() };
    let ledger = SqliteLedger::open(folder.path().join(name), key, options).unwrap();
    declare(&ledger);
    Arc::new(ledger)
}

#[cfg(feature = "postgres")]
fn postgres(name: &str) -> Option<Arc<dyn Ledger>> {
    use exportgate_ledger::{PostgresClock, PostgresLedger, PostgresOptions};
    let url = std::env::var("EXPORTGATE_BENCH_POSTGRES").ok()?;
    let schema = format!("bench_{}_{name}", std::process::id());
    let options = PostgresOptions { schema, clock: PostgresClock::Caller, ..PostgresOptions::default() };
    let ledger = PostgresLedger::open(&url, CustomerKey::new(&[7; 32]).unwrap(), options).unwrap();
    declare(&ledger);
    Some(Arc::new(ledger))
}

#[cfg(not(feature = "postgres"))]
fn postgres(_: &str) -> Option<Arc<dyn Ledger>> {
    None
}

/// The stores to measure, each empty.
fn stores(folder: &tempfile::TempDir, name: &str) -> Vec<(&'static str, Arc<dyn Ledger>)> {
    let file = |kind: &str| format!("{name}-{kind}.db");
    let mut stores = vec![
        ("sqlite, process-crash durable", sqlite(folder, &file("normal"), Durability::ProcessCrash)),
        ("sqlite, power-fail durable", sqlite(folder, &file("full"), Durability::PowerFailure)),
    ];
    stores.extend(postgres(name).map(|ledger| ("postgres", ledger)));
    stores
}

/// The times of some runs.
struct Taken {
    /// Ascending.
    all: Vec<Duration>,
    /// What the processor took for one, in the mean; none where the system doesn't say.
    cpu: Option<Duration>,
}

fn measure(times: usize, mut run: impl FnMut(usize)) -> Taken {
    let before = on_cpu();
    let mut all: Vec<Duration> = (0..times)
        .map(|number| {
            let begin = Instant::now();
            run(number);
            begin.elapsed()
        })
        .collect();
    let cpu = before.zip(on_cpu()).map(|(before, after)| (after - before) / times as u32);
    all.sort_unstable();
    Taken { all, cpu }
}

/// How long this thread was on a processor, to some milliseconds.
fn on_cpu() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

fn report(name: &str, Taken { all: taken, cpu }: &Taken) {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default().to_owned();
    let at = |share: f64| taken[((taken.len() - 1) as f64 * share) as usize];
    println!(
        "{name:<66} best {:>9.1?}  p50 {:>9.1?}  p99 {:>9.1?}  cpu {:>9.1?}  of {}, load {load}",
        at(0.0),
        at(0.5),
        at(0.99),
        cpu.unwrap_or_default(),
        taken.len()
    );
}

/// Small jobs one after the other, new customers and known ones.
fn asks(folder: &tempfile::TempDir) {
    for (store, ledger) in stores(folder, "ask") {
        let times = if store.starts_with("postgres") { 500 } else { 4_000 };
        let taken = measure(times, |number| {
            let id = format!("customer-{}", number * 7 % 3_000);
            let customers = ledger.customers([id.as_str()]);
            ask(&*ledger, number % 10, &format!("job-{number}"), &customers, START + number as i64 * 50);
        });
        report(&format!("ask/1 customer/{store}"), &taken);
        let taken = measure(times / 4, |number| {
            ledger.commit(&format!("job-{number}"), Left::All, START + DAY).unwrap();
        });
        report(&format!("commit/1 customer/{store}"), &taken);
        let customers = ledger.customers(["unanswered"]);
        let again = |number: usize| {
            ask(&*ledger, 0, &format!("unanswered-{number}"), &customers, START + DAY + number as i64);
        };
        (0..UNANSWERED).for_each(again);
        let taken = measure(200, |number| again(UNANSWERED + number));
        report(&format!("ask/1 customer of {UNANSWERED} unanswered jobs/{store}"), &taken);
    }
}

/// Large jobs: of new customers, and of the same ones again.
fn large(folder: &tempfile::TempDir) {
    for (store, ledger) in stores(folder, "large") {
        for (what, new) in [("new", true), ("the same", false)] {
            let taken = measure(6, |number| {
                let of = if new { number } else { 0 };
                let ids: Vec<String> = (0..70_000).map(|id| format!("large-{of}-{id}")).collect();
                let customers = ledger.customers(ids.iter().map(String::as_str));
                let job = format!("large-{what}-{number}");
                ask(&*ledger, 3, &job, &customers, START + 2 * DAY + number as i64);
            });
            report(&format!("ask/70,000 {what} customers, hashed/{store}"), &taken);
        }
    }
}

/// Reads and asks with ten past grants, and with many.
fn pasts(folder: &tempfile::TempDir, many: usize) {
    for past in [10, many] {
        for (store, ledger) in stores(folder, &format!("past-{past}")) {
            if store.contains("power-fail") {
                continue;
            }
            // Jobs of a thousand customers, spread over thirty days.
            let jobs = past.div_ceil(1_000);
            for job in 0..jobs {
                let ids: Vec<String> = (0..past.min(1_000)).map(|id| format!("past-{}", job * 1_000 + id)).collect();
                let customers = ledger.customers(ids.iter().map(String::as_str));
                let now_ms = START + 30 * DAY / jobs as i64 * job as i64;
                ask(&*ledger, 0, &format!("past-{job}"), &customers, now_ms);
            }
            let now_ms = START + 30 * DAY;
            let subjects = subjects(0);
            let reads = reads(&subjects);
            // The first read makes the views of windows that nobody read.
            ask(&*ledger, 0, "first", &ledger.customers(["first"]), now_ms);
            let times = if store.starts_with("postgres") { 300 } else { 2_000 };
            let taken = measure(times, |number| {
                let id = format!("past-{}", number * 997 % past);
                let customers = ledger.customers([id.as_str()]);
                black_box(ledger.count_after(&reads, &customers, now_ms).unwrap());
            });
            report(&format!("six windows read/{past} past grants/{store}"), &taken);
            let taken = measure(times, |number| {
                let id = format!("past-{}", number * 997 % past);
                let customers = ledger.customers([id.as_str()]);
                ask(&*ledger, 0, &format!("now-{number}"), &customers, now_ms + number as i64);
            });
            report(&format!("ask/1 customer/{past} past grants/{store}"), &taken);
        }
    }
}

/// Asks a second, by how many threads ask.
fn threads(folder: &tempfile::TempDir) {
    for count in [1, 2, 4, 16] {
        for (store, ledger) in stores(folder, &format!("threads-{count}")) {
            let begin = Instant::now();
            let for_each = if store.contains("process-crash") { 8_000 / count } else { 1_000 / count };
            std::thread::scope(|scope| {
                for thread in 0..count {
                    let ledger = &ledger;
                    scope.spawn(move || {
                        for number in 0..for_each {
                            let job = format!("{thread}-{number}");
                            let customers = ledger.customers([job.as_str()]);
                            ask(&**ledger, thread, &job, &customers, START + number as i64);
                        }
                    });
                }
            });
            let rate = (count * for_each) as f64 / begin.elapsed().as_secs_f64();
            println!("{:<66} {rate:>9.0} asks/s", format!("threads/{count} threads/{store}"));
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let after = |name: &str| arguments.iter().position(|found| found == name).and_then(|at| arguments.get(at + 1));
    let many = after("--past").map_or(1_000_000, |past| past.parse().expect("`--past` takes a number"));
    let words: Vec<&String> = arguments.iter().filter(|word| word.chars().all(char::is_alphabetic)).collect();
    let wanted = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    let folder = tempfile::tempdir().unwrap();
    if wanted("ask") {
        asks(&folder);
    }
    if wanted("large") {
        large(&folder);
    }
    if wanted("past") {
        pasts(&folder, many);
    }
    if wanted("threads") {
        threads(&folder);
    }
}
