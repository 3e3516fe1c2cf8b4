//! One Cedar question, of ten policies or of more: the only thing that every engine can be asked.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::rc::Rc;
use std::time::Duration;

use cedar_policy::{Authorizer, Context, PolicySet, RestrictedExpression};
use exportgate::{
    Engine, EngineConfig, Entities, Entity, EntityUid, Isolation, Module, PreparedRequest, Request, RequestDecision,
    Response, Value,
};
use exportgate_compiler::{Pack, Passes};
use serde_json::json;

use crate::compare::{CEDAR, CEDAR_IN_WASM, CEDAR_PER_CALL, Contender, Contest, FLOOR, FRESH, PREPARED, WARM};
use crate::floor::Floor;
use crate::interpreted;
use crate::native;
use crate::peers::Peers;
use crate::reference::compiled;

const SCHEMA: &str = "entity Role; entity User in [Role] = { level: Long }; entity Doc = { owner: User, open: Bool };
action view appliesTo { principal: User, resource: Doc, context: { hour: Long } };";

/// The hour before which documents are open to roles.
const HOUR: i64 = 18;

/// Which engines stand beside exportgate and native Cedar.
#[derive(Clone, Copy, Debug)]
pub enum Field<'a> {
    /// All of them; the interpreter's core module is given.
    All(&'a [u8]),
    /// All but Cedar in Wasm, which would parse thousands of policies in the sandbox.
    NotInterpreted,
    /// None.
    Alone,
}

/// A request, as plain as each engine's form of it can be made from.
#[derive(Clone, Debug)]
struct Asked {
    role: usize,
    level: i64,
    owner: &'static str,
    open: bool,
    hour: i64,
}

/// The first is the one that is timed: permitted by one policy of the role.
fn requests() -> Vec<Asked> {
    let first = Asked { role: 3, level: 4, owner: "v", open: true, hour: 9 };
    let mut all = vec![first];
    for place in 0..16_usize {
        let bit = |bit: usize| place >> bit & 1 == 1;
        all.push(Asked {
            role: if bit(0) { 3 } else { 5 },
            level: if bit(1) { 4 } else { 3 },
            owner: if bit(2) { "u" } else { "v" },
            open: bit(3),
            hour: if bit(0) ^ bit(3) { 9 } else { HOUR },
        });
    }
    all
}

impl Asked {
    /// The role is part of the name: casbin has one place for roles, outside of requests.
    fn principal(&self) -> String {
        if self.owner == "u" { "u".to_owned() } else { format!("u{}", self.role) }
    }

    fn owner(&self) -> &'static str {
        self.owner
    }

    fn request(&self) -> Request {
        Request {
            principal: EntityUid::new("User", self.principal()),
            action: EntityUid::new("Action", "view"),
            resource: EntityUid::new("Doc", "d"),
            context: Value::record([("hour", Value::Long(self.hour))]),
        }
    }

    fn entities(&self) -> Entities {
        let user = Entity::new(EntityUid::new("User", self.principal()))
            .with_attribute("level", self.level)
            .with_parent(EntityUid::new("Role", format!("r{}", self.role)));
        let doc = Entity::new(EntityUid::new("Doc", "d"))
            .with_attribute("owner", EntityUid::new("User", self.owner()))
            .with_attribute("open", self.open);
        Entities::new([user, doc]).unwrap()
    }

    /// The request for cedar-policy, made as an application makes it, without JSON or parsing.
    fn cedar_request(&self) -> cedar_policy::Request {
        let context = Context::from_pairs([("hour".to_owned(), RestrictedExpression::new_long(self.hour))]).unwrap();
        let Request { principal, action, resource, .. } = self.request();
        cedar_policy::Request::new(native::uid(&principal), native::uid(&action), native::uid(&resource), context, None)
            .unwrap()
    }

    fn cedar_entities(&self) -> cedar_policy::Entities {
        let uid = |ty: &str, id: &str| native::uid(&EntityUid::new(ty, id));
        let user = cedar_policy::Entity::new(
            uid("User", &self.principal()),
            HashMap::from([("level".to_owned(), RestrictedExpression::new_long(self.level))]),
            HashSet::from([uid("Role", &format!("r{}", self.role))]),
        );
        let doc = cedar_policy::Entity::new(
            uid("Doc", "d"),
            HashMap::from([
                ("owner".to_owned(), RestrictedExpression::new_entity_uid(uid("User", self.owner()))),
                ("open".to_owned(), RestrictedExpression::new_bool(self.open)),
            ]),
            HashSet::new(),
        );
        cedar_policy::Entities::from_entities([user.unwrap(), doc.unwrap()], None).unwrap()
    }
}

