//! Lowers literals of sets and records, and the operators of sets.

use std::collections::BTreeMap;

use exportgate_contract::types::Type;
use smol_str::SmolStr;

use crate::frontend::lower::tree::{Leaf, Tree};
use crate::frontend::lower::{LowerError, Lowering};
use crate::frontend::typed::TypedExpr;
use crate::ir::Expr;

impl Lowering<'_> {
    /// `[a, b]`: `(set a b)`. Errs as any member does.
    pub(super) fn lower_set(&mut self, expr: &TypedExpr, members: &[TypedExpr]) -> Result<Tree, LowerError> {
        let Type::Set(of) = self.type_of(expr)? else {
            return Err(LowerError::internal("a set literal that isn't a set"));
        };
        let members = members.iter().map(|member| self.lower(member)).collect::<Result<_, _>>()?;
        Ok(Leaf::Set(members, *of).into())
    }

    /// `{x: a, y: b}`: `(record "x"=a "y"=b)`. Errs as any field does.
    pub(super) fn lower_record(&mut self, fields: &BTreeMap<SmolStr, TypedExpr>) -> Result<Tree, LowerError> {
        let mut lowered = BTreeMap::new();
        for (name, field) in fields {
            lowered.insert(name.as_str().into(), self.lower(field)?);
        }
        Ok(Leaf::Record(lowered).into())
    }

    /// `a.isEmpty()`: `(is-empty a)`. Errs as `a` does.
    pub(super) fn lower_is_empty(&mut self, of: &TypedExpr) -> Result<Tree, LowerError> {
        let of = self.lower_value(of)?;
        Ok(Expr::IsEmpty(Box::new(of)).into())
    }

    /// `a.contains(b)`: `(contains a b)`. Errs as either does, and as any member of a literal does.
    pub(super) fn lower_contains(&mut self, set: &TypedExpr, member: &TypedExpr) -> Result<Tree, LowerError> {
        let set = self.lower_value(set)?;
        let member = self.lower_value(member)?;
        Ok(Expr::Contains(Box::new(set), Box::new(member)).into())
    }

    /// `a.containsAll(b)`, `a.containsAny(b)`: `(contains-all a b)`, `(contains-any a b)`. Errs as either does.
    pub(super) fn lower_sets(
        &mut self,
        left: &TypedExpr,
        right: &TypedExpr,
        make: fn(Box<Expr>, Box<Expr>) -> Expr,
    ) -> Result<Tree, LowerError> {
        let left = self.lower_value(left)?;
        let right = self.lower_value(right)?;
        Ok(make(Box::new(left), Box::new(right)).into())
    }
}
