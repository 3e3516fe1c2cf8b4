//! Facts that follow from an agent alone: worked out once for an agent who asks again and again.

use exportgate_contract::frame::STATE_VALUE;
use exportgate_contract::manifest::Axis;
use exportgate_contract::types::Type;
use exportgate_contract::vocabulary::{CUSTOMER, JOB};

use crate::error::EvaluateError;
use crate::frame::cells::{Cell, Datum};
use crate::frame::layout::Layout;
use crate::frame::resolve::{Resolver, Room, Target};
use crate::frame::sheet::{AxisReads, FactKind, FactRead, InGroup, InRight, Mention, Op, Sheet};
use crate::inputs::Inputs;
use crate::plan::Plan;

/// What the questions of a sheet read of one agent.
#[derive(Debug)]
pub(crate) struct AgentFacts {
    /// What is left to resolve for each job of the agent.
    pub(crate) sheet: Sheet,
    facts: Vec<Fact>,
}

/// A fact of the job that is known.
#[derive(Clone, Copy, Debug)]
struct Fact {
    /// Its number among the facts of the job.
    place: usize,
    word: u64,
    state: u8,
}

impl AgentFacts {
    /// What `sheet` reads of the agent who is `input`, as far as it is the same in every frame. Of `inputs` only the agent
    /// and the entities are stated.
    ///
    /// # Errors
    ///
    /// [`EvaluateError::FactType`] for a value of another type than its fact's.
    pub(crate) fn find(plan: &Plan, sheet: &Sheet, input: u32, inputs: &Inputs<'_>) -> Result<Self, EvaluateError> {
        let layout = Layout::new(plan, 0, 0, 0)?;
        let mut words = vec![0; layout.fixed_words];
        let mut states = vec![0; layout.state_bytes()];
        let mut resolver = Resolver::new(plan, sheet, inputs, Room::default());
        resolver.resolve_job()?;
        resolver.put_job(&mut Target { layout: &layout, words: &mut words, states: &mut states })?;
        let lasting = Lasting::find(sheet, input, &resolver);
        let fact = |place: usize| {
            let (value_at, state_at) = layout.cell(Axis::Job, place, 0);
            Some(Fact { place, word: *words.get(value_at)?, state: *states.get(state_at)? })
        };
        let mut facts = Vec::new();
        let mut left = sheet.clone();
        left.job.facts.retain(|read| {
            let known = fact(read.place).filter(|fact| lasting.holds(plan, read, fact));
            facts.extend(known);
            known.is_none()
        });
        for group in &mut left.job.groups {
            if !lasting.is_base(group.left) || resolver.is_in_a_jobs_own(group.left) {
                continue;
            }
            group.facts.retain(|read| {
                let lasts = match read.right {
                    InRight::Constant(_) => true,
                    InRight::Step(right) => lasting.is_known(right),
                };
                let known = fact(read.place).filter(|_| lasts);
                facts.extend(known);
                known.is_none()
            });
        }
        left.job.groups.retain(|group| !group.facts.is_empty());
        drop_unread(&mut left);
        Ok(Self { sheet: left, facts })
    }

    /// Puts these facts.
    pub(crate) fn put(&self, target: &mut Target<'_>) {
        for fact in &self.facts {
            target.put(Axis::Job, fact.place, 0, fact.word, fact.state);
        }
    }
}

/// Which steps of the job follow from the agent, and from constants, alone.
struct Lasting {
    /// By the number of the step.
    known: Vec<bool>,
    /// Those of which more can be read: not a customer or a job, of whom each job says something else.
    bases: Vec<bool>,
}

impl Lasting {
    fn find(sheet: &Sheet, input: u32, resolver: &Resolver<'_>) -> Self {
        let mut lasting = Self { known: Vec::new(), bases: Vec::new() };
        for (number, step) in sheet.steps(Axis::Job).iter().enumerate() {
            let known = match step.op {
                Op::Input(of) => of == input,
                Op::Symbol(_) => true,
                Op::Attribute { of, .. } => lasting.is_base(of),
                Op::Tag { of, key } => lasting.is_base(of) && lasting.is_known(key),
                Op::Unread => false,
            };
            let jobs_own = matches!(resolver.cell(number), Cell::Value(Datum::Entity(uid))
                if uid.entity_type == CUSTOMER || uid.entity_type == JOB);
            lasting.known.push(known);
            lasting.bases.push(known && !jobs_own);
        }
        lasting
    }

    fn is_known(&self, step: usize) -> bool {
        self.known.get(step).copied().unwrap_or(false)
    }

    fn is_base(&self, step: usize) -> bool {
        self.bases.get(step).copied().unwrap_or(false)
    }

    /// Whether the fact is this in every frame: nothing of it is a symbol that the next frame may number otherwise.
    fn holds(&self, plan: &Plan, read: &FactRead, fact: &Fact) -> bool {
        if read.customers != Mention::None {
            return false;
        }
        match read.kind {
            FactKind::Value(step) => {
                self.is_known(step) && (fact.state != STATE_VALUE || means_the_same(plan, read.fact, fact.word))
            }
            FactKind::State(step) => self.is_known(step),
            FactKind::HasTag { of, key } => self.is_base(of) && self.is_known(key),
            FactKind::Above { .. } => false,
        }
    }
}

/// Whether a word of a fact means the same in every frame.
fn means_the_same(plan: &Plan, fact: usize, word: u64) -> bool {
    let Some(fact) = plan.manifest.facts.get(fact) else { return false };
    match fact.ty {
        Type::Bool | Type::Long | Type::Decimal | Type::Datetime | Type::Duration => true,
        Type::String | Type::Entity(_) | Type::Ip | Type::Set(_) | Type::Record(_) => {
            // The constants come first, in the order of the manifest.
            !fact.payload && usize::try_from(word).is_ok_and(|symbol| symbol < plan.manifest.symbols.len())
        }
    }
}

/// Takes out the steps of the job that nothing reads any more.
fn drop_unread(sheet: &mut Sheet) {
    let mut read = vec![false; sheet.steps.len()];
    let mut mark = |step: usize| {
        if let Some(read) = read.get_mut(step) {
            *read = true;
        }
    };
    for AxisReads { facts, groups, .. } in [&sheet.job, &sheet.column, &sheet.row, &sheet.cell] {
        for fact in facts {
            match fact.kind {
                FactKind::Value(step) | FactKind::State(step) | FactKind::Above { of: step } => mark(step),
                FactKind::HasTag { of, key } => [of, key].into_iter().for_each(&mut mark),
            }
        }
        for InGroup { left, facts } in groups {
            mark(*left);
            for fact in facts {
                if let InRight::Step(right) = fact.right {
                    mark(right);
                }
            }
        }
    }
    // What a step is made of comes before it. Those of other axes are all read.
    for (number, step) in sheet.steps.iter_mut().enumerate().rev() {
        if sheet.job.steps.contains(&number) && !read.get(number).copied().unwrap_or(true) {
            (step.op, step.base) = (Op::Unread, false);
            continue;
        }
        let (of, key) = match step.op {
            Op::Attribute { of, .. } => (Some(of), None),
            Op::Tag { of, key } => (Some(of), Some(key)),
            Op::Input(_) | Op::Symbol(_) | Op::Unread => (None, None),
        };
        for made_of in of.into_iter().chain(key) {
            if let Some(read) = read.get_mut(made_of) {
                *read = true;
            }
        }
    }
}
