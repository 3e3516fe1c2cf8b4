//! The question that a tool's page for approvers asks: no job asks it, and so no replay does.

use exportgate::{Entities, Entity, EntityUid, Module, Request, Value};
use exportgate_compiler::CompileOptions;
use exportgate_contract::vocabulary::{AGENT, JOB, JOB_REQUESTER};
use exportgate_tests::cedar::CedarReference;
use exportgate_tests::differential::{answer_of, entity, uid};
use exportgate_tests::engine::Answer;
use exportgate_tests::guests;

/// Somebody of these roles.
fn agent(id: &str, roles: &[&str]) -> Entity {
    let of = |ty: &str, id: &str| EntityUid::new(format!("Export::{ty}"), id);
    let agent = Entity::new(EntityUid::new(AGENT, id))
        .with_attribute("employment", of("Employment", "active"))
        .with_attribute("kind", of("Kind", "human"))
        .with_attribute("region", "US")
        .with_attribute("risk", 5);
    roles.iter().fold(agent, |agent, role| agent.with_parent(of("Role", role)))
}

#[test]
fn who_may_approve_is_answered_as_cedar_does() {
    let (schema, policies) = guests::texts("support-desk");
    let reference = CedarReference::new(&schema, &policies, "[]").unwrap();
    let engine = guests::engine();
    let compiled = exportgate_compiler::compile(&guests::pack("support-desk"), &CompileOptions::default()).unwrap();
    let compiled = Module::load(&engine, &compiled.component).unwrap();
    let modules = [("compiled", compiled), ("interpreted", guests::interpreted(&engine, "support-desk"))];

    let people = [agent("ana", &["approver", "support"]), agent("ben", &["support"]), agent("cleo", &[])];
    let mut answers: Vec<(String, Answer)> = Vec::new();
    for principal in &people {
        for requester in &people {
            let job = Entity::new(EntityUid::new(JOB, "job-1")).with_attribute(JOB_REQUESTER, requester.uid.clone());
            let (who, action) = (&principal.uid, EntityUid::new("Export::Action", "approve"));
            let asked = cedar_policy::Request::new(
                uid(who),
                uid(&action),
                uid(&job.uid),
                cedar_policy::Context::empty(),
                Some(reference.schema()),
            );
            let store: Vec<Entity> = people.iter().chain([&job]).cloned().collect();
            let entities = cedar_policy::Entities::from_entities(store.iter().map(entity), Some(reference.schema()));
            let expected = reference.ask(&asked.unwrap(), &entities.unwrap());
            let request = Request {
                principal: who.clone(),
                action,
                resource: job.uid.clone(),
                context: Value::record::<&str>([]),
            };
            let store = Entities::new(store).unwrap();
            for (name, module) in &modules {
                let found = answer_of(&module.authorize(&request, &store).unwrap());
                assert_eq!(found, expected, "{name}: {who} approves a job of {}", requester.uid);
            }
            answers.push((format!("{} {}", who.id, requester.uid.id), expected));
        }
    }
    // Only the approver may, and not the own job.
    let shown: Vec<String> = answers.iter().map(|(who, answer)| format!("{who}: {answer}")).collect();
    let expected = [
        r#"ana ana: Deny by {"approve-not-own"}, erring {}"#,
        r#"ana ben: Allow by {"approve"}, erring {}"#,
        r#"ana cleo: Allow by {"approve"}, erring {}"#,
        r#"ben ana: Deny by {}, erring {}"#,
        r#"ben ben: Deny by {"approve-not-own"}, erring {}"#,
        r#"ben cleo: Deny by {}, erring {}"#,
        r#"cleo ana: Deny by {}, erring {}"#,
        r#"cleo ben: Deny by {}, erring {}"#,
        r#"cleo cleo: Deny by {"approve-not-own"}, erring {}"#,
    ];
    assert_eq!(shown, expected);
}
