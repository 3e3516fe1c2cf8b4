//! The gate: asks the policy modules about a job, and states what only the gate may state.

mod agent;
mod answers;
mod approve;
mod challenge;
mod clock;
mod error;
mod evaluate;
mod outage;
mod release;
mod review;
mod room;
mod stated;
mod transaction;
mod usage;
mod words;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use exportgate_contract::vocabulary::Window;
use exportgate_ledger::Ledger;

use crate::approvals::Approvals;
use crate::config::{GateConfig, Isolation, ModulePin, Version};
use crate::decision::{Decision, ModuleInfo};
use crate::engine::Engine;
use crate::job::{Caps, Job};
use crate::job_file::JobFile;
use crate::module::Module;
use crate::record::Recorder;
use crate::windows::{LedgerWindows, StatedWindows, Windows};
pub use agent::PreparedAgent;
pub use approve::{APPROVE, ApproveError, Approver, RequestText};
pub use clock::{Clock, SystemClock};
pub use error::GateError;
use evaluate::Evaluation;
pub use outage::FALLBACK_JOBS_MAX;
use outage::Outage;
use transaction::Ledgered;
use words::Words;

/// The gate: modules, configuration and windows that fit together. It is shared between threads as it is.
///
/// # Security
///
/// Evaluating is not releasing: nothing is counted by [`Gate::evaluate`], and a moment later another job may have used up
/// what it saw. Release on [`Gate::ask`] alone.
#[derive(Clone, Debug)]
pub struct Gate {
    inner: Arc<Inner>,
    windows: Arc<dyn Windows + Send + Sync>,
    clock: Arc<dyn Clock>,
    /// What it takes to be asked; none for a gate that only evaluates.
    ledgered: Option<Ledgered>,
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
    /// A gate that evaluates and counts nothing, for dry runs and tests: it asks `modules`, the base first or wherever the
    /// configuration pins it, and reads `windows`. `engine` is the one that the modules were loaded into, made with
    /// [`GateConfig::engine`].
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
        windows: Arc<dyn Windows + Send + Sync>,
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
            let words = Words::new(&info, module.plan(), &config)?;
            loaded.push(Loaded { name: info.name.clone(), words, module });
            infos.push(info);
        }
        let by_name: BTreeMap<Arc<str>, Window> =
            loaded.iter().flat_map(|loaded| loaded.words.windows.clone()).collect();
        for loaded in &mut loaded {
            loaded.words.place_windows(&by_name);
        }
        windows.declare(&by_name.values().copied().collect::<Vec<_>>())?;
        let inner = Inner {
            modules: loaded,
            infos: infos.into(),
            config,
            windows: by_name,
            latest_ms: AtomicI64::new(i64::MIN),
        };
        Ok(Self { inner: Arc::new(inner), windows, clock: Arc::new(SystemClock), ledgered: None })
    }

    /// A gate that can be asked: as [`Gate::new`], with windows, approvals and revocations of `ledger`, and the clock of the
    /// machine. Where several processes share a ledger, each makes its own gate.
    ///
    /// # Errors
    ///
    /// As [`Gate::new`]; also when a policy reads a window for which the ledger hasn't counted long enough.
    pub fn with_ledger(
        engine: &Engine,
        config: GateConfig,
        modules: Vec<Module>,
        ledger: Arc<dyn Ledger>,
    ) -> Result<Self, GateError> {
        Self::with_ledger_and_clock(engine, config, modules, ledger, Arc::new(SystemClock))
    }

    /// As [`Gate::with_ledger`], going by another clock. The ledger still holds it to the latest time that it recorded.
    ///
    /// # Errors
    ///
    /// As [`Gate::with_ledger`].
    pub fn with_ledger_and_clock(
        engine: &Engine,
        config: GateConfig,
        modules: Vec<Module>,
        ledger: Arc<dyn Ledger>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, GateError> {
        let windows = Arc::new(LedgerWindows::new(ledger.clone(), clock.clone()));
        let gate = Self::new(engine, config, modules, windows)?;
        let counted: Vec<Window> = gate.inner.windows.values().copied().collect();
        let outage = Arc::new(Outage::new(&counted)?);
        Ok(Self { clock, ledgered: Some(Ledgered { ledger, recorder: None, outage }), ..gate })
    }

    /// The same gate with another clock; for one with a ledger see [`Gate::with_ledger_and_clock`].
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The same gate with somebody who records each ask in the ledger's transaction. Without a ledger it records nothing.
    #[must_use]
    pub fn with_recorder(mut self, recorder: Arc<dyn Recorder>) -> Self {
        if let Some(ledgered) = &mut self.ledgered {
            ledgered.recorder = Some(recorder);
        }
        self
    }

    /// The ledger; none for a gate that only evaluates.
    pub fn ledger(&self) -> Option<&Arc<dyn Ledger>> {
        self.ledgered.as_ref().map(|ledgered| &ledgered.ledger)
    }

    /// The configuration.
    pub fn config(&self) -> &GateConfig {
        &self.inner.config
    }

    /// The modules, the base first.
    pub fn modules(&self) -> impl Iterator<Item = &Module> {
        self.inner.modules.iter().map(|loaded| &loaded.module)
    }

    /// Decides whether the job may leave, now. Nothing is counted, and nothing may leave on this answer: a dry run.
    ///
    /// It always decides: what goes wrong is a denial with its [`crate::Cause`].
    pub fn evaluate(&self, job: &Job) -> Decision {
        self.inner.decide(job, &job.approvals, self.now_ms(), &*self.windows)
    }

    /// As [`Gate::evaluate`], in the room of an earlier decision, or [`Decision::empty`]: nothing of that stays, and a caller
    /// who asks again and again allocates nothing.
    pub fn evaluate_into(&self, job: &Job, decision: &mut Decision) {
        self.evaluate_into_at(job, self.now_ms(), decision);
    }

    /// As [`Gate::evaluate_into`], at a time that the caller states, as [`Gate::evaluate_at`].
    pub fn evaluate_into_at(&self, job: &Job, now_ms: i64, decision: &mut Decision) {
        Evaluation::new(&self.inner, job, &job.approvals, now_ms).decide_into(&*self.windows, decision);
    }

    /// As [`Gate::evaluate`], at a time that the caller states: for replays of the past.
    ///
    /// # Security
    ///
    /// Whoever states the time decides which windows are empty. Don't release anything on this answer.
    pub fn evaluate_at(&self, job: &Job, now_ms: i64) -> Decision {
        self.inner.decide(job, &job.approvals, now_ms, &*self.windows)
    }

    /// Decides the job of a file, with the time and the usage that it states, or else `now_ms` and the counts of a fresh
    /// start: for dry runs.
    pub fn evaluate_file(&self, file: &JobFile, now_ms: i64) -> Decision {
        self.inner.decide(
            &file.job,
            &file.job.approvals,
            file.now_ms.unwrap_or(now_ms),
            &StatedWindows::new(&file.usage),
        )
    }

    /// The time: never before one that the gate went by earlier.
    fn now_ms(&self) -> i64 {
        let now_ms = self.clock.now_ms();
        let latest_ms = self.inner.latest_ms.load(Ordering::Relaxed);
        if now_ms > latest_ms {
            self.inner.latest_ms.fetch_max(now_ms, Ordering::Relaxed);
        }
        now_ms.max(latest_ms)
    }
}

impl Inner {
    fn decide(&self, job: &Job, approvals: &Approvals, now_ms: i64, windows: &dyn Windows) -> Decision {
        Evaluation::new(self, job, approvals, now_ms).decide(windows)
    }

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
