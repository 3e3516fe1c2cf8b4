//! Reads what a module answered to the questions of an export: verdict, rows, forms, and the policies behind them.

use std::sync::Arc;

use exportgate_contract::manifest::{Axis, Effect, Question};
use exportgate_contract::vocabulary::REVEAL;

use super::room::{ModuleRoom, Uses};
use super::words::Words;
use crate::answer::{Answers, Outcome};
use crate::ask::Session;
use crate::decision::{Asked, Form, Forms, PolicyUse, Rows};
use crate::error::EvaluateError;
use crate::frame::classes::Classes;
use crate::plan::{Plan, position};

/// The forms that the reveal actions give, in their order.
const FORMS: [Form; REVEAL.len()] = [Form::Plain, Form::Partial, Form::Token];

/// The answers of one call to one module, with what is needed to read them.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    plan: &'a Plan,
    words: &'a Words,
    answers: &'a Answers,
    /// Which rows share an answer.
    classes: &'a Classes,
    /// The questions asked, ascending: the order of the answers.
    asked: &'a [u32],
}

impl<'a> Reader<'a> {
    /// What `session` was answered to `asked`.
    pub(super) fn new(plan: &'a Plan, words: &'a Words, asked: &'a [u32], session: &'a Session<'_>) -> Self {
        Self { plan, words, answers: session.answers(), classes: session.classes(), asked }
    }

