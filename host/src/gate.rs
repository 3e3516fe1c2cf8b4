//! The gate: asks the policy modules about a job, and states what only the gate may state.

mod answers;
mod challenge;
mod clock;
mod error;
mod evaluate;
mod stated;
mod words;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use exportgate_contract::vocabulary::Window;

use crate::config::{GateConfig, Isolation, ModulePin, Version};
use crate::decision::{Decision, ModuleInfo};
use crate::engine::Engine;
use crate::job::{Caps, Job};
use crate::job_file::JobFile;
use crate::module::Module;
use crate::windows::{StatedWindows, Windows, WindowsError};
pub use clock::{Clock, SystemClock};
pub use error::GateError;
use evaluate::Evaluation;
use words::Words;

/// The gate: modules, configuration and windows that fit together. It is shared between threads as it is.
///
/// # Security
///
/// Evaluating is not releasing: between [`Gate::evaluate`] and [`Gate::record`] another job may be evaluated and released.
/// One process that evaluates and records the jobs of an agent one after the other is safe from that.
#[derive(Clone, Debug)]
pub struct Gate {
    inner: Arc<Inner>,
    windows: Arc<dyn Windows>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
struct Inner {
    modules: Vec<Loaded>,
    infos: Arc<[ModuleInfo]>,
    config: GateConfig,
    /// The windows that any module reads, by name.
    windows: BTreeMap<Arc<str>, Window>,
    /// The latest time at which anything was evaluated: a clock that steps back is held to it.
    latest_ms: AtomicI64,
}

/// A module with what the gate knows of it.
#[derive(Debug)]
struct Loaded {
    module: Module,
    name: Arc<str>,
    words: Words,
}

impl Gate {
    /// A gate that asks `modules`, the base first or wherever the configuration pins it, and counts by `windows`. `engine` is
    /// the one that the modules were loaded into, made with [`GateConfig::engine`].
    ///
    /// # Errors
    ///
    /// [`GateError`] when the configuration doesn't hold together, doesn't pin these modules, or doesn't support what they
    /// need; when a module doesn't speak of exports as the gate does; when the store can't count a window. What would be
    /// missing at the first export is missing here.
    pub fn new(
        engine: &Engine,
        config: GateConfig,
        modules: Vec<Module>,
        windows: Arc<dyn Windows>,
    ) -> Result<Self, GateError> {
        config.check()?;
        if *engine.config() != config.engine {
            return Err(GateError::Engine);
        }
        let modules = match_pins(&config, modules)?;
        let mut infos = Vec::with_capacity(modules.len());
        let mut loaded = Vec::with_capacity(modules.len());
        for (position, module) in modules.into_iter().enumerate() {
            let manifest = module.manifest();
            if *module.engine().config() != config.engine {
                return Err(GateError::ModuleEngine { module: manifest.name.as_str().into() });
            }
            let info = ModuleInfo {
                name: manifest.name.as_str().into(),
                version: manifest.version.as_str().into(),
                sha256: module.sha256().into(),
                base: position == 0,
            };
            let words = Words::new(&info, manifest, &config)?;
            loaded.push(Loaded { name: info.name.clone(), words, module });
            infos.push(info);
        }
        let by_name: BTreeMap<Arc<str>, Window> =
            loaded.iter().flat_map(|loaded| loaded.words.windows.clone()).collect();
        windows.declare(&by_name.values().copied().collect::<Vec<_>>())?;
        let inner = Inner {
            modules: loaded,
            infos: infos.into(),
            config,
            windows: by_name,
            latest_ms: AtomicI64::new(i64::MIN),
        };
        Ok(Self { inner: Arc::new(inner), windows, clock: Arc::new(SystemClock) })
    }

    /// The same gate with another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The configuration.
    pub fn config(&self) -> &GateConfig {
        &self.inner.config
    }

    /// The modules, the base first.
    pub fn modules(&self) -> impl Iterator<Item = &Module> {
        self.inner.modules.iter().map(|loaded| &loaded.module)
    }

    /// Decides whether the job may leave, now. Nothing is recorded: a dry run, or the first half of an export of which
    /// [`Gate::record`] is the second.
    ///
    /// It always decides: what goes wrong is a denial with its [`crate::Cause`].
    pub fn evaluate(&self, job: &Job) -> Decision {
        let now_ms = self.clock.now_ms();
        let latest_ms = self.inner.latest_ms.load(Ordering::Relaxed);
        if now_ms > latest_ms {
            self.inner.latest_ms.fetch_max(now_ms, Ordering::Relaxed);
        }
        self.decide(job, now_ms.max(latest_ms), &*self.windows)
    }

    /// As [`Gate::evaluate`], at a time that the caller states: for replays of the past.
    ///
    /// # Security
    ///
    /// Whoever states the time decides which windows are empty. Don't release anything on this answer.
    pub fn evaluate_at(&self, job: &Job, now_ms: i64) -> Decision {
        self.decide(job, now_ms, &*self.windows)
    }

