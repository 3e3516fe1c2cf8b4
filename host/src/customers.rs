//! The customers of a job, by columns: ids, attributes, parents and tickets, without an object for each customer.

use std::sync::Arc;

use ahash::RandomState;
use exportgate_contract::limits::{CUSTOMERS_PER_JOB_MAX, ID_BYTES_MAX};
use exportgate_contract::value::{EntityUid, Value};
use exportgate_contract::vocabulary::TICKET;
use hashbrown::hash_table::Entry;
use hashbrown::{HashMap, HashTable};

use crate::frame::cells::{Cell, Datum};

/// Attributes (columns) of the customers of one job.
pub const CUSTOMER_ATTRIBUTES_MAX: usize = 1_024;

/// The customers of a job: the rows.
///
/// ```
/// use exportgate::{Column, Customers};
///
/// let customers = Customers::new(["c-1", "c-2"])?
///     .with_attribute("region", Column::texts([Some("eu"), None]))?
///     .with_attribute("minor", Column::bools([Some(false), Some(true)]))?
///     .with_tickets([Some("t-9"), None])?;
/// assert_eq!(customers.len(), 2);
/// # Ok::<(), exportgate::CustomersError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Customers {
    ids: Vec<Arc<str>>,
    /// Where each customer stands, to read one that another entity names: positions in `ids`, hashed by id. Keyed by
    /// input, so randomly seeded.
    rows: HashTable<u32>,
    hasher: RandomState,
    /// Sorted by name.
    columns: Vec<(Arc<str>, Column)>,
    /// For each row a list of direct parents; empty when no row has any.
    parents: Dictionary<Arc<[EntityUid]>>,
    /// For each row its ticket; empty when no row has any.
    tickets: Dictionary<Value>,
}

impl Customers {
    /// Customers by id, in the order of the job, without attributes.
    ///
    /// # Errors
    ///
    /// [`CustomersError`] when an id comes twice, is longer than [`ID_BYTES_MAX`] or holds control characters, or when there
    /// are more than [`CUSTOMERS_PER_JOB_MAX`].
    pub fn new<I: Into<Arc<str>>>(ids: impl IntoIterator<Item = I>) -> Result<Self, CustomersError> {
        let ids = ids.into_iter();
        let expected = ids.size_hint().0.min(CUSTOMERS_PER_JOB_MAX);
        let mut customers =
            Self { ids: Vec::with_capacity(expected), rows: HashTable::with_capacity(expected), ..Self::default() };
        for (row, id) in (0_u32..).zip(ids) {
            let id: Arc<str> = id.into();
            if customers.ids.len() == CUSTOMERS_PER_JOB_MAX {
                return Err(CustomersError::TooMany);
            }
            check_id(&id)?;
            let Self { ids, rows, hasher, .. } = &mut customers;
            let at = |row: u32| usize::try_from(row).ok().and_then(|row| ids.get(row));
            let hash = |row: &u32| at(*row).map_or(0, |id| hasher.hash_one(&**id));
            match rows.entry(hasher.hash_one(&*id), |row| at(*row) == Some(&id), hash) {
                Entry::Occupied(_) => return Err(CustomersError::Duplicate { id }),
                Entry::Vacant(free) => free.insert(row),
            };
            ids.push(id);
        }
        Ok(customers)
    }

    /// The same customers with one attribute more.
    ///
    /// # Errors
    ///
    /// [`CustomersError::Length`] when the column hasn't a cell for each customer, [`CustomersError::DuplicateAttribute`] when
    /// the attribute was given before, [`CustomersError::TooManyAttributes`] past the limit.
    pub fn with_attribute(mut self, name: impl Into<Arc<str>>, column: Column) -> Result<Self, CustomersError> {
        let name = name.into();
        if column.len() != self.ids.len() {
            return Err(CustomersError::Length {
                what: format!("attribute `{name}`"),
                found: column.len(),
                expected: self.ids.len(),
            });
        }
        if self.columns.len() == CUSTOMER_ATTRIBUTES_MAX {
            return Err(CustomersError::TooManyAttributes);
        }
        match self.columns.binary_search_by(|(known, _)| known.cmp(&name)) {
            Ok(_) => return Err(CustomersError::DuplicateAttribute { name }),
            Err(position) => self.columns.insert(position, (name, column)),
        }
        Ok(self)
    }

