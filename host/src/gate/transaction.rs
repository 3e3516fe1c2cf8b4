//! Asks within the ledger: policies are evaluated inside the transaction that reserves, so check and reserve are one step.
//!
//! What the transaction does, in this order: it looks whether the agent is revoked; takes the approvals for exactly this
//! job; evaluates, with every window read after this job; on an allowance reserves the customers that are included, uses the
//! approvals up, and leaves an item for review where a policy wants one; on a denial by policy counts it. At last the
//! recorder appends. Only when the store says that all of it is durable does the caller see an allowance.

use std::sync::Arc;

use exportgate_contract::value::EntityUid;
use exportgate_contract::vocabulary::AGENT;
use exportgate_ledger::{
    self as ledger, End, JobState, Ledger, LedgerError, NewReview, On, Reservation, Reserved, StoreError, Subject,
    Transaction,
};
use sha2::{Digest, Sha256};

use super::evaluate::Evaluation;
use super::outage::Outage;
use super::review::ReviewText;
use super::usage::subjects_of;
use super::{Gate, Inner};
use crate::approvals::{Approval, Approvals, ApproverRole, JobDigest};
use crate::decision::{Cause, Decision};
use crate::job::{Job, JobError};
use crate::permit::{Answer, Left, Permit, PermitError};
use crate::record::{Change, Recorder};
use crate::windows::{TransactionWindows, subject_of};

/// What a gate that can ask has beside one that only evaluates.
#[derive(Clone, Debug)]
pub(super) struct Ledgered {
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) recorder: Option<Arc<dyn Recorder>>,
    pub(super) outage: Arc<Outage>,
}

impl Ledgered {
    /// Records what somebody changed, where there is a recorder.
    pub(super) fn record_change(
        &self,
        transaction: &mut dyn Transaction,
        change: &Change<'_>,
    ) -> Result<(), LedgerError> {
        self.recorder.as_ref().map_or(Ok(()), |recorder| recorder.changed(transaction, change))
    }
}

impl Gate {
    /// Decides whether the job may leave, now, and reserves what may, in one transaction of the ledger. An allowance comes
    /// with a permit: use it ([`Gate::use_permit`]), release, and say what left ([`Gate::commit`]) or that nothing did
    /// ([`Gate::cancel`]). What nobody answers for counts as consumed.
    ///
    /// It always decides: what goes wrong is a denial with its [`Cause`], and then nothing is reserved. Views, reports and
    /// tool calls are asked like exports, and share the budget with them.
    ///
    /// Asking again with the same id, before its permit was used, gives the permit again and counts nothing twice; the
    /// approvals that it used hold for it until then, and for no other job. A job that was denied or challenged can be asked
    /// again under its id; one whose permit was used, that was committed or cancelled, can't, and neither can another job
    /// under that id.
    pub fn ask(&self, job: &Job) -> Answer {
        let fail = |cause| Answer::without_permit(self.fail(job, cause));
        let Some(ledgered) = &self.ledgered else { return fail(Cause::NoLedger) };
        if job.approvals != Approvals::none() {
            return fail(Cause::Job(JobError::StatedApprovals));
        }
        if let Err(error) = job.check(self.inner.caps(), &job.approvals) {
            return fail(Cause::Job(error));
        }
        let asked = Asked::new(self, ledgered, job);
        if let Err(error) = ledgered.outage.settle(self, ledgered) {
            return ledgered.outage.ask(self, &asked, error).unwrap_or_else(|error| fail(Cause::Ledger(error)));
        }
        let mut answer = None;
        let ran = ledgered.ledger.transact(On::Subjects(&asked.subjects), self.now_ms(), &mut |transaction| {
            let (found, end) = asked.answer(transaction)?;
            answer = Some(found);
            Ok(end)
        });
        match (ran, answer) {
            (Ok(()), Some(answer)) => {
                ledgered.outage.learn(&job.agent, matches!(answer.decision.cause(), Some(Cause::Revoked { .. })));
                answer
            }
            (Ok(()), None) => {
                let message = "it ran no transaction".to_owned();
                fail(Cause::Ledger(StoreError::Unavailable { message }.into()))
            }
            (Err(error), _) => {
                ledgered.outage.ask(self, &asked, error).unwrap_or_else(|error| fail(Cause::Ledger(error)))
            }
        }
    }

