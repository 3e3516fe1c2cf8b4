//! Three engines on one generated set: cedar-policy, an interpreter of our IR, and the compiled module, once made with all
//! passes of the compiler and once with none.
//!
//! Only *condition-sensitive* requests count: those whose answer changes when the conditions are dropped. Where the answer
//! hangs on the scopes alone, agreeing proves little. In the coverage table a construct of a policy counts where that
//! policy's own part in the answer changed, or where it erred.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use cedar_policy::{
    Authorizer, Context, EntityId, EntityTypeName, PolicyId, PolicySet, RestrictedExpression, Schema, SlotId,
    ValidationMode, Validator,
};
use exportgate::{Engine, Entities, Entity, EntityUid, Module, Request, RequestDecision, Response, Value};
use exportgate_compiler::{CompileOptions, Format, Pack, Passes, compile, lower};

use crate::case::ids;
use crate::engine::{Answer, Decision};
use crate::generate::construct::CONSTRUCTS;
use crate::generate::{Generated, Link, values};
use crate::interpret::{self, Asked, Store, Stored};

/// What comparing generated sets gave.
#[derive(Debug, Default)]
pub struct Compared {
    /// Sets that were asked.
    pub sets: u64,
    /// Requests asked.
    pub requests: u64,
    /// Of these: those whose answer changes when the conditions are dropped.
    pub sensitive: u64,
    /// Requests in which some policy erred.
    pub erring: u64,
    /// How often each construct mattered.
    pub coverage: Coverage,
}

impl Compared {
    /// Adds what comparing other sets gave.
    pub fn merge(&mut self, other: &Self) {
        self.sets += other.sets;
        self.requests += other.requests;
        self.sensitive += other.sensitive;
        self.erring += other.erring;
        self.coverage.merge(&other.coverage);
    }
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
    /// The links, as the text of a links file.
    pub links: String,
    /// The entities.
    pub entities: Vec<Entity>,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { schema, policies, links, .. } = self;
        writeln!(f, "--- schema\n{schema}\n--- policies\n{policies}\n--- links\n{links}")?;
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

/// Asks all engines all requests of a set.
///
/// # Errors
///
/// The first [`Mismatch`].
pub fn compare(engine: &Engine, set: &Generated) -> Result<Compared, Box<Mismatch>> {
    let mut compared = Compared::default();
    if set.policies.is_empty() {
        return Ok(compared);
    }
    let mismatch = |request: Option<&Request>, said| {
        Box::new(Mismatch {
            request: request.cloned(),
            said,
            schema: set.schema.clone(),
            policies: set.policies.clone(),
            links: set.links_file(),
            entities: set.entities.clone(),
        })
    };
    let failed =
        |what, message: String| mismatch(None, vec![("cedar-policy", "strictly valid".to_owned()), (what, message)]);
    let mut oracle = Oracle::new(set).map_err(|error| mismatch(None, vec![("cedar-policy", error)]))?;
    let pack = oracle.pack(set);
    let program = lower(&pack).map_err(|error| failed("lowering", error.to_string()))?;
    let module = |what, passes| {
        let artifact = compile(&pack, &CompileOptions { passes }).map_err(|error| failed(what, error.to_string()))?;
        Module::load(engine, &artifact.component).map_err(|error| failed(what, error.to_string()))
    };
    let compiled = [
        ("compiled", module("compiled", Passes::default())?),
        ("compiled without passes", module("compiled without passes", Passes::NONE)?),
    ];
    let entities =
        Entities::new(set.entities.iter().cloned()).map_err(|error| failed("entities", error.to_string()))?;
    let store: Store = set.entities.iter().map(stored).chain(oracle.actions.clone()).collect();
    let mut tally = Tally::default();
    compared.sets = 1;
    for request in &set.requests {
        let (reference, without) =
            oracle.answer(request).map_err(|error| mismatch(Some(request), vec![("cedar-policy", error)]))?;
        let interpreted = interpret::answer(&program, &store, &asked(request));
        let answers = compiled.each_ref().map(|(name, module)| {
            let answer = module.authorize(request, &entities).map(|response| answer_of(&response));
            (*name, answer.map_err(|error| error.to_string()))
        });
        let answers = answers.into_iter().chain([("interpreted IR", interpreted)]);
        let (agree, answers): (Vec<bool>, Vec<_>) =
            answers.map(|(name, answer)| (answer.as_ref() == Ok(&reference), (name, answer))).unzip();
        if agree.contains(&false) {
            let show = |answer: Result<Answer, String>| answer.map_or_else(|error| error, |answer| answer.to_string());
            let said = answers.into_iter().map(|(name, answer)| (name, show(answer)));
            return Err(mismatch(
                Some(request),
                [("cedar-policy", reference.to_string())].into_iter().chain(said).collect(),
            ));
        }
        compared.requests += 1;
        compared.erring += u64::from(!reference.erring.is_empty());
        if reference != without {
            compared.sensitive += 1;
            tally.add(set, &store, request, &reference, &without);
        }
    }
    compared.coverage = tally.coverage(set, compared.sensitive);
    Ok(compared)
}

/// Counts of one set's condition-sensitive requests.
#[derive(Debug, Default)]
struct Tally {
    policies: BTreeMap<String, u64>,
    requests: BTreeMap<&'static str, u64>,
}

impl Tally {
    fn add(&mut self, set: &Generated, store: &Store, request: &Request, answer: &Answer, without: &Answer) {
        let changed = answer.determining.symmetric_difference(&without.determining).chain(&answer.erring);
        for policy in changed.collect::<BTreeSet<_>>() {
            if set.policy_constructs.contains_key(policy) {
                *self.policies.entry(policy.clone()).or_default() += 1;
            }
        }
        let mut note = |holds: bool, construct| {
            if holds {
                *self.requests.entry(construct).or_default() += 1;
            }
        };
        note(!store.contains_key(&request.principal), "request: principal missing from the store");
        note(!store.contains_key(&request.resource), "request: resource missing from the store");
        note(!answer.erring.is_empty(), "request: a policy errs");
        note(answer.decision == Decision::Allow, "request: allowed");
        note(answer.decision == Decision::Deny && !answer.determining.is_empty(), "request: denied by a forbid");
    }

