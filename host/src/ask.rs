//! Asks a module: splits what is asked into calls, makes a frame for each, and puts the answers together.

use std::collections::HashMap;

use exportgate_contract::limits::{FRAME_WORDS_MAX, POINTS_PER_CALL_MAX, ROWS_PER_CALL_MAX};
use exportgate_contract::manifest::{Axis, Question};

use crate::abi;
use crate::answer::{self, Answers, Outcome};
use crate::config::Isolation;
use crate::error::EvaluateError;
use crate::frame::terms::Terms;
use crate::frame::{Asked, Frame, words_estimate};
use crate::inputs::Inputs;
use crate::instance::Instance;
use crate::limits::POINTS_MAX;
use crate::module::Module;
use crate::plan::Plan;
use crate::trace::Exchange;

/// An instance of a module for the calls of one export. When a call fails, the instance is dropped, and the next call gets
/// another.
pub(crate) struct Session<'m> {
    module: &'m Module,
    instance: Option<Box<Instance>>,
    frame: Frame,
    answer: Vec<u32>,
    fuel_used: u64,
    /// What crossed the boundary, where somebody wants to know.
    trace: Option<Vec<Exchange>>,
}

impl<'m> Session<'m> {
    pub(crate) fn new(module: &'m Module) -> Result<Self, EvaluateError> {
        let instance = Some(take(module)?);
        Ok(Self { module, instance, frame: Frame::default(), answer: Vec::new(), fuel_used: 0, trace: None })
    }

    /// The fuel that the calls took, in Wasmtime's units.
    pub(crate) fn fuel_used(&self) -> u64 {
        self.fuel_used
    }

    /// The same session, keeping a copy of all that crosses the boundary.
    pub(crate) fn traced(mut self) -> Self {
        self.trace = Some(Vec::new());
        self
    }

    /// What crossed the boundary, oldest first; nothing when the session isn't traced.
    pub(crate) fn into_trace(mut self) -> Vec<Exchange> {
        self.trace.take().unwrap_or_default()
    }

    /// Asks `questions`, by position in the manifest and ascending, at all their points.
    ///
    /// # Errors
    ///
    /// [`EvaluateError`]: for values of the wrong type, limits, and whatever the guest does wrong. There is no partial answer.
    pub(crate) fn ask(&mut self, questions: &[u32], inputs: &Inputs<'_>) -> Result<Answers, EvaluateError> {
        let plan = self.module.plan();
        let split = Split::new(plan, questions, inputs)?;
        let mut terms = Terms::new(&plan.manifest, &plan.term_axes, inputs);
        let mut merged = Merged::new(questions.len());
        let (mut rows_per_call, mut start) = (split.rows_per_call, 0_usize);
        loop {
            let rows = start..split.rows.min(start.saturating_add(rows_per_call));
            let call = split.call(start == 0);
            let built = terms.resolve(&call.terms, rows.clone()).and_then(|()| {
                let asked = Asked { questions: &call.ids, facts: &call.facts };
                self.frame.build(plan, &terms, asked, rows.len(), split.columns)
            });
            match built {
                // Payloads can't be told beforehand: fewer rows then.
                Err(EvaluateError::FrameTooLong { .. }) if rows.len() > 1 && split.splittable() => {
                    rows_per_call = rows.len() / 2;
                    continue;
                }
                Err(error) => return Err(error),
                Ok(()) => {}
            }
            let answers = self.call(plan, &call, rows.len(), split.columns)?;
            if start == 0 && rows.end >= split.rows {
                return Ok(answers);
            }
            merged.add(&call.places, answers);
            start = rows.end;
            if start >= split.rows {
                return Ok(merged.finish());
            }
        }
    }

    fn call(&mut self, plan: &Plan, call: &Call<'_>, rows: usize, columns: usize) -> Result<Answers, EvaluateError> {
        let asked: Vec<(u32, &Question, usize)> = call
            .ids
            .iter()
            .zip(&call.questions)
            .map(|(id, question)| (*id, *question, question.axis.points(rows, columns).unwrap_or(usize::MAX)))
            .collect();
        let points = asked
            .iter()
            .fold(0_u64, |sum, (_, _, points)| sum.saturating_add(u64::try_from(*points).unwrap_or(u64::MAX)));
        let engine = self.module.engine();
        let config = engine.config();
        let fuel = config.fuel_per_call.saturating_add(config.fuel_per_point.saturating_mul(points));
        // Taken out, so that an instance in which anything goes wrong is dropped.
        let mut instance = match self.instance.take() {
            Some(instance) => instance,
            None => take(self.module)?,
        };
        abi::call(&mut instance, engine, fuel, self.frame.words(), &mut self.answer)?;
        if let Some(trace) = &mut self.trace {
            trace.push(Exchange { frame: self.frame.words().to_vec(), answer: self.answer.clone() });
        }
        let fuel_left = instance.store.get_fuel().unwrap_or(0);
        self.fuel_used = self.fuel_used.saturating_add(fuel.saturating_sub(fuel_left));
        let answers = answer::read(&self.answer, plan, &asked)?;
        self.instance = Some(instance);
        Ok(answers)
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        if let Some(instance) = self.instance.take()
            && self.module.isolation() == Isolation::Warm
        {
            self.module.template().keep_warm(instance);
        }
    }
}

fn take(module: &Module) -> Result<Box<Instance>, EvaluateError> {
    let warm = match module.isolation() {
        Isolation::Warm => module.template().take_warm(),
        Isolation::Fresh => None,
    };
    match warm {
        Some(instance) => Ok(instance),
        None => module.template().instantiate(module.engine()),
    }
}

