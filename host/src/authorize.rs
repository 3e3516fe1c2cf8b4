//! Answers one Cedar request: the layer below exports, for any schema.

use std::sync::{Arc, LazyLock};

use exportgate_contract::manifest::{ContextBinding, Question};
use exportgate_contract::value::Value;

use crate::ask::Session;
use crate::customers::Customers;
use crate::entities::Entities;
use crate::error::EvaluateError;
use crate::frame::cells::Datum;
use crate::frame::sheet::Sheet;
use crate::inputs::{Inputs, Source};
use crate::module::Module;
use crate::plan::position;
use crate::request::{Request, Response};
use crate::trace::Exchange;
use crate::workspace::share;

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
        let asking = Asking::new(self, request)?;
        asking.with_inputs(request, entities, |inputs| session.ask(asking.sheet, &[asking.question], inputs))??;
        let mut response = Response::empty();
        write_response(self, session, &mut response)?;
        Ok(response)
    }
}

/// The question that a request is.
pub(crate) struct Asking<'m> {
    pub(crate) question: u32,
    pub(crate) sheet: &'m Sheet,
    asked: &'m Question,
    inputs: usize,
}

impl<'m> Asking<'m> {
    /// # Errors
    ///
    /// [`EvaluateError::UnknownEnvironment`] when the module has no such question.
    pub(crate) fn new(module: &'m Module, request: &Request) -> Result<Self, EvaluateError> {
        let plan = module.plan();
        let found =
            plan.question(&request.action, &request.principal.entity_type, &request.resource.entity_type).and_then(
                |question| Some((question, plan.manifest.questions.get(position(question))?, plan.sheet(question)?)),
            );
        let (question, asked, sheet) = found.ok_or_else(|| EvaluateError::UnknownEnvironment {
            action: request.action.clone(),
            principal: request.principal.entity_type.clone(),
            resource: request.resource.entity_type.clone(),
        })?;
        Ok(Self { question, sheet, asked, inputs: plan.manifest.inputs.len() })
    }

    /// Calls `ask` with what the request is about.
    ///
    /// # Errors
    ///
    /// [`EvaluateError::Context`] when the context isn't a record.
    pub(crate) fn with_inputs<R>(
        &self,
        request: &Request,
        entities: &Entities,
        ask: impl FnOnce(&Inputs<'_>) -> R,
    ) -> Result<R, EvaluateError> {
        let sources = sources(self.inputs, self.asked, request)?;
        Ok(ask(&Inputs {
            sources: &sources,
            entities,
            job: None,
            customers: no_customers(),
            fields: &[],
            fixed: None,
            agent: None,
            single: true,
        }))
    }
}

/// Writes what `session` was answered to one request.
///
/// # Errors
///
/// [`EvaluateError::Internal`] when it wasn't.
pub(crate) fn write_response(
    module: &Module,
    session: &Session<'_>,
    response: &mut Response,
) -> Result<(), EvaluateError> {
    let (plan, answers) = (module.plan(), session.answers());
    let point = answers.points(0).and_then(|points| points.first()).copied();
    let outcome = point.and_then(|point| answers.outcome(point));
    let outcome =
        outcome.ok_or_else(|| EvaluateError::Internal { message: "a request without an answer".to_owned() })?;
    let id = |policy: u32| plan.policy_ids.get(position(policy));
    response.decision = outcome.decide(plan);
    refill(&mut response.determining, outcome.determining(plan).filter_map(id));
    refill(&mut response.erring, outcome.erring.iter().copied().filter_map(id));
    Ok(())
}

fn refill<'i>(list: &mut Vec<Arc<str>>, ids: impl Iterator<Item = &'i Arc<str>>) {
    let mut filled = 0;
    for id in ids {
        match list.get_mut(filled) {
            Some(known) => share(known, id),
            None => list.push(id.clone()),
        }
        filled += 1;
    }
    list.truncate(filled);
}

/// The customers of a request, which is about none.
fn no_customers() -> &'static Customers {
    static NONE: LazyLock<Customers> = LazyLock::new(Customers::default);
    &NONE
}

/// Where each input comes from when one request is all there is.
fn sources<'a>(inputs: usize, question: &Question, request: &'a Request) -> Result<Vec<Source<'a>>, EvaluateError> {
    let context = &request.context;
    let Value::Record(attributes) = context else { return Err(EvaluateError::Context { found: context.kind() }) };
    let mut sources = vec![Source::Absent; inputs];
    let mut put = |input: u32, value: Datum<'a>| {
        if let Some(source) = sources.get_mut(position(input)) {
            *source = Source::Value(value);
        }
    };
    put(question.binding.principal, Datum::Entity((&request.principal).into()));
    put(question.binding.resource, Datum::Entity((&request.resource).into()));
    match &question.binding.context {
        ContextBinding::Whole(input) => put(*input, context.into()),
        ContextBinding::Attributes(bound) => {
            for (name, input) in bound {
                if let Some(value) = attributes.get(name) {
                    put(*input, value.into());
                }
            }
        }
    }
    Ok(sources)
}
