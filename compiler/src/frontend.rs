//! From a pack to a program: parses, validates strictly, holds an export pack to the vocabulary, and lowers.

mod catalogue;
mod inputs;
mod lower;
mod policies;
pub(crate) mod schema;
mod tables;
pub(crate) mod text;
mod type_size;
mod typed;
pub(crate) mod values;
mod vocabulary;

use cedar_policy_core::ast::ActionConstraint;
use exportgate_contract::limits::QUESTIONS_MAX;
use exportgate_contract::manifest::{Catalogue, Schema as SchemaManifest, Source};
use exportgate_contract::types::{Action, SchemaTypes};
use exportgate_contract::vocabulary::{ACTION, Role, TALLY_GROUP};

use crate::diagnostic::Diagnostic;
use crate::error::{CompileError, CompileErrorKind, CompileErrors};
use crate::frontend::inputs::role;
use crate::frontend::lower::{LowerError, Lowering};
use crate::frontend::policies::PackPolicy;
use crate::frontend::schema::{Schema, entity_uid};
use crate::frontend::tables::Tables;
use crate::frontend::typed::Environment;
use crate::ir::{Expr, PolicyIdx, Program, Question};
use crate::manifest::Origin;
use crate::pack::{Pack, Vocabulary, format_of};

/// Bytes of the stack on which a pack is compiled, 256 MiB, of which only what is used is ever backed by memory: Cedar's
/// parser and the destructors of what it makes recurse as deep as [`text::NESTING_MAX`] and [`text::POLICY_BYTES_MAX`]
/// let them.
pub(crate) const STACK_BYTES: usize = 256 << 20;

/// A pack, lowered, with what its manifest says beside the program.
#[derive(Debug)]
pub(crate) struct Lowered {
    pub(crate) program: Program,
    pub(crate) origin: Origin,
    pub(crate) warnings: Vec<Diagnostic>,
}

/// Runs `work` on a stack that is large enough for it.
pub(crate) fn with_stack<T: Send>(work: impl FnOnce() -> Result<T, CompileErrors> + Send) -> Result<T, CompileErrors> {
    let fault = |message: String| CompileErrors::from(CompileError::new(CompileErrorKind::Internal, message));
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("exportgate-compiler".to_owned())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, work)
            .map_err(|error| fault(format!("no thread to compile on: {error}")))?;
        thread.join().unwrap_or_else(|_| Err(fault("fault of the compiler: it panicked".to_owned())))
    })
}

/// Checks and lowers `pack`. To be called within [`with_stack`].
///
/// # Errors
///
/// All that is wrong with the pack, as far as the first stage that fails: reading, validation, vocabulary, lowering.
pub(crate) fn lower_pack(pack: &Pack) -> Result<Lowered, CompileErrors> {
    let mut errors = Vec::new();
    let mut keep = |found: CompileErrors| errors.extend(found);
    let schema = schema::read_schema(&pack.schema, format_of(&pack.schema)).map_err(&mut keep).ok();
    let read = policies::read_policies(pack).map_err(&mut keep).ok();
    let (Some(schema), Some(read)) = (schema, read) else {
        return Err(CompileErrors::collect(errors).unwrap_or_else(|| internal("an error was lost")));
    };
    let mut warnings = schema.warnings.clone();
    let validated = policies::validate(&schema, &read);
    let policies = read.policies;
    match validated {
        Ok(found) => warnings.extend(found),
        Err(found) => errors.extend(found),
    }
    let catalogue = match pack.vocabulary {
        Vocabulary::None => None,
        Vocabulary::Export => {
            errors.extend(vocabulary::check_schema(&schema.types, &pack.schema));
            errors.extend(vocabulary::check_annotations(&schema.types, &policies));
            match catalogue_of(pack, &schema.types) {
                Ok(catalogue) => {
                    warnings.extend(vocabulary::check_classes(&catalogue, &policies));
                    Some(catalogue)
                }
                Err(found) => {
                    errors.extend(found);
                    None
                }
            }
        }
    };
    CompileErrors::check(errors)?;
    let program = lower_program(pack, &schema, &policies)?;
    let sources = pack
        .sources
        .iter()
        .map(|file| Source { path: file.path().to_owned(), sha256: file.sha256().to_owned() })
        .collect();
    let manifest = SchemaManifest {
        text: pack.schema.text().to_owned(),
        sha256: pack.schema.sha256().to_owned(),
        types: schema.types,
    };
    let origin =
        Origin { name: pack.name.clone(), version: pack.version.clone(), schema: manifest, catalogue, sources };
    Ok(Lowered { program, origin, warnings })
}

