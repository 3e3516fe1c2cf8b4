//! Asks sandboxed export policies: may this agent export these fields for these customers.
//!
//! A support tool builds a [`Job`] from what it knows of agent, customers and tickets, and asks a [`Gate`]. The gate runs
//! policy modules, which `exportgate build` makes from Cedar policies, in a sandbox, and returns a [`Decision`]: allow, deny or
//! challenge, which customers leave, in which form each field leaves, which policies said so, and what must be done.
//! Whatever goes wrong is a denial.
//!
//! ```
//! use std::sync::Arc;
//! use exportgate::ledger::{CustomerKey, SqliteLedger, SqliteOptions};
//! use exportgate::{
//!     Approvals, Customers, Engine, Entities, Entity, EntityUid, Form, Gate, GateConfig, Job, Left, Module, Value,
//!     WindowKind,
//! };
//!
//! // Once a process. This module (here as text) permits support agents, for up to 60 customers in 24 hours; the ledger
//! // counts them, for all processes that open it with the key.
//! # let folder = tempfile::tempdir()?;
//! # let (path, key) = (folder.path().join("ledger.sqlite"), [7; 32]);
//! let config = GateConfig { windows: [WindowKind::Customers].into(), ..GateConfig::default() };
//! let engine = Engine::new(&config.engine)?;
//! let module = Module::load(&engine, &wat::parse_file("tests/data/front_page.wat")?)?;
//! let ledger = SqliteLedger::open(path, CustomerKey::new(&key)?, SqliteOptions::default())?;
//! let gate = Gate::with_ledger(&engine, config, vec![module], Arc::new(ledger))?;
//!
//! // Once an export.
//! let agent = EntityUid::new("Export::Agent", "ana");
//! let ana = Entity::new(agent.clone()).with_parent(EntityUid::new("Export::Role", "support"));
//! let job = Job {
//!     id: "job-1".into(),
//!     agent,
//!     fields: ["customer.email", "card"].map(Arc::from).into(),
//!     customers: Customers::new(["customer-1", "customer-2"])?,
//!     env: Value::record([("managedDevice", Value::Bool(true))]),
//!     approvals: Approvals::none(),
//!     entities: Arc::new(Entities::new([ana])?),
//!     prepared_agent: None,
//! };
//! let answer = gate.ask(&job);
//! let Some(permit) = answer.permit else { return Err("show the agent `answer.decision.for_agent()`".into()) };
//! assert_eq!(answer.decision.form(0, 0), Form::Partial);
//! assert_eq!(answer.decision.form(0, 1), Form::Suppressed);
//! gate.use_permit(&permit)?;
//! // Now it leaves, each field in its form. Then say what left, or `cancel` if nothing did.
//! gate.commit(permit.job(), Left::All)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Two layers are public. [`Module::authorize`] answers any Cedar [`Request`] for any schema. [`Gate`] answers a whole export,
//! and states what the caller may not: the time, what was exported before, tallies, approvals, and which class a field has.
//! [`Gate::ask`] decides within the transaction that counts; [`Gate::evaluate`] is a dry run, on which nothing may leave.
//! [`job_file`] reads jobs from JSON, for dry runs; [`GateConfig`] reads `exportgate.toml`.

mod abi;
mod answer;
mod approvals;
mod artifact;
mod ask;
mod audit;
mod authorize;
mod component;
mod config;
mod customers;
mod decision;
mod engine;
mod entities;
mod error;
mod fields;
mod frame;
mod gate;
mod hex;
mod inputs;
mod instance;
mod job;
pub mod job_file;
mod limits;
mod load_error;
mod manifest_check;
mod manifest_error;
mod module;
mod obligations;
mod permit;
mod plan;
mod prepared;
mod record;
mod release;
mod request;
mod revocation;
#[cfg(test)]
mod tests;
mod trace;
mod windows;
mod workspace;

pub use approvals::{Approval, Approvals, ApprovalsSummary, ApproverRole, JobDigest};
pub use audit::{AuditLog, LedgerRecords, LogWriter, PruneError, Retention, prune};
pub use config::{
    ApproverConfig, AuditConfig, AuditConfigError, CONFIG_BYTES_MAX, ErringPolicies, GateConfig, GateConfigError,
    Isolation, LedgerConfig, LedgerConfigError, LedgerStore, ModulePin, ReleaseConfig, ReleaseConfigError, Version,
    WindowKind,
};
pub use customers::{CUSTOMER_ATTRIBUTES_MAX, Column, Customers, CustomersError};
pub use decision::{AgentView, Asked, Cause, Decision, Form, ModuleInfo, PolicyInfo, PolicyUse, Verdict};
pub use engine::{ConfigError, Engine, EngineConfig};
pub use entities::{ENTITIES_MAX, Entities, EntitiesError, Entity, PARENTS_MAX};
pub use error::{AnswerError, EvaluateError, GuestCall, PointerFault};
pub use exportgate_audit as audit_log;
pub use exportgate_contract as contract;
pub use exportgate_contract::value::{EntityUid, Ip, Value};
pub use exportgate_ledger as ledger;
pub use gate::{
    APPROVE, ApproveError, Approver, Clock, FALLBACK_JOBS_MAX, Gate, GateError, PreparedAgent, RequestText, SystemClock,
};
pub use job::{IdProblem, Job, JobError};
pub use load_error::LoadError;
pub use manifest_error::ManifestError;
pub use module::{Inspection, Module};
pub use obligations::{ObligationKind, Obligations};
pub use permit::{Answer, Left, Permit, PermitError};
pub use prepared::PreparedRequest;
pub use record::{Change, Recorder};
pub use release::{AnyError, ROW_BYTES_MAX, Release, ReleaseError, Released, Row, Rows, Sink, TokenKey};
pub use request::{Request, RequestDecision, Response};
pub use revocation::{reinstate, revoke};
pub use trace::Exchange;
pub use windows::{MemoryWindows, WindowRead, Windows, WindowsError, declare_from_now};
