//! A Cedar request and what is answered to it.

use std::sync::Arc;

use exportgate_contract::value::{EntityUid, Value};

/// One question in Cedar's words: may this principal do this action on this resource, in this context?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Who asks.
    pub principal: EntityUid,
    /// What they would do.
    pub action: EntityUid,
    /// On what.
    pub resource: EntityUid,
    /// The circumstances: a record.
    pub context: Value,
}

/// What Cedar answers to a [`Request`]: its decision, and the policies behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Allow when a permit was satisfied and no forbid was, else deny.
    pub decision: RequestDecision,
    /// The policies that determined it, in the order of the module's manifest: the satisfied forbids of a denial, the
    /// satisfied permits of an allowance; none when nothing was satisfied.
    pub determining: Vec<Arc<str>>,
    /// The policies whose evaluation erred, in the order of the module's manifest. Cedar skips these; whoever wants an
    /// erring policy to mean a denial (as the gate does) looks here.
    pub erring: Vec<Arc<str>>,
}

impl Response {
    /// A denial by no policy, to be filled.
    pub fn empty() -> Self {
        Self { decision: RequestDecision::Deny, determining: Vec::new(), erring: Vec::new() }
    }
}

/// Cedar's decision on one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RequestDecision {
    /// At least one permit is satisfied, and no forbid.
    Allow,
    /// Anything else.
    Deny,
}
