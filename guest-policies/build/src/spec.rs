//! `policy.toml`: what a guest crate says of itself.

use std::collections::BTreeMap;

use exportgate_contract::manifest::Effect;
use serde::Deserialize;

/// The name of the file, beside the crate's `Cargo.toml`.
pub const FILE: &str = "policy.toml";

/// What a guest crate says of itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name of the module.
    pub name: String,
    /// Its version, `major.minor.patch`.
    pub version: String,
    /// The path of the schema, in Cedar's schema syntax.
    pub schema: String,
    /// The path of the field catalogue.
    pub catalogue: Option<String>,
    /// What an answer can cost at most.
    pub cost: CostSpec,
    /// Entities and strings that the guest compares with, as reads write them: their symbols are the same in each frame.
    #[serde(default)]
    pub constants: Vec<String>,
    /// The policies. Their order is that of the manifest.
    pub policies: Vec<PolicySpec>,
    /// The questions that the guest answers.
    pub questions: Vec<QuestionSpec>,
}

/// What an answer can cost at most, in Wasm instructions: the author's word. Nothing depends on it; fuel is what bounds
/// a guest.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CostSpec {
    /// Once a call.
    pub call: u64,
    /// Once for each point of each question asked.
    pub point: u64,
}

/// A policy of the guest.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicySpec {
    /// Its id.
    pub id: String,
    /// What it does when it is satisfied.
    pub effect: Effect,
    /// Its annotations, as in Cedar: `reason`, `alert`, `remedy`.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

/// A question that the guest answers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuestionSpec {
    /// The ids of its actions: the guest answers each of them in the same way.
    pub actions: Vec<String>,
    /// What it reads; [`crate::reads`] says how that is written.
    #[serde(default)]
    pub reads: Vec<String>,
    /// What it reads with the text of the string, the bits of the address, or the members of the set or record.
    #[serde(default)]
    pub payloads: Vec<String>,
    /// The ids of the policies that may show up in its outcomes.
    pub policies: Vec<String>,
}
