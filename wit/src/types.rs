//! The types of Cedar values, and what a schema says of entities and actions, as plain data.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::value::EntityUid;

/// The type of a value, after Cedar's strict validation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Type {
    /// `Bool`.
    Bool,
    /// `Long`.
    Long,
    /// `String`.
    String,
    /// A reference to an entity of this type.
    Entity(Arc<str>),
    /// A set of members of one type.
    Set(Box<Type>),
    /// A record with exactly these attributes.
    Record(BTreeMap<Arc<str>, Attribute>),
    /// `decimal`.
    Decimal,
    /// `datetime`.
    Datetime,
    /// `duration`.
    Duration,
    /// `ipaddr`.
    Ip,
}

/// An attribute of a record or entity type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attribute {
    /// The type of its value.
    #[serde(rename = "type")]
    pub ty: Type,
    /// Whether it is always there.
    pub required: bool,
}

impl Type {
    /// Whether a value of this type is a machine word (a truth value or a 64-bit number), not a symbol.
    pub fn is_inline(&self) -> bool {
        match self {
            Self::Bool | Self::Long | Self::Decimal | Self::Datetime | Self::Duration => true,
            Self::String | Self::Entity(_) | Self::Set(_) | Self::Record(_) | Self::Ip => false,
        }
    }

    /// Whether a value of this type has members or fields of its own: a set or a record.
    pub fn is_composite(&self) -> bool {
        matches!(self, Self::Set(_) | Self::Record(_))
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("Bool"),
            Self::Long => f.write_str("Long"),
            Self::String => f.write_str("String"),
            Self::Entity(name) => f.write_str(name),
            Self::Set(of) => write!(f, "Set<{of}>"),
            Self::Record(attributes) => {
                f.write_str("{")?;
                for (i, (name, attribute)) in attributes.iter().enumerate() {
                    let comma = if i == 0 { "" } else { ", " };
                    let optional = if attribute.required { "" } else { "?" };
                    write!(f, "{comma}{name}{optional}: {}", attribute.ty)?;
                }
                f.write_str("}")
            }
            Self::Decimal => f.write_str("decimal"),
            Self::Datetime => f.write_str("datetime"),
            Self::Duration => f.write_str("duration"),
            Self::Ip => f.write_str("ipaddr"),
        }
    }
}

/// What the schema of a module says, for reading jobs by type and for naming what is missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SchemaTypes {
    /// Entity types by name.
    pub entities: BTreeMap<Arc<str>, EntityType>,
    /// Actions, groups included, sorted by id.
    pub actions: Vec<Action>,
}

/// An entity type of the schema.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntityType {
    /// Its attributes.
    pub attributes: BTreeMap<Arc<str>, Attribute>,
    /// The entity types that it may have as direct parents.
    pub parents: Vec<Arc<str>>,
    /// The type of its tags, when it has tags.
    pub tags: Option<Type>,
    /// The only ids it may have, when it is enumerated.
    pub ids: Option<Vec<Arc<str>>>,
}

/// An action of the schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// The action itself.
    pub uid: EntityUid,
    /// The groups that it is in, direct and indirect, sorted.
    pub groups: Vec<EntityUid>,
    /// The entity types of principals that it applies to; none for a mere group.
    pub principals: Vec<Arc<str>>,
    /// The entity types of resources that it applies to.
    pub resources: Vec<Arc<str>>,
    /// The attributes of its context.
    pub context: BTreeMap<Arc<str>, Attribute>,
}
