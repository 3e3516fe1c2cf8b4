//! Guests of other making: each answers as it should, under the same limits; and what a guest can keep between exports.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};

use exportgate::job_file::{self, JobFile};
use exportgate::{
    Decision, Engine, EngineConfig, Gate, GateConfig, Isolation, Job, MemoryWindows, Module, ModulePin, Verdict,
};
use exportgate_cli::replay::{self, Observer};
use exportgate_compiler::{CompileOptions, Pack};
use exportgate_contract::vocabulary::Window;
use exportgate_guest_build::{build, component, interpreter};
use exportgate_tests::bless::{self, workspace};
use exportgate_tests::case;
use exportgate_tests::compiled::{self, CaseData};
use exportgate_tests::engine::PolicyEngine as _;
use exportgate_tests::guests::{self, InterpretedCase, Interpreter};

/// Fuel for a guest that parses its policies in each fresh instance.
const INTERPRETER_FUEL: u64 = 100_000_000_000;

fn engine() -> Engine {
    let config = EngineConfig { fuel_per_call: INTERPRETER_FUEL, deadline_ms: 600_000, ..EngineConfig::default() };
    Engine::new(&config).unwrap()
}

fn pin(module: &Module, isolation: Isolation) -> ModulePin {
    let (name, sha256) = (module.manifest().name.clone(), module.sha256().to_owned());
    ModulePin { name, sha256, version_min: None, isolation }
}

fn gate(engine: &Engine, modules: &[(&Module, Isolation)]) -> Gate {
    let pins = modules.iter().map(|(module, isolation)| pin(module, *isolation)).collect();
    let config = GateConfig { modules: pins, engine: engine.config().clone(), ..GateConfig::dry_run() };
    let modules = modules.iter().map(|(module, _)| (*module).clone()).collect();
    Gate::new(engine, config, modules, Arc::new(MemoryWindows::new())).unwrap_or_else(|e| panic!("{e}"))
}

/// The pack in a folder of `guest-policies`.
fn pack(name: &str) -> Pack {
    Pack::from_files(&guests::pack_files(name)).unwrap_or_else(|e| panic!("{e}"))
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
    let (interpreter, engine) = (Interpreter::new(), compiled::engine());
    let mut wrong = Vec::new();
    for case in case::load_all(&bless::data().join("cases")).iter().filter(|case| case.file.should_validate) {
        let data = CaseData::new(&case.schema, &case.entities).unwrap();
        let guest = match InterpretedCase::new(&interpreter, &engine, case, &data) {
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

/// Asks an interpreted pack about the jobs of a replay, and the compiled one with `minimum-group` beside it. Jobs that are decided alike are many: of each kind the first few are
/// asked, and of the rest a part.
struct Compared {
    interpreted: Gate,
    beside: Gate,
    kinds: Mutex<BTreeMap<String, usize>>,
    wrong: Mutex<Vec<String>>,
}

/// Jobs of one kind that are all asked.
const FIRST_OF_KIND: usize = 2;

/// Customers of a job that is asked at all, unless it is the first of its kind.
const CUSTOMERS_COMPARED_MAX: usize = 60;

impl Observer for Compared {
    fn decided(&self, _: &Gate, job: &Job, now_ms: i64, decision: &Decision) {
        let ids: Vec<&str> = decision.determining().map(exportgate::PolicyInfo::id).collect();
        let kind = format!("{:?} {ids:?} {}", decision.verdict(), job.fields.join(" "));
        let seen = {
            let mut kinds = self.kinds.lock().unwrap();
            let seen = kinds.entry(kind).or_default();
            *seen += 1;
            *seen
        };
        let first = seen == 1 && job.customers.len() <= 20 * CUSTOMERS_COMPARED_MAX;
        if !first && (seen > FIRST_OF_KIND || job.customers.len() > CUSTOMERS_COMPARED_MAX) {
            return;
        }
        let windows = decision.usage().iter().filter_map(|(name, count)| Some((Window::parse(name)?, *count)));
        let file = JobFile { job: job.clone(), now_ms: Some(now_ms), usage: windows.collect() };
        let interpreted = self.interpreted.evaluate_file(&file, now_ms);
        if shown(&interpreted) != shown(decision) {
            let text =
                format!("job `{}`:\ncompiled: {}\ninterpreted: {}", job.id, shown(decision), shown(&interpreted));
            self.wrong.lock().unwrap().push(text);
        }
        // A module beside the base can only deny more, and this one only for its one reason.
        let beside = self.beside.evaluate_file(&file, now_ms);
        let own = |policy: &exportgate::PolicyInfo| policy.id() == "small-group";
        let as_before = beside.verdict() == decision.verdict();
        if !(as_before || *beside.verdict() == Verdict::Deny && beside.determining().any(own)) {
            let text = format!("job `{}`:\nalone: {}\nbeside: {}", job.id, shown(decision), shown(&beside));
            self.wrong.lock().unwrap().push(text);
        }
    }
}

#[test]
fn compiled_and_interpreted_support_desk_decide_each_replay_alike() {
    let engine = engine();
    let made = interpreter::interpret(&guests::core("cedar-interpreter"), &pack("support-desk")).unwrap();
    let module = Module::load(&engine, &made.component).unwrap_or_else(|e| panic!("{e}"));
    let base = exportgate_compiler::compile(&pack("support-desk"), &CompileOptions::default()).unwrap();
    let base = Module::load(&engine, &base.component).unwrap();
    let beside = guest(&engine, "minimum-group");
    let compared = Compared {
        interpreted: gate(&engine, &[(&module, Isolation::Warm)]),
        beside: gate(&engine, &[(&base, Isolation::Warm), (&beside, Isolation::Warm)]),
        kinds: Mutex::default(),
        wrong: Mutex::default(),
    };
    replay::run(&guests::folder("support-desk"), None, None, &compared, &|_| {})
        .unwrap_or_else(|e| panic!("{}", e.message()));
    let (kinds, wrong) = (compared.kinds.into_inner().unwrap(), compared.wrong.into_inner().unwrap());
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.iter().take(3).cloned().collect::<Vec<_>>().join("\n")
    );
    assert!(kinds.len() > 20, "the replays have only {} kinds of jobs", kinds.len());
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

/// The cases of a guest, each against a gate with that module alone.
fn check_cases(engine: &Engine, module: &Module, folder: &Path) {
    let gate = gate(engine, &[(module, Isolation::Fresh)]);
    let cases = bless::files(&folder.join("cases"), "json");
    assert!(!cases.is_empty(), "no cases in {}", folder.display());
    for path in cases {
        let case: serde_json::Value = serde_json::from_str(&bless::read(&path)).unwrap();
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
    let engine = engine();
    check_cases(&engine, &guest(&engine, "minimum-group"), &guests::folder("minimum-group"));
}

#[test]
fn the_guest_in_c_passes_its_cases_where_clang_is() {
    // CI installs it; a machine without it can still run all other tests.
    let Some(component) = guests::in_c() else { return eprintln!("skipped: no clang (apt-get install clang lld)") };
    let engine = engine();
    let module = Module::load(&engine, &component).unwrap_or_else(|e| panic!("{e}"));
    check_cases(&engine, &module, &guests::folder("quiet-hours"));
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
    let engine = engine();
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
    let engine = engine();
    let base = exportgate_compiler::compile(&pack("support-desk"), &CompileOptions::default()).unwrap();
    let base = Module::load(&engine, &base.component).unwrap();
    let beside = guest(&engine, "minimum-group");
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
