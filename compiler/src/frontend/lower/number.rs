//! Lowers arithmetic and order of numbers.

use exportgate_contract::types::Type;

use crate::frontend::lower::tree::Tree;
use crate::frontend::lower::{LowerError, Lowering};
use crate::frontend::typed::TypedExpr;
use crate::ir::Expr;

impl Lowering<'_> {
    /// `a < b`, `a <= b` of `Long`, `datetime` and `duration`: `(less a b)`. Errs as an operand does. Cedar's parser turns
    /// `>` and `>=` into the negation of these.
    pub(super) fn lower_order(
        &mut self,
        left: &TypedExpr,
        right: &TypedExpr,
        make: fn(Box<Expr>, Box<Expr>) -> Expr,
    ) -> Result<Tree, LowerError> {
        let left = self.lower_value(left)?;
        let right = self.lower_value(right)?;
        Ok(make(Box::new(left), Box::new(right)).into())
    }

    /// `a + b`: `(add a b)`. Errs as an operand does, and on overflow.
    pub(super) fn lower_add(&mut self, left: &TypedExpr, right: &TypedExpr) -> Result<Tree, LowerError> {
        let left = self.lower_value(left)?;
        let right = self.lower_value(right)?;
        Ok(Expr::Add(Box::new(left), Box::new(right), Type::Long).into())
    }

    /// `a - b`: `(subtract a b)`. Errs as an operand does, and on overflow.
    pub(super) fn lower_subtract(&mut self, left: &TypedExpr, right: &TypedExpr) -> Result<Tree, LowerError> {
        let left = self.lower_value(left)?;
        let right = self.lower_value(right)?;
        Ok(Expr::Subtract(Box::new(left), Box::new(right), Type::Long).into())
    }

    /// `a * b`: `(multiply a b)`. Errs as an operand does, and on overflow.
    pub(super) fn lower_multiply(&mut self, left: &TypedExpr, right: &TypedExpr) -> Result<Tree, LowerError> {
        let left = self.lower_value(left)?;
        let right = self.lower_value(right)?;
        Ok(Expr::Multiply(Box::new(left), Box::new(right)).into())
    }

    /// `-a`: `(negate a)`. Errs as `a` does, and for the least `Long`. Cedar's parser makes `-5` a literal.
    pub(super) fn lower_negate(&mut self, of: &TypedExpr) -> Result<Tree, LowerError> {
        let of = self.lower_value(of)?;
        Ok(Expr::Negate(Box::new(of)).into())
    }
}
