//! What a build takes, counted: fuel of fixed jobs, bytes of modules. The same on every machine.

use exportgate::{Gate, Isolation};
use exportgate_compiler::Passes;

use crate::limits::Measures;
use crate::question;
use crate::reference::{NOW_MS, PackFiles, Tickets, bulk_job, compiled, gate, small_job};
use crate::synthetic::{self, Synthetic};

/// Policies of the larger synthetic pack: enough that looking at all of them shows, and few enough to compile in any test run.
pub const POLICIES: usize = 1_000;

/// Fuel and bytes of the packs, compiled with these passes.
///
/// # Panics
///
/// When a job isn't allowed any more.
pub fn fuel_and_bytes(passes: Passes) -> Measures {
    let mut measures = Measures::new();
    let mut fuel = |name: &str, gate: &Gate, job| {
        let decision = gate.evaluate_at(&job, NOW_MS);
        assert!(decision.is_allow(), "{name}: {:?}", decision.cause());
        measures.insert(format!("fuel/{name}"), decision.fuel_used() as f64);
    };
    let reference = compiled(&PackFiles::reference().pack(), passes);
    let reading = gate(&reference, Isolation::Fresh);
    fuel("evaluate/1x3", &reading, small_job(&reading));
    fuel("evaluate/1000x12-customers", &reading, bulk_job(&reading, 0..1_000, 12, Tickets::None));
    fuel("evaluate/1000x12-tickets", &reading, bulk_job(&reading, 0..1_000, 12, Tickets::Each));
    let independent = compiled(&PackFiles::without_customers_in_forms().pack(), passes);
    let independent = gate(&independent, Isolation::Fresh);
    fuel("evaluate/1000x12-fields", &independent, bulk_job(&independent, 0..1_000, 12, Tickets::None));
    let few = compiled(&Synthetic::new(10).pack(), passes);
    let few_gate = gate(&few, Isolation::Fresh);
    fuel("evaluate/10-policies", &few_gate, synthetic::job(&few_gate, 1, 3));
    let many = compiled(&Synthetic::new(POLICIES).pack(), passes);
    let many_gate = gate(&many, Isolation::Fresh);
    fuel("evaluate/1000-policies", &many_gate, synthetic::job(&many_gate, 1, 3));
    let question = compiled(&question::pack(10), passes);
    let bytes = [("reference", reference), ("question", question), ("1000-policies", many)];
    measures.extend(bytes.map(|(name, module)| (format!("bytes/{name}"), module.len() as f64)));
    measures
}
