//! A request and the entities behind it, rebuilt from the cells at one point of a question.
//!
//! Idea: each cell says something of a term, a path from an input through attributes and tags. A term that is an entity has a
//! symbol, so paths that lead to one entity meet there; what the cells say of its attributes, tags and ancestors becomes an
//! entity of Cedar's. What no cell speaks of isn't there. A policy that reads it nevertheless errs where it shouldn't, and
//! [`World::explains`] tells such an error from one that the cells account for.
//!
//! Exact, because a policy sees of a request only what the manifest's facts say of it: see `docs/guests.md`.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{Context, Entities, Entity, EntityUid, Request, RestrictedExpression};
use exportgate_contract::manifest::{ContextBinding, Manifest, Question, Read, Term};
use exportgate_contract::types::Type;
use exportgate_sdk::{Cell, Point, Symbol};

use crate::pack::{self, Pack};
use crate::values::Values;

/// A request with its entities.
pub struct World {
    pub request: Request,
    pub entities: Entities,
    /// Names of attributes and keys of tags that some cell says aren't there.
    absent: BTreeSet<String>,
}

/// What the cells say of one term.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    word: Option<u64>,
    there: Option<bool>,
}

/// A value, as far as the cells say what it is.
#[derive(Clone, Debug)]
enum Rebuilt {
    /// All of it.
    Whole(RestrictedExpression),
    /// Some attributes of a record.
    Part(BTreeMap<String, Rebuilt>),
}

impl Rebuilt {
    /// What two paths say of one value: by one of them it may be known whole, and by the other in part.
    fn merge(self, other: Self) -> Self {
        match (self, other) {
            (whole @ Self::Whole(_), _) | (_, whole @ Self::Whole(_)) => whole,
            (Self::Part(mut fields), Self::Part(others)) => {
                for (name, value) in others {
                    put(&mut fields, name, value);
                }
                Self::Part(fields)
            }
        }
    }

    fn into_expression(self) -> Result<RestrictedExpression, String> {
        match self {
            Self::Whole(value) => Ok(value),
            Self::Part(fields) => {
                RestrictedExpression::new_record(expressions(fields)?).map_err(|error| error.to_string())
            }
        }
    }
}

/// Adds what is known of `name` to what was.
fn put(fields: &mut BTreeMap<String, Rebuilt>, name: String, value: Rebuilt) {
    let value = match fields.remove(&name) {
        Some(known) => known.merge(value),
        None => value,
    };
    fields.insert(name, value);
}

fn expressions(fields: BTreeMap<String, Rebuilt>) -> Result<Vec<(String, RestrictedExpression)>, String> {
    fields.into_iter().map(|(name, value)| Ok((name, value.into_expression()?))).collect()
}

/// What the cells say of one entity.
#[derive(Debug, Default)]
struct Facets {
    attributes: BTreeMap<String, Rebuilt>,
    tags: BTreeMap<String, Rebuilt>,
    parents: BTreeSet<EntityUid>,
}

impl World {
    /// Rebuilds what question `question` of `pack` is asked at `point`.
    ///
    /// # Errors
    ///
    /// What can't be rebuilt exactly.
    pub fn rebuild(
        pack: &Pack,
        question: &Question,
        types: &BTreeMap<u32, Type>,
        point: &Point<'_>,
        values: &Values<'_>,
    ) -> Result<Self, String> {
        let mut builder = Builder::new(&pack.manifest, values, types);
        builder.read_cells(question, point)?;
        let built = builder.build_terms()?;
        builder.check_places()?;
        let input = |index: u32| {
            let is = |term: &Term| *term == Term::Input(index);
            let term = pack.manifest.terms.iter().position(is).and_then(|term| u32::try_from(term).ok());
            term.and_then(|term| built.get(&term)).cloned()
        };
        let entity = |index: u32, name: &str, what: &str| match builder.input_entity(index) {
            Some(uid) => uid,
            None => values.made_up(name, what),
        };
        let principal = entity(question.binding.principal, &question.principal, "principal")?;
        let resource = entity(question.binding.resource, &question.resource, "resource")?;
        let context = match &question.binding.context {
            ContextBinding::Whole(whole) => builder.context_fields(*whole).unwrap_or_default(),
            ContextBinding::Attributes(attributes) => {
                attributes.iter().filter_map(|(name, index)| Some((name.to_string(), input(*index)?))).collect()
            }
        };
        let context = Context::from_pairs(expressions(context)?);
        let context = context.map_err(|error| error.to_string())?;
        let action = pack::uid(&question.action)?;
        let request = Request::new(principal, action, resource, context, None).map_err(|error| error.to_string())?;
        let absent = std::mem::take(&mut builder.absent);
        let entities = builder.into_entities(&pack.actions)?;
        Ok(Self { request, entities, absent })
    }

    /// Whether an error about a missing attribute or tag is one that the cells account for: some cell says that one of this
    /// name is missing. `message` is Cedar's, which ends with the name between backticks.
    pub fn explains(&self, message: &str) -> bool {
        self.absent.iter().any(|name| {
            let end = |kind: &str| message.ends_with(&format!("{kind} `{name}`"));
            end("attribute") || end("tag")
        })
    }
}

