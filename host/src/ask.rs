//! Asks a module: splits what is asked into calls, makes a frame for each, and puts the answers together.

use std::sync::LazyLock;

use exportgate_contract::limits::{FRAME_WORDS_MAX, POINTS_PER_CALL_MAX, ROWS_PER_CALL_MAX};
use exportgate_contract::manifest::Axis;

use crate::abi;
use crate::answer::{Answers, Asked, Numbers};
use crate::config::Isolation;
use crate::error::EvaluateError;
use crate::frame::classes::Classes;
use crate::frame::layout::words_estimate;
use crate::frame::recycle;
use crate::frame::resolve::Resolver;
use crate::frame::sheet::Sheet;
use crate::inputs::Inputs;
use crate::instance::Instance;
use crate::limits::POINTS_MAX;
use crate::module::Module;
use crate::plan::{Plan, position, varies_by_row};
use crate::trace::Exchange;
use crate::workspace::Workspace;

/// An instance of a module for the calls of one export, with the room that these take. When a call fails, the instance is
/// dropped, and the next call gets another.
pub(crate) struct Session<'m> {
    module: &'m Module,
    instance: Option<Box<Instance>>,
    /// There until the session ends.
    work: Option<Box<Workspace>>,
    /// Whether the frame at hand holds all rows that are asked about.
    framed: bool,
    fuel_used: u64,
    /// What crossed the boundary, where somebody wants to know.
    trace: Option<Vec<Exchange>>,
}

/// What a session without a workspace was answered.
static NOTHING: LazyLock<(Answers, Classes)> = LazyLock::new(Default::default);

impl std::fmt::Debug for Session<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("fuel_used", &self.fuel_used).finish_non_exhaustive()
    }
}

impl<'m> Session<'m> {
    pub(crate) fn new(module: &'m Module) -> Result<Self, EvaluateError> {
        let instance = Some(take(module)?);
        Ok(Self { module, instance, work: Some(Workspace::take()), framed: false, fuel_used: 0, trace: None })
    }

    fn work(&mut self) -> &mut Workspace {
        self.work.get_or_insert_default()
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

    /// What was answered last.
    pub(crate) fn answers(&self) -> &Answers {
        self.work.as_ref().map_or(&NOTHING.0, |work| &work.answers)
    }

    /// Which rows the points of these answers stand for.
    pub(crate) fn classes(&self) -> &Classes {
        self.work.as_ref().map_or(&NOTHING.1, |work| &work.classes)
    }

    /// Asks `questions`, some of those of `sheet` and ascending, at all their points. Rows that read alike are asked about
    /// once.
    ///
    /// # Errors
    ///
    /// [`EvaluateError`]: for values of the wrong type, limits, and whatever the guest does wrong. There is no partial answer.
    pub(crate) fn ask<'a>(
        &mut self,
        sheet: &'a Sheet,
        questions: &[u32],
        inputs: &'a Inputs<'a>,
    ) -> Result<(), EvaluateError> {
        self.framed = false;
        let module = self.module;
        let plan = module.plan();
        let mut asked = self.asked(plan, questions)?;
        let room = std::mem::take(&mut self.work().room).again();
        let mut resolver = Resolver::new(plan, sheet, inputs, room);
        self.ask_all(sheet, &mut asked, inputs, &mut resolver)?;
        self.work().room = resolver.into_room().again();
        self.work().asked = recycle(asked);
        Ok(())
    }

    /// Asks other questions of the sheet asked about last, with everything as it was but for the job's facts at these
    /// `places`, which are numbers. None when that needs more than one call: ask from the start then.
    ///
    /// # Errors
    ///
    /// As [`Self::ask`].
    pub(crate) fn ask_again(
        &mut self,
        questions: &[u32],
        numbers: impl Iterator<Item = (usize, i64)>,
    ) -> Result<Option<()>, EvaluateError> {
        if !self.framed {
            return Ok(None);
        }
        let mut asked = self.asked(self.module.plan(), questions)?;
        let (rows, columns) = self.work().frame.size();
        check_points(&asked, self.work().classes.of_rows().map_or(rows, <[u32]>::len), columns)?;
        if rows_that_fit(self.module.plan(), &asked, rows, columns)? < rows {
            return Ok(None);
        }
        for (place, number) in numbers {
            self.work().frame.set_number(place, number);
        }
        self.work().answers.begin(asked.len());
        self.call(&mut asked, (rows, columns), None, None)?;
        self.work().asked = recycle(asked);
        Ok(Some(()))
    }

