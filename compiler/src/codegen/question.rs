//! A question as code: a loop over its points, and functions that hold its policies.

use wasm_encoder::{Instruction as I, ValType};

use exportgate_contract::limits::{FUNCTION_BYTES_MAX, FUNCTION_LOCALS_MAX};
use exportgate_contract::manifest::Axis;

use super::code::{Code, Global, Local};
use super::expr::Emitter;
use super::module::{Module, index};
use super::runtime::Routine;
use super::{EmitError, FactPlace};
use crate::ir::Question;

/// Bytes after which a function of policies is closed and the next one begun: a compiler of Wasm takes more than
/// linear time for a function, and several at once.
const POLICY_FUNCTION_BYTES: usize = 16 << 10;

/// Bytes that a function takes beside its instructions and locals: counts and its end.
const FUNCTION_FRAME_BYTES: usize = 64;

/// What asking a question needs.
pub(super) struct Asked {
    /// The function that asks it: no parameters, no results.
    pub(super) function: u32,
    /// Instructions of its loop without its policies: once a call and once a point.
    pub(super) loop_cost: u64,
}

/// Writes a question: `for point { outcome = []; policies...; record(outcome) }`.
pub(super) fn emit_question(
    module: &mut Module,
    question: &Question,
    axis: Axis,
    facts: &[FactPlace],
) -> Result<Asked, EmitError> {
    let policies = emit_policies(module, question, facts)?;
    let function = module.declare(&[], &[]);
    let record = module.routine(Routine::Record);
    let reserve = module.routine(Routine::Reserve);
    // Two words for the counts, and each policy once: it is satisfied or it errs.
    let outcome_bytes = 4 * (2 + index(question.conditions.len()));
    let mut code = Code::new(0);
    emit_each_point(&mut code, axis, |code| {
        code.global(Global::Outcome).i32(outcome_bytes).push(&I::I32Add);
        code.global(Global::Limit).push(&I::I32GtU).if_();
        code.global(Global::Outcome).i32(outcome_bytes).push(&I::I32Add).call(reserve).end();
        code.global(Global::ErringStart).set_global(Global::Erring);
        code.global(Global::Outcome).i32(8).push(&I::I32Add);
        for function in &policies {
            code.call(*function);
        }
        code.call(record);
    });
    let loop_cost = code.instructions();
    module.define(function, code);
    Ok(Asked { function, loop_cost })
}

/// Writes the policies into as few functions as [`POLICY_FUNCTION_BYTES`] allows, in order.
fn emit_policies(module: &mut Module, question: &Question, facts: &[FactPlace]) -> Result<Vec<u32>, EmitError> {
    let mut functions = Vec::new();
    let mut conditions = question.conditions.iter().peekable();
    while conditions.peek().is_some() {
        let function = module.declare(&[ValType::I32], &[ValType::I32]);
        let mut emitter = Emitter::new(module, facts);
        while let Some((policy, condition)) = conditions.next_if(|_| emitter.code.byte_len() < POLICY_FUNCTION_BYTES) {
            emitter.emit_policy(policy.0, condition);
            // Each local takes two bytes at most, where the function says which it has.
            let bytes = emitter.code.byte_len().saturating_add(emitter.code.local_count().saturating_mul(2));
            let locals_max = usize::try_from(FUNCTION_LOCALS_MAX).unwrap_or(usize::MAX);
            if bytes.saturating_add(FUNCTION_FRAME_BYTES) > FUNCTION_BYTES_MAX
                || emitter.code.local_count() > locals_max
            {
                return Err(EmitError::PolicyTooLarge { policy: *policy, bytes_max: FUNCTION_BYTES_MAX });
            }
        }
        let code = emitter.finish();
        module.define(function, code);
        functions.push(function);
    }
    Ok(functions)
}

/// The loop over the points of an axis, row by row: sets the variables that say where the current point's cells are, and
/// does `body`.
fn emit_each_point(code: &mut Code, axis: Axis, body: impl FnOnce(&mut Code)) {
    match axis {
        Axis::Job => body(code),
        Axis::Row => emit_each(code, Global::Rows, |code, row| {
            emit_move(code, row, Global::RowValuesStart, Global::RowValues, 3);
            emit_move(code, row, Global::RowStatesStart, Global::RowStates, 0);
            body(code);
        }),
        Axis::Column => emit_each(code, Global::Columns, |code, column| {
            emit_move(code, column, Global::ColumnValuesStart, Global::ColumnValues, 3);
            emit_move(code, column, Global::ColumnStatesStart, Global::ColumnStates, 0);
            body(code);
        }),
        Axis::Cell => {
            let cell = code.local(ValType::I32);
            // Without columns there is nothing to do in any row.
            let none = code.block();
            code.global(Global::Columns).push(&I::I32Eqz).br_if(none);
            emit_each(code, Global::Rows, |code, row| {
                emit_move(code, row, Global::RowValuesStart, Global::RowValues, 3);
                emit_move(code, row, Global::RowStatesStart, Global::RowStates, 0);
                emit_each(code, Global::Columns, |code, column| {
                    emit_move(code, column, Global::ColumnValuesStart, Global::ColumnValues, 3);
                    emit_move(code, column, Global::ColumnStatesStart, Global::ColumnStates, 0);
                    emit_move(code, cell, Global::CellValuesStart, Global::CellValues, 3);
                    emit_move(code, cell, Global::CellStatesStart, Global::CellStates, 0);
                    body(code);
                    code.increase(cell, 1);
                });
            });
            code.end();
        }
    }
}

/// `for i in 0..count`.
fn emit_each(code: &mut Code, count: Global, body: impl FnOnce(&mut Code, Local)) {
    let i = code.local(ValType::I32);
    code.i32(0).set(i);
    let done = code.block();
    let next = code.loop_();
    code.get(i).global(count).push(&I::I32GeU).br_if(done);
    body(code, i);
    code.increase(i, 1).br(next);
    code.end().end();
}

/// `current = start + (i << shift)`.
fn emit_move(code: &mut Code, i: Local, start: Global, current: Global, shift: u32) {
    code.global(start).get(i);
    if shift > 0 {
        code.i32(shift).push(&I::I32Shl);
    }
    code.push(&I::I32Add).set_global(current);
}
