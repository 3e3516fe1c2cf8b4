//! The vocabulary of an export: the entity types, actions and context attributes that the gate knows, and what it
//! supplies for each.
//!
//! A pack's schema may add entity types, attributes, actions, tallies and windows of its own; these names keep their
//! meaning. [`check`] holds a schema to it.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::types::{Action, Attribute, SchemaTypes, Type};

/// The namespace of the vocabulary.
pub const NAMESPACE: &str = "Export";

/// The entity type of agents: who asks. `Agent in [Role, Team]`.
pub const AGENT: &str = "Export::Agent";
/// The entity type of jobs: one request to export.
pub const JOB: &str = "Export::Job";
/// The entity type of customers: the rows of a job.
pub const CUSTOMER: &str = "Export::Customer";
/// The entity type of fields: the columns of a job. `Field in [FieldClass]`, filled from the catalogue.
pub const FIELD: &str = "Export::Field";
/// The attribute of a field that names how it is shown in part, a `String`: see [`PartialForm`](crate::partial::PartialForm).
/// A schema needn't declare it.
pub const FIELD_PARTIAL: &str = "partial";
/// The entity type of field classes.
pub const FIELD_CLASS: &str = "Export::FieldClass";
/// The entity type of tickets.
pub const TICKET: &str = "Export::Ticket";
/// The entity type of actions.
pub const ACTION: &str = "Export::Action";

/// The action asked once a job: allow, deny or challenge.
pub const EXPORT: &str = "export";
/// The action asked once a customer: whether the row leaves.
pub const INCLUDE: &str = "include";
/// The actions that say in which form a field leaves, from the most revealing: the first that is allowed holds, and
/// none means that the field is suppressed.
pub const REVEAL: [&str; 3] = ["reveal_plain", "reveal_partial", "reveal_token"];
/// The group of the reveal actions.
pub const REVEAL_GROUP: &str = "reveal";
/// The group of the tally actions.
pub const TALLY_GROUP: &str = "tally";
/// How the id of a tally action begins; the rest is the attribute of `context.tally` that holds the count.
pub const TALLY_PREFIX: &str = "tally_";

/// Context attribute: a record of what the caller states about purpose, channel, destination, device and network.
pub const ENV: &str = "env";
/// Context attribute: the instant of the decision, a `datetime`, stated by the gate.
pub const NOW: &str = "now";
/// Context attribute: a record of windows, each a `Long`: the count after this job. See [`Window`].
pub const USAGE: &str = "usage";
/// Context attribute: a record of counts, each a `Long`: for how many customers of the job the tally action is allowed.
pub const TALLY: &str = "tally";
/// Context attribute: a record of the approvals given for exactly this job: [`APPROVAL_ATTRIBUTES`].
pub const APPROVALS: &str = "approvals";
/// Context attribute: how many distinct customers the job asks for, a `Long`.
pub const CUSTOMERS: &str = "customers";
/// Context attribute: the fields asked for, a set of `Field`.
pub const FIELDS: &str = "fields";
/// Context attribute: the classes of the fields asked for, with the classes above them, a set of `FieldClass`.
pub const CLASSES: &str = "classes";
/// Context attribute, of a row: the customer, where the resource is a field.
pub const CONTEXT_CUSTOMER: &str = "customer";
/// Context attribute, of a row and optional: the ticket that the caller names for the customer.
pub const CONTEXT_TICKET: &str = "ticket";

/// What `context.approvals` may hold: `distinct` (how many people approved), `supervisor`, `dataOwner`, `operator`
/// (whether somebody in that role did), `ageSec` (seconds since the oldest of them).
pub const APPROVAL_ATTRIBUTES: [(&str, Type); 5] = [
    ("ageSec", Type::Long),
    ("dataOwner", Type::Bool),
    ("distinct", Type::Long),
    ("operator", Type::Bool),
    ("supervisor", Type::Bool),
];

/// The one attribute that `Job` may declare: the agent who asks.
pub const JOB_REQUESTER: &str = "requester";

/// What an action is to an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role<'a> {
    /// Asked once a job.
    Export,
    /// Asked once a customer.
    Include,
    /// Asked for each field of each customer; the position in [`REVEAL`].
    Reveal(usize),
    /// Asked once a customer and counted; the attribute of `context.tally`.
    Tally(&'a str),
}

/// What the action with `id` (of type [`ACTION`]) is to an export; none for an action that isn't part of one.
pub fn role(id: &str) -> Option<Role<'_>> {
    if id == EXPORT {
        return Some(Role::Export);
    }
    if id == INCLUDE {
        return Some(Role::Include);
    }
    if let Some(position) = REVEAL.iter().position(|reveal| *reveal == id) {
        return Some(Role::Reveal(position));
    }
    id.strip_prefix(TALLY_PREFIX).filter(|name| !name.is_empty()).map(Role::Tally)
}

