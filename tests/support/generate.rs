//! A generator of well-typed Cedar: schema first, then a hierarchy with entities missing from the store, then strictly valid
//! policies over all constructs, then requests.
//!
//! What it makes is text and plain data; the oracle decides what is right. Everything follows from one seed.

pub mod construct;
pub mod expression;
pub mod hierarchy;
pub mod policy;
pub mod schema;
pub mod scope;
pub mod values;

use std::collections::BTreeMap;

use cedar_policy::{PolicySet, SchemaFragment, ValidationMode, Validator};
use exportgate::{Entity, EntityUid, Request};

use crate::generate::construct::Constructs;
use crate::generate::policy::Policy;
use crate::generate::schema::Schema;

/// How large a generated set is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Policies in a set, at most.
    pub policies_max: usize,
    /// Nesting of a condition, at most.
    pub depth_max: usize,
    /// Requests a set.
    pub requests: usize,
}

/// In which syntax the compiler gets a set. The oracle always reads Cedar's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Syntax {
    /// The schema in JSON.
    pub schema_json: bool,
    /// The policies in JSON.
    pub policies_json: bool,
    /// The links among the policies in JSON, rather than in a file of their own.
    pub links_json: bool,
}

/// A link of a template.
#[derive(Clone, Debug)]
pub struct Link {
    /// The template's id.
    pub template: String,
    /// The id of the policy that it makes.
    pub id: String,
    /// The entities of the slots.
    pub values: BTreeMap<&'static str, EntityUid>,
}

/// A schema with policies, entities and requests.
#[derive(Debug)]
pub struct Generated {
    /// The schema's text.
    pub schema: String,
    /// The policies' text; all are strictly valid.
    pub policies: String,
    /// The links of the templates among them.
    pub links: Vec<Link>,
    /// The same policies without their conditions, for telling whether a condition matters.
    pub unconditional: String,
    /// In which syntax the compiler gets it.
    pub syntax: Syntax,
    /// The constructs of schema, hierarchy and syntax.
    pub constructs: Constructs,
    /// The constructs of each policy, by its id.
    pub policy_constructs: BTreeMap<String, Constructs>,
    /// The entities in the store.
    pub entities: Vec<Entity>,
    /// The requests.
    pub requests: Vec<Request>,
}

/// Makes a set from a seed. It may have no policies, when none that was made is strictly valid.
pub fn generate(seed: u64, size: Size) -> Generated {
    let mut rng = fastrand::Rng::with_seed(seed);
    let schema = Schema::generate(&mut rng);
    let entities = hierarchy::entities(&mut rng, &schema);
    let schema_text = schema.to_string();
    let mut set = Generated {
        constructs: schema.constructs(),
        schema: schema_text,
        policies: String::new(),
        links: Vec::new(),
        unconditional: String::new(),
        syntax: syntax(&mut rng),
        policy_constructs: BTreeMap::new(),
        entities,
        requests: Vec::new(),
    };
    set.constructs.extend(&hierarchy::constructs(&set.entities));
    let validator = validator(&set.schema);
    let wanted = rng.usize(1..=size.policies_max);
    let mut found = 0;
    for _ in 0..4 * wanted {
        let policy = policy::generate(&mut rng, &schema, size.depth_max);
        if found < wanted && is_valid(&validator, &policy) {
            set.add(found, policy);
            found += 1;
        }
    }
    set.note_syntax();
    set.requests = (0..size.requests).map(|_| hierarchy::request(&mut rng, &schema)).collect();
    set
}

impl Generated {
    /// Adds a policy, which Cedar numbers by its position.
    fn add(&mut self, position: usize, policy: Policy) {
        let id = format!("policy{position}");
        self.policies.push_str(&policy.text);
        self.unconditional.push_str(&policy.scope_only);
        for (i, values) in policy.links.iter().enumerate() {
            let link = Link { template: id.clone(), id: format!("li\u{f1}k {position}.{i}"), values: values.clone() };
            self.policy_constructs.insert(link.id.clone(), policy.constructs.clone());
            self.links.push(link);
        }
        if policy.links.is_empty() {
            self.policy_constructs.insert(id, policy.constructs);
        }
    }

    fn note_syntax(&mut self) {
        let Syntax { schema_json, policies_json, links_json } = self.syntax;
        if schema_json {
            self.constructs.note("syntax: schema in JSON");
        }
        if policies_json {
            self.constructs.note("syntax: policies in JSON");
        }
        if !self.links.is_empty() {
            let in_policies = policies_json && links_json;
            self.constructs.note(if in_policies {
                "syntax: links in the JSON of the policies"
            } else {
                "syntax: links in a file"
            });
        }
    }

    /// The schema in JSON, by Cedar's own code.
    ///
    /// # Panics
    ///
    /// When Cedar can't read the text: a fault of the generator.
    pub fn schema_json(&self) -> String {
        let (fragment, _) =
            SchemaFragment::from_cedarschema_str(&self.schema).unwrap_or_else(|e| panic!("{e:?}\n{}", self.schema));
        fragment.to_json_string().unwrap_or_else(|e| panic!("{e:?}\n{}", self.schema))
    }

    /// The links as the text of a links file.
    pub fn links_file(&self) -> String {
        let links = self.links.iter().map(|link| {
            let args: BTreeMap<&str, String> = link
                .values
                .iter()
                .map(|(slot, uid)| (*slot, format!("{}::{}", uid.entity_type, schema::quote(&uid.id))))
                .collect();
            serde_json::json!({ "template_id": link.template, "link_id": link.id, "args": args })
        });
        serde_json::Value::from(links.collect::<Vec<_>>()).to_string()
    }
}

fn syntax(rng: &mut fastrand::Rng) -> Syntax {
    Syntax { schema_json: chance(rng, 15), policies_json: chance(rng, 20), links_json: rng.bool() }
}

fn validator(schema: &str) -> Validator {
    let (schema, _) = cedar_policy::Schema::from_cedarschema_str(schema).unwrap_or_else(|e| panic!("{e:?}\n{schema}"));
    Validator::new(schema)
}

/// Whether Cedar finds the policy strictly valid.
fn is_valid(validator: &Validator, policy: &Policy) -> bool {
    let set: PolicySet = policy.text.parse().unwrap_or_else(|e| panic!("{e:?}\n{}", policy.text));
    validator.validate(&set, ValidationMode::Strict).validation_passed()
}

/// One of the items, each as likely as the others.
///
/// # Panics
///
/// When there is none.
pub fn pick<'a, T>(rng: &mut fastrand::Rng, items: &'a [T]) -> &'a T {
    &items[rng.usize(..items.len())]
}

/// True in `percent` of a hundred cases.
pub fn chance(rng: &mut fastrand::Rng, percent: u32) -> bool {
    rng.u32(..100) < percent
}
