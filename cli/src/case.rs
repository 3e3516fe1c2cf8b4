//! The cases of a pack: a job with the decision that it must get, and the difference to the one it got.
//!
//! The format is described, member by member, in the README beside the cases of the reference pack.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use exportgate::{Decision, Form, Job, Verdict};
use exportgate_contract::obligation::{AlertLevel, AuditDetail, WatermarkPart};
use serde::{Deserialize, Serialize};

/// A case file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What it shows, in one sentence.
    pub description: String,
    /// The job, as a job file has it.
    pub job: serde_json::Value,
    /// The decision.
    pub expect: Expect,
}

/// What a decision must be. What isn't given isn't compared, but for `erring` and `excluded`, which are then empty.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    verdict: ExpectedVerdict,
    determining: Option<BTreeSet<String>>,
    #[serde(default)]
    erring: BTreeSet<String>,
    remedies: Option<BTreeSet<String>>,
    reasons: Option<BTreeSet<String>>,
    forms: Option<BTreeMap<String, ExpectedForms>>,
    excluded: Option<BTreeSet<String>>,
    obligations: Option<ObligationNames>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ExpectedVerdict {
    Allow,
    Deny,
    Challenge,
}

impl ExpectedVerdict {
    fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Challenge => "challenge",
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum ExpectedForms {
    All(String),
    Each(BTreeMap<String, String>),
}

/// Obligations as files and output name them.
#[derive(Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ObligationNames {
    /// What a watermark must name.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub watermark: BTreeSet<String>,
    /// How loud an alert must be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert: Option<String>,
    /// Whom to tell.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub notify: BTreeSet<String>,
    /// Within how many seconds somebody must review it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub review_seconds: Option<u64>,
    /// After how many seconds what left must be deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retain_seconds: Option<u64>,
    /// How much the log record must hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit: Option<String>,
}

impl ObligationNames {
    /// Those of a decision.
    pub fn of(decision: &Decision) -> Self {
        let found = decision.obligations();
        let part = |part: &WatermarkPart| match part {
            WatermarkPart::Agent => "agent",
            WatermarkPart::Ticket => "ticket",
            WatermarkPart::Job => "job",
        };
        Self {
            watermark: found.watermark.iter().map(|found| part(found).to_owned()).collect(),
            alert: found.alert.map(|level| {
                match level {
                    AlertLevel::Info => "info",
                    AlertLevel::High => "high",
                    AlertLevel::Critical => "critical",
                }
                .to_owned()
            }),
            notify: found.notify.clone(),
            review_seconds: found.review_seconds,
            retain_seconds: found.retain_seconds,
            audit: found.audit.map(|detail| {
                match detail {
                    AuditDetail::Summary => "summary",
                    AuditDetail::Full => "full",
                }
                .to_owned()
            }),
        }
    }

    /// For people, on one line.
    pub fn text(&self) -> String {
        let list = |names: &BTreeSet<String>| names.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let parts = [
            (!self.watermark.is_empty()).then(|| format!("watermark {}", list(&self.watermark))),
            self.alert.as_ref().map(|level| format!("alert {level}")),
            (!self.notify.is_empty()).then(|| format!("notify {}", list(&self.notify))),
            self.review_seconds.map(|seconds| format!("review within {seconds} s")),
            self.retain_seconds.map(|seconds| format!("delete after {seconds} s")),
            self.audit.as_ref().map(|detail| format!("audit {detail}")),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        if parts.is_empty() { "none".to_owned() } else { parts.join("; ") }
    }
}

/// A part of a decision that isn't as expected.
#[derive(Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which part.
    pub part: String,
    /// What the case says.
    pub expected: String,
    /// What the gate says.
    pub found: String,
}

/// The differences as lines, `-` what was expected and `+` what was found.
pub fn diff(differences: &[Difference]) -> String {
    let mut text = String::new();
    for Difference { part, expected, found } in differences {
        // NB: writing to a string can't fail.
        let _ = write!(text, "    {part}\n      - {expected}\n      + {found}\n");
    }
    text
}

