//! Plays one manner of a scenario: its jobs in the order of the simulated clock, each asked of a gate on a ledger of its own.
//!
//! Permits aren't answered: what was allowed counts as consumed. Each ask is recorded in the audit log in the same
//! transaction, so a play that was cut off goes on from its log as if it had not been.
//!
//! A thief keeps trying: after a denial the agent goes on with the next customers at the next time, so what counts is
//! what got out over the whole time. A challenge lets a thief take nothing, since nobody approves; honest work that is
//! challenged is hindered.

use std::fmt::Write;
use std::sync::Arc;

use exportgate::{
    Approvals, ApprovalsSummary, Cause, Column, Customers, CustomersError, Decision, Entities, Entity, Gate, Job,
};
use exportgate_contract::limits::CUSTOMERS_PER_JOB_MAX;
use exportgate_contract::manifest::Manifest;
use exportgate_contract::types::{SchemaTypes, Type};
use exportgate_contract::value::{EntityUid, Value};
use exportgate_contract::vocabulary::CUSTOMER;

use super::clock::{self, Slot};
use super::facts::{self, Fact};
use super::file::{Agents, Approved, Ask, Manner, Pace};
use super::log;
use super::outcome::{Point, Stop};
use super::people::{Crowd, Ticket, seed};
use super::stage::{Asked, Stage};

/// The region of those who live elsewhere.
const ELSEWHERE: &str = "elsewhere";

/// Minutes since an agent made a ticket for itself.
const SELF_MADE_MINUTES: i64 = 10;

const MINUTE_MS: i64 = 60_000;

/// How the id of each customer begins; the number follows, from 1.
pub const CUSTOMER_PREFIX: &str = "customer-";

/// Sees each decision of a replay, with the job and the gate that decided it: for tests that ask somebody else too.
pub trait Observer: Sync {
    /// A job was decided at `now_ms`. `job` states the approvals that the ledger held for it.
    fn decided(&self, gate: &Gate, job: &Job, now_ms: i64, decision: &Decision);
}

/// Observes nothing.
#[derive(Debug)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn decided(&self, _: &Gate, _: &Job, _: i64, _: &Decision) {}
}

/// What came of one manner.
#[derive(Clone, Debug, Default)]
pub struct Played {
    /// How long it lasted, in days.
    pub days: f64,
    /// How many jobs were asked.
    pub asks: u64,
    /// How many of them the gate decided; the rest were too large to be jobs.
    pub decisions: u64,
    /// How many weren't allowed as asked: denied or challenged, or allowed without some customer or field.
    pub hindered: u64,
    /// Customers of whom at least one field left.
    pub let_out: u64,
    /// The first denial.
    pub stop: Option<Stop>,
    /// What determined denials, in the order in which it first did.
    pub stopped_by: Vec<String>,
    /// How many entries its audit log has, verified.
    pub entries: u64,
    /// The customers asked for over time.
    pub taken_curve: Vec<Point>,
    /// The customers let out over time.
    pub out_curve: Vec<Point>,
}

impl Played {
    /// Counts time from `day` on.
    fn begin_at(&mut self, day: f64) {
        for point in self.taken_curve.iter_mut().chain(&mut self.out_curve) {
            point.day -= day;
        }
        if let Some(stop) = &mut self.stop {
            stop.day -= day;
        }
    }
}

/// One manner, ready to be played.
#[derive(Debug)]
pub struct Play<'a> {
    schema: &'a SchemaTypes,
    name: &'a str,
    agents: &'a Agents,
    pace: &'a Pace,
    start_ms: i64,
    customers: u64,
    crowd: Crowd,
    region: &'a str,
    fields: Arc<[Arc<str>]>,
    env: Value,
    approvals: Approvals,
    /// For each agent the entities of its jobs, without tickets.
    base: Vec<Vec<Entity>>,
    /// The same as stores.
    shared: Vec<Arc<Entities>>,
}

impl<'a> Play<'a> {
    /// The manner of the row `name`, for the module with `manifest`.
    ///
    /// # Errors
    ///
    /// What the manner says that can't be, or what the pack's schema demands that it can't say.
    pub fn new(name: &'a str, manner: &'a Manner, manifest: &'a Manifest) -> Result<Self, String> {
        let (Some(agents), Some(pace), Some(ask), Some(start)) =
            (&manner.agents, &manner.pace, &manner.ask, &manner.start)
        else {
            return Err("it needs `agents`, `pace`, `ask` and `start`".to_owned());
        };
        let start_ms = clock::parse_day(start)
            .ok_or_else(|| format!("`start` is `{start}`, expected a day such as `2019-08-05`"))?;
        check_fields(ask, manifest)?;
        let schema = &manifest.schema.types;
        let base = facts::entities(schema, agents, ask)?;
        let store = |entities: &Vec<Entity>| Entities::new(entities.iter().cloned()).map(Arc::new);
        let shared: Vec<_> = base.iter().map(store).collect::<Result<_, _>>().map_err(|error| error.to_string())?;
        Ok(Self {
            schema,
            name,
            agents,
            pace,
            start_ms,
            customers: manner.customers,
            crowd: Crowd::new(seed(name), manner.customers, &manner.people, &manner.tickets),
            region: manner.people.region.as_deref().unwrap_or(&ask.destination.region),
            fields: ask.fields.iter().map(|field| Arc::from(field.as_str())).collect(),
            env: facts::env(schema, ask, &manner.session)?,
            approvals: approvals(&manner.approvals),
            base,
            shared,
        })
    }

