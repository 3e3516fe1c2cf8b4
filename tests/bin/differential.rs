//! The long run of the differential test: generated policies, three engines, a table of what was covered.
//!
//! `cargo run --release -p exportgate-tests --bin differential -- --sensitive 5000000` asks until so many condition-sensitive
//! requests have been compared. `--seed N` begins elsewhere, `--set N` shows one set and compares only that. It fails on a
//! mismatch, and, from [`FULL_RUN`] requests on, when a construct mattered in none of them.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use exportgate_tests::differential::{Compared, compare, engine};
use exportgate_tests::generate::{Size, generate};

const SIZE: Size = Size { policies_max: 8, depth_max: 4, requests: 1_000 };

/// Condition-sensitive requests from which on every construct must have mattered.
const FULL_RUN: u64 = 100_000;

/// How often a line says how far the run is.
const PROGRESS: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let mut wanted = FULL_RUN;
    let mut seed = 1;
    let mut only = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let number = arguments.next().and_then(|text| text.parse::<u64>().ok());
        match (argument.as_str(), number) {
            ("--sensitive", Some(number)) => wanted = number,
            ("--seed", Some(number)) => seed = number,
            ("--set", Some(number)) => only = Some(number),
            _ => {
                eprintln!("error: unknown `{argument}`\nhelp: --sensitive N, --seed N or --set N");
                return ExitCode::from(3);
            }
        }
    }
    if let Some(set) = only {
        return show(set);
    }
    let run = Run {
        started: Instant::now(),
        next: AtomicU64::new(seed << 32),
        enough: AtomicU64::new(0),
        wanted,
        total: Mutex::new((Compared::default(), PROGRESS)),
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let failed = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(|| run.compare())).collect();
        threads.into_iter().filter_map(|run| run.join().unwrap_or_else(|_| Some("a thread panicked".to_owned()))).next()
    });
    let (total, _) = run.total.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    for (construct, count) in total.coverage.rows() {
        println!("{construct:<45} {count:>12}");
    }
    print(&total, run.started);
    if let Some(message) = failed {
        println!("{message}");
        return ExitCode::FAILURE;
    }
    let missing: Vec<&str> = total.coverage.rows().filter(|(_, count)| *count == 0).map(|(row, _)| row).collect();
    if wanted >= FULL_RUN && !missing.is_empty() {
        println!("no condition-sensitive request for: {}", missing.join(", "));
        return ExitCode::FAILURE;
    }
    println!("mismatches 0");
    ExitCode::SUCCESS
}

/// A run, shared by its threads.
struct Run {
    started: Instant,
    next: AtomicU64,
    enough: AtomicU64,
    wanted: u64,
    /// What was compared, and when the next line of progress is due.
    total: Mutex<(Compared, Duration)>,
}

impl Run {
    /// Compares set after set until enough was compared or something disagrees.
    fn compare(&self) -> Option<String> {
        let engine = engine();
        while self.enough.load(Ordering::Relaxed) < self.wanted {
            let seed = self.next.fetch_add(1, Ordering::Relaxed);
            match compare(&engine, &generate(seed, SIZE)) {
                Ok(compared) => {
                    self.enough.fetch_add(compared.sensitive, Ordering::Relaxed);
                    let mut total = self.total.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    total.0.merge(&compared);
                    if self.started.elapsed() > total.1 {
                        total.1 = self.started.elapsed() + PROGRESS;
                        print(&total.0, self.started);
                    }
                }
                Err(mismatch) => {
                    self.enough.store(u64::MAX / 2, Ordering::Relaxed);
                    return Some(format!("MISMATCH in set {seed}\n{mismatch}"));
                }
            }
        }
        None
    }
}

fn show(seed: u64) -> ExitCode {
    let set = generate(seed, SIZE);
    println!("{}\n{}\n{}\n{:?}", set.schema, set.policies, set.links_file(), set.syntax);
    match compare(&engine(), &set) {
        Ok(compared) => {
            print(&compared, Instant::now());
            ExitCode::SUCCESS
        }
        Err(mismatch) => {
            println!("{mismatch}");
            ExitCode::FAILURE
        }
    }
}

fn print(total: &Compared, started: Instant) {
    let Compared { sets, requests, sensitive, erring, .. } = total;
    let seconds = started.elapsed().as_secs();
    println!(
        "sets {sets}, requests {requests}, condition-sensitive {sensitive}, with an erring policy {erring}, seconds {seconds}"
    );
}
