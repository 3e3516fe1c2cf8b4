//! Works out what several policies of a question ask once for all of them.
//!
//! Before: `f0 && f1 + f2 == 3`, `f3`, `f1 + f2 == 3 && f4`. After: `f0 && g0`, `f3`, `g0 && f4` with the guard `f1 + f2 == 3`.
//! Expressions are equal when they are the same text of IR: they then have one value and err together.
//! A guard whose policies are all out of the running already is left out when the code runs.

use std::collections::BTreeMap;

use super::guards::{Guards, chain, condition, guard_what_stands_before, is_truth, put_in_order};
use crate::ir::{Expr, PolicyIdx, Program};

/// Nodes of an expression below which a guard costs as much as evaluating it twice.
const NODES_MIN: usize = 4;

/// Nodes of an expression within a link above which none is looked for: a bound on time and memory for long conditions.
const NODES_MAX: usize = 64;

/// The program with guards for what several policies ask.
pub(super) fn share(mut program: Program) -> Program {
    let mut questions = std::mem::take(&mut program.questions);
    for question in &mut questions {
        // A policy that is found by a constant is asked too seldom to prepare anything for it.
        let indexed = question.indexed();
        let own = |policy: &PolicyIdx| !indexed.contains(policy);
        let mut conditions: Vec<Vec<Expr>> = question
            .conditions
            .iter_mut()
            .filter(|(policy, _)| own(policy))
            .map(|(_, whole)| chain(std::mem::replace(whole, Expr::Bool(false))))
            .collect();
        let mut guards = Guards::new(&program, question);
        let shared = count(&conditions);
        for links in &mut conditions {
            for link in links.iter_mut() {
                if shared.get(link).is_some_and(|uses| *uses >= 2 && link.nodes() >= NODES_MIN) {
                    guards.put(link);
                } else {
                    share_within(&mut guards, &shared, link);
                }
            }
            guard_what_stands_before(&mut guards, links);
        }
        let guards = guards.into_guards();
        let taken = question.conditions.iter_mut().filter(|(policy, _)| own(policy));
        for ((_, whole), links) in taken.zip(conditions) {
            *whole = condition(links);
        }
        put_in_order(question, guards);
    }
    program.questions = questions;
    program
}

/// How often each truth value occurs: links, and larger ones within links.
fn count(conditions: &[Vec<Expr>]) -> BTreeMap<Expr, usize> {
    let mut counts: BTreeMap<Expr, usize> = BTreeMap::new();
    let mut add = |expr: &Expr| match counts.get_mut(expr) {
        Some(count) => *count += 1,
        None => _ = counts.insert(expr.clone(), 1),
    };
    for link in conditions.iter().flatten() {
        add(link);
        link.each_operand(&mut |operand| {
            operand.each(&mut |expr| {
                if may_be_shared(expr) {
                    add(expr);
                }
            });
        });
    }
    counts
}

/// Whether an expression within a link is a truth value of the size that is looked for.
fn may_be_shared(expr: &Expr) -> bool {
    fn fits(expr: &Expr, left: &mut usize) -> bool {
        let mut fitting = *left > 0;
        *left = left.saturating_sub(1);
        expr.each_operand(&mut |operand| fitting = fitting && fits(operand, left));
        fitting
    }
    let mut left = NODES_MAX;
    fits(expr, &mut left) && NODES_MAX - left >= NODES_MIN && is_truth(expr)
}

fn share_within(guards: &mut Guards<'_>, shared: &BTreeMap<Expr, usize>, expr: &mut Expr) {
    expr.each_operand_mut(&mut |operand| {
        if may_be_shared(operand) && shared.get(operand).is_some_and(|uses| *uses >= 2) {
            guards.put(operand);
        } else {
            share_within(guards, shared, operand);
        }
    });
}
