//! Asking: check and reserve in one transaction of a ledger, permits, commits, races, and ledgers that fail.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may panic: that is how it fails"
)]

#[path = "ask/audit.rs"]
mod audit;
#[path = "support/component.rs"]
mod component;
#[path = "support/failing.rs"]
mod failing;
#[path = "support/guest.rs"]
mod guest;
#[path = "support/job.rs"]
mod job;
#[cfg(feature = "postgres")]
#[path = "ask/postgres.rs"]
mod postgres;
#[path = "ask/release.rs"]
mod release;
#[cfg(feature = "postgres")]
#[path = "../../ledger/tests/support/server.rs"]
#[expect(dead_code, reason = "other tests make databases")]
mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use exportgate::ledger::{
    CustomerKey, JobError as LedgerJobError, JobState, Ledger, LedgerError, SqliteLedger, SqliteOptions, StoreError,
    Transaction,
};
use exportgate::{
    Answer, Approval, Approvals, ApproverRole, Cause, Change, Clock, Decision, Engine, EngineConfig, Gate, GateConfig,
    Job, JobError, Left, Module, Permit, PermitError, Recorder, Verdict,
};
use exportgate_contract::obligation::Remedy;
use exportgate_contract::value::EntityUid;
use failing::{Failing, Step};
use guest::{Guest, Test, forbid, permit};
use job::{job, job_of, opened, uid};
use tempfile::TempDir;

const HOUR_MS: i64 = 3_600_000;
const NOW_MS: i64 = 1_793_872_800_000;

#[derive(Debug)]
struct Hand(AtomicI64);

impl Hand {
    fn set(&self, now_ms: i64) {
        self.0.store(now_ms, Ordering::Relaxed);
    }
}

impl Clock for Hand {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A gate on a ledger in a temporary folder.
struct Desk {
    gate: Gate,
    ledger: Arc<dyn Ledger>,
    clock: Arc<Hand>,
    folder: TempDir,
}

impl Desk {
    fn new(guest: &Guest) -> Self {
        Self::with(guest, GateConfig::dry_run(), |ledger| ledger)
    }

    fn with(guest: &Guest, config: GateConfig, wrap: impl FnOnce(Arc<dyn Ledger>) -> Arc<dyn Ledger>) -> Self {
        let folder = TempDir::new().unwrap();
        let ledger = wrap(sqlite(&folder));
        let clock = Arc::new(Hand(AtomicI64::new(NOW_MS)));
        let gate = gate(&[guest], config, ledger.clone(), clock.clone());
        Self { gate, ledger, clock, folder }
    }

