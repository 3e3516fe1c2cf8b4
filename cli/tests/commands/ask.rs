//! `ask`, `use`, `commit`, `cancel`, `revoke` and `ledger`: what they do, and what they refuse.

use super::*;

/// A job of the pack of `exportgate init`: these customers, each with a ticket of the agent.
pub fn job(id: &str, agent: &str, customers: &[&str]) -> String {
    let rows: Vec<serde_json::Value> = customers
        .iter()
        .map(|id| serde_json::json!({ "id": id, "legalHold": false, "ticket": format!("t-{id}") }))
        .collect();
    let ticket = |id: &&str| {
        let attributes = serde_json::json!({ "customer": id, "assignee": agent });
        serde_json::json!({ "type": "Ticket", "id": format!("t-{id}"), "attributes": attributes })
    };
    serde_json::json!({
        "job": id,
        "agent": { "id": agent, "employed": true, "in": ["Role::support"] },
        "fields": ["customer.email"],
        "env": { "purpose": "resolve_ticket" },
        "customers": rows,
        "entities": customers.iter().map(ticket).collect::<Vec<_>>(),
    })
    .to_string()
}

/// The `sha256` that `inspect` shows.
pub fn digest(dir: &Path, component: &str) -> String {
    let shown = run(dir, &["inspect", component]).exits(0).stdout;
    let line = shown.lines().find(|line| line.trim_start().starts_with("sha256")).unwrap();
    line.split_whitespace().last().unwrap().to_owned()
}

/// A folder with the pack of `exportgate init`, its component, a configuration, and a ledger.
pub fn with_ledger() -> TempDir {
    let dir = with_pack();
    run(dir.path(), &["build", "pack", "-o", "my-pack.wasm"]).exits(0);
    write(&dir, "job.json", "{}");
    let config = format!(
        "obligations = ['watermark', 'alert']\nwindows = ['customers']\n\n[[modules]]\nname = 'my-pack'\nsha256 = '{}'\n\n\
         [ledger]\nsqlite = 'ledger.sqlite'\nkey_file = 'ledger.key'\n",
        digest(dir.path(), "my-pack.wasm")
    );
    write(&dir, "exportgate.toml", config);
    run(dir.path(), &["ask", "--job", "job.json"]).exits(3).complains("there is no ledger at").complains("ledger init");
    run(dir.path(), &["ledger", "init"]).exits(0).prints("made the ledger").prints("made the key");
    dir
}

pub fn ask(dir: &TempDir, id: &str, agent: &str, customers: &[&str]) -> Ran {
    write(dir, "job.json", job(id, agent, customers));
    run(dir.path(), &["ask", "--job", "job.json"])
}

pub fn permit(dir: &TempDir, id: &str, customers: &[&str]) -> String {
    write(dir, "job.json", job(id, "ana", customers));
    let json = run(dir.path(), &["ask", "--job", "job.json", "--json"]).exits(0).json();
    json.get("permit").and_then(serde_json::Value::as_str).unwrap().to_owned()
}

#[test]
fn a_permit_is_used_once_and_a_job_is_answered_once() {
    let dir = with_ledger();
    ask(&dir, "job-1", "ana", &["c-1", "c-2"]).exits(0).prints("ALLOW").prints("permit1:").prints("customers24h 2");
    let permit = permit(&dir, "job-1", &["c-1", "c-2"]);
    let used = |permit: &str| run(dir.path(), &["use", permit]);
    used(&permit).exits(0).prints("job `job-1` may leave, now and once");
    used(&permit).exits(1).complains("nothing may leave: the permit of job `job-1` was used at").complains("help:");
    write(&dir, "left.txt", "c-1\n\nc-9\n");
    run(dir.path(), &["commit", "job-1", "--left", "left.txt"]).exits(3).complains("1 customers of job `job-1`");
    write(&dir, "left.txt", "c-1\n");
    for _ in 0..2 {
        run(dir.path(), &["commit", "job-1", "--left", "left.txt"]).exits(0).prints("1 customers left");
    }
    run(dir.path(), &["commit", "job-1"]).exits(3).complains("job `job-1` was committed, with 1 customers");
    run(dir.path(), &["cancel", "job-1"]).exits(3).complains("job `job-1` was committed").complains("help:");
    // The other customer was given back.
    ask(&dir, "job-2", "ana", &["c-3"]).exits(0).prints("customers24h 2");
    for _ in 0..2 {
        run(dir.path(), &["cancel", "job-2"]).exits(0).prints("job `job-2` is cancelled");
    }
    run(dir.path(), &["commit", "job-2"]).exits(3).complains("job `job-2` was cancelled");
    run(dir.path(), &["commit", "job-9"]).exits(3).complains("the ledger knows no job `job-9`");
    run(dir.path(), &["ledger", "verify"]).exits(0).prints("the ledger is whole: 2 jobs (0 unanswered)");
    run(dir.path(), &["ledger", "status"]).exits(0).prints("customers24h").prints("the process being killed");
}