    /// Uses a permit: release only when this says that it is still good. It asks the ledger again whether the permit was used
    /// before, has expired, or its agent is revoked, and compares what it was given for with the gate's modules.
    ///
    /// # Errors
    ///
    /// [`PermitError`]; then nothing may leave.
    pub fn use_permit(&self, permit: &Permit) -> Result<(), PermitError> {
        let ledgered = self.ledgered.as_ref().ok_or(PermitError::NoLedger)?;
        if let Some(used) = ledgered.outage.use_permit(permit, self.now_ms()) {
            return used;
        }
        let binding = self.inner.binding(&permit.content);
        let mut changed = false;
        ledgered.ledger.transact(On::Job(&permit.job), self.now_ms(), &mut |transaction| {
            let known = transaction.job(&permit.job)?;
            changed = known.is_none_or(|known| known.digest != binding);
            if changed {
                return Ok(End::Discard);
            }
            transaction.use_permit(&permit.job)?;
            Ok(End::Commit)
        })?;
        if changed { Err(PermitError::Changed { job: permit.job.clone() }) } else { Ok(()) }
    }

    /// States what of a job really left. The rest is given back. Stating the same again changes nothing.
    ///
    /// # Errors
    ///
    /// [`PermitError`] when more left than was reserved, when the job was cancelled, or committed otherwise, or the ledger
    /// fails: until it is stated, all of the job counts as consumed.
    pub fn commit(&self, job: &str, left: Left<'_>) -> Result<(), PermitError> {
        let ledgered = self.ledgered.as_ref().ok_or(PermitError::NoLedger)?;
        // What can't be written now waits, and is asked for right below.
        let _ = ledgered.outage.settle(self, ledgered);
        if let Some(kept) = ledgered.outage.commit(job, left) {
            return kept;
        }
        let only = match left {
            Left::All => None,
            Left::Only(ids) => Some(ledgered.ledger.customers(ids.iter().map(|id| &**id))),
        };
        let stated = only.as_ref().map_or(ledger::Left::All, ledger::Left::Only);
        Ok(ledgered.ledger.transact(On::Job(job), self.now_ms(), &mut |transaction| {
            let again = transaction.job(job)?.is_some_and(|known| known.state == JobState::Committed);
            transaction.commit(job, stated)?;
            if let Some(recorder) = ledgered.recorder.as_ref().filter(|_| !again) {
                recorder.committed(transaction, job, left)?;
            }
            Ok(End::Commit)
        })?)
    }

    /// States that nothing of a job left, and gives back all that was reserved for it. Cancelling again changes nothing.
    ///
    /// # Errors
    ///
    /// [`PermitError`] when the job was committed, or the ledger fails: then it counts as consumed.
    pub fn cancel(&self, job: &str) -> Result<(), PermitError> {
        let ledgered = self.ledgered.as_ref().ok_or(PermitError::NoLedger)?;
        // What can't be written now waits, and is asked for right below.
        let _ = ledgered.outage.settle(self, ledgered);
        if let Some(kept) = ledgered.outage.cancel(job) {
            return kept;
        }
        Ok(ledgered.ledger.transact(On::Job(job), self.now_ms(), &mut |transaction| {
            let again = transaction.job(job)?.is_some_and(|known| known.state == JobState::Cancelled);
            transaction.cancel(job)?;
            if let Some(recorder) = ledgered.recorder.as_ref().filter(|_| !again) {
                recorder.cancelled(transaction, job)?;
            }
            Ok(End::Commit)
        })?)
    }

    /// The denial of a job for which nothing was evaluated.
    fn fail(&self, job: &Job, cause: Cause) -> Decision {
        self.fail_at(job, self.now_ms(), cause)
    }

    fn fail_at(&self, job: &Job, now_ms: i64, cause: Cause) -> Decision {
        Evaluation::new(&self.inner, job, &job.approvals, now_ms).fail(cause)
    }
}

