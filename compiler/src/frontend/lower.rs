//! Lowers the typed condition of a policy, in one request environment, to one IR expression.
//!
//! Every expression becomes a [`Tree`]: if-then-else distributed over what stands at its leaves, since the host resolves
//! only paths without conditions. Leaves are terms, literals of records and sets, or plain IR expressions. What the typed
//! expression left out, because Cedar knows that it is never evaluated, doesn't exist here. Errors are Cedar's: an operand
//! that Cedar evaluates is evaluated here, or checked for its errors with `Check`, whether or not its value matters.

mod access;
mod boolean;
mod equality;
mod extension;
mod hierarchy;
mod number;
mod set;
pub(crate) mod tree;

use std::collections::BTreeSet;
use std::sync::Arc;

use cedar_policy_core::ast::{BinaryOp, ExprKind, Literal, SlotEnv, UnaryOp, Var};
use cedar_policy_core::parser::Loc;
use exportgate_contract::manifest::{Binding, ContextBinding, Term};
use exportgate_contract::types::{Action, Attribute, SchemaTypes, Type};
use exportgate_contract::value::{EntityUid, Value};

use crate::error::{CompileError, CompileErrorKind};
use crate::frontend::lower::tree::{Leaf, Tree};
use crate::frontend::schema::entity_uid;
use crate::frontend::tables::Tables;
use crate::frontend::typed::{TypedExpr, type_of};
use crate::ir::Expr;
use crate::ir::errors::Errors;

/// Leaves of one decision tree: how many different things an expression such as `if c then principal else resource.owner`
/// may stand for.
pub(crate) const LEAVES_MAX: usize = 1_024;

/// Nodes that distributing if-then-else may copy in one condition: a bound on time and memory for nested ones.
pub(crate) const COPIED_NODES_MAX: usize = 1 << 18;

/// Why a condition can't be lowered.
#[derive(Debug)]
pub(crate) struct LowerError {
    kind: CompileErrorKind,
    message: String,
    help: Option<String>,
    place: Option<Loc>,
}

impl LowerError {
    pub(crate) fn internal(message: &str) -> Self {
        let message = format!("fault of the compiler: {message}");
        Self { kind: CompileErrorKind::Internal, message, help: None, place: None }
    }

    pub(crate) fn limit(message: String) -> Self {
        Self { kind: CompileErrorKind::Limit, message, help: None, place: None }
    }

    pub(crate) fn unsupported(message: impl Into<String>, help: &str) -> Self {
        let help = Some(help.to_owned());
        Self { kind: CompileErrorKind::Unsupported, message: message.into(), help, place: None }
    }

    /// The error at the innermost expression where it showed.
    fn at(mut self, expr: &TypedExpr) -> Self {
        self.place = self.place.or_else(|| expr.source_loc().cloned());
        self
    }

    /// The place, and the error without it.
    pub(crate) fn into_parts(self) -> (Option<Loc>, CompileError) {
        let error = CompileError::new(self.kind, self.message);
        let error = match self.help {
            Some(help) => error.with_help(help),
            None => error,
        };
        (self.place, error)
    }
}

/// What lowering knows of the question at hand, and the tables that it fills.
pub(crate) struct Lowering<'a> {
    pub(crate) tables: &'a mut Tables,
    pub(crate) schema: &'a SchemaTypes,
    pub(crate) action: &'a Action,
    pub(crate) principal: &'a Arc<str>,
    pub(crate) resource: &'a Arc<str>,
    pub(crate) binding: &'a Binding,
    /// The inputs that are always there.
    pub(crate) given: &'a BTreeSet<u32>,
    pub(crate) slots: &'a SlotEnv,
    /// Nodes copied so far.
    pub(crate) copied: usize,
}

