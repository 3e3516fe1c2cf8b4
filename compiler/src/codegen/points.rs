//! Loops over the points of an axis, which keep where the current point's cells are.

use wasm_encoder::{Instruction as I, ValType};

use exportgate_contract::manifest::Axis;

use super::code::{Code, Global, Local};

/// The variable with the number of points of an axis; none for the job, which has one.
pub(super) fn points(axis: Axis) -> Option<Global> {
    match axis {
        Axis::Job => None,
        Axis::Row => Some(Global::Rows),
        Axis::Column => Some(Global::Columns),
        Axis::Cell => Some(Global::Cells),
    }
}

/// The loop over the points of an axis, row by row: sets the variables that say where the current point's cells are, and
/// does `body`, which gets the column of a cell; `enter_row` comes before the cells of a row.
pub(super) fn emit_each_point(
    code: &mut Code,
    axis: Axis,
    enter_row: impl FnOnce(&mut Code),
    body: impl FnOnce(&mut Code, Option<Local>),
) {
    match axis {
        Axis::Job => body(code, None),
        Axis::Row => emit_each(code, Global::Rows, |code, row| {
            emit_enter_row(code, row);
            body(code, None);
        }),
        Axis::Column => emit_each(code, Global::Columns, |code, column| {
            emit_enter_column(code, column);
            body(code, None);
        }),
        Axis::Cell => {
            let cell = code.local(ValType::I32);
            code.i32(0).set(cell);
            // Without columns there is nothing to do in any row.
            let none = code.block();
            code.global(Global::Columns).push(&I::I32Eqz).br_if(none);
            emit_each(code, Global::Rows, |code, row| {
                emit_enter_row(code, row);
                enter_row(code);
                emit_each(code, Global::Columns, |code, column| {
                    emit_enter_column(code, column);
                    emit_enter_cell(code, cell);
                    body(code, Some(column));
                    code.increase(cell, 1);
                });
            });
            code.end();
        }
    }
}

/// `for i in 0..count`.
pub(super) fn emit_each(code: &mut Code, count: Global, body: impl FnOnce(&mut Code, Local)) {
    let i = code.local(ValType::I32);
    code.i32(0).set(i);
    let done = code.block();
    let next = code.loop_();
    code.get(i).global(count).push(&I::I32GeU).br_if(done);
    body(code, i);
    code.increase(i, 1).br(next);
    code.end().end();
    code.release(i);
}

/// The cells of a row become the current ones.
pub(super) fn emit_enter_row(code: &mut Code, row: Local) {
    emit_move(code, row, Global::RowValuesStart, Global::RowValues, 3);
    emit_move(code, row, Global::RowStatesStart, Global::RowStates, 0);
}

/// The cells of a column become the current ones.
pub(super) fn emit_enter_column(code: &mut Code, column: Local) {
    emit_move(code, column, Global::ColumnValuesStart, Global::ColumnValues, 3);
    emit_move(code, column, Global::ColumnStatesStart, Global::ColumnStates, 0);
}

/// The cells at a row and column, counted row by row, become the current ones.
pub(super) fn emit_enter_cell(code: &mut Code, cell: Local) {
    emit_move(code, cell, Global::CellValuesStart, Global::CellValues, 3);
    emit_move(code, cell, Global::CellStatesStart, Global::CellStates, 0);
}

/// The record of a column becomes the current one.
pub(super) fn emit_enter_record(code: &mut Code, column: Local, record_bytes: u32) {
    code.global(Global::ColumnRecords).get(column).i32(record_bytes).push(&I::I32Mul);
    code.push(&I::I32Add).set_global(Global::ColumnRecord);
}

/// `current = start + (i << shift)`.
fn emit_move(code: &mut Code, i: Local, start: Global, current: Global, shift: u32) {
    code.global(start).get(i);
    if shift > 0 {
        code.i32(shift).push(&I::I32Shl);
    }
    code.push(&I::I32Add).set_global(current);
}