    /// The same customers with the entities directly above each: its segments.
    ///
    /// # Errors
    ///
    /// [`CustomersError::Length`] when there isn't a list for each customer.
    pub fn with_parents(mut self, parents: impl IntoIterator<Item = Vec<EntityUid>>) -> Result<Self, CustomersError> {
        self.parents = Dictionary::new(parents.into_iter().map(|mut list| {
            list.sort_unstable();
            list.dedup();
            Some(Arc::from(list))
        }));
        self.check_length("list of parents", self.parents.rows.len())?;
        Ok(self)
    }

    /// The same customers with the ticket that the caller names for each: the id of an entity of type [`TICKET`].
    ///
    /// # Errors
    ///
    /// [`CustomersError::Length`] when there isn't an entry for each customer; a ticket's id is held to the same rules as a
    /// customer's.
    pub fn with_tickets<I: Into<Arc<str>>>(
        mut self,
        tickets: impl IntoIterator<Item = Option<I>>,
    ) -> Result<Self, CustomersError> {
        let entity_type: Arc<str> = TICKET.into();
        self.tickets = Dictionary::new(tickets.into_iter().map(|ticket| {
            ticket.map(|id| Value::Entity(EntityUid { entity_type: entity_type.clone(), id: id.into() }))
        }));
        self.check_length("list of tickets", self.tickets.rows.len())?;
        for ticket in &self.tickets.values {
            if let Value::Entity(uid) = ticket {
                check_id(&uid.id)?;
            }
        }
        Ok(self)
    }

    /// How many customers there are.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The ids, in the order of the job.
    pub fn ids(&self) -> &[Arc<str>] {
        &self.ids
    }

    /// The ticket that the caller names for the customer in `row`; none when there isn't one.
    pub fn ticket(&self, row: usize) -> Option<&EntityUid> {
        match self.tickets.at(row)? {
            Value::Entity(uid) => Some(uid),
            _ => None,
        }
    }

    /// The attributes that are given, with their columns, sorted by name.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &Column)> {
        self.columns.iter().map(|(name, column)| (&**name, column))
    }

    /// The direct parents of the customer in `row`.
    pub fn parents(&self, row: usize) -> &[EntityUid] {
        self.parents.at(row).map_or(&[], |list| &**list)
    }

    pub(crate) fn row(&self, id: &str) -> Option<usize> {
        let at = |row: u32| usize::try_from(row).ok().and_then(|row| self.ids.get(row));
        let row = self.rows.find(self.hasher.hash_one(id), |row| at(*row).is_some_and(|known| **known == *id))?;
        usize::try_from(*row).ok()
    }

    pub(crate) fn column(&self, name: &str) -> Option<&Column> {
        let position = self.columns.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
        self.columns.get(position).map(|(_, column)| column)
    }

    pub(crate) fn tickets(&self) -> &Dictionary<Value> {
        &self.tickets
    }

    pub(crate) fn parent_lists(&self) -> &Dictionary<Arc<[EntityUid]>> {
        &self.parents
    }

    fn check_length(&self, what: &str, found: usize) -> Result<(), CustomersError> {
        if found == self.ids.len() {
            return Ok(());
        }
        Err(CustomersError::Length { what: what.to_owned(), found, expected: self.ids.len() })
    }
}

fn check_id(id: &Arc<str>) -> Result<(), CustomersError> {
    if id.len() > ID_BYTES_MAX {
        return Err(CustomersError::IdTooLong { bytes: id.len() });
    }
    if id.is_empty() {
        return Err(CustomersError::IdEmpty);
    }
    if id.chars().any(char::is_control) {
        return Err(CustomersError::IdControl { id: id.escape_debug().to_string() });
    }
    Ok(())
}

/// The values of one attribute, a cell for each customer; an empty cell means that the customer hasn't the attribute.
#[derive(Clone, Debug)]
pub struct Column {
    pub(crate) data: ColumnData,
}

/// How a column is kept.
#[derive(Clone, Debug)]
pub(crate) enum ColumnData {
    Bools(Vec<Option<bool>>),
    Longs(Vec<Option<i64>>),
    Datetimes(Vec<Option<i64>>),
    /// Anything else: each distinct value once.
    Values(Dictionary<Value>),
}

