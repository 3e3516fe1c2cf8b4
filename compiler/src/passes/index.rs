//! The scope index: policies whose scope names one of many constants are found by it, not asked one by one.
//!
//! Before, for thousands of policies: `f0 == Agent::"a" && ..`, `f1 && ..` where fact 1 says whether the principal is in
//! `Role::"r"`, fact 2 the same of `Role::"s"`, and so on. After: a lookup by fact 0 with the key `Agent::"a"`, a lookup by
//! the set of roles above the principal, one new fact, with the keys `Role::"r"`, `Role::"s"`; of each condition what stood
//! behind. A link becomes a key only if what is read is always there and nothing in front of it can err: then the condition
//! is false without an error wherever the key doesn't fit. Other links that ask for one of many places in the hierarchy look
//! them up in the same fact, so that the host resolves one instead of thousands.

use std::collections::{BTreeMap, BTreeSet};

use exportgate_contract::manifest::{Axis, Fact, Read, Term};
use exportgate_contract::types::Type;
use exportgate_contract::value::{EntityUid, Value};

use super::guards::{always_given, chain, condition};
use crate::ir::errors::Errors;
use crate::ir::{Expr, FactId, Lookup, PolicyIdx, Program, Question, SymbolId};

/// Constants that a fact must be compared with for a lookup to cost less than the comparisons.
const KEYS_MIN: usize = 16;

/// The program with lookups.
pub(super) fn index(mut program: Program) -> Program {
    let mut questions = std::mem::take(&mut program.questions);
    let mut above = Above::default();
    for question in &mut questions {
        above.rewrite(&mut program, question);
        index_question(&program, question);
    }
    program.questions = questions;
    program
}

/// The facts that say which constants an entity is in, each once.
#[derive(Default)]
struct Above {
    facts: BTreeMap<(u32, std::sync::Arc<str>), FactId>,
}

impl Above {
    /// Puts one fact in the place of many: where a question asks whether something that is always there is in each of at
    /// least [`KEYS_MIN`] constants of one type.
    fn rewrite(&mut self, program: &mut Program, question: &mut Question) {
        let given = always_given(question);
        let mut asked: BTreeMap<(u32, std::sync::Arc<str>), BTreeSet<u32>> = BTreeMap::new();
        for expr in question.exprs() {
            expr.each(&mut |expr| {
                if let Some((of, symbol, uid)) = constant_above(program, expr)
                    && is_given(program, &given, of)
                {
                    asked.entry((of, uid.entity_type.clone())).or_default().insert(symbol.0);
                }
            });
        }
        asked.retain(|_, symbols| symbols.len() >= KEYS_MIN);
        if asked.is_empty() {
            return;
        }
        for (of, entity_type) in asked.keys() {
            let key = (*of, entity_type.clone());
            if !self.facts.contains_key(&key)
                && let Ok(id) = u32::try_from(program.facts.len())
            {
                let ty = Type::Set(Box::new(Type::Entity(entity_type.clone())));
                let axis = axis_of(program, *of);
                program.facts.push(Fact { axis, read: Read::Above { of: *of }, ty, payload: true });
                self.facts.insert(key, FactId(id));
            }
        }
        let found = |program: &Program, expr: &Expr| {
            let (of, symbol, uid) = constant_above(program, expr)?;
            let key = (of, uid.entity_type.clone());
            if !asked.contains_key(&key) {
                return None;
            }
            Some(Expr::Among(*self.facts.get(&key)?, symbol))
        };
        for expr in question.exprs_mut() {
            expr.each_mut(&mut |expr| {
                if let Some(among) = found(program, expr) {
                    *expr = among;
                }
            });
        }
    }
}

/// What an expression asks, if it is whether something is in a constant: of which term, and the constant.
fn constant_above<'a>(program: &'a Program, expr: &Expr) -> Option<(u32, SymbolId, &'a EntityUid)> {
    let Expr::Fact(fact, _) = expr else { return None };
    let Read::In { left, right } = at(&program.facts, fact.0)?.read else { return None };
    let Term::Symbol(symbol) = at(&program.terms, right)? else { return None };
    let Value::Entity(uid) = at(&program.symbols, *symbol)? else { return None };
    Some((left, SymbolId(*symbol), uid))
}

