//! Checkpoints: how large the log is and what its root is, signed; the format of c2sp.org/tlog-checkpoint.

use crate::hash::Hash;
use crate::note::{Note, NoteError, PrivateKey, PublicKey, Signed};

/// What a checkpoint says of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log: the name of its key.
    pub origin: String,
    /// How many entries it has.
    pub size: u64,
    /// The root of its tree.
    pub root: Hash,
}

/// Why a text isn't a checkpoint, or not a valid one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// It isn't a signed note, or isn't signed as it should be.
    #[error("the checkpoint is refused: {0}")]
    Note(#[from] NoteError),
    /// The text of the note isn't that of a checkpoint.
    #[error("not a checkpoint: {problem}")]
    Form {
        /// What is wrong.
        problem: &'static str,
    },
    /// It is a checkpoint of another log.
    #[error("a checkpoint of the log `{found}`, expected `{expected}`")]
    Origin {
        /// The log that it is of.
        found: String,
        /// The log asked for.
        expected: String,
    },
}

impl Checkpoint {
    /// The text that is signed.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, self.root)
    }

    /// Reads the text that is signed. Lines after the third are allowed, as the standard says, and ignored.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Form`].
    pub fn from_text(text: &str) -> Result<Self, CheckpointError> {
        let form = |problem| CheckpointError::Form { problem };
        let lines = text.strip_suffix('\n').ok_or_else(|| form("the last line has no end"))?;
        let mut lines = lines.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(form("expected three lines: origin, size, root"));
        };
        if origin.is_empty() || lines.any(str::is_empty) {
            return Err(form("a line is empty"));
        }
        let size = decimal(size).ok_or_else(|| form("the size isn't a decimal number"))?;
        let root = Hash::from_base64(root).ok_or_else(|| form("the root isn't the base64 of 32 bytes"))?;
        Ok(Self { origin: origin.to_owned(), size, root })
    }

    /// Signs it.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Origin`] when the key isn't named as the log is.
    pub fn sign(&self, key: &PrivateKey) -> Result<Note, CheckpointError> {
        if key.public().name() != self.origin {
            return Err(CheckpointError::Origin {
                found: self.origin.clone(),
                expected: key.public().name().to_owned(),
            });
        }
        Ok(Note::sign(&self.text(), key, 0)?)
    }

    /// Reads a signed checkpoint of the log `origin` and checks the signatures by `keys`.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`] when it isn't one, or none of `keys` signed it.
    pub fn open(note: &str, origin: &str, keys: &[PublicKey]) -> Result<(Self, Vec<Signed>), CheckpointError> {
        let note = Note::from_text(note)?;
        let checkpoint = Self::from_text(note.text())?;
        if checkpoint.origin != origin {
            return Err(CheckpointError::Origin { found: checkpoint.origin, expected: origin.to_owned() });
        }
        let signed = note.verify(keys)?;
        Ok((checkpoint, signed))
    }
}

/// A decimal number without leading zeros and signs.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let canonical = text == "0" || (text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0'));
    canonical.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::KeyRole;

    #[test]
    fn checkpoints_come_back() {
        let key = PrivateKey::from_seed("log.example/desk", KeyRole::Log, &[1; 32]).unwrap();
        let checkpoint = Checkpoint { origin: "log.example/desk".into(), size: 7, root: Hash::of_leaf(b"x") };
        let note = checkpoint.sign(&key).unwrap().to_string();
        let keys = [key.public().clone()];
        let (opened, signed) = Checkpoint::open(&note, "log.example/desk", &keys).unwrap();
        assert_eq!((opened, signed.len()), (checkpoint, 1));
        let foreign = Checkpoint::open(&note, "log.example/other", &keys).unwrap_err();
        assert_eq!(foreign.to_string(), "a checkpoint of the log `log.example/desk`, expected `log.example/other`");
    }

    #[test]
    fn the_example_of_the_standard_reads_and_prints() {
        let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
        let checkpoint = Checkpoint::from_text(text).unwrap();
        assert_eq!((checkpoint.size, checkpoint.text().as_str()), (20_852_163, text));
    }

    #[test]
    fn what_isnt_a_checkpoint_is_refused() {
        let root = Hash::of_nothing();
        for wrong in [
            String::new(),
            "o\n1\n".into(),
            format!("\n1\n{root}\n"),
            format!("o\n01\n{root}\n"),
            format!("o\n+1\n{root}\n"),
            format!("o\n18446744073709551616\n{root}\n"),
            "o\n1\nAAAA\n".into(),
            format!("o\n1\n{root}\n\n"),
            format!("o\n1\n{root}"),
        ] {
            assert!(matches!(Checkpoint::from_text(&wrong), Err(CheckpointError::Form { .. })), "{wrong:?}");
        }
        assert!(Checkpoint::from_text(&format!("o\n0\n{root}\nextension\n")).is_ok());
    }
}
