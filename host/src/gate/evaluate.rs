//! Evaluates a job: the checks, the windows, then each module in two calls, and what follows from all answers.

use std::collections::BTreeSet;
use std::sync::Arc;

use exportgate_contract::manifest::Effect;
use exportgate_contract::obligation::Remedy;

use super::agent::ModuleFacts;
use super::answers::Reader;
use super::room::{ModuleRoom, Room, Uses, share, share_uid};
use super::stated::Stated;
use super::usage::read_usage;
use super::{Inner, Loaded};
use crate::approvals::Approvals;
use crate::ask::Session;
use crate::config::ErringPolicies;
use crate::decision::{Asked, Cause, Decision, Form, PolicyUse, Verdict};
use crate::error::EvaluateError;
use crate::frame::recycle;
use crate::job::{Job, JobError};
use crate::obligations::Obligations;
use crate::windows::Windows;

/// One evaluation, with what is known so far.
pub(super) struct Evaluation<'g> {
    inner: &'g Inner,
    job: &'g Job,
    approvals: &'g Approvals,
    now_ms: i64,
}

/// What the policies say of a job, when nothing failed. What leaves of a job that may is in the decision.
enum Judged {
    Allow,
    Deny,
    Challenge(Vec<Remedy>),
}

/// A module in an evaluation, ready to be asked again.
#[derive(Debug)]
pub(super) struct Asking<'g> {
    pub(super) loaded: &'g Loaded,
    /// What was prepared of the agent.
    pub(super) agent: Option<&'g ModuleFacts>,
    pub(super) session: Session<'g>,
    pub(super) stated: Stated<'g>,
    pub(super) room: ModuleRoom,
    /// Whether the module lets the job leave.
    allowed: bool,
    /// Remedies that its policies name for the denial.
    pub(super) remedies: BTreeSet<Remedy>,
    /// Whether it says which rows leave, and in which forms: in `room`.
    says_rows: bool,
    says_forms: bool,
}

impl<'g> Evaluation<'g> {
    /// An evaluation of `job`, for which `approvals` were given, at `now_ms`.
    pub(super) fn new(inner: &'g Inner, job: &'g Job, approvals: &'g Approvals, now_ms: i64) -> Self {
        Self { inner, job, approvals, now_ms }
    }

    /// Decides.
    pub(super) fn decide(&self, windows: &dyn Windows) -> Decision {
        let mut decision = Decision::empty();
        self.decide_into(windows, &mut decision);
        decision
    }

    /// Decides, in the room of another decision, of which nothing stays.
    pub(super) fn decide_into(&self, windows: &dyn Windows, decision: &mut Decision) {
        let mut room = Room::take();
        self.begin(decision);
        let judged = self.judge(windows, decision, &mut room);
        self.finish(judged, decision, &mut room);
        room.keep();
    }

    /// Denies, because something failed before anything was evaluated.
    pub(super) fn fail(&self, cause: Cause) -> Decision {
        let mut decision = Decision::empty();
        self.begin(&mut decision);
        decision.cause = Some(cause);
        decision
    }

    /// Denial, so far, of this job.
    fn begin(&self, decision: &mut Decision) {
        let job = self.job;
        share(&mut decision.job, &job.id);
        share_uid(&mut decision.agent, &job.agent);
        share(&mut decision.fields, &job.fields);
        share(&mut decision.modules, &self.inner.infos);
        decision.now_ms = self.now_ms;
        decision.customers = job.customers.len();
        decision.verdict = Verdict::Deny;
        decision.cause = None;
        decision.fuel_used = 0;
        decision.rows.all(false);
        decision.forms.none();
        decision.erring.clear();
    }

