// Made by `exportgate build` from policy.toml and the schema; don't edit.
exportgate_sdk::Table {
    symbols: &[
        "Export::FieldClass::\"restricted\"",
        "Export::FieldClass::\"payment\"",
        "Export::Segment::\"minor\"",
        "Export::Segment::\"celebrity\"",
        "Export::Segment::\"employee\"",
    ],
    facts: &[
        exportgate_sdk::FactEntry {
            name: "context.customers",
            axis: exportgate_sdk::Axis::Job,
            kind: exportgate_sdk::Kind::Long,
            payload: false,
        },
        exportgate_sdk::FactEntry {
            name: "context.tally.minor",
            axis: exportgate_sdk::Axis::Job,
            kind: exportgate_sdk::Kind::Long,
            payload: false,
        },
        exportgate_sdk::FactEntry {
            name: "context.tally.celebrity",
            axis: exportgate_sdk::Axis::Job,
            kind: exportgate_sdk::Kind::Long,
            payload: false,
        },
        exportgate_sdk::FactEntry {
            name: "context.tally.employee",
            axis: exportgate_sdk::Axis::Job,
            kind: exportgate_sdk::Kind::Long,
            payload: false,
        },
        exportgate_sdk::FactEntry {
            name: "context.classes",
            axis: exportgate_sdk::Axis::Job,
            kind: exportgate_sdk::Kind::Set,
            payload: true,
        },
        exportgate_sdk::FactEntry {
            name: "customer in Export::Segment::\"minor\"",
            axis: exportgate_sdk::Axis::Row,
            kind: exportgate_sdk::Kind::Bool,
            payload: false,
        },
        exportgate_sdk::FactEntry {
            name: "customer in Export::Segment::\"celebrity\"",
            axis: exportgate_sdk::Axis::Row,
            kind: exportgate_sdk::Kind::Bool,
            payload: false,
        },
        exportgate_sdk::FactEntry {
            name: "customer in Export::Segment::\"employee\"",
            axis: exportgate_sdk::Axis::Row,
            kind: exportgate_sdk::Kind::Bool,
            payload: false,
        },
    ],
    policies: &[
        "no-small-group",
        "small-group",
        "in-segment",
        "rows-and-fields",
    ],
    questions: &[
        exportgate_sdk::QuestionEntry {
            action: "export",
            axis: exportgate_sdk::Axis::Job,
            facts: &[0, 1, 2, 3, 4],
            policies: &[0, 1],
        },
        exportgate_sdk::QuestionEntry {
            action: "include",
            axis: exportgate_sdk::Axis::Job,
            facts: &[],
            policies: &[3],
        },
        exportgate_sdk::QuestionEntry {
            action: "reveal_partial",
            axis: exportgate_sdk::Axis::Job,
            facts: &[],
            policies: &[3],
        },
        exportgate_sdk::QuestionEntry {
            action: "reveal_plain",
            axis: exportgate_sdk::Axis::Job,
            facts: &[],
            policies: &[3],
        },
        exportgate_sdk::QuestionEntry {
            action: "reveal_token",
            axis: exportgate_sdk::Axis::Job,
            facts: &[],
            policies: &[3],
        },
        exportgate_sdk::QuestionEntry {
            action: "tally_celebrity",
            axis: exportgate_sdk::Axis::Row,
            facts: &[6],
            policies: &[2],
        },
        exportgate_sdk::QuestionEntry {
            action: "tally_employee",
            axis: exportgate_sdk::Axis::Row,
            facts: &[7],
            policies: &[2],
        },
        exportgate_sdk::QuestionEntry {
            action: "tally_minor",
            axis: exportgate_sdk::Axis::Row,
            facts: &[5],
            policies: &[2],
        },
    ],
}
