//! Compiles Cedar export policies to sandboxed WebAssembly components.
//!
//! A [`Pack`] (schema, policies, field catalogue) goes in; a component for the world of the contract comes out, with the
//! manifest that says what it decides. No file system, clock or randomness: the same pack gives the same bytes. What a
//! pack says is Cedar's, errors included; what can't be compiled is refused by name, never approximated.
//!
//! ```
//! use exportgate_compiler::{CompileOptions, Pack, compile};
//!
//! let schema = "entity User; entity Photo = { owner: User }; action view appliesTo { principal: User, resource: Photo };";
//! let policies = "permit (principal, action, resource) when { resource.owner == principal };";
//! let artifact = compile(&Pack::bare("photos", schema, policies), &CompileOptions::default())?;
//! assert_eq!(artifact.manifest.policies.len(), 1);
//! # Ok::<(), exportgate_compiler::CompileErrors>(())
//! ```

pub mod data;
pub mod diagnostic;
pub mod error;
pub mod ir;
pub mod pack;
pub mod source;

mod codegen;
mod component;
mod frontend;
mod manifest;
mod passes;

use exportgate_contract::manifest::Manifest;

use crate::codegen::EmitError;

pub use crate::diagnostic::{Diagnostic, Severity};
pub use crate::error::{CompileError, CompileErrorKind, CompileErrors};
pub use crate::pack::{Format, Pack, Vocabulary};
pub use crate::passes::Passes;

/// How a pack is compiled. The default is what belongs into production.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompileOptions {
    /// Which passes over the IR run; all of them unless said otherwise. They change speed and size, never an answer.
    pub passes: Passes,
}

/// What compiling a pack gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Artifact {
    /// The component.
    pub component: Vec<u8>,
    /// What its manifest says.
    pub manifest: Manifest,
    /// What is doubtful in the pack.
    pub warnings: Vec<Diagnostic>,
}

/// Checks that `pack` compiles, without making the component, and gives what is doubtful in it.
///
/// # Errors
///
/// Everything that is wrong with the pack, as far as the first stage that fails.
pub fn check(pack: &Pack) -> Result<Vec<Diagnostic>, CompileErrors> {
    frontend::with_stack(|| frontend::lower_pack(pack).map(|lowered| lowered.warnings))
}

/// Lowers `pack` to the intermediate representation, before any pass.
///
/// # Errors
///
/// As [`check`].
pub fn lower(pack: &Pack) -> Result<ir::Program, CompileErrors> {
    frontend::with_stack(|| frontend::lower_pack(pack).map(|lowered| lowered.program))
}

/// Compiles `pack` to a component.
///
/// # Errors
///
/// As [`check`]; and where code or manifest go beyond a limit.
pub fn compile(pack: &Pack, options: &CompileOptions) -> Result<Artifact, CompileErrors> {
    frontend::with_stack(|| {
        let lowered = frontend::lower_pack(pack)?;
        let ids: Vec<String> = lowered.program.policies.iter().map(|policy| policy.id.clone()).collect();
        let made = component::emit(lowered.program, lowered.origin, &options.passes)
            .map_err(|error| emit_error(&error, &ids))?;
        Ok(Artifact { component: made.bytes, manifest: made.manifest, warnings: lowered.warnings })
    })
}

fn emit_error(error: &EmitError, policy_ids: &[String]) -> CompileError {
    let kind = match error {
        EmitError::Fault(_) => CompileErrorKind::Internal,
        EmitError::PolicyTooLarge { .. }
        | EmitError::DataTooLarge { .. }
        | EmitError::ComponentTooLarge { .. }
        | EmitError::ManifestTooLarge { .. } => CompileErrorKind::Limit,
    };
    let made = CompileError::new(kind, error.to_string());
    let policy = match error {
        EmitError::PolicyTooLarge { policy, .. } => usize::try_from(policy.0).ok().and_then(|i| policy_ids.get(i)),
        EmitError::DataTooLarge { .. }
        | EmitError::ComponentTooLarge { .. }
        | EmitError::ManifestTooLarge { .. }
        | EmitError::Fault(_) => None,
    };
    policy.into_iter().fold(made, CompileError::with_policy)
}
