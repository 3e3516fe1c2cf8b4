//! What a term says at each point of its axis: values and states, kept as compactly as they came.

use std::collections::BTreeMap;
use std::sync::Arc;

use exportgate_contract::value::{Ip, Value};
use exportgate_contract::vocabulary::CUSTOMER;

use crate::customers::{Column, ColumnData, Dictionary, NO_VALUE};
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
    Ip(Ip),
    Set(&'a [Value]),
    Record(&'a BTreeMap<Arc<str>, Value>),
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
            Value::Ip(ip) => Self::Ip(*ip),
            Value::Set(members) => Self::Set(members),
            Value::Record(attributes) => Self::Record(attributes),
        }
    }
}

impl<'a> Cell<'a> {
    /// The value, or `ABSENT` when there is none.
    pub(crate) fn of(value: Option<&'a Value>) -> Self {
        value.map_or(Self::Absent, |value| Self::Value(value.into()))
    }

    /// A truth value.
    pub(crate) fn bool(truth: bool) -> Self {
        Self::Value(Datum::Bool(truth))
    }
}

/// A term, or a fact, at each point of its axis.
#[derive(Clone, Debug)]
pub(crate) enum Cells<'a> {
    /// The same everywhere.
    One(Cell<'a>),
    /// By point.
    Each(Vec<Cell<'a>>),
    /// Rows with few distinct values: by position in `cells`; `none` where the position is [`NO_VALUE`].
    Indexed { cells: Vec<Cell<'a>>, none: Cell<'a>, rows: &'a [u32] },
    /// Rows of truth values.
    Bools(&'a [Option<bool>]),
    /// Rows of numbers.
    Longs(&'a [Option<i64>]),
    /// Rows of instants.
    Datetimes(&'a [Option<i64>]),
    /// Rows: the customers with these ids.
    Customers(&'a [Arc<str>]),
}

impl<'a> Cells<'a> {
    /// What stands at `point` of the axis; `ERR` past its end.
    pub(crate) fn at(&self, point: usize) -> Cell<'a> {
        fn some<'a, T: Copy>(cells: &[Option<T>], point: usize, datum: impl Fn(T) -> Datum<'a>) -> Cell<'a> {
            match cells.get(point) {
                Some(Some(value)) => Cell::Value(datum(*value)),
                Some(None) => Cell::Absent,
                None => Cell::Err,
            }
        }
        match self {
            Self::One(cell) => *cell,
            Self::Each(cells) => cells.get(point).copied().unwrap_or(Cell::Err),
            Self::Indexed { cells, none, rows } => match rows.get(point) {
                Some(&NO_VALUE) => *none,
                Some(position) => usize::try_from(*position)
                    .ok()
                    .and_then(|position| cells.get(position))
                    .copied()
                    .unwrap_or(Cell::Err),
                None => Cell::Err,
            },
            Self::Bools(cells) => some(cells, point, Datum::Bool),
            Self::Longs(cells) => some(cells, point, Datum::Long),
            Self::Datetimes(cells) => some(cells, point, Datum::Datetime),
            Self::Customers(ids) => ids.get(point).map_or(Cell::Err, |id| Cell::Value(customer(id))),
        }
    }

    /// The same cells, each put through `map`: once for each distinct one where that is known.
    pub(crate) fn map<E>(
        &self,
        points: usize,
        mut map: impl FnMut(Cell<'a>) -> Result<Cell<'a>, E>,
    ) -> Result<Self, E> {
        match self {
            Self::One(cell) => Ok(Self::One(map(*cell)?)),
            Self::Indexed { cells, none, rows } => {
                // `none` may stand nowhere, and then mapping it must not fail.
                let none = if rows.contains(&NO_VALUE) { map(*none)? } else { Cell::Err };
                let cells = cells.iter().map(|cell| map(*cell)).collect::<Result<_, E>>()?;
                Ok(Self::Indexed { cells, none, rows })
            }
            Self::Each(_) | Self::Bools(_) | Self::Longs(_) | Self::Datetimes(_) | Self::Customers(_) => {
                Ok(Self::Each((0..points).map(|point| map(self.at(point))).collect::<Result<_, E>>()?))
            }
        }
    }

    /// The rows `start..end` of a column.
    pub(crate) fn column(column: &'a Column, start: usize, end: usize) -> Self {
        match &column.data {
            ColumnData::Bools(cells) => Self::Bools(cells.get(start..end).unwrap_or_default()),
            ColumnData::Longs(cells) => Self::Longs(cells.get(start..end).unwrap_or_default()),
            ColumnData::Datetimes(cells) => Self::Datetimes(cells.get(start..end).unwrap_or_default()),
            ColumnData::Values(dictionary) => Self::dictionary(dictionary, start, end),
        }
    }

    /// The rows `start..end` of a dictionary.
    pub(crate) fn dictionary(dictionary: &'a Dictionary<Value>, start: usize, end: usize) -> Self {
        let rows = dictionary.rows.get(start..end).unwrap_or_default();
        if dictionary.values.len() > rows.len() {
            // Most of its values don't occur in these rows.
            return Self::Each((start..end).map(|row| Cell::of(dictionary.at(row))).collect());
        }
        let cells = dictionary.values.iter().map(|value| Cell::Value(value.into())).collect();
        Self::Indexed { cells, none: Cell::Absent, rows }
    }
}

/// The customer with this id.
pub(crate) fn customer(id: &str) -> Datum<'_> {
    Datum::Entity(UidRef { entity_type: CUSTOMER, id })
}
