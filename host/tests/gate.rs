//! The gate against guests made by hand: verdicts, rows, forms, tallies, windows, challenges, failures.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may panic: that is how it fails"
)]

#[path = "support/component.rs"]
mod component;
#[path = "support/guest.rs"]
mod guest;
#[path = "support/job.rs"]
mod job;
#[path = "gate/prepared_agent.rs"]
mod prepared_agent;

use std::sync::Arc;

use exportgate::{
    Approval, Approvals, ApproverRole, Asked, Cause, Decision, Engine, EngineConfig, Entities, Entity, ErringPolicies,
    Form, Gate, GateConfig, GateError, Isolation, Job, JobError, MemoryWindows, Module, ModulePin, Verdict, Version,
    Windows,
};
use exportgate_contract::manifest::ContextBinding;
use exportgate_contract::obligation::{AlertLevel, Remedy, WatermarkPart};
use exportgate_contract::value::{EntityUid, Value};
use guest::{Guest, Test, forbid, permit};
use job::{entities, env, job, job_of, open, opened, uid};

const NOW_MS: i64 = 1_793_872_800_000;

fn engine() -> Engine {
    Engine::new(&EngineConfig::default()).unwrap()
}

fn load(guest: &Guest) -> Module {
    Module::load(&engine(), &guest.build()).unwrap()
}

fn gate_of(guests: &[Guest]) -> Gate {
    let engine = engine();
    let modules = guests.iter().map(|guest| Module::load(&engine, &guest.build()).unwrap()).collect();
    Gate::new(&engine, GateConfig::dry_run(), modules, Arc::new(MemoryWindows::new())).unwrap()
}

fn gate(guest: &Guest) -> Gate {
    gate_of(std::slice::from_ref(guest))
}

fn refused(guest: &Guest, config: GateConfig) -> String {
    let error = Gate::new(&engine(), config, vec![load(guest)], Arc::new(MemoryWindows::new())).unwrap_err();
    error.to_string()
}

fn determining(decision: &Decision) -> Vec<&str> {
    decision.determining().map(|policy| policy.id()).collect()
}

fn erring(decision: &Decision) -> Vec<(String, &str)> {
    decision.erring().iter().map(|used| (used.asked.to_string(), used.policy.id())).collect()
}

#[test]
fn everything_leaves_when_everything_is_permitted() {
    let decision = gate(&opened([])).evaluate_at(&job(&["a", "b"]), NOW_MS);
    assert_eq!(decision.verdict(), &Verdict::Allow);
    assert_eq!(determining(&decision), ["may-export"]);
    assert_eq!((decision.customers_included(), decision.customers()), (2, 2));
    assert_eq!(decision.forms_of_all(), Some(&[Form::Plain, Form::Plain][..]));
    assert_eq!(decision.form(1, 1), Form::Plain);
    assert_eq!(decision.form(2, 0), Form::Suppressed);
    assert_eq!(decision.form(0, 2), Form::Suppressed);
    assert!(decision.cause().is_none() && decision.erring().is_empty() && decision.obligations().is_empty());
    assert!(decision.fuel_used() > 0);
    assert_eq!((decision.job(), decision.agent(), decision.now_ms()), ("job-1", &uid("Agent", "ana"), NOW_MS));
}

#[test]
fn nothing_leaves_when_nothing_is_permitted() {
    let guest = Guest::new(open().into_iter().skip(1).collect());
    let decision = gate(&guest).evaluate_at(&job(&["a"]), NOW_MS);
    assert_eq!(decision.verdict(), &Verdict::Deny);
    assert!(decision.is_policy_denial() && determining(&decision).is_empty());
    assert_eq!((decision.customers_included(), decision.form(0, 0)), (0, Form::Suppressed));
    assert_eq!(decision.forms_of_all(), None);
    assert!(decision.policies().is_empty());
}

