//! The manifest of a guest, derived from its `policy.toml` and what the compiler says of its schema.
//!
//! Input: a [`Spec`], and the manifest that the compiler makes of a pack with the same schema, catalogue and policy heads.
//! Output: that manifest, with the inputs, terms, facts and questions that the spec asks for. Not promised: that the guest
//! reads what it says, which only running it shows.

use std::collections::BTreeMap;
use std::sync::Arc;

use exportgate_contract::manifest::{
    Axis, Binding, ContextBinding, Cost, Effect, Fact, Input, Manifest, Question, Read as FactRead,
    Term as ManifestTerm,
};
use exportgate_contract::types::{Action, SchemaTypes, Type};
use exportgate_contract::value::{EntityUid, Value};
use exportgate_contract::vocabulary::{self, Role};

use crate::reads::{Read, ReadError, Term};
use crate::spec::{QuestionSpec, Spec};

/// Why no manifest can be derived.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// A read can't be understood.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The schema declares no such action, or it isn't one of an export.
    #[error("the schema declares no action `{0}` that an export asks")]
    Action(String),
    /// A question names a policy that isn't there.
    #[error("the questions name policy `{0}`, which `policy.toml` doesn't list")]
    Policy(String),
    /// Two questions answer the same action.
    #[error("action `{0}` is answered twice")]
    Twice(String),
    /// A constant isn't one.
    #[error("`{text}` in `constants`: {complaint}")]
    Constant {
        /// The constant.
        text: String,
        /// What is wrong with it.
        complaint: String,
    },
    /// Something that is read isn't what the schema says.
    #[error("`{read}` in a question about `{action}`: {complaint}")]
    Type {
        /// The read.
        read: String,
        /// The action.
        action: String,
        /// What is wrong with it.
        complaint: String,
    },
    /// The spec lists other policies than the base.
    #[error("`policy.toml` lists other policies than the manifest that its schema was checked with")]
    Base,
}

/// The manifest of a guest that says `spec` of itself; `base` is what the compiler makes of its schema and policy heads.
///
/// # Errors
///
/// [`ManifestError`]: what the spec says and the schema doesn't.
pub fn derive(spec: &Spec, base: &Manifest) -> Result<Manifest, ManifestError> {
    let heads: Vec<(&str, Effect)> = base.policies.iter().map(|policy| (policy.id.as_str(), policy.effect)).collect();
    if !heads.iter().copied().eq(spec.policies.iter().map(|policy| (policy.id.as_str(), policy.effect))) {
        return Err(ManifestError::Base);
    }
    let mut tables = Tables::default();
    for text in &spec.constants {
        tables.constant(&base.schema.types, text)?;
    }
    let mut drafts: BTreeMap<String, Question> = BTreeMap::new();
    for question in &spec.questions {
        for action in &question.actions {
            let draft = tables.question(spec, &base.schema.types, question, action)?;
            if drafts.insert(action.clone(), draft).is_some() {
                return Err(ManifestError::Twice(action.clone()));
            }
        }
    }
    let (facts, places) = tables.sorted_facts();
    let questions = drafts.into_values().map(|mut question| {
        question.facts = question.facts.iter().filter_map(|fact| places.get(fact).copied()).collect();
        question.facts.sort_unstable();
        question
    });
    Ok(Manifest {
        contract: crate::CONTRACT_VERSION,
        producer: concat!("exportgate-guest-build ", env!("CARGO_PKG_VERSION")).to_owned(),
        name: spec.name.clone(),
        version: spec.version.clone(),
        policies: base.policies.clone(),
        questions: questions.collect(),
        symbols: tables.symbols,
        inputs: tables.inputs,
        terms: tables.terms,
        facts,
        schema: base.schema.clone(),
        catalogue: base.catalogue.clone(),
        sources: Vec::new(),
        cost: Cost { call: spec.cost.call, point: spec.cost.point },
    })
}

#[derive(Default)]
struct Tables {
    symbols: Vec<Value>,
    inputs: Vec<Input>,
    terms: Vec<ManifestTerm>,
    /// Facts in the order of their first use. Two reads of one thing are one fact, with a payload if either wants it.
    facts: Vec<Fact>,
}

/// Where the parts of a request of one question come from.
struct Request<'a> {
    action: &'a Action,
    principal: Arc<str>,
    resource: Arc<str>,
    resource_input: &'static str,
}

impl Tables {
    fn constant(&mut self, types: &SchemaTypes, text: &str) -> Result<u32, ManifestError> {
        let constant_error = |complaint: String| ManifestError::Constant { text: text.to_owned(), complaint };
        match Read::parse(text)? {
            Read::Value(Term::Text(text)) => Ok(intern(&mut self.symbols, Value::string(text))),
            Read::Value(Term::Entity(name, id)) => self.entity(types, &name, &id).map_err(constant_error),
            _ => Err(constant_error("an entity or a text expected".to_owned())),
        }
    }

