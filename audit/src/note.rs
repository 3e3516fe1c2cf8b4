//! Signed notes: text with signatures by named keys, as c2sp.org/signed-note and c2sp.org/tlog-cosignature define them.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

use crate::hash::{from_hex, hex};

/// Bytes of a note, 64 KiB: a checkpoint with sixteen signatures takes about three.
pub const NOTE_BYTES_MAX: usize = 1 << 16;
/// Signatures of a note. The standard asks for at least 16.
pub const SIGNATURES_MAX: usize = 64;
/// Bytes of the name of a key.
pub const KEY_NAME_BYTES_MAX: usize = 256;

const ED25519: u8 = 0x01;
const COSIGNATURE: u8 = 0x04;
const SIGNATURE_BYTES: usize = 64;

/// What a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyRole {
    /// Notes: the key of a log.
    Log,
    /// That a checkpoint is consistent with all that it saw before, and when: the key of a witness.
    Witness,
}

impl KeyRole {
    fn byte(self) -> u8 {
        match self {
            Self::Log => ED25519,
            Self::Witness => COSIGNATURE,
        }
    }
}

/// A key that verifies signatures, with its name: what a verifier must have got from elsewhere than the log.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    name: String,
    role: KeyRole,
    id: [u8; 4],
    key: VerifyingKey,
}

/// Why a key can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The name is empty, too long, or has a space, a plus or a control character.
    #[error(
        "`{name}` isn't a key name: 1 to {KEY_NAME_BYTES_MAX} bytes without spaces, plus signs and control characters"
    )]
    Name {
        /// The name, escaped.
        name: String,
    },
    /// The text hasn't the form of a key.
    #[error("not a key: expected `{expected}`")]
    Form {
        /// The form.
        expected: &'static str,
    },
    /// The key is of a kind that isn't supported.
    #[error("a key of kind 0x{found:02x}, supported are 0x01 (Ed25519) and 0x04 (Ed25519 cosignatures)")]
    Kind {
        /// The byte that names the kind.
        found: u8,
    },
    /// The id in the text isn't that of the key.
    #[error("the id `{found}` isn't that of the key, which is `{expected}`")]
    Id {
        /// The id in the text.
        found: String,
        /// The id of the key.
        expected: String,
    },
    /// The bytes are no point of the curve, or a weak one.
    #[error("the bytes of the key aren't an Ed25519 public key")]
    Bytes,
}

