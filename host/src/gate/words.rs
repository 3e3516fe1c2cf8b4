//! What the gate works out of a module's manifest once: which question is which, where each input comes from, what the
//! policies' annotations say, and whether the configuration supports all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use exportgate_contract::manifest::{Axis, ContextBinding, Effect, Manifest, Policy, Question};
use exportgate_contract::obligation::{self, Annotation, Assumed, Remedy};
use exportgate_contract::types::{Attribute, Type};
use exportgate_contract::vocabulary::{
    self, ACTION, APPROVALS, CLASSES, CONTEXT_CUSTOMER, CONTEXT_TICKET, CUSTOMERS, ENV, EXPORT, FIELDS, INCLUDE, NOW,
    REVEAL, Role, Subject, TALLY, USAGE, Window,
};

use super::error::GateError;
use super::release::unknown_partial;
use super::stated::reads;
use crate::answer::Outcome;
use crate::config::{GateConfig, WindowKind};
use crate::decision::{Asked, Form, ModuleInfo, PolicyInfo};
use crate::fields::Fields;
use crate::frame::columns::FixedColumns;
use crate::frame::sheet::Sheet;
use crate::module::Module;
use crate::obligations::ObligationKind;
use crate::plan::Plan;

/// What the gate knows of a module beside its code.
#[derive(Debug)]
pub(super) struct Words {
    /// The question whether the job may leave.
    pub(super) export: Option<u32>,
    /// The question whether a customer is included.
    pub(super) include: Option<u32>,
    /// The questions in which form a field leaves, most revealing first.
    pub(super) reveal: [Option<u32>; REVEAL.len()],
    /// The tallies, by name, with their questions.
    pub(super) tallies: Vec<(Arc<str>, u32)>,
    /// The tallies as a decision names them: those of another module than the base with its name.
    pub(super) tally_names: Vec<Arc<str>>,
    /// Where each input of the manifest comes from, in its order.
    pub(super) inputs: Vec<Given>,
    /// The windows that policies may read, by the name they have in `context.usage`.
    pub(super) windows: BTreeMap<Arc<str>, Window>,
    /// The same windows, each with its place among those of all modules: the attributes of `context.usage`, ascending.
    pub(super) usage: Vec<(Arc<str>, usize)>,
    /// The attributes of `context.approvals`.
    pub(super) approvals: BTreeSet<Arc<str>>,
    /// The policies, in the order of the manifest.
    pub(super) policies: Vec<Arc<PolicyInfo>>,
    /// The fields of the catalogue, if there is one: a field that it doesn't have is refused.
    pub(super) fields: Option<Fields>,
    /// What the questions of both calls read.
    pub(super) sheet: Sheet,
    /// What the question whether the job may leave reads by itself.
    pub(super) export_sheet: Sheet,
    /// What follows from the catalogue alone, and is taken out of `sheet`.
    pub(super) columns: FixedColumns,
    /// For each tally the place of the job's fact that is its count, if any is.
    pub(super) tally_places: Vec<Option<usize>>,
    /// Whether tallies are read as those facts and in no other way.
    pub(super) tallies_are_numbers: bool,
    /// The questions of the first call, ascending: all tallies.
    pub(super) tally_questions: Vec<u32>,
    /// The questions of the second call, ascending: all others of an export.
    pub(super) export_questions: Vec<u32>,
    /// Remedies that change what a tally may read.
    pub(super) tallied_remedies: BTreeSet<Remedy>,
    /// The policies that the question whether the job may leave may name.
    export_policies: Vec<u32>,
}

/// What an input of a question is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Given {
    /// No question of an export wants it.
    Nothing,
    Agent,
    Job,
    Customers,
    Fields,
    Tickets,
    Env,
    Now,
    Usage,
    Tally,
    Approvals,
    CustomerCount,
    FieldSet,
    Classes,
}

