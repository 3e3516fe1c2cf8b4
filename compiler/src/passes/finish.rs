//! Puts the tables of a program into the order in which a frame has them, and works out what each question reads.
//!
//! Before: facts in the order in which the frontend met them, tables with entries that folding left unused. After: facts
//! sorted by axis (job, row, column, cell), each table without unused entries, ids renumbered; facts whose structure or
//! text is looked at have `payload` set; each question knows its facts, its policies and its axis.

use std::collections::{BTreeMap, BTreeSet};

use exportgate_contract::manifest::{Axis, Fact, Read, Term};
use exportgate_contract::value::Value;

use crate::codegen::is_symbol;
use crate::ir::{Expr, FactId, IpOperand, Program, Question, SymbolId, TermId};

/// A program that code can be made from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Finished {
    /// The program, its facts sorted by axis.
    pub(crate) program: Program,
    /// What each question reads, in the order of the program's questions.
    pub(crate) questions: Vec<QuestionShape>,
    /// Whether code keeps outcomes as words while it can, rather than as lists.
    pub(crate) compact_outcomes: bool,
}

/// What a question reads and may answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QuestionShape {
    /// What the answer varies over.
    pub(crate) axis: Axis,
    /// The facts that it reads, ascending.
    pub(crate) facts: Vec<u32>,
    /// The policies that its outcomes may name, ascending.
    pub(crate) policies: Vec<u32>,
}

/// Finishes `program`.
pub(crate) fn finish(mut program: Program, compact_outcomes: bool) -> Finished {
    mark_payloads(&mut program);
    let shapes: Vec<BTreeSet<FactId>> = program.questions.iter().map(facts_of_question).collect();

    let mut order: Vec<FactId> = shapes.iter().flatten().copied().collect::<BTreeSet<_>>().into_iter().collect();
    order.sort_by_key(|fact| (fact_at(&program, *fact).map(|fact| fact.axis), *fact));
    let facts = Renumbering::new(program.facts.len(), order.iter().map(|fact| fact.0));
    let terms = used_terms(&program, &order);
    program.facts = facts.select(std::mem::take(&mut program.facts));
    program.terms = terms.select(std::mem::take(&mut program.terms));
    for fact in &mut program.facts {
        renumber_read(&mut fact.read, &terms);
    }
    for term in &mut program.terms {
        renumber_term(term, &terms);
    }
    renumber_symbols(&mut program);
    for question in &mut program.questions {
        for lookup in &mut question.lookups {
            lookup.subject.0 = facts.of(lookup.subject.0);
        }
        for expr in question.exprs_mut() {
            expr.each_mut(&mut |expr| expr.own_facts_mut(&mut |fact| fact.0 = facts.of(fact.0)));
        }
    }

    let questions = program
        .questions
        .iter()
        .zip(shapes)
        .map(|(question, read)| {
            let mut read: Vec<u32> = read.into_iter().map(|fact| facts.of(fact.0)).collect();
            read.sort_unstable();
            let axes = read.iter().filter_map(|fact| fact_at(&program, FactId(*fact))).map(|fact| fact.axis);
            QuestionShape {
                axis: axes.fold(Axis::Job, Axis::join),
                policies: question.conditions.iter().map(|(policy, _)| policy.0).collect(),
                facts: read,
            }
        })
        .collect();
    Finished { program, questions, compact_outcomes }
}

/// New numbers for what is kept of a table.
struct Renumbering {
    /// The old positions, in their new order.
    kept: Vec<u32>,
    /// The new position of each old one; 0 for what is dropped, which nothing names.
    new: Vec<u32>,
}

impl Renumbering {
    fn new(len: usize, kept: impl Iterator<Item = u32>) -> Self {
        let kept: Vec<u32> = kept.collect();
        let mut new = vec![0; len];
        for (old, position) in kept.iter().zip(0_u32..) {
            if let Some(slot) = position_of(*old).and_then(|old| new.get_mut(old)) {
                *slot = position;
            }
        }
        Self { kept, new }
    }

    fn of(&self, old: u32) -> u32 {
        position_of(old).and_then(|old| self.new.get(old)).copied().unwrap_or(0)
    }

