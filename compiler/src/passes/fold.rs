//! Computes what is known when the pack is compiled, keeping every error.
//!
//! Before: `User::"a" == User::"a" && Fact(#0) && (1 + 1 < 2 || true)`. After: `Fact(#0)`. A policy whose condition becomes
//! `false` is left out of its question: it can neither apply nor err there.
//!
//! An operand is dropped only if evaluating it can't err. Where it can, it stays for its errors: `x && false` as it is,
//! `[x].isEmpty()` as `check x then false`. An operation on constants that overflows stays too, and errs at run time.

use exportgate_contract::types::Type;
use exportgate_contract::value::Ip;

use crate::ir::errors::Errors;
use crate::ir::{Expr, IpOperand, IpTest, Program};

/// The program with its conditions folded.
pub(super) fn fold(mut program: Program) -> Program {
    let mut questions = std::mem::take(&mut program.questions);
    for question in &mut questions {
        let errors = Errors { terms: &program.terms, facts: &program.facts, given: &question.given };
        let folder = Folder { errors };
        for (_, condition) in &mut question.conditions {
            condition.each_mut(&mut |expr| {
                let whole = std::mem::replace(expr, Expr::Bool(false));
                *expr = folder.fold_one(whole);
            });
        }
        question.conditions.retain(|(_, condition)| *condition != Expr::Bool(false));
    }
    program.questions = questions;
    program
}

struct Folder<'a> {
    errors: Errors<'a>,
}

impl Folder<'_> {
    /// Folds an expression whose operands are folded.
    fn fold_one(&self, expr: Expr) -> Expr {
        match expr {
            Expr::Not(of) => fold_not(*of),
            Expr::And(left, right) => match (*left, *right) {
                (Expr::Bool(true), other) | (other, Expr::Bool(true)) => other,
                (Expr::Bool(false), _) => Expr::Bool(false),
                (left, Expr::Bool(false)) if !self.errors.can_err(&left) => Expr::Bool(false),
                (left, right) => Expr::And(Box::new(left), Box::new(right)),
            },
            Expr::Or(left, right) => match (*left, *right) {
                (Expr::Bool(false), other) | (other, Expr::Bool(false)) => other,
                (Expr::Bool(true), _) => Expr::Bool(true),
                (left, Expr::Bool(true)) if !self.errors.can_err(&left) => Expr::Bool(true),
                (left, right) => Expr::Or(Box::new(left), Box::new(right)),
            },
            Expr::If(condition, then, otherwise) => match (*condition, *then, *otherwise) {
                (Expr::Bool(true), chosen, _) | (Expr::Bool(false), _, chosen) => chosen,
                (condition, Expr::Bool(true), Expr::Bool(false)) => condition,
                (condition, Expr::Bool(false), Expr::Bool(true)) => fold_not(condition),
                (condition, then, otherwise) if then == otherwise => self.after(vec![condition], then),
                (condition, then, otherwise) => Expr::If(Box::new(condition), Box::new(then), Box::new(otherwise)),
            },
            Expr::Check(first, then) => self.after(vec![*first], *then),
            Expr::Equal(left, right) => self.fold_equal(*left, *right),
            Expr::Less(left, right) => match (*left, *right) {
                (Expr::Word(a, _), Expr::Word(b, _)) => Expr::Bool(a < b),
                (left, right) => Expr::Less(Box::new(left), Box::new(right)),
            },
            Expr::LessEqual(left, right) => match (*left, *right) {
                (Expr::Word(a, _), Expr::Word(b, _)) => Expr::Bool(a <= b),
                (left, right) => Expr::LessEqual(Box::new(left), Box::new(right)),
            },
            Expr::IsEmpty(set) => match *set {
                Expr::Set(members, _) => {
                    let empty = Expr::Bool(members.is_empty());
                    self.after(members, empty)
                }
                set => Expr::IsEmpty(Box::new(set)),
            },
            Expr::Contains(set, member) => self.fold_contains(*set, *member),
            Expr::ContainsAll(set, members) => match (*set, *members) {
                (set, Expr::Set(members, _)) if members.is_empty() => self.after(vec![set], Expr::Bool(true)),
                (set, members) => Expr::ContainsAll(Box::new(set), Box::new(members)),
            },
            Expr::ContainsAny(left, right) => match (*left, *right) {
                (Expr::Set(members, _), other) | (other, Expr::Set(members, _)) if members.is_empty() => {
                    self.after(vec![other], Expr::Bool(false))
                }
                (left, right) => Expr::ContainsAny(Box::new(left), Box::new(right)),
            },
            Expr::Ip(test, IpOperand::Literal(ip)) => Expr::Bool(passes(test, &ip)),
            Expr::IpInRange(IpOperand::Literal(inner), IpOperand::Literal(outer)) => {
                Expr::Bool(is_in_range(&inner, &outer))
            }
            expr => fold_number(expr),
        }
    }

    /// Constants by number, entities of different types never, an expression with itself always.
    fn fold_equal(&self, left: Expr, right: Expr) -> Expr {
        let known = match (&left, &right) {
            (Expr::Bool(a), Expr::Bool(b)) => Some(a == b),
            (Expr::Word(a, _), Expr::Word(b, _)) => Some(a == b),
            (Expr::Symbol(a, _), Expr::Symbol(b, _)) => Some(a == b),
            _ if left == right => Some(true),
            _ => match (left.ty(), right.ty()) {
                (Type::Entity(a), Type::Entity(b)) if a != b => Some(false),
                _ => None,
            },
        };
        match known {
            Some(known) => self.after(vec![left, right], Expr::Bool(known)),
            None => Expr::Equal(Box::new(left), Box::new(right)),
        }
    }

    /// A constant in a set of constants; anything in the empty set.
    fn fold_contains(&self, set: Expr, member: Expr) -> Expr {
        let known = match &set {
            Expr::Set(members, _) if members.is_empty() => Some(false),
            Expr::Set(members, _) if is_constant(&member) && members.iter().all(is_constant) => {
                Some(members.contains(&member))
            }
            _ => None,
        };
        match known {
            Some(known) => self.after(vec![set, member], Expr::Bool(known)),
            None => Expr::Contains(Box::new(set), Box::new(member)),
        }
    }

    /// `then`, after those of `first` that can err.
    fn after(&self, first: Vec<Expr>, then: Expr) -> Expr {
        first
            .into_iter()
            .rev()
            .filter(|first| self.errors.can_err(first))
            .fold(then, |then, first| Expr::Check(Box::new(first), Box::new(then)))
    }
}