impl Inner {
    /// What a reservation is made for: the job's content with the customers included, and the modules that decided. A
    /// module's digest covers its catalogue.
    pub(super) fn binding(&self, content: &[u8; 32]) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(b"exportgate permit 1");
        digest.update(content);
        for info in self.infos.iter() {
            digest.update(info.sha256.as_bytes());
        }
        digest.finalize().into()
    }
}

/// A job about to be asked, with what doesn't change when its transaction is run again.
pub(super) struct Asked<'a> {
    pub(super) gate: &'a Gate,
    ledgered: &'a Ledgered,
    pub(super) job: &'a Job,
    pub(super) digest: JobDigest,
    /// For whom it counts: the agent, and whatever stands above it or receives.
    pub(super) subjects: Vec<Subject>,
    pub(super) agent: Subject,
    customers: ledger::Customers,
}

impl<'a> Asked<'a> {
    fn new(gate: &'a Gate, ledgered: &'a Ledgered, job: &'a Job) -> Self {
        let agent = Subject::new(ledger::SubjectKind::Agent, &*job.agent.id);
        let subjects: Vec<Subject> = subjects_of(job).iter().filter_map(subject_of).collect();
        let customers = ledgered.ledger.customers(job.customers.ids().iter().map(|id| &**id));
        Self { gate, ledgered, job, digest: JobDigest::of(job), subjects, agent, customers }
    }

    /// Whether what is decided is recorded.
    pub(super) fn is_recorded(&self) -> bool {
        self.ledgered.recorder.is_some()
    }

    /// The answer, and whether anything was written.
    fn answer(&self, transaction: &mut dyn Transaction) -> Result<(Answer, End), LedgerError> {
        let now_ms = transaction.now_ms();
        if let Some(since_ms) = transaction.revoked_since_ms(&self.job.agent.id)? {
            let cause = Cause::Revoked { agent: self.job.agent.id.clone(), since_ms };
            return self.refuse(transaction, self.gate.fail_at(self.job, now_ms, cause));
        }
        let given = match self.approvals(transaction)? {
            Ok(given) => given,
            Err(cause) => return self.refuse(transaction, self.gate.fail_at(self.job, now_ms, cause)),
        };
        let windows = TransactionWindows::new(transaction, &self.customers);
        let decision = self.gate.inner.decide(self.job, &given.approvals, now_ms, &windows);
        if let Some(error) = windows.into_error() {
            return Err(error);
        }
        if !decision.is_allow() {
            if decision.is_policy_denial() {
                transaction.record_denial(&self.agent)?;
                self.record(transaction, &decision)?;
                return Ok((Answer::without_permit(decision), End::Commit));
            }
            return self.refuse(transaction, decision);
        }
        let permit = self.reserve(transaction, &decision, &given.requests)?;
        self.record(transaction, &decision)?;
        Ok((Answer { decision, permit: Some(permit), without: None }, End::Commit))
    }

    /// The answer of a failure or a challenge: nothing is counted, and nothing is written but what the recorder does.
    fn refuse(&self, transaction: &mut dyn Transaction, decision: Decision) -> Result<(Answer, End), LedgerError> {
        self.record(transaction, &decision)?;
        let end = if self.ledgered.recorder.is_some() { End::Commit } else { End::Discard };
        Ok((Answer::without_permit(decision), end))
    }

    fn record(&self, transaction: &mut dyn Transaction, decision: &Decision) -> Result<(), LedgerError> {
        match &self.ledgered.recorder {
            Some(recorder) => recorder.decided(transaction, self.job, decision),
            None => Ok(()),
        }
    }

    /// The approvals given for exactly this job, and the requests that they answer. Where no policy reads approvals, none.
    fn approvals(&self, transaction: &mut dyn Transaction) -> Result<Result<Given, Cause>, LedgerError> {
        let mut given = Given::default();
        if self.gate.inner.modules.iter().all(|loaded| loaded.words.approvals.is_empty()) {
            return Ok(Ok(given));
        }
        let mut approvals = Vec::new();
        for request in transaction.approvals(self.digest.bytes(), &self.job.id)? {
            for answer in request.answers.iter().filter(|answer| answer.approve) {
                let Some(role) = ApproverRole::parse(&answer.capacity) else {
                    return Ok(Err(Cause::Approval { request: request.number }));
                };
                let by = EntityUid { entity_type: AGENT.into(), id: answer.by.as_str().into() };
                approvals.push(Approval { by, role, given_at_ms: answer.at_ms });
            }
            if request.answers.iter().any(|answer| answer.approve) {
                given.requests.push(request.number);
            }
        }
        given.approvals = Approvals::given(approvals);
        Ok(Ok(given))
    }