    fn finish(&self, judged: Result<Judged, Cause>, decision: &mut Decision, room: &mut Room) {
        let (verdict, cause) = match judged {
            Ok(Judged::Allow) => (Verdict::Allow, None),
            Ok(Judged::Deny) => (Verdict::Deny, None),
            Ok(Judged::Challenge(remedies)) => (Verdict::Challenge(remedies), None),
            Err(cause) => deny(cause),
        };
        let allowed = verdict == Verdict::Allow;
        (decision.verdict, decision.cause) = (verdict, cause);
        if !allowed {
            // What determined rows and forms determined nothing, since nothing leaves.
            decision.determining.retain(|used| used.asked == Asked::Export);
            decision.rows.all(false);
            decision.forms.none();
        }
        let uses = &decision.determining;
        let obligations = room.obligations.find(uses, allowed, || {
            let all = obligations(uses);
            if allowed { all } else { all.of_denial() }
        });
        share(&mut decision.obligations, obligations);
    }

    fn judge(&self, windows: &dyn Windows, decision: &mut Decision, room: &mut Room) -> Result<Judged, Cause> {
        // Nothing of the decision before this one must show, whatever fails.
        let (mut tallies, mut usage) = (Counts::new(&mut decision.tallies), Counts::new(&mut decision.usage));
        let mut uses = Uses::new(&mut decision.determining);
        let mut asked: Vec<Asking<'g>> = recycle(std::mem::take(&mut room.asked));
        let mut known = Known {
            tallies: &mut tallies,
            uses: &mut uses,
            erring: &mut decision.erring,
            fuel_used: &mut decision.fuel_used,
        };
        let judged = self.ask_all(windows, &mut known, &mut usage, &mut asked, room);
        tallies.finish();
        usage.finish();
        uses.finish();
        let judged = judged.map(|denied_by_policy| self.conclude(denied_by_policy, &mut asked, decision));
        room.modules.extend(asked.drain(..).map(|asking| asking.room));
        room.asked = recycle(asked);
        judged?
    }

    /// Asks all modules. Says whether policies deny the job, whatever erred.
    fn ask_all(
        &self,
        windows: &dyn Windows,
        known: &mut Known<'_, '_>,
        usage: &mut Counts<'_>,
        asked: &mut Vec<Asking<'g>>,
        room: &mut Room,
    ) -> Result<bool, Cause> {
        self.job.check(self.inner.caps(), self.approvals).map_err(Cause::Job)?;
        // The catalogues first, all of them: nothing runs for a job that names an unknown field.
        while room.modules.len() < self.inner.modules.len() {
            room.modules.push(ModuleRoom::default());
        }
        for (loaded, room) in self.inner.modules.iter().zip(&mut room.modules) {
            self.find_fields(loaded, room).map_err(Cause::Job)?;
        }
        read_usage(self.inner, self.job, self.now_ms, windows, &mut room.usage)?;
        for (name, count) in self.inner.windows.keys().zip(&room.usage.counts) {
            usage.push(name, *count);
        }
        let mut denied_by_policy = false;
        let agent = self.job.prepared_agent.as_ref().and_then(|agent| agent.facts_for(self.inner, &self.job.agent));
        let modules = room.modules.drain(..self.inner.modules.len());
        for (place, (loaded, mut module_room)) in self.inner.modules.iter().zip(modules).enumerate() {
            let failed = |source| Cause::Module { module: loaded.name.clone(), source };
            let session = loaded.module.session().map_err(failed)?;
            let stated =
                Stated::new(&loaded.words, self.job, self.approvals, self.now_ms, &room.usage, &mut module_room);
            let mut asking = Asking {
                loaded,
                agent: agent.and_then(|modules| modules.get(place)),
                session,
                stated,
                room: module_room,
                allowed: true,
                remedies: BTreeSet::new(),
                says_rows: false,
                says_forms: false,
            };
            denied_by_policy |= self.ask(&mut asking, known)?;
            asked.push(asking);
        }
        Ok(denied_by_policy)
    }