struct Builder<'a> {
    manifest: &'a Manifest,
    values: &'a Values<'a>,
    types: &'a BTreeMap<u32, Type>,
    known: BTreeMap<u32, Known>,
    /// Attributes of records of which the cells say only parts.
    records: BTreeMap<u32, BTreeMap<String, Rebuilt>>,
    entities: BTreeMap<EntityUid, Facets>,
    absent_terms: BTreeSet<u32>,
    absent: BTreeSet<String>,
    /// What the cells say of the hierarchy: an entity, what stands on the right, and whether it is in it.
    places: Vec<(EntityUid, Vec<EntityUid>, bool)>,
}

impl<'a> Builder<'a> {
    fn new(manifest: &'a Manifest, values: &'a Values<'a>, types: &'a BTreeMap<u32, Type>) -> Self {
        Self {
            manifest,
            values,
            types,
            known: BTreeMap::new(),
            records: BTreeMap::new(),
            entities: BTreeMap::new(),
            absent_terms: BTreeSet::new(),
            absent: BTreeSet::new(),
            places: Vec::new(),
        }
    }

    fn read_cells(&mut self, question: &Question, point: &Point<'_>) -> Result<(), String> {
        let mut relations = Vec::new();
        for &fact in &question.facts {
            let read = &self.manifest.facts.get(fact as usize).ok_or("a fact that isn't there")?.read;
            let cell = point.word(fact);
            match *read {
                Read::Value(term) => {
                    self.tell(term, !matches!(cell, Cell::Value(_)), &cell)?;
                    if let Cell::Value(word) = cell {
                        self.known.entry(term).or_default().word = Some(word);
                    }
                }
                Read::State(term) => self.tell(term, !matches!(cell, Cell::Value(_)), &cell)?,
                Read::In { left, right } => relations.push((left, right, cell)),
                // Its `getTag` is asked too, and says the same.
                Read::HasTag { .. } => {}
                // Only later versions of the contract have it, and this guest is made for the first.
                Read::Above { .. } => {}
            }
        }
        for term in std::mem::take(&mut self.absent_terms) {
            let name = match self.manifest.terms.get(term as usize) {
                Some(Term::Attribute { name, .. }) => Some(name.to_string()),
                Some(Term::Tag { key, .. }) => self.key(*key)?,
                Some(Term::Input(input)) => {
                    let name = self.manifest.inputs.get(*input as usize).map(|input| input.name.as_str());
                    name.map(|name| name.strip_prefix("context.").unwrap_or(name).to_owned())
                }
                Some(Term::Symbol(_)) | None => None,
            };
            self.absent.extend(name);
        }
        for (left, right, cell) in relations {
            let Cell::Value(word) = cell else { continue };
            let left = self.entity(left)?.ok_or("`in` of an entity that isn't there")?;
            let right = self.targets(right)?;
            self.places.push((left, right, word == 1));
        }
        Ok(())
    }

    /// Notes whether a term is there. Two cells that say otherwise of one term are an error.
    fn tell(&mut self, term: u32, missing: bool, cell: &Cell<u64>) -> Result<(), String> {
        let known = self.known.entry(term).or_default();
        if known.there.replace(!missing).is_some_and(|there| there == missing) {
            return Err("two cells that contradict each other".to_owned());
        }
        if matches!(cell, Cell::Absent) {
            self.absent_terms.insert(term);
        }
        Ok(())
    }

    /// The entity that a term is: a constant, or what its cell says; none if it isn't there.
    fn entity(&self, term: u32) -> Result<Option<EntityUid>, String> {
        let ty = self.types.get(&term).ok_or("a term of no type")?;
        let word = match self.manifest.terms.get(term as usize) {
            Some(Term::Symbol(symbol)) => Some(u64::from(*symbol)),
            _ => self.known.get(&term).and_then(|known| known.word),
        };
        word.map(|word| self.values.entity(Symbol(word), ty)).transpose()
    }

    fn input_entity(&self, input: u32) -> Option<Result<EntityUid, String>> {
        let term = self.manifest.terms.iter().position(|term| *term == Term::Input(input))?;
        let term = u32::try_from(term).ok().filter(|term| self.types.contains_key(term))?;
        self.entity(term).transpose()
    }

    fn key(&self, term: u32) -> Result<Option<String>, String> {
        let word = match self.manifest.terms.get(term as usize) {
            Some(Term::Symbol(symbol)) => Some(u64::from(*symbol)),
            _ => self.known.get(&term).and_then(|known| known.word),
        };
        word.map(|word| self.values.text(Symbol(word))).transpose()
    }

    /// What stands on the right of an `in`: an entity, or the members of a set.
    fn targets(&self, term: u32) -> Result<Vec<EntityUid>, String> {
        match self.types.get(&term) {
            Some(Type::Set(of)) => {
                let word = self.known.get(&term).and_then(|known| known.word).ok_or("`in` a set that isn't there")?;
                self.values.entities(word, of)
            }
            _ => Ok(vec![self.entity(term)?.ok_or("`in` an entity that isn't there")?]),
        }
    }

