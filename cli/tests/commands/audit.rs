//! The audit log from the command line: recorded by `ask`, signed, verified, proved, exported and asked.

use super::ask::{ask, with_ledger};
use super::*;

/// A folder with a ledger, and a log named in its configuration. Returns the log's public key too.
pub fn with_log() -> (TempDir, String) {
    log_in(with_ledger())
}

/// Names a log in the configuration of a folder with a ledger. Returns the log's public key too.
pub fn log_in(dir: TempDir) -> (TempDir, String) {
    let section = run(dir.path(), &["audit", "keys", "log.example/desk"]).exits(0).stdout;
    let config = std::fs::read_to_string(dir.path().join("exportgate.toml")).unwrap();
    write(&dir, "exportgate.toml", format!("{config}\n{section}"));
    let key = section.split('"').find(|text| text.starts_with("log.example/desk+")).unwrap().to_owned();
    (dir, key)
}

/// Ana took `c-1` and `c-2`; bob was allowed `c-3`, and gave it back.
pub fn used(dir: &TempDir) {
    ask(dir, "job-1", "ana", &["c-1", "c-2"]).exits(0);
    run(dir.path(), &["commit", "job-1"]).exits(0);
    ask(dir, "job-2", "bob", &["c-3"]).exits(0);
    run(dir.path(), &["cancel", "job-2"]).exits(0);
}

#[test]
fn what_is_asked_is_recorded_signed_and_verified() {
    let (dir, key) = with_log();
    used(&dir);
    let verify = || run(dir.path(), &["audit", "verify"]);
    verify().exits(0).prints("2 decision").prints("none: nothing proves").prints("7 at the end");
    let checkpoint = run(dir.path(), &["audit", "checkpoint"]).exits(0).prints("log.example/desk\n7\n").stdout;
    verify().exits(0).prints("1 hold; the last covers 7 entries").prints("not covered  none");
    run(dir.path(), &["audit", "checkpoint"]).exits(0);
    assert_eq!(std::fs::read_to_string(dir.path().join("audit.checkpoints")).unwrap(), checkpoint);
    run(dir.path(), &["audit", "show"])
        .exits(0)
        .prints("allow 2 of 2 customers, customer.email")
        .prints("all left")
        .prints("cancel");
    let shown = run(dir.path(), &["audit", "show", "--job", "job-1", "--json"]).exits(0).stdout;
    assert!(
        shown.contains("\"agent\":{\"kind\":\"Export::Agent\",\"id\":\"ana\"}") && !shown.contains("c-1"),
        "{shown}"
    );
    let json = run(dir.path(), &["audit", "verify", "--json"]).exits(0).json();
    assert_eq!(json.get("holds"), Some(&serde_json::Value::Bool(true)));
    let other = key.replace("log.example/desk", "log.example/desk2");
    run(dir.path(), &["audit", "verify", "--key", &other]).exits(3).complains("the id");
}

#[test]
fn a_ledger_put_back_to_yesterday_is_found() {
    let (dir, _) = with_log();
    ask(&dir, "job-1", "ana", &["c-1", "c-2"]).exits(0);
    let ledger = dir.path().join("ledger.sqlite");
    std::fs::copy(&ledger, dir.path().join("yesterday")).unwrap();
    run(dir.path(), &["commit", "job-1"]).exits(0);
    let kept = run(dir.path(), &["audit", "checkpoint"]).exits(0).stdout;
    write(&dir, "elsewhere.txt", kept);
    std::fs::copy(dir.path().join("yesterday"), &ledger).unwrap();
    run(dir.path(), &["audit", "verify"])
        .exits(4)
        .prints("wrong: truncated: 3 entries are left of the 4 that a checkpoint was signed for")
        .complains("the log doesn't hold: 1 finding");
    run(dir.path(), &["audit", "checkpoint"]).exits(4).complains("isn't the one that its checkpoint of 4 entries");
    // Who takes away the checkpoints too is found by the one that left.
    std::fs::remove_file(dir.path().join("audit.checkpoints")).unwrap();
    run(dir.path(), &["audit", "verify"]).exits(0);
    run(dir.path(), &["audit", "verify", "--checkpoint", "elsewhere.txt"]).exits(4).prints("truncated");
}