impl Column {
    /// Truth values.
    pub fn bools(cells: impl IntoIterator<Item = Option<bool>>) -> Self {
        Self { data: ColumnData::Bools(cells.into_iter().collect()) }
    }

    /// 64-bit numbers.
    pub fn longs(cells: impl IntoIterator<Item = Option<i64>>) -> Self {
        Self { data: ColumnData::Longs(cells.into_iter().collect()) }
    }

    /// Instants, in milliseconds since 1970-01-01T00:00:00Z.
    pub fn datetimes(cells: impl IntoIterator<Item = Option<i64>>) -> Self {
        Self { data: ColumnData::Datetimes(cells.into_iter().collect()) }
    }

    /// Texts. Each distinct one is kept once.
    pub fn texts<T: Into<Arc<str>>>(cells: impl IntoIterator<Item = Option<T>>) -> Self {
        Self::values(cells.into_iter().map(|cell| cell.map(|text| Value::String(text.into()))))
    }

    /// References to entities. Each distinct one is kept once.
    pub fn entities(cells: impl IntoIterator<Item = Option<EntityUid>>) -> Self {
        Self::values(cells.into_iter().map(|cell| cell.map(Value::Entity)))
    }

    /// Values of any type, also sets and records. Each distinct one is kept once.
    pub fn values(cells: impl IntoIterator<Item = Option<Value>>) -> Self {
        Self { data: ColumnData::Values(Dictionary::new(cells)) }
    }

    /// How many cells it has.
    pub fn len(&self) -> usize {
        match &self.data {
            ColumnData::Bools(cells) => cells.len(),
            ColumnData::Longs(cells) | ColumnData::Datetimes(cells) => cells.len(),
            ColumnData::Values(dictionary) => dictionary.rows.len(),
        }
    }

    /// Whether it has no cells.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn cell(&self, row: usize) -> Cell<'_> {
        fn some<'a, T: Copy>(cells: &[Option<T>], row: usize, datum: impl Fn(T) -> Datum<'a>) -> Cell<'a> {
            match cells.get(row) {
                Some(Some(value)) => Cell::Value(datum(*value)),
                Some(None) => Cell::Absent,
                None => Cell::Err,
            }
        }
        match &self.data {
            ColumnData::Values(dictionary) => Cell::of(dictionary.at(row)),
            ColumnData::Bools(cells) => some(cells, row, Datum::Bool),
            ColumnData::Longs(cells) => some(cells, row, Datum::Long),
            ColumnData::Datetimes(cells) => some(cells, row, Datum::Datetime),
        }
    }

    /// The value in `row`; none when that customer hasn't the attribute.
    pub fn value(&self, row: usize) -> Option<Value> {
        match &self.data {
            ColumnData::Bools(cells) => cells.get(row).copied().flatten().map(Value::Bool),
            ColumnData::Longs(cells) => cells.get(row).copied().flatten().map(Value::Long),
            ColumnData::Datetimes(cells) => cells.get(row).copied().flatten().map(Value::Datetime),
            ColumnData::Values(dictionary) => dictionary.at(row).cloned(),
        }
    }
}

/// Many cells with few distinct values.
#[derive(Clone, Debug)]
pub(crate) struct Dictionary<T> {
    /// The distinct values.
    pub(crate) values: Vec<T>,
    /// For each row the position of its value, or [`NO_VALUE`].
    pub(crate) rows: Vec<u32>,
}

/// The position in a [`Dictionary`] that says: no value.
pub(crate) const NO_VALUE: u32 = u32::MAX;

impl<T> Default for Dictionary<T> {
    fn default() -> Self {
        Self { values: Vec::new(), rows: Vec::new() }
    }
}

impl<T: Clone + Eq + std::hash::Hash> Dictionary<T> {
    fn new(cells: impl IntoIterator<Item = Option<T>>) -> Self {
        let mut positions: HashMap<T, u32, RandomState> = HashMap::default();
        let mut dictionary = Self::default();
        // Equal values mostly stand beside each other: the last one is compared before any is hashed.
        let mut last: Option<(T, u32)> = None;
        for cell in cells {
            let Some(value) = cell else {
                dictionary.rows.push(NO_VALUE);
                continue;
            };
            if let Some((known, position)) = &last
                && *known == value
            {
                dictionary.rows.push(*position);
                continue;
            }
            let position = match positions.get(&value) {
                Some(position) => *position,
                None => {
                    let next = u32::try_from(dictionary.values.len()).unwrap_or(NO_VALUE);
                    dictionary.values.push(value.clone());
                    positions.insert(value.clone(), next);
                    next
                }
            };
            dictionary.rows.push(position);
            last = Some((value, position));
        }
        dictionary
    }

