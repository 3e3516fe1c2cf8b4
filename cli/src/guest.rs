//! Builds guest crates: policy modules that weren't compiled from Cedar, and modules in which Cedar itself runs.

use std::path::Path;

use exportgate::{Engine, EngineConfig, Module};
use exportgate_compiler::{Artifact, Pack};
use exportgate_contract::limits::MODULE_BYTES_MAX;
use exportgate_guest_build::interpreter::{self, InterpreterError};
use exportgate_guest_build::scaffold::{self, ScaffoldError};
use exportgate_guest_build::{BuildError, spec};

use crate::failure::{Exit, Failure};
use crate::{input, output, pack};

/// Whether `dir` is a guest crate and not a pack: it has `policy.toml` and no `pack.toml`.
pub fn is_crate(dir: &Path) -> bool {
    dir.join(spec::FILE).is_file() && !dir.join(input::PACK_FILE).exists()
}

/// The component of the guest crate in `dir`, as a host loads it.
///
/// # Errors
///
/// [`Failure`], with what to do where that is known.
pub fn build(dir: &Path) -> Result<Artifact, Failure> {
    let built = exportgate_guest_build::build(dir).map_err(|error| refused(dir, &error))?;
    check(&built.component)?;
    Ok(Artifact { component: built.component, manifest: built.manifest, warnings: Vec::new() })
}

/// The component of the guest in `dir` from its core module, made by other means than cargo.
///
/// # Errors
///
/// [`Failure`].
pub fn build_core(dir: &Path, core: &Path) -> Result<Artifact, Failure> {
    let built = exportgate_guest_build::build_core(dir, &read_core(core)?).map_err(|error| refused(dir, &error))?;
    check(&built.component)?;
    Ok(Artifact { component: built.component, manifest: built.manifest, warnings: Vec::new() })
}

fn read_core(core: &Path) -> Result<Vec<u8>, Failure> {
    input::read(core, u64::try_from(MODULE_BYTES_MAX).unwrap_or(u64::MAX))
}

fn refused(dir: &Path, error: &BuildError) -> Failure {
    if let BuildError::Schema(errors) = error {
        return pack::refused(dir, errors);
    }
    let failure = Failure::input(format!("can't build the guest `{}`: {error}", dir.display()));
    match error.help() {
        Some(help) => failure.help(help),
        None => failure,
    }
}

/// The component that answers for the pack in `dir` by Cedar itself; `core` is the interpreter's core module.
///
/// # Errors
///
/// [`Failure`].
pub fn interpret(core: &Path, dir: &Path, pack: &Pack) -> Result<Artifact, Failure> {
    let made = interpreter::interpret(&read_core(core)?, pack).map_err(|error| match error {
        InterpreterError::Compile(errors) => pack::refused(dir, &errors),
        InterpreterError::Core(_) | InterpreterError::Component(_) => Failure::file(core, error).help(
            "build it: `cargo build --release --target wasm32-unknown-unknown` in `guest-policies/cedar-interpreter`",
        ),
        error => Failure::file(dir, error),
    })?;
    check(&made.component)?;
    Ok(Artifact { component: made.component, manifest: made.manifest, warnings: Vec::new() })
}

/// Makes a guest crate in `dir`, to start from.
///
/// # Errors
///
/// [`Failure`].
pub fn init(dir: &Path, sdk: Option<&Path>) -> Result<Exit, Failure> {
    scaffold::init(dir, sdk).map_err(|error| match error {
        ScaffoldError::Write { .. } => Failure::output(error.to_string()),
        _ => Failure::input(error.to_string()),
    })?;
    let dir = dir.display();
    output::print(&format!("made {dir}\nnext: exportgate test {dir}"))?;
    Ok(Exit::Done)
}

/// Loads the component, so that what a host would refuse is refused here.
fn check(component: &[u8]) -> Result<(), Failure> {
    let refused = |error: &dyn std::fmt::Display| Failure::input(format!("a host doesn't load the module: {error}"));
    let engine = Engine::new(&EngineConfig::default()).map_err(|error| refused(&error))?;
    Module::load(&engine, component).map(|_| ()).map_err(|error| refused(&error))
}
