//! The bytes of a module before anything of it is compiled: size, shape, rules of WebAssembly, limits, manifest.

use exportgate_contract::limits::{FUNCTION_BYTES_MAX, FUNCTION_LOCALS_MAX, MANIFEST_BYTES_MAX, MODULE_BYTES_MAX};
use exportgate_contract::manifest::{ContractVersion, Manifest};
use exportgate_contract::{CONTRACT_VERSION, MANIFEST_SECTION};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use wasmparser::{Encoding, Parser, Payload, Validator, WasmFeatures};

use crate::component::{LiftedExports, read_shape};
use crate::limits::{
    DATA_SEGMENTS_MAX, ELEMENT_SEGMENTS_MAX, EXPORTS_MAX, FUNCTIONS_MAX, GLOBALS_MAX, TABLE_ELEMENTS_MAX, TYPES_MAX,
};
use crate::load_error::LoadError;
use crate::manifest_check;

/// Bytes of a page of linear memory.
const PAGE_BYTES: u64 = 65_536;

/// A module that was read and checked, and not yet compiled.
#[derive(Clone, Debug)]
pub(crate) struct Artifact<'a> {
    /// The core module.
    pub(crate) core: &'a [u8],
    /// Which of its exports make `evaluate`.
    pub(crate) exports: LiftedExports,
    /// The manifest, checked.
    pub(crate) manifest: Manifest,
    /// SHA-256 of the whole component, in lower-case hexadecimal digits.
    pub(crate) sha256: String,
}

/// What guests may use: WebAssembly 2.0 without SIMD. rustc's targets need all of it; what isn't needed is one thing less to
/// trust.
fn guest_features() -> WasmFeatures {
    WasmFeatures::MUTABLE_GLOBAL
        | WasmFeatures::FLOATS
        | WasmFeatures::MULTI_VALUE
        | WasmFeatures::SIGN_EXTENSION
        | WasmFeatures::SATURATING_FLOAT_TO_INT
        | WasmFeatures::BULK_MEMORY
        | WasmFeatures::REFERENCE_TYPES
}

/// Reads and checks a module, cheapest checks first; nothing of it has run or been compiled when this returns.
///
/// # Errors
///
/// [`LoadError`], whatever the bytes are. `memory_bytes_max` is what the engine gives an instance.
pub(crate) fn read(bytes: &[u8], memory_bytes_max: usize) -> Result<Artifact<'_>, LoadError> {
    if bytes.len() > MODULE_BYTES_MAX {
        return Err(LoadError::TooLarge { bytes: bytes.len() });
    }
    check_header(bytes)?;
    let features = guest_features() | WasmFeatures::COMPONENT_MODEL;
    let shape = read_shape(bytes, features)?;
    let core = bytes
        .get(shape.core.clone())
        .ok_or(LoadError::Malformed { offset: shape.core.start, message: "the core module is cut short".to_owned() })?;
    let manifest = read_core(core, shape.core.start, memory_bytes_max)?;
    Validator::new_with_features(features)
        .validate_all(bytes)
        .map_err(|error| LoadError::Invalid { offset: error.offset(), message: error.message().to_owned() })?;
    let manifest = read_manifest(manifest)?;
    manifest_check::check(&manifest)?;
    Ok(Artifact { core, exports: shape.exports, manifest, sha256: hex(&Sha256::digest(bytes)) })
}

fn check_header(bytes: &[u8]) -> Result<(), LoadError> {
    let found = if bytes.is_empty() {
        "an empty file"
    } else if Parser::is_core_wasm(bytes) {
        "a core module"
    } else if bytes.starts_with(b"(module") || bytes.starts_with(b"(component") {
        "WebAssembly text"
    } else {
        "something else"
    };
    if Parser::is_component(bytes) { Ok(()) } else { Err(LoadError::NotAComponent { found }) }
}

/// Checks what the core module declares, and finds its manifest. `start` is where it begins within the component.
fn read_core(core: &[u8], start: usize, memory_bytes_max: usize) -> Result<&[u8], LoadError> {
    let mut manifest = None;
    let mut parser = Parser::new(u64::try_from(start).unwrap_or(u64::MAX));
    parser.set_features(guest_features());
    for payload in parser.parse_all(core) {
        let payload = payload.map_err(|error| malformed(&error))?;
        if let Payload::CustomSection(section) = &payload {
            if section.name() == MANIFEST_SECTION && manifest.replace(section.data()).is_some() {
                return Err(LoadError::ManifestRepeated);
            }
        } else {
            check_core(&payload, memory_bytes_max)?;
        }
    }
    manifest.ok_or(LoadError::ManifestMissing)
}

