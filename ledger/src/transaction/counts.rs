//! Counts of windows: views that slide over moments.

use std::collections::BTreeMap;

use super::{Open, OpenView, Tx};
use crate::customer::Customers;
use crate::error::{LedgerError, WindowError};
use crate::rows::{Past, SeriesId, View};
use crate::window::{Counted, Subject, WindowRead};

/// Changes of moments, summed up.
pub(super) type Changes = BTreeMap<(SeriesId, i64), i64>;

impl Tx<'_> {
    pub(super) fn counts_after(
        &mut self,
        reads: &[WindowRead<'_>],
        customers: &Customers,
    ) -> Result<Vec<u64>, LedgerError> {
        let customers = self.canonical(customers)?;
        let mut found = Vec::with_capacity(reads.len());
        for read in reads {
            if !self.is_declared(&read.window())? {
                return Err(WindowError::Undeclared { window: read.window() }.into());
            }
            found.push(self.open_series(read.subject, read.counted)?);
        }
        self.slide_views(&found.iter().flatten().copied().collect::<Vec<_>>())?;
        let mut counts = Vec::with_capacity(reads.len());
        for (read, series) in reads.iter().zip(found) {
            let asked = match read.counted {
                Counted::Customers => customers.len() as u64,
                Counted::Denials => 0,
            };
            let Some(series) = series else {
                counts.push(asked);
                continue;
            };
            let view = self.slide_view(series, read.length_ms)?;
            let within = match read.counted {
                Counted::Denials => 0,
                Counted::Customers => {
                    let past = self.past_of(&customers)?;
                    past.last_grants(series).filter(|last_ms| *last_ms > view.start_ms).count() as u64
                }
            };
            // A customer of the job that lies in the window already counts once.
            counts.push(asked.saturating_sub(within).saturating_add(u64::try_from(view.count).unwrap_or(0)));
        }
        Ok(counts)
    }

    /// The number of the series; none when nothing was ever counted for it.
    fn open_series(&mut self, subject: &Subject, counted: Counted) -> Result<Option<SeriesId>, LedgerError> {
        let not_opened = || WindowError::NotOpened { subject: subject.clone() };
        let Open::Subjects(open) = &self.open else {
            return Err(not_opened().into());
        };
        let (_, series) = open.iter().find(|(found, _)| found == subject).ok_or_else(not_opened)?;
        match counted {
            Counted::Customers => Ok(*series),
            Counted::Denials => Ok(self.rows.series(subject, Counted::Denials)?),
        }
    }

    /// The past of these customers, read once.
    pub(super) fn past_of(&mut self, customers: &Customers) -> Result<&Past, LedgerError> {
        if self.past.as_ref().is_none_or(|(of, _)| of != customers) {
            let past = self.rows.past(customers)?;
            self.past = Some((customers.clone(), past));
        }
        match &self.past {
            Some((_, past)) => Ok(past),
            None => Err(crate::rows::corrupt("the past of the customers was lost").into()),
        }
    }

    /// The view of one window, moved to now; it is made when there is none.
    fn slide_view(&mut self, series: SeriesId, length_ms: i64) -> Result<View, LedgerError> {
        self.slide_views(&[series])?;
        let start_ms = self.now_ms.saturating_sub(length_ms).max(self.state.dropped_to_ms);
        let views = self.views.entry(series).or_default();
        if let Some(open) = views.iter().find(|open| open.view.length_ms == length_ms) {
            return Ok(open.view);
        }
        let count = self.rows.moments(series, start_ms, i64::MAX)?;
        let view = View { series, length_ms, start_ms, count };
        views.push(OpenView { view, changed: true });
        Ok(view)
    }

    /// Moves all views of these series to now.
    pub(super) fn slide_views(&mut self, series: &[SeriesId]) -> Result<(), LedgerError> {
        let mut new: Vec<SeriesId> = series.iter().filter(|id| !self.views.contains_key(*id)).copied().collect();
        new.sort_unstable();
        new.dedup();
        if new.is_empty() {
            return Ok(());
        }
        let (now_ms, dropped_to_ms) = (self.now_ms, self.state.dropped_to_ms);
        let slid = self.rows.sliding_views(&new, now_ms, dropped_to_ms)?;
        self.views.extend(new.into_iter().map(|id| (id, Vec::new())));
        for (mut view, left) in slid {
            view.start_ms = view.slid_to(now_ms, dropped_to_ms);
            view.count = view.count.saturating_sub(left);
            // A start alone isn't worth a write: no moment lies between.
            self.views.entry(view.series).or_default().push(OpenView { view, changed: left != 0 });
        }
        Ok(())
    }

    /// Moves a last grant of the series from one time to another, in its views and among `changes`; the views were moved to
    /// now. None stands for no grant.
    pub(super) fn move_last_grant(
        &mut self,
        series: SeriesId,
        from_ms: Option<i64>,
        to_ms: Option<i64>,
        changes: &mut Changes,
    ) {
        self.move_last_grants(series, from_ms, to_ms, 1, changes);
    }

    /// As [`Self::move_last_grant`], for so many customers alike.
    pub(super) fn move_last_grants(
        &mut self,
        series: SeriesId,
        from_ms: Option<i64>,
        to_ms: Option<i64>,
        customers: i64,
        changes: &mut Changes,
    ) {
        if from_ms == to_ms || customers == 0 {
            return;
        }
        let dropped_to_ms = self.state.dropped_to_ms;
        // Moments up to there may be gone; no view begins before it.
        let mut change = |at_ms: Option<i64>, by: i64| {
            if let Some(at_ms) = at_ms.filter(|at_ms| *at_ms > dropped_to_ms) {
                *changes.entry((series, at_ms)).or_default() += by;
            }
        };
        change(from_ms, -customers);
        change(to_ms, customers);
        for open in self.views.get_mut(&series).into_iter().flatten() {
            let is_within = |at_ms: Option<i64>| at_ms.is_some_and(|at_ms| at_ms > open.view.start_ms);
            let by = i64::from(is_within(to_ms)) - i64::from(is_within(from_ms));
            if by != 0 {
                open.view.count = open.view.count.saturating_add(by.saturating_mul(customers));
                open.changed = true;
            }
        }
    }

    pub(super) fn write_changes(&mut self, changes: &Changes) -> Result<(), LedgerError> {
        let changes: Vec<(SeriesId, i64, i64)> =
            changes.iter().filter(|(_, by)| **by != 0).map(|((series, at_ms), by)| (*series, *at_ms, *by)).collect();
        Ok(self.rows.add_moments(&changes)?)
    }

    pub(super) fn count_denial(&mut self, agent: &Subject) -> Result<(), LedgerError> {
        let series = match self.rows.series(agent, Counted::Denials)? {
            Some(series) => series,
            None => self.rows.make_series(agent, Counted::Denials)?,
        };
        self.slide_views(&[series])?;
        let mut changes = Changes::new();
        self.move_last_grant(series, None, Some(self.now_ms), &mut changes);
        self.written = self.written.saturating_add(1);
        self.write_changes(&changes)
    }
}
