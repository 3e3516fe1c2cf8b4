//! Requests for approvals and their answers: who may answer is asked of the policies, and what is answered is kept in the
//! ledger, bound to the content of one job.

use std::collections::BTreeMap;
use std::sync::Arc;

use exportgate_contract::limits::ID_BYTES_MAX;
use exportgate_contract::value::{EntityUid, Value};
use exportgate_contract::vocabulary::{ACTION, AGENT, JOB, JOB_REQUESTER};
use exportgate_ledger::{End, LedgerError, NewAnswer, NewRequest, On, Request as Stored, Transaction};
use serde::{Deserialize, Serialize};

use super::Gate;
use super::review::ReviewText;
use crate::approvals::{ApproverRole, JobDigest, stated};
use crate::entities::{Entities, EntitiesError, Entity};
use crate::error::EvaluateError;
use crate::job::{Job, JobError};
use crate::record::Change;
use crate::request::{Request, RequestDecision};
use crate::revocation;

/// The action that asks whether somebody may approve a job.
pub const APPROVE: &str = "approve";

/// Somebody who answers requests, as the integrator authenticated them.
///
/// # Security
///
/// Make one only of somebody who has just proved who they are: from the session of an approval page, never from an
/// argument, a job or anything else that the agent who asks could have written.
#[derive(Clone, Debug)]
pub struct Approver {
    uid: EntityUid,
    role: ApproverRole,
    entities: Vec<Entity>,
}

impl Approver {
    /// The approver `agent`, an entity of type `Export::Agent` with what policies read of it, who answers as `role`.
    /// `others` are entities that policies read beside it: roles above roles, teams.
    pub fn authenticated(agent: Entity, role: ApproverRole, others: impl IntoIterator<Item = Entity>) -> Self {
        let uid = agent.uid.clone();
        Self { uid, role, entities: others.into_iter().chain([agent]).collect() }
    }

    /// Who it is.
    pub fn uid(&self) -> &EntityUid {
        &self.uid
    }

    fn check(&self) -> Result<(), ApproveError> {
        if &*self.uid.entity_type != AGENT {
            return Err(ApproveError::Type { found: self.uid.entity_type.clone() });
        }
        let bytes = self.uid.id.len();
        if bytes == 0 || bytes > ID_BYTES_MAX { Err(ApproveError::Id { bytes }) } else { Ok(()) }
    }
}

/// What approvers are shown of a job, and what the policies are asked about. It names no customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestText {
    /// The id of the job.
    pub job: String,
    /// The agent who asks.
    pub agent: String,
    /// The fields, in the order of the job.
    pub fields: Vec<String>,
    /// How many customers.
    pub customers: usize,
    /// Where the data would go, as Cedar writes the entity; none when the job doesn't state an entity.
    pub destination: Option<String>,
    /// What for, likewise.
    pub purpose: Option<String>,
}

impl RequestText {
    /// What the ledger kept of a request; none when somebody else wrote it.
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    fn of(job: &Job) -> Self {
        let entity = |name: &str| match stated(&job.env, name) {
            Some(Value::Entity(uid)) => Some(uid.to_string()),
            Some(_) | None => None,
        };
        Self {
            job: job.id.to_string(),
            agent: job.agent.id.to_string(),
            fields: job.fields.iter().map(|field| field.to_string()).collect(),
            customers: job.customers.len(),
            destination: entity("destination"),
            purpose: entity("purpose"),
        }
    }
}

