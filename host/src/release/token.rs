//! Keyed tokens: stand-ins by which rows can be joined, and from which nobody gets back to the value without the key.

use std::fmt;

use hmac::digest::Key;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::row::Row;

/// What tokens begin with, so that no table program takes one for a number.
const PREFIX: &str = "tok_";

/// The key of tokens. Equal values of one field have equal tokens under one key; those of two fields, or under two keys, have
/// nothing in common.
#[derive(Clone)]
pub struct TokenKey {
    keyed: Hmac<Sha256>,
}

impl TokenKey {
    /// A key of 32 random bytes.
    pub fn new(bytes: &[u8; 32]) -> Self {
        // HMAC fills shorter keys up with zeroes to a block; done here, making one can't fail.
        let mut block = Key::<Hmac<Sha256>>::default();
        for (to, from) in block.iter_mut().zip(bytes) {
            *to = *from;
        }
        Self { keyed: Hmac::new(&block) }
    }

    pub(super) fn of_field(&self, field: &str) -> FieldTokens {
        let mut keyed = self.keyed.clone();
        keyed.update(b"exportgate token 1");
        // With its length, so that no field's name and value run together as another's.
        keyed.update(&u64::try_from(field.len()).unwrap_or(u64::MAX).to_be_bytes());
        keyed.update(field.as_bytes());
        FieldTokens { keyed }
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKey(..)")
    }
}

/// The tokens of one field.
pub(super) struct FieldTokens {
    keyed: Hmac<Sha256>,
}

impl FieldTokens {
    /// Adds the token of `value` to `output`: `tok_` and the first 16 bytes of HMAC-SHA-256, in hexadecimal digits.
    pub(super) fn put(&self, value: &str, output: &mut Row) {
        let mut keyed = self.keyed.clone();
        keyed.update(value.as_bytes());
        output.push_shown(Token(keyed.finalize().into_bytes().into()));
    }
}

struct Token([u8; 32]);

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        self.0.iter().take(16).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(key: u8, field: &str, value: &str) -> String {
        let mut row = Row::default();
        TokenKey::new(&[key; 32]).of_field(field).put(value, &mut row);
        row.values().next().flatten().unwrap().to_owned()
    }

    #[test]
    fn tokens_hang_on_key_field_and_value() {
        let one = token(1, "email", "a@example.com");
        assert_eq!(one, token(1, "email", "a@example.com"));
        for other in
            [token(2, "email", "a@example.com"), token(1, "phone", "a@example.com"), token(1, "email", "b@example.com")]
        {
            assert_ne!(one, other);
        }
        // Neither runs into the other.
        assert_ne!(token(1, "ab", "c"), token(1, "a", "bc"));
        assert_ne!(one, token(0, "email", "a@example.com"));
    }

    #[test]
    fn tokens_have_one_length_and_nothing_of_the_value() {
        for value in ["", "1", "abc", &"x".repeat(100_000)] {
            let token = token(1, "email", value);
            assert_eq!(token.len(), 36);
            assert!(token.starts_with(PREFIX) && (value.len() < 3 || !token.contains(value)));
        }
    }

    #[test]
    fn a_token_is_what_the_documentation_says() {
        // HMAC-SHA-256 under 32 bytes of 1, over `exportgate token 1`, the name's length as eight bytes, name and value.
        let mut hmac = Hmac::<Sha256>::new_from_slice(&[1; 32]).unwrap();
        hmac.update(b"exportgate token 1\0\0\0\0\0\0\0\x05emaila@example.com");
        let bytes: [u8; 32] = hmac.finalize().into_bytes().into();
        let hex: String = bytes[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(token(1, "email", "a@example.com"), format!("tok_{hex}"));
    }
}