#[test]
fn limits_hold_over_processes_and_other_content_is_refused() {
    let dir = with_ledger();
    let all: Vec<String> = (0..40).map(|customer| format!("c-{customer}")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    ask(&dir, "job-1", "ana", &all[..39]).exits(0);
    ask(&dir, "job-2", "ana", &all[38..]).exits(0).prints("customers24h 40");
    ask(&dir, "job-3", "ana", &["c-40"]).exits(1).prints("DENY").prints("F2-daily").prints("customers24h 41");
    ask(&dir, "job-3", "bob", &["c-40"]).exits(0).prints("customers24h 1");
    ask(&dir, "job-2", "ana", &["c-1"])
        .exits(1)
        .prints("job `job-2` was reserved before with other content")
        .complains("give each job an id of its own");
    let good = job("job-4", "bob", &["c-1"]);
    for (member, stated) in [
        ("at", "\"at\": \"2026-11-05T10:00:00Z\""),
        ("usage", "\"usage\": { \"customers24h\": 1 }"),
        ("approvals", "\"approvals\": { \"supervisor\": true }"),
    ] {
        write(&dir, "job.json", good.replacen('{', &format!("{{ {stated}, "), 1));
        run(dir.path(), &["ask", "--job", "job.json"]).exits(3).complains(&format!("it states `{member}`"));
    }
    run(dir.path(), &["use", "permit1:zz"]).exits(3).complains("`permit1:zz` isn't a permit");
    let forged = permit(&dir, "job-2", &all[38..]).replace("job-2", "job-1");
    run(dir.path(), &["use", &forged]).exits(1).complains("was given for other content");
}

#[test]
fn a_revoked_agent_is_out_at_once() {
    let dir = with_ledger();
    let permit = permit(&dir, "job-1", &["c-1"]);
    run(dir.path(), &["revocations"]).exits(0).prints("nobody is revoked");
    run(dir.path(), &["revoke", "ana", "--reason", "left today"]).exits(0).prints("agent `ana` is revoked");
    run(dir.path(), &["use", &permit]).exits(1).complains("agent `ana` is revoked since");
    ask(&dir, "job-2", "ana", &["c-1"]).exits(1).prints("agent `ana` is revoked since").prints("no reasons");
    ask(&dir, "job-3", "bob", &["c-1"]).exits(0);
    run(dir.path(), &["revocations"]).exits(0).prints("left today");
    assert_eq!(run(dir.path(), &["revocations", "--json"]).exits(0).json()[0]["agent"], "ana");
    run(dir.path(), &["reinstate", "ana"]).exits(0).prints("agent `ana` may ask again");
    run(dir.path(), &["reinstate", "ana"]).exits(3).complains("agent `ana` isn't revoked");
    run(dir.path(), &["revoke", " "]).exits(3).complains("can't be an agent's id");
    ask(&dir, "job-2", "ana", &["c-1"]).exits(0);
}

#[test]
fn ledgers_and_keys_that_cannot_be_used_say_why_and_nothing_leaves() {
    let dir = with_ledger();
    ask(&dir, "job-1", "ana", &["c-1", "c-2"]).exits(0);
    run(dir.path(), &["ledger", "init"]).exits(3).complains("there is something at `ledger.sqlite` already");
    let refused = |complaint: &str| {
        ask(&dir, "job-2", "ana", &["c-3"]).exits(3).complains(complaint).complains("help:");
    };
    let key = std::fs::read(dir.path().join("ledger.key")).unwrap();
    let good = std::fs::read(dir.path().join("ledger.sqlite")).unwrap();
    write(&dir, "ledger.key", format!("{}\n", "5".repeat(64)));
    refused("the ledger's customers were hashed under another key");
    write(&dir, "ledger.key", "secret");
    refused("the key file `ledger.key` doesn't hold a key");
    std::fs::remove_file(dir.path().join("ledger.key")).unwrap();
    refused("the key file `ledger.key` can't be used");
    write(&dir, "ledger.key", &key);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode =
            |mode| std::fs::set_permissions(dir.path().join("ledger.key"), PermissionsExt::from_mode(mode)).unwrap();
        mode(0o644);
        refused("is open to others: its mode is 644");
        mode(0o600);
    }
    for wal in ["ledger.sqlite-wal", "ledger.sqlite-shm"] {
        let _ = std::fs::remove_file(dir.path().join(wal));
    }
    write(&dir, "ledger.sqlite", "not a database, and longer than a header of one hundred bytes: ".repeat(40));
    refused("file is not a database");
    let mut torn = good.clone();
    let middle = torn.len() / 2;
    torn[middle..].fill(0x5a);
    write(&dir, "ledger.sqlite", torn);
    let verified = run(dir.path(), &["ledger", "verify"]);
    assert!(matches!(verified.code, 3 | 4), "{}\n{}", verified.code, verified.stderr);
    assert!(verified.stderr.contains("damaged"), "{}", verified.stderr);
    std::fs::remove_file(dir.path().join("ledger.sqlite")).unwrap();
    refused("there is no ledger at `ledger.sqlite`");
    assert!(!dir.path().join("ledger.sqlite").exists());
    write(&dir, "ledger.sqlite", good);
    ask(&dir, "job-2", "ana", &["c-3"]).exits(0).prints("customers24h 3");
}

