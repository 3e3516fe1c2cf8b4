//! The audit log of a gate: what an ask, a commit and a cancel record, in the transaction that decides them.

use std::sync::Arc;

use exportgate::audit_log::entry::{self, Form, Uid};
use exportgate::audit_log::verify::Against;
use exportgate::audit_log::{
    CustomerKey, Entry, Event, ExposureQuery, KeyRole, Prefix, PrivateKey, Records, exposure, next_checkpoint, verify,
};
use exportgate::ledger::{self, Ledger, SqliteLedger, SqliteOptions};
use exportgate::{
    AuditLog, Cause, Engine, EngineConfig, Gate, GateConfig, LedgerRecords, Left, LogWriter, Module, Verdict,
    reinstate, revoke,
};
use tempfile::TempDir;

use crate::failing::{Failing, Step};
use crate::guest::{Guest, Test, forbid};
use crate::job::{job, job_of, opened};
use crate::{fallback, store_failed};

const ORIGIN: &str = "log.example/desk";

struct Desk {
    gate: Gate,
    ledger: Arc<dyn Ledger>,
    failing: Arc<Failing>,
    _folder: TempDir,
}

fn key() -> CustomerKey {
    CustomerKey::new(1, &[9; 32])
}

impl Desk {
    fn new(guest: &Guest) -> Self {
        let folder = TempDir::new().unwrap();
        let key_of_ledger = ledger::CustomerKey::new(&[7; 32]).unwrap();
        let path = folder.path().join("ledger.sqlite");
        let sqlite = Arc::new(SqliteLedger::open(path, key_of_ledger, SqliteOptions::default()).unwrap());
        let failing = Arc::new(Failing::new());
        let ledger = failing.clone().around(sqlite);
        let engine = Engine::new(&EngineConfig::default()).unwrap();
        let module = Module::load(&engine, &guest.build()).unwrap();
        let gate = Gate::with_ledger(&engine, GateConfig::dry_run(), vec![module], ledger.clone()).unwrap();
        let log = Arc::new(AuditLog::new(ORIGIN, key(), &gate));
        Self { gate: gate.with_recorder(log), ledger, failing, _folder: folder }
    }

    fn records(&self) -> LedgerRecords {
        LedgerRecords::new(self.ledger.clone())
    }

    fn entries(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        self.records()
            .read(0, u64::MAX, &mut |_, record| {
                entries.push(Entry::from_bytes(record).unwrap());
                true
            })
            .unwrap();
        entries
    }

    /// Whether the log holds, against a checkpoint of all of it.
    fn check(&self) {
        let signing = PrivateKey::from_seed(ORIGIN, KeyRole::Log, &[1; 32]).unwrap();
        let (checkpoint, _) = next_checkpoint(&self.records(), ORIGIN, &Prefix::none(ORIGIN), None).unwrap();
        let checkpoints = [checkpoint.sign(&signing).unwrap().to_string()];
        let keys = [signing.public().clone()];
        let against = Against { origin: ORIGIN, keys: &keys, checkpoints: &checkpoints, prefix: Prefix::none(ORIGIN) };
        let report = verify(&self.records(), &against).unwrap();
        assert!(report.holds(), "{:#?}", report.findings);
        assert_eq!((report.size, report.uncovered()), (self.entries().len() as u64, 0));
    }

    fn names(&self) -> Vec<&'static str> {
        self.entries().iter().map(|entry| entry.event.name()).collect()
    }
}

fn decision(entry: &Entry) -> Option<&entry::Decision> {
    match &entry.event {
        Event::Decision(decision) => Some(decision),
        _ => None,
    }
}

fn guest() -> Guest {
    let mut guest = opened([forbid("day", "export", Test::Above("context.usage.customers24h", 3))]);
    guest.windows = vec!["customers24h"];
    guest
}

