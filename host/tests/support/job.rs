//! Jobs for tests of the gate, and guests that let everything leave.

use std::sync::Arc;

use exportgate::{Approvals, Column, Customers, Entities, Entity, Job};
use exportgate_contract::value::{EntityUid, Value};

use crate::guest::{Guest, Rule, Test, permit};

pub fn uid(entity_type: &str, id: &str) -> EntityUid {
    EntityUid::new(format!("Export::{entity_type}"), id)
}

/// The permits that let everything leave as it is.
pub fn open() -> Vec<Rule> {
    vec![
        permit("may-export", "export", Test::Always),
        permit("may-leave", "include", Test::Always),
        permit("plain", "reveal_plain", Test::Always),
    ]
}

pub fn opened(more: impl IntoIterator<Item = Rule>) -> Guest {
    Guest::new(open().into_iter().chain(more).collect())
}

pub fn env(ok: bool) -> Value {
    Value::record([
        ("ok", Value::Bool(ok)),
        ("amount", Value::Long(5)),
        ("destination", Value::Entity(uid("Destination", "drive"))),
        ("auth", Value::record([("phishingResistant", Value::Bool(false)), ("ageSec", Value::Long(9_999))])),
        ("managedDevice", Value::Bool(false)),
        ("network", Value::record([("corporate", Value::Bool(false))])),
    ])
}

pub fn customers(ids: &[&str]) -> Customers {
    let flag = |marked: &'static str| ids.iter().map(move |id| Some(id.starts_with(marked)));
    Customers::new(ids.iter().copied())
        .unwrap()
        .with_attribute("canary", Column::bools(flag("canary")))
        .unwrap()
        .with_attribute("hold", Column::bools(flag("held")))
        .unwrap()
}

pub fn entities() -> Vec<Entity> {
    vec![
        Entity::new(uid("Agent", "ana"))
            .with_attribute("risk", 5)
            .with_parent(uid("Team", "t1"))
            .with_parent(uid("Team", "t2")),
        Entity::new(uid("Agent", "bob")).with_attribute("risk", 5).with_parent(uid("Team", "t1")),
        Entity::new(uid("Team", "t1")).with_parent(uid("Vendor", "v")),
        Entity::new(uid("Team", "t2")),
    ]
}

pub fn job_of(id: &str, agent: &str, ids: &[&str], fields: &[&str]) -> Job {
    Job {
        id: id.into(),
        agent: uid("Agent", agent),
        fields: fields.iter().map(|field| Arc::from(*field)).collect(),
        customers: customers(ids),
        env: env(true),
        approvals: Approvals::none(),
        entities: Arc::new(Entities::new(entities()).unwrap()),
        prepared_agent: None,
    }
}

pub fn job(ids: &[&str]) -> Job {
    job_of("job-1", "ana", ids, &["customer.email", "card"])
}
