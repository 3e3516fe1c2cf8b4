//! Where the time of one decision goes: instructions by function under callgrind, gathered into stages, and so shares of
//! the measured time.

use std::collections::BTreeMap;
use std::process::Command;

use exportgate::{EngineConfig, Gate, Isolation, MemoryWindows};

use crate::latency::Latencies;
use crate::reference::{NOW_MS, PackFiles, gate_with, small_job};

/// Decisions that are counted.
const DECISIONS: u64 = 500;

/// Stages in the order of a decision, and what the names of their functions hold. The first that fits, fits.
const STAGES: [(&str, &[&str]); 9] = [
    (
        "allocator",
        &["malloc", "_int_free", "free", "realloc", "calloc", "unlink_chunk", "malloc_consolidate", "alloc::alloc"],
    ),
    ("copying and comparing bytes", &["memcpy", "memmove", "memset", "memcmp", "bcmp"]),
    // What Wasmtime compiled has no name: callgrind gives its address.
    ("guest", &["???", "0x0"]),
    ("interning", &["exportgate::frame::symbols", "hashbrown", "ahash", "core::hash", "SipHasher", "rustc_hash"]),
    ("facts to cells", &["exportgate::frame", "exportgate::customers", "exportgate::entities", "exportgate::inputs"]),
    (
        "call",
        &["exportgate::abi", "exportgate::instance", "wasmtime", "exportgate::ask", "array_to_wasm", "trampoline"],
    ),
    ("outcome", &["exportgate::answer"]),
    (
        "decision",
        &[
            "exportgate::gate",
            "exportgate::decision",
            "exportgate::obligations",
            "exportgate::job",
            "exportgate::approvals",
            "exportgate::windows",
        ],
    ),
    ("everything else", &[""]),
];

/// A gate that runs under Valgrind too, which refuses to reserve room for many instances.
pub fn small_gate() -> Gate {
    let limits = EngineConfig { instances_max: 4, ..EngineConfig::default() };
    let windows = std::sync::Arc::new(MemoryWindows::new());
    gate_with(&PackFiles::reference().component(), Isolation::Warm, limits, windows)
}

/// Instructions of one decision, by stage and function; nothing where there is no Valgrind.
///
/// # Panics
///
/// When Valgrind runs and fails.
pub fn instructions(program: &std::path::Path) -> Option<BTreeMap<String, f64>> {
    let out = std::env::temp_dir().join(format!("exportgate-stages-{}", std::process::id()));
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no", "--toggle-collect=*decide_once*"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program)
        .args(["loop", "--count", &DECISIONS.to_string()])
        .output()
        .ok()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = std::fs::read_to_string(&out).unwrap();
    std::fs::remove_file(&out).unwrap();
    Some(functions(&text).into_iter().map(|(name, count)| (name, count as f64 / DECISIONS as f64)).collect())
}

/// The instructions of each function by itself, from the text that callgrind writes.
fn functions(text: &str) -> BTreeMap<String, u64> {
    let mut names: BTreeMap<&str, &str> = BTreeMap::new();
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut current = "";
    let mut of_call = false;
    for line in text.lines() {
        let named = line.strip_prefix("fn=").or_else(|| line.strip_prefix("cfn="));
        if let Some(name) = named {
            // `(7) name` the first time, `(7)` from then on.
            let (id, name) = name.split_once(')').unwrap_or((name, ""));
            if !name.is_empty() {
                names.insert(id, name.trim());
            }
            if line.starts_with("fn=") {
                current = names.get(id).copied().unwrap_or("???");
            }
        } else if line.starts_with("calls=") {
            of_call = true;
        } else if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) {
            // The line after `calls=` is what the called function took, which is counted there.
            let count = line.split_whitespace().nth(1).and_then(|count| count.parse::<u64>().ok());
            if let Some(count) = count.filter(|_| !of_call) {
                *counts.entry(current.to_owned()).or_default() += count;
            }
            of_call = false;
        }
    }
    counts
}

/// The table of stages as Markdown: instructions, share, and the share of the median time of a decision.
///
/// # Panics
///
/// As [`instructions`].
pub fn markdown(program: &std::path::Path) -> Option<String> {
    let functions = instructions(program)?;
    let gate = small_gate();
    let job = small_job(&gate);
    let median = Latencies::measure(100_000, || gate.evaluate_at(&job, NOW_MS)).per_mille(500) as f64;
    let total: f64 = functions.values().sum();
    let mut text = "| stage | instructions | share | ns | most of it in |\n|---|---|---|---|---|\n".to_owned();
    let stage_of = |name: &str| STAGES.iter().position(|(_, holds)| holds.iter().any(|part| name.contains(part)));
    for (place, (stage, _)) in STAGES.iter().enumerate() {
        let mut within: Vec<(&String, &f64)> =
            functions.iter().filter(|(name, _)| stage_of(name) == Some(place)).collect();
        within.sort_by(|a, b| b.1.total_cmp(a.1));
        let sum: f64 = within.iter().map(|(_, count)| **count).sum();
        let most = within.first().map_or("-", |(name, _)| name.as_str());
        let most: String = most.chars().take(60).collect();
        let share = sum / total;
        text.push_str(&format!("| {stage} | {sum:.0} | {:.0} % | {:.0} | `{most}` |\n", share * 100.0, share * median));
    }
    text.push_str(&format!("| all | {total:.0} | 100 % | {median:.0} | |\n"));
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_has_what_it_took_itself() {
        let text =
            "events: Ir\nfn=(1) outer\n1 10\ncfn=(2) inner\ncalls=1 0\n+3 500\n+1 5\nfn=(2)\n9 500\nfn=(1)\n* 1\n";
        assert_eq!(functions(text), BTreeMap::from([("outer".to_owned(), 16), ("inner".to_owned(), 500)]));
    }
}
