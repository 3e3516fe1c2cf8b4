//! Packs of any number of policies, each scoped to another agent, role, field or field class, as a large company's are.
//!
//! Whatever the number, the same few policies can apply to one job: what grows with the rest is the cost of not looking at
//! them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use exportgate::{Gate, Job, job_file};
use exportgate_compiler::Pack;
use serde_json::json;

/// The least number of policies: what answers for everybody, and one of each kind that is scoped.
pub const POLICIES_MIN: usize = 10;

/// Fields that the catalogue has at least.
const FIELDS_MIN: usize = 64;

/// The texts of a pack.
#[derive(Clone, Debug)]
pub struct Synthetic {
    /// The schema, in Cedar's syntax.
    pub schema: String,
    /// The policies, in Cedar's syntax, with ids.
    pub policies: String,
    /// The field catalogue.
    pub fields: String,
}

const SCHEMA: &str = r#"namespace Export {
  entity Purpose enum ["resolve_ticket", "analytics"];
  entity Role in [Role];
  entity Agent in [Role] = { employed: Bool, region: String };
  entity FieldClass in [FieldClass];
  entity Field in [FieldClass];
  entity Customer = { region: String, legalHold: Bool };
  entity Ticket = { customer: Customer, assignee: Agent };
  entity Job = { requester: Agent };
  type Env = { purpose: Purpose, managedDevice: Bool };
  action "export" appliesTo {
    principal: [Agent],
    resource: [Job],
    context: { env: Env, usage: { customers24h: Long }, tally: { ticketed: Long }, customers: Long },
  };
  action "include" appliesTo { principal: [Agent], resource: [Customer], context: { env: Env } };
  action "reveal";
  action "reveal_plain", "reveal_partial", "reveal_token" in ["reveal"] appliesTo {
    principal: [Agent],
    resource: [Field],
    context: { env: Env, customer: Customer },
  };
  action "tally";
  action "tally_ticketed" in ["tally"] appliesTo {
    principal: [Agent],
    resource: [Customer],
    context: { ticket?: Ticket },
  };
}
"#;

/// What holds for everybody.
const FOR_ALL: &str = r#"@id("ticketed")
permit (principal, action == Export::Action::"tally_ticketed", resource)
when { context has ticket && context.ticket.assignee == principal && context.ticket.customer == resource };
@id("row")
permit (principal, action == Export::Action::"include", resource);
@id("row-hold")
forbid (principal, action == Export::Action::"include", resource)
when { resource.legalHold };
@id("employed")
forbid (principal, action, resource)
unless { principal.employed };
"#;

/// How many policies [`FOR_ALL`] has.
const FOR_ALL_POLICIES: usize = 4;

impl Synthetic {
    /// A pack with so many `policies`, at least [`POLICIES_MIN`].
    pub fn new(policies: usize) -> Self {
        let scoped = policies.max(POLICIES_MIN) - FOR_ALL_POLICIES;
        let mut text = FOR_ALL.to_owned();
        for place in 0..scoped {
            let group = place / 4;
            // Writing to a string can't fail.
            let _ = match place % 4 {
                0 => writeln!(
                    text,
                    "@id(\"batch-{group}\")\nforbid (principal == Export::Agent::\"agent-{group}\", action == \
                     Export::Action::\"export\", resource)\nwhen {{ context.customers > {} }};",
                    1_000 + group % 50
                ),
                1 => writeln!(
                    text,
                    "@id(\"grant-{group}\")\npermit (principal in Export::Role::\"role-{group}\", action == \
                     Export::Action::\"export\", resource)\nwhen {{ context.env.purpose == \
                     Export::Purpose::\"resolve_ticket\" && context.tally.ticketed == context.customers && \
                     context.usage.customers24h <= {} }};",
                    60 + group % 40
                ),
                2 => writeln!(
                    text,
                    "@id(\"partial-{group}\")\npermit (principal in Export::Role::\"role-{group}\", action == \
                     Export::Action::\"reveal_partial\", resource == Export::Field::\"field-{group}\");"
                ),
                _ => writeln!(
                    text,
                    "@id(\"plain-{group}\")\npermit (principal in Export::Role::\"role-{group}\", action == \
                     Export::Action::\"reveal_plain\", resource in Export::FieldClass::\"class-{group}\")\nwhen {{ \
                     context.customer.region == principal.region }};"
                ),
            };
        }
        let mut fields = String::new();
        for field in 0..scoped.div_ceil(4).max(FIELDS_MIN) {
            let _ = writeln!(fields, "[fields.\"field-{field}\"]\nclasses = [\"class-{field}\"]");
        }
        Self { schema: SCHEMA.to_owned(), policies: text, fields }
    }

