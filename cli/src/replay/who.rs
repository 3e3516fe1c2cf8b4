//! Who was it? An incident as it happened: recorded and not stopped, beside honest work; then its victims complain, and the log
//! is asked whose takings explain that.
//!
//! The pack that is asked permits everything, so the log holds what a support desk without limits would have let out. Complaints are
//! drawn from a seed: once from those whom the thief took, once from everybody, whom nothing links.

use std::path::Path;

use exportgate::audit_log::Prefix;
use exportgate::audit_log::trace::{Leaked, TraceQuery};
use exportgate_compiler::{CompileOptions, Pack};
use fastrand::Rng;

use super::file::{Manner, Scenario, Suspected};
use super::outcome::Traced;
use super::people::seed;
use super::play::{CUSTOMER_PREFIX, Play, Unobserved};
use super::{Setup, facts, log};
use crate::failure::Failure;
use crate::{input, pack};

/// The one policy of a support desk without limits.
const EVERYTHING: &str = "@id(\"everything\")\npermit (principal, action, resource);\n";

/// Where it lies in the pack.
const EVERYTHING_FILE: &str = "everything.cedar";

/// Plays the incident as `suspected` says, and asks its log twice.
///
/// # Errors
///
/// [`Failure`] when it names what there isn't, or can't be played or asked.
pub fn ask(
    dir: &Path,
    scenarios: &[Scenario],
    scenario: &Scenario,
    suspected: &Suspected,
    ledgers: &Path,
) -> Result<Traced, Failure> {
    let name = format!("{}/trace", scenario.id);
    let failed = |reason: String| Failure::input(format!("can't trace `{}`: {reason}", scenario.id));
    let theft = manner(scenario, &suspected.manner).map_err(failed)?;
    let beside = scenarios.iter().find(|other| other.id == suspected.beside);
    let beside = beside.ok_or_else(|| failed(format!("there is no `{}`", suspected.beside)))?;
    let setup = Setup::new(&permissive(dir)?, ledgers)?;
    let theft = Play::new(&name, theft, setup.manifest()).map_err(failed)?;
    let stage = setup.stage(&name, theft.start_ms()).map_err(failed)?;
    let taken = theft.run(&stage, &Unobserved).map_err(failed)?.let_out;
    for manner in &beside.manners {
        Play::new(&beside.id, manner, setup.manifest())
            .and_then(|play| play.run(&stage, &Unobserved))
            .map_err(failed)?;
    }
    let mut rng = Rng::with_seed(seed(&name));
    let complaints = drawn(&mut rng, suspected.complaints, taken);
    let strangers = drawn(&mut rng, suspected.complaints, suspected.of);
    let trace = |leaked: Vec<Leaked>| {
        let query = TraceQuery { leaked, since_ms: None, until_ms: None, population: Some(suspected.of) };
        let origin = log::origin(&name);
        exportgate::audit_log::trace(&stage.records(), &Prefix::none(&origin), &query, &[log::key()])
            .map_err(|error| failed(error.to_string()))
    };
    let (found, by_chance) = (trace(complaints)?, trace(strangers)?);
    let names = |suspects: &[exportgate::audit_log::trace::Suspect]| -> Vec<String> {
        suspects.iter().map(|suspect| suspect.name.clone()).collect()
    };
    Ok(Traced {
        id: scenario.id.clone(),
        title: scenario.title.clone(),
        thief: facts::agent_uid(0).id.to_string(),
        taken,
        complaints: suspected.complaints,
        of: suspected.of,
        named: names(&found.named),
        line: found.named.first().map(|suspect| suspect.line.clone()).unwrap_or_default(),
        named_by_chance: names(&by_chance.named),
        entries: stage.check(&log::origin(&name)).map_err(failed)?,
    })
}

fn manner<'a>(scenario: &'a Scenario, id: &str) -> Result<&'a Manner, String> {
    scenario.manners.iter().find(|manner| manner.id == id).ok_or_else(|| format!("it has no manner `{id}`"))
}

/// The component of the pack with one policy, which permits everything.
fn permissive(dir: &Path) -> Result<Vec<u8>, Failure> {
    let mut files = input::read_pack(dir)?;
    let path = dir.join(input::PACK_FILE);
    let table = files.get(input::PACK_FILE).and_then(|bytes| std::str::from_utf8(bytes).ok());
    let mut table: toml::Table =
        table.and_then(|text| text.parse().ok()).ok_or_else(|| Failure::file(&path, "it isn't a pack's"))?;
    table.insert("policies".to_owned(), vec![EVERYTHING_FILE].into());
    table.remove("links");
    files.insert(input::PACK_FILE.to_owned(), table.to_string().into_bytes());
    files.insert(EVERYTHING_FILE.to_owned(), EVERYTHING.as_bytes().to_vec());
    let refused = |errors| pack::refused(dir, &errors);
    let pack = Pack::from_files(&files).map_err(refused)?;
    let artifact = exportgate_compiler::compile(&pack, &CompileOptions::default());
    Ok(artifact.map_err(|errors| pack::refused(dir, &errors))?.component)
}

/// So many different customers of the first `of`.
fn drawn(rng: &mut Rng, count: u64, of: u64) -> Vec<Leaked> {
    let mut numbers = std::collections::BTreeSet::new();
    while u64::try_from(numbers.len()).is_ok_and(|drawn| drawn < count.min(of)) {
        numbers.insert(rng.u64(1..=of.max(1)));
    }
    let leaked = |number| Leaked { customer: format!("{CUSTOMER_PREFIX}{number}"), canary: false };
    numbers.into_iter().map(leaked).collect()
}