    /// The values of all terms that are there. Later terms first: a record of which only parts are known is made of these.
    fn build_terms(&mut self) -> Result<BTreeMap<u32, Rebuilt>, String> {
        let mut built: BTreeMap<u32, Rebuilt> = BTreeMap::new();
        for (&term, ty) in self.types.iter().rev() {
            let Some(shape) = self.manifest.terms.get(term as usize) else { continue };
            let known = self.known.get(&term).copied().unwrap_or_default();
            let value = match (shape, known.word) {
                (Term::Symbol(symbol), _) => Some(Rebuilt::Whole(self.values.value(u64::from(*symbol), ty)?)),
                (_, Some(word)) => Some(Rebuilt::Whole(self.values.value(word, ty)?)),
                _ if known.there == Some(false) => None,
                // A record that no cell holds whole; the manifest of an interpreter asks at least whether it is there, unless
                // it is an input that always is.
                _ if matches!(ty, Type::Record(_)) => {
                    Some(Rebuilt::Part(self.records.get(&term).cloned().unwrap_or_default()))
                }
                (Term::Input(_), None) => None,
                _ => return Err("a term that is there, and of which nothing is known".to_owned()),
            };
            let Some(value) = value else { continue };
            if let Type::Entity(_) = ty
                && let Some(uid) = self.entity(term)?
            {
                self.entities.entry(uid).or_default();
            }
            match shape {
                Term::Attribute { of, name } => self.place(*of, name.to_string(), &value, false)?,
                Term::Tag { of, key } => {
                    let key = self.key(*key)?.ok_or("a tag whose key isn't there")?;
                    self.place(*of, key, &value, true)?;
                }
                Term::Input(_) | Term::Symbol(_) => {}
            }
            built.insert(term, value);
        }
        Ok(built)
    }

    /// Puts an attribute or tag where it belongs.
    fn place(&mut self, of: u32, name: String, value: &Rebuilt, tag: bool) -> Result<(), String> {
        if !matches!(self.types.get(&of), Some(Type::Entity(_))) {
            put(self.records.entry(of).or_default(), name, value.clone());
            return Ok(());
        }
        let uid = self.entity(of)?.ok_or("an attribute of an entity that isn't there")?;
        let facets = self.entities.entry(uid).or_default();
        let all = if tag { &mut facets.tags } else { &mut facets.attributes };
        put(all, name, value.clone());
        Ok(())
    }

    fn context_fields(&self, input: u32) -> Option<BTreeMap<String, Rebuilt>> {
        let term = self.manifest.terms.iter().position(|term| *term == Term::Input(input))?;
        self.records.get(&u32::try_from(term).ok()?).cloned()
    }

    /// Makes parents of what the cells say of the hierarchy, so that exactly what they say holds.
    fn check_places(&mut self) -> Result<(), String> {
        let places = std::mem::take(&mut self.places);
        for (left, right, holds) in &places {
            if let ([target], true) = (right.as_slice(), *holds)
                && left != target
            {
                self.entities.entry(left.clone()).or_default().parents.insert(target.clone());
            }
        }
        for (left, right, holds) in &places {
            if *holds && !self.is_in(left, right) {
                // In which member of the set isn't said: in any that contradicts nothing else.
                let fits = |target: &&EntityUid| {
                    let contradicts = |(below, above, holds): &(EntityUid, Vec<EntityUid>, bool)| {
                        !holds && self.is_in(below, std::slice::from_ref(left)) && self.is_in(target, above)
                    };
                    !places.iter().any(contradicts)
                };
                let target = right.iter().find(fits).ok_or("cells about the hierarchy that contradict each other")?;
                self.entities.entry(left.clone()).or_default().parents.insert(target.clone());
            }
        }
        match places.iter().all(|(left, right, holds)| self.is_in(left, right) == *holds) {
            true => Ok(()),
            false => Err("cells about the hierarchy that contradict each other".to_owned()),
        }
    }

    fn is_in(&self, left: &EntityUid, right: &[EntityUid]) -> bool {
        let (mut open, mut seen) = (vec![left], BTreeSet::new());
        while let Some(uid) = open.pop() {
            if right.contains(uid) {
                return true;
            }
            if seen.insert(uid) {
                open.extend(self.entities.get(uid).into_iter().flat_map(|facets| &facets.parents));
            }
        }
        false
    }

    fn into_entities(self, actions: &[Entity]) -> Result<Entities, String> {
        let known: BTreeSet<EntityUid> = actions.iter().map(Entity::uid).collect();
        let mut entities = actions.to_vec();
        for (uid, facets) in self.entities.into_iter().filter(|(uid, _)| !known.contains(uid)) {
            let (attributes, tags) = (expressions(facets.attributes)?, expressions(facets.tags)?);
            let entity = Entity::new_with_tags(uid, attributes, facets.parents, tags);
            entities.push(entity.map_err(|error| error.to_string())?);
        }
        Entities::from_entities(entities, None).map_err(|error| error.to_string())
    }
}
