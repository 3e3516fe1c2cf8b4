//! Three engines on one generated set: cedar-policy, an interpreter of our IR, and the compiled module.
//!
//! Only *condition-sensitive* requests count: those whose answer changes when the conditions are dropped. Where the answer
//! hangs on the scopes alone, agreeing proves little.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use cedar_policy::{
    Authorizer, Context, EntityId, EntityTypeName, PolicySet, RestrictedExpression, Schema, ValidationMode, Validator,
};
use exportgate::{Engine, Entities, Entity, EntityUid, Module, Request, RequestDecision, Response, Value};
use exportgate_compiler::{CompileOptions, Pack, Passes, compile, lower};

use crate::case::ids;
use crate::engine::{Answer, Decision};
use crate::generate::{Generated, values};
use crate::interpret::{self, Asked, Store, Stored};

/// What comparing one generated set gave.
#[derive(Debug, Default)]
pub struct Compared {
    /// Requests asked.
    pub requests: u64,
    /// Of these: those whose answer changes when the conditions are dropped.
    pub sensitive: u64,
    /// Requests in which some policy erred.
    pub erring: u64,
    /// Whether Cedar found the set strictly valid; else nothing was asked.
    pub valid: bool,
}

/// Engines that don't agree, with all that is needed to see it again.
#[derive(Debug)]
pub struct Mismatch {
    /// What was asked; none when the set didn't compile.
    pub request: Option<Request>,
    /// What each engine said.
    pub said: Vec<(&'static str, String)>,
    /// The schema.
    pub schema: String,
    /// The policies.
    pub policies: String,
    /// The entities.
    pub entities: Vec<Entity>,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "--- schema\n{}\n--- policies\n{}", self.schema, self.policies)?;
        for entity in &self.entities {
            writeln!(
                f,
                "entity {} in {:?} = {:?} tags {:?}",
                entity.uid, entity.parents, entity.attributes, entity.tags
            )?;
        }
        if let Some(request) = &self.request {
            let context = values::print(&request.context);
            writeln!(f, "--- asked {} {} {} {context}", request.principal, request.action, request.resource)?;
        }
        for (engine, answer) in &self.said {
            writeln!(f, "{engine}: {answer}")?;
        }
        Ok(())
    }
}

/// Asks all engines all requests of a set, with the passes of the compiler as given.
///
/// # Errors
///
/// The first [`Mismatch`].
pub fn compare(engine: &Engine, set: &Generated, passes: Passes) -> Result<Compared, Box<Mismatch>> {
    let Some(oracle) = Oracle::new(set) else {
        return Ok(Compared::default());
    };
    let mismatch = |request: Option<&Request>, said| {
        Box::new(Mismatch {
            request: request.cloned(),
            said,
            schema: set.schema.clone(),
            policies: set.policies.clone(),
            entities: set.entities.clone(),
        })
    };
    let pack = Pack::bare("generated", &set.schema, &set.policies);
    let failed =
        |what, message: String| mismatch(None, vec![("cedar-policy", "strictly valid".to_owned()), (what, message)]);
    let program = lower(&pack).map_err(|error| failed("lowering", error.to_string()))?;
    let artifact =
        compile(&pack, &CompileOptions { passes }).map_err(|error| failed("compiling", error.to_string()))?;
    let module = Module::load(engine, &artifact.component).map_err(|error| failed("loading", error.to_string()))?;
    let entities =
        Entities::new(set.entities.iter().cloned()).map_err(|error| failed("entities", error.to_string()))?;
    let store: Store = set.entities.iter().map(stored).chain(oracle.actions.clone()).collect();

    let mut compared = Compared { valid: true, ..Compared::default() };
    for request in &set.requests {
        let (reference, without) =
            oracle.answer(request).map_err(|error| mismatch(Some(request), vec![("cedar-policy", error)]))?;
        let compiled = module
            .authorize(request, &entities)
            .map(|response| answer_of(&response))
            .map_err(|error| error.to_string());
        let interpreted = interpret::answer(&program, &store, &asked(request));
        if compiled.as_ref() != Ok(&reference) || interpreted.as_ref() != Ok(&reference) {
            let show = |answer: &Result<Answer, String>| answer.as_ref().map_or_else(Clone::clone, ToString::to_string);
            let said = vec![
                ("cedar-policy", reference.to_string()),
                ("interpreted IR", show(&interpreted)),
                ("compiled", show(&compiled)),
            ];
            return Err(mismatch(Some(request), said));
        }
        compared.requests += 1;
        compared.sensitive += u64::from(reference != without);
        compared.erring += u64::from(!reference.erring.is_empty());
    }
    Ok(compared)
}

/// cedar-policy with a generated set.
struct Oracle {
    policies: PolicySet,
    unconditional: PolicySet,
    entities: cedar_policy::Entities,
    /// The schema's action entities, which the interpreter needs in its store.
    actions: Vec<(EntityUid, Stored)>,
    authorizer: Authorizer,
}

impl Oracle {
    /// None when the set isn't strictly valid.
    fn new(set: &Generated) -> Option<Self> {
        let (schema, _) = Schema::from_cedarschema_str(&set.schema).unwrap_or_else(|e| panic!("{e:?}\n{}", set.schema));
        let policies: PolicySet = set.policies.parse().unwrap_or_else(|e| panic!("{e:?}\n{}", set.policies));
        if !Validator::new(schema.clone()).validate(&policies, ValidationMode::Strict).validation_passed() {
            return None;
        }
        let unconditional = set.unconditional.parse().unwrap_or_else(|e| panic!("{e:?}\n{}", set.unconditional));
        let entities = cedar_policy::Entities::from_entities(set.entities.iter().map(entity), Some(&schema))
            .unwrap_or_else(|e| panic!("{e:?}\n{}", set.schema));
        let actions = exportgate_compiler::data::parse_entities(&set.schema, "[]")
            .unwrap_or_else(|e| panic!("{e}"))
            .into_iter()
            .map(|data| (data.uid, Stored { attributes: data.attributes, tags: data.tags, parents: data.parents }))
            .collect();
        Some(Self { policies, unconditional, entities, actions, authorizer: Authorizer::new() })
    }

