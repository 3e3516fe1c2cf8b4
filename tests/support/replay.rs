//! Asks cedar-policy every question of a replay: an observer of each decision rebuilds the Cedar requests behind it from the
//! job alone, and compares each answer with the module's, and the decision with what follows from the answers.
//!
//! Equal questions are asked once. Two are equal when they differ only in the ids of agent, job, customer and ticket, and in a
//! shift of all their instants: no policy of the pack names such an id, or an instant, or cuts one into days, which
//! [`Judge::new`] makes sure of. What each play states beside them (teams, roles, destinations) is the same for all its jobs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex};

use cedar_policy::{ActionConstraint, Context, Policy, PolicySet, RestrictedExpression, Schema};
use exportgate::{Asked, Decision, Entities, Entity, EntityUid, Form, Gate, Job, Module, Request, Value, Verdict};
use exportgate_cli::replay::Observer;
use exportgate_contract::manifest::{Catalogue, Manifest};
use exportgate_contract::types::{Action, Type};
use exportgate_contract::vocabulary::{self, Role};

use crate::cedar::CedarReference;
use crate::differential::{answer_of, entity, restricted, uid};
use crate::engine::{Answer, Decision as Answered};

/// What policies must not hold, so that equal questions are equal.
const PARTICULAR: [&str; 7] =
    ["datetime(", ".toDate(", ".toTime(", "Agent::\"", "Job::\"", "Customer::\"", "Ticket::\""];

/// An observer that asks cedar-policy too.
pub struct Judge {
    reference: CedarReference,
    schema: Schema,
    /// The policies that answer tallies: those whose scope names a tally action. A forbid of everything must not lower a count.
    tallies: PolicySet,
    actions: cedar_policy::Entities,
    /// By a keyed hash of 128 bits, since the questions themselves would take gigabytes.
    answers: Mutex<HashMap<u128, Answer>>,
    seeds: [RandomState; 2],
    found: Mutex<Found>,
}

/// What was found so far.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Decisions observed.
    pub decisions: u64,
    /// Questions behind them.
    pub questions: u64,
    /// Questions that weren't equal to one before: asked of cedar-policy and, by themselves, of the module.
    pub distinct: u64,
    /// What disagreed, the first few.
    pub wrong: Vec<String>,
}

/// A question, up to names and a shift in time.
#[derive(Hash)]
struct Question<'a> {
    play: &'a str,
    action: &'a str,
    agent: &'a Value,
    field: Option<&'a EntityUid>,
    row: Option<&'a Value>,
    context: Value,
}

/// A job with all that the gate states of it.
struct Scene<'a> {
    judge: &'a Judge,
    module: &'a Module,
    catalogue: &'a Catalogue,
    job: &'a Job,
    play: Arc<str>,
    now_ms: i64,
    usage: BTreeMap<Arc<str>, Value>,
    tally: BTreeMap<Arc<str>, Value>,
    agent: Value,
}

/// A customer of a job, and in how many rows there is one like it.
struct Row {
    place: usize,
    alike: Vec<usize>,
    profile: Value,
}

impl Judge {
    /// An observer for the pack with these texts.
    ///
    /// # Errors
    ///
    /// Cedar's message when a text doesn't parse; or what makes equal questions unequal.
    pub fn new(schema: &str, policies: &str) -> Result<Self, String> {
        // Comments may name what they like.
        let code: String = policies.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
        if let Some(particular) = PARTICULAR.iter().find(|particular| code.contains(**particular)) {
            return Err(format!(
                "the policies hold `{particular}`: questions can't be told equal up to names and time"
            ));
        }
        let reference = CedarReference::new(schema, policies, "[]")?;
        reference.validate()?;
        let schema = reference.schema().clone();
        let actions = schema.action_entities().map_err(|e| e.to_string())?;
        let of_tallies = reference.policies().policies().filter(|policy| names_tally(policy)).cloned();
        let tallies = PolicySet::from_policies(of_tallies).map_err(|e| e.to_string())?;
        Ok(Self {
            reference,
            schema,
            tallies,
            actions,
            answers: Mutex::default(),
            seeds: Default::default(),
            found: Mutex::default(),
        })
    }

    /// The policies.
    pub fn policies(&self) -> &PolicySet {
        self.reference.policies()
    }

    /// What was found.
    pub fn found(&self) -> Found {
        self.found.lock().unwrap().clone()
    }

    fn wrong(&self, message: String) {
        let mut found = self.found.lock().unwrap();
        if found.wrong.len() < 10 {
            found.wrong.push(message);
        }
    }

