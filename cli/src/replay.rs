//! Plays the incidents of a pack, and honest work beside them, against the gate, on a simulated clock.
//!
//! The pack is compiled in memory and loaded as a gate's base, pinned by digest. Each manner of each file is a play of its
//! own: its own ledger, agents, customers and tickets, all made from a seed, so that the outcome is the same on every machine
//! and doesn't depend on which plays run beside it. The ledgers are SQLite files in one folder; a replay that finds them
//! there goes on where they end.

pub mod chart;
mod clock;
mod facts;
pub mod file;
mod log;
pub mod outcome;
mod people;
mod play;
mod stage;
mod who;

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use exportgate::{Engine, GateConfig, Isolation, Module};
use exportgate_contract::manifest::Manifest;

use crate::failure::Failure;
use crate::{input, output, pack};
use file::{Kind, Manner, Scenario};
use outcome::{Honest, Incident, Outcome, Point, Traced};
use play::{Play, Played};
use stage::Stage;

pub use play::{Observer, Unobserved};

/// One row of the table: a manner of a scenario.
#[derive(Clone, Copy, Debug)]
struct Row<'a> {
    scenario: &'a Scenario,
    manner: &'a Manner,
}

impl Row<'_> {
    fn name(&self) -> String {
        match self.scenario.manners.as_slice() {
            [_] => self.scenario.id.clone(),
            _ => format!("{}/{}", self.scenario.id, self.manner.id),
        }
    }

    /// Roughly how long it takes to play: customers, and a job weighs as much as some of them.
    fn weight(&self) -> u64 {
        let jobs =
            self.manner.pace.as_ref().map_or(0, |pace| self.manner.customers.div_ceil(pace.customers_per_job.max(1)));
        if self.manner.outside.is_some() { 0 } else { self.manner.customers.saturating_add(jobs.saturating_mul(20)) }
    }
}

/// Plays the scenarios of the pack in `dir` whose id contains `only`, and all honest work. `step` is called after each play.
/// The ledgers are kept in the folder `ledgers`, and what they hold already isn't played again; without a folder they
/// are made in a temporary one and removed.
///
/// # Errors
///
/// [`Failure`] when the pack doesn't compile, a scenario can't be read or played, the ledgers are of another pack, or a
/// ledger fails.
pub fn run(
    dir: &Path,
    only: Option<&str>,
    ledgers: Option<&Path>,
    observer: &dyn Observer,
    step: &(dyn Fn(usize) + Sync),
) -> Result<Outcome, Failure> {
    let scenarios = file::read_all(dir)?;
    let artifact = pack::compile(dir)?;
    let started = Instant::now();
    let temporary;
    let ledgers = match ledgers {
        Some(ledgers) => ledgers,
        None => {
            let reason = |error| Failure::output(format!("can't make a temporary folder: {error}"));
            temporary = tempfile::Builder::new().prefix("exportgate-replay-").tempdir().map_err(reason)?;
            temporary.path()
        }
    };
    claim(ledgers, &artifact.component)?;
    let setup = Setup::new(&artifact.component, ledgers)?;
    let rows: Vec<Row<'_>> = scenarios
        .iter()
        .filter(|scenario| scenario.kind == Kind::Honest || only.is_none_or(|only| scenario.id.contains(only)))
        .flat_map(|scenario| scenario.manners.iter().map(move |manner| Row { scenario, manner }))
        .collect();
    let played = play_all(&setup, &rows, observer, step)?;
    let traced = trace(dir, &scenarios, only, ledgers)?;
    let mut outcome = Outcome { incidents: Vec::new(), honest: Vec::new(), traced, logs: 0, entries: 0, seconds: 0.0 };
    for entries in played.iter().map(|played| played.entries).chain(outcome.traced.iter().map(|traced| traced.entries))
    {
        outcome.logs = outcome.logs.saturating_add(u64::from(entries > 0));
        outcome.entries = outcome.entries.saturating_add(entries);
    }
    for (row, played) in rows.iter().zip(played) {
        match row.scenario.kind {
            Kind::Incident => outcome.incidents.push(incident(row, played)),
            Kind::Honest => outcome.honest.push(honest(row, played)),
        }
    }
    outcome.seconds = started.elapsed().as_secs_f64();
    Ok(outcome)
}

/// Asks the logs of the incidents of the pack in `dir` whose id contains `only`, and which say how, who it was; their ledgers are
/// kept in the folder `ledgers`.
///
/// # Errors
///
/// [`Failure`] when a scenario can't be read or played, or its log not be asked.
pub fn who(dir: &Path, only: Option<&str>, ledgers: &Path) -> Result<Vec<Traced>, Failure> {
    trace(dir, &file::read_all(dir)?, only, ledgers)
}

fn trace(dir: &Path, scenarios: &[Scenario], only: Option<&str>, ledgers: &Path) -> Result<Vec<Traced>, Failure> {
    let meant = scenarios.iter().filter(|scenario| only.is_none_or(|only| scenario.id.contains(only)));
    meant
        .filter_map(|scenario| Some((scenario, scenario.trace.as_ref()?)))
        .map(|(scenario, suspected)| who::ask(dir, scenarios, scenario, suspected, ledgers))
        .collect()
}

