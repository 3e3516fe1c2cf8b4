//! cedar-policy asked natively for a whole export: every question that the gate asks, each as a request of its own.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use cedar_policy::{
    ActionConstraint, Authorizer, Context, Decision as Answered, EntityId, EntityTypeName, Policy, PolicyId, PolicySet,
    Request, RestrictedExpression, Schema,
};
use exportgate::{Decision, Entity, EntityUid, Form, Gate, Job, Value};
use exportgate_contract::manifest::Catalogue;
use exportgate_contract::types::{Action, Type};
use exportgate_contract::vocabulary::{self, Role};

/// The forms that are asked for, most revealing first.
const FORMS: [Form; 3] = [Form::Plain, Form::Partial, Form::Token];

/// cedar-policy with a pack, and a job to ask about.
pub struct Native {
    authorizer: Authorizer,
    policies: PolicySet,
    /// Those whose scope names a tally action; a forbid of everything must not lower a count.
    tally_policies: PolicySet,
    schema: Schema,
    catalogue: Catalogue,
    actions: BTreeMap<Arc<str>, Action>,
    tallies: Vec<Arc<str>>,
    job: Job,
    now_ms: i64,
    usage: BTreeMap<Arc<str>, Value>,
    tally: BTreeMap<Arc<str>, Value>,
}

/// What is asked, with the entities to ask it of.
pub struct Prebuilt {
    entities: cedar_policy::Entities,
    /// For each tally, for each row.
    tallies: Vec<Vec<Request>>,
    export: Request,
    include: Vec<Request>,
    /// For each row, for each field, for each form.
    reveal: Vec<[Request; 3]>,
}

/// What an export comes to.
#[derive(Debug, PartialEq, Eq)]
pub struct NativeAnswer {
    allowed: bool,
    determining: BTreeSet<String>,
    tallies: Vec<u64>,
    rows: Vec<bool>,
    forms: Vec<Form>,
}

impl Native {
    /// The pack of these texts, and the job as the gate decided it: usage and tallies are taken from the decision.
    ///
    /// # Panics
    ///
    /// When Cedar can't read the texts.
    pub fn new(schema: &str, policies: &str, gate: &Gate, job: &Job, decision: &Decision) -> Self {
        let (schema, _) = Schema::from_cedarschema_str(schema).unwrap_or_else(|error| panic!("{error:?}"));
        let parsed: PolicySet = policies.parse().unwrap_or_else(|error| panic!("{error:?}"));
        let named = parsed.policies().map(|policy| policy.new_id(PolicyId::new(policy.annotation("id").unwrap())));
        let policies = PolicySet::from_policies(named).unwrap();
        let tally_policies =
            PolicySet::from_policies(policies.policies().filter(|policy| names_tally(policy)).cloned());
        let manifest = gate.modules().next().unwrap().manifest();
        let asked = manifest.schema.types.actions.iter().filter(|action| !action.principals.is_empty());
        let counts = |counts: &[(Arc<str>, u64)]| {
            counts.iter().map(|(name, count)| (name.clone(), Value::Long(i64::try_from(*count).unwrap()))).collect()
        };
        Self {
            authorizer: Authorizer::new(),
            tally_policies: tally_policies.unwrap(),
            policies,
            schema,
            catalogue: manifest.catalogue.clone().unwrap(),
            actions: asked.map(|action| (action.uid.id.clone(), action.clone())).collect(),
            tallies: decision.tallies().iter().map(|(name, _)| name.clone()).collect(),
            job: job.clone(),
            now_ms: decision.now_ms(),
            usage: counts(decision.usage()),
            tally: counts(decision.tallies()),
        }
    }

    /// Makes all requests and entities, as an application makes them: from its own structures, without JSON.
    pub fn build(&self) -> Prebuilt {
        let rows = 0..self.job.customers.len();
        let customers: Vec<EntityUid> = rows.clone().map(|row| self.customer(row)).collect();
        let job = EntityUid::new(vocabulary::JOB, self.job.id.clone());
        let tallies = self.tallies.iter().map(|name| {
            let action = format!("{}{name}", vocabulary::TALLY_PREFIX);
            rows.clone().map(|row| self.request(&action, &customers[row], Some(row))).collect()
        });
        let fields: Vec<EntityUid> =
            self.job.fields.iter().map(|field| EntityUid::new(vocabulary::FIELD, field.clone())).collect();
        let cells = rows.clone().flat_map(|row| fields.iter().map(move |field| (row, field)));
        Prebuilt {
            entities: self.entities(),
            tallies: tallies.collect(),
            export: self.request(vocabulary::EXPORT, &job, None),
            include: rows.clone().map(|row| self.request(vocabulary::INCLUDE, &customers[row], Some(row))).collect(),
            reveal: cells
                .map(|(row, field)| vocabulary::REVEAL.map(|action| self.request(action, field, Some(row))))
                .collect(),
        }
    }

