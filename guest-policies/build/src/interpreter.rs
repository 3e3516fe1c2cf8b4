//! Modules in which Cedar itself answers: the guest `cedar-interpreter`, with a pack put into it as data.
//!
//! The manifest is that of the compiled pack, with everything asked for that rebuilding takes: the same policies, inputs and
//! questions; the pack's facts, all with payloads; beside them the value of each term on the way to a fact, so that paths
//! which lead to one entity meet in its symbol; and the names of record attributes among the constants.

use std::collections::{BTreeMap, BTreeSet};

use exportgate_compiler::{CompileErrors, CompileOptions, Pack, Passes};
use exportgate_contract::manifest::{Axis, Cost, Fact, Manifest, Question, Read, Term};
use exportgate_contract::types::Type;
use exportgate_contract::value::Value;
use serde::Serialize;
use wasm_encoder::{ConstExpr, Encode as _, MemorySection, MemoryType, Module, RawSection, SectionId};
use wasmparser::{BinaryReader, Parser, Payload};

use crate::component::{self, ComponentError};
use crate::terms;

/// How many bytes a page of linear memory has.
const PAGE_BYTES: u64 = 65_536;

/// By what the slot for the pack is found, as `cedar-interpreter/src/slot.rs` has it: address and length of the pack follow,
/// four bytes each.
pub const MARK: &[u8; 16] = b"exportgate:pack!";

