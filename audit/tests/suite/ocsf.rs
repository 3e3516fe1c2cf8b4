//! Events have what their classes require, and tell nothing of customers.

use super::desk::{Desk, ORIGIN, Taking, bytes, customers};
use exportgate_audit::entry::{Approval, Revocation, Uid, Verdict};
use exportgate_audit::{Entry, Event, OcsfExport};
use serde_json::Value;

/// What OCSF 1.8.0 requires of each class: of all events, and beside it. Inner names after a dot.
const BASE: [&str; 9] = [
    "activity_id",
    "category_uid",
    "class_uid",
    "type_uid",
    "time",
    "severity_id",
    "metadata.version",
    "metadata.product.name",
    "metadata.product.version",
];
const OF_CLASS: [(u64, &[&str]); 3] = [
    (6005, &["actor", "src_endpoint", "database.type_id"]),
    (2006, &["finding_info.uid", "data_security.policy"]),
    (3005, &["user", "privileges", "actor"]),
];

fn events(desk: &Desk) -> Vec<Value> {
    let mut export = OcsfExport::new(ORIGIN, "0.1.0");
    let mut events: Vec<Value> =
        bytes(&desk.records).iter().flat_map(|record| export.push(Entry::from_bytes(record).unwrap())).collect();
    events.extend(export.finish());
    events
}

fn at<'a>(event: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(event, |value, name| &value[name])
}

#[test]
fn events_have_what_their_classes_require() {
    let mut desk = Desk::new(ORIGIN, 1);
    let list = customers(0..3);
    let job = desk.take("ana", "billing", "crm", &list);
    for verdict in [Verdict::Deny, Verdict::Challenge, Verdict::Allow] {
        desk.decide(&Taking { agent: "ana", team: "billing", destination: "crm", customers: &list, verdict });
    }
    desk.cancel("job-4");
    let by = Uid::new("Export::Agent", "sam");
    for approved in [true, false] {
        let (job, by, role) = (job.clone(), by.clone(), "supervisor".into());
        desk.append(Event::Approval(Approval { job, content: [1; 32], by, role, given_at_ms: 5, approved }));
    }
    for lifted in [false, true] {
        let (kind, id, by, reason) = ("agent".into(), "ana".into(), "sam".into(), "left".into());
        desk.append(Event::Revocation(Revocation { kind, id, by, reason, lifted }));
    }
    let events = events(&desk);
    let shape: Vec<(u64, u64, u64)> = events
        .iter()
        .map(|event| {
            let number = |name: &str| event[name].as_u64().unwrap_or(0);
            (number("class_uid"), number("action_id"), number("disposition_id"))
        })
        .collect();
    let expected = [
        (6005, 4, 1),
        (6005, 0, 0),
        (6005, 2, 2),
        (2006, 0, 0),
        (6005, 2, 23),
        (6005, 4, 1),
        (6005, 0, 0),
        (3005, 0, 0),
        (3005, 0, 0),
        (3005, 0, 0),
        (3005, 0, 0),
    ];
    assert_eq!(shape, expected);
    let access = events.iter().filter(|event| event["class_uid"] == 3005);
    let activities: Vec<u64> = access.map(|event| event["activity_id"].as_u64().unwrap()).collect();
    assert_eq!(activities, [1, 99, 2, 1]);
    for event in &events {
        let class = event["class_uid"].as_u64().unwrap();
        let (_, own) = OF_CLASS.iter().find(|(known, _)| *known == class).unwrap();
        for path in BASE.iter().chain(*own) {
            assert!(!at(event, path).is_null(), "{path} of {event:#}");
        }
        let type_uid = class * 100 + event["activity_id"].as_u64().unwrap();
        assert_eq!(event["type_uid"].as_u64(), Some(type_uid));
        assert!(!event.to_string().contains(&desk.customers.hash("customer-0").to_string()));
    }
    let first = &events[0];
    assert_eq!(at(first, "actor.user.uid"), "ana");
    assert_eq!(at(first, "exportgate.facts.ticket"), "t-1");
    assert_eq!(at(first, "exportgate.customers_included"), 3);
    assert_eq!(first["authorizations"][0]["policy"]["name"], "support-desk/support-own-ticket");
    assert_eq!(at(first, "metadata.sequence"), 1);
}
