//! The entity store that a request or a job is answered from: uid to attributes, tags and parents.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;
use std::sync::Arc;

use ahash::RandomState;
use exportgate_contract::limits::ID_BYTES_MAX;
use exportgate_contract::value::{EntityUid, Value};
use hashbrown::{Equivalent, HashMap};

/// Entities in one store. At a few hundred bytes each this is already hundreds of megabytes; customers, the one kind that
/// comes in such numbers, travel in [`crate::Customers`] instead.
pub const ENTITIES_MAX: usize = 1_000_000;

/// Direct parents of one entity: roles, teams and vendors of an agent are a handful.
pub const PARENTS_MAX: usize = 10_000;

/// An entity: its attributes, tags and direct parents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entity {
    /// Its name.
    pub uid: EntityUid,
    /// Its attributes, by name.
    pub attributes: BTreeMap<Arc<str>, Value>,
    /// Its tags, by key.
    pub tags: BTreeMap<Arc<str>, Value>,
    /// The entities directly above it; those need not be in the store.
    pub parents: Vec<EntityUid>,
}

impl Entity {
    /// The entity `uid`, without attributes, tags or parents.
    pub fn new(uid: EntityUid) -> Self {
        Self { uid, attributes: BTreeMap::new(), tags: BTreeMap::new(), parents: Vec::new() }
    }

    /// The same entity with one attribute more, or another value for one that it has.
    #[must_use]
    pub fn with_attribute(mut self, name: impl Into<Arc<str>>, value: impl Into<Value>) -> Self {
        self.attributes.insert(name.into(), value.into());
        self
    }

    /// The same entity with one tag more, or another value for one that it has.
    #[must_use]
    pub fn with_tag(mut self, key: impl Into<Arc<str>>, value: impl Into<Value>) -> Self {
        self.tags.insert(key.into(), value.into());
        self
    }

    /// The same entity with one direct parent more.
    #[must_use]
    pub fn with_parent(mut self, parent: EntityUid) -> Self {
        self.parents.push(parent);
        self
    }
}

/// A store of entities, each there once. It never changes; a new state is a new store.
#[derive(Clone, Debug, Default)]
pub struct Entities {
    /// Keyed by input, so randomly seeded.
    entities: HashMap<EntityUid, Entity, RandomState>,
    /// The types of these entities.
    types: BTreeSet<Arc<str>>,
}

impl Entities {
    /// The store of `entities`.
    ///
    /// # Errors
    ///
    /// [`EntitiesError::Duplicate`] when an entity comes twice, [`EntitiesError::TooMany`], [`EntitiesError::TooManyParents`]
    /// and [`EntitiesError::NameTooLong`] past the limits.
    pub fn new(entities: impl IntoIterator<Item = Entity>) -> Result<Self, EntitiesError> {
        let entities = entities.into_iter();
        let expected = entities.size_hint().0.min(ENTITIES_MAX);
        let mut store =
            Self { entities: HashMap::with_capacity_and_hasher(expected, RandomState::new()), types: BTreeSet::new() };
        for entity in entities {
            if store.entities.len() == ENTITIES_MAX {
                return Err(EntitiesError::TooMany);
            }
            if entity.parents.len() > PARENTS_MAX {
                return Err(EntitiesError::TooManyParents { uid: entity.uid, found: entity.parents.len() });
            }
            if let Some(bytes) =
                entity.parents.iter().chain([&entity.uid]).map(|uid| uid.id.len()).find(|bytes| *bytes > ID_BYTES_MAX)
            {
                return Err(EntitiesError::NameTooLong { entity_type: entity.uid.entity_type.clone(), bytes });
            }
            if !store.types.contains(&entity.uid.entity_type) {
                store.types.insert(entity.uid.entity_type.clone());
            }
            if let Err(double) = store.entities.try_insert(entity.uid.clone(), entity) {
                return Err(EntitiesError::Duplicate { uid: double.value.uid });
            }
        }
        Ok(store)
    }

    /// The entity `uid`, if the store has it.
    pub fn entity(&self, uid: &EntityUid) -> Option<&Entity> {
        self.entities.get(uid)
    }

