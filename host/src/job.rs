//! A job: one request to export, as the support tool states it.

use std::fmt;
use std::sync::Arc;

use exportgate_contract::limits::ID_BYTES_MAX;
use exportgate_contract::value::{EntityUid, Value};
use exportgate_contract::vocabulary::AGENT;

use crate::approvals::Approvals;
use crate::gate::PreparedAgent;
use crate::{Customers, Entities};

/// One request to export: this agent, these fields, these customers.
///
/// The tool that makes it states the facts about agent, customers and tickets, and has its own reasons to believe them.
/// It doesn't state the time, what was used, tallies, or which class a field has: the gate does.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its id: the same job asked again has the same id.
    pub id: Arc<str>,
    /// Who asks: an entity of type `Export::Agent` that [`Job::entities`] holds.
    pub agent: EntityUid,
    /// The names of the fields, as the catalogue of the policy pack has them.
    pub fields: Arc<[Arc<str>]>,
    /// The customers.
    pub customers: Customers,
    /// What the tool states about purpose, channel, destination, device and network: `context.env`, a record.
    pub env: Value,
    /// Who approved exactly this job, for [`Gate::evaluate`](crate::Gate::evaluate). [`Gate::ask`](crate::Gate::ask) takes
    /// approvals from the ledger alone, and refuses a job that states any.
    pub approvals: Approvals,
    /// The agent, with roles, teams and vendors, tickets, destinations, and whatever else policies read of entities.
    /// Customers of the job don't belong here.
    pub entities: Arc<Entities>,
    /// The agent, prepared by [`Gate::prepare_agent`](crate::Gate::prepare_agent) for all of its jobs; none where nothing was.
    pub prepared_agent: Option<PreparedAgent>,
}

/// What is wrong with a job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// An id can't be one.
    #[error("the id of the {what} {problem}")]
    Id {
        /// Whose id it is.
        what: &'static str,
        /// What is wrong with it.
        problem: IdProblem,
    },
    /// The agent isn't an entity of the type of agents.
    #[error("the agent is of type `{found}`, expected `{AGENT}`")]
    AgentType {
        /// The type it has.
        found: Arc<str>,
    },
    /// The agent isn't among the entities.
    #[error("agent `{agent}` isn't among the job's entities")]
    AgentMissing {
        /// The agent.
        agent: EntityUid,
    },
    /// The job asks for no customers.
    #[error("the job asks for no customers")]
    NoCustomers,
    /// The job asks for no fields.
    #[error("the job asks for no fields")]
    NoFields,
    /// The job asks for more customers than the gate's configuration allows.
    #[error("the job asks for {found} customers, at most {max} are allowed")]
    TooManyCustomers {
        /// How many it asks for.
        found: usize,
        /// How many it may.
        max: usize,
    },
    /// The job asks for more fields than the gate's configuration allows.
    #[error("the job asks for {found} fields, at most {max} are allowed")]
    TooManyFields {
        /// How many it asks for.
        found: usize,
        /// How many it may.
        max: usize,
    },
    /// The job names a field twice.
    #[error("field `{field}` is named twice")]
    DuplicateField {
        /// The field.
        field: Arc<str>,
    },
    /// The job names fields that the catalogue of a module doesn't have.
    #[error("the catalogue of module `{module}` has no {}", Names(fields))]
    UnknownFields {
        /// The name of the module's pack.
        module: Arc<str>,
        /// The fields, in the order of the job.
        fields: Vec<Arc<str>>,
    },
    /// The entities hold something that only the gate may state.
    #[error("the job's entities hold `{entity_type}`, which the gate alone states")]
    GateOnly {
        /// The type of the entity.
        entity_type: &'static str,
    },
    /// `env` isn't a record.
    #[error("`env` must be a record, found a {found}")]
    EnvNotRecord {
        /// What it is.
        found: &'static str,
    },
    /// Windows of destinations are counted, and the job names none.
    #[error("`env.destination` must be an entity of type `Export::Destination`: what goes there is counted")]
    NoDestination,
    /// The job states approvals, and is asked.
    #[error("the job states approvals; of a job that is asked they are taken from the ledger")]
    StatedApprovals,
    /// The agent approved its own job.
    #[error("agent `{agent}` can't approve its own job")]
    SelfApproval {
        /// The agent.
        agent: EntityUid,
    },
}