/// Whose grants a window counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// The agent.
    Agent,
    /// The agent's team: entities of type `Export::Team` above the agent.
    Team,
    /// The agent's vendor: entities of type `Export::Vendor` above the agent.
    Vendor,
    /// The tenant: entities of type `Export::Tenant` above the agent.
    Tenant,
    /// The destination: the entity in `context.env.destination`.
    Destination,
}

impl Subject {
    /// Every kind of subject.
    pub const ALL: [Self; 5] = [Self::Agent, Self::Team, Self::Vendor, Self::Tenant, Self::Destination];

    /// The entity type of the subject.
    pub fn entity_type(self) -> &'static str {
        match self {
            Self::Agent => AGENT,
            Self::Team => "Export::Team",
            Self::Vendor => "Export::Vendor",
            Self::Tenant => "Export::Tenant",
            Self::Destination => "Export::Destination",
        }
    }
}

/// What a window counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Counted {
    /// Distinct customers granted within the window, those of this job included.
    Customers,
    /// Denials by policy within the window, this job not included.
    Denials,
}

/// A window that a schema declares as an attribute of `context.usage`.
///
/// The name is `customers`, `team`, `vendor`, `tenant`, `destination` (distinct customers of the agent, of the team, and
/// so on) or `denied` (denials of the agent), then a whole number, then `m`, `h` or `d`: `customers24h`, `team30d`,
/// `denied1h`. Where an agent has several teams, the largest count holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    /// Whose grants are counted.
    pub subject: Subject,
    /// What is counted.
    pub counted: Counted,
    /// How far back it reaches, in seconds: at least 60, at most [`WINDOW_SECONDS_MAX`].
    pub seconds: i64,
}

/// The longest window: 400 days, in seconds.
pub const WINDOW_SECONDS_MAX: i64 = 400 * 86_400;

impl Window {
    /// The window that an attribute of `context.usage` names; none when the name isn't one.
    pub fn parse(name: &str) -> Option<Self> {
        const PREFIXES: [(&str, Subject, Counted); 6] = [
            ("customers", Subject::Agent, Counted::Customers),
            ("team", Subject::Team, Counted::Customers),
            ("vendor", Subject::Vendor, Counted::Customers),
            ("tenant", Subject::Tenant, Counted::Customers),
            ("destination", Subject::Destination, Counted::Customers),
            ("denied", Subject::Agent, Counted::Denials),
        ];
        let (rest, subject, counted) = PREFIXES
            .iter()
            .find_map(|(prefix, subject, counted)| name.strip_prefix(prefix).map(|rest| (rest, *subject, *counted)))?;
        let unit = match rest.chars().last()? {
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return None,
        };
        let digits = rest.get(..rest.len().checked_sub(1)?)?;
        if digits.starts_with('0') || digits.starts_with('+') {
            return None;
        }
        let seconds = digits.parse::<i64>().ok()?.checked_mul(unit)?;
        (60..=WINDOW_SECONDS_MAX).contains(&seconds).then_some(Self { subject, counted, seconds })
    }
}

/// What a schema lacks, or says otherwise than the vocabulary: one sentence each, fit for people; empty when it fits.
pub fn check(schema: &SchemaTypes) -> Vec<String> {
    let mut complaints = Vec::new();
    for name in [AGENT, JOB, CUSTOMER, FIELD, FIELD_CLASS] {
        if !schema.entities.contains_key(name) {
            complaints.push(format!("the schema declares no entity type `{name}`"));
        }
    }
    if let Some(job) = schema.entities.get(JOB) {
        for (name, attribute) in &job.attributes {
            if &**name != JOB_REQUESTER || attribute.ty != Type::Entity(AGENT.into()) {
                complaints.push(format!("`{JOB}` may declare only `{JOB_REQUESTER}: Agent`, found `{name}`"));
            }
        }
    }
    for id in [EXPORT, INCLUDE].into_iter().chain(REVEAL) {
        if !schema.actions.iter().any(|action| is(action, id)) {
            complaints.push(format!("the schema declares no action `{ACTION}::\"{id}\"`"));
        }
    }
    for action in &schema.actions {
        if &*action.uid.entity_type != ACTION || action.principals.is_empty() {
            continue;
        }
        if let Some(role) = role(&action.uid.id) {
            check_action(schema, action, role, &mut complaints);
        }
    }
    complaints
}

fn is(action: &Action, id: &str) -> bool {
    &*action.uid.entity_type == ACTION && &*action.uid.id == id
}

