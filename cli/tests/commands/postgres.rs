//! A ledger in PostgreSQL: asked, answered and looked at by processes that share it.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::approvals::{approver, configure, job as approved_job};
use super::ask::{ask, digest, permit};
use super::server::Server;
use super::*;

/// Each test has a database of its own: the schema is the same for all ledgers.
fn database() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("desk_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let server = Server::shared();
    server.create_database(&name);
    server.url().replace("dbname=postgres", &format!("dbname={name}"))
}

/// The folder with its ledger in PostgreSQL.
fn with_ledger() -> TempDir {
    let dir = with_pack();
    run(dir.path(), &["build", "pack", "-o", "my-pack.wasm"]).exits(0);
    let config = format!(
        "obligations = ['watermark', 'alert']\nwindows = ['customers']\n\n[[modules]]\nname = 'my-pack'\nsha256 = '{}'\n\n\
         [ledger]\npostgres = '{}'\nkey_file = 'ledger.key'\n",
        digest(dir.path(), "my-pack.wasm"),
        database()
    );
    write(&dir, "exportgate.toml", config);
    dir
}

/// A folder with a ledger in PostgreSQL, and a log named in its configuration. Returns the log's public key too.
pub fn with_log() -> (TempDir, String) {
    let dir = with_ledger();
    run(dir.path(), &["ledger", "init"]).exits(0);
    audit::log_in(dir)
}

#[test]
fn what_is_dropped_is_gone_and_the_rest_still_holds() {
    let (dir, key) = with_log();
    audit::prunes(&dir, &key);
}

#[test]
fn keys_are_handed_over_and_both_sides_hold() {
    audit::rotates(&with_log().0);
}

#[test]
fn a_ledger_is_made_once_asked_and_answered() {
    let dir = with_ledger();
    // A database that isn't the one meant doesn't begin anew: without a key, and with one.
    ask(&dir, "job-1", "ana", &["c-1"]).exits(3).complains("the key file `ledger.key` can't be used");
    write(&dir, "ledger.key", "5".repeat(64));
    #[cfg(unix)]
    std::fs::set_permissions(dir.path().join("ledger.key"), std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .unwrap();
    ask(&dir, "job-1", "ana", &["c-1"]).exits(3).complains("there is no ledger in `schema exportgate_ledger of");
    run(dir.path(), &["ledger", "status"]).exits(3).complains("exportgate ledger init");
    std::fs::remove_file(dir.path().join("ledger.key")).unwrap();
    run(dir.path(), &["ledger", "init"]).exits(0).prints("made the ledger in PostgreSQL").prints("made the key");

    let used = permit(&dir, "job-1", &["c-1", "c-2"]);
    assert_eq!(permit(&dir, "job-1", &["c-2", "c-1"]), used);
    run(dir.path(), &["use", &used]).exits(0);
    run(dir.path(), &["use", &used]).exits(1).complains("the permit of job `job-1` was used at");
    write(&dir, "left.txt", "c-1\n");
    for _ in 0..2 {
        run(dir.path(), &["commit", "job-1", "--left", "left.txt"]).exits(0).prints("1 customers left");
    }
    run(dir.path(), &["cancel", "job-1"]).exits(3).complains("job `job-1` was committed");
    ask(&dir, "job-2", "ana", &["c-3"]).exits(0).prints("customers24h 2");
    run(dir.path(), &["cancel", "job-2"]).exits(0);
    let all: Vec<String> = (0..40).map(|customer| format!("c-{customer}")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    ask(&dir, "job-3", "ana", &all).exits(0).prints("customers24h 40");
    ask(&dir, "job-4", "ana", &["c-40"]).exits(1).prints("F2-daily");
    let late = permit(&dir, "job-5", &["c-0"]);
    run(dir.path(), &["revoke", "ana", "--reason", "left today"]).exits(0);
    run(dir.path(), &["use", &late]).exits(1).complains("agent `ana` is revoked since");
    ask(&dir, "job-6", "ana", &["c-1"]).exits(1).prints("agent `ana` is revoked since");
    run(dir.path(), &["reinstate", "ana"]).exits(0);
    ask(&dir, "job-6", "ana", &["c-1"]).exits(0);
    run(dir.path(), &["ledger", "verify"]).exits(0).prints("the ledger is whole: 5 jobs (3 unanswered)");
    run(dir.path(), &["ledger", "status"]).exits(0).prints("in PostgreSQL").prints("customers24h");

    // A machine with another key is refused, and doesn't keep one that no ledger was made with.
    std::fs::remove_file(dir.path().join("ledger.key")).unwrap();
    run(dir.path(), &["ledger", "init"]).exits(3).complains("hashed under another key");
    assert!(!dir.path().join("ledger.key").exists());
}

#[test]
fn servers_that_cannot_be_reached_say_so_and_hide_the_password() {
    let dir = with_ledger();
    run(dir.path(), &["ledger", "init"]).exits(0);
    let config = std::fs::read_to_string(dir.path().join("exportgate.toml")).unwrap();
    let begin = config.split("postgres = ").next().unwrap();
    let end = "\nkey_file = 'ledger.key'\n";
    write(&dir, "exportgate.toml", format!("{begin}postgres = 'host=/nowhere user=a password=hidden-word'{end}"));
    let ran = ask(&dir, "job-1", "ana", &["c-1"]).exits(5).complains("the ledger's store failed").complains("help:");
    assert!(!ran.stderr.contains("hidden-word") && !ran.stdout.contains("hidden-word"), "{}", ran.stderr);
    write(&dir, "exportgate.toml", format!("{begin}postgres = 'no such thing hidden-word'{end}"));
    let ran = ask(&dir, "job-1", "ana", &["c-1"]);
    assert!(ran.code >= 3 && !ran.stderr.contains("hidden-word"), "{} {}", ran.code, ran.stderr);
}

#[test]
fn an_approval_is_for_one_content_and_once() {
    let dir = TempDir::new().unwrap();
    let pack = concat!(env!("CARGO_MANIFEST_DIR"), "/../guest-policies/support-desk");
    run(dir.path(), &["build", pack, "-o", "support-desk.wasm"]).exits(0);
    let store = format!("postgres = '{}'", database());
    let configure = |approvers: &str| {
        configure(&dir, approvers);
        edit(&dir, "exportgate.toml", "sqlite = 'ledger.sqlite'", &store);
    };
    configure(&approver("dora", "data_owner", "'Role::approver'"));
    run(dir.path(), &["ledger", "init"]).exits(0);
    let ask = |id: &str, customers: &[&str]| {
        write(&dir, "job.json", approved_job(id, "Role::legal", "legal_request", customers));
        run(dir.path(), &["ask", "--job", "job.json"])
    };
    ask("job-1", &["c-1", "c-2"]).exits(2);
    run(dir.path(), &["approvals", "request", "--job", "job.json"]).exits(0).prints("request 1 is filed");
    run(dir.path(), &["approvals", "approve", "1"]).exits(0).prints("approved by `dora`");
    run(dir.path(), &["approvals", "approve", "1"]).exits(3).complains("`dora` has answered request 1 before");
    ask("job-2", &["c-1", "c-3"]).exits(2);
    ask("job-1", &["c-2", "c-1"]).exits(0).prints("ALLOW");
    ask("job-3", &["c-1", "c-2"]).exits(2);
    run(dir.path(), &["approvals", "list", "--all"]).exits(0).prints("used by job job-1");
    run(dir.path(), &["ledger", "verify"]).exits(0);
}
