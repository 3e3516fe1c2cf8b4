//! What an item for review says: who took how many, and which policies permitted it. It names no customer.

use serde::{Deserialize, Serialize};

use crate::decision::Decision;
use crate::job::Job;

/// The text of an item for review.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ReviewText {
    pub(super) agent: String,
    customers: usize,
    policies: Vec<String>,
}

impl ReviewText {
    pub(super) fn of(job: &Job, decision: &Decision) -> Self {
        Self {
            agent: job.agent.id.to_string(),
            customers: decision.customers_included(),
            policies: decision.determining().map(|policy| policy.id().to_owned()).collect(),
        }
    }

    /// What the ledger kept; none when somebody else wrote it.
    pub(super) fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}