fn fold_not(of: Expr) -> Expr {
    match of {
        Expr::Bool(value) => Expr::Bool(!value),
        Expr::Not(of) => *of,
        of => Expr::Not(Box::new(of)),
    }
}

/// Arithmetic on constants. What overflows stays.
fn fold_number(expr: Expr) -> Expr {
    const DAY_MS: i64 = 86_400_000;
    let folded = match &expr {
        Expr::Add(left, right, ty) => {
            words(left, right).and_then(|(a, b)| Some(Expr::Word(a.checked_add(b)?, ty.clone())))
        }
        Expr::Subtract(left, right, ty) => {
            words(left, right).and_then(|(a, b)| Some(Expr::Word(a.checked_sub(b)?, ty.clone())))
        }
        Expr::Multiply(left, right) => {
            words(left, right).and_then(|(a, b)| Some(Expr::Word(a.checked_mul(b)?, Type::Long)))
        }
        Expr::Negate(of) => word(of).and_then(|a| Some(Expr::Word(a.checked_neg()?, Type::Long))),
        Expr::Quotient(of, by) => word(of).and_then(|a| Some(Expr::Word(a.checked_div(*by)?, Type::Long))),
        Expr::ToDate(of) => {
            word(of).and_then(|a| Some(Expr::Word(a.checked_sub(a.rem_euclid(DAY_MS))?, Type::Datetime)))
        }
        Expr::ToTime(of) => word(of).map(|a| Expr::Word(a.rem_euclid(DAY_MS), Type::Duration)),
        Expr::Retype(of, ty) => word(of).map(|a| Expr::Word(a, ty.clone())),
        _ => None,
    };
    folded.unwrap_or(expr)
}

fn word(expr: &Expr) -> Option<i64> {
    if let Expr::Word(word, _) = expr { Some(*word) } else { None }
}

fn words(left: &Expr, right: &Expr) -> Option<(i64, i64)> {
    Some((word(left)?, word(right)?))
}

/// Whether an expression is a constant without structure, so that equal values are equal expressions.
fn is_constant(expr: &Expr) -> bool {
    matches!(expr, Expr::Bool(_) | Expr::Word(..) | Expr::Symbol(..))
}

/// A test of a constant address, as the routines of the guest do it.
fn passes(test: IpTest, ip: &Ip) -> bool {
    match (test, ip.v6) {
        (IpTest::V4, v6) => !v6,
        (IpTest::V6, v6) => v6,
        (IpTest::Loopback, false) => ip.address >> 24 == 127 && ip.prefix >= 8,
        (IpTest::Loopback, true) => ip.address == 1 && ip.prefix == 128,
        (IpTest::Multicast, false) => ip.address >> 28 == 14 && ip.prefix >= 4,
        (IpTest::Multicast, true) => ip.address >> 120 == 255 && ip.prefix >= 8,
    }
}

/// `isInRange` of constants: not larger, and agreeing in the outer's prefix.
fn is_in_range(inner: &Ip, outer: &Ip) -> bool {
    let bits = if outer.v6 { 128 } else { 32 };
    let host_bits = u32::saturating_sub(bits, outer.prefix.into());
    inner.v6 == outer.v6
        && inner.prefix >= outer.prefix
        && (inner.address ^ outer.address).checked_shr(host_bits).unwrap_or(0) == 0
}
