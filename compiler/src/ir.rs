//! The typed intermediate representation: what a pack asks and says, free of Cedar's syntax and of Wasm.
//!
//! A [`Program`] holds the tables that become the manifest (symbols, inputs, terms, facts) and, for each question, one
//! boolean [`Expr`] a policy: its whole condition, scope included. Evaluating an expression gives a value or *errs*; an
//! error ends the policy, since Cedar has no way to catch one. The order of evaluation is the order in which the fields of
//! a variant are declared, and only [`Expr::And`], [`Expr::Or`] and [`Expr::If`] leave anything out.

pub(crate) mod errors;
pub mod expr;
pub mod print;
pub mod verify;
mod walk;

use std::collections::BTreeSet;
use std::sync::Arc;

use exportgate_contract::manifest::{Axis, Binding, Fact, Input, Policy, Term};
use exportgate_contract::value::{EntityUid, Value};

pub use expr::{Expr, IpOperand, IpTest, PatternElement};

/// A position in [`Program::symbols`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SymbolId(pub u32);

/// A position in [`Program::terms`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TermId(pub u32);

/// A position in [`Program::facts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FactId(pub u32);

/// A position in [`Program::policies`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyIdx(pub u32);

/// A position in [`Question::guards`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GuardId(pub u32);

/// A pack, lowered.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// The policies, in the order of their text.
    pub policies: Vec<Policy>,
    /// The constants: strings, entities and addresses, each once.
    pub symbols: Vec<Value>,
    /// What goes in from outside.
    pub inputs: Vec<Input>,
    /// The expressions that facts are made of; each names only terms before it.
    pub terms: Vec<Term>,
    /// The facts, in any order of axes; codegen needs them sorted by axis, which the pass `finish` does.
    pub facts: Vec<Fact>,
    /// The questions, sorted by action, principal type and resource type.
    pub questions: Vec<Question>,
}

/// A question and, for each policy that may matter to it, the policy's condition there.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// The action.
    pub action: EntityUid,
    /// The entity type of the principal.
    pub principal: Arc<str>,
    /// The entity type of the resource.
    pub resource: Arc<str>,
    /// Which input each part of a request is.
    pub binding: Binding,
    /// The inputs that are there in every request; others may be absent.
    pub given: BTreeSet<u32>,
    /// What several conditions ask, or what varies less than the question: each is worked out once for each point of its
    /// own axis. Lowering makes none; the passes `axes` and `share` do.
    pub guards: Vec<Guard>,
    /// Policies that are found by a constant that their scope names. Lowering makes none; the pass `index` does.
    pub lookups: Vec<Lookup>,
    /// The policies with their conditions, ascending by policy. One that isn't here can neither apply nor err.
    pub conditions: Vec<(PolicyIdx, Expr)>,
}

/// A truth value that conditions name instead of saying it again.
#[derive(Clone, Debug, PartialEq)]
pub struct Guard {
    /// What it varies over: the join of the facts that it reads.
    pub axis: Axis,
    /// Whether evaluating it may err.
    pub can_err: bool,
    /// What it says. It may name guards of axes coarser than its own.
    pub test: Expr,
}

/// Policies that are asked only where a fact says the constant that they stand under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// An entity that is always there, or the constants that one is in ([`exportgate_contract::manifest::Read::Above`]).
    pub subject: FactId,
    /// For each constant the policies that can neither apply nor err unless the entity is it, or is in it. Constants
    /// ascend, and so do the policies of each.
    pub keys: Vec<(SymbolId, Vec<PolicyIdx>)>,
}

impl Question {
    /// The policies that lookups find.
    pub(crate) fn indexed(&self) -> BTreeSet<PolicyIdx> {
        self.lookups.iter().flat_map(|lookup| &lookup.keys).flat_map(|(_, policies)| policies).copied().collect()
    }

    /// All expressions of the question: its conditions, then its guards.
    pub(crate) fn exprs(&self) -> impl Iterator<Item = &Expr> {
        self.conditions.iter().map(|(_, condition)| condition).chain(self.guards.iter().map(|guard| &guard.test))
    }

    /// The same, to change them.
    pub(crate) fn exprs_mut(&mut self) -> impl Iterator<Item = &mut Expr> {
        let conditions = self.conditions.iter_mut().map(|(_, condition)| condition);
        conditions.chain(self.guards.iter_mut().map(|guard| &mut guard.test))
    }
}
