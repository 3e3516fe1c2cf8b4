//! Instances of a compiled module: made anew for each export, or kept warm for the next one.

use std::cell::Cell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use wasmtime::{InstancePre, Linker, Memory, ModuleExport, ResourceLimiter, Store, TypedFunc};

use crate::component::LiftedExports;
use crate::engine::Engine;
use crate::error::{EvaluateError, GuestCall};
use crate::limits::{DEADLINE_TICKS, TABLE_ELEMENTS_MAX, WARM_INSTANCES_MAX, WARM_MEMORY_BYTES_MAX};
use crate::load_error::LoadError;

/// A compiled module, ready to be instantiated.
pub(crate) struct Template {
    pre: InstancePre<Limiter>,
    memory: ModuleExport,
    realloc: ModuleExport,
    evaluate: ModuleExport,
    post_return: Option<ModuleExport>,
    warm: [Mutex<Option<Box<Instance>>>; WARM_INSTANCES_MAX],
}

impl std::fmt::Debug for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Template").finish_non_exhaustive()
    }
}

/// One instance of a guest, with its memory and functions.
pub(crate) struct Instance {
    pub(crate) store: Store<Limiter>,
    pub(crate) memory: Memory,
    pub(crate) realloc: TypedFunc<(u32, u32, u32, u32), u32>,
    pub(crate) evaluate: TypedFunc<(u32, u32), u32>,
    pub(crate) post_return: Option<TypedFunc<u32, ()>>,
}

impl Template {
    /// Compiles a core module that was checked.
    ///
    /// # Errors
    ///
    /// [`LoadError::Compile`] when Wasmtime refuses what the checks let through.
    pub(crate) fn compile(engine: &Engine, core: &[u8], exports: &LiftedExports) -> Result<Self, LoadError> {
        let compile = |error: wasmtime::Error| LoadError::Compile { message: format!("{error:#}") };
        let module = wasmtime::Module::from_binary(engine.wasmtime(), core).map_err(compile)?;
        let export = |name: &str| {
            module
                .get_export_index(name)
                .ok_or_else(|| LoadError::Compile { message: format!("no export `{}`", name.escape_debug()) })
        };
        let (memory, realloc) = (export(&exports.memory)?, export(&exports.realloc)?);
        let evaluate = export(&exports.evaluate)?;
        let post_return = exports.post_return.as_deref().map(export).transpose()?;
        let pre = Linker::new(engine.wasmtime()).instantiate_pre(&module).map_err(compile)?;
        Ok(Self { pre, memory, realloc, evaluate, post_return, warm: [const { Mutex::new(None) }; WARM_INSTANCES_MAX] })
    }

    /// A new instance.
    ///
    /// # Errors
    ///
    /// [`EvaluateError::InstancesInUse`] when the engine has no room for it; limits that it exceeds at once.
    pub(crate) fn instantiate(&self, engine: &Engine) -> Result<Box<Instance>, EvaluateError> {
        let mut store = Store::new(engine.wasmtime(), Limiter::new(engine.config().memory_bytes_max));
        store.limiter(|limiter| limiter);
        // Data that Wasmtime can't lay out beforehand is copied by code of its own, under the limits of any call.
        let fuel = engine.config().fuel_per_call;
        let internal = |error: wasmtime::Error| EvaluateError::Internal { message: format!("{error:#}") };
        store.set_fuel(fuel).map_err(internal)?;
        store.set_epoch_deadline(DEADLINE_TICKS + 1);
        let instance = self.pre.instantiate(&mut store).map_err(|error| {
            if error.is::<wasmtime::PoolConcurrencyLimitError>() {
                return EvaluateError::InstancesInUse { limit: engine.config().instances_max };
            }
            store.data().fault(GuestCall::Instantiate, engine, fuel, &error)
        })?;
        let missing = || EvaluateError::Internal { message: "an export has disappeared".to_owned() };
        let memory = instance.get_module_export(&mut store, &self.memory).and_then(wasmtime::Extern::into_memory);
        let mut func = |export: &ModuleExport| {
            instance.get_module_export(&mut store, export).and_then(wasmtime::Extern::into_func).ok_or_else(missing)
        };
        let (realloc, evaluate) = (func(&self.realloc)?, func(&self.evaluate)?);
        let post_return = self.post_return.as_ref().map(func).transpose()?;
        Ok(Box::new(Instance {
            memory: memory.ok_or_else(missing)?,
            realloc: realloc.typed(&store).map_err(internal)?,
            evaluate: evaluate.typed(&store).map_err(internal)?,
            post_return: post_return.map(|func| func.typed(&store)).transpose().map_err(internal)?,
            store,
        }))
    }

