//! A generator of well-typed Cedar: schema first, then a hierarchy with entities missing from the store, then strictly valid
//! policies over all constructs, then requests.
//!
//! What it makes is text and plain data; the oracle decides what is right. Everything follows from one seed.

pub mod expression;
pub mod hierarchy;
pub mod policy;
pub mod schema;
pub mod values;

use std::collections::BTreeSet;

use exportgate::{Entity, Request};

use crate::generate::expression::Scope;
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

/// A schema with policies, entities and requests.
#[derive(Debug)]
pub struct Generated {
    /// The schema's text.
    pub schema: String,
    /// The policies' text.
    pub policies: String,
    /// The same policies without their conditions, for telling whether a condition matters.
    pub unconditional: String,
    /// The constructs that occur in the policies and the schema.
    pub constructs: BTreeSet<&'static str>,
    /// The entities in the store.
    pub entities: Vec<Entity>,
    /// The requests.
    pub requests: Vec<Request>,
}

/// Makes a set from a seed.
pub fn generate(seed: u64, size: Size) -> Generated {
    let mut rng = fastrand::Rng::with_seed(seed);
    let schema = Schema::generate(&mut rng);
    let entities = hierarchy::entities(&mut rng, &schema);
    let mut constructs: BTreeSet<&'static str> = schema.constructs();
    let (mut policies, mut unconditional) = (String::new(), String::new());
    for _ in 0..rng.usize(1..=size.policies_max) {
        let policy = policy::generate(&mut rng, &schema, size.depth_max);
        policies.push_str(&policy.text);
        unconditional.push_str(&policy.scope_only);
        constructs.extend(policy.constructs);
    }
    let requests = (0..size.requests).map(|_| hierarchy::request(&mut rng, &schema)).collect();
    Generated { schema: schema.to_string(), policies, unconditional, constructs, entities, requests }
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

/// The expressions that a policy of `action` may start from.
pub fn scope<'a>(schema: &'a Schema, action: usize, principal: usize, resource: usize) -> Scope<'a> {
    Scope::new(schema, action, principal, resource)
}
