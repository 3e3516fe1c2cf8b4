//! Windows as a job file states them: for dry runs, where nothing was granted.

use std::collections::BTreeMap;

use exportgate_contract::vocabulary::{Counted, Window};

use super::{WindowRead, Windows, WindowsError};

/// Counts that were stated, whoever's they are; any other window has the count of a fresh start.
#[derive(Debug)]
pub(crate) struct StatedWindows<'a> {
    counts: &'a BTreeMap<Window, u64>,
}

impl<'a> StatedWindows<'a> {
    pub(crate) fn new(counts: &'a BTreeMap<Window, u64>) -> Self {
        Self { counts }
    }
}

/// The count of `window` when nothing was granted or denied before and the job asks for `customers`.
pub(crate) fn count_of_fresh_start(window: Window, customers: usize) -> u64 {
    match window.counted {
        Counted::Customers => u64::try_from(customers).unwrap_or(u64::MAX),
        Counted::Denials => 0,
    }
}

impl Windows for StatedWindows<'_> {
    fn declare(&self, _: &[Window]) -> Result<(), WindowsError> {
        Ok(())
    }

    fn read_after(
        &self,
        reads: &[WindowRead],
        customers: &mut dyn ExactSizeIterator<Item = &str>,
        _: i64,
    ) -> Result<Vec<u64>, WindowsError> {
        let fresh = |window| count_of_fresh_start(window, customers.len());
        Ok(reads
            .iter()
            .map(|read| self.counts.get(&read.window).copied().unwrap_or_else(|| fresh(read.window)))
            .collect())
    }
}
