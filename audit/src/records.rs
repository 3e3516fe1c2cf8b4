//! Where the log lies: records with dense indices, which somebody else keeps.

use std::fmt;

/// Records in the order in which they were appended, each under its index, from 0.
///
/// Whoever keeps them may have dropped the first ones. They may also have done worse: everything that reads records treats them
/// as bytes that anybody may have written.
pub trait Records {
    /// How many records were ever appended: one more than the last index.
    ///
    /// # Errors
    ///
    /// [`RecordsError`] when the store can't be read.
    fn size(&self) -> Result<u64, RecordsError>;

    /// Hands the records from index `from` up to before `to` to `each`, in order, until it returns false. Records that the
    /// store hasn't are left out.
    ///
    /// # Errors
    ///
    /// [`RecordsError`] when the store can't be read.
    fn read(&self, from: u64, to: u64, each: &mut dyn FnMut(u64, &[u8]) -> bool) -> Result<(), RecordsError>;
}

/// That the store of the log can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordsError {
    message: String,
}

impl RecordsError {
    /// With what the store says, in one line.
    pub fn new(message: impl fmt::Display) -> Self {
        Self { message: message.to_string() }
    }
}

impl fmt::Display for RecordsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the store of the log can't be read: {}", self.message)
    }
}

impl std::error::Error for RecordsError {}

/// Records in memory: for tests, and for logs that were exported to a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryRecords {
    first: u64,
    records: Vec<Vec<u8>>,
}

impl MemoryRecords {
    /// Without a record.
    pub fn new() -> Self {
        Self::default()
    }

    /// Records of which the first has the index `first`.
    pub fn starting_at(first: u64, records: Vec<Vec<u8>>) -> Self {
        Self { first, records }
    }

    /// Appends a record, and returns its index.
    pub fn push(&mut self, record: Vec<u8>) -> u64 {
        let index = self.next();
        self.records.push(record);
        index
    }

    fn next(&self) -> u64 {
        self.first.saturating_add(u64::try_from(self.records.len()).unwrap_or(u64::MAX))
    }
}

impl Records for MemoryRecords {
    fn size(&self) -> Result<u64, RecordsError> {
        Ok(self.next())
    }

    fn read(&self, from: u64, to: u64, each: &mut dyn FnMut(u64, &[u8]) -> bool) -> Result<(), RecordsError> {
        for (index, record) in (self.first..).zip(&self.records) {
            if index >= from && (index >= to || !each(index, record)) {
                break;
            }
        }
        Ok(())
    }
}