    /// Asks everything, the most revealing form first and none after the first that is allowed.
    pub fn ask(&self, prebuilt: &Prebuilt) -> NativeAnswer {
        let allows = |request: &Request| {
            self.authorizer.is_authorized(request, &self.policies, &prebuilt.entities).decision() == Answered::Allow
        };
        let counts = |request: &&Request| {
            let answer = self.authorizer.is_authorized(request, &self.tally_policies, &prebuilt.entities);
            answer.decision() == Answered::Allow
        };
        let tallies = prebuilt.tallies.iter().map(|rows| rows.iter().filter(counts).count() as u64).collect();
        let export = self.authorizer.is_authorized(&prebuilt.export, &self.policies, &prebuilt.entities);
        NativeAnswer {
            allowed: export.decision() == Answered::Allow,
            determining: export.diagnostics().reason().map(ToString::to_string).collect(),
            tallies,
            rows: prebuilt.include.iter().map(allows).collect(),
            forms: prebuilt
                .reveal
                .iter()
                .map(|forms| {
                    let allowed = forms.iter().position(allows);
                    allowed.and_then(|form| FORMS.get(form).copied()).unwrap_or(Form::Suppressed)
                })
                .collect(),
        }
    }

    /// Panics unless the gate decided as Cedar answers.
    ///
    /// # Panics
    ///
    /// When they differ.
    pub fn check(&self, decision: &Decision) {
        let found = self.ask(&self.build());
        let by_export = decision.policies().iter().filter(|used| used.asked == exportgate::Asked::Export);
        let rows = 0..self.job.customers.len();
        let gate = NativeAnswer {
            allowed: decision.is_allow(),
            determining: by_export.map(|used| used.policy.id().to_owned()).collect(),
            tallies: decision.tallies().iter().map(|(_, count)| *count).collect(),
            rows: rows.clone().map(|row| decision.includes(row)).collect(),
            forms: rows
                .clone()
                .flat_map(|row| (0..self.job.fields.len()).map(move |field| (row, field)))
                .map(|(row, field)| {
                    // Nothing of a customer who isn't included leaves, whatever its forms would be.
                    if decision.includes(row) {
                        decision.form(row, field)
                    } else {
                        found.forms[row * self.job.fields.len() + field]
                    }
                })
                .collect(),
        };
        assert_eq!(found, gate, "cedar-policy, and the gate");
    }

    /// How many questions the job is, as [`Native::ask`] asks them.
    pub fn questions(&self) -> usize {
        let rows = self.job.customers.len();
        let forms = self.ask(&self.build()).forms;
        let forms = forms.iter().map(|form| FORMS.iter().position(|other| other == form).map_or(3, |at| at + 1));
        rows * (self.tallies.len() + 1) + 1 + forms.sum::<usize>()
    }

    /// The request whether the job may leave, for exportgate.
    pub fn export_request(&self) -> exportgate::Request {
        let action = &self.actions[vocabulary::EXPORT];
        let context = action
            .context
            .iter()
            .filter_map(|(name, attribute)| Some((name.clone(), self.stated(name, &attribute.ty, None)?)));
        exportgate::Request {
            principal: self.job.agent.clone(),
            action: action.uid.clone(),
            resource: EntityUid::new(vocabulary::JOB, self.job.id.clone()),
            context: Value::record(context),
        }
    }

    fn request(&self, action: &str, resource: &EntityUid, row: Option<usize>) -> Request {
        let action = &self.actions[action];
        let context = action.context.iter().filter_map(|(name, attribute)| {
            Some((name.to_string(), restricted(&self.stated(name, &attribute.ty, row)?)))
        });
        Request::new(
            uid(&self.job.agent),
            uid(&action.uid),
            uid(resource),
            Context::from_pairs(context.collect::<Vec<_>>()).unwrap(),
            None,
        )
        .unwrap()
    }

