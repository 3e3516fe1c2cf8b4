//! Agents whose facts are resolved once, for all jobs that they ask for until a stated age.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use exportgate_contract::value::EntityUid;

use super::words::Given;
use super::{Gate, Inner, Loaded};
use crate::customers::Customers;
use crate::decision::Cause;
use crate::entities::Entities;
use crate::error::EvaluateError;
use crate::frame::agent::AgentFacts;
use crate::frame::cells::Datum;
use crate::inputs::{Inputs, Source};
use crate::job::JobError;

/// An agent whose facts are resolved, for who evaluates many jobs of the same agent.
///
/// Up to its age the gate goes by the agent's attributes, tags, roles, teams and vendors as they were when it was prepared,
/// whatever [`Job::entities`](crate::Job::entities) says of them by then; after that, of another agent's job and by another
/// gate, by what the job says. How old it may be is the caller's to say: no longer than whoever changes a role may wait for it
/// to count.
///
/// # Security
///
/// Revocation is never prepared: [`Gate::ask`] reads it in the ledger, each time.
#[derive(Clone)]
pub struct PreparedAgent {
    prepared: Arc<Prepared>,
}

struct Prepared {
    /// The gate's, to tell it from others.
    gate: Arc<Inner>,
    agent: EntityUid,
    since: Instant,
    max_age: Duration,
    /// In the order of the gate's modules.
    modules: Vec<ModuleFacts>,
}

/// What is known of an agent to one module.
#[derive(Debug)]
pub(super) struct ModuleFacts {
    /// Of what the questions of an export read.
    pub(super) all: AgentFacts,
    /// Of what the question whether the job may leave reads by itself.
    pub(super) verdict: AgentFacts,
}

impl Gate {
    /// Resolves what the policies read of `agent` alone, to be gone by for `max_age` at most: put it into
    /// [`Job::prepared_agent`](crate::Job::prepared_agent). `entities` holds the agent, with roles, teams, vendors and
    /// whatever else is read through it.
    ///
    /// # Errors
    ///
    /// For what every job of the agent would be denied: [`Cause::Job`] when the agent isn't among the entities,
    /// [`Cause::Module`] when a value isn't of the schema's type.
    pub fn prepare_agent(
        &self,
        agent: &EntityUid,
        entities: &Entities,
        max_age: Duration,
    ) -> Result<PreparedAgent, Cause> {
        if entities.entity(agent).is_none() {
            return Err(Cause::Job(JobError::AgentMissing { agent: agent.clone() }));
        }
        let since = Instant::now();
        let facts_in = |loaded: &Loaded| {
            loaded.facts_of(agent, entities).map_err(|source| Cause::Module { module: loaded.name.clone(), source })
        };
        let modules = self.inner.modules.iter().map(facts_in).collect::<Result<_, _>>()?;
        let prepared = Prepared { gate: self.inner.clone(), agent: agent.clone(), since, max_age, modules };
        Ok(PreparedAgent { prepared: Arc::new(prepared) })
    }
}

impl Loaded {
    fn facts_of(&self, agent: &EntityUid, entities: &Entities) -> Result<ModuleFacts, EvaluateError> {
        let words = &self.words;
        let sources: Vec<Source<'_>> = words
            .inputs
            .iter()
            .map(|given| match given {
                Given::Agent => Source::Value(Datum::Entity(agent.into())),
                _ => Source::Absent,
            })
            .collect();
        let input = words.inputs.iter().position(|given| *given == Given::Agent);
        let input = input.and_then(|input| u32::try_from(input).ok()).unwrap_or(u32::MAX);
        let customers = Customers::default();
        let inputs = Inputs {
            sources: &sources,
            entities,
            job: None,
            customers: &customers,
            fields: &[],
            fixed: None,
            agent: None,
            single: false,
        };
        let facts = |sheet| AgentFacts::find(self.module.plan(), sheet, input, &inputs);
        Ok(ModuleFacts { all: facts(&words.sheet)?, verdict: facts(&words.export_sheet)? })
    }
}

impl fmt::Debug for PreparedAgent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Prepared { agent, since, max_age, .. } = &*self.prepared;
        let mut shown = f.debug_struct("PreparedAgent");
        shown.field("agent", agent).field("since", since).field("max_age", max_age).finish_non_exhaustive()
    }
}

impl PreparedAgent {
    /// What is known of `agent` to each module of `gate`; none where this was prepared for others, or is too old.
    pub(super) fn facts_for(&self, gate: &Inner, agent: &EntityUid) -> Option<&[ModuleFacts]> {
        let Prepared { gate: its, agent: known, since, max_age, modules } = &*self.prepared;
        let fits = std::ptr::eq(&raw const **its, gate) && known == agent && since.elapsed() <= *max_age;
        fits.then_some(modules)
    }
}
