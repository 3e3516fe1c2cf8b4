//! Fuzzing where no instrumented build is at hand: blind mutations of the seeds; and the seeds as files, for libFuzzer.
//!
//! `cargo run --release -p exportgate-tests --bin fuzz -- TARGET SECONDS [SEED]` mutates; the input at work is in
//! `target/fuzz/TARGET`, so that it is there when the process dies. `-- seeds DIR` writes `DIR/TARGET/NAME`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use exportgate_tests::bless::workspace;
use exportgate_tests::fuzz::{TARGETS, Target, mutate, seeds};

const HELP: &str = "help: seeds DIR, or TARGET SECONDS [SEED]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let text = |i: usize| arguments.get(i).map(String::as_str);
    let done = match (text(0), text(1)) {
        (Some("seeds"), Some(folder)) => write_seeds(Path::new(folder)),
        (Some(name), Some(seconds)) => match (TARGETS.iter().find(|target| target.0 == name), seconds.parse()) {
            (Some(target), Ok(seconds)) => {
                run(*target, Duration::from_secs(seconds), text(2).and_then(|seed| seed.parse().ok()).unwrap_or(1))
            }
            _ => return usage(),
        },
        _ => return usage(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    let names: Vec<&str> = TARGETS.iter().map(|target| target.0).collect();
    eprintln!("error: expected a target: {}\n{HELP}", names.join(", "));
    ExitCode::from(3)
}

fn write_seeds(folder: &Path) -> std::io::Result<()> {
    for (name, _) in TARGETS {
        let folder = folder.join(name);
        std::fs::create_dir_all(&folder)?;
        for (seed, input) in seeds(name) {
            std::fs::write(folder.join(seed), input)?;
        }
    }
    Ok(())
}

fn run((name, target): Target, time: Duration, seed: u64) -> std::io::Result<()> {
    let folder: PathBuf = workspace().join("target/fuzz");
    std::fs::create_dir_all(&folder)?;
    let seeds: Vec<Vec<u8>> = seeds(name).into_iter().map(|(_, input)| input).collect();
    let mut rng = fastrand::Rng::with_seed(seed);
    let (started, mut inputs, mut slowest) = (Instant::now(), 0_u64, Duration::ZERO);
    while started.elapsed() < time {
        let input = mutate(&mut rng, &seeds);
        std::fs::write(folder.join(name), &input)?;
        let begun = Instant::now();
        target(&input);
        slowest = slowest.max(begun.elapsed());
        inputs += 1;
    }
    println!("{name}: {inputs} inputs in {} s, the slowest took {} ms", time.as_secs(), slowest.as_millis());
    Ok(())
}