    /// A warm instance if one waits: this thread's own, else any that no other thread is at just now.
    pub(crate) fn take_warm(&self) -> Option<Box<Instance>> {
        let home = home();
        let (before, from) = self.warm.split_at_checked(home)?;
        from.iter().chain(before).find_map(|slot| slot.try_lock().ok()?.take())
    }

    /// Keeps an instance for the next one who asks, unless there are enough, or it has grown large.
    pub(crate) fn keep_warm(&self, instance: Box<Instance>) {
        if instance.memory.data_size(&instance.store) > WARM_MEMORY_BYTES_MAX {
            return;
        }
        let Some((before, from)) = self.warm.split_at_checked(home()) else { return };
        for slot in from.iter().chain(before) {
            if let Ok(mut slot) = slot.try_lock()
                && slot.is_none()
            {
                *slot = Some(instance);
                return;
            }
        }
    }
}

/// The slot that this thread looks at first, so that threads don't meet at one lock.
fn home() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static HOME: Cell<Option<usize>> = const { Cell::new(None) };
    }
    HOME.with(|home| {
        let slot = home.get().unwrap_or_else(|| NEXT.fetch_add(1, Ordering::Relaxed) % WARM_INSTANCES_MAX);
        home.set(Some(slot));
        slot
    })
}

/// Holds an instance to its memory, and remembers what it wanted beyond that.
pub(crate) struct Limiter {
    memory_bytes_max: usize,
    refused_memory: Option<usize>,
    refused_table: Option<usize>,
}

impl Limiter {
    fn new(memory_bytes_max: usize) -> Self {
        Self { memory_bytes_max, refused_memory: None, refused_table: None }
    }

    /// What went wrong in a call into the guest.
    pub(crate) fn fault(&self, call: GuestCall, engine: &Engine, fuel: u64, error: &wasmtime::Error) -> EvaluateError {
        if let Some(bytes) = self.refused_memory {
            return EvaluateError::MemoryLimit { call, bytes, limit: self.memory_bytes_max };
        }
        if let Some(elements) = self.refused_table {
            return EvaluateError::TableLimit { call, elements, limit: TABLE_ELEMENTS_MAX };
        }
        match error.downcast_ref::<wasmtime::Trap>() {
            Some(wasmtime::Trap::OutOfFuel) => EvaluateError::OutOfFuel { call, fuel },
            Some(wasmtime::Trap::Interrupt) => {
                EvaluateError::DeadlineExceeded { call, deadline_ms: engine.config().deadline_ms }
            }
            Some(wasmtime::Trap::StackOverflow) => EvaluateError::StackOverflow { call },
            Some(wasmtime::Trap::UnreachableCodeReached) => EvaluateError::Unreachable { call },
            Some(trap) => {
                let text = trap.to_string();
                let reason = text.strip_prefix("wasm trap: ").unwrap_or(&text);
                EvaluateError::Trap { call, reason: reason.to_owned() }
            }
            None => EvaluateError::Internal { message: format!("{call}: {error:#}") },
        }
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, _: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            // The module's own maximum: to the guest that is a plain failure, as the specification says.
            return Ok(false);
        }
        if desired > self.memory_bytes_max {
            // A guest that hears of it would only give up less clearly.
            self.refused_memory = Some(desired);
            return Err(wasmtime::Error::msg("memory limit"));
        }
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        if desired > TABLE_ELEMENTS_MAX {
            self.refused_table = Some(desired);
            return Err(wasmtime::Error::msg("table limit"));
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        1
    }

    fn memories(&self) -> usize {
        1
    }
}
