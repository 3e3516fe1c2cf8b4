//! `exportgate conformance`: runs Cedar's cases through compiled modules.

use exportgate::{Engine, EngineConfig};

use crate::args::Conformance;
use crate::conformance;
use crate::failure::{Exit, Failure};

/// Runs the command.
pub fn run(args: &Conformance) -> Result<Exit, Failure> {
    let engine = Engine::new(&EngineConfig::default()).map_err(|error| Failure::input(error.to_string()))?;
    conformance::compare(&engine, &args.path, args.json)
}
