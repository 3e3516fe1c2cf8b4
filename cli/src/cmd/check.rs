//! `exportgate check`: shows every error and warning of a pack where it stands.

use crate::args::Check;
use crate::failure::{Exit, Failure};
use crate::{output, pack};

/// Runs the command.
pub fn run(args: &Check) -> Result<Exit, Failure> {
    let loaded = pack::load(&args.pack)?;
    let warnings = exportgate_compiler::check(&loaded).map_err(|errors| pack::refused(&args.pack, &errors))?;
    pack::warn(&warnings);
    let plural = if warnings.len() == 1 { "" } else { "s" };
    output::print(&format!("{}: no errors, {} warning{plural}", args.pack.display(), warnings.len()))?;
    Ok(Exit::Done)
}
