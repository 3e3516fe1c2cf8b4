//! Evaluates a job: the checks, the windows, then each module in two calls, and what follows from all answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use exportgate_contract::manifest::Effect;
use exportgate_contract::obligation::Remedy;
use exportgate_contract::value::{EntityUid, Value};
use exportgate_contract::vocabulary::{FIELD, Subject, Window};

use super::answers::Reader;
use super::stated::Stated;
use super::{Inner, Loaded};
use crate::approvals::Approvals;
use crate::ask::Session;
use crate::config::ErringPolicies;
use crate::decision::{Asked, Cause, Decision, Form, Forms, PolicyUse, Rows, Verdict};
use crate::error::EvaluateError;
use crate::job::{Job, JobError};
use crate::obligations::Obligations;
use crate::windows::{WindowRead, Windows, count_of_fresh_start};

/// One evaluation, with what is known so far.
pub(super) struct Evaluation<'g> {
    inner: &'g Inner,
    job: &'g Job,
    approvals: &'g Approvals,
    now_ms: i64,
    usage: BTreeMap<Arc<str>, u64>,
    tallies: Vec<(Arc<str>, u64)>,
    determining: Vec<PolicyUse>,
    erring: Vec<PolicyUse>,
    fuel_used: u64,
}

/// What the policies say of a job, when nothing failed.
enum Judged {
    Allow { rows: Rows, forms: Forms },
    Deny,
    Challenge(Vec<Remedy>),
}

/// A module in an evaluation, ready to be asked again.
pub(super) struct Asking<'g> {
    pub(super) loaded: &'g Loaded,
    pub(super) session: Session<'g>,
    pub(super) stated: Stated,
    /// Whether the module lets the job leave.
    allowed: bool,
    /// Remedies that its policies name for the denial.
    pub(super) remedies: BTreeSet<Remedy>,
    rows: Option<Rows>,
    forms: Option<Forms>,
}

impl<'g> Evaluation<'g> {
    /// An evaluation of `job`, for which `approvals` were given, at `now_ms`.
    pub(super) fn new(inner: &'g Inner, job: &'g Job, approvals: &'g Approvals, now_ms: i64) -> Self {
        Self {
            inner,
            job,
            approvals,
            now_ms,
            usage: BTreeMap::new(),
            tallies: Vec::new(),
            determining: Vec::new(),
            erring: Vec::new(),
            fuel_used: 0,
        }
    }

    /// Decides.
    pub(super) fn decide(mut self, windows: &dyn Windows) -> Decision {
        let judged = self.judge(windows);
        self.finish(judged)
    }

    /// Denies, because something failed before anything was evaluated.
    pub(super) fn fail(self, cause: Cause) -> Decision {
        self.finish(Err(cause))
    }

    fn finish(mut self, judged: Result<Judged, Cause>) -> Decision {
        let (verdict, cause, rows, forms) = match judged {
            Ok(Judged::Allow { rows, forms }) => (Verdict::Allow, None, rows, forms),
            Ok(Judged::Deny) => (Verdict::Deny, None, Rows::Uniform(false), Forms::none()),
            Ok(Judged::Challenge(remedies)) => {
                (Verdict::Challenge(remedies), None, Rows::Uniform(false), Forms::none())
            }
            Err(cause) => deny(cause),
        };
        let allowed = verdict == Verdict::Allow;
        if !allowed {
            // What determined rows and forms determined nothing, since nothing leaves.
            self.determining.retain(|used| used.asked == Asked::Export);
        }
        let obligations = obligations(&self.determining);
        Decision {
            job: self.job.id.clone(),
            agent: self.job.agent.clone(),
            now_ms: self.now_ms,
            obligations: if allowed { obligations } else { obligations.of_denial() },
            verdict,
            cause,
            customers: self.job.customers.len(),
            fields: self.job.fields.clone(),
            rows,
            forms,
            determining: self.determining,
            erring: self.erring,
            usage: self.usage.into_iter().collect(),
            tallies: self.tallies,
            modules: self.inner.infos.clone(),
            fuel_used: self.fuel_used,
        }
    }

    fn judge(&mut self, windows: &dyn Windows) -> Result<Judged, Cause> {
        self.job.check(self.inner.caps(), self.approvals).map_err(Cause::Job)?;
        // The catalogues first, all of them: nothing runs for a job that names an unknown field.
        let mut fields: Vec<Vec<Value>> = Vec::with_capacity(self.inner.modules.len());
        for loaded in &self.inner.modules {
            fields.push(self.fields(loaded).map_err(Cause::Job)?);
        }
        self.usage = self.read_usage(windows)?;
        let mut asked: Vec<Asking<'g>> = Vec::with_capacity(self.inner.modules.len());
        let mut denied_by_policy = false;
        for (loaded, fields) in self.inner.modules.iter().zip(fields) {
            let (asking, by_policy) = self.ask(loaded, fields)?;
            denied_by_policy |= by_policy;
            asked.push(asking);
        }
        let allowed = asked.iter().all(|asking| asking.allowed);
        let erred = !self.erring.is_empty() && self.inner.config.erring_policies == ErringPolicies::Deny;
        // An agent must not turn a denial by policy, which is counted, into a failure, which isn't.
        if erred && !denied_by_policy {
            return Err(Cause::PoliciesErred);
        }
        let judged = if allowed {
            self.allow(asked)
        } else if erred {
            Judged::Deny
        } else {
            self.challenge(&mut asked).map_or(Judged::Deny, Judged::Challenge)
        };
        Ok(judged)
    }

