//! Runs the built command as a person would: what it prints, what it writes, how it exits.
#![expect(clippy::unwrap_used, reason = "a test that can't prepare its files has failed")]

#[cfg(unix)]
mod approvals;
mod ask;
mod audit;
mod bad_input;
mod budgets;
mod conformance;
#[cfg(target_os = "linux")]
mod crash;
mod evaluate;
mod guests;
mod packs;
#[cfg(all(unix, feature = "postgres"))]
mod postgres;
mod release;
mod replay;
#[cfg(all(unix, feature = "postgres"))]
#[path = "../../../ledger/tests/support/server.rs"]
#[expect(dead_code, clippy::expect_used, reason = "the tests of the ledger kill servers; these expect one to be there")]
mod server;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// What a command did.
struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Ran {
    /// Demands an exit code, and shows what was printed when it is another one.
    #[track_caller]
    fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Demands that standard output has `text`.
    #[track_caller]
    fn prints(self, text: &str) -> Self {
        assert!(self.stdout.contains(text), "no `{text}` in stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Demands that standard error has `text`.
    #[track_caller]
    fn complains(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "no `{text}` in stderr:\n{}\nstdout:\n{}", self.stderr, self.stdout);
        self
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap()
    }
}

/// Runs `exportgate` with `args` in the folder `dir`.
fn run(dir: &Path, args: &[&str]) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_exportgate"))
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Ran {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A folder with the pack of `exportgate init` in `pack`.
fn with_pack() -> TempDir {
    let dir = TempDir::new().unwrap();
    run(dir.path(), &["init", "pack"]).exits(0);
    dir
}

/// A folder with that pack and its component, `pack.wasm`.
fn with_component() -> TempDir {
    let dir = with_pack();
    run(dir.path(), &["build", "pack", "-o", "pack.wasm"]).exits(0);
    dir
}

/// Replaces `from`, which must be there, by `to` in a file of `dir`.
#[track_caller]
fn edit(dir: &TempDir, file: &str, from: &str, to: &str) {
    let path = dir.path().join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "no `{from}` in {file}");
    std::fs::write(path, text.replacen(from, to, 1)).unwrap();
}

/// Writes a file of `dir`, and the folders above it.
fn write(dir: &TempDir, file: &str, bytes: impl AsRef<[u8]>) {
    let path = dir.path().join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// The names in a folder, sorted.
fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A sparse file of `dir`, `bytes` long.
fn write_huge(dir: &TempDir, file: &str, bytes: u64) -> PathBuf {
    let path = dir.path().join(file);
    std::fs::File::create(&path).unwrap().set_len(bytes).unwrap();
    path
}

#[test]
fn help_tells_the_exit_codes() {
    let dir = TempDir::new().unwrap();
    for args in [vec!["--help"], vec!["evaluate", "--help"]] {
        run(dir.path(), &args)
            .exits(0)
            .prints("Exit codes:")
            .prints("1  `evaluate`, `ask`, `release`: the job is denied")
            .prints("2  `evaluate`, `ask`, `release`: challenge");
    }
}

#[test]
fn wrong_arguments_never_look_like_a_verdict() {
    let dir = TempDir::new().unwrap();
    for args in [vec![], vec!["export"], vec!["build", "pack"], vec!["evaluate", "x.wasm", "--jobs", "y"]] {
        run(dir.path(), &args).exits(3).complains("Usage:");
    }
}
