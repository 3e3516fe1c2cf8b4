//! Decision trees: expressions with their if-then-else outermost.

use std::collections::BTreeMap;
use std::sync::Arc;

use exportgate_contract::manifest::Read;
use exportgate_contract::types::Type;
use exportgate_contract::value::Value;

use crate::frontend::lower::{COPIED_NODES_MAX, LEAVES_MAX, LowerError, Lowering};
use crate::ir::{Expr, IpOperand, TermId};

/// An expression: a leaf, chosen by conditions.
#[derive(Clone, Debug)]
pub(crate) enum Tree {
    /// One of the leaves.
    Leaf(Leaf),
    /// The second if the first holds, else the third.
    If(Box<Expr>, Box<Tree>, Box<Tree>),
    /// The second, after the first was evaluated for its errors.
    Check(Box<Expr>, Box<Tree>),
}

/// What an expression without conditions is.
#[derive(Clone, Debug)]
pub(crate) enum Leaf {
    /// A path that the host resolves, or a constant.
    Term(TermId, Type),
    /// A value that the guest computes.
    Expr(Expr),
    /// A record literal.
    Record(BTreeMap<Arc<str>, Tree>),
    /// A set literal, with the type of its members.
    Set(Vec<Tree>, Type),
    /// The context, where each of its attributes is an input of its own.
    Context,
}

impl From<Leaf> for Tree {
    fn from(leaf: Leaf) -> Self {
        Self::Leaf(leaf)
    }
}

impl From<Expr> for Tree {
    fn from(expr: Expr) -> Self {
        Self::Leaf(Leaf::Expr(expr))
    }
}

impl Tree {
    fn leaves(&self) -> usize {
        match self {
            Self::Leaf(_) => 1,
            Self::If(_, then, or) => then.leaves().saturating_add(or.leaves()),
            Self::Check(_, then) => then.leaves(),
        }
    }

    fn nodes(&self) -> usize {
        let below = match self {
            Self::Leaf(Leaf::Term(..) | Leaf::Context) => 0,
            Self::Leaf(Leaf::Expr(expr)) => expr.nodes(),
            Self::Leaf(Leaf::Record(fields)) => fields.values().map(Self::nodes).fold(0, usize::saturating_add),
            Self::Leaf(Leaf::Set(members, _)) => members.iter().map(Self::nodes).fold(0, usize::saturating_add),
            Self::If(test, then, or) => test.nodes().saturating_add(then.nodes()).saturating_add(or.nodes()),
            Self::Check(checked, then) => checked.nodes().saturating_add(then.nodes()),
        };
        below.saturating_add(1)
    }
}

/// All of `exprs`, each a truth value: evaluated in order until one is false. Balanced, so that it nests little.
pub(crate) fn all_of(exprs: Vec<Expr>) -> Expr {
    balanced(exprs, &|left, right| Expr::And(Box::new(left), Box::new(right))).unwrap_or(Expr::Bool(true))
}

/// Any of `exprs`, each a truth value: evaluated in order until one is true. Balanced, so that it nests little.
pub(crate) fn any_of(exprs: Vec<Expr>) -> Expr {
    balanced(exprs, &|left, right| Expr::Or(Box::new(left), Box::new(right))).unwrap_or(Expr::Bool(false))
}

fn balanced(mut exprs: Vec<Expr>, join: &dyn Fn(Expr, Expr) -> Expr) -> Option<Expr> {
    if exprs.len() <= 1 {
        return exprs.pop();
    }
    let right = exprs.split_off(exprs.len() / 2);
    match (balanced(exprs, join), balanced(right, join)) {
        (Some(left), Some(right)) => Some(join(left, right)),
        (left, right) => left.or(right),
    }
}

