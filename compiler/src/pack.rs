//! Packs: a schema, policies and a field catalogue, read from files in memory.

use std::collections::BTreeMap;

use exportgate_contract::limits;
use serde::Deserialize;

use crate::error::{CompileError, CompileErrorKind, CompileErrors};
use crate::source::SourceFile;

/// The file that says what a pack is made of.
pub const PACK_FILE: &str = "pack.toml";

/// Bytes of one file of a pack, 16 MiB: 10,000 policies of a page each.
pub const FILE_BYTES_MAX: usize = 16 << 20;

/// Files of policies in one pack.
pub const POLICY_FILES_MAX: usize = 1_024;

/// What a pack's schema and annotations are held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vocabulary {
    /// The vocabulary of an export: [`exportgate_contract::vocabulary`]. Policies are known by their `@id`.
    Export,
    /// None: any Cedar schema, any annotations. Policies are known as Cedar numbers them, `policy0` and so on.
    None,
}

/// The syntax of a schema or of policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Cedar's own syntax.
    Cedar,
    /// Cedar's JSON syntax.
    Json,
}

/// A pack, read but not yet checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Pack {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) schema: SourceFile,
    pub(crate) policies: Vec<SourceFile>,
    pub(crate) links: Option<SourceFile>,
    pub(crate) catalogue: Option<SourceFile>,
    pub(crate) vocabulary: Vocabulary,
    /// Every file that it was made from, `pack.toml` included.
    pub(crate) sources: Vec<SourceFile>,
}

impl Pack {
    /// Reads a pack from its files: path within the pack (parts separated by `/`) to bytes. `pack.toml` names the rest;
    /// files that it doesn't name are left alone.
    ///
    /// # Errors
    ///
    /// A missing, oversized or non-UTF-8 file, or a fault in `pack.toml`.
    pub fn from_files(files: &BTreeMap<String, Vec<u8>>) -> Result<Self, CompileErrors> {
        let mut reader = Reader { files, sources: BTreeMap::new() };
        let pack_file = reader.read(PACK_FILE, "")?;
        let table: PackTable = toml::from_str(pack_file.text()).map_err(|error| toml_error(&pack_file, &error))?;
        check_names(&table).map_err(|(key, error)| {
            let at = pack_file.text().find(key).unwrap_or(0);
            error.with_place(&pack_file, at, at.saturating_add(key.len()))
        })?;
        let mut errors = Vec::new();
        let mut read = |path: &str, key: &str| reader.read(path, key).map_err(|error| errors.push(error)).ok();
        let schema = read(&table.schema, "schema");
        let policies: Vec<SourceFile> = table.policies.iter().filter_map(|path| read(path, "policies")).collect();
        let links = table.links.as_deref().and_then(|path| read(path, "links"));
        let catalogue = table.catalogue.as_deref().and_then(|path| read(path, "catalogue"));
        CompileErrors::check(errors)?;
        let Some(schema) = schema else {
            return Err(CompileError::new(CompileErrorKind::Pack, "the pack has no schema").into());
        };
        Ok(Self {
            name: table.name,
            version: table.version,
            schema,
            policies,
            links,
            catalogue,
            vocabulary: match table.vocabulary {
                None | Some(VocabularyName::Export) => Vocabulary::Export,
                Some(VocabularyName::None) => Vocabulary::None,
            },
            sources: reader.sources.into_values().collect(),
        })
    }

    /// A pack of a schema and policies in Cedar's own syntax, with no vocabulary: any Cedar, for conformance and tests.
    pub fn bare(name: &str, schema: &str, policies: &str) -> Self {
        Self::bare_formats(name, (Format::Cedar, schema), (Format::Cedar, policies), None)
    }

