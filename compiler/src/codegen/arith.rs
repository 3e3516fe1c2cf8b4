//! Arithmetic on 64-bit numbers that errs exactly where Cedar's does.

use wasm_encoder::{Instruction as I, ValType};

use super::code::Local;
use super::expr::Emitter;
use crate::ir::Expr;

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

impl Emitter<'_> {
    /// Leaves two operands in locals.
    fn emit_operands(&mut self, left: &Expr, right: &Expr) -> (Local, Local) {
        self.emit_value(left);
        let a = self.code.local(ValType::I64);
        self.code.set(a);
        self.emit_value(right);
        let b = self.code.local(ValType::I64);
        self.code.set(b);
        (a, b)
    }

    fn release_all(&mut self, locals: [Local; 3]) {
        for local in locals {
            self.code.release(local);
        }
    }

    /// `Add`: errs if the sum's sign differs from that of both operands.
    pub(super) fn emit_add(&mut self, left: &Expr, right: &Expr) {
        let (a, b) = self.emit_operands(left, right);
        let sum = self.code.local(ValType::I64);
        self.code.get(a).get(b).push(&I::I64Add).tee(sum).get(a).push(&I::I64Xor);
        self.code.get(sum).get(b).push(&I::I64Xor).push(&I::I64And).i64(0).push(&I::I64LtS);
        self.err_if();
        self.code.get(sum);
        self.release_all([a, b, sum]);
    }

    /// `Subtract`: errs if the operands' signs differ and the difference's sign isn't the first's.
    pub(super) fn emit_subtract(&mut self, left: &Expr, right: &Expr) {
        let (a, b) = self.emit_operands(left, right);
        let difference = self.code.local(ValType::I64);
        self.code.get(a).get(b).push(&I::I64Sub).tee(difference).get(a).push(&I::I64Xor);
        self.code.get(a).get(b).push(&I::I64Xor).push(&I::I64And).i64(0).push(&I::I64LtS);
        self.err_if();
        self.code.get(difference);
        self.release_all([a, b, difference]);
    }

    /// `Multiply`: errs if the product doesn't fit.
    ///
    /// Where both operands fit in 32 bits it always does. Elsewhere the product is divided again; -1 comes apart, since
    /// the least number divided by it would trap.
    pub(super) fn emit_multiply(&mut self, left: &Expr, right: &Expr) {
        let (a, b) = self.emit_operands(left, right);
        let product = self.code.local(ValType::I64);
        self.code.get(a).get(b).push(&I::I64Mul).set(product);
        for local in [a, b] {
            self.code.get(local).i64(1 << 31).push(&I::I64Add);
        }
        self.code.push(&I::I64Or).i64(32).push(&I::I64ShrU).push(&I::I64Eqz).push(&I::I32Eqz).if_();
        self.code.get(a).i64(-1).push(&I::I64Eq).if_();
        self.code.get(b).i64(i64::MIN).push(&I::I64Eq);
        self.err_if();
        self.code.else_();
        self.code.get(a).push(&I::I64Eqz).push(&I::I32Eqz).if_();
        self.code.get(product).get(a).push(&I::I64DivS).get(b).push(&I::I64Ne);
        self.err_if();
        self.code.end().end().end();
        self.code.get(product);
        self.release_all([a, b, product]);
    }

    /// `Negate`: errs for the least Long.
    pub(super) fn emit_negate(&mut self, of: &Expr) {
        self.emit_value(of);
        let number = self.code.local(ValType::I64);
        self.code.tee(number).i64(i64::MIN).push(&I::I64Eq);
        self.err_if();
        self.code.i64(0).get(number).push(&I::I64Sub);
        self.code.release(number);
    }

    /// Leaves a datetime in the first local and its time of day, at least 0, in the second.
    fn emit_split(&mut self, of: &Expr) -> (Local, Local) {
        self.emit_value(of);
        let instant = self.code.local(ValType::I64);
        let time = self.code.local(ValType::I64);
        self.code.tee(instant).i64(DAY_MS).push(&I::I64RemS).tee(time);
        // A negative remainder is that of the day's end; a day more is that of its beginning.
        self.code.i64(DAY_MS).i64(0).get(time).i64(0).push(&I::I64LtS).push(&I::Select);
        self.code.push(&I::I64Add).set(time);
        (instant, time)
    }

    /// `ToDate`: the datetime less its time of day. Errs when that is below the least datetime.
    ///
    /// CEDAR: `toDate` rounds down, also before 1970.
    pub(super) fn emit_to_date(&mut self, of: &Expr) {
        let (instant, time) = self.emit_split(of);
        let date = self.code.local(ValType::I64);
        self.code.get(instant).get(time).push(&I::I64Sub).tee(date).get(instant).push(&I::I64GtS);
        self.err_if();
        self.code.get(date);
        self.release_all([instant, time, date]);
    }

    /// `ToTime`: the time of day, never negative. Errs only as its operand does.
    pub(super) fn emit_to_time(&mut self, of: &Expr) {
        let (instant, time) = self.emit_split(of);
        self.code.get(time);
        self.code.release(instant);
        self.code.release(time);
    }
}
