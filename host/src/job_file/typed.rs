//! Reading JSON by type: values, and the complaints about what doesn't fit, each with the path to it.

use std::collections::BTreeMap;
use std::sync::Arc;

use exportgate_contract::limits::ID_BYTES_MAX;
use exportgate_contract::types::{Attribute, SchemaTypes, Type};
use exportgate_contract::value::{EntityUid, Value};
use exportgate_contract::vocabulary::NAMESPACE;
use serde_json::{Map, Value as Json};

use super::{COMPLAINTS_LISTED_MAX, Complaint, JobFileError, scalars};

/// Reads values against a schema, and collects complaints. A reading method returns none when it complained.
pub(super) struct Reader<'a> {
    schema: &'a SchemaTypes,
    path: Vec<Step>,
    complaints: Vec<Complaint>,
    more: usize,
}

/// A step of the path to what is being read.
enum Step {
    Member(String),
    Index(usize),
}

impl<'a> Reader<'a> {
    pub(super) fn new(schema: &'a SchemaTypes) -> Self {
        Self { schema, path: Vec::new(), complaints: Vec::new(), more: 0 }
    }

    pub(super) fn schema(&self) -> &'a SchemaTypes {
        self.schema
    }

    pub(super) fn has_complaints(&self) -> bool {
        !self.complaints.is_empty()
    }

    pub(super) fn into_error(self) -> JobFileError {
        JobFileError::Complaints { complaints: self.complaints, more: self.more }
    }

    /// Notes what is wrong at the place that is being read.
    pub(super) fn complain(&mut self, message: String) {
        if self.complaints.len() == COMPLAINTS_LISTED_MAX {
            self.more = self.more.saturating_add(1);
            return;
        }
        let mut path = String::new();
        for step in &self.path {
            match step {
                Step::Member(name) if path.is_empty() => path.push_str(&name.escape_debug().to_string()),
                Step::Member(name) => {
                    path.push('.');
                    path.push_str(&name.escape_debug().to_string());
                }
                Step::Index(index) => path.push_str(&format!("[{index}]")),
            }
        }
        self.complaints.push(Complaint { path, message });
    }

    /// Complains that `json` isn't what it should be.
    pub(super) fn expected<T>(&mut self, what: &str, json: &Json) -> Option<T> {
        self.complain(format!("expected {what}, found {}", describe(json)));
        None
    }

    pub(super) fn within<T>(&mut self, member: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(Step::Member(member.to_owned()));
        let found = read(self);
        self.path.pop();
        found
    }

    pub(super) fn at<T>(&mut self, index: usize, read: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(Step::Index(index));
        let found = read(self);
        self.path.pop();
        found
    }

    /// A member that must be there.
    pub(super) fn required<T>(
        &mut self,
        members: &Map<String, Json>,
        name: &str,
        read: impl FnOnce(&mut Self, &Json) -> Option<T>,
    ) -> Option<T> {
        if !members.contains_key(name) {
            self.within(name, |reader| reader.complain("is missing".to_owned()));
        }
        self.optional(members, name, read)
    }

    /// A member that may be there.
    pub(super) fn optional<T>(
        &mut self,
        members: &Map<String, Json>,
        name: &str,
        read: impl FnOnce(&mut Self, &Json) -> Option<T>,
    ) -> Option<T> {
        let json = members.get(name)?;
        self.within(name, |reader| read(reader, json))
    }

    /// Complains of members that aren't among `known`.
    pub(super) fn no_other_members(&mut self, members: &Map<String, Json>, known: &[&str]) {
        for name in members.keys().filter(|name| !known.contains(&name.as_str())) {
            self.within(name, |reader| {
                reader.complain(format!("is unknown: expected one of `{}`", known.join("`, `")));
            });
        }
    }

    pub(super) fn list<T>(
        &mut self,
        json: &Json,
        mut read: impl FnMut(&mut Self, &Json) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Json::Array(items) = json else { return self.expected("a list", json) };
        let mut all = Some(Vec::with_capacity(items.len()));
        for (index, item) in items.iter().enumerate() {
            match self.at(index, |reader| read(reader, item)) {
                Some(found) => {
                    if let Some(all) = &mut all {
                        all.push(found);
                    }
                }
                None => all = None,
            }
        }
        all
    }

    /// An id: not empty, not too long, no control characters.
    pub(super) fn id(&mut self, json: &Json) -> Option<Arc<str>> {
        let Json::String(id) = json else { return self.expected("an id (a string)", json) };
        self.check_id(id)
    }

    pub(super) fn check_id(&mut self, id: &str) -> Option<Arc<str>> {
        if id.is_empty() {
            self.complain("the id is empty".to_owned());
        } else if id.len() > ID_BYTES_MAX {
            self.complain(format!("the id has {} bytes, at most {ID_BYTES_MAX} are allowed", id.len()));
        } else if id.chars().any(char::is_control) {
            self.complain(format!("the id holds control characters: `{}`", id.escape_debug()));
        } else {
            return Some(id.into());
        }
        None
    }

    /// A value of the type `ty`.
    pub(super) fn value(&mut self, ty: &Type, json: &Json) -> Option<Value> {
        match (ty, json) {
            (Type::Bool, Json::Bool(truth)) => Some(Value::Bool(*truth)),
            (Type::Long, Json::Number(number)) => match number.as_i64() {
                Some(number) => Some(Value::Long(number)),
                None => self.expected("a whole number of 64 bits", json),
            },
            (Type::String, Json::String(text)) => Some(Value::String(text.as_str().into())),
            (Type::Entity(entity_type), _) => self.entity_of_type(entity_type, json).map(Value::Entity),
            (Type::Set(member), Json::Array(_)) => {
                self.list(json, |reader, json| reader.value(member, json)).map(Value::set)
            }
            (Type::Record(attributes), Json::Object(members)) => {
                self.attributes(attributes, members, &[]).map(Value::record)
            }
            (Type::Decimal | Type::Datetime | Type::Duration | Type::Ip, Json::String(text)) => self.text(ty, text),
            (Type::Bool, _) => self.expected("a truth value", json),
            (Type::Long, _) => self.expected("a whole number", json),
            (Type::String, _) => self.expected("a string", json),
            (Type::Set(_), _) => self.expected(&format!("a list (`{ty}`)"), json),
            (Type::Record(_), _) => self.expected("an object", json),
            (Type::Decimal | Type::Datetime | Type::Duration | Type::Ip, _) => {
                self.expected(&format!("a string that is a {ty}"), json)
            }
        }
    }

    /// A value of a type that isn't composite, from its text in a table.
    pub(super) fn cell(&mut self, ty: &Type, text: &str) -> Option<Value> {
        match ty {
            Type::Bool => match text {
                "true" => Some(Value::Bool(true)),
                "false" => Some(Value::Bool(false)),
                _ => {
                    self.complain(format!("expected `true` or `false`, found {}", quote(text)));
                    None
                }
            },
            Type::Long => match text.parse() {
                Ok(number) => Some(Value::Long(number)),
                Err(_) => {
                    self.complain(format!("expected a whole number of 64 bits, found {}", quote(text)));
                    None
                }
            },
            Type::String => Some(Value::String(text.into())),
            Type::Entity(entity_type) => {
                let id = self.check_id(text)?;
                self.check_enumerated(EntityUid { entity_type: entity_type.clone(), id }).map(Value::Entity)
            }
            Type::Decimal | Type::Datetime | Type::Duration | Type::Ip => self.text(ty, text),
            Type::Set(_) | Type::Record(_) => {
                self.complain(format!("a `{ty}` can't stand in a table"));
                None
            }
        }
    }

    /// A value of an extension type, from its text.
    fn text(&mut self, ty: &Type, text: &str) -> Option<Value> {
        let (found, example) = match ty {
            Type::Decimal => (scalars::parse_decimal(text).map(Value::Decimal), "12.50"),
            Type::Datetime => (scalars::parse_datetime(text).map(Value::Datetime), "2026-11-05T10:00:00Z"),
            Type::Duration => (scalars::parse_duration(text).map(Value::Duration), "1h30m"),
            Type::Ip => (scalars::parse_ip(text).map(Value::Ip), "198.51.100.0/24"),
            Type::Bool | Type::Long | Type::String | Type::Entity(_) | Type::Set(_) | Type::Record(_) => (None, ""),
        };
        if found.is_none() {
            self.complain(format!("expected a {ty} such as `{example}`, found {}", quote(text)));
        }
        found
    }

    /// The attributes that `declared` says, from the members of an object that aren't among `others`.
    pub(super) fn attributes(
        &mut self,
        declared: &BTreeMap<Arc<str>, Attribute>,
        members: &Map<String, Json>,
        others: &[&str],
    ) -> Option<BTreeMap<Arc<str>, Value>> {
        let before = self.count();
        let mut values = BTreeMap::new();
        for (name, json) in members.iter().filter(|(name, _)| !others.contains(&name.as_str())) {
            self.within(name, |reader| match declared.get_key_value(name.as_str()) {
                Some((name, attribute)) => {
                    if let Some(value) = reader.value(&attribute.ty, json) {
                        values.insert(name.clone(), value);
                    }
                }
                None => reader.complain("the schema declares no such attribute".to_owned()),
            });
        }
        for (name, attribute) in declared {
            if attribute.required && (others.contains(&&**name) || !members.contains_key(&**name)) {
                self.within(name, |reader| reader.complain(format!("is missing: a `{}`", attribute.ty)));
            }
        }
        (self.count() == before).then_some(values)
    }

    /// How many complaints there are.
    fn count(&self) -> usize {
        self.complaints.len().saturating_add(self.more)
    }

    /// A reference to an entity of a known type.
    fn entity_of_type(&mut self, entity_type: &Arc<str>, json: &Json) -> Option<EntityUid> {
        let id = match json {
            Json::String(id) => self.check_id(id)?,
            Json::Object(members) => {
                let uid = self.typed_entity(members)?;
                if uid.entity_type != *entity_type {
                    self.complain(format!("expected a `{entity_type}`, found a `{}`", uid.entity_type));
                    return None;
                }
                uid.id
            }
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) => {
                return self.expected(&format!("the id of a `{entity_type}`"), json);
            }
        };
        self.check_enumerated(EntityUid { entity_type: entity_type.clone(), id })
    }

    /// `{"type": "Team", "id": "t1"}`.
    fn typed_entity(&mut self, members: &Map<String, Json>) -> Option<EntityUid> {
        self.no_other_members(members, &["type", "id"]);
        let entity_type = self.required(members, "type", Self::entity_type);
        let id = self.required(members, "id", Self::id);
        Some(EntityUid { entity_type: entity_type?, id: id? })
    }

    /// The name of an entity type, with or without the namespace of the vocabulary.
    pub(super) fn entity_type(&mut self, json: &Json) -> Option<Arc<str>> {
        let Json::String(name) = json else { return self.expected("an entity type (a string)", json) };
        let found = self.known_type(name);
        if found.is_none() {
            self.complain(format!("the schema declares no entity type {}", quote(name)));
        }
        found
    }

    /// A reference to an entity of any type: `Role::support`, or an object with type and id.
    pub(super) fn any_entity(&mut self, json: &Json) -> Option<EntityUid> {
        match json {
            Json::String(text) => self.entity_name(text),
            Json::Object(members) => {
                let uid = self.typed_entity(members)?;
                self.check_enumerated(uid)
            }
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) => {
                self.expected("an entity such as `Role::support`", json)
            }
        }
    }

    /// `Role::support`, `Export::Role::support`, `Export::Role::"support"`.
    pub(super) fn entity_name(&mut self, text: &str) -> Option<EntityUid> {
        // The longest part that is a type: an id may hold `::`, and so may a type.
        let places = text.rmatch_indices("::").filter(|(place, _)| *place > 0);
        let split = |(place, separator): (usize, &str)| {
            let entity_type = self.known_type(text.get(..place)?)?;
            Some((entity_type, text.get(place.checked_add(separator.len())?..)?))
        };
        let Some((entity_type, id)) = places.filter_map(split).next() else {
            self.complain(format!(
                "expected an entity of a type of the schema, such as `Role::support`, found {}",
                quote(text)
            ));
            return None;
        };
        let id = id.strip_prefix('"').and_then(|id| id.strip_suffix('"')).unwrap_or(id);
        let id = self.check_id(id)?;
        self.check_enumerated(EntityUid { entity_type, id })
    }

    fn known_type(&self, name: &str) -> Option<Arc<str>> {
        let qualified = format!("{NAMESPACE}::{name}");
        [name, &qualified].into_iter().find_map(|name| Some(self.schema.entities.get_key_value(name)?.0.clone()))
    }

    fn check_enumerated(&mut self, uid: EntityUid) -> Option<EntityUid> {
        let ids = self.schema.entities.get(&uid.entity_type).and_then(|declared| declared.ids.as_ref());
        let Some(ids) = ids else { return Some(uid) };
        if ids.contains(&uid.id) {
            return Some(uid);
        }
        self.complain(format!(
            "expected an id of the enumeration `{}` (`{}`), found {}",
            uid.entity_type,
            ids.join("`, `"),
            quote(&uid.id)
        ));
        None
    }
}

/// A text as messages show it: in backticks, without control characters, cut when it is long.
pub(super) fn quote(text: &str) -> String {
    /// Characters shown of a text that isn't what it should be.
    const SHOWN_MAX: usize = 60;
    let cut: String = text.chars().take(SHOWN_MAX).collect();
    let dots = if cut.len() < text.len() { "..." } else { "" };
    format!("`{}{dots}`", cut.escape_debug())
}

fn describe(json: &Json) -> String {
    match json {
        Json::Null => "null".to_owned(),
        Json::Bool(truth) => format!("`{truth}`"),
        Json::Number(number) => format!("`{number}`"),
        Json::String(text) => format!("the string {}", quote(text)),
        Json::Array(_) => "a list".to_owned(),
        Json::Object(_) => "an object".to_owned(),
    }
}
