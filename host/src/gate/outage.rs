//! What a gate does while the ledger's store is down: it denies, but for the jobs of one customer that a permit with
//! `@fallback("store-down")` lets leave.
//!
//! Such a job is evaluated with the windows of this outage alone: what the gate let leave without the store, counted in
//! memory. No approval holds, since none can be looked up. In each module that answers `export`, a permit that determines
//! the allowance must carry the annotation; an agent that the gate knows to be revoked gets nothing. The job is kept in
//! memory until the store is back, and written there before anything else is asked; a recorder records it then.
//!
//! Not promised: that the process lives so long. What was let out without the store by a process that ended is in no
//! window. It is bounded by the limits of the policies (counted once more an outage and process), by
//! [`FALLBACK_JOBS_MAX`], and by what the policy that carries the annotation demands.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use exportgate_contract::obligation::Fallback;
use exportgate_contract::value::EntityUid;
use exportgate_contract::vocabulary::Window;
use exportgate_ledger::{self as ledger, End, LedgerError, On, Reservation, StoreError, Subject, Transaction};

use super::transaction::{Asked, Ledgered, content};
use super::usage::subjects_of;
use super::{Gate, Inner};
use crate::approvals::Approvals;
use crate::decision::{Asked as Question, Decision};
use crate::hex::hex;
use crate::job::Job;
use crate::permit::{Answer, Left, Permit, PermitError};
use crate::windows::{MemoryWindows, Windows, WindowsError};

/// Jobs that a gate lets leave without the store until it is back.
pub const FALLBACK_JOBS_MAX: usize = 1_000;

/// What a gate remembers of an outage.
#[derive(Debug)]
pub(super) struct Outage {
    windows: MemoryWindows,
    /// Whether any job waits for the store: looked at before the lock is taken.
    waits: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The jobs that left without the store, the oldest first.
    waiting: Vec<Waiting>,
    /// Agents that were revoked when they last asked.
    revoked: BTreeSet<EntityUid>,
}

/// A job that left without the store.
#[derive(Clone, Debug)]
struct Waiting {
    permit: Permit,
    binding: [u8; 32],
    agent: Arc<str>,
    subjects: Vec<Subject>,
    customers: Vec<Arc<str>>,
    used: bool,
    answered: Option<Answered>,
    /// What was asked and decided, for the recorder; none where there is none.
    decided: Option<Box<(Job, Decision)>>,
}

/// What the tool said of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answered {
    Committed,
    Cancelled,
}