    fn answer(&self, module: &Module, request: &Request, entities: &[Entity]) -> Answer {
        let Value::Record(fields) = &request.context else { panic!("the context is no record") };
        let pairs: Vec<(String, RestrictedExpression)> =
            fields.iter().map(|(name, value)| (name.to_string(), restricted(value))).collect();
        let context = Context::from_pairs(pairs).unwrap_or_else(|e| panic!("{e:?}"));
        let asked = cedar_policy::Request::new(
            uid(&request.principal),
            uid(&request.action),
            uid(&request.resource),
            context,
            Some(&self.schema),
        )
        .unwrap_or_else(|e| panic!("{} {}: {e:?}", request.action, request.resource));
        let store = self
            .actions
            .clone()
            .add_entities(entities.iter().map(entity), Some(&self.schema))
            .unwrap_or_else(|e| panic!("{e:?}"));
        let expected = match vocabulary::role(&request.action.id) {
            Some(Role::Tally(_)) => self.reference.ask_of(&self.tallies, &asked, &store),
            _ => self.reference.ask(&asked, &store),
        };
        let store = Entities::new(entities.iter().cloned()).unwrap_or_else(|e| panic!("{e}"));
        let found = module.authorize(request, &store).map(|response| answer_of(&response)).map_err(|e| e.to_string());
        if found.as_ref() != Ok(&expected) {
            let found = found.map_or_else(|e| e, |answer| answer.to_string());
            self.wrong(format!("{} on {}: cedar {expected}, compiled {found}", request.action, request.resource));
        }
        expected
    }
}

impl Observer for Judge {
    fn decided(&self, gate: &Gate, job: &Job, now_ms: i64, decision: &Decision) {
        let module = gate.modules().next().expect("a module");
        let mut scene = Scene::new(self, module, job, now_ms, decision);
        let rows = scene.rows();
        scene.check(&rows, decision);
        self.found.lock().unwrap().decisions += 1;
    }
}

impl<'a> Scene<'a> {
    fn new(judge: &'a Judge, module: &'a Module, job: &'a Job, now_ms: i64, decision: &Decision) -> Self {
        let usage = decision.usage().iter().map(|(name, count)| (name.clone(), long(*count))).collect();
        // A job is named after its play, its agent and its first customer.
        let mut parts = job.id.rsplitn(3, '-');
        let play = parts.nth(2).unwrap_or(&job.id);
        let catalogue = module.manifest().catalogue.as_ref().expect("a catalogue");
        let mut scene = Self {
            judge,
            module,
            catalogue,
            job,
            play: play.into(),
            now_ms,
            usage,
            tally: BTreeMap::new(),
            agent: Value::Bool(false),
        };
        scene.agent = scene.profile_of_entity(&job.agent, None);
        scene
    }

