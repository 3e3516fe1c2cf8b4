//! A function body in the making: instructions, locals, labels by depth, and what it costs.

use wasm_encoder as wasm;
use wasm_encoder::{BlockType, Encode, Instruction as I, MemArg, ValType};

use exportgate_contract::limits::{FUNCTION_BYTES_MAX, FUNCTION_LOCALS_MAX};

/// Bytes that a function takes beside its instructions and locals: counts and its end.
const FUNCTION_FRAME_BYTES: usize = 64;

/// The module's variables. All are of type `i32`.
///
/// Those named after cells come twice: where the first point of the frame lies, and where the current point lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub(super) enum Global {
    /// Where the next allocation begins; a multiple of 8.
    Heap,
    /// How many bytes the memory has.
    Limit,
    /// Where the frame begins.
    Frame,
    /// The length of the frame in words.
    Length,
    /// Where the directory of payloads would begin if it had a word for each symbol.
    Directory,
    /// The first symbol that the directory has a word for.
    DirectoryFirst,
    /// Where the payloads begin.
    Payloads,
    /// How many symbols the frame has.
    Symbols,
    /// How many rows the frame has.
    Rows,
    /// How many columns the frame has.
    Columns,
    /// Rows times columns.
    Cells,
    /// Values of the job's facts.
    JobValues,
    /// States of the job's facts.
    JobStates,
    /// Values of the row facts at the current row.
    RowValues,
    /// States of the row facts at the current row.
    RowStates,
    /// Values of the column facts at the current column.
    ColumnValues,
    /// States of the column facts at the current column.
    ColumnStates,
    /// Values of the cell facts at the current cell.
    CellValues,
    /// States of the cell facts at the current cell.
    CellStates,
    /// Values of the row facts at row 0.
    RowValuesStart,
    /// States of the row facts at row 0.
    RowStatesStart,
    /// Values of the column facts at column 0.
    ColumnValuesStart,
    /// States of the column facts at column 0.
    ColumnStatesStart,
    /// Values of the cell facts at row 0 and column 0.
    CellValuesStart,
    /// States of the cell facts at row 0 and column 0.
    CellStatesStart,
    /// What is kept of each column, for the question at hand.
    ColumnRecords,
    /// What is kept of the current column.
    ColumnRecord,
    /// Where the number of the next point's outcome goes.
    Point,
    /// Where the slots of the outcome table begin; 0 for none.
    Table,
    /// The number of slots less one.
    Mask,
    /// How many slots may still be filled.
    Free,
    /// Where the next outcome goes.
    Outcome,
    /// How many outcomes there are.
    Outcomes,
    /// Where the previous point's outcome lies; 0 before the first.
    Previous,
    /// The number of the previous point's outcome.
    PreviousNumber,
    /// The end of the list of policies that erred at the current point.
    Erring,
    /// Where that list begins; never changes.
    ErringStart,
    /// Where the heap begins; never changes.
    HeapStart,
}

/// How many variables there are.
pub(super) const GLOBALS: u32 = Global::HeapStart as u32 + 1;

/// A place that a branch can go to: the end of a block, or the beginning of a loop.
#[derive(Clone, Copy, Debug)]
pub(super) struct Label(u32);

/// A local variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Local(pub(super) u32);

/// A function body in the making.
#[derive(Debug)]
pub(super) struct Code {
    params: u32,
    locals: Vec<ValType>,
    free: Vec<(Local, ValType)>,
    bytes: Vec<u8>,
    instructions: u64,
    depth: u32,
    calls: Vec<u32>,
}

impl Code {
    /// An empty body of a function with `params` parameters, which are its first locals.
    pub(super) fn new(params: u32) -> Self {
        Self {
            params,
            locals: Vec::new(),
            free: Vec::new(),
            bytes: Vec::new(),
            instructions: 0,
            depth: 0,
            calls: Vec::new(),
        }
    }