/// How what is asked is cut into calls.
struct Split<'a> {
    plan: &'a Plan,
    /// The questions, with their places among those asked.
    asked: Vec<(usize, u32, &'a Question)>,
    rows: usize,
    columns: usize,
    rows_per_call: usize,
    /// Whether a question looks at all rows in one answer.
    whole: bool,
}

/// What one call asks.
struct Call<'a> {
    places: Vec<usize>,
    ids: Vec<u32>,
    questions: Vec<&'a Question>,
    facts: Vec<u32>,
    terms: Vec<u32>,
}

impl<'a> Split<'a> {
    fn new(plan: &'a Plan, questions: &[u32], inputs: &Inputs<'_>) -> Result<Self, EvaluateError> {
        let (rows, columns) = (inputs.rows(), inputs.columns());
        let mut asked: Vec<(usize, u32, &Question)> = Vec::with_capacity(questions.len());
        for (place, id) in questions.iter().enumerate() {
            let question = usize::try_from(*id).ok().and_then(|id| plan.manifest.questions.get(id));
            let question = question
                .ok_or_else(|| EvaluateError::Internal { message: format!("question {id} isn't in the manifest") })?;
            asked.push((place, *id, question));
        }
        if !questions.is_sorted_by(|a, b| a < b) {
            return Err(EvaluateError::Internal { message: "questions asked out of order".to_owned() });
        }
        let points = asked.iter().fold(0_usize, |sum, (_, _, question)| {
            sum.saturating_add(question.axis.points(rows, columns).unwrap_or(usize::MAX))
        });
        if points > POINTS_MAX {
            return Err(EvaluateError::TooManyAnswers { points });
        }
        let mut split = Self { plan, asked, rows, columns, rows_per_call: rows, whole: false };
        let whole = split.asked.iter().find(|(_, id, question)| {
            !by_row(question)
                && usize::try_from(*id).ok().and_then(|id| plan.reads_rows.get(id)).copied().unwrap_or(true)
        });
        let fits = split.rows_that_fit()?;
        if let Some((_, _, question)) = whole {
            if fits < rows {
                return Err(EvaluateError::Unsplittable { action: question.action.clone(), rows });
            }
            split.whole = true;
        }
        split.rows_per_call = fits;
        Ok(split)
    }

    /// How many rows one call takes at most, by each limit.
    fn rows_that_fit(&self) -> Result<usize, EvaluateError> {
        let (mut fixed, mut each) = (0_usize, 0_usize);
        for (_, _, question) in &self.asked {
            match question.axis {
                Axis::Job => fixed = fixed.saturating_add(1),
                Axis::Column => fixed = fixed.saturating_add(self.columns),
                Axis::Row => each = each.saturating_add(1),
                Axis::Cell => each = each.saturating_add(self.columns),
            }
        }
        let one = fixed.saturating_add(if self.rows == 0 { 0 } else { each });
        if one > POINTS_PER_CALL_MAX {
            return Err(EvaluateError::TooManyPoints { points: one });
        }
        let by_points = (POINTS_PER_CALL_MAX - fixed).checked_div(each).unwrap_or(usize::MAX);
        let (row_words, fixed_words) = words_estimate(self.plan, self.columns);
        let by_words = FRAME_WORDS_MAX.saturating_sub(fixed_words).checked_div(row_words).unwrap_or(usize::MAX);
        Ok(by_points.min(by_words).clamp(1, ROWS_PER_CALL_MAX))
    }

    /// Whether the rows may be asked in several calls.
    fn splittable(&self) -> bool {
        !self.whole
    }

    /// What the first call asks, or a later one: what doesn't vary by row is asked once.
    fn call(&self, first: bool) -> Call<'a> {
        let asked = self.asked.iter().filter(|(_, _, question)| first || by_row(question));
        let mut call =
            Call { places: Vec::new(), ids: Vec::new(), questions: Vec::new(), facts: Vec::new(), terms: Vec::new() };
        for (place, id, question) in asked {
            call.places.push(*place);
            call.ids.push(*id);
            call.questions.push(question);
            call.facts.extend_from_slice(&question.facts);
            let terms = usize::try_from(*id).ok().and_then(|id| self.plan.question_terms.get(id));
            call.terms.extend(terms.into_iter().flatten());
        }
        if call.ids.len() > 1 {
            for list in [&mut call.facts, &mut call.terms] {
                list.sort_unstable();
                list.dedup();
            }
        }
        call
    }
}

fn by_row(question: &Question) -> bool {
    matches!(question.axis, Axis::Row | Axis::Cell)
}

/// The answers of several calls, as if one had been made.
struct Merged {
    numbers: HashMap<Outcome, u32>,
    answers: Answers,
}

impl Merged {
    fn new(questions: usize) -> Self {
        Self { numbers: HashMap::new(), answers: Answers { outcomes: Vec::new(), points: vec![Vec::new(); questions] } }
    }

    fn add(&mut self, places: &[usize], answers: Answers) {
        let mut renumbered = Vec::with_capacity(answers.outcomes.len());
        for outcome in answers.outcomes {
            let next = u32::try_from(self.answers.outcomes.len()).unwrap_or(u32::MAX);
            let outcomes = &mut self.answers.outcomes;
            let number = *self.numbers.entry(outcome).or_insert_with_key(|outcome| {
                outcomes.push(outcome.clone());
                next
            });
            renumbered.push(number);
        }
        for (place, points) in places.iter().zip(answers.points) {
            let Some(all) = self.answers.points.get_mut(*place) else { continue };
            // INVARIANT: `answer::read` found that each point names an outcome.
            all.extend(points.iter().filter_map(|point| renumbered.get(usize::try_from(*point).ok()?).copied()));
        }
    }

    fn finish(self) -> Answers {
        self.answers
    }
}
