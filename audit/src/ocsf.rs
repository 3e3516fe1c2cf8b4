//! Entries as events of the Open Cybersecurity Schema Framework, version 1.8.0, for a SIEM.
//!
//! | entry | class |
//! |---|---|
//! | decision | 6005 Datastore Activity, activity 99 "Export" |
//! | decision with a high or critical alert | also 2006 Data Security Finding |
//! | commit, cancel | 6005 Datastore Activity, activity 99 "Commit", "Cancel" |
//! | approval, revocation | 3005 User Access Management |
//! | keys, pruning | none: they are about the log |
//!
//! Counts, ticket, purpose and obligations have no home in the framework; they stand in `exportgate`, an extension's object.

use serde_json::{Value, json};

use crate::entry::{Alert, Decision, Entry, Event, Form, PolicyUse, Uid, Verdict};
use crate::hash::hex;

const SCHEMA_VERSION: &str = "1.8.0";

/// Turns entries, in order, into events.
///
/// A decision becomes an event once the customers after it came by: only they tell whether fields were masked.
#[derive(Debug)]
pub struct OcsfExport {
    origin: String,
    product_version: String,
    waiting: Option<(Entry, bool)>,
}

impl OcsfExport {
    /// Events of the log `origin`, written by this version of the product.
    pub fn new(origin: &str, product_version: &str) -> Self {
        Self { origin: origin.to_owned(), product_version: product_version.to_owned(), waiting: None }
    }

    /// The events that are complete now that `entry` came by.
    pub fn push(&mut self, entry: Entry) -> Vec<Value> {
        if let Event::Rows(rows) = &entry.event {
            if let Some((_, masked)) = &mut self.waiting {
                *masked |= rows.runs.iter().any(|run| run.forms.iter().any(|form| *form < Form::Plain));
            }
            return Vec::new();
        }
        let mut events = self.finish();
        match &entry.event {
            Event::Decision(_) => self.waiting = Some((entry, false)),
            Event::Commit(commit) => {
                let about = json!({ "job": commit.job, "obligations": commit.obligations });
                events.push(self.datastore(&entry, "Commit", about));
            }
            Event::Cancel(cancel) => {
                let about = json!({ "job": cancel.job, "reason": cancel.reason });
                events.push(self.datastore(&entry, "Cancel", about));
            }
            Event::Approval(approval) => {
                let about = json!({
                    "job": approval.job,
                    "content_sha256": hex(&approval.content),
                    "role": approval.role,
                    "approved": approval.approved,
                });
                let activity = if approval.approved { ASSIGN } else { OTHER };
                events.push(self.access(&entry, activity, &user(&approval.by, &[]), about));
            }
            Event::Revocation(revocation) => {
                let about = json!({ "kind": revocation.kind, "by": revocation.by, "reason": revocation.reason });
                let activity = if revocation.lifted { ASSIGN } else { REVOKE };
                events.push(self.access(&entry, activity, &json!({ "uid": revocation.id }), about));
            }
            Event::Rows(_) | Event::Rotation(_) | Event::CustomerKey(_) | Event::Pruning(_) => {}
        }
        events
    }

    /// The events of the last decision; to be called after the last entry too.
    pub fn finish(&mut self) -> Vec<Value> {
        let Some((entry, masked)) = self.waiting.take() else { return Vec::new() };
        let Event::Decision(decision) = &entry.event else { return Vec::new() };
        let mut events = vec![self.decision(&entry, decision, masked)];
        if decision.alert >= Alert::High {
            events.push(self.finding(&entry, decision));
        }
        events
    }

    fn metadata(&self, entry: &Entry, profiles: &[&str]) -> Value {
        json!({
            "version": SCHEMA_VERSION,
            "product": { "name": "exportgate", "vendor_name": "exportgate", "version": self.product_version },
            "profiles": profiles,
            "extensions": [{ "name": "exportgate", "uid": "999", "version": "1.0.0" }],
            "log_name": self.origin,
            "sequence": entry.index,
            "uid": format!("{}/{}", self.origin, entry.index),
        })
    }

    fn decision(&self, entry: &Entry, decision: &Decision, masked: bool) -> Value {
        let mut classes: Vec<&str> = decision.fields.iter().map(|field| field.class.as_str()).collect();
        classes.sort_unstable();
        classes.dedup();
        let classes: Vec<Value> =
            classes.into_iter().filter(|class| !class.is_empty()).map(|class| json!({ "category": class })).collect();
        let (action, disposition) = match decision.verdict {
            Verdict::Allow if masked => (4, 1),
            Verdict::Allow => (1, 1),
            Verdict::Challenge => (2, 23),
            Verdict::Deny if decision.cause.is_empty() => (2, 2),
            Verdict::Deny => (2, 27),
        };
        let mut event = self.datastore(entry, "Export", about(decision));
        let more = json!({
            "severity_id": severity(decision.alert),
            "status_id": if decision.is_allow() { 1 } else { 2 },
            "metadata": self.metadata(entry, &["security_control", "data_classification"]),
            "actor": { "user": user(&decision.agent, &decision.groups) },
            "src_endpoint": { "svc_name": decision.context("channel").unwrap_or("exportgate") },
            "database": { "name": "customers", "type_id": 0, "data_classifications": classes },
            "action_id": action,
            "disposition_id": disposition,
            "is_alert": decision.alert >= Alert::High,
            "authorizations": decision.determining.iter().map(|used| authorization(decision, used)).collect::<Vec<_>>(),
        });
        merge(&mut event, more);
        event
    }