impl Given {
    /// What the input with this name is given, and on which axis; none when the gate doesn't state it.
    fn parse(name: &str) -> Option<(Self, Axis)> {
        let Some(attribute) = name.strip_prefix("context.") else {
            return Some(match name {
                "agent" => (Self::Agent, Axis::Job),
                "job" => (Self::Job, Axis::Job),
                "customer" => (Self::Customers, Axis::Row),
                "ticket" => (Self::Tickets, Axis::Row),
                "field" => (Self::Fields, Axis::Column),
                _ => return None,
            });
        };
        Some(match attribute {
            ENV => (Self::Env, Axis::Job),
            NOW => (Self::Now, Axis::Job),
            USAGE => (Self::Usage, Axis::Job),
            TALLY => (Self::Tally, Axis::Job),
            APPROVALS => (Self::Approvals, Axis::Job),
            CUSTOMERS => (Self::CustomerCount, Axis::Job),
            FIELDS => (Self::FieldSet, Axis::Job),
            CLASSES => (Self::Classes, Axis::Job),
            CONTEXT_TICKET => (Self::Tickets, Axis::Row),
            _ => return None,
        })
    }
}

impl Module {
    /// The windows that its policies may read.
    pub fn windows(&self) -> Vec<Window> {
        attributes(self.manifest(), USAGE).into_keys().filter_map(|name| Window::parse(&name)).collect()
    }
}

impl Words {
    /// What `plan`'s manifest says to a gate with `config`.
    pub(super) fn new(info: &ModuleInfo, plan: &Plan, config: &GateConfig) -> Result<Self, GateError> {
        let manifest = &plan.manifest;
        let module = || info.name.clone();
        if let Some(complaint) = vocabulary::check(&manifest.schema.types).into_iter().next() {
            return Err(GateError::Vocabulary { module: module(), complaint });
        }
        if let Some((field, form)) = unknown_partial(manifest) {
            return Err(GateError::Partial { module: module(), field, form });
        }
        let mut words = Self {
            export: None,
            include: None,
            reveal: [None; REVEAL.len()],
            tallies: Vec::new(),
            tally_names: Vec::new(),
            inputs: Vec::with_capacity(manifest.inputs.len()),
            windows: windows(info, manifest, config)?,
            usage: Vec::new(),
            approvals: attributes(manifest, APPROVALS).into_keys().collect(),
            policies: Vec::with_capacity(manifest.policies.len()),
            fields: manifest.catalogue.as_ref().map(Fields::new),
            sheet: Sheet::new(plan, &[]),
            export_sheet: Sheet::new(plan, &[]),
            columns: FixedColumns::default(),
            tally_places: Vec::new(),
            tallies_are_numbers: false,
            tally_questions: Vec::new(),
            export_questions: Vec::new(),
            tallied_remedies: BTreeSet::new(),
            export_policies: Vec::new(),
        };
        words.find_questions(info, manifest)?;
        words.check_answered(info, manifest)?;
        let name = |name: &Arc<str>| if info.base { name.clone() } else { format!("{}:{name}", info.name).into() };
        words.tally_names = words.tallies.iter().map(|(tally, _)| name(tally)).collect();
        words.tally_questions = words.tallies.iter().map(|(_, question)| *question).collect();
        words.tally_questions.sort_unstable();
        words.export_questions = [words.export, words.include].into_iter().chain(words.reveal).flatten().collect();
        words.export_questions.sort_unstable();
        let asked = words.asked_inputs(manifest);
        for (place, input) in (0_u32..).zip(&manifest.inputs) {
            if !asked.contains(&place) {
                words.inputs.push(Given::Nothing);
                continue;
            }
            let (given, axis) = Given::parse(&input.name)
                .ok_or_else(|| GateError::Input { module: module(), input: input.name.clone() })?;
            if axis != input.axis {
                return Err(GateError::InputAxis { module: module(), input: input.name.clone() });
            }
            words.inputs.push(given);
        }
        for policy in &manifest.policies {
            let policy = read_annotations(info, policy)?;
            check_supported(&policy, manifest, config)?;
            words.policies.push(Arc::new(policy));
        }
        let mut all: Vec<u32> = words.tally_questions.iter().chain(&words.export_questions).copied().collect();
        all.sort_unstable();
        words.sheet = Sheet::new(plan, &all);
        words.export_sheet = Sheet::new(plan, words.export.as_slice());
        words.find_tallies(plan);
        let fields = words.inputs.iter().position(|given| *given == Given::Fields);
        if let Some(fields) = fields.and_then(|fields| u32::try_from(fields).ok()) {
            words.columns = FixedColumns::take(plan, &mut words.sheet, fields);
        }
        words.tallied_remedies = Remedy::ALL
            .into_iter()
            .filter(|remedy| {
                let mut paths = remedy.assumes().iter();
                paths.any(|(path, _)| words.tally_questions.iter().any(|question| reads(manifest, *question, path)))
            })
            .collect();
        Ok(words)
    }

