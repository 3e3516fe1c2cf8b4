//! Guests of other making: each answers as it should, under the same limits; and what a guest can keep between exports.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use exportgate::job_file::{self, JobFile};
use exportgate::{Decision, Engine, Gate, GateConfig, Isolation, Job, MemoryWindows, Module, Verdict};
use exportgate_cli::replay::{self, Observer};
use exportgate_compiler::CompileOptions;
use exportgate_contract::vocabulary::Window;
use exportgate_guest_build::{build, component};
use exportgate_tests::bless::{self, workspace};
use exportgate_tests::case;
use exportgate_tests::compiled::CaseData;
use exportgate_tests::engine::PolicyEngine as _;
use exportgate_tests::guests;
use exportgate_tests::interpreter_guest::{InterpretedCase, Interpreter};

fn gate(engine: &Engine, modules: &[(&Module, Isolation)]) -> Gate {
    let pins = modules.iter().map(|(module, isolation)| module.pin(*isolation)).collect();
    let config = GateConfig { modules: pins, engine: engine.config().clone(), ..GateConfig::dry_run() };
    let modules = modules.iter().map(|(module, _)| (*module).clone()).collect();
    Gate::new(engine, config, modules, Arc::new(MemoryWindows::new())).unwrap_or_else(|e| panic!("{e}"))
}

/// The support-desk pack, compiled.
fn support_desk(engine: &Engine) -> Module {
    let pack = guests::pack("support-desk");
    let artifact = exportgate_compiler::compile(&pack, &CompileOptions::default()).unwrap_or_else(|e| panic!("{e}"));
    Module::load(engine, &artifact.component).unwrap_or_else(|e| panic!("{e}"))
}

