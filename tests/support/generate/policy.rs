//! Generated policies: every scope form, several `when` and `unless`.

use std::collections::BTreeSet;

use crate::generate::expression::Writer;
use crate::generate::schema::{Schema, Ty, quote};
use crate::generate::{chance, pick, scope, values};

/// A policy.
#[derive(Debug)]
pub struct Policy {
    /// Its text.
    pub text: String,
    /// The same with its scope only.
    pub scope_only: String,
    /// The constructs that it uses.
    pub constructs: BTreeSet<&'static str>,
}

/// Makes a policy for one of the schema's actions. Most are strictly valid; the caller drops the others.
pub fn generate(rng: &mut fastrand::Rng, schema: &Schema, depth_max: usize) -> Policy {
    let acting: Vec<usize> = (0..schema.actions.len()).filter(|i| !schema.actions[*i].principals.is_empty()).collect();
    let action = *pick(rng, &acting);
    let principal = *pick(rng, &schema.actions[action].principals);
    let resource = *pick(rng, &schema.actions[action].resources);
    let mut constructs = BTreeSet::new();
    let effect = if chance(rng, 60) { "permit" } else { "forbid" };
    constructs.insert(effect);
    let many = schema.actions[action].principals.len() > 1 || schema.actions[action].resources.len() > 1;
    let scope_text = format!(
        "{}, {}, {}",
        entity_scope(rng, schema, "principal", principal, many, &mut constructs),
        action_scope(rng, schema, action, &mut constructs),
        entity_scope(rng, schema, "resource", resource, many, &mut constructs)
    );
    let mut text = format!("{effect}({scope_text})");
    let mut writer = Writer::new(scope(schema, action, principal, resource), depth_max);
    for _ in 0..rng.usize(1..=3).saturating_sub(usize::from(chance(rng, 50))).max(1) {
        let word = if chance(rng, 75) { "when" } else { "unless" };
        constructs.insert(word);
        text.push_str(&format!("\n  {word} {{ {} }}", writer.write(rng, &Ty::Bool)));
    }
    constructs.extend(writer.into_constructs());
    Policy { text: format!("{text};\n"), scope_only: format!("{effect}({scope_text});\n"), constructs }
}

/// The scope of principal or resource. With several types per action an `is` keeps the condition's types certain.
fn entity_scope(
    rng: &mut fastrand::Rng,
    schema: &Schema,
    var: &'static str,
    ty: usize,
    many: bool,
    constructs: &mut BTreeSet<&'static str>,
) -> String {
    let name = schema.name(ty);
    let above: Vec<usize> = std::iter::once(ty).chain(schema.entities[ty].parents.iter().copied()).collect();
    let form = if many { rng.u32(4..7) } else { rng.u32(..8) };
    match form {
        4 => {
            constructs.insert("scope: is");
            format!("{var} is {name}")
        }
        5 => {
            constructs.insert("scope: is in");
            let group = *pick(rng, &above);
            format!("{var} is {name} in {}", literal(rng, schema, group))
        }
        0 | 6 if chance(rng, 40) => {
            constructs.insert("scope: ==");
            format!("{var} == {}", literal(rng, schema, ty))
        }
        1 if !many => {
            constructs.insert("scope: in");
            let group = *pick(rng, &above);
            format!("{var} in {}", literal(rng, schema, group))
        }
        _ if many => {
            constructs.insert("scope: is");
            format!("{var} is {name}")
        }
        _ => {
            constructs.insert("scope: any");
            var.to_owned()
        }
    }
}

fn action_scope(
    rng: &mut fastrand::Rng,
    schema: &Schema,
    action: usize,
    constructs: &mut BTreeSet<&'static str>,
) -> String {
    let name = |i: usize| format!("{}::{}", schema.action_type(), quote(&schema.actions[i].id));
    match rng.u32(..5) {
        0 => {
            constructs.insert("scope: action in [..]");
            format!("action in [{}, {}]", name(action), name(action))
        }
        1 => {
            constructs.insert("scope: action in group");
            let group = schema.actions[action].groups.first().copied().unwrap_or(action);
            // A group may hold other actions too, with other types: the condition is then not valid, and dropped.
            format!("action in {}", name(group))
        }
        2 if schema.actions.iter().filter(|action| !action.principals.is_empty()).count() == 1 => {
            constructs.insert("scope: any action");
            "action".to_owned()
        }
        _ => {
            constructs.insert("scope: action ==");
            format!("action == {}", name(action))
        }
    }
}

fn literal(rng: &mut fastrand::Rng, schema: &Schema, ty: usize) -> String {
    values::literal(rng, schema, &Ty::Entity(ty)).unwrap_or_default()
}
