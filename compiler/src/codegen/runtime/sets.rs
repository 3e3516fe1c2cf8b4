//! Sets and records by structure: membership, inclusion, equality.
//!
//! Two symbols are compared as numbers. As soon as one side is held by the guest, both are walked. Recursion follows the
//! nesting of the types, which has a limit (`VALUE_DEPTH_MAX`).

use wasm_encoder::{Instruction as I, ValType};

use exportgate_contract::frame;

use crate::codegen::code::{Code, Label, Local};
use crate::codegen::module::Module;
use crate::codegen::runtime::{Routine, emit_expect_kind, small};

/// Where the members of a set begin in its payload.
const MEMBERS: u32 = 16;

/// `(address of members, how many, word) -> found`: binary search; the members ascend as signed numbers.
pub(super) fn emit_search(module: &mut Module) -> Code {
    let place = module.routine(Routine::Place);
    let mut code = Code::new(3);
    code.get(Local(0)).get(Local(1)).get(Local(2)).call(place).i32(u32::MAX).push(&I::I32Ne);
    code
}

/// `(address of members, how many, word) -> position`, or all ones: binary search; the members ascend as signed numbers.
pub(super) fn emit_place() -> Code {
    let mut code = Code::new(3);
    let (members, high, word) = (Local(0), Local(1), Local(2));
    let low = code.local(ValType::I32);
    let middle = code.local(ValType::I32);
    let member = code.local(ValType::I64);
    let missing = code.block();
    let next = code.loop_();
    code.get(low).get(high).push(&I::I32GeU).br_if(missing);
    code.get(low).get(high).push(&I::I32Add).i32(1).push(&I::I32ShrU).tee(middle);
    code.i32(3).push(&I::I32Shl).get(members).push(&I::I32Add).load64(0).tee(member);
    code.get(word).push(&I::I64Eq).if_();
    code.get(middle).push(&I::Return).end();
    code.get(member).get(word).push(&I::I64LtS).if_();
    code.get(middle).i32(1).push(&I::I32Add).set(low);
    code.else_();
    code.get(middle).set(high);
    code.end();
    code.br(next);
    code.end().end();
    code.i32(u32::MAX);
    code
}

/// The loop over the members of the set whose payload is at `payload`: calls `body` with the local that holds the member
/// and the label that ends the loop.
fn emit_each_member(code: &mut Code, payload: Local, body: impl FnOnce(&mut Code, Local, Label)) {
    let at = code.local(ValType::I32);
    let end = code.local(ValType::I32);
    let member = code.local(ValType::I64);
    code.get(payload).i32(MEMBERS).push(&I::I32Add).tee(at);
    code.get(payload).load32(8).i32(3).push(&I::I32Shl).push(&I::I32Add).set(end);
    let done = code.block();
    let next = code.loop_();
    code.get(at).get(end).push(&I::I32GeU).br_if(done);
    code.get(at).load64(0).set(member);
    code.increase(at, 8);
    body(code, member, done);
    code.br(next);
    code.end().end();
    code.release(at);
    code.release(end);
    code.release(member);
}

/// Returns false from the routine when the set at `payload` is empty. An empty set's payload may say either kind, since
/// nothing shows what its members would be.
fn emit_return_if_empty(code: &mut Code, payload: Local) {
    code.get(payload).load32(8).push(&I::I32Eqz).if_();
    code.i32(0).push(&I::Return).end();
}

/// `(set, word) -> found`: a set of words. Searches a symbol's sorted payload, and walks a set of the guest's own.
pub(super) fn emit_has_word(module: &mut Module) -> Code {
    let payload = module.routine(Routine::Payload);
    let search = module.routine(Routine::Search);
    let mut code = Code::new(2);
    let (set, word) = (Local(0), Local(1));
    let at = code.local(ValType::I32);
    code.get(set).call(payload).set(at);
    emit_expect_set(&mut code, at);
    emit_return_if_empty(&mut code, at);
    emit_expect_kind(&mut code, at, frame::PAYLOAD_SET);
    code.get(set).i64(0).push(&I::I64GeS).if_();
    code.get(at).i32(MEMBERS).push(&I::I32Add).get(at).load32(8).get(word).call(search).push(&I::Return).end();
    emit_each_member(&mut code, at, |code, member, _| {
        code.get(member).get(word).push(&I::I64Eq).if_();
        code.i32(1).push(&I::Return).end();
    });
    code.i32(0);
    code
}

/// `(set, reference) -> found`: a set of sets or records. A symbol among symbols is searched, all else walked.
pub(super) fn emit_has_composite(module: &mut Module) -> Code {
    let payload = module.routine(Routine::Payload);
    let search = module.routine(Routine::Search);
    let equal = module.routine(Routine::Equal);
    let mut code = Code::new(2);
    let (set, wanted) = (Local(0), Local(1));
    let at = code.local(ValType::I32);
    code.get(set).call(payload).set(at);
    emit_expect_set(&mut code, at);
    emit_return_if_empty(&mut code, at);
    emit_expect_kind(&mut code, at, frame::PAYLOAD_SET_OF_COMPOSITES);
    code.get(set).get(wanted).push(&I::I64Or).i64(0).push(&I::I64GeS).if_();
    code.get(at).i32(MEMBERS).push(&I::I32Add).get(at).load32(8).get(wanted).call(search).push(&I::Return).end();
    emit_each_member(&mut code, at, |code, member, _| {
        code.get(member).get(wanted).call(equal).if_();
        code.i32(1).push(&I::Return).end();
    });
    code.i32(0);
    code
}

