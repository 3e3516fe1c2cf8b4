//! Every system call that touches the ledger's files, failed and killed in turn: the store opens, verifies, and has what
//! was acknowledged.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use exportgate_ledger::JobState;
use fastrand::Rng;

use crate::worker::{NOW, ask, declare, open};

/// Calls tried without `--every-call`.
const CALLS: usize = 24;

pub(crate) fn run(every_call: bool) {
    assert!(
        Command::new("strace").arg("-V").output().is_ok_and(|output| output.status.success()),
        "the system calls of the ledger are failed with strace: install it (Debian: `apt-get install strace`)"
    );
    let folder = tempfile::tempdir().unwrap();
    let prepared = folder.path().join("prepared");
    prepare(&prepared);
    let mut calls = calls_of(folder.path(), &prepared);
    let total = calls.len();
    if !every_call {
        let mut rng = Rng::with_seed(std::process::id().into());
        rng.shuffle(&mut calls);
        calls.truncate(CALLS);
    }
    let (mut runs, mut acknowledged) = (0, 0);
    for (call, number) in &calls {
        let mut faults = vec!["error=EIO", "signal=KILL"];
        if ["write", "pwrite64", "ftruncate", "fallocate"].contains(&call.as_str()) {
            faults.push("error=ENOSPC");
        }
        for fault in faults {
            acknowledged += fail(folder.path(), &prepared, call, *number, fault);
            runs += 1;
        }
    }
    println!("calls: {} of {total} system calls, {runs} faults, {acknowledged} acknowledgements, 0 lost", calls.len());
}

/// A ledger with some past, closed: jobs to commit and to cancel.
fn prepare(folder: &Path) {
    std::fs::create_dir(folder).unwrap();
    let ledger = open("sqlite", folder.join("ledger.db").to_str().unwrap()).unwrap();
    declare(&*ledger).unwrap();
    for job in ["old-0", "old-1", "old-2"] {
        assert!(ask(&*ledger, job, u64::MAX).unwrap());
    }
}

/// A copy of the prepared ledger.
fn copy(prepared: &Path, to: &Path) -> PathBuf {
    drop(std::fs::remove_dir_all(to));
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(prepared).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
    to.join("ledger.db")
}

fn strace(arguments: &[&str], path: &Path) -> Output {
    Command::new("strace")
        .args(["-f", "-qq"])
        .args(arguments)
        .arg(std::env::current_exe().unwrap())
        .args(["--worker", "once", "sqlite", path.to_str().unwrap()])
        .output()
        .unwrap()
}

/// The system calls that name the ledger's files or their descriptors: the name, and which of that name it is.
fn calls_of(folder: &Path, prepared: &Path) -> Vec<(String, usize)> {
    let path = copy(prepared, &folder.join("traced"));
    let log = folder.join("trace");
    let output = strace(&["-y", "-o", log.to_str().unwrap()], &path);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut calls = Vec::new();
    for line in std::fs::read_to_string(&log).unwrap().lines() {
        // `123 pwrite64(5</tmp/ledger.db-wal>, ...`: the process, the call, its arguments.
        let Some((call, _)) = line.split_once(' ').and_then(|(_, rest)| rest.trim_start().split_once('(')) else {
            continue;
        };
        if !call.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            continue;
        }
        let number = seen.entry(call.to_owned()).or_default();
        *number += 1;
        if line.contains("/traced/ledger.db") && call != "execve" {
            calls.push((call.to_owned(), *number));
        }
    }
    assert!(calls.len() > 30, "only {} calls touch the ledger: {calls:?}", calls.len());
    calls
}

/// Runs the worker with one fault; says how many acknowledgements there were, all of which hold.
fn fail(folder: &Path, prepared: &Path, call: &str, number: usize, fault: &str) -> usize {
    let path = copy(prepared, &folder.join("failed"));
    let inject = format!("inject={call}:{fault}:when={number}");
    let output = strace(&["-o", "/dev/null", "-e", &inject], &path);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!errors.contains("panicked"), "{inject}: {errors}");
    let said = String::from_utf8_lossy(&output.stdout);
    let ledger = open("sqlite", path.to_str().unwrap()).unwrap_or_else(|error| panic!("{inject}: {error}"));
    ledger.verify().unwrap_or_else(|error| panic!("{inject}: {error}"));
    for line in said.lines() {
        let held = match line.split_once(' ') {
            Some(("reserved", job)) => ledger.job(job).unwrap().is_some(),
            Some(("used", job)) => ledger.job(job).unwrap().is_some_and(|job| job.used_ms.is_some()),
            Some(("committed", job)) => ledger.job(job).unwrap().is_some_and(|job| job.state == JobState::Committed),
            Some(("cancelled", job)) => ledger.job(job).unwrap().is_some_and(|job| job.state == JobState::Cancelled),
            Some(("revoked", _)) => ledger.revocations().unwrap().len() == 1,
            _ => panic!("{inject}: the worker said `{line}`"),
        };
        assert!(held, "{inject}: `{line}` was acknowledged, and is lost");
    }
    // The past is still counted, and the ledger still takes jobs.
    assert!(ledger.job("old-0").unwrap().is_some(), "{inject}: a job of the past is lost");
    assert!(ask(&*ledger, "after", u64::MAX).unwrap(), "{inject}");
    ledger.cancel("after", NOW).unwrap();
    said.lines().count()
}