/// One policy for owners, and one for each of many roles.
fn policies(count: usize) -> String {
    let mut policies = String::from("permit (principal, action, resource) when { resource.owner == principal };\n");
    for role in 0..count - 1 {
        // Writing to a string can't fail.
        let _ = writeln!(
            policies,
            "permit (principal in Role::\"r{role}\", action == Action::\"view\", resource) when {{ principal.level > {} && \
             resource.open && context.hour < {HOUR} }};",
            role % 9
        );
    }
    policies
}

/// The pack of so many policies.
pub fn pack(count: usize) -> Pack {
    Pack::bare("question", SCHEMA, &policies(count))
}

/// The question, with so many policies.
///
/// # Panics
///
/// When an engine can't be made, or answers otherwise than cedar-policy.
pub fn contest(count: usize, field: Field<'_>) -> Contest {
    let requests = requests();
    let expected = expected(count, &requests);
    assert_eq!(expected[0], ["policy4"], "the request that is timed is permitted by the policy of its role");
    let engine = Engine::new(&EngineConfig::default()).unwrap();
    let load = |bytes: &[u8]| Module::load(&engine, bytes).unwrap_or_else(|error| panic!("{error}"));
    let module = load(&compiled(&pack(count), Passes::default()));
    let mut contenders = vec![prepared(&module, &requests, &expected)];
    let mut add = |name: &'static str, module: Module| {
        check(name, &module, &requests, &expected);
        let (request, entities) = (requests[0].request(), requests[0].entities());
        contenders.push(Contender::new(name, move || module.authorize(&request, &entities)));
    };
    add(WARM, module.clone().with_isolation(Isolation::Warm));
    add(FRESH, module.clone().with_isolation(Isolation::Fresh));
    if let Field::All(core) = field {
        let engine = Engine::new(&interpreted::limits()).unwrap();
        let bytes = interpreted::component(core, &pack(count));
        let module = Module::load(&engine, &bytes).unwrap_or_else(|error| panic!("{error}"));
        add(CEDAR_IN_WASM, module.with_isolation(Isolation::Warm));
    }
    contenders.extend(cedar(count, &requests[0]));
    match field {
        Field::All(_) | Field::NotInterpreted => contenders.extend(others(count, &requests, &expected)),
        Field::Alone => {}
    }
    contenders.push(floor(&module, &requests[0]));
    Contest { group: "question", input: format!("{count}-policies"), contenders }
}

/// The request prepared: its facts are resolved, as cedar-policy's are in its best case.
fn prepared(module: &Module, requests: &[Asked], expected: &[Vec<String>]) -> Contender {
    let module = module.clone().with_isolation(Isolation::Warm);
    let prepare = |asked: &Asked| module.prepare(&asked.request(), &asked.entities(), Duration::MAX).unwrap();
    for (asked, expected) in requests.iter().zip(expected) {
        check_answer(PREPARED, asked, &prepare(asked).authorize().unwrap(), expected);
    }
    let (prepared, mut response) = (prepare(&requests[0]), prepare(&requests[0]).authorize().unwrap());
    Contender::new(PREPARED, move || prepared.authorize_into(&mut response))
}

