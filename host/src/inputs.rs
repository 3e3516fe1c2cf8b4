//! What an evaluation is given: where each input of a manifest comes from, and the entities behind it.

use std::sync::Arc;

use crate::customers::Customers;
use crate::entities::{Entities, UidRef};
use crate::frame::agent::AgentFacts;
use crate::frame::cells::Datum;
use crate::frame::columns::FixedColumns;

/// Where the value of an input comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source<'a> {
    /// It isn't given.
    Absent,
    /// The same value at every point.
    Value(Datum<'a>),
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
    pub(crate) sources: &'a [Source<'a>],
    /// The entities that the caller states.
    pub(crate) entities: &'a Entities,
    /// The gate's own entity, found before those of the caller.
    pub(crate) job: Option<OwnJob<'a>>,
    /// The rows. What these columns say of a customer is all that is known of it, by whatever path it is reached.
    pub(crate) customers: &'a Customers,
    /// The columns: the ids of entities of the type `Export::Field`.
    pub(crate) fields: &'a [Arc<str>],
    /// What is known beforehand of the columns, and where each of them stands in the catalogue.
    pub(crate) fixed: Option<(&'a FixedColumns, &'a [u32])>,
    /// What is known beforehand of the agent.
    pub(crate) agent: Option<&'a AgentFacts>,
    /// Whether there is one row and one column whatever `customers` and `fields` hold: a single request.
    pub(crate) single: bool,
}

/// The entity of a job, and the agent who asked for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnJob<'a> {
    pub(crate) job: UidRef<'a>,
    pub(crate) requester: UidRef<'a>,
}

impl<'a> Inputs<'a> {
    /// How many rows there are.
    pub(crate) fn rows(&self) -> usize {
        if self.single { 1 } else { self.customers.len() }
    }

    /// How many columns there are.
    pub(crate) fn columns(&self) -> usize {
        if self.single { 1 } else { self.fields.len() }
    }

    /// Where the input at `position` comes from.
    pub(crate) fn source(&self, position: u32) -> Source<'a> {
        let source = usize::try_from(position).ok().and_then(|position| self.sources.get(position));
        source.copied().unwrap_or(Source::Absent)
    }
}
