//! Requests whose facts are resolved: asked again and again without looking anything up.

use std::time::{Duration, Instant};

use crate::ask::build_frame;
use crate::authorize::{Asking, write_response};
use crate::entities::Entities;
use crate::error::EvaluateError;
use crate::module::Module;
use crate::request::{Request, Response};

/// A request with its facts, for who asks the same again and again.
///
/// It answers from the facts as they were when it was prepared. How long that may be is the caller's to say, and no longer
/// than whoever changes a fact may wait for it to count: don't prepare what may be revoked.
///
/// ```
/// # fn example(module: &exportgate::Module, request: &exportgate::Request, entities: &exportgate::Entities)
/// # -> Result<(), exportgate::EvaluateError> {
/// use std::time::Duration;
///
/// let prepared = module.prepare(request, entities, Duration::from_secs(1))?;
/// let mut response = prepared.authorize()?;
/// // Again, in the room of the first answer.
/// prepared.authorize_into(&mut response)?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct PreparedRequest {
    module: Module,
    question: u32,
    frame: Vec<u64>,
    since: Instant,
    max_age: Duration,
}

impl Module {
    /// Resolves the facts of a request, to be answered from for `max_age` at most.
    ///
    /// # Errors
    ///
    /// As [`Module::authorize`], but for what a guest can do wrong: nothing of it runs.
    pub fn prepare(
        &self,
        request: &Request,
        entities: &Entities,
        max_age: Duration,
    ) -> Result<PreparedRequest, EvaluateError> {
        let since = Instant::now();
        let asking = Asking::new(self, request)?;
        let frame = asking
            .with_inputs(request, entities, |inputs| build_frame(self, asking.sheet, asking.question, inputs))??;
        Ok(PreparedRequest { module: self.clone(), question: asking.question, frame, since, max_age })
    }
}

impl PreparedRequest {
    /// Answers the request, as [`Module::authorize`] did or would have when it was prepared.
    ///
    /// # Errors
    ///
    /// [`EvaluateError::Outdated`] when the facts are older than they may be; whatever a guest can do wrong.
    pub fn authorize(&self) -> Result<Response, EvaluateError> {
        let mut response = Response::empty();
        self.authorize_into(&mut response)?;
        Ok(response)
    }

    /// As [`PreparedRequest::authorize`], in the room of an earlier response: nothing of that stays, and asking again
    /// allocates nothing. After an error it is a denial without policies.
    ///
    /// # Errors
    ///
    /// As [`PreparedRequest::authorize`].
    pub fn authorize_into(&self, response: &mut Response) -> Result<(), EvaluateError> {
        let asked = self.ask(response);
        if asked.is_err() {
            *response = Response::empty();
        }
        asked
    }

    fn ask(&self, response: &mut Response) -> Result<(), EvaluateError> {
        if self.since.elapsed() > self.max_age {
            return Err(EvaluateError::Outdated { max_age_ms: self.max_age.as_millis() });
        }
        let mut session = self.module.session()?;
        session.ask_frame(self.question, &self.frame)?;
        write_response(&self.module, &session, response)
    }
}