#[test]
fn a_forbid_denies_whatever_permits() {
    let guest = opened([forbid("no", "export", Test::Is("context.env.ok")).note("reason", "closed")]);
    let decision = gate(&guest).evaluate_at(&job(&["a"]), NOW_MS);
    assert_eq!((decision.verdict(), determining(&decision)), (&Verdict::Deny, vec!["no"]));
    assert_eq!(decision.for_agent().reasons(), ["closed".into()]);
}

#[test]
fn rows_and_forms_vary_by_customer_and_field() {
    let guest = Guest::new(vec![
        permit("may-export", "export", Test::Always),
        permit("may-leave", "include", Test::Always),
        forbid("hold", "include", Test::Is("customer.hold")),
        permit("contact-plain", "reveal_plain", Test::In("field", "FieldClass", "contact")),
        forbid("canary-plain", "reveal_plain", Test::Is("customer.canary")),
        permit("partial", "reveal_partial", Test::In("field", "FieldClass", "contact")),
        permit("token", "reveal_token", Test::In("field", "FieldClass", "restricted")),
    ]);
    let job = job_of("j", "ana", &["a", "held-1", "canary-1"], &["customer.email", "card", "customer.name"]);
    let decision = gate(&guest).evaluate_at(&job, NOW_MS);
    assert!(decision.is_allow());
    let forms = |row| (0..3).map(|column| decision.form(row, column)).collect::<Vec<_>>();
    assert_eq!(forms(0), [Form::Plain, Form::Token, Form::Plain]);
    assert_eq!(forms(1), [Form::Suppressed; 3]);
    assert_eq!(forms(2), [Form::Partial, Form::Token, Form::Partial]);
    assert_eq!((0..4).map(|row| decision.includes(row)).collect::<Vec<_>>(), [true, false, true, false]);
    let uses: Vec<(String, &str, u64)> =
        decision.policies().iter().map(|used| (used.asked.to_string(), used.policy.id(), used.points)).collect();
    let expected = [
        ("export", "may-export", 1),
        ("include", "may-leave", 2),
        ("include", "hold", 1),
        ("reveal_plain", "contact-plain", 2),
        ("reveal_plain", "canary-plain", 3),
        ("reveal_partial", "partial", 2),
        ("reveal_token", "token", 2),
    ];
    assert_eq!(uses, expected.map(|(asked, id, points)| (asked.to_owned(), id, points)));
}

#[test]
fn tallies_count_customers_and_forbids_of_other_questions_do_not_lower_them() {
    let mut guest = opened([
        permit("is-canary", "tally_canary", Test::Is("customer.canary")),
        forbid("two", "export", Test::Above("context.tally.canary", 1)),
        forbid("hold", "include", Test::Is("customer.canary")),
    ]);
    guest.tallies = vec!["canary"];
    guest.actions.push("tally_canary");
    let gate = gate(&guest);
    let one = gate.evaluate_at(&job(&["a", "canary-1"]), NOW_MS);
    assert_eq!((one.tallies(), one.is_allow(), one.customers_included()), (&[("canary".into(), 1)][..], true, 1));
    let two = gate.evaluate_at(&job(&["canary-2", "a", "canary-1"]), NOW_MS);
    assert_eq!((two.tallies(), determining(&two)), (&[("canary".into(), 2)][..], vec!["two"]));
}

#[test]
fn a_tally_that_errs_denies_whatever_the_configuration_says() {
    let mut guest = opened([permit("ticketed", "tally_ticketed", Test::Is("ticket.open"))]);
    guest.tallies = vec!["ticketed"];
    guest.actions.push("tally_ticketed");
    let config = GateConfig { erring_policies: ErringPolicies::Skip, ..GateConfig::dry_run() };
    let gate = Gate::new(&engine(), config, vec![load(&guest)], Arc::new(MemoryWindows::new())).unwrap();
    let decision = gate.evaluate_at(&job(&["a"]), NOW_MS);
    assert_eq!(decision.verdict(), &Verdict::Deny);
    assert_eq!(decision.cause(), Some(&Cause::TallyErred { tally: "ticketed".into() }));
    assert_eq!(decision.erring()[0].asked, Asked::Tally("ticketed".into()));
    assert!(!decision.is_policy_denial());
}

