//! `exportgate build`: compiles a pack to a component file.

use std::time::Instant;

use crate::args::Build;
use crate::failure::{Exit, Failure};
use crate::{output, pack};

/// Runs the command.
pub fn run(args: &Build) -> Result<Exit, Failure> {
    let started = Instant::now();
    let artifact = pack::compile(&args.pack)?;
    for warning in &artifact.warnings {
        eprintln!("{}\n", warning.render().trim_end());
    }
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
