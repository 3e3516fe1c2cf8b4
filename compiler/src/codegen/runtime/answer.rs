//! Outcomes: each distinct one is written once, into the answer in the making.
//!
//! While the policies of a point run, the satisfied ones write themselves behind `Global::Outcome` (after two words for the
//! counts) and the erring ones into a list of their own. [`emit_record`] completes that to an outcome, and writes down its
//! number. [`emit_note`] does the same with policies given as bits of words. [`emit_find`] looks for an equal outcome (first
//! the previous point's, then those in a hash table), and keeps it if there is none.
//!
//! The table has a fixed number of slots for a call, each an address and a number, and a lookup probes at most
//! [`PROBES_MAX`] of them: what isn't found there is written once more, which the contract allows. So cost and memory have
//! a bound whatever the outcomes are, and nothing depends on what memory held before but slots that the call cleared. A call
//! with few points has no table at all, and only compares with the previous point.

use wasm_encoder::{Instruction as I, ValType};

use crate::codegen::code::{Code, Global, Local};
use crate::codegen::module::Module;
use crate::codegen::runtime::Routine;

/// Slots that a lookup visits at most: at a load of one half, chains are rarely longer than a few slots.
pub(in crate::codegen) const PROBES_MAX: u32 = 8;

/// Bytes of a slot: the address of an outcome (0 for none) and its number.
pub(in crate::codegen) const SLOT_BYTES: u32 = 8;

/// `(policy)`: puts a policy on the list of those that erred at the current point.
pub(super) fn emit_erred() -> Code {
    let mut code = Code::new(1);
    code.global(Global::Erring).get(Local(0)).store32(0);
    code.global(Global::Erring).i32(4).push(&I::I32Add).set_global(Global::Erring);
    code
}

/// `(end)`: completes the outcome whose satisfied policies end at `end`, and writes its number for the current point.
pub(super) fn emit_record(module: &mut Module) -> Code {
    let find = module.routine(Routine::Find);
    let mut code = Code::new(1);
    let end = Local(0);
    let start = code.local(ValType::I32);
    emit_complete(&mut code, start, end);
    code.global(Global::Point).get(end).call(find).store32(0);
    code.global(Global::Point).i32(4).push(&I::I32Add).set_global(Global::Point);
    code
}

/// `(satisfied, erring, policies) -> number`: writes the outcome down and finds its number.
pub(super) fn emit_note(module: &mut Module) -> Code {
    let (find, expand, reserve) =
        (module.routine(Routine::Find), module.routine(Routine::Expand), module.routine(Routine::Reserve));
    let mut code = Code::new(3);
    let (satisfied, erring, policies) = (Local(0), Local(1), Local(2));
    let start = code.local(ValType::I32);
    // Two words for the counts, and each of at most 64 policies once.
    let bytes = 4 * (2 + 64);
    code.global(Global::Outcome).tee(start).i32(bytes).push(&I::I32Add);
    code.global(Global::Limit).push(&I::I32GtU).if_();
    code.get(start).i32(bytes).push(&I::I32Add).call(reserve).end();
    code.get(start).get(satisfied).push(&I::I64Popcnt).push(&I::I32WrapI64).store32(0);
    code.get(start).get(erring).push(&I::I64Popcnt).push(&I::I32WrapI64).store32(4);
    code.get(start).i32(8).push(&I::I32Add).set(start);
    for bits in [satisfied, erring] {
        code.get(bits).push(&I::I64Eqz).push(&I::I32Eqz).if_();
        code.get(start).get(bits).get(policies).call(expand).set(start).end();
    }
    code.get(start).call(find);
    code
}

/// `(end, bits, policies) -> end`: `for bit in bits, from the lowest { push(policies[bit]) }`.
pub(super) fn emit_expand() -> Code {
    let mut code = Code::new(3);
    let (end, bits, policies) = (Local(0), Local(1), Local(2));
    let done = code.block();
    let next = code.loop_();
    code.get(bits).push(&I::I64Eqz).br_if(done);
    code.get(end).get(policies).get(bits).push(&I::I64Ctz).push(&I::I32WrapI64).i32(2).push(&I::I32Shl);
    code.push(&I::I32Add).load32(0).store32(0);
    code.increase(end, 4);
    code.get(bits).get(bits).i64(1).push(&I::I64Sub).push(&I::I64And).set(bits).br(next);
    code.end().end();
    code.get(end);
    code
}

