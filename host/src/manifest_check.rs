//! Checks a manifest against itself and the contract, so that the rest of the host can rely on what it says.
//!
//! After [`check`] every index exists, terms name earlier terms only and aren't deep, facts are sorted by axis and each is on
//! the axis of its inputs, no question is finer than what it is bound to, lists are ascending, names are printable. It
//! promises nothing about whether the guest's code does what the manifest says: the answer's own checks do that.

use std::collections::{BTreeSet, HashSet};

use exportgate_contract::limits::{
    FACTS_MAX, FIELDS_PER_JOB_MAX, ID_BYTES_MAX, POLICIES_MAX, QUESTIONS_MAX, SYMBOLS_MAX, TERM_DEPTH_MAX, TERMS_MAX,
    VALUE_DEPTH_MAX,
};
use exportgate_contract::manifest::{Axis, Catalogue, ContextBinding, Fact, Manifest, Question, Read, Term};
use exportgate_contract::types::{Attribute, Type};
use exportgate_contract::value::{Ip, Value};
use exportgate_contract::{obligation, vocabulary};
use sha2::{Digest, Sha256};

use crate::artifact::hex;
use crate::manifest_error::ManifestError;

/// Inputs of one module: principal, resource, and the attributes of contexts.
const INPUTS_MAX: usize = 1_024;

/// Fields of a catalogue: some systems have thousands, of which a job names at most [`FIELDS_PER_JOB_MAX`].
const CATALOGUE_FIELDS_MAX: usize = 64 * FIELDS_PER_JOB_MAX;

/// Checks a manifest.
///
/// # Errors
///
/// The first [`ManifestError`] that is found.
pub(crate) fn check(manifest: &Manifest) -> Result<(), ManifestError> {
    for (what, found, limit) in [
        ("policies", manifest.policies.len(), POLICIES_MAX),
        ("symbols", manifest.symbols.len(), SYMBOLS_MAX),
        ("inputs", manifest.inputs.len(), INPUTS_MAX),
        ("terms", manifest.terms.len(), TERMS_MAX),
        ("facts", manifest.facts.len(), FACTS_MAX),
        ("questions", manifest.questions.len(), QUESTIONS_MAX),
    ] {
        if found > limit {
            return Err(ManifestError::Limit { what, found, limit });
        }
    }
    check_names(manifest)?;
    check_symbols(&manifest.symbols)?;
    check_inputs(manifest)?;
    let axes = check_terms(manifest)?;
    check_facts(manifest, &axes)?;
    check_questions(manifest)?;
    check_schema(manifest)?;
    if let Some(catalogue) = &manifest.catalogue {
        check_catalogue(catalogue)?;
        if let Some(complaint) = vocabulary::check(&manifest.schema.types).into_iter().next() {
            return Err(ManifestError::Vocabulary { complaint });
        }
        for policy in &manifest.policies {
            for (key, value) in &policy.annotations {
                obligation::parse(key, value).map_err(|error| ManifestError::Annotation {
                    policy: policy.id.clone(),
                    message: error.to_string(),
                })?;
            }
        }
    }
    Ok(())
}

/// The axis of each term: the join of the inputs that it is made of. Terms name earlier ones only.
pub(crate) fn term_axes(manifest: &Manifest) -> Vec<Axis> {
    let mut axes: Vec<Axis> = Vec::with_capacity(manifest.terms.len());
    for term in &manifest.terms {
        let of = |term: u32| at(&axes, term).copied().unwrap_or(Axis::Job);
        let axis = match term {
            Term::Input(input) => at(&manifest.inputs, *input).map_or(Axis::Job, |input| input.axis),
            Term::Symbol(_) => Axis::Job,
            Term::Attribute { of: base, .. } => of(*base),
            Term::Tag { of: base, key } => of(*base).join(of(*key)),
        };
        axes.push(axis);
    }
    axes
}

