//! Why a release failed. Nothing was published then.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::ROW_BYTES_MAX;
use super::row::AnyError;
use crate::obligations::ObligationKind;
use crate::permit::PermitError;

/// Why nothing was released.
///
/// # Security
///
/// No message holds a value, nor the id of a customer, which in a damaged row may be a value: rows are named by number.
/// What a source or a sink says is theirs.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// The permit wasn't given for this job and decision.
    #[error("the permit of job `{job}` wasn't given for this job and decision")]
    OtherDecision {
        /// The id that the permit names.
        job: Arc<str>,
    },
    /// The permit can't be used: it was before, expired, its agent is revoked, the modules changed; or the ledger fails.
    #[error("{0}")]
    Permit(#[source] PermitError),
    /// The decision demands what nobody carries out.
    #[error("the decision demands {}, which nobody carries out here", names(kinds))]
    Obligations {
        /// The kinds of obligations.
        kinds: BTreeSet<ObligationKind>,
    },
    /// A field must leave as a token, and there is no key.
    #[error("field `{field}` must leave as a token, and there is no key for tokens")]
    NoTokenKey {
        /// The field.
        field: Arc<str>,
    },
    /// A field of the job is named as a column of the watermark.
    #[error("the watermark needs the column `{column}`, which is a field of the job")]
    ColumnTaken {
        /// The column.
        column: Arc<str>,
    },
    /// The watermark must name the ticket, and a customer that leaves has none.
    #[error("the watermark must name the ticket, and the job names none for a customer that leaves")]
    NoTicket,
    /// The source failed.
    #[error("row {row} can't be read: {source}")]
    Rows {
        /// The number of the row, from 1.
        row: u64,
        /// What it says.
        source: AnyError,
    },
    /// A row has more or fewer values than the job has fields.
    #[error("row {row} has {found} values, expected {expected}: one for each field of the job")]
    Values {
        /// The number of the row, from 1.
        row: u64,
        /// How many it has.
        found: usize,
        /// How many the job has fields.
        expected: usize,
    },
    /// A row is larger than [`ROW_BYTES_MAX`].
    #[error("row {row} has more than {ROW_BYTES_MAX} bytes")]
    RowTooLarge {
        /// The number of the row, from 1.
        row: u64,
    },
    /// A row's customer isn't in the job.
    #[error("row {row} is of a customer about whom nothing was decided")]
    Undecided {
        /// The number of the row, from 1.
        row: u64,
    },
    /// A customer comes twice.
    #[error("row {row} is of a customer who had a row before")]
    Twice {
        /// The number of the second row, from 1.
        row: u64,
    },
    /// The sink failed before what left was on record.
    #[error("the rows can't be written: {0}")]
    Sink(#[source] AnyError),
    /// The ledger couldn't record what was to leave. It may have recorded it all the same.
    #[error("what was to leave can't be recorded, so nothing left, and all of it counts as if it had: {0}")]
    Uncommitted(#[source] PermitError),
    /// What left is on record, and couldn't be shown.
    #[error("what was to leave is recorded, and can't be put in its place, so it counts and nothing left: {0}")]
    Unpublished(#[source] AnyError),
    /// The release failed, and so did taking it back.
    #[error("{because}; and it couldn't be taken back, so all of the job counts as if it had left: {source}")]
    StillCounts {
        /// Why the release failed.
        because: Box<ReleaseError>,
        /// What couldn't be done: the sink kept something, or the ledger failed.
        source: AnyError,
    },
}

impl ReleaseError {
    /// What to do about it, in one sentence.
    pub fn help(&self) -> &'static str {
        match self {
            Self::OtherDecision { .. } => "give the job that was asked, and the decision that came with the permit",
            Self::Permit(error) => error.help(),
            Self::Obligations { .. } => "see to them, say so, and ask again under a new id",
            Self::NoTokenKey { .. } => "name a key, in a configuration under `[release]`, and ask again under a new id",
            Self::ColumnTaken { .. } => "rename the field in the catalogue",
            Self::NoTicket => "name a ticket for each customer, and ask again under a new id",
            Self::Rows { .. } | Self::Values { .. } | Self::RowTooLarge { .. } => {
                "mend the row, and ask again under a new id: nothing left, and nothing counts"
            }
            Self::Undecided { .. } => {
                "leave the row out, or ask for its customer too, under a new id: nothing left, and nothing counts"
            }
            Self::Twice { .. } => {
                "give one row a customer, and ask again under a new id: nothing left, and nothing counts"
            }
            Self::Sink(_) => {
                "make room, or name another place, and ask again under a new id: nothing left, and nothing counts"
            }
            Self::Uncommitted(_) => "see to the ledger, then cancel the job, which says whether it was recorded",
            Self::Unpublished(_) => "name another place, and ask again under a new id",
            Self::StillCounts { .. } => "see to that, then cancel the job",
        }
    }
}

fn names(kinds: &BTreeSet<ObligationKind>) -> String {
    kinds.iter().map(|kind| format!("`{kind}`")).collect::<Vec<_>>().join(", ")
}
