//! The engine: Wasmtime as exportgate wants it, one a process, with its limits and its clock for deadlines.

mod compile_cache;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;

use exportgate_contract::limits::MEMORY_BYTES_MAX;

use crate::limits::{
    DEADLINE_MS_RANGE, DEADLINE_TICKS, FUEL_RANGE, INSTANCE_BYTES_MAX, INSTANCES_RANGE, MEMORY_BYTES_MIN,
    MEMORY_RESIDENT_BYTES, STACK_BYTES_RANGE, TABLE_ELEMENTS_MAX,
};

/// How much a guest may take. Every option is checked when [`Engine::new`] is called, none later.
///
/// ```
/// use exportgate::{Engine, EngineConfig};
///
/// let engine = Engine::new(&EngineConfig { deadline_ms: 500, ..EngineConfig::default() })?;
/// # Ok::<(), exportgate::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineConfig {
    /// Fuel for one call into a guest, beside [`Self::fuel_per_point`]. Unit: fuel, about one Wasm instruction. Range:
    /// 1,000 to 1,000,000,000,000. Default: 50,000,000. Fuel is the limit that decides: the same call uses the same fuel on
    /// every machine. It doesn't limit the host's own work on a frame.
    pub fuel_per_call: u64,
    /// Fuel added for each answer that a call asks for (each question at each of its points). Unit and range as
    /// [`Self::fuel_per_call`]. Default: 1,000,000, ten times what an interpreter in the sandbox takes for a question; compiled
    /// policies take hundreds.
    pub fuel_per_point: u64,
    /// How long one call may take. Unit: milliseconds of wall clock, held to within a sixteenth. Range: 10 to 600,000. Default:
    /// 10,000. A backstop behind the fuel, and of no effect where fuel runs out first. It doesn't limit loading.
    pub deadline_ms: u64,
    /// Linear memory of one instance. Unit: bytes. Range: 65,536 to 67,108,864 (what the contract allows), which is the
    /// default. A module that declares more is refused when it is loaded.
    pub memory_bytes_max: usize,
    /// Native stack for Wasm code. Unit: bytes. Range: 65,536 to 1,048,576. Default: 524,288. The threads that evaluate must have
    /// as much to spare; Rust's own threads have 2 MiB.
    pub stack_bytes_max: usize,
    /// Instances at once, over all modules and threads; warm ones that wait count too. Unit: instances. Range: 1 to 1,000.
    /// Default: 128. Each reserves 4 GiB of address space, and memory only as it is used. When all are in use, an evaluation
    /// fails with [`crate::EvaluateError::InstancesInUse`].
    pub instances_max: u32,
    /// Whether customers of whom policies read the same are asked about once. Default: true. Without it every answer is
    /// the same, later: the tests compare the two.
    pub equal_rows_once: bool,
    /// Where compiled modules are kept, so that loading one again takes about a millisecond: an absolute path to a directory of
    /// this user alone, made if it isn't there. Default: none, and every load compiles. What is kept is known by the
    /// module's bytes, Wasmtime's version and every setting of its compiler; an entry that can't be read is compiled anew.
    ///
    /// # Security
    ///
    /// Machine code from this directory is run. Whoever can write there can do what this process can, so an engine isn't made
    /// when anybody else can, now or by what lies in it. Don't carry such a directory from one machine to another.
    pub compile_cache: Option<PathBuf>,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            fuel_per_call: 50_000_000,
            fuel_per_point: 1_000_000,
            deadline_ms: 10_000,
            memory_bytes_max: MEMORY_BYTES_MAX,
            stack_bytes_max: 512 << 10,
            instances_max: 128,
            equal_rows_once: true,
            compile_cache: None,
        }
    }
}