    /// An event of class 6005. What a commit or cancel doesn't know, who and from where, is that of its job's decision.
    fn datastore(&self, entry: &Entry, activity: &str, about: Value) -> Value {
        json!({
            "activity_id": 99,
            "activity_name": activity,
            "category_uid": 6,
            "class_uid": 6005,
            "type_uid": 600_599,
            "time": entry.time_ms,
            "severity_id": 1,
            "status_id": 1,
            "metadata": self.metadata(entry, &[]),
            "actor": { "app_uid": "exportgate" },
            "src_endpoint": { "svc_name": "exportgate" },
            "database": { "name": "customers", "type_id": 0 },
            "exportgate": about,
        })
    }

    fn finding(&self, entry: &Entry, decision: &Decision) -> Value {
        let title = match decision.verdict {
            Verdict::Allow => "an export was allowed and raised an alert",
            Verdict::Deny => "an export was denied and raised an alert",
            Verdict::Challenge => "an export was challenged and raised an alert",
        };
        let policy = decision.determining.first();
        json!({
            "activity_id": 1,
            "category_uid": 2,
            "class_uid": 2006,
            "type_uid": 200_601,
            "time": entry.time_ms,
            "severity_id": severity(decision.alert),
            "metadata": self.metadata(entry, &["security_control"]),
            "actor": { "user": user(&decision.agent, &decision.groups) },
            "finding_info": { "uid": format!("{}/{}", self.origin, entry.index), "title": title },
            "data_security": {
                "policy": { "uid": policy.map_or("none", |policy| policy.id.as_str()) },
                "detection_system_id": 99,
            },
            "is_alert": true,
            "exportgate": about(decision),
        })
    }

    fn access(&self, entry: &Entry, activity: u32, user: &Value, about: Value) -> Value {
        let name = match activity {
            ASSIGN => "Assign Privileges",
            REVOKE => "Revoke Privileges",
            _ => "Refuse Approval",
        };
        json!({
            "activity_id": activity,
            "activity_name": name,
            "category_uid": 3,
            "class_uid": 3005,
            "type_uid": 300_500 + activity,
            "time": entry.time_ms,
            "severity_id": 1,
            "metadata": self.metadata(entry, &[]),
            "actor": { "app_uid": "exportgate" },
            "user": user,
            "privileges": ["export"],
            "exportgate": about,
        })
    }
}

/// What User Access Management knows: privileges are given, or taken; or something else, which `activity_name` says.
const ASSIGN: u32 = 1;
const REVOKE: u32 = 2;
const OTHER: u32 = 99;

/// Informational, high or critical.
fn severity(alert: Alert) -> u32 {
    match alert {
        Alert::None | Alert::Info => 1,
        Alert::High => 4,
        Alert::Critical => 5,
    }
}

fn user(uid: &Uid, groups: &[Uid]) -> Value {
    let groups: Vec<Value> = groups.iter().map(|group| json!({ "uid": group.id, "type": group.kind })).collect();
    json!({ "uid": uid.id, "type": uid.kind, "groups": groups })
}

fn authorization(decision: &Decision, used: &PolicyUse) -> Value {
    let module = decision.modules.get(usize::from(used.module));
    json!({
        "decision": if used.permits { "Allow" } else { "Deny" },
        "policy": {
            "uid": used.id,
            "name": format!("{}/{}", module.map_or("", |module| module.name.as_str()), used.id),
            "version": module.map_or("", |module| module.version.as_str()),
            "is_applied": true,
        },
    })
}

/// What the framework has no place for.
fn about(decision: &Decision) -> Value {
    let counts = |counts: &[crate::entry::Count]| -> serde_json::Map<String, Value> {
        counts.iter().map(|count| (count.name.clone(), count.count.into())).collect()
    };
    json!({
        "job": decision.job,
        "facts": decision.context.iter().cloned().map(|(name, value)| (name, value.into())).collect::<serde_json::Map<_, Value>>(),
        "fields": decision.fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>(),
        "customers_asked": decision.customers_asked,
        "customers_included": decision.rows.customers,
        "obligations": decision.obligations,
        "remedies": decision.remedies,
        "usage": counts(&decision.usage),
        "tallies": counts(&decision.tallies),
        "cause": decision.cause,
    })
}

/// Puts the members of `more` into `event`.
fn merge(event: &mut Value, more: Value) {
    if let (Value::Object(event), Value::Object(more)) = (event, more) {
        event.extend(more);
    }
}
