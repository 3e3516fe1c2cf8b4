//! Memory: a bump allocator that the post-return function resets, and growth on demand.

use wasm_encoder::{Instruction as I, ValType};

use exportgate_contract::limits::MEMORY_BYTES_MAX;

use crate::codegen::code::{Code, Global, Local};
use crate::codegen::module::Module;
use crate::codegen::runtime::Routine;

/// `(end)`: grows memory so that it reaches up to `end`. Traps when the host doesn't give as much.
pub(super) fn emit_reserve() -> Code {
    let mut code = Code::new(1);
    let end = Local(0);
    code.get(end).global(Global::Limit).push(&I::I32GtU).if_();
    code.get(end).global(Global::Limit).push(&I::I32Sub).i32(65_535).push(&I::I32Add);
    code.i32(16).push(&I::I32ShrU).push(&I::MemoryGrow(0));
    code.i32(u32::MAX).push(&I::I32Eq).trap_if();
    code.push(&I::MemorySize(0)).i32(16).push(&I::I32Shl).set_global(Global::Limit);
    code.end();
    code
}

/// Takes `size` bytes (a local) of the heap, and leaves in `start` where they begin, a multiple of 8.
pub(in crate::codegen) fn emit_allocate(module: &mut Module, code: &mut Code, size: Local, start: Local) {
    let reserve = module.routine(Routine::Reserve);
    let max = u32::try_from(MEMORY_BYTES_MAX).unwrap_or(u32::MAX);
    code.get(size).i32(max).push(&I::I32GtU).trap_if();
    code.global(Global::Heap).tee(start).get(size).i32(7).push(&I::I32Add).i32(7).i32(u32::MAX).push(&I::I32Xor);
    code.push(&I::I32And).push(&I::I32Add).set_global(Global::Heap);
    code.global(Global::Heap).call(reserve);
}

/// `cabi_realloc(old, old size, alignment, size) -> address`: room for what the host passes in.
///
/// It only ever allocates: a list of numbers is lowered with one call. Growing a former allocation traps, and so does an
/// alignment above 8.
pub(in crate::codegen) fn emit_realloc(module: &mut Module) -> Code {
    let mut code = Code::new(4);
    let (old_size, alignment, size) = (Local(1), Local(2), Local(3));
    code.get(old_size).trap_if();
    code.get(alignment).i32(8).push(&I::I32GtU).trap_if();
    let start = code.local(ValType::I32);
    emit_allocate(module, &mut code, size, start);
    code.get(start);
    code
}

/// `cabi_post_evaluate(answer)`: frees the frame, the answer and all tables at once.
pub(in crate::codegen) fn emit_post_return() -> Code {
    let mut code = Code::new(1);
    code.global(Global::HeapStart).set_global(Global::Heap);
    code
}