    /// Finds the facts that tallies are read as.
    fn find_tallies(&mut self, plan: &Plan) {
        let input = self.inputs.iter().position(|given| *given == Given::Tally);
        let input = input.and_then(|input| u32::try_from(input).ok());
        self.tally_places = vec![None; self.tallies.len()];
        self.tallies_are_numbers = input.is_none_or(|input| {
            let names = self.tallies.iter().map(|(name, _)| &**name);
            self.sheet.numbers_of(plan, input, names).is_some_and(|places| {
                self.tally_places = places;
                true
            })
        });
    }

    /// Says where each window stands among `all` that the gate reads.
    pub(super) fn place_windows(&mut self, all: &BTreeMap<Arc<str>, Window>) {
        let places = all.keys().zip(0..).filter(|(name, _)| self.windows.contains_key(*name));
        self.usage = places.map(|(name, place)| (name.clone(), place)).collect();
    }

    /// Whether an input is given this.
    pub(super) fn wants(&self, given: Given) -> bool {
        self.inputs.contains(&given)
    }

    /// The inputs of the questions of an export. Others belong to actions that a tool asks about by itself, through
    /// [`Module::authorize`](crate::Module::authorize), such as whether somebody may approve a job.
    fn asked_inputs(&self, manifest: &Manifest) -> BTreeSet<u32> {
        let questions = self.tally_questions.iter().chain(&self.export_questions);
        let questions = questions.filter_map(|id| manifest.questions.get(usize::try_from(*id).ok()?));
        let mut inputs = BTreeSet::new();
        for question in questions {
            inputs.extend([question.binding.principal, question.binding.resource]);
            match &question.binding.context {
                ContextBinding::Whole(input) => inputs.extend([*input]),
                ContextBinding::Attributes(attributes) => inputs.extend(attributes.values().copied()),
            }
        }
        inputs
    }

    /// All questions, each with what it asks.
    pub(super) fn asked(&self) -> impl Iterator<Item = (Asked, u32)> {
        let [plain, partial, token] = self.reveal;
        let fixed = [
            (Asked::Export, self.export),
            (Asked::Include, self.include),
            (Asked::Reveal(Form::Plain), plain),
            (Asked::Reveal(Form::Partial), partial),
            (Asked::Reveal(Form::Token), token),
        ];
        let fixed = fixed.into_iter().filter_map(|(what, question)| Some((what, question?)));
        fixed.chain(self.tallies.iter().map(|(name, question)| (Asked::Tally(name.clone()), *question)))
    }

    /// The remedies that might lift a denial with this `outcome`: those of the forbids that held, and those of the permits
    /// that didn't.
    pub(super) fn remedies_for(&self, outcome: Outcome<'_>) -> BTreeSet<Remedy> {
        let policy = |index: &u32| usize::try_from(*index).ok().and_then(|index| self.policies.get(index));
        let unsatisfied = self.export_policies.iter().filter(|index| outcome.satisfied.binary_search(index).is_err());
        let permits = unsatisfied.filter_map(policy).filter(|policy| policy.effect == Effect::Permit);
        let satisfied = outcome.satisfied.iter().filter_map(policy);
        let forbids = satisfied.filter(|policy| policy.effect == Effect::Forbid);
        permits.chain(forbids).flat_map(|policy| policy.remedies.iter().copied()).collect()
    }

