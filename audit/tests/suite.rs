//! All tests that see the crate from outside, in one binary.

#[cfg(test)]
mod suite {
    mod desk;
    mod ocsf;
    mod questions;
    mod receipts;
    mod tampering;
    mod vectors;
}
