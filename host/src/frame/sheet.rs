//! What questions asked together read: facts by axis and the steps that resolve them, worked out once.

use std::ops::Range;
use std::sync::Arc;

use exportgate_contract::manifest::{Axis, Manifest, Read, Term};
use exportgate_contract::types::Type;
use exportgate_contract::value::Value;
use exportgate_contract::vocabulary::CUSTOMER;

use crate::frame::agent::AgentFacts;
use crate::plan::{Plan, position, varies_by_row};

/// The facts that some questions read, and the steps that resolve these.
///
/// Steps are numbered in the order job, column, row, cell, and on one axis in the order of their terms, so that what a step
/// is made of comes before it.
#[derive(Clone, Debug)]
pub(crate) struct Sheet {
    /// The questions that may be asked of a frame made by this sheet, ascending.
    pub(crate) questions: Vec<u32>,
    /// Whether one of them is answered for each row.
    pub(crate) by_row: bool,
    /// Whether one of them looks at all rows in one answer.
    pub(crate) whole: bool,
    pub(crate) steps: Vec<Step>,
    pub(crate) job: AxisReads,
    pub(crate) column: AxisReads,
    pub(crate) row: AxisReads,
    pub(crate) cell: AxisReads,
}

/// What is read on one axis.
#[derive(Clone, Debug, Default)]
pub(crate) struct AxisReads {
    /// The numbers of its steps.
    pub(crate) steps: Range<usize>,
    pub(crate) facts: Vec<FactRead>,
    /// Facts of who is in what, by who.
    pub(crate) groups: Vec<InGroup>,
}

/// One term.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) op: Op,
    /// The term, for messages.
    pub(crate) term: u32,
    /// Whether something is read of it, so that it is worth looking up.
    pub(crate) base: bool,
}

/// How a term is resolved: from an input, a constant, or what another step says.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Input(u32),
    Symbol(u32),
    Attribute {
        of: usize,
        name: Arc<str>,
    },
    Tag {
        of: usize,
        key: usize,
    },
    /// Not at all: nothing reads it any more.
    Unread,
}

/// One fact, `place` being its number among the facts of its axis.
#[derive(Clone, Debug)]
pub(crate) struct FactRead {
    pub(crate) place: usize,
    /// Its position in the manifest.
    pub(crate) fact: usize,
    pub(crate) kind: FactKind,
    pub(crate) customers: Mention,
}

/// Whether values of a type are, or hold, customers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mention {
    None,
    /// It is the type of customers.
    Itself,
    /// Something in it is.
    Within,
}

#[derive(Clone, Debug)]
pub(crate) enum FactKind {
    Value(usize),
    State(usize),
    HasTag {
        of: usize,
        key: usize,
    },
    /// Which constants an entity is in.
    Above {
        of: usize,
    },
}

/// Facts of what one entity is in.
#[derive(Clone, Debug)]
pub(crate) struct InGroup {
    pub(crate) left: usize,
    pub(crate) facts: Vec<InFact>,
}

#[derive(Clone, Debug)]
pub(crate) struct InFact {
    pub(crate) place: usize,
    pub(crate) right: InRight,
}

/// What stands on the right of `in`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InRight {
    /// A constant entity, by its symbol.
    Constant(u32),
    /// What a step says.
    Step(usize),
}

impl Sheet {
    /// What `questions`, ascending, read together.
    pub(crate) fn new(plan: &Plan, questions: &[u32]) -> Self {
        let manifest = &plan.manifest;
        let (mut facts, mut terms): (Vec<u32>, Vec<u32>) = (Vec::new(), Vec::new());
        let mut by_row = false;
        for id in questions.iter().map(|id| position(*id)) {
            let question = manifest.questions.get(id);
            by_row |= question.is_some_and(varies_by_row);
            facts.extend(question.map_or(&[][..], |question| &question.facts));
            terms.extend(plan.question_terms.get(id).into_iter().flatten());
        }
        for list in [&mut facts, &mut terms] {
            list.sort_unstable();
            list.dedup();
        }
        let mut sheet = Self {
            questions: questions.to_vec(),
            by_row,
            whole: questions.iter().any(|id| plan.reads_all_rows(*id)),
            steps: Vec::with_capacity(terms.len()),
            job: AxisReads::default(),
            column: AxisReads::default(),
            row: AxisReads::default(),
            cell: AxisReads::default(),
        };
        let mut steps: Vec<Option<usize>> = vec![None; manifest.terms.len()];
        for axis in [Axis::Job, Axis::Column, Axis::Row, Axis::Cell] {
            let first = sheet.steps.len();
            for term in terms.iter().copied().filter(|term| plan.term_axes.get(position(*term)) == Some(&axis)) {
                if let Some(step) = Step::new(manifest, term, &steps) {
                    if let Some(place) = steps.get_mut(position(term)) {
                        *place = Some(sheet.steps.len());
                    }
                    sheet.steps.push(step);
                }
            }
            sheet.axis_mut(axis).steps = first..sheet.steps.len();
        }
        for id in facts {
            let axis = manifest.facts.get(position(id)).map_or(Axis::Job, |fact| fact.axis);
            sheet.add_fact(manifest, position(id), plan.axis_facts(axis).start, &steps);
        }
        for axis in [Axis::Job, Axis::Column, Axis::Row, Axis::Cell] {
            sheet.axis_mut(axis).merge_groups();
        }
        sheet.mark_bases();
        sheet
    }

