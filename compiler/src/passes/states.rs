//! Lets `has` read the state of a value that is read anyway.
//!
//! Before: `Has(#1) && Fact(#2) == 3`, where fact 1 is `State(t)` and fact 2 is `Value(t)`. After: `Has(#2) && Fact(#2) == 3`.
//! A cell has both, the value of a term and its state, and they are the same in both facts; one cell less is resolved by
//! the host and copied into each frame. Only within a question that reads both: elsewhere the value would be one more.

use std::collections::{BTreeMap, BTreeSet};

use exportgate_contract::manifest::Read;

use crate::ir::{Expr, FactId, Program};

/// The program with states read from values.
pub(super) fn merge_states(mut program: Program) -> Program {
    let mut values = BTreeMap::new();
    for (fact, position) in program.facts.iter().zip(0_u32..) {
        if let Read::Value(term) = fact.read {
            values.insert(term, FactId(position));
        }
    }
    let mut replaced: BTreeMap<FactId, FactId> = BTreeMap::new();
    for (fact, position) in program.facts.iter().zip(0_u32..) {
        if let Read::State(term) = fact.read
            && let Some(value) = values.get(&term)
        {
            replaced.insert(FactId(position), *value);
        }
    }
    for question in &mut program.questions {
        let mut read = BTreeSet::new();
        for expr in question.exprs() {
            expr.each(&mut |expr| expr.own_facts(&mut |fact| _ = read.insert(*fact)));
        }
        for expr in question.exprs_mut() {
            expr.each_mut(&mut |expr| {
                if let Expr::Has(fact) = expr
                    && let Some(value) = replaced.get(fact)
                    && read.contains(value)
                {
                    *fact = *value;
                }
            });
        }
    }
    program
}
