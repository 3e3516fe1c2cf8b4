//! The fields of a module's catalogue, as the gate states them: entities of the type `Field`, and their classes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ahash::RandomState;
use exportgate_contract::manifest::Catalogue;
use exportgate_contract::value::{EntityUid, Value};
use exportgate_contract::vocabulary::{FIELD, FIELD_CLASS};
use hashbrown::HashMap;

use crate::frame::cells::Set;

/// The fields of a catalogue.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    /// Where each field stands in `entities`.
    positions: HashMap<Arc<str>, u32, RandomState>,
    /// The fields as entities, ascending.
    entities: Vec<Value>,
    /// All classes that a field is in, ascending.
    classes: Vec<Value>,
    /// For each field the classes that it is in, with all classes above them: a bit each of `classes`. Fields of one kind
    /// share them.
    bits: Vec<Arc<[u64]>>,
}

impl Fields {
    pub(crate) fn new(catalogue: &Catalogue) -> Self {
        let field_type: Arc<str> = FIELD.into();
        let class_type: Arc<str> = FIELD_CLASS.into();
        let entity = |entity_type: &Arc<str>, id: &Arc<str>| {
            Value::Entity(EntityUid { entity_type: entity_type.clone(), id: id.clone() })
        };
        let mut closures: BTreeMap<&[Arc<str>], BTreeSet<&Arc<str>>> = BTreeMap::new();
        for field in catalogue.fields.values() {
            closures.entry(&field.classes).or_insert_with(|| above(&field.classes, catalogue));
        }
        let all: BTreeSet<&Arc<str>> = closures.values().flatten().copied().collect();
        let numbers: BTreeMap<&Arc<str>, usize> = all.iter().copied().zip(0..).collect();
        let bits: BTreeMap<&[Arc<str>], Arc<[u64]>> = closures
            .iter()
            .map(|(classes, closure)| {
                let mut bits = vec![0; all.len().div_ceil(64)];
                closure.iter().filter_map(|class| numbers.get(*class)).for_each(|number| mark(&mut bits, *number));
                (*classes, bits.into())
            })
            .collect();
        Self {
            positions: catalogue.fields.keys().cloned().zip(0..).collect(),
            // All of one type each, and sorted by id: in the order of a set.
            entities: catalogue.fields.keys().map(|id| entity(&field_type, id)).collect(),
            classes: all.iter().map(|id| entity(&class_type, id)).collect(),
            bits: catalogue.fields.values().filter_map(|field| bits.get(&*field.classes).cloned()).collect(),
        }
    }

    /// Where the fields with these names stand in the catalogue, in the same order: appended to `positions`.
    ///
    /// # Errors
    ///
    /// The names that the catalogue doesn't have.
    pub(crate) fn find(&self, names: &[Arc<str>], positions: &mut Vec<u32>) -> Result<(), Vec<Arc<str>>> {
        for name in names {
            match self.positions.get(name) {
                Some(position) => positions.push(*position),
                None => {
                    let unknown = names.iter().filter(|name| !self.positions.contains_key(*name));
                    return Err(unknown.cloned().collect());
                }
            }
        }
        Ok(())
    }

    /// The fields at these positions as entities: `context.fields`. `bits` is room for that.
    pub(crate) fn set<'a>(&'a self, positions: &[u32], bits: &'a mut Vec<u64>) -> Set<'a> {
        bits.clear();
        bits.resize(self.entities.len().div_ceil(64), 0);
        positions.iter().filter_map(|position| usize::try_from(*position).ok()).for_each(|number| mark(bits, number));
        Set::Picked { from: &self.entities, bits }
    }

    /// The classes of the fields at these positions, with all classes above them: `context.classes`. `bits` is room for that.
    pub(crate) fn classes<'a>(&'a self, positions: &[u32], bits: &'a mut Vec<u64>) -> Set<'a> {
        bits.clear();
        bits.resize(self.classes.len().div_ceil(64), 0);
        for position in positions {
            let of_field = usize::try_from(*position).ok().and_then(|position| self.bits.get(position));
            for (all, word) in bits.iter_mut().zip(of_field.into_iter().flat_map(|bits| bits.iter())) {
                *all |= word;
            }
        }
        Set::Picked { from: &self.classes, bits }
    }
}

fn mark(bits: &mut [u64], number: usize) {
    if let Some(word) = bits.get_mut(number / 64) {
        *word |= 1 << (number % 64);
    }
}

/// `classes`, and all classes above them in the catalogue, which may have cycles.
pub(crate) fn above<'c>(classes: &'c [Arc<str>], catalogue: &'c Catalogue) -> BTreeSet<&'c Arc<str>> {
    let mut seen: BTreeSet<&Arc<str>> = BTreeSet::new();
    let mut open: Vec<&Arc<str>> = classes.iter().collect();
    while let Some(class) = open.pop() {
        if seen.insert(class) {
            open.extend(catalogue.classes.get(class).into_iter().flatten());
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use exportgate_contract::manifest::CatalogueField;

    use super::*;

    fn catalogue() -> Catalogue {
        let field = |classes: &[&str]| CatalogueField {
            classes: classes.iter().map(|class| Arc::from(*class)).collect(),
            attributes: BTreeMap::new(),
            description: String::new(),
        };
        Catalogue {
            fields: [("id", field(&["gov_id"])), ("email", field(&["contact"])), ("note", field(&[]))]
                .map(|(name, field)| (name.into(), field))
                .into(),
            classes: [("gov_id", vec!["restricted"]), ("restricted", vec!["gov_id", "all"])]
                .map(|(class, above)| (class.into(), above.into_iter().map(Arc::from).collect()))
                .into(),
            ..Catalogue::default()
        }
    }

    fn classes(names: &[&str]) -> Value {
        let fields = Fields::new(&catalogue());
        let names: Vec<Arc<str>> = names.iter().map(|name| Arc::from(*name)).collect();
        let (mut positions, mut bits) = (Vec::new(), vec![u64::MAX]);
        fields.find(&names, &mut positions).unwrap();
        Value::Set(fields.classes(&positions, &mut bits).iter().cloned().collect())
    }

    fn set(ids: &[&str]) -> Value {
        Value::set(ids.iter().map(|id| Value::Entity(EntityUid::new(FIELD_CLASS, *id))))
    }

    #[test]
    fn fields_are_a_set() {
        let fields = Fields::new(&catalogue());
        let mut positions = Vec::new();
        fields.find(&["note".into(), "email".into()], &mut positions).unwrap();
        let mut bits = Vec::new();
        let found = Value::Set(fields.set(&positions, &mut bits).iter().cloned().collect());
        assert_eq!(found, Value::set(["email", "note"].map(|id| Value::Entity(EntityUid::new(FIELD, id)))));
    }

    #[test]
    fn classes_are_those_of_all_fields_and_those_above() {
        assert_eq!(classes(&["id", "email"]), set(&["gov_id", "restricted", "all", "contact"]));
        assert_eq!(classes(&["id"]), set(&["gov_id", "restricted", "all"]));
        assert_eq!(classes(&["note"]), set(&[]));
    }

    #[test]
    fn unknown_fields_are_named() {
        let names: Vec<Arc<str>> = ["id", "x", "email", "y"].map(Arc::from).into();
        let unknown = Fields::new(&catalogue()).find(&names, &mut Vec::new()).unwrap_err();
        assert_eq!(unknown, ["x", "y"].map(Arc::from));
    }
}