    /// The fields of the job as entities. Without a catalogue of its own a module takes those that the base knows.
    fn fields(&self, loaded: &Loaded) -> Result<Vec<Value>, JobError> {
        match &loaded.words.fields {
            Some(fields) => fields
                .entities(&self.job.fields)
                .map_err(|fields| JobError::UnknownFields { module: loaded.name.clone(), fields }),
            None => {
                let entity_type: Arc<str> = FIELD.into();
                let entity = |id: &Arc<str>| EntityUid { entity_type: entity_type.clone(), id: id.clone() };
                Ok(self.job.fields.iter().map(|name| Value::Entity(entity(name))).collect())
            }
        }
    }

    /// The count of each window that policies may read, after this job: the largest of all its subjects.
    fn read_usage(&self, windows: &dyn Windows) -> Result<BTreeMap<Arc<str>, u64>, Cause> {
        let mut usage = BTreeMap::new();
        if self.inner.windows.is_empty() {
            return Ok(usage);
        }
        let mut names: Vec<&Arc<str>> = Vec::new();
        let mut reads: Vec<WindowRead> = Vec::new();
        let ancestors = ancestors_if_needed(self.job, self.inner.windows.values().copied());
        for (name, window) in &self.inner.windows {
            // Nobody's window: the job alone.
            usage.insert(name.clone(), count_of_fresh_start(*window, self.job.customers.len()));
            let subjects = subjects(self.job, &ancestors, window.subject);
            // Leaving the destination out must not make its window empty.
            if subjects.is_empty() && window.subject == Subject::Destination {
                return Err(Cause::Job(JobError::NoDestination));
            }
            for subject in subjects {
                names.push(name);
                reads.push(WindowRead { subject, window: *window });
            }
        }
        let mut customers = self.job.customers.ids().iter().map(|id| &**id);
        let counts = windows.read_after(&reads, &mut customers, self.now_ms).map_err(Cause::Windows)?;
        if counts.len() != reads.len() {
            let message = format!("{} counts for {} windows", counts.len(), reads.len());
            return Err(Cause::Windows(crate::windows::WindowsError::Store { message }));
        }
        for (name, count) in names.into_iter().zip(counts) {
            usage.entry(name.clone()).and_modify(|largest| *largest = count.max(*largest));
        }
        Ok(usage)
    }

    /// Asks a module all it answers. Also says whether its policies deny the job, whatever erred.
    fn ask(&mut self, loaded: &'g Loaded, fields: Vec<Value>) -> Result<(Asking<'g>, bool), Cause> {
        let failed = |source| Cause::Module { module: loaded.name.clone(), source };
        let words = &loaded.words;
        let session = loaded.module.session().map_err(failed)?;
        let stated = Stated::new(words, self.job, self.approvals, fields, self.now_ms, &self.usage);
        let mut asking =
            Asking { loaded, session, stated, allowed: true, remedies: BTreeSet::new(), rows: None, forms: None };
        let fuel_used = self.fuel_used;
        if !words.tally_questions.is_empty() {
            let (tallies, erring) = asking.tally(self.job).map_err(failed)?;
            self.fuel_used = fuel_used.saturating_add(asking.session.fuel_used());
            if let Some(Asked::Tally(tally)) = erring.first().map(|used| &used.asked) {
                let tally = tally.clone();
                self.erring.extend(erring);
                return Err(Cause::TallyErred { tally });
            }
            let prefix = if self.inner.is_base(loaded) { None } else { Some(&loaded.name) };
            self.tallies.extend(tallies.into_iter().map(|(name, count)| match prefix {
                None => (name, count),
                Some(module) => (format!("{module}:{name}").into(), count),
            }));
        }
        let answers = {
            let inputs = asking.stated.inputs(words, self.job);
            asking.session.ask(&words.export_questions, &inputs).map_err(failed)?
        };
        self.fuel_used = fuel_used.saturating_add(asking.session.fuel_used());
        let reader = Reader::new(loaded.module.plan(), words, &words.export_questions, &answers);
        self.erring.extend(reader.erring());
        let mut by_policy = false;
        if let Some((outcome, allowed)) = reader.export().map_err(failed)? {
            asking.allowed = allowed;
            by_policy = !allowed && (outcome.erring.is_empty() || reader.is_forbidden(outcome));
            reader.export_uses(outcome, &mut self.determining);
            if !allowed {
                asking.remedies = words.remedies_for(outcome);
            }
        }
        if asking.allowed {
            reader.row_uses(&mut self.determining);
            let rows = reader.rows();
            let all = Rows::Uniform(true);
            let (row_count, columns) = (self.job.customers.len(), self.job.fields.len());
            asking.forms = reader.forms(rows.as_ref().unwrap_or(&all), row_count, columns, &mut self.determining);
            asking.rows = rows;
        }
        Ok((asking, by_policy))
    }