    fn coverage(&self, set: &Generated, sensitive: u64) -> Coverage {
        let mut counts: BTreeMap<&'static str, u64> =
            set.constructs.iter().map(|construct| (construct, sensitive)).collect();
        for (policy, count) in &self.policies {
            for construct in set.policy_constructs.get(policy).iter().flat_map(|constructs| constructs.iter()) {
                *counts.entry(construct).or_default() += count;
            }
        }
        for (construct, count) in &self.requests {
            *counts.entry(construct).or_default() += count;
        }
        Coverage { counts }
    }
}

/// cedar-policy with a generated set.
struct Oracle {
    policies: PolicySet,
    unconditional: PolicySet,
    entities: cedar_policy::Entities,
    /// The schema's action entities, which the interpreter needs in its store.
    actions: Vec<(EntityUid, Stored)>,
    authorizer: Authorizer,
    /// Answers without conditions, which no context changes.
    without: HashMap<(EntityUid, EntityUid, EntityUid), Answer>,
}

impl Oracle {
    /// Cedar's message when the whole isn't strictly valid, though each policy is.
    fn new(set: &Generated) -> Result<Self, String> {
        let (schema, _) = Schema::from_cedarschema_str(&set.schema).unwrap_or_else(|e| panic!("{e:?}\n{}", set.schema));
        let policies = policy_set(&set.policies, &set.links);
        let validated = Validator::new(schema.clone()).validate(&policies, ValidationMode::Strict);
        if !validated.validation_passed() {
            return Err(format!("not strictly valid: {validated}"));
        }
        let entities = cedar_policy::Entities::from_entities(set.entities.iter().map(entity), Some(&schema))
            .unwrap_or_else(|e| panic!("{e:?}\n{}", set.schema));
        let actions = exportgate_compiler::data::parse_entities(&set.schema, "[]")
            .unwrap_or_else(|e| panic!("{e}"))
            .into_iter()
            .map(|data| (data.uid, Stored { attributes: data.attributes, tags: data.tags, parents: data.parents }))
            .collect();
        Ok(Self {
            policies,
            unconditional: policy_set(&set.unconditional, &set.links),
            entities,
            actions,
            authorizer: Authorizer::new(),
            without: HashMap::new(),
        })
    }

