//! Reading the entities of a job file: the agent, the customers, and all others.

use std::collections::BTreeMap;
use std::sync::Arc;

use exportgate_contract::types::{EntityType, Type};
use exportgate_contract::value::{EntityUid, Value};
use exportgate_contract::vocabulary::{AGENT, CUSTOMER, FIELD, FIELD_CLASS, JOB};
use serde_json::{Map, Value as Json};

use super::typed::Reader;
use crate::{Column, Customers, CustomersError, Entity};

/// Customers as they are read, before they stand in columns.
pub(super) struct Rows {
    pub(super) ids: Vec<Arc<str>>,
    pub(super) tickets: Vec<Option<Arc<str>>>,
    pub(super) parents: Vec<Vec<EntityUid>>,
    pub(super) columns: BTreeMap<Arc<str>, (Type, Vec<Option<Value>>)>,
}

impl Rows {
    /// Room for the attributes that the schema declares.
    pub(super) fn new(declared: Option<&EntityType>) -> Self {
        let columns = declared.into_iter().flat_map(|declared| &declared.attributes);
        let columns = columns.map(|(name, attribute)| (name.clone(), (attribute.ty.clone(), Vec::new()))).collect();
        Self { ids: Vec::new(), tickets: Vec::new(), parents: Vec::new(), columns }
    }

    /// The customers by columns. An attribute that no customer has gets no column.
    pub(super) fn build(self) -> Result<Customers, CustomersError> {
        let mut customers = Customers::new(self.ids)?;
        if self.tickets.iter().any(Option::is_some) {
            customers = customers.with_tickets(self.tickets)?;
        }
        if self.parents.iter().any(|parents| !parents.is_empty()) {
            customers = customers.with_parents(self.parents)?;
        }
        for (name, (ty, cells)) in self.columns {
            if cells.iter().any(Option::is_some) {
                customers = customers.with_attribute(name, column(&ty, cells))?;
            }
        }
        Ok(customers)
    }
}

fn column(ty: &Type, cells: Vec<Option<Value>>) -> Column {
    let words = || cells.iter().map(|cell| cell.as_ref());
    match ty {
        Type::Bool => Column::bools(words().map(|cell| match cell {
            Some(Value::Bool(truth)) => Some(*truth),
            _ => None,
        })),
        Type::Long => Column::longs(words().map(|cell| match cell {
            Some(Value::Long(number)) => Some(*number),
            _ => None,
        })),
        Type::Datetime => Column::datetimes(words().map(|cell| match cell {
            Some(Value::Datetime(ms)) => Some(*ms),
            _ => None,
        })),
        Type::String | Type::Entity(_) | Type::Set(_) | Type::Record(_) | Type::Decimal | Type::Duration | Type::Ip => {
            Column::values(cells)
        }
    }
}

/// The members of an agent or customer that aren't attributes.
const MEMBERS: [&str; 4] = ["id", "in", "attributes", "tags"];

