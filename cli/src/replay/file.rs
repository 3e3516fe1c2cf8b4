//! The files of `replays/`: what is known and assumed of an incident, or of honest work, as data.
//!
//! The format is described, member by member, in the README beside the files.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;

use crate::failure::Failure;
use crate::input::{self, JOB_FILE_BYTES_MAX, REPLAYS};

/// Customers of one manner that is played, 50 million: five times the largest known incident of its kind.
const CUSTOMERS_MAX: u64 = 50_000_000;

/// Customers of one manner that nobody asks the gate about, 10 billion: more than there are people.
const OUTSIDE_MAX: u64 = 10_000_000_000;

/// Jobs of one manner: two million asks take a few seconds.
const JOBS_MAX: u64 = 2_000_000;

/// Complaints of one incident.
const COMPLAINTS_MAX: u64 = 10_000;

/// Agents of one manner.
const AGENTS_MAX: u64 = 100;

/// A file of `replays/`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What `@incident` names.
    pub id: String,
    /// Whether it must be stopped or must not be hindered.
    pub kind: Kind,
    /// One line for the table.
    pub title: String,
    /// When it began.
    pub year: Option<i64>,
    /// What the sources say.
    #[serde(default)]
    pub published: String,
    /// What is assumed for every manner.
    #[serde(default)]
    pub assumed: Vec<String>,
    /// Where it is published.
    #[serde(default)]
    pub sources: Vec<Source>,
    /// What was taken in reality; of an incident only.
    pub taken: Option<Taken>,
    /// How its log is asked who it was; of an incident only.
    pub trace: Option<Suspected>,
    /// The ways in which it was, or may have been, done.
    #[serde(rename = "manner")]
    pub manners: Vec<Manner>,
}

/// What a scenario is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A theft.
    Incident,
    /// Work that must never be hindered.
    Honest,
}

/// A source of what is published.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Who published it.
    pub name: String,
    /// Where.
    pub url: String,
}

/// What was taken in reality.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Taken {
    /// How many customers.
    pub customers: u64,
    /// Whether a source gives that number.
    pub published: bool,
}

/// Complaints that the log of an incident is asked about.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suspected {
    /// The manner in which it is played, recorded and not stopped.
    pub manner: String,
    /// The honest work that is recorded beside it.
    pub beside: String,
    /// How many of its victims complain.
    pub complaints: u64,
    /// How many customers there are.
    pub of: u64,
}

/// One way in which it was done.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manner {
    /// Unique within the file.
    pub id: String,
    /// A few words.
    pub title: String,
    /// What is assumed for this manner besides.
    #[serde(default)]
    pub assumed: Vec<String>,
    /// How many distinct customers the agents go for.
    pub customers: u64,
    /// Why no ask ever reaches the gate, if that is so.
    pub outside: Option<String>,
    /// The first day, `YYYY-MM-DD`.
    pub start: Option<String>,
    /// Who asks.
    pub agents: Option<Agents>,
    /// How fast.
    pub pace: Option<Pace>,
    /// What each job says.
    pub ask: Option<Ask>,
    /// Device, network, login.
    #[serde(default)]
    pub session: Session,
    /// What was approved.
    #[serde(default)]
    pub approvals: Approved,
    /// Which tickets the agents hold.
    #[serde(default)]
    pub tickets: Tickets,
    /// What the customers are like.
    #[serde(default)]
    pub people: People,
}

/// Who asks.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agents {
    /// How many.
    pub count: u64,
    /// `human`, `integration` or `ai_agent`.
    #[serde(default = "human")]
    pub kind: String,
    /// `active`, `notice`, `leave`, `suspended` or `ended`.
    #[serde(default = "active")]
    pub employment: String,
    /// Their roles.
    pub roles: Vec<String>,
    /// Their team.
    pub team: Option<String>,
    /// The vendor of the team.
    pub vendor: Option<String>,
    /// Where they work.
    pub region: String,
    /// 0 to 100.
    #[serde(default)]
    pub risk: i64,
    /// The network range that they may come from.
    pub allowed_network: Option<String>,
}

/// How fast.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pace {
    /// How many customers each job asks for.
    pub customers_per_job: u64,
    /// How many customers each agent goes for on a day.
    pub customers_per_agent_day: u64,
    /// From which hour to which.
    #[serde(default = "office_hours")]
    pub hours: [i64; 2],
    /// Monday to Friday only.
    #[serde(default)]
    pub weekdays: bool,
}

/// What each job says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// Ids of the pack's catalogue.
    pub fields: Vec<String>,
    /// The purpose stated.
    pub purpose: String,
    /// The channel.
    pub channel: String,
    /// Where it goes.
    pub destination: Destination,
}

/// Where it goes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Destination {
    /// What kind of place.
    pub kind: String,
    /// In which region.
    pub region: String,
}

/// Device, network, login.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Session {
    /// Whether the device is managed.
    pub managed_device: bool,
    /// The address asked from.
    pub ip: String,
    /// Whether that is the company's network.
    pub corporate_network: bool,
    /// Seconds since the login.
    pub auth_age_sec: i64,
    /// Whether the login resists phishing.
    pub phishing_resistant: bool,
    /// Whether the glass was broken.
    pub break_glass: bool,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            managed_device: true,
            ip: "198.51.100.7".to_owned(),
            corporate_network: true,
            auth_age_sec: 60,
            phishing_resistant: true,
            break_glass: false,
        }
    }
}

/// What was approved, for every job.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Approved {
    /// By how many people; 0 for nobody.
    pub distinct: i64,
    /// Whether a supervisor did.
    pub supervisor: bool,
    /// Whether the data owner did.
    pub data_owner: bool,
    /// Whether the operator did.
    pub operator: bool,
    /// Seconds since the oldest approval.
    pub age_sec: i64,
}

