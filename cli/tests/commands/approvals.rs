//! `approvals` and `reviews`: who may answer is asked of the policies, and an approval is for one content, once.

use super::ask::digest;
use super::*;

const CONFIG: &str = "obligations = ['watermark', 'alert', 'notify', 'review', 'retain', 'audit']
remedies = ['approval:supervisor', 'approval:data_owner', 'approval:operator', 'step-up:phishing-resistant', 'managed-device']
windows = ['customers', 'team', 'vendor', 'denied']
fallbacks = ['store-down']
[ledger]
sqlite = 'ledger.sqlite'
key_file = 'ledger.key'
";

/// A folder with the reference pack's component and a ledger.
fn with_desk() -> TempDir {
    let dir = TempDir::new().unwrap();
    let pack = concat!(env!("CARGO_MANIFEST_DIR"), "/../guest-policies/support-desk");
    run(dir.path(), &["build", pack, "-o", "support-desk.wasm"]).exits(0);
    configure(&dir, "");
    run(dir.path(), &["ledger", "init"]).exits(0);
    dir
}

/// Writes the configuration, with `approvers`.
pub fn configure(dir: &TempDir, approvers: &str) {
    let digest = digest(dir.path(), "support-desk.wasm");
    write(
        dir,
        "exportgate.toml",
        format!("{CONFIG}[[modules]]\nname = 'support-desk'\nsha256 = '{digest}'\n{approvers}"),
    );
}

/// The user who runs the tests, as this approver.
pub fn approver(id: &str, role: &str, groups: &str) -> String {
    use std::os::unix::fs::MetadataExt;
    let user = tempfile::tempfile().unwrap().metadata().unwrap().uid();
    format!(
        "[[approvers]]\nuser = {user}\nrole = '{role}'\n\
         agent = {{ id = '{id}', employment = 'active', kind = 'human', region = 'US', risk = 0, in = [{groups}] }}\n"
    )
}

/// A job of somebody in `role`, for the law or in an incident.
pub fn job(id: &str, role: &str, purpose: &str, customers: &[&str]) -> String {
    let rows: Vec<serde_json::Value> = customers
        .iter()
        .map(|id| serde_json::json!({ "id": id, "region": "US", "canary": false, "legalHold": false }))
        .collect();
    let place = serde_json::json!({ "kind": "managed_drive", "region": "US" });
    serde_json::json!({
        "job": id,
        "agent": { "id": "lea", "employment": "active", "kind": "human", "region": "US", "risk": 5, "in": [role] },
        "fields": ["customer.email"],
        "env": {
            "purpose": purpose,
            "channel": "bulk",
            "destination": "drive-1",
            "managedDevice": true,
            "network": { "ip": "198.51.100.7", "corporate": true },
            "auth": { "ageSec": 60, "phishingResistant": true },
            "breakGlass": purpose == "incident_response",
        },
        "customers": rows,
        "entities": [{ "type": "Destination", "id": "drive-1", "attributes": place }],
    })
    .to_string()
}

fn ask(dir: &TempDir, id: &str, customers: &[&str]) -> Ran {
    write(dir, "job.json", job(id, "Role::legal", "legal_request", customers));
    run(dir.path(), &["ask", "--job", "job.json"])
}

fn approvals(dir: &TempDir, args: &[&str]) -> Ran {
    run(dir.path(), &[&["approvals"], args].concat())
}

#[test]
fn an_approval_is_for_one_content_and_once() {
    let dir = with_desk();
    ask(&dir, "job-1", &["c-1", "c-2"]).exits(2).prints("CHALLENGE: allowed with approval:data_owner");
    approvals(&dir, &["list"]).exits(0).prints("no request is open");
    approvals(&dir, &["request", "--job", "job.json"]).exits(0).prints("request 1 is filed");
    approvals(&dir, &["list"]).exits(0).prints("legal_request").prints("drive-1").prints("open");
    approvals(&dir, &["approve", "1"]).exits(3).complains("isn't among the approvers of `exportgate.toml`");
    // Nobody approves their own, nor without the role that the policies want.
    configure(&dir, &approver("lea", "data_owner", "'Role::approver'"));
    approvals(&dir, &["approve", "1"]).exits(1).complains("`lea` can't answer a request of their own");
    configure(&dir, &approver("dora", "data_owner", "'Role::support'"));
    approvals(&dir, &["approve", "1"]).exits(1).complains("the policies don't let `dora` approve job `job-1`");
    configure(&dir, &approver("dora", "data_owner", "'Role::approver'").replace("'active'", "'ended'"));
    approvals(&dir, &["approve", "1"]).exits(1).complains("`employment-ended`");
    configure(&dir, &approver("dora", "owner", "'Role::approver'"));
    approvals(&dir, &["approve", "1"]).exits(3).complains("`data_owner`").complains("found `owner`");
    configure(&dir, &approver("dora", "data_owner", "'Role::approver'").replace("'human'", "'robot'"));
    approvals(&dir, &["approve", "1"]).exits(3).complains("kind");
    configure(&dir, &approver("dora", "data_owner", "'Role::approver'"));
    approvals(&dir, &["approve", "7"]).exits(3).complains("the ledger knows no request 7");
    approvals(&dir, &["approve", "1"]).exits(0).prints("request 1 is approved by `dora` as data_owner");
    approvals(&dir, &["approve", "1"]).exits(3).complains("`dora` has answered request 1 before");
    // It holds for this content, and no other.
    ask(&dir, "job-2", &["c-1", "c-3"]).exits(2);
    ask(&dir, "job-2", &["c-1", "c-2", "c-3"]).exits(2);
    ask(&dir, "job-1", &["c-2", "c-1"]).exits(0).prints("ALLOW").prints("grant-legal");
    // Asked again under its id, the job gets the same permit until it was used; another job needs approvals of its own.
    let permit = |ran: Ran| ran.exits(0).json()["permit"].as_str().unwrap().to_owned();
    let again = || permit(run(dir.path(), &["ask", "--job", "job.json", "--json"]));
    let first = again();
    assert_eq!(again(), first);
    ask(&dir, "job-3", &["c-1", "c-2"]).exits(2);
    run(dir.path(), &["use", &first]).exits(0);
    ask(&dir, "job-1", &["c-1", "c-2"]).exits(2);
    ask(&dir, "job-3", &["c-1", "c-2"]).exits(2);
    approvals(&dir, &["list"]).exits(0).prints("no request is open");
    let listed = approvals(&dir, &["list", "--all", "--json"]).exits(0).json();
    assert_eq!(listed[0]["state"], "used by job job-1");
    assert_eq!(listed[0]["answers"][0]["role"], "data_owner");
    assert_eq!(listed[0]["customers"], 2);
}

