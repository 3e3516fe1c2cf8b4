//! Spells what a question is asked about as bytes, with a job's own names taken out and its instants counted from now.
//!
//! Equal bytes are equal values up to these names and that shift: each part begins with what it is and how long it is, so
//! that no two different values are spelled alike.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use exportgate::{Entity, EntityUid, Value};

/// What is spelled by its part in the job, not by its name.
#[derive(Clone, Copy, Debug)]
pub struct Own<'a> {
    /// The agent of the job.
    pub agent: &'a EntityUid,
    /// The customer of the row, and the ticket that the job names for it.
    pub row: Option<(&'a EntityUid, Option<&'a EntityUid>)>,
    /// From when instants are counted.
    pub now_ms: i64,
}

/// Adds the spelling of `value`.
pub fn spell(bytes: &mut Vec<u8>, value: &Value, own: Own<'_>) {
    match value {
        Value::Bool(value) => bytes.extend([b'b', u8::from(*value)]),
        Value::Long(number) => spell_number(bytes, b'l', *number),
        Value::String(text) => spell_text(bytes, b's', text),
        Value::Entity(uid) => spell_uid(bytes, uid, own),
        Value::Set(members) => {
            spell_count(bytes, b'[', members.len());
            members.iter().for_each(|member| spell(bytes, member, own));
        }
        Value::Record(fields) => spell_fields(bytes, fields, own),
        Value::Decimal(number) => spell_number(bytes, b'.', *number),
        Value::Datetime(ms) => spell_number(bytes, b't', ms - own.now_ms),
        Value::Duration(ms) => spell_number(bytes, b'd', *ms),
        Value::Ip(ip) => {
            bytes.extend([b'i', u8::from(ip.v6), ip.prefix]);
            bytes.extend(ip.address.to_le_bytes());
        }
    }
}

/// Adds the spelling of all that is known of an entity but its name; of an entity that isn't there, that it isn't.
pub fn spell_entity(bytes: &mut Vec<u8>, entity: Option<&Entity>, own: Own<'_>) {
    let Some(entity) = entity else { return bytes.push(b'-') };
    bytes.push(b'+');
    spell_fields(bytes, &entity.attributes, own);
    spell_fields(bytes, &entity.tags, own);
    spell_uids(bytes, &entity.parents, own);
}

/// Adds the spelling of a list of entities.
pub fn spell_uids(bytes: &mut Vec<u8>, uids: &[EntityUid], own: Own<'_>) {
    spell_count(bytes, b'(', uids.len());
    uids.iter().for_each(|uid| spell_uid(bytes, uid, own));
}

/// Adds the spelling of a text.
pub fn spell_text(bytes: &mut Vec<u8>, kind: u8, text: &str) {
    spell_count(bytes, kind, text.len());
    bytes.extend(text.as_bytes());
}

fn spell_fields(bytes: &mut Vec<u8>, fields: &BTreeMap<Arc<str>, Value>, own: Own<'_>) {
    spell_count(bytes, b'{', fields.len());
    for (name, value) in fields {
        spell_text(bytes, b'n', name);
        spell(bytes, value, own);
    }
}

fn spell_uid(bytes: &mut Vec<u8>, uid: &EntityUid, own: Own<'_>) {
    if uid == own.agent {
        return bytes.push(b'A');
    }
    match own.row {
        Some((customer, _)) if uid == customer => bytes.push(b'C'),
        Some((_, Some(ticket))) if uid == ticket => bytes.push(b'T'),
        _ => {
            spell_text(bytes, b'e', &uid.entity_type);
            spell_text(bytes, b':', &uid.id);
        }
    }
}

fn spell_number(bytes: &mut Vec<u8>, kind: u8, number: i64) {
    bytes.push(kind);
    bytes.extend(number.to_le_bytes());
}

fn spell_count(bytes: &mut Vec<u8>, kind: u8, count: usize) {
    bytes.push(kind);
    bytes.extend(u32::try_from(count).expect("a count").to_le_bytes());
}

/// Numbers for spellings: each is kept once, whole, and so two with one number are equal.
#[derive(Debug, Default)]
pub struct Numbers {
    known: Mutex<HashMap<Box<[u8]>, u32>>,
}

impl Numbers {
    /// The number of a spelling.
    pub fn of(&self, bytes: &[u8]) -> u32 {
        let mut known = self.known.lock().unwrap();
        if let Some(number) = known.get(bytes) {
            return *number;
        }
        let number = u32::try_from(known.len()).expect("fewer spellings than numbers");
        known.insert(bytes.into(), number);
        number
    }
}