impl PublicKey {
    /// A key of these 32 bytes.
    ///
    /// # Errors
    ///
    /// [`KeyError`] when the name or the bytes can't be a key's. Weak keys, for which a signature proves nothing, are refused.
    pub fn new(name: &str, role: KeyRole, bytes: &[u8; 32]) -> Result<Self, KeyError> {
        check_name(name)?;
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::Bytes)?;
        if key.is_weak() {
            return Err(KeyError::Bytes);
        }
        Ok(Self { name: name.to_owned(), role, id: key_id(name, role, bytes), key })
    }

    /// Reads `<name>+<id>+<base64>`, the form in which keys of notes are handed around.
    ///
    /// # Errors
    ///
    /// [`KeyError`] when the text is no such key.
    pub fn from_text(text: &str) -> Result<Self, KeyError> {
        let form = || KeyError::Form { expected: "<name>+<8 hexadecimal digits>+<base64>" };
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(material)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(form());
        };
        let id: [u8; 4] = from_hex(id).ok_or_else(form)?;
        let material = STANDARD.decode(material).map_err(|_| form())?;
        let (role, bytes) = role_and_bytes(&material).ok_or_else(form)?;
        let key = Self::new(name, role?, &bytes)?;
        if key.id == id { Ok(key) } else { Err(KeyError::Id { found: hex(&id), expected: hex(&key.id) }) }
    }

    /// Its name; of a log the origin of its checkpoints.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it signs.
    pub fn role(&self) -> KeyRole {
        self.role
    }

    /// Its id: eight hexadecimal digits. It tells keys of one name apart and proves nothing.
    pub fn id(&self) -> String {
        hex(&self.id)
    }

    /// Whether a signature over bytes is by this key. Strict: signatures and keys that implementations judge differently
    /// don't hold. For notes, [`Note::verify`] does this and knows what is signed.
    pub fn verifies(&self, message: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> bool {
        self.key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(signature)).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut material = vec![self.role.byte()];
        material.extend(self.key.as_bytes());
        write!(f, "{}+{}+{}", self.name, hex(&self.id), STANDARD.encode(material))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// A key that signs. Its bytes are wiped when it is dropped, and it shows only its public half.
pub struct PrivateKey {
    public: PublicKey,
    key: SigningKey,
}

impl PrivateKey {
    /// The key that follows from a seed: 32 bytes that nobody can guess.
    ///
    /// # Errors
    ///
    /// [`KeyError::Name`] when the name can't be a key's.
    pub fn from_seed(name: &str, role: KeyRole, seed: &[u8; 32]) -> Result<Self, KeyError> {
        let key = SigningKey::from_bytes(seed);
        let public = PublicKey::new(name, role, key.verifying_key().as_bytes())?;
        Ok(Self { public, key })
    }

    /// Reads `PRIVATE+KEY+<name>+<id>+<base64>`.
    ///
    /// # Errors
    ///
    /// [`KeyError`] when the text is no such key. The message never holds the key.
    pub fn from_text(text: &str) -> Result<Self, KeyError> {
        let form = || KeyError::Form { expected: "PRIVATE+KEY+<name>+<8 hexadecimal digits>+<base64>" };
        let rest = text.trim().strip_prefix("PRIVATE+KEY+").ok_or_else(form)?;
        let mut parts = rest.splitn(3, '+');
        let (Some(name), Some(id), Some(material)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(form());
        };
        let id: [u8; 4] = from_hex(id).ok_or_else(form)?;
        let material = STANDARD.decode(material).map_err(|_| form())?;
        let (role, seed) = role_and_bytes(&material).ok_or_else(form)?;
        let key = Self::from_seed(name, role?, &seed)?;
        if key.public.id == id { Ok(key) } else { Err(KeyError::Id { found: hex(&id), expected: hex(&key.public.id) }) }
    }

    /// The text that [`PrivateKey::from_text`] reads. Keep it secret.
    pub fn to_text(&self) -> String {
        let mut material = vec![self.public.role.byte()];
        material.extend(self.key.as_bytes());
        format!("PRIVATE+KEY+{}+{}+{}", self.public.name, hex(&self.public.id), STANDARD.encode(material))
    }

    /// Its public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs the text of a note. A witness states the time, in seconds since 1970; a log doesn't, and ignores it.
    fn sign(&self, text: &str, time_seconds: u64) -> Signature {
        let mut bytes = Vec::new();
        match self.public.role {
            KeyRole::Log => bytes.extend(self.key.sign(text.as_bytes()).to_bytes()),
            KeyRole::Witness => {
                bytes.extend(time_seconds.to_be_bytes());
                bytes.extend(self.key.sign(cosigned(text, time_seconds).as_bytes()).to_bytes());
            }
        }
        Signature { name: self.public.name.clone(), id: self.public.id, bytes }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey(of {})", self.public)
    }
}

fn check_name(name: &str) -> Result<(), KeyError> {
    let wrong = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    if name.is_empty() || name.len() > KEY_NAME_BYTES_MAX || name.contains(wrong) {
        return Err(KeyError::Name { name: name.escape_debug().take(KEY_NAME_BYTES_MAX).collect() });
    }
    Ok(())
}

fn key_id(name: &str, role: KeyRole, bytes: &[u8; 32]) -> [u8; 4] {
    let digest = Sha256::new().chain_update(name).chain_update([b'\n', role.byte()]).chain_update(bytes).finalize();
    let mut id = [0; 4];
    id.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    id
}

/// The role and the 32 bytes of key material; none when it has another length.
fn role_and_bytes(material: &[u8]) -> Option<(Result<KeyRole, KeyError>, [u8; 32])> {
    let (kind, bytes) = material.split_first()?;
    let role = match *kind {
        ED25519 => Ok(KeyRole::Log),
        COSIGNATURE => Ok(KeyRole::Witness),
        found => return Some((Err(KeyError::Kind { found }), [0; 32])),
    };
    Some((role, bytes.try_into().ok()?))
}

fn cosigned(text: &str, time_seconds: u64) -> String {
    format!("cosignature/v1\ntime {time_seconds}\n{text}")
}

/// One signature line: whose it says it is, and the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Signature {
    name: String,
    id: [u8; 4],
    bytes: Vec<u8>,
}