    /// What is to be resolved, and what is known, of a job whose `agent` may be prepared.
    pub(crate) fn of<'s>(&'s self, agent: Option<&'s AgentFacts>) -> (&'s Self, Option<&'s AgentFacts>) {
        (agent.map_or(self, |agent| &agent.sheet), agent)
    }

    /// What is read on an axis.
    pub(crate) fn axis(&self, axis: Axis) -> &AxisReads {
        match axis {
            Axis::Job => &self.job,
            Axis::Row => &self.row,
            Axis::Column => &self.column,
            Axis::Cell => &self.cell,
        }
    }

    fn axis_mut(&mut self, axis: Axis) -> &mut AxisReads {
        match axis {
            Axis::Job => &mut self.job,
            Axis::Row => &mut self.row,
            Axis::Column => &mut self.column,
            Axis::Cell => &mut self.cell,
        }
    }

    /// The steps of an axis.
    pub(crate) fn steps(&self, axis: Axis) -> &[Step] {
        self.steps.get(self.axis(axis).steps.clone()).unwrap_or_default()
    }

    /// Where the attributes with these `names` of the record that is `input` stand, as numbers of the job; none when
    /// anything else is read of that input, so that a fact may follow from it in another way.
    pub(crate) fn numbers_of<'n>(
        &self,
        plan: &Plan,
        input: u32,
        names: impl Iterator<Item = &'n str>,
    ) -> Option<Vec<Option<usize>>> {
        let itself =
            |number: usize| matches!(self.steps.get(number).map(|step| &step.op), Some(Op::Input(of)) if *of == input);
        let member = |number: usize| match self.steps.get(number).map(|step| &step.op) {
            Some(Op::Attribute { of, name }) if itself(*of) => Some(name),
            _ => None,
        };
        let follows = |number: usize| itself(number) || member(number).is_some();
        let mut found: Vec<(&Arc<str>, usize)> = Vec::new();
        for axis in [&self.job, &self.column, &self.row, &self.cell] {
            for fact in &axis.facts {
                match fact.kind {
                    FactKind::Value(number) if member(number).is_some() => {
                        let manifest_fact = plan.manifest.facts.get(fact.fact)?;
                        if manifest_fact.ty != Type::Long || manifest_fact.axis != Axis::Job {
                            return None;
                        }
                        found.extend(member(number).map(|name| (name, fact.place)));
                    }
                    FactKind::Value(number) | FactKind::State(number) if follows(number) => return None,
                    FactKind::HasTag { of, key } if follows(of) || follows(key) => return None,
                    FactKind::Above { of } if follows(of) => return None,
                    FactKind::Value(_) | FactKind::State(_) | FactKind::HasTag { .. } | FactKind::Above { .. } => {}
                }
            }
            let right = |fact: &InFact| matches!(fact.right, InRight::Step(number) if follows(number));
            if axis.groups.iter().any(|group| follows(group.left) || group.facts.iter().any(right)) {
                return None;
            }
        }
        let through = |step: &Step| match step.op {
            Op::Attribute { of, .. } => member(of).is_some(),
            Op::Tag { of, key } => follows(of) || follows(key),
            Op::Input(_) | Op::Symbol(_) | Op::Unread => false,
        };
        if self.steps.iter().any(through) {
            return None;
        }
        let place = |name: &str| found.iter().find(|(known, _)| ***known == *name).map(|(_, place)| *place);
        let places: Vec<Option<usize>> = names.map(place).collect();
        // A fact that no name stands for would stay as it was.
        (places.iter().flatten().count() == found.len()).then_some(places)
    }

    /// Marks the steps of which something is read.
    fn mark_bases(&mut self) {
        let mut bases: Vec<usize> = Vec::new();
        for step in &self.steps {
            match step.op {
                Op::Attribute { of, .. } | Op::Tag { of, .. } => bases.push(of),
                Op::Input(_) | Op::Symbol(_) | Op::Unread => {}
            }
        }
        for reads in [&self.job, &self.column, &self.row, &self.cell] {
            bases.extend(reads.groups.iter().map(|group| group.left));
            bases.extend(reads.facts.iter().filter_map(|fact| match fact.kind {
                FactKind::HasTag { of, .. } | FactKind::Above { of } => Some(of),
                FactKind::Value(_) | FactKind::State(_) => None,
            }));
        }
        for base in bases {
            if let Some(step) = self.steps.get_mut(base) {
                step.base = true;
            }
        }
    }

    fn add_fact(&mut self, manifest: &Manifest, id: usize, first: usize, steps: &[Option<usize>]) {
        let Some(fact) = manifest.facts.get(id) else { return };
        let (axis, place) = (fact.axis, id.saturating_sub(first));
        // INVARIANT: the terms of a question are those of its facts, so each has a step.
        let step = |term: u32| steps.get(position(term)).copied().flatten().unwrap_or(usize::MAX);
        let kind = match fact.read {
            Read::Value(term) => FactKind::Value(step(term)),
            Read::State(term) => FactKind::State(step(term)),
            Read::Above { of } => FactKind::Above { of: step(of) },
            Read::HasTag { of, key } => FactKind::HasTag { of: step(of), key: step(key) },
            Read::In { left, right } => {
                let right = match manifest.terms.get(position(right)) {
                    Some(Term::Symbol(symbol)) if is_entity(manifest, *symbol) => InRight::Constant(*symbol),
                    Some(_) | None => InRight::Step(step(right)),
                };
                let (left, fact) = (step(left), InFact { place, right });
                self.axis_mut(axis).groups.push(InGroup { left, facts: vec![fact] });
                return;
            }
        };
        self.axis_mut(axis).facts.push(FactRead { place, fact: id, kind, customers: mention(&fact.ty) });
    }
}

