//! What the gate answers to a job: the verdict, what leaves in which form, why, and what must be done.

use std::fmt;
use std::sync::Arc;

use exportgate_contract::manifest::Effect;
use exportgate_contract::obligation::{Fallback, Obligation, Remedy};
use exportgate_contract::value::EntityUid;
use exportgate_ledger::LedgerError;

use crate::error::EvaluateError;
use crate::job::JobError;
use crate::job_file::print_datetime;
use crate::obligations::Obligations;
use crate::windows::WindowsError;

/// Whether a job may leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may: the customers that are included, each field in its form.
    Allow,
    /// It may not, and the gate knows nothing that the agent could do about it.
    Deny,
    /// It may not as it stands. With all of these it might: asked again with them, the gate allowed.
    Challenge(Vec<Remedy>),
}

/// In which form a field leaves. A greater form reveals more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Form {
    /// It doesn't leave.
    #[default]
    Suppressed = 0,
    /// As a keyed token: equal values have equal tokens.
    Token = 1,
    /// In part: the last four digits, the first letter.
    Partial = 2,
    /// As it is.
    Plain = 3,
}

impl Form {
    /// How a decision names it: `plain`, `partial`, `token`, `suppressed`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Suppressed => "suppressed",
            Self::Token => "token",
            Self::Partial => "partial",
            Self::Plain => "plain",
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is asked about a job.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Asked {
    /// Whether the job may leave.
    Export,
    /// Whether a customer is included.
    Include,
    /// Whether a field leaves in this form.
    Reveal(Form),
    /// Whether a customer counts for the tally of this name.
    Tally(Arc<str>),
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Export => f.write_str("export"),
            Self::Include => f.write_str("include"),
            Self::Reveal(form) => write!(f, "reveal_{form}"),
            Self::Tally(name) => write!(f, "tally_{name}"),
        }
    }
}

/// A policy of a loaded module, with what its annotations say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyInfo {
    pub(crate) module: Arc<str>,
    pub(crate) id: Arc<str>,
    pub(crate) effect: Effect,
    pub(crate) reason: Option<Arc<str>>,
    pub(crate) controls: Vec<String>,
    pub(crate) incidents: Vec<String>,
    pub(crate) silent: bool,
    pub(crate) remedies: Vec<Remedy>,
    pub(crate) fallback: Option<Fallback>,
    pub(crate) obligations: Vec<Obligation>,
}

impl PolicyInfo {
    /// The name of the module that it is in.
    pub fn module(&self) -> &str {
        &self.module
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether it permits or forbids.
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// The id of the message for the agent.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// The controls that it implements.
    pub fn controls(&self) -> &[String] {
        &self.controls
    }

    /// The incidents that it answers.
    pub fn incidents(&self) -> &[String] {
        &self.incidents
    }

    /// Whether a denial by it tells the agent nothing.
    pub fn is_silent(&self) -> bool {
        self.silent
    }

    /// What lifts it, if it forbids, or satisfies it, if it permits.
    pub fn remedies(&self) -> &[Remedy] {
        &self.remedies
    }

    /// What may be missing when it permits all the same.
    pub fn fallback(&self) -> Option<Fallback> {
        self.fallback
    }
}

/// A policy that had a say in a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyUse {
    /// The policy.
    pub policy: Arc<PolicyInfo>,
    /// In the answer to which question.
    pub asked: Asked,
    /// At how many points: 1 for the job, else for how many customers, or fields, or fields of customers. Where an
    /// answer doesn't vary by customer, it is counted once, not once a customer.
    pub points: u64,
}

/// A module that was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleInfo {
    pub(crate) name: Arc<str>,
    pub(crate) version: Arc<str>,
    pub(crate) sha256: Arc<str>,
    pub(crate) base: bool,
}

impl ModuleInfo {
    /// The name of its pack.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version of its pack.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// SHA-256 of the component, in lower-case hexadecimal digits.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Whether it is the base pack, which must allow.
    pub fn is_base(&self) -> bool {
        self.base
    }
}