    fn manifest(&self) -> &'a Manifest {
        self.module.manifest()
    }

    /// Asks all questions and compares what follows from the answers with the decision.
    fn check(&mut self, rows: &[Row], decision: &Decision) {
        let fail =
            |scene: &Self, what: String| scene.judge.wrong(format!("{} at {}: {what}", scene.job.id, scene.now_ms));
        if let Some(cause) = decision.cause() {
            return fail(self, format!("denied for another cause than policy: {cause:?}"));
        }
        let actions = self.manifest().schema.types.actions.iter().filter(|action| !action.principals.is_empty());
        let roles: Vec<(&Action, Role<'_>)> =
            actions.filter_map(|action| Some((action, vocabulary::role(&action.uid.id)?))).collect();
        for (action, role) in &roles {
            if let Role::Tally(name) = role {
                let count: usize = rows
                    .iter()
                    .filter(|row| self.ask(action, Some(row), None).decision == Answered::Allow)
                    .map(|row| row.alike.len())
                    .sum();
                self.tally.insert((*name).into(), long(u64::try_from(count).unwrap()));
            }
        }
        let tallies: BTreeMap<Arc<str>, Value> =
            decision.tallies().iter().map(|(name, count)| (name.clone(), long(*count))).collect();
        if tallies != self.tally {
            fail(self, format!("cedar counts {:?}, the gate {tallies:?}", self.tally));
        }
        let of = |wanted: Role<'_>| roles.iter().find(|(_, role)| *role == wanted).map(|(action, _)| *action);
        let export = self.ask(of(Role::Export).expect("export"), None, None);
        let determining: BTreeSet<String> = decision
            .policies()
            .iter()
            .filter(|used| used.asked == Asked::Export)
            .map(|used| used.policy.id().to_owned())
            .collect();
        let allowed = *decision.verdict() == Verdict::Allow;
        if allowed != (export.decision == Answered::Allow) || determining != export.determining {
            fail(self, format!("cedar says {export}, the gate {:?} by {determining:?}", decision.verdict()));
        }
        if !export.erring.is_empty() || !decision.erring().is_empty() {
            fail(self, format!("policies err: cedar {:?}, the gate {:?}", export.erring, decision.erring()));
        }
        let include = of(Role::Include).expect("include");
        for row in rows {
            let included = self.ask(include, Some(row), None).decision == Answered::Allow;
            let forms: Vec<Form> = (0..self.job.fields.len())
                .map(|field| {
                    let forms = [(0, Form::Plain), (1, Form::Partial), (2, Form::Token)];
                    // Every reveal question is asked, also where an earlier one decided.
                    let allowed = forms.map(|(position, form)| {
                        let action = of(Role::Reveal(position)).expect("reveal");
                        (self.ask(action, Some(row), Some(field)).decision == Answered::Allow, form)
                    });
                    allowed.into_iter().find(|(allowed, _)| *allowed).map_or(Form::Suppressed, |(_, form)| form)
                })
                .collect();
            for place in &row.alike {
                let leaves = allowed && included;
                if decision.includes(*place) != leaves {
                    fail(self, format!("row {place}: cedar includes {leaves}"));
                }
                for (field, form) in forms.iter().enumerate() {
                    let expected = if leaves { *form } else { Form::Suppressed };
                    let found = decision.form(*place, field);
                    if found != expected {
                        fail(
                            self,
                            format!("row {place}, {}: cedar {expected:?}, the gate {found:?}", self.job.fields[field]),
                        );
                    }
                }
            }
        }
    }

    fn ask(&self, action: &Action, row: Option<&Row>, field: Option<usize>) -> Answer {
        let resource = match (row, field) {
            (_, Some(field)) => EntityUid::new(vocabulary::FIELD, self.job.fields[field].clone()),
            (Some(row), None) => self.customer(row.place),
            (None, None) => EntityUid::new(vocabulary::JOB, self.job.id.clone()),
        };
        let context = self.context(action, row);
        let question = Question {
            play: &self.play,
            action: &action.uid.id,
            agent: &self.agent,
            field: field.map(|_| &resource),
            row: row.map(|row| &row.profile),
            context: self.canonical(&context, row),
        };
        let [high, low] = self.judge.seeds.each_ref().map(|seed| u128::from(seed.hash_one(&question)));
        let question = high << 64 | low;
        let known = self.judge.answers.lock().unwrap().get(&question).cloned();
        let mut found = self.judge.found.lock().unwrap();
        found.questions += u64::try_from(row.map_or(1, |row| row.alike.len())).unwrap();
        if let Some(known) = known {
            return known;
        }
        found.distinct += 1;
        drop(found);
        let request = Request { principal: self.job.agent.clone(), action: action.uid.clone(), resource, context };
        let entities = self.entities(&request, row);
        let answer = self.judge.answer(self.module, &request, &entities);
        self.judge.answers.lock().unwrap().insert(question, answer.clone());
        answer
    }

    /// What the gate states as the context of an action, as far as the schema declares it.
    fn context(&self, action: &Action, row: Option<&Row>) -> Value {
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
            vocabulary::FIELDS => Some(Value::set(
                self.job.fields.iter().map(|field| EntityUid::new(vocabulary::FIELD, field.clone()).into()),
            )),
            vocabulary::CLASSES => Some(Value::set(
                self.classes().into_iter().map(|class| EntityUid::new(vocabulary::FIELD_CLASS, class).into()),
            )),
            vocabulary::CONTEXT_CUSTOMER => row.map(|row| self.customer(row.place).into()),
            vocabulary::CONTEXT_TICKET => {
                row.and_then(|row| self.job.customers.ticket(row.place).cloned()).map(Value::Entity)
            }
            other => panic!("`context.{other}`"),
        };
        Value::record(
            action.context.iter().filter_map(|(name, attribute)| Some((name.clone(), value(name, &attribute.ty)?))),
        )
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

    fn customer(&self, place: usize) -> EntityUid {
        EntityUid::new(vocabulary::CUSTOMER, self.job.customers.ids()[place].clone())
    }

    fn customer_entity(&self, place: usize) -> Entity {
        let customers = &self.job.customers;
        let attributes =
            customers.attributes().filter_map(|(name, column)| Some((Arc::from(name), column.value(place)?))).collect();
        let parents = customers.parents(place).to_vec();
        Entity { uid: self.customer(place), attributes, tags: BTreeMap::new(), parents }
    }

    /// One row for each kind of customer.
    fn rows(&self) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        let mut kinds: HashMap<Value, usize> = HashMap::new();
        for place in 0..self.job.customers.len() {
            let customer = self.customer_entity(place);
            let of_customer = profile(&customer, |value| self.rename(value, place));
            let ticket = self.job.customers.ticket(place);
            let ticket = ticket.map_or(Value::Bool(false), |ticket| self.profile_of_entity(ticket, Some(place)));
            let kind = Value::record([("customer", of_customer), ("ticket", ticket)]);
            match kinds.get(&kind) {
                Some(row) => rows[*row].alike.push(place),
                None => {
                    kinds.insert(kind.clone(), rows.len());
                    rows.push(Row { place, alike: vec![place], profile: kind });
                }
            }
        }
        rows
    }

    fn profile_of_entity(&self, uid: &EntityUid, place: Option<usize>) -> Value {
        match self.job.entities.entity(uid) {
            Some(entity) => profile(entity, |value| self.renamed(value, place)),
            None => Value::Bool(false),
        }
    }

    fn canonical(&self, context: &Value, row: Option<&Row>) -> Value {
        self.renamed(context, row.map(|row| row.place))
    }

    fn rename(&self, value: &Value, place: usize) -> Value {
        self.renamed(value, Some(place))
    }

    /// The value with the job's own names taken out, and its instants counted from now.
    fn renamed(&self, value: &Value, place: Option<usize>) -> Value {
        match value {
            Value::Datetime(ms) => Value::Datetime(ms - self.now_ms),
            Value::Entity(uid) if *uid == self.job.agent => EntityUid::new(vocabulary::AGENT, "self").into(),
            Value::Entity(uid) if place.is_some_and(|place| *uid == self.customer(place)) => {
                EntityUid::new(vocabulary::CUSTOMER, "self").into()
            }
            Value::Entity(uid) if place.is_some_and(|place| Some(uid) == self.job.customers.ticket(place)) => {
                EntityUid::new(vocabulary::TICKET, "self").into()
            }
            Value::Set(members) => Value::set(members.iter().map(|member| self.renamed(member, place))),
            Value::Record(fields) => {
                Value::record(fields.iter().map(|(name, value)| (name.clone(), self.renamed(value, place))))
            }
            other => other.clone(),
        }
    }

    /// All entities that a request can reach.
    fn entities(&self, request: &Request, row: Option<&Row>) -> Vec<Entity> {
        let mut open = vec![request.principal.clone(), request.resource.clone()];
        reach(&request.context, &mut open);
        let mut found: BTreeMap<EntityUid, Entity> = BTreeMap::new();
        while let Some(uid) = open.pop() {
            if found.contains_key(&uid) {
                continue;
            }
            let Some(entity) = self.entity(&uid, row) else { continue };
            entity.attributes.values().chain(entity.tags.values()).for_each(|value| reach(value, &mut open));
            open.extend(entity.parents.iter().cloned());
            found.insert(uid, entity);
        }
        found.into_values().collect()
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
                let place = row.map(|row| row.place).filter(|place| self.customer(*place) == *uid)?;
                Some(self.customer_entity(place))
            }
            _ => self.job.entities.entity(uid).cloned(),
        }
    }
}

fn names_tally(policy: &Policy) -> bool {
    let is_tally = |uid: &cedar_policy::EntityUid| {
        let id = uid.id().unescaped();
        id == vocabulary::TALLY_GROUP || id.starts_with(vocabulary::TALLY_PREFIX)
    };
    match policy.action_constraint() {
        ActionConstraint::Any => false,
        ActionConstraint::Eq(uid) => is_tally(&uid),
        ActionConstraint::In(uids) => uids.iter().any(is_tally),
    }
}

fn profile(entity: &Entity, rename: impl Fn(&Value) -> Value) -> Value {
    let all = |values: &BTreeMap<Arc<str>, Value>| {
        Value::record(values.iter().map(|(name, value)| (name.clone(), rename(value))))
    };
    Value::record([
        ("attributes", all(&entity.attributes)),
        ("tags", all(&entity.tags)),
        ("parents", Value::set(entity.parents.iter().cloned().map(Value::Entity))),
    ])
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

fn long(count: u64) -> Value {
    Value::Long(i64::try_from(count).expect("a count"))
}
