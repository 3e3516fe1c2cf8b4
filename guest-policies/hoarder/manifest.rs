// Made by `exportgate build` from policy.toml and the schema; don't edit.
exportgate_sdk::Table {
    symbols: &[
    ],
    facts: &[
        exportgate_sdk::FactEntry {
            name: "customer.email",
            axis: exportgate_sdk::Axis::Row,
            kind: exportgate_sdk::Kind::Text,
            payload: true,
        },
    ],
    policies: &[
        "anything",
        "somebody-asked-before",
    ],
    questions: &[
        exportgate_sdk::QuestionEntry {
            action: "export",
            axis: exportgate_sdk::Axis::Job,
            facts: &[],
            policies: &[0],
        },
        exportgate_sdk::QuestionEntry {
            action: "include",
            axis: exportgate_sdk::Axis::Row,
            facts: &[0],
            policies: &[0, 1],
        },
        exportgate_sdk::QuestionEntry {
            action: "reveal_partial",
            axis: exportgate_sdk::Axis::Job,
            facts: &[],
            policies: &[0],
        },
        exportgate_sdk::QuestionEntry {
            action: "reveal_plain",
            axis: exportgate_sdk::Axis::Job,
            facts: &[],
            policies: &[0],
        },
        exportgate_sdk::QuestionEntry {
            action: "reveal_token",
            axis: exportgate_sdk::Axis::Job,
            facts: &[],
            policies: &[0],
        },
    ],
}
