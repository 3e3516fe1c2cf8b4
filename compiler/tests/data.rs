//! Reads entities and contexts in Cedar's JSON format, by the schema.

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use exportgate_compiler::data::{parse_context, parse_entities};
    use exportgate_contract::value::{EntityUid, Ip, Value};

    const SCHEMA: &str = "entity Group; entity User in [Group] = { d: decimal, t?: datetime, ip: ipaddr, u?: User } tags Long;
        action all; action view in [all] appliesTo { principal: User, resource: User, context: { wait: duration, s: Set<String> } };";

    #[test]
    fn entities_are_plain_and_include_actions() {
        let json = r#"[{"uid": {"type": "User", "id": "a"}, "parents": [{"type": "Group", "id": "g"}],
            "attrs": {"d": "-1.5", "t": "1969-12-31T23:59:59.999Z", "ip": "10.0.0.1/24", "u": {"type": "User", "id": "b"}},
            "tags": {"k": 7}}]"#;
        let entities = parse_entities(SCHEMA, json).unwrap_or_else(|errors| panic!("{errors}"));
        let uids: Vec<String> = entities.iter().map(|entity| entity.uid.to_string()).collect();
        assert_eq!(uids, ["Action::\"all\"", "Action::\"view\"", "User::\"a\""]);
        assert_eq!(entities[1].parents, [EntityUid::new("Action", "all")]);
        let attributes: BTreeMap<&str, Value> =
            entities[2].attributes.iter().map(|(name, value)| (&**name, value.clone())).collect();
        assert_eq!(attributes["d"], Value::Decimal(-15_000));
        assert_eq!(attributes["t"], Value::Datetime(-1));
        assert_eq!(attributes["ip"], Value::Ip(Ip { address: 0x0a00_0001, prefix: 24, v6: false }));
        assert_eq!(attributes["u"], Value::Entity(EntityUid::new("User", "b")));
        assert_eq!(entities[2].tags["k"], Value::Long(7));
        assert_eq!(entities[2].parents, [EntityUid::new("Group", "g")]);
    }

    #[test]
    fn contexts_are_read_by_the_type_of_the_action() {
        let view = EntityUid::new("Action", "view");
        let context = parse_context(SCHEMA, &view, r#"{"wait": "-1d2h", "s": ["b", "a", "b"]}"#);
        let expected = Value::record([
            ("wait", Value::Duration(-93_600_000)),
            ("s", Value::set([Value::string("a"), Value::string("b")])),
        ]);
        assert_eq!(context.unwrap_or_else(|errors| panic!("{errors}")), expected);
    }

    #[test]
    fn data_that_does_not_conform_is_refused() {
        let entities = r#"[{"uid": {"type": "User", "id": "a"}, "parents": [], "attrs": {"d": "1.5"}}]"#;
        let error = parse_entities(SCHEMA, entities).unwrap_err().to_string();
        assert!(error.contains("ip"), "{error}");
        let context = parse_context(SCHEMA, &EntityUid::new("Action", "view"), r#"{"wait": "1h"}"#);
        let error = context.unwrap_err().to_string();
        assert!(error.contains("`s`"), "{error}");
        let context = parse_context(SCHEMA, &EntityUid::new("Action", "none"), "{}");
        assert_eq!(context.unwrap_err().to_string(), "the schema declares no action `Action::\"none\"`");
    }
}