#[test]
fn a_tally_of_no_rows_counts_all_customers_or_none() {
    let mut guest = opened([permit("all", "tally_all", Test::Is("context.env.ok"))]);
    guest.tallies = vec!["all"];
    guest.actions.push("tally_all");
    let gate = gate(&guest);
    assert_eq!(gate.evaluate_at(&job(&["a", "b", "c"]), NOW_MS).tallies(), [("all".into(), 3)]);
    let closed = Job { env: env(false), ..job(&["a", "b"]) };
    assert_eq!(gate.evaluate_at(&closed, NOW_MS).tallies(), [("all".into(), 0)]);
}

#[test]
fn a_policy_that_errs_denies_unless_the_configuration_says_skip() {
    let guest = opened([forbid("broken", "include", Test::Is("ticket.open"))]);
    let decision = gate(&guest).evaluate_at(&job(&["a", "b"]), NOW_MS);
    assert_eq!((decision.verdict(), decision.cause()), (&Verdict::Deny, Some(&Cause::PoliciesErred)));
    assert_eq!(erring(&decision), [("include".to_owned(), "broken")]);
    assert_eq!(decision.erring()[0].points, 2);
    assert!(decision.for_agent().reasons().is_empty());
    let config = GateConfig { erring_policies: ErringPolicies::Skip, ..GateConfig::dry_run() };
    let gate = Gate::new(&engine(), config, vec![load(&guest)], Arc::new(MemoryWindows::new())).unwrap();
    let decision = gate.evaluate_at(&job(&["a", "b"]), NOW_MS);
    assert!(decision.is_allow() && decision.customers_included() == 2);
    assert_eq!(erring(&decision), [("include".to_owned(), "broken")]);
}

#[test]
fn an_error_elsewhere_does_not_hide_a_denial_by_policy() {
    let guest = opened([
        forbid("broken", "include", Test::Is("ticket.open")),
        forbid("no", "export", Test::Always).note("remedy", "approval:supervisor"),
    ]);
    let decision = gate(&guest).evaluate_at(&job(&["a"]), NOW_MS);
    assert!(decision.is_policy_denial());
    assert_eq!((determining(&decision), erring(&decision).len()), (vec!["no"], 1));
}

#[test]
fn a_challenge_offers_what_is_needed_and_no_more() {
    let guest = opened([
        forbid("approve", "export", Test::Always)
            .unless(Test::Is("context.approvals.dataOwner"))
            .note("remedy", "approval:data_owner,approval:supervisor")
            .note("reason", "ask-the-owner"),
        forbid("device", "export", Test::Always)
            .unless(Test::Is("context.env.network.corporate"))
            .note("remedy", "managed-device")
            .note("alert", "high")
            .note("watermark", "agent"),
    ]);
    let decision = gate(&guest).evaluate_at(&job(&["a"]), NOW_MS);
    assert_eq!(decision.verdict(), &Verdict::Challenge(vec![Remedy::ApprovalDataOwner, Remedy::ManagedDevice]));
    assert_eq!(determining(&decision), ["approve", "device"]);
    assert_eq!((decision.customers_included(), decision.form(0, 0)), (0, Form::Suppressed));
    assert_eq!(decision.obligations().alert, Some(AlertLevel::High));
    assert!(decision.obligations().watermark.is_empty());
    let view = decision.for_agent();
    assert_eq!((view.verdict(), view.reasons()), (decision.verdict(), &["ask-the-owner".into()][..]));
}

#[test]
fn a_remedy_that_does_not_help_is_no_challenge() {
    let guest = opened([forbid("never", "export", Test::Always).note("remedy", "approval:supervisor")]);
    assert_eq!(gate(&guest).evaluate_at(&job(&["a"]), NOW_MS).verdict(), &Verdict::Deny);
    // The remedy lifts one of two forbids, and nothing lifts the other.
    let guest = opened([
        forbid("approve", "export", Test::Always)
            .unless(Test::Is("context.approvals.supervisor"))
            .note("remedy", "approval:supervisor"),
        forbid("never", "export", Test::Is("context.env.ok")),
    ]);
    assert_eq!(gate(&guest).evaluate_at(&job(&["a"]), NOW_MS).verdict(), &Verdict::Deny);
}