    fn ask_at(&self, now_ms: i64, job: &Job) -> Answer {
        self.clock.set(now_ms);
        self.gate.ask(job)
    }
}

fn sqlite(folder: &TempDir) -> Arc<dyn Ledger> {
    let key = CustomerKey::new(&[7; 32]).unwrap();
    Arc::new(SqliteLedger::open(folder.path().join("ledger.sqlite"), key, SqliteOptions::default()).unwrap())
}

fn gate(guests: &[&Guest], config: GateConfig, ledger: Arc<dyn Ledger>, clock: Arc<dyn Clock>) -> Gate {
    let engine = Engine::new(&EngineConfig::default()).unwrap();
    let modules = guests.iter().map(|guest| Module::load(&engine, &guest.build()).unwrap()).collect();
    Gate::with_ledger_and_clock(&engine, config, modules, ledger, clock).unwrap()
}

fn determining(decision: &Decision) -> Vec<&str> {
    decision.determining().map(|policy| policy.id()).collect()
}

fn ids(ids: &[&str]) -> Vec<Arc<str>> {
    ids.iter().map(|id| Arc::from(*id)).collect()
}

/// At most `max` customers of the agent in 24 hours.
fn limited(max: i64) -> Guest {
    let mut guest = opened([forbid("day", "export", Test::Above("context.usage.customers24h", max))]);
    guest.windows = vec!["customers24h", "denied1h"];
    guest
}

fn usage(decision: &Decision, name: &str) -> u64 {
    decision.usage().iter().find(|(known, _)| **known == *name).unwrap().1
}

#[test]
fn windows_count_this_job_and_the_largest_subject_holds() {
    let mut guest = opened([
        forbid("day", "export", Test::Above("context.usage.customers24h", 3)),
        forbid("team", "export", Test::Above("context.usage.team24h", 4)),
    ]);
    guest.windows = vec!["customers24h", "customers1h", "team24h", "vendor24h", "destination24h", "denied1h"];
    let desk = Desk::new(&guest);
    let ask = |id: &str, agent: &str, ids: &[&str], now_ms| {
        let answer = desk.ask_at(now_ms, &job_of(id, agent, ids, &["customer.email"]));
        let decision = answer.decision;
        assert_eq!(answer.permit.is_some(), decision.is_allow());
        let usage: Vec<(String, u64)> =
            decision.usage().iter().map(|(name, count)| (name.to_string(), *count)).collect();
        (usage, determining(&decision).into_iter().map(str::to_owned).collect::<Vec<_>>())
    };
    let usage = |counts: [u64; 6]| {
        let names = ["customers1h", "customers24h", "denied1h", "destination24h", "team24h", "vendor24h"];
        names.map(str::to_owned).into_iter().zip(counts).collect::<Vec<_>>()
    };
    let allowed = vec!["may-export".to_owned()];
    assert_eq!(ask("1", "ana", &["a", "b"], NOW_MS), (usage([2, 2, 0, 2, 2, 2]), allowed.clone()));
    // The same customers again count once.
    assert_eq!(ask("2", "ana", &["b", "c"], NOW_MS + 1), (usage([3, 3, 0, 3, 3, 3]), allowed.clone()));
    // Bob is in one of Ana's teams: his own count is small, the team's holds both.
    assert_eq!(ask("3", "bob", &["d"], NOW_MS + 2), (usage([1, 1, 0, 4, 4, 4]), allowed.clone()));
    assert_eq!(ask("4", "bob", &["e"], NOW_MS + 3), (usage([2, 2, 0, 5, 5, 5]), vec!["team".to_owned()]));
    assert_eq!(
        ask("5", "ana", &["x"], NOW_MS + 4),
        (usage([4, 4, 0, 5, 5, 5]), vec!["day".to_owned(), "team".to_owned()])
    );
    // A denial counts for the agent who was denied, and grants nothing.
    assert_eq!(ask("6", "bob", &["d"], NOW_MS + 5), (usage([1, 1, 1, 4, 4, 4]), allowed.clone()));
    // An hour later the shorter window is empty but for the denial; a day later all are.
    assert_eq!(ask("7", "ana", &["a"], NOW_MS + HOUR_MS + 1), (usage([1, 3, 1, 4, 4, 4]), allowed.clone()));
    assert_eq!(ask("8", "ana", &["z"], NOW_MS + 26 * HOUR_MS), (usage([1, 1, 0, 1, 1, 1]), allowed));
    desk.ledger.verify().unwrap();
}

#[test]
fn failures_and_challenges_do_not_count_as_denials() {
    let mut guest = opened([
        forbid("approve", "export", Test::Always)
            .unless(Test::Is("context.approvals.supervisor"))
            .note("remedy", "approval:supervisor"),
        forbid("broken", "export", Test::Above("context.env.amount", 5)),
    ]);
    guest.windows = vec!["denied1h"];
    let desk = Desk::new(&guest);
    let challenged = desk.gate.ask(&job(&["a"])).decision;
    assert_eq!(challenged.verdict(), &Verdict::Challenge(vec![Remedy::ApprovalSupervisor]));
    let failed = desk.gate.ask(&job_of("job-1", "ana", &["a"], &["nothing"])).decision;
    assert!(failed.cause().is_some());
    for _ in 0..10 {
        desk.gate.ask(&job_of("job-1", "ana", &["a"], &["nothing"]));
    }
    assert_eq!(desk.gate.ask(&job(&["a"])).decision.usage(), [("denied1h".into(), 0)]);
    assert_eq!(desk.ledger.job("job-1").unwrap(), None);
}

#[test]
fn a_permit_is_used_once_and_what_did_not_leave_is_given_back() {
    let desk = Desk::new(&limited(3));
    let answer = desk.gate.ask(&job(&["a", "b", "c"]));
    let permit = answer.permit.unwrap();
    assert_eq!((permit.job(), permit.expires_ms()), ("job-1", NOW_MS + 300_000));
    desk.gate.use_permit(&Permit::parse(&permit.to_string()).unwrap()).unwrap();
    let error = desk.gate.use_permit(&permit).unwrap_err();
    assert!(matches!(&error, PermitError::Ledger(LedgerError::Job(LedgerJobError::Used { .. }))), "{error}");
    let one_more = |id: &str| desk.gate.ask(&job_of(id, "ana", &["d"], &["card"])).decision;
    assert_eq!(determining(&one_more("job-2")), ["day"]);
    desk.gate.commit("job-1", Left::Only(&ids(&["a", "b"]))).unwrap();
    desk.gate.commit("job-1", Left::Only(&ids(&["b", "a"]))).unwrap();
    assert!(one_more("job-3").is_allow());
    assert_eq!(determining(&desk.gate.ask(&job_of("job-4", "ana", &["e"], &["card"])).decision), ["day"]);
    desk.gate.cancel("job-3").unwrap();
    desk.gate.cancel("job-3").unwrap();
    assert!(desk.gate.ask(&job_of("job-5", "ana", &["e"], &["card"])).decision.is_allow());
}

#[test]
fn only_customers_that_are_included_are_counted() {
    let mut guest = opened([forbid("hold", "include", Test::Is("customer.hold"))]);
    guest.windows = vec!["customers24h"];
    let desk = Desk::new(&guest);
    let answer = desk.gate.ask(&job(&["a", "held-1", "b"]));
    assert_eq!(answer.decision.customers_included(), 2);
    assert_eq!(desk.ledger.job("job-1").unwrap().unwrap().reserved, 2);
    let error = desk.gate.commit("job-1", Left::Only(&ids(&["a", "held-1"]))).unwrap_err();
    assert_eq!(error.to_string(), "1 customers of job `job-1` weren't reserved");
    // The commit that said too much changed nothing.
    assert_eq!(desk.ledger.job("job-1").unwrap().unwrap().state, JobState::Reserved);
    desk.gate.commit("job-1", Left::All).unwrap();
}

#[test]
fn a_job_asked_again_is_counted_once_and_answered_jobs_are_over() {
    let desk = Desk::new(&limited(3));
    let first = desk.gate.ask(&job(&["a", "b"])).permit.unwrap();
    let again = desk.ask_at(NOW_MS + 5_000, &job(&["b", "a"])).permit.unwrap();
    assert_eq!(first, again);
    let cause = |job: &Job| desk.gate.ask(job).decision.cause().unwrap().to_string();
    assert_eq!(
        cause(&job(&["a", "c"])),
        "the ledger refused or failed: job `job-1` was reserved before with other content"
    );
    assert_eq!(usage(&desk.gate.ask(&job_of("job-2", "ana", &["a"], &["card"])).decision, "customers24h"), 2);
    desk.gate.use_permit(&first).unwrap();
    assert!(
        cause(&job(&["a", "b"])).starts_with("the ledger refused or failed: the permit of job `job-1` was used at")
    );
    desk.gate.commit("job-1", Left::All).unwrap();
    assert_eq!(cause(&job(&["a", "b"])), "the ledger refused or failed: job `job-1` was committed, with 2 customers");
    let error = desk.gate.cancel("job-1").unwrap_err();
    assert_eq!(error.to_string(), "job `job-1` was committed, with 2 customers");
    desk.gate.cancel("job-2").unwrap();
    let error = desk.gate.commit("job-2", Left::All).unwrap_err();
    assert_eq!(error.to_string(), "job `job-2` was cancelled");
    for answered in [desk.gate.commit("job-9", Left::All), desk.gate.cancel("job-9")] {
        assert_eq!(answered.unwrap_err().to_string(), "the ledger knows no job `job-9`");
    }
    // A job that was denied can be asked again under its id, with less.
    assert!(!desk.gate.ask(&job_of("job-3", "ana", &["c", "d"], &["card"])).decision.is_allow());
    assert!(desk.gate.ask(&job_of("job-3", "ana", &["c"], &["card"])).decision.is_allow());
}

#[test]
fn permits_expire_and_what_was_reserved_stays_counted() {
    let config = GateConfig { permit_seconds: 60, ..GateConfig::dry_run() };
    let desk = Desk::with(&limited(2), config, |ledger| ledger);
    let permit = desk.gate.ask(&job(&["a", "b"])).permit.unwrap();
    desk.clock.set(NOW_MS + 60_000);
    let error = desk.gate.use_permit(&permit).unwrap_err();
    assert_eq!(error.to_string(), format!("the permit of job `job-1` expired at {} (ms since 1970)", NOW_MS + 60_000));
    let again = desk.gate.ask(&job(&["a", "b"])).decision;
    assert!(matches!(again.cause(), Some(Cause::Ledger(LedgerError::Job(LedgerJobError::Expired { .. })))));
    assert_eq!(determining(&desk.gate.ask(&job_of("job-2", "ana", &["c"], &["card"])).decision), ["day"]);
    // Nothing left: it is given back, however late.
    desk.gate.cancel("job-1").unwrap();
    assert!(desk.gate.ask(&job_of("job-2", "ana", &["c"], &["card"])).decision.is_allow());
}

#[test]
fn a_revoked_agent_is_denied_and_its_permits_are_worthless() {
    let desk = Desk::new(&limited(9));
    let permit = desk.gate.ask(&job(&["a"])).permit.unwrap();
    desk.ledger.revoke("ana", "left the company", NOW_MS + 1_000).unwrap();
    desk.clock.set(NOW_MS + 2_000);
    let error = desk.gate.use_permit(&permit).unwrap_err();
    assert!(matches!(&error, PermitError::Ledger(LedgerError::Job(LedgerJobError::Revoked { .. }))), "{error}");
    let answer = desk.gate.ask(&job_of("job-2", "ana", &["b"], &["card"]));
    assert!(answer.permit.is_none());
    assert_eq!(answer.decision.cause().unwrap().to_string(), "agent `ana` is revoked since 2026-11-05T10:00:01.000Z");
    assert!(!answer.decision.is_policy_denial() && answer.decision.for_agent().reasons().is_empty());
    assert!(desk.gate.ask(&job_of("job-3", "bob", &["b"], &["card"])).decision.is_allow());
    desk.ledger.reinstate("ana", NOW_MS).unwrap();
    desk.gate.use_permit(&permit).unwrap();
    assert!(desk.gate.ask(&job_of("job-4", "ana", &["b"], &["card"])).decision.is_allow());
}

#[test]
fn a_permit_is_worthless_to_other_modules_and_for_another_job() {
    let desk = Desk::new(&limited(9));
    let permit = desk.gate.ask(&job(&["a"])).permit.unwrap();
    let mut other = limited(8);
    other.version = "9.9.9";
    let changed = gate(&[&other], GateConfig::dry_run(), desk.ledger.clone(), desk.clock.clone());
    let error = changed.use_permit(&permit).unwrap_err();
    assert_eq!(error.to_string(), "the permit of job `job-1` was given for other content, or by other modules");
    desk.gate.ask(&job_of("job-2", "ana", &["b"], &["card"]));
    let forged = permit.to_string().replace("job-1", "job-2");
    let error = desk.gate.use_permit(&Permit::parse(&forged).unwrap()).unwrap_err();
    assert_eq!(error, PermitError::Changed { job: "job-2".into() });
    let unknown = permit.to_string().replace("job-1", "job-9");
    assert!(desk.gate.use_permit(&Permit::parse(&unknown).unwrap()).is_err());
    desk.gate.use_permit(&permit).unwrap();
}

#[test]
fn a_gate_without_a_ledger_denies_and_approvals_are_not_taken_from_a_job() {
    let engine = Engine::new(&EngineConfig::default()).unwrap();
    let module = Module::load(&engine, &opened([]).build()).unwrap();
    let windows = Arc::new(exportgate::MemoryWindows::new());
    let dry = Gate::new(&engine, GateConfig::dry_run(), vec![module], windows).unwrap();
    let answer = dry.ask(&job(&["a"]));
    assert_eq!((answer.decision.cause(), answer.permit.is_some()), (Some(&Cause::NoLedger), false));
    assert_eq!(dry.commit("job-1", Left::All), Err(PermitError::NoLedger));
    let desk = Desk::new(&opened([]));
    let sam = Approval { by: uid("Agent", "sam"), role: ApproverRole::Supervisor, given_at_ms: NOW_MS };
    let answer = desk.gate.ask(&Job { approvals: Approvals::given(vec![sam]), ..job(&["a"]) });
    assert_eq!(answer.decision.cause(), Some(&Cause::Job(JobError::StatedApprovals)));
}

#[test]
fn a_ledger_opened_again_has_forgotten_nothing_and_its_time_does_not_step_back() {
    let guest = limited(2);
    let desk = Desk::new(&guest);
    desk.gate.ask(&job(&["a", "b"]));
    let Desk { gate: first, ledger, folder, .. } = desk;
    drop((first, ledger));
    let clock = Arc::new(Hand(AtomicI64::new(NOW_MS - 100 * HOUR_MS)));
    let again = gate(&[&guest], GateConfig::dry_run(), sqlite(&folder), clock.clone());
    let decision = again.ask(&job_of("job-2", "ana", &["c"], &["card"])).decision;
    assert_eq!((determining(&decision), decision.now_ms()), (vec!["day"], NOW_MS));
    clock.set(NOW_MS + 24 * HOUR_MS);
    assert!(again.ask(&job_of("job-2", "ana", &["c"], &["card"])).decision.is_allow());
}

#[test]
fn sixteen_threads_pass_no_limit_of_agent_team_or_vendor() {
    for window in ["customers24h", "team24h", "vendor24h", "destination24h"] {
        let folder = TempDir::new().unwrap();
        race(window, &[sqlite(&folder)]);
    }
}

/// Sixteen threads ask over these ledgers, which are one store: never over the limit, and exactly up to it.
fn race(window: &str, ledgers: &[Arc<dyn Ledger>]) {
    const LIMIT: usize = 40;
    let path: &'static str = format!("context.usage.{window}").leak();
    let mut guest = opened([forbid("limit", "export", Test::Above(path, i64::try_from(LIMIT).unwrap()))]);
    guest.windows = vec![window.to_owned().leak()];
    let clock = Arc::new(Hand(AtomicI64::new(NOW_MS)));
    let gate_on = |ledger: &Arc<dyn Ledger>| gate(&[&guest], GateConfig::dry_run(), ledger.clone(), clock.clone());
    let gates: Vec<Gate> = ledgers.iter().map(gate_on).collect();
    let allowed = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..16 {
            let (gate, allowed) = (&gates[thread % gates.len()], &allowed);
            scope.spawn(move || {
                for round in 0..6 {
                    let id = format!("{thread}-{round}");
                    let agent = if window == "customers24h" || round % 2 == 0 { "ana" } else { "bob" };
                    let answer = gate.ask(&job_of(&id, agent, &[&id], &["card"]));
                    assert!(answer.decision.cause().is_none(), "{:?}", answer.decision.cause());
                    let Some(permit) = answer.permit else { continue };
                    gate.use_permit(&permit).unwrap();
                    if round == 5 {
                        gate.cancel(&id).unwrap();
                    } else {
                        gate.commit(&id, Left::All).unwrap();
                        allowed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let left = allowed.load(Ordering::Relaxed);
    assert!(left <= LIMIT, "{left} of {window}");
    // What was cancelled is back: exactly the rest can still leave.
    let gate = &gates[0];
    for more in 0..LIMIT - left {
        let id = format!("more-{more}");
        assert!(gate.ask(&job_of(&id, "ana", &[&id], &["card"])).decision.is_allow(), "{window} {more}");
    }
    assert!(!gate.ask(&job_of("last", "ana", &["last"], &["card"])).decision.is_allow());
    ledgers[0].verify().unwrap();
}

#[test]
fn what_one_gate_lets_out_counts_in_the_windows_of_another() {
    let mut views = opened([]);
    views.windows = vec!["customers24h"];
    let desk = Desk::new(&views);
    let mut teams = opened([forbid("team", "export", Test::Above("context.usage.team24h", 2))]);
    teams.windows = vec!["team24h", "vendor24h", "destination24h"];
    let other = gate(&[&teams], GateConfig::dry_run(), desk.ledger.clone(), desk.clock.clone());
    // The gate that reads only an agent's window counts for team, vendor and destination too.
    assert!(desk.gate.ask(&job(&["a", "b"])).decision.is_allow());
    let decision = other.ask(&job_of("job-2", "bob", &["c"], &["card"])).decision;
    assert_eq!(determining(&decision), ["team"]);
    assert_eq!(decision.usage().iter().map(|(_, count)| *count).collect::<Vec<_>>(), [3, 3, 3]);
}

#[test]
fn a_ledger_that_fails_at_any_step_denies_and_keeps_nothing() {
    let mut guest = opened([permit("reviewed", "export", Test::Always).note("review", "24h")]);
    guest.windows = vec!["customers24h"];
    for step in Step::ALL {
        let failing = Arc::new(Failing::new());
        let desk = {
            let failing = failing.clone();
            Desk::with(&guest, GateConfig::dry_run(), move |ledger| failing.around(ledger))
        };
        let gate = desk.gate.clone().with_recorder(Arc::new(Appends));
        failing.fail_at(Some(step));
        let answer = gate.ask(&job(&["a", "b"]));
        let reached = failing.failed();
        assert!(reached, "{step:?} isn't part of an ask");
        assert_eq!(answer.decision.verdict(), &Verdict::Deny, "{step:?}");
        assert!(matches!(answer.decision.cause(), Some(Cause::Ledger(_))), "{step:?}: {:?}", answer.decision.cause());
        assert!(answer.permit.is_none());
        failing.fail_at(None);
        // A commit that is reported as failed may have happened; everything else has left no trace.
        let kept = usize::from(step == Step::AfterCommit);
        assert_eq!(desk.ledger.job("job-1").unwrap().iter().count(), kept, "{step:?}");
        assert_eq!(desk.ledger.records(0, 10).unwrap().len(), kept, "{step:?}");
        assert!(gate.ask(&job_of("job-2", "ana", &["c"], &["card"])).decision.is_allow());
    }
}

/// Records that something was decided.
#[derive(Debug)]
struct Appends;

impl Recorder for Appends {
    fn decided(&self, transaction: &mut dyn Transaction, job: &Job, decision: &Decision) -> Result<(), LedgerError> {
        let record = format!("{} {}", job.id, decision.is_allow());
        transaction.append_record(record.as_bytes()).map(|_| ())
    }

    fn caught_up(&self, tx: &mut dyn Transaction, id: &str, _: &Job, decision: &Decision) -> Result<(), LedgerError> {
        tx.append_record(format!("{id} {} caught up", decision.is_allow()).as_bytes()).map(|_| ())
    }

    fn committed(&self, transaction: &mut dyn Transaction, job: &str, _: Left<'_>) -> Result<(), LedgerError> {
        transaction.append_record(format!("{job} committed").as_bytes()).map(|_| ())
    }

    fn cancelled(&self, transaction: &mut dyn Transaction, job: &str) -> Result<(), LedgerError> {
        transaction.append_record(format!("{job} cancelled").as_bytes()).map(|_| ())
    }

    fn changed(&self, transaction: &mut dyn Transaction, change: &Change<'_>) -> Result<(), LedgerError> {
        transaction.append_record(format!("{change:?}").as_bytes()).map(|_| ())
    }
}

#[test]
fn records_are_written_with_the_decision() {
    let desk = Desk::new(&limited(1));
    let gate = desk.gate.clone().with_recorder(Arc::new(Appends));
    gate.ask(&job(&["a"]));
    gate.ask(&job_of("job-2", "ana", &["b"], &["card"]));
    gate.ask(&job_of("job-3", "ana", &["b"], &["nothing"]));
    gate.commit("job-1", Left::All).unwrap();
    gate.commit("job-1", Left::All).unwrap();
    let records: Vec<String> =
        desk.ledger.records(0, 10).unwrap().into_iter().map(|(_, bytes)| String::from_utf8(bytes).unwrap()).collect();
    assert_eq!(records, ["job-1 true", "job-2 false", "job-3 false", "job-1 committed"]);
}

#[test]
fn a_review_is_left_with_the_grant() {
    let guest = Guest::new(vec![
        permit("glass", "export", Test::In("agent", "Team", "t1")).note("review", "24h"),
        permit("may-leave", "include", Test::Always),
        permit("plain", "reveal_plain", Test::Always),
    ]);
    let desk = Desk::new(&guest);
    desk.gate.ask(&job(&["a", "b"]));
    desk.gate.ask(&job(&["a", "b"]));
    let reviews = desk.ledger.reviews().unwrap();
    assert_eq!(reviews.len(), 1);
    assert_eq!((reviews[0].job.as_str(), reviews[0].due_ms), ("job-1", NOW_MS + 24 * HOUR_MS));
    assert_eq!(reviews[0].text, r#"{"agent":"ana","customers":2,"policies":["glass"]}"#);
}

/// Permits only with the annotation hold while the store is down.
fn fallback() -> Guest {
    let mut guest = Guest::new(vec![
        permit("ticket", "export", Test::Is("context.env.ok")).note("fallback", "store-down"),
        permit("bulk", "export", Test::Always),
        forbid("day", "export", Test::Above("context.usage.customers24h", 2)),
        permit("may-leave", "include", Test::Always),
        permit("plain", "reveal_plain", Test::Always),
    ]);
    guest.windows = vec!["customers24h", "denied1h"];
    guest
}

fn store_failed(answer: &Answer) -> bool {
    matches!(answer.decision.cause(), Some(Cause::Ledger(LedgerError::Store(_))))
}

#[test]
fn with_the_store_down_one_customer_leaves_where_a_policy_says_so() {
    let failing = Arc::new(Failing::new());
    let desk = {
        let failing = failing.clone();
        Desk::with(&fallback(), GateConfig::dry_run(), move |ledger| failing.around(ledger))
    };
    failing.fail_at(Some(Step::Begin));
    let one = |id: &str, customer: &str| desk.gate.ask(&job_of(id, "ana", &[customer], &["card"]));
    let answer = one("job-1", "a");
    assert!(answer.decision.is_allow());
    assert_eq!(answer.without.unwrap().name(), "store-down");
    let permit = answer.permit.unwrap();
    desk.gate.use_permit(&permit).unwrap();
    assert!(desk.gate.use_permit(&permit).is_err());
    desk.gate.commit("job-1", Left::All).unwrap();
    assert!(desk.gate.cancel("job-1").is_err());
    // Two customers, another permit, or a limit that the outage itself has used up: denied.
    assert!(store_failed(&desk.gate.ask(&job_of("two", "ana", &["b", "c"], &["card"]))));
    assert!(store_failed(&desk.gate.ask(&Job { env: job::env(false), ..job_of("env", "ana", &["b"], &["card"]) })));
    assert!(one("job-2", "b").decision.is_allow());
    assert!(store_failed(&one("job-3", "c")));
    assert!(store_failed(&one("job-2", "b")), "an id that left can't leave again");
    desk.gate.cancel("job-2").unwrap();
    // The store is back: what left is counted before anything else.
    failing.fail_at(None);
    let back = one("job-4", "c").decision;
    assert_eq!(usage(&back, "customers24h"), 2);
    let job_1 = desk.ledger.job("job-1").unwrap().unwrap();
    assert_eq!((job_1.state, job_1.counted, job_1.used_ms.is_some()), (JobState::Committed, 1, true));
    assert!(desk.ledger.job("job-2").unwrap().is_none());
    desk.ledger.verify().unwrap();
}

#[test]
fn no_fallback_for_a_damaged_store_or_an_agent_known_to_be_revoked() {
    let failing = Arc::new(Failing::new());
    let desk = {
        let failing = failing.clone();
        Desk::with(&fallback(), GateConfig::dry_run(), move |ledger| failing.around(ledger))
    };
    let cause = |id: &str, agent: &str| {
        let decision = desk.gate.ask(&job_of(id, agent, &["a"], &["card"])).decision;
        decision.cause().map(ToString::to_string)
    };
    failing.fail_with(StoreError::Corrupt { message: "a page".to_owned() });
    failing.fail_at(Some(Step::Begin));
    assert_eq!(cause("job-1", "ana").unwrap(), "the ledger refused or failed: the ledger's store is damaged: a page");
    failing.fail_at(None);
    desk.ledger.revoke("ana", "x", NOW_MS).unwrap();
    assert!(cause("job-1", "ana").unwrap().starts_with("agent `ana` is revoked"));
    failing.fail_with(StoreError::Unavailable { message: "gone".to_owned() });
    failing.fail_at(Some(Step::Begin));
    assert!(cause("job-2", "ana").is_some());
    assert_eq!(cause("job-3", "bob"), None);
}

#[test]
fn a_fallback_is_refused_where_it_is_unknown_or_not_allowed() {
    let refused = |guest: &Guest, config: GateConfig| {
        let engine = Engine::new(&EngineConfig::default()).unwrap();
        let module = Module::load(&engine, &guest.build()).map_err(|error| error.to_string())?;
        let windows = Arc::new(exportgate::MemoryWindows::new());
        Gate::new(&engine, config, vec![module], windows).map(|_| ()).map_err(|error| error.to_string())
    };
    let config = GateConfig { fallbacks: [].into(), ..GateConfig::dry_run() };
    assert_eq!(
        refused(&fallback(), config).unwrap_err(),
        "policy `ticket` of module `sample` carries `@fallback(\"store-down\")`, which the configuration doesn't list under `fallbacks`"
    );
    let unknown = opened([permit("x", "export", Test::Always).note("fallback", "no-network")]);
    assert!(refused(&unknown, GateConfig::dry_run()).unwrap_err().contains("expects `store-down`, found `no-network`"));
    let forbids = opened([forbid("x", "export", Test::Always).note("fallback", "store-down")]);
    assert!(refused(&forbids, GateConfig::dry_run()).unwrap_err().contains("stands on a permit"));
}

#[test]
fn an_agent_of_another_type_or_a_job_that_cannot_be_is_denied_before_the_ledger() {
    let desk = Desk::new(&opened([]));
    let other = Job { agent: EntityUid::new("Export::Team", "t1"), ..job(&["a"]) };
    assert!(matches!(desk.gate.ask(&other).decision.cause(), Some(Cause::Job(JobError::AgentType { .. }))));
    let long = job_of(&"j".repeat(600), "ana", &["a"], &["card"]);
    let cause = desk.gate.ask(&long).decision.cause().unwrap().to_string();
    assert_eq!(cause, "the ledger refused or failed: bytes of a job's id: found 600, at most 512");
}
