//! Where a play takes place: a gate on a ledger of its own, with an audit log, and a clock that stands where it is told to.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use exportgate::ledger::{CustomerKey, Ledger, LedgerError, NewAnswer, NewRequest, SqliteLedger, SqliteOptions};
use exportgate::{
    ApproverRole, AuditLog, Cause, Clock, Decision, Engine, Form, Gate, GateConfig, Job, JobDigest, LedgerRecords,
    Module, Verdict,
};
use exportgate_contract::manifest::Effect;

use super::log;
use super::outcome::{LIMIT, NO_PERMIT};

/// The key under which replays hash their customers. It guards nobody: they are made up.
const KEY: &[u8; 32] = b"the customers here are made up..";

/// What came of one ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Whether the gate decided it; it may have been too large to be a job.
    pub decided: bool,
    /// Customers of whom at least one field left.
    pub let_out: u64,
    /// What kept it, or a part of it, from leaving; empty when it left as asked for.
    pub stopped_by: Vec<String>,
}

impl Asked {
    /// An ask for more customers than a job can have.
    pub fn too_large() -> Self {
        Self { decided: false, let_out: 0, stopped_by: vec![LIMIT.to_owned()] }
    }

    /// What came of the decision.
    pub fn of(job: &Job, decision: &Decision) -> Self {
        let let_out = let_out(job, decision);
        let complete = usize::try_from(let_out) == Ok(job.customers.len()) && leaves_whole(job, decision);
        Self { decided: true, let_out, stopped_by: if complete { Vec::new() } else { stopped_by(decision) } }
    }
}

/// A gate, its ledger and its clock.
#[derive(Debug)]
pub struct Stage {
    gate: Gate,
    ledger: Arc<dyn Ledger>,
    scene: Arc<Scene>,
}

/// What the clock says.
#[derive(Debug)]
struct Scene {
    now_ms: AtomicI64,
}

impl Clock for Scene {
    fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::Relaxed)
    }
}

impl Stage {
    /// A gate for `module` on the ledger in the file `path`, which is made if it isn't there, with the audit log `origin` in it; its
    /// clock stands at `start_ms`.
    ///
    /// # Errors
    ///
    /// When the ledger can't be opened, or the gate not be made.
    pub fn new(
        engine: &Engine,
        config: &GateConfig,
        module: &Module,
        path: &Path,
        origin: &str,
        start_ms: i64,
    ) -> Result<Self, String> {
        let text = |error: LedgerError| format!("{error} ({})", error.help());
        let key = CustomerKey::new(KEY).map_err(text)?;
        let ledger: Arc<dyn Ledger> = Arc::new(SqliteLedger::open(path, key, SqliteOptions::default()).map_err(text)?);
        let scene = Arc::new(Scene { now_ms: AtomicI64::new(start_ms) });
        let gate =
            Gate::with_ledger_and_clock(engine, config.clone(), vec![module.clone()], ledger.clone(), scene.clone());
        let gate = gate.map_err(|error| error.to_string())?;
        let recorder = Arc::new(AuditLog::new(origin, log::key(), &gate));
        let gate = gate.with_recorder(recorder);
        Ok(Self { gate, ledger, scene })
    }

    /// The gate.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Sets the clock.
    pub fn turn_to(&self, now_ms: i64) {
        self.scene.now_ms.store(now_ms, Ordering::Relaxed);
    }

    /// The audit log.
    pub fn records(&self) -> LedgerRecords {
        LedgerRecords::new(self.ledger.clone())
    }

    /// Verifies the audit log; returns how many entries it has.
    ///
    /// # Errors
    ///
    /// When it doesn't hold.
    pub fn check(&self, origin: &str) -> Result<u64, String> {
        log::check(&self.records(), origin)
    }

    /// Puts the approvals that the job states into the ledger, as given when they say: a person for each role.
    ///
    /// # Errors
    ///
    /// When they can't be given by people in roles, or the ledger fails.
    pub fn approve(&self, job: &Job, now_ms: i64) -> Result<(), String> {
        let summary = job.approvals.summary(now_ms);
        if summary.distinct == 0 {
            return Ok(());
        }
        let stated = [summary.supervisor, summary.data_owner, summary.operator];
        let roles: Vec<ApproverRole> =
            ApproverRole::ALL.into_iter().zip(stated).filter(|(_, stated)| *stated).map(|(role, _)| role).collect();
        if i64::try_from(roles.len()) != Ok(summary.distinct) {
            return Err("`approvals.distinct` must be the number of roles: a person for each".to_owned());
        }
        let given_at_ms = now_ms.saturating_sub(summary.age_seconds.saturating_mul(1_000));
        let text = |error: LedgerError| error.to_string();
        let digest = JobDigest::of(job);
        let request =
            NewRequest { digest: digest.bytes(), requested_by: &job.agent.id, expires_ms: i64::MAX, text: "a replay" };
        let request = self.ledger.request_approval(&request, given_at_ms).map_err(text)?;
        for role in roles {
            let by = format!("approver-{}", role.name());
            let answer = NewAnswer { by: &by, capacity: role.name(), approve: true };
            self.ledger.answer_request(request, &answer, given_at_ms).map_err(text)?;
        }
        Ok(())
    }
}

/// Of how many customers at least one field leaves.
fn let_out(job: &Job, decision: &Decision) -> u64 {
    let leaves = |row: &usize| (0..job.fields.len()).any(|field| decision.form(*row, field) != Form::Suppressed);
    let rows = match decision.forms_of_all() {
        Some(forms) if forms.iter().all(|form| *form == Form::Suppressed) => 0,
        Some(_) => decision.customers_included(),
        None => (0..job.customers.len()).filter(leaves).count(),
    };
    u64::try_from(rows).unwrap_or(u64::MAX)
}

/// Whether every field leaves in some form, for every customer.
fn leaves_whole(job: &Job, decision: &Decision) -> bool {
    match decision.forms_of_all() {
        Some(forms) => forms.iter().all(|form| *form != Form::Suppressed),
        None => (0..job.customers.len())
            .all(|row| (0..job.fields.len()).all(|field| decision.form(row, field) != Form::Suppressed)),
    }
}

/// What kept a job, or a part of it, from leaving.
fn stopped_by(decision: &Decision) -> Vec<String> {
    if let Some(
        Cause::Job(_)
        | Cause::NoLedger
        | Cause::Ledger(_)
        | Cause::Revoked { .. }
        | Cause::Approval { .. }
        | Cause::Windows(_)
        | Cause::Module { .. }
        | Cause::TallyErred { .. }
        | Cause::PoliciesErred,
    ) = decision.cause()
    {
        return vec![LIMIT.to_owned()];
    }
    let forbids: Vec<String> = match decision.verdict() {
        Verdict::Deny | Verdict::Challenge(_) => decision
            .determining()
            .filter(|policy| policy.effect() == Effect::Forbid)
            .map(|policy| policy.id().to_owned())
            .collect(),
        Verdict::Allow => decision
            .policies()
            .iter()
            .filter(|used| used.policy.effect() == Effect::Forbid)
            .map(|used| used.policy.id().to_owned())
            .collect(),
    };
    if forbids.is_empty() { vec![NO_PERMIT.to_owned()] } else { forbids }
}
