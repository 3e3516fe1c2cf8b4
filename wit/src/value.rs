//! Cedar values as plain data: what facts hold and what symbols stand for.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

/// The name of an entity: its type and its id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntityUid {
    /// The entity type, namespaces included: `Export::Agent`.
    #[serde(rename = "type")]
    pub entity_type: Arc<str>,
    /// The id, any Unicode text.
    pub id: Arc<str>,
}

impl EntityUid {
    /// The entity of type `entity_type` with the id `id`.
    pub fn new(entity_type: impl Into<Arc<str>>, id: impl Into<Arc<str>>) -> Self {
        Self { entity_type: entity_type.into(), id: id.into() }
    }
}

impl fmt::Display for EntityUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}::\"{}\"", self.entity_type, self.id.escape_debug())
    }
}

/// An IP address or range, as Cedar's `ip` makes it.
///
/// The address keeps its host bits, and equality looks at them: `10.0.0.1/24` and `10.0.0.2/24` differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ip {
    /// The address; of an IPv4 address the low 32 bits.
    pub address: u128,
    /// Length of the network part in bits: 0 to 32, or 0 to 128 for IPv6.
    pub prefix: u8,
    /// Whether it is an IPv6 address.
    pub v6: bool,
}

/// A Cedar value. Equality is Cedar's: by value, sets without order or repetition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Value {
    /// `true` or `false`.
    Bool(bool),
    /// A 64-bit signed integer.
    Long(i64),
    /// Unicode text.
    String(Arc<str>),
    /// A reference to an entity.
    Entity(EntityUid),
    /// A set. INVARIANT: sorted and without repetition; [`Value::set`] makes it so.
    Set(Arc<[Value]>),
    /// A record.
    Record(Arc<BTreeMap<Arc<str>, Value>>),
    /// A decimal, in ten-thousandths: `1.5` is 15,000.
    Decimal(i64),
    /// An instant, in milliseconds since 1970-01-01T00:00:00Z.
    Datetime(i64),
    /// A duration, in milliseconds.
    Duration(i64),
    /// An IP address or range.
    Ip(Ip),
}

impl Value {
    /// A string.
    pub fn string(text: impl Into<Arc<str>>) -> Self {
        Self::String(text.into())
    }

    /// The set of `members`, in any order and with any repetition.
    pub fn set(members: impl IntoIterator<Item = Value>) -> Self {
        let mut members: Vec<Value> = members.into_iter().collect();
        members.sort_unstable();
        members.dedup();
        Self::Set(members.into())
    }

    /// The record of `fields`; of two fields with one name the later one stays.
    pub fn record<N: Into<Arc<str>>>(fields: impl IntoIterator<Item = (N, Value)>) -> Self {
        Self::Record(Arc::new(fields.into_iter().map(|(name, value)| (name.into(), value)).collect()))
    }

    /// What kind of value it is, in the words of Cedar, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Bool(_) => "Bool",
            Self::Long(_) => "Long",
            Self::String(_) => "String",
            Self::Entity(_) => "entity",
            Self::Set(_) => "Set",
            Self::Record(_) => "record",
            Self::Decimal(_) => "decimal",
            Self::Datetime(_) => "datetime",
            Self::Duration(_) => "duration",
            Self::Ip(_) => "ipaddr",
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Long(value)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text.into())
    }
}

impl From<EntityUid> for Value {
    fn from(uid: EntityUid) -> Self {
        Self::Entity(uid)
    }
}
