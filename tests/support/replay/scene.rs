//! One job with all that the gate states of it: what each question about it is asked with.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use exportgate::{Entity, EntityUid, Job, Value};
use exportgate_contract::manifest::Catalogue;
use exportgate_contract::types::{Action, Type};
use exportgate_contract::vocabulary;

use super::spelling::{self, Own};

/// A job with what the gate states of it.
pub struct Scene<'a> {
    pub job: &'a Job,
    pub catalogue: &'a Catalogue,
    pub now_ms: i64,
    pub usage: BTreeMap<Arc<str>, Value>,
    /// Filled in once they are counted.
    pub tally: BTreeMap<Arc<str>, Value>,
    /// The job itself, its agent, its fields, and what these lead to.
    entities: OnceCell<BTreeMap<EntityUid, Entity>>,
}

/// A customer of a job, and in which rows there is one like it.
pub struct Row {
    pub customer: EntityUid,
    pub ticket: Option<EntityUid>,
    pub place: usize,
    pub alike: Vec<usize>,
    /// What is said of the customer and of its ticket.
    pub spelling: Vec<u8>,
}

impl<'a> Scene<'a> {
    /// A job whose tallies aren't counted yet.
    pub fn new(job: &'a Job, catalogue: &'a Catalogue, now_ms: i64, usage: &[(Arc<str>, u64)]) -> Self {
        let usage = usage.iter().map(|(name, count)| (name.clone(), long(*count))).collect();
        Self { job, catalogue, now_ms, usage, tally: BTreeMap::new(), entities: OnceCell::new() }
    }

    /// What all questions about the job have in common: all that its agent and its `context.env` lead to.
    pub fn spelling(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut open = vec![self.job.agent.clone()];
        reach(&self.job.env, &mut open);
        self.spell_reachable(&mut bytes, open, self.own());
        for (name, _) in self.job.customers.attributes() {
            spelling::spell_text(&mut bytes, b'n', name);
        }
        bytes
    }

    /// Adds the spelling of the entities in `open` and of all those that they lead to.
    fn spell_reachable(&self, bytes: &mut Vec<u8>, mut open: Vec<EntityUid>, own: Own<'_>) {
        let mut next = 0;
        while let Some(uid) = open.get(next).cloned() {
            next += 1;
            // Else two rows that are spelled alike could differ in whether they are the one that is named.
            let particular = matches!(&*uid.entity_type, vocabulary::CUSTOMER | vocabulary::TICKET);
            assert!(!particular, "{}: {uid} is named by something else than its own row", self.job.id);
            let entity = self.job.entities.entity(&uid);
            spelling::spell(bytes, &Value::Entity(uid), own);
            spelling::spell_entity(bytes, entity, own);
            if let Some(entity) = entity {
                let mut leads = lead(entity);
                leads.retain(|uid| !open.contains(uid));
                open.extend(leads);
            }
        }
    }

    /// What the context of `action` holds for every row.
    pub fn context_spelling(&self, action: &Action) -> Vec<u8> {
        let mut bytes = Vec::new();
        spelling::spell(&mut bytes, &self.context(action, None), self.own());
        bytes
    }

    /// One row for each kind of customer.
    pub fn rows(&self) -> Vec<Row> {
        let customers = &self.job.customers;
        let columns: Vec<_> = customers.attributes().map(|(_, column)| column).collect();
        let mut rows: Vec<Row> = Vec::new();
        let mut kinds: HashMap<Box<[u8]>, usize> = HashMap::new();
        let mut bytes = Vec::new();
        let mut customer = EntityUid::new(vocabulary::CUSTOMER, "");
        for (place, id) in customers.ids().iter().enumerate() {
            customer.id = id.clone();
            let ticket = customers.ticket(place);
            let own = Own { row: Some((&customer, ticket)), ..self.own() };
            bytes.clear();
            for column in &columns {
                match column.value(place) {
                    Some(value) => spelling::spell(&mut bytes, &value, own),
                    None => bytes.push(b'-'),
                }
            }
            spelling::spell_uids(&mut bytes, customers.parents(place), own);
            if let Some(ticket) = ticket {
                bytes.push(b'T');
                spelling::spell_entity(&mut bytes, self.job.entities.entity(ticket), own);
            }
            match kinds.get(&*bytes) {
                Some(row) => rows[*row].alike.push(place),
                None => {
                    kinds.insert(bytes.as_slice().into(), rows.len());
                    let (customer, ticket) = (customer.clone(), ticket.cloned());
                    let mut row = Row { customer, ticket, place, alike: vec![place], spelling: bytes.clone() };
                    self.spell_leads(&mut row);
                    rows.push(row);
                }
            }
        }
        rows
    }

    /// Adds what customer and ticket lead to, beside each other and the agent: within a job it follows from the rest.
    fn spell_leads(&self, row: &mut Row) {
        let all = self.entity(&row.customer, Some(row)).into_iter();
        let ticket = row.ticket.as_ref().and_then(|ticket| self.job.entities.entity(ticket)).cloned();
        let mut open: Vec<EntityUid> = all.chain(ticket).flat_map(|entity| lead(&entity)).collect();
        let own = [Some(&row.customer), row.ticket.as_ref(), Some(&self.job.agent)];
        open.retain(|uid| !own.contains(&Some(uid)));
        let mut bytes = std::mem::take(&mut row.spelling);
        let own = Own { row: Some((&row.customer, row.ticket.as_ref())), ..self.own() };
        self.spell_reachable(&mut bytes, open, own);
        row.spelling = bytes;
    }

