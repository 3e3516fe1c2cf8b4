//! Lowers what is read of entities and records: attributes, `has`, tags.

use exportgate_contract::manifest::{Read, Term};
use exportgate_contract::types::Type;
use smol_str::SmolStr;

use crate::frontend::lower::tree::{Leaf, Tree, all_of, checked};
use crate::frontend::lower::{LowerError, Lowering};
use crate::frontend::typed::TypedExpr;
use crate::ir::{Expr, TermId};

impl Lowering<'_> {
    /// `a.x`: the path goes one step further; of a record literal it is the field, after the others were checked. Errs as
    /// `a` does, and when the attribute or the entity isn't there.
    pub(super) fn lower_attribute(
        &mut self,
        expr: &TypedExpr,
        of: &TypedExpr,
        name: &SmolStr,
    ) -> Result<Tree, LowerError> {
        let ty = self.type_of(expr)?;
        let of = self.lower(of)?;
        self.map(of, &mut |this, leaf| match leaf {
            Leaf::Term(term, _) => {
                let term = this.tables.attribute(term, name)?;
                Ok(Leaf::Term(term, ty.clone()).into())
            }
            Leaf::Context => {
                let (input, _) = this.context_attribute(name).ok_or_else(unknown_attribute)?;
                let term = this.tables.term(Term::Input(input))?;
                Ok(Leaf::Term(term, ty.clone()).into())
            }
            Leaf::Record(mut fields) => {
                let field = fields.remove(name.as_str()).ok_or_else(unknown_attribute)?;
                let errors = this.errors_of_all(fields.into_values())?;
                Ok(checked(errors, field))
            }
            Leaf::Expr(_) | Leaf::Set(..) => Err(LowerError::internal("an attribute of something computed")),
        })
    }

    /// `a has x`, `a has x.y`: `(has f)` for each step, all of them. Errs as `a` does, never for what is missing. What the
    /// schema doesn't declare isn't there: `(check a false)`.
    pub(super) fn lower_has(&mut self, of: &TypedExpr, names: &[SmolStr]) -> Result<Tree, LowerError> {
        let of = self.lower(of)?;
        let has = self.has_path(of, names)?;
        Ok(self.value(has)?.into())
    }

    fn has_path(&mut self, of: Tree, names: &[SmolStr]) -> Result<Tree, LowerError> {
        let Some((name, rest)) = names.split_first() else {
            return Ok(Expr::Bool(true).into());
        };
        self.map(of, &mut |this, leaf| match leaf {
            Leaf::Term(term, ty) => this.has_path_of_term(term, ty, names),
            Leaf::Context => {
                let Some((input, attribute)) = this.context_attribute(name) else {
                    return Ok(Expr::Bool(false).into());
                };
                let (required, ty) = (attribute.required, attribute.ty.clone());
                let term = this.tables.term(Term::Input(input))?;
                let rest = this.has_path(Leaf::Term(term, ty).into(), rest)?;
                if required {
                    return Ok(rest);
                }
                let first = Expr::Has(this.tables.fact(Read::State(term.0), Type::Bool)?);
                let rest = this.value(rest)?;
                Ok(both(first, rest).into())
            }
            Leaf::Record(mut fields) => {
                let field = fields.remove(name.as_str());
                let mut errors = this.errors_of_all(fields.into_values())?;
                match field {
                    // The field was evaluated with the record, even if nothing more is asked of it.
                    Some(field) if rest.is_empty() => {
                        errors.extend(this.errors(field)?);
                        Ok(checked(errors, Expr::Bool(true).into()))
                    }
                    Some(field) => {
                        let field = this.has_path(field, rest)?;
                        Ok(checked(errors, field))
                    }
                    None => Ok(checked(errors, Expr::Bool(false).into())),
                }
            }
            Leaf::Expr(_) | Leaf::Set(..) => Err(LowerError::internal("`has` of something computed")),
        })
    }

    fn has_path_of_term(&mut self, term: TermId, ty: Type, names: &[SmolStr]) -> Result<Tree, LowerError> {
        let mut steps = Vec::with_capacity(names.len());
        let (mut term, mut ty) = (term, ty);
        for name in names {
            let Some(attribute) = self.attribute_of(&ty, name) else {
                // Only the first step can err: the others stand behind the steps before them.
                if steps.is_empty() {
                    let errors = self.errors(Leaf::Term(term, ty).into())?;
                    return Ok(checked(errors, Expr::Bool(false).into()));
                }
                steps.push(Expr::Bool(false));
                break;
            };
            ty = attribute.ty.clone();
            term = self.tables.attribute(term, name)?;
            steps.push(Expr::Has(self.tables.fact(Read::State(term.0), Type::Bool)?));
        }
        Ok(all_of(steps).into())
    }

    /// `a.hasTag(k)`: `f`, which reads `hasTag(a, k)`. Errs as either does, never for what is missing.
    pub(super) fn lower_has_tag(&mut self, of: &TypedExpr, key: &TypedExpr) -> Result<Tree, LowerError> {
        let has_tags = match self.type_of(of)? {
            Type::Entity(name) => self.schema.entities.get(&name).is_some_and(|entity| entity.tags.is_some()),
            _ => false,
        };
        let of = self.lower(of)?;
        let key = self.lower(key)?;
        if !has_tags {
            let errors = self.errors_of_all([of, key])?;
            return Ok(self.value(checked(errors, Expr::Bool(false).into()))?.into());
        }
        let has = self.pair(of, key, &mut |this, of, key| {
            let (of, key) = (term_of(of)?, term_of(key)?);
            let fact = this.tables.fact(Read::HasTag { of: of.0, key: key.0 }, Type::Bool)?;
            Ok(Expr::Fact(fact, Type::Bool).into())
        })?;
        Ok(self.value(has)?.into())
    }

    /// `a.getTag(k)`: the path goes one step further. Errs as either does, and when the tag or the entity isn't there.
    pub(super) fn lower_tag(&mut self, expr: &TypedExpr, of: &TypedExpr, key: &TypedExpr) -> Result<Tree, LowerError> {
        let ty = self.type_of(expr)?;
        let of = self.lower(of)?;
        let key = self.lower(key)?;
        self.pair(of, key, &mut |this, of, key| {
            let (of, key) = (term_of(of)?, term_of(key)?);
            let term = this.tables.term(Term::Tag { of: of.0, key: key.0 })?;
            Ok(Leaf::Term(term, ty.clone()).into())
        })
    }
}

fn both(first: Expr, second: Expr) -> Expr {
    match second {
        Expr::Bool(true) => first,
        second => Expr::And(Box::new(first), Box::new(second)),
    }
}

fn unknown_attribute() -> LowerError {
    LowerError::internal("an attribute that isn't there")
}

pub(super) fn term_of(leaf: Leaf) -> Result<TermId, LowerError> {
    match leaf {
        Leaf::Term(term, _) => Ok(term),
        Leaf::Expr(_) | Leaf::Record(_) | Leaf::Set(..) | Leaf::Context => {
            Err(LowerError::internal("an entity or a string that is computed"))
        }
    }
}
