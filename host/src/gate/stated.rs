//! What a module's inputs are given: the caller's facts, and what the gate alone states.

use std::collections::BTreeMap;
use std::sync::Arc;

use exportgate_contract::manifest::Manifest;
use exportgate_contract::obligation::{Assumed, Remedy};
use exportgate_contract::value::{EntityUid, Value};
use exportgate_contract::vocabulary::{APPROVALS, ENV, JOB, JOB_REQUESTER};

use super::words::{Given, Words};
use crate::approvals::Approvals;
use crate::entities::Entity;
use crate::inputs::{Inputs, Source};
use crate::job::Job;

/// The values that the inputs of one module are given. Those that no input wants stay empty.
#[derive(Debug)]
pub(super) struct Stated {
    own: [Entity; 1],
    fields: Vec<Value>,
    agent: Value,
    job: Value,
    now: Value,
    customer_count: Value,
    usage: Option<Value>,
    field_set: Option<Value>,
    classes: Option<Value>,
    tally: Option<Value>,
    env: Value,
    approvals: Option<Value>,
}

impl Stated {
    /// What is stated about `job`, whose fields are `fields`, and `approvals`, before anything was tallied.
    pub(super) fn new(
        words: &Words,
        job: &Job,
        approvals: &Approvals,
        fields: Vec<Value>,
        now_ms: i64,
        usage: &BTreeMap<Arc<str>, u64>,
    ) -> Self {
        let uid = EntityUid { entity_type: JOB.into(), id: job.id.clone() };
        let wanted = |given| words.inputs.contains(&given);
        let approvals = || {
            let summary = approvals.summary(now_ms);
            Value::record(words.approvals.iter().filter_map(|name| Some((name.clone(), summary.attribute(name)?))))
        };
        let usage = || {
            let counts = words.windows.keys().filter_map(|name| Some((name.clone(), count(*usage.get(name)?))));
            Value::record(counts)
        };
        Self {
            usage: wanted(Given::Usage).then(usage),
            field_set: wanted(Given::FieldSet).then(|| Value::set(fields.iter().cloned())),
            classes: words.fields.as_ref().filter(|_| wanted(Given::Classes)).map(|fields| fields.classes(&job.fields)),
            approvals: wanted(Given::Approvals).then(approvals),
            tally: None,
            own: [Entity::new(uid.clone()).with_attribute(JOB_REQUESTER, job.agent.clone())],
            fields,
            agent: Value::Entity(job.agent.clone()),
            job: Value::Entity(uid),
            now: Value::Datetime(now_ms),
            customer_count: count(u64::try_from(job.customers.len()).unwrap_or(u64::MAX)),
            env: job.env.clone(),
        }
    }

    /// Sets `context.tally`.
    pub(super) fn set_tallies(&mut self, tallies: &[(Arc<str>, u64)]) {
        self.tally = Some(Value::record(tallies.iter().map(|(name, customers)| (name.clone(), count(*customers)))));
    }

    /// What [`Stated::set_tallies`] set.
    pub(super) fn tallies(&self) -> Option<Value> {
        self.tally.clone()
    }

    /// Restores what [`Stated::tallies`] returned.
    pub(super) fn restore_tallies(&mut self, tallies: Option<Value>) {
        self.tally = tallies;
    }

    /// The inputs of a module, in the order of its manifest.
    pub(super) fn inputs<'a>(&'a self, words: &Words, job: &'a Job) -> Inputs<'a> {
        let value = |value: &'a Option<Value>| value.as_ref().map_or(Source::Absent, Source::Value);
        let sources = words.inputs.iter().map(|given| match given {
            Given::Nothing => Source::Absent,
            Given::Agent => Source::Value(&self.agent),
            Given::Job => Source::Value(&self.job),
            Given::Customers => Source::Customers,
            Given::Fields => Source::Fields,
            Given::Tickets => Source::Tickets,
            Given::Env => Source::Value(&self.env),
            Given::Now => Source::Value(&self.now),
            Given::Usage => value(&self.usage),
            Given::Tally => value(&self.tally),
            Given::Approvals => value(&self.approvals),
            Given::CustomerCount => Source::Value(&self.customer_count),
            Given::FieldSet => value(&self.field_set),
            Given::Classes => value(&self.classes),
        });
        Inputs {
            sources: sources.collect(),
            entities: &job.entities,
            own: &self.own,
            customers: &job.customers,
            fields: &self.fields,
            single: false,
        }
    }

    /// The caller's facts and the approvals, before anything is assumed.
    pub(super) fn facts(&self) -> (Value, Option<Value>) {
        (self.env.clone(), self.approvals.clone())
    }

