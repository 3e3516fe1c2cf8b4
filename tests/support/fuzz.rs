//! What is fuzzed: one function for each input from outside. It must neither panic nor run without bound, whatever the bytes.
//!
//! The targets in `fuzz/` call these. What they found, and a seed of each kind, is in `tests/data/fuzz`, and every test run
//! goes through it.

use std::sync::{Arc, OnceLock};

use exportgate::job_file;
use exportgate::{Engine, EngineConfig, Entities, EntityUid, Module, Request, Value};
use exportgate_compiler::data::DataSchema;
use exportgate_compiler::{CompileErrorKind, CompileOptions, Format, Pack, compile};
use exportgate_contract::manifest::Axis;
use exportgate_contract::types::SchemaTypes;
use exportgate_sdk::{
    Bool, Cell, Fact, FactEntry, Frame, Kind, Long, Outcome, Point, Policy, PolicyIdx, QuestionEntry, Set, Table, Text,
};

use crate::generate::pick;
use crate::{bless, case, hostile};

/// A target: its name, and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 6] = [
    ("cedar_text", cedar_text),
    ("module", module),
    ("manifest", manifest),
    ("answer", answer),
    ("frame", frame),
    ("job_file", job_file),
];

/// Stands between schema, policies and links in an input of `cedar_text`.
const NEXT: &str = "\n-----\n";

/// What a target starts from, by name: the committed inputs, finds among them, and what the tests have of its kind.
///
/// # Panics
///
/// When a file can't be read.
pub fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let mut seeds = Vec::new();
    let folder = bless::data().join("fuzz").join(target);
    for extension in ["hex", "txt"] {
        for path in if folder.is_dir() { bless::files(&folder, extension) } else { Vec::new() } {
            let text = bless::read(&path);
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            seeds.push((name, if extension == "hex" { from_hex(&text) } else { text.into_bytes() }));
        }
    }
    match target {
        "cedar_text" => seeds.extend(case::load_all(&bless::data().join("cases")).into_iter().map(|case| {
            let text = [case.schema.as_str(), &case.policies].join(NEXT);
            (case.name().replace('/', "-"), text.into_bytes())
        })),
        "module" => seeds.extend(hostile::Guest::load_all().into_iter().map(|guest| (guest.name(), guest.bytes()))),
        "manifest" => {
            seeds.push(("hostile".to_owned(), bless::read(&bless::data().join("hostile/manifest.json")).into_bytes()));
        }
        "job_file" => {
            let cases = bless::files(&bless::workspace().join("guest-policies/support-desk/cases"), "json");
            for path in cases.iter().step_by(8) {
                let case: serde_json::Value =
                    serde_json::from_str(&bless::read(path)).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
                let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                seeds.push((name, case["job"].to_string().into_bytes()));
            }
        }
        _ => {}
    }
    assert!(!seeds.is_empty(), "no seeds for `{target}`");
    seeds
}

/// A mutation of one of the seeds: bytes and words changed, ranges removed, repeated, or taken from another seed.
pub fn mutate(rng: &mut fastrand::Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    const WORDS: [u64; 8] = [0, 1, 2, 0xff, 1 << 31, u32::MAX as u64, i64::MAX as u64, u64::MAX];
    /// What an input may grow to, in bytes.
    const INPUT_BYTES_MAX: usize = 1 << 20;
    let mut input = pick(rng, seeds).clone();
    for _ in 0..rng.usize(1..=6) {
        let at = rng.usize(..=input.len());
        let end = at + rng.usize(..=(input.len() - at).min(64));
        match rng.u32(..8) {
            0 if at < input.len() => input[at] ^= 1 << rng.u32(..8),
            1 if at < input.len() => input[at] = rng.u8(..),
            2 => {
                // A word in its place, for inputs that are words.
                let at = at / 8 * 8;
                let word = if rng.bool() { *pick(rng, &WORDS) } else { rng.u64(..64) };
                let end = (at + 8).min(input.len());
                input.splice(at..end, word.to_le_bytes());
            }
            3 => {
                input.drain(at..end);
            }
            4 => {
                let times = if rng.u32(..20) == 0 { 2_000 } else { rng.usize(1..=4) };
                let part = input[at..end].repeat(times);
                input.splice(at..at, part);
            }
            5 => {
                let other = pick(rng, seeds);
                let from = rng.usize(..=other.len());
                let to = from + rng.usize(..=(other.len() - from).min(200));
                let part = other[from..to].to_vec();
                input.splice(at..end, part);
            }
            6 => {
                const TEXTS: [&str; 12] =
                    ["{", "[", "(", "\"", "\\", "if ", "-", "9223372036854775808", "null", "\u{0}", "::", "1e999"];
                input.splice(at..end, pick(rng, &TEXTS).bytes());
            }
            _ => input.truncate(end),
        }
        input.truncate(INPUT_BYTES_MAX);
    }
    input
}

/// Bytes as two digits each; space between them and lines that begin with `#` don't count.
fn from_hex(text: &str) -> Vec<u8> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let digits: Vec<u32> = lines.flat_map(str::chars).filter_map(|c| c.to_digit(16)).collect();
    digits.chunks_exact(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap_or_default()).collect()
}

