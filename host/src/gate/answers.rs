//! Reads what a module answered to the questions of an export: verdict, rows, forms, and the policies behind them.

use std::collections::BTreeMap;
use std::sync::Arc;

use exportgate_contract::manifest::{Axis, Effect, Manifest};
use exportgate_contract::vocabulary::REVEAL;

use super::words::Words;
use crate::answer::{Answers, Outcome};
use crate::decision::{Asked, Form, Forms, PolicyUse, Rows};
use crate::error::EvaluateError;
use crate::plan::Plan;
use crate::request::RequestDecision;

/// The forms that the reveal actions give, in their order.
const FORMS: [Form; REVEAL.len()] = [Form::Plain, Form::Partial, Form::Token];

/// The answers of one call to one module, with what is needed to read them.
pub(super) struct Reader<'a> {
    plan: &'a Plan,
    words: &'a Words,
    answers: &'a Answers,
    /// The questions asked, ascending: the order of the answers.
    asked: &'a [u32],
    /// For each outcome whether it allows.
    allows: Vec<bool>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(plan: &'a Plan, words: &'a Words, asked: &'a [u32], answers: &'a Answers) -> Self {
        let allows = answers.outcomes.iter().map(|outcome| outcome.decide(plan) == RequestDecision::Allow).collect();
        Self { plan, words, answers, asked, allows }
    }

    fn manifest(&self) -> &'a Manifest {
        &self.plan.manifest
    }

    /// The outcomes of a question at its points; none when it wasn't asked.
    fn points(&self, question: u32) -> Option<Points<'a>> {
        let place = self.asked.binary_search(&question).ok()?;
        let question = self.manifest().questions.get(usize::try_from(question).ok()?)?;
        Some(Points { axis: question.axis, outcomes: self.answers.points.get(place)? })
    }

    fn allows(&self, outcome: u32) -> bool {
        // INVARIANT: every point names an outcome. What doesn't is no allowance.
        usize::try_from(outcome).ok().and_then(|outcome| self.allows.get(outcome)).copied().unwrap_or(false)
    }

    fn outcome(&self, outcome: u32) -> Option<&'a Outcome> {
        self.answers.outcomes.get(usize::try_from(outcome).ok()?)
    }

    /// The outcome of the question whether the job may leave; none when the module doesn't answer it.
    pub(super) fn export(&self) -> Result<Option<(&'a Outcome, bool)>, EvaluateError> {
        let Some(question) = self.words.export else { return Ok(None) };
        let outcome = self.points(question).and_then(|points| points.outcomes.first().copied());
        let found = outcome.and_then(|outcome| Some((self.outcome(outcome)?, self.allows(outcome))));
        found.map(Some).ok_or_else(|| EvaluateError::Internal { message: "`export` has no answer".to_owned() })
    }

    /// For how many of the `rows` customers each tally is allowed.
    pub(super) fn tallies(&self, rows: usize) -> Vec<(Arc<str>, u64)> {
        let counted = self.words.tallies.iter().map(|(name, question)| {
            let count = self.points(*question).map_or(0, |points| match points.axis {
                Axis::Row | Axis::Cell | Axis::Column => {
                    points.outcomes.iter().filter(|outcome| self.allows(**outcome)).count()
                }
                Axis::Job => points.outcomes.first().filter(|outcome| self.allows(**outcome)).map_or(0, |_| rows),
            });
            (name.clone(), u64::try_from(count).unwrap_or(u64::MAX))
        });
        counted.collect()
    }

    /// The policies that erred in any answer, by question.
    pub(super) fn erring(&self) -> Vec<PolicyUse> {
        let mut erring = Vec::new();
        if self.answers.outcomes.iter().all(|outcome| outcome.erring.is_empty()) {
            return erring;
        }
        for (asked, question) in self.words.asked(self.asked) {
            let Some(points) = self.points(question) else { continue };
            let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
            for (outcome, count) in points.count(self.answers.outcomes.len()) {
                for policy in self.outcome(outcome).map_or(&[][..], |outcome| &outcome.erring) {
                    let total = counts.entry(*policy).or_default();
                    *total = total.saturating_add(count);
                }
            }
            self.add_uses(&asked, counts, &mut erring);
        }
        erring
    }

    /// Which rows leave; none when the module doesn't say.
    pub(super) fn rows(&self) -> Option<Rows> {
        let points = self.points(self.words.include?)?;
        Some(match points.axis {
            Axis::Job => Rows::Uniform(points.outcomes.first().is_some_and(|outcome| self.allows(*outcome))),
            Axis::Row | Axis::Column | Axis::Cell => {
                Rows::Each(points.outcomes.iter().map(|outcome| self.allows(*outcome)).collect())
            }
        })
    }

    /// The policies behind the rows: how often each determined one.
    pub(super) fn row_uses(&self, uses: &mut Vec<PolicyUse>) {
        let Some(points) = self.words.include.and_then(|question| self.points(question)) else { return };
        let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
        for (outcome, count) in points.count(self.answers.outcomes.len()) {
            self.add_determining(outcome, count, &mut counts);
        }
        self.add_uses(&Asked::Include, counts, uses);
    }

    /// In which form each field leaves, for `columns` fields and the rows of `rows`; none when the module doesn't say. Adds
    /// the policies behind the forms to `uses`: of each field (of each customer that leaves) those that denied the more
    /// revealing forms, and those that allowed the one it gets.
    pub(super) fn forms(
        &self,
        rows: &Rows,
        row_count: usize,
        columns: usize,
        uses: &mut Vec<PolicyUse>,
    ) -> Option<Forms> {
        let questions = self.words.reveal.map(|question| question.and_then(|question| self.points(question)));
        if questions.iter().all(Option::is_none) {
            return None;
        }
        let outcomes = self.answers.outcomes.len();
        let mut used = [vec![0_u64; outcomes], vec![0_u64; outcomes], vec![0_u64; outcomes]];
        let by_row = questions.iter().flatten().any(|points| matches!(points.axis, Axis::Row | Axis::Cell));
        let forms = if by_row {
            let mut cells = Vec::with_capacity(row_count.saturating_mul(columns));
            for row in 0..row_count {
                let leaves = rows.includes(row);
                for column in 0..columns {
                    cells.push(if leaves {
                        self.form(&questions, row, column, columns, &mut used)
                    } else {
                        Form::Suppressed
                    });
                }
            }
            Forms::Cells { columns, cells }
        } else {
            Forms::Columns((0..columns).map(|column| self.form(&questions, 0, column, columns, &mut used)).collect())
        };
        for (form, used) in FORMS.into_iter().zip(used) {
            let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
            for (outcome, count) in (0_u32..).zip(used).filter(|(_, count)| *count > 0) {
                self.add_determining(outcome, count, &mut counts);
            }
            self.add_uses(&Asked::Reveal(form), counts, uses);
        }
        Some(forms)
    }

    /// The form of one field of one customer: the most revealing that is allowed. A form that the module has no question for
    /// isn't restricted by it.
    fn form(
        &self,
        questions: &[Option<Points<'_>>; FORMS.len()],
        row: usize,
        column: usize,
        columns: usize,
        used: &mut [Vec<u64>; FORMS.len()],
    ) -> Form {
        for ((form, points), used) in FORMS.into_iter().zip(questions).zip(used) {
            let Some(points) = points else { return form };
            let Some(outcome) = points.at(row, column, columns) else { return Form::Suppressed };
            if let Some(count) = usize::try_from(outcome).ok().and_then(|outcome| used.get_mut(outcome)) {
                *count = count.saturating_add(1);
            }
            if self.allows(outcome) {
                return form;
            }
        }
        Form::Suppressed
    }

    /// The policies that determined the verdict on the job.
    pub(super) fn export_uses(&self, outcome: &Outcome, uses: &mut Vec<PolicyUse>) {
        let counts = outcome.determining(self.plan).into_iter().map(|policy| (policy, 1)).collect();
        self.add_uses(&Asked::Export, counts, uses);
    }

    /// Whether a forbid held.
    pub(super) fn is_forbidden(&self, outcome: &Outcome) -> bool {
        outcome.satisfied.iter().any(|policy| {
            let policy = usize::try_from(*policy).ok().and_then(|policy| self.words.policies.get(policy));
            policy.is_none_or(|policy| policy.effect == Effect::Forbid)
        })
    }

    fn add_determining(&self, outcome: u32, count: u64, counts: &mut BTreeMap<u32, u64>) {
        let Some(outcome) = self.outcome(outcome) else { return };
        for policy in outcome.determining(self.plan) {
            let total = counts.entry(policy).or_default();
            *total = total.saturating_add(count);
        }
    }

    fn add_uses(&self, asked: &Asked, counts: BTreeMap<u32, u64>, uses: &mut Vec<PolicyUse>) {
        for (policy, points) in counts {
            let policy = usize::try_from(policy).ok().and_then(|policy| self.words.policies.get(policy));
            if let Some(policy) = policy {
                uses.push(PolicyUse { policy: policy.clone(), asked: asked.clone(), points });
            }
        }
    }
}

/// The outcomes of one question at its points.
#[derive(Clone, Copy)]
struct Points<'a> {
    axis: Axis,
    outcomes: &'a [u32],
}

impl Points<'_> {
    /// The outcome at a row and column, of `columns`.
    fn at(&self, row: usize, column: usize, columns: usize) -> Option<u32> {
        let point = match self.axis {
            Axis::Job => 0,
            Axis::Row => row,
            Axis::Column => column,
            Axis::Cell => row.checked_mul(columns)?.checked_add(column)?,
        };
        self.outcomes.get(point).copied()
    }

    /// How often each of the `outcomes` stands at a point; only those that do.
    fn count(&self, outcomes: usize) -> impl Iterator<Item = (u32, u64)> {
        let mut counts = vec![0_u64; outcomes];
        for outcome in self.outcomes {
            if let Some(count) = usize::try_from(*outcome).ok().and_then(|outcome| counts.get_mut(outcome)) {
                *count = count.saturating_add(1);
            }
        }
        (0_u32..).zip(counts).filter(|(_, count)| *count > 0)
    }
}
