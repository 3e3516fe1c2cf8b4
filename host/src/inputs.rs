//! What an evaluation is given: where each input of a manifest comes from, and the entities behind it.

use exportgate_contract::value::Value;

use crate::customers::Customers;
use crate::entities::{Entities, Entity};

/// Where the value of an input comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source<'a> {
    /// It isn't given.
    Absent,
    /// The same value at every point.
    Value(&'a Value),
    /// Rows: the customers themselves.
    Customers,
    /// Rows: the ticket that the caller names for each customer, or none.
    Tickets,
    /// Columns: the fields themselves.
    Fields,
}

/// What an evaluation is given.
#[derive(Clone, Debug)]
pub(crate) struct Inputs<'a> {
    /// For each input of the manifest, in its order, where it comes from. What is missing at the end is absent.
    pub(crate) sources: Vec<Source<'a>>,
    /// The entities that the caller states.
    pub(crate) entities: &'a Entities,
    /// The gate's own entities, such as the job: found before those of the caller.
    pub(crate) own: &'a [Entity],
    /// The rows. What these columns say of a customer is all that is known of it, by whatever path it is reached.
    pub(crate) customers: &'a Customers,
    /// The columns: entities of the type `Export::Field`.
    pub(crate) fields: &'a [Value],
    /// Whether there is one row and one column whatever `customers` and `fields` hold: a single request.
    pub(crate) single: bool,
}

impl Inputs<'_> {
    /// How many rows there are.
    pub(crate) fn rows(&self) -> usize {
        if self.single { 1 } else { self.customers.len() }
    }

    /// How many columns there are.
    pub(crate) fn columns(&self) -> usize {
        if self.single { 1 } else { self.fields.len() }
    }
}