/// Pushes whether `member`, a member of a set of the kind at `payload`, is in `set`.
fn emit_has_member(module: &mut Module, code: &mut Code, payload: Local, set: Local, member: Local) {
    let has_word = module.routine(Routine::HasWord);
    let has_composite = module.routine(Routine::HasComposite);
    code.get(payload).load32(0).i32(small(frame::PAYLOAD_SET)).push(&I::I32Eq).if_result(ValType::I32);
    code.get(set).get(member).call(has_word);
    code.else_();
    code.get(set).get(member).call(has_composite);
    code.end();
}

/// `(set, set) -> bool`: whether every member of the first is in the second.
pub(super) fn emit_subset(module: &mut Module) -> Code {
    let payload = module.routine(Routine::Payload);
    let mut code = Code::new(2);
    let (inner, outer) = (Local(0), Local(1));
    let at = code.local(ValType::I32);
    code.get(inner).call(payload).set(at);
    emit_expect_set(&mut code, at);
    emit_each_member(&mut code, at, |code, member, _| {
        emit_has_member(module, code, at, outer, member);
        code.push(&I::I32Eqz).if_();
        code.i32(0).push(&I::Return).end();
    });
    code.i32(1);
    code
}

/// `(set, set) -> bool`: whether some member of the first is in the second.
pub(super) fn emit_intersects(module: &mut Module) -> Code {
    let payload = module.routine(Routine::Payload);
    let mut code = Code::new(2);
    let (left, right) = (Local(0), Local(1));
    let at = code.local(ValType::I32);
    code.get(left).call(payload).set(at);
    emit_expect_set(&mut code, at);
    emit_each_member(&mut code, at, |code, member, _| {
        emit_has_member(module, code, at, right, member);
        code.if_();
        code.i32(1).push(&I::Return).end();
    });
    code.i32(0);
    code
}

/// `(set) -> bool`: whether it has no members.
pub(super) fn emit_is_empty(module: &mut Module) -> Code {
    let payload = module.routine(Routine::Payload);
    let mut code = Code::new(1);
    let at = code.local(ValType::I32);
    code.get(Local(0)).call(payload).set(at);
    emit_expect_set(&mut code, at);
    code.get(at).load32(8).push(&I::I32Eqz);
    code
}

/// Traps unless the payload at `payload` is a set's.
fn emit_expect_set(code: &mut Code, payload: Local) {
    let first = small(frame::PAYLOAD_SET);
    code.get(payload).load32(0).i32(first).push(&I::I32Sub).i32(1).push(&I::I32GtU).trap_if();
}

/// `(reference, reference) -> bool`: equality of two sets or two records.
///
/// Records are equal if they have the same names and equal values under them, sets if each holds all of the other.
pub(super) fn emit_equal(module: &mut Module) -> Code {
    let payload = module.routine(Routine::Payload);
    let subset = module.routine(Routine::Subset);
    let mut code = Code::new(2);
    let (left, right) = (Local(0), Local(1));
    let a = code.local(ValType::I32);
    let b = code.local(ValType::I32);
    code.get(left).get(right).push(&I::I64Eq).if_();
    code.i32(1).push(&I::Return).end();
    code.get(left).get(right).push(&I::I64Or).i64(0).push(&I::I64GeS).if_();
    code.i32(0).push(&I::Return).end();
    code.get(left).call(payload).set(a);
    code.get(right).call(payload).set(b);
    code.get(a).load32(0).i32(small(frame::PAYLOAD_RECORD)).push(&I::I32Eq).if_();
    emit_expect_kind(&mut code, b, frame::PAYLOAD_RECORD);
    emit_return_record_equality(module, &mut code, a, b);
    code.end();
    code.get(left).get(right).call(subset).if_result(ValType::I32);
    code.get(right).get(left).call(subset);
    code.else_();
    code.i32(0);
    code.end();
    code
}

/// Returns from the routine whether the records at `a` and `b` are equal. Attributes are in one order in both.
fn emit_return_record_equality(module: &mut Module, code: &mut Code, a: Local, b: Local) {
    let equal = module.routine(Routine::Equal);
    let left = code.local(ValType::I32);
    let differs = code.block();
    code.get(a).load32(8).tee(left).get(b).load32(8).push(&I::I32Ne).br_if(differs);
    let done = code.block();
    let next = code.loop_();
    code.get(left).push(&I::I32Eqz).br_if(done);
    code.get(a).load64(16).get(b).load64(16).push(&I::I64Ne).br_if(differs);
    code.get(a).load32(24).if_result(ValType::I32);
    code.get(a).load64(32).get(b).load64(32).call(equal);
    code.else_();
    code.get(a).load64(32).get(b).load64(32).push(&I::I64Eq);
    code.end();
    code.push(&I::I32Eqz).br_if(differs);
    code.increase(a, 24).increase(b, 24);
    code.get(left).i32(1).push(&I::I32Sub).set(left);
    code.br(next);
    code.end().end();
    code.i32(1).push(&I::Return);
    code.end();
    code.i32(0).push(&I::Return);
    code.release(left);
}