fn check_names(manifest: &Manifest) -> Result<(), ManifestError> {
    check_name("the pack's name", &manifest.name)?;
    check_name("the producer", &manifest.producer)?;
    let parts: Vec<&str> = manifest.version.split('.').collect();
    let number = |part: &&str| !part.is_empty() && part.len() <= 9 && part.bytes().all(|byte| byte.is_ascii_digit());
    if parts.len() != 3 || !parts.iter().all(number) {
        return Err(ManifestError::Version { found: printable(&manifest.version) });
    }
    let mut ids = BTreeSet::new();
    for policy in &manifest.policies {
        check_name("policy", &policy.id)?;
        if !ids.insert(&policy.id) {
            return Err(ManifestError::Duplicate { what: "policy", name: policy.id.clone() });
        }
    }
    for source in &manifest.sources {
        check_name("source", &source.path)?;
    }
    if !manifest.sources.is_sorted_by(|a, b| a.path < b.path) {
        return Err(ManifestError::Order { what: "the sources".to_owned() });
    }
    Ok(())
}

fn check_name(what: &'static str, name: &str) -> Result<(), ManifestError> {
    if name.is_empty() || name.len() > ID_BYTES_MAX || name.chars().any(char::is_control) {
        return Err(ManifestError::Name { what, name: printable(name) });
    }
    Ok(())
}

/// A name for a message, when it is the name itself that is wrong.
fn printable(name: &str) -> String {
    name.chars().take(64).flat_map(char::escape_debug).collect()
}

fn check_symbols(symbols: &[Value]) -> Result<(), ManifestError> {
    let mut seen: HashSet<&Value> = HashSet::with_capacity(symbols.len());
    for (symbol, value) in symbols.iter().enumerate() {
        match value {
            Value::String(_) | Value::Entity(_) => {}
            Value::Ip(ip) if is_address(*ip) => {}
            Value::Ip(_) => return Err(ManifestError::SymbolAddress { symbol }),
            Value::Bool(_)
            | Value::Long(_)
            | Value::Set(_)
            | Value::Record(_)
            | Value::Decimal(_)
            | Value::Datetime(_)
            | Value::Duration(_) => {
                return Err(ManifestError::SymbolKind { symbol, found: value.kind() });
            }
        }
        if !seen.insert(value) {
            return Err(ManifestError::Duplicate { what: "symbol", name: symbol.to_string() });
        }
    }
    Ok(())
}

/// Whether prefix and bits fit the family of the address.
fn is_address(ip: Ip) -> bool {
    if ip.v6 { ip.prefix <= 128 } else { ip.prefix <= 32 && u32::try_from(ip.address).is_ok() }
}

fn check_inputs(manifest: &Manifest) -> Result<(), ManifestError> {
    let mut names = BTreeSet::new();
    for input in &manifest.inputs {
        check_name("input", &input.name)?;
        let expected = match input.name.as_str() {
            "customer" | "ticket" => Axis::Row,
            "field" => Axis::Column,
            _ => Axis::Job,
        };
        if input.axis != expected {
            return Err(ManifestError::InputAxis { name: input.name.clone(), found: input.axis });
        }
        if !names.insert(&input.name) {
            return Err(ManifestError::Duplicate { what: "input", name: input.name.clone() });
        }
    }
    Ok(())
}

fn check_terms(manifest: &Manifest) -> Result<Vec<Axis>, ManifestError> {
    let mut depths: Vec<usize> = Vec::with_capacity(manifest.terms.len());
    for (position, term) in manifest.terms.iter().enumerate() {
        let named = match term {
            Term::Input(input) => {
                check_index(|| format!("term {position}"), "input", *input, manifest.inputs.len())?;
                [None, None]
            }
            Term::Symbol(symbol) => {
                check_index(|| format!("term {position}"), "symbol", *symbol, manifest.symbols.len())?;
                [None, None]
            }
            Term::Attribute { of, .. } => [Some(*of), None],
            Term::Tag { of, key } => [Some(*of), Some(*key)],
        };
        let mut depth = 0;
        for named in named.into_iter().flatten() {
            let below = at(&depths, named).ok_or(ManifestError::TermOrder { term: position, named })?;
            depth = depth.max(below + 1);
        }
        if depth > TERM_DEPTH_MAX {
            return Err(ManifestError::TermDepth { term: position });
        }
        depths.push(depth);
    }
    Ok(term_axes(manifest))
}

