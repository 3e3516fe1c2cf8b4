//! What came of all cases, for people and as JSON.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use serde::Serialize;

use super::Outcome;
use super::case::{Answer, CaseRequest};
use crate::failure::{Exit, Failure};
use crate::output;

/// How many mismatches, and how many refusals, are shown to people; `--json` lists all.
const SHOWN_MAX: usize = 20;

/// What came of all cases: what `--json` prints.
#[derive(Debug, Default, Serialize)]
pub(super) struct Summary {
    cases: usize,
    requests: usize,
    mismatches: Vec<Mismatch>,
    refused: Vec<Refusal>,
    unreadable: Vec<String>,
}

impl Summary {
    /// Adds what came of one case.
    pub(super) fn add(&mut self, outcome: Result<Outcome, Failure>) {
        match outcome {
            Ok(Outcome::Asked { requests, mismatches }) => {
                self.cases = self.cases.saturating_add(1);
                self.requests = self.requests.saturating_add(requests);
                self.mismatches.extend(mismatches);
            }
            Ok(Outcome::Refused(refusal)) => {
                self.cases = self.cases.saturating_add(1);
                self.refused.push(refusal);
            }
            Ok(Outcome::NotACase) => {}
            Err(failure) => self.unreadable.push(failure.message().to_owned()),
        }
    }

    /// Prints it, and fails when something differs or couldn't be read.
    pub(super) fn conclude(&self, path: &Path, in_folder: bool, json: bool) -> Result<Exit, Failure> {
        if self.cases == 0 && self.unreadable.is_empty() {
            return Err(Failure::file(path, "it holds no case")
                .help("a case is a JSON file with `policies`, `entities`, `schema` and `requests`"));
        }
        if let (false, Some(message)) = (in_folder, self.unreadable.first()) {
            return Err(Failure::input(message));
        }
        if json {
            let json = serde_json::to_string_pretty(self).map_err(|error| Failure::output(error.to_string()))?;
            output::print(&json)?;
        } else {
            self.show()?;
        }
        match (self.mismatches.len(), self.unreadable.len()) {
            (0, 0) => Ok(Exit::Done),
            (0, unreadable) => Err(Failure::input(format!("{unreadable} cases can't be read, so they weren't run"))),
            (mismatches, _) => {
                Err(Failure::differs(format!("{mismatches} requests were answered otherwise than expected")))
            }
        }
    }

    fn show(&self) -> Result<(), Failure> {
        for mismatch in self.mismatches.iter().take(SHOWN_MAX) {
            output::print(&format!(
                "mismatch  {} request {} ({})\n  expected  {}\n  found     {}",
                mismatch.case, mismatch.request, mismatch.description, mismatch.expected, mismatch.found
            ))?;
        }
        for refusal in self.refused.iter().take(SHOWN_MAX) {
            output::print(&format!("refused   {}\n  {}", refusal.case, refusal.message.replace('\n', "\n  ")))?;
        }
        for message in self.unreadable.iter().take(SHOWN_MAX) {
            output::print(&format!("unreadable  {message}"))?;
        }
        let lists = [self.mismatches.len(), self.refused.len(), self.unreadable.len()];
        let hidden: usize = lists.iter().map(|length| length.saturating_sub(SHOWN_MAX)).sum();
        if hidden > 0 {
            output::print(&format!("and {hidden} more; `--json` lists all"))?;
        }
        let surprising = self.refused.iter().filter(|refusal| refusal.should_validate).count();
        if surprising > 0 {
            output::print(&format!("{surprising} of the refused cases say of themselves that they are valid"))?;
        }
        output::print(&format!(
            "requests {}, mismatches {}, refused {}",
            self.requests,
            self.mismatches.len(),
            self.refused.len()
        ))
    }
}

/// What Cedar answers, and what a module answers.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Answered {
    pub(super) decision: Answer,
    pub(super) reason: BTreeSet<String>,
    pub(super) errors: BTreeSet<String>,
}

impl fmt::Display for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decision = match self.decision {
            Answer::Allow => "allow",
            Answer::Deny => "deny",
        };
        let list = |ids: &BTreeSet<String>| ids.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        write!(f, "{decision}, by [{}], erring [{}]", list(&self.reason), list(&self.errors))
    }
}

/// A request that was answered otherwise than expected.
#[derive(Debug, Serialize)]
pub(super) struct Mismatch {
    /// The case file.
    pub case: String,
    /// The position of the request in the case, from 0.
    pub request: usize,
    /// What the case says about the request.
    pub description: String,
    /// What was expected.
    pub expected: String,
    /// What was found: another answer, or why there is none.
    pub found: String,
}

impl Mismatch {
    /// None when `found` is what request `place` of `case` expects.
    pub(super) fn new(
        case: &str,
        place: usize,
        request: &CaseRequest,
        found: Result<Answered, String>,
    ) -> Option<Self> {
        let expected =
            Answered { decision: request.decision, reason: request.reason.clone(), errors: request.errors.clone() };
        if found.as_ref() == Ok(&expected) {
            return None;
        }
        Some(Self {
            case: case.to_owned(),
            request: place,
            description: request.description.clone(),
            expected: expected.to_string(),
            found: found.map_or_else(|message| message, |answered| answered.to_string()),
        })
    }
}

/// A case that can't be compiled.
#[derive(Debug, Serialize)]
pub(super) struct Refusal {
    /// The case file.
    pub case: String,
    /// Whether the case itself says that its policies are valid.
    pub should_validate: bool,
    /// Why, in Cedar's words where Cedar refused it: the first few reasons in one text.
    pub message: String,
    /// Every reason, with policy and place.
    pub errors: Vec<String>,
}
