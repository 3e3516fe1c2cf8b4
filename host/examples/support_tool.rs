//! A little ticket tool over a SQLite file, which asks the gate before its CSV export.
//!
//! ```text
//! cargo run --release -- build guest-policies/support-desk -o desk.wasm
//! cargo run -p exportgate --example support_tool -- desk.wasm desk.sqlite ana customer-1,customer-2 export.csv
//! cargo run -p exportgate --example support_tool -- desk.wasm desk.sqlite ana all export.csv
//! ```
//!
//! The first run makes the file with two agents, a few customers and their tickets. An export writes the CSV when the gate
//! allows it, and else nothing: neither a file nor a part of one. The module is one with the schema of the support-desk pack.
//!
//! Ask for more and more: the ledger beside the database, `desk.sqlite.ledger`, has counted what left before.
//!
//! What this example isn't: its partial forms and tokens are a demonstration and redact nothing reliably, its key is no secret,
//! and where the agent sits is made up instead of asked from the session.

use std::error::Error;
use std::fmt::Write;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use exportgate::contract::obligation::{Fallback, Remedy};
use exportgate::ledger::{CustomerKey, SqliteLedger, SqliteOptions};
use exportgate::{
    Approvals, Column, Customers, Decision, Engine, Entities, Entity, EntityUid, Form, Gate, GateConfig, Ip, Isolation,
    Job, Left, Module, ObligationKind, Value, WindowKind,
};
use rusqlite::{Connection, params_from_iter};

/// What the export holds, as the field catalogue names it, with the column of the database.
const FIELDS: [(&str, &str); 5] = [
    ("customer.name", "name"),
    ("customer.email", "email"),
    ("account.plan", "plan"),
    ("payment.card_number", "card"),
    ("account.password_hash", "password_hash"),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [module, database, agent, customers, csv] = arguments.as_slice() else {
        eprintln!("usage: support_tool MODULE.wasm DATABASE AGENT CUSTOMER,CUSTOMER|all EXPORT.csv");
        return ExitCode::from(64);
    };
    match export(module, database, agent, customers, csv) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(70)
        }
    }
}

/// Exports, if the gate allows; says whether it did.
fn export(module: &str, database: &str, agent: &str, customers: &str, csv: &str) -> Result<bool, Box<dyn Error>> {
    let gate = gate(module, database)?;
    let desk = Desk::open(database)?;
    let wanted = match customers {
        "all" => desk.ids()?,
        list => list.split(',').map(str::to_owned).collect(),
    };
    let job = desk.job(agent, &wanted)?;
    let answer = gate.ask(&job);
    let decision = answer.decision;
    // The log has the whole truth, the agent what it may know.
    eprintln!(
        "log: {:?} {:?}",
        decision.verdict(),
        decision.policies().iter().map(|used| used.policy.id()).collect::<Vec<_>>()
    );
    if let Some(cause) = decision.cause() {
        eprintln!("log: {cause}");
    }
    let Some(permit) = answer.permit else {
        let view = decision.for_agent();
        println!("not exported: {:?}, because of {:?}", view.verdict(), view.reasons());
        return Ok(false);
    };
    let text = csv_of(&desk, agent, &wanted, &decision)?;
    // Right before anything leaves: is the permit still good? Then it leaves, or nothing of it did.
    gate.use_permit(&permit)?;
    if let Err(error) = std::fs::write(csv, text) {
        gate.cancel(permit.job())?;
        return Err(error.into());
    }
    gate.commit(permit.job(), Left::All)?;
    println!("exported {} customers to {csv}", decision.customers_included());
    Ok(true)
}

/// What leaves, as the decision says.
fn csv_of(desk: &Desk, agent: &str, wanted: &[String], decision: &Decision) -> Result<String, Box<dyn Error>> {
    let mut text = String::from("customer");
    let shown: Vec<usize> = (0..FIELDS.len())
        .filter(|column| (0..wanted.len()).any(|row| decision.form(row, *column) != Form::Suppressed))
        .collect();
    for (name, _) in shown.iter().filter_map(|column| FIELDS.get(*column)) {
        write!(text, ",{name}")?;
    }
    text.push('\n');
    let tokens = RandomState::new();
    let rows = desk.rows(wanted)?;
    for (row, (id, values)) in wanted.iter().zip(&rows).enumerate().filter(|(row, _)| decision.includes(*row)) {
        text.push_str(id);
        for column in &shown {
            let value = values.get(*column).map_or("", String::as_str);
            write!(text, ",{}", show(value, decision.form(row, *column), &tokens))?;
        }
        text.push('\n');
    }
    if !decision.obligations().watermark.is_empty() {
        writeln!(text, "# exported by {agent} as job {}", decision.job())?;
    }
    Ok(text)
}