fn check_facts(manifest: &Manifest, axes: &[Axis]) -> Result<(), ManifestError> {
    let mut last = Axis::Job;
    for (position, fact) in manifest.facts.iter().enumerate() {
        let axis_of = |term: u32| {
            check_index(|| format!("fact {position}"), "term", term, axes.len())?;
            Ok(at(axes, term).copied().unwrap_or(Axis::Job))
        };
        let expected = match fact.read {
            Read::Value(term) | Read::State(term) | Read::Above { of: term } => axis_of(term)?,
            Read::In { left, right } => axis_of(left)?.join(axis_of(right)?),
            Read::HasTag { of, key } => axis_of(of)?.join(axis_of(key)?),
        };
        if fact.axis != expected {
            return Err(ManifestError::FactAxis { fact: position, found: fact.axis, expected });
        }
        if fact.axis < last {
            return Err(ManifestError::Order { what: "the facts".to_owned() });
        }
        last = fact.axis;
        check_fact_type(position, fact)?;
    }
    Ok(())
}

fn check_fact_type(position: usize, fact: &Fact) -> Result<(), ManifestError> {
    check_type_depth(|| format!("fact {position}"), &fact.ty)?;
    let is_bool = matches!(fact.read, Read::State(_) | Read::In { .. } | Read::HasTag { .. });
    if is_bool && fact.ty != Type::Bool {
        return Err(ManifestError::FactBool { fact: position, found: fact.ty.clone() });
    }
    let is_set = matches!(&fact.ty, Type::Set(of) if matches!(**of, Type::Entity(_)));
    if matches!(fact.read, Read::Above { .. }) && !(is_set && fact.payload) {
        return Err(ManifestError::FactAbove { fact: position, found: fact.ty.clone() });
    }
    if fact.payload && !matches!(fact.ty, Type::String | Type::Ip | Type::Set(_) | Type::Record(_)) {
        return Err(ManifestError::FactPayload { fact: position, ty: fact.ty.clone() });
    }
    Ok(())
}

fn check_questions(manifest: &Manifest) -> Result<(), ManifestError> {
    let mut environments = BTreeSet::new();
    for (position, question) in manifest.questions.iter().enumerate() {
        let what = || format!("question {position}");
        if !environments.insert((&question.action, &question.principal, &question.resource)) {
            return Err(ManifestError::Duplicate { what: "question", name: position.to_string() });
        }
        for (of, list, count) in
            [("fact", &question.facts, manifest.facts.len()), ("policy", &question.policies, manifest.policies.len())]
        {
            if !list.is_sorted_by(|a, b| a < b) {
                return Err(ManifestError::Order { what: format!("the indexes ({of}) of question {position}") });
            }
            for index in list {
                check_index(what, of, *index, count)?;
            }
        }
        check_environment(manifest, position, question)?;
        check_binding(manifest, position, question)?;
    }
    Ok(())
}

fn check_environment(manifest: &Manifest, position: usize, question: &Question) -> Result<(), ManifestError> {
    let action = manifest.schema.types.actions.iter().find(|action| {
        action.uid == question.action
            && action.principals.contains(&question.principal)
            && action.resources.contains(&question.resource)
    });
    let Some(action) = action else {
        return Err(ManifestError::QuestionEnvironment {
            question: position,
            action: question.action.to_string(),
            principal: question.principal.to_string(),
            resource: question.resource.to_string(),
        });
    };
    if let ContextBinding::Attributes(attributes) = &question.binding.context {
        for name in attributes.keys() {
            if !action.context.contains_key(name) {
                return Err(ManifestError::QuestionContext { question: position, name: printable(name) });
            }
        }
    }
    Ok(())
}