#[test]
fn a_remedy_on_a_permit_is_what_would_satisfy_it() {
    let mut rules = open();
    rules[0] = permit("two-approve", "export", Test::Above("context.approvals.distinct", 1))
        .note("remedy", "approval:data_owner,approval:supervisor");
    let guest = Guest::new(rules);
    let gate = gate(&guest);
    let both = Verdict::Challenge(vec![Remedy::ApprovalSupervisor, Remedy::ApprovalDataOwner]);
    assert_eq!(gate.evaluate_at(&job(&["a"]), NOW_MS).verdict(), &both);
    let approval = |by: &str, role| Approval { by: uid("Agent", by), role, given_at_ms: NOW_MS };
    let one = Job { approvals: Approvals::given(vec![approval("sam", ApproverRole::Supervisor)]), ..job(&["a"]) };
    // A supervisor approved already: assuming that again adds nobody.
    let owner = Verdict::Challenge(vec![Remedy::ApprovalDataOwner]);
    assert_eq!(gate.evaluate_at(&one, NOW_MS).verdict(), &owner);
    let two = Job {
        approvals: Approvals::given(vec![
            approval("sam", ApproverRole::Supervisor),
            approval("dora", ApproverRole::DataOwner),
        ]),
        ..job(&["a"])
    };
    assert!(gate.evaluate_at(&two, NOW_MS).is_allow());
}

#[test]
fn a_silent_denial_looks_like_no_permit_and_is_no_challenge() {
    let guest = opened([
        forbid("approve", "export", Test::Always)
            .unless(Test::Is("context.approvals.supervisor"))
            .note("remedy", "approval:supervisor")
            .note("reason", "approval"),
        forbid("canary", "export", Test::Above("context.customers", 1))
            .unless(Test::Is("context.approvals.supervisor"))
            .note("remedy", "approval:supervisor")
            .note("silent", "")
            .note("reason", "canary")
            .note("alert", "critical"),
    ]);
    let gate = gate(&guest);
    let silent = gate.evaluate_at(&job(&["a", "b"]), NOW_MS);
    assert_eq!(silent.verdict(), &Verdict::Deny);
    assert_eq!(determining(&silent), ["approve", "canary"]);
    assert_eq!(silent.obligations().alert, Some(AlertLevel::Critical));
    let nothing_permits = Guest::new(open().into_iter().skip(1).collect());
    let no_permit = self::gate(&nothing_permits).evaluate_at(&job(&["a", "b"]), NOW_MS);
    assert_eq!(silent.for_agent(), no_permit.for_agent());
    assert!(matches!(gate.evaluate_at(&job(&["a"]), NOW_MS).verdict(), Verdict::Challenge(_)));
}

#[test]
fn a_tally_that_reads_what_a_remedy_changes_is_counted_again() {
    let mut guest = opened([
        permit("off-network", "tally_off", Test::Always).unless(Test::Is("context.env.network.corporate")),
        forbid("off", "export", Test::Above("context.tally.off", 0)).note("remedy", "managed-device"),
    ]);
    guest.tallies = vec!["off"];
    guest.actions.push("tally_off");
    let decision = gate(&guest).evaluate_at(&job(&["a", "b"]), NOW_MS);
    assert_eq!(decision.verdict(), &Verdict::Challenge(vec![Remedy::ManagedDevice]));
    assert_eq!(decision.tallies(), [("off".into(), 2)]);
}

