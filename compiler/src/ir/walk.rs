//! Going through an expression: its operands, the facts it reads, the symbols it names.

use crate::ir::{Expr, FactId, IpOperand, SymbolId};

/// The operands of one expression, borrowed as the expression is: patterns and loops bind `&` or `&mut` alike.
macro_rules! visit_operands {
    ($expr:expr, $visit:expr) => {
        match $expr {
            Expr::Bool(_)
            | Expr::Word(..)
            | Expr::Symbol(..)
            | Expr::Fact(..)
            | Expr::Has(_)
            | Expr::Among(..)
            | Expr::Guard(_)
            | Expr::Like(..)
            | Expr::Ip(..)
            | Expr::IpInRange(..) => {}
            Expr::Not(of)
            | Expr::Negate(of)
            | Expr::Quotient(of, _)
            | Expr::ToDate(of)
            | Expr::ToTime(of)
            | Expr::Retype(of, _)
            | Expr::IsEmpty(of) => $visit(of),
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
                $visit(left);
                $visit(right);
            }
            Expr::If(test, then, or) => {
                $visit(test);
                $visit(then);
                $visit(or);
            }
            Expr::Set(members, _) => {
                for member in members {
                    $visit(member);
                }
            }
            Expr::Record(fields) => {
                for (_, _, field) in fields {
                    $visit(field);
                }
            }
        }
    };
}

/// The facts that one expression itself reads, borrowed as the expression is.
macro_rules! visit_facts {
    ($expr:expr, $visit:expr) => {
        match $expr {
            Expr::Fact(fact, _)
            | Expr::Has(fact)
            | Expr::Among(fact, _)
            | Expr::Like(fact, _)
            | Expr::Ip(_, IpOperand::Fact(fact)) => {
                $visit(fact);
            }
            Expr::IpInRange(inner, outer) => {
                for operand in [inner, outer] {
                    if let IpOperand::Fact(fact) = operand {
                        $visit(fact);
                    }
                }
            }
            _ => {}
        }
    };
}

impl Expr {
    /// Calls `visit` with each operand, in the order of evaluation.
    pub(crate) fn each_operand<'a>(&'a self, visit: &mut dyn FnMut(&'a Self)) {
        visit_operands!(self, visit);
    }

    /// Changes each operand, in the order of evaluation.
    pub(crate) fn each_operand_mut(&mut self, change: &mut dyn FnMut(&mut Self)) {
        visit_operands!(self, change);
    }

    /// Calls `visit` with the expression and everything in it, outermost first.
    pub(crate) fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a Self)) {
        visit(self);
        self.each_operand(&mut |operand| operand.each(visit));
    }

    /// Changes everything in the expression and then the expression, innermost first.
    pub(crate) fn each_mut(&mut self, change: &mut dyn FnMut(&mut Self)) {
        self.each_operand_mut(&mut |operand| operand.each_mut(change));
        change(self);
    }

    /// Calls `visit` with each fact that the expression itself reads, those of its operands left out.
    pub(crate) fn own_facts(&self, visit: &mut dyn FnMut(&FactId)) {
        visit_facts!(self, visit);
    }

    /// Changes each fact that the expression itself reads, those of its operands left out.
    pub(crate) fn own_facts_mut(&mut self, change: &mut dyn FnMut(&mut FactId)) {
        visit_facts!(self, change);
    }

    /// Changes each symbol that the expression itself names, those of its operands left out.
    pub(crate) fn own_symbols_mut(&mut self, change: &mut dyn FnMut(&mut SymbolId)) {
        match self {
            Self::Symbol(symbol, _) | Self::Among(_, symbol) => change(symbol),
            Self::Record(fields) => fields.iter_mut().for_each(|(_, name, _)| change(name)),
            _ => {}
        }
    }

    /// The links of a condition `a && b && c`, in the order of evaluation; one link for any other expression.
    pub(crate) fn links(&self) -> Vec<&Self> {
        let mut links = Vec::new();
        // What is still to be taken apart, last first.
        let mut open = vec![self];
        while let Some(expr) = open.pop() {
            match expr {
                Self::And(left, right) => open.extend([&**right, &**left]),
                expr => links.push(expr),
            }
        }
        links
    }

    /// How many expressions it is made of, itself included.
    pub(crate) fn nodes(&self) -> usize {
        let mut nodes = 0_usize;
        self.each(&mut |_| nodes = nodes.saturating_add(1));
        nodes
    }
}