/// Why a job was denied although no policy said so: something failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// The job can't be asked about.
    #[error("the job is refused: {0}")]
    Job(#[source] JobError),
    /// The gate has no ledger: it was made to evaluate, not to be asked.
    #[error("the gate has no ledger to ask in")]
    NoLedger,
    /// The ledger refused the job, or failed: nothing was reserved.
    #[error("the ledger refused or failed: {0}")]
    Ledger(#[source] LedgerError),
    /// The agent is revoked.
    #[error("agent `{agent}` is revoked since {}", print_datetime(*since_ms))]
    Revoked {
        /// The agent's id.
        agent: Arc<str>,
        /// Since when, in milliseconds since 1970.
        since_ms: i64,
    },
    /// The ledger holds an approval in a capacity that the gate doesn't know.
    #[error("request {request} was answered in a capacity that the gate doesn't know")]
    Approval {
        /// The number of the request.
        request: i64,
    },
    /// The windows couldn't be read.
    #[error("the windows can't be read: {0}")]
    Windows(#[source] WindowsError),
    /// A module failed to answer.
    #[error("module `{module}` failed: {source}")]
    Module {
        /// The name of its pack.
        module: Arc<str>,
        /// What happened.
        source: EvaluateError,
    },
    /// A policy of a tally erred, so that the count isn't known.
    #[error("a policy of tally `{tally}` erred, so the count isn't known")]
    TallyErred {
        /// The name of the tally.
        tally: Arc<str>,
    },
    /// Policies erred, and the configuration doesn't say that these are to be skipped. [`Decision::erring`] names them.
    #[error("policies erred")]
    PoliciesErred,
}

/// The gate's answer to a job.
///
/// # Security
///
/// A decision names policies and reasons that the agent may have no business to know (`@silent`). Show the agent
/// [`Decision::for_agent`], and log the rest.
#[derive(Clone, Debug)]
pub struct Decision {
    pub(crate) job: Arc<str>,
    pub(crate) agent: EntityUid,
    pub(crate) now_ms: i64,
    pub(crate) verdict: Verdict,
    pub(crate) cause: Option<Cause>,
    pub(crate) customers: usize,
    pub(crate) fields: Arc<[Arc<str>]>,
    pub(crate) rows: Rows,
    pub(crate) forms: Forms,
    pub(crate) determining: Vec<PolicyUse>,
    pub(crate) erring: Vec<PolicyUse>,
    pub(crate) obligations: Obligations,
    pub(crate) usage: Vec<(Arc<str>, u64)>,
    pub(crate) tallies: Vec<(Arc<str>, u64)>,
    pub(crate) modules: Arc<[ModuleInfo]>,
    pub(crate) fuel_used: u64,
}

impl Decision {
    /// Whether the job may leave.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// Whether the verdict is [`Verdict::Allow`].
    pub fn is_allow(&self) -> bool {
        self.verdict == Verdict::Allow
    }

    /// What failed, when the job was denied because something did; none when policies decided.
    pub fn cause(&self) -> Option<&Cause> {
        self.cause.as_ref()
    }

    /// Whether policies denied the job: neither a failure nor a challenge.
    pub fn is_policy_denial(&self) -> bool {
        self.verdict == Verdict::Deny && self.cause.is_none()
    }

    /// The id of the job.
    pub fn job(&self) -> &str {
        &self.job
    }

    /// The agent who asked.
    pub fn agent(&self) -> &EntityUid {
        &self.agent
    }

    /// When it was decided, in milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// The fields asked for, in the order of the job.
    pub fn fields(&self) -> &[Arc<str>] {
        &self.fields
    }

    /// How many customers were asked for.
    pub fn customers(&self) -> usize {
        self.customers
    }

    /// Whether the customer in row `customer` of the job leaves. Never true of a job that isn't allowed.
    pub fn includes(&self, customer: usize) -> bool {
        self.is_allow() && customer < self.customers && self.rows.includes(customer)
    }

    /// How many customers leave: 0 when the job isn't allowed.
    pub fn customers_included(&self) -> usize {
        if self.is_allow() { self.rows.included(self.customers) } else { 0 }
    }

    /// The form in which the field at position `field` of the job leaves, for the customer in row `customer`.
    /// [`Form::Suppressed`] when the job isn't allowed, the customer isn't included, or there is no such cell.
    pub fn form(&self, customer: usize, field: usize) -> Form {
        if !self.includes(customer) || field >= self.fields.len() {
            return Form::Suppressed;
        }
        self.forms.at(customer, field)
    }

    /// The form of each field, in the order of the job, when it is the same for all customers that leave; none when it
    /// varies by customer or the job isn't allowed.
    pub fn forms_of_all(&self) -> Option<&[Form]> {
        match &self.forms {
            Forms::Columns(forms) if self.is_allow() => Some(forms),
            Forms::Columns(_) | Forms::Cells { .. } => None,
        }
    }

    /// The policies that determined the verdict: of a denial the forbids that held, of an allowance the permits; none
    /// when nothing permitted. Base module first, in the order of each module's policies.
    pub fn determining(&self) -> impl Iterator<Item = &PolicyInfo> {
        self.determining.iter().filter(|used| used.asked == Asked::Export).map(|used| &*used.policy)
    }

    /// All policies that determined an answer that counts: those of the verdict, and of a job that is allowed those
    /// behind the rows and the forms, each with the question and at how many points.
    pub fn policies(&self) -> &[PolicyUse] {
        &self.determining
    }

    /// The policies that erred, with the question in which they did.
    pub fn erring(&self) -> &[PolicyUse] {
        &self.erring
    }

    /// What must be done; of a denial the alert only.
    pub fn obligations(&self) -> &Obligations {
        &self.obligations
    }

    /// The windows that the policies could read: name, and count after this job.
    pub fn usage(&self) -> &[(Arc<str>, u64)] {
        &self.usage
    }

    /// The tallies that the policies could read: name, and for how many customers of the job it was allowed.
    pub fn tallies(&self) -> &[(Arc<str>, u64)] {
        &self.tallies
    }

    /// The modules that were asked, the base first.
    pub fn modules(&self) -> &[ModuleInfo] {
        &self.modules
    }

    /// The fuel that all calls of all modules took, in Wasmtime's units: about one a Wasm instruction.
    pub fn fuel_used(&self) -> u64 {
        self.fuel_used
    }

    /// What the agent may know of it.
    pub fn for_agent(&self) -> AgentView {
        let silent = self.determining().any(PolicyInfo::is_silent);
        match &self.verdict {
            Verdict::Allow => AgentView { verdict: Verdict::Allow, reasons: Vec::new() },
            // A failure and a silent denial look like a job that nothing permits.
            Verdict::Deny if silent || self.cause.is_some() => {
                AgentView { verdict: Verdict::Deny, reasons: Vec::new() }
            }
            Verdict::Deny | Verdict::Challenge(_) => {
                let mut reasons: Vec<Arc<str>> = Vec::new();
                for reason in self.determining().filter_map(|policy| policy.reason.as_ref()) {
                    if !reasons.contains(reason) {
                        reasons.push(reason.clone());
                    }
                }
                AgentView { verdict: self.verdict.clone(), reasons }
            }
        }
    }
}

/// What the agent may know of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentView {
    verdict: Verdict,
    reasons: Vec<Arc<str>>,
}

impl AgentView {
    /// Whether the job may leave, and what might lift a denial.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// The ids of the messages to show; none when nothing permitted the job, a silent policy forbade it, or something
    /// failed: these three look the same.
    pub fn reasons(&self) -> &[Arc<str>] {
        &self.reasons
    }
}

/// Which rows leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rows {
    /// Every row, or none: the answer didn't vary.
    Uniform(bool),
    /// For each row whether it leaves.
    Each(Vec<bool>),
}