/// Which tickets the agents hold, as shares of the customers.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tickets {
    /// Opened by the customer and assigned by the queue.
    pub customer_opened: f64,
    /// Made by the agent.
    pub self_made: f64,
}

/// What the customers are like, as shares of them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct People {
    /// Where they live; the destination's region if not given.
    pub region: Option<String>,
    /// Who lives elsewhere instead.
    pub elsewhere: f64,
    /// Who is a celebrity.
    pub celebrities: f64,
    /// Who is a minor.
    pub minors: f64,
    /// Who exists only to be found in stolen data.
    pub canaries: f64,
    /// Whose data is on legal hold.
    pub on_hold: f64,
}

fn human() -> String {
    "human".to_owned()
}

fn active() -> String {
    "active".to_owned()
}

fn office_hours() -> [i64; 2] {
    [9, 17]
}

/// The scenarios of the pack in `dir`, sorted by file name.
///
/// # Errors
///
/// [`Failure`] when there are none, or one can't be read or says what can't be.
pub fn read_all(dir: &Path) -> Result<Vec<Scenario>, Failure> {
    let folder = dir.join(REPLAYS);
    let files = input::list(&folder, "toml")?;
    if files.is_empty() {
        return Err(
            Failure::file(&folder, "it holds no incidents").help("put `*.toml` files into the pack's `replays/`")
        );
    }
    let mut ids = BTreeSet::new();
    let mut scenarios = Vec::with_capacity(files.len());
    for path in files {
        let text = input::read_text(&path, JOB_FILE_BYTES_MAX)?;
        let scenario: Scenario = toml::from_str(&text)
            .map_err(|error| Failure::file(&path, "it isn't a replay").report(error.to_string()))?;
        check(&scenario).map_err(|reason| Failure::file(&path, reason))?;
        if !ids.insert(scenario.id.clone()) {
            return Err(Failure::file(&path, format_args!("its id `{}` is used by another file", scenario.id)));
        }
        scenarios.push(scenario);
    }
    Ok(scenarios)
}

/// What is wrong with a scenario that its types don't show.
fn check(scenario: &Scenario) -> Result<(), String> {
    match (scenario.kind, &scenario.taken) {
        (Kind::Incident, None) => return Err("an incident needs `taken`".to_owned()),
        (Kind::Honest, Some(_)) => return Err("honest work has no `taken`".to_owned()),
        (Kind::Incident, Some(_)) if scenario.sources.is_empty() => {
            return Err("an incident needs at least one of `sources`".to_owned());
        }
        (Kind::Incident, Some(_)) | (Kind::Honest, None) => {}
    }
    if scenario.kind == Kind::Honest && scenario.trace.is_some() {
        return Err("honest work has no `trace`".to_owned());
    }
    if let Some(trace) = &scenario.trace
        && !(1..=COMPLAINTS_MAX).contains(&trace.complaints)
    {
        return Err(format!("`trace.complaints` is {}, expected 1 to {COMPLAINTS_MAX}", trace.complaints));
    }
    if scenario.manners.is_empty() {
        return Err("it has no `[[manner]]`".to_owned());
    }
    let mut ids = BTreeSet::new();
    for manner in &scenario.manners {
        if !ids.insert(&manner.id) {
            return Err(format!("two manners have the id `{}`", manner.id));
        }
        check_manner(manner).map_err(|reason| format!("manner `{}`: {reason}", manner.id))?;
    }
    Ok(())
}

fn check_manner(manner: &Manner) -> Result<(), String> {
    let within = |what: &str, found: u64, least: u64, most: u64| {
        let fits = (least..=most).contains(&found);
        if fits { Ok(()) } else { Err(format!("`{what}` is {found}, expected {least} to {most}")) }
    };
    if manner.outside.is_some() {
        return within("customers", manner.customers, 1, OUTSIDE_MAX);
    }
    within("customers", manner.customers, 1, CUSTOMERS_MAX)?;
    let (Some(agents), Some(pace), Some(_), Some(_)) = (&manner.agents, &manner.pace, &manner.ask, &manner.start)
    else {
        return Err("it needs `agents`, `pace`, `ask` and `start`".to_owned());
    };
    within("agents.count", agents.count, 1, AGENTS_MAX)?;
    if agents.vendor.is_some() && agents.team.is_none() {
        return Err("`agents.vendor` needs `agents.team`".to_owned());
    }
    within("pace.customers_per_job", pace.customers_per_job, 1, CUSTOMERS_MAX)?;
    within("pace.customers_per_agent_day", pace.customers_per_agent_day, 1, u64::MAX)?;
    let jobs = manner.customers.div_ceil(pace.customers_per_job);
    within("customers / pace.customers_per_job", jobs, 1, JOBS_MAX)?;
    let [from, to] = pace.hours;
    if !(0 <= from && from < to && to <= 24) {
        return Err(format!("`pace.hours` is [{from}, {to}], expected two hours of one day, the earlier first"));
    }
    let people = &manner.people;
    let tickets = &manner.tickets;
    let shares = [
        ("people.elsewhere", people.elsewhere),
        ("people.celebrities", people.celebrities),
        ("people.minors", people.minors),
        ("people.canaries", people.canaries),
        ("people.on_hold", people.on_hold),
        ("tickets.customer_opened", tickets.customer_opened),
        ("tickets.self_made", tickets.self_made),
        ("tickets.customer_opened + tickets.self_made", tickets.customer_opened + tickets.self_made),
    ];
    match shares.into_iter().find(|(_, share)| !(0.0..=1.0).contains(share)) {
        Some((what, share)) => Err(format!("`{what}` is {share}, expected a share from 0 to 1")),
        None => Ok(()),
    }
}
