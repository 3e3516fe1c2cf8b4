//! States the facts of a manner as values of the pack's own types: agents, tickets, customers, `context.env`.
//!
//! A replay file speaks of employment, devices, destinations; which of these a pack reads, and as what type, its schema
//! says. A fact that the schema doesn't declare isn't stated; one that it demands and no replay file can state is an error.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use exportgate::Entity;
use exportgate_contract::types::{Attribute, SchemaTypes, Type};
use exportgate_contract::value::{EntityUid, Ip, Value};
use exportgate_contract::vocabulary::{AGENT, ENV, EXPORT, TICKET};

use super::file::{Agents, Ask, Session};

const ROLE: &str = "Export::Role";
const TEAM: &str = "Export::Team";
const VENDOR: &str = "Export::Vendor";
const DESTINATION: &str = "Export::Destination";

/// A fact before it has a type.
#[derive(Clone, Debug)]
pub enum Fact<'a> {
    /// A text: a string, an address, or the id of an entity, whichever the schema wants.
    Text(&'a str),
    /// An entity.
    Entity(EntityUid),
    /// A number, or an instant in milliseconds since 1970.
    Number(i64),
    /// A truth value.
    Truth(bool),
    /// A record.
    Record(Vec<(&'a str, Fact<'a>)>),
}

/// The agent with number `place` (from 0).
pub fn agent_uid(place: u64) -> EntityUid {
    EntityUid::new(AGENT, format!("agent-{}", place.saturating_add(1)))
}

/// For each agent what its jobs say beside tickets: the agent, its roles, team and vendor, and the destination.
///
/// # Errors
///
/// What the schema demands of them and no replay file can state.
pub fn entities(schema: &SchemaTypes, agents: &Agents, ask: &Ask) -> Result<Vec<Vec<Entity>>, String> {
    let mut parents: Vec<EntityUid> = agents.roles.iter().map(|role| EntityUid::new(ROLE, role.as_str())).collect();
    let mut entities: Vec<Entity> = Vec::new();
    for uid in &parents {
        entities.push(entity(schema, uid.clone(), &[])?);
    }
    if let Some(team) = &agents.team {
        let mut team = entity(schema, EntityUid::new(TEAM, team.as_str()), &[])?;
        parents.push(team.uid.clone());
        if let Some(vendor) = &agents.vendor {
            let vendor = entity(schema, EntityUid::new(VENDOR, vendor.as_str()), &[])?;
            team = team.with_parent(vendor.uid.clone());
            entities.push(vendor);
        }
        entities.push(team);
    }
    let destination = [("kind", Fact::Text(&ask.destination.kind)), ("region", Fact::Text(&ask.destination.region))];
    entities.push(entity(schema, destination_uid(), &destination)?);
    let mut facts = vec![
        ("kind", Fact::Text(agents.kind.as_str())),
        ("employment", Fact::Text(&agents.employment)),
        ("region", Fact::Text(&agents.region)),
        ("risk", Fact::Number(agents.risk)),
    ];
    if let Some(network) = &agents.allowed_network {
        facts.push(("allowedNetwork", Fact::Text(network)));
    }
    (0..agents.count)
        .map(|place| {
            let mut agent = entity(schema, agent_uid(place), &facts)?;
            agent.parents.clone_from(&parents);
            Ok(entities.iter().cloned().chain([agent]).collect())
        })
        .collect()
}

/// `context.env` of a manner's jobs.
///
/// # Errors
///
/// What the schema demands of it and no replay file can state.
pub fn env(schema: &SchemaTypes, ask: &Ask, session: &Session) -> Result<Value, String> {
    let export = schema.actions.iter().find(|action| &*action.uid.id == EXPORT);
    let declared = match export.and_then(|action| action.context.get(ENV)) {
        Some(Attribute { ty: Type::Record(attributes), .. }) => attributes.clone(),
        Some(_) | None => BTreeMap::new(),
    };
    let network = vec![("ip", Fact::Text(&session.ip)), ("corporate", Fact::Truth(session.corporate_network))];
    let auth = vec![
        ("ageSec", Fact::Number(session.auth_age_sec)),
        ("phishingResistant", Fact::Truth(session.phishing_resistant)),
    ];
    let facts = [
        ("purpose", Fact::Text(&ask.purpose)),
        ("channel", Fact::Text(&ask.channel)),
        ("destination", Fact::Entity(destination_uid())),
        ("managedDevice", Fact::Truth(session.managed_device)),
        ("network", Fact::Record(network)),
        ("auth", Fact::Record(auth)),
        ("breakGlass", Fact::Truth(session.break_glass)),
    ];
    Ok(Value::record(attributes(&declared, &facts, "context.env")?))
}

