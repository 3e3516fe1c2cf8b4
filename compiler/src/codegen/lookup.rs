//! Lookups as code: a table from constants to policies, and functions that hold the policies in the order of the table.
//!
//! The policies of a lookup stand one behind the other, those of its first key first: their *positions*. The table says for
//! each key at which position its policies begin; where they end the next one's begin. Where the keys lie close to each
//! other, it has an entry for each symbol between the first and the last, and a key is found by its number; else by search.
//! A position is found in a function by a jump table. The lists that come of it aren't in order: they are sorted.

use std::collections::BTreeMap;

use wasm_encoder::{Instruction as I, ValType};

use exportgate_contract::limits::FUNCTION_BYTES_MAX;
use exportgate_contract::types::Type;

use super::code::{Code, Label, Local};
use super::expr::Emitter;
use super::module::{Module, index};
use super::runtime::Routine;
use super::unit::States;
use super::{EmitError, FactPlace};
use crate::ir::{Expr, Lookup, PolicyIdx, Question};

/// Policies of a function.
const POLICIES_MAX: usize = 64;

/// Nodes of the conditions of a function, after which the next one begins.
const NODES_MAX: usize = 768;

/// Symbols from the first key of a lookup to the last, for each key: more would make its dense table too large.
const SPAN_PER_KEY_MAX: u32 = 8;

/// A function with the policies from one position up to another.
struct Chunk {
    start: u32,
    stop: u32,
    function: u32,
}

/// Writes a lookup: `(end) -> end`, where `end` is where the next satisfied policy goes.
///
/// # Errors
///
/// When a policy is too large.
pub(super) fn emit_lookup(
    module: &mut Module,
    question: &Question,
    lookup: &Lookup,
    facts: &[FactPlace],
) -> Result<u32, EmitError> {
    let conditions: BTreeMap<PolicyIdx, &Expr> =
        question.conditions.iter().map(|(policy, condition)| (*policy, condition)).collect();
    let policies: Vec<(PolicyIdx, &Expr)> = lookup
        .keys
        .iter()
        .flat_map(|(_, policies)| policies)
        .filter_map(|policy| Some((*policy, *conditions.get(policy)?)))
        .collect();
    let mut chunks = Vec::new();
    let mut rest = policies.as_slice();
    let mut start = 0;
    while !rest.is_empty() {
        let mut nodes = 0_usize;
        let fitting = rest.iter().take(POLICIES_MAX).take_while(|(_, condition)| {
            nodes = nodes.saturating_add(condition.nodes());
            nodes <= NODES_MAX
        });
        // One that is too large has a function of its own.
        let count = fitting.count().max(1);
        let Some((here, others)) = rest.split_at_checked(count) else { break };
        let stop = start + index(here.len());
        chunks.push(Chunk { start, stop, function: emit_chunk(module, here, start, facts)? });
        (rest, start) = (others, stop);
    }
    let dispatch = emit_dispatch(module, &chunks);

    let table = emit_table(module, lookup);
    let function = module.declare(&[ValType::I32], &[ValType::I32]);
    let states = States::default();
    let mut emitter = Emitter::new(module, facts, &states);
    let find = Find { table, dispatch };
    match subject_of(lookup, facts) {
        Some(Subject::Entity) => emitter.emit_find_one(lookup, &find),
        Some(Subject::Among) => emitter.emit_find_each(lookup, &find),
        None => return Err(EmitError::Fault("a lookup by an unknown fact".to_owned())),
    }
    let code = emitter.finish();
    module.define(function, code);
    Ok(function)
}

enum Subject {
    Entity,
    Among,
}

fn subject_of(lookup: &Lookup, facts: &[FactPlace]) -> Option<Subject> {
    let fact = facts.get(usize::try_from(lookup.subject.0).ok()?)?;
    Some(if fact.is_above { Subject::Among } else { Subject::Entity })
}

/// What finding needs.
struct Find {
    table: Table,
    dispatch: u32,
}

/// Where the positions of each key begin: a list of 32-bit words, one more than there are entries.
enum Table {
    /// An entry for each of so many symbols from `first` on.
    Dense { first: u32, span: u32, positions: u32 },
    /// An entry for each of `count` keys, which lie at `keys`, ascending.
    Sparse { keys: u32, count: u32, positions: u32 },
}

/// Writes the table of a lookup: dense if its keys lie close enough to each other.
fn emit_table(module: &mut Module, lookup: &Lookup) -> Table {
    let bytes = |positions: Vec<u32>| positions.iter().flat_map(|position| position.to_le_bytes()).collect();
    let (first, last) = match lookup.keys.as_slice() {
        [] => (0, 0),
        [(only, _)] => (only.0, only.0),
        [(first, _), .., (last, _)] => (first.0, last.0),
    };
    let span = last.saturating_sub(first).saturating_add(1);
    let count = index(lookup.keys.len());
    let mut positions: Vec<u32> = vec![0];
    let mut position = 0;
    if span / SPAN_PER_KEY_MAX > count {
        for (_, policies) in &lookup.keys {
            position += index(policies.len());
            positions.push(position);
        }
        let keys: Vec<u64> = lookup.keys.iter().map(|(symbol, _)| u64::from(symbol.0)).collect();
        return Table::Sparse {
            keys: module.constant(&keys),
            count,
            positions: module.constant_bytes(bytes(positions)),
        };
    }
    for (symbol, policies) in &lookup.keys {
        let place = usize::try_from(symbol.0.saturating_sub(first)).unwrap_or(0);
        positions.resize(place + 1, position);
        position += index(policies.len());
        positions.push(position);
    }
    Table::Dense { first, span, positions: module.constant_bytes(bytes(positions)) }
}

/// The end of the list in the making.
const END: Local = Local(0);