#[test]
fn configurations_that_do_not_fit_say_what_is_missing() {
    let dir = with_ledger();
    let good = std::fs::read_to_string(dir.path().join("exportgate.toml")).unwrap();
    write(&dir, "job.json", job("job-1", "ana", &["c-1"]));
    let refused = |config: &str, complaint: &str| {
        write(&dir, "exportgate.toml", config);
        run(dir.path(), &["ask", "--job", "job.json"]).exits(3).complains(complaint);
    };
    refused(good.split("[ledger]").next().unwrap(), "it names no ledger");
    refused("[ledger]\nsqlite = 'ledger.sqlite'\nkey_file = 'ledger.key'\n", "it pins no modules");
    refused(&good.replace("'my-pack'", "'other'"), "can't use `other.wasm`: there is no such file");
    refused(&good.replace("'my-pack'", "'../my-pack'"), "expected a name of letters, digits");
    refused(&good.replace("windows = ['customers']", ""), "doesn't list windows of `customers`");
    refused(&good.replace("sqlite =", "file ="), "unknown field `file`");
    refused(
        &good.replace("sqlite = 'ledger.sqlite'", ""),
        "`ledger`: expected either `sqlite` or `postgres`, found `neither`",
    );
    refused(&good.replace("sqlite =", "postgres = 'host=nowhere'\nsqlite ="), "found `both`");
    #[cfg(not(feature = "postgres"))]
    refused(&good.replace("sqlite =", "postgres ="), "this build has no PostgreSQL");
    refused(&(good.clone() + "durability = 'none'\n"), "expected `process` or `power`, found `none`");
    edit(&dir, "pack/policies/limits.cedar", "> 40", "> 41");
    run(dir.path(), &["build", "pack", "-o", "my-pack.wasm"]).exits(0);
    refused(&good, "and the configuration pins");
    run(dir.path(), &["ask", "--config", "none.toml", "--job", "job.json"]).exits(3).complains("`none.toml`");
}
