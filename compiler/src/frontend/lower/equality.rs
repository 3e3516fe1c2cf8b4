//! Lowers `==` and `is`.

use cedar_policy_core::ast::{EntityType, ExprKind};
use exportgate_contract::types::Type;

use crate::frontend::lower::tree::{Leaf, Tree, checked};
use crate::frontend::lower::{LowerError, Lowering};
use crate::frontend::schema::entity_type_name;
use crate::frontend::typed::TypedExpr;
use crate::ir::Expr;

impl Lowering<'_> {
    /// `a == b`: `(equal a b)`. Errs as either does.
    ///
    /// CEDAR: two literals may have any types, as in `1 == "a"`, and entities may have different ones; both are decided
    /// here, since no word of one type means anything as another.
    pub(super) fn lower_equal(&mut self, left: &TypedExpr, right: &TypedExpr) -> Result<Tree, LowerError> {
        if let (ExprKind::Lit(left), ExprKind::Lit(right)) = (left.expr_kind(), right.expr_kind()) {
            return Ok(Expr::Bool(left == right).into());
        }
        let types = (self.type_of(left)?, self.type_of(right)?);
        let left = self.lower(left)?;
        let right = self.lower(right)?;
        match types {
            (Type::Entity(left_type), Type::Entity(right_type)) if left_type == right_type => {
                if let (Tree::Leaf(Leaf::Term(a, _)), Tree::Leaf(Leaf::Term(b, _))) = (&left, &right)
                    && let (Some((a, _)), Some((b, _))) = (self.tables.constant_of(*a), self.tables.constant_of(*b))
                {
                    return Ok(Expr::Bool(a == b).into());
                }
            }
            // Literals and `action` only: strict validation refuses any other two types.
            (left_type, right_type) if left_type != right_type => {
                let errors = self.errors_of_all([left, right])?;
                return Ok(self.value(checked(errors, Expr::Bool(false).into()))?.into());
            }
            _ => {}
        }
        let left = self.value(left)?;
        let right = self.value(right)?;
        Ok(Expr::Equal(Box::new(left), Box::new(right)).into())
    }

    /// `a is T`: decided by the type, `(check a true)` or `(check a false)`. Errs as `a` does.
    pub(super) fn lower_is(&mut self, of: &TypedExpr, entity_type: &EntityType) -> Result<Tree, LowerError> {
        let is = self.type_of(of)? == Type::Entity(entity_type_name(entity_type));
        let of = self.lower(of)?;
        let errors = self.errors(of)?;
        Ok(self.value(checked(errors, Expr::Bool(is).into()))?.into())
    }
}
