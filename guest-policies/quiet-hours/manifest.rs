// Made by `exportgate build` from policy.toml and the schema; don't edit.
exportgate_sdk::Table {
    symbols: &[
    ],
    facts: &[
        exportgate_sdk::FactEntry {
            name: "context.customers",
            axis: exportgate_sdk::Axis::Job,
            kind: exportgate_sdk::Kind::Long,
            payload: false,
        },
        exportgate_sdk::FactEntry {
            name: "context.now",
            axis: exportgate_sdk::Axis::Job,
            kind: exportgate_sdk::Kind::Datetime,
            payload: false,
        },
    ],
    policies: &[
        "working-hours",
        "quiet-hours",
        "rows-and-fields",
    ],
    questions: &[
        exportgate_sdk::QuestionEntry {
            action: "export",
            axis: exportgate_sdk::Axis::Job,
            facts: &[0, 1],
            policies: &[0, 1],
        },
        exportgate_sdk::QuestionEntry {
            action: "include",
            axis: exportgate_sdk::Axis::Job,
            facts: &[],
            policies: &[2],
        },
        exportgate_sdk::QuestionEntry {
            action: "reveal_partial",
            axis: exportgate_sdk::Axis::Job,
            facts: &[],
            policies: &[2],
        },
        exportgate_sdk::QuestionEntry {
            action: "reveal_plain",
            axis: exportgate_sdk::Axis::Job,
            facts: &[],
            policies: &[2],
        },
        exportgate_sdk::QuestionEntry {
            action: "reveal_token",
            axis: exportgate_sdk::Axis::Job,
            facts: &[],
            policies: &[2],
        },
    ],
}
