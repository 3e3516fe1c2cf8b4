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
    pub(crate) obligations: Arc<Obligations>,
    pub(crate) usage: Vec<(Arc<str>, u64)>,
    pub(crate) tallies: Vec<(Arc<str>, u64)>,
    pub(crate) modules: Arc<[ModuleInfo]>,
    pub(crate) fuel_used: u64,
}

impl Decision {
    /// A denial of nothing, to be filled by [`Gate::evaluate_into`](crate::Gate::evaluate_into).
    pub fn empty() -> Self {
        let none: Arc<str> = "".into();
        Self {
            job: none.clone(),
            agent: EntityUid { entity_type: none.clone(), id: none },
            now_ms: 0,
            verdict: Verdict::Deny,
            cause: None,
            customers: 0,
            fields: Arc::from([]),
            rows: Rows::default(),
            forms: Forms::default(),
            determining: Vec::new(),
            erring: Vec::new(),
            obligations: Arc::default(),
            usage: Vec::new(),
            tallies: Vec::new(),
            modules: Arc::from([]),
            fuel_used: 0,
        }
    }

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
        (self.is_allow() && self.forms.lines == Lines::One).then_some(&self.forms.cells)
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rows {
    /// Whether any do.
    any: bool,
    /// For each row whether it leaves; nothing when all do, or none.
    each: Vec<bool>,
}

impl Rows {
    /// Every row, or none.
    pub(crate) fn all(&mut self, leave: bool) {
        self.any = leave;
        self.each.clear();
    }

    /// Each row as it says.
    pub(crate) fn each(&mut self, rows: impl Iterator<Item = bool>) {
        self.any = true;
        self.each.clear();
        self.each.extend(rows);
        // A list without rows must not be read as all of them.
        self.any = !self.each.is_empty();
    }

    pub(crate) fn includes(&self, row: usize) -> bool {
        self.any && (self.each.is_empty() || self.each.get(row).copied().unwrap_or(false))
    }

    fn included(&self, rows: usize) -> usize {
        if !self.any {
            0
        } else if self.each.is_empty() {
            rows
        } else {
            self.each.iter().filter(|included| **included).count()
        }
    }

    /// How many bytes it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.each.capacity()
    }

    /// Leaves what both include.
    pub(crate) fn intersect(&mut self, other: &Self) {
        if !self.any || !other.any {
            self.all(false);
        } else if self.each.is_empty() {
            self.each.extend_from_slice(&other.each);
        } else if !other.each.is_empty() {
            for (row, other) in self.each.iter_mut().zip(&other.each) {
                *row &= other;
            }
        }
    }
}

/// In which form each field leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Forms {
    /// How many fields there are.
    columns: usize,
    /// The forms, at `line * columns + column`. There is one line for all rows, one for each, or one for each class.
    cells: Vec<Form>,
    lines: Lines,
    /// For each row the line that it has; nothing unless rows share lines.
    line_of_row: Vec<u32>,
}

/// What the lines of [`Forms`] are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Lines {
    #[default]
    One,
    Each,
    Shared,
}

impl Forms {
    /// No forms: nothing leaves.
    pub(crate) fn none(&mut self) {
        self.begin(0, Lines::One);
    }

    /// The same forms for all rows.
    pub(crate) fn columns(&mut self, forms: impl Iterator<Item = Form>) {
        self.begin(0, Lines::One);
        self.cells.extend(forms);
        self.columns = self.cells.len();
    }

    /// Forms by row, of so many fields: those of a row at a time, for `lines` rows. Rows that share one say which in
    /// `line_of_row`.
    pub(crate) fn rows(&mut self, columns: usize, cells: impl Iterator<Item = Form>, line_of_row: Option<&[u32]>) {
        self.begin(columns, if line_of_row.is_some() { Lines::Shared } else { Lines::Each });
        self.cells.extend(cells);
        self.line_of_row.extend_from_slice(line_of_row.unwrap_or_default());
    }

