//! Plays the incidents of a pack, and honest work beside them, against the gate, on a simulated clock.
//!
//! The pack is compiled in memory and loaded as a gate's base, pinned by digest. Each manner of each file is a play of its
//! own: its own gate windows, agents, customers and tickets, all made from a seed, so that the outcome is the same on
//! every machine and doesn't depend on which plays run beside it.

pub mod chart;
mod clock;
mod facts;
pub mod file;
pub mod outcome;
mod people;
mod play;

use std::num::NonZero;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use exportgate::{Engine, Gate, GateConfig, Isolation, MemoryWindows, Module, ModulePin};
use exportgate_contract::manifest::Manifest;

use crate::failure::Failure;
use crate::pack;
use file::{Kind, Manner, Scenario};
use outcome::{Honest, Incident, Outcome, Point};
use play::{Play, Played};

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
///
/// # Errors
///
/// [`Failure`] when the pack doesn't compile, a scenario can't be read or played, or the windows fail.
pub fn run(
    dir: &Path,
    only: Option<&str>,
    observer: &dyn Observer,
    step: &(dyn Fn(usize) + Sync),
) -> Result<Outcome, Failure> {
    let scenarios = file::read_all(dir)?;
    let artifact = pack::compile(dir)?;
    let started = Instant::now();
    let setup = Setup::new(&artifact.component)?;
    let rows: Vec<Row<'_>> = scenarios
        .iter()
        .filter(|scenario| scenario.kind == Kind::Honest || only.is_none_or(|only| scenario.id.contains(only)))
        .flat_map(|scenario| scenario.manners.iter().map(move |manner| Row { scenario, manner }))
        .collect();
    let played = play_all(&setup, &rows, observer, step)?;
    let mut outcome = Outcome { incidents: Vec::new(), honest: Vec::new(), seconds: 0.0 };
    for (row, played) in rows.iter().zip(played) {
        match row.scenario.kind {
            Kind::Incident => outcome.incidents.push(incident(row, played)),
            Kind::Honest => outcome.honest.push(honest(row, played)),
        }
    }
    outcome.seconds = started.elapsed().as_secs_f64();
    Ok(outcome)
}

/// What all plays share: the engine and the compiled module.
struct Setup {
    engine: Engine,
    module: Module,
    config: GateConfig,
}

impl Setup {
    fn new(component: &[u8]) -> Result<Self, Failure> {
        let engine = Engine::new(&GateConfig::dry_run().engine).map_err(|error| Failure::input(error.to_string()))?;
        let module = Module::load(&engine, component).map_err(|error| Failure::input(error.to_string()))?;
        let pin = ModulePin {
            name: module.manifest().name.clone(),
            sha256: module.sha256().to_owned(),
            version_min: None,
            isolation: Isolation::Warm,
        };
        Ok(Self { engine, module, config: GateConfig { modules: vec![pin], ..GateConfig::dry_run() } })
    }

    fn gate(&self) -> Result<Gate, String> {
        let windows = Arc::new(MemoryWindows::new());
        Gate::new(&self.engine, self.config.clone(), vec![self.module.clone()], windows)
            .map_err(|error| error.to_string())
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
    Play::new(&name, row.manner, setup.manifest())?.run(&setup.gate()?, observer)
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