fn check_action(schema: &SchemaTypes, action: &Action, role: Role<'_>, complaints: &mut Vec<String>) {
    let id = &action.uid.id;
    let resource = match role {
        Role::Export => JOB,
        Role::Include | Role::Tally(_) => CUSTOMER,
        Role::Reveal(_) => FIELD,
    };
    if action.principals.len() != 1 || action.principals.first().is_none_or(|name| &**name != AGENT) {
        complaints.push(format!("action `{id}` must apply to principals of type `{AGENT}` and no other"));
    }
    if action.resources.len() != 1 || action.resources.first().is_none_or(|name| &**name != resource) {
        complaints.push(format!("action `{id}` must apply to resources of type `{resource}` and no other"));
    }
    let group = match role {
        Role::Reveal(_) => Some(REVEAL_GROUP),
        Role::Tally(_) => Some(TALLY_GROUP),
        Role::Export | Role::Include => None,
    };
    if let Some(group) = group
        && !action.groups.iter().any(|uid| &*uid.entity_type == ACTION && &*uid.id == group)
    {
        complaints.push(format!("action `{id}` must be in the group `{ACTION}::\"{group}\"`"));
    }
    for (name, attribute) in &action.context {
        if let Some(complaint) = check_context(schema, role, name, attribute) {
            complaints.push(format!("`context.{name}` of action `{id}` {complaint}"));
        }
    }
}

/// What is wrong with one context attribute of an action, to be read after its name.
fn check_context(schema: &SchemaTypes, role: Role<'_>, name: &str, attribute: &Attribute) -> Option<String> {
    let required =
        |fits: bool, what: &str| (!fits || !attribute.required).then(|| format!("must be {what}, and not optional"));
    match name {
        ENV => required(matches!(attribute.ty, Type::Record(_)), "a record"),
        NOW => required(attribute.ty == Type::Datetime, "a datetime"),
        CUSTOMERS => required(attribute.ty == Type::Long, "a Long"),
        FIELDS => required(attribute.ty == set_of(FIELD), "a `Set<Field>`"),
        CLASSES => required(attribute.ty == set_of(FIELD_CLASS), "a `Set<FieldClass>`"),
        APPROVALS => required(true, "a record").or_else(|| check_record(&attribute.ty, check_approval)),
        USAGE => required(true, "a record").or_else(|| check_record(&attribute.ty, check_window)),
        TALLY if matches!(role, Role::Tally(_)) => {
            Some("can't be read here: it is counted from the answers to the tally actions".to_owned())
        }
        TALLY => required(true, "a record")
            .or_else(|| check_record(&attribute.ty, |name, attribute| check_tally(schema, name, attribute))),
        CONTEXT_CUSTOMER if matches!(role, Role::Reveal(_)) => {
            required(attribute.ty == Type::Entity(CUSTOMER.into()), "a `Customer`")
        }
        CONTEXT_TICKET if role != Role::Export => {
            let fits = attribute.ty == Type::Entity(TICKET.into()) && !attribute.required;
            (!fits).then(|| "must be `ticket?: Ticket`".to_owned())
        }
        _ => Some(format!("isn't known to the gate: what the caller states belongs into `{ENV}`")),
    }
}

fn set_of(entity: &str) -> Type {
    Type::Set(alloc::boxed::Box::new(Type::Entity(entity.into())))
}

fn check_record(ty: &Type, check: impl Fn(&str, &Attribute) -> Option<String>) -> Option<String> {
    let Type::Record(attributes) = ty else {
        return Some(format!("must be a record, found `{ty}`"));
    };
    let attributes: &BTreeMap<Arc<str>, Attribute> = attributes;
    attributes.iter().find_map(|(name, attribute)| check(name, attribute))
}

fn check_approval(name: &str, attribute: &Attribute) -> Option<String> {
    let known = APPROVAL_ATTRIBUTES.iter().any(|(known, ty)| *known == name && *ty == attribute.ty);
    (!known || !attribute.required).then(|| {
        format!("may hold `ageSec: Long, dataOwner: Bool, distinct: Long, operator: Bool, supervisor: Bool`, found `{name}: {}`", attribute.ty)
    })
}

fn check_window(name: &str, attribute: &Attribute) -> Option<String> {
    let fits = attribute.ty == Type::Long && attribute.required && Window::parse(name).is_some();
    (!fits).then(|| {
        format!("holds `{name}: {}`, which names no window: write `customers`, `team`, `vendor`, `tenant`, `destination` or `denied`, a number, and `m`, `h` or `d`, as in `customers24h: Long`", attribute.ty)
    })
}

fn check_tally(schema: &SchemaTypes, name: &str, attribute: &Attribute) -> Option<String> {
    if attribute.ty != Type::Long || !attribute.required {
        return Some(format!("holds `{name}: {}`, where a count is a `Long`, and not optional", attribute.ty));
    }
    let action = format!("{TALLY_PREFIX}{name}");
    let declared = schema.actions.iter().any(|candidate| is(candidate, &action));
    (!declared).then(|| format!("holds `{name}`, but the schema declares no action `{ACTION}::\"{action}\"`"))
}
