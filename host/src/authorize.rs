//! Answers one Cedar request: the layer below exports, for any schema.

use std::sync::Arc;

use exportgate_contract::manifest::{ContextBinding, Question};
use exportgate_contract::value::Value;

use crate::answer::Outcome;
use crate::ask::Session;
use crate::customers::Customers;
use crate::entities::Entities;
use crate::error::EvaluateError;
use crate::inputs::{Inputs, Source};
use crate::module::Module;
use crate::request::{Request, Response};
use crate::trace::Exchange;

impl Module {
    /// Answers one request as Cedar would: same decision, same determining and erring policies.
    ///
    /// The action's groups come from the module's schema, and, in a pack with a field catalogue, all that is known of fields
    /// and their classes from the catalogue, whatever `entities` says of them.
    ///
    /// # Errors
    ///
    /// [`EvaluateError::UnknownEnvironment`] when the module answers no such question, [`EvaluateError::Context`] when the
    /// context isn't a record, [`EvaluateError::FactType`] when a value that a policy reads isn't of the schema's type, and
    /// whatever a guest can do wrong.
    pub fn authorize(&self, request: &Request, entities: &Entities) -> Result<Response, EvaluateError> {
        self.authorize_in(&mut self.session()?, request, entities)
    }

    /// As [`Module::authorize`], with what went into the guest and what came out: to hold the same module against another
    /// component runtime, and to look at a frame.
    ///
    /// # Errors
    ///
    /// As [`Module::authorize`].
    pub fn authorize_traced(
        &self,
        request: &Request,
        entities: &Entities,
    ) -> Result<(Response, Vec<Exchange>), EvaluateError> {
        let mut session = self.session()?.traced();
        let response = self.authorize_in(&mut session, request, entities)?;
        Ok((response, session.into_trace()))
    }

    fn authorize_in(
        &self,
        session: &mut Session<'_>,
        request: &Request,
        entities: &Entities,
    ) -> Result<Response, EvaluateError> {
        let plan = self.plan();
        let unknown = || EvaluateError::UnknownEnvironment {
            action: request.action.clone(),
            principal: request.principal.entity_type.clone(),
            resource: request.resource.entity_type.clone(),
        };
        let id = plan
            .question(&request.action, &request.principal.entity_type, &request.resource.entity_type)
            .ok_or_else(unknown)?;
        let question = usize::try_from(id).ok().and_then(|id| plan.manifest.questions.get(id)).ok_or_else(unknown)?;
        let (principal, resource) = (Value::Entity(request.principal.clone()), Value::Entity(request.resource.clone()));
        let inputs = Inputs {
            sources: sources(plan.manifest.inputs.len(), question, &principal, &resource, &request.context)?,
            entities,
            own: &[],
            customers: &Customers::default(),
            fields: &[],
            single: true,
        };
        let mut answers = session.ask(&[id], &inputs)?;
        let point = answers.points.first().and_then(|points| points.first()).copied();
        let outcome =
            point.and_then(|point| usize::try_from(point).ok()).filter(|point| *point < answers.outcomes.len());
        let outcome = outcome.map(|outcome| answers.outcomes.swap_remove(outcome));
        let outcome =
            outcome.ok_or_else(|| EvaluateError::Internal { message: "a request without an answer".to_owned() })?;
        Ok(self.response(&outcome))
    }

    fn response(&self, outcome: &Outcome) -> Response {
        let plan = self.plan();
        let ids = |policies: &[u32]| -> Vec<Arc<str>> {
            policies.iter().filter_map(|policy| plan.policy_ids.get(usize::try_from(*policy).ok()?).cloned()).collect()
        };
        Response {
            decision: outcome.decide(plan),
            determining: ids(&outcome.determining(plan)),
            erring: ids(&outcome.erring),
        }
    }
}

/// Where each input comes from when one request is all there is.
fn sources<'a>(
    inputs: usize,
    question: &Question,
    principal: &'a Value,
    resource: &'a Value,
    context: &'a Value,
) -> Result<Vec<Source<'a>>, EvaluateError> {
    let Value::Record(attributes) = context else { return Err(EvaluateError::Context { found: context.kind() }) };
    let mut sources = vec![Source::Absent; inputs];
    let mut put = |input: u32, value: &'a Value| {
        if let Some(source) = usize::try_from(input).ok().and_then(|input| sources.get_mut(input)) {
            *source = Source::Value(value);
        }
    };
    put(question.binding.principal, principal);
    put(question.binding.resource, resource);
    match &question.binding.context {
        ContextBinding::Whole(input) => put(*input, context),
        ContextBinding::Attributes(bound) => {
            for (name, input) in bound {
                if let Some(value) = attributes.get(name) {
                    put(*input, value);
                }
            }
        }
    }
    Ok(sources)
}
