//! Expressions as code: a value on Wasm's stack, or a branch; an error is a branch to the policy's error label.
//!
//! Truth values are `i32`, all other values `i64`. Strict operators evaluate all their operands before they look at any, so
//! only the lazy ones can keep an error from happening, as in Cedar. Which of several operands errs first makes no
//! difference: an error has no value, and an operand no effect.

use wasm_encoder::{Instruction as I, ValType};

use exportgate_contract::types::Type;

use super::cells::CACHED;
use super::code::{Code, Global, Label, Local};
use super::module::{Module, index};
use super::runtime::Routine;
use super::unit::States;
use super::{FactPlace, like_pattern};
use crate::ir::{Expr, IpOperand, IpTest};

/// Writes one function that evaluates conditions or guards.
///
/// The function takes one word and returns it changed: the address where the next satisfied policy goes, or the policies
/// that are still in the running.
pub(super) struct Emitter<'a> {
    pub(super) module: &'a mut Module,
    pub(super) code: Code,
    pub(super) facts: &'a [FactPlace],
    /// Where the guards keep what they found.
    pub(super) states: &'a States,
    pub(super) cached: [(Global, Local, bool); CACHED.len()],
    /// The word that the function takes and returns.
    word: Local,
    /// Where errors of the current policy go.
    error: Label,
    error_used: bool,
}

/// What a value is on the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A truth value, `i32`.
    Bool,
    /// A number or a symbol that has no structure, `i64`.
    Word,
    /// The reference of a set or record, `i64`.
    Composite,
}

impl Shape {
    pub(super) fn of(ty: &Type) -> Self {
        match ty {
            Type::Bool => Self::Bool,
            ty if ty.is_composite() => Self::Composite,
            _ => Self::Word,
        }
    }

    fn val_type(self) -> ValType {
        match self {
            Self::Bool => ValType::I32,
            Self::Word | Self::Composite => ValType::I64,
        }
    }
}

/// The shape of an expression's value.
pub(super) fn shape(expr: &Expr) -> Shape {
    match expr {
        Expr::Word(_, ty)
        | Expr::Symbol(_, ty)
        | Expr::Fact(_, ty)
        | Expr::Add(_, _, ty)
        | Expr::Subtract(_, _, ty)
        | Expr::Retype(_, ty) => Shape::of(ty),
        Expr::Multiply(..) | Expr::Negate(_) | Expr::Quotient(..) | Expr::ToDate(_) | Expr::ToTime(_) => Shape::Word,
        Expr::Set(..) | Expr::Record(_) => Shape::Composite,
        Expr::If(_, then, _) | Expr::Check(_, then) => shape(then),
        Expr::Bool(_)
        | Expr::Has(_)
        | Expr::Among(..)
        | Expr::Guard(_)
        | Expr::Not(_)
        | Expr::And(..)
        | Expr::Or(..)
        | Expr::Equal(..)
        | Expr::Less(..)
        | Expr::LessEqual(..)
        | Expr::IsEmpty(_)
        | Expr::Contains(..)
        | Expr::ContainsAll(..)
        | Expr::ContainsAny(..)
        | Expr::Like(..)
        | Expr::Ip(..)
        | Expr::IpInRange(..) => Shape::Bool,
    }
}

impl<'a> Emitter<'a> {
    /// A function without policies yet. `facts` says where each fact's cells are, `states` where guards keep what they found.
    pub(super) fn new(module: &'a mut Module, facts: &'a [FactPlace], states: &'a States) -> Self {
        Self::with_params(module, facts, states, 1, Local(0))
    }

    /// The same for a function with more parameters; `word` is the one that it returns.
    pub(super) fn with_params(
        module: &'a mut Module,
        facts: &'a [FactPlace],
        states: &'a States,
        params: u32,
        word: Local,
    ) -> Self {
        let mut code = Code::new(params);
        let cached = CACHED.map(|global| (global, code.local(ValType::I32), false));
        // Until the first policy opens its blocks nothing can err; this label is replaced then.
        let error = code.block();
        code.end();
        Self { module, code, facts, states, cached, word, error, error_used: false }
    }

    /// The function's body.
    pub(super) fn finish(mut self) -> Code {
        self.code.get(self.word);
        let mut prologue = Code::new(0);
        for (global, local, used) in self.cached {
            if used {
                prologue.global(global).set(local);
            }
        }
        self.code.prepend(prologue);
        self.code
    }