/// A gate for one pinned module, with its ledger beside the database. A real tool writes the digest into its configuration,
/// and doesn't take it from the file; it keeps its key apart, and finds its ledger there already.
fn gate(path: &str, database: &str) -> Result<Gate, Box<dyn Error>> {
    let engine = Engine::new(&exportgate::EngineConfig::default())?;
    let module = Module::load(&engine, &std::fs::read(path)?)?;
    let config = GateConfig {
        modules: vec![module.pin(Isolation::Warm)],
        obligations: ObligationKind::ALL.into(),
        remedies: Remedy::ALL.into(),
        windows: WindowKind::ALL.into(),
        fallbacks: Fallback::ALL.into(),
        customers_per_job_max: 1_000,
        ..GateConfig::default()
    };
    let key = CustomerKey::new(b"32 bytes at least, and random...")?;
    let ledger = SqliteLedger::open(format!("{database}.ledger"), key, SqliteOptions::default())?;
    Ok(Gate::with_ledger(&engine, config, vec![module], Arc::new(ledger))?)
}

/// How a value leaves. NB: a demonstration. Real redaction knows what kind of value it is, and keeps its key.
fn show(value: &str, form: Form, tokens: &RandomState) -> String {
    match form {
        Form::Plain => value.to_owned(),
        Form::Partial => {
            let hidden = value.chars().count().saturating_sub(4);
            value.chars().enumerate().map(|(place, c)| if place < hidden { '*' } else { c }).collect()
        }
        Form::Token => format!("{:016x}", tokens.hash_one(value)),
        Form::Suppressed => String::new(),
    }
}

/// The tool's database.
struct Desk {
    connection: Connection,
}

const SEED: &str = "
    create table agents (id text primary key, employment text, kind text, region text, risk integer, team text);
    create table customers (
        id text primary key, name text, email text, plan text, card text, password_hash text,
        region text, canary integer, legal_hold integer
    );
    create table tickets (
        id text primary key, customer text, assignee text, opened_by text, assigned_by text, state text, opened_at_ms integer
    );
    insert into agents values
        ('ana', 'active', 'human', 'eu', 5, 'lisbon-1'),
        ('bob', 'ended', 'human', 'eu', 5, 'lisbon-1');
";

impl Desk {
    /// The database in the file, made if it isn't there.
    fn open(path: &str) -> Result<Self, Box<dyn Error>> {
        let new = !Path::new(path).exists();
        let desk = Self { connection: Connection::open(path)? };
        if new {
            desk.connection.execute_batch(SEED)?;
            for number in 1..=40 {
                let (customer, card) = (format!("customer-{number}"), format!("40000000000{number:05}"));
                desk.connection.execute(
                    "insert into customers values (?1, ?2, ?3, 'basic', ?4, 'scrypt', 'eu', ?5, 0)",
                    (&customer, format!("Customer {number}"), format!("c{number}@example.org"), card, number == 40),
                )?;
                // Customers from 31 on never asked for anything.
                if number <= 30 {
                    desk.connection.execute(
                        "insert into tickets values (?1, ?2, 'ana', 'customer', 'queue', 'open', ?3)",
                        (format!("ticket-{number}"), &customer, now_ms() - 3_600_000),
                    )?;
                }
            }
        }
        Ok(desk)
    }

    fn ids(&self) -> Result<Vec<String>, Box<dyn Error>> {
        let mut statement = self.connection.prepare("select id from customers order by length(id), id")?;
        let ids = statement.query_map([], |row| row.get(0))?;
        Ok(ids.collect::<Result<_, _>>()?)
    }

    /// The values of [`FIELDS`] for each of the customers.
    fn rows(&self, ids: &[String]) -> Result<Vec<Vec<String>>, Box<dyn Error>> {
        let columns = FIELDS.map(|(_, column)| column).join(", ");
        let mut statement = self.connection.prepare(&format!("select {columns} from customers where id = ?1"))?;
        let read =
            |id: &String| statement.query_row([id], |row| (0..FIELDS.len()).map(|place| row.get(place)).collect());
        Ok(ids.iter().map(read).collect::<Result<_, _>>()?)
    }