    /// The answer, and the answer without conditions.
    fn answer(&self, request: &Request) -> Result<(Answer, Answer), String> {
        let Value::Record(fields) = &request.context else { return Err("the context is no record".to_owned()) };
        let context = Context::from_pairs(fields.iter().map(|(name, value)| (name.to_string(), restricted(value))))
            .map_err(|e| format!("{e:?}"))?;
        let request = cedar_policy::Request::new(
            uid(&request.principal),
            uid(&request.action),
            uid(&request.resource),
            context,
            None,
        )
        .map_err(|e| format!("{e:?}"))?;
        let ask = |policies| {
            let response = self.authorizer.is_authorized(&request, policies, &self.entities);
            Answer {
                decision: match response.decision() {
                    cedar_policy::Decision::Allow => Decision::Allow,
                    cedar_policy::Decision::Deny => Decision::Deny,
                },
                determining: ids(response.diagnostics().reason()),
                erring: ids(response.diagnostics().errors().map(|error| match error {
                    cedar_policy::AuthorizationError::PolicyEvaluationError(error) => error.policy_id(),
                })),
            }
        };
        Ok((ask(&self.policies), ask(&self.unconditional)))
    }
}

/// What the host answered, for comparing.
pub fn answer_of(response: &Response) -> Answer {
    Answer {
        decision: match response.decision {
            RequestDecision::Allow => Decision::Allow,
            RequestDecision::Deny => Decision::Deny,
        },
        determining: ids(&response.determining),
        erring: ids(&response.erring),
    }
}

fn asked(request: &Request) -> Asked {
    let context = match &request.context {
        Value::Record(fields) => (**fields).clone(),
        _ => BTreeMap::new(),
    };
    Asked {
        principal: request.principal.clone(),
        action: request.action.clone(),
        resource: request.resource.clone(),
        context,
    }
}

fn stored(entity: &Entity) -> (EntityUid, Stored) {
    let Entity { uid, attributes, tags, parents } = entity.clone();
    (uid, Stored { attributes, tags, parents })
}

/// A uid for cedar-policy.
pub fn uid(uid: &EntityUid) -> cedar_policy::EntityUid {
    let ty: EntityTypeName = uid.entity_type.parse().unwrap_or_else(|e| panic!("{e}"));
    cedar_policy::EntityUid::from_type_name_and_id(ty, EntityId::new(&*uid.id))
}

/// An entity for cedar-policy.
pub fn entity(entity: &Entity) -> cedar_policy::Entity {
    let attributes: HashMap<String, RestrictedExpression> =
        entity.attributes.iter().map(|(name, value)| (name.to_string(), restricted(value))).collect();
    let parents: HashSet<cedar_policy::EntityUid> = entity.parents.iter().map(uid).collect();
    let tags: Vec<(String, RestrictedExpression)> =
        entity.tags.iter().map(|(name, value)| (name.to_string(), restricted(value))).collect();
    cedar_policy::Entity::new_with_tags(uid(&entity.uid), attributes, parents, tags).unwrap_or_else(|e| panic!("{e:?}"))
}

/// A value for cedar-policy.
pub fn restricted(value: &Value) -> RestrictedExpression {
    match value {
        Value::Bool(value) => RestrictedExpression::new_bool(*value),
        Value::Long(value) => RestrictedExpression::new_long(*value),
        Value::String(text) => RestrictedExpression::new_string(text.to_string()),
        Value::Entity(entity) => RestrictedExpression::new_entity_uid(uid(entity)),
        Value::Set(members) => RestrictedExpression::new_set(members.iter().map(restricted)),
        Value::Record(fields) => {
            RestrictedExpression::new_record(fields.iter().map(|(name, value)| (name.to_string(), restricted(value))))
                .unwrap_or_else(|e| panic!("{e:?}"))
        }
        Value::Decimal(_) | Value::Datetime(_) | Value::Duration(_) | Value::Ip(_) => {
            values::print(value).parse().unwrap_or_else(|e| panic!("{}: {e:?}", values::print(value)))
        }
    }
}

/// How often each construct occurred in a condition-sensitive request.
#[derive(Debug, Default)]
pub struct Coverage {
    counts: BTreeMap<&'static str, u64>,
}

impl Coverage {
    /// Counts what a set's policies use, once for each of its condition-sensitive requests.
    pub fn add(&mut self, constructs: &BTreeSet<&'static str>, sensitive: u64) {
        for construct in constructs {
            *self.counts.entry(construct).or_default() += sensitive;
        }
    }

    /// Adds another count.
    pub fn merge(&mut self, other: &Self) {
        for (construct, count) in &other.counts {
            *self.counts.entry(construct).or_default() += count;
        }
    }

    /// The counts, by construct.
    pub fn counts(&self) -> &BTreeMap<&'static str, u64> {
        &self.counts
    }
}

/// An engine for many short-lived modules.
pub fn engine() -> Arc<Engine> {
    Arc::new(Engine::new(&exportgate::EngineConfig::default()).unwrap_or_else(|e| panic!("{e}")))
}
