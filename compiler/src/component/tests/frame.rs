//! Frames, built word by word as the contract says.

use std::collections::BTreeMap;

use exportgate_contract::frame;
use exportgate_contract::manifest::{Axis, Manifest, Read, Term};
use exportgate_contract::types::Type;
use exportgate_contract::value::Value;

use super::program::describe;

/// A cell.
#[derive(Clone, Debug)]
pub(super) enum Cell {
    Value(Value),
    Absent,
    Error,
}

impl Cell {
    pub(super) fn value(value: impl Into<Value>) -> Self {
        Self::Value(value.into())
    }
}

const AXES: [Axis; 4] = [Axis::Job, Axis::Row, Axis::Column, Axis::Cell];

/// A frame.
pub(super) struct Frame {
    pub(super) words: Vec<u64>,
    /// How many points each question asked has.
    pub(super) points: Vec<usize>,
}

impl Frame {
    /// A frame that asks all questions of `manifest`.
    pub(super) fn new(manifest: &Manifest, rows: usize, columns: usize, cells: &BTreeMap<String, Vec<Cell>>) -> Self {
        let all: Vec<usize> = (0..manifest.questions.len()).collect();
        Self::asking(manifest, &all, rows, columns, cells)
    }

    /// A frame that asks some questions of `manifest`.
    pub(super) fn asking(
        manifest: &Manifest,
        questions: &[usize],
        rows: usize,
        columns: usize,
        cells: &BTreeMap<String, Vec<Cell>>,
    ) -> Self {
        let mut interner = Interner { symbols: manifest.symbols.clone(), wanted: Vec::new(), sets: Vec::new() };
        let mut words = vec![0_u64; frame::HEADER_WORDS];
        words.extend(questions.iter().map(|question| *question as u64));
        let mut states: Vec<Vec<u8>> = Vec::new();
        for (axis, offset) in AXES.into_iter().zip(frame::WORD_VALUES) {
            words[offset] = words.len() as u64;
            let mut bytes = Vec::new();
            for fact in manifest.facts.iter().filter(|fact| fact.axis == axis) {
                if let Read::Above { of } = fact.read {
                    for point in 0..axis.points(rows, columns).unwrap() {
                        words.push(interner.above(manifest, cells, of, &fact.ty, point));
                        bytes.push(frame::STATE_VALUE);
                    }
                    continue;
                }
                let name = describe(&fact.read, &manifest.terms, &manifest.symbols);
                let cells = cells.get(&name).unwrap_or_else(|| panic!("no cells for {name}"));
                assert_eq!(cells.len(), axis.points(rows, columns).unwrap(), "cells of {name}");
                for cell in cells {
                    let (word, state) = match cell {
                        Cell::Value(value) => (interner.word(value, &fact.ty, fact.payload), frame::STATE_VALUE),
                        Cell::Absent => (0, frame::STATE_ABSENT),
                        Cell::Error => (0, frame::STATE_ERR),
                    };
                    words.push(word);
                    bytes.push(state);
                }
            }
            states.push(bytes);
        }
        for (bytes, offset) in states.iter().zip(frame::WORD_STATES) {
            words[offset] = words.len() as u64;
            words.extend(bytes.chunks(8).map(padded));
        }
        interner.append_payloads(manifest.symbols.len(), &mut words);
        words[frame::WORD_TAG] = frame::TAG;
        words[frame::WORD_ROWS] = rows as u64;
        words[frame::WORD_COLUMNS] = columns as u64;
        words[frame::WORD_QUESTIONS] = questions.len() as u64;
        words[frame::WORD_SYMBOLS] = interner.symbols.len() as u64;
        words[frame::WORD_LENGTH] = words.len() as u64;
        let points = questions.iter().map(|question| manifest.questions[*question].axis.points(rows, columns).unwrap());
        Self { words, points: points.collect() }
    }
}

fn padded(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(word)
}

/// Symbols by value; payloads only for those that a fact asks for.
struct Interner {
    symbols: Vec<Value>,
    wanted: Vec<(usize, Value, Type)>,
    /// Payloads that no symbol stands for.
    sets: Vec<u64>,
}