    /// Restores what [`Stated::facts`] returned.
    pub(super) fn restore(&mut self, facts: &(Value, Option<Value>)) {
        (self.env, self.approvals) = facts.clone();
    }

    /// Assumes that the remedy was taken. What the job doesn't state can't be assumed, and stays as it is.
    pub(super) fn assume(&mut self, remedy: Remedy) {
        let was_true = remedy.assumes().iter().any(|(path, assumed)| {
            *assumed == Assumed::True && self.at(path).and_then(|value| read(value, path)) == Some(&Value::Bool(true))
        });
        for (path, assumed) in remedy.assumes() {
            let edit = |value: &Value| match (assumed, value) {
                (Assumed::True, _) => Value::Bool(true),
                (Assumed::Zero, _) => Value::Long(0),
                (Assumed::OneMore, Value::Long(number)) if !was_true => Value::Long(number.saturating_add(1)),
                (Assumed::OneMore, value) => value.clone(),
            };
            let Some((first, rest)) = path.split_first() else { continue };
            if *first == ENV
                && let Some(env) = edited(&self.env, rest, &edit)
            {
                self.env = env;
            } else if *first == APPROVALS
                && let Some(approvals) = self.approvals.as_ref().and_then(|approvals| edited(approvals, rest, &edit))
            {
                self.approvals = Some(approvals);
            }
        }
    }

    fn at(&self, path: &[&str]) -> Option<&Value> {
        match path.first().copied() {
            Some(ENV) => Some(&self.env),
            Some(APPROVALS) => self.approvals.as_ref(),
            Some(_) | None => None,
        }
    }
}

fn count(number: u64) -> Value {
    Value::Long(i64::try_from(number).unwrap_or(i64::MAX))
}

/// The value at a path below a context attribute; the first step names that attribute.
fn read<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().skip(1).try_fold(value, |value, name| match value {
        Value::Record(attributes) => attributes.get(*name),
        _ => None,
    })
}

/// `value` with the edit made at `path` below it; none when there is nothing at the path.
fn edited(value: &Value, path: &[&str], edit: &impl Fn(&Value) -> Value) -> Option<Value> {
    let Some((first, rest)) = path.split_first() else { return Some(edit(value)) };
    let Value::Record(attributes) = value else { return None };
    let (name, inner) = attributes.get_key_value(*first)?;
    let mut attributes = BTreeMap::clone(attributes);
    attributes.insert(name.clone(), edited(inner, rest, edit)?);
    Some(Value::Record(Arc::new(attributes)))
}

/// Whether `question` may read what lies at `path` below the context: what is there, something in it, or a record around
/// it.
pub(super) fn reads(manifest: &Manifest, question: u32, path: &[&str]) -> bool {
    use exportgate_contract::manifest::{Read, Term};

    let position = |index: u32| usize::try_from(index).ok();
    let Some(question) = position(question).and_then(|index| manifest.questions.get(index)) else { return true };
    // What a term reads of the context, from the outside in; none when it doesn't begin there.
    let path_of = |term: u32| -> Option<Vec<&str>> {
        let mut names = Vec::new();
        let mut term = manifest.terms.get(position(term)?)?;
        loop {
            match term {
                Term::Attribute { of, name } => {
                    names.push(&**name);
                    term = manifest.terms.get(position(*of)?)?;
                }
                Term::Input(input) => {
                    let input = manifest.inputs.get(position(*input)?)?;
                    names.push(input.name.strip_prefix("context.")?);
                    names.reverse();
                    return Some(names);
                }
                Term::Symbol(_) | Term::Tag { .. } => return None,
            }
        }
    };
    let overlaps = |term: u32| {
        let names = path_of(term).unwrap_or_default();
        !names.is_empty() && names.iter().zip(path).all(|(name, step)| name == step)
    };
    // Tags read their entity and their key beside what the fact itself names.
    let mut open: Vec<u32> = Vec::new();
    for fact in &question.facts {
        match position(*fact).and_then(|fact| manifest.facts.get(fact)).map(|fact| &fact.read) {
            Some(Read::Value(term) | Read::State(term)) => open.push(*term),
            Some(Read::In { left, right }) => open.extend([*left, *right]),
            Some(Read::HasTag { of, key }) => open.extend([*of, *key]),
            None => return true,
        }
    }
    while let Some(term) = open.pop() {
        if overlaps(term) {
            return true;
        }
        let mut inner = position(term).and_then(|term| manifest.terms.get(term));
        while let Some(Term::Attribute { of, .. }) = inner {
            inner = position(*of).and_then(|of| manifest.terms.get(of));
        }
        if let Some(Term::Tag { of, key }) = inner {
            open.extend([*of, *key]);
        }
    }
    false
}
