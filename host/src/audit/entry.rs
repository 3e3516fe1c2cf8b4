//! A decision, in the words of the log.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use exportgate_audit::entry::{self, Count, Field, Form, PolicyUse, RowsSum, Uid};
use exportgate_contract::manifest::Effect;
use exportgate_contract::obligation::{AlertLevel, AuditDetail, WatermarkPart};
use exportgate_contract::value::{EntityUid, Value};

use crate::approvals::stated;
use crate::decision::{self, Cause, Decision, ModuleInfo, Verdict};
use crate::hex::unhex;
use crate::job::Job;
use crate::obligations::Obligations;

/// What the log holds of `env`: where to, what for, by which way, for which ticket.
const FACTS: [&str; 4] = ["channel", "destination", "purpose", "ticket"];

/// Groups above an agent that are recorded, at most: more than these are a directory, not an agent's teams.
const GROUPS_MAX: usize = 256;

/// The customers that may leave, by the forms of their fields.
pub(super) fn customers_by_forms<'a>(job: &'a Job, decision: &Decision) -> BTreeMap<Vec<Form>, Vec<&'a str>> {
    let mut groups: BTreeMap<Vec<Form>, Vec<&'a str>> = BTreeMap::new();
    if !decision.is_allow() {
        return groups;
    }
    let ids = job.customers.ids().iter().map(|id| &**id).enumerate().filter(|(row, _)| decision.includes(*row));
    if let Some(forms) = decision.forms_of_all() {
        let forms = forms.iter().copied().map(form).collect();
        let ids: Vec<&str> = ids.map(|(_, id)| id).collect();
        if !ids.is_empty() {
            groups.insert(forms, ids);
        }
        return groups;
    }
    for (row, id) in ids {
        let forms = (0..decision.fields().len()).map(|field| form(decision.form(row, field))).collect();
        groups.entry(forms).or_default().push(id);
    }
    groups
}

fn form(form: decision::Form) -> Form {
    match form {
        decision::Form::Suppressed => Form::Suppressed,
        decision::Form::Token => Form::Token,
        decision::Form::Partial => Form::Partial,
        decision::Form::Plain => Form::Plain,
    }
}

/// The entry for a decision.
pub(super) fn of_decision(
    job: &Job,
    decision: &Decision,
    classes: &BTreeMap<Arc<str>, String>,
    expires_ms: i64,
    rows: RowsSum,
) -> entry::Decision {
    let obligations = decision.obligations();
    let (verdict, remedies) = match decision.verdict() {
        Verdict::Allow => (entry::Verdict::Allow, Vec::new()),
        Verdict::Deny => (entry::Verdict::Deny, Vec::new()),
        Verdict::Challenge(remedies) => (entry::Verdict::Challenge, remedies.iter().map(ToString::to_string).collect()),
    };
    let field = |name: &Arc<str>| Field { name: one_line(name), class: classes.get(name).cloned().unwrap_or_default() };
    entry::Decision {
        job: one_line(decision.job()),
        expires_ms,
        agent: uid(decision.agent()),
        groups: groups(job),
        context: FACTS.iter().filter_map(|name| Some(((*name).to_owned(), fact(&job.env, name)?))).collect(),
        verdict,
        cause: decision.cause().map_or("", cause).to_owned(),
        alert: match obligations.alert {
            None => entry::Alert::None,
            Some(AlertLevel::Info) => entry::Alert::Info,
            Some(AlertLevel::High) => entry::Alert::High,
            Some(AlertLevel::Critical) => entry::Alert::Critical,
        },
        modules: decision.modules().iter().map(module).collect(),
        determining: policies(decision, decision.policies()),
        erring: policies(decision, decision.erring()),
        obligations: obligations_of(obligations),
        remedies,
        usage: counts(decision.usage()),
        tallies: counts(decision.tallies()),
        fields: decision.fields().iter().map(field).collect(),
        customers_asked: u64::try_from(decision.customers()).unwrap_or(u64::MAX),
        rows,
    }
}