    /// The pack of these texts.
    ///
    /// # Panics
    ///
    /// Never: the files are complete.
    pub fn pack(&self) -> Pack {
        let toml = "name = \"synthetic\"\nversion = \"0.1.0\"\nschema = \"schema.cedarschema\"\n\
                    catalogue = \"fields.toml\"\npolicies = [\"policies.cedar\"]\n";
        let files: BTreeMap<String, Vec<u8>> = [
            ("pack.toml", toml),
            ("schema.cedarschema", self.schema.as_str()),
            ("fields.toml", self.fields.as_str()),
            ("policies.cedar", self.policies.as_str()),
        ]
        .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
        .into();
        Pack::from_files(&files).unwrap_or_else(|errors| panic!("{}", errors.render()))
    }
}

/// A job for such a pack: one agent with one role, `customers` with a ticket each, the first `fields` of the catalogue.
///
/// # Panics
///
/// When the gate's module isn't such a pack.
pub fn job(gate: &Gate, customers: usize, fields: usize) -> Job {
    let rows: Vec<_> = (0..customers)
        .map(|row| {
            json!({"id": format!("customer-{row}"), "region": if row % 2 == 0 { "US" } else { "EU" }, "legalHold": false,
                   "ticket": format!("ticket-{row}")})
        })
        .collect();
    let tickets: Vec<_> = (0..customers)
        .map(|row| {
            json!({"type": "Ticket", "id": format!("ticket-{row}"),
                   "attributes": {"customer": format!("customer-{row}"), "assignee": "agent-0"}})
        })
        .collect();
    let job = json!({
        "job": "job-1",
        "at": "2026-11-05T10:00:00Z",
        "agent": {"id": "agent-0", "employed": true, "region": "US", "in": ["Role::role-0"]},
        "fields": (0..fields).map(|field| format!("field-{field}")).collect::<Vec<_>>(),
        "env": {"purpose": "resolve_ticket", "managedDevice": true},
        "customers": rows,
        "entities": tickets,
    });
    let module = gate.modules().next().unwrap();
    job_file::read_json(&module.manifest().schema.types, &job).unwrap_or_else(|error| panic!("{error}")).job
}

#[cfg(test)]
mod tests {
    use exportgate::{Form, Isolation};
    use exportgate_compiler::{CompileOptions, compile};

    use super::*;
    use crate::reference::{NOW_MS, gate};

    #[test]
    fn whatever_the_number_of_policies_a_job_is_decided_alike() {
        for policies in [10, 11, 120] {
            let synthetic = Synthetic::new(policies);
            let artifact = compile(&synthetic.pack(), &CompileOptions::default()).unwrap();
            assert_eq!(artifact.manifest.policies.len(), policies);
            let gate = gate(&artifact.component, Isolation::Warm);
            let decision = gate.evaluate_at(&job(&gate, 2, 3), NOW_MS);
            assert!(decision.is_allow(), "{decision:?}");
            let forms: Vec<Form> = [(0, 0), (0, 1), (1, 0)].map(|(row, field)| decision.form(row, field)).into();
            assert_eq!(forms, [Form::Plain, Form::Suppressed, Form::Partial]);
        }
    }
}
