//! Rules about the source itself: what may import what, how files look, that documents and code agree.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use exportgate_tests::bless::{read, workspace};

/// What a member may depend on: a row of the table in `docs/architecture.md`.
struct Member {
    folder: &'static str,
    /// The members of ours that it may import; none for all of them.
    ours: Option<&'static [&'static str]>,
    /// What of others it must not depend on.
    never: &'static [&'static str],
}

const MEMBERS: [Member; 7] = [
    Member {
        folder: "wit",
        ours: Some(&[]),
        never: &["wasmtime", "cedar-policy", "cedar-policy-core", "miette", "serde_json", "sha2"],
    },
    Member {
        folder: "compiler",
        ours: Some(&["exportgate-contract"]),
        never: &["wasmtime", "cedar-policy", "clap", "tempfile"],
    },
    Member {
        folder: "host",
        ours: Some(&["exportgate-audit", "exportgate-contract", "exportgate-ledger"]),
        never: &[
            "cedar-policy",
            "cedar-policy-core",
            "cedar-policy-formatter",
            "wasm-encoder",
            "wit-component",
            "miette",
            "clap",
        ],
    },
    Member {
        folder: "guest-policies/sdk",
        ours: Some(&["exportgate-contract"]),
        never: &["wasmtime", "cedar-policy", "cedar-policy-core"],
    },
    Member { folder: "cli", ours: None, never: &["wasmtime", "cedar-policy"] },
    Member { folder: "ledger", ours: Some(&[]), never: &["wasmtime", "cedar-policy", "cedar-policy-core"] },
    Member { folder: "audit", ours: Some(&[]), never: &["wasmtime", "cedar-policy", "cedar-policy-core"] },
];

/// What `wit` may depend on at all.
const CONTRACT_DEPENDENCIES: [&str; 1] = ["serde"];

/// The modules that may name a third-party crate; within these folders nobody else does.
const ALLOTTED: [(&str, &str, &[&str]); 4] = [
    ("compiler/src", "cedar_policy_core::validator::typecheck", &["compiler/src/frontend/typed.rs"]),
    ("compiler/src", "wasm_encoder::", &["compiler/src/codegen", "compiler/src/component"]),
    ("compiler/src", "wit_component::", &["compiler/src/component"]),
    (
        "host/src",
        "wasmtime::",
        &[
            "host/src/engine.rs",
            "host/src/module.rs",
            "host/src/sandbox.rs",
            "host/src/sandbox",
            "host/src/instance.rs",
            "host/src/abi.rs",
        ],
    ),
];

/// What the compiler may not touch, so that the same files give the same bytes anywhere.
const NOT_IN_COMPILER: [&str; 9] = [
    "std::fs",
    "std::env",
    "std::time",
    "std::process",
    "SystemTime",
    "TcpStream",
    "UdpSocket",
    "RandomState",
    "HashMap",
];

/// Where it may, and why: Cedar wants a map for the slots of a template, which is never iterated.
const ALLOWED_IN_COMPILER: [(&str, &str); 1] = [("compiler/src/frontend/policies.rs", "HashMap")];

/// Lines of a source file: beyond this it is two files. Tables and generated code would be named here.
const LINES_MAX: usize = 800;

const SKIPPED: [&str; 4] = ["target", ".git", "node_modules", "pkg"];

