//! Hostile guests: WebAssembly text with its expected error in the header, and a manifest that may lie.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use crate::bless;

/// Stands in a guest's text where its manifest goes; what follows on the line is merged into the manifest.
const MANIFEST_DIRECTIVE: &str = ";; manifest";

/// Begins the line of the header that says how the guest ends.
const EXPECT_DIRECTIVE: &str = ";; expect:";

/// A hostile guest.
#[derive(Clone, Debug)]
pub struct Guest {
    path: PathBuf,
    text: String,
}

impl Guest {
    /// All of them, sorted by name.
    pub fn load_all() -> Vec<Self> {
        let folder = bless::data().join("hostile");
        bless::files(&folder, "wat").into_iter().map(|path| Self { text: bless::read(&path), path }).collect()
    }

    /// The name of its file, without extension.
    pub fn name(&self) -> String {
        self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// How it ends, as its header says.
    pub fn expected(&self) -> &str {
        let line = self.text.lines().find_map(|line| line.strip_prefix(EXPECT_DIRECTIVE));
        line.unwrap_or_else(|| panic!("{}: no `{EXPECT_DIRECTIVE}`", self.path.display())).trim()
    }

    /// Rewrites how it ends.
    pub fn bless(&self, found: &str) {
        let line = |line: &str| match line.strip_prefix(EXPECT_DIRECTIVE) {
            Some(_) => format!("{EXPECT_DIRECTIVE} {found}").trim_end().to_owned() + "\n",
            None => format!("{line}\n"),
        };
        bless::write(&self.path, &self.text.lines().map(line).collect::<String>());
    }

    /// Its bytes: a component.
    pub fn bytes(&self) -> Vec<u8> {
        let fail = |e: &dyn std::fmt::Display| panic!("{}: {e}", self.path.display());
        let lines: Vec<String> = self.text.lines().map(|line| with_manifest(line, &self.path)).collect();
        let text = lines.join("\n");
        let code: String =
            lines.iter().filter(|line| !line.trim_start().starts_with(";;")).map(String::as_str).collect();
        let text = if code.starts_with("(component") { text } else { wrap(&text) };
        let bytes = wat::parse_str(&text).unwrap_or_else(|e| fail(&e));
        // Text tools are helpful; what counts is that the host gets what the file says.
        assert!(bytes.starts_with(b"\0asm"), "{}", self.path.display());
        bytes
    }
}

/// A good guest with these bytes as its manifest.
pub fn with_manifest_bytes(manifest: &[u8]) -> Vec<u8> {
    assemble(&custom_section(manifest), &GOOD_ANSWER)
}

/// A guest that answers with these words, little-endian.
pub fn answering(words: &[u8]) -> Vec<u8> {
    let manifest = bless::read(&bless::data().join("hostile/manifest.json"));
    assemble(&custom_section(manifest.as_bytes()), words)
}

/// Outcome 0, no policy satisfied, at the one point.
const GOOD_ANSWER: [u8; 20] = [1, 0x41, 0x47, 0x45, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

fn assemble(manifest: &str, answer: &[u8]) -> Vec<u8> {
    let length = u32::try_from(answer.len() / 4).unwrap_or(u32::MAX);
    let text = wrap(&format!(
        r#"(module
  {manifest}
  (memory (export "memory") 64)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 2097152))
  (func (export "evaluate") (param i32 i32) (result i32) (i32.const 8))
  (data (i32.const 8) "{}")
  (data (i32.const 64) "{}"))"#,
        escape(&[64_u32.to_le_bytes(), length.to_le_bytes()].concat()),
        escape(answer)
    ));
    wat::parse_str(&text).unwrap_or_else(|e| panic!("{e}"))
}

fn custom_section(manifest: &[u8]) -> String {
    format!("(@custom \"exportgate:manifest\" \"{}\")", escape(manifest))
}

/// Bytes as a string of WebAssembly text.
fn escape(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\{byte:02x}")).collect()
}

/// A component for the world `guest` around a core module's text, with a `post-return` where the module has one.
fn wrap(module: &str) -> String {
    let start = module.find("(module").unwrap_or_else(|| panic!("no `(module` in {module}"));
    let (comments, module) = module.split_at(start);
    let module = module.replacen("(module", "(core module $m", 1);
    let post_return =
        if module.contains("\"cabi_post_evaluate\"") { " (post-return (func $i \"cabi_post_evaluate\"))" } else { "" };
    format!(
        r#"{comments}(component
  {module}
  (core instance $i (instantiate $m))
  (type $frame (list u64))
  (type $answer (list u32))
  (func $evaluate (param "frame" $frame) (result $answer)
    (canon lift (core func $i "evaluate") (memory $i "memory") (realloc (func $i "cabi_realloc")){post_return}))
  (export "evaluate" (func $evaluate)))
"#
    )
}

fn with_manifest(line: &str, path: &Path) -> String {
    let Some(patch) = line.trim_start().strip_prefix(MANIFEST_DIRECTIVE) else { return line.to_owned() };
    let mut manifest: Json = serde_json::from_str(&bless::read(&bless::data().join("hostile/manifest.json")))
        .unwrap_or_else(|e| panic!("manifest.json: {e}"));
    if !patch.trim().is_empty() {
        let patch: Json = serde_json::from_str(patch).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        merge(&mut manifest, patch);
    }
    custom_section(manifest.to_string().as_bytes())
}

/// Objects are merged, `null` removes, anything else replaces.
fn merge(into: &mut Json, patch: Json) {
    match (into, patch) {
        (Json::Object(into), Json::Object(patch)) => {
            for (key, value) in patch {
                match value {
                    Json::Null => {
                        into.remove(&key);
                    }
                    value => merge(into.entry(key).or_insert(Json::Null), value),
                }
            }
        }
        (into, patch) => *into = patch,
    }
}