#[test]
fn answers_are_on_record() {
    let dir = with_desk();
    let section = run(dir.path(), &["audit", "keys", "log.example/desk"]).exits(0).stdout;
    let configure = |approvers: &str| configure(&dir, &format!("{approvers}{section}"));
    configure(&approver("dora", "data_owner", "'Role::approver'"));
    for number in ["1", "2"] {
        ask(&dir, &format!("job-{number}"), &[number]).exits(2);
        approvals(&dir, &["request", "--job", "job.json"]).exits(0);
        approvals(&dir, &[if number == "1" { "approve" } else { "deny" }, number]).exits(0);
    }
    run(dir.path(), &["audit", "show"]).exits(0).prints("yes by dora as data_owner").prints("no by dora as data_owner");
    let events = run(dir.path(), &["audit", "export", "--ocsf"]).exits(0);
    events.prints("\"approved\":true").prints("\"approved\":false");
    run(dir.path(), &["audit", "verify"]).exits(0).prints("2 approval");
    // Without the key that the log needs, nobody answers.
    ask(&dir, "job-3", &["3"]).exits(2);
    approvals(&dir, &["request", "--job", "job.json"]).exits(0);
    std::fs::remove_file(dir.path().join("audit-customers-1.key")).unwrap();
    approvals(&dir, &["approve", "3"]).exits(3).complains("audit-customers-1.key");
}

#[test]
fn a_denied_request_stays_denied() {
    let dir = with_desk();
    configure(&dir, &approver("dora", "data_owner", "'Role::approver'"));
    ask(&dir, "job-1", &["c-1"]).exits(2);
    approvals(&dir, &["request", "--job", "job.json"]).exits(0);
    approvals(&dir, &["deny", "1"]).exits(0).prints("request 1 is denied by `dora`");
    configure(&dir, &approver("sam", "data_owner", "'Role::approver'"));
    approvals(&dir, &["approve", "1"]).exits(3).complains("request 1 was denied by `dora`");
    ask(&dir, "job-1", &["c-1"]).exits(2);
    approvals(&dir, &["list", "--all"]).exits(0).prints("denied by dora (data_owner)");
}

#[test]
fn broken_glass_waits_for_review() {
    let dir = with_desk();
    run(dir.path(), &["reviews", "list"]).exits(0).prints("nothing waits for review");
    write(&dir, "job.json", job("glass-1", "Role::incident", "incident_response", &["c-1", "c-2", "c-3"]));
    run(dir.path(), &["ask", "--job", "job.json"]).exits(0).prints("grant-break-glass").prints("critical");
    run(dir.path(), &["reviews", "list"]).exits(0).prints("glass-1").prints("grant-break-glass").prints("open");
    run(dir.path(), &["ledger", "status"]).exits(0).prints("1, of these 0 overdue");
    let close = || run(dir.path(), &["reviews", "close", "1"]);
    close().exits(3).complains("isn't among the approvers of `exportgate.toml`");
    configure(&dir, &approver("lea", "data_owner", "'Role::approver'"));
    close().exits(1).complains("`lea` can't close a review of what they took themselves");
    configure(&dir, &approver("dpo", "data_owner", "'Role::approver'"));
    close().exits(0).prints("review 1 is closed by `dpo`");
    close().exits(3).complains("there is no open review 1");
    run(dir.path(), &["reviews", "list"]).exits(0).prints("nothing waits for review");
    let listed = run(dir.path(), &["reviews", "list", "--all", "--json"]).exits(0).json();
    assert_eq!((&listed[0]["agent"], &listed[0]["customers"]), (&"lea".into(), &3.into()));
    assert!(listed[0]["state"].as_str().unwrap().starts_with("closed by dpo at "));
}
