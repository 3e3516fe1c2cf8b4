//! What the benches measure: the reference pack, and jobs of any size made from its cases.

pub mod synthetic;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use exportgate::{Engine, Gate, GateConfig, Isolation, Job, MemoryWindows, Module, ModulePin, job_file};
use exportgate_compiler::{CompileOptions, Pack, compile};
use serde_json::{Value as Json, json};

/// The instant at which all jobs are decided, in milliseconds since 1970: that of the pack's cases.
pub const NOW_MS: i64 = 1_793_872_800_000;

/// The folder of the reference pack.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-policies/support-desk")
}

/// The reference pack, compiled.
///
/// # Panics
///
/// When the pack isn't there, or doesn't compile.
pub fn component() -> Vec<u8> {
    let mut files = BTreeMap::new();
    for path in ["", "policies"] {
        for entry in std::fs::read_dir(folder().join(path)).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                let name = entry.file_name().into_string().unwrap();
                let name = if path.is_empty() { name } else { format!("{path}/{name}") };
                files.insert(name, std::fs::read(entry.path()).unwrap());
            }
        }
    }
    let pack = Pack::from_files(&files).unwrap_or_else(|errors| panic!("{}", errors.render()));
    compile(&pack, &CompileOptions::default()).unwrap_or_else(|errors| panic!("{}", errors.render())).component
}

/// A gate with the reference pack and fresh windows.
///
/// # Panics
///
/// When the module doesn't load.
pub fn gate(component: &[u8], isolation: Isolation) -> Gate {
    let mut config = GateConfig::dry_run();
    let engine = Engine::new(&config.engine).unwrap();
    let module = Module::load(&engine, component).unwrap();
    config.modules = vec![ModulePin {
        name: module.manifest().name.as_str().into(),
        sha256: module.sha256().to_owned(),
        version_min: None,
        isolation,
    }];
    Gate::new(&engine, config, vec![module], Arc::new(MemoryWindows::new())).unwrap()
}

/// The job of a case of the pack, changed by `edit`.
///
/// # Panics
///
/// When there is no such case, or it isn't a job any more.
pub fn job(gate: &Gate, case: &str, edit: impl FnOnce(&mut Json)) -> Job {
    let text = std::fs::read_to_string(folder().join(format!("cases/{case}.json"))).unwrap();
    let mut case: Json = serde_json::from_str(&text).unwrap();
    edit(&mut case["job"]);
    let schema = &gate.modules().next().unwrap().manifest().schema.types;
    job_file::read_json(schema, &case["job"]).unwrap_or_else(|error| panic!("{error}")).job
}

/// Puts `count` customers without tickets into a job.
pub fn put_customers(job: &mut Json, count: usize) {
    job["customers"] = (0..count)
        .map(|i| json!({"id": format!("customer-{i}"), "region": "US", "canary": false, "legalHold": false}))
        .collect();
}
