//! Which keys may sign checkpoints: those that a verifier trusts, and those that these handed over to.
//!
//! A log changes its key by an entry that holds a note signed by the key before. Whoever trusts the first key can so follow
//! to the last, and nobody who only got hold of the store can put in a key of their own.

use crate::note::{KeyRole, Note, NoteError, PrivateKey, PublicKey};

/// The first line of a note by which a key hands over.
const HEAD: &str = "exportgate-audit/key-rotation/v1";

/// Why a rotation isn't one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RotationError {
    /// The note can't be read, or no key that may sign signed it.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The text of the note isn't a rotation of this log.
    #[error("not a rotation of a key of the log `{origin}`")]
    Form {
        /// The log.
        origin: String,
    },
    /// The new key isn't one for checkpoints of this log.
    #[error("the new key isn't one for checkpoints of the log `{origin}`")]
    Key {
        /// The log.
        origin: String,
    },
}

/// The note by which `old` hands over to `new`.
///
/// # Errors
///
/// [`RotationError::Key`] when the new key isn't for checkpoints of the same log.
pub fn rotate(old: &PrivateKey, new: &PublicKey) -> Result<Note, RotationError> {
    let origin = old.public().name();
    if new.role() != KeyRole::Log || new.name() != origin || old.public().role() != KeyRole::Log {
        return Err(RotationError::Key { origin: origin.to_owned() });
    }
    Ok(Note::sign(&format!("{HEAD}\n{origin}\n{}\n{new}\n", old.public().id()), old, 0)?)
}

/// The keys of a log, followed through its rotations.
#[derive(Clone, Debug)]
pub struct KeyRing {
    origin: String,
    /// Keys that may sign, and those that once might, with the size of the log from which on they may not.
    keys: Vec<(PublicKey, Option<u64>)>,
}

/// Whether a key may sign a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It may.
    Current,
    /// It has handed over: from this size on it may not.
    Retired {
        /// The size of the log that holds the rotation.
        from_size: u64,
    },
}

impl KeyRing {
    /// The keys that a verifier got from elsewhere.
    pub fn new(origin: &str, trusted: &[PublicKey]) -> Self {
        let keys = trusted.iter().filter(|key| key.role() == KeyRole::Log && key.name() == origin);
        Self { origin: origin.to_owned(), keys: keys.map(|key| (key.clone(), None)).collect() }
    }

    /// All keys, retired ones included.
    pub fn all(&self) -> Vec<PublicKey> {
        self.keys.iter().map(|(key, _)| key.clone()).collect()
    }

    /// Whether a key may sign a checkpoint of `size` entries.
    pub fn standing(&self, key: &PublicKey, size: u64) -> Option<Standing> {
        let (_, retired) = self.keys.iter().find(|(known, _)| known == key)?;
        Some(match retired {
            Some(from_size) if size >= *from_size => Standing::Retired { from_size: *from_size },
            _ => Standing::Current,
        })
    }

