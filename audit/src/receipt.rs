//! Receipts: an entry with the proof that it is in a signed log, for somebody who has nothing else of us but our key.
//!
//! The text is a c2sp.org/tlog-proof, so other tools check it too. Its extra line is the entry: the proof is over it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::checkpoint::{Checkpoint, CheckpointError, decimal};
use crate::entry::{ENTRY_BYTES_MAX, Entry, LogId, ReadError};
use crate::hash::Hash;
use crate::note::{KeyRole, NOTE_BYTES_MAX, PublicKey, Signed};
use crate::proof::{ProofError, verify_inclusion};

const HEAD: &str = "c2sp.org/tlog-proof@v1";
/// Bytes of a receipt: an entry in base64, 64 hashes, and a checkpoint.
const RECEIPT_BYTES_MAX: usize = 2 * ENTRY_BYTES_MAX + 4_096 + NOTE_BYTES_MAX;

/// An entry, and the proof that it is in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The index of the entry.
    pub index: u64,
    /// The entry.
    pub entry: Vec<u8>,
    /// The proof that it is in the tree of the checkpoint.
    pub proof: Vec<Hash>,
    /// The signed checkpoint.
    pub checkpoint: String,
}

/// Why a receipt proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// The text hasn't the form of a receipt.
    #[error("not a receipt: {problem}")]
    Form {
        /// What is wrong.
        problem: &'static str,
    },
    /// The checkpoint isn't one by the keys that were given.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Too few witnesses signed the checkpoint.
    #[error("{found} of the witnesses given signed the checkpoint, {expected} are asked for")]
    Witnesses {
        /// How many did.
        found: usize,
        /// How many are asked for.
        expected: usize,
    },
    /// The entry isn't in the tree of the checkpoint.
    #[error("the entry isn't in the log that was signed: {0}")]
    Proof(#[from] ProofError),
    /// The entry can't be read.
    #[error("the entry can't be read: {0}")]
    Entry(#[from] ReadError),
    /// The entry says that it is another one, or of another log.
    #[error("the entry says that it is entry {says} of log {log}")]
    Misplaced {
        /// Which it says it is.
        says: u64,
        /// Of which log.
        log: LogId,
    },
}

/// What a receipt proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proved {
    /// The entry.
    pub entry: Entry,
    /// The checkpoint that it is under.
    pub checkpoint: Checkpoint,
    /// Who signed it.
    pub signed: Vec<Signed>,
}

impl Receipt {
    /// Reads a receipt. Nothing is proved yet.
    ///
    /// # Errors
    ///
    /// [`ReceiptError::Form`].
    pub fn from_text(text: &str) -> Result<Self, ReceiptError> {
        let form = |problem| ReceiptError::Form { problem };
        if text.len() > RECEIPT_BYTES_MAX {
            return Err(form("it is too long"));
        }
        let (proof, checkpoint) = text.split_once("\n\n").ok_or_else(|| form("no empty line before the checkpoint"))?;
        let mut lines = proof.split('\n');
        if lines.next() != Some(HEAD) {
            return Err(form("the first line isn't `c2sp.org/tlog-proof@v1`"));
        }
        let entry = lines.next().and_then(|line| line.strip_prefix("extra "));
        let entry = entry.and_then(|encoded| STANDARD.decode(encoded).ok());
        let entry = entry.ok_or_else(|| form("no line `extra` with the entry in base64"))?;
        let index = lines.next().and_then(|line| line.strip_prefix("index ")).and_then(decimal);
        let index = index.ok_or_else(|| form("no line `index` with a decimal number"))?;
        let proof = lines.map(Hash::from_base64).collect::<Option<Vec<_>>>();
        let proof = proof.ok_or_else(|| form("a line of the proof isn't the base64 of 32 bytes"))?;
        Ok(Self { index, entry, proof, checkpoint: checkpoint.to_owned() })
    }

    /// Checks that the log `origin` holds the entry: that one of the log's keys signed the checkpoint, and of the witnesses'
    /// keys among `keys` at least `witnesses_min`, and that the proof leads from the entry to its root.
    ///
    /// # Errors
    ///
    /// [`ReceiptError`] when it isn't proved.
    pub fn verify(&self, origin: &str, keys: &[PublicKey], witnesses_min: usize) -> Result<Proved, ReceiptError> {
        let of_log: Vec<PublicKey> =
            keys.iter().filter(|key| key.role() == KeyRole::Log && key.name() == origin).cloned().collect();
        let (checkpoint, mut signed) = Checkpoint::open(&self.checkpoint, origin, &of_log)?;
        let witnesses: Vec<PublicKey> = keys.iter().filter(|key| key.role() == KeyRole::Witness).cloned().collect();
        let cosigned = match Checkpoint::open(&self.checkpoint, origin, &witnesses) {
            Ok((_, cosigned)) => cosigned,
            Err(CheckpointError::Note(crate::note::NoteError::Unknown { .. })) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        let mut distinct: Vec<&PublicKey> = Vec::new();
        for by in cosigned.iter().map(|signed| &signed.by) {
            if !distinct.contains(&by) {
                distinct.push(by);
            }
        }
        if distinct.len() < witnesses_min {
            return Err(ReceiptError::Witnesses { found: distinct.len(), expected: witnesses_min });
        }
        signed.extend(cosigned);
        verify_inclusion(self.index, checkpoint.size, Hash::of_leaf(&self.entry), &self.proof, checkpoint.root)?;
        let entry = Entry::from_bytes(&self.entry)?;
        if entry.index != self.index || entry.log != LogId::of(origin) {
            return Err(ReceiptError::Misplaced { says: entry.index, log: entry.log });
        }
        Ok(Proved { entry, checkpoint, signed })
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEAD}\nextra {}\nindex {}", STANDARD.encode(&self.entry), self.index)?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.checkpoint)
    }
}
