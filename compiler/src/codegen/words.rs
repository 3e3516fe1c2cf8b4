//! Outcomes as words: for questions of one unit, a bit for each satisfied policy. Lists are made only of words that haven't
//! been seen.
//!
//! What a word was numbered is kept twice. In a small table, for all points. And, for cells, in the record of each column, by
//! the running word: when the guards decide everything, a cell costs no more than two loads and a comparison. A row in which
//! that is so for all columns serves the rows after it, as long as their guards leave the same policies in the running.

use wasm_encoder::{Instruction as I, ValType};

use exportgate_contract::manifest::Axis;

use super::code::{Code, Global, Local};
use super::evaluate::POINTS_WITHOUT_TABLE;
use super::lists::{Decided, emit_guards};
use super::module::Module;
use super::points::{emit_each, emit_enter_cell, emit_enter_column, emit_enter_record, emit_enter_row, points};
use super::runtime::Routine;
use super::unit::{NEVER, UnitCode};

/// Slots of the table of words: a power of two.
const SLOTS: u32 = 32;

/// Bytes of a slot: the word, its number, and 4 unused ones.
const SLOT_BYTES: u32 = 16;

/// Fibonacci hashing: 2^64 divided by the golden ratio.
const HASH: u64 = 0x9E37_79B9_7F4A_7C15;

struct Locals {
    running: Local,
    decided: Decided,
    number: Local,
    /// Whether the table is used.
    table: Local,
    slot: Local,
    /// Where the next number goes.
    out: Local,
}

/// Writes a question of one unit. Takes more of the record of a column, whose size is `record_bytes`.
pub(super) fn emit_words(module: &mut Module, unit: &UnitCode, axis: Axis, record_bytes: &mut u32) -> Code {
    let mut code = Code::new(0);
    let l = Locals {
        running: code.local(ValType::I64),
        decided: Decided::new(&mut code),
        number: code.local(ValType::I32),
        table: code.local(ValType::I32),
        slot: code.local(ValType::I32),
        out: code.local(ValType::I32),
    };
    let nothing = code.block();
    if let Some(points) = points(axis) {
        code.global(points).push(&I::I32Eqz).br_if(nothing);
        emit_clear_table(module, &mut code, &l, points);
    }
    code.global(Global::Point).set(l.out);
    let [job, _, _] = &unit.guards;
    code.i64(unit.all.cast_signed());
    emit_guards(&mut code, job);
    code.set(l.running);
    let point = |module: &mut Module, code: &mut Code| {
        l.decided.emit(code, unit, l.running, |code| l.decided.emit_ask(code, unit, l.running));
        emit_number(module, code, unit, &l, axis);
        code.get(l.out).get(l.number).store32(0);
        code.increase(l.out, 4);
    };
    match axis {
        Axis::Job => point(module, &mut code),
        Axis::Row => emit_each(&mut code, Global::Rows, |code, row| {
            emit_enter_row(code, row);
            point(module, code);
        }),
        Axis::Column => emit_each(&mut code, Global::Columns, |code, column| {
            emit_enter_column(code, column);
            point(module, code);
        }),
        Axis::Cell => emit_cells(module, &mut code, unit, &l, record_bytes),
    }
    code.get(l.out).set_global(Global::Point);
    code.end();
    code
}

/// Clears the table of words if there are enough points for it to be of use.
fn emit_clear_table(module: &mut Module, code: &mut Code, l: &Locals, points: Global) {
    let table = module.word_table(SLOTS * SLOT_BYTES);
    code.global(points).i32(POINTS_WITHOUT_TABLE).push(&I::I32GtU).tee(l.table).if_();
    code.i32(table).set(l.slot);
    let before = code.instructions();
    let next = code.loop_();
    code.get(l.slot).i64(NEVER.cast_signed()).store64(0);
    code.increase(l.slot, SLOT_BYTES);
    code.get(l.slot).i32(table + SLOTS * SLOT_BYTES).push(&I::I32LtU).br_if(next);
    code.end();
    let round = code.instructions() - before;
    code.end();
    code.add_cost(round * u64::from(SLOTS));
}

