//! What is known of an entity, wherever it comes from: caller's store, gate, customers' columns, catalogue, schema.
//!
//! Who states what is a rule of the design: the classes of a field come from the pack's catalogue and never from the caller,
//! the groups of an action from the schema, a customer's attributes from the columns of the job.

use std::collections::HashSet;

use exportgate_contract::manifest::Manifest;
use exportgate_contract::value::Value;
use exportgate_contract::vocabulary::{CUSTOMER, FIELD, FIELD_CLASS};

use crate::entities::{Entity, UidRef};
use crate::frame::cells::Cell;
use crate::inputs::Inputs;

/// All that an evaluation knows of entities.
#[derive(Clone, Copy)]
pub(crate) struct World<'a> {
    manifest: &'a Manifest,
    inputs: &'a Inputs<'a>,
}

impl<'a> World<'a> {
    pub(crate) fn new(manifest: &'a Manifest, inputs: &'a Inputs<'a>) -> Self {
        Self { manifest, inputs }
    }

    /// An attribute of an entity: `ABSENT` when the entity lacks it, or isn't known.
    pub(crate) fn attribute(self, uid: UidRef<'_>, name: &str) -> Cell<'a> {
        if let Some(catalogue) = &self.manifest.catalogue {
            if uid.entity_type == FIELD {
                return Cell::of(catalogue.fields.get(uid.id).and_then(|field| field.attributes.get(name)));
            }
            if uid.entity_type == FIELD_CLASS {
                return Cell::Absent;
            }
        }
        if let Some(row) = self.customer(uid) {
            let column = self.inputs.customers.column(name);
            return column.map_or(Cell::Absent, |column| column.cell(row));
        }
        Cell::of(self.entity(uid).and_then(|entity| entity.attributes.get(name)))
    }

    /// A tag of an entity: `ABSENT` when the entity lacks it, or isn't known. Customers and fields have no tags.
    pub(crate) fn tag(self, uid: UidRef<'_>, key: &str) -> Cell<'a> {
        if self.customer(uid).is_some() {
            return Cell::Absent;
        }
        Cell::of(self.entity(uid).and_then(|entity| entity.tags.get(key)))
    }

    /// Whether `left` is one of `right`, or an ancestor of `left` is.
    pub(crate) fn is_in(self, left: UidRef<'a>, right: &Targets<'_>) -> bool {
        right.contains(left) || self.is_below(left, right)
    }

    /// Whether an ancestor of `left` is one of `right`. The hierarchy may have cycles, and parents nobody knows.
    pub(crate) fn is_below(self, left: UidRef<'a>, right: &Targets<'_>) -> bool {
        let mut seen: HashSet<UidRef<'a>> = HashSet::new();
        let mut open = vec![left];
        while let Some(uid) = open.pop() {
            let mut found = false;
            self.each_parent(uid, |parent| {
                found = found || right.contains(parent);
                if !found && seen.insert(parent) {
                    open.push(parent);
                }
            });
            if found {
                return true;
            }
        }
        false
    }

    fn each_parent(self, uid: UidRef<'a>, mut each: impl FnMut(UidRef<'a>)) {
        if let Some(catalogue) = &self.manifest.catalogue {
            let classes = match uid.entity_type {
                FIELD => Some(catalogue.fields.get(uid.id).map_or(&[][..], |field| &field.classes)),
                FIELD_CLASS => Some(catalogue.classes.get(uid.id).map_or(&[][..], |parents| parents)),
                _ => None,
            };
            if let Some(classes) = classes {
                return classes.iter().for_each(|class| each(UidRef { entity_type: FIELD_CLASS, id: class }));
            }
        }
        if let Some(row) = self.customer(uid) {
            return self.inputs.customers.parents(row).iter().for_each(|parent| each(parent.into()));
        }
        if let Some(entity) = self.entity(uid) {
            entity.parents.iter().for_each(|parent| each(parent.into()));
        }
        if is_action(uid.entity_type) {
            let declared = self.manifest.schema.types.actions.iter().filter(|action| uid == UidRef::from(&action.uid));
            declared.flat_map(|action| &action.groups).for_each(|group| each(group.into()));
        }
    }

    fn entity(self, uid: UidRef<'_>) -> Option<&'a Entity> {
        let own = self.inputs.own.iter().find(|entity| uid == UidRef::from(&entity.uid));
        own.or_else(|| self.inputs.entities.find(uid))
    }

    /// The row of the customer that `uid` names, if it is one of the job.
    fn customer(self, uid: UidRef<'_>) -> Option<usize> {
        if uid.entity_type != CUSTOMER || self.inputs.customers.is_empty() {
            return None;
        }
        self.inputs.customers.row(uid.id)
    }
}

/// Whether the type is one of actions: `Action`, in any namespace.
fn is_action(entity_type: &str) -> bool {
    entity_type == "Action" || entity_type.ends_with("::Action")
}

/// What stands on the right of `in`: an entity, or a set of them.
#[derive(Clone, Copy)]
pub(crate) enum Targets<'a> {
    One(UidRef<'a>),
    Any(&'a [Value]),
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