#[test]
fn a_decision_is_recorded_with_who_what_and_why() {
    let desk = Desk::new(&guest());
    assert!(desk.gate.ask(&job(&["a", "b"])).decision.is_allow());
    let entries = desk.entries();
    assert_eq!(desk.names(), ["customer-key", "decision", "rows"]);
    let decision = decision(&entries[1]).unwrap();
    assert_eq!((decision.job.as_str(), decision.verdict), ("job-1", entry::Verdict::Allow));
    assert_eq!(decision.agent, Uid::new("Export::Agent", "ana"));
    let groups: Vec<&str> = decision.groups.iter().map(|group| group.id.as_str()).collect();
    assert_eq!(groups, ["t1", "t2", "v"], "the vendor above a team too");
    assert_eq!(decision.context("destination"), Some("drive"));
    assert_eq!(decision.fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>(), ["customer.email", "card"]);
    assert!(decision.determining.iter().any(|used| used.id == "may-export" && used.permits && used.asked == "export"));
    assert_eq!(decision.usage[0].count, 2);
    assert_eq!((decision.rows.customers, decision.rows.parts), (2, 1));
    let Event::Rows(rows) = &entries[2].event else { return assert_eq!(entries[2].event.name(), "rows") };
    assert_eq!(rows.runs[0].forms, [Form::Plain, Form::Plain]);
    let mut expected = [key().hash("a"), key().hash("b")];
    expected.sort();
    assert_eq!(rows.runs[0].customers, expected);
}

#[test]
fn denials_commits_and_cancels_are_recorded_and_the_log_holds() {
    let desk = Desk::new(&guest());
    desk.gate.ask(&job_of("job-1", "ana", &["a", "b"], &["card"]));
    desk.gate.ask(&job_of("job-2", "ana", &["c", "d"], &["card"]));
    desk.gate.commit("job-1", Left::Only(&["a".into()])).unwrap();
    desk.gate.ask(&job_of("job-3", "ana", &["c"], &["card"]));
    desk.gate.cancel("job-3").unwrap();
    desk.gate.cancel("job-3").unwrap();
    assert_eq!(
        desk.names(),
        ["customer-key", "decision", "rows", "decision", "commit", "rows", "decision", "rows", "cancel"]
    );
    let entries = desk.entries();
    let denied = decision(&entries[3]).unwrap();
    assert_eq!((denied.verdict, denied.rows.customers, denied.customers_asked), (entry::Verdict::Deny, 0, 2));
    let found = exposure(&desk.records(), &Prefix::none(ORIGIN), &ExposureQuery::default()).unwrap();
    let exposed: Vec<&str> = ["a", "b", "c", "d"].into_iter().filter(|id| found.of(&[key()], id).is_some()).collect();
    assert_eq!(exposed, ["a"]);
    desk.check();
    assert_eq!(desk.entries().len(), 9);
}

#[test]
fn no_customer_and_no_value_is_in_the_log() {
    let desk = Desk::new(&guest());
    desk.gate.ask(&job(&["customer-of-note", "another-customer"]));
    let mut all = Vec::new();
    desk.records()
        .read(0, u64::MAX, &mut |_, record| {
            all.extend_from_slice(record);
            true
        })
        .unwrap();
    let text = String::from_utf8_lossy(&all);
    assert!(
        text.contains("customer.email") && !text.contains("customer-of-note") && !text.contains("another-customer")
    );
}

#[test]
fn what_cant_be_recorded_is_denied_and_leaves_nothing() {
    let desk = Desk::new(&guest());
    desk.failing.fail_at(Some(Step::Record));
    let answer = desk.gate.ask(&job(&["a"]));
    assert_eq!(answer.decision.verdict(), &Verdict::Deny);
    assert!(matches!(answer.decision.cause(), Some(Cause::Ledger(_))) && answer.permit.is_none());
    desk.failing.fail_at(None);
    assert_eq!(desk.records().size().unwrap(), 0);
    assert!(desk.ledger.job("job-1").unwrap().is_none(), "nothing is reserved either");
    // A job whose entry would be larger than the log takes.
    let fields: Vec<String> = (0..1_000).map(|n| format!("{}{n}", "f".repeat(80))).collect();
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    let answer = desk.gate.ask(&job_of("job-2", "ana", &["a"], &fields));
    assert_eq!(answer.decision.verdict(), &Verdict::Deny);
    let cause = answer.decision.cause().map(ToString::to_string).unwrap_or_default();
    assert!(cause.contains("bytes of an entry of the audit log"), "{cause}");
}