    /// The instructions so far, in bytes.
    pub(super) fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether a function may be as large.
    pub(super) fn fits_a_function(&self) -> bool {
        // Each local takes two bytes at most, where the function says which it has.
        let bytes = self.byte_len().saturating_add(self.locals.len().saturating_mul(2));
        let locals_max = usize::try_from(FUNCTION_LOCALS_MAX).unwrap_or(usize::MAX);
        bytes.saturating_add(FUNCTION_FRAME_BYTES) <= FUNCTION_BYTES_MAX && self.locals.len() <= locals_max
    }

    /// How many instructions there are: no path through a body without loops executes more.
    pub(super) fn instructions(&self) -> u64 {
        self.instructions
    }

    /// The functions called, one entry a call.
    pub(super) fn calls(&self) -> &[u32] {
        &self.calls
    }

    /// Puts instructions that `prologue` holds before all others. Both must use the same locals.
    pub(super) fn prepend(&mut self, prologue: Self) {
        let mut bytes = prologue.bytes;
        bytes.append(&mut self.bytes);
        self.bytes = bytes;
        self.instructions += prologue.instructions;
        self.calls.extend(prologue.calls);
    }

    /// Closes the body.
    pub(super) fn finish(mut self) -> wasm::Function {
        self.push(&I::End);
        let mut function = wasm::Function::new_with_locals_types(self.locals.iter().copied());
        function.raw(self.bytes);
        function
    }

    /// Appends an instruction that neither opens nor closes a block.
    pub(super) fn push(&mut self, instruction: &I<'_>) -> &mut Self {
        instruction.encode(&mut self.bytes);
        self.instructions += 1;
        self
    }

    /// A local of type `ty`: one that was released, or a new one. Its value is anything.
    pub(super) fn local(&mut self, ty: ValType) -> Local {
        if let Some(position) = self.free.iter().rposition(|(_, free)| *free == ty) {
            return self.free.swap_remove(position).0;
        }
        let index = self.params + u32::try_from(self.locals.len()).unwrap_or(u32::MAX);
        self.locals.push(ty);
        Local(index)
    }

    /// Gives a local back.
    pub(super) fn release(&mut self, local: Local) {
        let position = local.0.checked_sub(self.params).and_then(|index| usize::try_from(index).ok());
        if let Some(ty) = position.and_then(|position| self.locals.get(position)) {
            self.free.push((local, *ty));
        }
    }

    /// Opens a block; branches to the label go behind its end.
    pub(super) fn block(&mut self) -> Label {
        self.open(&I::Block(BlockType::Empty))
    }

    /// Opens a loop; branches to the label go to its beginning.
    pub(super) fn loop_(&mut self) -> Label {
        self.open(&I::Loop(BlockType::Empty))
    }

    /// Opens an `if` without result; takes the condition.
    pub(super) fn if_(&mut self) -> Label {
        self.open(&I::If(BlockType::Empty))
    }

    /// Opens an `if` with a result of type `ty`; takes the condition.
    pub(super) fn if_result(&mut self, ty: ValType) -> Label {
        self.open(&I::If(BlockType::Result(ty)))
    }

    fn open(&mut self, instruction: &I<'_>) -> Label {
        self.push(instruction);
        self.depth += 1;
        Label(self.depth)
    }

    /// The other branch of the innermost `if`.
    pub(super) fn else_(&mut self) -> &mut Self {
        self.push(&I::Else)
    }

    /// Closes the innermost block, loop or `if`.
    pub(super) fn end(&mut self) -> &mut Self {
        self.depth = self.depth.saturating_sub(1);
        self.push(&I::End)
    }

    /// Branches to `label`.
    pub(super) fn br(&mut self, label: Label) -> &mut Self {
        let depth = self.depth.saturating_sub(label.0);
        self.push(&I::Br(depth))
    }

    /// Branches to `label` unless the word taken is 0.
    pub(super) fn br_if(&mut self, label: Label) -> &mut Self {
        let depth = self.depth.saturating_sub(label.0);
        self.push(&I::BrIf(depth))
    }