    /// The symbol of an entity that a spec names.
    fn entity(&mut self, types: &SchemaTypes, name: &str, id: &str) -> Result<u32, String> {
        let known = types.entities.get(name).ok_or_else(|| format!("the schema declares no entity type `{name}`"))?;
        if known.ids.as_ref().is_some_and(|ids| !ids.iter().any(|known| **known == *id)) {
            return Err(format!("`{name}` is enumerated, and has no `{id}`"));
        }
        Ok(intern(&mut self.symbols, EntityUid::new(name, id).into()))
    }

    fn question(
        &mut self,
        spec: &Spec,
        types: &SchemaTypes,
        question: &QuestionSpec,
        id: &str,
    ) -> Result<Question, ManifestError> {
        let unknown = || ManifestError::Action(id.to_owned());
        let uid = EntityUid::new(vocabulary::ACTION, id);
        let action = types.actions.iter().find(|action| action.uid == uid).ok_or_else(unknown)?;
        let resource_input = match vocabulary::role(id).ok_or_else(unknown)? {
            Role::Export => "job",
            Role::Include | Role::Tally(_) => "customer",
            Role::Reveal(_) => "field",
        };
        let ([principal], [resource]) = (action.principals.as_slice(), action.resources.as_slice()) else {
            return Err(unknown());
        };
        let request = Request { action, principal: principal.clone(), resource: resource.clone(), resource_input };
        let mut facts = Vec::new();
        for (reads, payload) in [(&question.reads, false), (&question.payloads, true)] {
            for text in reads {
                let read = Read::parse(text)?;
                let fact = self.fact(types, &request, &read, payload).map_err(|complaint| ManifestError::Type {
                    read: text.clone(),
                    action: id.to_owned(),
                    complaint,
                })?;
                facts.push(fact);
            }
        }
        facts.sort_unstable();
        facts.dedup();
        let axes = facts.iter().filter_map(|fact| self.facts.get(*fact as usize)).map(|fact| fact.axis);
        let axis = axes.fold(Axis::Job, Axis::join);
        let position = |name: &String| spec.policies.iter().position(|policy| policy.id == *name);
        let mut policies = Vec::new();
        for name in &question.policies {
            policies.push(index(position(name).ok_or_else(|| ManifestError::Policy(name.clone()))?));
        }
        policies.sort_unstable();
        policies.dedup();
        let binding = Binding {
            principal: self.input("agent"),
            resource: self.input(resource_input),
            context: ContextBinding::Attributes(
                action.context.keys().map(|name| (name.clone(), self.input(&context_input(name)))).collect(),
            ),
        };
        Ok(Question {
            action: uid,
            principal: request.principal,
            resource: request.resource,
            binding,
            axis,
            facts,
            policies,
        })
    }

    fn fact(&mut self, types: &SchemaTypes, request: &Request<'_>, read: &Read, payload: bool) -> Result<u32, String> {
        let (axis, read, ty) = match read {
            Read::Value(term) => {
                let (term, ty, axis) = self.term(types, request, term)?;
                (axis, FactRead::Value(term), ty)
            }
            Read::State(term) => {
                let (term, _, axis) = self.term(types, request, term)?;
                (axis, FactRead::State(term), Type::Bool)
            }
            Read::In(left, right) => {
                let (left, left_type, left_axis) = self.term(types, request, left)?;
                let (right, right_type, right_axis) = self.term(types, request, right)?;
                let above = match &right_type {
                    Type::Set(of) => &**of,
                    other => other,
                };
                if !matches!((&left_type, above), (Type::Entity(_), Type::Entity(_))) {
                    return Err(format!(
                        "`in` takes an entity and an entity or a set of them, found `{left_type}` and `{right_type}`"
                    ));
                }
                (left_axis.join(right_axis), FactRead::In { left, right }, Type::Bool)
            }
            Read::HasTag(of, key) => {
                let (of, of_axis, key, key_axis, _) = self.tagged(types, request, of, key)?;
                (of_axis.join(key_axis), FactRead::HasTag { of, key }, Type::Bool)
            }
        };
        let payload = payload && !ty.is_inline() && !matches!(ty, Type::Entity(_));
        let same = |fact: &Fact| fact.read == read && fact.ty == ty;
        if let Some(place) = self.facts.iter().position(same) {
            if let Some(fact) = self.facts.get_mut(place) {
                fact.payload |= payload;
            }
            return Ok(index(place));
        }
        self.facts.push(Fact { axis, read, ty, payload });
        Ok(index(self.facts.len() - 1))
    }