impl EngineConfig {
    fn check(&self) -> Result<(), ConfigError> {
        let in_range = |option, value: u64, range: std::ops::RangeInclusive<u64>| {
            if range.contains(&value) {
                return Ok(());
            }
            Err(ConfigError::OutOfRange { option, value, min: *range.start(), max: *range.end() })
        };
        in_range("fuel_per_call", self.fuel_per_call, FUEL_RANGE)?;
        in_range("fuel_per_point", self.fuel_per_point, FUEL_RANGE)?;
        in_range("deadline_ms", self.deadline_ms, DEADLINE_MS_RANGE)?;
        in_range("memory_bytes_max", widen(self.memory_bytes_max), MEMORY_BYTES_MIN..=widen(MEMORY_BYTES_MAX))?;
        in_range("stack_bytes_max", widen(self.stack_bytes_max), STACK_BYTES_RANGE)?;
        in_range("instances_max", u64::from(self.instances_max), INSTANCES_RANGE)
    }
}

/// What modules are loaded into: compiles and runs them, holds the limits, and ticks for the deadlines.
///
/// A process needs one; a clone is the same engine. The thread that ticks ends when the last clone, and the last module
/// loaded into it, is dropped.
#[derive(Clone, Debug)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    wasmtime: wasmtime::Engine,
    config: EngineConfig,
    /// Dropping it ends the ticking thread.
    _ticker: Sender<()>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine with the limits of `config`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::OutOfRange`] when an option isn't in its range, [`ConfigError::Unsupported`] when this machine can't run
    /// the engine so (no address space for the instances, an unknown processor), [`ConfigError::CompileCache`] when the
    /// directory for compiled modules isn't this user's alone or can't be used, [`ConfigError::Thread`] when the thread for
    /// deadlines can't be started.
    pub fn new(config: &EngineConfig) -> Result<Self, ConfigError> {
        config.check()?;
        let mut wasmtime_config = wasmtime_config(config);
        if let Some(directory) = &config.compile_cache {
            wasmtime_config.cache(Some(open_cache(directory)?));
        }
        let wasmtime = wasmtime::Engine::new(&wasmtime_config)
            .map_err(|error| ConfigError::Unsupported { message: format!("{error:#}") })?;
        let ticker = start_ticker(&wasmtime, config.deadline_ms)?;
        Ok(Self { inner: Arc::new(Inner { wasmtime, config: config.clone(), _ticker: ticker }) })
    }

    /// The limits that it was made with.
    pub fn config(&self) -> &EngineConfig {
        &self.inner.config
    }

    pub(crate) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.inner.wasmtime
    }
}

/// Only what guests need is on. `artifact` validates modules with the same set of features before Wasmtime sees them.
fn wasmtime_config(limits: &EngineConfig) -> wasmtime::Config {
    let mut config = wasmtime::Config::new();
    config
        .strategy(wasmtime::Strategy::Cranelift)
        .consume_fuel(true)
        .epoch_interruption(true)
        .max_wasm_stack(limits.stack_bytes_max)
        // Guests that aren't ours may use floats; the bits of a NaN must not depend on the machine.
        .cranelift_nan_canonicalization(true)
        // A backtrace would be paid for at each trap, and would only say what a hostile guest wants it to say.
        .wasm_backtrace_max_frames(None)
        // Without backtraces nothing asks where in the module an instruction came from; it would be made, kept and loaded.
        .generate_address_map(false)
        .wasm_bulk_memory(true)
        .wasm_multi_value(true)
        .wasm_tail_call(false)
        .wasm_multi_memory(false)
        .wasm_memory64(false)
        .wasm_extended_const(false)
        .wasm_custom_page_sizes(false)
        .wasm_wide_arithmetic(false)
        .wasm_relaxed_simd(false)
        .wasm_simd(false);
    // Reference types are on already. Threads, gc, function references, exceptions, stack switching and the component model aren't linked at all.
    let mut pool = wasmtime::PoolingAllocationConfig::new();
    pool.total_core_instances(limits.instances_max)
        .total_memories(limits.instances_max)
        .total_tables(limits.instances_max)
        .max_core_instance_size(INSTANCE_BYTES_MAX)
        .max_memories_per_module(1)
        .max_tables_per_module(1)
        .table_elements(TABLE_ELEMENTS_MAX)
        .max_memory_size(limits.memory_bytes_max)
        .max_unused_warm_slots(limits.instances_max)
        // A compiled policy touches a few pages: clearing them by hand is cheaper than giving them back to the system.
        .linear_memory_keep_resident(MEMORY_RESIDENT_BYTES)
        .table_keep_resident(MEMORY_RESIDENT_BYTES);
    // Pooling, because an export gets an instance of its own: one takes 8 µs from the pool and 30 µs when its memory is mapped
    // anew (a guest with one page, 2 cores, 2026-11-21). Memory
    // reservation and guards stay Wasmtime's defaults: bounds checks are elided exactly where that is sound (RUSTSEC-2026-0088).
    config.allocation_strategy(wasmtime::InstanceAllocationStrategy::Pooling(pool));
    config
}

/// Wasmtime's own cache, in a directory that nobody else can write.
fn open_cache(directory: &Path) -> Result<wasmtime::Cache, ConfigError> {
    let refuse = |problem: String| ConfigError::CompileCache { directory: directory.to_owned(), problem };
    compile_cache::check(directory).map_err(refuse)?;
    let mut config = wasmtime::CacheConfig::new();
    config.with_directory(directory);
    wasmtime::Cache::new(config).map_err(|error| refuse(format!("can't be used: {error:#}")))
}

/// Starts the thread that makes deadlines pass, and returns what ends it when dropped.
fn start_ticker(engine: &wasmtime::Engine, deadline_ms: u64) -> Result<Sender<()>, ConfigError> {
    let (sender, receiver) = mpsc::channel();
    let weak = engine.weak();
    let tick = Duration::from_millis((deadline_ms / DEADLINE_TICKS).max(1));
    std::thread::Builder::new()
        .name("exportgate-ticker".to_owned())
        .spawn(move || {
            while receiver.recv_timeout(tick) == Err(RecvTimeoutError::Timeout) {
                match weak.upgrade() {
                    Some(engine) => engine.increment_epoch(),
                    None => return,
                }
            }
        })
        .map_err(|error| ConfigError::Thread { message: error.to_string() })?;
    Ok(sender)
}

fn widen(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// Why an engine can't be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// An option isn't in its range.
    #[error("`{option}` is {value}, expected {min} to {max}")]
    OutOfRange {
        /// The option.
        option: &'static str,
        /// Its value.
        value: u64,
        /// The least that it may be.
        min: u64,
        /// The most that it may be.
        max: u64,
    },
    /// This machine can't run the engine with these options.
    #[error("this machine can't run the engine: {message}")]
    Unsupported {
        /// Why not.
        message: String,
    },
    /// The directory of the compile cache isn't this user's alone, or can't be used.
    #[error("the compile cache `{}` {problem}", .directory.display())]
    CompileCache {
        /// The directory.
        directory: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The thread for deadlines can't be started.
    #[error("the thread for deadlines can't be started: {message}")]
    Thread {
        /// Why not.
        message: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_out_of_range_are_refused() {
        let error = Engine::new(&EngineConfig { deadline_ms: 9, ..EngineConfig::default() }).unwrap_err();
        assert_eq!(error.to_string(), "`deadline_ms` is 9, expected 10 to 600000");
        let error = Engine::new(&EngineConfig { memory_bytes_max: 1 << 30, ..EngineConfig::default() }).unwrap_err();
        assert_eq!(error.to_string(), "`memory_bytes_max` is 1073741824, expected 65536 to 67108864");
    }

    #[test]
    fn the_ticking_thread_ends_with_the_engine() {
        let engine = Engine::new(&EngineConfig { deadline_ms: 10, ..EngineConfig::default() }).unwrap();
        let weak = engine.wasmtime().weak();
        drop(engine);
        // The thread may hold the engine for the instant of one tick.
        let ended = (0..1_000).any(|_| {
            std::thread::yield_now();
            weak.upgrade().is_none()
        });
        assert!(ended);
    }
}
