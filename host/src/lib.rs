//! Asks sandboxed export policies: may this agent export these fields for these customers.

mod abi;
mod answer;
mod approvals;
mod artifact;
mod ask;
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
mod plan;
mod request;
#[cfg(test)]
mod tests;
mod trace;
mod windows;

pub use approvals::{Approval, Approvals, ApprovalsSummary, ApproverRole};
pub use config::{
    CONFIG_BYTES_MAX, ErringPolicies, GateConfig, GateConfigError, Isolation, ModulePin, Version, WindowKind,
};
pub use customers::{CUSTOMER_ATTRIBUTES_MAX, Column, Customers, CustomersError};
pub use decision::{AgentView, Asked, Cause, Decision, Form, ModuleInfo, PolicyInfo, PolicyUse, Verdict};
pub use engine::{ConfigError, Engine, EngineConfig};
pub use entities::{ENTITIES_MAX, Entities, EntitiesError, Entity, PARENTS_MAX};
pub use error::{AnswerError, EvaluateError, GuestCall, PointerFault};
pub use exportgate_contract as contract;
pub use exportgate_contract::value::{EntityUid, Ip, Value};
pub use gate::{Clock, Gate, GateError, RecordError, SystemClock};
pub use job::{IdProblem, Job, JobError};
pub use load_error::LoadError;
pub use manifest_error::ManifestError;
pub use module::{Inspection, Module};
pub use obligations::{ObligationKind, Obligations};
pub use request::{Request, RequestDecision, Response};
pub use trace::Exchange;
pub use windows::{MemoryWindows, WindowRead, Windows, WindowsError};
