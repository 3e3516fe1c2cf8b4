//! Customers as the ledger keeps them: keyed hashes of canonical ids, never the ids.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::error::{LedgerError, StoreError};

/// The fewest bytes of a customer key.
pub const CUSTOMER_KEY_BYTES_MIN: usize = 32;

/// What a job may reserve at once.
pub const CUSTOMERS_PER_JOB_MAX: usize = 1_000_000;

/// The key under which customers are hashed. It must outlive the longest window: another key makes other hashes, and the
/// same person counts twice.
#[derive(Clone)]
pub struct CustomerKey {
    keyed: Hmac<Sha256>,
}

impl CustomerKey {
    /// A key of at least [`CUSTOMER_KEY_BYTES_MIN`] random bytes.
    ///
    /// # Errors
    ///
    /// [`StoreError::ShortKey`] when there are fewer.
    pub fn new(bytes: &[u8]) -> Result<Self, LedgerError> {
        let short = || StoreError::ShortKey { found: bytes.len() };
        if bytes.len() < CUSTOMER_KEY_BYTES_MIN {
            return Err(short().into());
        }
        Ok(Self { keyed: Hmac::new_from_slice(bytes).map_err(|_| short())? })
    }

    /// The hash of a customer's canonical id: the first 16 bytes of HMAC-SHA-256.
    pub fn hash(&self, id: &str) -> CustomerHash {
        self.tagged(0, id.as_bytes())
    }

    /// What a store keeps to recognise the key, without learning it.
    pub(crate) fn check(&self) -> [u8; 16] {
        self.tagged(1, b"exportgate ledger").0
    }

    /// Hashes of different kinds never meet: the first byte tells them apart.
    fn tagged(&self, kind: u8, bytes: &[u8]) -> CustomerHash {
        let mut keyed = self.keyed.clone();
        keyed.update(&[kind]);
        keyed.update(bytes);
        let mut hash = [0; 16];
        for (to, from) in hash.iter_mut().zip(keyed.finalize().into_bytes()) {
            *to = from;
        }
        CustomerHash(hash)
    }
}

impl fmt::Debug for CustomerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CustomerKey(..)")
    }
}

/// A customer: the keyed hash of a canonical id. Two customers have one hash with a chance of 2^-128 a pair.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CustomerHash(pub(crate) [u8; 16]);

impl CustomerHash {
    /// The bytes of the hash.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for CustomerHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A set of customers: each once, in the order of their hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Customers(Vec<CustomerHash>);

impl Customers {
    /// The set of these customers.
    pub fn new(mut hashes: Vec<CustomerHash>) -> Self {
        hashes.sort_unstable();
        hashes.dedup();
        Self(hashes)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The customers, ascending.
    pub fn as_slice(&self) -> &[CustomerHash] {
        &self.0
    }

    /// Whether the customer is among them.
    pub fn contains(&self, customer: &CustomerHash) -> bool {
        self.0.binary_search(customer).is_ok()
    }

    /// How many of these aren't in `other`.
    pub(crate) fn beyond(&self, other: &Self) -> usize {
        self.0.iter().filter(|customer| !other.contains(customer)).count()
    }

    /// Those that aren't in `other`.
    pub(crate) fn without(&self, other: &Self) -> Self {
        Self(self.0.iter().filter(|customer| !other.contains(customer)).copied().collect())
    }

    /// The set as one string of bytes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len().saturating_mul(16));
        self.0.iter().for_each(|customer| bytes.extend_from_slice(&customer.0));
        bytes
    }

    /// The set that [`Self::to_bytes`] wrote; none when the bytes aren't one.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (hashes, rest) = bytes.as_chunks::<16>();
        let ascending = hashes.is_sorted_by(|a, b| a < b);
        (rest.is_empty() && ascending).then(|| Self(hashes.iter().copied().map(CustomerHash).collect()))
    }

    pub(crate) fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for customer in &self.0 {
            digest.update(customer.0);
        }
        digest.finalize().into()
    }
}

impl FromIterator<CustomerHash> for Customers {
    fn from_iter<I: IntoIterator<Item = CustomerHash>>(hashes: I) -> Self {
        Self::new(hashes.into_iter().collect())
    }
}
