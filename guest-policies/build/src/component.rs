//! A core module made into a component for the world `guest`, and its shape checked.

use exportgate_contract::limits::{MANIFEST_BYTES_MAX, MODULE_BYTES_MAX};
use exportgate_contract::manifest::Manifest;
use exportgate_contract::{EVALUATE, MANIFEST_SECTION, WIT, WORLD};
use wasmparser::{Parser, Payload};
use wit_component::{ComponentEncoder, StringEncoding};

/// Why a core module can't become a policy module.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ComponentError {
    /// It isn't a core module that can be read.
    #[error("this isn't a WebAssembly core module: {0}")]
    Module(String),
    /// It imports something: a policy module has nothing to call.
    #[error("the module imports `{module}`.`{name}`, where a policy module imports nothing")]
    Import {
        /// The module that it imports from.
        module: String,
        /// What it imports.
        name: String,
    },
    /// It lacks an export that the canonical ABI needs.
    #[error("the module doesn't export `{0}`")]
    Export(&'static str),
    /// It has a start function or `_initialize`, which runs before the host can bound it.
    #[error("the module has `{0}`, where nothing may run before a question is asked")]
    Start(&'static str),
    /// It has no manifest, and none was given, or it has two.
    #[error("the module must have one custom section `exportgate:manifest`, found {0}")]
    Manifest(usize),
    /// Its manifest can't be read.
    #[error("the manifest can't be read: {0}")]
    ManifestText(String),
    /// The component is larger than a host loads.
    #[error("the component takes {bytes} bytes, of at most {max}")]
    Size {
        /// How many bytes it takes.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// The encoder of components refuses it.
    #[error("the module doesn't fit the world `guest`: {0}")]
    World(String),
    /// The component holds more than one core module, or another component.
    #[error(
        "the component must hold one core module and nothing else, found {modules} modules and {components} components"
    )]
    Shape {
        /// Core modules in it.
        modules: usize,
        /// Components in it.
        components: usize,
    },
}

/// The component made of `core`, a core module for `wasm32-unknown-unknown` that exports `memory`, `cabi_realloc`,
/// `evaluate` and `cabi_post_evaluate` as the canonical ABI has them.
///
/// With `manifest`, its JSON becomes the custom section; without, the module must have one. The same input gives the same
/// bytes.
///
/// # Errors
///
/// [`ComponentError`]: by name, what the host would refuse at load.
pub fn componentize(core: &[u8], manifest: Option<&Manifest>) -> Result<Vec<u8>, ComponentError> {
    let mut core = core.to_vec();
    if let Some(manifest) = manifest {
        let json = serde_json::to_vec(manifest).map_err(|error| ComponentError::ManifestText(error.to_string()))?;
        append_section(&mut core, MANIFEST_SECTION, &json);
    }
    let described = check_core(&core)?;
    if !described {
        describe(&mut core)?;
    }
    let component = ComponentEncoder::default()
        .module(&core)
        .and_then(|encoder| encoder.validate(true).encode())
        .map_err(|error| ComponentError::World(format!("{error:#}")))?;
    if component.len() > MODULE_BYTES_MAX {
        return Err(ComponentError::Size { bytes: component.len(), max: MODULE_BYTES_MAX });
    }
    check_component(&component)?;
    Ok(component)
}

/// The manifest of a core module or component.
///
/// # Errors
///
/// [`ComponentError::Manifest`], [`ComponentError::ManifestText`], or [`ComponentError::Module`].
pub fn manifest(wasm: &[u8]) -> Result<Manifest, ComponentError> {
    let mut sections = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        if let Payload::CustomSection(section) = payload.map_err(module_error)?
            && section.name() == MANIFEST_SECTION
        {
            sections.push(section.data());
        }
    }
    let [json] = sections.as_slice() else { return Err(ComponentError::Manifest(sections.len())) };
    if json.len() > MANIFEST_BYTES_MAX {
        return Err(ComponentError::ManifestText(format!(
            "it takes {} bytes, of at most {MANIFEST_BYTES_MAX}",
            json.len()
        )));
    }
    serde_json::from_slice(json).map_err(|error| ComponentError::ManifestText(error.to_string()))
}

/// Checks a core module, and says whether it describes its world itself, as wit-bindgen's do.
fn check_core(core: &[u8]) -> Result<bool, ComponentError> {
    const NEEDED: [&str; 4] = [EVALUATE, "cabi_post_evaluate", "cabi_realloc", "memory"];
    if !core.starts_with(b"\0asm") {
        return Err(ComponentError::Module("it doesn't begin with `\\0asm`".to_owned()));
    }
    let (mut exports, mut described) = (Vec::new(), false);
    for payload in Parser::new(0).parse_all(core) {
        match payload.map_err(module_error)? {
            Payload::Version { encoding: wasmparser::Encoding::Component, .. } => {
                return Err(ComponentError::Module("it is a component already".to_owned()));
            }
            Payload::ImportSection(section) => {
                if let Some(import) = section.into_imports().next() {
                    let import = import.map_err(module_error)?;
                    return Err(ComponentError::Import { module: import.module.into(), name: import.name.into() });
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    exports.push(export.map_err(module_error)?.name);
                }
            }
            Payload::StartSection { .. } => return Err(ComponentError::Start("start")),
            Payload::CustomSection(section) => described |= section.name().starts_with("component-type"),
            _ => {}
        }
    }
    if exports.contains(&"_initialize") {
        return Err(ComponentError::Start("_initialize"));
    }
    if let Some(missing) = NEEDED.into_iter().find(|name| !exports.contains(name)) {
        return Err(ComponentError::Export(missing));
    }
    manifest(core)?;
    Ok(described)
}

/// Adds the section by which the encoder knows the world.
fn describe(core: &mut Vec<u8>) -> Result<(), ComponentError> {
    let world_error = |error: String| ComponentError::World(error);
    let mut resolve = wit_parser::Resolve::default();
    let package = resolve.push_str("policy.wit", WIT).map_err(|error| world_error(format!("{error:#}")))?;
    let world = resolve.select_world(&[package], Some(WORLD)).map_err(|error| world_error(format!("{error:#}")))?;
    wit_component::embed_component_metadata(core, &resolve, world, StringEncoding::UTF8)
        .map_err(|error| world_error(format!("{error:#}")))
}

fn check_component(component: &[u8]) -> Result<(), ComponentError> {
    let (mut modules, mut components) = (0, 0);
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(module_error)? {
            Payload::ModuleSection { .. } => modules += 1,
            Payload::ComponentSection { .. } => components += 1,
            _ => {}
        }
    }
    if (modules, components) == (1, 0) { Ok(()) } else { Err(ComponentError::Shape { modules, components }) }
}

fn append_section(core: &mut Vec<u8>, name: &str, data: &[u8]) {
    use wasm_encoder::Section as _;
    wasm_encoder::CustomSection { name: name.into(), data: data.into() }.append_to(core);
}

fn module_error(error: wasmparser::BinaryReaderError) -> ComponentError {
    ComponentError::Module(error.to_string())
}