/// The question of ten policies, prepared, in an engine that runs under Valgrind too.
///
/// # Panics
///
/// When it can't be made.
pub fn prepared_alone() -> PreparedRequest {
    let engine = Engine::new(&EngineConfig { instances_max: 4, ..EngineConfig::default() }).unwrap();
    let module =
        Module::load(&engine, &compiled(&pack(10), Passes::default())).unwrap().with_isolation(Isolation::Warm);
    let asked = &requests()[0];
    module.prepare(&asked.request(), &asked.entities(), Duration::MAX).unwrap()
}

/// For each request the policies that permit it, as cedar-policy has it.
fn expected(count: usize, requests: &[Asked]) -> Vec<Vec<String>> {
    let (authorizer, policies): (_, PolicySet) = (Authorizer::new(), policies(count).parse().unwrap());
    let answer = |asked: &Asked| {
        let answer = authorizer.is_authorized(&asked.cedar_request(), &policies, &asked.cedar_entities());
        assert_eq!(answer.diagnostics().errors().count(), 0);
        let mut ids: Vec<String> = answer.diagnostics().reason().map(ToString::to_string).collect();
        ids.sort();
        ids
    };
    requests.iter().map(answer).collect()
}

fn check(name: &str, module: &Module, requests: &[Asked], expected: &[Vec<String>]) {
    for (asked, expected) in requests.iter().zip(expected) {
        check_answer(name, asked, &module.authorize(&asked.request(), &asked.entities()).unwrap(), expected);
    }
}

fn check_answer(name: &str, asked: &Asked, answer: &Response, expected: &Vec<String>) {
    let mut ids: Vec<String> = answer.determining.iter().map(ToString::to_string).collect();
    ids.sort();
    assert_eq!((&ids, answer.erring.len()), (expected, 0), "{name}: {asked:?}");
    assert_eq!(answer.decision == RequestDecision::Allow, !expected.is_empty(), "{name}: {asked:?}");
}

fn cedar(count: usize, asked: &Asked) -> [Contender; 2] {
    let policies: Rc<PolicySet> = Rc::new(policies(count).parse().unwrap());
    let authorizer = Rc::new(Authorizer::new());
    let (request, entities) = (asked.cedar_request(), asked.cedar_entities());
    let prebuilt = Contender::new(CEDAR, {
        let (policies, authorizer) = (policies.clone(), authorizer.clone());
        move || authorizer.is_authorized(&request, &policies, &entities)
    });
    let asked = asked.clone();
    let per_call = Contender::new(CEDAR_PER_CALL, move || {
        authorizer.is_authorized(&asked.cedar_request(), &policies, &asked.cedar_entities())
    });
    [prebuilt, per_call]
}

/// regorus and casbin, once they answered as Cedar does.
fn others(count: usize, requests: &[Asked], expected: &[Vec<String>]) -> Vec<Contender> {
    let rule = |role: usize| json!({"role": format!("r{role}"), "level": role % 9, "hour": HOUR});
    let request = |asked: &Asked| {
        json!({"principal": asked.principal(), "role": format!("r{}", asked.role), "level": asked.level,
               "owner": asked.owner(), "open": asked.open, "hour": asked.hour})
    };
    let setup = json!({
        "rules": (0..count - 1).map(rule).collect::<Vec<_>>(),
        "requests": requests.iter().map(request).collect::<Vec<_>>(),
    });
    let (peers, answers) = Peers::start(&setup);
    assert_eq!(answers.regorus, expected, "regorus");
    let allowed: Vec<bool> = expected.iter().map(|ids| !ids.is_empty()).collect();
    assert_eq!(answers.casbin, allowed, "casbin");
    peers.contenders()
}

/// A call that copies what the timed request copies.
fn floor(module: &Module, asked: &Asked) -> Contender {
    let (_, exchanges) = module.authorize_traced(&asked.request(), &asked.entities()).unwrap();
    let frame: Vec<u8> = exchanges[0].frame.iter().flat_map(|word| word.to_le_bytes()).collect();
    let answer_bytes = exchanges[0].answer.len() * 4;
    let mut floor = Floor::new();
    Contender::new(FLOOR, move || floor.call(&frame, answer_bytes))
}