    /// What the gate states as an attribute of the context, as far as the schema declares it.
    fn stated(&self, name: &str, ty: &Type, row: Option<usize>) -> Option<Value> {
        let declared = |value: &dyn Fn(&str) -> Option<Value>| {
            let Type::Record(attributes) = ty else { panic!("a record, not {ty}") };
            Value::record(attributes.keys().filter_map(|name| Some((name.clone(), value(name)?))))
        };
        match name {
            vocabulary::ENV => Some(self.job.env.clone()),
            vocabulary::NOW => Some(Value::Datetime(self.now_ms)),
            vocabulary::USAGE => Some(declared(&|name| self.usage.get(name).cloned())),
            vocabulary::TALLY => Some(declared(&|name| self.tally.get(name).cloned())),
            vocabulary::APPROVALS => {
                let summary = self.job.approvals.summary(self.now_ms);
                Some(declared(&|name| summary.attribute(name)))
            }
            vocabulary::CUSTOMERS => Some(Value::Long(i64::try_from(self.job.customers.len()).unwrap())),
            vocabulary::CLASSES => {
                let classes =
                    self.classes().into_iter().map(|class| EntityUid::new(vocabulary::FIELD_CLASS, class).into());
                Some(Value::set(classes))
            }
            vocabulary::CONTEXT_CUSTOMER => row.map(|row| self.customer(row).into()),
            vocabulary::CONTEXT_TICKET => self.job.customers.ticket(row?).cloned().map(Value::Entity),
            other => panic!("`context.{other}`"),
        }
    }

    /// The classes of the job's fields, with those above them.
    fn classes(&self) -> BTreeSet<Arc<str>> {
        let mut open: Vec<Arc<str>> =
            self.job.fields.iter().flat_map(|field| self.catalogue.fields[field].classes.clone()).collect();
        let mut seen = BTreeSet::new();
        while let Some(class) = open.pop() {
            open.extend(self.catalogue.classes.get(&class).into_iter().flatten().cloned());
            seen.insert(class);
        }
        seen
    }

    fn customer(&self, row: usize) -> EntityUid {
        EntityUid::new(vocabulary::CUSTOMER, self.job.customers.ids()[row].clone())
    }

    fn entities(&self) -> cedar_policy::Entities {
        let mut entities: Vec<cedar_policy::Entity> = self.stored().iter().map(entity).collect();
        let job = Entity::new(EntityUid::new(vocabulary::JOB, self.job.id.clone()))
            .with_attribute(vocabulary::JOB_REQUESTER, self.job.agent.clone());
        entities.push(entity(&job));
        let classes = |ids: &[Arc<str>]| -> Vec<EntityUid> {
            ids.iter().map(|id| EntityUid::new(vocabulary::FIELD_CLASS, id.clone())).collect()
        };
        for field in self.job.fields.iter() {
            let field = (EntityUid::new(vocabulary::FIELD, field.clone()), &self.catalogue.fields[field].classes);
            entities.push(entity(&Entity { parents: classes(field.1), ..Entity::new(field.0) }));
        }
        for (class, above) in &self.catalogue.classes {
            let class = EntityUid::new(vocabulary::FIELD_CLASS, class.clone());
            entities.push(entity(&Entity { parents: classes(above), ..Entity::new(class) }));
        }
        for row in 0..self.job.customers.len() {
            let customers = &self.job.customers;
            let attributes =
                customers.attributes().filter_map(|(name, column)| Some((Arc::from(name), column.value(row)?)));
            let parents = customers.parents(row).to_vec();
            entities.push(entity(&Entity {
                attributes: attributes.collect(),
                parents,
                ..Entity::new(self.customer(row))
            }));
        }
        let actions = self.schema.action_entities().unwrap();
        actions.add_entities(entities, None).unwrap()
    }

    /// The entities of the job that a question can reach: the agent and what is above, tickets, the destination.
    pub fn stored(&self) -> Vec<Entity> {
        let mut open = vec![self.job.agent.clone()];
        reach(&self.job.env, &mut open);
        open.extend((0..self.job.customers.len()).filter_map(|row| self.job.customers.ticket(row).cloned()));
        let mut found: BTreeMap<EntityUid, Entity> = BTreeMap::new();
        while let Some(uid) = open.pop() {
            let Some(entity) = self.job.entities.entity(&uid) else { continue };
            if found.insert(uid, entity.clone()).is_none() {
                entity.attributes.values().for_each(|value| reach(value, &mut open));
                open.extend(entity.parents.iter().cloned());
            }
        }
        found.into_values().collect()
    }
}

