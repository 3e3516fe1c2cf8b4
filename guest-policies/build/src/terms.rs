//! The types of the terms that a question is about: the schema's, followed along each path.

use std::collections::BTreeMap;

use exportgate_contract::manifest::{ContextBinding, Manifest, Question, Read, Term};
use exportgate_contract::types::{Attribute, Type};
use exportgate_contract::value::Value;

/// The terms that a question's facts are made of, with their types, those that others are made of included.
///
/// # Errors
///
/// The manifest contradicts itself or its schema; one sentence, for people.
pub(crate) fn typed_terms(manifest: &Manifest, question: &Question) -> Result<BTreeMap<u32, Type>, String> {
    let mut types = BTreeMap::new();
    for fact in &question.facts {
        match manifest.facts.get(*fact as usize).ok_or("a question names a fact that isn't there")?.read {
            Read::Value(term) | Read::State(term) | Read::Above { of: term } => {
                add(manifest, question, term, &mut types)?
            }
            Read::In { left: a, right: b } | Read::HasTag { of: a, key: b } => {
                add(manifest, question, a, &mut types)?;
                add(manifest, question, b, &mut types)?;
            }
        }
    }
    Ok(types)
}

/// Adds a term and those below it. A term names only terms before it, so this ends.
fn add(manifest: &Manifest, question: &Question, term: u32, types: &mut BTreeMap<u32, Type>) -> Result<(), String> {
    if types.contains_key(&term) {
        return Ok(());
    }
    let below = |of: u32| if of < term { Ok(of) } else { Err("a term that names a later one".to_owned()) };
    let ty = match manifest.terms.get(term as usize).ok_or("a term that isn't there")? {
        Term::Input(input) => input_type(manifest, question, *input)?,
        Term::Symbol(symbol) => match manifest.symbols.get(*symbol as usize) {
            Some(Value::Entity(uid)) => Type::Entity(uid.entity_type.clone()),
            Some(Value::String(_)) => Type::String,
            Some(Value::Ip(_)) => Type::Ip,
            _ => return Err("a constant of no known type".to_owned()),
        },
        Term::Attribute { of, name } => {
            add(manifest, question, below(*of)?, types)?;
            let attribute = match types.get(of) {
                Some(Type::Entity(entity)) => {
                    manifest.schema.types.entities.get(entity).and_then(|ty| ty.attributes.get(name))
                }
                Some(Type::Record(attributes)) => attributes.get(name),
                _ => None,
            };
            attribute.ok_or_else(|| format!("an attribute `{name}` that the schema doesn't declare"))?.ty.clone()
        }
        Term::Tag { of, key } => {
            add(manifest, question, below(*of)?, types)?;
            add(manifest, question, below(*key)?, types)?;
            let Some(Type::Entity(entity)) = types.get(of) else { return Err("a tag of no entity".to_owned()) };
            let tags = manifest.schema.types.entities.get(entity).and_then(|ty| ty.tags.clone());
            tags.ok_or_else(|| format!("a tag of `{entity}`, which has none"))?
        }
    };
    types.insert(term, ty);
    Ok(())
}

fn input_type(manifest: &Manifest, question: &Question, input: u32) -> Result<Type, String> {
    if input == question.binding.principal {
        return Ok(Type::Entity(question.principal.clone()));
    }
    if input == question.binding.resource {
        return Ok(Type::Entity(question.resource.clone()));
    }
    let actions = &manifest.schema.types.actions;
    let action = actions.iter().find(|action| action.uid == question.action).ok_or("an action that isn't there")?;
    match &question.binding.context {
        ContextBinding::Whole(whole) if *whole == input => Ok(Type::Record(action.context.clone())),
        ContextBinding::Whole(_) => Err("an input that isn't bound".to_owned()),
        ContextBinding::Attributes(attributes) => {
            let bound = attributes.iter().find(|(_, bound)| **bound == input).map(|(name, _)| name);
            let attribute: Option<&Attribute> = bound.and_then(|name| action.context.get(name));
            Ok(attribute.ok_or("an input that isn't bound")?.ty.clone())
        }
    }
}
