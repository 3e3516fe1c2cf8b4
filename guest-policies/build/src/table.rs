//! `manifest.rs`: the manifest as a Rust constant, for guests that look names up while they are compiled.

use std::fmt::Write as _;

use exportgate_contract::manifest::{Axis, Manifest, Read as FactRead, Term as ManifestTerm};
use exportgate_contract::types::Type;
use exportgate_contract::value::Value;

use crate::reads::{Read, Term};

/// The text of `manifest.rs`: an expression of type `exportgate_sdk::Table`.
pub fn print(manifest: &Manifest) -> String {
    let mut text = String::from("// Made by `exportgate build` from policy.toml and the schema; don't edit.\n");
    text.push_str("exportgate_sdk::Table {\n    symbols: &[\n");
    // Writing to a String can't fail.
    for symbol in &manifest.symbols {
        let _ = writeln!(text, "        {:?},", symbol_text(symbol));
    }
    text.push_str("    ],\n    facts: &[\n");
    for fact in &manifest.facts {
        let kind = if matches!(fact.read, FactRead::State(_)) { "State" } else { kind(&fact.ty) };
        let _ = writeln!(
            text,
            "        exportgate_sdk::FactEntry {{\n            name: {:?},\n            axis: {},\n            kind: exportgate_sdk::Kind::{kind},\n            payload: {},\n        }},",
            fact_name(manifest, &fact.read),
            axis(fact.axis),
            fact.payload,
        );
    }
    text.push_str("    ],\n    policies: &[\n");
    for policy in &manifest.policies {
        let _ = writeln!(text, "        {:?},", policy.id);
    }
    text.push_str("    ],\n    questions: &[\n");
    for question in &manifest.questions {
        let _ = writeln!(
            text,
            "        exportgate_sdk::QuestionEntry {{\n            action: {:?},\n            axis: {},\n            facts: &{:?},\n            policies: &{:?},\n        }},",
            &*question.action.id,
            axis(question.axis),
            question.facts,
            question.policies,
        );
    }
    text.push_str("    ],\n}\n");
    text
}

/// The name of a fact, as [`crate::reads`] writes it.
pub fn fact_name(manifest: &Manifest, read: &FactRead) -> String {
    let term = |index: u32| term(manifest, index);
    let read = match *read {
        FactRead::Value(of) => Read::Value(term(of)),
        FactRead::State(of) => Read::State(term(of)),
        // No guest made here reads one: the manifests are those of the contract's first version.
        FactRead::Above { of } => return format!("above({})", term(of)),
        FactRead::In { left, right } => Read::In(term(left), term(right)),
        FactRead::HasTag { of, key } => Read::HasTag(term(of), term(key)),
    };
    read.to_string()
}

fn term(manifest: &Manifest, index: u32) -> Term {
    // A term names only terms before it, so this ends.
    match manifest.terms.get(index as usize) {
        Some(ManifestTerm::Input(input)) => {
            Term::Input(manifest.inputs.get(*input as usize).map(|input| input.name.clone()).unwrap_or_default())
        }
        Some(ManifestTerm::Symbol(symbol)) => match manifest.symbols.get(*symbol as usize) {
            Some(Value::Entity(uid)) => Term::Entity(uid.entity_type.to_string(), uid.id.to_string()),
            Some(Value::String(text)) => Term::Text(text.to_string()),
            other => Term::Text(format!("{other:?}")),
        },
        Some(ManifestTerm::Attribute { of, name }) if *of < index => {
            Term::Attribute(Box::new(term(manifest, *of)), name.to_string())
        }
        Some(ManifestTerm::Tag { of, key }) if *of < index && *key < index => {
            Term::Tag(Box::new(term(manifest, *of)), Box::new(term(manifest, *key)))
        }
        _ => Term::Input(String::new()),
    }
}

fn symbol_text(symbol: &Value) -> String {
    match symbol {
        Value::Entity(uid) => Term::Entity(uid.entity_type.to_string(), uid.id.to_string()).to_string(),
        Value::String(text) => text.to_string(),
        other => format!("{other:?}"),
    }
}

fn axis(axis: Axis) -> String {
    format!("exportgate_sdk::Axis::{axis:?}")
}

fn kind(ty: &Type) -> &'static str {
    match ty {
        Type::Bool => "Bool",
        Type::Long => "Long",
        Type::String => "Text",
        Type::Entity(_) => "Entity",
        Type::Set(_) => "Set",
        Type::Record(_) => "Record",
        Type::Decimal => "Decimal",
        Type::Datetime => "Datetime",
        Type::Duration => "Duration",
        Type::Ip => "Ip",
    }
}
