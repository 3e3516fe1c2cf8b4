//! Customers as the log knows them: keyed hashes, which name nobody to a reader without the key.
//!
//! A plain hash of a customer id is worth nothing: ids are few enough to try them all. So each is an HMAC under a secret that
//! the log doesn't hold. Keys are numbered in epochs; a new one is announced by an entry, and destroying an old one turns the
//! customers of its epoch into counts for good.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::hash::{from_hex, hex};

/// A customer, under the key of some epoch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CustomerHash(pub [u8; CustomerHash::BYTES]);

impl CustomerHash {
    /// Bytes of a hash: with 16 a chance meeting among a thousand million customers is below one in 10^20.
    pub const BYTES: usize = 16;

    /// Reads 32 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        from_hex(text).map(Self)
    }
}

impl fmt::Display for CustomerHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl serde::Serialize for CustomerHash {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl fmt::Debug for CustomerHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CustomerHash({self})")
    }
}

/// The key of an epoch. It shows nothing of itself but a check value.
#[derive(Clone)]
pub struct CustomerKey {
    epoch: u32,
    keyed: Hmac<Sha256>,
}

/// Why a key of customers can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CustomerKeyError {
    /// The text hasn't the form of a key.
    #[error("not a key of customers: expected `CUSTOMER+KEY+<epoch>+<64 hexadecimal digits>`")]
    Form,
}

impl CustomerKey {
    /// The key of `epoch`: 32 bytes that nobody can guess.
    pub fn new(epoch: u32, secret: &[u8; 32]) -> Self {
        // HMAC fills a key up with zeros to the 64 bytes of a block.
        let mut block = [0; 64];
        block.iter_mut().zip(secret).for_each(|(to, from)| *to = *from);
        Self { epoch, keyed: Hmac::new(&block.into()) }
    }

    /// Reads `CUSTOMER+KEY+<epoch>+<64 hexadecimal digits>`.
    ///
    /// # Errors
    ///
    /// [`CustomerKeyError::Form`]. The message never holds the key.
    pub fn from_text(text: &str) -> Result<Self, CustomerKeyError> {
        let parts = text.trim().strip_prefix("CUSTOMER+KEY+").and_then(|rest| rest.split_once('+'));
        let (epoch, secret) = parts.ok_or(CustomerKeyError::Form)?;
        let epoch = crate::checkpoint::decimal(epoch).and_then(|epoch| u32::try_from(epoch).ok());
        let secret = from_hex(secret);
        epoch.zip(secret).map(|(epoch, secret)| Self::new(epoch, &secret)).ok_or(CustomerKeyError::Form)
    }

    /// The text that [`CustomerKey::from_text`] reads. Keep it secret.
    pub fn text_of(epoch: u32, secret: &[u8; 32]) -> String {
        format!("CUSTOMER+KEY+{epoch}+{}", hex(secret))
    }

    /// Which epoch it is of.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The hash of a customer's canonical id: one person, one id.
    pub fn hash(&self, customer: &str) -> CustomerHash {
        CustomerHash(self.mac(b"customer\0", customer.as_bytes()))
    }

    /// A value that tells whether another key is this one, and nothing more. The log holds it.
    pub fn check(&self) -> [u8; 16] {
        self.mac(b"check\0", &self.epoch.to_be_bytes())
    }

    fn mac(&self, domain: &[u8], bytes: &[u8]) -> [u8; 16] {
        let whole = self.keyed.clone().chain_update(domain).chain_update(bytes).finalize().into_bytes();
        let mut cut = [0; 16];
        cut.iter_mut().zip(whole).for_each(|(to, from)| *to = from);
        cut
    }
}

impl fmt::Debug for CustomerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CustomerKey(epoch {}, check {})", self.epoch, hex(&self.check()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_differ_by_customer_and_key_and_are_no_check_values() {
        let (one, two) = (CustomerKey::new(1, &[1; 32]), CustomerKey::new(1, &[2; 32]));
        assert_eq!(one.hash("c-1"), one.clone().hash("c-1"));
        assert_ne!(one.hash("c-1"), one.hash("c-2"));
        assert_ne!(one.hash("c-1"), two.hash("c-1"));
        assert_ne!(one.check(), two.check());
        assert_ne!(one.check(), one.hash("\0\0\0\u{1}").0);
        assert_eq!(CustomerHash::from_hex(&one.hash("c-1").to_string()), Some(one.hash("c-1")));
    }

    #[test]
    fn the_hash_is_hmac_sha_256_cut_to_16_bytes() {
        // HMAC-SHA-256 with a key of 32 bytes 0x0b over "customer\0Hi There", from another implementation.
        let key = CustomerKey::new(0, &[0x0b; 32]);
        assert_eq!(key.hash("Hi There").to_string(), "625a6b35818d29a3d81a1cf64a53bdd6");
    }

    #[test]
    fn keys_come_back_and_stay_out_of_messages() {
        let text = CustomerKey::text_of(3, &[0xab; 32]);
        let key = CustomerKey::from_text(&text).unwrap();
        assert_eq!((key.epoch(), key.check()), (3, CustomerKey::new(3, &[0xab; 32]).check()));
        assert!(!format!("{key:?}").contains("abab"));
        for wrong in [
            "",
            "CUSTOMER+KEY+3",
            "CUSTOMER+KEY+03+ab",
            text.trim_end_matches('b'),
            &text.replace("+3+", "+4294967296+"),
        ] {
            let error = CustomerKey::from_text(wrong).unwrap_err();
            assert!(!error.to_string().contains("abab"), "{error}");
        }
    }
}