    /// A term's position, type and axis.
    fn term(&mut self, types: &SchemaTypes, request: &Request<'_>, term: &Term) -> Result<(u32, Type, Axis), String> {
        match term {
            Term::Input(name) => {
                let ty = input_type(request, name).ok_or_else(|| format!("the question has no `{name}`"))?;
                let input = self.input(name);
                Ok((intern(&mut self.terms, ManifestTerm::Input(input)), ty, axis_of(name)))
            }
            Term::Text(text) => {
                let symbol = intern(&mut self.symbols, Value::string(text.as_str()));
                Ok((intern(&mut self.terms, ManifestTerm::Symbol(symbol)), Type::String, Axis::Job))
            }
            Term::Entity(name, id) => {
                let symbol = self.entity(types, name, id)?;
                let ty = Type::Entity(name.as_str().into());
                Ok((intern(&mut self.terms, ManifestTerm::Symbol(symbol)), ty, Axis::Job))
            }
            Term::Attribute(of, name) => {
                let (of, of_type, axis) = self.term(types, request, of)?;
                let attribute = match &of_type {
                    Type::Entity(entity) => types.entities.get(entity).and_then(|ty| ty.attributes.get(name.as_str())),
                    Type::Record(attributes) => attributes.get(name.as_str()),
                    _ => None,
                };
                let ty = attribute.ok_or_else(|| format!("`{of_type}` has no `{name}`"))?.ty.clone();
                let term = ManifestTerm::Attribute { of, name: name.as_str().into() };
                Ok((intern(&mut self.terms, term), ty, axis))
            }
            Term::Tag(of, key) => {
                let (of, of_axis, key, key_axis, ty) = self.tagged(types, request, of, key)?;
                Ok((intern(&mut self.terms, ManifestTerm::Tag { of, key }), ty, of_axis.join(key_axis)))
            }
        }
    }

    /// Positions and axes of an entity and the key of a tag, and the type of its tags.
    fn tagged(
        &mut self,
        types: &SchemaTypes,
        request: &Request<'_>,
        of: &Term,
        key: &Term,
    ) -> Result<(u32, Axis, u32, Axis, Type), String> {
        let (of, of_type, of_axis) = self.term(types, request, of)?;
        let (key, key_type, key_axis) = self.term(types, request, key)?;
        let Type::Entity(entity) = &of_type else { return Err(format!("`{of_type}` has no tags")) };
        let tags = types.entities.get(entity).and_then(|ty| ty.tags.clone());
        let tags = tags.ok_or_else(|| format!("`{of_type}` has no tags"))?;
        if key_type != Type::String {
            return Err(format!("the key of a tag is a String, found `{key_type}`"));
        }
        Ok((of, of_axis, key, key_axis, tags))
    }

    fn input(&mut self, name: &str) -> u32 {
        intern(&mut self.inputs, Input { name: name.to_owned(), axis: axis_of(name) })
    }

    /// The facts, those of one axis together, and where each went.
    fn sorted_facts(&self) -> (Vec<Fact>, BTreeMap<u32, u32>) {
        let mut order: Vec<(u32, &Fact)> = self.facts.iter().enumerate().map(|(at, fact)| (index(at), fact)).collect();
        order.sort_by_key(|(_, fact)| fact.axis);
        let places = order.iter().enumerate().map(|(to, (from, _))| (*from, index(to))).collect();
        (order.into_iter().map(|(_, fact)| fact.clone()).collect(), places)
    }
}

/// The input that a context attribute is: the customer and the ticket are the same for every question.
fn context_input(name: &str) -> String {
    match name {
        vocabulary::CONTEXT_CUSTOMER => "customer".to_owned(),
        vocabulary::CONTEXT_TICKET => "ticket".to_owned(),
        _ => format!("context.{name}"),
    }
}

fn axis_of(input: &str) -> Axis {
    match input {
        "customer" | "ticket" => Axis::Row,
        "field" => Axis::Column,
        _ => Axis::Job,
    }
}

fn input_type(request: &Request<'_>, name: &str) -> Option<Type> {
    if name == "agent" {
        return Some(Type::Entity(request.principal.clone()));
    }
    if name == request.resource_input {
        return Some(Type::Entity(request.resource.clone()));
    }
    let mut context = request.action.context.iter();
    context.find(|(attribute, _)| context_input(attribute) == name).map(|(_, attribute)| attribute.ty.clone())
}

/// The position of `item`, which is added if it isn't there.
fn intern<T: PartialEq>(items: &mut Vec<T>, item: T) -> u32 {
    match items.iter().position(|known| *known == item) {
        Some(place) => index(place),
        None => {
            items.push(item);
            index(items.len() - 1)
        }
    }
}

/// A position as the manifest writes it. INVARIANT: the tables hold far fewer than 2^32 entries, since each comes from a
/// line of `policy.toml`.
fn index(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}
