//! What is done once: compiling a pack, loading a module, and what a loaded one holds.

use std::path::Path;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use cedar_policy::{Authorizer, PolicySet, Schema, ValidationMode, Validator};
use exportgate::{Engine, EngineConfig, Gate, Isolation};
use exportgate_compiler::Passes;

use crate::compare::{CEDAR, Contender, Contest, WARM};
use crate::reference::{NOW_MS, PackFiles, compiled, gate, gate_in, small_job};
use crate::synthetic::Synthetic;

/// The gate, with its module from the compile cache.
pub const CACHED: &str = "cached";

/// From the component's bytes to the first decision; native Cedar from its texts to the first answer.
///
/// # Panics
///
/// When a module doesn't load.
pub fn load() -> Contest {
    let files = PackFiles::reference();
    let component = files.component();
    let job = small_job(&gate(&component, Isolation::Warm));
    let (schema, policies) = (files.schema(), files.policies());
    let ours = Contender::new(WARM, move || {
        let decision = gate(&component, Isolation::Warm).evaluate_at(&job, NOW_MS);
        assert!(decision.is_allow());
        decision
    });
    Contest { group: "load", input: "reference".to_owned(), contenders: vec![ours, cedar(schema, policies)] }
}

/// The same where the module was compiled before and lies in the compile cache `directory`.
///
/// # Panics
///
/// When a module doesn't load, or the directory isn't this user's alone.
pub fn load_cached(directory: &Path) -> Contest {
    let component = PackFiles::reference().component();
    let limits = EngineConfig { compile_cache: Some(directory.to_owned()), ..EngineConfig::default() };
    // As a tool does that starts: the engine is made once, whatever it loads.
    let engine = Engine::new(&limits).unwrap();
    let job = small_job(&gate(&component, Isolation::Warm));
    let ours = Contender::new(CACHED, move || {
        let decision = gate_in(&engine, &component, Isolation::Warm).evaluate_at(&job, NOW_MS);
        assert!(decision.is_allow());
        decision
    });
    Contest { group: "load", input: "reference-cached".to_owned(), contenders: vec![ours] }
}

/// A pack's texts to a component; native Cedar parses and validates them.
///
/// # Panics
///
/// When a pack doesn't compile.
pub fn compile_reference() -> Contest {
    let files = PackFiles::reference();
    let (schema, policies, pack) = (files.schema(), files.policies(), files.pack());
    let ours = Contender::new("exportgate", move || compiled(&pack, Passes::default()));
    Contest { group: "compile", input: "reference".to_owned(), contenders: vec![ours, cedar(schema, policies)] }
}

/// The same with so many policies.
///
/// # Panics
///
/// When the pack doesn't compile.
pub fn compile_synthetic(policies: usize) -> Contest {
    let synthetic = Synthetic::new(policies);
    let pack = synthetic.pack();
    let ours = Contender::new("exportgate", move || compiled(&pack, Passes::default()));
    let peer = cedar(synthetic.schema, synthetic.policies);
    Contest { group: "compile", input: format!("{policies}-policies"), contenders: vec![ours, peer] }
}

/// What native Cedar does before it can be asked, and is sure of its policies.
fn cedar(schema: String, policies: String) -> Contender {
    Contender::new(CEDAR, move || {
        let (schema, _) = Schema::from_cedarschema_str(&schema).unwrap();
        let policies: PolicySet = policies.parse().unwrap();
        let result = Validator::new(schema).validate(&policies, ValidationMode::Strict);
        assert!(result.validation_passed());
        (Authorizer::new(), policies)
    })
}

/// How many small jobs all of so many threads decide in a second, sharing one gate.
///
/// # Panics
///
/// When a thread does.
pub fn decisions_per_second(gate: &Gate, threads: usize, time: Duration) -> f64 {
    let barrier = Arc::new(Barrier::new(threads));
    let counts: Vec<_> = (0..threads)
        .map(|_| {
            let (gate, barrier) = (gate.clone(), barrier.clone());
            std::thread::spawn(move || {
                let job = small_job(&gate);
                barrier.wait();
                let begin = Instant::now();
                let mut count = 0_u64;
                while begin.elapsed() < time {
                    for _ in 0..64 {
                        std::hint::black_box(gate.evaluate_at(&job, NOW_MS));
                    }
                    count += 64;
                }
                count as f64 / begin.elapsed().as_secs_f64()
            })
        })
        .collect();
    counts.into_iter().map(|count| count.join().unwrap()).sum()
}

/// How many threads this machine runs at a time.
pub fn threads_max() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