impl Rows {
    pub(crate) fn includes(&self, row: usize) -> bool {
        match self {
            Self::Uniform(included) => *included,
            Self::Each(rows) => rows.get(row).copied().unwrap_or(false),
        }
    }

    fn included(&self, rows: usize) -> usize {
        match self {
            Self::Uniform(true) => rows,
            Self::Uniform(false) => 0,
            Self::Each(each) => each.iter().filter(|included| **included).count(),
        }
    }

    /// What both include.
    pub(crate) fn intersect(self, other: Self) -> Self {
        match (self, other) {
            (Self::Uniform(false), _) | (_, Self::Uniform(false)) => Self::Uniform(false),
            (Self::Uniform(true), rows) | (rows, Self::Uniform(true)) => rows,
            (Self::Each(mut rows), Self::Each(other)) => {
                for (row, other) in rows.iter_mut().zip(other) {
                    *row &= other;
                }
                Self::Each(rows)
            }
        }
    }
}

/// In which form each field leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Forms {
    /// For each field, the same for all customers.
    Columns(Vec<Form>),
    /// For each customer and field: at `row * columns + column`.
    Cells {
        /// How many fields there are.
        columns: usize,
        /// The forms.
        cells: Vec<Form>,
    },
}

impl Forms {
    /// No forms: nothing leaves.
    pub(crate) fn none() -> Self {
        Self::Columns(Vec::new())
    }

