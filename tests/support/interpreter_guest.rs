//! The guest `cedar-interpreter` without the host's instances: for many packs, each asked a few requests.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use exportgate::{Engine, Entities, Module, Request, RequestDecision, Response};
use exportgate_cli::conformance::{Answerer, Ask, NotOpened};
use exportgate_compiler::Pack;
use exportgate_contract::answer;
use exportgate_contract::manifest::{Effect, Manifest};
use exportgate_guest_build::component;
use exportgate_guest_build::interpreter::{self, InterpreterError};

use crate::case::{Case, CaseRequest};
use crate::compiled::{self, CaseData, Names};
use crate::differential::answer_of;
use crate::engine::{Answer, PolicyEngine};
use crate::guests::core;

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
    /// Where the modules are that make the frames.
    frames: Engine,
}

impl Interpreter {
    /// Compiles the core module.
    pub fn new() -> Self {
        let engine = wasmtime::Engine::default();
        let module = wasmtime::Module::new(&engine, core("cedar-interpreter")).unwrap_or_else(|e| panic!("{e:#}"));
        Self { engine, module, frames: compiled::engine() }
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

impl Answerer for Interpreter {
    fn open(&self, pack: &Pack) -> Result<Ask<'_>, NotOpened> {
        let pack = InterpretedPack::new(self, pack)?;
        Ok(Box::new(move |request, entities| pack.ask(request, entities)))
    }
}

/// The interpreter with a pack.
pub struct InterpretedPack<'a> {
    interpreter: &'a Interpreter,
    pack: Vec<u8>,
    /// Kept from request to request; one that trapped is dropped.
    instance: RefCell<Option<Instance>>,
    frames: Module,
}

impl<'a> InterpretedPack<'a> {
    /// Prepares a pack for the interpreter.
    ///
    /// # Errors
    ///
    /// That the compiler doesn't cover it; or the message of the tool or of the host.
    pub fn new(interpreter: &'a Interpreter, pack: &Pack) -> Result<Self, NotOpened> {
        let (manifest, pack) = interpreter::prepare(pack).map_err(|error| match error {
            InterpreterError::Compile(errors) => NotOpened::Refused(errors),
            error => NotOpened::Failed(format!("prepare: {error}")),
        })?;
        let core = wat::parse_str(MUTE).unwrap_or_else(|e| panic!("{e}"));
        let failed = |what: &str, error: String| NotOpened::Failed(format!("{what}: {error}"));
        let component =
            component::componentize(&core, Some(&manifest)).map_err(|e| failed("componentize", e.to_string()))?;
        let frames = Module::load(&interpreter.frames, &component).map_err(|e| failed("load", e.to_string()))?;
        Ok(Self { interpreter, pack, instance: RefCell::new(None), frames })
    }

    /// The answer to one request.
    ///
    /// # Errors
    ///
    /// The host's message, or how the guest trapped.
    pub fn ask(&self, request: &Request, entities: &Entities) -> Result<Response, String> {
        let (_, exchanges) = self.frames.authorize_traced(request, entities).map_err(|e| e.to_string())?;
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

/// The interpreter with the pack of a case.
pub struct InterpretedCase<'a> {
    pack: InterpretedPack<'a>,
    data: Rc<CaseData>,
    entities: Entities,
    names: Names,
}

impl<'a> InterpretedCase<'a> {
    /// Prepares the pack of a case for the interpreter.
    ///
    /// # Errors
    ///
    /// The message of the compiler, of the tool or of the host.
    pub fn new(interpreter: &'a Interpreter, case: &Case, data: &Rc<CaseData>) -> Result<Self, String> {
        let pack = InterpretedPack::new(interpreter, &Pack::bare("case", &case.schema, &case.policies))
            .map_err(|error| error.to_string())?;
        let entities = Entities::new(data.entities().iter().cloned()).map_err(|e| e.to_string())?;
        let names = compiled::names(&pack.frames.manifest().policies);
        Ok(Self { pack, data: data.clone(), entities, names })
    }
}

impl PolicyEngine for InterpretedCase<'_> {
    fn name(&self) -> &'static str {
        "interpreter guest"
    }

    fn authorize(&self, request: &CaseRequest) -> Result<Answer, String> {
        let response = self.pack.ask(&self.data.request(request)?, &self.entities)?;
        Ok(compiled::named(answer_of(&response), &self.names))
    }
}

/// The only outcome of an answer to one question with one point, decided as Cedar does.
fn read(manifest: &Manifest, answer: &[u32]) -> Result<Response, String> {
    let &[answer::TAG, 1, satisfied, erring, ref rest @ ..] = answer else {
        return Err(format!("not one outcome: {answer:?}"));
    };
    let (satisfied, erring) = (satisfied as usize, erring as usize);
    if rest.len() != satisfied + erring + 1 {
        return Err(format!("not one point: {answer:?}"));
    }
    let policies = |indexes: &[u32], effect: Option<Effect>| -> Vec<Arc<str>> {
        let policies = indexes.iter().map(|index| &manifest.policies[*index as usize]);
        let of_effect = policies.filter(|policy| effect.is_none_or(|effect| policy.effect == effect));
        of_effect.map(|policy| policy.id.as_str().into()).collect()
    };
    let forbids = policies(&rest[..satisfied], Some(Effect::Forbid));
    let permits = policies(&rest[..satisfied], Some(Effect::Permit));
    let (decision, determining) = match (forbids.is_empty(), permits.is_empty()) {
        (true, false) => (RequestDecision::Allow, permits),
        _ => (RequestDecision::Deny, forbids),
    };
    Ok(Response { decision, determining, erring: policies(&rest[satisfied..satisfied + erring], None) })
}