#[test]
fn obligations_come_from_all_that_let_data_out() {
    let guest = Guest::new(vec![
        permit("a", "export", Test::Always).note("watermark", "agent").note("retain", "30d"),
        permit("b", "export", Test::Always).note("watermark", "job").note("retain", "7d"),
        permit("c", "export", Test::Is("context.env.managedDevice")).note("notify", "dpo"),
        permit("rows", "include", Test::Always).note("audit", "full"),
        permit("plain", "reveal_plain", Test::In("field", "FieldClass", "payment")).note("review", "1h"),
        permit("partial", "reveal_partial", Test::Always).note("review", "2h"),
        permit("token", "reveal_token", Test::Always).note("review", "1s"),
        forbid("held", "include", Test::Is("customer.hold")).note("alert", "info").note("notify", "legal"),
    ]);
    let email = job_of("j", "ana", &["a", "held-1"], &["customer.email"]);
    let decision = gate(&guest).evaluate_at(&email, NOW_MS);
    let obligations = decision.obligations();
    assert_eq!(obligations.watermark, [WatermarkPart::Agent, WatermarkPart::Job].into());
    assert_eq!(obligations.retain_seconds, Some(7 * 86_400));
    assert_eq!(obligations.review_seconds, Some(7_200));
    assert_eq!(obligations.audit, Some(exportgate_contract::obligation::AuditDetail::Full));
    assert_eq!(obligations.alert, Some(AlertLevel::Info));
    assert!(obligations.notify.is_empty());
}

#[test]
fn several_modules_give_what_all_of_them_give() {
    let base = Guest::new(vec![
        permit("base", "export", Test::Always).note("watermark", "agent"),
        permit("rows", "include", Test::Always),
        permit("plain", "reveal_plain", Test::Always),
    ]);
    let council = Guest {
        name: "council",
        actions: vec!["export", "include"],
        ..Guest::new(vec![
            permit("council", "export", Test::Is("context.env.ok")).note("watermark", "job"),
            permit("council-rows", "include", Test::Always).unless(Test::Is("customer.hold")),
        ])
    };
    let form = Guest {
        name: "forms",
        actions: vec!["reveal_plain"],
        ..Guest::new(vec![permit("email", "reveal_plain", Test::In("field", "FieldClass", "contact"))])
    };
    let gate = gate_of(&[base, council, form]);
    let decision = gate.evaluate_at(&job(&["a", "held-1"]), NOW_MS);
    assert!(decision.is_allow());
    assert_eq!(determining(&decision), ["base", "council"]);
    assert_eq!((decision.includes(0), decision.includes(1)), (true, false));
    // The last module says nothing of partial forms, so it doesn't restrict these.
    assert_eq!((decision.form(0, 0), decision.form(0, 1)), (Form::Plain, Form::Partial));
    assert_eq!(decision.obligations().watermark, [WatermarkPart::Agent, WatermarkPart::Job].into());
    assert_eq!(
        decision.modules().iter().map(|info| (info.name(), info.is_base())).collect::<Vec<_>>(),
        [("sample", true), ("council", false), ("forms", false)]
    );
    let denied = gate.evaluate_at(&Job { env: env(false), ..job(&["a"]) }, NOW_MS);
    assert!(denied.is_policy_denial());
}