    /// How many entities the store has.
    pub fn len(&self) -> usize {
        self.entities.len()
    }

    /// Whether the store has no entities.
    pub fn is_empty(&self) -> bool {
        self.entities.is_empty()
    }

    /// Whether the store has an entity of this type.
    pub(crate) fn has_type(&self, entity_type: &str) -> bool {
        self.types.contains(entity_type)
    }

    pub(crate) fn find(&self, uid: UidRef<'_>) -> Option<&Entity> {
        self.entities.get(&uid)
    }
}

/// The name of an entity whose parts lie apart: a customer's id in a column, its type in the vocabulary.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UidRef<'a> {
    pub(crate) entity_type: &'a str,
    pub(crate) id: &'a str,
}

impl<'a> From<&'a EntityUid> for UidRef<'a> {
    fn from(uid: &'a EntityUid) -> Self {
        Self { entity_type: &uid.entity_type, id: &uid.id }
    }
}

impl PartialEq for UidRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        // Ids differ more often than types do.
        self.id == other.id && self.entity_type == other.entity_type
    }
}

impl Eq for UidRef<'_> {}

impl Hash for UidRef<'_> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        // INVARIANT: as `EntityUid` derives it: its type, then its id.
        self.entity_type.hash(state);
        self.id.hash(state);
    }
}

impl Equivalent<EntityUid> for UidRef<'_> {
    fn equivalent(&self, key: &EntityUid) -> bool {
        *self == UidRef::from(key)
    }
}

/// Why a store of entities can't be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntitiesError {
    /// An entity comes twice.
    #[error("entity `{uid}` is given twice")]
    Duplicate {
        /// The entity.
        uid: EntityUid,
    },
    /// There are more than [`ENTITIES_MAX`].
    #[error("more than {ENTITIES_MAX} entities")]
    TooMany,
    /// An entity has more than [`PARENTS_MAX`] direct parents.
    #[error("entity `{uid}` has {found} parents, at most {PARENTS_MAX} are allowed")]
    TooManyParents {
        /// The entity.
        uid: EntityUid,
        /// How many it has.
        found: usize,
    },
    /// An id is longer than [`ID_BYTES_MAX`].
    #[error("an id of {bytes} bytes at an entity of type `{entity_type}`, at most {ID_BYTES_MAX} are allowed")]
    NameTooLong {
        /// The type of the entity where the id stands.
        entity_type: Arc<str>,
        /// The length of the id in bytes.
        bytes: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_in_parts_finds_the_entity() {
        let uid = EntityUid::new("Export::Agent", "ana");
        let store = Entities::new([Entity::new(uid.clone())]).unwrap();
        assert_eq!(store.find(UidRef { entity_type: "Export::Agent", id: "ana" }).map(|e| &e.uid), Some(&uid));
        assert!(store.find(UidRef { entity_type: "Export::Agent", id: "bob" }).is_none());
        assert!(store.find(UidRef { entity_type: "Export::Agen", id: "tana" }).is_none());
    }

    #[test]
    fn an_entity_given_twice_is_refused() {
        let agent = Entity::new(EntityUid::new("Agent", "ana"));
        let error = Entities::new([agent.clone(), agent]).unwrap_err();
        assert_eq!(error.to_string(), "entity `Agent::\"ana\"` is given twice");
    }

    #[test]
    fn limits_are_held() {
        let long = Entity::new(EntityUid::new("Agent", "x".repeat(ID_BYTES_MAX + 1)));
        let error = Entities::new([long]).unwrap_err();
        assert_eq!(error.to_string(), "an id of 1025 bytes at an entity of type `Agent`, at most 1024 are allowed");
        let mut crowded = Entity::new(EntityUid::new("Agent", "ana"));
        crowded.parents = vec![EntityUid::new("Role", "r"); PARENTS_MAX + 1];
        let error = Entities::new([crowded]).unwrap_err();
        assert_eq!(error.to_string(), "entity `Agent::\"ana\"` has 10001 parents, at most 10000 are allowed");
    }
}
