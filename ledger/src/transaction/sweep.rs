//! Dropping what no window can see any more, a bounded part at a time.

use super::Tx;
use crate::customer::CustomerHash;
use crate::error::LedgerError;
use crate::rows::{SeriesId, Swept, View};

/// Everything is kept for a day at least: so long a job's id is recognised and its permit can be used, however short the
/// windows are.
pub(super) const KEPT_MS_MIN: i64 = 86_400_000;

/// Series looked at in one sweep.
const SERIES_MAX: usize = 16;

impl Tx<'_> {
    /// Drops at most about `rows_max` rows; says whether there is more to drop.
    pub(crate) fn sweep(&mut self, rows_max: usize) -> Result<bool, LedgerError> {
        let kept_ms = self.state.kept_ms.max(KEPT_MS_MIN);
        let dropped_to_ms = self.state.dropped_to_ms.max(self.now_ms.saturating_sub(kept_ms));
        self.state.dropped_to_ms = dropped_to_ms;
        let mut swept = self.rows.swept()?;
        let more_jobs = self.sweep_jobs(&mut swept, rows_max)?;
        let more_moments = self.sweep_series(&mut swept, rows_max)?;
        self.rows.set_swept(swept, dropped_to_ms)?;
        Ok(more_jobs || more_moments)
    }

    /// The oldest jobs go with their grants. Grants that lie outside every window count nowhere, so nothing else changes.
    fn sweep_jobs(&mut self, swept: &mut Swept, rows_max: usize) -> Result<bool, LedgerError> {
        let mut left = rows_max;
        let mut after = 0;
        while left > 0 {
            let Some(job) = self.rows.jobs_after(after, 1)?.into_iter().next() else { return Ok(false) };
            if job.at_ms > self.state.dropped_to_ms {
                return Ok(false);
            }
            after = job.number;
            let customers = self.rows.job_customers(job.number)?;
            let rest = customers.as_slice().get(swept.customers..).unwrap_or_default();
            let part = rest.get(..left.min(rest.len())).unwrap_or_default();
            let part = self.canonical(&part.iter().copied().collect())?;
            let gone: Vec<(CustomerHash, i64)> = part.as_slice().iter().map(|hash| (*hash, job.number)).collect();
            self.rows.delete_grants(&gone)?;
            if rest.len() > left {
                swept.customers = swept.customers.saturating_add(left);
                return Ok(true);
            }
            self.rows.delete_job(job.number)?;
            left = left.saturating_sub(rest.len().max(1));
            swept.customers = 0;
        }
        Ok(true)
    }

    /// The next series slide their views and lose the moments behind them; a series without moments goes.
    fn sweep_series(&mut self, swept: &mut Swept, rows_max: usize) -> Result<bool, LedgerError> {
        let series = self.rows.series_after(swept.series, SERIES_MAX)?;
        let mut left = rows_max;
        self.slide_views(&series)?;
        for series in &series {
            self.put_views(*series)?;
            let mut first_ms = self.rows.first_moment(*series)?;
            if first_ms.is_some_and(|first_ms| first_ms <= self.state.dropped_to_ms) {
                let dropped = self.rows.drop_moments(*series, self.state.dropped_to_ms, left)?;
                left = left.saturating_sub(dropped);
                if left == 0 {
                    return Ok(true);
                }
                first_ms = self.rows.first_moment(*series)?;
            }
            if first_ms.is_none() {
                self.views.remove(series);
                self.rows.delete_series(*series)?;
            }
            swept.series = *series;
        }
        if series.len() < SERIES_MAX {
            swept.series = 0;
        }
        Ok(false)
    }

    /// Writes the views of the series where they stand, changed or not: what is behind their starts may go.
    fn put_views(&mut self, series: SeriesId) -> Result<(), LedgerError> {
        let views = self.views.get_mut(&series).into_iter().flatten();
        let views: Vec<View> = views
            .map(|open| {
                open.changed = false;
                open.view
            })
            .collect();
        Ok(self.rows.put_views(&views)?)
    }
}
