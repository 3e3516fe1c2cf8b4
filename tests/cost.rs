//! What a manifest says that answering costs is no less than what it takes.

use exportgate::{Decision, Verdict, job_file};
use exportgate_compiler::{CompileOptions, Pack, Passes, compile};
use exportgate_tests::bless::{self, workspace};
use exportgate_tests::guests;
use serde_json::Value as Json;

use crate::rows::{NOW_MS, gate};

#[test]
fn no_export_takes_more_fuel_than_its_module_says() {
    let pack = Pack::from_files(&guests::pack_files("support-desk")).unwrap_or_else(|e| panic!("{e}"));
    for passes in [Passes::default(), Passes::NONE] {
        // Every customer asked about, as the manifest counts.
        let gate = gate(&compile(&pack, &CompileOptions { passes }).unwrap().component, false);
        let manifest = gate.modules().next().unwrap().manifest().clone();
        let tallies = manifest.questions.iter().filter(|asked| asked.action.id.starts_with("tally_")).count();
        let (mut decided, mut decision) = (0, Decision::empty());
        for path in bless::files(&workspace().join("guest-policies/support-desk/cases"), "json") {
            let case: Json = serde_json::from_str(&bless::read(&path)).unwrap();
            let Some(job) = case.get("job") else { continue };
            let Ok(job_file::JobFile { job, .. }) = job_file::read_json(&manifest.schema.types, job) else { continue };
            gate.evaluate_into_at(&job, NOW_MS, &mut decision);
            // Looking for what would lift a denial asks many times.
            let asked_once =
                decision.cause().is_none() && decision.determining().all(|used| used.remedies().is_empty());
            if !asked_once || matches!(decision.verdict(), Verdict::Challenge(_)) {
                continue;
            }
            let (rows, fields) = (job.customers.len(), job.fields.len());
            let points = u64::try_from(tallies * rows + 1 + rows + 3 * rows * fields).unwrap();
            let most = 2 * manifest.cost.call + points * manifest.cost.point;
            assert!(decision.fuel_used() > 0 && decision.fuel_used() <= most, "{}: {most}", path.display());
            decided += 1;
        }
        assert!(decided > 20, "{decided} jobs were decided");
    }
}
