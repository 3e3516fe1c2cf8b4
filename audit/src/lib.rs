//! What left, on record: a log that nobody can rewrite unseen, receipts from it, and questions to it.
//!
//! The log is an RFC 6962 Merkle tree over [`entry`] bytes that some store keeps in order ([`Records`]). A
//! [`Checkpoint`] signs how large the tree is and what its root is; whoever holds one notices any change before it.
//! [`verify()`] goes through a whole log and names what is wrong; a [`Receipt`] proves one entry to somebody who has nothing but
//! the log's public key. [`exposure()`] asks what an agent took, [`trace()`] whose takings explain a leak.
//!
//! Everything here works on bytes that others may have changed, in one pass, and in memory that doesn't grow with the log.
//! `docs/audit.md` describes the formats byte by byte, and says what is promised and what isn't.

mod checkpoint;
mod customer;
pub mod entry;
mod exposure;
mod hash;
mod keys;
mod log;
mod note;
mod ocsf;
mod proof;
mod prune;
mod receipt;
mod records;
mod takings;
mod timeline;
pub mod trace;
mod tree;
pub mod verify;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use customer::{CustomerHash, CustomerKey, CustomerKeyError};
pub use entry::{Entry, Event};
pub use exposure::{
    COMBINATIONS_MAX, EXPOSED_CUSTOMERS_MAX, Exposed, Exposure, ExposureError, ExposureQuery, exposure,
};
pub use hash::Hash;
pub use keys::{KeyRing, RotationError, Standing, rotate};
pub use log::{LogError, measure, next_checkpoint, prove, walk};
pub use note::{
    KEY_NAME_BYTES_MAX, KeyError, KeyRole, NOTE_BYTES_MAX, Note, NoteError, PrivateKey, PublicKey, SIGNATURES_MAX,
    Signed,
};
pub use ocsf::OcsfExport;
pub use proof::{
    Plan, ProofError, verify_consistency, verify_inclusion, verify_subtree_consistency, verify_subtree_inclusion,
};
pub use prune::{Prefix, PrefixError};
pub use receipt::{Proved, Receipt, ReceiptError};
pub use records::{MemoryRecords, Records, RecordsError};
pub use takings::{Seen, Taking, WAITING_CUSTOMERS_MAX, takings};
pub use timeline::{Day, Line, TIMELINE_AGENTS_MAX, TIMELINE_DAYS_MAX, Timeline, TimelineQuery, timeline};
pub use trace::trace;
pub use tree::Frontier;
pub use verify::verify;
