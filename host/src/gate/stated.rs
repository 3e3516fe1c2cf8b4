//! What a module's inputs are given: the caller's facts, and what the gate alone states.

use std::collections::BTreeMap;
use std::sync::Arc;

use exportgate_contract::manifest::Manifest;
use exportgate_contract::obligation::{Assumed, Remedy};
use exportgate_contract::value::{EntityUid, Value};
use exportgate_contract::vocabulary::{APPROVALS, ENV, FIELD, JOB};

use super::room::{ModuleRoom, UsageRoom, refill};
use super::words::{Given, Words};
use crate::approvals::Approvals;
use crate::entities::UidRef;
use crate::frame::agent::AgentFacts;
use crate::frame::cells::{Datum, Record};
use crate::frame::recycle;
use crate::inputs::{Inputs, OwnJob, Source};
use crate::job::Job;

/// The values that the inputs of one module are given.
#[derive(Debug)]
pub(super) struct Stated<'j> {
    job: &'j Job,
    now_ms: i64,
    /// What `context.fields` is without a catalogue, if the module wants it.
    field_set: Option<Value>,
    /// Whether tallies were counted yet.
    tallied: bool,
    /// What is assumed instead of what the job states.
    env: Option<Value>,
}

impl<'j> Stated<'j> {
    /// What is stated about `job` and `approvals`, before anything was tallied. `room.fields` holds where the job's fields
    /// stand in the module's catalogue.
    pub(super) fn new(
        words: &Words,
        job: &'j Job,
        approvals: &Approvals,
        now_ms: i64,
        usage: &UsageRoom,
        room: &mut ModuleRoom,
    ) -> Self {
        if words.wants(Given::Usage) {
            let counts = words.usage.iter().filter_map(|(name, place)| Some((name, count(*usage.counts.get(*place)?))));
            refill(&mut room.usage, counts);
        }
        if words.wants(Given::Approvals) {
            let summary = approvals.summary(now_ms);
            let members = words.approvals.iter().filter_map(|name| Some((name, summary.attribute(name)?)));
            refill(&mut room.approvals, members);
        } else {
            // What isn't stated can't be assumed either.
            room.approvals.clear();
        }
        let field_set = (words.fields.is_none() && words.wants(Given::FieldSet)).then(|| {
            let entity_type: Arc<str> = FIELD.into();
            let entity = |id: &Arc<str>| EntityUid { entity_type: entity_type.clone(), id: id.clone() };
            Value::set(job.fields.iter().map(|name| Value::Entity(entity(name))))
        });
        Self { job, now_ms, field_set, tallied: false, env: None }
    }

    /// Sets `context.tally` to what was counted in `room`.
    pub(super) fn set_tallies(&mut self, words: &Words, room: &mut ModuleRoom) {
        let ModuleRoom { tally, tallied, .. } = room;
        refill(tally, words.tallies.iter().zip(tallied.iter()).map(|((name, _), customers)| (name, count(*customers))));
        self.tallied = true;
    }

