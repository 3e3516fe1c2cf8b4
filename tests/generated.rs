//! Generated policies: cedar-policy, the interpreter of the IR and the compiled module give one answer. A seeded second of
//! what `cargo run --release -p exportgate-tests --bin differential` does for as long as wanted.

use exportgate_compiler::Passes;
use exportgate_tests::differential::{compare, engine};
use exportgate_tests::generate::{Size, generate};

const SIZE: Size = Size { policies_max: 4, depth_max: 4, requests: 60 };

/// Sets that are compared, from the first seed on; about half of them are strictly valid.
const SETS: u64 = 40;

/// Condition-sensitive requests that these seeds must give: fewer would mean that the generator makes nothing of worth.
const SENSITIVE_MIN: u64 = 200;

fn check(passes: Passes) {
    let engine = engine();
    let mut sensitive = 0;
    for seed in 0..SETS {
        match compare(&engine, &generate(seed, SIZE), passes) {
            Ok(compared) => sensitive += compared.sensitive,
            Err(mismatch) => panic!("set {seed}\n{mismatch}"),
        }
    }
    assert!(sensitive >= SENSITIVE_MIN, "only {sensitive} condition-sensitive requests");
}

#[test]
fn generated_policies_agree_on_three_engines() {
    check(Passes::default());
}

#[test]
fn generated_policies_agree_without_passes() {
    check(Passes::NONE);
}
