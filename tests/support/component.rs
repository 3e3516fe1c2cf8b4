//! A guest run by Wasmtime's own component runtime, which the host doesn't link: the second calling way.

use wasmtime::component::{Component, Instance, Linker};
use wasmtime::{Config, Engine, Store};

/// An engine with the component model, and nothing else changed.
pub fn engine() -> Engine {
    let mut config = Config::new();
    config.wasm_component_model(true);
    Engine::new(&config).unwrap_or_else(|e| panic!("{e}"))
}

/// A component for the world `guest`.
pub struct ComponentGuest {
    engine: Engine,
    component: Component,
    linker: Linker<()>,
}

impl ComponentGuest {
    /// Compiles a component.
    ///
    /// # Errors
    ///
    /// Wasmtime's message.
    pub fn new(engine: &Engine, bytes: &[u8]) -> Result<Self, String> {
        let component = Component::new(engine, bytes).map_err(|e| format!("{e:#}"))?;
        Ok(Self { engine: engine.clone(), component, linker: Linker::new(engine) })
    }

    /// Calls `evaluate` in a fresh instance.
    ///
    /// # Errors
    ///
    /// Wasmtime's message.
    pub fn evaluate(&self, frame: &[u64]) -> Result<Vec<u32>, String> {
        self.call(frame).map_err(|e| format!("component API: {e:#}"))
    }

    fn call(&self, frame: &[u64]) -> wasmtime::Result<Vec<u32>> {
        let mut store = Store::new(&self.engine, ());
        let instance: Instance = self.linker.instantiate(&mut store, &self.component)?;
        let evaluate = instance.get_typed_func::<(&[u64],), (Vec<u32>,)>(&mut store, exportgate_contract::EVALUATE)?;
        let (answer,) = evaluate.call(&mut store, (frame,))?;
        Ok(answer)
    }
}