    /// Does `read`, which can't err by the contract: if it does, the frame is wrong, and the guest stops.
    pub(super) fn emit_or_trap(&mut self, read: impl FnOnce(&mut Self)) {
        let done = self.code.block();
        self.error = self.code.block();
        read(self);
        self.code.br(done).end();
        self.code.push(&I::Unreachable);
        self.code.end();
    }

    /// A policy: `if condition { push(policy) }`; on an error, `erred(policy)`.
    pub(super) fn emit_policy(&mut self, policy: u32, condition: &Expr) {
        let done = self.code.block();
        self.error = self.code.block();
        self.error_used = false;
        self.emit_jump(condition, done, false);
        self.code.get(self.word).i32(policy).store32(0);
        self.code.increase(self.word, 4).br(done);
        self.code.end();
        if self.error_used {
            let erred = self.module.routine(Routine::Erred);
            self.code.i32(policy).call(erred);
        }
        self.code.end();
    }

    /// `if test { holds } else { fails }`, or on an error `errs`. `test` branches to the label it gets if it fails.
    pub(super) fn emit_decide(
        &mut self,
        test: impl FnOnce(&mut Self, Label),
        holds: impl FnOnce(&mut Self),
        fails: impl FnOnce(&mut Self),
        errs: impl FnOnce(&mut Self),
    ) {
        let next = self.code.block();
        self.error = self.code.block();
        self.error_used = false;
        let failed = self.code.block();
        test(self, failed);
        holds(self);
        self.code.br(next).end();
        fails(self);
        self.code.br(next).end();
        if self.error_used {
            errs(self);
        }
        self.code.end();
    }

    /// Takes a truth value; errs if it holds.
    pub(super) fn err_if(&mut self) {
        self.error_used = true;
        self.code.br_if(self.error);
    }

    /// Pushes the value of an expression: `i32` for a truth value, else `i64`. Errs as the expression does.
    pub(super) fn emit_value(&mut self, expr: &Expr) {
        match expr {
            Expr::Bool(value) => {
                self.code.i32(u32::from(*value));
            }
            Expr::Word(word, _) => {
                self.code.i64(*word);
            }
            Expr::Symbol(symbol, _) => {
                self.code.i64(i64::from(symbol.0));
            }
            Expr::Fact(fact, ty) => self.emit_fact(*fact, ty),
            Expr::Has(fact) => self.emit_has(*fact),
            Expr::Among(fact, symbol) => {
                let set = self.code.local(ValType::I32);
                self.emit_above(*fact, set);
                self.code.get(set).i32(16).push(&I::I32Add).get(set).load32(8).i64(i64::from(symbol.0));
                self.emit_call(Routine::Search);
                self.code.release(set);
            }
            Expr::Guard(guard) => self.emit_guard(*guard),
            Expr::Not(of) => {
                self.emit_value(of);
                self.code.push(&I::I32Eqz);
            }
            Expr::And(left, right) => self.emit_lazy(left, Some(right), None),
            Expr::Or(left, right) => self.emit_lazy(left, None, Some(right)),
            Expr::If(condition, then, otherwise) => {
                self.emit_value(condition);
                self.code.if_result(shape(then).val_type());
                self.emit_value(then);
                self.code.else_();
                self.emit_value(otherwise);
                self.code.end();
            }
            Expr::Check(first, then) => {
                self.emit_for_errors(first);
                self.emit_value(then);
            }
            Expr::Equal(left, right) => self.emit_equal(left, right),
            Expr::Less(left, right) => self.emit_compare(left, right, &I::I64LtS),
            Expr::LessEqual(left, right) => self.emit_compare(left, right, &I::I64LeS),
            Expr::Add(left, right, _) => self.emit_add(left, right),
            Expr::Subtract(left, right, _) => self.emit_subtract(left, right),
            Expr::Multiply(left, right) => self.emit_multiply(left, right),
            Expr::Negate(of) => self.emit_negate(of),
            Expr::Quotient(of, by) => {
                // The divisor is a positive constant, so `div_s` can't trap.
                self.emit_value(of);
                self.code.i64((*by).max(1)).push(&I::I64DivS);
            }
            Expr::ToDate(of) => self.emit_to_date(of),
            Expr::ToTime(of) => self.emit_to_time(of),
            Expr::Retype(of, _) => self.emit_value(of),
            Expr::Set(..) | Expr::Record(_) => self.emit_literal(expr),
            Expr::IsEmpty(set) => self.emit_is_empty(set),
            Expr::Contains(set, member) => self.emit_contains(set, member),
            Expr::ContainsAll(set, members) => {
                self.emit_value(members);
                self.emit_value(set);
                self.emit_call(Routine::Subset);
            }
            Expr::ContainsAny(left, right) => self.emit_contains_any(left, right),
            Expr::Like(fact, pattern) => {
                self.emit_fact(*fact, &Type::String);
                let bytes = like_pattern(pattern);
                let length = index(bytes.len());
                let address = self.module.constant_bytes(bytes);
                self.code.i32(address).i32(length);
                self.emit_call(Routine::Like);
            }
            Expr::Ip(test, operand) => {
                self.emit_ip_operand(operand);
                self.emit_call(match test {
                    IpTest::V4 => Routine::IsIpv4,
                    IpTest::V6 => Routine::IsIpv6,
                    IpTest::Loopback => Routine::IsLoopback,
                    IpTest::Multicast => Routine::IsMulticast,
                });
            }
            Expr::IpInRange(inner, outer) => {
                self.emit_ip_operand(inner);
                self.emit_ip_operand(outer);
                self.emit_call(Routine::IpInRange);
            }
        }
    }

