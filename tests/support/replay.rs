//! Asks every question of a replay again, of cedar-policy and of other modules: an observer of each decision rebuilds the
//! Cedar requests behind it from the job alone, compares all answers, and the decision with what follows from them.
//!
//! Equal questions are asked once. Two are equal when they differ only in the ids of agent, job, customer and ticket, and in a
//! shift of all their instants: no policy of the pack names such an id, or an instant, or cuts one into days, which
//! [`Judge::new`] makes sure of.

pub mod asking;
pub mod scene;
pub mod spelling;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use cedar_policy::{ActionConstraint, Policy, PolicySet, Schema};
use exportgate::{Asked, Decision, Form, Gate, Job, Module, Value, Verdict};
use exportgate_cli::replay::Observer;
use exportgate_contract::vocabulary::{self, Role};

use crate::cedar::CedarReference;
use crate::engine::{Answer, Decision as Answered};
use asking::{About, AskedAction, Asking, Question, Subject};
use scene::{Scene, long};
use spelling::Numbers;

/// What policies must not hold, so that equal questions are equal.
const PARTICULAR: [&str; 7] =
    ["datetime(", ".toDate(", ".toTime(", "Agent::\"", "Job::\"", "Customer::\"", "Ticket::\""];

/// How many disagreements are kept.
const WRONG_MAX: usize = 10;

/// An observer that asks cedar-policy and an interpreter too.
pub struct Judge {
    reference: CedarReference,
    schema: Schema,
    /// The policies that answer tallies: those whose scope names a tally action. A forbid of everything must not lower a count.
    tallies: PolicySet,
    actions: cedar_policy::Entities,
    /// The same pack, interpreted in the sandbox.
    interpreted: Module,
    numbers: Numbers,
    /// The actions that the gate asks for.
    asked: Vec<AskedAction>,
    answers: Mutex<HashMap<Question, Arc<Answer>>>,
    found: Mutex<Found>,
}

/// What was found so far.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Decisions observed.
    pub decisions: u64,
    /// Questions behind them.
    pub questions: u64,
    /// Questions that weren't equal to one before: asked of cedar-policy and, by themselves, of each module.
    pub distinct: u64,
    /// What disagreed, the first few.
    pub wrong: Vec<String>,
}

impl Judge {
    /// An observer for the pack with these texts; `interpreted` is the module in which an interpreter answers for it.
    ///
    /// # Errors
    ///
    /// Cedar's message when a text doesn't parse; or what makes equal questions unequal.
    pub fn new(schema: &str, policies: &str, interpreted: Module) -> Result<Self, String> {
        // Comments may name what they like.
        let code: String = policies.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
        if let Some(particular) = PARTICULAR.iter().find(|particular| code.contains(**particular)) {
            return Err(format!(
                "the policies hold `{particular}`: questions can't be told equal up to names and time"
            ));
        }
        let reference = CedarReference::new(schema, policies, "[]")?;
        reference.validate()?;
        let schema = reference.schema().clone();
        let actions = schema.action_entities().map_err(|e| e.to_string())?;
        let of_tallies = reference.policies().policies().filter(|policy| names_tally(policy)).cloned();
        let tallies = PolicySet::from_policies(of_tallies).map_err(|e| e.to_string())?;
        let numbers = Numbers::default();
        let asked = AskedAction::all(&interpreted.manifest().schema.types, &numbers);
        Ok(Self {
            reference,
            schema,
            tallies,
            actions,
            interpreted,
            numbers,
            asked,
            answers: Mutex::default(),
            found: Mutex::default(),
        })
    }

    /// The policies.
    pub fn policies(&self) -> &PolicySet {
        self.reference.policies()
    }

    /// What was found.
    pub fn found(&self) -> Found {
        let found = self.found.lock().unwrap().clone();
        Found { distinct: u64::try_from(self.answers.lock().unwrap().len()).unwrap(), ..found }
    }

    fn wrong(&self, message: String) {
        push(&mut self.found.lock().unwrap().wrong, message);
    }
}

/// Keeps the first few.
fn push(wrong: &mut Vec<String>, message: String) {
    if wrong.len() < WRONG_MAX {
        wrong.push(message);
    }
}

impl Observer for Judge {
    fn decided(&self, gate: &Gate, job: &Job, now_ms: i64, decision: &Decision) {
        let module = gate.modules().next().expect("a module");
        let catalogue = module.manifest().catalogue.as_ref().expect("a catalogue");
        let scene = Scene::new(job, catalogue, now_ms, decision.usage());
        let asking = Asking::new(self, module, scene);
        let mut checked = Checked { asked: &self.asked, asking, decision, erring: BTreeSet::new(), wrong: Vec::new() };
        checked.check();
        checked.wrong.iter().for_each(|what| self.wrong(format!("{} at {now_ms}: {what}", job.id)));
        let mut found = self.found.lock().unwrap();
        found.decisions += 1;
        found.questions += checked.asking.questions.get();
    }
}

/// A decision, and what disagrees with it.
struct Checked<'a> {
    asked: &'a [AskedAction],
    asking: Asking<'a>,
    decision: &'a Decision,
    /// What was asked, and which policy erred in an answer.
    erring: BTreeSet<(String, String)>,
    wrong: Vec<String>,
}