impl Outage {
    pub(super) fn new(windows: &[Window]) -> Result<Self, WindowsError> {
        let memory = MemoryWindows::new();
        memory.declare(windows)?;
        Ok(Self { windows: memory, waits: AtomicBool::new(false), state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers whether the agent is revoked, as the ledger just said.
    pub(super) fn learn(&self, agent: &EntityUid, revoked: bool) {
        let mut state = self.state();
        if revoked {
            state.revoked.insert(agent.clone());
        } else {
            state.revoked.remove(agent);
        }
    }

    /// Whether the job left without the store, and waits for it.
    pub(super) fn holds(&self, job: &str) -> bool {
        self.waits.load(Ordering::Acquire) && self.state().waiting.iter().any(|waiting| &*waiting.permit.job == job)
    }

    /// Answers a job whose transaction failed with `error`.
    ///
    /// # Errors
    ///
    /// `error` itself, when no fallback holds.
    pub(super) fn ask(&self, gate: &Gate, asked: &Asked<'_>, error: LedgerError) -> Result<Answer, LedgerError> {
        let job = asked.job;
        let is_down = matches!(error, LedgerError::Store(StoreError::Unavailable { .. } | StoreError::Busy { .. }));
        let fits = job.id.len() <= ledger::JOB_ID_BYTES_MAX && asked.subjects.len() <= ledger::SUBJECTS_MAX;
        if !is_down || !fits || !gate.inner.has_fallback() || job.customers.len() != 1 {
            return Err(error);
        }
        // Held until the job is counted: two jobs never see the same windows.
        let mut state = self.state();
        let known = state.waiting.iter().any(|waiting| waiting.permit.job == job.id);
        if known || state.revoked.contains(&job.agent) || state.waiting.len() >= FALLBACK_JOBS_MAX {
            return Err(error);
        }
        let now_ms = gate.now_ms();
        let decision = gate.inner.decide(job, &Approvals::none(), now_ms, &self.windows);
        if decision.is_policy_denial() {
            self.windows.record_denial(&job.agent, now_ms);
        }
        if !gate.inner.falls_back(&decision) {
            return Err(error);
        }
        let ids: Vec<Arc<str>> = if decision.includes(0) { job.customers.ids().to_vec() } else { Vec::new() };
        self.windows.record_grant(&subjects_of(job), &mut ids.iter().map(|id| &**id), now_ms);
        let content = content(&asked.digest, &asked.included(&decision));
        let lasts_ms = i64::try_from(gate.inner.config.permit_seconds.saturating_mul(1_000)).unwrap_or(i64::MAX);
        let permit = Permit { job: job.id.clone(), content, expires_ms: now_ms.saturating_add(lasts_ms) };
        state.waiting.push(Waiting {
            permit: permit.clone(),
            binding: gate.inner.binding(&content),
            agent: job.agent.id.clone(),
            subjects: asked.subjects.clone(),
            customers: ids,
            used: false,
            answered: None,
            decided: asked.is_recorded().then(|| Box::new((job.clone(), decision.clone()))),
        });
        self.waits.store(true, Ordering::Release);
        Ok(Answer { decision, permit: Some(permit), without: Some(Fallback::StoreDown) })
    }

    /// Uses the permit of a job that waits; none when no such job waits.
    pub(super) fn use_permit(&self, permit: &Permit, now_ms: i64) -> Option<Result<(), PermitError>> {
        if !self.waits.load(Ordering::Acquire) {
            return None;
        }
        let mut state = self.state();
        let waiting = state.waiting.iter_mut().find(|waiting| waiting.permit.job == permit.job)?;
        let job = || permit.job.to_string();
        let error = if waiting.permit != *permit {
            return Some(Err(PermitError::Changed { job: permit.job.clone() }));
        } else if waiting.answered == Some(Answered::Cancelled) {
            ledger::JobError::Cancelled { job: job() }
        } else if waiting.used || waiting.answered.is_some() {
            ledger::JobError::Used { job: job(), used_ms: now_ms }
        } else if now_ms >= permit.expires_ms {
            ledger::JobError::Expired { job: job(), expires_ms: permit.expires_ms }
        } else {
            waiting.used = true;
            return Some(Ok(()));
        };
        Some(Err(PermitError::Ledger(error.into())))
    }

    /// Keeps for a job that waits what left of it; none when no such job waits.
    pub(super) fn commit(&self, job: &str, left: Left<'_>) -> Option<Result<(), PermitError>> {
        self.answer(job, |waiting| {
            let beyond = match left {
                Left::All => 0,
                Left::Only(ids) => ids.iter().filter(|id| !waiting.customers.contains(id)).count(),
            };
            if beyond > 0 {
                return Err(ledger::JobError::TooLarge { job: job.to_owned(), beyond });
            }
            match waiting.answered {
                Some(Answered::Cancelled) => Err(ledger::JobError::Cancelled { job: job.to_owned() }),
                Some(Answered::Committed) | None => {
                    let nothing = matches!(left, Left::Only(ids) if ids.is_empty());
                    waiting.answered = Some(if nothing { Answered::Cancelled } else { Answered::Committed });
                    Ok(())
                }
            }
        })
    }

    /// Keeps for a job that waits that nothing of it left; none when no such job waits.
    pub(super) fn cancel(&self, job: &str) -> Option<Result<(), PermitError>> {
        self.answer(job, |waiting| match waiting.answered {
            Some(Answered::Committed) => Err(ledger::JobError::Committed { job: job.to_owned(), committed: 1 }),
            Some(Answered::Cancelled) | None => {
                waiting.answered = Some(Answered::Cancelled);
                Ok(())
            }
        })
    }

    fn answer(
        &self,
        job: &str,
        answer: impl FnOnce(&mut Waiting) -> Result<(), ledger::JobError>,
    ) -> Option<Result<(), PermitError>> {
        if !self.waits.load(Ordering::Acquire) {
            return None;
        }
        let mut state = self.state();
        let waiting = state.waiting.iter_mut().find(|waiting| &*waiting.permit.job == job)?;
        Some(answer(waiting).map_err(|error| PermitError::Ledger(error.into())))
    }

    /// Writes the jobs that wait to the store, the oldest first.
    ///
    /// # Errors
    ///
    /// The first failure; that job and those after it go on waiting.
    pub(super) fn settle(&self, gate: &Gate, ledgered: &Ledgered) -> Result<(), LedgerError> {
        if !self.waits.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut state = self.state();
        while let Some(waiting) = state.waiting.first() {
            match waiting.write(&waiting.permit.job, gate, ledgered) {
                // It left, whatever the id stood for before.
                Err(LedgerError::Job(_)) => {
                    waiting.write(&format!("without-ledger-{}", hex(&waiting.binding)), gate, ledgered)?;
                }
                written => written?,
            }
            state.waiting.remove(0);
        }
        self.waits.store(false, Ordering::Release);
        Ok(())
    }
}

impl Waiting {
    fn write(&self, job: &str, gate: &Gate, ledgered: &Ledgered) -> Result<(), LedgerError> {
        let cancelled = self.answered == Some(Answered::Cancelled);
        if cancelled && self.decided.is_none() {
            return Ok(());
        }
        let customers = ledgered.ledger.customers(self.customers.iter().map(|id| &**id));
        let reservation = Reservation {
            job,
            digest: &self.binding,
            agent: &self.agent,
            customers: &customers,
            expires_ms: self.permit.expires_ms,
        };
        ledgered.ledger.transact(On::Subjects(&self.subjects), gate.now_ms(), &mut |transaction| {
            if cancelled {
                // Nothing left, and nothing is reserved; in the log the id must not be another job's.
                if transaction.job(job)?.is_some() {
                    return Err(ledger::JobError::Reused { job: job.to_owned() }.into());
                }
            } else {
                transaction.reserve(&reservation)?;
                self.answer(transaction, job)?;
            }
            self.record(transaction, job, ledgered)?;
            Ok(End::Commit)
        })
    }

    /// Uses and commits the job, as far as the tool did.
    fn answer(&self, transaction: &mut dyn Transaction, job: &str) -> Result<(), LedgerError> {
        if self.used || self.answered.is_some() {
            // A permit that was used must not be used again; one that expired or is revoked can't be anyway.
            match transaction.use_permit(job) {
                Ok(()) | Err(LedgerError::Job(_)) => {}
                Err(error) => return Err(error),
            }
        }
        if self.answered == Some(Answered::Committed) {
            transaction.commit(job, ledger::Left::All)?;
        }
        Ok(())
    }

    fn record(&self, transaction: &mut dyn Transaction, job: &str, ledgered: &Ledgered) -> Result<(), LedgerError> {
        let (Some(recorder), Some(decided)) = (&ledgered.recorder, &self.decided) else { return Ok(()) };
        recorder.caught_up(transaction, job, &decided.0, &decided.1)?;
        match self.answered {
            Some(Answered::Committed) => recorder.committed(transaction, job, Left::All),
            Some(Answered::Cancelled) => recorder.cancelled(transaction, job),
            None => Ok(()),
        }
    }
}

impl Inner {
    /// Whether any policy may hold without the store.
    fn has_fallback(&self) -> bool {
        self.modules.iter().any(|loaded| loaded.words.policies.iter().any(|policy| policy.fallback.is_some()))
    }

    /// Whether the decision is an allowance that holds without the store: by a permit with the annotation, in each module
    /// that answers `export`.
    fn falls_back(&self, decision: &Decision) -> bool {
        let holds = |module: &Arc<str>| {
            decision.policies().iter().any(|used| {
                used.asked == Question::Export
                    && used.policy.module == *module
                    && used.policy.fallback == Some(Fallback::StoreDown)
            })
        };
        let mut answering = self.modules.iter().filter(|loaded| loaded.words.export.is_some());
        decision.is_allow() && answering.all(|loaded| holds(&loaded.name))
    }
}