/// In what the decision differs from what is expected.
pub fn compare(expect: &Expect, job: &Job, decision: &Decision) -> Vec<Difference> {
    let mut differences = Vec::new();
    let mut same = |part: &str, expected: String, found: String| {
        if expected != found {
            differences.push(Difference { part: part.to_owned(), expected, found });
        }
    };
    let verdict = match decision.verdict() {
        Verdict::Allow => ExpectedVerdict::Allow,
        Verdict::Deny => ExpectedVerdict::Deny,
        Verdict::Challenge(_) => ExpectedVerdict::Challenge,
    };
    if verdict != expect.verdict {
        let because = decision.cause().map(|cause| format!(" ({cause})")).unwrap_or_default();
        same("verdict", expect.verdict.name().to_owned(), format!("{}{because}", verdict.name()));
    }
    let determining = decision.determining().map(|policy| policy.id().to_owned()).collect();
    if let Some(expected) = &expect.determining {
        same("determining", names(expected), names(&determining));
    } else if verdict != expect.verdict {
        same("determining", "not stated".to_owned(), names(&determining));
    }
    let erring = decision.erring().iter().map(|used| used.policy.id().to_owned()).collect();
    same("erring", names(&expect.erring), names(&erring));
    if let (Some(expected), Verdict::Challenge(offered)) = (&expect.remedies, decision.verdict()) {
        same("remedies", names(expected), names(&offered.iter().map(|remedy| remedy.name().to_owned()).collect()));
    }
    if let Some(expected) = &expect.reasons {
        let shown = decision.for_agent().reasons().iter().map(|reason| reason.to_string()).collect();
        same("reasons", names(expected), names(&shown));
    }
    if let Some(expected) = &expect.obligations {
        same("obligations", expected.text(), ObligationNames::of(decision).text());
    }
    if verdict == ExpectedVerdict::Allow && expect.verdict == ExpectedVerdict::Allow {
        let ids = job.customers.ids().iter().enumerate();
        let excluded = ids.filter(|(row, _)| !decision.includes(*row)).map(|(_, id)| id.to_string()).collect();
        same("excluded", names(&expect.excluded.clone().unwrap_or_default()), names(&excluded));
        for (field, forms) in expect.forms.iter().flatten() {
            compare_forms(field, forms, job, decision, &mut differences);
        }
    }
    differences
}

fn compare_forms(
    field: &str,
    expected: &ExpectedForms,
    job: &Job,
    decision: &Decision,
    differences: &mut Vec<Difference>,
) {
    let mut differs = |part: String, expected: &str, found: String| {
        if expected != found {
            differences.push(Difference { part, expected: expected.to_owned(), found });
        }
    };
    let Some(column) = job.fields.iter().position(|asked| **asked == *field) else {
        return differs(format!("form of {field}"), "a field of the job", "not asked for".to_owned());
    };
    let row = |id: &str| job.customers.ids().iter().position(|known| **known == *id);
    match expected {
        ExpectedForms::All(expected) => {
            let leaving = (0..job.customers.len()).filter(|row| decision.includes(*row));
            let forms: BTreeSet<Form> = leaving.map(|row| decision.form(row, column)).collect();
            let found = forms.iter().map(|form| form.name()).collect::<Vec<_>>().join(", ");
            differs(format!("form of {field}"), expected, found);
        }
        ExpectedForms::Each(each) => {
            for (id, expected) in each {
                let found = match row(id) {
                    Some(row) => decision.form(row, column).name().to_owned(),
                    None => "no such customer in the job".to_owned(),
                };
                differs(format!("form of {field} for {id}"), expected, found);
            }
        }
    }
}

fn names(names: &BTreeSet<String>) -> String {
    if names.is_empty() { "none".to_owned() } else { names.iter().map(String::as_str).collect::<Vec<_>>().join(", ") }
}