#[test]
fn a_receipt_is_checked_with_the_public_key_alone() {
    let (dir, key) = with_log();
    used(&dir);
    run(dir.path(), &["audit", "prove", "job-1"]).exits(3).complains("audit checkpoint");
    run(dir.path(), &["audit", "checkpoint"]).exits(0);
    run(dir.path(), &["audit", "prove", "job-1", "-o", "job-1.tlog-proof"]).exits(0);
    run(dir.path(), &["audit", "prove", "job-9"]).exits(3).complains("no decision about a job `job-9`");
    run(dir.path(), &["audit", "prove", "99"]).exits(3).complains("entry 99 isn't among them");
    let elsewhere = TempDir::new().unwrap();
    std::fs::copy(dir.path().join("job-1.tlog-proof"), elsewhere.path().join("r")).unwrap();
    let check = |key: &str| run(elsewhere.path(), &["audit", "verify-receipt", "r", "--key", key]);
    check(&key).exits(0).prints("job-1").prints("Export::Agent::\"ana\"").prints("allow 2 of 2 customers");
    let thief = run(elsewhere.path(), &["audit", "keys", "log.example/desk"]).exits(0).stdout;
    let thief = thief.split('"').find(|text| text.starts_with("log.example/desk+")).unwrap().to_owned();
    check(&thief).exits(4).complains("proves nothing").complains("none of which is trusted");
    edit(&elsewhere, "r", "index 1", "index 2");
    check(&key).exits(4).complains("the entry isn't in the log that was signed");
    write(&elsewhere, "r", "no receipt");
    check(&key).exits(3).complains("not a receipt");
}

#[test]
fn exposure_and_trace_answer_from_the_log() {
    let (dir, _) = with_log();
    used(&dir);
    write(&dir, "all.csv", "name,id\nx,c-1\ny,c-2\nz,c-3\n");
    let exposure = |args: &[&str]| run(dir.path(), &[&["exposure"], args].concat());
    exposure(&["--agent", "ana"]).exits(0).prints("customer.email").prints("nobody is named");
    let named = exposure(&["--agent", "ana", "--customers", "all.csv"]).exits(0).prints("2 of the customers listed");
    assert!(named.stdout.contains("c-2") && !named.stdout.contains("c-3"), "{}", named.stdout);
    exposure(&["--agent", "bob", "--customers", "all.csv"]).exits(0).prints("0 of the customers listed");
    exposure(&["--agent", "ana", "--until", "2020-01-01"]).exits(0).prints("of 0 asked");
    exposure(&["--since", "yesterday"]).exits(3).complains("isn't a time").complains("2026-03-01");
    let json = exposure(&["--customers", "all.csv", "--json"]).exits(0).json();
    assert!(json.to_string().contains("\"c-1\"") && !json.to_string().contains("\"c-3\""), "{json}");
    let trace = |file: &str| run(dir.path(), &["trace", "--customers", file]);
    trace("all.csv").exits(0).prints("nobody is named").prints("nobody on record took 1 of them");
    write(&dir, "canary.csv", "id,canary\nc-2,true\n");
    trace("canary.csv").exits(0).prints("strong: ana took 0 of the 0 leaked customers").prints("a canary that leaked");
    write(&dir, "ragged.csv", "id,canary\nc-2\n");
    trace("ragged.csv").exits(3).complains("line 2: another number of columns");
    write(&dir, "latin.csv", b"id\n\xff\n");
    trace("latin.csv").exits(3).complains("it isn't UTF-8");
    write(&dir, "none.csv", "id\n");
    trace("none.csv").exits(3).complains("no leaked customers");
}

#[test]
fn exposure_and_trace_are_drawn() {
    let (dir, _) = with_log();
    used(&dir);
    let drawn = |args: &[&str]| {
        run(dir.path(), args).exits(0);
        std::fs::read_to_string(dir.path().join("out.svg")).unwrap()
    };
    let all = drawn(&["exposure", "--svg", "out.svg"]);
    assert!(all.contains("What was taken, and by whom") && all.contains("2 taken, at most 2 a bar"), "{all}");
    assert!(!all.contains(">bob<"), "what was cancelled wasn't taken: {all}");
    assert!(drawn(&["exposure", "--agent", "ana", "--json", "--svg", "out.svg"]).contains("What ana took"));
    assert!(drawn(&["exposure", "--agent", "eve", "--svg", "out.svg"]).contains("nobody took anything"));
    write(&dir, "leaked.csv", "id\nc-2\nc-9\n");
    let traced = drawn(&["trace", "--customers", "leaked.csv", "--svg", "out.svg"]);
    assert!(traced.contains("1 leaked, of 2 taken") && !traced.contains("c-2"), "{traced}");
    run(dir.path(), &["exposure", "--svg", "none/out.svg"]).exits(5).complains("can't write `none/out.svg`");
}

