//! The function that the host calls: reads the header of a frame, asks its questions, and closes the answer.

use wasm_encoder::{Instruction as I, ValType};

use exportgate_contract::manifest::Axis;
use exportgate_contract::{answer, frame, limits};

use super::code::{Code, Global, Local};
use super::module::{Module, index};
use super::runtime::{PROBES_MAX, Routine, SLOT_BYTES, emit_allocate};

/// Points for which no outcome table is made: clearing and filling it would cost more than an outcome that is written
/// twice because another stood between.
pub(super) const POINTS_WITHOUT_TABLE: u32 = 16;

/// Slots of the outcome table for each point: twice the points, rounded up to a power of two.
const SLOTS_PER_POINT_MAX: u32 = 4;

/// Slots of the outcome table: at most this many (128 KiB), so that clearing them costs little beside the points that ask for
/// them; half of them are filled, and more than 8,192 distinct outcomes in one call are written more than once.
const SLOTS_MAX: u32 = 16_384;

/// Bytes of a word of the frame.
const WORD: u32 = 8;

/// What the header of a frame must agree with.
pub(super) struct Expected<'a> {
    /// How many facts there are on each axis: job, row, column, cell.
    pub(super) facts: [u32; 4],
    /// How many constants the module has.
    pub(super) constants: u32,
    /// The axis of each question.
    pub(super) questions: &'a [Axis],
    /// The function that asks each question.
    pub(super) functions: &'a [u32],
    /// Bytes that are kept of each column, by the question that keeps most.
    pub(super) record_bytes: u32,
}

/// Where the values and the states of the facts on an axis begin.
const CELLS: [(Global, Global); 4] = [
    (Global::JobValues, Global::JobStates),
    (Global::RowValuesStart, Global::RowStatesStart),
    (Global::ColumnValuesStart, Global::ColumnStatesStart),
    (Global::CellValuesStart, Global::CellStatesStart),
];

/// `evaluate(frame, length) -> address of (answer, length)`.
///
/// Traps when the frame isn't one: another tag, another length, facts or constants that don't fit what the module was made
/// for, unknown or unordered questions, more points than the contract's limit.
pub(super) fn emit_evaluate(module: &mut Module, expected: &Expected<'_>) -> Code {
    let mut code = Code::new(2);
    let locals = Locals {
        frame: Local(0),
        length: Local(1),
        questions: code.local(ValType::I32),
        points: code.local(ValType::I32),
        size: code.local(ValType::I32),
        start: code.local(ValType::I32),
        answer: code.local(ValType::I32),
        wide: code.local(ValType::I64),
    };
    emit_read_header(&mut code, expected, &locals);
    emit_read_cells(&mut code, expected, &locals);
    emit_count_points(module, &mut code, expected, &locals);
    emit_prepare_answer(module, &mut code, expected, &locals);
    let ask = emit_ask(module, expected);
    emit_each_question(&mut code, &locals, |code, id| {
        code.get(id).load32(0).call(ask);
    });
    emit_close_answer(module, &mut code, &locals);
    code
}

struct Locals {
    frame: Local,
    length: Local,
    questions: Local,
    points: Local,
    size: Local,
    start: Local,
    answer: Local,
    wide: Local,
}

fn word(position: usize) -> u32 {
    index(position) * WORD
}

