//! Holds an export pack to the vocabulary: its schema, its annotations, what its remedies assume, the classes it names.

use std::collections::BTreeSet;

use cedar_policy_core::ast::{Effect, ExprKind, Literal};
use exportgate_contract::manifest::Catalogue;
use exportgate_contract::obligation::{self, Annotation, Assumed, Remedy};
use exportgate_contract::types::{Attribute, SchemaTypes, Type};
use exportgate_contract::vocabulary::{self, Role};

use crate::diagnostic::{Diagnostic, Severity};
use crate::error::{CompileError, CompileErrorKind};
use crate::frontend::inputs::role;
use crate::frontend::policies::{PackPolicy, annotations};
use crate::frontend::schema::entity_uid;
use crate::pack::Vocabulary;
use crate::source::SourceFile;

/// What the schema lacks of the vocabulary, or says otherwise.
pub(crate) fn check_schema(types: &SchemaTypes, file: &SourceFile) -> Vec<CompileError> {
    vocabulary::check(types)
        .into_iter()
        .map(|complaint| {
            let (start, end) = declaration(file.text(), &complaint).unwrap_or((0, 0));
            CompileError::new(CompileErrorKind::Vocabulary, complaint).with_place(file, start, end)
        })
        .collect()
}

/// Where a schema declares the action or entity type that a complaint is about, by name: for pointing at, nothing more. None
/// for what isn't declared, and in JSON.
fn declaration(schema: &str, complaint: &str) -> Option<(usize, usize)> {
    let (what, name) = match complaint.split_once("action `") {
        Some((_, rest)) => ("action", rest.split('`').next()?),
        None => ("entity", complaint.strip_prefix('`')?.split('`').next()?.rsplit("::").next()?),
    };
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    schema.match_indices(name).map(|(at, _)| (at, at.saturating_add(name.len()))).find(|(start, end)| {
        let (Some(before), Some(after)) = (schema.get(..*start), schema.get(*end..)) else {
            return false;
        };
        // A list of names, such as `action a, b`, and nothing else since the word that begins a declaration.
        let listed = before.rsplit_once(what).is_some_and(|(_, names)| {
            names.starts_with(char::is_whitespace)
                && names.chars().all(|c| is_word(c) || c.is_whitespace() || [',', '"'].contains(&c))
                && !names.split_whitespace().any(|word| word == "in" || word == "appliesTo")
        });
        listed && !before.ends_with(is_word) && !after.starts_with(is_word)
    })
}

/// The annotations that the gate doesn't know, and the remedies that could never lift anything.
pub(crate) fn check_annotations(types: &SchemaTypes, policies: &[PackPolicy]) -> Vec<CompileError> {
    let mut errors = Vec::new();
    for policy in policies {
        let mut fail = |kind, message: String, help: Option<String>| {
            let error = CompileError::new(kind, message);
            let error = help.into_iter().fold(error, CompileError::with_help);
            errors.push(policy.locate(error, None));
        };
        for (key, value) in annotations(&policy.policy) {
            match obligation::parse(&key, value) {
                Err(error) => fail(CompileErrorKind::Annotation, error.to_string(), None),
                Ok(Annotation::Remedy(remedies)) => {
                    for remedy in remedies {
                        if let Some(path) = missing_assumption(types, remedy) {
                            let message = format!(
                                "the remedy `{remedy}` assumes `context.{path}`, which the schema doesn't declare so for `export`"
                            );
                            let help = format!(
                                "declare `{path}` in the context of the action `export`, required, as a Bool or a Long"
                            );
                            fail(CompileErrorKind::Annotation, message, Some(help));
                        }
                    }
                }
                Ok(Annotation::Fallback(_)) if policy.policy.effect() != Effect::Permit => {
                    let message = "`@fallback` stands on a permit, and this is a forbid".to_owned();
                    let help = "a forbid always holds; put `@fallback` on the permit that may hold without the store";
                    fail(CompileErrorKind::Annotation, message, Some(help.to_owned()));
                }
                Ok(_) => {}
            }
        }
    }
    errors
}

/// The first context value that a remedy assumes and the export's context lacks.
fn missing_assumption(types: &SchemaTypes, remedy: Remedy) -> Option<String> {
    let export = types.actions.iter().find(|action| role(Vocabulary::Export, action) == Some(Role::Export))?;
    let missing = remedy.assumes().iter().find(|(path, assumed)| {
        let ty = match assumed {
            Assumed::True => Type::Bool,
            Assumed::Zero | Assumed::OneMore => Type::Long,
        };
        let mut attributes = Some(&export.context);
        let mut found: Option<&Attribute> = None;
        for name in *path {
            found = attributes.and_then(|attributes| attributes.get(*name)).filter(|attribute| attribute.required);
            attributes = match found.map(|attribute| &attribute.ty) {
                Some(Type::Record(attributes)) => Some(attributes),
                _ => None,
            };
        }
        found.is_none_or(|attribute| attribute.ty != ty)
    })?;
    Some(missing.0.join("."))
}

/// Warnings for field classes that a policy names and no field of the catalogue has: most likely a slip of the pen.
pub(crate) fn check_classes(catalogue: &Catalogue, policies: &[PackPolicy]) -> Vec<Diagnostic> {
    let mut known: BTreeSet<&str> = BTreeSet::new();
    let mut rest: Vec<&str> =
        catalogue.fields.values().flat_map(|field| &field.classes).map(|class| &**class).collect();
    while let Some(class) = rest.pop() {
        if known.insert(class) {
            rest.extend(catalogue.classes.get(class).into_iter().flatten().map(|parent| &**parent));
        }
    }
    let mut warnings = Vec::new();
    for policy in policies {
        let condition = policy.policy.condition();
        let mut seen = BTreeSet::new();
        for expr in condition.subexpressions() {
            let ExprKind::Lit(Literal::EntityUID(uid)) = expr.expr_kind() else {
                continue;
            };
            let uid = entity_uid(uid);
            if &*uid.entity_type != vocabulary::FIELD_CLASS || known.contains(&*uid.id) || !seen.insert(uid.id.clone())
            {
                continue;
            }
            let message = format!("no field of the catalogue is in the class `{}`", uid.id.escape_debug());
            let mut warning = Diagnostic::new(Severity::Warning, message)
                .with_policy(policy.id.clone())
                .with_help("name a class of the catalogue, or give a field this class");
            if let Some((start, end)) = policy.place(expr.source_loc()) {
                warning = warning.with_place(&policy.file, start, end);
            }
            warnings.push(warning);
        }
    }
    warnings
}
