//! Which expressions may err: what can't err may be left out where its value isn't wanted.

use std::collections::BTreeSet;

use exportgate_contract::manifest::{Fact, Read, Term};

use crate::ir::{Expr, FactId, IpOperand, TermId};

/// What is known of errors in one question.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Errors<'a> {
    /// The program's terms.
    pub(crate) terms: &'a [Term],
    /// The program's facts.
    pub(crate) facts: &'a [Fact],
    /// The inputs that are always there.
    pub(crate) given: &'a BTreeSet<u32>,
}

impl Errors<'_> {
    /// Whether the term always has a value: constants, and inputs that are always there. An attribute may be missing, if
    /// only because its entity isn't in the store.
    pub(crate) fn is_given(&self, term: TermId) -> bool {
        match self.term(term) {
            Some(Term::Symbol(_)) => true,
            Some(Term::Input(input)) => self.given.contains(input),
            Some(Term::Attribute { .. } | Term::Tag { .. }) | None => false,
        }
    }

    /// Whether evaluating `expr` may err.
    pub(crate) fn can_err(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Bool(_) | Expr::Word(..) | Expr::Symbol(..) => false,
            Expr::Fact(fact, _) | Expr::Like(fact, _) | Expr::Among(fact, _) => self.can_read_err(*fact),
            Expr::Has(fact) => self.can_has_err(*fact),
            // Whoever made the guard knows; here it isn't known.
            Expr::Guard(_) => true,
            Expr::Ip(_, operand) => self.can_operand_err(operand),
            Expr::IpInRange(inner, outer) => self.can_operand_err(inner) || self.can_operand_err(outer),
            // Constants whose result is a value are folded already.
            Expr::Add(..) | Expr::Subtract(..) | Expr::Multiply(..) | Expr::Negate(_) | Expr::ToDate(_) => true,
            Expr::Not(_)
            | Expr::And(..)
            | Expr::Or(..)
            | Expr::If(..)
            | Expr::Check(..)
            | Expr::Equal(..)
            | Expr::Less(..)
            | Expr::LessEqual(..)
            | Expr::Quotient(..)
            | Expr::ToTime(_)
            | Expr::Retype(..)
            | Expr::Set(..)
            | Expr::Record(_)
            | Expr::IsEmpty(_)
            | Expr::Contains(..)
            | Expr::ContainsAll(..)
            | Expr::ContainsAny(..) => {
                let mut any = false;
                expr.each_operand(&mut |operand| any = any || self.can_err(operand));
                any
            }
        }
    }

    /// Whether reading the fact may err.
    fn can_read_err(&self, fact: FactId) -> bool {
        let given = |term: u32| self.is_given(TermId(term));
        match self.read(fact) {
            Some(Read::Value(term)) => !given(*term),
            Some(Read::Above { of }) => !given(*of),
            Some(Read::In { left, right }) => !(given(*left) && given(*right)),
            Some(Read::HasTag { of, key }) => !(given(*of) && given(*key)),
            Some(Read::State(_)) | None => true,
        }
    }

    /// Whether asking for the fact's state may err: not when what it is read of is given.
    fn can_has_err(&self, fact: FactId) -> bool {
        let Some(Read::State(term) | Read::Value(term)) = self.read(fact) else {
            return true;
        };
        match self.term(TermId(*term)) {
            Some(Term::Symbol(_) | Term::Input(_)) => false,
            Some(Term::Attribute { of, .. }) => !self.is_given(TermId(*of)),
            Some(Term::Tag { of, key }) => !(self.is_given(TermId(*of)) && self.is_given(TermId(*key))),
            None => true,
        }
    }

    fn can_operand_err(&self, operand: &IpOperand) -> bool {
        match operand {
            IpOperand::Fact(fact) => self.can_read_err(*fact),
            IpOperand::Literal(_) => false,
        }
    }

    fn term(&self, term: TermId) -> Option<&Term> {
        self.terms.get(usize::try_from(term.0).ok()?)
    }

    fn read(&self, fact: FactId) -> Option<&Read> {
        self.facts.get(usize::try_from(fact.0).ok()?).map(|fact| &fact.read)
    }
}
