//! What a term says at a point: a state, and a value that lies elsewhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use exportgate_contract::value::{Ip, Value};
use exportgate_contract::vocabulary::CUSTOMER;

use crate::entities::UidRef;

/// A term at a point, as the table of states in `docs/contract.md` has it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell<'a> {
    Value(Datum<'a>),
    Absent,
    Err,
}

/// A value that lies elsewhere.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Datum<'a> {
    Bool(bool),
    Long(i64),
    Decimal(i64),
    Datetime(i64),
    Duration(i64),
    String(&'a str),
    Entity(UidRef<'a>),
    Ip(&'a Ip),
    Set(Set<'a>),
    Record(Record<'a>),
}

/// A set, ascending and without repetition.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Set<'a> {
    /// All of these.
    All(&'a [Value]),
    /// Those of `from` whose bits are 1: bit `i % 64` of word `i / 64`.
    Picked { from: &'a [Value], bits: &'a [u64] },
}

impl<'a> Set<'a> {
    /// Its members, ascending.
    pub(crate) fn iter(self) -> impl Iterator<Item = &'a Value> {
        let (all, from, bits) = match self {
            Self::All(members) => (members, &[][..], &[][..]),
            Self::Picked { from, bits } => (&[][..], from, bits),
        };
        let picked = bits.iter().zip(from.chunks(64)).flat_map(|(word, members)| {
            members.iter().enumerate().filter(move |(bit, _)| word >> bit & 1 == 1).map(|(_, member)| member)
        });
        all.iter().chain(picked)
    }

    /// How many members it has.
    pub(crate) fn len(self) -> usize {
        match self {
            Self::All(members) => members.len(),
            Self::Picked { .. } => self.iter().count(),
        }
    }
}

/// A record: one that the caller made, or one that the gate states.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Record<'a> {
    Map(&'a BTreeMap<Arc<str>, Value>),
    /// Ascending by name, each name once.
    List(&'a [(Arc<str>, Value)]),
}

impl<'a> Record<'a> {
    /// The attribute of this name.
    pub(crate) fn get(self, name: &str) -> Option<&'a Value> {
        match self {
            Self::Map(attributes) => attributes.get(name),
            // The gate's records have a handful of attributes.
            Self::List(attributes) => attributes.iter().find(|(known, _)| **known == *name).map(|(_, value)| value),
        }
    }

    /// How many attributes it has.
    pub(crate) fn len(self) -> usize {
        match self {
            Self::Map(attributes) => attributes.len(),
            Self::List(attributes) => attributes.len(),
        }
    }

    /// Its attributes, ascending by name.
    pub(crate) fn iter(self) -> impl Iterator<Item = (&'a Arc<str>, &'a Value)> {
        let (map, list) = match self {
            Self::Map(attributes) => (Some(attributes), &[][..]),
            Self::List(attributes) => (None, attributes),
        };
        map.into_iter().flatten().chain(list.iter().map(|(name, value)| (name, value)))
    }
}

impl<'a> From<&'a Value> for Datum<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Bool(truth) => Self::Bool(*truth),
            Value::Long(number) => Self::Long(*number),
            Value::Decimal(number) => Self::Decimal(*number),
            Value::Datetime(ms) => Self::Datetime(*ms),
            Value::Duration(ms) => Self::Duration(*ms),
            Value::String(text) => Self::String(text),
            Value::Entity(uid) => Self::Entity(uid.into()),
            Value::Ip(ip) => Self::Ip(ip),
            Value::Set(members) => Self::Set(Set::All(members)),
            Value::Record(attributes) => Self::Record(Record::Map(attributes)),
        }
    }
}

impl<'a> Cell<'a> {
    /// The value, or `ABSENT` when there is none.
    pub(crate) fn of(value: Option<&'a Value>) -> Self {
        value.map_or(Self::Absent, |value| Self::Value(value.into()))
    }
}

/// The customer with this id.
pub(crate) fn customer(id: &str) -> Datum<'_> {
    Datum::Entity(UidRef { entity_type: CUSTOMER, id })
}
