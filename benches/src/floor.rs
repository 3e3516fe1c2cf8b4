//! The floor: what calling into Wasm costs at all. A function that does nothing, with the same bytes copied in and out, under
//! fuel and epochs as every guest.

use wasm_encoder::{
    CodeSection, ExportKind, ExportSection, Function, FunctionSection, MemorySection, MemoryType, Module, TypeSection,
    ValType,
};
use wasmtime::{Config, Engine, Instance, Memory, Store, TypedFunc};

/// Pages of memory: 16 MiB hold whatever a call takes and gives.
const PAGES: u64 = 256;

/// A guest that does nothing.
pub struct Floor {
    store: Store<()>,
    memory: Memory,
    function: TypedFunc<(u32, u32), u32>,
    answer: Vec<u8>,
}

impl Floor {
    /// Makes it.
    ///
    /// # Panics
    ///
    /// When Wasmtime doesn't run here.
    pub fn new() -> Self {
        let engine = Engine::new(Config::new().consume_fuel(true).epoch_interruption(true)).unwrap();
        let module = wasmtime::Module::from_binary(&engine, &module()).unwrap();
        let mut store = Store::new(&engine, ());
        store.set_fuel(u64::MAX).unwrap();
        store.set_epoch_deadline(1);
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        let function = instance.get_typed_func(&mut store, "nothing").unwrap();
        Self { store, memory, function, answer: Vec::new() }
    }

    /// One call that copies `frame` in and `answer_bytes` out.
    ///
    /// # Panics
    ///
    /// When the guest's memory is too small for them.
    pub fn call(&mut self, frame: &[u8], answer_bytes: usize) -> usize {
        self.memory.data_mut(&mut self.store)[..frame.len()].copy_from_slice(frame);
        let place = self.function.call(&mut self.store, (0, 0)).unwrap() as usize;
        self.answer.clear();
        self.answer.extend_from_slice(&self.memory.data(&self.store)[place..place + answer_bytes]);
        self.answer.len()
    }
}

impl Default for Floor {
    fn default() -> Self {
        Self::new()
    }
}

fn module() -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32, ValType::I32], [ValType::I32]);
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut memories = MemorySection::new();
    let memory =
        MemoryType { minimum: PAGES, maximum: Some(PAGES), memory64: false, shared: false, page_size_log2: None };
    memories.memory(memory);
    let mut exports = ExportSection::new();
    exports.export("memory", ExportKind::Memory, 0).export("nothing", ExportKind::Func, 0);
    let mut nothing = Function::new([]);
    nothing.instructions().local_get(0).end();
    let mut code = CodeSection::new();
    code.function(&nothing);
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&memories).section(&exports).section(&code);
    module.finish()
}