impl<'a> Checked<'a> {
    /// Asks all questions and compares what follows from the answers with the decision.
    fn check(&mut self) {
        if let Some(cause) = self.decision.cause() {
            return self.wrong(format!("denied for another cause than policy: {cause:?}"));
        }
        let subjects = self.asking.subjects();
        self.check_tallies(&subjects);
        self.check_export();
        for subject in &subjects {
            self.check_row(subject);
        }
        let found: BTreeSet<(String, String)> =
            self.decision.erring().iter().map(|used| (used.asked.to_string(), used.policy.id().to_owned())).collect();
        if found != self.erring {
            self.wrong(format!("policies err: cedar {:?}, the gate {found:?}", self.erring));
        }
    }

    fn note_erring(&mut self, asked: &Asked, answers: &[Arc<Answer>]) {
        let erring = answers.iter().flat_map(|answer| &answer.erring);
        self.erring.extend(erring.map(|policy| (asked.to_string(), policy.clone())));
    }

    fn wrong(&mut self, message: String) {
        push(&mut self.wrong, message);
    }

    fn action(&self, wanted: Role<'_>) -> &'a AskedAction {
        let found = self.asked.iter().find(|asked| asked.role() == wanted);
        found.unwrap_or_else(|| panic!("no action for {wanted:?}"))
    }

    fn check_tallies(&mut self, subjects: &[Subject]) {
        let mut tallies = BTreeMap::new();
        for action in self.asked {
            let Role::Tally(name) = action.role() else { continue };
            let count = |subject: &Subject| {
                let [answer] =
                    self.asking.answers(action, Some(subject), About::Itself).try_into().expect("one answer");
                if answer.decision == Answered::Allow { subject.row.alike.len() } else { 0 }
            };
            let count: usize = subjects.iter().map(count).sum();
            tallies.insert(Arc::from(name), long(u64::try_from(count).unwrap()));
        }
        let found: BTreeMap<Arc<str>, Value> =
            self.decision.tallies().iter().map(|(name, count)| (name.clone(), long(*count))).collect();
        if found != tallies {
            self.wrong(format!("cedar counts {tallies:?}, the gate {found:?}"));
        }
        self.asking.scene.tally = tallies;
    }

    fn check_export(&mut self) {
        let decision = self.decision;
        let answers = self.asking.answers(self.action(Role::Export), None, About::Itself);
        let [export] = answers.as_slice() else { panic!("one answer") };
        let determining: BTreeSet<String> = decision
            .policies()
            .iter()
            .filter(|used| used.asked == Asked::Export)
            .map(|used| used.policy.id().to_owned())
            .collect();
        let allowed = *decision.verdict() == Verdict::Allow;
        if allowed != (export.decision == Answered::Allow) || determining != export.determining {
            self.wrong(format!("cedar says {export}, the gate {:?} by {determining:?}", decision.verdict()));
        }
        self.note_erring(&Asked::Export, &answers);
    }

    /// Compares the rows of one kind, and their fields.
    fn check_row(&mut self, subject: &Subject) {
        let decision = self.decision;
        let asking = &self.asking;
        let include = asking.answers(self.action(Role::Include), Some(subject), About::Itself);
        let included = include.iter().all(|answer| answer.decision == Answered::Allow);
        // Every reveal question is asked, also where an earlier one decided.
        let revealed = [(0, Form::Plain), (1, Form::Partial), (2, Form::Token)].map(|(position, form)| {
            (asking.answers(self.action(Role::Reveal(position)), Some(subject), About::Fields), form)
        });
        let form = |field: usize| {
            let mut allowed = revealed.iter().filter(|(answers, _)| answers[field].decision == Answered::Allow);
            allowed.next().map_or(Form::Suppressed, |(_, form)| *form)
        };
        let names = &asking.scene.job.fields;
        let forms: Vec<Form> = (0..names.len()).map(form).collect();
        let leaves = *decision.verdict() == Verdict::Allow && included;
        self.note_erring(&Asked::Include, &include);
        for (answers, form) in &revealed {
            self.note_erring(&Asked::Reveal(*form), answers);
        }
        for place in &subject.row.alike {
            if decision.includes(*place) != leaves {
                push(&mut self.wrong, format!("row {place}: cedar includes {leaves}"));
            }
            for (field, form) in forms.iter().enumerate() {
                let expected = if leaves { *form } else { Form::Suppressed };
                let found = decision.form(*place, field);
                if found != expected {
                    let name = &names[field];
                    push(&mut self.wrong, format!("row {place}, {name}: cedar {expected:?}, the gate {found:?}"));
                }
            }
        }
    }
}

fn names_tally(policy: &Policy) -> bool {
    let is_tally = |uid: &cedar_policy::EntityUid| {
        let id = uid.id().unescaped();
        id == vocabulary::TALLY_GROUP || id.starts_with(vocabulary::TALLY_PREFIX)
    };
    match policy.action_constraint() {
        ActionConstraint::Any => false,
        ActionConstraint::Eq(uid) => is_tally(&uid),
        ActionConstraint::In(uids) => uids.iter().any(is_tally),
    }
}