impl Interner {
    fn word(&mut self, value: &Value, ty: &Type, payload: bool) -> u64 {
        match value {
            Value::Bool(value) => u64::from(*value),
            Value::Long(word) | Value::Decimal(word) | Value::Datetime(word) | Value::Duration(word) => {
                word.cast_unsigned()
            }
            _ => {
                let symbol = self.symbol(value);
                if payload {
                    self.wanted.push((symbol, value.clone(), ty.clone()));
                }
                symbol as u64
            }
        }
    }

    /// The set of constants that `of` is in: what the cells say of each.
    fn above(
        &mut self,
        manifest: &Manifest,
        cells: &BTreeMap<String, Vec<Cell>>,
        of: u32,
        ty: &Type,
        point: usize,
    ) -> u64 {
        let place = self.sets.len() as u64;
        let Type::Set(member) = ty else { panic!("a set, not {ty}") };
        let mut members = Vec::new();
        for (symbol, value) in manifest.symbols.iter().enumerate() {
            let fits = matches!(value, Value::Entity(uid) if **member == Type::Entity(uid.entity_type.clone()));
            let mut terms = manifest.terms.clone();
            terms.push(Term::Symbol(u32::try_from(symbol).unwrap()));
            let right = u32::try_from(terms.len() - 1).unwrap();
            let name = describe(&Read::In { left: of, right }, &terms, &manifest.symbols);
            let holds = |cells: &Vec<Cell>| matches!(cells[point], Cell::Value(Value::Bool(true)));
            if fits && cells.get(&name).is_some_and(holds) {
                members.push(symbol as u64);
            }
        }
        self.sets.extend([frame::PAYLOAD_SET, members.len() as u64]);
        self.sets.extend(members);
        place
    }

    fn symbol(&mut self, value: &Value) -> usize {
        self.symbols.iter().position(|symbol| symbol == value).unwrap_or_else(|| {
            self.symbols.push(value.clone());
            self.symbols.len() - 1
        })
    }

    /// Appends directory and payloads. Those of members come to be while their set's is written.
    fn append_payloads(&mut self, constants: usize, words: &mut Vec<u64>) {
        let mut payloads: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
        while let Some((symbol, value, ty)) = self.wanted.pop() {
            let payload = self.payload(&value, &ty);
            payloads.insert(symbol, payload);
        }
        words[frame::WORD_PAYLOADS] = words.len() as u64;
        // As a host does: constants before the first with a payload are left out.
        let first = payloads.keys().next().map_or(constants, |first| constants.min(*first));
        words[frame::WORD_DIRECTORY_FIRST] = first as u64;
        let directory = words.len();
        words.resize(directory + self.symbols.len() - first, 0);
        words.extend_from_slice(&self.sets);
        for (symbol, payload) in payloads {
            words[directory + symbol - first] = words.len() as u64;
            words.extend(payload);
        }
    }

    fn payload(&mut self, value: &Value, ty: &Type) -> Vec<u64> {
        match (value, ty) {
            (Value::String(text), Type::String) => {
                let mut words = vec![frame::PAYLOAD_STRING, text.len() as u64];
                words.extend(text.as_bytes().chunks(8).map(padded));
                words
            }
            (Value::Ip(ip), Type::Ip) => {
                let halves = [(ip.address >> 64) as u64, ip.address as u64];
                [frame::PAYLOAD_IP, if ip.v6 { 6 } else { 4 }, ip.prefix.into(), halves[0], halves[1]].to_vec()
            }
            (Value::Set(members), Type::Set(of)) => {
                let composite = of.is_composite();
                let mut words: Vec<u64> = members.iter().map(|member| self.word(member, of, composite)).collect();
                words.sort_unstable_by_key(|word| word.cast_signed());
                let kind = if composite { frame::PAYLOAD_SET_OF_COMPOSITES } else { frame::PAYLOAD_SET };
                [vec![kind, words.len() as u64], words].concat()
            }
            (Value::Record(fields), Type::Record(attributes)) => {
                let mut words: Vec<[u64; 3]> = Vec::new();
                for (name, field) in fields.iter() {
                    let ty = &attributes[name].ty;
                    let composite = ty.is_composite();
                    let name = self.symbol(&Value::String(name.clone())) as u64;
                    words.push([name, u64::from(composite), self.word(field, ty, composite)]);
                }
                words.sort_unstable();
                [vec![frame::PAYLOAD_RECORD, words.len() as u64], words.concat()].concat()
            }
            other => panic!("no payload for {other:?}"),
        }
    }
}
