//! Heap sort of a list of 32-bit words, ascending: in place, and never more than `n log n` steps.

use wasm_encoder::{Instruction as I, ValType};

use crate::codegen::code::{Code, Local};
use crate::codegen::module::Module;
use crate::codegen::runtime::Routine;

/// `(start, end)`: leaves a list that is in order as it is.
pub(super) fn emit_sort(module: &mut Module) -> Code {
    let sink = module.routine(Routine::Sink);
    let mut code = Code::new(2);
    let (start, end) = (Local(0), Local(1));
    let (at, count, word) = (code.local(ValType::I32), code.local(ValType::I32), code.local(ValType::I32));
    let unordered = code.block();
    code.get(start).i32(4).push(&I::I32Add).set(at);
    let next = code.loop_();
    code.get(at).get(end).push(&I::I32GeU).if_();
    code.push(&I::Return).end();
    code.get(at).i32(4).push(&I::I32Sub).load32(0).get(at).load32(0).push(&I::I32GtU).br_if(unordered);
    code.increase(at, 4).br(next);
    code.end().end();

    code.get(end).get(start).push(&I::I32Sub).i32(2).push(&I::I32ShrU).set(count);
    code.get(count).i32(1).push(&I::I32ShrU).set(at);
    let next = code.loop_();
    code.get(at).i32(1).push(&I::I32Sub).set(at);
    code.get(start).get(at).get(count).call(sink);
    code.get(at).br_if(next);
    code.end();

    let next = code.loop_();
    code.get(count).i32(1).push(&I::I32Sub).set(count);
    // The largest goes behind what is still a heap.
    code.get(start).get(count).i32(2).push(&I::I32Shl).push(&I::I32Add).tee(at).load32(0).set(word);
    code.get(at).get(start).load32(0).store32(0);
    code.get(start).get(word).store32(0);
    code.get(start).i32(0).get(count).call(sink);
    code.get(count).i32(1).push(&I::I32GtU).br_if(next);
    code.end();
    code
}

/// `(list, position, length)`: swaps an entry with the larger of the two below it, as long as that is larger than it.
pub(super) fn emit_sink() -> Code {
    let mut code = Code::new(3);
    let (list, position, length) = (Local(0), Local(1), Local(2));
    let (child, at, below, word) =
        (code.local(ValType::I32), code.local(ValType::I32), code.local(ValType::I32), code.local(ValType::I32));
    let address = |code: &mut Code, position: Local| {
        code.get(list).get(position).i32(2).push(&I::I32Shl).push(&I::I32Add);
    };
    let done = code.block();
    let next = code.loop_();
    code.get(position).i32(1).push(&I::I32Shl).i32(1).push(&I::I32Add).tee(child);
    code.get(length).push(&I::I32GeU).br_if(done);
    address(&mut code, child);
    code.set(below);
    code.get(child).i32(1).push(&I::I32Add).get(length).push(&I::I32LtU).if_();
    code.get(below).load32(0).get(below).load32(4).push(&I::I32LtU).if_();
    code.increase(child, 1).increase(below, 4);
    code.end().end();
    address(&mut code, position);
    code.tee(at).load32(0).get(below).load32(0).push(&I::I32GeU).br_if(done);
    code.get(at).load32(0).set(word);
    code.get(at).get(below).load32(0).store32(0);
    code.get(below).get(word).store32(0);
    code.get(child).set(position).br(next);
    code.end().end();
    code
}
