//! Programs built by hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use exportgate_contract::manifest::{Axis, Binding, ContextBinding, Effect, Fact, Input, Policy, Read, Term};
use exportgate_contract::types::Type;
use exportgate_contract::value::{EntityUid, Value};

use super::frame::Cell;
use crate::ir::{Expr, FactId, PolicyIdx, Program, Question, SymbolId};

/// A program in the making. Each fact is an attribute, named after the fact, of an input on the fact's axis.
#[derive(Clone)]
pub(super) struct Builder {
    program: Program,
}

impl Default for Builder {
    fn default() -> Self {
        let input = |name: &str, axis| Input { name: name.to_owned(), axis };
        let inputs = vec![input("agent", Axis::Job), input("customer", Axis::Row), input("field", Axis::Column)];
        let terms = vec![Term::Input(0), Term::Input(1), Term::Input(2)];
        let (policies, symbols, facts, questions) = Default::default();
        Self { program: Program { policies, symbols, inputs, terms, facts, questions } }
    }
}

impl Builder {
    /// A job fact of type `ty`, read.
    pub(super) fn fact(&mut self, ty: Type) -> Expr {
        self.fact_on(Axis::Job, ty)
    }

    /// A fact of type `ty` on `axis`, read. On cells it is a tag of the customer that the field names.
    pub(super) fn fact_on(&mut self, axis: Axis, ty: Type) -> Expr {
        let id = u32::try_from(self.program.facts.len()).unwrap();
        let name: Arc<str> = format!("a{id}").into();
        let attribute = |of| Term::Attribute { of, name: name.clone() };
        let last = |program: &Program| u32::try_from(program.terms.len() - 1).unwrap();
        match axis {
            Axis::Job => self.program.terms.push(attribute(0)),
            Axis::Row => self.program.terms.push(attribute(1)),
            Axis::Column => self.program.terms.push(attribute(2)),
            Axis::Cell => {
                self.program.terms.push(attribute(2));
                let key = last(&self.program);
                self.program.terms.push(Term::Tag { of: 1, key });
            }
        }
        let read = Read::Value(last(&self.program));
        self.program.facts.push(Fact { axis, read, ty: ty.clone(), payload: false });
        Expr::Fact(FactId(id), ty)
    }

    /// The state of what `fact` reads, as a fact of its own.
    pub(super) fn state_of(&mut self, fact: &Expr) -> FactId {
        let Expr::Fact(id, _) = fact else { panic!("expected a fact, found {fact:?}") };
        let fact = self.program.facts[usize::try_from(id.0).unwrap()].clone();
        let Read::Value(term) = fact.read else { panic!("expected a value") };
        self.program.facts.push(Fact { read: Read::State(term), ty: Type::Bool, ..fact });
        FactId(u32::try_from(self.program.facts.len() - 1).unwrap())
    }

    /// An input itself, an entity.
    pub(super) fn input(&mut self, input: u32, entity_type: &str) -> Expr {
        let axis = self.program.inputs[usize::try_from(input).unwrap()].axis;
        let ty = Type::Entity(entity_type.into());
        self.program.facts.push(Fact { axis, read: Read::Value(input), ty: ty.clone(), payload: false });
        Expr::Fact(FactId(u32::try_from(self.program.facts.len() - 1).unwrap()), ty)
    }

    /// Whether an input is in a constant.
    pub(super) fn is_in_constant(&mut self, axis: Axis, left: u32, constant: EntityUid) -> Expr {
        let symbol = self.symbol(Value::Entity(constant));
        self.program.terms.push(Term::Symbol(symbol.0));
        let right = u32::try_from(self.program.terms.len() - 1).unwrap();
        self.is_in(axis, left, right)
    }

    /// Whether one input (0 the agent, 1 the customer, 2 the field) is in another. Agent and field are always there.
    pub(super) fn is_in(&mut self, axis: Axis, left: u32, right: u32) -> Expr {
        self.program.facts.push(Fact { axis, read: Read::In { left, right }, ty: Type::Bool, payload: false });
        Expr::Fact(FactId(u32::try_from(self.program.facts.len() - 1).unwrap()), Type::Bool)
    }