    /// Branches to `to` if a truth value is `when`, and falls through otherwise. Errs as the expression does.
    pub(super) fn emit_jump(&mut self, expr: &Expr, to: Label, when: bool) {
        match expr {
            Expr::Bool(value) => {
                if *value == when {
                    self.code.br(to);
                }
            }
            Expr::Not(of) => self.emit_jump(of, to, !when),
            Expr::And(left, right) => self.emit_jump_lazy(left, right, to, when, false),
            Expr::Or(left, right) => self.emit_jump_lazy(left, right, to, when, true),
            Expr::If(condition, then, otherwise) => {
                let end = self.code.block();
                let other = self.code.block();
                self.emit_jump(condition, other, false);
                self.emit_jump(then, to, when);
                self.code.br(end).end();
                self.emit_jump(otherwise, to, when);
                self.code.end();
            }
            Expr::Check(first, then) => {
                self.emit_for_errors(first);
                self.emit_jump(then, to, when);
            }
            _ => {
                self.emit_value(expr);
                if !when {
                    self.code.push(&I::I32Eqz);
                }
                self.code.br_if(to);
            }
        }
    }

    /// `left && right` (`decisive` false) or `left || right` (`decisive` true) as a branch: the right side is skipped
    /// when the left one is decisive.
    fn emit_jump_lazy(&mut self, left: &Expr, right: &Expr, to: Label, when: bool, decisive: bool) {
        if when == decisive {
            self.emit_jump(left, to, when);
            self.emit_jump(right, to, when);
        } else {
            let end = self.code.block();
            self.emit_jump(left, end, decisive);
            self.emit_jump(right, to, when);
            self.code.end();
        }
    }

    /// `if condition then a else b`, where a missing `a` is false and a missing `b` true: `&&` and `||` as values.
    fn emit_lazy(&mut self, condition: &Expr, then: Option<&Expr>, otherwise: Option<&Expr>) {
        self.emit_value(condition);
        self.code.if_result(ValType::I32);
        match then {
            Some(then) => self.emit_value(then),
            None => {
                self.code.i32(1);
            }
        }
        self.code.else_();
        match otherwise {
            Some(otherwise) => self.emit_value(otherwise),
            None => {
                self.code.i32(0);
            }
        }
        self.code.end();
    }

    /// Evaluates an expression only for its errors.
    pub(super) fn emit_for_errors(&mut self, expr: &Expr) {
        self.emit_value(expr);
        self.code.push(&I::Drop);
    }

    /// Pushes a value as `i64`, truth values too: how members of sets and fields of records are kept.
    pub(super) fn emit_word(&mut self, expr: &Expr) {
        self.emit_value(expr);
        if shape(expr) == Shape::Bool {
            self.code.push(&I::I64ExtendI32U);
        }
    }

    /// Calls a routine on what is on the stack.
    pub(super) fn emit_call(&mut self, routine: Routine) {
        let function = self.module.routine(routine);
        self.code.call(function);
    }

    /// Pushes the address of the payload of an operand.
    fn emit_ip_operand(&mut self, operand: &IpOperand) {
        match operand {
            IpOperand::Fact(fact) => {
                self.emit_fact(*fact, &Type::Ip);
                self.emit_call(Routine::IpPayload);
            }
            IpOperand::Literal(ip) => {
                let address = self.module.constant(&super::ip_payload(ip));
                self.code.i32(address);
            }
        }
    }

    /// `<` and `<=`, signed.
    fn emit_compare(&mut self, left: &Expr, right: &Expr, instruction: &I<'_>) {
        self.emit_value(left);
        self.emit_value(right);
        self.code.push(instruction);
    }
}
