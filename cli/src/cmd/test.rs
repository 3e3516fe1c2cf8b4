//! `exportgate test`: runs the cases of a pack, and shows where a decision isn't the expected one.

use std::path::Path;
use std::sync::Arc;

use exportgate::{Engine, Gate, GateConfig, MemoryWindows, Module, job_file};

use crate::args::Test;
use crate::case::{self, Case, Difference};
use crate::failure::{Exit, Failure};
use crate::input::{self, CASES, JOB_FILE_BYTES_MAX};
use crate::{output, pack, progress};

/// When a case is asked that doesn't say when: a fixed time, so that a case never depends on the day it is run.
const START_OF_2026_MS: i64 = 1_767_225_600_000;

/// Runs the command.
pub fn run(args: &Test) -> Result<Exit, Failure> {
    let artifact = pack::compile(&args.pack)?;
    let config = GateConfig::dry_run();
    let engine = Engine::new(&config.engine).map_err(|error| Failure::input(error.to_string()))?;
    let module = Module::load(&engine, &artifact.component).map_err(|error| Failure::input(error.to_string()))?;
    let folder = args.pack.join(CASES);
    let wanted = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        args.only.as_ref().is_none_or(|only| name.contains(only.as_str()))
    };
    let cases: Vec<_> = input::list(&folder, "json")?.into_iter().filter(|path| wanted(path)).collect();
    if cases.is_empty() {
        return Err(
            Failure::file(&folder, "it holds no such cases").help("put `*.json` files into the pack's `cases/`")
        );
    }
    let bar = progress::bar(u64::try_from(cases.len()).unwrap_or(u64::MAX), "cases");
    let mut failed = Vec::new();
    for path in &cases {
        let differences = ask(&engine, &config, &module, path)?;
        if let Some((case, differences)) = differences {
            failed.push((path, case, differences));
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    for (path, case, differences) in &failed {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        output::print(&format!("FAIL  {name}: {}\n{}", case.description, case::diff(differences)))?;
    }
    let passed = cases.len().saturating_sub(failed.len());
    output::print(&format!("{} cases: {passed} passed, {} failed", cases.len(), failed.len()))?;
    if failed.is_empty() {
        return Ok(Exit::Done);
    }
    Err(Failure::differs(format!("{} of {} cases got another decision than expected", failed.len(), cases.len()))
        .help("lines with `-` are what the case expects, lines with `+` what the gate decided"))
}

/// The case at `path` with its differences; none when its decision is as expected.
fn ask(
    engine: &Engine,
    config: &GateConfig,
    module: &Module,
    path: &Path,
) -> Result<Option<(Case, Vec<Difference>)>, Failure> {
    let text = input::read_text(path, JOB_FILE_BYTES_MAX)?;
    let case: Case = serde_json::from_str(&text).map_err(|error| Failure::file(path, error))?;
    let file = job_file::read_json(&module.manifest().schema.types, &case.job)
        .map_err(|error| Failure::file(path, format_args!("`job`: {error}")))?;
    let gate = Gate::new(engine, config.clone(), vec![module.clone()], Arc::new(MemoryWindows::new()))
        .map_err(|error| Failure::input(error.to_string()))?;
    let decision = gate.evaluate_file(&file, START_OF_2026_MS);
    let differences = case::compare(&case.expect, &file.job, &decision);
    Ok((!differences.is_empty()).then_some((case, differences)))
}