    /// Follows a rotation that makes the log `size` entries large.
    ///
    /// # Errors
    ///
    /// [`RotationError`] when it isn't signed by a key that may sign; nothing changes then.
    pub fn follow(&mut self, note: &str, size: u64) -> Result<(), RotationError> {
        let note = Note::from_text(note)?;
        let form = || RotationError::Form { origin: self.origin.clone() };
        let mut lines = note.text().split('\n');
        let (head, origin, old_id) = (lines.next(), lines.next(), lines.next());
        let (new, end, more) = (lines.next(), lines.next(), lines.next());
        if head != Some(HEAD) || origin != Some(&self.origin) || end != Some("") || more.is_some() {
            return Err(form());
        }
        let new = PublicKey::from_text(new.unwrap_or_default()).map_err(|_| form())?;
        // A verifier may have got the new key from elsewhere already; one that has handed over doesn't come back.
        let known = self.keys.iter().find(|(key, _)| *key == new);
        let is_over = known.is_some_and(|(key, retired)| retired.is_some() || Some(key.id().as_str()) == old_id);
        if new.name() != self.origin || new.role() != KeyRole::Log || is_over {
            return Err(RotationError::Key { origin: self.origin.clone() });
        }
        let is_known = known.is_some();
        let current: Vec<PublicKey> = self
            .keys
            .iter()
            .filter(|(key, retired)| retired.is_none() && Some(key.id().as_str()) == old_id)
            .map(|(key, _)| key.clone())
            .collect();
        let signed = note.verify(&current)?;
        for (key, retired) in &mut self.keys {
            if signed.iter().any(|signed| signed.by == *key) {
                *retired = Some(size);
            }
        }
        if !is_known {
            self.keys.push((new, None));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> PrivateKey {
        PrivateKey::from_seed("log.example/desk", KeyRole::Log, &[seed; 32]).unwrap()
    }

    #[test]
    fn a_key_hands_over_once_and_only_from_its_own_hand() {
        let (first, second, third) = (key(1), key(2), key(3));
        let mut ring = KeyRing::new("log.example/desk", &[first.public().clone()]);
        let forged = rotate(&third, second.public()).unwrap().to_string();
        assert!(matches!(ring.follow(&forged, 4), Err(RotationError::Note(NoteError::Unknown { .. }))));
        let rotation = rotate(&first, second.public()).unwrap().to_string();
        assert_eq!(ring.follow(&rotation, 5), Ok(()));
        assert_eq!(ring.standing(first.public(), 4), Some(Standing::Current));
        assert_eq!(ring.standing(first.public(), 5), Some(Standing::Retired { from_size: 5 }));
        assert_eq!(ring.standing(second.public(), 5), Some(Standing::Current));
        assert_eq!(ring.standing(third.public(), 5), None);
        // The first key has nothing to hand over any more.
        let again = rotate(&first, third.public()).unwrap().to_string();
        assert!(ring.follow(&again, 6).is_err());
        assert!(ring.follow(&rotation, 7).is_err(), "a rotation isn't followed twice");
        assert_eq!(ring.follow(&rotate(&second, third.public()).unwrap().to_string(), 8), Ok(()));
    }

    #[test]
    fn a_new_key_may_be_trusted_beforehand_and_an_old_one_doesnt_come_back() {
        let (first, second) = (key(1), key(2));
        let mut ring = KeyRing::new("log.example/desk", &[first.public().clone(), second.public().clone()]);
        assert_eq!(ring.follow(&rotate(&first, second.public()).unwrap().to_string(), 5), Ok(()));
        assert_eq!(ring.standing(first.public(), 5), Some(Standing::Retired { from_size: 5 }));
        assert_eq!(ring.standing(second.public(), 5), Some(Standing::Current));
        assert_eq!(ring.all().len(), 2);
        let back = rotate(&second, first.public()).unwrap().to_string();
        assert!(matches!(ring.follow(&back, 6), Err(RotationError::Key { .. })));
        let itself = rotate(&second, second.public()).unwrap().to_string();
        assert!(matches!(ring.follow(&itself, 6), Err(RotationError::Key { .. })));
        assert_eq!(ring.standing(second.public(), 9), Some(Standing::Current));
    }

    #[test]
    fn a_rotation_is_of_one_log() {
        let elsewhere = PrivateKey::from_seed("log.example/other", KeyRole::Log, &[1; 32]).unwrap();
        assert!(matches!(rotate(&key(1), elsewhere.public()), Err(RotationError::Key { .. })));
        let mut ring = KeyRing::new("log.example/desk", &[key(1).public().clone()]);
        let checkpoint = Note::sign("log.example/desk\n1\nx\n", &key(1), 0).unwrap();
        assert!(matches!(ring.follow(&checkpoint.to_string(), 1), Err(RotationError::Form { .. })));
    }
}