/// All files of the checkout, without build output, sorted.
fn files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![workspace()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && !SKIPPED.contains(&name.as_str()) {
                folders.push(path);
            } else if path.is_file() {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The files with an extension, with their path from the top of the checkout, and their text.
fn sources(extension: &str) -> Vec<(String, String)> {
    files()
        .into_iter()
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .map(|path| (shown(&path), read(&path)))
        .collect()
}

fn shown(path: &Path) -> String {
    path.strip_prefix(workspace()).unwrap().to_string_lossy().replace('\\', "/")
}

fn assert_none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn manifest(member: &str) -> Option<toml::Table> {
    let path = workspace().join(member).join("Cargo.toml");
    path.exists().then(|| read(&path).parse::<toml::Table>().unwrap_or_else(|e| panic!("{member}: {e}")))
}

/// The names of what a manifest depends on, development dependencies included where asked.
fn dependencies(manifest: &toml::Table, development: bool) -> BTreeSet<String> {
    let mut tables = vec!["dependencies", "build-dependencies"];
    if development {
        tables.push("dev-dependencies");
    }
    let within = |table: &toml::Table| {
        let named = |key: &&str| table.get(*key).and_then(toml::Value::as_table).cloned();
        tables.iter().filter_map(named).flat_map(|table| table.into_iter().map(|(name, _)| name)).collect::<Vec<_>>()
    };
    let mut names: BTreeSet<String> = within(manifest).into_iter().collect();
    for target in
        manifest.get("target").and_then(toml::Value::as_table).into_iter().flat_map(|targets| targets.values())
    {
        names.extend(target.as_table().into_iter().flat_map(within));
    }
    names
}

#[test]
fn members_import_only_what_the_table_allows() {
    let mut wrong = Vec::new();
    for Member { folder: member, ours, never } in MEMBERS {
        let Some(manifest) = manifest(member) else { continue };
        for name in dependencies(&manifest, false) {
            let is_ours = name == "exportgate" || name.starts_with("exportgate-");
            if is_ours && ours.is_some_and(|allowed| !allowed.contains(&name.as_str())) {
                wrong.push(format!("{member}/Cargo.toml: must not depend on `{name}`"));
            }
            if never.contains(&name.as_str()) {
                wrong.push(format!("{member}/Cargo.toml: must not depend on `{name}`"));
            }
            if member == "wit" && !CONTRACT_DEPENDENCIES.contains(&name.as_str()) {
                wrong.push(format!("wit/Cargo.toml: may depend on {CONTRACT_DEPENDENCIES:?} only, found `{name}`"));
            }
        }
    }
    assert_none(&wrong);
}

#[test]
fn compiler_and_host_dont_meet_even_in_tests() {
    for (member, other) in [("compiler", "exportgate"), ("host", "exportgate-compiler")] {
        let found = dependencies(&manifest(member).unwrap(), true);
        assert!(!found.contains(other), "{member} depends on {other}");
    }
}

#[test]
fn the_host_doesnt_link_the_component_runtime() {
    let root = manifest("").unwrap();
    let wasmtime = &root["workspace"]["dependencies"]["wasmtime"];
    assert_eq!(wasmtime["default-features"].as_bool(), Some(false));
    let features: Vec<&str> = wasmtime["features"].as_array().unwrap().iter().filter_map(toml::Value::as_str).collect();
    for refused in ["component-model", "async", "gc", "threads", "wasi"] {
        assert!(!features.contains(&refused), "`{refused}` is on");
    }
    let host = manifest("host").unwrap();
    let own = host["dependencies"]["wasmtime"].as_table().and_then(|table| table.get("features"));
    assert!(own.is_none(), "the host adds features to wasmtime: {own:?}");
}

#[test]
fn manifests_inherit_what_is_said_once() {
    let mut wrong = Vec::new();
    let root = manifest("").unwrap();
    assert_eq!(root["workspace"]["package"]["license"].as_str(), Some("Apache-2.0"));
    for member in root["workspace"]["members"].as_array().unwrap() {
        let member = member.as_str().unwrap();
        let Some(manifest) = manifest(member) else { continue };
        let package = manifest["package"].as_table().unwrap();
        for key in ["version", "edition", "rust-version", "license"] {
            let inherited = package.get(key).and_then(|value| value.get("workspace")).and_then(toml::Value::as_bool);
            if inherited != Some(true) {
                wrong.push(format!("{member}/Cargo.toml: `{key}` must come from the workspace"));
            }
        }
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for (name, value) in manifest.get(table).and_then(toml::Value::as_table).into_iter().flatten() {
                if value.get("workspace").and_then(toml::Value::as_bool) != Some(true) {
                    wrong.push(format!("{member}/Cargo.toml: `{name}` must come from the workspace"));
                }
            }
        }
    }
    assert_none(&wrong);
}

#[test]
fn library_crates_keep_the_lints() {
    for member in ["wit", "compiler", "host", "cli", "guest-policies/sdk", "ledger", "audit"] {
        let Some(manifest) = manifest(member) else { continue };
        let inherited = manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(toml::Value::as_bool);
        assert_eq!(inherited, Some(true), "{member}/Cargo.toml: lints");
    }
    let root = manifest("").unwrap();
    for lint in ["unwrap_used", "expect_used", "panic", "indexing_slicing", "string_slice"] {
        assert_eq!(root["workspace"]["lints"]["clippy"][lint].as_str(), Some("deny"), "{lint}");
    }
    assert_eq!(root["workspace"]["lints"]["rust"]["unsafe_code"].as_str(), Some("forbid"));
}

#[test]
fn third_party_types_stay_in_their_modules() {
    let mut wrong = Vec::new();
    for (path, text) in sources("rs") {
        for (folder, name, allotted) in ALLOTTED {
            let within = path.starts_with(folder) && !allotted.iter().any(|module| path.starts_with(module));
            for (number, line) in text.lines().enumerate() {
                if within && line.contains(name) && !line.trim_start().starts_with("//") {
                    wrong.push(format!("{path}:{}: names `{name}`", number + 1));
                }
            }
        }
    }
    assert_none(&wrong);
}

#[test]
fn the_compiler_touches_nothing_that_varies() {
    let mut wrong = Vec::new();
    for (path, text) in sources("rs") {
        if !path.starts_with("compiler/src") || path.contains("/tests/") || path.ends_with("/tests.rs") {
            continue;
        }
        // Tests stand last in a file, and may use what they like.
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in code.lines().enumerate() {
            for name in NOT_IN_COMPILER {
                let allowed = ALLOWED_IN_COMPILER.contains(&(path.as_str(), name));
                if line.contains(name) && !allowed && !line.trim_start().starts_with("//") {
                    wrong.push(format!("{path}:{}: names `{name}`", number + 1));
                }
            }
        }
    }
    assert_none(&wrong);
}

/// Whether a file is an expression that a guest includes as data, written by `exportgate build`.
fn is_included(path: &str) -> bool {
    path.starts_with("guest-policies/") && path.ends_with("/manifest.rs") && !path.contains("/src/")
}

#[test]
fn source_files_look_as_they_should() {
    let mut wrong = Vec::new();
    for (path, text) in sources("rs") {
        if !text.starts_with("//! ") && !is_included(&path) {
            wrong.push(format!("{path}: the first line must be `//!` and state the file's one job"));
        }
        let name = path.rsplit('/').next().unwrap_or_default();
        if name == "mod.rs" {
            wrong.push(format!("{path}: write `foo.rs` beside `foo/`, not `mod.rs`"));
        }
        if ["utils.rs", "helpers.rs", "common.rs", "misc.rs"].contains(&name) {
            wrong.push(format!("{path}: name the file after its job"));
        }
        let lines = text.lines().count();
        if lines > LINES_MAX {
            wrong.push(format!("{path}: {lines} lines, at most {LINES_MAX}"));
        }
        for (number, line) in text.lines().enumerate() {
            if line.contains("#[ignore") || line.contains("#[should_panic") {
                wrong.push(format!("{path}:{}: tests are neither ignored nor expected to panic", number + 1));
            }
        }
    }
    wrong.retain(|line| !line.starts_with("tests/tidy.rs:"));
    assert_none(&wrong);
}

#[test]
fn source_has_no_invisible_characters() {
    // Zero-width and bidirectional characters make code read otherwise than it runs.
    let invisible =
        |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    let mut wrong = Vec::new();
    for (path, text) in ["rs", "toml", "cedar", "cedarschema", "wit", "wat", "md"].into_iter().flat_map(sources) {
        for (number, line) in text.lines().enumerate() {
            if line.contains(invisible) {
                wrong.push(format!("{path}:{}: holds an invisible character", number + 1));
            }
        }
    }
    assert_none(&wrong);
}

/// The texts that a person reads or a machine runs, with their paths.
fn texts() -> Vec<(String, String)> {
    ["rs", "md", "toml", "cedar", "cedarschema", "wit", "wat", "json", "csv"].into_iter().flat_map(sources).collect()
}

#[test]
fn nothing_names_the_machine_it_was_written_on() {
    // In two parts each, so that this file doesn't hold them.
    let refused: Vec<String> = [
        ("/wo", "rk/"),
        ("/ho", "me/"),
        ("/ro", "ot/"),
        ("local", "host:"),
        ("artifact", "ory"),
        ("index.crates", ".io"),
    ]
    .iter()
    .map(|(a, b)| format!("{a}{b}"))
    .collect();
    let mut wrong = Vec::new();
    for (path, text) in texts() {
        for (number, line) in text.lines().enumerate() {
            if let Some(word) = refused.iter().find(|word| line.contains(word.as_str())) {
                wrong.push(format!("{path}:{}: names `{word}`", number + 1));
            }
        }
    }
    assert_none(&wrong);
}

#[test]
fn relative_links_in_documents_lead_somewhere() {
    let mut wrong = Vec::new();
    for (path, text) in sources("md") {
        let folder = workspace().join(&path).parent().unwrap().to_owned();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") || target.starts_with("mailto:") || target.contains(' ') {
                continue;
            }
            if !folder.join(target).exists() {
                wrong.push(format!("{path}: `{target}` doesn't exist"));
            }
        }
    }
    assert_none(&wrong);
}

