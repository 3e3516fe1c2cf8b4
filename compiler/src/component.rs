//! The component of a pack: its core module and manifest, wrapped for the world of the contract, and validated.

use exportgate_contract::manifest::Manifest;
use exportgate_contract::{WIT, WORLD, limits};
use wasmparser::{Validator, WasmFeatures};
use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::Resolve;

use crate::codegen::{self, EmitError};
use crate::ir;
use crate::manifest::{self, Origin};
use crate::passes::{self, Passes};

/// A component with its manifest.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Component {
    /// The bytes of the component.
    pub(crate) bytes: Vec<u8>,
    /// What its manifest says.
    pub(crate) manifest: Manifest,
}

/// Makes the component of a program. The same program and origin give the same bytes.
///
/// # Errors
///
/// When something goes beyond a limit of the contract, or on a fault of the compiler.
pub(crate) fn emit(program: ir::Program, origin: Origin, passes: &Passes) -> Result<Component, EmitError> {
    let (core, manifest) = emit_core(program, origin, passes)?;
    let bytes = wrap(core)?;
    if bytes.len() > limits::MODULE_BYTES_MAX {
        return Err(EmitError::ComponentTooLarge { bytes: bytes.len(), bytes_max: limits::MODULE_BYTES_MAX });
    }
    Ok(Component { bytes, manifest })
}

/// Makes the core module of a program, its manifest within.
pub(crate) fn emit_core(
    program: ir::Program,
    origin: Origin,
    passes: &Passes,
) -> Result<(Vec<u8>, Manifest), EmitError> {
    let finished = passes::run(program, passes)?;
    let core = codegen::emit(&finished)?;
    let manifest = manifest::manifest(&finished, origin, core.cost());
    let bytes = core.into_bytes(&manifest::print(&manifest)?);
    if cfg!(debug_assertions) {
        validate(&bytes)?;
    }
    Ok((bytes, manifest))
}

/// Validates a core module against what the contract lets it use: integers, one memory, nothing beyond.
fn validate(core: &[u8]) -> Result<(), EmitError> {
    let features = WasmFeatures::MUTABLE_GLOBAL;
    Validator::new_with_features(features).validate_all(core).map(drop).map_err(|error| {
        let text = wasmprinter::print_bytes(core).unwrap_or_else(|error| error.to_string());
        EmitError::Fault(format!("{error}\n{text}"))
    })
}

/// Wraps a core module as a component for the contract's world.
fn wrap(mut core: Vec<u8>) -> Result<Vec<u8>, EmitError> {
    let fault = |error: &dyn std::fmt::Display| EmitError::Fault(format!("{error:#}"));
    let mut resolve = Resolve::default();
    let package = resolve.push_str("policy.wit", WIT).map_err(|error| fault(&error))?;
    let world = resolve.select_world(&[package], Some(WORLD)).map_err(|error| fault(&error))?;
    wit_component::embed_component_metadata(&mut core, &resolve, world, StringEncoding::UTF8)
        .map_err(|error| fault(&error))?;
    ComponentEncoder::default()
        .validate(true)
        .module(&core)
        .and_then(|encoder| { encoder }.encode())
        .map_err(|error| fault(&error))
}

#[cfg(test)]
mod tests;