fn names_tally(policy: &Policy) -> bool {
    let is_tally = |uid: &cedar_policy::EntityUid| {
        matches!(vocabulary::role(uid.id().unescaped()), Some(Role::Tally(_)))
            || uid.id().unescaped() == vocabulary::TALLY_GROUP
    };
    match policy.action_constraint() {
        ActionConstraint::Any => false,
        ActionConstraint::Eq(uid) => is_tally(&uid),
        ActionConstraint::In(uids) => uids.iter().any(is_tally),
    }
}

fn reach(value: &Value, open: &mut Vec<EntityUid>) {
    match value {
        Value::Entity(uid) => open.push(uid.clone()),
        Value::Set(members) => members.iter().for_each(|member| reach(member, open)),
        Value::Record(fields) => fields.values().for_each(|value| reach(value, open)),
        Value::Bool(_)
        | Value::Long(_)
        | Value::String(_)
        | Value::Decimal(_)
        | Value::Datetime(_)
        | Value::Duration(_)
        | Value::Ip(_) => {}
    }
}

/// A uid for cedar-policy. Names of types are parsed once, as an application would.
///
/// # Panics
///
/// When the type isn't a name.
pub fn uid(uid: &EntityUid) -> cedar_policy::EntityUid {
    thread_local! {
        static TYPES: RefCell<HashMap<Arc<str>, EntityTypeName>> = RefCell::default();
    }
    let ty = TYPES.with_borrow_mut(|types| match types.get(&uid.entity_type) {
        Some(ty) => ty.clone(),
        None => {
            let ty: EntityTypeName = uid.entity_type.parse().unwrap_or_else(|error| panic!("{error}"));
            types.insert(uid.entity_type.clone(), ty.clone());
            ty
        }
    });
    cedar_policy::EntityUid::from_type_name_and_id(ty, EntityId::new(&*uid.id))
}

fn entity(entity: &Entity) -> cedar_policy::Entity {
    let attributes: HashMap<String, RestrictedExpression> =
        entity.attributes.iter().map(|(name, value)| (name.to_string(), restricted(value))).collect();
    let parents: HashSet<cedar_policy::EntityUid> = entity.parents.iter().map(uid).collect();
    cedar_policy::Entity::new(uid(&entity.uid), attributes, parents).unwrap()
}

fn restricted(value: &Value) -> RestrictedExpression {
    match value {
        Value::Bool(value) => RestrictedExpression::new_bool(*value),
        Value::Long(value) => RestrictedExpression::new_long(*value),
        Value::String(text) => RestrictedExpression::new_string(text.to_string()),
        Value::Entity(entity) => RestrictedExpression::new_entity_uid(uid(entity)),
        Value::Set(members) => RestrictedExpression::new_set(members.iter().map(restricted)),
        Value::Record(fields) => {
            RestrictedExpression::new_record(fields.iter().map(|(name, value)| (name.to_string(), restricted(value))))
                .unwrap()
        }
        Value::Decimal(units) => {
            let sign = if *units < 0 { "-" } else { "" };
            let units = units.unsigned_abs();
            RestrictedExpression::new_decimal(format!("{sign}{}.{:04}", units / 10_000, units % 10_000))
        }
        Value::Datetime(ms) => RestrictedExpression::new_datetime(instant(*ms)),
        Value::Duration(ms) => RestrictedExpression::new_duration(format!("{ms}ms")),
        Value::Ip(ip) => RestrictedExpression::new_ip(if ip.v6 {
            format!("{}/{}", Ipv6Addr::from(ip.address), ip.prefix)
        } else {
            format!("{}/{}", Ipv4Addr::from(u32::try_from(ip.address).unwrap()), ip.prefix)
        }),
    }
}

/// An instant as Cedar reads it: `2026-11-05T10:00:00.000Z`.
pub fn instant(ms: i64) -> String {
    let (days, of_day) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    // The civil date of a day: years begin in March, so that the leap day is the last of one.
    let from_march = days + 719_468;
    let (era, of_era) = (from_march.div_euclid(146_097), from_march.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    let (seconds, ms) = (of_day / 1_000, of_day % 1_000);
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{ms:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_dates() {
        assert_eq!(instant(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(instant(951_782_400_123), "2000-02-29T00:00:00.123Z");
        assert_eq!(instant(crate::reference::NOW_MS), "2026-11-05T10:00:00.000Z");
        assert_eq!(instant(-1), "1969-12-31T23:59:59.999Z");
    }
}