/// Checks the header and keeps what it says.
fn emit_read_header(code: &mut Code, expected: &Expected<'_>, l: &Locals) {
    let header = index(frame::HEADER_WORDS);
    code.get(l.length).i32(header).push(&I::I32LtU).trap_if();
    // The end of the frame, in 64 bits: it must not wrap around.
    code.get(l.frame).push(&I::I64ExtendI32U).get(l.length).push(&I::I64ExtendI32U).i64(3).push(&I::I64Shl);
    code.push(&I::I64Add).global(Global::Limit).push(&I::I64ExtendI32U).push(&I::I64GtU).trap_if();
    code.get(l.frame).load64(word(frame::WORD_TAG)).i64(frame::TAG.cast_signed()).push(&I::I64Ne).trap_if();
    code.get(l.frame).load64(word(frame::WORD_LENGTH)).get(l.length).push(&I::I64ExtendI32U).push(&I::I64Ne).trap_if();
    code.get(l.frame).set_global(Global::Frame);
    code.get(l.length).set_global(Global::Length);

    let counts = [
        (frame::WORD_ROWS, limits::ROWS_PER_CALL_MAX, Global::Rows),
        (frame::WORD_COLUMNS, limits::FIELDS_PER_JOB_MAX, Global::Columns),
    ];
    for (position, max, global) in counts {
        code.get(l.frame).load64(word(position)).tee(l.wide).i64(wide(max)).push(&I::I64GtU).trap_if();
        code.get(l.wide).push(&I::I32WrapI64).set_global(global);
    }
    code.global(Global::Rows).global(Global::Columns).push(&I::I32Mul).set_global(Global::Cells);

    code.get(l.frame).load64(word(frame::WORD_QUESTIONS)).tee(l.wide);
    code.i64(wide(expected.questions.len())).push(&I::I64GtU).trap_if();
    code.get(l.wide).push(&I::I32WrapI64).tee(l.questions);
    code.i32(header).push(&I::I32Add).get(l.length).push(&I::I32GtU).trap_if();

    code.get(l.frame).load64(word(frame::WORD_SYMBOLS)).tee(l.wide);
    code.i64(i64::from(expected.constants)).push(&I::I64LtU).trap_if();
    let first = code.local(ValType::I64);
    code.get(l.frame).load64(word(frame::WORD_DIRECTORY_FIRST)).tee(first).get(l.wide).push(&I::I64GtU).trap_if();
    emit_fits(code, l, frame::WORD_PAYLOADS, |code| {
        code.get(l.wide).get(first).push(&I::I64Sub);
    });
    code.tee(l.size).get(first).push(&I::I32WrapI64).i32(3).push(&I::I32Shl).push(&I::I32Sub);
    code.set_global(Global::Directory);
    code.get(first).push(&I::I32WrapI64).set_global(Global::DirectoryFirst);
    code.get(l.wide).get(first).push(&I::I64Sub).push(&I::I32WrapI64).i32(3).push(&I::I32Shl);
    code.get(l.size).push(&I::I32Add).set_global(Global::Payloads);
    code.get(l.wide).push(&I::I32WrapI64).set_global(Global::Symbols);
    code.release(first);
}

/// Traps unless the part that begins where the header's word `position` says has room for as many words as `words`
/// pushes (less than 2^63) before the frame ends; pushes the part's address.
fn emit_fits(code: &mut Code, l: &Locals, position: usize, words: impl FnOnce(&mut Code)) {
    let offset = code.local(ValType::I64);
    let length = |code: &mut Code| {
        code.get(l.length).push(&I::I64ExtendI32U);
    };
    code.get(l.frame).load64(word(position)).tee(offset);
    length(code);
    code.push(&I::I64GtU).trap_if();
    words(code);
    length(code);
    code.get(offset).push(&I::I64Sub).push(&I::I64GtU).trap_if();
    code.get(l.frame).get(offset).push(&I::I32WrapI64).i32(3).push(&I::I32Shl).push(&I::I32Add);
    code.release(offset);
}

/// Checks that all cells lie within the frame, and keeps where they begin.
fn emit_read_cells(code: &mut Code, expected: &Expected<'_>, l: &Locals) {
    let points = [None, Some(Global::Rows), Some(Global::Columns), Some(Global::Cells)];
    let parts = frame::WORD_VALUES.iter().zip(frame::WORD_STATES);
    for (((count, points), (values, states)), globals) in expected.facts.iter().zip(points).zip(parts).zip(CELLS) {
        if *count == 0 {
            continue;
        }
        code.i64(i64::from(*count));
        if let Some(points) = points {
            code.global(points).push(&I::I64ExtendI32U).push(&I::I64Mul);
        }
        code.set(l.wide);
        emit_fits(code, l, *values, |code| {
            code.get(l.wide);
        });
        code.set_global(globals.0);
        emit_fits(code, l, states, |code| {
            code.get(l.wide).i64(7).push(&I::I64Add).i64(3).push(&I::I64ShrU);
        });
        code.set_global(globals.1);
    }
}

