//! The core module of a guest crate, made by cargo.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The target that guests are built for. Not a WASI one: those import clocks, files and randomness.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// Why cargo made no core module.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CargoError {
    /// Cargo couldn't be run.
    #[error("cargo can't be run: {0}")]
    Run(#[source] std::io::Error),
    /// The folder holds no crate. Cargo would build whatever lies in a folder above.
    #[error("`{0}` has no `Cargo.toml`")]
    NoCrate(String),
    /// The toolchain lacks the target.
    #[error("the Rust toolchain has no target `{TARGET}`")]
    Target,
    /// Cargo failed, having said why.
    #[error("cargo couldn't build `{0}`")]
    Build(String),
    /// The crate builds no cdylib.
    #[error("`{0}` builds no cdylib: `Cargo.toml` lacks `[lib]` `crate-type = [\"cdylib\"]`")]
    Cdylib(String),
    /// What cargo made can't be read.
    #[error("`{path}` can't be read: {source}")]
    Read {
        /// Its path.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

impl CargoError {
    /// What to do about it.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::Target => Some("install it: `rustup target add wasm32-unknown-unknown`"),
            Self::Run(_) => Some("install Rust: https://rustup.rs"),
            Self::NoCrate(_) => Some("a guest in another language is built from its core module: `--core FILE`"),
            Self::Cdylib(_) => Some("add it, as `exportgate init --rust` writes it"),
            Self::Build(_) | Self::Read { .. } => None,
        }
    }
}

/// Builds the crate in `dir` for [`TARGET`], in its release profile, and returns the core module. Cargo's own messages go
/// to standard error.
///
/// # Errors
///
/// [`CargoError`].
pub fn build(dir: &Path) -> Result<Vec<u8>, CargoError> {
    if !dir.join("Cargo.toml").is_file() {
        return Err(CargoError::NoCrate(dir.display().to_string()));
    }
    check_target(dir)?;
    let output = cargo(dir)
        .args(["build", "--release", "--target", TARGET, "--message-format", "json-render-diagnostics"])
        .stderr(Stdio::inherit())
        .output()
        .map_err(CargoError::Run)?;
    let name = || dir.display().to_string();
    if !output.status.success() {
        return Err(CargoError::Build(name()));
    }
    let manifest_path = std::fs::canonicalize(dir.join("Cargo.toml")).unwrap_or_else(|_| dir.join("Cargo.toml"));
    let path = artifact(&output.stdout, &manifest_path).ok_or_else(|| CargoError::Cdylib(name()))?;
    std::fs::read(&path).map_err(|source| CargoError::Read { path: path.display().to_string(), source })
}

/// Where cargo says that it put the module of the crate whose `Cargo.toml` this is.
fn artifact(messages: &[u8], manifest_path: &Path) -> Option<PathBuf> {
    let lines = messages.split(|byte| *byte == b'\n');
    let artifacts = lines.filter_map(|line| serde_json::from_slice::<serde_json::Value>(line).ok());
    let ours = artifacts.filter(|message| {
        let path = message.get("manifest_path").and_then(serde_json::Value::as_str);
        path.is_some_and(|path| Path::new(path) == manifest_path)
    });
    let files = ours.filter_map(|message| message.get("filenames")?.as_array().cloned()).flatten();
    files
        .filter_map(|file| file.as_str().map(PathBuf::from))
        .find(|file| file.extension().is_some_and(|end| end == "wasm"))
}

fn check_target(dir: &Path) -> Result<(), CargoError> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc"));
    let output = Command::new(rustc)
        .current_dir(dir)
        .args(["--print", "target-libdir", "--target", TARGET])
        .stderr(Stdio::null())
        .output()
        .map_err(CargoError::Run)?;
    let libraries = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    if output.status.success() && libraries.is_dir() { Ok(()) } else { Err(CargoError::Target) }
}

/// Cargo, in the crate's folder so that its own toolchain file and configuration hold, and without the flags of the
/// build that we may run in ourselves.
fn cargo(dir: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    command.current_dir(dir).env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    command
}
