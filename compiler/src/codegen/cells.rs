//! Reading the cells of facts at the current point.

use wasm_encoder::{Instruction as I, ValType};

use exportgate_contract::frame::{PAYLOAD_SET, STATE_ERR, STATE_VALUE};
use exportgate_contract::manifest::Axis;
use exportgate_contract::types::Type;

use super::FactPlace;
use super::code::{Global, Local};
use super::expr::{Emitter, Shape};
use crate::ir::FactId;

/// The variables that a function reads once, at its beginning, into locals of its own.
pub(super) const CACHED: [Global; 11] = [
    Global::JobValues,
    Global::JobStates,
    Global::RowValues,
    Global::RowStates,
    Global::ColumnValues,
    Global::ColumnStates,
    Global::CellValues,
    Global::CellStates,
    Global::Rows,
    Global::Columns,
    Global::Cells,
];

impl Emitter<'_> {
    /// `Fact`: loads the state, errs unless it is VALUE, loads the value.
    pub(super) fn emit_fact(&mut self, fact: FactId, ty: &Type) {
        const { assert!(STATE_VALUE == 0, "any other state is an error") };
        let state = self.emit_state_address(fact);
        self.code.load8(state);
        self.err_if();
        let value = self.emit_value_address(fact);
        if Shape::of(ty) == Shape::Bool {
            self.code.load32(value);
        } else {
            self.code.load64(value);
        }
    }

    /// `Has`: loads the state, errs if it is ERR, pushes whether it is VALUE.
    pub(super) fn emit_has(&mut self, fact: FactId) {
        let state = self.code.local(ValType::I32);
        let offset = self.emit_state_address(fact);
        self.code.load8(offset).tee(state).i32(u32::from(STATE_ERR)).push(&I::I32GeU);
        self.err_if();
        self.code.get(state).push(&I::I32Eqz);
        self.code.release(state);
    }

    /// `Above`: leaves in `payload` where the set of constants begins. Errs unless the state is VALUE.
    pub(super) fn emit_above(&mut self, fact: FactId, payload: Local) {
        let state = self.emit_state_address(fact);
        self.code.load8(state);
        self.err_if();
        let value = self.emit_value_address(fact);
        let word = self.code.local(ValType::I64);
        self.code.load64(value).tee(word);
        self.code.global(Global::Length).push(&I::I64ExtendI32U).push(&I::I64GeU).trap_if();
        self.code.get(word).push(&I::I32WrapI64).i32(3).push(&I::I32Shl);
        self.code.global(Global::Payloads).push(&I::I32Add).tee(payload);
        // INVARIANT: kinds of payloads are small numbers.
        let kind = u32::try_from(PAYLOAD_SET).unwrap_or(0);
        self.code.load32(0).i32(kind).push(&I::I32Ne).trap_if();
        self.code.release(word);
    }

    fn emit_state_address(&mut self, fact: FactId) -> u32 {
        let globals = [Global::JobStates, Global::RowStates, Global::ColumnStates, Global::CellStates];
        self.emit_cell_address(fact, globals, 1)
    }

    fn emit_value_address(&mut self, fact: FactId) -> u32 {
        let globals = [Global::JobValues, Global::RowValues, Global::ColumnValues, Global::CellValues];
        self.emit_cell_address(fact, globals, 8)
    }

    /// Pushes the address of a fact's cell at the current point, less the offset returned.
    ///
    /// `starts` is where the cells of the axis' first fact are. The k-th fact's lie k times the axis' points further.
    fn emit_cell_address(&mut self, fact: FactId, starts: [Global; 4], width: u32) -> u32 {
        let place = usize::try_from(fact.0).ok().and_then(|fact| self.facts.get(fact)).copied();
        // INVARIANT: the IR verifier has seen that every fact exists.
        let FactPlace { axis, position, .. } =
            place.unwrap_or(FactPlace { axis: Axis::Job, position: 0, is_above: false });
        let [job, row, column, cell] = starts;
        let offset = position * width;
        let (start, points) = match axis {
            Axis::Job => {
                let start = self.cached(job);
                self.code.get(start);
                return offset;
            }
            Axis::Row => (row, Global::Rows),
            Axis::Column => (column, Global::Columns),
            Axis::Cell => (cell, Global::Cells),
        };
        let start = self.cached(start);
        self.code.get(start);
        if offset > 0 {
            let points = self.cached(points);
            self.code.get(points).i32(offset).push(&I::I32Mul).push(&I::I32Add);
        }
        0
    }

    fn cached(&mut self, global: Global) -> Local {
        for (candidate, local, used) in &mut self.cached {
            if *candidate == global {
                *used = true;
                return *local;
            }
        }
        // INVARIANT: callers name only variables of `CACHED`.
        Local(0)
    }
}