/// A guest crate's module, with the manifest that lies beside it.
fn guest(engine: &Engine, name: &str) -> Module {
    let component = component::componentize(&guests::core(name), None).unwrap_or_else(|e| panic!("{name}: {e}"));
    Module::load(engine, &component).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// What two gates must agree on, as text.
fn shown(decision: &Decision) -> String {
    let policies = |uses: &[exportgate::PolicyUse]| -> Vec<String> {
        uses.iter().map(|used| format!("{} {:?} {}", used.policy.id(), used.asked, used.points)).collect()
    };
    let rows: Vec<String> = (0..decision.customers())
        .map(|row| {
            let forms: Vec<&str> = (0..decision.fields().len()).map(|field| decision.form(row, field).name()).collect();
            format!("{} {}", decision.includes(row), forms.join(" "))
        })
        .collect();
    let cause = decision.cause().map(ToString::to_string);
    format!(
        "{:?} {cause:?}\ndetermining {:?}\nerring {:?}\ntallies {:?}\n{:?}\n{}",
        decision.verdict(),
        policies(decision.policies()),
        policies(decision.erring()),
        decision.tallies(),
        decision.obligations(),
        rows.join("\n")
    )
}

#[test]
fn the_interpreter_answers_the_cases_as_cedar_does() {
    let interpreter = Interpreter::new();
    let mut wrong = Vec::new();
    for case in case::load_all(&bless::data().join("cases")).iter().filter(|case| case.file.should_validate) {
        let data = CaseData::new(&case.schema, &case.entities).unwrap();
        let guest = match InterpretedCase::new(&interpreter, case, &data) {
            Ok(guest) => guest,
            Err(error) => {
                wrong.push(format!("{}: {error}", case.name()));
                continue;
            }
        };
        for request in &case.file.requests {
            let found = guest.authorize(request);
            if found.as_ref().ok() != request.expected().as_ref() {
                wrong.push(format!("{}: `{}`: {found:?}", case.name(), request.description));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// The cases of a pack or guest: the path of each, and its text.
fn cases_of(name: &str) -> Vec<(PathBuf, serde_json::Value)> {
    let paths = bless::files(&guests::folder(name).join("cases"), "json");
    assert!(!paths.is_empty(), "`{name}` has no cases");
    let read = |path: PathBuf| {
        let case = serde_json::from_str(&bless::read(&path)).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        (path, case)
    };
    paths.into_iter().map(read).collect()
}

#[test]
fn compiled_and_interpreted_support_desk_decide_its_cases_alike() {
    let engine = guests::engine();
    let (base, interpreted) = (support_desk(&engine), guests::interpreted(&engine, "support-desk"));
    let [compiled, interpreted] = [&base, &interpreted].map(|module| gate(&engine, &[(module, Isolation::Warm)]));
    let mut verdicts = BTreeSet::new();
    for (path, case) in cases_of("support-desk") {
        let file = job_file::read_json(&base.manifest().schema.types, &case["job"]).unwrap_or_else(|e| panic!("{e}"));
        let decision = compiled.evaluate_file(&file, 0);
        assert_eq!(shown(&decision), shown(&interpreted.evaluate_file(&file, 0)), "{}", path.display());
        verdicts.insert(format!("{:?}", decision.verdict()));
    }
    assert!(verdicts.len() > 3, "{verdicts:?}");
}

/// Asks the pack with `minimum-group` beside it about each job of a replay.
struct Beside {
    gate: Gate,
    found: Mutex<FoundBeside>,
}

#[derive(Default)]
struct FoundBeside {
    decisions: u64,
    /// Jobs that the base alone allows, and that are denied.
    denied: u64,
    wrong: Vec<String>,
}

impl Observer for Beside {
    fn decided(&self, _: &Gate, job: &Job, now_ms: i64, alone: &Decision) {
        let windows = alone.usage().iter().filter_map(|(name, count)| Some((Window::parse(name)?, *count)));
        let file = JobFile { job: job.clone(), now_ms: Some(now_ms), usage: windows.collect() };
        let beside = self.gate.evaluate_file(&file, now_ms);
        let small_group = beside.determining().any(|policy| policy.id() == "small-group");
        let mut found = self.found.lock().unwrap();
        found.decisions += 1;
        found.denied += u64::from(small_group && alone.is_allow());
        // It denies for its one reason, and changes nothing else.
        let expected = if small_group { &Verdict::Deny } else { alone.verdict() };
        let fields = 0..job.fields.len();
        let same_rows = || {
            (0..alone.customers())
                .all(|row| fields.clone().all(|field| alone.form(row, field) == beside.form(row, field)))
        };
        if beside.cause().is_some() || beside.verdict() != expected || !small_group && !same_rows() {
            found.wrong.push(format!("job `{}`:\nalone: {}\nbeside: {}", job.id, shown(alone), shown(&beside)));
        }
    }
}

#[test]
fn a_module_beside_support_desk_changes_a_replay_only_by_denying() {
    // The pack with its honest work, and a migration in which small groups would be singled out.
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in guests::pack_files("support-desk") {
        if !path.starts_with("replays/") || path.starts_with("replays/honest") {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
    }
    let migration = bless::data().join("guests/migration-with-minors.toml");
    std::fs::copy(migration, folder.path().join("replays/migration-with-minors.toml")).unwrap();

    let engine = guests::engine();
    let (base, beside) = (support_desk(&engine), guest(&engine, "minimum-group"));
    let gate = gate(&engine, &[(&base, Isolation::Warm), (&beside, Isolation::Warm)]);
    let beside = Beside { gate, found: Mutex::default() };
    let outcome =
        replay::run(folder.path(), None, None, &beside, &|_| {}).unwrap_or_else(|e| panic!("{}", e.message()));
    let found = beside.found.into_inner().unwrap();
    let shown = found.wrong.iter().take(3).cloned().collect::<Vec<_>>().join("\n");
    assert!(found.wrong.is_empty(), "{} of {} wrong:\n{shown}", found.wrong.len(), found.decisions);
    assert_eq!(found.decisions, outcome.honest.iter().map(|honest| honest.decisions).sum::<u64>());
    // 40 minors fall into 100 jobs: some have none, and no group has five.
    assert!((20..=40).contains(&found.denied), "{} of {} denied", found.denied, found.decisions);
}

#[test]
fn derived_files_of_guests_are_current() {
    for name in ["minimum-group", "hoarder"] {
        assert!(build::is_current(&guests::folder(name)).unwrap(), "{name}: run `exportgate build` on it");
    }
}

#[test]
fn guests_are_built_with_the_versions_of_the_workspace() {
    let versions = |path: &str| {
        let lock: toml::Table = toml::from_str(&bless::read(&workspace().join(path))).unwrap();
        let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for package in lock["package"].as_array().unwrap() {
            let text = |key: &str| package[key].as_str().unwrap().to_owned();
            versions.entry(text("name")).or_default().insert(text("version"));
        }
        versions
    };
    let workspace = versions("Cargo.lock");
    for (name, found) in versions("guest-policies/Cargo.lock") {
        if let Some(known) = workspace.get(&name) {
            assert!(found.is_subset(known), "`{name}`: the guests have {found:?}, the workspace has {known:?}");
        }
    }
}

/// Asks a gate with the module of a guest alone about each of its cases.
fn check_cases(engine: &Engine, module: &Module, name: &str) {
    let gate = gate(engine, &[(module, Isolation::Fresh)]);
    for (path, case) in cases_of(name) {
        let file = job_file::read_json(&module.manifest().schema.types, &case["job"]).unwrap_or_else(|e| panic!("{e}"));
        let decision = gate.evaluate_file(&file, 0);
        let expected = if case["expect"]["verdict"] == "allow" { Verdict::Allow } else { Verdict::Deny };
        let determining: Vec<&str> = decision.determining().map(exportgate::PolicyInfo::id).collect();
        let expected_ids: Vec<&str> =
            case["expect"]["determining"].as_array().unwrap().iter().filter_map(|id| id.as_str()).collect();
        assert_eq!(
            (decision.verdict(), determining),
            (&expected, expected_ids),
            "{}: {}",
            path.display(),
            shown(&decision)
        );
    }
}

#[test]
fn the_guest_in_rust_passes_its_cases() {
    let engine = guests::engine();
    check_cases(&engine, &guest(&engine, "minimum-group"), "minimum-group");
}

#[test]
fn the_guest_in_c_passes_its_cases_where_clang_is() {
    // CI installs it; a machine without it can still run all other tests.
    let Some(component) = guests::in_c() else { return eprintln!("skipped: no clang (apt-get install clang lld)") };
    let engine = guests::engine();
    let module = Module::load(&engine, &component).unwrap_or_else(|e| panic!("{e}"));
    check_cases(&engine, &module, "quiet-hours");
}

/// A job of `hoarder`: an agent asks for the email of one customer.
fn hoarder_job(module: &Module, job: &str, agent: &str, email: &str) -> JobFile {
    let text = format!(
        r#"{{"job": "{job}", "agent": {{"id": "{agent}"}}, "fields": ["customer.email"],
            "customers": [{{"id": "customer-1", "email": "{email}"}}]}}"#
    );
    job_file::read(&module.manifest().schema.types, &text).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn a_guest_that_remembers_customers_gains_nothing_when_fresh() {
    let engine = guests::engine();
    let module = guest(&engine, "hoarder");
    for (isolation, remembered) in [(Isolation::Fresh, false), (Isolation::Warm, true)] {
        let gate = gate(&engine, &[(&module, isolation)]);
        let excludes = |job: &str, agent: &str, email: &str| {
            let decision = gate.evaluate_file(&hoarder_job(&module, job, agent, email), 0);
            assert!(decision.cause().is_none(), "{}", shown(&decision));
            !decision.includes(0)
        };
        assert!(!excludes("job-1", "agent-1", "a@example.com"), "{isolation:?}: nothing is known yet");
        // Another agent asks for the same customer, and then for another.
        assert_eq!(excludes("job-2", "agent-2", "a@example.com"), remembered, "{isolation:?}");
        assert!(!excludes("job-3", "agent-2", "b@example.com"), "{isolation:?}: another customer");
    }
}

#[test]
fn a_small_group_denies_what_the_support_desk_allows() {
    let engine = guests::engine();
    let (base, beside) = (support_desk(&engine), guest(&engine, "minimum-group"));
    let alone = gate(&engine, &[(&base, Isolation::Fresh)]);
    let both = gate(&engine, &[(&base, Isolation::Fresh), (&beside, Isolation::Fresh)]);
    let mut seen = BTreeMap::new();
    for minors in [0, 4, 5] {
        let file = migration(&base, minors);
        let (alone, both) = (alone.evaluate_file(&file, 0), both.evaluate_file(&file, 0));
        assert!(alone.is_allow(), "{}", shown(&alone));
        seen.insert(
            minors,
            (both.is_allow(), both.determining().map(|policy| policy.id().to_owned()).collect::<Vec<_>>()),
        );
        let counted = both.tallies().iter().find(|(name, _)| &**name == "minimum-group:minor").map(|(_, count)| *count);
        assert_eq!(counted, Some(minors));
    }
    // The base still grants it; the module beside it denies.
    assert_eq!(seen[&4], (false, vec!["grant-bulk".to_owned(), "small-group".to_owned()]));
    assert!(seen[&0].0 && seen[&5].0, "{seen:?}");
}

/// An approved bulk job of 40 customers, some of them minors, for a sensitive field.
fn migration(base: &Module, minors: u64) -> JobFile {
    let text = bless::read(&workspace().join("tests/data/guests/migration.json"));
    let mut job: serde_json::Value = serde_json::from_str(&text).unwrap();
    let customers = job["customers"].as_array_mut().unwrap();
    let template = customers.remove(0);
    for place in 0..40_u64 {
        let mut customer = template.clone();
        customer["id"] = format!("customer-{place}").into();
        if place < minors {
            customer["in"] = serde_json::json!(["Segment::minor"]);
        }
        customers.push(customer);
    }
    job_file::read_json(&base.manifest().schema.types, &job).unwrap_or_else(|e| panic!("{e}"))
}
