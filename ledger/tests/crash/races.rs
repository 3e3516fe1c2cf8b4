//! Sixteen at once on one agent, one team, one vendor: never over the limit, and nothing lost to it.

use std::io::Read as _;

use exportgate_ledger::Ledger;

use crate::worker::{ask, counts, declare, open, spawn};

const WORKERS: usize = 16;
const ASKS: u64 = 40;
/// Less than all ask for, so that most of them meet at the limit.
const LIMIT: u64 = 200;

pub(crate) fn run() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).display().to_string();
    threads("sqlite", &place("threads.db"));
    processes("sqlite", &place("processes.db"));
    #[cfg(feature = "postgres")]
    {
        let url = crate::server::Server::shared().url();
        threads("postgres", &format!("{url}#race_threads"));
        processes("postgres", &format!("{url}#race_processes"));
    }
}

/// What sixteen came to: granted and not taken back.
fn check(who: &str, ledger: &dyn Ledger, live: u64, denied: u64) {
    assert!(live <= LIMIT, "{who}: {live} granted, the limit is {LIMIT}");
    assert_eq!(counts(ledger).unwrap(), [live; 3], "{who}: the windows hold what was granted");
    assert!(denied > 0, "{who}: nobody met the limit, so nothing was shown");
    // What was taken back can be granted again, to the last one.
    let mut filled = live;
    while ask(ledger, &format!("fill-{filled}"), LIMIT).unwrap() {
        filled += 1;
    }
    assert_eq!(filled, LIMIT, "{who}: an ask was denied below the limit");
    let verified = ledger.verify().unwrap();
    println!(
        "races: {who}: {live} of {LIMIT} granted and kept, {denied} denied, {} jobs, over the limit by 0",
        verified.jobs
    );
}

fn threads(store: &str, place: &str) {
    let ledger = open(store, place).unwrap();
    declare(&*ledger).unwrap();
    let total = |outcomes: Vec<(u64, u64)>| {
        outcomes.into_iter().fold((0, 0), |(live, denied), one| (live + one.0, denied + one.1))
    };
    let (live, denied) = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS)
            .map(|worker| {
                let ledger = &ledger;
                scope.spawn(move || {
                    let (mut live, mut denied) = (0, 0);
                    for number in 0..ASKS {
                        let job = format!("{worker}-{number}");
                        match ask(&**ledger, &job, LIMIT).unwrap() {
                            false => denied += 1,
                            true if number % 3 == 0 => ledger.cancel(&job, 0).unwrap(),
                            true => live += 1,
                        }
                    }
                    (live, denied)
                })
            })
            .collect();
        total(workers.into_iter().map(|worker| worker.join().unwrap()).collect())
    });
    check(&format!("{WORKERS} threads on {store}"), &*ledger, live, denied);
}

fn processes(store: &str, place: &str) {
    let ledger = open(store, place).unwrap();
    declare(&*ledger).unwrap();
    let (asks, limit) = (ASKS.to_string(), LIMIT.to_string());
    let mut workers: Vec<_> =
        (0..WORKERS).map(|name| spawn(&["load", store, place, &name.to_string(), &asks, &limit])).collect();
    let (mut live, mut denied) = (0, 0);
    for worker in &mut workers {
        let mut said = String::new();
        worker.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(worker.wait().unwrap().success(), "{store}: a worker failed");
        live += said.lines().filter(|line| line.starts_with("committed ")).count() as u64;
        denied += said.lines().filter(|line| line.starts_with("denied ")).count() as u64;
    }
    check(&format!("{WORKERS} processes on {store}"), &*ledger, live, denied);
}