fn is_given(program: &Program, given: &BTreeSet<u32>, term: u32) -> bool {
    matches!(at(&program.terms, term), Some(Term::Input(input)) if given.contains(input))
}

fn axis_of(program: &Program, term: u32) -> Axis {
    match at(&program.terms, term) {
        Some(Term::Input(input)) => at(&program.inputs, *input).map_or(Axis::Cell, |input| input.axis),
        Some(Term::Symbol(_) | Term::Attribute { .. } | Term::Tag { .. }) | None => Axis::Cell,
    }
}

/// A fact and a constant that must fit for a condition to hold, by the place of the link that says so.
struct Key {
    link: usize,
    fact: FactId,
    symbol: SymbolId,
}

fn index_question(program: &Program, question: &mut Question) {
    let given = always_given(question);
    let errors = Errors { terms: &program.terms, facts: &program.facts, given: &given };
    let keys: Vec<Vec<Key>> =
        question.conditions.iter().map(|(_, condition)| keys_of(program, &given, &errors, condition)).collect();
    // How many policies each constant stands for.
    let mut families: BTreeMap<FactId, BTreeMap<SymbolId, usize>> = BTreeMap::new();
    for key in keys.iter().flatten() {
        *families.entry(key.fact).or_default().entry(key.symbol).or_default() += 1;
    }
    families.retain(|_, symbols| symbols.len() >= KEYS_MIN);
    let mut lookups: BTreeMap<FactId, BTreeMap<SymbolId, Vec<(PolicyIdx, usize)>>> = BTreeMap::new();
    for ((policy, _), keys) in question.conditions.iter().zip(keys) {
        let policies = |key: &Key| families.get(&key.fact).and_then(|symbols| symbols.get(&key.symbol)).copied();
        // The constant that fewest policies name.
        let best =
            keys.into_iter().filter_map(|key| Some((policies(&key)?, key))).min_by_key(|(policies, _)| *policies);
        if let Some((_, key)) = best {
            lookups.entry(key.fact).or_default().entry(key.symbol).or_default().push((*policy, key.link));
        }
    }
    lookups.retain(|_, keys| keys.len() >= KEYS_MIN);
    let links: BTreeMap<PolicyIdx, usize> = lookups.values().flat_map(BTreeMap::values).flatten().copied().collect();
    for (policy, whole) in &mut question.conditions {
        if let Some(link) = links.get(policy) {
            let mut links = chain(std::mem::replace(whole, Expr::Bool(false)));
            if *link < links.len() {
                links.remove(*link);
            }
            *whole = condition(links);
        }
    }
    let policies = |list: Vec<(PolicyIdx, usize)>| list.into_iter().map(|(policy, _)| policy).collect();
    question.lookups = lookups
        .into_iter()
        .map(|(subject, keys)| Lookup {
            subject,
            keys: keys.into_iter().map(|(symbol, list)| (symbol, policies(list))).collect(),
        })
        .collect();
}

/// The links of a condition that may be keys.
fn keys_of(program: &Program, given: &BTreeSet<u32>, errors: &Errors<'_>, condition: &Expr) -> Vec<Key> {
    let mut keys = Vec::new();
    for (link, expr) in condition.links().into_iter().enumerate() {
        match expr {
            Expr::Among(fact, symbol) => keys.push(Key { link, fact: *fact, symbol: *symbol }),
            Expr::Equal(left, right) => {
                if let (Expr::Fact(fact, Type::Entity(_)), Expr::Symbol(symbol, _))
                | (Expr::Symbol(symbol, _), Expr::Fact(fact, Type::Entity(_))) = (&**left, &**right)
                    && let Some(Read::Value(term)) = at(&program.facts, fact.0).map(|fact| &fact.read)
                    && is_given(program, given, *term)
                {
                    keys.push(Key { link, fact: *fact, symbol: *symbol });
                }
            }
            _ => {}
        }
        if errors.can_err(expr) {
            break;
        }
    }
    keys
}

fn at<T>(items: &[T], index: u32) -> Option<&T> {
    items.get(usize::try_from(index).ok()?)
}