/// The loop over the ids of the questions asked: `body` gets the local with the address of the id.
fn emit_each_question(code: &mut Code, l: &Locals, body: impl FnOnce(&mut Code, Local)) {
    let (id, end) = (code.local(ValType::I32), code.local(ValType::I32));
    code.get(l.frame).i32(word(frame::HEADER_WORDS)).push(&I::I32Add).tee(id);
    code.get(l.questions).i32(3).push(&I::I32Shl).push(&I::I32Add).set(end);
    let done = code.block();
    let next = code.loop_();
    code.get(id).get(end).push(&I::I32GeU).br_if(done);
    body(code, id);
    code.increase(id, WORD).br(next);
    code.end().end();
    code.release(id);
    code.release(end);
}

/// Counts the points of all questions asked, and checks the questions on the way.
fn emit_count_points(module: &mut Module, code: &mut Code, expected: &Expected<'_>, l: &Locals) {
    let axes = module.constant_bytes(expected.questions.iter().map(|axis| axis_index(*axis)).collect());
    // How many points each axis has, four 32-bit words.
    let counts = module.variable(&[1, 0]);
    for (position, global) in [(4, Global::Rows), (8, Global::Columns), (12, Global::Cells)] {
        code.i32(counts).global(global).store32(position);
    }
    let total = code.local(ValType::I64);
    // INVARIANT: at most 4,096 questions of at most 2^24 points.
    code.i64(0).set(total).i64(-1).set(l.wide);
    emit_each_question(code, l, |code, id| {
        code.get(id).load64(0).get(l.wide).push(&I::I64LeS).trap_if();
        code.get(id).load64(0).tee(l.wide).i64(wide(expected.questions.len())).push(&I::I64GeU).trap_if();
        code.get(l.wide).push(&I::I32WrapI64).load8(axes).i32(2).push(&I::I32Shl).load32(counts);
        code.push(&I::I64ExtendI32U).get(total).push(&I::I64Add).set(total);
    });
    code.get(total).i64(wide(limits::POINTS_PER_CALL_MAX)).push(&I::I64GtU).trap_if();
    code.get(total).push(&I::I32WrapI64).set(l.points);
    code.release(total);
}

/// Takes room for the numbers of the points and, if there are many, for the outcome table, which it clears; begins the answer.
fn emit_prepare_answer(module: &mut Module, code: &mut Code, expected: &Expected<'_>, l: &Locals) {
    if expected.record_bytes > 0 {
        code.global(Global::Columns).i32(expected.record_bytes).push(&I::I32Mul).set(l.size);
        emit_allocate(module, code, l.size, l.start);
        code.get(l.start).set_global(Global::ColumnRecords);
    }
    // Rows are copied two numbers at a time, so up to one more than there are.
    code.get(l.points).i32(2).push(&I::I32Shl).i32(8).push(&I::I32Add).set(l.size);
    emit_allocate(module, code, l.size, l.start);
    code.get(l.start).set_global(Global::Point);

    code.i32(0).set_global(Global::Table);
    code.get(l.points).i32(POINTS_WITHOUT_TABLE).push(&I::I32GtU).if_();
    // The least power of two that is at least twice the points.
    let slots = l.size;
    code.i32(1).i32(32).get(l.points).i32(1).push(&I::I32Shl).i32(1).push(&I::I32Sub);
    code.push(&I::I32Clz).push(&I::I32Sub).push(&I::I32Shl).set(slots);
    code.get(slots).i32(SLOTS_MAX).get(slots).i32(SLOTS_MAX).push(&I::I32LtU).push(&I::Select).tee(slots);
    code.i32(1).push(&I::I32Sub).set_global(Global::Mask);
    code.get(slots).i32(1).push(&I::I32ShrU).set_global(Global::Free);
    code.get(slots).i32(SLOT_BYTES.trailing_zeros()).push(&I::I32Shl).set(l.size);
    emit_allocate(module, code, l.size, l.answer);
    code.get(l.answer).set_global(Global::Table);
    code.get(l.answer).get(l.size).push(&I::I32Add).set(l.size);
    let clear = code.loop_();
    code.get(l.answer).i64(0).store64(0);
    code.increase(l.answer, SLOT_BYTES);
    code.get(l.answer).get(l.size).push(&I::I32LtU).br_if(clear);
    code.end().end();

    let header = index(answer::HEADER_WORDS) * 4;
    let reserve = module.routine(Routine::Reserve);
    code.global(Global::Heap).tee(l.answer).i32(header).push(&I::I32Add).tee(l.size).set_global(Global::Outcome);
    code.get(l.size).call(reserve);
    code.i32(0).set_global(Global::Outcomes);
    code.i32(0).set_global(Global::Previous);
}

