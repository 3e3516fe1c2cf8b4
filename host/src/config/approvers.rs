//! The part of the configuration that says which users of the machine may answer requests for approvals with the command.

use exportgate_contract::types::SchemaTypes;
use serde::Deserialize;

use super::{GateConfigError, name};
use crate::approvals::ApproverRole;
use crate::gate::Approver;
use crate::job_file::{self, JobFileError};

/// A user of the machine who may answer requests: `[[approvers]]`.
///
/// The operating system has authenticated them; the command asks it who runs it. A tool with an approval page of its own
/// authenticates there, and doesn't need this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApproverConfig {
    /// The number of the user, as `id -u` prints it.
    pub user: u32,
    /// In which role they answer.
    pub role: ApproverRole,
    /// The agent they are, as the `agent` of a job file, in JSON.
    pub agent: String,
}

impl ApproverConfig {
    /// The approver, with what the policies of a module with this schema may read.
    ///
    /// # Security
    ///
    /// For the user who runs this process, as the operating system says, and nobody else.
    ///
    /// # Errors
    ///
    /// [`JobFileError`] when `agent` doesn't fit the schema.
    pub fn authenticated(&self, schema: &SchemaTypes) -> Result<Approver, JobFileError> {
        Ok(Approver::authenticated(job_file::read_agent(schema, &self.agent)?, self.role, []))
    }
}

/// What one of `[[approvers]]` may hold.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileApprover {
    user: u32,
    role: String,
    agent: toml::Table,
}

impl FileApprover {
    pub(super) fn into_config(self) -> Result<ApproverConfig, GateConfigError> {
        let agent = serde_json::to_string(&self.agent).map_err(|error| GateConfigError::Value {
            option: "agent",
            found: error.to_string(),
            expected: "a table as the `agent` of a job file",
        })?;
        let expected = "`supervisor`, `data_owner` or `operator`";
        Ok(ApproverConfig { user: self.user, role: name("role", self.role, expected, ApproverRole::parse)?, agent })
    }
}
