//! Generated policies: every scope form, templates with their links, several `when` and `unless`.

use std::collections::BTreeMap;

use exportgate::EntityUid;

use crate::generate::construct::Constructs;
use crate::generate::expression::Writer;
use crate::generate::schema::{Schema, Ty, quote};
use crate::generate::scope::Scope;
use crate::generate::{chance, pick, values};

/// A policy or template.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Its text.
    pub text: String,
    /// The same with its scope only.
    pub scope_only: String,
    /// The entities of its slots, for each link; none for a static policy.
    pub links: Vec<BTreeMap<&'static str, EntityUid>>,
    /// The constructs that it uses.
    pub constructs: Constructs,
}

/// What a policy is about.
struct Subject {
    /// The actions; the first is the one whose context is used, where there is only one.
    actions: Vec<usize>,
    principal: usize,
    resource: usize,
    /// Whether requests with other types come to the policy too, unless its scope keeps them off.
    many: bool,
}

/// Makes a policy. Most are strictly valid; the caller drops the others.
pub fn generate(rng: &mut fastrand::Rng, schema: &Schema, depth_max: usize) -> Policy {
    let mut constructs = Constructs::default();
    let (action_scope, subject) = subject(rng, schema, &mut constructs);
    let effect = if chance(rng, 60) { "permit" } else { "forbid" };
    constructs.note(effect);
    let slots: Vec<&'static str> = match rng.u32(..20) {
        0 | 1 => vec!["?principal"],
        2 => vec!["?resource"],
        3 => vec!["?principal", "?resource"],
        _ => Vec::new(),
    };
    // Requests of other types are kept off by the scope, or by a condition.
    let narrowed = subject.many && slots.is_empty() && chance(rng, 25);
    let mut scope = |rng: &mut fastrand::Rng, var: &'static str, ty: usize| {
        let slot = slots.iter().any(|slot| slot[1..] == *var);
        let form = if narrowed { Form::Any } else { form(rng, subject.many, slot) };
        constructs.note(form.construct(var, slot));
        entity_scope(rng, schema, var, ty, form, slot)
    };
    let principal = scope(rng, "principal", subject.principal);
    let resource = scope(rng, "resource", subject.resource);
    let head = format!("{effect}({principal}, {action_scope}, {resource})");
    let mut annotation = "";
    if chance(rng, 10) {
        constructs.note("annotation");
        annotation = "@why(\"caf\\u{e9}\")\n";
    }
    let mut text = format!("{annotation}{head}");
    if narrowed {
        constructs.note("types narrowed by is");
        constructs.note("when");
    }
    let context = (subject.actions.len() == 1).then(|| subject.actions[0]);
    let mut writer = Writer::new(Scope::new(schema, context, subject.principal, subject.resource), depth_max);
    let conditions = if chance(rng, 65) { 1 } else { rng.usize(2..=3) };
    if conditions > 1 {
        constructs.note("several conditions");
    }
    for _ in 0..conditions {
        let condition = writer.write(rng, &Ty::Bool);
        if narrowed {
            let (principal, resource) = (schema.name(subject.principal), schema.name(subject.resource));
            text.push_str(&format!(
                "\n  when {{ principal is {principal} && resource is {resource} && ({condition}) }}"
            ));
            continue;
        }
        let word = if chance(rng, 75) { "when" } else { "unless" };
        constructs.note(word);
        text.push_str(&format!("\n  {word} {{ {condition} }}"));
    }
    constructs.extend(&writer.into_constructs());
    let links = links(rng, schema, &subject, &slots, &mut constructs);
    Policy { text: format!("{text};\n"), scope_only: format!("{head};\n"), links, constructs }
}

fn links(
    rng: &mut fastrand::Rng,
    schema: &Schema,
    subject: &Subject,
    slots: &[&'static str],
    constructs: &mut Constructs,
) -> Vec<BTreeMap<&'static str, EntityUid>> {
    if slots.is_empty() {
        return Vec::new();
    }
    let count = rng.usize(1..=3);
    if count > 1 {
        constructs.note("template: several links");
    }
    if slots.len() > 1 {
        constructs.note("template: both slots");
    }
    let entity = |rng: &mut fastrand::Rng, slot: &str| {
        let ty = if slot == "?principal" { subject.principal } else { subject.resource };
        let above: Vec<usize> = [ty, ty].into_iter().chain(schema.entities[ty].parents.iter().copied()).collect();
        let ty = *pick(rng, &above);
        values::uid(rng, schema, ty)
    };
    (0..count).map(|_| slots.iter().map(|slot| (*slot, entity(rng, slot))).collect()).collect()
}