#[test]
fn events_are_lines_of_json() {
    let (dir, _) = with_log();
    used(&dir);
    let lines = run(dir.path(), &["audit", "export", "--ocsf"]).exits(0).stdout;
    let classes: Vec<u64> = lines
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|event| event.get("class_uid").and_then(serde_json::Value::as_u64).unwrap())
        .collect();
    assert_eq!(classes, [6005, 6005, 6005, 6005]);
}

#[test]
fn what_is_missing_or_wrong_is_said() {
    let dir = with_ledger();
    run(dir.path(), &["audit", "verify"]).exits(3).complains("it names no audit log").complains("audit keys");
    let (dir, _) = with_log();
    run(dir.path(), &["audit", "keys", "log.example/desk"]).exits(5).complains("never overwritten");
    run(dir.path(), &["audit", "keys", "a b"]).exits(3).complains("isn't a key name");
    used(&dir);
    // Another log's name: every entry is foreign.
    edit(&dir, "exportgate.toml", "origin = \"log.example/desk\"", "origin = \"log.example/other\"");
    run(dir.path(), &["audit", "verify"]).exits(3).complains("no public key of the log `log.example/other`");
    edit(&dir, "exportgate.toml", "origin = \"log.example/other\"", "origin = \"log.example/desk\"");
    // Without its customer key nothing is allowed, and nothing is resolved.
    std::fs::rename(dir.path().join("audit-customers-1.key"), dir.path().join("gone")).unwrap();
    ask(&dir, "job-5", "ana", &["c-1"]).exits(3).complains("audit-customers-1.key");
    run(dir.path(), &["audit", "keys", "log.example/desk"]).exits(0).prints("stays as it is");
    write(&dir, "all.csv", "id\nc-1\n");
    run(dir.path(), &["exposure", "--customers", "all.csv"]).exits(3).complains("isn't the one of this log");
}

#[test]
fn who_revokes_and_reinstates_is_on_record() {
    let (dir, _) = with_log();
    run(dir.path(), &["revoke", "ana", "--reason", "left today"]).exits(0);
    run(dir.path(), &["revoke", "ana", "--reason", "twice"]).exits(0);
    ask(&dir, "job-1", "ana", &["c-1"]).exits(1);
    run(dir.path(), &["reinstate", "ana", "--reason", "another ana"]).exits(0);
    run(dir.path(), &["audit", "show"])
        .exits(0)
        .prints("agent ana revoked by user ")
        .prints(": left today")
        .prints("agent ana lifted by user ")
        .prints(": another ana");
    let shown = run(dir.path(), &["audit", "show", "--agent", "ana", "--json"]).exits(0).stdout;
    assert_eq!(shown.lines().count(), 3, "{shown}");
    let events = run(dir.path(), &["audit", "export", "--ocsf"]).exits(0).stdout;
    let access: Vec<serde_json::Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let access: Vec<&serde_json::Value> = access.iter().filter(|event| event["class_uid"] == 3005).collect();
    assert_eq!((access.len(), &access[0]["activity_id"], &access[1]["activity_id"]), (2, &2.into(), &1.into()));
    run(dir.path(), &["audit", "verify"]).exits(0).prints("2 revocation");
    // Without its key nothing can be recorded, so nothing changes.
    std::fs::remove_file(dir.path().join("audit-customers-1.key")).unwrap();
    run(dir.path(), &["revoke", "ana"]).exits(3).complains("audit-customers-1.key");
    run(dir.path(), &["revocations"]).exits(0).prints("nobody is revoked");
}

#[test]
fn what_is_dropped_is_gone_and_the_rest_still_holds() {
    let (dir, key) = with_log();
    prunes(&dir, &key);
}