/// The ticket `uid` with these facts.
///
/// # Errors
///
/// What the schema demands of a ticket and no replay file can state.
pub fn ticket(schema: &SchemaTypes, id: &str, facts: &[(&str, Fact<'_>)]) -> Result<Entity, String> {
    entity(schema, EntityUid::new(TICKET, id), facts)
}

/// Where exports go.
fn destination_uid() -> EntityUid {
    EntityUid::new(DESTINATION, "destination-1")
}

fn entity(schema: &SchemaTypes, uid: EntityUid, facts: &[(&str, Fact<'_>)]) -> Result<Entity, String> {
    let mut entity = Entity::new(uid);
    if let Some(declared) = schema.entities.get(&entity.uid.entity_type) {
        entity.attributes = attributes(&declared.attributes, facts, &entity.uid.entity_type)?;
    }
    Ok(entity)
}

/// Those of `facts` that are `declared`, as values.
fn attributes(
    declared: &BTreeMap<Arc<str>, Attribute>,
    facts: &[(&str, Fact<'_>)],
    of: &str,
) -> Result<BTreeMap<Arc<str>, Value>, String> {
    let mut values = BTreeMap::new();
    for (name, attribute) in declared {
        match facts.iter().find(|(known, _)| **known == **name) {
            Some((_, fact)) => {
                let value = value(&attribute.ty, fact).ok_or_else(|| {
                    format!("the schema declares `{of}.{name}` as `{}`, which a replay can't state", attribute.ty)
                })?;
                values.insert(name.clone(), value);
            }
            None if attribute.required => {
                return Err(format!("the schema demands `{of}.{name}`, which a replay can't state"));
            }
            None => {}
        }
    }
    Ok(values)
}

/// The fact as a value of the type `ty`; none when it can't be one.
pub fn value(ty: &Type, fact: &Fact<'_>) -> Option<Value> {
    match (ty, fact) {
        (Type::String, Fact::Text(text)) => Some(Value::string(*text)),
        (Type::Entity(entity_type), Fact::Text(id)) => Some(Value::Entity(EntityUid::new(entity_type.clone(), *id))),
        (Type::Ip, Fact::Text(text)) => parse_ip(text).map(Value::Ip),
        (Type::Entity(entity_type), Fact::Entity(uid)) => {
            (*entity_type == uid.entity_type).then(|| Value::Entity(uid.clone()))
        }
        (Type::Long, Fact::Number(number)) => Some(Value::Long(*number)),
        (Type::Datetime, Fact::Number(ms)) => Some(Value::Datetime(*ms)),
        (Type::Bool, Fact::Truth(truth)) => Some(Value::Bool(*truth)),
        (Type::Record(declared), Fact::Record(facts)) => attributes(declared, facts, "").ok().map(Value::record),
        (
            Type::Bool
            | Type::Long
            | Type::String
            | Type::Entity(_)
            | Type::Set(_)
            | Type::Record(_)
            | Type::Decimal
            | Type::Datetime
            | Type::Duration
            | Type::Ip,
            _,
        ) => None,
    }
}

/// An address or range, such as `198.51.100.0/24`.
fn parse_ip(text: &str) -> Option<Ip> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix.parse::<u8>().ok()?)),
        None => (text, None),
    };
    let (address, bits, v6) = match address.parse::<IpAddr>().ok()? {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), 32, false),
        IpAddr::V6(v6) => (v6.to_bits(), 128, true),
    };
    let prefix = prefix.unwrap_or(bits);
    (prefix <= bits).then_some(Ip { address, prefix, v6 })
}
