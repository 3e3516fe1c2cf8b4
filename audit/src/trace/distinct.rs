//! How many different customers somebody took: exactly for few, within about two percent for many, in bounded memory.
//!
//! Customers are keyed hashes, so their bits are as good as random, and nobody without the key can choose them. Beyond
//! [`EXACT_MAX`] customers only 4,096 small numbers are kept: a HyperLogLog sketch.

use std::collections::BTreeSet;

use super::chance::as_f64;
use crate::customer::CustomerHash;

/// Customers counted exactly.
const EXACT_MAX: usize = 512;
const BITS: u32 = 12;
const REGISTERS: u64 = 1 << BITS;

/// A count of different customers.
#[derive(Clone, Debug)]
pub(super) enum Distinct {
    Few(BTreeSet<u64>),
    Many(Vec<u8>),
}

impl Default for Distinct {
    fn default() -> Self {
        Self::Few(BTreeSet::new())
    }
}

impl Distinct {
    pub(super) fn insert(&mut self, customer: &CustomerHash) {
        let bits = customer.0.first_chunk::<8>().map_or(0, |first| u64::from_be_bytes(*first));
        match self {
            Self::Few(few) => {
                few.insert(bits);
                if few.len() > EXACT_MAX {
                    let mut registers = vec![0; usize::try_from(REGISTERS).unwrap_or_default()];
                    few.iter().for_each(|bits| note(&mut registers, *bits));
                    *self = Self::Many(registers);
                }
            }
            Self::Many(registers) => note(registers, bits),
        }
    }

    pub(super) fn count(&self) -> u64 {
        match self {
            Self::Few(few) => u64::try_from(few.len()).unwrap_or(u64::MAX),
            Self::Many(registers) => estimate(registers),
        }
    }
}

fn note(registers: &mut [u8], bits: u64) {
    let place = usize::try_from(bits >> (u64::BITS - BITS)).unwrap_or_default();
    // The rest of the bits, with a one below so that the count ends.
    let rest = (bits << BITS) | (1 << (BITS - 1));
    let rank = u8::try_from(rest.leading_zeros().saturating_add(1)).unwrap_or(u8::MAX);
    if let Some(register) = registers.get_mut(place) {
        *register = (*register).max(rank);
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an estimate of a count is positive and far below 2^53"
)]
fn estimate(registers: &[u8]) -> u64 {
    let m = as_f64(REGISTERS);
    let sum: f64 = registers.iter().map(|rank| (-f64::from(*rank)).exp2()).sum();
    let raw = 0.7213 / (1.0 + 1.079 / m) * m * m / sum;
    let empty = registers.iter().filter(|rank| **rank == 0).count();
    // With many empty registers, how many are empty tells more.
    let found =
        if raw <= 2.5 * m && empty > 0 { m * (m / as_f64(u64::try_from(empty).unwrap_or(1))).ln() } else { raw };
    found.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::customer::CustomerKey;

    #[test]
    fn few_are_exact_and_many_are_close() {
        let key = CustomerKey::new(1, &[3; 32]);
        let mut distinct = Distinct::default();
        let mut count = 0u64;
        for target in [10u64, 512, 513, 2_000, 9_000, 20_000, 100_000] {
            while count < target {
                let hash = key.hash(&count.to_string());
                distinct.insert(&hash);
                distinct.insert(&hash);
                count += 1;
            }
            let found = distinct.count();
            let off = as_f64(found.abs_diff(target)) / as_f64(target);
            assert!(off < 0.05 && (target > 512 || found == target), "{found} for {target}");
        }
    }
}