/// A text with signatures. Nothing about it is true until [`Note::verify`] says whose signature holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

/// Why a note can't be read, or isn't signed as it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// It is larger than a note may be.
    #[error("a note of {found} bytes, at most {NOTE_BYTES_MAX} are allowed")]
    TooLong {
        /// How large it is.
        found: usize,
    },
    /// It isn't of the form of a signed note.
    #[error("not a signed note: {problem}")]
    Form {
        /// What is wrong.
        problem: &'static str,
    },
    /// None of the keys that were given signed it.
    #[error("signed by {}, none of which is trusted here", shown(.by))]
    Unknown {
        /// Names and ids of the keys that say they signed it.
        by: Vec<String>,
    },
    /// A signature in the name of a known key doesn't hold: another key signed, or the text was changed.
    #[error("the signature of `{by}` doesn't hold")]
    Forged {
        /// Name and id of the key.
        by: String,
    },
}

/// The first five of a list, and how many more there are.
fn shown(names: &[String]) -> String {
    let mut text: Vec<String> = names.iter().take(5).map(|name| format!("`{name}`")).collect();
    if let Some(more) = names.len().checked_sub(5).filter(|more| *more > 0) {
        text.push(format!("{more} more"));
    }
    if text.is_empty() { "nobody".to_owned() } else { text.join(", ") }
}

/// A signature that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The key that made it.
    pub by: PublicKey,
    /// When, in seconds since 1970, as the witness says; none for a log's.
    pub time_seconds: Option<u64>,
}

impl Note {
    /// Signs a text that ends with a newline.
    ///
    /// # Errors
    ///
    /// [`NoteError::Form`] when the text can't be a note's.
    pub fn sign(text: &str, key: &PrivateKey, time_seconds: u64) -> Result<Self, NoteError> {
        check_text(text)?;
        Ok(Self { text: text.to_owned(), signatures: vec![key.sign(text, time_seconds)] })
    }

    /// Adds a signature.
    pub fn add(&mut self, key: &PrivateKey, time_seconds: u64) {
        self.signatures.push(key.sign(&self.text, time_seconds));
    }

