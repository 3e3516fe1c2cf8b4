//! Races and crashes: many processes on one ledger, killed at any moment, their system calls failed one by one.
//!
//! `cargo test -p exportgate-ledger --test crash` runs a part of each. With arguments it runs more:
//! `-- --rounds 300` kills processes, and the PostgreSQL server, so many times; `-- --every-call` fails and kills every
//! system call instead of some; a word runs only what is called so: `races`, `kills` or `calls`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic: that is how it fails"
)]

#[path = "crash/calls.rs"]
mod calls;
#[path = "crash/kills.rs"]
mod kills;
#[path = "crash/races.rs"]
mod races;
#[cfg(feature = "postgres")]
#[path = "support/server.rs"]
#[expect(dead_code, reason = "other tests make databases")]
mod server;
#[path = "crash/worker.rs"]
mod worker;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "--worker") {
        return worker::main(&arguments[1..]);
    }
    let after = |name: &str| arguments.iter().position(|found| found == name).and_then(|at| arguments.get(at + 1));
    let rounds: usize = after("--rounds").map_or(4, |rounds| rounds.parse().expect("`--rounds` takes a number"));
    let every_call = arguments.iter().any(|found| found == "--every-call");
    let words: Vec<&String> = arguments
        .iter()
        .enumerate()
        .filter(|(at, word)| !word.starts_with("--") && (*at == 0 || arguments[at - 1] != "--rounds"))
        .map(|(_, word)| word)
        .collect();
    let wanted = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    if wanted("races") {
        races::run();
    }
    if wanted("kills") {
        kills::run(rounds);
    }
    if wanted("calls") {
        calls::run(every_call);
    }
}