/// The file in a folder of ledgers that says which component they are of.
const COMPONENT_FILE: &str = "component.sha256";

/// Makes the folder of ledgers, or sees that those in it are of the same component: what another one decided would end up
/// in this one's table.
fn claim(ledgers: &Path, component: &[u8]) -> Result<(), Failure> {
    let unusable = |error: &dyn std::fmt::Display| {
        Failure::output(format!("can't keep ledgers in `{}`: {error}", ledgers.display()))
            .help("name a folder that may be written to")
    };
    std::fs::create_dir_all(ledgers).map_err(|error| unusable(&error))?;
    let (mark, sha256) = (ledgers.join(COMPONENT_FILE), output::sha256(component));
    if mark.exists() {
        if input::read_text(&mark, 1_024)?.trim() == sha256 {
            return Ok(());
        }
        return Err(Failure::file(ledgers, "its ledgers are of another pack, or of this one before it was changed")
            .help("name another folder, or remove this one to begin anew"));
    }
    if !input::entries(ledgers)?.is_empty() {
        return Err(Failure::file(ledgers, "it holds something else than the ledgers of a replay")
            .help("name an empty folder, or one that isn't there"));
    }
    output::write(&mark, format!("{sha256}\n").as_bytes())
}

/// What all plays share: the engine and the compiled module.
struct Setup {
    engine: Engine,
    module: Module,
    config: GateConfig,
    /// The folder with the ledgers.
    ledgers: PathBuf,
}

impl Setup {
    fn new(component: &[u8], ledgers: &Path) -> Result<Self, Failure> {
        let engine = Engine::new(&GateConfig::dry_run().engine).map_err(|error| Failure::input(error.to_string()))?;
        let module = Module::load(&engine, component).map_err(|error| Failure::input(error.to_string()))?;
        let config = GateConfig { modules: vec![module.pin(Isolation::Warm)], ..GateConfig::dry_run() };
        Ok(Self { engine, module, config, ledgers: ledgers.to_path_buf() })
    }

    /// A stage for the row `name`, whose first ask is at `start_ms`.
    fn stage(&self, name: &str, start_ms: i64) -> Result<Stage, String> {
        let path = self.ledgers.join(format!("{}.sqlite", name.replace('/', "--")));
        Stage::new(&self.engine, &self.config, &self.module, &path, &log::origin(name), start_ms)
    }

    fn manifest(&self) -> &Manifest {
        self.module.manifest()
    }
}

/// Plays all rows on all processors, the longest first; what comes of them is in the order of the rows.
fn play_all(
    setup: &Setup,
    rows: &[Row<'_>],
    observer: &dyn Observer,
    step: &(dyn Fn(usize) + Sync),
) -> Result<Vec<Played>, Failure> {
    let mut order: Vec<(usize, &Row<'_>)> = rows.iter().enumerate().collect();
    order.sort_by_key(|(_, row)| std::cmp::Reverse(row.weight()));
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(rows.len()));
    let work = || {
        while let Some((place, row)) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            let played = play(setup, row, observer)
                .map_err(|reason| Failure::input(format!("can't play `{}`: {reason}", row.name())));
            done.lock().unwrap_or_else(PoisonError::into_inner).push((*place, played));
            step(rows.len());
        }
    };
    thread::scope(|scope| {
        for _ in 1..thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(work);
        }
        work();
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, played)| played).collect()
}

fn play(setup: &Setup, row: &Row<'_>, observer: &dyn Observer) -> Result<Played, String> {
    if row.manner.outside.is_some() {
        return Ok(outside(row.manner));
    }
    let name = row.name();
    let play = Play::new(&name, row.manner, setup.manifest())?;
    let stage = setup.stage(&name, play.start_ms())?;
    let played = play.run(&stage, observer)?;
    Ok(Played { entries: stage.check(&log::origin(&name))?, ..played })
}

/// A manner whose asks never reach the gate: everything gets out.
fn outside(manner: &Manner) -> Played {
    let curve = vec![Point { day: 0.0, customers: manner.customers }];
    Played { days: 1.0, let_out: manner.customers, taken_curve: curve.clone(), out_curve: curve, ..Played::default() }
}

fn incident(row: &Row<'_>, played: Played) -> Incident {
    Incident {
        id: row.name(),
        title: row.scenario.title.clone(),
        year: row.scenario.year.map(|year| year.to_string()).unwrap_or_default(),
        manner: if row.scenario.manners.len() > 1 { row.manner.title.clone() } else { String::new() },
        days: played.days,
        customers_taken: row.scenario.taken.as_ref().map_or(0, |taken| taken.customers),
        customers_let_out: played.let_out,
        stop: played.stop,
        stopped_by: played.stopped_by,
        taken: played.taken_curve,
        let_out: played.out_curve,
        decisions: played.decisions,
    }
}

fn honest(row: &Row<'_>, played: Played) -> Honest {
    Honest {
        id: row.name(),
        title: row.scenario.title.clone(),
        asks: played.asks,
        hindered: played.hindered,
        hindered_by: played.stopped_by,
        decisions: played.decisions,
    }
}
