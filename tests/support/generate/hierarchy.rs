//! Generated entities and requests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use exportgate::{Entity, EntityUid, Request, Value};

use crate::generate::construct::Constructs;
use crate::generate::schema::{Attr, Schema, Ty};
use crate::generate::{chance, pick, values};

/// The entities in the store: most of those that the schema's ids name, some left out, with diamonds above them. The
/// hierarchy has no cycles, since Cedar's store takes none.
pub fn entities(rng: &mut fastrand::Rng, schema: &Schema) -> Vec<Entity> {
    let mut entities = Vec::new();
    for (position, def) in schema.entities.iter().enumerate() {
        for (number, id) in def.ids.iter().enumerate() {
            if def.enumerated || chance(rng, 15) {
                continue;
            }
            let tags = def.tags.as_ref().map(|ty| tags(rng, schema, ty)).unwrap_or_default();
            entities.push(Entity {
                uid: EntityUid::new(schema.name(position), id.as_str()),
                attributes: attributes(rng, schema, &def.attrs),
                tags,
                parents: parents(rng, schema, position, number),
            });
        }
    }
    entities
}

/// Parents lie in an earlier type, or in the same type before the entity: so there are no cycles.
fn parents(rng: &mut fastrand::Rng, schema: &Schema, position: usize, number: usize) -> Vec<EntityUid> {
    let mut parents = BTreeSet::new();
    for above in &schema.entities[position].parents {
        let ids = &schema.entities[*above].ids;
        let ids = if *above == position { &ids[..number] } else { ids };
        for id in ids {
            if chance(rng, 35) {
                parents.insert(EntityUid::new(schema.name(*above), id.as_str()));
            }
        }
    }
    parents.into_iter().collect()
}

/// What is special about a hierarchy: an entity four levels below another, or below it in two ways, or below one that isn't
/// in the store.
pub fn constructs(entities: &[Entity]) -> Constructs {
    let store: BTreeMap<&EntityUid, &Entity> = entities.iter().map(|entity| (&entity.uid, entity)).collect();
    let mut constructs = Constructs::default();
    // What is above each entity and how many levels below the top it is: parents are there before their children.
    let mut above: BTreeMap<&EntityUid, (BTreeSet<&EntityUid>, usize)> = BTreeMap::new();
    for entity in entities {
        let (mut all, mut level) = (BTreeSet::new(), 1);
        for parent in &entity.parents {
            if !store.contains_key(parent) {
                constructs.note("hierarchy: parent missing from the store");
            }
            if !all.insert(parent) {
                constructs.note("hierarchy: diamond");
            }
            let Some((higher, parents)) = above.get(parent) else { continue };
            level = level.max(parents + 1);
            for uid in higher {
                if !all.insert(uid) {
                    constructs.note("hierarchy: diamond");
                }
            }
        }
        if level >= 4 {
            constructs.note("hierarchy: four levels");
        }
        above.insert(&entity.uid, (all, level));
    }
    constructs
}

fn attributes(rng: &mut fastrand::Rng, schema: &Schema, attrs: &[Attr]) -> BTreeMap<Arc<str>, Value> {
    match values::record(rng, schema, attrs) {
        Value::Record(fields) => Arc::unwrap_or_clone(fields),
        _ => BTreeMap::new(),
    }
}

fn tags(rng: &mut fastrand::Rng, schema: &Schema, ty: &Ty) -> BTreeMap<Arc<str>, Value> {
    (0..rng.usize(0..=4))
        .map(|_| match values::value(rng, schema, &Ty::String) {
            Value::String(key) => (key, values::value(rng, schema, ty)),
            _ => (Arc::from(""), values::value(rng, schema, ty)),
        })
        .collect()
}

/// A request that the schema allows.
pub fn request(rng: &mut fastrand::Rng, schema: &Schema) -> Request {
    let actions: Vec<_> = schema.actions.iter().filter(|action| !action.principals.is_empty()).collect();
    let action = *pick(rng, &actions);
    let (principal, resource) = (*pick(rng, &action.principals), *pick(rng, &action.resources));
    let principal = values::uid(rng, schema, principal);
    let resource = values::uid(rng, schema, resource);
    Request {
        principal,
        action: EntityUid::new(schema.action_type(), action.id.as_str()),
        resource,
        context: values::record(rng, schema, &action.context),
    }
}