    pub(crate) fn at(&self, row: usize) -> Option<&T> {
        let position = *self.rows.get(row)?;
        self.values.get(usize::try_from(position).ok()?)
    }
}

/// Why the customers of a job can't be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CustomersError {
    /// A customer comes twice.
    #[error("customer `{id}` is given twice")]
    Duplicate {
        /// The customer's id.
        id: Arc<str>,
    },
    /// There are more than [`CUSTOMERS_PER_JOB_MAX`].
    #[error("more than {CUSTOMERS_PER_JOB_MAX} customers")]
    TooMany,
    /// An id is empty.
    #[error("the id of a customer or ticket is empty")]
    IdEmpty,
    /// An id is longer than [`ID_BYTES_MAX`].
    #[error("the id of a customer or ticket has {bytes} bytes, at most {ID_BYTES_MAX} are allowed")]
    IdTooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// An id holds control characters.
    #[error("the id of a customer or ticket holds control characters: `{id}`")]
    IdControl {
        /// The id, with these characters escaped.
        id: String,
    },
    /// A column, or the list of parents or tickets, has another length than the list of customers.
    #[error("{what} has {found} cells for {expected} customers")]
    Length {
        /// What has the wrong length.
        what: String,
        /// Its length.
        found: usize,
        /// How many customers there are.
        expected: usize,
    },
    /// An attribute is given twice.
    #[error("attribute `{name}` is given twice")]
    DuplicateAttribute {
        /// The name of the attribute.
        name: Arc<str>,
    },
    /// There are more than [`CUSTOMER_ATTRIBUTES_MAX`] attributes.
    #[error("more than {CUSTOMER_ATTRIBUTES_MAX} attributes of customers")]
    TooManyAttributes,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_keeps_each_value_once() {
        let column = Column::texts([Some("eu"), None, Some("us"), Some("eu")]);
        let ColumnData::Values(dictionary) = &column.data else { panic!("texts are kept by value") };
        assert_eq!(dictionary.values.len(), 2);
        assert_eq!(column.value(3), Some(Value::from("eu")));
        assert_eq!(column.value(1), None);
        assert_eq!(column.len(), 4);
    }

    #[test]
    fn bad_customers_are_refused_by_name() {
        let message = |error: CustomersError| error.to_string();
        assert_eq!(message(Customers::new(["a", "a"]).unwrap_err()), "customer `a` is given twice");
        assert_eq!(message(Customers::new([""]).unwrap_err()), "the id of a customer or ticket is empty");
        assert_eq!(
            message(Customers::new(["a\nb"]).unwrap_err()),
            "the id of a customer or ticket holds control characters: `a\\nb`"
        );
        assert_eq!(
            message(Customers::new(["x".repeat(1_025)]).unwrap_err()),
            "the id of a customer or ticket has 1025 bytes, at most 1024 are allowed"
        );
        let one = Customers::new(["a"]).unwrap();
        assert_eq!(
            message(one.clone().with_attribute("region", Column::bools([])).unwrap_err()),
            "attribute `region` has 0 cells for 1 customers"
        );
        let region = || Column::texts([Some("eu")]);
        assert_eq!(
            message(one.with_attribute("r", region()).unwrap().with_attribute("r", region()).unwrap_err()),
            "attribute `r` is given twice"
        );
    }

    #[test]
    fn parents_and_tickets_stand_by_row() {
        let segment = EntityUid::new("Export::Segment", "vip");
        let customers = Customers::new(["a", "b"])
            .unwrap()
            .with_parents([vec![segment.clone(), segment.clone()], vec![]])
            .unwrap()
            .with_tickets([None, Some("t-1")])
            .unwrap();
        assert_eq!(customers.parents(0), [segment]);
        assert!(customers.parents(1).is_empty());
        assert_eq!(customers.ticket(1), Some(&EntityUid::new("Export::Ticket", "t-1")));
        assert_eq!(customers.ticket(0), None);
        assert_eq!(customers.row("b"), Some(1));
    }
}
