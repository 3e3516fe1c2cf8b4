//! A new guest crate, to start from.

use std::path::Path;

/// The files of a new crate: its path, and its text.
const FILES: [(&str, &str); 9] = [
    ("Cargo.toml", include_str!("../template/Cargo.toml.in")),
    ("policy.toml", include_str!("../template/policy.toml")),
    ("schema.cedarschema", include_str!("../template/schema.cedarschema")),
    ("fields.toml", include_str!("../template/fields.toml")),
    ("src/lib.rs", include_str!("../template/src/lib.rs")),
    ("cases/few-customers-are-allowed.json", include_str!("../template/cases/few-customers-are-allowed.json")),
    ("cases/many-customers-are-denied.json", include_str!("../template/cases/many-customers-are-denied.json")),
    (".gitignore", "target/\n"),
    ("rust-toolchain.toml", include_str!("../template/rust-toolchain.toml")),
];

/// Names that no crate can have, or none that is used as one should: Rust's own words.
const RESERVED: [&str; 44] = [
    "abstract", "alloc", "as", "async", "await", "become", "box", "break", "const", "continue", "core", "crate", "do",
    "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "if", "impl", "in", "let", "loop", "macro",
    "match", "mod", "move", "mut", "pub", "ref", "return", "self", "static", "std", "struct", "super", "test", "trait",
    "true", "type", "use",
];

/// Why no crate can be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScaffoldError {
    /// The folder isn't empty.
    #[error("`{0}` isn't empty")]
    NotEmpty(String),
    /// The name of the folder can't be that of a crate.
    #[error("`{0}` can't be the name of a crate: lower-case letters, digits and `-` expected, a letter first")]
    Name(String),
    /// The name of the folder is a word of Rust's.
    #[error("`{0}` can't be the name of a crate: it is a word of Rust's")]
    Reserved(String),
    /// The SDK doesn't lie where it is said to.
    #[error("`{0}` has no `Cargo.toml`, so the SDK isn't there")]
    Sdk(String),
    /// A file can't be written.
    #[error("`{path}` can't be written: {source}")]
    Write {
        /// Its path.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

/// Makes a guest crate in `dir`, which is made or must be empty. It takes its name from the folder. `sdk` is where the crate
/// `exportgate-sdk` lies; without it, the registry is asked for the version of this tool.
///
/// # Errors
///
/// [`ScaffoldError`].
pub fn init(dir: &Path, sdk: Option<&Path>) -> Result<(), ScaffoldError> {
    // The folder may be `.`, and the path of the SDK is read from the new crate, not from here.
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let full = absolute(dir);
    let name = full.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let fits = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !fits {
        return Err(ScaffoldError::Name(name.to_owned()));
    }
    if RESERVED.contains(&name) {
        return Err(ScaffoldError::Reserved(name.to_owned()));
    }
    if let Some(sdk) = sdk.filter(|sdk| !sdk.join("Cargo.toml").is_file()) {
        return Err(ScaffoldError::Sdk(sdk.display().to_string()));
    }
    if std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(ScaffoldError::NotEmpty(dir.display().to_string()));
    }
    let version = env!("CARGO_PKG_VERSION");
    let source = match sdk {
        Some(path) => format!("{{ path = {:?} }}", absolute(path).display().to_string()),
        None => format!("{version:?}"),
    };
    for (path, text) in FILES {
        let path = dir.join(path);
        let write_error = |source| ScaffoldError::Write { path: path.display().to_string(), source };
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(write_error)?;
        }
        let text = text.replace("@NAME@", name).replace("@SDK@", &source);
        std::fs::write(&path, text).map_err(write_error)?;
    }
    Ok(())
}