/// A schema, policies and links, in either syntax: compiled, with the IR verified and the Wasm validated in debug builds. A
/// schema is read as one of data, too, and the policies as its entities.
pub fn cedar_text(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut parts = text.splitn(3, NEXT);
    let (schema, policies, links) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""), parts.next());
    let format = |text: &str| if text.trim_start().starts_with('{') { Format::Json } else { Format::Cedar };
    let pack = Pack::bare_formats("fuzz", (format(schema), schema), (format(policies), policies), links);
    if let Err(errors) = compile(&pack, &CompileOptions::default()) {
        // The compiler tells its own faults, a panic among them, from those of its input.
        assert!(errors.iter().all(|error| error.kind() != CompileErrorKind::Internal), "{errors}");
        let _ = errors.render();
    }
    if let Ok(schema) = DataSchema::new(format(schema), schema) {
        let _ = schema.entities(policies);
    }
}

/// A component.
pub fn module(data: &[u8]) {
    ask(data);
}

/// The text of a manifest, in a module that is well-made otherwise.
pub fn manifest(data: &[u8]) {
    ask(&hostile::with_manifest_bytes(data));
}

/// The words of an answer, little-endian.
pub fn answer(data: &[u8]) {
    ask(&hostile::answering(data));
}

fn ask(bytes: &[u8]) {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    let config = EngineConfig { fuel_per_call: 1_000_000, fuel_per_point: 1_000, ..EngineConfig::default() };
    let engine = ENGINE.get_or_init(|| Engine::new(&config).unwrap_or_else(|e| panic!("{e}")));
    let Ok(module) = Module::load(engine, bytes) else { return };
    let request = Request {
        principal: EntityUid::new("Export::Agent", "ana"),
        action: EntityUid::new("Export::Action", "export"),
        resource: EntityUid::new("Export::Job", "job"),
        context: Value::record([] as [(&str, Value); 0]),
    };
    if let Err(error) = module.authorize(&request, &Entities::default()) {
        let error = error.to_string();
        assert!(!error.contains("internal error"), "{error}");
    }
}

/// The text of a job file.
pub fn job_file(data: &[u8]) {
    static TYPES: OnceLock<Arc<SchemaTypes>> = OnceLock::new();
    let types = TYPES.get_or_init(|| {
        let schema = bless::read(&bless::workspace().join("guest-policies/support-desk/schema.cedarschema"));
        let artifact = compile(&Pack::bare("fuzz", &schema, ""), &CompileOptions::default());
        let artifact = artifact.unwrap_or_else(|e| panic!("{e}"));
        Arc::new(artifact.manifest.schema.types)
    });
    let _ = job_file::read(types, &String::from_utf8_lossy(data));
}

/// The words of a frame, little-endian, as a guest in Rust reads them.
pub fn frame(data: &[u8]) {
    let words: Vec<u64> =
        data.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap_or_default())).collect();
    let _ = exportgate_sdk::evaluate::<ReadsAll>(&words);
}

const TABLE: Table<'static> = Table {
    symbols: &["eu"],
    facts: &[
        FactEntry { name: "context.customers", axis: Axis::Job, kind: Kind::Long, payload: false },
        FactEntry { name: "context.regions", axis: Axis::Job, kind: Kind::Set, payload: true },
        FactEntry { name: "customer.region", axis: Axis::Row, kind: Kind::Text, payload: true },
        FactEntry { name: "customer.minor", axis: Axis::Row, kind: Kind::Bool, payload: false },
    ],
    policies: &["few", "local"],
    questions: &[
        QuestionEntry { action: "export", axis: Axis::Job, facts: &[0, 1], policies: &[0] },
        QuestionEntry { action: "include", axis: Axis::Row, facts: &[2, 3], policies: &[1] },
    ],
};

const CUSTOMERS: Fact<Long> = TABLE.fact("context.customers");
const REGIONS: Fact<Set> = TABLE.fact("context.regions");
const REGION: Fact<Text> = TABLE.fact("customer.region");
const MINOR: Fact<Bool> = TABLE.fact("customer.minor");
const FEW: PolicyIdx = TABLE.policy("few");
const LOCAL: PolicyIdx = TABLE.policy("local");

/// A policy that reads whatever a frame has.
struct ReadsAll;

impl Policy for ReadsAll {
    fn table() -> Table<'static> {
        TABLE
    }

    fn open(_: &Frame<'_>) -> Self {
        Self
    }

    fn answer(&self, at: &Point<'_>, outcome: &mut Outcome) {
        if at.question() == TABLE.question("export") {
            if let Cell::Value(regions) = at.read(REGIONS) {
                let members = regions.members().unwrap_or_default();
                assert!(members.iter().all(|member| regions.contains(exportgate_sdk::Symbol(*member))));
            }
            outcome.add(FEW, at.read(CUSTOMERS).access().map(|customers| customers < 10));
        } else {
            let local = at.read(REGION).access().map(|region| region.text().as_deref() == Some("eu"));
            let minor = at.read(MINOR).access();
            outcome.add(LOCAL, local.and_then(|local| minor.map(|minor| local && !minor)));
        }
    }
}