/// Why no module with an interpreter can be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InterpreterError {
    /// The pack doesn't compile, and so has no manifest.
    #[error(transparent)]
    Compile(#[from] CompileErrors),
    /// The manifest contradicts itself or its schema.
    #[error("the manifest of the pack can't be extended: {0}")]
    Manifest(String),
    /// The links of templates can't be read.
    #[error("the links of the pack can't be read: {0}")]
    Links(serde_json::Error),
    /// The pack can't be written as JSON.
    #[error("the pack can't be written as JSON: {0}")]
    Json(serde_json::Error),
    /// The core module isn't the interpreter.
    #[error("this isn't the core module of `cedar-interpreter`: {0}")]
    Core(&'static str),
    /// The component can't be made.
    #[error(transparent)]
    Component(#[from] ComponentError),
}

/// What the guest reads of its pack; `cedar-interpreter/src/pack.rs` is the other end.
#[derive(Serialize)]
struct PackData<'a> {
    policies: Vec<&'a str>,
    json: bool,
    named: bool,
    links: serde_json::Value,
    types: Vec<BTreeMap<u32, Type>>,
    manifest: &'a Manifest,
}

/// A module and its manifest.
#[derive(Debug)]
pub struct Interpreted {
    /// The component.
    pub component: Vec<u8>,
    /// What its manifest says.
    pub manifest: Manifest,
}

/// The component that answers for `pack` by Cedar itself; `core` is the core module of `cedar-interpreter`.
///
/// # Errors
///
/// [`InterpreterError`].
pub fn interpret(core: &[u8], pack: &Pack) -> Result<Interpreted, InterpreterError> {
    let (manifest, data) = prepare(pack)?;
    let core = with_data(core, &data)?;
    let component = component::componentize(&core, Some(&manifest))?;
    Ok(Interpreted { component, manifest })
}

/// The manifest of an interpreter for `pack`, and what the guest reads of the pack.
///
/// # Errors
///
/// [`InterpreterError`].
pub fn prepare(pack: &Pack) -> Result<(Manifest, Vec<u8>), InterpreterError> {
    // No pass: what the compiler found needless to ask, an interpreter that doesn't know why reads all the same.
    let options = CompileOptions { passes: Passes::NONE };
    let compiled = exportgate_compiler::compile(pack, &options)?.manifest;
    let mut manifest = extend(&compiled).map_err(InterpreterError::Manifest)?;
    manifest.contract = crate::CONTRACT_VERSION;
    let typed = |question: &Question| terms::typed_terms(&manifest, question).map_err(InterpreterError::Manifest);
    let data = PackData {
        policies: pack.policies().iter().map(|file| file.text()).collect(),
        json: pack.policies().first().is_some_and(|file| file.path().ends_with(".json")),
        named: manifest.policies.iter().any(|policy| policy.annotations.get("id") == Some(&policy.id)),
        links: match pack.links() {
            Some(file) => serde_json::from_str(file.text()).map_err(InterpreterError::Links)?,
            None => serde_json::Value::Array(Vec::new()),
        },
        types: manifest.questions.iter().map(typed).collect::<Result<_, _>>()?,
        manifest: &manifest,
    };
    let data = serde_json::to_vec(&data).map_err(InterpreterError::Json)?;
    Ok((manifest, data))
}

/// The manifest of an interpreter for the pack whose plain manifest is `compiled`.
fn extend(compiled: &Manifest) -> Result<Manifest, String> {
    let mut manifest = compiled.clone();
    manifest.producer = concat!("cedar-interpreter ", env!("CARGO_PKG_VERSION")).to_owned();
    // Nothing bounds what Cedar's evaluator costs before it runs; fuel does.
    manifest.cost = Cost { call: u64::MAX, point: u64::MAX };
    for fact in &mut manifest.facts {
        fact.payload = wants_payload(&fact.ty);
    }
    add_tags(&mut manifest);
    let axes = axes(&manifest)?;
    let mut asked: Vec<BTreeSet<u32>> = Vec::new();
    for question in &compiled.questions {
        let question = with_tags(&mut manifest, question, &axes)?;
        let mut facts: BTreeSet<u32> = question.facts.iter().copied().collect();
        for (term, ty) in terms::typed_terms(&manifest, &question)? {
            let axis = *axes.get(term as usize).ok_or("a term that isn't there")?;
            let read = match manifest.terms.get(term as usize) {
                Some(Term::Symbol(_)) => continue,
                _ if matches!(ty, Type::Record(_)) => Read::State(term),
                _ => Read::Value(term),
            };
            let ty = if matches!(read, Read::State(_)) { Type::Bool } else { ty };
            let fact = Fact { axis, payload: wants_payload(&ty), read, ty };
            facts.insert(intern(&mut manifest.facts, fact)?);
        }
        asked.push(facts);
    }
    sort_facts(&mut manifest, &asked)?;
    add_names(&mut manifest);
    Ok(manifest)
}

fn wants_payload(ty: &Type) -> bool {
    matches!(ty, Type::String | Type::Ip | Type::Set(_) | Type::Record(_))
}

/// Adds a term for each tag of which only is asked whether it is there: the entity has to have one.
fn add_tags(manifest: &mut Manifest) {
    let tags: BTreeSet<Term> = manifest
        .facts
        .iter()
        .filter_map(|fact| match fact.read {
            Read::HasTag { of, key } => Some(Term::Tag { of, key }),
            Read::Value(_) | Read::State(_) | Read::Above { .. } | Read::In { .. } => None,
        })
        .collect();
    for tag in tags {
        if !manifest.terms.contains(&tag) {
            manifest.terms.push(tag);
        }
    }
}

/// The facts of a question, with the values of the tags of which it asks only whether they are there.
fn with_tags(manifest: &mut Manifest, question: &Question, axes: &[Axis]) -> Result<Question, String> {
    let mut question = question.clone();
    let types = terms::typed_terms(manifest, &question)?;
    for fact in question.facts.clone() {
        let Some(Read::HasTag { of, key }) = manifest.facts.get(fact as usize).map(|fact| fact.read.clone()) else {
            continue;
        };
        let term =
            manifest.terms.iter().position(|term| *term == Term::Tag { of, key }).ok_or("a tag that isn't there")?;
        let Some(Type::Entity(entity)) = types.get(&of) else { return Err("a tag of no entity".to_owned()) };
        let tags = manifest.schema.types.entities.get(entity).and_then(|ty| ty.tags.clone());
        let ty = tags.ok_or("a tag of an entity that has none")?;
        let axis = *axes.get(term).ok_or("a term that isn't there")?;
        let term = u32::try_from(term).map_err(|error| error.to_string())?;
        let fact = Fact { axis, payload: wants_payload(&ty), read: Read::Value(term), ty };
        question.facts.push(intern(&mut manifest.facts, fact)?);
    }
    Ok(question)
}

/// The axis of each term.
fn axes(manifest: &Manifest) -> Result<Vec<Axis>, String> {
    let mut axes: Vec<Axis> = Vec::with_capacity(manifest.terms.len());
    for term in &manifest.terms {
        let of = |term: u32| axes.get(term as usize).copied().ok_or("a term that names a later one");
        let axis = match term {
            Term::Input(input) => manifest.inputs.get(*input as usize).ok_or("an input that isn't there")?.axis,
            Term::Symbol(_) => Axis::Job,
            Term::Attribute { of: base, .. } => of(*base)?,
            Term::Tag { of: base, key } => of(*base)?.join(of(*key)?),
        };
        axes.push(axis);
    }
    Ok(axes)
}

/// Sorts the facts by axis, and gives each question those that it asks for.
fn sort_facts(manifest: &mut Manifest, asked: &[BTreeSet<u32>]) -> Result<(), String> {
    let mut order: Vec<usize> = (0..manifest.facts.len()).collect();
    order.sort_by_key(|fact| manifest.facts.get(*fact).map(|fact| fact.axis));
    let mut places = vec![0_u32; order.len()];
    for (to, from) in order.iter().enumerate() {
        *places.get_mut(*from).ok_or("a fact that isn't there")? =
            u32::try_from(to).map_err(|error| error.to_string())?;
    }
    manifest.facts = order.iter().filter_map(|fact| manifest.facts.get(*fact).cloned()).collect();
    for (question, facts) in manifest.questions.iter_mut().zip(asked) {
        question.facts = facts.iter().filter_map(|fact| places.get(*fact as usize).copied()).collect();
        question.facts.sort_unstable();
    }
    Ok(())
}

/// Adds the names of all record attributes to the constants: a payload gives a name as a symbol, and a symbol that is no
/// constant has no text.
fn add_names(manifest: &mut Manifest) {
    fn collect(ty: &Type, names: &mut BTreeSet<std::sync::Arc<str>>) {
        match ty {
            Type::Set(of) => collect(of, names),
            Type::Record(attributes) => {
                for (name, attribute) in attributes {
                    names.insert(name.clone());
                    collect(&attribute.ty, names);
                }
            }
            Type::Bool
            | Type::Long
            | Type::String
            | Type::Entity(_)
            | Type::Decimal
            | Type::Datetime
            | Type::Duration
            | Type::Ip => {}
        }
    }
    let mut names = BTreeSet::new();
    manifest.facts.iter().for_each(|fact| collect(&fact.ty, &mut names));
    for name in names {
        let name = Value::String(name);
        if !manifest.symbols.contains(&name) {
            manifest.symbols.push(name);
        }
    }
}

fn intern(facts: &mut Vec<Fact>, fact: Fact) -> Result<u32, String> {
    let known = facts.iter().position(|known| *known == fact);
    let place = known.unwrap_or_else(|| {
        facts.push(fact);
        facts.len() - 1
    });
    u32::try_from(place).map_err(|error| error.to_string())
}

/// `core` with `data` behind its memory, and address and length of it in the slot.
fn with_data(core: &[u8], data: &[u8]) -> Result<Vec<u8>, InterpreterError> {
    let invalid = |_| InterpreterError::Core("it isn't valid");
    let length = u32::try_from(data.len()).map_err(|_| InterpreterError::Core("its memory ends before the pack"))?;
    let mut module = Module::new();
    let mut address = None;
    let mut found = false;
    for payload in Parser::new(0).parse_all(core) {
        let payload = payload.map_err(invalid)?;
        let section = payload.as_section();
        match payload {
            Payload::MemorySection(memories) => {
                let mut memories = memories.into_iter();
                let (Some(Ok(memory)), None) = (memories.next(), memories.next()) else {
                    return Err(InterpreterError::Core("it must have one memory"));
                };
                let begin = memory.initial.checked_mul(PAGE_BYTES).and_then(|begin| u32::try_from(begin).ok());
                address = Some(begin.ok_or(InterpreterError::Core("its memory ends before the pack"))?);
                let minimum = memory.initial + u64::from(length).div_ceil(PAGE_BYTES);
                let mut section = MemorySection::new();
                let (maximum, shared) = (memory.maximum, memory.shared);
                section.memory(MemoryType { minimum, maximum, memory64: false, shared, page_size_log2: None });
                module.section(&section);
            }
            Payload::DataCountSection { count, .. } => {
                module.section(&wasm_encoder::DataCountSection { count: count + 1 });
            }
            Payload::DataSection(segments) => {
                let bytes = core.get(segments.range()).ok_or(InterpreterError::Core("it isn't valid"))?;
                let address = address.ok_or(InterpreterError::Core("it must have one memory"))?;
                let bytes = add_segment(bytes, address, length, data)?;
                module.section(&RawSection { id: SectionId::Data.into(), data: &bytes });
                found = true;
            }
            _ => {
                if let Some((id, range)) = section {
                    let data = core.get(range).ok_or(InterpreterError::Core("it isn't valid"))?;
                    module.section(&RawSection { id, data });
                }
            }
        }
    }
    if found { Ok(module.finish()) } else { Err(InterpreterError::Core("it has no data")) }
}

/// The bytes of a data section with one segment more, and the slot filled in.
fn add_segment(section: &[u8], address: u32, length: u32, data: &[u8]) -> Result<Vec<u8>, InterpreterError> {
    let mut reader = BinaryReader::new(section, 0);
    let count = reader.read_var_u32().map_err(|_| InterpreterError::Core("it isn't valid"))?;
    let mut rest = section.get(reader.original_position()..).unwrap_or_default().to_vec();
    let mut slots = rest.windows(MARK.len()).enumerate().filter(|(_, window)| window == MARK).map(|(at, _)| at);
    let (Some(slot), None) = (slots.next(), slots.next()) else {
        return Err(InterpreterError::Core("it must have one slot for a pack"));
    };
    let values = [address.to_le_bytes(), length.to_le_bytes()].concat();
    let slot = rest.get_mut(slot + MARK.len()..).and_then(|rest| rest.get_mut(..values.len()));
    slot.ok_or(InterpreterError::Core("its slot is cut off"))?.copy_from_slice(&values);
    let mut bytes = Vec::with_capacity(section.len() + data.len() + 16);
    (count + 1).encode(&mut bytes);
    bytes.append(&mut rest);
    // An active segment of memory 0, which begins at a constant.
    bytes.push(0);
    ConstExpr::i32_const(address.cast_signed()).encode(&mut bytes);
    data.encode(&mut bytes);
    Ok(bytes)
}