impl Lowering<'_> {
    /// Lowers a whole condition.
    ///
    /// # Errors
    ///
    /// A construct that exportgate refuses, or an exceeded limit.
    pub(crate) fn lower_condition(&mut self, condition: &TypedExpr) -> Result<Expr, LowerError> {
        self.lower_value(condition)
    }

    /// Lowers `expr` to one IR expression.
    fn lower_value(&mut self, expr: &TypedExpr) -> Result<Expr, LowerError> {
        let tree = self.lower(expr)?;
        self.value(tree).map_err(|error| error.at(expr))
    }

    /// Lowers `expr` to a tree: one arm for each form of Cedar's expressions.
    fn lower(&mut self, expr: &TypedExpr) -> Result<Tree, LowerError> {
        let lowered = match expr.expr_kind() {
            ExprKind::Lit(literal) => self.lower_literal(literal),
            ExprKind::Var(Var::Principal) => {
                self.lower_input(self.binding.principal, Type::Entity(self.principal.clone()))
            }
            ExprKind::Var(Var::Resource) => {
                self.lower_input(self.binding.resource, Type::Entity(self.resource.clone()))
            }
            ExprKind::Var(Var::Action) => {
                let uid = self.action.uid.clone();
                self.lower_entity(uid)
            }
            ExprKind::Var(Var::Context) => self.lower_context(),
            ExprKind::Slot(slot) => match self.slots.get(slot) {
                Some(uid) => self.lower_entity(entity_uid(uid)),
                None => Err(LowerError::internal("a slot without an entity")),
            },
            ExprKind::Unknown(_) => Err(LowerError::internal("an unknown in a policy")),
            ExprKind::If { test_expr, then_expr, else_expr } => self.lower_if(expr, test_expr, then_expr, else_expr),
            ExprKind::And { left, right } => self.lower_and(left, right),
            ExprKind::Or { left, right } => self.lower_or(left, right),
            ExprKind::UnaryApp { op, arg } => match op {
                UnaryOp::Not => self.lower_not(arg),
                UnaryOp::Neg => self.lower_negate(arg),
                UnaryOp::IsEmpty => self.lower_is_empty(arg),
            },
            ExprKind::BinaryApp { op, arg1, arg2 } => match op {
                BinaryOp::Eq => self.lower_equal(arg1, arg2),
                BinaryOp::Less => self.lower_order(arg1, arg2, Expr::Less),
                BinaryOp::LessEq => self.lower_order(arg1, arg2, Expr::LessEqual),
                BinaryOp::Add => self.lower_add(arg1, arg2),
                BinaryOp::Sub => self.lower_subtract(arg1, arg2),
                BinaryOp::Mul => self.lower_multiply(arg1, arg2),
                BinaryOp::In => self.lower_in(arg1, arg2),
                BinaryOp::Contains => self.lower_contains(arg1, arg2),
                BinaryOp::ContainsAll => self.lower_sets(arg1, arg2, Expr::ContainsAll),
                BinaryOp::ContainsAny => self.lower_sets(arg1, arg2, Expr::ContainsAny),
                BinaryOp::HasTag => self.lower_has_tag(arg1, arg2),
                BinaryOp::GetTag => self.lower_tag(expr, arg1, arg2),
            },
            ExprKind::ExtensionFunctionApp { fn_name, args } => self.lower_extension(fn_name, args),
            ExprKind::GetAttr { expr: of, attr } => self.lower_attribute(expr, of, attr),
            ExprKind::HasAttr { expr: of, attr } => self.lower_has(of, std::slice::from_ref(attr)),
            ExprKind::ExtHasAttr { expr: of, attrs } => {
                let attrs: Vec<_> = attrs.iter().cloned().collect();
                self.lower_has(of, &attrs)
            }
            ExprKind::Like { expr: of, pattern } => self.lower_like(of, pattern),
            ExprKind::Is { expr: of, entity_type } => self.lower_is(of, entity_type),
            ExprKind::Set(members) => self.lower_set(expr, members),
            ExprKind::Record(fields) => self.lower_record(fields),
        };
        lowered.map_err(|error| error.at(expr))
    }

    /// Lowers a literal: a truth value or number is a word, a string or entity a constant symbol. Never errs.
    fn lower_literal(&mut self, literal: &Literal) -> Result<Tree, LowerError> {
        match literal {
            Literal::Bool(value) => Ok(Expr::Bool(*value).into()),
            Literal::Long(value) => Ok(Expr::Word(*value, Type::Long).into()),
            Literal::String(text) => self.lower_constant(Value::String(text.as_str().into()), Type::String),
            Literal::EntityUID(uid) => self.lower_entity(entity_uid(uid)),
        }
    }

    fn lower_constant(&mut self, value: Value, ty: Type) -> Result<Tree, LowerError> {
        let symbol = self.tables.symbol(value)?;
        let term = self.tables.term(Term::Symbol(symbol.0))?;
        Ok(Leaf::Term(term, ty).into())
    }

    fn lower_entity(&mut self, uid: EntityUid) -> Result<Tree, LowerError> {
        let ty = Type::Entity(uid.entity_type.clone());
        self.lower_constant(Value::Entity(uid), ty)
    }

    /// `principal`, `resource`: the term of its input. Never errs.
    fn lower_input(&mut self, input: u32, ty: Type) -> Result<Tree, LowerError> {
        let term = self.tables.term(Term::Input(input))?;
        Ok(Leaf::Term(term, ty).into())
    }

    /// `context`: the term of its input where one input holds it all, else a record whose attributes are inputs.
    fn lower_context(&mut self) -> Result<Tree, LowerError> {
        match &self.binding.context {
            ContextBinding::Whole(input) => self.lower_input(*input, Type::Record(self.action.context.clone())),
            ContextBinding::Attributes(_) => Ok(Leaf::Context.into()),
        }
    }

    /// The input of a context attribute, where each is an input of its own, and what the schema says of it.
    fn context_attribute(&self, name: &str) -> Option<(u32, &Attribute)> {
        match &self.binding.context {
            ContextBinding::Whole(_) => None,
            ContextBinding::Attributes(inputs) => Some((*inputs.get(name)?, self.action.context.get(name)?)),
        }
    }

    /// What the schema says of attribute `name` of a record or entity of type `ty`.
    fn attribute_of<'t>(&'t self, ty: &'t Type, name: &str) -> Option<&'t Attribute> {
        match ty {
            Type::Record(attributes) => attributes.get(name),
            Type::Entity(entity) => self.schema.entities.get(entity)?.attributes.get(name),
            Type::Bool
            | Type::Long
            | Type::String
            | Type::Set(_)
            | Type::Decimal
            | Type::Datetime
            | Type::Duration
            | Type::Ip => None,
        }
    }

    fn type_of(&self, expr: &TypedExpr) -> Result<Type, LowerError> {
        type_of(expr).ok_or_else(|| LowerError::internal("an expression without a type"))
    }

    /// What is known of errors in this question.
    fn errors_known(&self) -> Errors<'_> {
        Errors { terms: &self.tables.terms, facts: &self.tables.facts, given: self.given }
    }
}
