//! The watermark: columns that name agent, ticket and job in every row, as the decision demands.
//!
//! In every row, and not in a line of its own, so that a part of the file that somebody passes on still names its source.

use std::sync::Arc;

use exportgate_contract::obligation::WatermarkPart;

use super::error::ReleaseError;
use super::row::Row;
use crate::decision::Decision;
use crate::job::Job;

/// What is stamped on the rows of one release.
pub(super) struct Stamp<'a> {
    job: &'a Job,
    parts: Vec<WatermarkPart>,
}

impl<'a> Stamp<'a> {
    /// The stamp that the decision demands.
    ///
    /// # Errors
    ///
    /// When a field is named as one of its columns, or a customer that leaves has no ticket to name.
    pub(super) fn new(job: &'a Job, decision: &Decision) -> Result<Self, ReleaseError> {
        let stamp = Self { job, parts: decision.obligations().watermark.iter().copied().collect() };
        if let Some(taken) = stamp.columns().find(|column| job.fields.contains(column)) {
            return Err(ReleaseError::ColumnTaken { column: taken });
        }
        let names_ticket = stamp.parts.contains(&WatermarkPart::Ticket);
        let nameless = |row: &usize| decision.includes(*row) && job.customers.ticket(*row).is_none();
        if names_ticket && (0..job.customers.len()).any(|row| nameless(&row)) {
            return Err(ReleaseError::NoTicket);
        }
        Ok(stamp)
    }

    /// The columns, to stand after those of the fields.
    pub(super) fn columns(&self) -> impl Iterator<Item = Arc<str>> {
        self.parts.iter().map(|part| {
            Arc::from(match part {
                WatermarkPart::Agent => "watermark_agent",
                WatermarkPart::Ticket => "watermark_ticket",
                WatermarkPart::Job => "watermark_job",
            })
        })
    }

    /// Adds what is stamped on the row of the customer at `customer` in the job.
    pub(super) fn put(&self, customer: usize, output: &mut Row) {
        for part in &self.parts {
            output.push(match part {
                WatermarkPart::Agent => Some(&*self.job.agent.id),
                WatermarkPart::Ticket => self.job.customers.ticket(customer).map(|ticket| &*ticket.id),
                WatermarkPart::Job => Some(&*self.job.id),
            });
        }
    }
}