/// Whether a document's mention of a case leads to one: `folder/name`, `folder/*`, or a path that ends in `.case`.
fn is_case(mention: &str) -> bool {
    let cases = workspace().join("tests/data/cases");
    match mention.rsplit_once('/') {
        Some((folder, name)) if name.ends_with(".case") => match name {
            "*.case" => workspace().join(folder).is_dir(),
            name => workspace().join(folder).join(name).is_file(),
        },
        Some((folder, "*")) => cases.join(folder).is_dir(),
        Some((folder, name)) => cases.join(folder).join(format!("{name}.json")).is_file(),
        None => false,
    }
}

#[test]
fn each_row_of_the_semantics_names_its_cases() {
    let text = read(&workspace().join("docs/semantics.md"));
    let (mut wrong, mut rows, mut with_cases) = (Vec::new(), 0, false);
    for (number, line) in text.lines().enumerate() {
        let number = number + 1;
        // A bar within code is written `\\|`.
        let line = line.replace("\\|", "");
        let Some(row) = line.strip_prefix("| ").or_else(|| line.strip_prefix("|--")) else {
            with_cases = false;
            continue;
        };
        let last = row.trim_end_matches('|').rsplit('|').next().unwrap_or_default().trim();
        if last == "cases" || last.starts_with("--") {
            with_cases |= last == "cases";
            continue;
        }
        let mentions: Vec<&str> = last.split('`').skip(1).step_by(2).collect();
        let wrong_ones = mentions.iter().filter(|mention| with_cases && !is_case(mention));
        wrong.extend(wrong_ones.map(|mention| format!("docs/semantics.md:{number}: `{mention}` is no case")));
        if with_cases {
            rows += 1;
            if mentions.is_empty() && last != "same" {
                wrong.push(format!("docs/semantics.md:{number}: a row without a case"));
            }
        }
    }
    assert!(rows > 30, "only {rows} rows");
    assert_none(&wrong);
}

