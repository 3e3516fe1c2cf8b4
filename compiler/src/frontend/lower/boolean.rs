//! Lowers logic: `!`, `&&`, `||`, `if`, `like`.

use cedar_policy_core::ast::{Pattern, PatternElem};
use exportgate_contract::manifest::Read;
use exportgate_contract::value::Value;

use crate::frontend::lower::tree::{Leaf, Tree, checked};
use crate::frontend::lower::{LowerError, Lowering};
use crate::frontend::typed::{TypedExpr, decided};
use crate::ir::{Expr, PatternElement};

impl Lowering<'_> {
    /// `!a`: `(not a)`. Errs as `a` does.
    pub(super) fn lower_not(&mut self, of: &TypedExpr) -> Result<Tree, LowerError> {
        Ok(match self.lower_value(of)? {
            Expr::Bool(value) => Expr::Bool(!value),
            of => Expr::Not(Box::new(of)),
        }
        .into())
    }

    /// `a && b`: `(and a b)`. Errs as `a` does, and as `b` does where `a` is true. A left side that is false by itself
    /// leaves nothing of the right: in most questions that is the whole of a policy behind another action's scope.
    pub(super) fn lower_and(&mut self, left: &TypedExpr, right: &TypedExpr) -> Result<Tree, LowerError> {
        Ok(match self.lower_value(left)? {
            Expr::Bool(false) => Expr::Bool(false),
            Expr::Bool(true) => self.lower_value(right)?,
            left => match self.lower_value(right)? {
                Expr::Bool(true) => left,
                right => Expr::And(Box::new(left), Box::new(right)),
            },
        }
        .into())
    }

    /// `a || b`: `(or a b)`. Errs as `a` does, and as `b` does where `a` is false.
    pub(super) fn lower_or(&mut self, left: &TypedExpr, right: &TypedExpr) -> Result<Tree, LowerError> {
        Ok(match self.lower_value(left)? {
            Expr::Bool(true) => Expr::Bool(true),
            Expr::Bool(false) => self.lower_value(right)?,
            left => match self.lower_value(right)? {
                Expr::Bool(false) => left,
                right => Expr::Or(Box::new(left), Box::new(right)),
            },
        }
        .into())
    }

    /// `if a then b else c`: `(if a b c)`. For truth values and numbers that is one expression; for entities, strings,
    /// addresses, sets and records the choice stays outermost, so that a path can be read of each. Errs as `a` does, and
    /// as the branch taken does.
    pub(super) fn lower_if(
        &mut self,
        expr: &TypedExpr,
        test: &TypedExpr,
        then: &TypedExpr,
        or: &TypedExpr,
    ) -> Result<Tree, LowerError> {
        // CEDAR: a test of a singleton type decides; Cedar puts the branch taken in both places, which would double the
        // work at each level of nesting.
        let decided = decided(test);
        match self.lower_value(test)? {
            Expr::Bool(true) => self.lower(then),
            Expr::Bool(false) => self.lower(or),
            test if decided.is_some() => {
                let taken = self.lower(if decided == Some(true) { then } else { or })?;
                let errors = self.errors(test.into())?;
                Ok(checked(errors, taken))
            }
            test if self.type_of(expr)?.is_inline() => {
                let then = self.lower_value(then)?;
                let or = self.lower_value(or)?;
                Ok(Expr::If(Box::new(test), Box::new(then), Box::new(or)).into())
            }
            test => {
                let then = self.lower(then)?;
                let or = self.lower(or)?;
                self.branch(test, then, or)
            }
        }
    }

    /// `s like "a*"`: `(like f "a*")` for each path that `s` may be; a literal is matched here, by Cedar's own code. Errs
    /// as reading `s` does.
    pub(super) fn lower_like(&mut self, of: &TypedExpr, pattern: &Pattern) -> Result<Tree, LowerError> {
        let elements: Vec<PatternElement> = pattern
            .iter()
            .map(|element| match element {
                PatternElem::Char(c) => PatternElement::Char(*c),
                PatternElem::Wildcard => PatternElement::Wildcard,
            })
            .collect();
        let of = self.lower(of)?;
        let matched = self.map(of, &mut |this, leaf| {
            let Leaf::Term(term, ty) = leaf else {
                return Err(LowerError::internal("a string that is computed"));
            };
            Ok(match this.tables.constant_of(term) {
                Some((_, Value::String(text))) => Expr::Bool(pattern.wildcard_match(text)).into(),
                Some(_) => return Err(LowerError::internal("a constant that isn't a string")),
                None => Expr::Like(this.tables.fact(Read::Value(term.0), ty)?, elements.clone()).into(),
            })
        })?;
        Ok(self.value(matched)?.into())
    }
}