#[test]
fn jobs_that_can_not_be_asked_about_are_refused_with_the_reason() {
    let config = GateConfig { customers_per_job_max: 2, fields_per_job_max: 3, ..GateConfig::dry_run() };
    let gate = Gate::new(&engine(), config, vec![load(&opened([]))], Arc::new(MemoryWindows::new())).unwrap();
    let check = |job: &Job, message: &str| {
        let decision = gate.evaluate_at(job, NOW_MS);
        assert_eq!(decision.verdict(), &Verdict::Deny);
        assert_eq!(decision.cause().unwrap().to_string(), format!("the job is refused: {message}"));
        assert!(matches!(decision.cause(), Some(Cause::Job(_))) && decision.fuel_used() == 0);
    };
    let fields = |fields: &[&str]| job_of("job-1", "ana", &["a"], fields);
    check(&fields(&[]), "the job asks for no fields");
    check(&fields(&["card", "card"]), "field `card` is named twice");
    check(&fields(&["card", "x\n"]), "the catalogue of module `sample` has no field `x\\n`");
    check(&fields(&["x", "card", "y"]), "the catalogue of module `sample` has no fields `x`, `y`");
    check(&fields(&["a", "b", "c", "d"]), "the job asks for 4 fields, at most 3 are allowed");
    check(&job(&[]), "the job asks for no customers");
    check(&job(&["a", "b", "c"]), "the job asks for 3 customers, at most 2 are allowed");
    check(&Job { id: "".into(), ..job(&["a"]) }, "the id of the job is empty");
    check(&Job { id: "a\tb".into(), ..job(&["a"]) }, "the id of the job holds control characters: `a\\tb`");
    check(
        &Job { agent: EntityUid::new("Export::Agent", "x".repeat(1_025)), ..job(&["a"]) },
        "the id of the agent has 1025 bytes, at most 1024 are allowed",
    );
    check(
        &Job { agent: uid("Robot", "ana"), ..job(&["a"]) },
        "the agent is of type `Export::Robot`, expected `Export::Agent`",
    );
    check(
        &Job { agent: uid("Agent", "eve"), ..job(&["a"]) },
        "agent `Export::Agent::\"eve\"` isn't among the job's entities",
    );
    check(&Job { env: Value::Long(1), ..job(&["a"]) }, "`env` must be a record, found a Long");
    for entity_type in ["Job", "Field", "FieldClass"] {
        let mut all = entities();
        all.push(Entity::new(uid(entity_type, "x")));
        check(
            &Job { entities: Arc::new(Entities::new(all).unwrap()), ..job(&["a"]) },
            &format!("the job's entities hold `Export::{entity_type}`, which the gate alone states"),
        );
    }
    let own = Approval { by: uid("Agent", "ana"), role: ApproverRole::Supervisor, given_at_ms: NOW_MS };
    check(
        &Job { approvals: Approvals::given(vec![own]), ..job(&["a"]) },
        "agent `Export::Agent::\"ana\"` can't approve its own job",
    );
    assert!(matches!(gate.evaluate_at(&job(&[]), NOW_MS).cause(), Some(Cause::Job(JobError::NoCustomers))));
}

#[test]
fn facts_of_the_wrong_type_deny() {
    let guest = opened([forbid("no", "export", Test::Is("context.env.ok"))]);
    let wrong = Job { env: Value::record([("ok", Value::Long(1))]), ..job(&["a"]) };
    let decision = gate(&guest).evaluate_at(&wrong, NOW_MS);
    assert_eq!(
        decision.cause().unwrap().to_string(),
        "module `sample` failed: `context.env.ok`: expected Bool, found Long"
    );
    assert_eq!(decision.verdict(), &Verdict::Deny);
}

#[test]
fn what_the_configuration_does_not_support_fails_when_the_gate_is_made() {
    let bare = GateConfig::default;
    assert_eq!(
        refused(&opened([permit("p", "export", Test::Always).note("retain", "1d")]), bare()),
        "policy `p` of module `sample` carries `@retain`, which the configuration doesn't list as supported"
    );
    assert_eq!(
        refused(&opened([forbid("f", "export", Test::Always).note("remedy", "managed-device")]), bare()),
        "policy `f` of module `sample` names the remedy `managed-device`, which the configuration doesn't list as supported"
    );
    let mut windows = opened([]);
    windows.windows = vec!["team24h"];
    assert_eq!(
        refused(&windows, bare()),
        "module `sample` reads `context.usage.team24h`, and the configuration doesn't list windows of `team` as supported"
    );
    let mut no_age = opened([forbid("f", "export", Test::Always).note("remedy", "approval:operator")]);
    no_age.no_approval_age = true;
    assert_eq!(
        refused(&no_age, GateConfig::dry_run()),
        "policy `f` of module `sample` names the remedy `approval:operator`, which assumes `context.approvals.ageSec`: the schema doesn't declare that for `export` as a `Long`"
    );
    let mut tallies = opened([]);
    tallies.tallies = vec!["canary"];
    assert_eq!(
        refused(&tallies, bare()),
        "module `sample` reads `context.tally.canary` and doesn't answer `tally_canary`"
    );
    let mut partly = opened([]);
    partly.actions.retain(|action| *action != "include");
    partly.rules.retain(|rule| !rule.actions.contains(&"include"));
    assert_eq!(refused(&partly, bare()), "module `sample` is the base and doesn't answer `include`");
    let none = Gate::new(&engine(), bare(), vec![], Arc::new(MemoryWindows::new())).unwrap_err();
    assert_eq!(none.to_string(), "the gate has no modules: it needs at least the base");
}

