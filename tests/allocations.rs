//! Asking again and again allocates nothing.

use std::sync::Arc;

use exportgate::{Decision, Engine, Gate, GateConfig, Isolation, MemoryWindows, Module, Verdict, job_file};
use exportgate_compiler::{CompileOptions, Pack};
use exportgate_tests::bless::{self, workspace};
use exportgate_tests::guests;
use serde_json::Value as Json;

const NOW_MS: i64 = 1_793_872_800_000;

#[test]
fn evaluating_into_a_decision_allocates_nothing_once_warm() {
    let pack = Pack::from_files(&guests::pack_files("support-desk")).unwrap_or_else(|e| panic!("{e}"));
    let component = exportgate_compiler::compile(&pack, &CompileOptions::default()).unwrap().component;
    let mut config = GateConfig::dry_run();
    let engine = Engine::new(&config.engine).unwrap();
    let module = Module::load(&engine, &component).unwrap();
    config.modules = vec![module.pin(Isolation::Warm)];
    let schema = module.manifest().schema.types.clone();
    let gate = Gate::new(&engine, config, vec![module], Arc::new(MemoryWindows::new())).unwrap();
    let mut decision = Decision::empty();
    let mut decided = 0;
    for path in bless::files(&workspace().join("guest-policies/support-desk/cases"), "json") {
        let case: Json = serde_json::from_str(&bless::read(&path)).unwrap();
        let Some(job) = case.get("job") else { continue };
        let Ok(file) = job_file::read_json(&schema, job) else { continue };
        for _ in 0..2 {
            gate.evaluate_into_at(&file.job, NOW_MS, &mut decision);
        }
        // Looking for what would lift a denial asks many times, and is rare.
        let names_remedies = decision.determining().any(|policy| !policy.remedies().is_empty());
        if decision.cause().is_some() || matches!(decision.verdict(), Verdict::Challenge(_)) || names_remedies {
            continue;
        }
        let again = allocation_counter::measure(|| gate.evaluate_into_at(&file.job, NOW_MS, &mut decision));
        assert_eq!(again.count_total, 0, "{}: {again:?}", path.display());
        decided += 1;
    }
    assert!(decided > 20, "{decided} jobs were decided");
}