/// What is wrong with an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdProblem {
    /// It is empty.
    Empty,
    /// It is longer than [`ID_BYTES_MAX`].
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// It holds control characters.
    Control {
        /// The id, with these characters escaped.
        id: String,
    },
}

impl fmt::Display for IdProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("is empty"),
            Self::TooLong { bytes } => write!(f, "has {bytes} bytes, at most {ID_BYTES_MAX} are allowed"),
            Self::Control { id } => write!(f, "holds control characters: `{id}`"),
        }
    }
}

/// Unknown fields as a message lists them: at most five, and how many more.
struct Names<'a>(&'a [Arc<str>]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMED_MAX: usize = 5;
        f.write_str(if self.0.len() == 1 { "field " } else { "fields " })?;
        for (i, name) in self.0.iter().take(NAMED_MAX).enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}`{}`", name.escape_debug())?;
        }
        match self.0.len().checked_sub(NAMED_MAX) {
            None | Some(0) => Ok(()),
            Some(more) => write!(f, " and {more} more"),
        }
    }
}

/// How much one job may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Caps {
    pub(crate) customers_max: usize,
    pub(crate) fields_max: usize,
}

impl Job {
    /// Checks what can be checked without a module, before anything runs, the approvals given for it included. The catalogue looks at the fields' names.
    pub(crate) fn check(&self, caps: Caps, approvals: &Approvals) -> Result<(), JobError> {
        check_id("job", &self.id)?;
        check_id("agent", &self.agent.id)?;
        if &*self.agent.entity_type != AGENT {
            return Err(JobError::AgentType { found: self.agent.entity_type.clone() });
        }
        if self.customers.is_empty() {
            return Err(JobError::NoCustomers);
        }
        if self.customers.len() > caps.customers_max {
            return Err(JobError::TooManyCustomers { found: self.customers.len(), max: caps.customers_max });
        }
        if self.fields.is_empty() {
            return Err(JobError::NoFields);
        }
        if self.fields.len() > caps.fields_max {
            return Err(JobError::TooManyFields { found: self.fields.len(), max: caps.fields_max });
        }
        self.check_duplicate_fields()?;
        if !matches!(self.env, Value::Record(_)) {
            return Err(JobError::EnvNotRecord { found: self.env.kind() });
        }
        if self.entities.entity(&self.agent).is_none() {
            return Err(JobError::AgentMissing { agent: self.agent.clone() });
        }
        if let Some(entity_type) = self.entities.gate_only() {
            return Err(JobError::GateOnly { entity_type });
        }
        if approvals.each().iter().any(|approval| approval.by == self.agent) {
            return Err(JobError::SelfApproval { agent: self.agent.clone() });
        }
        Ok(())
    }

    fn check_duplicate_fields(&self) -> Result<(), JobError> {
        let twice = |field: &Arc<str>| Err(JobError::DuplicateField { field: field.clone() });
        if self.fields.len() <= FEW_FIELDS {
            // Compared with those before, without a list of their own.
            for (place, field) in self.fields.iter().enumerate() {
                if self.fields.iter().take(place).any(|earlier| earlier == field) {
                    return twice(field);
                }
            }
            return Ok(());
        }
        let mut sorted: Vec<&Arc<str>> = self.fields.iter().collect();
        sorted.sort_unstable();
        match sorted.iter().zip(sorted.iter().skip(1)).find(|(a, b)| a == b) {
            Some((field, _)) => twice(field),
            None => Ok(()),
        }
    }
}

/// Up to so many fields are compared each with each, which is faster than to sort them.
const FEW_FIELDS: usize = 24;

/// Whether a text holds control characters; quick where it is ASCII.
fn has_control(text: &str) -> bool {
    if text.is_ascii() { text.bytes().any(|byte| byte.is_ascii_control()) } else { text.chars().any(char::is_control) }
}

fn check_id(what: &'static str, id: &str) -> Result<(), JobError> {
    let problem = if id.is_empty() {
        IdProblem::Empty
    } else if id.len() > ID_BYTES_MAX {
        IdProblem::TooLong { bytes: id.len() }
    } else if has_control(id) {
        IdProblem::Control { id: id.escape_debug().to_string() }
    } else {
        return Ok(());
    };
    Err(JobError::Id { what, problem })
}