/// `(question)`: a binary search in code for the question's function.
fn emit_ask(module: &mut Module, expected: &Expected<'_>) -> u32 {
    let function = module.declare(&[ValType::I32], &[]);
    let mut code = Code::new(1);
    emit_choose(&mut code, 0, expected.functions);
    module.define(function, code);
    function
}

/// Calls one of `functions`, the first of which is question `first`. Nests as deep as the logarithm of their number.
fn emit_choose(code: &mut Code, first: usize, functions: &[u32]) {
    let Some((left, right)) = functions.split_at_checked(functions.len() / 2) else {
        return;
    };
    match functions {
        [] => {
            code.push(&I::Unreachable);
        }
        [function] => {
            code.call(*function);
        }
        _ => {
            let middle = first + left.len();
            code.get(Local(0)).i32(index(middle)).push(&I::I32LtU).if_();
            emit_choose(code, first, left);
            code.else_();
            emit_choose(code, middle, right);
            code.end();
        }
    }
}

/// Writes the header, puts the numbers of the points behind the outcomes, and pushes where address and length lie.
fn emit_close_answer(module: &mut Module, code: &mut Code, l: &Locals) {
    let reserve = module.routine(Routine::Reserve);
    code.get(l.answer).i32(answer::TAG).store32(index(answer::WORD_TAG) * 4);
    code.get(l.answer).global(Global::Outcomes).store32(index(answer::WORD_OUTCOMES) * 4);
    let (to, end) = (code.local(ValType::I32), code.local(ValType::I32));
    code.global(Global::Outcome).tee(to).get(l.points).i32(2).push(&I::I32Shl).push(&I::I32Add).tee(end);
    // Two numbers at a time, so up to one word more than there are.
    code.i32(8).push(&I::I32Add).call(reserve);
    let copied = code.block();
    let copy = code.loop_();
    code.get(to).get(end).push(&I::I32GeU).br_if(copied);
    code.get(to).get(l.start).load64(0).store64(0);
    code.increase(to, 8).increase(l.start, 8).br(copy);
    code.end().end();

    let result = module.variable(&[0]);
    code.get(end).get(l.answer).push(&I::I32Sub).i32(2).push(&I::I32ShrU).tee(l.size);
    code.i32(index(limits::ANSWER_WORDS_MAX)).push(&I::I32GtU).trap_if();
    code.i32(result).get(l.answer).store32(0);
    code.i32(result).get(l.size).store32(4);
    code.i32(result);
    code.release(to);
    code.release(end);
}

/// Instructions that asking a question costs at most, whatever its points: checking its id, counting its points, and finding
/// its function among 4,096.
pub(super) const QUESTION_COST: u64 = 128;

/// Instructions that a point costs at most, for a question with `policies` whose function, in one round of its loops, costs
/// `round`: besides that, its outcome is walked once to be completed, once to be hashed, and once for each comparison,
/// and its share of the outcome table is cleared. No loop there has more than 20 instructions a round.
pub(super) fn point_cost(policies: usize, sorts: bool, round: u64) -> u64 {
    const INSTRUCTIONS_PER_ROUND: u64 = 20;
    let words = policies as u64 + 2;
    let walks = u64::from(PROBES_MAX) + 3;
    let slots = u64::from(SLOTS_PER_POINT_MAX);
    // Heap sort: each policy sinks through the heap twice, in as many steps as their number has bits.
    let steps = if sorts { 2 * words * u64::from(64 - words.leading_zeros()) } else { 0 };
    round
        .saturating_add(2 * INSTRUCTIONS_PER_ROUND * steps)
        .saturating_add(INSTRUCTIONS_PER_ROUND * (words * walks + u64::from(PROBES_MAX) + slots))
}

fn axis_index(axis: Axis) -> u8 {
    match axis {
        Axis::Job => 0,
        Axis::Row => 1,
        Axis::Column => 2,
        Axis::Cell => 3,
    }
}

/// A limit as an operand of 64 bits. INVARIANT: limits of the contract lie far below 2^63.
fn wide(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
