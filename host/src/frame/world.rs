//! What is known of an entity, wherever it comes from: caller's store, gate, customers' columns, catalogue, schema.
//!
//! Who states what is a rule of the design: the classes of a field come from the pack's catalogue and never from the caller,
//! the groups of an action from the schema, a customer's attributes from the columns of the job.

use ahash::RandomState;
use exportgate_contract::manifest::{CatalogueField, Manifest};
use exportgate_contract::value::Value;
use exportgate_contract::vocabulary::{CUSTOMER, FIELD, FIELD_CLASS, JOB_REQUESTER};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::entities::{Node, UidRef};
use crate::frame::cells::{Cell, Datum, Set};
use crate::inputs::Inputs;

/// All that an evaluation knows of entities.
#[derive(Clone, Copy)]
pub(crate) struct World<'a> {
    manifest: &'a Manifest,
    inputs: &'a Inputs<'a>,
}

/// What is known of one entity: looked up once, however much is read of it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Known<'a> {
    /// Nothing but its name.
    Name,
    /// It is in the caller's store, at this position.
    Stored(u32, &'a Node),
    /// It is the gate's own: the job.
    Job,
    /// It is the customer of this row.
    Customer(usize),
    /// It is a field; none when the catalogue hasn't it.
    Field(Option<&'a CatalogueField>),
    /// It is a class of fields.
    FieldClass,
    /// It is an action, which the store may know too.
    Action(Option<(u32, &'a Node)>),
}

impl<'a> World<'a> {
    pub(crate) fn new(manifest: &'a Manifest, inputs: &'a Inputs<'a>) -> Self {
        Self { manifest, inputs }
    }

    /// Looks an entity up.
    pub(crate) fn know(self, uid: UidRef<'_>) -> Known<'a> {
        if let Some(elsewhere) = self.know_elsewhere(uid) {
            return elsewhere;
        }
        let stored = self.inputs.entities.find(uid);
        if is_action(uid.entity_type) {
            return Known::Action(stored);
        }
        stored.map_or(Known::Name, |(place, node)| Known::Stored(place, node))
    }

    /// What is known of an entity that isn't the caller's to state.
    fn know_elsewhere(self, uid: UidRef<'_>) -> Option<Known<'a>> {
        if let Some(catalogue) = &self.manifest.catalogue {
            if uid.entity_type == FIELD {
                return Some(Known::Field(catalogue.fields.get(uid.id)));
            }
            if uid.entity_type == FIELD_CLASS {
                return Some(Known::FieldClass);
            }
        }
        if uid.entity_type == CUSTOMER
            && let Some(row) = self.inputs.customers.row(uid.id)
        {
            return Some(Known::Customer(row));
        }
        self.inputs.job.is_some_and(|own| own.job == uid).then_some(Known::Job)
    }

    /// An attribute of an entity: `ABSENT` when the entity lacks it, or isn't known.
    pub(crate) fn attribute(self, known: Known<'a>, name: &str) -> Cell<'a> {
        match known {
            Known::Stored(_, node) | Known::Action(Some((_, node))) => Cell::of(node.entity.attributes.get(name)),
            Known::Customer(row) => self.inputs.customers.column(name).map_or(Cell::Absent, |column| column.cell(row)),
            Known::Field(field) => Cell::of(field.and_then(|field| field.attributes.get(name))),
            Known::Job => match self.inputs.job {
                Some(own) if name == JOB_REQUESTER => Cell::Value(Datum::Entity(own.requester)),
                Some(_) | None => Cell::Absent,
            },
            Known::Name | Known::FieldClass | Known::Action(None) => Cell::Absent,
        }
    }

    /// A tag of an entity: `ABSENT` when the entity lacks it, or isn't known. Customers and fields have no tags.
    pub(crate) fn tag(self, uid: UidRef<'_>, known: Known<'a>, key: &str) -> Cell<'a> {
        match known {
            Known::Stored(_, node) | Known::Action(Some((_, node))) => Cell::of(node.entity.tags.get(key)),
            // What the caller's store says of tags of a field, nobody else does.
            Known::Field(_) | Known::FieldClass => {
                Cell::of(self.inputs.entities.find(uid).and_then(|(_, node)| node.entity.tags.get(key)))
            }
            Known::Name | Known::Job | Known::Customer(_) | Known::Action(None) => Cell::Absent,
        }
    }

    /// What is known of the entity at `place` of the store, or of one that the store hasn't.
    fn stored(self, place: u32) -> Known<'a> {
        self.inputs.entities.node(place).map_or(Known::Name, |node| Known::Stored(place, node))
    }

    fn each_parent(self, uid: UidRef<'_>, known: Known<'a>, each: &mut impl FnMut(UidRef<'a>, Option<u32>)) {
        match known {
            Known::Stored(_, node) => each_stored_parent(node, each),
            Known::Action(stored) => {
                if let Some((_, node)) = stored {
                    each_stored_parent(node, each);
                }
                let declared = self.manifest.schema.types.actions.iter();
                let declared = declared.filter(|action| uid == UidRef::from(&action.uid));
                declared.flat_map(|action| &action.groups).for_each(|group| each(group.into(), None));
            }
            Known::Customer(row) => {
                self.inputs.customers.parents(row).iter().for_each(|parent| each(parent.into(), None));
            }
            Known::Field(_) | Known::FieldClass => {
                let classes = match (known, &self.manifest.catalogue) {
                    (Known::Field(field), _) => field.map_or(&[][..], |field| &field.classes),
                    (_, Some(catalogue)) => catalogue.classes.get(uid.id).map_or(&[][..], |parents| parents),
                    (_, None) => &[],
                };
                classes.iter().for_each(|class| each(UidRef { entity_type: FIELD_CLASS, id: class }, None));
            }
            Known::Name | Known::Job => {}
        }
    }
}

fn each_stored_parent<'a>(node: &'a Node, each: &mut impl FnMut(UidRef<'a>, Option<u32>)) {
    for (parent, place) in node.entity.parents.iter().zip(&node.parents) {
        each(parent.into(), Some(*place));
    }
}

/// Whether the type is one of actions: `Action`, in any namespace.
fn is_action(entity_type: &str) -> bool {
    entity_type == "Action" || entity_type.ends_with("::Action")
}

/// An entity with all that stands above it, and the room that finding these takes.
#[derive(Debug, Default)]
pub(crate) struct Ancestors<'a> {
    /// The entity itself first. One that is reached in several ways may come several times.
    all: Vec<UidRef<'a>>,
    open: Vec<(UidRef<'a>, Known<'a>)>,
    /// For each entity of the store the walk that came past it last.
    walks: Vec<u32>,
    walk: u32,
    /// Positions in `all` of what isn't in the store, and has something above it itself.
    seen: HashTable<usize>,
    hasher: RandomState,
}

impl<'a> Ancestors<'a> {
    /// With the room of another evaluation.
    pub(crate) fn again(used: Ancestors<'_>) -> Self {
        let Ancestors { all, open, walks, walk, seen, hasher } = used;
        Self { all: super::recycle(all), open: super::recycle(open), walks, walk, seen, hasher }
    }

    /// The entity itself, and all that stands above it.
    pub(crate) fn all(&self) -> &[UidRef<'a>] {
        &self.all
    }

    /// Finds all that stands above `uid`. The hierarchy may have cycles, and parents nobody knows.
    pub(crate) fn find(&mut self, world: World<'a>, uid: UidRef<'a>, known: Known<'a>) {
        let Self { all, open, walks, walk, seen, hasher } = self;
        all.clear();
        open.clear();
        seen.clear();
        // After all numbers were used, what an old walk left could look like this one.
        *walk = walk.checked_add(1).unwrap_or_else(|| {
            walks.clear();
            1
        });
        let mut passed = |known: Known<'a>, all: &[UidRef<'a>]| match known {
            Known::Name => true,
            Known::Stored(place, _) => {
                let place = usize::try_from(place).unwrap_or(usize::MAX);
                if place >= walks.len() {
                    walks.resize(world.inputs.entities.len(), 0);
                }
                walks.get_mut(place).is_none_or(|last| std::mem::replace(last, *walk) == *walk)
            }
            Known::Job | Known::Customer(_) | Known::Field(_) | Known::FieldClass | Known::Action(_) => {
                let Some((position, uid)) = all.iter().enumerate().next_back() else { return true };
                let hash = |position: &usize| all.get(*position).map_or(0, |uid| hasher.hash_one(uid));
                match seen.entry(hasher.hash_one(uid), |known| all.get(*known) == Some(uid), hash) {
                    Entry::Occupied(_) => true,
                    Entry::Vacant(free) => {
                        free.insert(position);
                        false
                    }
                }
            }
        };
        all.push(uid);
        if matches!(known, Known::Stored(..)) {
            passed(known, all);
        }
        open.push((uid, known));
        while let Some((uid, known)) = open.pop() {
            world.each_parent(uid, known, &mut |parent, place| {
                all.push(parent);
                let known = match (world.know_elsewhere(parent), place) {
                    (Some(known), _) => known,
                    (None, Some(place)) if !is_action(parent.entity_type) => world.stored(place),
                    (None, _) => world.know(parent),
                };
                if !passed(known, all) {
                    open.push((parent, known));
                }
            });
        }
    }
}

/// What stands on the right of `in`: an entity, or a set of them.
#[derive(Clone, Copy)]
pub(crate) enum Targets<'a> {
    One(UidRef<'a>),
    Any(Set<'a>),
}

impl Targets<'_> {
    /// Whether `uid` is one of them.
    pub(crate) fn contains(&self, uid: UidRef<'_>) -> bool {
        match self {
            Self::One(target) => uid == *target,
            Self::Any(members) => members.iter().any(|member| match member {
                Value::Entity(target) => uid == UidRef::from(target),
                _ => false,
            }),
        }
    }

    /// Whether one of them is of this type.
    pub(crate) fn names_type(&self, entity_type: &str) -> bool {
        match self {
            Self::One(target) => target.entity_type == entity_type,
            Self::Any(members) => members.iter().any(|member| match member {
                Value::Entity(target) => &*target.entity_type == entity_type,
                _ => false,
            }),
        }
    }
}