/// Why a request can't be filed or answered. Nothing was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApproveError {
    /// The gate has no ledger.
    #[error("the gate has no ledger to keep approvals in")]
    NoLedger,
    /// The job can't be asked about.
    #[error("the job is refused: {0}")]
    Job(#[from] JobError),
    /// The approver isn't an agent.
    #[error("the approver is of type `{found}`, expected `{AGENT}`")]
    Type {
        /// The type it has.
        found: Arc<str>,
    },
    /// The approver's id can't be one.
    #[error("the approver's id has {bytes} bytes, from 1 to {ID_BYTES_MAX} are allowed")]
    Id {
        /// Its length.
        bytes: usize,
    },
    /// Somebody answers a request of their own.
    #[error("`{by}` can't answer a request of their own")]
    Own {
        /// Who.
        by: Arc<str>,
    },
    /// No policy of the base says who may approve.
    #[error("module `{module}` doesn't answer `{APPROVE}`, so nobody may approve")]
    Unanswered {
        /// The name of its pack.
        module: Arc<str>,
    },
    /// The policies don't let this person approve this job.
    #[error("the policies don't let `{by}` approve job `{job}`{}", because(policies))]
    Refused {
        /// Who.
        by: Arc<str>,
        /// The id of the job.
        job: String,
        /// The policies that forbade it; none when no policy permitted it.
        policies: Vec<Arc<str>>,
    },
    /// A policy erred, so that it isn't known whether this person may approve.
    #[error("policy `{policy}` erred, so nobody knows whether `{by}` may approve")]
    Erred {
        /// Who.
        by: Arc<str>,
        /// The first policy that erred.
        policy: Arc<str>,
    },
    /// A module failed to answer.
    #[error("module `{module}` failed: {source}")]
    Module {
        /// The name of its pack.
        module: Arc<str>,
        /// What happened.
        source: EvaluateError,
    },
    /// The approver's entities can't be used.
    #[error("the approver's entities are refused: {0}")]
    Entities(#[from] EntitiesError),
    /// The request in the ledger wasn't written by a gate.
    #[error("request {request} can't be read: another program wrote it")]
    Text {
        /// Its number.
        request: i64,
    },
    /// Somebody closes a review of what they took themselves.
    #[error("`{by}` can't close a review of what they took themselves")]
    OwnReview {
        /// Who.
        by: Arc<str>,
    },
    /// The review in the ledger wasn't left by a gate.
    #[error("review {review} can't be read: another program wrote it")]
    ReviewText {
        /// Its number.
        review: i64,
    },
    /// The ledger refuses it, or fails.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

fn because(policies: &[Arc<str>]) -> String {
    if policies.is_empty() { String::new() } else { format!(": `{}`", policies.join("`, `")) }
}

impl Gate {
    /// Files a request for approvals of exactly this job: its agent, fields, customers, destination and purpose. Returns its
    /// number. Whether an approval would help is what [`Gate::evaluate`] says: a challenge that names one.
    ///
    /// # Errors
    ///
    /// [`ApproveError`] when the job can't be asked about, or the ledger can't be written.
    pub fn request_approval(&self, job: &Job) -> Result<i64, ApproveError> {
        let ledgered = self.ledgered.as_ref().ok_or(ApproveError::NoLedger)?;
        job.check(self.inner.caps(), &job.approvals)?;
        let text = RequestText::of(job);
        let text = serde_json::to_string(&text).map_err(|_| ApproveError::Text { request: 0 })?;
        let now_ms = self.now_ms();
        let lasts_ms = i64::try_from(self.inner.config.approval_seconds.saturating_mul(1_000)).unwrap_or(i64::MAX);
        let digest = JobDigest::of(job);
        let request = NewRequest {
            digest: digest.bytes(),
            requested_by: &job.agent.id,
            expires_ms: now_ms.saturating_add(lasts_ms),
            text: &text,
        };
        Ok(ledgered.ledger.request_approval(&request, now_ms)?)
    }

    /// Answers a request: `approve`, or deny it for good. The policies are asked whether the approver may (`approve`), in
    /// every module that answers that, the base at least; nobody answers their own request, whatever policies say.
    ///
    /// The approval holds for one job of exactly the content that was requested, until the request expires or the policies
    /// find it too old.
    ///
    /// # Errors
    ///
    /// [`ApproveError`]; then nothing was answered.
    pub fn answer_request(&self, request: i64, by: &Approver, approve: bool) -> Result<(), ApproveError> {
        let ledgered = self.ledgered.as_ref().ok_or(ApproveError::NoLedger)?;
        let stored = ledgered.ledger.request(request)?;
        let text = self.may_answer(&stored, by)?;
        let answer = NewAnswer { by: &by.uid.id, capacity: by.role.name(), approve };
        let content = JobDigest::from_bytes(stored.digest);
        let change =
            Change::Answered { job: &text.job, content: &content, by: &by.uid, role: by.role, approved: approve };
        Ok(ledgered.ledger.transact(On::Subjects(&[]), self.now_ms(), &mut |transaction| {
            transaction.answer_request(request, &answer)?;
            ledgered.record_change(transaction, &change)?;
            Ok(End::Commit)
        })?)
    }

    /// Closes an item for review, as somebody who has looked at it; says whether it was open. Nobody closes one that they left
    /// themselves.
    ///
    /// # Errors
    ///
    /// [`ApproveError`]; then it stays as it was.
    pub fn close_review(&self, review: i64, by: &Approver) -> Result<bool, ApproveError> {
        let ledgered = self.ledgered.as_ref().ok_or(ApproveError::NoLedger)?;
        by.check()?;
        let (mut closed, mut refused) = (false, None);
        ledgered.ledger.transact(On::Subjects(&[]), self.now_ms(), &mut |transaction| {
            (closed, refused) = (false, None);
            let Some(found) = transaction.review(review)? else { return Ok(End::Discard) };
            match ReviewText::read(&found.text) {
                None => refused = Some(ApproveError::ReviewText { review }),
                Some(text) if *text.agent == *by.uid.id => {
                    refused = Some(ApproveError::OwnReview { by: by.uid.id.clone() });
                }
                Some(_) => closed = transaction.close_review(review, &by.uid.id)?,
            }
            Ok(if closed { End::Commit } else { End::Discard })
        })?;
        refused.map_or(Ok(closed), Err)
    }

    /// Disables an agent: every later ask is denied, and permits already given no longer release. Says whether it is new. `by` is
    /// who does it, as whoever authenticated them knows them. [`revoke`](crate::revoke) needs no gate.
    ///
    /// # Errors
    ///
    /// [`ApproveError`]; then nothing changed.
    pub fn revoke(&self, agent: &str, by: &str, reason: &str) -> Result<bool, ApproveError> {
        self.change(&Change::Revoked { agent, by, reason })
    }

    /// Enables an agent again; says whether it was revoked.
    ///
    /// # Errors
    ///
    /// [`ApproveError`]; then nothing changed.
    pub fn reinstate(&self, agent: &str, by: &str, reason: &str) -> Result<bool, ApproveError> {
        self.change(&Change::Reinstated { agent, by, reason })
    }

    fn change(&self, change: &Change<'_>) -> Result<bool, ApproveError> {
        let ledgered = self.ledgered.as_ref().ok_or(ApproveError::NoLedger)?;
        let recorded = |transaction: &mut dyn Transaction| ledgered.record_change(transaction, change);
        Ok(revocation::change_with(&*ledgered.ledger, change, self.now_ms(), &recorded)?)
    }

    /// What is asked for, when the approver may answer it.
    fn may_answer(&self, stored: &Stored, by: &Approver) -> Result<RequestText, ApproveError> {
        let who = by.uid.id.clone();
        by.check()?;
        if *stored.requested_by == *who {
            return Err(ApproveError::Own { by: who });
        }
        let text = RequestText::read(&stored.text).ok_or(ApproveError::Text { request: stored.number })?;
        let requester = EntityUid { entity_type: AGENT.into(), id: stored.requested_by.as_str().into() };
        let job = EntityUid { entity_type: JOB.into(), id: text.job.as_str().into() };
        let stated = Entity::new(job.clone()).with_attribute(JOB_REQUESTER, requester);
        let entities = Entities::new(by.entities.iter().cloned().chain([stated]))?;
        let asked = Request {
            principal: by.uid.clone(),
            action: EntityUid { entity_type: ACTION.into(), id: APPROVE.into() },
            resource: job,
            context: Value::Record(Arc::new(BTreeMap::new())),
        };
        for loaded in &self.inner.modules {
            let response = match loaded.module.authorize(&asked, &entities) {
                Ok(response) => response,
                Err(EvaluateError::UnknownEnvironment { .. }) if !self.inner.is_base(loaded) => continue,
                Err(EvaluateError::UnknownEnvironment { .. }) => {
                    return Err(ApproveError::Unanswered { module: loaded.name.clone() });
                }
                Err(source) => return Err(ApproveError::Module { module: loaded.name.clone(), source }),
            };
            if let Some(policy) = response.erring.into_iter().next() {
                return Err(ApproveError::Erred { by: who, policy });
            }
            if response.decision == RequestDecision::Deny {
                return Err(ApproveError::Refused { by: who, job: text.job, policies: response.determining });
            }
        }
        Ok(text)
    }
}
