//! What guests cost, and whether the interpreter answers as Cedar does.
//!
//! `cargo run --release -p exportgate-tests --bin guests` prints a table: size, load time, and time for one export with an
//! instance kept and with a fresh one. One export: one customer, three fields, all questions of the module. Times are medians;
//! a first run that fills caches isn't counted.
//!
//! `cargo run --release -p exportgate-tests --bin guests -- conformance DIR` asks the interpreter all cases below DIR, in the
//! format of Cedar's integration tests, as `exportgate conformance DIR` asks compiled modules.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use exportgate::job_file::{self, JobFile};
use exportgate::{Engine, Gate, GateConfig, Isolation, MemoryWindows, Module};
use exportgate_cli::conformance;
use exportgate_cli::failure::Exit;
use exportgate_compiler::CompileOptions;
use exportgate_guest_build::{component, interpreter};
use exportgate_tests::interpreter_guest::Interpreter;
use exportgate_tests::{bless, guests};

/// Jobs decided with an instance kept.
const WARM_RUNS: usize = 2_000;

/// Jobs decided with an instance each, and loads: slower, so fewer.
const SLOW_RUNS: usize = 30;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [] => {
            measure_all();
            ExitCode::SUCCESS
        }
        ["conformance", path] => {
            let compared = conformance::compare(&Interpreter::new(), Path::new(path), false);
            compared.unwrap_or_else(|failure| failure.print()).into()
        }
        _ => {
            eprintln!("error: unknown arguments\nhelp: none for the figures of all guests, or `conformance DIR`");
            Exit::Input.into()
        }
    }
}

fn measure_all() {
    let engine = guests::engine();
    println!("| module | component bytes | load ms | one export, kept us | one export, fresh us | fuel, kept |");
    println!("|---|---|---|---|---|---|");
    let support_desk = guests::pack("support-desk");
    let compiled = exportgate_compiler::compile(&support_desk, &CompileOptions::default()).unwrap();
    let job = bless::read(&guests::folder("support-desk").join("cases/ticket-own.json"));
    let job = job_of(&job);
    measure(&engine, "support-desk, compiled", &compiled.component, &job);
    let made = interpreter::interpret(&guests::core("cedar-interpreter"), &support_desk).unwrap();
    measure(&engine, "support-desk, interpreted", &made.component, &job);
    let small = bless::read(&guests::folder("minimum-group").join("cases/not-bulk.json"));
    let mut small = job_of(&small);
    small["customers"].as_array_mut().unwrap().truncate(1);
    small["fields"] = serde_json::json!(["customer.name", "customer.email", "payment.card_last4"]);
    let component = component::componentize(&guests::core("minimum-group"), None).unwrap();
    measure(&engine, "minimum-group", &component, &small);
    if let Some(component) = guests::in_c() {
        let mut small = job_of(&bless::read(&guests::folder("quiet-hours").join("cases/few-at-night.json")));
        small["customers"].as_array_mut().unwrap().truncate(1);
        measure(&engine, "quiet-hours, in C", &component, &small);
    }
}

fn job_of(case: &str) -> serde_json::Value {
    let mut case: serde_json::Value = serde_json::from_str(case).unwrap();
    case["job"].take()
}

fn measure(engine: &Engine, name: &str, component: &[u8], job: &serde_json::Value) {
    let load = median(SLOW_RUNS / 10, || Module::load(engine, component).unwrap());
    let module = Module::load(engine, component).unwrap();
    let file = job_file::read_json(&module.manifest().schema.types, job).unwrap();
    let (kept, fresh) = (gate(engine, &module, Isolation::Warm), gate(engine, &module, Isolation::Fresh));
    let decision = kept.evaluate_file(&file, 0);
    assert!(decision.cause().is_none(), "{name}: {:?}", decision.cause());
    let ask = |gate: &Gate, file: &JobFile| gate.evaluate_file(file, 0);
    let warm_us = median(WARM_RUNS, || ask(&kept, &file)).as_secs_f64() * 1e6;
    let fresh_us = median(SLOW_RUNS, || ask(&fresh, &file)).as_secs_f64() * 1e6;
    let fuel = kept.evaluate_file(&file, 0).fuel_used();
    let load_ms = load.as_secs_f64() * 1e3;
    println!("| {name} | {} | {load_ms:.1} | {warm_us:.1} | {fresh_us:.1} | {fuel} |", component.len());
}

fn gate(engine: &Engine, module: &Module, isolation: Isolation) -> Gate {
    let config =
        GateConfig { modules: vec![module.pin(isolation)], engine: engine.config().clone(), ..GateConfig::dry_run() };
    Gate::new(engine, config, vec![module.clone()], Arc::new(MemoryWindows::new())).unwrap()
}

fn median<T>(runs: usize, mut run: impl FnMut() -> T) -> Duration {
    run();
    let mut times: BTreeMap<Duration, usize> = BTreeMap::new();
    for _ in 0..runs {
        let begin = Instant::now();
        std::hint::black_box(run());
        *times.entry(begin.elapsed()).or_default() += 1;
    }
    let mut seen = 0;
    let middle = times.iter().find(|(_, count)| {
        seen += **count;
        seen * 2 >= runs
    });
    middle.map_or(Duration::ZERO, |(time, _)| *time)
}