    /// Reads a note. Nothing is verified.
    ///
    /// # Errors
    ///
    /// [`NoteError::TooLong`], [`NoteError::Form`].
    pub fn from_text(note: &str) -> Result<Self, NoteError> {
        let form = |problem| NoteError::Form { problem };
        if note.len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLong { found: note.len() });
        }
        let Some((text, lines)) = note.rsplit_once("\n\n") else {
            return Err(form("no empty line before the signatures"));
        };
        let Some(lines) = lines.strip_suffix('\n') else {
            return Err(form("it doesn't end with a newline"));
        };
        let text = format!("{text}\n");
        check_text(&text)?;
        let signatures = lines
            .split('\n')
            .map(signature)
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| form("a line isn't a signature"))?;
        if signatures.len() > SIGNATURES_MAX {
            return Err(form("more than 64 signatures"));
        }
        Ok(Self { text, signatures })
    }

    /// What is signed, its last newline included.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Checks the signatures in the names of `keys`; those of other keys are ignored.
    ///
    /// # Errors
    ///
    /// [`NoteError::Forged`] when one of them doesn't hold, [`NoteError::Unknown`] when there is none.
    pub fn verify(&self, keys: &[PublicKey]) -> Result<Vec<Signed>, NoteError> {
        let mut held = Vec::new();
        for signature in &self.signatures {
            for key in keys.iter().filter(|key| key.name == signature.name && key.id == signature.id) {
                let Some(time_seconds) = self.holds(signature, key) else {
                    return Err(NoteError::Forged { by: signature.shown() });
                };
                held.push(Signed { by: key.clone(), time_seconds });
            }
        }
        if held.is_empty() {
            return Err(NoteError::Unknown { by: self.signatures.iter().map(Signature::shown).collect() });
        }
        Ok(held)
    }

    /// The time that a signature which holds states, if it states one; none when it doesn't hold.
    fn holds(&self, signature: &Signature, key: &PublicKey) -> Option<Option<u64>> {
        match key.role {
            KeyRole::Log => {
                let bytes = signature.bytes.as_slice().try_into().ok()?;
                key.verifies(self.text.as_bytes(), bytes).then_some(None)
            }
            KeyRole::Witness => {
                let (time, bytes) = signature.bytes.split_first_chunk::<8>()?;
                let time_seconds = u64::from_be_bytes(*time);
                let valid = i64::try_from(time_seconds).is_ok()
                    && key.verifies(cosigned(&self.text, time_seconds).as_bytes(), bytes.try_into().ok()?);
                valid.then_some(Some(time_seconds))
            }
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        for Signature { name, id, bytes } in &self.signatures {
            let mut signed = id.to_vec();
            signed.extend(bytes);
            writeln!(f, "\u{2014} {name} {}", STANDARD.encode(signed))?;
        }
        Ok(())
    }
}

impl Signature {
    fn shown(&self) -> String {
        format!("{}+{}", self.name, hex(&self.id))
    }
}

fn check_text(text: &str) -> Result<(), NoteError> {
    if text.len() > NOTE_BYTES_MAX {
        return Err(NoteError::TooLong { found: text.len() });
    }
    if text.chars().any(|c| c < ' ' && c != '\n') {
        return Err(NoteError::Form { problem: "it holds a control character" });
    }
    if !text.ends_with('\n') {
        return Err(NoteError::Form { problem: "its text doesn't end with a newline" });
    }
    Ok(())
}

