//! Reads a case: what the file says, and the texts that it names.

use std::collections::BTreeSet;
use std::path::Path;

use exportgate_contract::value::EntityUid;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::input;

/// Bytes of a case, or of a file that it names, 64 MiB.
const CASE_FILE_BYTES_MAX: u64 = 64 << 20;

/// What a case file says. Attributes that aren't read here are ignored: the format is Cedar's, and grows.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Case {
    pub(super) policies: String,
    pub(super) entities: String,
    pub(super) schema: String,
    #[serde(default = "yes")]
    pub(super) should_validate: bool,
    pub(super) requests: Vec<CaseRequest>,
}

#[derive(Debug, Deserialize)]
pub(super) struct CaseRequest {
    #[serde(default)]
    pub(super) description: String,
    pub(super) principal: CaseUid,
    pub(super) action: CaseUid,
    pub(super) resource: CaseUid,
    #[serde(default)]
    pub(super) context: serde_json::Value,
    pub(super) decision: Answer,
    #[serde(default)]
    pub(super) reason: BTreeSet<String>,
    #[serde(default)]
    pub(super) errors: BTreeSet<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum CaseUid {
    Explicit {
        #[serde(rename = "__entity")]
        entity: EntityUid,
    },
    Plain(EntityUid),
}

impl CaseUid {
    pub(super) fn uid(&self) -> &EntityUid {
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
pub(super) enum Answer {
    #[serde(alias = "Allow")]
    Allow,
    #[serde(alias = "Deny")]
    Deny,
}

/// A case with the texts that it names.
pub(super) struct Read {
    pub(super) case: Case,
    pub(super) schema: String,
    pub(super) policies: String,
    pub(super) entities: String,
}

/// Reads the case at `path`. In a folder, a JSON file that isn't a case is none.
///
/// # Errors
///
/// [`Failure`] when the case, or a file that it names, can't be read.
pub(super) fn read(path: &Path, in_folder: bool) -> Result<Option<Read>, Failure> {
    let text = input::read_text(path, CASE_FILE_BYTES_MAX)?;
    let json: serde_json::Value = serde_json::from_str(&text).map_err(|error| Failure::file(path, error))?;
    if in_folder && (json.get("requests").is_none() || json.get("policies").is_none()) {
        return Ok(None);
    }
    let case: Case = serde_json::from_value(json).map_err(|error| Failure::file(path, error))?;
    let schema = read_named(path, &case.schema)?;
    let policies = read_named(path, &case.policies)?;
    let entities = read_named(path, &case.entities)?;
    Ok(Some(Read { case, schema, policies, entities }))
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