    fn find_questions(&mut self, info: &ModuleInfo, manifest: &Manifest) -> Result<(), GateError> {
        for (position, question) in (0_u32..).zip(&manifest.questions) {
            if &*question.action.entity_type != ACTION {
                continue;
            }
            let action = &*question.action.id;
            let twice = || GateError::AnsweredTwice { module: info.name.clone(), action: action.to_owned() };
            let role = vocabulary::role(action);
            if role.is_some_and(|role| !is_bound(manifest, question, role)) {
                return Err(GateError::Binding { module: info.name.clone(), action: action.to_owned() });
            }
            let earlier = match role {
                None => None,
                Some(Role::Export) => {
                    self.export_policies.clone_from(&question.policies);
                    self.export.replace(position)
                }
                Some(Role::Include) => self.include.replace(position),
                Some(Role::Reveal(form)) => self.reveal.get_mut(form).and_then(|slot| slot.replace(position)),
                Some(Role::Tally(name)) => {
                    let earlier = self.tallies.iter().find(|(known, _)| **known == *name).map(|(_, earlier)| *earlier);
                    self.tallies.push((name.into(), position));
                    earlier
                }
            };
            if earlier.is_some() {
                return Err(twice());
            }
        }
        self.tallies.sort();
        Ok(())
    }

    fn check_answered(&self, info: &ModuleInfo, manifest: &Manifest) -> Result<(), GateError> {
        let module = || info.name.clone();
        let asked =
            [(EXPORT, self.export), (INCLUDE, self.include)].into_iter().chain(REVEAL.into_iter().zip(self.reveal));
        if info.base {
            for (action, question) in asked.clone() {
                if question.is_none() {
                    return Err(GateError::BaseUnanswered { module: module(), action: action.to_owned() });
                }
            }
        }
        if asked.clone().all(|(_, question)| question.is_none()) {
            return Err(GateError::NothingAnswered { module: module() });
        }
        let classes = format!("context.{CLASSES}");
        let of_fields =
            self.reveal.iter().any(Option::is_some) || manifest.inputs.iter().any(|input| input.name == classes);
        if of_fields && manifest.catalogue.is_none() {
            return Err(GateError::NoCatalogue { module: module() });
        }
        for tally in attributes(manifest, TALLY).into_keys() {
            if !self.tallies.iter().any(|(name, _)| *name == tally) {
                return Err(GateError::TallyUnanswered { module: module(), tally });
            }
        }
        Ok(())
    }
}

/// Whether the parts of a question come from where the vocabulary says, and its answer varies over no more than that.
fn is_bound(manifest: &Manifest, question: &Question, role: Role<'_>) -> bool {
    let given = |input: u32| {
        let input = usize::try_from(input).ok().and_then(|input| manifest.inputs.get(input))?;
        Given::parse(&input.name).map(|(given, _)| given)
    };
    let (resource, axes): (Given, &[Axis]) = match role {
        Role::Export => (Given::Job, &[Axis::Job]),
        Role::Include | Role::Tally(_) => (Given::Customers, &[Axis::Job, Axis::Row]),
        Role::Reveal(_) => (Given::Fields, &[Axis::Job, Axis::Row, Axis::Column, Axis::Cell]),
    };
    // A context as one whole is for requests of any schema; the gate states each attribute by itself.
    let ContextBinding::Attributes(context) = &question.binding.context else { return false };
    let of_context = |name: &str| match name {
        CONTEXT_CUSTOMER => Some(Given::Customers),
        _ => Given::parse(&format!("context.{name}")).map(|(given, _)| given),
    };
    given(question.binding.principal) == Some(Given::Agent)
        && given(question.binding.resource) == Some(resource)
        && axes.contains(&question.axis)
        && context.iter().all(|(name, input)| of_context(name).is_some() && of_context(name) == given(*input))
}

/// The attributes that the context attribute `record` has, over all actions of an export.
fn attributes(manifest: &Manifest, record: &str) -> BTreeMap<Arc<str>, Attribute> {
    let actions = manifest
        .schema
        .types
        .actions
        .iter()
        .filter(|action| &*action.uid.entity_type == ACTION && vocabulary::role(&action.uid.id).is_some());
    let mut all = BTreeMap::new();
    for attribute in actions.filter_map(|action| action.context.get(record)) {
        if let Type::Record(attributes) = &attribute.ty {
            all.extend(attributes.iter().map(|(name, attribute)| (name.clone(), attribute.clone())));
        }
    }
    all
}

