//! Guests that weren't compiled from Cedar: built once a test run, and the interpreter run without the host.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::sync::{Arc, LazyLock, Mutex};

use exportgate::{Engine, Entities, Module, Request};
use exportgate_compiler::Pack;
use exportgate_contract::manifest::{Effect, Manifest, Policy};
use exportgate_guest_build::{build, cargo, component, interpreter};

use crate::bless::{self, workspace};
use crate::case::{Case, CaseRequest};
use crate::compiled::CaseData;
use crate::engine::{Answer, Decision, PolicyEngine};

/// The folder of a guest crate.
pub fn folder(name: &str) -> PathBuf {
    workspace().join("guest-policies").join(name)
}

/// The core module of a guest crate, built for release when it is first asked for.
pub fn core(name: &str) -> Arc<[u8]> {
    static BUILT: LazyLock<Mutex<BTreeMap<String, Arc<[u8]>>>> = LazyLock::new(Mutex::default);
    let mut built = BUILT.lock().unwrap();
    let core = built.entry(name.to_owned()).or_insert_with(|| {
        cargo::build(&folder(name)).unwrap_or_else(|e| panic!("{name}: {e} ({})", e.help().unwrap_or_default())).into()
    });
    core.clone()
}

/// The files of the pack in a folder of `guest-policies`.
pub fn pack_files(name: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = folder(name);
    let paths = ["toml", "cedar", "cedarschema"].iter().flat_map(|ending| bless::files(&folder, ending));
    let within = |path: &Path| path.strip_prefix(&folder).unwrap().to_string_lossy().replace('\\', "/");
    paths.map(|path| (within(&path), std::fs::read(&path).unwrap())).collect()
}

/// The component of the guest in C, where there is a compiler for it.
pub fn in_c() -> Option<Vec<u8>> {
    Command::new("clang").arg("--version").stdout(Stdio::null()).status().ok()?;
    let folder = folder("quiet-hours");
    let made = tempfile::tempdir().unwrap();
    let status = Command::new("sh").arg(folder.join("build.sh")).arg(made.path()).status().unwrap();
    assert!(status.success(), "clang fails");
    let core = std::fs::read(made.path().join("quiet_hours.wasm")).unwrap();
    Some(build::build_core(&folder, &core).unwrap_or_else(|e| panic!("{e}")).component)
}

/// A module that answers each frame with one empty outcome: it lets the host make the frames of any manifest.
const MUTE: &str = r#"(module
    (memory (export "memory") 256)
    (data (i32.const 8) "\40\00\00\00\05\00\00\00")
    (data (i32.const 64) "\01\41\47\45\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
    (func (export "evaluate") (param i32 i32) (result i32) i32.const 8)
    (func (export "cabi_post_evaluate") (param i32)))"#;

/// The interpreter's core module, compiled once for all packs: each instance gets its pack when it is made, in the place
/// where the tool would have put it. Compiling a module for each case would take seconds each.
pub struct Interpreter {
    engine: wasmtime::Engine,
    module: wasmtime::Module,
}

impl Interpreter {
    /// Compiles the core module.
    pub fn new() -> Self {
        let engine = wasmtime::Engine::default();
        let module = wasmtime::Module::new(&engine, core("cedar-interpreter")).unwrap_or_else(|e| panic!("{e:#}"));
        Self { engine, module }
    }

    /// An instance with `pack` in it, which parses it when it is first asked.
    fn instance(&self, pack: &[u8]) -> wasmtime::Result<Instance> {
        let mut store = wasmtime::Store::new(&self.engine, ());
        let instance = wasmtime::Instance::new(&mut store, &self.module, &[])?;
        let memory = instance.get_memory(&mut store, "memory").expect("a memory");
        let end = memory.data_size(&store);
        memory.grow(&mut store, u64::try_from(pack.len())?.div_ceil(65_536))?;
        memory.write(&mut store, end, pack)?;
        let data = memory.data(&store);
        let slot = data.windows(16).position(|window| window == interpreter::MARK).expect("a slot") + 16;
        memory.write(&mut store, slot, &u32::try_from(end)?.to_le_bytes())?;
        memory.write(&mut store, slot + 4, &u32::try_from(pack.len())?.to_le_bytes())?;
        Ok(Instance { store, instance, memory })
    }
}

struct Instance {
    store: wasmtime::Store<()>,
    instance: wasmtime::Instance,
    memory: wasmtime::Memory,
}