    /// The same in either syntax, with the links of templates: a JSON list of objects with `template_id`, `link_id` and
    /// `args` (slot to entity, as in `{"?principal": "User::\"alice\""}`).
    pub fn bare_formats(name: &str, schema: (Format, &str), policies: (Format, &str), links: Option<&str>) -> Self {
        let extension = |format| match format {
            Format::Cedar => "",
            Format::Json => ".json",
        };
        let schema_file = SourceFile::new(format!("schema.cedarschema{}", extension(schema.0)), schema.1);
        let policy_file = SourceFile::new(format!("policies.cedar{}", extension(policies.0)), policies.1);
        let links = links.map(|text| SourceFile::new("links.json", text));
        let mut sources = vec![policy_file.clone(), schema_file.clone()];
        sources.extend(links.clone());
        sources.sort_by(|a, b| a.path().cmp(b.path()));
        Self {
            name: name.to_owned(),
            version: "0.0.0".to_owned(),
            schema: schema_file,
            policies: vec![policy_file],
            links,
            catalogue: None,
            vocabulary: Vocabulary::None,
            sources,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its version, `major.minor.patch`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Its schema.
    pub fn schema(&self) -> &SourceFile {
        &self.schema
    }

    /// Its policies, in order.
    pub fn policies(&self) -> &[SourceFile] {
        &self.policies
    }

    /// The links of its templates, if it has some.
    pub fn links(&self) -> Option<&SourceFile> {
        self.links.as_ref()
    }

    /// What its schema and annotations are held to.
    pub fn vocabulary(&self) -> Vocabulary {
        self.vocabulary
    }

    /// Every file that it was made from, sorted by path.
    pub fn sources(&self) -> &[SourceFile] {
        &self.sources
    }
}

/// `pack.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PackTable {
    name: String,
    version: String,
    schema: String,
    policies: Vec<String>,
    catalogue: Option<String>,
    links: Option<String>,
    vocabulary: Option<VocabularyName>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum VocabularyName {
    Export,
    None,
}

struct Reader<'a> {
    files: &'a BTreeMap<String, Vec<u8>>,
    sources: BTreeMap<String, SourceFile>,
}

impl Reader<'_> {
    /// The file at `path`, which `key` of `pack.toml` names.
    fn read(&mut self, path: &str, key: &str) -> Result<SourceFile, CompileError> {
        let fail = |kind, message: String| Err(CompileError::new(kind, message));
        if self.sources.contains_key(path) {
            return fail(CompileErrorKind::Pack, format!("`{PACK_FILE}` names the file `{path}` twice"));
        }
        let Some(bytes) = self.files.get(path) else {
            return fail(
                CompileErrorKind::Pack,
                if key.is_empty() {
                    format!("the pack has no file `{path}`")
                } else {
                    format!("`{PACK_FILE}` names the file `{path}` as `{key}`, but the pack has no such file")
                },
            );
        };
        if bytes.len() > FILE_BYTES_MAX {
            let found = bytes.len();
            return fail(
                CompileErrorKind::Limit,
                format!("`{path}` has {found} bytes, more than the limit `FILE_BYTES_MAX` of {FILE_BYTES_MAX}"),
            );
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let at = error.valid_up_to();
            CompileError::new(CompileErrorKind::Pack, format!("`{path}` isn't UTF-8: the fault is at byte {at}"))
        })?;
        let file = SourceFile::new(path, text);
        self.sources.insert(path.to_owned(), file.clone());
        Ok(file)
    }
}

/// Checks what `pack.toml` says of the pack itself; an error comes with the key that it is about.
fn check_names(table: &PackTable) -> Result<(), (&'static str, CompileError)> {
    let fail = |key, message: String| Err((key, CompileError::new(CompileErrorKind::Pack, message)));
    let PackTable { name, version, policies, .. } = table;
    if name.is_empty() || name.len() > limits::ID_BYTES_MAX || name.chars().any(char::is_control) {
        return fail("name", format!("`name` expects 1 to {} bytes without control characters", limits::ID_BYTES_MAX));
    }
    let part = |part: &str| part.parse::<u64>().is_ok() && (part == "0" || !part.starts_with(['0', '+']));
    if version.split('.').count() != 3 || !version.split('.').all(part) {
        return fail("version", format!("`version` expects `major.minor.patch`, found `{}`", version.escape_debug()));
    }
    if policies.is_empty() {
        return fail("policies", "`policies` expects at least one file".to_owned());
    }
    if policies.len() > POLICY_FILES_MAX {
        let found = policies.len();
        let message =
            format!("{found} files of policies, more than the limit `POLICY_FILES_MAX` of {POLICY_FILES_MAX}");
        return Err(("policies", CompileError::new(CompileErrorKind::Limit, message)));
    }
    Ok(())
}

/// The syntax of a schema or policies: files that end in `.json` are JSON.
pub(crate) fn format_of(file: &SourceFile) -> Format {
    if file.path().ends_with(".json") { Format::Json } else { Format::Cedar }
}

/// A fault in a TOML file, with its place.
pub(crate) fn toml_error(file: &SourceFile, error: &toml::de::Error) -> CompileError {
    let (start, end) = error.span().map_or((0, 0), |span| (span.start, span.end));
    CompileError::new(CompileErrorKind::Pack, format!("`{}`: {}", file.path(), error.message()))
        .with_place(file, start, end)
}