    fn at(&self, row: usize, column: usize) -> Form {
        match self {
            Self::Columns(forms) => forms.get(column).copied().unwrap_or_default(),
            Self::Cells { columns, cells } => {
                let place = row.checked_mul(*columns).and_then(|start| start.checked_add(column));
                place.and_then(|place| cells.get(place)).copied().unwrap_or_default()
            }
        }
    }

    /// The less revealing of both, everywhere.
    pub(crate) fn least(self, other: Self) -> Self {
        match (self, other) {
            (Self::Columns(mut forms), Self::Columns(other)) => {
                for (form, other) in forms.iter_mut().zip(other) {
                    *form = other.min(*form);
                }
                Self::Columns(forms)
            }
            (Self::Cells { columns, mut cells }, Self::Cells { cells: other, .. }) => {
                for (form, other) in cells.iter_mut().zip(other) {
                    *form = other.min(*form);
                }
                Self::Cells { columns, cells }
            }
            (Self::Cells { columns, mut cells }, Self::Columns(forms))
            | (Self::Columns(forms), Self::Cells { columns, mut cells }) => {
                for row in cells.chunks_mut(columns.max(1)) {
                    for (form, other) in row.iter_mut().zip(&forms) {
                        *form = (*other).min(*form);
                    }
                }
                Self::Cells { columns, cells }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_revealing_form_holds() {
        let columns = Forms::Columns(vec![Form::Plain, Form::Token]);
        let cells = Forms::Cells { columns: 2, cells: vec![Form::Partial, Form::Plain, Form::Plain, Form::Suppressed] };
        let least = Forms::Cells { columns: 2, cells: vec![Form::Partial, Form::Token, Form::Plain, Form::Suppressed] };
        assert_eq!(columns.clone().least(cells.clone()), least);
        assert_eq!(cells.least(columns), least);
    }

    #[test]
    fn rows_leave_when_every_module_includes_them() {
        let some = Rows::Each(vec![true, false, true]);
        assert_eq!(Rows::Uniform(true).intersect(some.clone()), some);
        assert_eq!(some.clone().intersect(Rows::Uniform(false)), Rows::Uniform(false));
        assert_eq!(some.intersect(Rows::Each(vec![false, true, true])), Rows::Each(vec![false, false, true]));
    }
}