impl Instance {
    /// Calls `evaluate` as the canonical ABI has it.
    fn evaluate(&mut self, frame: &[u64]) -> wasmtime::Result<Vec<u32>> {
        let Self { store, instance, memory } = self;
        let realloc = instance.get_typed_func::<(u32, u32, u32, u32), u32>(&mut *store, "cabi_realloc")?;
        let evaluate = instance.get_typed_func::<(u32, u32), u32>(&mut *store, "evaluate")?;
        let post_return = instance.get_typed_func::<u32, ()>(&mut *store, "cabi_post_evaluate")?;
        let bytes: Vec<u8> = frame.iter().flat_map(|word| word.to_le_bytes()).collect();
        let begin = realloc.call(&mut *store, (0, 0, 8, u32::try_from(bytes.len())?))?;
        memory.write(&mut *store, usize::try_from(begin)?, &bytes)?;
        let result = evaluate.call(&mut *store, (begin, u32::try_from(frame.len())?))?;
        let word = |at: usize| u32::from_le_bytes(memory.data(&*store)[at..at + 4].try_into().unwrap());
        let place = usize::try_from(result)?;
        let (begin, words) = (usize::try_from(word(place))?, usize::try_from(word(place + 4))?);
        let answer = (0..words).map(|at| word(begin + 4 * at)).collect();
        post_return.call(&mut *store, result)?;
        Ok(answer)
    }
}

impl Default for Interpreter {
    fn default() -> Self {
        Self::new()
    }
}

/// The interpreter with the pack of a case.
pub struct InterpretedCase<'a> {
    interpreter: &'a Interpreter,
    data: Rc<CaseData>,
    pack: Vec<u8>,
    /// Kept from request to request; one that trapped is dropped.
    instance: RefCell<Option<Instance>>,
    frames: Module,
    entities: Entities,
}

impl<'a> InterpretedCase<'a> {
    /// Prepares the pack of a case for the interpreter.
    ///
    /// # Errors
    ///
    /// The message of the tool or of the host.
    pub fn new(
        interpreter: &'a Interpreter,
        engine: &Engine,
        case: &Case,
        data: &Rc<CaseData>,
    ) -> Result<Self, String> {
        let pack = Pack::bare("case", &case.schema, &case.policies);
        let (manifest, pack) = interpreter::prepare(&pack).map_err(|e| format!("prepare: {e}"))?;
        let core = wat::parse_str(MUTE).map_err(|e| e.to_string())?;
        let component = component::componentize(&core, Some(&manifest)).map_err(|e| e.to_string())?;
        let frames = Module::load(engine, &component).map_err(|e| format!("load: {e}"))?;
        let entities = Entities::new(data.entities().iter().cloned()).map_err(|e| e.to_string())?;
        Ok(Self { interpreter, data: data.clone(), pack, instance: RefCell::new(None), frames, entities })
    }

    fn ask(&self, request: &Request) -> Result<Answer, String> {
        let (_, exchanges) = self.frames.authorize_traced(request, &self.entities).map_err(|e| e.to_string())?;
        let [exchange] = exchanges.as_slice() else { return Err("expected one call".to_owned()) };
        let trap = |e: wasmtime::Error| format!("interpreter: {e:#}");
        let mut instance = match self.instance.take() {
            Some(instance) => instance,
            None => self.interpreter.instance(&self.pack).map_err(trap)?,
        };
        let answer = instance.evaluate(&exchange.frame).map_err(trap)?;
        self.instance.replace(Some(instance));
        read(self.frames.manifest(), &answer)
    }
}

impl PolicyEngine for InterpretedCase<'_> {
    fn name(&self) -> &'static str {
        "interpreter guest"
    }

    fn authorize(&self, request: &CaseRequest) -> Result<Answer, String> {
        self.ask(&self.data.request(request)?)
    }
}

/// The only outcome of an answer to one question with one point, decided as Cedar does.
fn read(manifest: &Manifest, answer: &[u32]) -> Result<Answer, String> {
    let &[exportgate_contract::answer::TAG, 1, satisfied, erring, ref rest @ ..] = answer else {
        return Err(format!("not one outcome: {answer:?}"));
    };
    let (satisfied, erring) = (satisfied as usize, erring as usize);
    if rest.len() != satisfied + erring + 1 {
        return Err(format!("not one point: {answer:?}"));
    }
    // As the case names them: by `@id`, where the pack numbers its policies.
    let name = |policy: &Policy| policy.annotations.get("id").unwrap_or(&policy.id).clone();
    let policies = |indexes: &[u32], effect: Option<Effect>| -> BTreeSet<String> {
        let policies = indexes.iter().map(|index| &manifest.policies[*index as usize]);
        policies.filter(|policy| effect.is_none_or(|effect| policy.effect == effect)).map(name).collect()
    };
    let erring = policies(&rest[satisfied..satisfied + erring], None);
    let forbids = policies(&rest[..satisfied], Some(Effect::Forbid));
    let permits = policies(&rest[..satisfied], Some(Effect::Permit));
    let (decision, determining) = match (forbids.is_empty(), permits.is_empty()) {
        (true, false) => (Decision::Allow, permits),
        _ => (Decision::Deny, forbids),
    };
    Ok(Answer { decision, determining, erring })
}
