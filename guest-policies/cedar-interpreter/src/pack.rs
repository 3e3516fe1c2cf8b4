//! The pack: policies as Cedar parses them, sorted by the question they belong to, and the manifest.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::str::FromStr;

use cedar_policy::{Effect, Entity, EntityId, EntityTypeName, EntityUid, PolicyId, PolicySet, SlotId};
use exportgate_contract::manifest::{self, Manifest};
use exportgate_contract::types::Type;
use exportgate_contract::value;
use exportgate_sdk::{FactEntry, Kind, QuestionEntry, Table};
use serde::Deserialize;

/// What the tool puts into the module, as JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackData {
    /// The texts of the policies, in the pack's order.
    policies: Vec<String>,
    /// Whether they are in Cedar's JSON syntax.
    json: bool,
    /// Whether a policy is known by its `@id` annotation.
    named: bool,
    /// The links of templates.
    links: Vec<Link>,
    /// For each question, the types of the terms that its facts are made of.
    types: Vec<BTreeMap<u32, Type>>,
    /// The manifest of this module.
    manifest: Manifest,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Link {
    template_id: String,
    link_id: String,
    args: BTreeMap<String, String>,
}

/// A pack, ready to be asked.
pub struct Pack {
    pub manifest: Manifest,
    pub questions: Vec<PreparedQuestion>,
    /// The entities of the schema's actions, with the groups above each.
    pub actions: Vec<Entity>,
    pub table: Table<'static>,
}

/// What is known of a question before any frame comes.
pub struct PreparedQuestion {
    /// The types of the terms that its facts are made of.
    pub types: BTreeMap<u32, Type>,
    /// The permits that its outcomes may name. Apart from the forbids, since Cedar tells of a decision only what determines
    /// it: asked about the permits alone, it names all that are satisfied.
    pub permits: PolicySet,
    /// The forbids that its outcomes may name.
    pub forbids: PolicySet,
    /// Their positions in the manifest.
    pub positions: HashMap<PolicyId, u32>,
}

impl Pack {
    /// Parses a pack.
    ///
    /// # Errors
    ///
    /// What is wrong with it, for people who debug a module; in the sandbox it is a trap.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let data: PackData = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let policies = read_policies(&data)?;
        let known: BTreeSet<&str> = data.manifest.policies.iter().map(|policy| policy.id.as_str()).collect();
        let found: BTreeSet<&str> = policies.policies().map(|policy| AsRef::<str>::as_ref(policy.id())).collect();
        if known != found {
            return Err("the policies aren't those of the manifest".to_owned());
        }
        let mut questions = Vec::new();
        if data.types.len() != data.manifest.questions.len() {
            return Err("the types aren't those of the manifest's questions".to_owned());
        }
        for (question, types) in data.manifest.questions.iter().zip(&data.types) {
            questions.push(prepare(&policies, &data.manifest, question, types)?);
        }
        let types = &data.manifest.schema.types;
        let mut actions = Vec::new();
        for action in &types.actions {
            let groups = action.groups.iter().map(uid).collect::<Result<_, _>>()?;
            actions.push(Entity::new_no_attrs(uid(&action.uid)?, groups));
        }
        let table = table(&data.manifest);
        Ok(Self { manifest: data.manifest, questions, actions, table })
    }
}

/// The policies, under the ids that the compiler gives them.
fn read_policies(data: &PackData) -> Result<PolicySet, String> {
    let mut all = PolicySet::new();
    let mut number = 0_usize;
    for text in &data.policies {
        let set = if data.json {
            PolicySet::from_json_str(text).map_err(|error| error.to_string())?
        } else {
            PolicySet::from_str(text).map_err(|error| error.to_string())?
        };
        if data.json {
            all.merge(&set, false).map_err(|error| error.to_string())?;
            continue;
        }
        // Cedar numbers the policies and templates of one text together.
        let mut statics: BTreeMap<usize, _> = BTreeMap::new();
        let mut templates: BTreeMap<usize, _> = BTreeMap::new();
        let position = |id: &PolicyId| AsRef::<str>::as_ref(id).strip_prefix("policy")?.parse::<usize>().ok();
        for policy in set.policies() {
            statics.insert(position(policy.id()).ok_or("a policy without a number")?, policy);
        }
        for template in set.templates() {
            templates.insert(position(template.id()).ok_or("a template without a number")?, template);
        }
        let count = statics.len() + templates.len();
        let id_of = |annotation: Option<&str>, at: usize| match annotation {
            Some(id) if data.named => PolicyId::new(id),
            _ => PolicyId::new(format!("policy{}", number + at)),
        };
        for (at, policy) in statics {
            let id = id_of(policy.annotation("id"), at);
            all.add(policy.new_id(id)).map_err(|error| error.to_string())?;
        }
        for (at, template) in templates {
            let id = id_of(template.annotation("id"), at);
            all.add_template(template.new_id(id)).map_err(|error| error.to_string())?;
        }
        number += count;
    }
    for link in &data.links {
        let mut slots = HashMap::new();
        for (slot, entity) in &link.args {
            let slot = match slot.as_str() {
                "?principal" => SlotId::principal(),
                "?resource" => SlotId::resource(),
                _ => return Err(format!("`{slot}` isn't a slot")),
            };
            slots.insert(slot, EntityUid::from_str(entity).map_err(|error| error.to_string())?);
        }
        all.link(PolicyId::new(&link.template_id), PolicyId::new(&link.link_id), slots)
            .map_err(|error| error.to_string())?;
    }
    Ok(all)
}