    /// Branches to the label whose position is taken; to the last one for any position behind it.
    pub(super) fn br_table(&mut self, labels: impl DoubleEndedIterator<Item = Label>) -> &mut Self {
        let mut depths: Vec<u32> = labels.map(|label| self.depth.saturating_sub(label.0)).collect();
        let default = depths.pop().unwrap_or(0);
        self.push(&I::BrTable(depths.into(), default))
    }

    /// Traps unless the word taken is 0.
    pub(super) fn trap_if(&mut self) -> &mut Self {
        self.if_();
        self.push(&I::Unreachable);
        self.end()
    }

    /// Calls a function.
    pub(super) fn call(&mut self, function: u32) -> &mut Self {
        self.calls.push(function);
        self.push(&I::Call(function))
    }

    /// Pushes a local.
    pub(super) fn get(&mut self, local: Local) -> &mut Self {
        self.push(&I::LocalGet(local.0))
    }

    /// Pops into a local.
    pub(super) fn set(&mut self, local: Local) -> &mut Self {
        self.push(&I::LocalSet(local.0))
    }

    /// Copies into a local.
    pub(super) fn tee(&mut self, local: Local) -> &mut Self {
        self.push(&I::LocalTee(local.0))
    }

    /// Pushes a variable of the module.
    pub(super) fn global(&mut self, global: Global) -> &mut Self {
        self.push(&I::GlobalGet(global as u32))
    }

    /// Pops into a variable of the module.
    pub(super) fn set_global(&mut self, global: Global) -> &mut Self {
        self.push(&I::GlobalSet(global as u32))
    }

    /// Pushes an `i32`. Addresses and counts stay below 2^31: memory is at most 64 MiB.
    pub(super) fn i32(&mut self, value: u32) -> &mut Self {
        self.push(&I::I32Const(value.cast_signed()))
    }

    /// Pushes an `i64`.
    pub(super) fn i64(&mut self, value: i64) -> &mut Self {
        self.push(&I::I64Const(value))
    }

    /// Takes an address, pushes the `i64` at `offset` from it.
    pub(super) fn load64(&mut self, offset: u32) -> &mut Self {
        self.push(&I::I64Load(at(offset, 3)))
    }

    /// Takes an address, pushes the `i32` at `offset` from it.
    pub(super) fn load32(&mut self, offset: u32) -> &mut Self {
        self.push(&I::I32Load(at(offset, 2)))
    }

    /// Takes an address, pushes the byte at `offset` from it.
    pub(super) fn load8(&mut self, offset: u32) -> &mut Self {
        self.push(&I::I32Load8U(at(offset, 0)))
    }

    /// Takes an address and an `i64`, stores it at `offset` from there.
    pub(super) fn store64(&mut self, offset: u32) -> &mut Self {
        self.push(&I::I64Store(at(offset, 3)))
    }

    /// Takes an address and an `i32`, stores it at `offset` from there.
    pub(super) fn store32(&mut self, offset: u32) -> &mut Self {
        self.push(&I::I32Store(at(offset, 2)))
    }

    /// Takes an address and an `i32`, stores its low byte at `offset` from there.
    pub(super) fn store8(&mut self, offset: u32) -> &mut Self {
        self.push(&I::I32Store8(at(offset, 0)))
    }

    /// Counts instructions of further rounds of a loop in this body.
    pub(super) fn add_cost(&mut self, instructions: u64) -> &mut Self {
        self.instructions = self.instructions.saturating_add(instructions);
        self
    }

    /// Adds `amount` to an `i32` local.
    pub(super) fn increase(&mut self, local: Local, amount: u32) -> &mut Self {
        self.get(local).i32(amount).push(&I::I32Add).set(local)
    }
}

fn at(offset: u32, align: u32) -> MemArg {
    MemArg { offset: u64::from(offset), align, memory_index: 0 }
}