#[test]
fn pins_hold_digests_names_versions_and_completeness() {
    let module = load(&opened([]));
    let other = load(&Guest {
        name: "other",
        actions: vec!["export"],
        ..Guest::new(vec![permit("p", "export", Test::Always)])
    });
    let pin = |module: &Module| module.pin(Isolation::Warm);
    let make = |pins: Vec<ModulePin>, modules: &[&Module]| {
        let config = GateConfig { modules: pins, ..GateConfig::default() };
        let modules = modules.iter().map(|module| (*module).clone()).collect();
        Gate::new(&engine(), config, modules, Arc::new(MemoryWindows::new()))
    };
    let gate = make(vec![pin(&module), pin(&other)], &[&other, &module]).unwrap();
    assert_eq!(gate.modules().map(|module| module.manifest().name.as_str()).collect::<Vec<_>>(), ["sample", "other"]);
    assert!(gate.modules().all(|module| module.isolation() == Isolation::Warm));
    let error = |pins, modules: &[&Module]| make(pins, modules).unwrap_err().to_string();
    assert_eq!(
        error(vec![pin(&module), pin(&other)], &[&module]),
        "module `other`, which the configuration pins, isn't given"
    );
    assert_eq!(
        error(vec![pin(&module)], &[&module, &other]),
        format!("module `other` with the digest {} isn't pinned by the configuration", other.sha256())
    );
    assert_eq!(error(vec![pin(&module)], &[&module, &module]), "module `sample` is given twice");
    let named = ModulePin { name: "another".to_owned(), ..pin(&module) };
    assert_eq!(
        error(vec![named], &[&module]),
        "the configuration pins `another`, and the module with that digest is `sample`"
    );
    let newer = ModulePin { version_min: Version::parse("1.0.1"), ..pin(&module) };
    assert_eq!(error(vec![newer], &[&module]), "module `sample` has the version 1.0.0, expected 1.0.1 or later");
    assert!(matches!(make(vec![], &[&module, &module]), Err(GateError::DuplicateModule { .. })));
}

#[test]
fn an_approval_is_read_with_its_age() {
    let guest = opened([forbid("stale", "export", Test::Above("context.approvals.ageSec", 60))]);
    let gate = gate(&guest);
    let approved = |ago_ms: i64| Job {
        approvals: Approvals::given(vec![Approval {
            by: uid("Agent", "sam"),
            role: ApproverRole::Supervisor,
            given_at_ms: NOW_MS - ago_ms,
        }]),
        ..job(&["a"])
    };
    assert!(gate.evaluate_at(&approved(60_000), NOW_MS).is_allow());
    assert!(gate.evaluate_at(&approved(60_001), NOW_MS).is_policy_denial());
    assert!(gate.evaluate_at(&job(&["a"]), NOW_MS).is_policy_denial());
}

#[test]
fn the_clock_of_a_gate_never_steps_back() {
    use std::sync::atomic::{AtomicI64, Ordering};

    #[derive(Debug)]
    struct Hand(AtomicI64);
    impl exportgate::Clock for Hand {
        fn now_ms(&self) -> i64 {
            self.0.load(Ordering::Relaxed)
        }
    }
    let clock = Arc::new(Hand(AtomicI64::new(1_000)));
    let gate = gate(&opened([])).with_clock(clock.clone());
    assert_eq!(gate.evaluate(&job(&["a"])).now_ms(), 1_000);
    clock.0.store(500, Ordering::Relaxed);
    assert_eq!(gate.evaluate(&job(&["a"])).now_ms(), 1_000);
    clock.0.store(2_000, Ordering::Relaxed);
    assert_eq!(gate.evaluate(&job(&["a"])).now_ms(), 2_000);
}