    fn begin(&mut self, columns: usize, lines: Lines) {
        self.cells.clear();
        self.line_of_row.clear();
        (self.columns, self.lines) = (columns, lines);
    }

    fn at(&self, row: usize, column: usize) -> Form {
        let line = match self.lines {
            Lines::One => Some(0),
            Lines::Each => Some(row),
            Lines::Shared => self.line_of_row.get(row).and_then(|line| usize::try_from(*line).ok()),
        };
        let place = line.and_then(|line| line.checked_mul(self.columns)).and_then(|start| start.checked_add(column));
        place.filter(|_| column < self.columns).and_then(|place| self.cells.get(place)).copied().unwrap_or_default()
    }

    /// How many bytes it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.line_of_row.capacity().saturating_mul(4).saturating_add(self.cells.capacity())
    }

    /// Leaves the less revealing of both, everywhere, for so many rows.
    pub(crate) fn least(&mut self, other: &Self, rows: usize) {
        if other.lines == Lines::One {
            for line in self.cells.chunks_mut(self.columns.max(1)) {
                for (form, other) in line.iter_mut().zip(&other.cells) {
                    *form = (*other).min(*form);
                }
            }
            return;
        }
        // Lines that are shared otherwise are taken apart.
        let columns = self.columns;
        let cells = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
        let cells: Vec<Form> = cells.map(|(row, column)| self.at(row, column).min(other.at(row, column))).collect();
        self.begin(columns, Lines::Each);
        self.cells = cells;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(forms: &[Form]) -> Forms {
        let mut all = Forms::default();
        all.columns(forms.iter().copied());
        all
    }

    fn rows(forms: &[Form], line_of_row: Option<&[u32]>) -> Forms {
        let mut all = Forms::default();
        all.rows(2, forms.iter().copied(), line_of_row);
        all
    }

    #[test]
    fn the_least_revealing_form_holds() {
        let one = columns(&[Form::Plain, Form::Token]);
        let each = rows(&[Form::Partial, Form::Plain, Form::Plain, Form::Suppressed], None);
        let shared = rows(&[Form::Plain, Form::Suppressed, Form::Partial, Form::Plain], Some(&[1, 0]));
        let least = [[Form::Partial, Form::Token], [Form::Plain, Form::Suppressed]];
        for (a, b) in
            [(&one, &each), (&each, &one), (&one, &shared), (&shared, &one), (&shared, &each), (&each, &shared)]
        {
            let mut both = a.clone();
            both.least(b, 2);
            let found = [0, 1].map(|row| [0, 1].map(|column| both.at(row, column)));
            if [a, b].contains(&&one) {
                assert_eq!(found, least);
            } else {
                assert_eq!(found, [[Form::Partial, Form::Plain], [Form::Plain, Form::Suppressed]]);
            }
        }
        assert_eq!(shared.at(2, 0), Form::Suppressed);
        assert_eq!(one.at(0, 2), Form::Suppressed);
    }

    #[test]
    fn rows_leave_when_every_module_includes_them() {
        let of = |rows: &[bool]| {
            let mut all = Rows::default();
            all.each(rows.iter().copied());
            all
        };
        let uniform = |leave| {
            let mut all = Rows::default();
            all.all(leave);
            all
        };
        let check = |mut a: Rows, b: &Rows, expected: [bool; 3]| {
            a.intersect(b);
            assert_eq!([0, 1, 2].map(|row| a.includes(row)), expected);
            assert_eq!(a.included(3), expected.iter().filter(|included| **included).count());
        };
        let some = of(&[true, false, true]);
        check(uniform(true), &some, [true, false, true]);
        check(some.clone(), &uniform(true), [true, false, true]);
        check(some.clone(), &uniform(false), [false; 3]);
        check(uniform(false), &some, [false; 3]);
        check(some, &of(&[false, true, true]), [false, false, true]);
        assert_eq!(of(&[]).included(0), 0);
    }
}
