//! Generated policies: cedar-policy, the interpreter of the IR and the compiled module, with the compiler's passes and
//! without, give one answer. A seeded second of what `cargo run --release -p exportgate-tests --bin differential` does for as
//! long as wanted.

use exportgate_tests::differential::{Compared, compare, engine};
use exportgate_tests::generate::{Size, generate};

const SIZE: Size = Size { policies_max: 5, depth_max: 4, requests: 60 };

/// Sets that are compared, from the first seed on.
const SETS: u64 = 24;

/// Condition-sensitive requests that these seeds must give: fewer would mean that the generator makes nothing of worth.
const SENSITIVE_MIN: u64 = 300;

/// Constructs that must have mattered in one of them. A long run covers all.
const CONSTRUCTS_MIN: usize = 100;

#[test]
fn generated_policies_agree_on_three_engines() {
    let engine = engine();
    let mut total = Compared::default();
    for seed in 0..SETS {
        match compare(&engine, &generate(seed, SIZE)) {
            Ok(compared) => total.merge(&compared),
            Err(mismatch) => panic!("set {seed}\n{mismatch}"),
        }
    }
    let sensitive = total.sensitive;
    assert!(sensitive >= SENSITIVE_MIN, "only {sensitive} condition-sensitive requests");
    let covered = total.coverage.rows().filter(|(_, count)| *count > 0).count();
    assert!(covered >= CONSTRUCTS_MIN, "only {covered} constructs mattered");
}
