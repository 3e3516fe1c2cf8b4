//! Rows on their way through a release, where they come from, and where they go.

use std::error::Error;
use std::fmt::{self, Write};
use std::sync::Arc;

/// Whatever error a source or a sink has. It must hold no value of a row.
pub type AnyError = Box<dyn Error + Send + Sync>;

/// One row: a customer and values, none where there isn't one. Its room is used again for the next row.
#[derive(Clone, Default)]
pub struct Row {
    customer: String,
    /// All values, one after the other.
    text: String,
    /// Where each value begins and ends in `text`.
    cells: Vec<Option<(usize, usize)>>,
}

impl Row {
    /// Forgets customer and values.
    pub fn clear(&mut self) {
        self.customer.clear();
        self.text.clear();
        self.cells.clear();
    }

    /// Begins a row about this customer: its canonical id, as the job has it.
    pub fn begin(&mut self, customer: &str) {
        self.clear();
        self.customer.push_str(customer);
    }

    /// Adds the value of the next field; none when the customer has none.
    pub fn push(&mut self, value: Option<&str>) {
        let cell = value.map(|value| {
            let start = self.text.len();
            self.text.push_str(value);
            (start, self.text.len())
        });
        self.cells.push(cell);
    }

    /// Adds the value of the next field as it is shown: a number, for one.
    pub fn push_shown(&mut self, value: impl fmt::Display) {
        let start = self.text.len();
        // NB: writing to a string can't fail.
        let _ = write!(self.text, "{value}");
        self.cells.push(Some((start, self.text.len())));
    }

    /// The customer's id.
    pub fn customer(&self) -> &str {
        &self.customer
    }

    /// How many values it has, those that are none included.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether it has no values.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// The values, in their order.
    pub fn values(&self) -> impl Iterator<Item = Option<&str>> {
        self.cells.iter().map(|cell| cell.and_then(|(start, end)| self.text.get(start..end)))
    }

    pub(super) fn bytes(&self) -> usize {
        self.customer.len().saturating_add(self.text.len())
    }
}

// NB: values never get into a log by way of `{:?}`.
impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Row").field("values", &self.cells.len()).finish_non_exhaustive()
    }
}

/// Where rows come from: one for each customer, with a value for each field of the job, in its order.
pub trait Rows {
    /// Puts the next row into `row`, which is empty; false when there is none left.
    ///
    /// # Errors
    ///
    /// Whatever went wrong; it ends the release, and nothing leaves. The error must hold no value of a row.
    fn next(&mut self, row: &mut Row) -> Result<bool, AnyError>;
}

impl<F: FnMut(&mut Row) -> Result<bool, AnyError>> Rows for F {
    fn next(&mut self, row: &mut Row) -> Result<bool, AnyError> {
        self(row)
    }
}

/// Where rows go.
///
/// Nothing of what it was given may be seen by anybody before [`Sink::publish`] returns, nor ever when it isn't called: the
/// process may end at any point. Errors must hold no value of a row.
pub trait Sink {
    /// Rows follow, each with these columns after the customer: the fields of the job, then those of the watermark.
    ///
    /// # Errors
    ///
    /// Whatever went wrong: the release ends.
    fn begin(&mut self, columns: &[Arc<str>]) -> Result<(), AnyError>;

    /// Writes one row.
    ///
    /// # Errors
    ///
    /// Whatever went wrong: the release ends.
    fn row(&mut self, row: &Row) -> Result<(), AnyError>;

    /// No more rows follow: makes all of them durable.
    ///
    /// # Errors
    ///
    /// Whatever went wrong: the release ends.
    fn seal(&mut self) -> Result<(), AnyError>;

    /// Shows what was sealed: what left is on record now.
    ///
    /// # Errors
    ///
    /// When it can't be shown; then nothing of it may be.
    fn publish(&mut self) -> Result<(), AnyError>;

    /// Removes all that it was given.
    ///
    /// # Errors
    ///
    /// When something stays; the job then counts as consumed.
    fn discard(&mut self) -> Result<(), AnyError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_shows_its_values_to_nobody_but_by_name() {
        let mut row = Row::default();
        row.begin("c-1");
        row.push(Some("a@example.com"));
        row.push(None);
        row.push_shown(-5);
        row.push(Some(""));
        assert_eq!(row.values().collect::<Vec<_>>(), [Some("a@example.com"), None, Some("-5"), Some("")]);
        assert_eq!(format!("{row:?}"), "Row { values: 4, .. }");
        assert_eq!(row.bytes(), 18);
        row.begin("c-2");
        assert!(row.is_empty());
        assert_eq!(row.customer(), "c-2");
    }
}
