//! Case files: policies, schema, entities and requests with the answers that Cedar gives, in the format of Cedar's own
//! integration tests.
//!
//! A case is a JSON file. `policies`, `schema` and `entities` are paths relative to the folder of the case. Unlike Cedar's
//! files, ours name policies by their `@id`, so that an expectation reads as a sentence. `BLESS=1` rewrites `decision`,
//! `reason` and `errors` from cedar-policy, never from what we built.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::bless;
use crate::engine::{Answer, Decision};

/// A case file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CaseFile {
    /// What the case is about, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The policies' path.
    pub policies: String,
    /// The entities' path.
    pub entities: String,
    /// The schema's path.
    pub schema: String,
    /// Whether the policies are strictly valid. Those that aren't, the compiler must refuse.
    pub should_validate: bool,
    /// The requests.
    pub requests: Vec<CaseRequest>,
}

/// A request with the answer expected.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CaseRequest {
    /// What it shows.
    pub description: String,
    /// The principal.
    pub principal: Uid,
    /// The action.
    pub action: Uid,
    /// The resource.
    pub resource: Uid,
    /// The context, in Cedar's JSON format.
    pub context: Json,
    /// Whether Cedar checks the request against the schema first.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub validate_request: bool,
    /// The decision.
    #[serde(default)]
    pub decision: Option<Decision>,
    /// The determining policies, sorted.
    #[serde(default)]
    pub reason: Vec<String>,
    /// The policies that erred, sorted.
    #[serde(default)]
    pub errors: Vec<String>,
}

/// An entity's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Uid {
    /// Its type, with namespaces.
    #[serde(rename = "type")]
    pub ty: String,
    /// Its id.
    pub id: String,
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_true(value: &bool) -> bool {
    *value
}

impl CaseRequest {
    /// The answer that the file expects; none before it was blessed.
    pub fn expected(&self) -> Option<Answer> {
        Some(Answer {
            decision: self.decision?,
            determining: self.reason.iter().cloned().collect(),
            erring: self.errors.iter().cloned().collect(),
        })
    }
}

/// A case with the texts that it names.
#[derive(Clone, Debug)]
pub struct Case {
    /// Where it was read.
    pub path: PathBuf,
    /// The file itself.
    pub file: CaseFile,
    /// The text of the policies.
    pub policies: String,
    /// The text of the schema.
    pub schema: String,
    /// The text of the entities.
    pub entities: String,
}

impl Case {
    /// Reads a case file and the texts that it names.
    pub fn load(path: &Path) -> Self {
        let file: CaseFile =
            serde_json::from_str(&bless::read(path)).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let folder = path.parent().unwrap_or(Path::new("."));
        let read = |name: &str| bless::read(&folder.join(name));
        Self {
            path: path.to_owned(),
            policies: read(&file.policies),
            schema: read(&file.schema),
            entities: read(&file.entities),
            file,
        }
    }

    /// Its name for messages: the last folder and the file's stem.
    pub fn name(&self) -> String {
        let stem = self.path.file_stem().unwrap_or_default().to_string_lossy();
        let folder = self.path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        format!("{folder}/{stem}")
    }

    /// Writes what the oracle answered into the file.
    pub fn bless(&mut self, answers: &[Answer]) {
        for (request, answer) in self.file.requests.iter_mut().zip(answers) {
            request.decision = Some(answer.decision);
            request.reason = answer.determining.iter().cloned().collect();
            request.errors = answer.erring.iter().cloned().collect();
        }
        bless::write(&self.path, &self.print());
    }
}

impl Case {
    /// The file's text: a line a request, so that a changed answer is a changed line.
    fn print(&self) -> String {
        let file = &self.file;
        let mut text = String::from("{\n");
        if !file.description.is_empty() {
            text.push_str(&format!("  \"description\": {},\n", to_json(&file.description)));
        }
        text.push_str(&format!(
            "  \"policies\": {},\n  \"entities\": {},\n  \"schema\": {},\n  \"shouldValidate\": {},\n  \"requests\": [\n",
            to_json(&file.policies),
            to_json(&file.entities),
            to_json(&file.schema),
            file.should_validate
        ));
        let requests: Vec<String> = file.requests.iter().map(|request| format!("    {}", to_json(request))).collect();
        text.push_str(&requests.join(",\n"));
        text.push_str("\n  ]\n}\n");
        text
    }
}

/// All case files below a folder, sorted by path.
pub fn load_all(folder: &Path) -> Vec<Case> {
    bless::files(folder, "json")
        .iter()
        .filter(|path| path.file_name().is_none_or(|name| name != "entities.json"))
        .map(|path| Case::load(path))
        .collect()
}

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|e| panic!("{e}"))
}

/// The ids of policies as a set, for comparing.
pub fn ids<I: IntoIterator<Item = S>, S: ToString>(ids: I) -> BTreeSet<String> {
    ids.into_iter().map(|id| id.to_string()).collect()
}