fn check_binding(manifest: &Manifest, position: usize, question: &Question) -> Result<(), ManifestError> {
    let mut bound = BTreeSet::new();
    let mut inputs = Axis::Job;
    for index in bound_inputs(question) {
        check_index(|| format!("question {position}"), "input", index, manifest.inputs.len())?;
        if !bound.insert(index) {
            return Err(ManifestError::Duplicate { what: "input of a question", name: index.to_string() });
        }
        inputs = inputs.join(at(&manifest.inputs, index).map_or(Axis::Job, |input| input.axis));
    }
    if question.axis.join(inputs) != inputs {
        return Err(ManifestError::QuestionAxis { question: position, found: question.axis, inputs });
    }
    Ok(())
}

fn bound_inputs(question: &Question) -> Vec<u32> {
    let mut inputs = vec![question.binding.principal, question.binding.resource];
    match &question.binding.context {
        ContextBinding::Whole(input) => inputs.push(*input),
        ContextBinding::Attributes(attributes) => inputs.extend(attributes.values()),
    }
    inputs
}

fn check_schema(manifest: &Manifest) -> Result<(), ManifestError> {
    if hex(&Sha256::digest(manifest.schema.text.as_bytes())) != manifest.schema.sha256 {
        return Err(ManifestError::SchemaDigest);
    }
    let types = &manifest.schema.types;
    let check_attribute = |owner: &str, name: &str, attribute: &Attribute| {
        check_type_depth(|| format!("`{}` of `{}`", printable(name), printable(owner)), &attribute.ty)
    };
    for (owner, entity) in &types.entities {
        for (name, attribute) in &entity.attributes {
            check_attribute(owner, name, attribute)?;
        }
        if let Some(tags) = &entity.tags {
            check_type_depth(|| format!("the tags of `{}`", printable(owner)), tags)?;
        }
    }
    for action in &types.actions {
        for (name, attribute) in &action.context {
            check_attribute(&action.uid.id, name, attribute)?;
        }
    }
    Ok(())
}

fn check_catalogue(catalogue: &Catalogue) -> Result<(), ManifestError> {
    if catalogue.fields.len() > CATALOGUE_FIELDS_MAX {
        let found = catalogue.fields.len();
        return Err(ManifestError::Limit { what: "fields", found, limit: CATALOGUE_FIELDS_MAX });
    }
    for (name, field) in &catalogue.fields {
        check_name("field", name)?;
        field.classes.iter().try_for_each(|class| check_name("field class", class))?;
    }
    for (name, parents) in &catalogue.classes {
        parents.iter().chain([name]).try_for_each(|class| check_name("field class", class))?;
    }
    Ok(())
}

fn check_type_depth(what: impl Fn() -> String, ty: &Type) -> Result<(), ManifestError> {
    fn fits(ty: &Type, left: usize) -> bool {
        match ty {
            Type::Set(of) => left > 0 && fits(of, left - 1),
            Type::Record(attributes) => left > 0 && attributes.values().all(|attribute| fits(&attribute.ty, left - 1)),
            Type::Bool
            | Type::Long
            | Type::String
            | Type::Entity(_)
            | Type::Decimal
            | Type::Datetime
            | Type::Duration
            | Type::Ip => true,
        }
    }
    if fits(ty, VALUE_DEPTH_MAX) { Ok(()) } else { Err(ManifestError::TypeDepth { what: what() }) }
}

fn check_index(what: impl Fn() -> String, of: &'static str, index: u32, count: usize) -> Result<(), ManifestError> {
    if usize::try_from(index).is_ok_and(|index| index < count) {
        return Ok(());
    }
    Err(ManifestError::Index { what: what(), of, index, count })
}

fn at<T>(items: &[T], index: u32) -> Option<&T> {
    items.get(usize::try_from(index).ok()?)
}
