//! The long run of the differential test: generated policies, three engines, a table of what was covered.
//!
//! `cargo run --release -p exportgate-tests --bin differential -- --sensitive 5000000` asks until so many condition-sensitive
//! requests have been compared. `--seed N` begins elsewhere, `--set N` shows one set and compares only that.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use exportgate_compiler::Passes;
use exportgate_tests::differential::{Compared, Coverage, compare, engine};
use exportgate_tests::generate::{Size, generate};

const SIZE: Size = Size { policies_max: 5, depth_max: 4, requests: 1_000 };

fn main() -> ExitCode {
    let mut wanted = 100_000;
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
    let started = Instant::now();
    let total = Mutex::new((Compared::default(), Coverage::default(), 0_u64));
    let (next, enough) = (AtomicU64::new(seed << 32), AtomicU64::new(0));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let failed = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..threads).map(|_| scope.spawn(|| run(&next, &enough, wanted, &total))).collect();
        runs.into_iter().filter_map(|run| run.join().unwrap_or_else(|_| Some("a thread panicked".to_owned()))).next()
    });
    let total = total.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    print(&total.0, &total.1, total.2, started.elapsed().as_secs());
    match failed {
        None => ExitCode::SUCCESS,
        Some(message) => {
            println!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// Compares set after set until enough was compared or something disagrees.
fn run(next: &AtomicU64, enough: &AtomicU64, wanted: u64, total: &Mutex<(Compared, Coverage, u64)>) -> Option<String> {
    let engine = engine();
    while enough.load(Ordering::Relaxed) < wanted {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        let set = generate(seed, SIZE);
        // Every fourth set runs without passes: the plain code is compared too.
        let passes = if seed.is_multiple_of(4) { Passes::NONE } else { Passes::default() };
        match compare(&engine, &set, passes) {
            Ok(compared) => {
                enough.fetch_add(compared.sensitive, Ordering::Relaxed);
                let mut total = total.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                total.0.requests += compared.requests;
                total.0.sensitive += compared.sensitive;
                total.0.erring += compared.erring;
                total.1.add(&set.constructs, compared.sensitive);
                total.2 += u64::from(compared.valid);
            }
            Err(mismatch) => {
                enough.store(u64::MAX / 2, Ordering::Relaxed);
                return Some(format!("MISMATCH in set {seed}\n{mismatch}"));
            }
        }
    }
    None
}

fn show(seed: u64) -> ExitCode {
    let set = generate(seed, SIZE);
    println!("{}\n{}", set.schema, set.policies);
    match compare(&engine(), &set, Passes::default()) {
        Ok(compared) => {
            println!("{compared:?}");
            ExitCode::SUCCESS
        }
        Err(mismatch) => {
            println!("{mismatch}");
            ExitCode::FAILURE
        }
    }
}

fn print(total: &Compared, coverage: &Coverage, sets: u64, seconds: u64) {
    for (construct, count) in coverage.counts() {
        println!("{construct:<45} {count:>12}");
    }
    println!(
        "sets {sets}, requests {}, condition-sensitive {}, with an erring policy {}, seconds {seconds}",
        total.requests, total.sensitive, total.erring
    );
}