/// `(end) -> number`: the number of the outcome from `Global::Outcome` to `end`, which it keeps unless there was one before.
pub(super) fn emit_find() -> Code {
    let mut code = Code::new(1);
    let end = Local(0);
    let start = code.local(ValType::I32);
    let other = code.local(ValType::I32);
    let number = code.local(ValType::I32);
    code.global(Global::Outcome).set(start);
    let done = code.block();

    code.global(Global::PreviousNumber).set(number);
    code.global(Global::Previous).tee(other).if_();
    emit_branch_if_equal(&mut code, start, end, other, done);
    code.end();

    let missing = code.block();
    code.global(Global::Table).push(&I::I32Eqz).br_if(missing);
    let slot = code.local(ValType::I32);
    emit_hash(&mut code, start, end, slot);
    let left = code.local(ValType::I32);
    code.i32(PROBES_MAX).set(left);
    let probe = code.loop_();
    code.global(Global::Table).get(slot).global(Global::Mask).push(&I::I32And);
    code.i32(3).push(&I::I32Shl).push(&I::I32Add).tee(number);
    code.load32(0).tee(other).push(&I::I32Eqz).if_();
    emit_fill_slot(&mut code, number, start);
    code.br(missing).end();
    code.get(number).load32(4).set(number);
    emit_branch_if_equal(&mut code, start, end, other, done);
    code.increase(slot, 1);
    code.get(left).i32(1).push(&I::I32Sub).tee(left).br_if(probe);
    code.end().end();

    code.get(start).set(other);
    code.global(Global::Outcomes).tee(number).i32(1).push(&I::I32Add).set_global(Global::Outcomes);
    code.get(end).set_global(Global::Outcome);
    code.end();

    code.get(other).set_global(Global::Previous);
    code.get(number).set_global(Global::PreviousNumber);
    code.get(number);
    code
}

/// Sets `start`, writes both counts, and appends the erring policies, which moves `end`.
fn emit_complete(code: &mut Code, start: Local, end: Local) {
    code.global(Global::Outcome).tee(start);
    code.get(end).get(start).push(&I::I32Sub).i32(8).push(&I::I32Sub).i32(2).push(&I::I32ShrU).store32(0);
    code.get(start);
    code.global(Global::Erring).global(Global::ErringStart).push(&I::I32Sub).i32(2).push(&I::I32ShrU).store32(4);
    let from = code.local(ValType::I32);
    code.global(Global::ErringStart).set(from);
    let copied = code.block();
    let copy = code.loop_();
    code.get(from).global(Global::Erring).push(&I::I32GeU).br_if(copied);
    code.get(end).get(from).load32(0).store32(0);
    code.increase(end, 4).increase(from, 4).br(copy);
    code.end().end();
    code.release(from);
}

/// Goes to `equal` if the outcome at `other` has the words from `start` to `end`. Reading past a shorter one does no harm:
/// its counts differ, and they come first.
fn emit_branch_if_equal(code: &mut Code, start: Local, end: Local, other: Local, equal: crate::codegen::code::Label) {
    let (left, right) = (code.local(ValType::I32), code.local(ValType::I32));
    code.get(start).set(left).get(other).set(right);
    let differs = code.block();
    let next = code.loop_();
    code.get(left).load32(0).get(right).load32(0).push(&I::I32Ne).br_if(differs);
    code.increase(right, 4).increase(left, 4);
    code.get(left).get(end).push(&I::I32LtU).br_if(next);
    code.br(equal);
    code.end().end();
    code.release(left);
    code.release(right);
}

/// Leaves in `hash` a number made of all words from `start` to `end`.
fn emit_hash(code: &mut Code, start: Local, end: Local, hash: Local) {
    let at = code.local(ValType::I32);
    code.get(start).set(at).i32(0).set(hash);
    let next = code.loop_();
    // Fibonacci hashing: 2^32 divided by the golden ratio.
    code.get(hash).get(at).load32(0).push(&I::I32Xor).i32(0x9E37_79B1).push(&I::I32Mul).tee(hash);
    code.get(hash).i32(15).push(&I::I32ShrU).push(&I::I32Xor).set(hash);
    code.increase(at, 4);
    code.get(at).get(end).push(&I::I32LtU).br_if(next);
    code.end();
    code.release(at);
}

/// Enters the outcome at `start`, which gets the next number, in the empty slot at `slot`, while half of them are empty.
fn emit_fill_slot(code: &mut Code, slot: Local, start: Local) {
    code.global(Global::Free).if_();
    code.global(Global::Free).i32(1).push(&I::I32Sub).set_global(Global::Free);
    code.get(slot).get(start).store32(0);
    code.get(slot).global(Global::Outcomes).store32(4);
    code.end();
}