impl AxisReads {
    /// Whether nothing is read.
    pub(crate) fn is_empty(&self) -> bool {
        self.facts.is_empty() && self.groups.is_empty()
    }

    /// Makes one group of all facts of what the same entity is in.
    fn merge_groups(&mut self) {
        self.groups.sort_by_key(|group| group.left);
        let mut merged: Vec<InGroup> = Vec::with_capacity(self.groups.len());
        for group in self.groups.drain(..) {
            match merged.last_mut() {
                Some(last) if last.left == group.left => last.facts.extend(group.facts),
                Some(_) | None => merged.push(group),
            }
        }
        self.groups = merged;
    }
}

impl Step {
    /// The step of `term`, made of earlier `steps`.
    fn new(manifest: &Manifest, term: u32, steps: &[Option<usize>]) -> Option<Self> {
        let step = |term: u32| steps.get(position(term)).copied().flatten().unwrap_or(usize::MAX);
        let op = match manifest.terms.get(position(term))? {
            Term::Input(input) => Op::Input(*input),
            Term::Symbol(symbol) => Op::Symbol(*symbol),
            Term::Attribute { of, name } => Op::Attribute { of: step(*of), name: name.clone() },
            Term::Tag { of, key } => Op::Tag { of: step(*of), key: step(*key) },
        };
        Some(Self { op, term, base: false })
    }
}

/// Whether values of type `ty` are, or hold, customers.
fn mention(ty: &Type) -> Mention {
    match ty {
        Type::Entity(name) if **name == *CUSTOMER => Mention::Itself,
        Type::Set(of) if mention(of) != Mention::None => Mention::Within,
        Type::Record(attributes) if attributes.values().any(|attribute| mention(&attribute.ty) != Mention::None) => {
            Mention::Within
        }
        _ => Mention::None,
    }
}

fn is_entity(manifest: &Manifest, symbol: u32) -> bool {
    let value = manifest.symbols.get(position(symbol));
    matches!(value, Some(Value::Entity(_)))
}
