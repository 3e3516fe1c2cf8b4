//! Each target of the fuzzers takes its seeds, and what was once found, and seeded mutations of them.

use exportgate_tests::fuzz::{TARGETS, mutate, seeds};

/// Mutations a target; more are a matter of `cargo run -p exportgate-tests --bin fuzz`.
const MUTATIONS: usize = 60;

#[test]
fn targets_take_seeds_and_mutations() {
    for (name, target) in TARGETS {
        let seeds: Vec<Vec<u8>> = seeds(name).into_iter().map(|(_, input)| input).collect();
        for input in &seeds {
            target(input);
        }
        let mut rng = fastrand::Rng::with_seed(1);
        for _ in 0..MUTATIONS {
            target(&mutate(&mut rng, &seeds));
        }
    }
}
