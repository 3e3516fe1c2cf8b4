//! The fields of a module's catalogue, as the gate states them: entities of the type `Field`, and their classes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ahash::RandomState;
use exportgate_contract::manifest::Catalogue;
use exportgate_contract::value::{EntityUid, Value};
use exportgate_contract::vocabulary::{FIELD, FIELD_CLASS};
use hashbrown::HashMap;

/// The fields of a catalogue.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    fields: HashMap<Arc<str>, Field, RandomState>,
}

#[derive(Debug)]
struct Field {
    entity: Value,
    /// The classes that it is in, with all classes above them.
    classes: Arc<[Value]>,
}

impl Fields {
    pub(crate) fn new(catalogue: &Catalogue) -> Self {
        let entity_type: Arc<str> = FIELD.into();
        let mut closures: BTreeMap<&[Arc<str>], Arc<[Value]>> = BTreeMap::new();
        let fields = catalogue.fields.iter().map(|(name, field)| {
            let classes = closures.entry(&field.classes).or_insert_with(|| above(&field.classes, catalogue));
            let entity = Value::Entity(EntityUid { entity_type: entity_type.clone(), id: name.clone() });
            (name.clone(), Field { entity, classes: classes.clone() })
        });
        Self { fields: fields.collect() }
    }

    /// The fields with these names as entities, in the same order.
    ///
    /// # Errors
    ///
    /// The names that the catalogue doesn't have.
    pub(crate) fn entities(&self, names: &[Arc<str>]) -> Result<Vec<Value>, Vec<Arc<str>>> {
        let found: Option<Vec<Value>> =
            names.iter().map(|name| self.fields.get(name).map(|field| field.entity.clone())).collect();
        found.ok_or_else(|| names.iter().filter(|name| !self.fields.contains_key(*name)).cloned().collect())
    }

    /// The classes of the fields with these names, with all classes above them: `context.classes`.
    pub(crate) fn classes(&self, names: &[Arc<str>]) -> Value {
        let mut sets: Vec<&Arc<[Value]>> =
            names.iter().filter_map(|name| self.fields.get(name)).map(|field| &field.classes).collect();
        // Fields of one kind share a list.
        sets.sort_unstable_by_key(|set| set.as_ptr());
        sets.dedup_by_key(|set| set.as_ptr());
        match sets.as_slice() {
            [one] => Value::Set((*one).clone()),
            sets => Value::set(sets.iter().flat_map(|set| set.iter().cloned())),
        }
    }
}

/// `classes`, and all classes above them in the catalogue, which may have cycles.
fn above(classes: &[Arc<str>], catalogue: &Catalogue) -> Arc<[Value]> {
    let entity_type: Arc<str> = FIELD_CLASS.into();
    let mut seen: BTreeSet<&Arc<str>> = BTreeSet::new();
    let mut open: Vec<&Arc<str>> = classes.iter().collect();
    while let Some(class) = open.pop() {
        if seen.insert(class) {
            open.extend(catalogue.classes.get(class).into_iter().flatten());
        }
    }
    // Sorted by id, and all of one type: in the order of a set.
    seen.into_iter().map(|id| Value::Entity(EntityUid { entity_type: entity_type.clone(), id: id.clone() })).collect()
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
        Fields::new(&catalogue()).classes(&names.iter().map(|name| Arc::from(*name)).collect::<Vec<_>>())
    }

    fn set(ids: &[&str]) -> Value {
        Value::set(ids.iter().map(|id| Value::Entity(EntityUid::new(FIELD_CLASS, *id))))
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
        let unknown = Fields::new(&catalogue()).entities(&names).unwrap_err();
        assert_eq!(unknown, ["x", "y"].map(Arc::from));
    }
}
