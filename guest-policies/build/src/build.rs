//! From a guest crate to a component: the files derived, cargo run, the component made and compared with what was derived.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use exportgate_compiler::{CompileErrors, CompileOptions, Pack};
use exportgate_contract::manifest::{Effect, Manifest, Source};
use sha2::{Digest, Sha256};

use crate::cargo::{self, CargoError};
use crate::component::{self, ComponentError};
use crate::manifest::{self, ManifestError};
use crate::reads::quoted;
use crate::spec::{self, Spec};
use crate::table;

/// The manifest, beside the crate's `Cargo.toml`.
pub const MANIFEST_JSON: &str = "manifest.json";
/// The manifest as a Rust constant, beside it.
pub const MANIFEST_RS: &str = "manifest.rs";

/// How many files of source a guest crate may have: each is named in the manifest.
const SOURCES_MAX: usize = 1_024;

/// Bytes of one of its files, 16 MiB: as much as a module may have.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// What building a guest crate gives.
#[derive(Debug)]
pub struct Built {
    /// The component.
    pub component: Vec<u8>,
    /// Its manifest.
    pub manifest: Manifest,
    /// The derived files that weren't current and were written.
    pub written: Vec<PathBuf>,
}

/// Why a guest crate can't be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A file can't be read.
    #[error("`{path}` can't be read: {source}")]
    Read {
        /// Its path.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file is larger than any that a guest needs.
    #[error("`{path}` is larger than {max} bytes")]
    TooLarge {
        /// Its path.
        path: String,
        /// How large a file may be.
        max: u64,
    },
    /// The crate has more files of source than a manifest lists.
    #[error("`{path}` holds more than {max} files")]
    TooManySources {
        /// The folder of the sources.
        path: String,
        /// How many there may be.
        max: usize,
    },
    /// A derived file can't be written.
    #[error("`{path}` can't be written: {source}")]
    Write {
        /// Its path.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// `policy.toml` can't be understood.
    #[error("`policy.toml`: {0}")]
    Spec(#[from] toml::de::Error),
    /// The schema, the catalogue or an annotation isn't what exportgate knows.
    #[error(transparent)]
    Schema(#[from] CompileErrors),
    /// The manifest can't be derived.
    #[error("`policy.toml`: {0}")]
    Manifest(#[from] ManifestError),
    /// The manifest can't be written as JSON.
    #[error("the manifest can't be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// Cargo made no core module.
    #[error(transparent)]
    Cargo(#[from] CargoError),
    /// The core module can't become a policy module.
    #[error(transparent)]
    Component(#[from] ComponentError),
    /// The module holds another manifest than `policy.toml` gives.
    #[error("the module holds another manifest than `policy.toml` gives")]
    Stale,
}

impl BuildError {
    /// What to do about it.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::Cargo(error) => error.help(),
            Self::Stale => Some("put `exportgate_sdk::manifest!` into the crate, and nothing else into that section"),
            Self::Component(ComponentError::Export(_)) => {
                Some("docs/guests.md lists the exports; in Rust `exportgate_sdk::export!` makes them")
            }
            Self::Read { path, .. } if path.ends_with(spec::FILE) => {
                Some("name the folder of a guest: one with `policy.toml`, its schema and its catalogue")
            }
            _ => None,
        }
    }
}

/// Builds the guest crate in `dir`: writes `manifest.json` and `manifest.rs` where they aren't current, runs cargo, and
/// makes the component.
///
/// # Errors
///
/// [`BuildError`].
pub fn build(dir: &Path) -> Result<Built, BuildError> {
    let manifest = derive(dir)?;
    let json = json(&manifest)?;
    let mut written = Vec::new();
    for (name, text) in [(MANIFEST_JSON, json), (MANIFEST_RS, table::print(&manifest))] {
        let path = dir.join(name);
        if std::fs::read(&path).ok().as_deref() != Some(text.as_bytes()) {
            let write_error = |source| BuildError::Write { path: path.display().to_string(), source };
            std::fs::write(&path, text).map_err(write_error)?;
            written.push(path);
        }
    }
    let core = cargo::build(dir)?;
    let component = component::componentize(&core, None)?;
    if component::manifest(&component)? != manifest {
        return Err(BuildError::Stale);
    }
    Ok(Built { component, manifest, written })
}

/// Makes the component of the guest in `dir` from `core`, its core module, made by other means than cargo: from C, say. The
/// module needs no manifest of its own.
///
/// # Errors
///
/// [`BuildError`].
pub fn build_core(dir: &Path, core: &[u8]) -> Result<Built, BuildError> {
    let manifest = derive(dir)?;
    let component = component::componentize(core, Some(&manifest))?;
    Ok(Built { component, manifest, written: Vec::new() })
}

/// Whether the files that [`build`] derives are current, without writing or running anything.
///
/// # Errors
///
/// [`BuildError`].
pub fn is_current(dir: &Path) -> Result<bool, BuildError> {
    let manifest = derive(dir)?;
    let same = |name: &str, text: String| std::fs::read(dir.join(name)).ok().as_deref() == Some(text.as_bytes());
    Ok(same(MANIFEST_JSON, json(&manifest)?) && same(MANIFEST_RS, table::print(&manifest)))
}

/// The manifest of the guest in `dir`, from its `policy.toml`, schema and catalogue.
///
/// # Errors
///
/// [`BuildError`].
pub fn derive(dir: &Path) -> Result<Manifest, BuildError> {
    let text = read(dir, spec::FILE)?;
    let spec: Spec = toml::from_str(&String::from_utf8_lossy(&text))?;
    let mut sources = BTreeMap::from([(spec::FILE.to_owned(), text)]);
    for path in std::iter::once(&spec.schema).chain(&spec.catalogue) {
        sources.insert(path.clone(), read(dir, path)?);
    }
    let base = base(&spec, &sources)?;
    let mut manifest = manifest::derive(&spec, &base)?;
    if dir.join("src").is_dir() {
        collect_sources(dir, "src", &mut sources)?;
    }
    let digest = |(path, bytes): (String, Vec<u8>)| Source { path, sha256: hex(&Sha256::digest(bytes)) };
    manifest.sources = sources.into_iter().map(digest).collect();
    Ok(manifest)
}

/// What the compiler makes of the schema, the catalogue, and the heads of the policies: ids, effects, annotations. So they
/// are held to the same rules as those of a pack, by the same code.
fn base(spec: &Spec, sources: &BTreeMap<String, Vec<u8>>) -> Result<Manifest, BuildError> {
    const HEADS: &str = "policy heads";
    let mut heads = String::new();
    for policy in &spec.policies {
        // Writing to a String can't fail.
        let _ = writeln!(heads, "@id({})", quoted(&policy.id));
        for (key, value) in &policy.annotations {
            let _ = writeln!(heads, "@{key}({})", quoted(value));
        }
        let effect = match policy.effect {
            Effect::Permit => "permit",
            Effect::Forbid => "forbid",
        };
        let _ = writeln!(heads, "{effect} (principal, action, resource);");
    }
    let mut pack = toml::Table::new();
    pack.insert("name".into(), spec.name.clone().into());
    pack.insert("version".into(), spec.version.clone().into());
    pack.insert("schema".into(), spec.schema.clone().into());
    pack.insert("policies".into(), toml::Value::Array(vec![HEADS.into()]));
    if let Some(catalogue) = &spec.catalogue {
        pack.insert("catalogue".into(), catalogue.clone().into());
    }
    let mut files = sources.clone();
    files.insert("pack.toml".to_owned(), pack.to_string().into_bytes());
    files.insert(HEADS.to_owned(), heads.into_bytes());
    let pack = Pack::from_files(&files)?;
    Ok(exportgate_compiler::compile(&pack, &CompileOptions::default())?.manifest)
}

/// The JSON of a manifest, as it is kept beside a crate and put into its module.
///
/// # Errors
///
/// [`BuildError::Json`].
pub fn json(manifest: &Manifest) -> Result<String, BuildError> {
    Ok(serde_json::to_string_pretty(manifest)? + "\n")
}

/// Adds the files below `dir/path`.
fn collect_sources(dir: &Path, path: &str, sources: &mut BTreeMap<String, Vec<u8>>) -> Result<(), BuildError> {
    let read_error = |source| BuildError::Read { path: dir.join(path).display().to_string(), source };
    for entry in std::fs::read_dir(dir.join(path)).map_err(read_error)? {
        let entry = entry.map_err(read_error)?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = format!("{path}/{name}");
        if entry.file_type().map_err(read_error)?.is_dir() {
            collect_sources(dir, &path, sources)?;
        } else if !name.starts_with('.') {
            if sources.len() >= SOURCES_MAX {
                let path = dir.join("src").display().to_string();
                return Err(BuildError::TooManySources { path, max: SOURCES_MAX });
            }
            sources.insert(path.clone(), read(dir, &path)?);
        }
    }
    Ok(())
}

fn read(dir: &Path, path: &str) -> Result<Vec<u8>, BuildError> {
    let full = dir.join(path);
    let name = || full.display().to_string();
    let file = std::fs::File::open(&full).map_err(|source| BuildError::Read { path: name(), source })?;
    let mut bytes = Vec::new();
    // One byte more than is allowed tells a file that is too large, also one that grows meanwhile.
    let read = file.take(FILE_BYTES_MAX.saturating_add(1)).read_to_end(&mut bytes);
    match read.map_err(|source| BuildError::Read { path: name(), source })? {
        length if u64::try_from(length).is_ok_and(|length| length <= FILE_BYTES_MAX) => Ok(bytes),
        _ => Err(BuildError::TooLarge { path: name(), max: FILE_BYTES_MAX }),
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