fn check_core(payload: &Payload<'_>, memory_bytes_max: usize) -> Result<(), LoadError> {
    let limit = |what, found: u32, limit: u32| at_most(what, u64::from(found), u64::from(limit));
    match payload {
        Payload::Version { encoding: Encoding::Module, .. } | Payload::End(_) | Payload::DataCountSection { .. } => {
            Ok(())
        }
        Payload::TypeSection(section) => limit("types", section.count(), TYPES_MAX),
        Payload::ImportSection(section) => match section.clone().into_imports().next() {
            None => Ok(()),
            Some(Err(error)) => Err(malformed(&error)),
            Some(Ok(import)) => {
                Err(LoadError::CoreImport { module: import.module.to_owned(), name: import.name.to_owned() })
            }
        },
        Payload::FunctionSection(section) => limit("functions", section.count(), FUNCTIONS_MAX),
        Payload::CodeSectionStart { count, .. } => limit("functions", *count, FUNCTIONS_MAX),
        Payload::CodeSectionEntry(body) => {
            at_most("bytes in one function", widen(body.range().len()), widen(FUNCTION_BYTES_MAX))?;
            let mut locals = 0_u64;
            for group in body.get_locals_reader().map_err(|error| malformed(&error))? {
                locals = locals.saturating_add(u64::from(group.map_err(|error| malformed(&error))?.0));
            }
            at_most("locals in one function", locals, u64::from(FUNCTION_LOCALS_MAX))
        }
        Payload::GlobalSection(section) => limit("globals", section.count(), GLOBALS_MAX),
        Payload::ExportSection(section) => limit("exports", section.count(), EXPORTS_MAX),
        Payload::ElementSection(section) => limit("element segments", section.count(), ELEMENT_SEGMENTS_MAX),
        Payload::DataSection(section) => limit("data segments", section.count(), DATA_SEGMENTS_MAX),
        Payload::TableSection(section) => {
            limit("tables", section.count(), 1)?;
            section.clone().into_iter().try_for_each(|table| {
                let table = table.map_err(|error| malformed(&error))?;
                at_most("table elements", table.ty.initial, widen(TABLE_ELEMENTS_MAX))
            })
        }
        Payload::MemorySection(section) => {
            limit("memories", section.count(), 1)?;
            section.clone().into_iter().try_for_each(|memory| {
                let memory = memory.map_err(|error| malformed(&error))?;
                at_most("bytes of memory", memory.initial.saturating_mul(PAGE_BYTES), widen(memory_bytes_max))
            })
        }
        Payload::StartSection { .. } => Err(LoadError::CoreUnsupported { what: "a start function" }),
        Payload::TagSection(_) => Err(LoadError::CoreUnsupported { what: "exception tags" }),
        _ => Err(LoadError::CoreUnsupported { what: "an unknown section" }),
    }
}

fn at_most(what: &'static str, found: u64, limit: u64) -> Result<(), LoadError> {
    if found <= limit { Ok(()) } else { Err(LoadError::CoreLimit { what, found, limit }) }
}

fn widen(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Parses the manifest. A manifest of another version may well have other fields: then that is what is wrong with it.
fn read_manifest(section: &[u8]) -> Result<Manifest, LoadError> {
    #[derive(Deserialize)]
    struct Version {
        contract: ContractVersion,
    }
    if section.len() > MANIFEST_BYTES_MAX {
        return Err(LoadError::ManifestTooLarge { bytes: section.len() });
    }
    let text =
        std::str::from_utf8(section).map_err(|error| LoadError::ManifestNotText { offset: error.valid_up_to() })?;
    let read = serde_json::from_str::<Manifest>(text);
    let contract = match &read {
        Ok(manifest) => manifest.contract,
        Err(error) => match serde_json::from_str(text) {
            Ok(Version { contract }) => contract,
            Err(_) => return Err(LoadError::ManifestSyntax { message: error.to_string() }),
        },
    };
    if contract.major != CONTRACT_VERSION.major || contract.minor > CONTRACT_VERSION.minor {
        return Err(LoadError::Contract { found: contract });
    }
    read.map_err(|error| LoadError::ManifestSyntax { message: error.to_string() })
}

/// What a parser says of bytes that it can't read.
pub(crate) fn malformed(error: &wasmparser::Error) -> LoadError {
    LoadError::Malformed { offset: error.offset(), message: error.message().to_owned() }
}

/// `bytes` in lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