fn prepare(
    policies: &PolicySet,
    manifest: &Manifest,
    question: &manifest::Question,
    types: &BTreeMap<u32, Type>,
) -> Result<PreparedQuestion, String> {
    let mut prepared = PreparedQuestion {
        types: types.clone(),
        permits: PolicySet::new(),
        forbids: PolicySet::new(),
        positions: HashMap::new(),
    };
    for &position in &question.policies {
        let listed = manifest.policies.get(position as usize).ok_or("a question names a policy that isn't there")?;
        let id = PolicyId::new(&listed.id);
        let policy = policies.policy(&id).ok_or("a question names a policy that isn't there")?;
        let effect = match listed.effect {
            manifest::Effect::Permit => Effect::Permit,
            manifest::Effect::Forbid => Effect::Forbid,
        };
        if policy.effect() != effect {
            return Err(format!("policy `{id}` has another effect in the manifest"));
        }
        let set = if effect == Effect::Permit { &mut prepared.permits } else { &mut prepared.forbids };
        match policy.template_links() {
            None => set.add(policy.clone()).map_err(|error| error.to_string())?,
            Some(slots) => {
                let template =
                    policy.template_id().and_then(|id| policies.template(id)).ok_or("a link without a template")?;
                if set.template(template.id()).is_none() {
                    set.add_template(template.clone()).map_err(|error| error.to_string())?;
                }
                set.link(template.id().clone(), id.clone(), slots).map_err(|error| error.to_string())?;
            }
        }
        prepared.positions.insert(id, position);
    }
    Ok(prepared)
}

/// An entity's name in Cedar's own type.
///
/// # Errors
///
/// Its type isn't the name of one.
pub fn uid(uid: &value::EntityUid) -> Result<EntityUid, String> {
    let name = EntityTypeName::from_str(&uid.entity_type).map_err(|error| error.to_string())?;
    Ok(EntityUid::from_type_name_and_id(name, EntityId::new(&*uid.id)))
}

/// What the SDK needs of the manifest. Made once for the life of the instance, and so never freed.
fn table(manifest: &Manifest) -> Table<'static> {
    fn leak<T>(items: Vec<T>) -> &'static [T] {
        Vec::leak(items)
    }
    let kind = |fact: &manifest::Fact| match (&fact.read, &fact.ty) {
        (manifest::Read::State(_), _) => Kind::State,
        (_, Type::Bool) => Kind::Bool,
        (_, Type::Long) => Kind::Long,
        (_, Type::String) => Kind::Text,
        (_, Type::Entity(_)) => Kind::Entity,
        (_, Type::Set(_)) => Kind::Set,
        (_, Type::Record(_)) => Kind::Record,
        (_, Type::Decimal) => Kind::Decimal,
        (_, Type::Datetime) => Kind::Datetime,
        (_, Type::Duration) => Kind::Duration,
        (_, Type::Ip) => Kind::Ip,
    };
    let fact = |fact: &manifest::Fact| FactEntry { name: "", axis: fact.axis, kind: kind(fact), payload: fact.payload };
    let question = |question: &manifest::Question| QuestionEntry {
        action: String::leak(question.action.id.to_string()),
        axis: question.axis,
        facts: leak(question.facts.clone()),
        policies: leak(question.policies.clone()),
    };
    Table {
        symbols: leak(manifest.symbols.iter().map(|_| "").collect()),
        facts: leak(manifest.facts.iter().map(fact).collect()),
        policies: leak(manifest.policies.iter().map(|policy| &*String::leak(policy.id.clone())).collect()),
        questions: leak(manifest.questions.iter().map(question).collect()),
    }
}