/// Drops all entries of a log that has none yet but its key, and goes on.
pub fn prunes(dir: &TempDir, key: &str) {
    used(dir);
    run(dir.path(), &["audit", "checkpoint"]).exits(0);
    let prune = |before: &str| run(dir.path(), &["audit", "prune", "--before", before]);
    prune("2001-01-01").exits(0).prints("nothing in the log is that old");
    prune("9001-01-01").exits(3).complains("lies ahead");
    prune("soon").exits(3).complains("`--before soon` isn't a time");
    // All that there was.
    let now = exportgate::job_file::print_datetime(
        i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap(),
    );
    prune(&now).exits(0).prints("dropped 7 entries: the log begins with entry 7");
    prune(&now).exits(0).prints("nothing in the log is that old");
    run(dir.path(), &["audit", "verify"]).exits(0).prints("the first 7").prints("1 pruning");
    run(dir.path(), &["ledger", "verify"]).exits(0);
    ask(dir, "job-3", "ana", &["c-1"]).exits(0).prints("customers24h 2");
    run(dir.path(), &["commit", "job-3"]).exits(0);
    run(dir.path(), &["audit", "checkpoint"]).exits(0);
    run(dir.path(), &["audit", "verify"]).exits(0).prints("not covered  none");
    run(dir.path(), &["audit", "prove", "job-3", "-o", "job-3.tlog-proof"]).exits(0);
    run(dir.path(), &["audit", "verify-receipt", "job-3.tlog-proof", "--key", key]).exits(0).prints("job-3");
    run(dir.path(), &["audit", "prove", "1"]).exits(3).complains("entry 1 was dropped");
    write(dir, "all.csv", "id\nc-1\nc-2\nc-3\n");
    run(dir.path(), &["exposure", "--customers", "all.csv"]).exits(0).prints("1 of the customers listed");
    run(dir.path(), &["audit", "export", "--ocsf"]).exits(0);
    run(dir.path(), &["trace", "--customers", "all.csv"]).exits(0);
}

#[test]
fn keys_are_handed_over_and_both_sides_hold() {
    rotates(&with_log().0);
}

/// Hands over both keys of a log that has no entries yet but its key.
pub fn rotates(dir: &TempDir) {
    used(dir);
    run(dir.path(), &["audit", "checkpoint"]).exits(0);
    let said = run(dir.path(), &["audit", "rotate", "signing"]).exits(0).prints("audit-next.key").stdout;
    let new = said.split('"').find(|text| text.starts_with("log.example/desk+")).unwrap().to_owned();
    run(dir.path(), &["audit", "rotate", "signing"]).exits(5).complains("a key that is there is never overwritten");
    // The old key may sign no more: whoever still has it makes nothing that holds.
    run(dir.path(), &["audit", "checkpoint"]).exits(0);
    run(dir.path(), &["audit", "verify"]).exits(4).prints("handed over");
    let kept = std::fs::read_to_string(dir.path().join("audit.checkpoints")).unwrap();
    let first = kept.split("\nlog.example/desk\n").next().unwrap().to_owned();
    write(dir, "audit.checkpoints", format!("{}\n", first.trim_end()));
    edit(dir, "exportgate.toml", "audit.key", "audit-next.key");
    run(dir.path(), &["audit", "checkpoint"]).exits(0);
    run(dir.path(), &["audit", "verify"]).exits(0).prints("2 hold").prints("1 rotation");
    run(dir.path(), &["audit", "verify", "--key", &new]).exits(0);
    // Customers of before and after the new key are found.
    run(dir.path(), &["audit", "rotate", "customers"]).exits(0).prints("audit-customers-2.key");
    edit(
        dir,
        "exportgate.toml",
        "[\"audit-customers-1.key\"]",
        "[\"audit-customers-1.key\", \"audit-customers-2.key\"]",
    );
    ask(dir, "job-3", "ana", &["c-9"]).exits(0);
    run(dir.path(), &["audit", "show"]).exits(0).prints("epoch 2");
    write(dir, "all.csv", "id\nc-1\nc-9\n");
    run(dir.path(), &["exposure", "--customers", "all.csv"]).exits(0).prints("2 of the customers listed");
    run(dir.path(), &["audit", "verify"]).exits(0);
}
