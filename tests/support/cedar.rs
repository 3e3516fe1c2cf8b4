//! The oracle: the `cedar-policy` crate itself.

use cedar_policy::{
    AuthorizationError, Authorizer, Context, Decision as CedarDecision, Entities, EntityId, EntityTypeName, EntityUid,
    PolicyId, PolicySet, Request, Schema, ValidationMode, Validator,
};

use crate::case::{Case, CaseRequest, Uid, ids};
use crate::engine::{Answer, Decision, PolicyEngine};

/// cedar-policy with the policies, schema and entities of a case.
pub struct CedarReference {
    policies: PolicySet,
    schema: Schema,
    entities: Entities,
    authorizer: Authorizer,
}

impl CedarReference {
    /// Parses the texts of a case; policies are named by `@id` where they have one.
    ///
    /// # Errors
    ///
    /// Cedar's own message when a text doesn't parse, or doesn't fit the schema.
    pub fn new(schema: &str, policies: &str, entities: &str) -> Result<Self, String> {
        let (schema, _warnings) = Schema::from_cedarschema_str(schema).map_err(|e| format!("{e:?}"))?;
        let policies = name_by_annotation(&policies.parse::<PolicySet>().map_err(|e| format!("{e:?}"))?)?;
        let entities = Entities::from_json_str(entities, Some(&schema)).map_err(|e| format!("{e:?}"))?;
        Ok(Self { policies, schema, entities, authorizer: Authorizer::new() })
    }

    /// As [`CedarReference::new`], from a case.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn of(case: &Case) -> Result<Self, String> {
        Self::new(&case.schema, &case.policies, &case.entities)
    }

    /// Whether the policies are strictly valid, else Cedar's messages.
    ///
    /// # Errors
    ///
    /// The validator's messages.
    pub fn validate(&self) -> Result<(), String> {
        let result = Validator::new(self.schema.clone()).validate(&self.policies, ValidationMode::Strict);
        if result.validation_passed() {
            return Ok(());
        }
        Err(result.validation_errors().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }

    /// The policies, named.
    pub fn policies(&self) -> &PolicySet {
        &self.policies
    }

    /// The schema.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Asks Cedar with entities other than the case's own.
    pub fn ask(&self, request: &Request, entities: &Entities) -> Answer {
        self.ask_of(&self.policies, request, entities)
    }

    /// Asks Cedar with some of the policies.
    pub fn ask_of(&self, policies: &PolicySet, request: &Request, entities: &Entities) -> Answer {
        let response = self.authorizer.is_authorized(request, policies, entities);
        Answer {
            decision: match response.decision() {
                CedarDecision::Allow => Decision::Allow,
                CedarDecision::Deny => Decision::Deny,
            },
            determining: ids(response.diagnostics().reason()),
            erring: ids(response.diagnostics().errors().map(|error| match error {
                AuthorizationError::PolicyEvaluationError(error) => error.policy_id(),
            })),
        }
    }

    fn request(&self, request: &CaseRequest) -> Result<Request, String> {
        let action = uid(&request.action)?;
        let context = Context::from_json_value(request.context.clone(), Some((&self.schema, &action)))
            .map_err(|e| format!("{e:?}"))?;
        let schema = request.validate_request.then_some(&self.schema);
        Request::new(uid(&request.principal)?, action, uid(&request.resource)?, context, schema)
            .map_err(|e| format!("{e:?}"))
    }
}

impl PolicyEngine for CedarReference {
    fn name(&self) -> &'static str {
        "cedar-policy"
    }

    fn authorize(&self, request: &CaseRequest) -> Result<Answer, String> {
        Ok(self.ask(&self.request(request)?, &self.entities))
    }
}

/// A uid from its parts, whatever characters the id has.
///
/// # Errors
///
/// Cedar's message when the type is no name.
pub fn uid(uid: &Uid) -> Result<EntityUid, String> {
    let ty: EntityTypeName = uid.ty.parse().map_err(|e| format!("`{}`: {e}", uid.ty))?;
    Ok(EntityUid::from_type_name_and_id(ty, EntityId::new(&uid.id)))
}

fn name_by_annotation(policies: &PolicySet) -> Result<PolicySet, String> {
    let mut named = PolicySet::new();
    for template in policies.templates() {
        named.add_template(template.clone()).map_err(|e| e.to_string())?;
    }
    for policy in policies.policies() {
        let policy = match policy.annotation("id") {
            Some(id) => policy.new_id(PolicyId::new(id)),
            None => policy.clone(),
        };
        named.add(policy).map_err(|e| e.to_string())?;
    }
    Ok(named)
}