    /// What the compiler gets: text, or JSON as Cedar's own code writes it.
    fn pack(&self, set: &Generated) -> Pack {
        let schema_json;
        let schema = if set.syntax.schema_json {
            schema_json = set.schema_json();
            (Format::Json, schema_json.as_str())
        } else {
            (Format::Cedar, set.schema.as_str())
        };
        let links = (!set.links.is_empty()).then(|| set.links_file());
        if !set.syntax.policies_json {
            return Pack::bare_formats("generated", schema, (Format::Cedar, &set.policies), links.as_deref());
        }
        let (policies, links) =
            if set.syntax.links_json { (self.policies.clone(), None) } else { (policy_set(&set.policies, &[]), links) };
        let json = policies.to_json().unwrap_or_else(|e| panic!("{e:?}\n{}", set.policies)).to_string();
        Pack::bare_formats("generated", schema, (Format::Json, &json), links.as_deref())
    }

    /// The answer, and the answer without conditions.
    fn answer(&mut self, request: &Request) -> Result<(Answer, Answer), String> {
        let Value::Record(fields) = &request.context else { return Err("the context is no record".to_owned()) };
        let context = Context::from_pairs(fields.iter().map(|(name, value)| (name.to_string(), restricted(value))))
            .map_err(|e| format!("{e:?}"))?;
        let asked = cedar_policy::Request::new(
            uid(&request.principal),
            uid(&request.action),
            uid(&request.resource),
            context,
            None,
        )
        .map_err(|e| format!("{e:?}"))?;
        let answer = self.ask(&asked, &self.policies);
        let key = (request.principal.clone(), request.action.clone(), request.resource.clone());
        let without = match self.without.get(&key) {
            Some(without) => without.clone(),
            None => {
                let without = self.ask(&asked, &self.unconditional);
                self.without.insert(key, without.clone());
                without
            }
        };
        Ok((answer, without))
    }

    fn ask(&self, request: &cedar_policy::Request, policies: &PolicySet) -> Answer {
        let response = self.authorizer.is_authorized(request, policies, &self.entities);
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
    }
}

/// The policies of a text, with the links of its templates.
fn policy_set(text: &str, links: &[Link]) -> PolicySet {
    let mut policies: PolicySet = text.parse().unwrap_or_else(|e| panic!("{e:?}\n{text}"));
    for Link { template, id, values } in links {
        let slot = |slot: &str| if slot == "?principal" { SlotId::principal() } else { SlotId::resource() };
        let values = values.iter().map(|(name, value)| (slot(name), uid(value))).collect();
        policies.link(PolicyId::new(template), PolicyId::new(id), values).unwrap_or_else(|e| panic!("{e:?}\n{text}"));
    }
    policies
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
        Value::Decimal(_) | Value::Duration(_) | Value::Ip(_) => {
            let printed = values::print(value);
            // A call of a constructor with a text, which needs no parser.
            match printed.trim_end_matches("\")").split_once("(\"") {
                Some(("decimal", text)) => RestrictedExpression::new_decimal(text),
                Some(("duration", text)) => RestrictedExpression::new_duration(text),
                Some(("ip", text)) => RestrictedExpression::new_ip(text),
                _ => panic!("{printed}"),
            }
        }
        Value::Datetime(_) => {
            let printed = values::print(value);
            printed.parse().unwrap_or_else(|e| panic!("{printed}: {e:?}"))
        }
    }
}

/// How often each construct mattered in a condition-sensitive request.
#[derive(Debug, Default)]
pub struct Coverage {
    counts: BTreeMap<&'static str, u64>,
}

impl Coverage {
    /// Adds another count.
    pub fn merge(&mut self, other: &Self) {
        for (construct, count) in &other.counts {
            *self.counts.entry(construct).or_default() += count;
        }
    }

    /// Every construct with its count, which may be none.
    pub fn rows(&self) -> impl Iterator<Item = (&'static str, u64)> {
        CONSTRUCTS.into_iter().map(|construct| (construct, self.counts.get(construct).copied().unwrap_or(0)))
    }
}

/// An engine for many short-lived modules.
pub fn engine() -> Arc<Engine> {
    Arc::new(Engine::new(&exportgate::EngineConfig::default()).unwrap_or_else(|e| panic!("{e}")))
}
