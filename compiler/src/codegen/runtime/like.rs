//! Matching of strings and patterns.
//!
//! A pattern is its characters in UTF-8, with a byte that no UTF-8 text has ([`WILDCARD`]) for each wildcard. Bytes can be
//! compared instead of characters since a character's bytes never begin within another's. On a mismatch the match goes back
//! to the last wildcard only, as Cedar's does: the first wildcards' shortest matches are never worse than longer ones.

use wasm_encoder::{Instruction as I, ValType};

use exportgate_contract::frame;

use crate::codegen::code::{Code, Local};
use crate::codegen::module::Module;
use crate::codegen::runtime::{Routine, emit_expect_kind};
use crate::ir;

/// What stands for a wildcard among the bytes of a pattern.
const WILDCARD: u8 = 0xFF;

/// The bytes of a pattern; a run of wildcards is one.
pub(in crate::codegen) fn encode_pattern(pattern: &[ir::PatternElement]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(pattern.len());
    for element in pattern {
        match element {
            ir::PatternElement::Char(c) => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            ir::PatternElement::Wildcard if bytes.last() == Some(&WILDCARD) => {}
            ir::PatternElement::Wildcard => bytes.push(WILDCARD),
        }
    }
    bytes
}

/// `(symbol, pattern, length) -> bool`. Traps when the symbol has no string's payload.
pub(super) fn emit_like(module: &mut Module) -> Code {
    let payload = module.routine(Routine::Payload);
    let mut code = Code::new(3);
    let (symbol, pattern, pattern_end) = (Local(0), Local(1), Local(2));
    let text = code.local(ValType::I32);
    let text_end = code.local(ValType::I32);
    let star = code.local(ValType::I32);
    let mark = code.local(ValType::I32);
    let byte = code.local(ValType::I32);
    code.get(symbol).call(payload).set(text);
    emit_expect_kind(&mut code, text, frame::PAYLOAD_STRING);
    code.get(text).load32(8).set(text_end);
    code.increase(text, 16);
    code.get(text).get(text_end).push(&I::I32Add).set(text_end);
    code.get(pattern).get(pattern_end).push(&I::I32Add).set(pattern_end);

    let consumed = code.block();
    let next = code.loop_();
    code.get(text).get(text_end).push(&I::I32GeU).br_if(consumed);
    let mismatch = code.block();
    code.get(pattern).get(pattern_end).push(&I::I32GeU).br_if(mismatch);
    code.get(pattern).load8(0).tee(byte).i32(u32::from(WILDCARD)).push(&I::I32Eq).if_();
    code.increase(pattern, 1).get(pattern).set(star).get(text).set(mark);
    code.get(pattern).get(pattern_end).push(&I::I32Ne).br_if(next);
    code.i32(1).push(&I::Return).end();
    code.get(byte).get(text).load8(0).push(&I::I32Ne).br_if(mismatch);
    code.increase(pattern, 1).increase(text, 1).br(next);
    code.end();
    code.get(star).push(&I::I32Eqz).if_();
    code.i32(0).push(&I::Return).end();
    code.get(star).set(pattern).increase(mark, 1).get(mark).set(text).br(next);
    code.end().end();

    let rest = code.block();
    code.get(pattern).get(pattern_end).push(&I::I32GeU).br_if(rest);
    code.get(pattern).load8(0).i32(u32::from(WILDCARD)).push(&I::I32Ne).br_if(rest);
    code.increase(pattern, 1).end();
    code.get(pattern).get(pattern_end).push(&I::I32Eq);
    code
}
