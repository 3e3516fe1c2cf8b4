//! Outcomes as lists: a point's satisfied policies behind `Global::Outcome`, those that erred in a list of their own. For
//! questions of any number of policies, of which some may be found by lookups ([`super::lookup`]).

use wasm_encoder::{Instruction as I, ValType};

use exportgate_contract::manifest::Axis;

use super::code::{Code, Global, Local};
use super::module::{Module, index};
use super::points::{emit_each, emit_each_point, emit_enter_column, emit_enter_record, points};
use super::runtime::Routine;
use super::unit::UnitCode;
use crate::ir::Question;

/// What is needed to make an outcome as lists.
pub(super) struct List {
    record: u32,
    reserve: u32,
    bytes: u32,
}

impl List {
    pub(super) fn new(module: &mut Module, question: &Question) -> Self {
        // Two words for the counts, and each policy once: it is satisfied or it errs.
        let bytes = 4 * (2 + index(question.conditions.len()));
        Self { record: module.routine(Routine::Record), reserve: module.routine(Routine::Reserve), bytes }
    }

    /// `policies` takes where the next satisfied policy goes, and leaves it moved.
    pub(super) fn emit(&self, code: &mut Code, policies: impl FnOnce(&mut Code)) {
        code.global(Global::Outcome).i32(self.bytes).push(&I::I32Add);
        code.global(Global::Limit).push(&I::I32GtU).if_();
        code.global(Global::Outcome).i32(self.bytes).push(&I::I32Add).call(self.reserve).end();
        code.global(Global::ErringStart).set_global(Global::Erring);
        code.global(Global::Outcome).i32(8).push(&I::I32Add);
        policies(code);
        code.call(self.record);
    }
}

/// What a running word becomes at a point.
#[derive(Clone, Copy)]
pub(super) struct Decided {
    pub(super) satisfied: Local,
    pub(super) erring: Local,
}

impl Decided {
    pub(super) fn new(code: &mut Code) -> Self {
        Self { satisfied: code.local(ValType::I64), erring: code.local(ValType::I64) }
    }

    /// Does `decide` if there is something that the guards left open; it is to call [`Self::emit_ask`].
    pub(super) fn emit(self, code: &mut Code, unit: &UnitCode, running: Local, decide: impl FnOnce(&mut Code)) {
        code.get(running).set(self.satisfied);
        if unit.erring.is_some() {
            code.i64(0).set(self.erring);
        }
        if unit.point.is_some() {
            // A policy that isn't decided, or a guard that erred.
            code.get(running).i64(unit.no_error().cast_signed()).push(&I::I64Xor);
            code.i64((unit.undecided | unit.no_error()).cast_signed()).push(&I::I64And);
            code.i64(0).push(&I::I64Ne).if_();
            decide(code);
            code.end();
        }
        code.get(self.satisfied).i64(unit.policies_mask().cast_signed()).push(&I::I64And).set(self.satisfied);
    }

    /// Calls the function that decides at a point.
    pub(super) fn emit_ask(self, code: &mut Code, unit: &UnitCode, running: Local) {
        if let Some(point) = unit.point {
            code.get(running).call(point).set(self.satisfied);
        }
        if let Some(erring) = unit.erring {
            code.i32(erring).load64(0).set(self.erring);
        }
    }
}

/// Takes a running word and leaves it as the guards do.
pub(super) fn emit_guards(code: &mut Code, guards: &[u32]) {
    for function in guards {
        code.call(*function);
    }
}

/// `guards of the job, of columns; for point { guards of the row; for unit { decide; append } record }`.
pub(super) fn emit_lists(
    module: &mut Module,
    question: &Question,
    axis: Axis,
    units: &[UnitCode],
    lookups: &[u32],
    record_bytes: u32,
) -> Code {
    let list = List::new(module, question);
    let expand = module.routine(Routine::Expand);
    let mut code = Code::new(0);
    let record_bytes = record_bytes.next_multiple_of(8);
    let nothing = code.block();
    if let Some(points) = points(axis) {
        code.global(points).push(&I::I32Eqz).br_if(nothing);
    }
    let running: Vec<Local> = units.iter().map(|_| code.local(ValType::I64)).collect();
    let by_row: Vec<Local> = units.iter().map(|_| code.local(ValType::I64)).collect();
    for (unit, running) in units.iter().zip(&running) {
        let [job, _, _] = &unit.guards;
        code.i64(unit.all.cast_signed());
        emit_guards(&mut code, job);
        code.set(*running);
    }
    if axis == Axis::Cell {
        emit_each(&mut code, Global::Columns, |code, column| {
            emit_enter_column(code, column);
            emit_enter_record(code, column, record_bytes);
            for (unit, running) in units.iter().zip(&running) {
                let [_, _, column] = &unit.guards;
                code.global(Global::ColumnRecord).get(*running);
                emit_guards(code, column);
                code.store64(unit.column_offset);
            }
        });
    }
    let (here, end) = (code.local(ValType::I64), code.local(ValType::I32));
    let decided = Decided::new(&mut code);
    let enter_row = |code: &mut Code| {
        for ((unit, running), by_row) in units.iter().zip(&running).zip(&by_row) {
            let [_, row, _] = &unit.guards;
            code.get(*running);
            emit_guards(code, row);
            code.set(*by_row);
        }
    };
    emit_each_point(&mut code, axis, enter_row, |code, column| {
        if let Some(column) = column {
            emit_enter_record(code, column, record_bytes);
        }
        list.emit(code, |code| {
            code.set(end);
            for ((unit, running), by_row) in units.iter().zip(&running).zip(&by_row) {
                if column.is_some() {
                    code.get(*by_row).global(Global::ColumnRecord).load64(unit.column_offset).push(&I::I64And);
                } else {
                    code.get(*running);
                }
                code.set(here);
                decided.emit(code, unit, here, |code| decided.emit_ask(code, unit, here));
                code.get(decided.satisfied).push(&I::I64Eqz).push(&I::I32Eqz).if_();
                code.get(end).get(decided.satisfied).i32(unit.policies).call(expand).set(end).end();
                if unit.erring.is_some() {
                    code.get(decided.erring).push(&I::I64Eqz).push(&I::I32Eqz).if_();
                    code.global(Global::Erring).get(decided.erring).i32(unit.policies).call(expand);
                    code.set_global(Global::Erring).end();
                }
            }
            code.get(end);
            for lookup in lookups {
                code.call(*lookup);
            }
            if !lookups.is_empty() {
                // What units and lookups found is mixed.
                let sort = module.routine(Routine::Sort);
                code.set(end).global(Global::Outcome).i32(8).push(&I::I32Add).get(end).call(sort);
                code.global(Global::ErringStart).global(Global::Erring).call(sort).get(end);
            }
        });
    });
    code.end();
    code
}
