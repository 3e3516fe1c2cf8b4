//! The manifest of a policy module: all that the host learns of it without running it.
//!
//! It lies in the custom section [`crate::MANIFEST_SECTION`] as JSON. Unknown fields are refused: a host that doesn't
//! know a field can't keep what it promises.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::types::{SchemaTypes, Type};
use crate::value::{EntityUid, Value};

/// A version of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContractVersion {
    /// Changes whenever an older host or guest would misread a frame, an answer or a manifest.
    pub major: u16,
    /// Changes when something is added that an older guest need not know.
    pub minor: u16,
}

impl fmt::Display for ContractVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The manifest of a policy module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of the contract that the module was made for.
    pub contract: ContractVersion,
    /// What made the module, with its version: `exportgate-compiler 0.1.0`. For people.
    pub producer: String,
    /// The name of the pack.
    pub name: String,
    /// The version of the pack, `major.minor.patch`.
    pub version: String,
    /// The policies; answers name them by their position here.
    pub policies: Vec<Policy>,
    /// The constants; the symbol ids 0 to `symbols.len() - 1`. Only strings, entities and addresses, each once.
    pub symbols: Vec<Value>,
    /// What the caller and the gate put in: principals, resources, context attributes, each on its axis.
    pub inputs: Vec<Input>,
    /// The expressions that facts are made of. A term names only terms before it.
    pub terms: Vec<Term>,
    /// The facts, job facts first, then those of rows, of columns, of cells; a cell's place follows from it.
    pub facts: Vec<Fact>,
    /// The questions that the module answers.
    pub questions: Vec<Question>,
    /// The schema that the policies were checked against.
    pub schema: Schema,
    /// The field catalogue, for a pack that decides exports.
    pub catalogue: Option<Catalogue>,
    /// What the module was made from: file name and SHA-256, sorted by name.
    pub sources: Vec<Source>,
    /// What answering can cost at most.
    pub cost: Cost,
}

/// A policy of the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Its id: in a pack for exports the `@id` annotation if there is one; else Cedar's `policyN`, or the id of a link.
    pub id: String,
    /// What it does when its conditions hold.
    pub effect: Effect,
    /// Its annotations, by key.
    pub annotations: BTreeMap<String, String>,
}

/// What a policy does when its conditions hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// It permits.
    Permit,
    /// It forbids, and overrides every permit.
    Forbid,
}

/// What a thing varies over within one export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Axis {
    /// One for the whole job.
    Job,
    /// One for each row: a customer.
    Row,
    /// One for each column: a field.
    Column,
    /// One for each row and column.
    Cell,
}

impl Axis {
    /// The axis of something made of a thing on `self` and a thing on `other`.
    pub fn join(self, other: Self) -> Self {
        match (self, other) {
            (Self::Job, axis) | (axis, Self::Job) => axis,
            (Self::Row, Self::Row) => Self::Row,
            (Self::Column, Self::Column) => Self::Column,
            (Self::Row, Self::Column) | (Self::Column, Self::Row) | (Self::Cell, _) | (_, Self::Cell) => Self::Cell,
        }
    }

    /// How many points the axis has in a frame of `rows` and `columns`; none when that number overflows.
    pub fn points(self, rows: usize, columns: usize) -> Option<usize> {
        match self {
            Self::Job => Some(1),
            Self::Row => Some(rows),
            Self::Column => Some(columns),
            Self::Cell => rows.checked_mul(columns),
        }
    }
}

/// Something that the caller or the gate puts in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Its name: `agent`, `job`, `customer`, `field`, `ticket`, `context.env`, `principal`, `resource`, `context`.
    pub name: String,
    /// What it varies over.
    pub axis: Axis,
}

/// An expression over inputs. Its state and value at a point follow these rules:
///
/// | term | VALUE when | ABSENT when | else |
/// |---|---|---|---|
/// | input | it is there | it is an optional attribute that isn't there | - |
/// | symbol | always | never | - |
/// | attribute | the base is VALUE and has it | the base is VALUE (a record, or an entity in the store or not) and doesn't | ERR |
/// | tag | base and key are VALUE and the entity has the tag | both are VALUE and it doesn't, or isn't in the store | ERR |
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Term {
    /// An input, by its position in [`Manifest::inputs`].
    Input(u32),
    /// A constant, by its position in [`Manifest::symbols`].
    Symbol(u32),
    /// An attribute of an entity or record.
    Attribute {
        /// The term of the entity or record.
        of: u32,
        /// The name of the attribute.
        name: Arc<str>,
    },
    /// A tag of an entity.
    Tag {
        /// The term of the entity.
        of: u32,
        /// The term of the key, a string.
        key: u32,
    },
}

