//! Lowers `in`, the question of the entity hierarchy.

use std::sync::Arc;

use exportgate_contract::manifest::Read;
use exportgate_contract::types::Type;
use exportgate_contract::value::{EntityUid, Value};

use crate::frontend::lower::tree::{Leaf, Tree, any_of, checked};
use crate::frontend::lower::{LowerError, Lowering};
use crate::frontend::typed::TypedExpr;
use crate::ir::{Expr, TermId};

impl Lowering<'_> {
    /// `a in b`, `a in [b, c]`, `a in b.allowed`: `f`, which reads `in(a, b)`; for a set literal any of its members, after
    /// all of them were checked. Errs as either side does, never for an entity that isn't in the store.
    pub(super) fn lower_in(&mut self, left: &TypedExpr, right: &TypedExpr) -> Result<Tree, LowerError> {
        let left = self.lower(left)?;
        let right = self.lower(right)?;
        let lowered = self.pair(left, right, &mut |this, left, right| {
            let Leaf::Term(left, left_type) = left else {
                return Err(LowerError::internal("an entity that is computed"));
            };
            match right {
                Leaf::Term(right, right_type) => this.in_term((left, &left_type), (right, &right_type)),
                Leaf::Set(members, _) => this.in_members((left, &left_type), members),
                Leaf::Expr(_) | Leaf::Record(_) | Leaf::Context => Err(LowerError::internal("`in` something computed")),
            }
        })?;
        Ok(self.value(lowered)?.into())
    }

    fn in_members(&mut self, left: (TermId, &Type), members: Vec<Tree>) -> Result<Tree, LowerError> {
        let mut errors = Vec::new();
        let mut any = Vec::with_capacity(members.len());
        for member in members {
            let copy = self.copy(&member)?;
            errors.extend(self.errors(copy)?);
            let member = self.map(member, &mut |this, member| match member {
                Leaf::Term(right, right_type) => this.in_term(left, (right, &right_type)),
                Leaf::Expr(_) | Leaf::Record(_) | Leaf::Set(..) | Leaf::Context => {
                    Err(LowerError::internal("`in` something computed"))
                }
            })?;
            match self.value(member)? {
                Expr::Bool(false) => {}
                member => any.push(member),
            }
        }
        let any = if any.contains(&Expr::Bool(true)) && errors.is_empty() { Expr::Bool(true) } else { any_of(any) };
        Ok(checked(errors, any.into()))
    }

    /// Whether the entity `left` is in `right`, an entity or a set of entities.
    fn in_term(&mut self, left: (TermId, &Type), right: (TermId, &Type)) -> Result<Tree, LowerError> {
        let (left_name, right_name) = match (left.1, right.1) {
            (Type::Entity(left), Type::Entity(right)) => (left, right),
            (Type::Entity(left), Type::Set(of)) => match &**of {
                Type::Entity(right) => (left, right),
                _ => return Err(LowerError::internal("`in` a set of something else than entities")),
            },
            _ => return Err(LowerError::internal("`in` of something else than entities")),
        };
        if !self.may_be_in(left_name, right_name) {
            let sides = [Leaf::Term(left.0, left.1.clone()).into(), Leaf::Term(right.0, right.1.clone()).into()];
            let errors = self.errors_of_all(sides)?;
            return Ok(checked(errors, Expr::Bool(false).into()));
        }
        let left_constant = self.tables.constant_of(left.0).map(|(_, value)| value.clone());
        let right_constant = self.tables.constant_of(right.0).map(|(_, value)| value.clone());
        match (left_constant, right_constant) {
            (Some(left), Some(right)) if left == right => Ok(Expr::Bool(true).into()),
            (Some(Value::Entity(action)), Some(Value::Entity(group))) if self.is_action(&action) => {
                Ok(Expr::Bool(self.above(&action).contains(&group)).into())
            }
            (Some(Value::Entity(action)), None) if self.is_action(&action) => {
                self.action_in(&action, right_name, right)
            }
            _ => {
                let read = Read::In { left: left.0.0, right: right.0.0 };
                Ok(Expr::Fact(self.tables.fact(read, Type::Bool)?, Type::Bool).into())
            }
        }
    }

    /// Whether a constant action is in `right`: the schema says all that it can be in, so no store is asked.
    fn action_in(
        &mut self,
        action: &EntityUid,
        right_name: &Arc<str>,
        right: (TermId, &Type),
    ) -> Result<Tree, LowerError> {
        let mut above = Vec::new();
        for uid in self.above(action) {
            if uid.entity_type == *right_name {
                above.push(Expr::Symbol(self.tables.entity(&uid)?, Type::Entity(right_name.clone())));
            }
        }
        let value = self.value(Leaf::Term(right.0, right.1.clone()).into())?;
        Ok(match right.1 {
            Type::Set(_) => {
                let above = Expr::Set(above, Type::Entity(right_name.clone()));
                Expr::ContainsAny(Box::new(value), Box::new(above))
            }
            _ => {
                let equal = |uid| Expr::Equal(Box::new(value.clone()), Box::new(uid));
                any_of(above.into_iter().map(equal).collect())
            }
        }
        .into())
    }

    fn is_action(&self, uid: &EntityUid) -> bool {
        self.schema.actions.iter().any(|action| action.uid == *uid)
    }

    /// The action and all groups that it is in.
    fn above(&self, uid: &EntityUid) -> Vec<EntityUid> {
        let groups = self.schema.actions.iter().find(|action| action.uid == *uid).map(|action| action.groups.clone());
        let mut above = vec![uid.clone()];
        above.extend(groups.unwrap_or_default());
        above
    }

    /// Whether an entity of type `left` can be in one of type `right`, by the schema. Cedar's typechecker decides so too,
    /// and doesn't type what stands behind an `in` that can't hold.
    fn may_be_in(&self, left: &Arc<str>, right: &Arc<str>) -> bool {
        left == right
            || self.schema.entities.get(left).is_some_and(|entity| entity.parents.contains(right))
            || self.schema.actions.iter().any(|action| {
                action.uid.entity_type == *left && action.groups.iter().any(|group| group.entity_type == *right)
            })
    }
}