    fn select<T>(&self, items: Vec<T>) -> Vec<T> {
        let mut items: Vec<Option<T>> = items.into_iter().map(Some).collect();
        self.kept.iter().filter_map(|old| items.get_mut(position_of(*old)?)?.take()).collect()
    }
}

fn position_of(id: u32) -> Option<usize> {
    usize::try_from(id).ok()
}

fn fact_at(program: &Program, fact: FactId) -> Option<&Fact> {
    program.facts.get(position_of(fact.0)?)
}

fn facts_of_question(question: &Question) -> BTreeSet<FactId> {
    let mut read = BTreeSet::new();
    read.extend(question.lookups.iter().map(|lookup| lookup.subject));
    for expr in question.exprs() {
        expr.each(&mut |expr| expr.own_facts(&mut |fact| _ = read.insert(*fact)));
    }
    read
}

/// The terms that `facts` are made of, in their old order: a term still names only those before it.
fn used_terms(program: &Program, facts: &[FactId]) -> Renumbering {
    let mut used: BTreeSet<TermId> = BTreeSet::new();
    let mut open: Vec<u32> = Vec::new();
    for fact in facts.iter().filter_map(|fact| fact_at(program, *fact)) {
        match fact.read {
            Read::Value(term) | Read::State(term) | Read::Above { of: term } => open.push(term),
            Read::In { left, right } => open.extend([left, right]),
            Read::HasTag { of, key } => open.extend([of, key]),
        }
    }
    while let Some(term) = open.pop() {
        if !used.insert(TermId(term)) {
            continue;
        }
        match position_of(term).and_then(|term| program.terms.get(term)) {
            Some(Term::Attribute { of, .. }) => open.push(*of),
            Some(Term::Tag { of, key }) => open.extend([*of, *key]),
            Some(Term::Input(_) | Term::Symbol(_)) | None => {}
        }
    }
    Renumbering::new(program.terms.len(), used.iter().map(|term| term.0))
}

fn renumber_read(read: &mut Read, terms: &Renumbering) {
    match read {
        Read::Value(term) | Read::State(term) | Read::Above { of: term } => *term = terms.of(*term),
        Read::In { left, right } => (*left, *right) = (terms.of(*left), terms.of(*right)),
        Read::HasTag { of, key } => (*of, *key) = (terms.of(*of), terms.of(*key)),
    }
}

fn renumber_term(term: &mut Term, terms: &Renumbering) {
    match term {
        Term::Input(_) | Term::Symbol(_) => {}
        Term::Attribute { of, .. } => *of = terms.of(*of),
        Term::Tag { of, key } => (*of, *key) = (terms.of(*of), terms.of(*key)),
    }
}

/// Drops the symbols that neither a condition nor a term names. First come the keys of lookups, so that those of one lie close
/// to each other, then other entities, then what may have a payload: a frame says nothing of payloads of those before.
fn renumber_symbols(program: &mut Program) {
    let mut used: BTreeSet<SymbolId> = BTreeSet::new();
    each_symbol(program, &mut |symbol| _ = used.insert(*symbol));
    let mut keys: BTreeMap<SymbolId, usize> = BTreeMap::new();
    for lookup in program.questions.iter().flat_map(|question| &question.lookups) {
        for (symbol, _) in &lookup.keys {
            let place = keys.len();
            keys.entry(*symbol).or_insert(place);
        }
    }
    let mut order: Vec<u32> = used.iter().map(|symbol| symbol.0).collect();
    order.sort_by_key(|symbol| {
        let entity = matches!(position_of(*symbol).and_then(|at| program.symbols.get(at)), Some(Value::Entity(_)));
        (keys.get(&SymbolId(*symbol)).copied().unwrap_or(usize::MAX), !entity, *symbol)
    });
    let symbols = Renumbering::new(program.symbols.len(), order.into_iter());
    program.symbols = symbols.select(std::mem::take(&mut program.symbols));
    each_symbol(program, &mut |symbol| symbol.0 = symbols.of(symbol.0));
    for lookup in program.questions.iter_mut().flat_map(|question| &mut question.lookups) {
        lookup.keys.sort_by_key(|(symbol, _)| *symbol);
    }
}