    /// Where the fields of the job stand in the module's catalogue. Without one it takes those that the base knows.
    fn find_fields(&self, loaded: &Loaded, room: &mut ModuleRoom) -> Result<(), JobError> {
        room.fields.clear();
        let Some(fields) = &loaded.words.fields else { return Ok(()) };
        fields
            .find(&self.job.fields, &mut room.fields)
            .map_err(|fields| JobError::UnknownFields { module: loaded.name.clone(), fields })
    }

    /// Asks a module all it answers. Says whether its policies deny the job, whatever erred.
    fn ask(&self, asking: &mut Asking<'g>, known: &mut Known<'_, '_>) -> Result<bool, Cause> {
        let loaded = asking.loaded;
        let failed = |source| Cause::Module { module: loaded.name.clone(), source };
        let words = &loaded.words;
        let before = *known.fuel_used;
        let tallied = !words.tally_questions.is_empty();
        if tallied {
            let erring = asking.tally(self.job).map_err(failed)?;
            *known.fuel_used = before.saturating_add(asking.session.fuel_used());
            if let Some(Asked::Tally(tally)) = erring.first().map(|used| &used.asked) {
                let tally = tally.clone();
                known.erring.extend(erring);
                return Err(Cause::TallyErred { tally });
            }
            for (name, count) in words.tally_names.iter().zip(&asking.room.tallied) {
                known.tallies.push(name, *count);
            }
        }
        asking.ask_export(tallied).map_err(failed)?;
        *known.fuel_used = before.saturating_add(asking.session.fuel_used());
        let Asking { session, room, allowed, remedies, says_rows, says_forms, .. } = asking;
        let reader = Reader::new(loaded.module.plan(), words, &words.export_questions, session);
        let (row_count, columns) = (self.job.customers.len(), self.job.fields.len());
        reader.erring(columns, room, known.erring);
        let mut by_policy = false;
        if let Some((outcome, allows)) = reader.export().map_err(failed)? {
            *allowed = allows;
            by_policy = !allows && (outcome.erring.is_empty() || reader.is_forbidden(outcome));
            reader.export_uses(outcome, known.uses);
            if !allows {
                *remedies = words.remedies_for(outcome);
            }
        }
        if *allowed {
            reader.row_uses(room, known.uses);
            *says_rows = reader.rows(&mut room.rows);
            *says_forms = reader.forms(*says_rows, row_count, columns, room, known.uses);
        }
        Ok(by_policy)
    }

