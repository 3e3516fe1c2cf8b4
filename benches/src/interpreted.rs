//! cedar-policy in Wasm: the guest `cedar-interpreter` with a pack in it, run by the same host.

use std::path::Path;

use exportgate::EngineConfig;
use exportgate_compiler::Pack;
use exportgate_guest_build::{cargo, interpreter};

/// The core module of the interpreter, built for release.
///
/// # Panics
///
/// When cargo can't build it.
pub fn core() -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-policies/cedar-interpreter");
    cargo::build(&folder).unwrap_or_else(|error| panic!("{error} ({})", error.help().unwrap_or_default()))
}

/// The component in which Cedar interprets `pack`.
///
/// # Panics
///
/// When the pack can't be put in.
pub fn component(core: &[u8], pack: &Pack) -> Vec<u8> {
    interpreter::interpret(core, pack).unwrap_or_else(|error| panic!("{error}")).component
}

/// Limits under which it works: it parses the pack in its first call.
pub fn limits() -> EngineConfig {
    EngineConfig { fuel_per_call: 100_000_000_000, deadline_ms: 600_000, ..EngineConfig::default() }
}