    /// Calls `ask` with the inputs of a module, in the order of its manifest, and what is known beforehand of the agent.
    pub(super) fn with_inputs<R>(
        &self,
        words: &Words,
        agent: Option<&AgentFacts>,
        room: &mut ModuleRoom,
        ask: impl FnOnce(&Inputs<'_>) -> R,
    ) -> R {
        let ModuleRoom { sources: used, fields, field_bits, class_bits, usage, tally, approvals, .. } = room;
        let job = self.job;
        let own = OwnJob { job: UidRef { entity_type: JOB, id: &job.id }, requester: (&job.agent).into() };
        let customers = i64::try_from(job.customers.len()).unwrap_or(i64::MAX);
        let of_catalogue = words.fields.as_ref();
        let field_set = match (of_catalogue, &self.field_set) {
            (Some(known), _) if words.wants(Given::FieldSet) => Some(Datum::Set(known.set(fields, field_bits))),
            (_, set) => set.as_ref().map(Datum::from),
        };
        let classes = of_catalogue.filter(|_| words.wants(Given::Classes));
        let classes = classes.map(|known| Datum::Set(known.classes(fields, class_bits)));
        let mut sources: Vec<Source<'_>> = recycle(std::mem::take(used));
        sources.extend(words.inputs.iter().map(|input| match input {
            Given::Nothing => Source::Absent,
            Given::Agent => Source::Value(Datum::Entity(own.requester)),
            Given::Job => Source::Value(Datum::Entity(own.job)),
            Given::Customers => Source::Customers,
            Given::Fields => Source::Fields,
            Given::Tickets => Source::Tickets,
            Given::Env => Source::Value(self.env.as_ref().unwrap_or(&job.env).into()),
            Given::Now => Source::Value(Datum::Datetime(self.now_ms)),
            Given::Usage => Source::Value(Datum::Record(Record::List(usage))),
            Given::Tally if self.tallied => Source::Value(Datum::Record(Record::List(tally))),
            Given::Tally => Source::Absent,
            Given::Approvals => Source::Value(Datum::Record(Record::List(approvals))),
            Given::CustomerCount => Source::Value(Datum::Long(customers)),
            Given::FieldSet => field_set.map_or(Source::Absent, Source::Value),
            Given::Classes => classes.map_or(Source::Absent, Source::Value),
        }));
        let inputs = Inputs {
            sources: &sources,
            entities: &job.entities,
            job: Some(own),
            customers: &job.customers,
            fields: &job.fields,
            fixed: of_catalogue.map(|_| (&words.columns, fields.as_slice())),
            agent,
            single: false,
        };
        let answer = ask(&inputs);
        *used = recycle(sources);
        answer
    }

    /// Forgets what was assumed; `approvals` is what was stated before that.
    pub(super) fn restore(&mut self, approvals: &[(Arc<str>, Value)], room: &mut ModuleRoom) {
        self.env = None;
        refill(&mut room.approvals, approvals.iter().map(|(name, value)| (name, value.clone())));
    }

    /// Assumes that the remedy was taken. What the job doesn't state can't be assumed, and stays as it is.
    pub(super) fn assume(&mut self, remedy: Remedy, room: &mut ModuleRoom) {
        let was_true = remedy
            .assumes()
            .iter()
            .any(|(path, assumed)| *assumed == Assumed::True && self.at(path, room) == Some(&Value::Bool(true)));
        for (path, assumed) in remedy.assumes() {
            let edit = |value: &Value| match (assumed, value) {
                (Assumed::True, _) => Value::Bool(true),
                (Assumed::Zero, _) => Value::Long(0),
                (Assumed::OneMore, Value::Long(number)) if !was_true => Value::Long(number.saturating_add(1)),
                (Assumed::OneMore, value) => value.clone(),
            };
            let Some((first, rest)) = path.split_first() else { continue };
            if *first == ENV
                && let Some(env) = edited(self.env.as_ref().unwrap_or(&self.job.env), rest, &edit)
            {
                self.env = Some(env);
            } else if *first == APPROVALS
                && let Some((name, rest)) = rest.split_first()
                && let Some((_, value)) = room.approvals.iter_mut().find(|(known, _)| **known == **name)
                && let Some(new) = edited(value, rest, &edit)
            {
                *value = new;
            }
        }
    }

    /// The value at a path below the context.
    fn at<'v>(&'v self, path: &[&str], room: &'v ModuleRoom) -> Option<&'v Value> {
        let (first, rest) = path.split_first()?;
        let (value, rest) = match *first {
            ENV => (self.env.as_ref().unwrap_or(&self.job.env), rest),
            APPROVALS => {
                let (name, rest) = rest.split_first()?;
                (room.approvals.iter().find(|(known, _)| **known == **name).map(|(_, value)| value)?, rest)
            }
            _ => return None,
        };
        rest.iter().try_fold(value, |value, name| match value {
            Value::Record(attributes) => attributes.get(*name),
            _ => None,
        })
    }
}

fn count(number: u64) -> Value {
    Value::Long(i64::try_from(number).unwrap_or(i64::MAX))
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
            Some(Read::Value(term) | Read::State(term) | Read::Above { of: term }) => open.push(*term),
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
