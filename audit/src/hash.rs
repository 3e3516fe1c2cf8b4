//! Hashes of the tree: RFC 6962's leaf and node hashes over SHA-256, and their base64.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// A hash of the tree: of a leaf, a subtree, or the whole.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; Hash::BYTES]);

impl Hash {
    /// Bytes of a hash: those of SHA-256.
    pub const BYTES: usize = 32;

    /// The root of a tree without leaves: SHA-256 of nothing.
    pub fn of_nothing() -> Self {
        Self(Sha256::digest([]).into())
    }

    /// The hash of a leaf: SHA-256 of the byte 0 and the record.
    pub fn of_leaf(record: &[u8]) -> Self {
        Self(Sha256::new().chain_update([0]).chain_update(record).finalize().into())
    }

    /// The hash of a node: SHA-256 of the byte 1 and the hashes of its children.
    pub fn of_node(left: &Self, right: &Self) -> Self {
        Self(Sha256::new().chain_update([1]).chain_update(left.0).chain_update(right.0).finalize().into())
    }

    /// Reads the base64 (RFC 4648, section 4, padded) of a hash; none when it isn't one.
    pub fn from_base64(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }

    /// Its base64, padded: 44 characters.
    pub fn to_base64(self) -> String {
        STANDARD.encode(self.0)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_base64())
    }
}

impl serde::Serialize for Hash {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

/// Lower-case hexadecimal digits of bytes.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len().saturating_mul(2)), |mut text, byte| {
        // Writing to a string doesn't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The bytes that lower- or upper-case hexadecimal digits stand for; none when they stand for none, or not for `N`.
pub(crate) fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).and_then(|value| u8::try_from(value).ok())).collect();
    let bytes: Vec<u8> = digits?
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some((high << 4) | low),
            _ => None,
        })
        .collect::<Option<_>>()?;
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_digits_come_back() {
        assert_eq!(hex(&[0, 0x1f, 0xff]), "001fff");
        assert_eq!(from_hex::<3>("001FfF"), Some([0, 0x1f, 0xff]));
        for wrong in ["", "001f", "001fff0", "001ffg", "001fff00"] {
            assert_eq!(from_hex::<3>(wrong), None, "{wrong}");
        }
    }
}