#[test]
fn a_job_of_many_customers_takes_many_entries_in_one_transaction() {
    let desk = Desk::new(&opened([]));
    let ids: Vec<String> = (0..9_000).map(|n| format!("c-{n}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    assert!(desk.gate.ask(&job(&ids)).decision.is_allow());
    assert_eq!(desk.names(), ["customer-key", "decision", "rows", "rows", "rows"]);
}

#[test]
fn what_left_while_the_store_was_down_is_recorded_when_it_is_back() {
    let desk = Desk::new(&fallback());
    desk.failing.fail_at(Some(Step::Begin));
    let one = |id: &str, customer: &str| desk.gate.ask(&job_of(id, "ana", &[customer], &["card"]));
    let permit = one("job-1", "a").permit.unwrap();
    desk.gate.use_permit(&permit).unwrap();
    desk.gate.commit("job-1", Left::All).unwrap();
    assert!(one("job-2", "b").decision.is_allow());
    desk.gate.cancel("job-2").unwrap();
    // The store is back but can't record: nothing is asked before what left is on record, and nothing is lost.
    desk.failing.fail_at(Some(Step::Record));
    assert!(store_failed(&one("job-3", "c")));
    assert_eq!(desk.entries().len(), 0);
    desk.failing.fail_at(None);
    assert!(one("job-4", "c").decision.is_allow());
    let names = ["customer-key", "decision", "rows", "commit", "decision", "rows", "cancel", "decision", "rows"];
    assert_eq!(desk.names(), names);
    let entries = desk.entries();
    let without: Vec<_> = [1, 4, 7].map(|index: usize| decision(&entries[index]).unwrap().context("without")).to_vec();
    assert_eq!(without, [Some("store-down"), Some("store-down"), None]);
    let found = exposure(&desk.records(), &Prefix::none(ORIGIN), &ExposureQuery::default()).unwrap();
    let exposed: Vec<&str> = ["a", "b", "c"].into_iter().filter(|id| found.of(&[key()], id).is_some()).collect();
    assert_eq!(exposed, ["a", "c"]);
    desk.check();
}

#[test]
fn an_id_that_stood_for_another_job_takes_nothing_from_its_record() {
    let desk = Desk::new(&fallback());
    assert!(desk.gate.ask(&job_of("job-1", "ana", &["a"], &["card"])).decision.is_allow());
    desk.failing.fail_at(Some(Step::Begin));
    assert!(desk.gate.ask(&job_of("job-1", "ana", &["b"], &["card"])).decision.is_allow());
    desk.gate.cancel("job-1").unwrap();
    desk.failing.fail_at(None);
    desk.gate.ask(&job_of("job-2", "bob", &["c"], &["card"]));
    let found = exposure(&desk.records(), &Prefix::none(ORIGIN), &ExposureQuery::default()).unwrap();
    let exposed: Vec<&str> = ["a", "b", "c"].into_iter().filter(|id| found.of(&[key()], id).is_some()).collect();
    assert_eq!(exposed, ["a", "c"], "what was cancelled without the store is the later job's");
    desk.check();
}

#[test]
fn revocations_are_recorded_once_with_who_and_why_or_dont_happen() {
    let desk = Desk::new(&guest());
    let log = LogWriter::new(ORIGIN, key());
    desk.failing.fail_at(Some(Step::Record));
    assert!(revoke(&*desk.ledger, Some(&log), "ana", "sam", "left", 0).is_err());
    assert!(desk.gate.revoke("ana", "sam", "left").is_err());
    assert!(desk.ledger.revocations().unwrap().is_empty(), "what can't be recorded doesn't happen");
    desk.failing.fail_at(None);
    assert!(revoke(&*desk.ledger, Some(&log), "ana", "sam", "left\ntoday", 0).unwrap());
    assert!(!desk.gate.revoke("ana", "sam", "again").unwrap());
    assert!(matches!(desk.gate.ask(&job(&["a"])).decision.cause(), Some(Cause::Revoked { .. })));
    assert!(desk.gate.reinstate("ana", "dora", "").unwrap());
    assert!(!reinstate(&*desk.ledger, Some(&log), "ana", "dora", "", 0).unwrap());
    assert!(desk.gate.ask(&job(&["a"])).decision.is_allow());
    assert_eq!(desk.names(), ["customer-key", "revocation", "decision", "revocation", "decision", "rows"]);
    let revocation = |index: usize| match &desk.entries()[index].event {
        Event::Revocation(found) => (found.kind.clone(), found.id.clone(), found.by.clone(), found.lifted),
        other => panic!("{other:?}"),
    };
    assert_eq!(revocation(1), ("agent".into(), "ana".into(), "sam".into(), false));
    assert_eq!(revocation(3), ("agent".into(), "ana".into(), "dora".into(), true));
    desk.check();
}
