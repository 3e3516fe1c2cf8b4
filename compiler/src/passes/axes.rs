//! Works out what varies less than its question once for each point of its own axis.
//!
//! Before, in a question asked for each cell: `f0 && f3 == "x" && f7`, where fact 0 is the job's, fact 3 a column's and fact 7
//! a row's. After: `g0 && g1 && g2` with the guards `f0` on the job, `f3 == "x"` on columns and `f7` on rows, of which each is
//! evaluated once a job, once a column and once a row. Links of a condition become guards, and larger truth values within
//! links; what is worked out although no condition would have got to it has no effect, since expressions have none.

use exportgate_contract::manifest::Axis;

use super::guards::{Guards, chain, condition, guard_what_stands_before, is_truth, put_in_order, question_axis};
use crate::ir::{Expr, Program};

/// Nodes of an expression within a link below which a guard costs as much as the expression.
const NODES_MIN: usize = 3;

/// The program with guards for all that varies less than its question.
pub(super) fn hoist(mut program: Program) -> Program {
    let mut questions = std::mem::take(&mut program.questions);
    for question in &mut questions {
        let axis = question_axis(&program, question);
        if axis == Axis::Job {
            continue;
        }
        let mut conditions = std::mem::take(&mut question.conditions);
        let mut guards = Guards::new(&program, question);
        // A policy that is found by a constant is asked too seldom to prepare anything for it.
        let indexed = question.indexed();
        for (_, whole) in conditions.iter_mut().filter(|(policy, _)| !indexed.contains(policy)) {
            let mut links = chain(std::mem::replace(whole, Expr::Bool(false)));
            for link in &mut links {
                if guards.axis(link) == axis {
                    hoist_within(&mut guards, axis, link);
                } else {
                    guards.put(link);
                }
            }
            guard_what_stands_before(&mut guards, &mut links);
            *whole = condition(links);
        }
        let guards = guards.into_guards();
        question.conditions = conditions;
        put_in_order(question, guards);
    }
    program.questions = questions;
    program
}

/// Puts guards for the largest truth values within `expr` that vary less than `axis`; returns the axis of `expr`. Bottom up,
/// so that each node is looked at once.
fn hoist_within(guards: &mut Guards<'_>, axis: Axis, expr: &mut Expr) -> Axis {
    let mut operands = Vec::new();
    let mut found = guards.own_axis(expr);
    expr.each_operand_mut(&mut |operand| {
        let of_operand = hoist_within(guards, axis, operand);
        found = found.join(of_operand);
        operands.push(of_operand);
    });
    if found == axis {
        let mut operands = operands.into_iter();
        expr.each_operand_mut(&mut |operand| {
            if operands.next() != Some(axis) && is_truth(operand) && operand.nodes() >= NODES_MIN {
                guards.put(operand);
            }
        });
    }
    found
}
