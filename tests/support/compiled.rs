//! The engines that we built: a pack compiled and called by the host, the same component called through Wasmtime's
//! component API, and the interpreter of the IR.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use exportgate::{Engine, EngineConfig, Entities, Entity, Module, Request, Value};
use exportgate_compiler::data::DataSchema;
use exportgate_compiler::ir::Program;
use exportgate_compiler::{CompileOptions, Format, Pack, Passes, compile, lower};
use exportgate_contract::manifest::Policy;
use exportgate_contract::value::EntityUid;

use crate::case::{Case, CaseRequest, Uid};
use crate::component::ComponentGuest;
use crate::differential::answer_of;
use crate::engine::{Answer, PolicyEngine};
use crate::interpret::{self, Asked, Store, Stored};

/// The data of a case, as the compiler reads it.
pub struct CaseData {
    schema: DataSchema,
    entities: Vec<Entity>,
}

impl CaseData {
    /// Reads schema and entities of a case.
    ///
    /// # Errors
    ///
    /// The compiler's message.
    pub fn new(schema: &str, entities: &str) -> Result<Rc<Self>, String> {
        let schema = DataSchema::new(Format::Cedar, schema).map_err(|e| e.to_string())?;
        let entities = schema.entities(entities).map_err(|e| e.to_string())?;
        let entities = entities
            .into_iter()
            .map(|data| Entity { uid: data.uid, attributes: data.attributes, tags: data.tags, parents: data.parents })
            .collect();
        Ok(Rc::new(Self { schema, entities }))
    }

    /// The entities.
    pub fn entities(&self) -> &[Entity] {
        &self.entities
    }

    /// A request of a case, as the host takes it.
    ///
    /// # Errors
    ///
    /// The compiler's message.
    pub fn request(&self, request: &CaseRequest) -> Result<Request, String> {
        let action = entity_uid(&request.action);
        let context = self.schema.context(&action, &request.context.to_string()).map_err(|e| e.to_string())?;
        Ok(Request {
            principal: entity_uid(&request.principal),
            action,
            resource: entity_uid(&request.resource),
            context,
        })
    }
}

/// The names that a case gives to policies, by the ids that the pack gives them. In a pack without the vocabulary of exports they are numbered, as Cedar does.
pub type Names = BTreeMap<String, String>;

/// The names of these policies in their case: `@id` where there is one.
pub fn names(policies: &[Policy]) -> Names {
    policies
        .iter()
        .map(|policy| (policy.id.clone(), policy.annotations.get("id").unwrap_or(&policy.id).clone()))
        .collect()
}

/// The answer, in the words of the case.
pub fn named(answer: Answer, names: &Names) -> Answer {
    let rename = |ids: BTreeSet<String>| ids.into_iter().map(|id| names.get(&id).cloned().unwrap_or(id)).collect();
    Answer { decision: answer.decision, determining: rename(answer.determining), erring: rename(answer.erring) }
}

/// A case's name of an entity, as data.
pub fn entity_uid(uid: &Uid) -> EntityUid {
    EntityUid::new(uid.ty.as_str(), uid.id.as_str())
}

/// A pack compiled, loaded and called by the host.
pub struct CompiledModule {
    name: &'static str,
    data: Rc<CaseData>,
    module: Module,
    component: Vec<u8>,
    entities: Entities,
    names: Names,
}

impl CompiledModule {
    /// Compiles the policies of a case with the passes given, and loads the result.
    ///
    /// # Errors
    ///
    /// The message of the compiler or of the host.
    pub fn new(
        name: &'static str,
        engine: &Engine,
        case: &Case,
        data: &Rc<CaseData>,
        passes: Passes,
    ) -> Result<Self, String> {
        let pack = Pack::bare("case", &case.schema, &case.policies);
        let artifact = compile(&pack, &CompileOptions { passes }).map_err(|e| format!("compile: {e}"))?;
        let module = Module::load(engine, &artifact.component).map_err(|e| format!("load: {e}"))?;
        let entities = Entities::new(data.entities.iter().cloned()).map_err(|e| e.to_string())?;
        Ok(Self {
            name,
            data: data.clone(),
            module,
            names: names(&artifact.manifest.policies),
            component: artifact.component,
            entities,
        })
    }

    /// The component.
    pub fn component(&self) -> &[u8] {
        &self.component
    }
}

impl PolicyEngine for CompiledModule {
    fn name(&self) -> &'static str {
        self.name
    }

    fn authorize(&self, request: &CaseRequest) -> Result<Answer, String> {
        let request = self.data.request(request)?;
        self.module
            .authorize(&request, &self.entities)
            .map(|response| named(answer_of(&response), &self.names))
            .map_err(|e| e.to_string())
    }
}

/// The same component, run by Wasmtime's own component runtime: its words must be those that the host got.
pub struct ComponentApi<'a> {
    compiled: &'a CompiledModule,
    guest: ComponentGuest,
}

impl<'a> ComponentApi<'a> {
    /// Loads the component of `compiled` once more.
    ///
    /// # Errors
    ///
    /// Wasmtime's message.
    pub fn new(engine: &wasmtime::Engine, compiled: &'a CompiledModule) -> Result<Self, String> {
        Ok(Self { guest: ComponentGuest::new(engine, compiled.component())?, compiled })
    }
}

impl PolicyEngine for ComponentApi<'_> {
    fn name(&self) -> &'static str {
        "component API"
    }

    fn authorize(&self, request: &CaseRequest) -> Result<Answer, String> {
        let request = self.compiled.data.request(request)?;
        let (response, exchanges) =
            self.compiled.module.authorize_traced(&request, &self.compiled.entities).map_err(|e| e.to_string())?;
        if exchanges.is_empty() {
            return Err("the guest wasn't called".to_owned());
        }
        for exchange in &exchanges {
            let answer = self.guest.evaluate(&exchange.frame)?;
            if answer != exchange.answer {
                return Err(format!("the component API answers {answer:?}, the host got {:?}", exchange.answer));
            }
        }
        Ok(named(answer_of(&response), &self.compiled.names))
    }
}

/// The interpreter of the IR, before any pass.
pub struct IrInterpreter {
    data: Rc<CaseData>,
    program: Program,
    store: Store,
    names: Names,
}

impl IrInterpreter {
    /// Lowers the policies of a case.
    ///
    /// # Errors
    ///
    /// The compiler's message.
    pub fn new(case: &Case, data: &Rc<CaseData>) -> Result<Self, String> {
        let pack = Pack::bare("case", &case.schema, &case.policies);
        let program = lower(&pack).map_err(|e| format!("lower: {e}"))?;
        let stored = |entity: &Entity| {
            let Entity { uid, attributes, tags, parents } = entity.clone();
            (uid, Stored { attributes, tags, parents })
        };
        Ok(Self {
            data: data.clone(),
            names: names(&program.policies),
            program,
            store: data.entities.iter().map(stored).collect(),
        })
    }
}

impl PolicyEngine for IrInterpreter {
    fn name(&self) -> &'static str {
        "IR"
    }

    fn authorize(&self, request: &CaseRequest) -> Result<Answer, String> {
        let Request { principal, action, resource, context } = self.data.request(request)?;
        let Value::Record(context) = context else { return Err("the context is no record".to_owned()) };
        let asked = Asked { principal, action, resource, context: (*context).clone() };
        interpret::answer(&self.program, &self.store, &asked).map(|answer| named(answer, &self.names))
    }
}

/// An engine for the modules of many cases.
pub fn engine() -> Engine {
    Engine::new(&EngineConfig::default()).unwrap_or_else(|e| panic!("{e}"))
}