    /// The outcomes of a question at its points; none when it wasn't asked.
    fn points(&self, question: u32) -> Option<Points<'a>> {
        let place = self.asked.binary_search(&question).ok()?;
        let question: &Question = self.plan.manifest.questions.get(position(question))?;
        Some(Points { axis: question.axis, outcomes: self.answers.points(place)? })
    }

    /// The outcome of the question whether the job may leave; none when the module doesn't answer it.
    pub(super) fn export(&self) -> Result<Option<(Outcome<'a>, bool)>, EvaluateError> {
        let Some(question) = self.words.export else { return Ok(None) };
        let outcome = self.points(question).and_then(|points| points.outcomes.first().copied());
        let found = outcome.and_then(|outcome| Some((self.answers.outcome(outcome)?, self.answers.allows(outcome))));
        found.map(Some).ok_or_else(|| EvaluateError::Internal { message: "`export` has no answer".to_owned() })
    }

    /// For how many of the `rows` customers each tally is allowed.
    pub(super) fn tallies(&self, rows: usize, counts: &mut Vec<u64>) {
        let rows = u64::try_from(rows).unwrap_or(u64::MAX);
        counts.clear();
        counts.extend(self.words.tallies.iter().map(|(_, question)| {
            let Some(points) = self.points(*question) else { return 0 };
            let allowed = points.outcomes.iter().enumerate().filter(|(_, outcome)| self.answers.allows(**outcome));
            match points.axis {
                Axis::Row => allowed.map(|(class, _)| self.classes.count(class)).fold(0, u64::saturating_add),
                Axis::Job => allowed.map(|_| rows).next().unwrap_or(0),
                Axis::Column | Axis::Cell => u64::try_from(allowed.count()).unwrap_or(u64::MAX),
            }
        }));
    }

    /// The policies that erred in any answer, by question.
    pub(super) fn erring(&self, columns: usize, room: &mut ModuleRoom, erring: &mut Vec<PolicyUse>) {
        if !self.answers.erred() {
            return;
        }
        let mut counts = Vec::new();
        for (asked, question) in self.words.asked() {
            let Some(points) = self.points(question) else { continue };
            self.count(points, columns, &mut counts);
            room.policies.clear();
            for (outcome, count) in standing(&counts) {
                let policies = self.answers.outcome(outcome).map_or(&[][..], |outcome| outcome.erring);
                room.policies.extend(policies.iter().map(|policy| (*policy, count)));
            }
            self.each_use(&mut room.policies, |policy, points| {
                erring.push(PolicyUse { policy: policy.clone(), asked: asked.clone(), points });
            });
        }
    }

    /// Which rows leave; false when the module doesn't say.
    pub(super) fn rows(&self, rows: &mut Rows) -> bool {
        let Some(points) = self.words.include.and_then(|question| self.points(question)) else { return false };
        match (points.axis, self.classes.of_rows()) {
            (Axis::Job, _) => rows.all(points.outcomes.first().is_some_and(|outcome| self.answers.allows(*outcome))),
            (Axis::Row | Axis::Column | Axis::Cell, None) => {
                rows.each(points.outcomes.iter().map(|outcome| self.answers.allows(*outcome)));
            }
            (Axis::Row | Axis::Column | Axis::Cell, Some(classes)) => rows.each(classes.iter().map(|class| {
                points.outcomes.get(position(*class)).is_some_and(|outcome| self.answers.allows(*outcome))
            })),
        }
        true
    }

    /// The policies behind the rows: how often each determined one.
    pub(super) fn row_uses(&self, room: &mut ModuleRoom, uses: &mut Uses<'_>) {
        let Some(points) = self.words.include.and_then(|question| self.points(question)) else { return };
        let ModuleRoom { outcomes: [counts, ..], policies, .. } = room;
        // Questions about customers have no columns.
        self.count(points, 1, counts);
        self.add_uses(&Asked::Include, counts, policies, uses);
    }

    /// In which form each field leaves, for `columns` fields and the rows of `room`, or all; false when the module doesn't
    /// say. Adds the policies behind the forms to `uses`: of each field (of each customer that leaves) those that denied
    /// the more revealing forms, and those that allowed the one it gets.
    pub(super) fn forms(
        &self,
        restricted: bool,
        row_count: usize,
        columns: usize,
        room: &mut ModuleRoom,
        uses: &mut Uses<'_>,
    ) -> bool {
        let questions = self.words.reveal.map(|question| question.and_then(|question| self.points(question)));
        if questions.iter().all(Option::is_none) {
            return false;
        }
        let ModuleRoom { rows, forms, outcomes: used, policies, .. } = room;
        for counts in used.iter_mut() {
            counts.clear();
            counts.resize(self.answers.outcomes(), 0);
        }
        let by_row = questions.iter().flatten().any(|points| matches!(points.axis, Axis::Row | Axis::Cell));
        if by_row {
            self.forms_by_row(&questions, restricted.then_some(&*rows), row_count, columns, used, forms);
        } else {
            forms.columns((0..columns).map(|column| self.form(&questions, 0, column, columns, 1, used)));
        }
        for (form, counts) in FORMS.into_iter().zip(used) {
            self.add_uses(&Asked::Reveal(form), counts, policies, uses);
        }
        true
    }

    /// Rows that share an answer share a line of forms.
    fn forms_by_row(
        &self,
        questions: &[Option<Points<'_>>; FORMS.len()],
        rows: Option<&Rows>,
        row_count: usize,
        columns: usize,
        used: &mut [Vec<u64>; FORMS.len()],
        forms: &mut Forms,
    ) {
        let representatives = self.classes.representatives();
        let lines = representatives.map_or(row_count, <[u32]>::len);
        let cells = (0..lines).flat_map(|line| (0..columns).map(move |column| (line, column)));
        let cells = cells.map(|(line, column)| {
            let row = representatives.and_then(|rows| rows.get(line)).map_or(line, |row| position(*row));
            if rows.is_none_or(|rows| rows.includes(row)) {
                self.form(questions, line, column, columns, self.classes.count(line), used)
            } else {
                Form::Suppressed
            }
        });
        forms.rows(columns, cells, self.classes.of_rows());
    }

    /// The form of one field of one customer: the most revealing that is allowed. A form that the module has no question for
    /// isn't restricted by it.
    fn form(
        &self,
        questions: &[Option<Points<'_>>; FORMS.len()],
        row: usize,
        column: usize,
        columns: usize,
        times: u64,
        used: &mut [Vec<u64>; FORMS.len()],
    ) -> Form {
        for ((form, points), used) in FORMS.into_iter().zip(questions).zip(used) {
            let Some(points) = points else { return form };
            let Some(outcome) = points.at(row, column, columns) else { return Form::Suppressed };
            if let Some(count) = used.get_mut(position(outcome)) {
                *count = count.saturating_add(times);
            }
            if self.answers.allows(outcome) {
                return form;
            }
        }
        Form::Suppressed
    }

    /// The policies that determined the verdict on the job.
    pub(super) fn export_uses(&self, outcome: Outcome<'_>, uses: &mut Uses<'_>) {
        for policy in outcome.determining(self.plan) {
            if let Some(policy) = self.words.policies.get(position(policy)) {
                uses.push(policy, &Asked::Export, 1);
            }
        }
    }

    /// Whether a forbid held.
    pub(super) fn is_forbidden(&self, outcome: Outcome<'_>) -> bool {
        outcome.satisfied.iter().any(|policy| {
            self.words.policies.get(position(*policy)).is_none_or(|policy| policy.effect == Effect::Forbid)
        })
    }

    /// How often each outcome stands at a point of a question about rows, columns or both.
    fn count(&self, points: Points<'_>, columns: usize, counts: &mut Vec<u64>) {
        counts.clear();
        counts.resize(self.answers.outcomes(), 0);
        for (point, outcome) in points.outcomes.iter().enumerate() {
            let times = match points.axis {
                Axis::Job | Axis::Column => 1,
                Axis::Row => self.classes.count(point),
                Axis::Cell => self.classes.count(point.checked_div(columns).unwrap_or(0)),
            };
            if let Some(count) = counts.get_mut(position(*outcome)) {
                *count = count.saturating_add(times);
            }
        }
    }

    fn add_uses(&self, asked: &Asked, counts: &[u64], policies: &mut Vec<(u32, u64)>, uses: &mut Uses<'_>) {
        policies.clear();
        for (outcome, count) in standing(counts) {
            let Some(outcome) = self.answers.outcome(outcome) else { continue };
            policies.extend(outcome.determining(self.plan).map(|policy| (policy, count)));
        }
        self.each_use(policies, |policy, points| uses.push(policy, asked, points));
    }

    /// Calls `each` with each of `policies` once, ascending, with its points added up.
    fn each_use(&self, policies: &mut [(u32, u64)], mut each: impl FnMut(&Arc<crate::decision::PolicyInfo>, u64)) {
        policies.sort_unstable();
        for same in policies.chunk_by(|(a, _), (b, _)| a == b) {
            let points = same.iter().fold(0_u64, |sum, (_, points)| sum.saturating_add(*points));
            let policy = same.first().and_then(|(policy, _)| self.words.policies.get(position(*policy)));
            if let Some(policy) = policy {
                each(policy, points);
            }
        }
    }
}

/// The outcomes that stand at a point, with how often they do.
fn standing(counts: &[u64]) -> impl Iterator<Item = (u32, u64)> {
    (0_u32..).zip(counts.iter().copied()).filter(|(_, count)| *count > 0)
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
}