    /// What follows when all modules have answered.
    fn conclude(
        &self,
        denied_by_policy: bool,
        asked: &mut [Asking<'g>],
        decision: &mut Decision,
    ) -> Result<Judged, Cause> {
        let allowed = asked.iter().all(|asking| asking.allowed);
        let erred = !decision.erring.is_empty() && self.inner.config.erring_policies == ErringPolicies::Deny;
        // An agent must not turn a denial by policy, which is counted, into a failure, which isn't.
        if erred && !denied_by_policy {
            return Err(Cause::PoliciesErred);
        }
        if allowed {
            self.allow(asked, decision);
            return Ok(Judged::Allow);
        }
        if erred {
            return Ok(Judged::Deny);
        }
        Ok(self.challenge(asked, decision).map_or(Judged::Deny, Judged::Challenge))
    }

    /// What leaves, when every module lets the job leave: the rows that all include, each field in its least revealing form.
    fn allow(&self, asked: &mut [Asking<'g>], decision: &mut Decision) {
        let Decision { rows, forms, .. } = decision;
        rows.all(true);
        for asking in asked.iter().filter(|asking| asking.says_rows) {
            rows.intersect(&asking.room.rows);
        }
        let mut said = asked.iter_mut().filter(|asking| asking.says_forms);
        match said.next() {
            Some(first) => std::mem::swap(forms, &mut first.room.forms),
            None => forms.columns(self.job.fields.iter().map(|_| Form::Plain)),
        }
        said.for_each(|asking| forms.least(&asking.room.forms, self.job.customers.len()));
    }

    /// What would lift the denial; none when nothing would, or nobody may know.
    fn challenge(&self, asked: &mut [Asking<'g>], decision: &mut Decision) -> Option<Vec<Remedy>> {
        let silent = decision.determining.iter().any(|used| used.asked == Asked::Export && used.policy.is_silent());
        if silent {
            return None;
        }
        let fuel_before: u64 = asked.iter().map(|asking| asking.session.fuel_used()).sum();
        let remedies = super::challenge::find(self.job, asked);
        let fuel_after: u64 = asked.iter().map(|asking| asking.session.fuel_used()).sum();
        decision.fuel_used = decision.fuel_used.saturating_add(fuel_after.saturating_sub(fuel_before));
        remedies
    }
}

/// What the modules asked so far make known.
struct Known<'k, 'l> {
    tallies: &'k mut Counts<'l>,
    uses: &'k mut Uses<'l>,
    erring: &'k mut Vec<PolicyUse>,
    fuel_used: &'k mut u64,
}

/// Fills a list of names and counts that is used again and again.
struct Counts<'l> {
    list: &'l mut Vec<(Arc<str>, u64)>,
    filled: usize,
}

impl<'l> Counts<'l> {
    fn new(list: &'l mut Vec<(Arc<str>, u64)>) -> Self {
        Self { list, filled: 0 }
    }

    fn push(&mut self, name: &Arc<str>, count: u64) {
        match self.list.get_mut(self.filled) {
            Some((known, slot)) => {
                share(known, name);
                *slot = count;
            }
            None => self.list.push((name.clone(), count)),
        }
        self.filled += 1;
    }

    fn finish(self) {
        self.list.truncate(self.filled);
    }
}

/// Turns a failure into a denial. Nothing else does, and nothing turns one into anything else.
fn deny(cause: Cause) -> (Verdict, Option<Cause>) {
    (Verdict::Deny, Some(cause))
}

impl Asking<'_> {
    /// Asks the tallies, and states their counts. Returns the policies that erred.
    pub(super) fn tally(&mut self, job: &Job) -> Result<Vec<PolicyUse>, EvaluateError> {
        let Self { loaded, agent, session, stated, room, .. } = self;
        let words = &loaded.words;
        let (sheet, facts) = words.sheet.of(agent.map(|agent| &agent.all));
        stated.with_inputs(words, facts, room, |inputs| session.ask(sheet, &words.tally_questions, inputs))?;
        let reader = Reader::new(loaded.module.plan(), words, &words.tally_questions, session);
        let mut erring = Vec::new();
        reader.tallies(job.customers.len(), &mut room.tallied);
        reader.erring(job.fields.len(), room, &mut erring);
        stated.set_tallies(words, room);
        Ok(erring)
    }

    /// Asks all but the tallies. When these were just `tallied`, their counts are all that is new to the frame.
    fn ask_export(&mut self, tallied: bool) -> Result<(), EvaluateError> {
        let Self { loaded, agent, session, stated, room, .. } = self;
        let words = &loaded.words;
        if tallied && words.tallies_are_numbers {
            let numbers = words
                .tally_places
                .iter()
                .zip(&room.tallied)
                .filter_map(|(place, count)| Some(((*place)?, i64::try_from(*count).unwrap_or(i64::MAX))));
            if session.ask_again(&words.export_questions, numbers)?.is_some() {
                return Ok(());
            }
        }
        let (sheet, facts) = words.sheet.of(agent.map(|agent| &agent.all));
        stated.with_inputs(words, facts, room, |inputs| session.ask(sheet, &words.export_questions, inputs))
    }
}

/// The obligations of the policies behind an answer: all of those that permit, the alerts of those that forbid.
fn obligations(determining: &[PolicyUse]) -> Obligations {
    let mut all = Obligations::default();
    for used in determining {
        let mut of_policy = Obligations::default();
        for obligation in &used.policy.obligations {
            of_policy.add(obligation);
        }
        all.merge(match used.policy.effect {
            Effect::Permit => of_policy,
            Effect::Forbid => of_policy.of_denial(),
        });
    }
    all
}