/// The action's scope, and what the policy is about.
fn subject(rng: &mut fastrand::Rng, schema: &Schema, constructs: &mut Constructs) -> (String, Subject) {
    let acting: Vec<usize> = (0..schema.actions.len()).filter(|i| !schema.actions[*i].principals.is_empty()).collect();
    let action = *pick(rng, &acting);
    let principal = *pick(rng, &schema.actions[action].principals);
    let resource = *pick(rng, &schema.actions[action].resources);
    let name = |i: usize| format!("{}::{}", schema.action_type(), quote(&schema.actions[i].id));
    let within = |group: usize| -> Vec<usize> {
        let is_in = |action: &usize| {
            let groups = &schema.actions[*action].groups;
            groups.contains(&group) || groups.iter().any(|above| schema.actions[*above].groups.contains(&group))
        };
        acting.iter().copied().filter(is_in).collect()
    };
    let (text, actions) = match rng.u32(..6) {
        0 => {
            constructs.note("scope: action in a list");
            let other = *pick(rng, &acting);
            let both = if other == action { vec![action] } else { vec![action, other] };
            (format!("action in [{}, {}]", name(action), name(other)), both)
        }
        1 if !schema.actions[action].groups.is_empty() => {
            constructs.note("scope: action in a group");
            let group = *pick(rng, &schema.actions[action].groups);
            (format!("action in {}", name(group)), within(group))
        }
        2 => {
            constructs.note("scope: action");
            ("action".to_owned(), acting.clone())
        }
        _ => {
            constructs.note("scope: action ==");
            (format!("action == {}", name(action)), vec![action])
        }
    };
    let several = |types: fn(&crate::generate::schema::ActionDef) -> &Vec<usize>, ty: usize| {
        actions.iter().any(|action| types(&schema.actions[*action]).iter().any(|other| *other != ty))
    };
    let many = several(|action| &action.principals, principal) || several(|action| &action.resources, resource);
    (text, Subject { actions, principal, resource, many })
}

/// The form of a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Any,
    Equal,
    In,
    Is,
    IsIn,
}

impl Form {
    fn construct(self, var: &str, slot: bool) -> &'static str {
        match (self, var, slot) {
            (Self::Equal, "principal", true) => "template: principal == slot",
            (Self::In, "principal", true) => "template: principal in slot",
            (_, "principal", true) => "template: principal is in slot",
            (Self::Equal, _, true) => "template: resource == slot",
            (Self::In, _, true) => "template: resource in slot",
            (_, _, true) => "template: resource is in slot",
            (Self::Any, "principal", _) => "scope: principal",
            (Self::Equal, "principal", _) => "scope: principal ==",
            (Self::In, "principal", _) => "scope: principal in",
            (Self::Is, "principal", _) => "scope: principal is",
            (Self::IsIn, "principal", _) => "scope: principal is in",
            (Self::Any, ..) => "scope: resource",
            (Self::Equal, ..) => "scope: resource ==",
            (Self::In, ..) => "scope: resource in",
            (Self::Is, ..) => "scope: resource is",
            (Self::IsIn, ..) => "scope: resource is in",
        }
    }
}

/// With several types in question only forms that name one keep the condition's types certain.
fn form(rng: &mut fastrand::Rng, many: bool, slot: bool) -> Form {
    let forms: &[Form] = match (many, slot) {
        (true, true) => &[Form::IsIn],
        (false, true) => &[Form::Equal, Form::In, Form::IsIn],
        (true, false) => &[Form::Is, Form::Is, Form::Is, Form::IsIn, Form::Equal],
        (false, false) => &[Form::Any, Form::Any, Form::Any, Form::In, Form::Is, Form::IsIn, Form::Equal],
    };
    *pick(rng, forms)
}

fn entity_scope(
    rng: &mut fastrand::Rng,
    schema: &Schema,
    var: &'static str,
    ty: usize,
    form: Form,
    slot: bool,
) -> String {
    let name = schema.name(ty);
    let mut entity = |group: bool| {
        if slot {
            return format!("?{var}");
        }
        let above: Vec<usize> = std::iter::once(ty).chain(schema.entities[ty].parents.iter().copied()).collect();
        let of = if group { *pick(rng, &above) } else { ty };
        values::literal(rng, schema, &Ty::Entity(of)).unwrap_or_default()
    };
    match form {
        Form::Any => var.to_owned(),
        Form::Equal => format!("{var} == {}", entity(false)),
        Form::In => format!("{var} in {}", entity(true)),
        Form::Is => format!("{var} is {name}"),
        Form::IsIn => format!("{var} is {name} in {}", entity(true)),
    }
}
