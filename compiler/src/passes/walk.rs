//! Going through an expression: its operands, the facts it reads, the symbols it names.

use crate::ir::{Expr, FactId, IpOperand, SymbolId};

/// Calls `visit` with each operand of `expr`, in the order of evaluation.
pub(super) fn each_operand<'a>(expr: &'a Expr, visit: &mut dyn FnMut(&'a Expr)) {
    match expr {
        Expr::Bool(_)
        | Expr::Word(..)
        | Expr::Symbol(..)
        | Expr::Fact(..)
        | Expr::Has(_)
        | Expr::Like(..)
        | Expr::Ip(..)
        | Expr::IpInRange(..) => {}
        Expr::Not(of)
        | Expr::Negate(of)
        | Expr::Quotient(of, _)
        | Expr::ToDate(of)
        | Expr::ToTime(of)
        | Expr::Retype(of, _)
        | Expr::IsEmpty(of) => visit(of),
        Expr::And(left, right)
        | Expr::Or(left, right)
        | Expr::Check(left, right)
        | Expr::Equal(left, right)
        | Expr::Less(left, right)
        | Expr::LessEqual(left, right)
        | Expr::Add(left, right, _)
        | Expr::Subtract(left, right, _)
        | Expr::Multiply(left, right)
        | Expr::Contains(left, right)
        | Expr::ContainsAll(left, right)
        | Expr::ContainsAny(left, right) => {
            visit(left);
            visit(right);
        }
        Expr::If(condition, then, otherwise) => {
            visit(condition);
            visit(then);
            visit(otherwise);
        }
        Expr::Set(members, _) => members.iter().for_each(visit),
        Expr::Record(fields) => fields.iter().for_each(|(_, _, field)| visit(field)),
    }
}

/// Replaces each operand of `expr`, in the order of evaluation.
pub(super) fn each_operand_mut(expr: &mut Expr, change: &mut dyn FnMut(&mut Expr)) {
    match expr {
        Expr::Bool(_)
        | Expr::Word(..)
        | Expr::Symbol(..)
        | Expr::Fact(..)
        | Expr::Has(_)
        | Expr::Like(..)
        | Expr::Ip(..)
        | Expr::IpInRange(..) => {}
        Expr::Not(of)
        | Expr::Negate(of)
        | Expr::Quotient(of, _)
        | Expr::ToDate(of)
        | Expr::ToTime(of)
        | Expr::Retype(of, _)
        | Expr::IsEmpty(of) => change(of),
        Expr::And(left, right)
        | Expr::Or(left, right)
        | Expr::Check(left, right)
        | Expr::Equal(left, right)
        | Expr::Less(left, right)
        | Expr::LessEqual(left, right)
        | Expr::Add(left, right, _)
        | Expr::Subtract(left, right, _)
        | Expr::Multiply(left, right)
        | Expr::Contains(left, right)
        | Expr::ContainsAll(left, right)
        | Expr::ContainsAny(left, right) => {
            change(left);
            change(right);
        }
        Expr::If(condition, then, otherwise) => {
            change(condition);
            change(then);
            change(otherwise);
        }
        Expr::Set(members, _) => members.iter_mut().for_each(change),
        Expr::Record(fields) => fields.iter_mut().for_each(|(_, _, field)| change(field)),
    }
}

/// Calls `visit` with `expr` and everything in it, outermost first.
pub(super) fn each<'a>(expr: &'a Expr, visit: &mut dyn FnMut(&'a Expr)) {
    visit(expr);
    each_operand(expr, &mut |operand| each(operand, visit));
}

/// Calls `change` with everything in `expr` and then `expr`, innermost first.
pub(super) fn each_mut(expr: &mut Expr, change: &mut dyn FnMut(&mut Expr)) {
    each_operand_mut(expr, &mut |operand| each_mut(operand, change));
    change(expr);
}

/// Calls `visit` with each fact that `expr` itself reads, those of its operands left out.
pub(super) fn facts_mut(expr: &mut Expr, visit: &mut dyn FnMut(&mut FactId)) {
    match expr {
        Expr::Fact(fact, _) | Expr::Has(fact) | Expr::Like(fact, _) | Expr::Ip(_, IpOperand::Fact(fact)) => visit(fact),
        Expr::IpInRange(inner, outer) => {
            for operand in [inner, outer] {
                if let IpOperand::Fact(fact) = operand {
                    visit(fact);
                }
            }
        }
        _ => {}
    }
}

/// Calls `visit` with each symbol that `expr` itself names, those of its operands left out.
pub(super) fn symbols_mut(expr: &mut Expr, visit: &mut dyn FnMut(&mut SymbolId)) {
    match expr {
        Expr::Symbol(symbol, _) => visit(symbol),
        Expr::Record(fields) => fields.iter_mut().for_each(|(_, name, _)| visit(name)),
        _ => {}
    }
}