impl Lowering<'_> {
    /// A copy of `tree`, counted.
    pub(super) fn copy(&mut self, tree: &Tree) -> Result<Tree, LowerError> {
        self.copied = self.copied.saturating_add(tree.nodes());
        if self.copied > COPIED_NODES_MAX {
            return Err(LowerError::limit(format!(
                "distributing `if` copies more than the limit `COPIED_NODES_MAX` of {COPIED_NODES_MAX} nodes"
            )));
        }
        Ok(tree.clone())
    }

    /// The tree of an if-then-else over trees.
    pub(super) fn branch(&mut self, test: Expr, then: Tree, or: Tree) -> Result<Tree, LowerError> {
        let tree = match test {
            Expr::Bool(true) => then,
            Expr::Bool(false) => or,
            test => Tree::If(Box::new(test), Box::new(then), Box::new(or)),
        };
        check_leaves(tree.leaves())?;
        Ok(tree)
    }

    /// Replaces each leaf of `tree`.
    pub(super) fn map(
        &mut self,
        tree: Tree,
        f: &mut dyn FnMut(&mut Self, Leaf) -> Result<Tree, LowerError>,
    ) -> Result<Tree, LowerError> {
        match tree {
            Tree::Leaf(leaf) => f(self, leaf),
            Tree::If(test, then, or) => {
                let then = self.map(*then, f)?;
                let or = self.map(*or, f)?;
                self.branch(*test, then, or)
            }
            Tree::Check(checked, then) => Ok(Tree::Check(checked, Box::new(self.map(*then, f)?))),
        }
    }

    /// Combines each leaf of `left` with each leaf of `right`: the conditions of both are evaluated, those of `left` first.
    pub(super) fn pair(
        &mut self,
        left: Tree,
        right: Tree,
        f: &mut dyn FnMut(&mut Self, Leaf, Leaf) -> Result<Tree, LowerError>,
    ) -> Result<Tree, LowerError> {
        check_leaves(left.leaves().saturating_mul(right.leaves()))?;
        match left {
            Tree::Leaf(left) => self.map(right, &mut |this, right| f(this, left.clone(), right)),
            Tree::If(test, then, or) => {
                let copy = self.copy(&right)?;
                let then = self.pair(*then, copy, f)?;
                let or = self.pair(*or, right, f)?;
                self.branch(*test, then, or)
            }
            Tree::Check(checked, then) => Ok(Tree::Check(checked, Box::new(self.pair(*then, right, f)?))),
        }
    }

    /// The tree as one IR expression: a path is a fact, a literal is built by the guest.
    pub(super) fn value(&mut self, tree: Tree) -> Result<Expr, LowerError> {
        Ok(match tree {
            Tree::Leaf(Leaf::Expr(expr)) => expr,
            Tree::Leaf(Leaf::Term(term, ty)) => match self.tables.constant_of(term) {
                Some((symbol, _)) => Expr::Symbol(symbol, ty),
                None => Expr::Fact(self.tables.fact(Read::Value(term.0), ty.clone())?, ty),
            },
            Tree::Leaf(Leaf::Record(fields)) => {
                let mut lowered = Vec::with_capacity(fields.len());
                for (name, field) in fields {
                    let symbol = self.tables.symbol(Value::String(name.clone()))?;
                    lowered.push((name, symbol, self.value(field)?));
                }
                Expr::Record(lowered)
            }
            Tree::Leaf(Leaf::Set(members, ty)) => {
                let members = members.into_iter().map(|member| self.value(member)).collect::<Result<_, _>>()?;
                Expr::Set(members, ty)
            }
            Tree::Leaf(Leaf::Context) => {
                return Err(LowerError::unsupported(
                    "`context` is used as a whole, where each of its attributes is given on its own",
                    "name the attributes of `context` that matter",
                ));
            }
            Tree::If(test, then, or) => Expr::If(test, Box::new(self.value(*then)?), Box::new(self.value(*or)?)),
            Tree::Check(checked, then) => Expr::Check(checked, Box::new(self.value(*then)?)),
        })
    }

    /// The tree of an address as an operand of a test; distributed over its leaves.
    pub(super) fn ip_operand(&mut self, leaf: Leaf) -> Result<IpOperand, LowerError> {
        match leaf {
            Leaf::Term(term, ty) => match self.tables.constant_of(term) {
                Some((_, Value::Ip(ip))) => Ok(IpOperand::Literal(*ip)),
                Some(_) => Err(LowerError::internal("a constant that isn't an address")),
                None => Ok(IpOperand::Fact(self.tables.fact(Read::Value(term.0), ty)?)),
            },
            Leaf::Expr(_) | Leaf::Record(_) | Leaf::Set(..) | Leaf::Context => {
                Err(LowerError::internal("an address that is computed"))
            }
        }
    }

    /// Expressions that err exactly when evaluating the tree does; none when it never does.
    pub(super) fn errors(&mut self, tree: Tree) -> Result<Vec<Expr>, LowerError> {
        Ok(match tree {
            Tree::Leaf(Leaf::Context) => Vec::new(),
            Tree::Leaf(Leaf::Term(term, _)) if self.errors_known().is_given(term) => Vec::new(),
            Tree::Leaf(leaf @ Leaf::Term(..)) => vec![self.value(leaf.into())?],
            Tree::Leaf(Leaf::Expr(expr)) if !self.errors_known().can_err(&expr) => Vec::new(),
            Tree::Leaf(Leaf::Expr(expr)) => vec![expr],
            Tree::Leaf(Leaf::Record(fields)) => self.errors_of_all(fields.into_values())?,
            Tree::Leaf(Leaf::Set(members, _)) => self.errors_of_all(members)?,
            Tree::Check(checked, then) => {
                let mut errors = vec![*checked];
                errors.extend(self.errors(*then)?);
                errors
            }
            Tree::If(test, then, or) => {
                let then = self.errors(*then)?;
                let or = self.errors(*or)?;
                match (then.is_empty() && or.is_empty(), self.errors_known().can_err(&test)) {
                    (true, true) => vec![*test],
                    (true, false) => Vec::new(),
                    (false, _) => {
                        vec![Expr::If(test, Box::new(evaluated(then)), Box::new(evaluated(or)))]
                    }
                }
            }
        })
    }

    pub(super) fn errors_of_all(&mut self, trees: impl IntoIterator<Item = Tree>) -> Result<Vec<Expr>, LowerError> {
        let mut errors = Vec::new();
        for tree in trees {
            errors.extend(self.errors(tree)?);
        }
        Ok(errors)
    }
}

/// `then`, after `errors` were evaluated.
pub(super) fn checked(mut errors: Vec<Expr>, then: Tree) -> Tree {
    match errors.pop() {
        None => then,
        Some(only) if errors.is_empty() => Tree::Check(Box::new(only), Box::new(then)),
        Some(last) => {
            errors.push(last);
            Tree::Check(Box::new(evaluated(errors)), Box::new(then))
        }
    }
}

/// True, after all of `errors` were evaluated.
fn evaluated(errors: Vec<Expr>) -> Expr {
    all_of(errors.into_iter().map(|expr| Expr::Check(Box::new(expr), Box::new(Expr::Bool(true)))).collect())
}

fn check_leaves(leaves: usize) -> Result<(), LowerError> {
    if leaves <= LEAVES_MAX {
        return Ok(());
    }
    Err(LowerError::limit(format!(
        "`if` makes this expression stand for {leaves} different ones, more than the limit `LEAVES_MAX` of {LEAVES_MAX}"
    )))
}
