//! Cedar's typechecker: the only module that names it. Gives the typed condition of a policy in one request environment.

use cedar_policy_core::ast;
use cedar_policy_core::validator::typecheck::{PolicyCheck, Typechecker};
use cedar_policy_core::validator::types::{BoolType, RequestEnv, Type as CedarType};
use cedar_policy_core::validator::{ValidationMode, ValidatorSchema};
use exportgate_contract::types::Type;
use exportgate_contract::value::EntityUid;

use crate::frontend::schema::{entity_type_name, entity_uid, value_type};

/// An expression with the type that Cedar gives it in one request environment.
pub(crate) type TypedExpr = ast::Expr<Option<CedarType>>;

/// A request environment: an action with a type of principal and of resource.
pub(crate) struct Environment<'a> {
    pub(crate) action: EntityUid,
    pub(crate) principal: std::sync::Arc<str>,
    pub(crate) resource: std::sync::Arc<str>,
    request: RequestEnv<'a>,
}

/// Every request environment of `schema`, sorted by action, principal type and resource type; Cedar gives them in the
/// order of its hash tables.
pub(crate) fn environments(schema: &ValidatorSchema) -> Vec<Environment<'_>> {
    let mut environments: Vec<Environment<'_>> = schema
        .unlinked_request_envs(ValidationMode::Strict)
        .filter_map(|request| {
            Some(Environment {
                action: entity_uid(request.action_entity_uid()?),
                principal: entity_type_name(request.principal_entity_type()?),
                resource: entity_type_name(request.resource_entity_type()?),
                request,
            })
        })
        .collect();
    environments.sort_by(|a, b| (&a.action, &a.principal, &a.resource).cmp(&(&b.action, &b.principal, &b.resource)));
    environments
}

/// The condition of `policy`, scope included, with types. What Cedar never typed, because it knows that it is never
/// evaluated, isn't in it.
///
/// # Errors
///
/// None when the policy doesn't typecheck, which strict validation should have said before, or when the typechecker ran
/// out of stack, about which validation says nothing.
pub(crate) fn typed_condition(
    schema: &ValidatorSchema,
    policy: &ast::Policy,
    environment: &Environment<'_>,
) -> Option<TypedExpr> {
    let request = environment.request.clone().link_slot_env(policy.env());
    let checker = Typechecker::new(schema, ValidationMode::Strict);
    match checker.typecheck_by_single_request_env(policy.template(), &request) {
        PolicyCheck::Success(expr) => Some(expr),
        // CEDAR: a policy that is never satisfied here can still err; only errors of typing make it unusable.
        PolicyCheck::Irrelevant(errors, expr) => errors.is_empty().then_some(expr),
        PolicyCheck::Fail(_) => None,
    }
}

/// The type of an expression; none for one that a strictly valid policy can't have.
pub(crate) fn type_of(expr: &TypedExpr) -> Option<Type> {
    expr.data().as_ref().and_then(value_type)
}

/// The truth value that an expression has whenever it doesn't err, when Cedar's types say so.
pub(crate) fn decided(expr: &TypedExpr) -> Option<bool> {
    match expr.data() {
        Some(CedarType::Bool(BoolType::True)) => Some(true),
        Some(CedarType::Bool(BoolType::False)) => Some(false),
        _ => None,
    }
}