fn signature(line: &str) -> Option<Signature> {
    let (name, encoded) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
    check_name(name).ok()?;
    let bytes = STANDARD.decode(encoded).ok()?;
    let (id, bytes) = bytes.split_first_chunk::<4>()?;
    Some(Signature { name: name.to_owned(), id: *id, bytes: bytes.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, role: KeyRole, seed: u8) -> PrivateKey {
        PrivateKey::from_seed(name, role, &[seed; 32]).unwrap()
    }

    #[test]
    fn notes_come_back_and_hold() {
        let log = key("log.example/desk", KeyRole::Log, 1);
        let witness = key("witness.example/w1", KeyRole::Witness, 2);
        let mut note = Note::sign("a\n\nb\n", &log, 0).unwrap();
        note.add(&witness, 1_679_315_147);
        let again = Note::from_text(&note.to_string()).unwrap();
        assert_eq!(again, note);
        let held = again.verify(&[log.public().clone(), witness.public().clone()]).unwrap();
        assert_eq!(held.iter().map(|signed| signed.time_seconds).collect::<Vec<_>>(), [None, Some(1_679_315_147)]);
    }

    #[test]
    fn other_keys_and_other_texts_are_told_apart() {
        let log = key("log.example/desk", KeyRole::Log, 1);
        let other = key("log.example/desk", KeyRole::Log, 3);
        let note = Note::sign("text\n", &log, 0).unwrap();
        let unknown = note.verify(std::slice::from_ref(other.public())).unwrap_err();
        assert!(matches!(&unknown, NoteError::Unknown { by } if by.len() == 1), "{unknown}");
        let changed = Note::from_text(&note.to_string().replace("text", "Text")).unwrap();
        let forged = changed.verify(std::slice::from_ref(log.public())).unwrap_err();
        assert!(matches!(forged, NoteError::Forged { .. }));
        assert_eq!(
            note.verify(&[]).unwrap_err().to_string(),
            format!("signed by `log.example/desk+{}`, none of which is trusted here", log.public().id())
        );
    }

    #[test]
    fn a_witness_signs_the_time_too() {
        let witness = key("witness.example/w1", KeyRole::Witness, 2);
        let note = Note::sign("text\n", &witness, 5).unwrap();
        let mut altered = note.clone();
        altered.signatures[0].bytes[7] = 6;
        assert!(note.verify(std::slice::from_ref(witness.public())).is_ok());
        assert!(altered.verify(std::slice::from_ref(witness.public())).is_err());
        // A log's key of the same bytes is another key: it doesn't take a cosignature for a signature.
        let log = key("witness.example/w1", KeyRole::Log, 2);
        assert!(note.verify(std::slice::from_ref(log.public())).is_err());
    }

    #[test]
    fn keys_come_back_and_wrong_ones_are_named() {
        for role in [KeyRole::Log, KeyRole::Witness] {
            let private = key("log.example/desk", role, 7);
            assert_eq!(PublicKey::from_text(&private.public().to_string()).unwrap(), *private.public());
            assert_eq!(PrivateKey::from_text(&private.to_text()).unwrap().public(), private.public());
            assert!(!format!("{private:?}").contains("PRIVATE"));
        }
        // The key of a public log, with the id that it is published under.
        let public = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";
        assert_eq!(PublicKey::from_text(public).unwrap().to_string(), public);
        let says = |text: &str| PublicKey::from_text(text).unwrap_err().to_string();
        assert_eq!(
            says(&public.replace("033de0ae", "033de0af")),
            "the id `033de0af` isn't that of the key, which is `033de0ae`"
        );
        assert_eq!(says("x"), "not a key: expected `<name>+<8 hexadecimal digits>+<base64>`");
        assert!(
            says("a b+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8").starts_with("`a b` isn't a key name")
        );
        assert!(says("a+00000000+/w==").starts_with("a key of kind 0xff"), "{}", says("a+00000000+/w=="));
        let weak = format!("a+00000000+{}", STANDARD.encode([1].into_iter().chain([0; 32]).collect::<Vec<u8>>()));
        assert_eq!(says(&weak), "the bytes of the key aren't an Ed25519 public key");
    }

    #[test]
    fn what_isnt_a_note_is_refused() {
        let good = Note::sign("text\n", &key("k", KeyRole::Log, 1), 0).unwrap().to_string();
        for (wrong, problem) in [
            ("text\n".to_owned(), "no empty line before the signatures"),
            (good.trim_end().to_owned(), "it doesn't end with a newline"),
            (good.replace("text", "te\tt"), "it holds a control character"),
            (good.replace('\u{2014}', "-"), "a line isn't a signature"),
            ("text\n\n\u{2014} k AAA\n".to_owned(), "a line isn't a signature"),
            (format!("{good}{}", "\u{2014} k AAAAAAA=\n".repeat(SIGNATURES_MAX)), "more than 64 signatures"),
        ] {
            assert_eq!(Note::from_text(&wrong), Err(NoteError::Form { problem }), "{wrong}");
        }
        let long = "x".repeat(NOTE_BYTES_MAX + 1);
        assert_eq!(Note::from_text(&long), Err(NoteError::TooLong { found: NOTE_BYTES_MAX + 1 }));
        assert!(Note::sign("no newline", &key("k", KeyRole::Log, 1), 0).is_err());
    }
}