/// A text without control characters: the log takes none.
pub(super) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

pub(super) fn uid(uid: &EntityUid) -> Uid {
    Uid { kind: one_line(&uid.entity_type), id: one_line(&uid.id) }
}

/// What the agent is in, directly and above.
fn groups(job: &Job) -> Vec<Uid> {
    let mut found: BTreeSet<&EntityUid> = BTreeSet::new();
    let mut open = vec![&job.agent];
    while let Some(next) = open.pop() {
        let Some(entity) = job.entities.entity(next) else { continue };
        for parent in &entity.parents {
            if found.len() < GROUPS_MAX && found.insert(parent) {
                open.push(parent);
            }
        }
    }
    found.into_iter().map(uid).collect::<BTreeSet<Uid>>().into_iter().collect()
}

/// A fact of `env` that the log holds: the id of an entity, or a text.
fn fact(env: &Value, name: &str) -> Option<String> {
    match stated(env, name)? {
        Value::Entity(uid) => Some(one_line(&uid.id)),
        Value::String(text) => Some(one_line(text)),
        _ => None,
    }
}

fn module(info: &ModuleInfo) -> entry::Module {
    entry::Module {
        name: one_line(info.name()),
        version: one_line(info.version()),
        sha256: unhex(info.sha256()).unwrap_or_default(),
    }
}

fn policies(decision: &Decision, used: &[decision::PolicyUse]) -> Vec<PolicyUse> {
    let place = |name: &str| decision.modules().iter().position(|module| module.name() == name);
    used.iter()
        .map(|used| PolicyUse {
            module: place(used.policy.module()).and_then(|place| u16::try_from(place).ok()).unwrap_or(u16::MAX),
            id: one_line(used.policy.id()),
            permits: used.policy.effect() == Effect::Permit,
            asked: one_line(&used.asked.to_string()),
            points: used.points,
        })
        .collect()
}

fn counts(counts: &[(Arc<str>, u64)]) -> Vec<Count> {
    counts.iter().map(|(name, count)| Count { name: one_line(name), count: *count }).collect()
}

fn obligations_of(obligations: &Obligations) -> Vec<String> {
    let Obligations { watermark, alert, notify, review_seconds, retain_seconds, audit } = obligations;
    let parts: Vec<&str> = watermark
        .iter()
        .map(|part| match part {
            WatermarkPart::Agent => "agent",
            WatermarkPart::Ticket => "ticket",
            WatermarkPart::Job => "job",
        })
        .collect();
    let mut texts = Vec::new();
    if !parts.is_empty() {
        texts.push(format!("watermark:{}", parts.join(",")));
    }
    texts.extend(alert.map(|level| match level {
        AlertLevel::Info => "alert:info".to_owned(),
        AlertLevel::High => "alert:high".to_owned(),
        AlertLevel::Critical => "alert:critical".to_owned(),
    }));
    texts.extend(notify.iter().map(|role| format!("notify:{}", one_line(role))));
    texts.extend(review_seconds.map(|seconds| format!("review:{seconds}s")));
    texts.extend(retain_seconds.map(|seconds| format!("retain:{seconds}s")));
    texts.extend(audit.map(|detail| match detail {
        AuditDetail::Summary => "audit:summary".to_owned(),
        AuditDetail::Full => "audit:full".to_owned(),
    }));
    texts
}

/// The code of what failed. Messages stay out of the log: they may hold what was given.
fn cause(cause: &Cause) -> &'static str {
    match cause {
        Cause::Job(_) => "job-refused",
        Cause::NoLedger => "no-ledger",
        Cause::Ledger(_) => "ledger",
        Cause::Revoked { .. } => "agent-revoked",
        Cause::Approval { .. } => "approval-unreadable",
        Cause::Windows(_) => "windows",
        Cause::Module { .. } => "module-failed",
        Cause::TallyErred { .. } => "tally-erred",
        Cause::PoliciesErred => "policies-erred",
    }
}
