//! What a policy engine is to a test: something that answers the requests of a case.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::case::CaseRequest;

/// Cedar's decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// Allowed.
    Allow,
    /// Denied.
    Deny,
}

/// What is compared: never less than this.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Answer {
    /// The decision.
    pub decision: Decision,
    /// The ids of the policies that determined it.
    pub determining: BTreeSet<String>,
    /// The ids of the policies that erred.
    pub erring: BTreeSet<String>,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} by {:?}, erring {:?}", self.decision, self.determining, self.erring)
    }
}

/// Something that answers the requests of a case.
pub trait PolicyEngine {
    /// Its name, for messages.
    fn name(&self) -> &'static str;

    /// Answers one request.
    ///
    /// # Errors
    ///
    /// What kept it from answering; in a comparison that is a mismatch.
    fn authorize(&self, request: &CaseRequest) -> Result<Answer, String>;
}
