//! Compiles a pack in a folder, and turns what the compiler says into a failure that a person can act on.

use std::path::Path;

use exportgate_compiler::{Artifact, CompileErrors, CompileOptions, Diagnostic, Pack};

use crate::failure::Failure;
use crate::{guest, input, output};

/// The pack in the folder `dir`.
///
/// # Errors
///
/// [`Failure`] when its files can't be read, or aren't a pack.
pub fn load(dir: &Path) -> Result<Pack, Failure> {
    let files = input::read_pack(dir)?;
    Pack::from_files(&files).map_err(|errors| refused(dir, &errors))
}

/// The component of the pack in the folder `dir`.
///
/// # Errors
///
/// As [`load`], and when a policy can't be compiled.
pub fn compile(dir: &Path) -> Result<Artifact, Failure> {
    if guest::is_crate(dir) {
        return guest::build(dir);
    }
    exportgate_compiler::compile(&load(dir)?, &CompileOptions::default()).map_err(|errors| refused(dir, &errors))
}

/// Shows warnings, with excerpts of the source, on standard error.
pub fn warn(warnings: &[Diagnostic]) {
    for warning in warnings {
        eprintln!("{}\n", warning.render(output::error_width()).trim_end());
    }
}

/// The failure that shows all `errors` of the pack in `dir`.
pub fn refused(dir: &Path, errors: &CompileErrors) -> Failure {
    let count = errors.iter().len();
    let plural = if count == 1 { "" } else { "s" };
    Failure::input(format!("the pack `{}` has {count} error{plural}", dir.display()))
        .report(errors.render_width(output::error_width()))
}