    /// The job in the gate's words: what the database says of the agent, the customers and their tickets.
    fn job(&self, agent: &str, ids: &[String]) -> Result<Job, Box<dyn Error>> {
        let mut entities = self.agent(agent)?;
        entities.push(
            Entity::new(uid("Destination", "reply"))
                .with_attribute("kind", uid("DestinationKind", "ticket_reply"))
                .with_attribute("region", "eu"),
        );
        let (mut regions, mut canaries, mut holds, mut tickets) = (vec![], vec![], vec![], vec![]);
        for id in ids {
            let mut customer =
                self.connection.prepare_cached("select region, canary, legal_hold from customers where id = ?1")?;
            let (region, canary, hold) =
                customer.query_row([id], |row| Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?)))?;
            regions.push(Some(region));
            canaries.push(Some(canary));
            holds.push(Some(hold));
            tickets.push(self.ticket(id, &mut entities)?);
        }
        let customers = Customers::new(ids.iter().map(String::as_str))?
            .with_attribute("region", Column::texts(regions))?
            .with_attribute("canary", Column::bools(canaries))?
            .with_attribute("legalHold", Column::bools(holds))?
            .with_tickets(tickets)?;
        Ok(Job {
            id: format!("{agent}-{}", now_ms()).into(),
            agent: uid("Agent", agent),
            fields: FIELDS.iter().map(|(name, _)| Arc::from(*name)).collect(),
            customers,
            env: env(),
            approvals: Approvals::none(),
            entities: Arc::new(Entities::new(entities)?),
            prepared_agent: None,
        })
    }

    /// The agent, and what it is in.
    fn agent(&self, id: &str) -> Result<Vec<Entity>, Box<dyn Error>> {
        let texts = "select employment, kind, region, team from agents where id = ?1";
        let [employment, kind, region, team] = self
            .connection
            .query_row(texts, [id], |row| Ok([row.get::<_, String>(0)?, row.get(1)?, row.get(2)?, row.get(3)?]))?;
        let risk: i64 = self.connection.query_row("select risk from agents where id = ?1", [id], |row| row.get(0))?;
        let team = uid("Team", &team);
        let agent = Entity::new(uid("Agent", id))
            .with_attribute("employment", uid("Employment", &employment))
            .with_attribute("kind", uid("Kind", &kind))
            .with_attribute("region", region)
            .with_attribute("risk", risk)
            .with_parent(uid("Role", "support"))
            .with_parent(team.clone());
        Ok(vec![agent, Entity::new(team).with_parent(uid("Vendor", "own-staff"))])
    }

    /// The newest ticket of a customer, if there is one: its id, after adding it to the entities.
    fn ticket(&self, customer: &str, entities: &mut Vec<Entity>) -> Result<Option<String>, Box<dyn Error>> {
        let query = "select id, assignee, opened_by, assigned_by, state, opened_at_ms from tickets
                     where customer = ?1 order by opened_at_ms desc limit 1";
        let mut statement = self.connection.prepare_cached(query)?;
        let mut rows = statement.query(params_from_iter([customer]))?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let text = |place| row.get::<_, String>(place);
        let id = text(0)?;
        entities.push(
            Entity::new(uid("Ticket", &id))
                .with_attribute("customer", uid("Customer", customer))
                .with_attribute("assignee", uid("Agent", &text(1)?))
                .with_attribute("openedBy", uid("Origin", &text(2)?))
                .with_attribute("assignedBy", uid("Assigner", &text(3)?))
                .with_attribute("state", uid("TicketState", &text(4)?))
                .with_attribute("openedAt", Value::Datetime(row.get(5)?)),
        );
        Ok(Some(id))
    }
}

/// Why, how and from where: what a real tool knows of the session.
fn env() -> Value {
    let address = Ip { address: u128::from(std::net::Ipv4Addr::new(198, 51, 100, 7).to_bits()), prefix: 32, v6: false };
    Value::record([
        ("purpose", uid("Purpose", "resolve_ticket").into()),
        ("channel", uid("Channel", "bulk").into()),
        ("destination", uid("Destination", "reply").into()),
        ("managedDevice", Value::Bool(true)),
        ("network", Value::record([("ip", Value::Ip(address)), ("corporate", Value::Bool(true))])),
        ("auth", Value::record([("ageSec", Value::Long(120)), ("phishingResistant", Value::Bool(true))])),
        ("breakGlass", Value::Bool(false)),
    ])
}

fn uid(entity_type: &str, id: &str) -> EntityUid {
    EntityUid::new(format!("Export::{entity_type}"), id)
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