    /// When its first day begins, in milliseconds since 1970.
    pub fn start_ms(&self) -> i64 {
        self.start_ms
    }

    /// Plays all jobs against the gate of `stage`, those that its ledger holds already excepted.
    ///
    /// # Errors
    ///
    /// When a job can't be made, or the ledger fails.
    pub fn run(&self, stage: &Stage, observer: &dyn Observer) -> Result<Played, String> {
        let slots = clock::slots(self.start_ms, self.agents.count, self.customers, self.pace);
        let mut played = Played::default();
        let mut recorded = log::recorded(&stage.records())?;
        for slot in &slots {
            let asked = match recorded.remove(&self.job_id(slot)) {
                Some(asked) => asked,
                None => self.ask(stage, observer, slot)?,
            };
            self.count(slot, asked, &mut played);
        }
        if let (Some(last), Some(first)) = (slots.last(), slots.first()) {
            // A play within one day begins with its first ask and lasts as long as its asks; a longer one is whole days.
            let ended_ms = last.at_ms.saturating_add(clock::HOUR_MS);
            if ended_ms.saturating_sub(first.at_ms) < clock::DAY_MS {
                played.begin_at(self.days(first.at_ms));
                played.days = self.days(ended_ms) - self.days(first.at_ms);
            } else {
                played.days = self.days(day_after(last.at_ms));
            }
        }
        Ok(played)
    }

    /// Asks the job of a slot.
    fn ask(&self, stage: &Stage, observer: &dyn Observer, slot: &Slot) -> Result<Asked, String> {
        let Some(job) = self.job(slot)? else { return Ok(Asked::too_large()) };
        stage.approve(&job, slot.at_ms)?;
        stage.turn_to(slot.at_ms);
        let asked = Job { approvals: Approvals::none(), ..job.clone() };
        let answer = stage.gate().ask(&asked);
        // A ledger that fails isn't part of a play: nothing that it says of this one could be believed.
        if let Some(Cause::Ledger(error)) = answer.decision.cause() {
            return Err(error.to_string());
        }
        observer.decided(stage.gate(), &job, slot.at_ms, &answer.decision);
        Ok(Asked::of(&job, &answer.decision))
    }

    /// Adds what came of a slot.
    fn count(&self, slot: &Slot, asked: Asked, played: &mut Played) {
        let day = self.days(slot.at_ms);
        played.asks = played.asks.saturating_add(1);
        played.decisions = played.decisions.saturating_add(u64::from(asked.decided));
        let taken = played.taken_curve.last().map_or(0, |point| point.customers).saturating_add(slot.customers);
        played.taken_curve.push(Point { day, customers: taken });
        if asked.let_out > 0 {
            played.let_out = played.let_out.saturating_add(asked.let_out);
            played.out_curve.push(Point { day, customers: played.let_out });
        }
        if asked.stopped_by.is_empty() {
            return;
        }
        played.hindered = played.hindered.saturating_add(1);
        if asked.let_out < slot.customers {
            for by in &asked.stopped_by {
                if !played.stopped_by.contains(by) {
                    played.stopped_by.push(by.clone());
                }
            }
            played.stop.get_or_insert(Stop { day, by: asked.stopped_by });
        }
    }

    /// Days from the beginning of the first day.
    #[expect(clippy::cast_precision_loss, reason = "days of a picture")]
    fn days(&self, at_ms: i64) -> f64 {
        at_ms.saturating_sub(self.start_ms) as f64 / clock::DAY_MS as f64
    }

    fn job_id(&self, slot: &Slot) -> String {
        format!("{}-{}-{}", self.name, slot.agent, slot.first)
    }

    /// The job of a slot; none when it asks for more customers than a job can.
    fn job(&self, slot: &Slot) -> Result<Option<Job>, String> {
        if usize::try_from(slot.customers).map_or(true, |customers| customers > CUSTOMERS_PER_JOB_MAX) {
            return Ok(None);
        }
        let places = slot.first..slot.first.saturating_add(slot.customers);
        let agent = facts::agent_uid(slot.agent);
        let mut customers = self.people(places.clone()).map_err(|error| error.to_string())?;
        let place = usize::try_from(slot.agent).unwrap_or(usize::MAX);
        let (Some(base), Some(shared)) = (self.base.get(place), self.shared.get(place)) else {
            return Err(format!("there is no agent {}", slot.agent));
        };
        let mut entities = shared.clone();
        if self.crowd.has_tickets() {
            let tickets = self.tickets(&agent, slot)?;
            let ids = tickets.iter().map(|ticket| ticket.as_ref().map(|ticket| ticket.uid.id.clone()));
            customers = customers.with_tickets(ids).map_err(|error| error.to_string())?;
            let all = base.iter().cloned().chain(tickets.into_iter().flatten());
            entities = Arc::new(Entities::new(all).map_err(|error| error.to_string())?);
        }
        Ok(Some(Job {
            id: self.job_id(slot).into(),
            agent,
            fields: self.fields.clone(),
            customers,
            env: self.env.clone(),
            approvals: self.approvals.clone(),
            entities,
            prepared_agent: None,
        }))
    }