    fn own(&self) -> Own<'_> {
        Own { agent: &self.job.agent, row: None, now_ms: self.now_ms }
    }

    /// What the gate states as the context of an action, as far as the schema declares it.
    pub fn context(&self, action: &Action, row: Option<&Row>) -> Value {
        let named = |ty: &Type, all: &BTreeMap<Arc<str>, Value>| match ty {
            Type::Record(attributes) => {
                Value::record(attributes.keys().filter_map(|name| Some((name.clone(), all.get(name)?.clone()))))
            }
            other => panic!("a record, not {other}"),
        };
        let value = |name: &str, ty: &Type| match name {
            vocabulary::ENV => Some(self.job.env.clone()),
            vocabulary::NOW => Some(Value::Datetime(self.now_ms)),
            vocabulary::USAGE => Some(named(ty, &self.usage)),
            vocabulary::TALLY => Some(named(ty, &self.tally)),
            vocabulary::APPROVALS => {
                let summary = self.job.approvals.summary(self.now_ms);
                let all = vocabulary::APPROVAL_ATTRIBUTES.iter();
                let all = all.filter_map(|(name, _)| Some(((*name).into(), summary.attribute(name)?))).collect();
                Some(named(ty, &all))
            }
            vocabulary::CUSTOMERS => Some(long(u64::try_from(self.job.customers.len()).unwrap())),
            vocabulary::FIELDS => Some(Value::set(self.fields().map(Value::Entity))),
            vocabulary::CLASSES => Some(Value::set(
                self.classes().into_iter().map(|class| EntityUid::new(vocabulary::FIELD_CLASS, class).into()),
            )),
            vocabulary::CONTEXT_CUSTOMER => row.map(|row| row.customer.clone().into()),
            vocabulary::CONTEXT_TICKET => row.and_then(|row| row.ticket.clone()).map(Value::Entity),
            other => panic!("`context.{other}`"),
        };
        Value::record(
            action.context.iter().filter_map(|(name, attribute)| Some((name.clone(), value(name, &attribute.ty)?))),
        )
    }

    fn fields(&self) -> impl Iterator<Item = EntityUid> {
        self.job.fields.iter().map(|field| EntityUid::new(vocabulary::FIELD, field.clone()))
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

    /// The job itself, as the resource of the question that it is asked once.
    pub fn itself(&self) -> EntityUid {
        EntityUid::new(vocabulary::JOB, self.job.id.clone())
    }

    /// The entities that every question about the job can reach.
    pub fn entities(&self) -> &BTreeMap<EntityUid, Entity> {
        self.entities.get_or_init(|| {
            let mut open: Vec<EntityUid> = self.fields().chain([self.itself(), self.job.agent.clone()]).collect();
            reach(&self.job.env, &mut open);
            self.reachable(open, None, &BTreeMap::new())
        })
    }

    /// The entities that a question about a row can reach beside these.
    pub fn entities_of(&self, row: &Row) -> BTreeMap<EntityUid, Entity> {
        let open = [&row.customer].into_iter().chain(&row.ticket).cloned().collect();
        self.reachable(open, Some(row), self.entities())
    }

    fn reachable(
        &self,
        mut open: Vec<EntityUid>,
        row: Option<&Row>,
        known: &BTreeMap<EntityUid, Entity>,
    ) -> BTreeMap<EntityUid, Entity> {
        let mut found: BTreeMap<EntityUid, Entity> = BTreeMap::new();
        while let Some(uid) = open.pop() {
            if found.contains_key(&uid) || known.contains_key(&uid) {
                continue;
            }
            let Some(entity) = self.entity(&uid, row) else { continue };
            open.extend(lead(&entity));
            found.insert(uid, entity);
        }
        found
    }

    fn entity(&self, uid: &EntityUid, row: Option<&Row>) -> Option<Entity> {
        let parents = |ids: &[Arc<str>]| -> Vec<EntityUid> {
            ids.iter().map(|id| EntityUid::new(vocabulary::FIELD_CLASS, id.clone())).collect()
        };
        let plain = |attributes, parents| Entity { uid: uid.clone(), attributes, tags: BTreeMap::new(), parents };
        match &*uid.entity_type {
            vocabulary::JOB => {
                Some(Entity::new(uid.clone()).with_attribute(vocabulary::JOB_REQUESTER, self.job.agent.clone()))
            }
            vocabulary::FIELD => {
                let field = self.catalogue.fields.get(&uid.id)?;
                Some(plain(field.attributes.clone(), parents(&field.classes)))
            }
            vocabulary::FIELD_CLASS => {
                let above = self.catalogue.classes.get(&uid.id).map_or(&[][..], Vec::as_slice);
                Some(plain(BTreeMap::new(), parents(above)))
            }
            vocabulary::CUSTOMER => {
                let place = row.filter(|row| row.customer == *uid)?.place;
                let customers = &self.job.customers;
                let attributes = customers
                    .attributes()
                    .filter_map(|(name, column)| Some((Arc::from(name), column.value(place)?)))
                    .collect();
                Some(plain(attributes, customers.parents(place).to_vec()))
            }
            _ => self.job.entities.entity(uid).cloned(),
        }
    }
}

/// The entities that an entity names.
fn lead(entity: &Entity) -> Vec<EntityUid> {
    let mut leads = entity.parents.clone();
    entity.attributes.values().chain(entity.tags.values()).for_each(|value| reach(value, &mut leads));
    leads
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

/// A count as policies read it.
pub fn long(count: u64) -> Value {
    Value::Long(i64::try_from(count).expect("a count"))
}