    /// Decides the job of a file, with the time and the usage that it states, or else `now_ms` and the counts of a fresh
    /// start: for dry runs.
    pub fn evaluate_file(&self, file: &JobFile, now_ms: i64) -> Decision {
        self.decide(&file.job, file.now_ms.unwrap_or(now_ms), &StatedWindows::new(&file.usage))
    }

    /// Records what came of a decision: the customers that left, counted for the agent, teams, vendors, tenants and
    /// destination; or a denial by policy, counted for the agent. Failures and challenges aren't recorded.
    ///
    /// Call it before anything leaves, and release nothing when it fails.
    ///
    /// # Errors
    ///
    /// [`RecordError`] when the decision is about another job, or the windows can't be written.
    pub fn record(&self, job: &Job, decision: &Decision) -> Result<(), RecordError> {
        if *job.id != *decision.job || job.agent != decision.agent || job.customers.len() != decision.customers {
            return Err(RecordError::OtherJob { job: job.id.clone(), decided: decision.job.clone() });
        }
        if self.inner.windows.is_empty() {
            return Ok(());
        }
        if decision.is_policy_denial() {
            return Ok(self.windows.record_denial(&job.agent, decision.now_ms)?);
        }
        if !decision.is_allow() {
            return Ok(());
        }
        let subjects = evaluate::subjects_of_windows(job, self.inner.windows.values().copied());
        let included: Vec<&str> = job
            .customers
            .ids()
            .iter()
            .enumerate()
            .filter(|(row, _)| decision.includes(*row))
            .map(|(_, id)| &**id)
            .collect();
        Ok(self.windows.record_grant(&subjects, &mut included.into_iter(), decision.now_ms)?)
    }

    fn decide(&self, job: &Job, now_ms: i64, windows: &dyn Windows) -> Decision {
        Evaluation::new(&self.inner, job, now_ms).decide(windows)
    }
}

impl Inner {
    fn is_base(&self, loaded: &Loaded) -> bool {
        self.modules.first().is_some_and(|base| std::ptr::eq(base, loaded))
    }

    fn caps(&self) -> Caps {
        Caps { customers_max: self.config.customers_per_job_max, fields_max: self.config.fields_per_job_max }
    }
}

/// The modules in the order of their pins, each isolated as its pin says; without pins as they are given, each fresh.
fn match_pins(config: &GateConfig, modules: Vec<Module>) -> Result<Vec<Module>, GateError> {
    if modules.is_empty() {
        return Err(GateError::NoModules);
    }
    let mut given: BTreeMap<String, Module> = BTreeMap::new();
    let mut order: Vec<String> = Vec::with_capacity(modules.len());
    for module in modules {
        let sha256 = module.sha256().to_owned();
        order.push(sha256.clone());
        if let Some(twice) = given.insert(sha256, module) {
            return Err(GateError::DuplicateModule { module: twice.manifest().name.as_str().into() });
        }
    }
    if config.modules.is_empty() {
        let fresh = order.iter().filter_map(|sha256| given.remove(sha256));
        return Ok(fresh.map(|module| module.with_isolation(Isolation::Fresh)).collect());
    }
    let mut matched = Vec::with_capacity(given.len());
    for pin in &config.modules {
        let Some(module) = given.remove(&pin.sha256) else {
            return Err(GateError::PinUnmatched { module: pin.name.clone() });
        };
        check_pin(pin, &module)?;
        matched.push(module.with_isolation(pin.isolation));
    }
    match given.into_values().next() {
        Some(module) => {
            Err(GateError::NotPinned { module: module.manifest().name.as_str().into(), sha256: module.sha256().into() })
        }
        None => Ok(matched),
    }
}

fn check_pin(pin: &ModulePin, module: &Module) -> Result<(), GateError> {
    let manifest = module.manifest();
    let name: Arc<str> = manifest.name.as_str().into();
    if *name != *pin.name {
        return Err(GateError::Name { module: name, expected: pin.name.clone() });
    }
    match pin.version_min {
        Some(min) if Version::parse(&manifest.version).is_none_or(|version| version < min) => {
            Err(GateError::Version { module: name, found: manifest.version.as_str().into(), min })
        }
        Some(_) | None => Ok(()),
    }
}

/// Why what came of a decision can't be recorded. Release nothing then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The decision is about another job.
    #[error("the decision is about job `{decided}`, not `{job}` as it is given")]
    OtherJob {
        /// The job given.
        job: Arc<str>,
        /// The job that was decided.
        decided: Arc<str>,
    },
    /// The windows can't be written.
    #[error("the windows can't be written: {0}")]
    Windows(#[from] WindowsError),
}