impl Reader<'_> {
    /// The agent: an object with `id`, attributes, `in`.
    pub(super) fn agent(&mut self, json: &Json) -> Option<Entity> {
        let Json::Object(members) = json else { return self.expected("an object", json) };
        let id = self.required(members, "id", Self::id);
        let uid = EntityUid { entity_type: AGENT.into(), id: id? };
        let attributes = self.flat_attributes(AGENT, members, &MEMBERS);
        let (tags, parents) = self.tags_and_parents(&uid.entity_type, members);
        Some(Entity { uid, attributes: attributes?, tags: tags?, parents: parents? })
    }

    /// One of `entities`.
    pub(super) fn entity(&mut self, json: &Json) -> Option<Entity> {
        let Json::Object(members) = json else { return self.expected("an object", json) };
        self.no_other_members(members, &["type", "id", "attributes", "in", "tags"]);
        let entity_type = self.required(members, "type", Self::entity_type);
        let id = self.required(members, "id", Self::id);
        let uid = EntityUid { entity_type: entity_type?, id: id? };
        if [JOB, FIELD, FIELD_CLASS].contains(&&*uid.entity_type) {
            self.complain(format!("a `{}` is stated by the gate alone", uid.entity_type));
            return None;
        }
        let schema = self.schema();
        let declared = schema.entities.get(&uid.entity_type)?;
        if let Some(ids) = declared.ids.as_ref().filter(|ids| !ids.contains(&uid.id)) {
            self.complain(format!("expected an id of the enumeration (`{}`), found `{}`", ids.join("`, `"), uid.id));
        }
        let nothing = Map::new();
        let given = match members.get("attributes") {
            None => Some(&nothing),
            Some(Json::Object(given)) => Some(given),
            Some(other) => self.within("attributes", |reader| reader.expected("an object", other)),
        };
        let attributes = self.within("attributes", |reader| reader.attributes(&declared.attributes, given?, &[]));
        let (tags, parents) = self.tags_and_parents(&uid.entity_type, members);
        Some(Entity { uid, attributes: attributes?, tags: tags?, parents: parents? })
    }

    /// `customers`: a list of objects with `id`, attributes, `in`, `ticket`.
    pub(super) fn customers(&mut self, json: &Json) -> Option<Rows> {
        let Json::Array(items) = json else { return self.expected("a list", json) };
        let mut rows = Rows::new(self.schema().entities.get(CUSTOMER));
        for (index, item) in items.iter().enumerate() {
            self.at(index, |reader| reader.customer(item, &mut rows));
        }
        Some(rows)
    }

    fn customer(&mut self, json: &Json, rows: &mut Rows) -> Option<()> {
        let Json::Object(members) = json else { return self.expected("an object", json) };
        let id = self.required(members, "id", Self::id);
        let ticket = self.optional(members, "ticket", Self::id);
        let attributes = self.flat_attributes(CUSTOMER, members, &["id", "in", "ticket", "attributes"]);
        let parents = self.parents(CUSTOMER, members);
        let (id, mut attributes, parents) = (id?, attributes?, parents?);
        rows.ids.push(id);
        rows.tickets.push(ticket);
        rows.parents.push(parents);
        for (name, (_, cells)) in &mut rows.columns {
            cells.push(attributes.remove(name));
        }
        Some(())
    }

    /// Attributes that stand beside other members, and those in `attributes`.
    fn flat_attributes(
        &mut self,
        entity_type: &str,
        members: &Map<String, Json>,
        others: &[&str],
    ) -> Option<BTreeMap<Arc<str>, Value>> {
        let schema = self.schema();
        let Some(declared) = schema.entities.get(entity_type) else {
            self.complain(format!("the schema declares no entity type `{entity_type}`"));
            return None;
        };
        let Some(nested) = members.get("attributes") else {
            return self.attributes(&declared.attributes, members, others);
        };
        let Json::Object(nested) = nested else {
            return self.within("attributes", |reader| reader.expected("an object", nested));
        };
        let mut all: Map<String, Json> = nested.clone();
        for (name, json) in members.iter().filter(|(name, _)| !others.contains(&name.as_str())) {
            if all.insert(name.clone(), json.clone()).is_some() {
                self.within(name, |reader| reader.complain("is given twice".to_owned()));
            }
        }
        self.attributes(&declared.attributes, &all, &[])
    }

    #[expect(clippy::type_complexity, reason = "two parts of an entity, read together and used once")]
    fn tags_and_parents(
        &mut self,
        entity_type: &str,
        members: &Map<String, Json>,
    ) -> (Option<BTreeMap<Arc<str>, Value>>, Option<Vec<EntityUid>>) {
        let tags = match members.get("tags") {
            None => Some(BTreeMap::new()),
            Some(json) => self.within("tags", |reader| reader.tags(entity_type, json)),
        };
        (tags, self.parents(entity_type, members))
    }

    fn tags(&mut self, entity_type: &str, json: &Json) -> Option<BTreeMap<Arc<str>, Value>> {
        let Json::Object(members) = json else { return self.expected("an object", json) };
        let schema = self.schema();
        let Some(ty) = schema.entities.get(entity_type).and_then(|declared| declared.tags.as_ref()) else {
            self.complain(format!("the schema declares no tags for `{entity_type}`"));
            return None;
        };
        let mut tags = BTreeMap::new();
        for (key, json) in members {
            tags.insert(key.as_str().into(), self.within(key, |reader| reader.value(ty, json))?);
        }
        Some(tags)
    }

    fn parents(&mut self, entity_type: &str, members: &Map<String, Json>) -> Option<Vec<EntityUid>> {
        let Some(json) = members.get("in") else { return Some(Vec::new()) };
        self.within("in", |reader| {
            reader.list(json, |reader, json| {
                let parent = reader.any_entity(json)?;
                reader.check_parent(entity_type, parent)
            })
        })
    }

    pub(super) fn check_parent(&mut self, entity_type: &str, parent: EntityUid) -> Option<EntityUid> {
        let declared = self.schema().entities.get(entity_type);
        if declared.is_some_and(|declared| declared.parents.contains(&parent.entity_type)) {
            return Some(parent);
        }
        self.complain(format!("the schema doesn't let a `{entity_type}` be in a `{}`", parent.entity_type));
        None
    }
}