fn windows(
    info: &ModuleInfo,
    manifest: &Manifest,
    config: &GateConfig,
) -> Result<BTreeMap<Arc<str>, Window>, GateError> {
    let mut windows = BTreeMap::new();
    for name in attributes(manifest, USAGE).into_keys() {
        // The vocabulary was checked: every name is one of a window.
        let Some(window) = Window::parse(&name) else { continue };
        let kind = WindowKind::of(window);
        if !config.windows.contains(&kind) {
            return Err(GateError::WindowKind { module: info.name.clone(), window: name, kind: kind.name() });
        }
        let destination = Type::Entity(Subject::Destination.entity_type().into());
        let env = attributes(manifest, ENV);
        if window.subject == Subject::Destination
            && env.get("destination").is_none_or(|attribute| !attribute.required || attribute.ty != destination)
        {
            return Err(GateError::WindowDestination { module: info.name.clone(), window: name });
        }
        windows.insert(name, window);
    }
    Ok(windows)
}

fn read_annotations(info: &ModuleInfo, policy: &Policy) -> Result<PolicyInfo, GateError> {
    let id: Arc<str> = policy.id.as_str().into();
    let mut read = PolicyInfo {
        module: info.name.clone(),
        id: id.clone(),
        effect: policy.effect,
        reason: None,
        controls: Vec::new(),
        incidents: Vec::new(),
        silent: false,
        remedies: Vec::new(),
        fallback: None,
        obligations: Vec::new(),
    };
    for (key, value) in &policy.annotations {
        let annotation = obligation::parse(key, value).map_err(|error| GateError::Annotation {
            module: info.name.clone(),
            policy: id.clone(),
            message: error.to_string(),
        })?;
        match annotation {
            Annotation::Id(_) => {}
            Annotation::Reason(reason) => read.reason = Some(reason.into()),
            Annotation::Control(controls) => read.controls = controls,
            Annotation::Incident(incidents) => read.incidents = incidents,
            Annotation::Silent => read.silent = true,
            Annotation::Remedy(remedies) => read.remedies = remedies,
            Annotation::Fallback(fallback) => read.fallback = Some(fallback),
            Annotation::Obligation(obligation) => read.obligations.push(obligation),
        }
    }
    Ok(read)
}

fn check_supported(policy: &PolicyInfo, manifest: &Manifest, config: &GateConfig) -> Result<(), GateError> {
    let (module, id) = (|| policy.module.clone(), || policy.id.clone());
    for obligation in policy.obligations.iter().map(ObligationKind::of) {
        if !config.obligations.contains(&obligation) {
            return Err(GateError::Obligation { module: module(), policy: id(), obligation });
        }
    }
    if let Some(fallback) = policy.fallback {
        if policy.effect != Effect::Permit {
            let message = format!(
                "`@fallback` stands on a permit, and this is a forbid: with `{fallback}` missing it holds all the same"
            );
            return Err(GateError::Annotation { module: module(), policy: id(), message });
        }
        if !config.fallbacks.contains(&fallback) {
            return Err(GateError::Fallback { module: module(), policy: id(), fallback });
        }
    }
    for remedy in policy.remedies.iter().copied() {
        if !config.remedies.contains(&remedy) {
            return Err(GateError::Remedy { module: module(), policy: id(), remedy });
        }
        for (path, assumed) in remedy.assumes() {
            let expected = match assumed {
                Assumed::True => Type::Bool,
                Assumed::Zero | Assumed::OneMore => Type::Long,
            };
            if declared(manifest, path) != Some(&expected) {
                return Err(GateError::RemedyPath {
                    module: module(),
                    policy: id(),
                    remedy,
                    path: path.join("."),
                    expected: if expected == Type::Bool { "Bool" } else { "Long" },
                });
            }
        }
    }
    Ok(())
}

/// The type that the schema gives to a path below the context of `export`.
fn declared<'a>(manifest: &'a Manifest, path: &[&str]) -> Option<&'a Type> {
    let mut actions = manifest.schema.types.actions.iter();
    let export = actions.find(|action| &*action.uid.entity_type == ACTION && &*action.uid.id == EXPORT)?;
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(&export.context.get(*first)?.ty, |ty, name| match ty {
        Type::Record(attributes) => attributes.get(*name).map(|attribute| &attribute.ty),
        _ => None,
    })
}

/// The remedies in the order in which they are offered.
pub(super) fn in_order(found: &BTreeSet<Remedy>) -> Vec<Remedy> {
    Remedy::ALL.into_iter().filter(|remedy| found.contains(remedy)).collect()
}
