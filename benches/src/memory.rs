//! What an instance holds: the growth of this process by many instances of one module that answered once, divided.

use exportgate::{Entities, Isolation};
use wasmparser::{Parser, Payload};
use wasmtime::{Config, Engine, Instance, Memory, Store};

use crate::native::Native;
use crate::reference::{NOW_MS, PackFiles, gate, small_job};

/// Instances that are made.
const INSTANCES: usize = 200;

/// What an instance of the reference pack holds after it decided whether a job may leave.
#[derive(Clone, Copy, Debug)]
pub struct InstanceBytes {
    /// Bytes by which the process grew for it: the touched part of its linear memory, and what Wasmtime keeps beside it. The
    /// code, which all share, doesn't count. Nothing where the system doesn't say.
    pub resident: Option<usize>,
    /// Bytes of its linear memory.
    pub linear: usize,
}

/// Makes many instances, asks each once, and looks at what they take.
///
/// # Panics
///
/// When the pack isn't what it was.
pub fn of_instance() -> InstanceBytes {
    let files = PackFiles::reference();
    let component = files.component();
    let gate = gate(&component, Isolation::Warm);
    let job = small_job(&gate);
    let decision = gate.evaluate_at(&job, NOW_MS);
    let native = Native::new(&files.schema(), &files.policies(), &gate, &job, &decision);
    let module = gate.modules().next().unwrap();
    let entities = Entities::new(native.stored()).unwrap();
    let (_, exchanges) = module.authorize_traced(&native.export_request(), &entities).unwrap();
    let frame = &exchanges[0].frame;

    let engine = Engine::new(Config::new().consume_fuel(true).epoch_interruption(true)).unwrap();
    let core = wasmtime::Module::from_binary(&engine, core_of(&component)).unwrap();
    // The first brings in the code.
    let mut instances = vec![asked(&engine, &core, frame)];
    let linear = instances[0].1.data_size(&instances[0].0);
    let before = resident_bytes();
    instances.extend((0..INSTANCES).map(|_| asked(&engine, &core, frame)));
    let grown = resident_bytes().zip(before).map(|(after, before)| after.saturating_sub(before) / INSTANCES);
    drop(instances);
    InstanceBytes { resident: grown, linear }
}

/// The core module of a component that has one.
fn core_of(component: &[u8]) -> &[u8] {
    let payloads = Parser::new(0).parse_all(component);
    let core = payloads.filter_map(Result::ok).find_map(|payload| match payload {
        Payload::ModuleSection { unchecked_range, .. } => Some(unchecked_range),
        _ => None,
    });
    &component[core.unwrap()]
}

/// An instance that was asked once, as the canonical ABI has it.
fn asked(engine: &Engine, core: &wasmtime::Module, frame: &[u64]) -> (Store<()>, Memory) {
    let mut store = Store::new(engine, ());
    store.set_fuel(u64::MAX).unwrap();
    store.set_epoch_deadline(1);
    let instance = Instance::new(&mut store, core, &[]).unwrap();
    let function = |store: &mut Store<()>, name: &str| instance.get_func(store, name).unwrap();
    let realloc = function(&mut store, "cabi_realloc").typed::<(u32, u32, u32, u32), u32>(&store).unwrap();
    let evaluate = function(&mut store, "evaluate").typed::<(u32, u32), u32>(&store).unwrap();
    let memory = instance.get_memory(&mut store, "memory").unwrap();
    let bytes: Vec<u8> = frame.iter().flat_map(|word| word.to_le_bytes()).collect();
    let place = realloc.call(&mut store, (0, 0, 8, u32::try_from(bytes.len()).unwrap())).unwrap();
    memory.write(&mut store, place as usize, &bytes).unwrap();
    evaluate.call(&mut store, (place, u32::try_from(frame.len()).unwrap())).unwrap();
    (store, memory)
}

/// Bytes of this process that lie in memory.
fn resident_bytes() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse::<usize>().ok().map(|kibibytes| kibibytes * 1024)
}
