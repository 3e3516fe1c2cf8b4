//! Every system call of one recorded ask that touches the ledger's files, failed and killed in turn: the log still holds, what
//! was acknowledged is in it, and no index is given twice.
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
    let traces = Command::new("strace").arg("-V").output().is_ok_and(|output| output.status.success());
    assert!(traces, "system calls are failed with strace: install it (Debian: `apt-get install strace`)");
    let (prepared, _) = with_log();
    used(&prepared);
    run(prepared.path(), &["audit", "checkpoint"]).exits(0);
    write(&prepared, "job.json", job("job-3", "ana", &["c-4", "c-5"]));
    let before = entries(prepared.path());
    let mut faults = faults(&prepared);
    let every = std::env::var_os("EXPORTGATE_EVERY_CALL").is_some();
    if !every {
        Rng::with_seed(std::process::id().into()).shuffle(&mut faults);
        faults.truncate(FAULTS);
    }
    let mut acknowledged = 0;
    for fault in &faults {
        acknowledged += usize::from(fail(&prepared, &before, fault));
    }
    println!("{} faults of one ask, {acknowledged} of them acknowledged all the same, 0 entries lost", faults.len());
}

/// The calls that name the ledger's files or their descriptors, each with what is done to it, as strace takes it.
fn faults(prepared: &TempDir) -> Vec<String> {
    let dir = copy(prepared);
    let output = strace(dir.path(), &["-y", "-o", "trace"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut faults = Vec::new();
    for line in std::fs::read_to_string(dir.path().join("trace")).unwrap().lines() {
        let Some((call, _)) = line.split_once(' ').and_then(|(_, rest)| rest.trim_start().split_once('(')) else {
            continue;
        };
        if !call.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            continue;
        }
        let number = seen.entry(call.to_owned()).or_default();
        *number += 1;
        if !line.contains("ledger.sqlite") {
            continue;
        }
        let writes = ["write", "pwrite64", "ftruncate", "fallocate"].contains(&call);
        for fault in ["error=EIO", "signal=KILL", "error=ENOSPC"].iter().take(if writes { 3 } else { 2 }) {
            faults.push(format!("inject={call}:{fault}:when={number}"));
        }
    }
    assert!(faults.len() > 60, "only {} faults: {faults:?}", faults.len());
    faults
}

/// Asks with one fault; says whether the ask was acknowledged.
fn fail(prepared: &TempDir, before: &[String], fault: &str) -> bool {
    let dir = copy(prepared);
    let output = strace(dir.path(), &["-o", "/dev/null", "-e", fault]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!errors.contains("panicked"), "{fault}: {errors}");
    let acknowledged = output.status.success();
    run(dir.path(), &["audit", "verify"]).exits(0);
    run(dir.path(), &["ledger", "verify"]).exits(0);
    let after = entries(dir.path());
    assert!(after.starts_with(before), "{fault}: entries of before were changed or lost");
    // The decision and its customers, or neither.
    let new = after.len() - before.len();
    assert!(new == 2 || (new == 0 && !acknowledged), "{fault}: {new} new entries, acknowledged: {acknowledged}");
    ask(&dir, "job-4", "bob", &["c-6"]).exits(0);
    let later = entries(dir.path());
    assert!(later.starts_with(&after) && later.len() == after.len() + 2, "{fault}: an index was given twice");
    run(dir.path(), &["audit", "verify"]).exits(0);
    acknowledged
}

/// The entries of the log, as JSON, under dense indices.
fn entries(dir: &Path) -> Vec<String> {
    let shown = run(dir, &["audit", "show", "--json"]).exits(0).stdout;
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