fn catalogue_of(pack: &Pack, types: &SchemaTypes) -> Result<Catalogue, CompileErrors> {
    match &pack.catalogue {
        Some(file) => catalogue::read_catalogue(file, types),
        None => {
            let message = "a pack that decides exports needs a field catalogue";
            let help = "write `catalogue = \"fields.toml\"` in `pack.toml`, and the fields in that file";
            Err(CompileError::new(CompileErrorKind::Catalogue, message).with_help(help).into())
        }
    }
}

fn lower_program(pack: &Pack, schema: &Schema, policies: &[PackPolicy]) -> Result<Program, CompileErrors> {
    let mut tables = Tables::default();
    let mut questions = Vec::new();
    let mut errors = Vec::new();
    let environments = typed::environments(&schema.cedar);
    if environments.len() > QUESTIONS_MAX {
        let found = environments.len();
        let message = format!("{found} questions, more than the limit `QUESTIONS_MAX` of {QUESTIONS_MAX}");
        let help = "a question is an action with a type of principal and a type of resource";
        return Err(CompileError::new(CompileErrorKind::Limit, message).with_help(help).into());
    }
    for environment in &environments {
        let Some(action) = schema.types.actions.iter().find(|action| action.uid == environment.action) else {
            return Err(internal("a question about an action that the schema lacks"));
        };
        let question = lower_question(pack, schema, policies, environment, action, &mut tables);
        match question {
            Ok(question) => questions.push(question),
            Err(found) => errors.extend(found),
        }
    }
    CompileErrors::check(errors)?;
    let policies = policies.iter().map(PackPolicy::describe).collect();
    let Tables { symbols, inputs, terms, facts, .. } = tables;
    Ok(Program { policies, symbols, inputs, terms, facts, questions })
}

fn lower_question(
    pack: &Pack,
    schema: &Schema,
    policies: &[PackPolicy],
    environment: &Environment<'_>,
    action: &Action,
    tables: &mut Tables,
) -> Result<Question, CompileErrors> {
    let (binding, given) =
        inputs::bind(tables, pack.vocabulary, action, &environment.principal).map_err(|error| error.into_parts().1)?;
    let counts_only = matches!(role(pack.vocabulary, action), Some(Role::Tally(_)));
    let mut conditions = Vec::new();
    let mut errors = Vec::new();
    for (idx, policy) in policies.iter().enumerate() {
        if !may_apply(policy, action) || (counts_only && !names_tally(policy)) {
            continue;
        }
        let mut lowering = Lowering {
            tables: &mut *tables,
            schema: &schema.types,
            action,
            principal: &environment.principal,
            resource: &environment.resource,
            binding: &binding,
            given: &given,
            slots: policy.policy.env(),
            copied: 0,
        };
        let lowered = typed::typed_condition(&schema.cedar, &policy.policy, environment)
            .ok_or_else(|| LowerError::internal("a policy passed validation but has no types"))
            .and_then(|condition| lowering.lower_condition(&condition));
        match (lowered, u32::try_from(idx)) {
            (Ok(Expr::Bool(false)), _) => {}
            (Ok(condition), Ok(idx)) => conditions.push((PolicyIdx(idx), condition)),
            (Ok(_), Err(_)) => return Err(internal("more policies than numbers")),
            (Err(error), _) => {
                let (place, error) = error.into_parts();
                errors.push(policy.locate(error, place.as_ref()));
            }
        }
    }
    CompileErrors::check(errors)?;
    Ok(Question {
        action: environment.action.clone(),
        principal: environment.principal.clone(),
        resource: environment.resource.clone(),
        binding,
        given,
        guards: Vec::new(),
        lookups: Vec::new(),
        conditions,
    })
}

/// Whether the scope of the policy lets it apply to the action. Scopes can't err, so a policy whose scope excludes the
/// action neither applies nor errs.
fn may_apply(policy: &PackPolicy, action: &Action) -> bool {
    match policy.policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(uid) => entity_uid(uid) == action.uid,
        ActionConstraint::In(uids) => {
            uids.iter().map(|uid| entity_uid(uid)).any(|uid| uid == action.uid || action.groups.contains(&uid))
        }
    }
}

/// Whether the action scope of the policy names a tally action or the group of them: only such policies count.
fn names_tally(policy: &PackPolicy) -> bool {
    policy.policy.action_constraint().iter_euids().map(entity_uid).any(|uid| {
        &*uid.entity_type == ACTION
            && (&*uid.id == TALLY_GROUP
                || matches!(exportgate_contract::vocabulary::role(&uid.id), Some(Role::Tally(_))))
    })
}

fn internal(message: &str) -> CompileErrors {
    CompileError::new(CompileErrorKind::Internal, format!("fault of the compiler: {message}")).into()
}