/// Sets `number` to that of what was decided.
fn emit_number(module: &mut Module, code: &mut Code, unit: &UnitCode, l: &Locals, axis: Axis) {
    let note = module.routine(Routine::Note);
    let Decided { satisfied, erring } = l.decided;
    let can_err = unit.erring.is_some();
    let found = code.block();
    if axis != Axis::Job {
        let table = module.word_table(SLOTS * SLOT_BYTES);
        let missing = code.block();
        code.get(l.table).push(&I::I32Eqz).br_if(missing);
        // The highest bits of the product, as an offset.
        code.get(satisfied).i64(HASH.cast_signed()).push(&I::I64Mul);
        code.i64(i64::from(64 - SLOTS.trailing_zeros())).push(&I::I64ShrU).push(&I::I32WrapI64);
        code.i32(SLOT_BYTES.trailing_zeros()).push(&I::I32Shl).i32(table).push(&I::I32Add).tee(l.slot);
        code.load64(0).get(satisfied).push(&I::I64Ne).br_if(missing);
        if can_err {
            code.get(erring).push(&I::I64Eqz).push(&I::I32Eqz).br_if(missing);
        }
        code.get(l.slot).load32(8).set(l.number).br(found);
        code.end();
    }
    code.get(satisfied);
    if can_err {
        code.get(erring);
    } else {
        code.i64(0);
    }
    code.i32(unit.policies).call(note).set(l.number);
    if axis != Axis::Job {
        code.get(l.table);
        if can_err {
            code.get(erring).push(&I::I64Eqz).push(&I::I32And);
        }
        code.if_();
        code.get(l.slot).get(satisfied).store64(0);
        code.get(l.slot).get(l.number).store32(8);
        code.end();
    }
    code.end();
}

/// The cells, row by row.
fn emit_cells(module: &mut Module, code: &mut Code, unit: &UnitCode, l: &Locals, record_bytes: &mut u32) {
    *record_bytes = record_bytes.next_multiple_of(8);
    let (seen, seen_number) = (*record_bytes, *record_bytes + 8);
    *record_bytes += 16;
    let bytes = *record_bytes;
    let [_, row_guards, column_guards] = &unit.guards;
    emit_each(code, Global::Columns, |code, column| {
        emit_enter_column(code, column);
        emit_enter_record(code, column, bytes);
        code.global(Global::ColumnRecord).get(l.running);
        emit_guards(code, column_guards);
        code.store64(unit.column_offset);
        code.global(Global::ColumnRecord).i64(NEVER.cast_signed()).store64(seen);
    });
    let (by_row, previous_row) = (code.local(ValType::I64), code.local(ValType::I64));
    let (uniform, settled) = (code.local(ValType::I32), code.local(ValType::I32));
    let (record, here, cell) = (code.local(ValType::I32), code.local(ValType::I64), code.local(ValType::I32));
    code.i32(0).set(uniform);
    emit_each(code, Global::Rows, |code, row| {
        emit_enter_row(code, row);
        code.get(l.running);
        emit_guards(code, row_guards);
        code.set(by_row);
        let next_row = code.block();
        code.get(by_row).get(previous_row).push(&I::I64Eq).get(uniform).push(&I::I32And).if_();
        emit_copy_row(code, l, record);
        code.br(next_row).end();
        code.get(by_row).set(previous_row).i32(1).set(uniform);
        code.global(Global::ColumnRecords).set(record);
        code.get(row).global(Global::Columns).push(&I::I32Mul).set(cell);
        emit_each(code, Global::Columns, |code, column| {
            code.get(by_row).get(record).load64(unit.column_offset).push(&I::I64And).set(here);
            let known = code.block();
            code.get(here).get(record).load64(seen).push(&I::I64Eq).if_();
            code.get(record).load32(seen_number).set(l.number).br(known).end();
            code.i32(1).set(settled);
            l.decided.emit(code, unit, here, |code| {
                emit_enter_column(code, column);
                emit_enter_cell(code, cell);
                code.get(record).set_global(Global::ColumnRecord);
                l.decided.emit_ask(code, unit, here);
                code.i32(0).tee(settled).set(uniform);
            });
            emit_number(module, code, unit, l, Axis::Cell);
            code.get(settled).if_();
            code.get(record).get(here).store64(seen);
            code.get(record).get(l.number).store32(seen_number);
            code.end().end();
            code.get(l.out).get(l.number).store32(0);
            code.increase(l.out, 4).increase(record, bytes).increase(cell, 1);
        });
        code.end();
    });
}

/// Numbers of a row from those of the row before, two at a time; `from` is any local.
fn emit_copy_row(code: &mut Code, l: &Locals, from: Local) {
    let end = code.local(ValType::I32);
    let width = |code: &mut Code| {
        code.global(Global::Columns).i32(2).push(&I::I32Shl);
    };
    code.get(l.out);
    width(code);
    code.push(&I::I32Sub).set(from).get(l.out);
    width(code);
    code.push(&I::I32Add).set(end);
    let next = code.loop_();
    code.get(l.out).get(from).load64(0).store64(0);
    code.increase(from, 8).increase(l.out, 8);
    code.get(l.out).get(end).push(&I::I32LtU).br_if(next);
    code.end();
    code.get(end).set(l.out);
    code.release(end);
}