#[test]
fn windows_that_can_not_be_read_deny() {
    #[derive(Debug)]
    struct Broken;
    impl Windows for Broken {
        fn declare(&self, _: &[exportgate_contract::vocabulary::Window]) -> Result<(), exportgate::WindowsError> {
            Ok(())
        }
        fn read_after(
            &self,
            _: &[exportgate::WindowRead],
            _: &mut dyn ExactSizeIterator<Item = &str>,
            _: i64,
        ) -> Result<Vec<u64>, exportgate::WindowsError> {
            Err(exportgate::WindowsError::Store { message: "disk full".to_owned() })
        }
    }
    let mut guest = opened([]);
    guest.windows = vec!["customers24h"];
    let gate = Gate::new(&engine(), GateConfig::dry_run(), vec![load(&guest)], Arc::new(Broken)).unwrap();
    let decision = gate.evaluate_at(&job(&["a"]), NOW_MS);
    assert_eq!(
        decision.cause().unwrap().to_string(),
        "the windows can't be read: the store of windows failed: disk full"
    );
    assert_eq!(decision.verdict(), &Verdict::Deny);
}

/// The component that the front page of the crate loads, as text. `BLESS=1` writes it anew.
#[test]
fn the_module_of_the_front_page_is_this() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/front_page.wat");
    let mut guest = Guest::new(vec![
        permit("support", "export", Test::In("agent", "Role", "support")),
        forbid("daily-customers", "export", Test::Above("context.usage.customers24h", 60)).note("reason", "quota-24h"),
        permit("rows", "include", Test::Always),
        permit("contact-partial", "reveal_partial", Test::In("field", "FieldClass", "contact")),
    ]);
    guest.name = "front-page";
    guest.windows = vec!["customers24h"];
    let text = wasmprinter::print_bytes(guest.build()).unwrap();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    assert!(std::fs::read_to_string(path).unwrap() == text, "`{path}` isn't what this test makes: run it with BLESS=1");
}

#[test]
fn the_engine_has_the_limits_that_the_configuration_says() {
    let config =
        GateConfig { engine: EngineConfig { deadline_ms: 50, ..EngineConfig::default() }, ..GateConfig::dry_run() };
    assert_eq!(
        refused(&opened([]), config.clone()),
        "the engine was made with other limits than the configuration says"
    );
    let engine = Engine::new(&config.engine).unwrap();
    let error = Gate::new(&engine, config, vec![load(&opened([]))], Arc::new(MemoryWindows::new())).unwrap_err();
    assert_eq!(
        error.to_string(),
        "module `sample` was loaded into an engine with other limits than the configuration says"
    );
}

#[test]
fn a_job_can_not_leave_out_the_destination_that_is_counted() {
    let mut guest = opened([]);
    guest.windows = vec!["destination24h"];
    let gate = gate(&guest);
    assert!(gate.evaluate_at(&job(&["a"]), NOW_MS).is_allow());
    for env in [Value::record([("ok", Value::Bool(true))]), Value::record([("destination", uid("Team", "t1").into())])]
    {
        let decision = gate.evaluate_at(&Job { env, ..job(&["a"]) }, NOW_MS);
        assert_eq!(decision.cause(), Some(&Cause::Job(JobError::NoDestination)));
        assert_eq!(decision.verdict(), &Verdict::Deny);
    }
}

#[test]
fn questions_are_bound_as_the_vocabulary_says() {
    let mut swapped = opened([]);
    swapped.edit = |manifest| {
        let export = &mut manifest.questions[0];
        let ContextBinding::Attributes(context) = &mut export.binding.context else { panic!("bound by attribute") };
        let (env, now) = (context["env"], context["now"]);
        context.extend([("env".into(), now), ("now".into(), env)]);
    };
    assert_eq!(
        refused(&swapped, GateConfig::dry_run()),
        "module `sample` binds `export` to other inputs than the gate states, or answers it on another axis"
    );
}
