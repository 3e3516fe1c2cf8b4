//! The guards of a question in the making, and conditions as chains: what the passes `axes` and `share` have in common.
//!
//! A condition is a *chain*, `a && b && c`: from left to right, up to the first that is false or errs. Putting a guard where
//! an expression stood changes nothing but when it is evaluated, which no expression can tell.

use std::collections::{BTreeMap, BTreeSet};

use exportgate_contract::manifest::{Axis, Binding, ContextBinding, Fact, Term};
use exportgate_contract::types::Type;

use crate::ir::errors::Errors;
use crate::ir::{Expr, Guard, GuardId, Program, Question};

/// The guards of one question.
pub(super) struct Guards<'a> {
    terms: &'a [Term],
    facts: &'a [Fact],
    /// The inputs that no request can lack: a guard that can't err stops the guest when it does.
    given: BTreeSet<u32>,
    guards: Vec<Guard>,
    ids: BTreeMap<Expr, GuardId>,
}

impl<'a> Guards<'a> {
    /// Those that a question has already.
    pub(super) fn new(program: &'a Program, question: &'a Question) -> Self {
        let ids = question.guards.iter().zip(0..).map(|(guard, id)| (guard.test.clone(), GuardId(id)));
        Self {
            terms: &program.terms,
            facts: &program.facts,
            given: always_given(question),
            guards: question.guards.clone(),
            ids: ids.collect(),
        }
    }

    /// The axis of an expression: the join of what it reads.
    pub(super) fn axis(&self, expr: &Expr) -> Axis {
        let mut axis = Axis::Job;
        expr.each(&mut |expr| axis = axis.join(self.own_axis(expr)));
        axis
    }

    /// The axis of what an expression itself reads, its operands left out.
    pub(super) fn own_axis(&self, expr: &Expr) -> Axis {
        let mut axis = Axis::Job;
        expr.own_facts(&mut |fact| {
            let fact = usize::try_from(fact.0).ok().and_then(|fact| self.facts.get(fact));
            axis = axis.join(fact.map_or(Axis::Cell, |fact| fact.axis));
        });
        match expr {
            Expr::Guard(guard) => axis.join(self.guard(*guard).map_or(Axis::Cell, |guard| guard.axis)),
            _ => axis,
        }
    }

    /// Whether evaluating an expression may err.
    pub(super) fn can_err(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Guard(guard) => self.guard(*guard).is_none_or(|guard| guard.can_err),
            expr => Errors { terms: self.terms, facts: self.facts, given: &self.given }.can_err(expr),
        }
    }

    /// Puts a guard in the place of a truth value; constants and guards stay as they are.
    pub(super) fn put(&mut self, expr: &mut Expr) {
        if matches!(expr, Expr::Bool(_) | Expr::Guard(_)) {
            return;
        }
        if let Some(id) = self.ids.get(expr) {
            *expr = Expr::Guard(*id);
            return;
        }
        let Ok(id) = u32::try_from(self.guards.len()) else { return };
        let (axis, can_err) = (self.axis(expr), self.can_err(expr));
        let test = std::mem::replace(expr, Expr::Guard(GuardId(id)));
        self.ids.insert(test.clone(), GuardId(id));
        self.guards.push(Guard { axis, can_err, test });
    }

    fn guard(&self, guard: GuardId) -> Option<&Guard> {
        self.guards.get(usize::try_from(guard.0).ok()?)
    }

    /// The guards, for [`put_in_order`].
    pub(super) fn into_guards(self) -> Vec<Guard> {
        self.guards
    }
}

/// Gives a question its guards, in the order in which they are best worked out: by axis; on an axis those that can't err
/// first, and of them those first that most conditions name; the others as conditions name them.
pub(super) fn put_in_order(question: &mut Question, guards: Vec<Guard>) {
    let mut uses: Vec<(usize, usize)> = vec![(0, usize::MAX); guards.len()];
    let mut place = 0;
    for (_, condition) in &question.conditions {
        let mut named = BTreeSet::new();
        condition.each(&mut |expr| {
            if let Expr::Guard(guard) = expr
                && let Some(slot) = usize::try_from(guard.0).ok().and_then(|guard| uses.get_mut(guard))
            {
                slot.0 += usize::from(named.insert(*guard));
                slot.1 = slot.1.min(place);
                place += 1;
            }
        });
    }
    let mut order: Vec<(u32, &Guard)> = (0..).zip(&guards).collect();
    order.sort_by_key(|(id, guard)| {
        let (count, first) = usize::try_from(*id).ok().and_then(|id| uses.get(id)).copied().unwrap_or_default();
        (guard.axis, guard.can_err, if guard.can_err { 0 } else { usize::MAX - count }, first, *id)
    });
    let mut new = vec![0; guards.len()];
    for ((old, _), position) in order.iter().zip(0_u32..) {
        if let Some(slot) = usize::try_from(*old).ok().and_then(|old| new.get_mut(old)) {
            *slot = position;
        }
    }
    question.guards = order.into_iter().map(|(_, guard)| guard.clone()).collect();
    for expr in question.exprs_mut() {
        expr.each_mut(&mut |expr| {
            if let Expr::Guard(guard) = expr {
                guard.0 = usize::try_from(guard.0).ok().and_then(|old| new.get(old)).copied().unwrap_or(0);
            }
        });
    }
}

/// The inputs of a question that no request can lack: principal, resource, and a context that is one input. What a caller may
/// leave out by mistake isn't among them.
pub(super) fn always_given(question: &Question) -> BTreeSet<u32> {
    let Binding { principal, resource, context } = &question.binding;
    let mut given = BTreeSet::from([*principal, *resource]);
    if let ContextBinding::Whole(context) = context {
        given.insert(*context);
    }
    given.retain(|input| question.given.contains(input));
    given
}

/// The axis of a question: the join of all that it reads.
pub(super) fn question_axis(program: &Program, question: &Question) -> Axis {
    let mut axis = Axis::Job;
    for expr in question.exprs() {
        expr.each(&mut |expr| {
            expr.own_facts(&mut |fact| {
                let fact = usize::try_from(fact.0).ok().and_then(|fact| program.facts.get(fact));
                axis = axis.join(fact.map_or(Axis::Cell, |fact| fact.axis));
            });
        });
    }
    axis
}

/// The links of a condition, in the order of evaluation.
pub(super) fn chain(condition: Expr) -> Vec<Expr> {
    let mut links = Vec::new();
    // What is still to be taken apart, last first.
    let mut open = vec![condition];
    while let Some(expr) = open.pop() {
        match expr {
            Expr::And(left, right) => open.extend([*right, *left]),
            expr => links.push(expr),
        }
    }
    links
}

/// The condition that a chain stands for.
pub(super) fn condition(links: Vec<Expr>) -> Expr {
    let and = |left: Expr, right| Expr::And(Box::new(left), Box::new(right));
    links.into_iter().reduce(and).unwrap_or(Expr::Bool(true))
}

/// Guards what can't err in front of a guard: a guard can take its policy out of the running only if nothing in front of it
/// could have erred, and code knows that of guards only.
pub(super) fn guard_what_stands_before(guards: &mut Guards<'_>, links: &mut [Expr]) {
    let last = links.iter().rposition(|link| matches!(link, Expr::Guard(_))).unwrap_or(0);
    for link in links.iter_mut().take(last) {
        if guards.can_err(link) && !matches!(link, Expr::Guard(_)) {
            break;
        }
        guards.put(link);
    }
}

/// Whether an expression is a truth value.
pub(super) fn is_truth(expr: &Expr) -> bool {
    expr.ty() == Type::Bool
}