    /// A string constant.
    pub(super) fn text(&mut self, text: &str) -> Expr {
        Expr::Symbol(self.symbol(Value::from(text)), Type::String)
    }

    /// An entity constant.
    pub(super) fn entity(&mut self, entity_type: &str, id: &str) -> Expr {
        let symbol = self.symbol(Value::Entity(EntityUid::new(entity_type, id)));
        Expr::Symbol(symbol, Type::Entity(entity_type.into()))
    }

    fn symbol(&mut self, value: Value) -> SymbolId {
        let position = self.program.symbols.iter().position(|symbol| *symbol == value).unwrap_or_else(|| {
            self.program.symbols.push(value);
            self.program.symbols.len() - 1
        });
        SymbolId(u32::try_from(position).unwrap())
    }

    /// A record literal.
    pub(super) fn record(&mut self, fields: Vec<(&str, Expr)>) -> Expr {
        let fields = fields.into_iter().map(|(name, field)| (name.into(), self.symbol(name.into()), field));
        Expr::Record(fields.collect())
    }

    /// Adds a question with these conditions, and as many policies as they need.
    pub(super) fn question(&mut self, conditions: Vec<(u32, Expr)>) -> &mut Self {
        for (policy, _) in &conditions {
            let needed = usize::try_from(*policy).unwrap() + 1;
            while self.program.policies.len() < needed {
                let id = format!("policy{}", self.program.policies.len());
                self.program.policies.push(Policy { id, effect: Effect::Permit, annotations: Default::default() });
            }
        }
        self.program.questions.push(Question {
            action: EntityUid::new("Action", format!("a{:05}", self.program.questions.len())),
            principal: "Agent".into(),
            resource: "Field".into(),
            binding: Binding {
                principal: 0,
                resource: 2,
                context: ContextBinding::Attributes([("customer".into(), 1)].into()),
            },
            given: [0, 2].into(),
            guards: Vec::new(),
            lookups: Vec::new(),
            conditions: conditions.into_iter().map(|(policy, condition)| (PolicyIdx(policy), condition)).collect(),
        });
        self
    }

    /// The program.
    pub(super) fn program(&self) -> Program {
        self.program.clone()
    }

    /// The cells given, one job fact after the other, by what they are cells of.
    pub(super) fn job_cells(&self, cells: &[Cell]) -> BTreeMap<String, Vec<Cell>> {
        assert_eq!(cells.len(), self.program.facts.len(), "a cell for each fact");
        self.cells(cells.iter().map(|cell| vec![cell.clone()]).collect())
    }

    /// The same for facts on any axis: each fact's cells in the order of the points of its axis.
    pub(super) fn cells(&self, cells: Vec<Vec<Cell>>) -> BTreeMap<String, Vec<Cell>> {
        let Program { facts, terms, symbols, .. } = &self.program;
        facts.iter().map(|fact| describe(&fact.read, terms, symbols)).zip(cells).collect()
    }
}

/// What a fact reads, without the numbers of terms, which passes change.
pub(super) fn describe(read: &Read, terms: &[Term], symbols: &[Value]) -> String {
    let term = |id: u32| describe_term(id, terms, symbols);
    match read {
        Read::Value(of) => term(*of),
        Read::State(of) => format!("state of {}", term(*of)),
        Read::In { left, right } => format!("{} in {}", term(*left), term(*right)),
        Read::Above { of } => format!("above {}", term(*of)),
        Read::HasTag { of, key } => format!("{} has tag {}", term(*of), term(*key)),
    }
}

fn describe_term(id: u32, terms: &[Term], symbols: &[Value]) -> String {
    let describe_term = |id: u32| describe_term(id, terms, symbols);
    match &terms[usize::try_from(id).unwrap()] {
        Term::Input(input) => format!("input {input}"),
        Term::Symbol(symbol) => format!("{:?}", symbols[usize::try_from(*symbol).unwrap()]),
        Term::Attribute { of, name } => format!("{}.{name}", describe_term(*of)),
        Term::Tag { of, key } => format!("{}[{}]", describe_term(*of), describe_term(*key)),
    }
}
