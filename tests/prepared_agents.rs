//! Agents whose facts are resolved once: every job of theirs is decided as if it stated them.

use std::time::Duration;

use exportgate::{Job, job_file};
use exportgate_compiler::{CompileOptions, Pack};
use exportgate_tests::bless::{self, workspace};
use exportgate_tests::guests;
use serde_json::Value as Json;

use crate::rows::{Kind, NOW_MS, gate, put_customers, shown};

#[test]
fn jobs_of_prepared_agents_are_decided_as_if_they_stated_all() {
    let pack = Pack::from_files(&guests::pack_files("support-desk")).unwrap_or_else(|e| panic!("{e}"));
    let component = exportgate_compiler::compile(&pack, &CompileOptions::default()).unwrap().component;
    let gate = gate(&component, true);
    let schema = gate.modules().next().unwrap().manifest().schema.types.clone();
    let mut numbers = fastrand::Rng::with_seed(9);
    let (mut decided, mut allowed) = (0, 0);
    for path in bless::files(&workspace().join("guest-policies/support-desk/cases"), "json") {
        for kind in [None, Some(Kind::Any), Some(Kind::Ticketed)] {
            let place = format!("{kind:?} {}", path.display());
            let mut case: Json = serde_json::from_str(&bless::read(&path)).unwrap();
            let Some(job) = case.get_mut("job").filter(|job| job["entities"].is_array()) else { continue };
            if let Some(kind) = kind {
                put_customers(job, kind, 9, &mut numbers);
            }
            let Ok(file) = job_file::read_json(&schema, job) else { continue };
            let expected = gate.evaluate_at(&file.job, NOW_MS);
            // What can't be prepared is what every job is denied for.
            let agent = match gate.prepare_agent(&file.job.agent, &file.job.entities, Duration::from_secs(3_600)) {
                Ok(agent) => agent,
                Err(cause) => {
                    assert_eq!(expected.cause().map(ToString::to_string), Some(cause.to_string()), "{place}");
                    continue;
                }
            };
            let prepared = Job { prepared_agent: Some(agent), ..file.job };
            assert_eq!(shown(&gate.evaluate_at(&prepared, NOW_MS)), shown(&expected), "{place}");
            decided += 1;
            allowed += usize::from(expected.is_allow());
        }
    }
    assert!(decided > 200 && allowed > 60, "{decided} jobs decided, {allowed} allowed");
}
