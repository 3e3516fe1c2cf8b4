//! The tables of a program in the making: symbols, inputs, terms and facts, each once.

use std::collections::BTreeMap;
use std::sync::Arc;

use exportgate_contract::limits;
use exportgate_contract::manifest::{Axis, Fact, Input, Read, Term};
use exportgate_contract::types::Type;
use exportgate_contract::value::{EntityUid, Value};

use crate::frontend::lower::LowerError;
use crate::ir::{FactId, SymbolId, TermId};

/// The tables, with what finds an entry again.
#[derive(Default)]
pub(crate) struct Tables {
    pub(crate) symbols: Vec<Value>,
    pub(crate) inputs: Vec<Input>,
    pub(crate) terms: Vec<Term>,
    pub(crate) facts: Vec<Fact>,
    symbol_ids: BTreeMap<Value, u32>,
    input_ids: BTreeMap<String, u32>,
    term_ids: BTreeMap<Term, u32>,
    /// For each term its axis, and how many steps it takes.
    term_places: Vec<(Axis, usize)>,
    fact_ids: BTreeMap<(Read, Type), u32>,
}

impl Tables {
    /// The symbol of a constant string, entity or address.
    pub(crate) fn symbol(&mut self, value: Value) -> Result<SymbolId, LowerError> {
        if let Some(id) = self.symbol_ids.get(&value) {
            return Ok(SymbolId(*id));
        }
        let id = next_id(self.symbols.len(), limits::SYMBOLS_MAX, "SYMBOLS_MAX", "constants")?;
        self.symbols.push(value.clone());
        self.symbol_ids.insert(value, id);
        Ok(SymbolId(id))
    }

    /// The symbol of an entity.
    pub(crate) fn entity(&mut self, uid: &EntityUid) -> Result<SymbolId, LowerError> {
        self.symbol(Value::Entity(uid.clone()))
    }

    /// The constant that a symbol stands for.
    pub(crate) fn constant(&self, symbol: SymbolId) -> Option<&Value> {
        self.symbols.get(usize::try_from(symbol.0).ok()?)
    }

    /// The input of this name; its axis is that of the first who asked.
    pub(crate) fn input(&mut self, name: &str, axis: Axis) -> Result<u32, LowerError> {
        if let Some(id) = self.input_ids.get(name) {
            return Ok(*id);
        }
        let id = next_id(self.inputs.len(), limits::TERMS_MAX, "TERMS_MAX", "inputs")?;
        self.inputs.push(Input { name: name.to_owned(), axis });
        self.input_ids.insert(name.to_owned(), id);
        Ok(id)
    }

    /// The term.
    pub(crate) fn term(&mut self, term: Term) -> Result<TermId, LowerError> {
        if let Some(id) = self.term_ids.get(&term) {
            return Ok(TermId(*id));
        }
        let lost = || LowerError::internal("a term names one that isn't there");
        let place =
            |term: u32| usize::try_from(term).ok().and_then(|i| self.term_places.get(i)).copied().ok_or_else(lost);
        let (axis, steps) = match &term {
            Term::Symbol(_) => (Axis::Job, 0_usize),
            Term::Input(input) => {
                let input = usize::try_from(*input).ok().and_then(|i| self.inputs.get(i)).ok_or_else(lost)?;
                (input.axis, 0)
            }
            Term::Attribute { of, .. } => {
                let (axis, steps) = place(*of)?;
                (axis, steps.saturating_add(1))
            }
            Term::Tag { of, key } => {
                let (of, of_steps) = place(*of)?;
                let (key, key_steps) = place(*key)?;
                (of.join(key), of_steps.max(key_steps).saturating_add(1))
            }
        };
        if steps > limits::TERM_DEPTH_MAX {
            let max = limits::TERM_DEPTH_MAX;
            return Err(LowerError::limit(format!(
                "a path takes more attribute and tag reads than the limit `TERM_DEPTH_MAX` of {max}"
            )));
        }
        let id = next_id(self.terms.len(), limits::TERMS_MAX, "TERMS_MAX", "terms")?;
        self.terms.push(term.clone());
        self.term_places.push((axis, steps));
        self.term_ids.insert(term, id);
        Ok(TermId(id))
    }

    /// The term of an attribute.
    pub(crate) fn attribute(&mut self, of: TermId, name: &str) -> Result<TermId, LowerError> {
        let name: Arc<str> = name.into();
        self.term(Term::Attribute { of: of.0, name })
    }

    /// What a term is.
    pub(crate) fn term_at(&self, term: TermId) -> Option<&Term> {
        self.terms.get(usize::try_from(term.0).ok()?)
    }

    /// The constant that a term is, if it is one.
    pub(crate) fn constant_of(&self, term: TermId) -> Option<(SymbolId, &Value)> {
        match self.term_at(term)? {
            Term::Symbol(symbol) => Some((SymbolId(*symbol), self.constant(SymbolId(*symbol))?)),
            Term::Input(_) | Term::Attribute { .. } | Term::Tag { .. } => None,
        }
    }

    /// The fact that says `read`, of type `ty`. One path can have different types in different questions; then it is
    /// several facts.
    pub(crate) fn fact(&mut self, read: Read, ty: Type) -> Result<FactId, LowerError> {
        let key = (read, ty);
        if let Some(id) = self.fact_ids.get(&key) {
            return Ok(FactId(*id));
        }
        let axis = |term: &u32| {
            let place = usize::try_from(*term).ok().and_then(|i| self.term_places.get(i));
            place.map(|(axis, _)| *axis).ok_or_else(|| LowerError::internal("a fact names a term that isn't there"))
        };
        let axis = match &key.0 {
            Read::Value(term) | Read::State(term) | Read::Above { of: term } => axis(term)?,
            Read::In { left, right } => axis(left)?.join(axis(right)?),
            Read::HasTag { of, key } => axis(of)?.join(axis(key)?),
        };
        let id = next_id(self.facts.len(), limits::FACTS_MAX, "FACTS_MAX", "facts")?;
        self.facts.push(Fact { axis, read: key.0.clone(), ty: key.1.clone(), payload: false });
        self.fact_ids.insert(key, id);
        Ok(FactId(id))
    }
}

fn next_id(len: usize, max: usize, name: &str, what: &str) -> Result<u32, LowerError> {
    match u32::try_from(len) {
        Ok(id) if len < max => Ok(id),
        _ => Err(LowerError::limit(format!("the pack needs more {what} than the limit `{name}` of {max}"))),
    }
}