    fn people(&self, places: std::ops::Range<u64>) -> Result<Customers, CustomersError> {
        let mut text = String::from(CUSTOMER_PREFIX);
        let mut customers = Customers::new(places.clone().map(|place| {
            // NB: writing to a string can't fail.
            text.truncate(CUSTOMER_PREFIX.len());
            let _ = write!(text, "{}", place.saturating_add(1));
            Arc::<str>::from(text.as_str())
        }))?;
        let crowd = &self.crowd;
        let declared = self.schema.entities.get(CUSTOMER).map(|customer| &customer.attributes);
        for (name, attribute) in declared.into_iter().flatten() {
            let column = match (&**name, &attribute.ty) {
                ("canary", Type::Bool) => Column::bools(places.clone().map(|place| Some(crowd.canaries.has(place)))),
                ("legalHold", Type::Bool) => Column::bools(places.clone().map(|place| Some(crowd.on_hold.has(place)))),
                ("region", ty) => {
                    let [here, there] = [self.region, ELSEWHERE].map(|region| facts::value(ty, &Fact::Text(region)));
                    let region = |place| if crowd.elsewhere.has(place) { there.clone() } else { here.clone() };
                    Column::values(places.clone().map(region))
                }
                _ => continue,
            };
            customers = customers.with_attribute(name.clone(), column)?;
        }
        if crowd.celebrities.is_none() && crowd.minors.is_none() {
            return Ok(customers);
        }
        let segments = |place| {
            let segments = [("celebrity", &crowd.celebrities), ("minor", &crowd.minors)];
            let inside = segments.into_iter().filter(|(_, chosen)| chosen.has(place));
            inside.map(|(id, _)| EntityUid::new("Export::Segment", id)).collect()
        };
        customers.with_parents(places.map(segments))
    }

    /// The ticket that the agent names for each customer of the slot.
    fn tickets(&self, agent: &EntityUid, slot: &Slot) -> Result<Vec<Option<Entity>>, String> {
        let places = slot.first..slot.first.saturating_add(slot.customers);
        let ticket = |place: u64| {
            let Some(ticket) = self.crowd.ticket(place) else { return Ok(None) };
            let number = place.saturating_add(1);
            let (opened_by, assigned_by, minutes) = match ticket {
                Ticket::CustomerOpened(minutes) => ("customer", "queue", i64::try_from(minutes).unwrap_or(i64::MAX)),
                Ticket::SelfMade => ("agent", "self", SELF_MADE_MINUTES),
            };
            let stated = [
                ("customer", Fact::Entity(EntityUid::new(CUSTOMER, format!("{CUSTOMER_PREFIX}{number}")))),
                ("assignee", Fact::Entity(agent.clone())),
                ("openedBy", Fact::Text(opened_by)),
                ("assignedBy", Fact::Text(assigned_by)),
                ("state", Fact::Text("open")),
                ("openedAt", Fact::Number(slot.at_ms.saturating_sub(minutes.saturating_mul(MINUTE_MS)))),
            ];
            facts::ticket(self.schema, &format!("ticket-{number}"), &stated).map(Some)
        };
        places.map(ticket).collect()
    }
}

/// The end of the day of `at_ms`.
fn day_after(at_ms: i64) -> i64 {
    at_ms.div_euclid(clock::DAY_MS).saturating_add(1).saturating_mul(clock::DAY_MS)
}

fn check_fields(ask: &Ask, manifest: &Manifest) -> Result<(), String> {
    let known = manifest.catalogue.as_ref().map(|catalogue| &catalogue.fields);
    let unknown = |field: &&String| known.is_none_or(|known| !known.contains_key(field.as_str()));
    match ask.fields.iter().find(unknown) {
        Some(field) => Err(format!("`ask.fields` names `{field}`, which the pack's catalogue doesn't have")),
        None => Ok(()),
    }
}

fn approvals(approved: &Approved) -> Approvals {
    if approved.distinct == 0 {
        return Approvals::none();
    }
    Approvals::stated(ApprovalsSummary {
        distinct: approved.distinct,
        supervisor: approved.supervisor,
        data_owner: approved.data_owner,
        operator: approved.operator,
        age_seconds: approved.age_sec,
    })
}