    fn reserve(
        &self,
        transaction: &mut dyn Transaction,
        decision: &Decision,
        requests: &[i64],
    ) -> Result<Permit, LedgerError> {
        let job = &*self.job.id;
        let all = decision.customers_included() == self.job.customers.len();
        let included = if all { None } else { Some(self.included(decision)) };
        let customers = included.as_ref().unwrap_or(&self.customers);
        let content = content(&self.digest, customers);
        let lasts_ms = i64::try_from(self.gate.inner.config.permit_seconds.saturating_mul(1_000)).unwrap_or(i64::MAX);
        let mut expires_ms = decision.now_ms().saturating_add(lasts_ms);
        let digest = self.gate.inner.binding(&content);
        let reservation = Reservation { job, digest: &digest, agent: &self.job.agent.id, customers, expires_ms };
        match transaction.reserve(&reservation)? {
            Reserved::Now => {
                for request in requests {
                    transaction.consume_approvals(*request, self.digest.bytes(), job)?;
                }
                self.leave_review(transaction, decision)?;
            }
            Reserved::Before => expires_ms = unused(transaction, job, decision.now_ms())?,
        }
        Ok(Permit { job: self.job.id.clone(), content, expires_ms })
    }

    /// The customers that the decision includes.
    pub(super) fn included(&self, decision: &Decision) -> ledger::Customers {
        let ids = self.job.customers.ids().iter().enumerate();
        self.ledgered.ledger.customers(ids.filter(|(row, _)| decision.includes(*row)).map(|(_, id)| &**id))
    }

    fn leave_review(&self, transaction: &mut dyn Transaction, decision: &Decision) -> Result<(), LedgerError> {
        let Some(seconds) = decision.obligations().review_seconds else { return Ok(()) };
        let text = serde_json::to_string(&ReviewText::of(self.job, decision))
            .map_err(|error| StoreError::Unavailable { message: format!("a review can't be written: {error}") })?;
        let lasts_ms = i64::try_from(seconds.saturating_mul(1_000)).unwrap_or(i64::MAX);
        let due_ms = decision.now_ms().saturating_add(lasts_ms);
        transaction.add_review(&NewReview { job: &self.job.id, due_ms, text: &text })?;
        Ok(())
    }
}

/// The approvals for a job, and the requests that hold them.
#[derive(Default)]
struct Given {
    approvals: Approvals,
    requests: Vec<i64>,
}

/// The digest of a job's content and of the customers that may leave.
pub(super) fn content(digest: &JobDigest, included: &ledger::Customers) -> [u8; 32] {
    let mut content = Sha256::new();
    content.update(digest.bytes());
    for customer in included.as_slice() {
        content.update(customer.as_bytes());
    }
    content.finalize().into()
}

/// When the permit of a job that was reserved before expires.
///
/// # Errors
///
/// When there is none any more: it was used or expired, or the job was answered.
fn unused(transaction: &mut dyn Transaction, job: &str, now_ms: i64) -> Result<i64, LedgerError> {
    let id = || job.to_owned();
    let known = transaction.job(job)?.ok_or_else(|| ledger::JobError::Unknown { job: id() })?;
    let error = match (known.state, known.used_ms) {
        (JobState::Committed, _) => ledger::JobError::Committed { job: id(), committed: known.counted },
        (JobState::Cancelled, _) => ledger::JobError::Cancelled { job: id() },
        (JobState::Reserved, Some(used_ms)) => ledger::JobError::Used { job: id(), used_ms },
        (JobState::Reserved, None) if known.expires_ms <= now_ms => {
            ledger::JobError::Expired { job: id(), expires_ms: known.expires_ms }
        }
        (JobState::Reserved, None) => return Ok(known.expires_ms),
    };
    Err(error.into())
}
