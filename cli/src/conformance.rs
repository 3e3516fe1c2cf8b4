//! Cases in the format of Cedar's integration tests: found, read, compiled, asked, and compared.
//!
//! A case names a policy file, an entities file and a schema file, and lists requests with the expected decision, the
//! determining policies and the erring policies. Each case becomes a module of its own, and each request goes through
//! the sandbox; nothing here interprets a policy.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use exportgate::{Engine, Entities, Entity, Module, Request, RequestDecision};
use exportgate_compiler::data::DataSchema;
use exportgate_compiler::{CompileOptions, Format, Pack};
use exportgate_contract::value::EntityUid;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::input;

/// Bytes of a case, or of a file that it names, 64 MiB.
const CASE_FILE_BYTES_MAX: u64 = 64 << 20;

/// Folders within folders that are searched for cases.
const DEPTH_MAX: usize = 32;

/// What a case file says. Attributes that aren't read here are ignored: the format is Cedar's, and grows.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    policies: String,
    entities: String,
    schema: String,
    #[serde(default = "yes")]
    should_validate: bool,
    requests: Vec<CaseRequest>,
}

#[derive(Debug, Deserialize)]
struct CaseRequest {
    #[serde(default)]
    description: String,
    principal: CaseUid,
    action: CaseUid,
    resource: CaseUid,
    #[serde(default)]
    context: serde_json::Value,
    decision: Answer,
    #[serde(default)]
    reason: BTreeSet<String>,
    #[serde(default)]
    errors: BTreeSet<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum CaseUid {
    Explicit {
        #[serde(rename = "__entity")]
        entity: EntityUid,
    },
    Plain(EntityUid),
}

impl CaseUid {
    fn uid(&self) -> &EntityUid {
        match self {
            Self::Explicit { entity } => entity,
            Self::Plain(entity) => entity,
        }
    }
}

fn yes() -> bool {
    true
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    #[serde(alias = "Allow")]
    Allow,
    #[serde(alias = "Deny")]
    Deny,
}

/// What Cedar answers, and what a module answers.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Answered {
    decision: Answer,
    reason: BTreeSet<String>,
    errors: BTreeSet<String>,
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
pub struct Mismatch {
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

/// A case that can't be compiled.
#[derive(Debug, Serialize)]
pub struct Refusal {
    /// The case file.
    pub case: String,
    /// Whether the case itself says that its policies are valid.
    pub should_validate: bool,
    /// Why, in Cedar's words where Cedar refused it.
    pub message: String,
}

/// What came of one case.
#[derive(Debug)]
pub enum Outcome {
    /// It was asked.
    Asked {
        /// How many requests.
        requests: usize,
        /// Those that were answered otherwise than expected.
        mismatches: Vec<Mismatch>,
    },
    /// It can't be compiled.
    Refused(Refusal),
    /// The file holds no case: it is data that cases name.
    NotACase,
}

/// The case files at `path`: itself, or all `.json` files in it and below, sorted.
///
/// # Errors
///
/// [`Failure`] when a folder can't be read.
pub fn find(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut found = Vec::new();
    let mut folders = vec![(path.to_path_buf(), 0_usize)];
    while let Some((folder, depth)) = folders.pop() {
        for (name, path) in input::entries(&folder)? {
            if path.is_dir() {
                if depth >= DEPTH_MAX {
                    return Err(Failure::file(&path, format_args!("folders are nested deeper than {DEPTH_MAX}")));
                }
                folders.push((path, depth.saturating_add(1)));
            } else if name.ends_with(".json") && !name.ends_with(".entities.json") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Compiles the case at `path` and asks all its requests.
///
/// # Errors
///
/// [`Failure`] when the case, or a file that it names, can't be read. In a `folder`, a JSON file that isn't a case is
/// [`Outcome::NotACase`].
pub fn run(engine: &Engine, path: &Path, in_folder: bool) -> Result<Outcome, Failure> {
    let text = input::read_text(path, CASE_FILE_BYTES_MAX)?;
    let json: serde_json::Value = serde_json::from_str(&text).map_err(|error| Failure::file(path, error))?;
    if in_folder && (json.get("requests").is_none() || json.get("policies").is_none()) {
        return Ok(Outcome::NotACase);
    }
    let case: Case = serde_json::from_value(json).map_err(|error| Failure::file(path, error))?;
    let schema = read_named(path, &case.schema)?;
    let policies = read_named(path, &case.policies)?;
    let entities = read_named(path, &case.entities)?;
    let name = path.display().to_string();
    let refused = |message: String| {
        Outcome::Refused(Refusal { case: name.clone(), should_validate: case.should_validate, message })
    };
    let pack = Pack::bare("conformance", &schema, &policies);
    let artifact = match exportgate_compiler::compile(&pack, &CompileOptions::default()) {
        Ok(artifact) => artifact,
        Err(errors) => return Ok(refused(errors.to_string())),
    };
    let asked = Asked { engine, component: &artifact.component, schema: &schema, entities: &entities };
    let mismatches = asked.compare(&name, &case.requests);
    Ok(Outcome::Asked { requests: case.requests.len(), mismatches })
}

/// The text of the file that the case at `path` calls `name`: relative to the folder of the case, or to one above it.
fn read_named(path: &Path, name: &str) -> Result<String, Failure> {
    let absolute = std::path::absolute(path).map_err(|error| Failure::file(path, error))?;
    let found = absolute.ancestors().skip(1).map(|folder| folder.join(name)).find(|candidate| candidate.is_file());
    match found {
        Some(found) => input::read_text(&found, CASE_FILE_BYTES_MAX),
        None => Err(Failure::file(
            path,
            format_args!("it names `{name}`, which is neither beside it nor in a folder above it"),
        )),
    }
}

/// A compiled case.
struct Asked<'a> {
    engine: &'a Engine,
    component: &'a [u8],
    schema: &'a str,
    entities: &'a str,
}

/// What answers the requests of a case.
struct Answerer {
    module: Module,
    schema: DataSchema,
    entities: Entities,
}

impl Asked<'_> {
    /// Asks all requests, and gives those that are answered otherwise than expected.
    fn compare(&self, case: &str, requests: &[CaseRequest]) -> Vec<Mismatch> {
        let answerer = self.load();
        requests
            .iter()
            .enumerate()
            .filter_map(|(place, request)| {
                let expected = Answered {
                    decision: request.decision,
                    reason: request.reason.clone(),
                    errors: request.errors.clone(),
                };
                let found = match &answerer {
                    Ok(answerer) => answerer.ask(request),
                    Err(message) => Err(message.clone()),
                };
                if found.as_ref() == Ok(&expected) {
                    return None;
                }
                Some(Mismatch {
                    case: case.to_owned(),
                    request: place,
                    description: request.description.clone(),
                    expected: expected.to_string(),
                    found: found.map_or_else(|message| message, |answered| answered.to_string()),
                })
            })
            .collect()
    }

    fn load(&self) -> Result<Answerer, String> {
        let module = Module::load(self.engine, self.component).map_err(|error| error.to_string())?;
        let schema = DataSchema::new(Format::Cedar, self.schema).map_err(|error| error.to_string())?;
        let entities = schema.entities(self.entities).map_err(|error| error.to_string())?.into_iter().map(|entity| {
            Entity { uid: entity.uid, attributes: entity.attributes, tags: entity.tags, parents: entity.parents }
        });
        let entities = Entities::new(entities).map_err(|error| error.to_string())?;
        Ok(Answerer { module, schema, entities })
    }
}

impl Answerer {
    fn ask(&self, request: &CaseRequest) -> Result<Answered, String> {
        let action = request.action.uid();
        let context = match &request.context {
            serde_json::Value::Null => "{}".to_owned(),
            context => context.to_string(),
        };
        let request = Request {
            principal: request.principal.uid().clone(),
            action: action.clone(),
            resource: request.resource.uid().clone(),
            context: self.schema.context(action, &context).map_err(|error| error.to_string())?,
        };
        let response = self.module.authorize(&request, &self.entities).map_err(|error| error.to_string())?;
        Ok(Answered {
            decision: match response.decision {
                RequestDecision::Allow => Answer::Allow,
                RequestDecision::Deny => Answer::Deny,
            },
            reason: response.determining.into_iter().map(|id| id.to_string()).collect(),
            errors: response.erring.into_iter().map(|id| id.to_string()).collect(),
        })
    }
}
