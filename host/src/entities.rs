//! The entity store that a request or a job is answered from: uid to attributes, tags and parents.

use std::collections::BTreeMap;
use std::hash::Hash;
use std::sync::Arc;

use ahash::RandomState;
use exportgate_contract::limits::ID_BYTES_MAX;
use exportgate_contract::value::{EntityUid, Value};
use exportgate_contract::vocabulary::{FIELD, FIELD_CLASS, JOB};
use hashbrown::hash_table::Entry;
use hashbrown::{Equivalent, HashTable};

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
    nodes: Vec<Node>,
    /// Positions in `nodes`, hashed by uid. Keyed by input, so randomly seeded.
    index: HashTable<u32>,
    hasher: RandomState,
    /// The first of the types that the gate alone states, if an entity is of one.
    gate_only: Option<&'static str>,
}

/// An entity in its store.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) entity: Entity,
    /// Where each of its parents stands in the store, or [`NO_NODE`].
    pub(crate) parents: Box<[u32]>,
}

/// The position of an entity that isn't in the store.
pub(crate) const NO_NODE: u32 = u32::MAX;

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
            Self { nodes: Vec::with_capacity(expected), index: HashTable::with_capacity(expected), ..Self::default() };
        for entity in entities {
            if store.nodes.len() == ENTITIES_MAX {
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
            store.insert(entity)?;
        }
        // Parents may come after their children: looked up when all are there.
        for place in 0..store.nodes.len() {
            let parents = store.nodes.get(place).map(|node| store.positions(&node.entity.parents));
            if let (Some(node), Some(parents)) = (store.nodes.get_mut(place), parents) {
                node.parents = parents;
            }
        }
        store.gate_only = [JOB, FIELD, FIELD_CLASS]
            .into_iter()
            .find(|entity_type| store.nodes.iter().any(|node| *node.entity.uid.entity_type == **entity_type));
        Ok(store)
    }

    fn insert(&mut self, entity: Entity) -> Result<(), EntitiesError> {
        let Self { nodes, index, hasher, .. } = self;
        let at = |place: u32| usize::try_from(place).ok().and_then(|place| nodes.get(place));
        let hash = hasher.hash_one(UidRef::from(&entity.uid));
        let same = |place: &u32| at(*place).is_some_and(|node| node.entity.uid == entity.uid);
        let rehash = |place: &u32| at(*place).map_or(0, |node| hasher.hash_one(UidRef::from(&node.entity.uid)));
        match index.entry(hash, same, rehash) {
            Entry::Occupied(_) => return Err(EntitiesError::Duplicate { uid: entity.uid }),
            // There are at most `ENTITIES_MAX`.
            Entry::Vacant(free) => free.insert(u32::try_from(nodes.len()).unwrap_or(NO_NODE)),
        };
        nodes.push(Node { entity, parents: Box::default() });
        Ok(())
    }

    fn positions(&self, uids: &[EntityUid]) -> Box<[u32]> {
        uids.iter().map(|uid| self.position(uid.into()).unwrap_or(NO_NODE)).collect()
    }

    /// The entity `uid`, if the store has it.
    pub fn entity(&self, uid: &EntityUid) -> Option<&Entity> {
        self.find(uid.into()).map(|(_, node)| &node.entity)
    }

    /// How many entities the store has.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether the store has no entities.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Shows `each` everything that stands above an entity; what isn't in the store itself perhaps several times. The
    /// hierarchy may have cycles.
    pub(crate) fn each_above<'e>(&'e self, uid: &EntityUid, walk: &mut Walk, mut each: impl FnMut(&'e EntityUid)) {
        let Some(start) = self.position(uid.into()) else { return };
        walk.begin(self.nodes.len());
        walk.pass(start);
        while let Some(node) = walk.open.pop().and_then(|place| self.node(place)) {
            for (parent, place) in node.entity.parents.iter().zip(&node.parents) {
                if *place == NO_NODE || walk.pass(*place) {
                    each(parent);
                }
            }
        }
    }

    /// The first of the types that the gate alone states, if an entity is of one.
    pub(crate) fn gate_only(&self) -> Option<&'static str> {
        self.gate_only
    }

    /// The entity with this name, and where it stands.
    pub(crate) fn find(&self, uid: UidRef<'_>) -> Option<(u32, &Node)> {
        let place = self.position(uid)?;
        Some((place, self.node(place)?))
    }

    /// The entity at a position.
    pub(crate) fn node(&self, place: u32) -> Option<&Node> {
        self.nodes.get(usize::try_from(place).ok()?)
    }

    fn position(&self, uid: UidRef<'_>) -> Option<u32> {
        let same = |place: &u32| self.node(*place).is_some_and(|node| UidRef::from(&node.entity.uid) == uid);
        self.index.find(self.hasher.hash_one(uid), same).copied()
    }
}

/// The room that walking through a store takes, used again and again.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    open: Vec<u32>,
    /// For each entity of a store the walk that came past it last.
    last: Vec<u32>,
    number: u32,
}

impl Walk {
    fn begin(&mut self, entities: usize) {
        self.open.clear();
        // After all numbers were used, what an old walk left could look like this one.
        self.number = self.number.checked_add(1).unwrap_or_else(|| {
            self.last.clear();
            1
        });
        if self.last.len() < entities {
            self.last.resize(entities, 0);
        }
    }

    /// Whether the walk comes to this entity for the first time; it goes on from there.
    fn pass(&mut self, place: u32) -> bool {
        let last = usize::try_from(place).ok().and_then(|place| self.last.get_mut(place));
        let new = last.is_some_and(|last| std::mem::replace(last, self.number) != self.number);
        if new {
            self.open.push(place);
        }
        new
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
        assert_eq!(
            store.find(UidRef { entity_type: "Export::Agent", id: "ana" }).map(|(_, node)| &node.entity.uid),
            Some(&uid)
        );
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