/// Something that a guest can't compute from other cells, so that the host puts it into the frame.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fact {
    /// What it varies over: the join of the inputs that its terms name.
    pub axis: Axis,
    /// What it says.
    pub read: Read,
    /// The type of its value. The host refuses a value of another type.
    #[serde(rename = "type")]
    pub ty: Type,
    /// Whether the frame must carry a payload for its symbol, and for every set and record within it.
    pub payload: bool,
}

/// What a fact says of its terms.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Read {
    /// The state and the value of a term.
    Value(u32),
    /// The state of a term only; the cell's value is 0 and its type `Bool`.
    State(u32),
    /// Whether the entity `left` is `right`, or below it in the hierarchy; `right` is an entity or a set of entities.
    /// VALUE when both terms are, else ERR.
    In {
        /// The term of the entity.
        left: u32,
        /// The term of the entity, or set of entities, above it.
        right: u32,
    },
    /// Which constants of the module the entity `of` is in: the symbols of the manifest that are entities of the fact's
    /// member type and that `of` equals or is below. Its type is a set of entities, its payload a set of words, and its word
    /// says where in the payloads that begins, since no symbol stands for it. VALUE when the term is, else ERR.
    /// Since contract 1.1.
    Above {
        /// The term of the entity.
        of: u32,
    },
    /// Whether the entity `of` has the tag `key`. VALUE when both terms are, else ERR.
    HasTag {
        /// The term of the entity.
        of: u32,
        /// The term of the key, a string.
        key: u32,
    },
}

/// A question: an action with a type of principal and of resource, and where each part of a request comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// The action.
    pub action: EntityUid,
    /// The entity type of the principal.
    pub principal: Arc<str>,
    /// The entity type of the resource.
    pub resource: Arc<str>,
    /// Which input each part of a request is.
    pub binding: Binding,
    /// What the answer varies over: the join of the facts read. Never finer than what the inputs vary over.
    pub axis: Axis,
    /// The facts that its policies read, ascending. Cells of other facts may hold anything.
    pub facts: Vec<u32>,
    /// The policies that an outcome of this question may name, ascending.
    pub policies: Vec<u32>,
}

/// Which input each part of a request is, by position in [`Manifest::inputs`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binding {
    /// The input of the principal.
    pub principal: u32,
    /// The input of the resource.
    pub resource: u32,
    /// The inputs of the context.
    pub context: ContextBinding,
}

/// Which inputs the context is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ContextBinding {
    /// One input holds the whole record.
    Whole(u32),
    /// Each top-level attribute is an input of its own.
    Attributes(BTreeMap<Arc<str>, u32>),
}

/// The schema of a module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schema {
    /// Its text, in Cedar's schema syntax, as written.
    pub text: String,
    /// SHA-256 of the text, in lower-case hexadecimal digits.
    pub sha256: String,
    /// What it says, as data.
    pub types: SchemaTypes,
}

/// The fields that may be asked for, by name, with what the pack says of each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// SHA-256 of the catalogue file, in lower-case hexadecimal digits.
    pub sha256: String,
    /// The fields by name: `customer.email`.
    pub fields: BTreeMap<Arc<str>, CatalogueField>,
    /// The direct parents of each field class that has some, by id of the class.
    pub classes: BTreeMap<Arc<str>, Vec<Arc<str>>>,
}

/// A field of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogueField {
    /// The ids of the field classes that it is in.
    pub classes: Vec<Arc<str>>,
    /// Other attributes that the schema declares for fields.
    #[serde(default)]
    pub attributes: BTreeMap<Arc<str>, Value>,
    /// What it is, for people.
    #[serde(default)]
    pub description: String,
}

/// A file that a module was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its path within the pack, with `/` between the parts.
    pub path: String,
    /// SHA-256 of its bytes, in lower-case hexadecimal digits.
    pub sha256: String,
}

/// What answering can cost at most, in Wasm instructions executed: `call + point * points`, where data (the length of a
/// string, the members of a set) doesn't come in. The host's own limits hold beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    /// Once a call.
    pub call: u64,
    /// Once for each point of each question asked.
    pub point: u64,
}