    /// What leaves, when every module lets the job leave: the rows that all include, each field in its least revealing form.
    fn allow(&self, asked: Vec<Asking<'g>>) -> Judged {
        let mut rows = Rows::Uniform(true);
        let mut forms = Forms::Columns(vec![Form::Plain; self.job.fields.len()]);
        for asking in asked {
            if let Some(other) = asking.rows {
                rows = rows.intersect(other);
            }
            if let Some(other) = asking.forms {
                forms = forms.least(other);
            }
        }
        Judged::Allow { rows, forms }
    }

    /// What would lift the denial; none when nothing would, or nobody may know.
    fn challenge(&mut self, asked: &mut [Asking<'g>]) -> Option<Vec<Remedy>> {
        let silent = self.determining.iter().any(|used| used.asked == Asked::Export && used.policy.is_silent());
        if silent {
            return None;
        }
        let fuel_before: u64 = asked.iter().map(|asking| asking.session.fuel_used()).sum();
        let remedies = super::challenge::find(self.job, asked);
        let fuel_after: u64 = asked.iter().map(|asking| asking.session.fuel_used()).sum();
        self.fuel_used = self.fuel_used.saturating_add(fuel_after.saturating_sub(fuel_before));
        remedies
    }
}

/// Turns a failure into a denial. Nothing else does, and nothing turns one into anything else.
fn deny(cause: Cause) -> (Verdict, Option<Cause>, Rows, Forms) {
    (Verdict::Deny, Some(cause), Rows::Uniform(false), Forms::none())
}

impl Asking<'_> {
    /// Asks the tallies, and states their counts. Also returns the policies that erred.
    #[expect(clippy::type_complexity, reason = "counts and policies, taken apart where they are used")]
    pub(super) fn tally(&mut self, job: &Job) -> Result<(Vec<(Arc<str>, u64)>, Vec<PolicyUse>), EvaluateError> {
        let words = &self.loaded.words;
        let answers = {
            let inputs = self.stated.inputs(words, job);
            self.session.ask(&words.tally_questions, &inputs)?
        };
        let reader = Reader::new(self.loaded.module.plan(), words, &words.tally_questions, &answers);
        let tallies = reader.tallies(job.customers.len());
        self.stated.set_tallies(&tallies);
        Ok((tallies, reader.erring()))
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

/// All for whom a grant counts: the agent, the teams, vendors and tenants above it, and the destination; whatever windows
/// this gate reads, since others read the same ledger.
pub(super) fn subjects_of(job: &Job) -> Vec<EntityUid> {
    let ancestors = ancestors(job);
    let mut all: Vec<EntityUid> =
        Subject::ALL.into_iter().flat_map(|subject| subjects(job, &ancestors, subject)).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn subjects(job: &Job, ancestors: &[EntityUid], subject: Subject) -> Vec<EntityUid> {
    match subject {
        Subject::Agent => vec![job.agent.clone()],
        Subject::Team | Subject::Vendor | Subject::Tenant => {
            let of_type = ancestors.iter().filter(|uid| &*uid.entity_type == subject.entity_type());
            of_type.cloned().collect()
        }
        Subject::Destination => match &job.env {
            Value::Record(env) => match env.get("destination") {
                Some(Value::Entity(uid)) if &*uid.entity_type == subject.entity_type() => vec![uid.clone()],
                Some(_) | None => Vec::new(),
            },
            _ => Vec::new(),
        },
    }
}

fn ancestors_if_needed(job: &Job, mut windows: impl Iterator<Item = Window>) -> Vec<EntityUid> {
    if windows.any(|window| matches!(window.subject, Subject::Team | Subject::Vendor | Subject::Tenant)) {
        ancestors(job)
    } else {
        Vec::new()
    }
}

/// All entities above the agent, each once. The hierarchy may have cycles, and parents nobody knows.
fn ancestors(job: &Job) -> Vec<EntityUid> {
    let mut seen: BTreeSet<&EntityUid> = BTreeSet::new();
    let mut open: Vec<&EntityUid> = vec![&job.agent];
    while let Some(uid) = open.pop() {
        for parent in job.entities.entity(uid).map_or(&[][..], |entity| &entity.parents) {
            if seen.insert(parent) {
                open.push(parent);
            }
        }
    }
    seen.into_iter().cloned().collect()
}
