//! What an ask gives: a decision, and with an allowance a permit, to be used once before anything leaves.

use std::fmt;
use std::sync::Arc;

use exportgate_contract::obligation::Fallback;
use exportgate_ledger::LedgerError;

use crate::decision::Decision;
use crate::hex::{hex, unhex};

/// The answer to [`Gate::ask`](crate::Gate::ask).
#[derive(Debug)]
pub struct Answer {
    /// What was decided. Show the agent [`Decision::for_agent`].
    pub decision: Decision,
    /// The permit; there is one exactly when the decision is an allowance.
    pub permit: Option<Permit>,
    /// What was missing when the decision was made: with the store down nothing was written yet, and the gate keeps the
    /// job in memory until the store is back. None when nothing was missing.
    pub without: Option<Fallback>,
}

impl Answer {
    pub(crate) fn without_permit(decision: Decision) -> Self {
        Self { decision, permit: None, without: None }
    }
}

/// The right to release what one job was allowed, once, until it expires.
///
/// [`Gate::use_permit`](crate::Gate::use_permit) takes it, right before the first byte leaves. It is bound to the job's
/// content, the customers that were included, and the modules (with their catalogues) that decided: another job, a gate with
/// other modules or a revoked agent can't use it.
///
/// As text it can be handed to another process: `permit.to_string()`, [`Permit::parse`]. It holds no secret: who may write
/// to the ledger could make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permit {
    pub(crate) job: Arc<str>,
    /// The digest of the job's content and of the customers that were included.
    pub(crate) content: [u8; 32],
    pub(crate) expires_ms: i64,
}

impl Permit {
    /// The id of the job.
    pub fn job(&self) -> &str {
        &self.job
    }

    /// When it expires, in milliseconds since 1970. The reservation doesn't: what isn't answered counts as consumed.
    pub fn expires_ms(&self) -> i64 {
        self.expires_ms
    }

    /// The permit that `text` shows; none when it isn't one.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, ':');
        if parts.next()? != VERSION {
            return None;
        }
        let content = unhex(parts.next()?)?;
        let expires_ms = parts.next()?.parse().ok()?;
        let job = parts.next().filter(|job| !job.is_empty() && !job.chars().any(char::is_control))?;
        Some(Self { job: job.into(), content, expires_ms })
    }
}

/// How the text of a permit begins.
const VERSION: &str = "permit1";

impl fmt::Display for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{VERSION}:{}:{}:{}", hex(&self.content), self.expires_ms, self.job)
    }
}

/// What of a job left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left<'a> {
    /// All customers that the decision included.
    All,
    /// These customers, by the ids that the job had; none of them when it is empty, which is how a release that was given
    /// up is committed.
    Only(&'a [Arc<str>]),
}

/// Why a permit can't be used, or a job not be committed or cancelled. Release nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PermitError {
    /// The gate has no ledger.
    #[error("the gate has no ledger, so it gave no permit")]
    NoLedger,
    /// The gate's modules, or the job itself, aren't those that the permit was given for.
    #[error("the permit of job `{job}` was given for other content, or by other modules")]
    Changed {
        /// The id of the job.
        job: Arc<str>,
    },
    /// The ledger refuses it, or fails.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl PermitError {
    /// What to do about it, in one sentence.
    pub fn help(&self) -> &'static str {
        match self {
            Self::NoLedger => "make the gate with `Gate::with_ledger`",
            Self::Changed { .. } => "cancel the job, and ask again under a new id",
            Self::Ledger(error) => error.help(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permits_are_read_as_they_are_written() {
        let permit = Permit { job: "job:1 é".into(), content: [7; 32], expires_ms: -5 };
        assert_eq!(Permit::parse(&permit.to_string()), Some(permit));
        let text = Permit { job: "j".into(), content: [7; 32], expires_ms: 5 }.to_string();
        for wrong in
            ["", "permit1", &text.replace("permit1", "permit2"), &text.replace("07", "7"), &text.replace(":5:", ":x:")]
        {
            assert_eq!(Permit::parse(wrong), None, "{wrong}");
        }
        assert_eq!(Permit::parse(text.trim_end_matches('j')), None);
    }
}
