//! `exportgate build`: makes a component file of a pack or a guest crate.

use std::time::Instant;

use crate::args::Build;
use crate::failure::{Exit, Failure};
use crate::{guest, output, pack};

/// Runs the command.
pub fn run(args: &Build) -> Result<Exit, Failure> {
    let started = Instant::now();
    let artifact = match (&args.interpreter, &args.core) {
        (Some(core), _) => guest::interpret(core, &args.pack, &pack::load(&args.pack)?)?,
        (None, Some(core)) => guest::build_core(&args.pack, core)?,
        (None, None) => pack::compile(&args.pack)?,
    };
    pack::warn(&artifact.warnings);
    output::write(&args.output, &artifact.component)?;
    let manifest = &artifact.manifest;
    output::print(&format!(
        "{}: {} {}, {} policies, {}, {} ms\nsha256 {}",
        args.output.display(),
        manifest.name,
        manifest.version,
        manifest.policies.len(),
        output::size(artifact.component.len()),
        started.elapsed().as_millis(),
        output::sha256(&artifact.component),
    ))?;
    Ok(Exit::Done)
}