fn each_symbol(program: &mut Program, visit: &mut dyn FnMut(&mut SymbolId)) {
    for term in &mut program.terms {
        if let Term::Symbol(symbol) = term {
            let mut id = SymbolId(*symbol);
            visit(&mut id);
            *symbol = id.0;
        }
    }
    for question in &mut program.questions {
        for (symbol, _) in question.lookups.iter_mut().flat_map(|lookup| &mut lookup.keys) {
            visit(symbol);
        }
        for expr in question.exprs_mut() {
            expr.each_mut(&mut |expr| expr.own_symbols_mut(visit));
        }
    }
}

/// Marks the facts whose payload generated code looks at.
fn mark_payloads(program: &mut Program) {
    let mut marked: BTreeSet<FactId> = BTreeSet::new();
    for question in &program.questions {
        for expr in question.exprs() {
            expr.each(&mut |expr| mark_operands(expr, &mut marked));
        }
    }
    for (fact, position) in program.facts.iter_mut().zip(0_u32..) {
        fact.payload = marked.contains(&FactId(position)) || matches!(fact.read, Read::Above { .. });
    }
}

/// Marks what one operation looks at: texts and addresses, sets that are searched, and all sets and records of a
/// comparison that may meet one that the guest builds.
fn mark_operands(expr: &Expr, marked: &mut BTreeSet<FactId>) {
    match expr {
        Expr::Like(fact, _) | Expr::Ip(_, IpOperand::Fact(fact)) => {
            marked.insert(*fact);
        }
        Expr::IpInRange(inner, outer) => {
            for operand in [inner, outer] {
                if let IpOperand::Fact(fact) = operand {
                    marked.insert(*fact);
                }
            }
        }
        Expr::IsEmpty(set) => mark_values(set, marked),
        Expr::Contains(set, member) => {
            mark_values(set, marked);
            if !is_symbol(member) || has_built_members(set) {
                mark_all(set, marked);
                mark_all(member, marked);
            }
        }
        Expr::ContainsAll(left, right) | Expr::ContainsAny(left, right) => {
            mark_values(left, marked);
            mark_values(right, marked);
            if has_built_members(left) || has_built_members(right) {
                mark_all(left, marked);
                mark_all(right, marked);
            }
        }
        Expr::Equal(left, right) if !is_symbol(left) || !is_symbol(right) => {
            mark_all(left, marked);
            mark_all(right, marked);
        }
        _ => {}
    }
}

/// Marks the facts that may be the value of `expr` itself.
fn mark_values(expr: &Expr, marked: &mut BTreeSet<FactId>) {
    match expr {
        Expr::Fact(fact, ty) if ty.is_composite() => {
            marked.insert(*fact);
        }
        Expr::If(_, then, otherwise) => {
            mark_values(then, marked);
            mark_values(otherwise, marked);
        }
        Expr::Check(_, then) => mark_values(then, marked),
        _ => {}
    }
}

/// Marks the sets and records that may be the value of `expr` or part of it.
fn mark_all(expr: &Expr, marked: &mut BTreeSet<FactId>) {
    mark_values(expr, marked);
    match expr {
        Expr::If(_, then, otherwise) => {
            mark_all(then, marked);
            mark_all(otherwise, marked);
        }
        Expr::Check(_, then) => mark_all(then, marked),
        Expr::Set(members, _) => members.iter().for_each(|member| mark_all(member, marked)),
        Expr::Record(fields) => fields.iter().for_each(|(_, _, field)| mark_all(field, marked)),
        _ => {}
    }
}

/// Whether a set may have a member that the guest builds.
fn has_built_members(set: &Expr) -> bool {
    match set {
        Expr::If(_, then, otherwise) => has_built_members(then) || has_built_members(otherwise),
        Expr::Check(_, then) => has_built_members(then),
        Expr::Set(members, _) => members.iter().any(|member| !is_symbol(member)),
        _ => false,
    }
}
