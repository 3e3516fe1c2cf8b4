//! Processes, and the PostgreSQL server, killed under load: what was acknowledged is there, and every count is right.

use std::io::Read as _;
use std::time::Duration;

use exportgate_ledger::{JobState, Ledger};
use fastrand::Rng;

use crate::worker::{NOW, counts, declare, open, spawn};

const WORKERS: usize = 4;
const LIMIT: u64 = 400;
/// A ledger is used for so many rounds, then another is begun.
const ROUNDS_PER_LEDGER: usize = 20;

pub(crate) fn run(rounds: usize) {
    let folder = tempfile::tempdir().unwrap();
    let mut rng = Rng::with_seed(6);
    let mut acknowledged = 0;
    for round in 0..rounds {
        let place = folder.path().join(format!("{}.db", round / ROUNDS_PER_LEDGER)).display().to_string();
        acknowledged += round_of("sqlite", &place, round, &mut rng, |_| ());
    }
    println!("kills: sqlite: {rounds} rounds of {WORKERS} processes, {acknowledged} acknowledgements, 0 lost");
    #[cfg(feature = "postgres")]
    {
        let server = crate::server::Server::start();
        let (mut acknowledged, mut servers) = (0, 0);
        for round in 0..rounds {
            let place = format!("{}#kill_{}", server.url(), round / ROUNDS_PER_LEDGER);
            let kill_server = round % 2 == 0;
            servers += usize::from(kill_server);
            acknowledged += round_of("postgres", &place, round, &mut rng, |_| {
                if kill_server {
                    server.kill();
                    server.run();
                }
            });
        }
        println!(
            "kills: postgres: {rounds} rounds of {WORKERS} processes, the server killed in {servers}, \
             {acknowledged} acknowledgements, 0 lost"
        );
    }
}

/// Starts workers, lets them run for a moment, kills them, and looks at what they were told.
fn round_of(store: &str, place: &str, round: usize, rng: &mut Rng, first: impl FnOnce(&mut Rng)) -> usize {
    let before = open(store, place).unwrap();
    declare(&*before).unwrap();
    let mut workers: Vec<_> = (0..WORKERS)
        .map(|worker| {
            let name = format!("{round}-{worker}");
            let (asks, limit) = ("1000000", LIMIT.to_string());
            let mut command = spawn(&["load", store, place, &name, asks, &limit]);
            let mut output = command.stdout.take().unwrap();
            // Read while it runs: a full pipe would stop it.
            let said = std::thread::spawn(move || {
                let mut said = Vec::new();
                output.read_to_end(&mut said).unwrap();
                String::from_utf8(said).unwrap()
            });
            (command, said)
        })
        .collect();
    // A server must be reached first.
    let moment_us = if store == "sqlite" { 10_000..250_000 } else { 100_000..600_000 };
    std::thread::sleep(Duration::from_micros(rng.u64(moment_us)));
    first(rng);
    for (worker, _) in &mut workers {
        drop(worker.kill());
    }
    let mut said = String::new();
    for (mut worker, output) in workers {
        worker.wait().unwrap();
        said.push_str(&output.join().unwrap());
    }
    // Whoever had the ledger open goes on, though its connections are gone.
    counts(&*before).unwrap_or_else(|error| panic!("{store}, round {round}: {error}"));
    let ledger = open(store, place).unwrap();
    ledger.verify().unwrap_or_else(|error| panic!("{store}, round {round}: {error}"));
    check_said(store, round, &*ledger, &said);
    let granted = counts(&*ledger).unwrap();
    assert!(granted.iter().all(|count| *count <= LIMIT), "{store}, round {round}: {granted:?} granted");
    make_room(&*ledger, &said);
    said.lines().filter(|line| !line.starts_with("denied") && !line.starts_with("cancelling")).count()
}

/// Each acknowledged call shows in the ledger, unless a later one on the same job came after it.
fn check_said(store: &str, round: usize, ledger: &dyn Ledger, said: &str) {
    for line in said.lines() {
        // A last line may be cut where the process was killed.
        let Some((what, job)) = line.split_once(' ') else { continue };
        let found = ledger.job(job).unwrap().map(|job| job.state);
        let expected: &[JobState] = match what {
            "reserved" => &[JobState::Reserved, JobState::Committed, JobState::Cancelled],
            "committed" => &[JobState::Committed],
            "cancelled" => &[JobState::Cancelled],
            _ => continue,
        };
        let held = found.is_some_and(|found| expected.contains(&found));
        assert!(held, "{store}, round {round}: `{line}` was acknowledged, and the ledger has {found:?}");
    }
}

/// Answers what the killed processes left unanswered, so that the next ones find room below the limit.
fn make_room(ledger: &dyn Ledger, said: &str) {
    for line in said.lines().filter(|line| line.starts_with("reserved ")) {
        let job = line.trim_start_matches("reserved ");
        if ledger.job(job).unwrap().is_some_and(|job| job.state == JobState::Reserved) {
            ledger.cancel(job, NOW).unwrap();
        }
    }
}
