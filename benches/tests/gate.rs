//! The gate: a build that takes more than `limits.toml` allows fails here.

use std::hint::black_box;
use std::process::Command;
use std::time::Duration;

use exportgate::Isolation;
use exportgate_benches::compare::{CEDAR, WARM};
use exportgate_benches::limits::{Finding, Limits, Measures};
use exportgate_benches::question::{self, Field};
use exportgate_benches::reference::{NOW_MS, PackFiles, gate, small_job};
use exportgate_benches::{counted, export};
use exportgate_compiler::Passes;

/// Prints what was measured, and panics when it isn't allowed. A group is how the names of those begin that are measured together.
fn hold(groups: &[&str], measures: &Measures) {
    measures.iter().for_each(|(name, measured)| println!("{name} = {measured:.1}"));
    if std::env::var_os("BLESS").is_some() {
        Limits::write(&only("fuel/", measures));
        Limits::write(&only("allocations/", measures));
    }
    let limits = Limits::read();
    let findings: Vec<Finding> = groups.iter().flat_map(|group| limits.check(group, &only(group, measures))).collect();
    findings.iter().for_each(|finding| println!("{finding}"));
    let failures: Vec<&Finding> = findings.iter().filter(|finding| finding.is_failure()).collect();
    assert!(failures.is_empty(), "{failures:#?}");
}

fn only(group: &str, measures: &Measures) -> Measures {
    measures.iter().filter(|(name, _)| name.starts_with(group)).map(|(name, value)| (name.clone(), *value)).collect()
}

#[test]
fn fuel_and_module_bytes_are_held() {
    let measures = counted::fuel_and_bytes(Passes::default());
    hold(&["fuel/", "bytes/"], &measures);
}

#[test]
fn a_slowed_build_fails() {
    let slow = counted::fuel_and_bytes(Passes::NONE);
    let findings = Limits::read().check("fuel/", &only("fuel/", &slow));
    assert!(findings.iter().any(Finding::is_failure), "code that no pass made faster is within the limits: {slow:#?}");
}

#[test]
fn allocations_are_held() {
    let gate = gate(&PackFiles::reference().component(), Isolation::Warm);
    let job = small_job(&gate);
    // What is made once is made.
    for _ in 0..10 {
        assert!(gate.evaluate_at(&job, NOW_MS).is_allow());
    }
    let mut counts: Vec<u64> = (0..20)
        .map(|_| allocation_counter::measure(|| drop(black_box(gate.evaluate_at(&job, NOW_MS)))).count_total)
        .collect();
    counts.sort_unstable();
    // Maps are seeded at random: the middle one.
    let name = "allocations/evaluate/1x3".to_owned();
    hold(&["allocations/"], &Measures::from([(name, counts[counts.len() / 2] as f64)]));
}

#[test]
fn ratios_to_native_cedar_are_held() {
    let each = Duration::from_millis(400);
    let ratio = |times: std::collections::BTreeMap<&str, f64>| times[CEDAR] / times[WARM];
    let measures = Measures::from([
        ("ratio/question".to_owned(), ratio(question::contest(10, Field::Alone).measure(each))),
        ("ratio/evaluate/1x3".to_owned(), ratio(export::small(None).measure(each))),
    ]);
    hold(&["ratio/"], &measures);
}

#[test]
fn instructions_are_held_where_they_can_be_counted() {
    const DECISIONS: u64 = 200;
    // Counted within the function that decides, by that name.
    let output = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--collect-atstart=no",
            "--toggle-collect=*decide_once*",
            "--callgrind-out-file=/dev/null",
        ])
        .arg(env!("CARGO_BIN_EXE_exportgate-benches"))
        .args(["loop", "--count", &DECISIONS.to_string()])
        .output();
    let Ok(output) = output else {
        println!("skipped: there is no valgrind here");
        return;
    };
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}");
    let collected = text.lines().find_map(|line| line.split_once("Collected : ")).unwrap_or_else(|| panic!("{text}")).1;
    let instructions: u64 = collected.trim().parse().unwrap();
    let name = "instructions/evaluate/1x3".to_owned();
    hold(&["instructions/"], &Measures::from([(name, (instructions / DECISIONS) as f64)]));
}