impl Emitter<'_> {
    /// The policies of the entity that a fact is.
    fn emit_find_one(&mut self, lookup: &Lookup, find: &Find) {
        let symbol = self.code.local(ValType::I64);
        self.emit_or_trap(|this| {
            this.emit_fact(lookup.subject, &Type::String);
            this.code.set(symbol);
        });
        self.emit_find(symbol, find);
    }

    /// The policies of each constant that an entity is in.
    fn emit_find_each(&mut self, lookup: &Lookup, find: &Find) {
        let (at, end, symbol) =
            (self.code.local(ValType::I32), self.code.local(ValType::I32), self.code.local(ValType::I64));
        self.emit_or_trap(|this| this.emit_above(lookup.subject, at));
        self.code.get(at).load32(8).i32(3).push(&I::I32Shl);
        self.code.get(at).i32(16).push(&I::I32Add).tee(at).push(&I::I32Add).set(end);
        let done = self.code.block();
        let next = self.code.loop_();
        self.code.get(at).get(end).push(&I::I32GeU).br_if(done);
        self.code.get(at).load64(0).set(symbol);
        self.emit_find(symbol, find);
        self.code.increase(at, 8).br(next);
        self.code.end().end();
    }

    fn emit_find(&mut self, symbol: Local, find: &Find) {
        let place = self.code.local(ValType::I32);
        let positions = match find.table {
            Table::Dense { first, span, positions } => {
                // Below the first key it wraps around, and isn't less than the span either.
                self.code.get(symbol).i64(i64::from(first)).push(&I::I64Sub).tee(symbol);
                self.code.i64(i64::from(span)).push(&I::I64LtU).if_();
                self.code.get(symbol).push(&I::I32WrapI64).set(place);
                positions
            }
            Table::Sparse { keys, count, positions } => {
                self.code.i32(keys).i32(count).get(symbol);
                self.emit_call(Routine::Place);
                self.code.tee(place).i32(count).push(&I::I32LtU).if_();
                positions
            }
        };
        self.code.get(place).i32(2).push(&I::I32Shl).i32(positions).push(&I::I32Add).tee(place);
        self.code.load32(0).get(place).load32(4).push(&I::I32LtU).if_();
        self.code.get(place).load32(0).get(place).load32(4).get(END).call(find.dispatch).set(END);
        self.code.end().end();
        self.code.release(place);
    }
}

/// `(position, stop, end) -> end`: `while position < stop { the function of the position, as far as it goes }`.
fn emit_dispatch(module: &mut Module, chunks: &[Chunk]) -> u32 {
    if let [chunk] = chunks {
        return chunk.function;
    }
    let function = module.declare(&[ValType::I32; 3], &[ValType::I32]);
    let mut code = Code::new(3);
    let (position, stop, end) = (Local(0), Local(1), Local(2));
    let done = code.block();
    let next = code.loop_();
    code.get(position).get(stop).push(&I::I32GeU).br_if(done);
    let before = code.instructions();
    emit_choose(&mut code, chunks);
    code.br(next);
    let round = code.instructions() - before;
    code.end().end();
    code.get(end);
    // Each chunk is called at most once, after as many choices as their number has bits.
    let choices = u64::from(usize::BITS - chunks.len().leading_zeros()) * 4 + 16;
    code.add_cost((choices * chunks.len() as u64).saturating_sub(round));
    module.define(function, code);
    function
}

/// Calls the chunk of the position, and goes on behind it. Nests as deep as the logarithm of their number.
fn emit_choose(code: &mut Code, chunks: &[Chunk]) {
    let (position, stop, end) = (Local(0), Local(1), Local(2));
    match chunks {
        [] => _ = code.push(&I::Unreachable),
        [chunk] => {
            code.get(position).get(stop).get(end).call(chunk.function).set(end);
            code.i32(chunk.stop).set(position);
        }
        _ => {
            let (left, right) = chunks.split_at(chunks.len() / 2);
            let middle = right.first().map_or(0, |chunk| chunk.start);
            code.get(position).i32(middle).push(&I::I32LtU).if_();
            emit_choose(code, left);
            code.else_();
            emit_choose(code, right);
            code.end();
        }
    }
}

/// `(position, stop, end) -> end`: the policies from one position up to another, or to the last here.
fn emit_chunk(
    module: &mut Module,
    policies: &[(PolicyIdx, &Expr)],
    start: u32,
    facts: &[FactPlace],
) -> Result<u32, EmitError> {
    let function = module.declare(&[ValType::I32; 3], &[ValType::I32]);
    let states = States::default();
    let mut emitter = Emitter::with_params(module, facts, &states, 3, Local(2));
    let (position, stop) = (Local(0), Local(1));
    let last = start + index(policies.len());
    // As far as the policies here go.
    emitter.code.get(stop).i32(last).get(stop).i32(last).push(&I::I32LtU).push(&I::Select).set(stop);
    let done = emitter.code.block();
    let next = emitter.code.loop_();
    emitter.code.get(position).get(stop).push(&I::I32GeU).br_if(done);
    let labels: Vec<Label> = policies.iter().map(|_| emitter.code.block()).collect();
    emitter.code.get(position).i32(start).push(&I::I32Sub).br_table(labels.iter().rev().copied());
    let per_policy = 16 * policies.len() as u64;
    for (policy, condition) in policies {
        emitter.code.end();
        emitter.emit_policy(policy.0, condition);
        emitter.code.increase(position, 1).br(next);
        if !emitter.code.fits_a_function() {
            return Err(EmitError::PolicyTooLarge { policy: *policy, bytes_max: FUNCTION_BYTES_MAX });
        }
    }
    emitter.code.end().end();
    emitter.code.add_cost(per_policy);
    let code = emitter.finish();
    module.define(function, code);
    Ok(function)
}