    /// Asks one question of a frame that was built for it alone.
    ///
    /// # Errors
    ///
    /// As [`Self::ask`].
    pub(crate) fn ask_frame(&mut self, question: u32, frame: &[u64]) -> Result<(), EvaluateError> {
        self.framed = false;
        self.work().classes.clear();
        let mut asked = self.asked(self.module.plan(), &[question])?;
        self.work().answers.begin(1);
        self.call(&mut asked, (1, 1), Some(frame), None)?;
        self.work().asked = recycle(asked);
        Ok(())
    }

    fn asked<'q>(&mut self, plan: &'q Plan, questions: &[u32]) -> Result<Vec<Asked<'q>>, EvaluateError> {
        let mut asked: Vec<Asked<'q>> = self.work().take_asked();
        for (place, id) in questions.iter().enumerate() {
            let question = plan.manifest.questions.get(position(*id));
            let question = question
                .ok_or_else(|| EvaluateError::Internal { message: format!("question {id} isn't in the manifest") })?;
            asked.push(Asked { place, id: *id, question, points: 0 });
        }
        if !questions.is_sorted_by(|a, b| a < b) {
            return Err(EvaluateError::Internal { message: "questions asked out of order".to_owned() });
        }
        Ok(asked)
    }

    fn ask_all<'a>(
        &mut self,
        sheet: &'a Sheet,
        asked: &mut [Asked<'_>],
        inputs: &'a Inputs<'a>,
        resolver: &mut Resolver<'a>,
    ) -> Result<(), EvaluateError> {
        let plan = self.module.plan();
        check_points(asked, inputs.rows(), inputs.columns())?;
        resolver.resolve_job()?;
        let mut classes = std::mem::take(&mut self.work().classes);
        classes.clear();
        if sheet.by_row && !sheet.whole && self.module.engine().config().equal_rows_once {
            classes.find(plan, sheet, inputs, resolver);
        }
        let asked = self.ask_rows(sheet, asked, classes.representatives(), inputs, resolver);
        self.work().classes = classes;
        asked
    }

    /// Asks about these rows, or about all.
    fn ask_rows<'a>(
        &mut self,
        sheet: &'a Sheet,
        asked: &mut [Asked<'_>],
        representatives: Option<&[u32]>,
        inputs: &'a Inputs<'a>,
        resolver: &mut Resolver<'a>,
    ) -> Result<(), EvaluateError> {
        let (plan, columns) = (self.module.plan(), inputs.columns());
        // Rows that no question reads need not be in the frame.
        let rows = if sheet.by_row || sheet.whole || inputs.single {
            representatives.map_or(inputs.rows(), <[u32]>::len)
        } else {
            0
        };
        let mut rows_per_call = rows_that_fit(plan, asked, rows, columns)?;
        let whole = asked.iter().find(|asked| plan.reads_all_rows(asked.id)).map(|asked| asked.question);
        if let Some(whole) = whole
            && rows_per_call < rows
        {
            return Err(EvaluateError::Unsplittable { action: whole.action.clone(), rows });
        }
        self.work().answers.begin(asked.len());
        let mut numbers = Numbers::default();
        let mut start = 0_usize;
        loop {
            let here = start..rows.min(start.saturating_add(rows_per_call));
            let (count, end) = (here.len(), here.end);
            let row = |place: usize| match representatives {
                Some(rows) => rows.get(place).map_or(usize::MAX, |row| position(*row)),
                None => place,
            };
            let built = self.work().frame.build(plan, resolver, sheet.questions.len(), here.map(row), columns);
            match built {
                // Payloads can't be told beforehand: fewer rows then.
                Err(EvaluateError::FrameTooLong { .. }) if count > 1 && whole.is_none() => {
                    rows_per_call = count / 2;
                    continue;
                }
                Err(error) => return Err(error),
                Ok(()) => {}
            }
            let merge = (start > 0 || end < rows).then_some(&mut numbers);
            if start == 0 {
                self.call(asked, (count, columns), None, merge)?;
            } else {
                // What doesn't vary by row is asked once.
                let by_row = asked.iter().filter(|asked| varies_by_row(asked.question));
                self.call(&mut by_row.copied().collect::<Vec<_>>(), (count, columns), None, merge)?;
            }
            if end >= rows {
                self.framed = start == 0;
                return Ok(());
            }
            start = end;
        }
    }

    /// Makes one call with `frame`, or the one at hand, of so many rows and columns.
    fn call(
        &mut self,
        asked: &mut [Asked<'_>],
        (rows, columns): (usize, usize),
        frame: Option<&[u64]>,
        numbers: Option<&mut Numbers>,
    ) -> Result<(), EvaluateError> {
        let plan = self.module.plan();
        let mut points = 0_u64;
        for asked in asked.iter_mut() {
            asked.points = asked.question.axis.points(rows, columns).unwrap_or(usize::MAX);
            points = points.saturating_add(u64::try_from(asked.points).unwrap_or(u64::MAX));
        }
        if frame.is_none() {
            self.work().frame.ask(asked.iter().map(|asked| asked.id));
        }
        let engine = self.module.engine();
        let config = engine.config();
        let fuel = config.fuel_per_call.saturating_add(config.fuel_per_point.saturating_mul(points));
        // Taken out, so that an instance in which anything goes wrong is dropped.
        let mut instance = match self.instance.take() {
            Some(instance) => instance,
            None => take(self.module)?,
        };
        let work = self.work.get_or_insert_default();
        let frame = frame.unwrap_or(work.frame.words());
        abi::call(&mut instance, engine, fuel, frame, &mut work.answer)?;
        if let Some(trace) = &mut self.trace {
            trace.push(Exchange { frame: frame.to_vec(), answer: work.answer.clone() });
        }
        let fuel_left = instance.store.get_fuel().unwrap_or(0);
        self.fuel_used = self.fuel_used.saturating_add(fuel.saturating_sub(fuel_left));
        work.answers.read(&work.answer, plan, asked, numbers)?;
        self.instance = Some(instance);
        Ok(())
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        if let Some(work) = self.work.take() {
            work.keep();
        }
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

/// The frame of one question by itself, asked once.
///
/// # Errors
///
/// [`EvaluateError::FactType`] for values of the wrong type, [`EvaluateError::FrameTooLong`] past the limit.
pub(crate) fn build_frame<'a>(
    module: &'a Module,
    sheet: &'a Sheet,
    question: u32,
    inputs: &'a Inputs<'a>,
) -> Result<Vec<u64>, EvaluateError> {
    let mut work = Workspace::take();
    let mut resolver = Resolver::new(module.plan(), sheet, inputs, std::mem::take(&mut work.room).again());
    resolver.resolve_job()?;
    work.frame.build(module.plan(), &mut resolver, 1, 0..inputs.rows(), inputs.columns())?;
    work.frame.ask([question].into_iter());
    let words = work.frame.words().to_vec();
    work.room = resolver.into_room().again();
    work.keep();
    Ok(words)
}

/// How many rows one call takes at most, by each limit.
fn rows_that_fit(plan: &Plan, asked: &[Asked<'_>], rows: usize, columns: usize) -> Result<usize, EvaluateError> {
    let (mut fixed, mut each) = (0_usize, 0_usize);
    for asked in asked {
        match asked.question.axis {
            Axis::Job => fixed = fixed.saturating_add(1),
            Axis::Column => fixed = fixed.saturating_add(columns),
            Axis::Row => each = each.saturating_add(1),
            Axis::Cell => each = each.saturating_add(columns),
        }
    }
    let one = fixed.saturating_add(if rows == 0 { 0 } else { each });
    if one > POINTS_PER_CALL_MAX {
        return Err(EvaluateError::TooManyPoints { points: one });
    }
    let by_points = (POINTS_PER_CALL_MAX - fixed).checked_div(each).unwrap_or(usize::MAX);
    let (row_words, fixed_words) = words_estimate(plan, columns);
    let by_words = FRAME_WORDS_MAX.saturating_sub(fixed_words).checked_div(row_words).unwrap_or(usize::MAX);
    Ok(by_points.min(by_words).clamp(1, ROWS_PER_CALL_MAX))
}

/// Holds one evaluation to its limit of answers, rows that read alike counted each.
fn check_points(asked: &[Asked<'_>], rows: usize, columns: usize) -> Result<(), EvaluateError> {
    let points = asked.iter().fold(0_usize, |sum, asked| {
        sum.saturating_add(asked.question.axis.points(rows, columns).unwrap_or(usize::MAX))
    });
    if points > POINTS_MAX { Err(EvaluateError::TooManyAnswers { points }) } else { Ok(()) }
}
