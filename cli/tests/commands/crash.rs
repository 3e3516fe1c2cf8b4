//! Every system call of one recorded ask that touches the ledger's store, failed and killed in turn: the log still holds, what
//! was acknowledged is in it, and no index is given twice. On SQLite these are calls on the ledger's files, on PostgreSQL those
//! on the connection to the server.
//!
//! A test run takes some at random. `EXPORTGATE_EVERY_CALL=1 cargo test -p exportgate-cli --test commands crash -- --nocapture`
//! takes all, and says how many there were.

use std::collections::BTreeMap;
use std::process::Output;

use fastrand::Rng;

use super::ask::{ask, job};
use super::audit::{used, with_log};
use super::*;

/// Faults tried without `EXPORTGATE_EVERY_CALL`.
const FAULTS: usize = 6;

#[test]
fn an_ask_that_fails_or_is_killed_anywhere_leaves_a_log_that_holds() {
    let (prepared, _) = with_log();
    used(&prepared);
    run(prepared.path(), &["audit", "checkpoint"]).exits(0);
    write(&prepared, "job.json", job("job-3", "ana", &["c-4", "c-5"]));
    let before = entries(prepared.path());
    let traced = trace(copy(&prepared).path());
    let mut acknowledged = 0;
    let faults = faults(&traced, |line| line.contains("ledger.sqlite"));
    for fault in &faults {
        acknowledged += usize::from(fail(&copy(&prepared), &before, fault, "job-4"));
    }
    println!("{} faults of one ask, {acknowledged} of them acknowledged all the same, 0 entries lost", faults.len());
}

#[test]
fn an_ask_on_postgres_that_fails_or_is_killed_anywhere_leaves_a_log_that_holds() {
    let dir = postgres::with_log().0;
    used(&dir);
    let job = |id: &str| write(&dir, "job.json", job(id, "ana", &["c-4", "c-5"]));
    job("traced");
    let traced = trace(dir.path());
    let mut acknowledged = 0;
    let faults = faults(&traced, |line| line.contains("<UNIX") || line.contains("<socket:"));
    for (number, fault) in faults.iter().enumerate() {
        job(&format!("faulty-{number}"));
        let before = entries(dir.path());
        acknowledged += usize::from(fail(&dir, &before, fault, &format!("after-{number}")));
    }
    println!(
        "{} faults of one ask on PostgreSQL, {acknowledged} of them acknowledged all the same, 0 entries lost",
        faults.len()
    );
}

/// The system calls of one ask that goes well.
fn trace(dir: &Path) -> String {
    let traces = Command::new("strace").arg("-V").output().is_ok_and(|output| output.status.success());
    assert!(traces, "system calls are failed with strace: install it (Debian: `apt-get install strace`)");
    let output = strace(dir, &["-y", "-o", "trace"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::read_to_string(dir.join("trace")).unwrap()
}

/// The calls that touch the store, each with what is done to it, as strace takes it: all, or a few at random.
fn faults(traced: &str, touches: impl Fn(&str) -> bool) -> Vec<String> {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let mut faults = Vec::new();
    for line in traced.lines() {
        let Some((call, _)) = line.split_once(' ').and_then(|(_, rest)| rest.trim_start().split_once('(')) else {
            continue;
        };
        if !call.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            continue;
        }
        let number = seen.entry(call).or_default();
        *number += 1;
        if !touches(line) {
            continue;
        }
        let writes = ["write", "pwrite64", "ftruncate", "fallocate"].contains(&call);
        for fault in ["error=EIO", "signal=KILL", "error=ENOSPC"].iter().take(if writes { 3 } else { 2 }) {
            faults.push(format!("inject={call}:{fault}:when={number}"));
        }
    }
    assert!(faults.len() > 40, "only {} faults: {faults:?}", faults.len());
    if std::env::var_os("EXPORTGATE_EVERY_CALL").is_none() {
        Rng::with_seed(std::process::id().into()).shuffle(&mut faults);
        faults.truncate(FAULTS);
    }
    faults
}

/// Asks with one fault, then, under the id `next`, without; says whether the first was acknowledged.
fn fail(dir: &TempDir, before: &[String], fault: &str, next: &str) -> bool {
    let output = strace(dir.path(), &["-o", "/dev/null", "-e", fault]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!errors.contains("panicked"), "{fault}: {errors}");
    let acknowledged = output.status.success();
    run(dir.path(), &["audit", "verify"]).exits(0);
    run(dir.path(), &["ledger", "verify"]).exits(0);
    // Whatever a server still had to do of the first is done before the second is recorded.
    ask(dir, next, "bob", &["c-6"]).exits(0);
    let after = entries(dir.path());
    assert!(after.starts_with(before), "{fault}: entries of before were changed or lost");
    // The decision and its customers, or neither; then those of the second.
    let new = after.len() - before.len() - 2;
    assert!(new == 2 || (new == 0 && !acknowledged), "{fault}: {new} new entries, acknowledged: {acknowledged}");
    run(dir.path(), &["audit", "verify"]).exits(0);
    acknowledged
}

/// The entries of the log, as JSON, under dense indices.
fn entries(dir: &Path) -> Vec<String> {
    let shown = run(dir, &["audit", "show", "--json", "--max", "1000000"]).exits(0).stdout;
    let entries: Vec<String> = shown.lines().map(str::to_owned).collect();
    for (index, entry) in entries.iter().enumerate() {
        let entry: serde_json::Value = serde_json::from_str(entry).unwrap();
        assert_eq!(entry.get("index"), Some(&index.into()));
    }
    entries
}

fn copy(prepared: &TempDir) -> TempDir {
    let dir = TempDir::new().unwrap();
    for name in names(prepared.path()) {
        let from = prepared.path().join(&name);
        if from.is_file() {
            std::fs::copy(from, dir.path().join(&name)).unwrap();
        }
    }
    dir
}

fn strace(dir: &Path, arguments: &[&str]) -> Output {
    Command::new("strace")
        .args(["-f", "-qq"])
        .args(arguments)
        .arg(env!("CARGO_BIN_EXE_exportgate"))
        .args(["ask", "--job", "job.json"])
        .current_dir(dir)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}