/// The `pub const NAME: usize = N;` of a source text.
fn constants(text: &str) -> BTreeMap<String, u64> {
    text.lines()
        .filter_map(|line| line.strip_prefix("pub const "))
        .filter_map(|line| {
            let (name, rest) = line.split_once(": ")?;
            let (_, value) = rest.split_once(" = ")?;
            Some((name.to_owned(), value.trim_end_matches(';').parse().ok()?))
        })
        .collect()
}

#[test]
fn the_contract_page_and_the_contract_crate_agree() {
    let page = read(&workspace().join("docs/contract.md"));
    let frame = read(&workspace().join("wit/src/frame.rs"));
    let found = constants(&frame);
    let header = found["HEADER_WORDS"];
    assert!(page.contains(&format!("word {header} ..  ")), "where the frame's question ids begin");
    let ruler = page.lines().find(|line| line.starts_with("word  0")).expect("the ruler of the frame");
    let numbers: Vec<u64> = ruler.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    assert_eq!(numbers, (0..header).collect::<Vec<_>>(), "the ruler of the frame");
    for (state, name) in [("STATE_VALUE", "VALUE"), ("STATE_ABSENT", "ABSENT"), ("STATE_ERR", "ERR")] {
        assert!(page.contains(&format!("{name} ({})", found[state])), "{name}");
    }
    for (payload, line) in [
        ("PAYLOAD_STRING", "string          "),
        ("PAYLOAD_IP", "ipaddr          "),
        ("PAYLOAD_SET", "set of words    "),
        ("PAYLOAD_SET_OF_COMPOSITES", "                "),
        ("PAYLOAD_RECORD", "record          "),
    ] {
        assert!(page.contains(&format!("\n{line}{} | ", found[payload])), "{payload}");
    }
    let order = ["WORD_TAG", "WORD_ROWS", "WORD_COLUMNS", "WORD_QUESTIONS", "WORD_SYMBOLS"];
    for (word, name) in order.iter().enumerate() {
        assert_eq!(found[*name], u64::try_from(word).unwrap(), "{name}");
    }
    for (name, word) in [("WORD_PAYLOADS", 13), ("WORD_LENGTH", 14), ("WORD_DIRECTORY_FIRST", 15)] {
        assert_eq!(found[name], word, "{name}");
    }
}
