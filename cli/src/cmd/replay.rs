//! `exportgate replay`: plays the incidents of a pack, and prints what would have left.

use std::path::PathBuf;

use serde::Serialize;

use crate::args::Replay;
use crate::failure::{Exit, Failure};
use crate::output::{self, count};
use crate::progress;
use crate::replay::outcome::{Incident, Outcome, Traced};
use crate::replay::{self, Unobserved, chart};

/// The pack that is played when none is named, relative to the current directory.
const DEFAULT_PACK: &str = "guest-policies/support-desk";

/// Runs the command.
pub fn run(args: &Replay) -> Result<Exit, Failure> {
    let pack = match &args.pack {
        Some(pack) => pack.clone(),
        None => default_pack()?,
    };
    let bar = progress::bar(0, "playing");
    let outcome = replay::run(&pack, args.only.as_deref(), args.ledgers.as_deref(), &Unobserved, &|plays| {
        bar.set_length(u64::try_from(plays).unwrap_or(u64::MAX));
        bar.inc(1);
    });
    bar.finish_and_clear();
    let outcome = outcome?;
    if let Some(path) = &args.svg {
        output::write(path, chart::draw(&outcome.incidents).as_bytes())?;
    }
    if args.json {
        let json =
            serde_json::to_string_pretty(&Json::new(&outcome)).map_err(|error| Failure::output(error.to_string()))?;
        output::print(&json)?;
    } else {
        show(&outcome)?;
    }
    Ok(Exit::Done)
}

fn default_pack() -> Result<PathBuf, Failure> {
    let pack = PathBuf::from(DEFAULT_PACK);
    if pack.is_dir() {
        return Ok(pack);
    }
    Err(Failure::input(format!("there is no `{DEFAULT_PACK}` in the current directory")).help(
        "run this in the root of the exportgate repository, or name the folder of a pack: `exportgate replay DIR`",
    ))
}

fn show(outcome: &Outcome) -> Result<(), Failure> {
    let mut table = output::table(["incident", "year", "customers taken", "let out", "stopped by", "day"]);
    output::align_right(&mut table, &[2, 3, 5]);
    for incident in &outcome.incidents {
        let manner = if incident.manner.is_empty() { String::new() } else { format!(" ({})", incident.manner) };
        output::row(
            &mut table,
            [
                format!("{}{manner}", incident.title),
                incident.year.clone(),
                count(incident.customers_taken),
                count(incident.customers_let_out),
                incident.stop.as_ref().map_or_else(|| "NOT STOPPED".to_owned(), |stop| stop.by.join(", ")),
                incident.day().map(count).unwrap_or_default(),
            ],
        );
    }
    output::print_table(&table)?;
    output::print(
        "\n`stopped by` is what determined the first denial, `day` the day on which that was; a thief goes on trying after it.",
    )?;
    for honest in &outcome.honest {
        let by = if honest.hindered_by.is_empty() {
            String::new()
        } else {
            format!(" by {}", honest.hindered_by.join(", "))
        };
        output::print(&format!(
            "honest work: {}: {} asks, {} hindered{by}",
            honest.title,
            count(honest.asks),
            count(honest.hindered)
        ))?;
    }
    for traced in &outcome.traced {
        output::print(&who(traced))?;
    }
    output::print(&format!("audit verify: {} logs of {} entries hold", count(outcome.logs), count(outcome.entries)))?;
    let (asks, hindered) = outcome.honest_asks();
    output::print(&format!(
        "honest asks hindered: {} of {}\n{} decisions in {:.1} s",
        count(hindered),
        count(asks),
        count(outcome.decisions()),
        outcome.seconds
    ))
}

/// Whom a log names, in a sentence or two.
fn who(traced: &Traced) -> String {
    let names = |named: &[String]| if named.is_empty() { "nobody".to_owned() } else { named.join(", ") };
    let line = if traced.line.is_empty() { String::new() } else { format!(" ({})", traced.line) };
    format!(
        "who was it: {}: recorded and not stopped, {} complaints name {}{line}; as many drawn from {} customers name {}",
        traced.title,
        count(traced.complaints),
        names(&traced.named),
        count(traced.of),
        names(&traced.named_by_chance)
    )
}

/// What `--json` prints.
#[derive(Serialize)]
struct Json<'a> {
    incidents: Vec<JsonIncident<'a>>,
    honest: JsonHonest,
    traced: Vec<JsonTraced<'a>>,
    logs: JsonLogs,
    decisions: u64,
    seconds: f64,
}

#[derive(Serialize)]
struct JsonIncident<'a> {
    id: &'a str,
    customers_taken: u64,
    customers_let_out: u64,
    stopped_by: &'a [String],
    day: Option<u64>,
}

#[derive(Serialize)]
struct JsonTraced<'a> {
    id: &'a str,
    thief: &'a str,
    complaints: u64,
    named: &'a [String],
    named_by_chance: &'a [String],
}

#[derive(Serialize)]
struct JsonLogs {
    verified: u64,
    entries: u64,
}

#[derive(Serialize)]
struct JsonHonest {
    asks: u64,
    hindered: u64,
}

impl<'a> Json<'a> {
    fn new(outcome: &'a Outcome) -> Self {
        let incident = |incident: &'a Incident| JsonIncident {
            id: &incident.id,
            customers_taken: incident.customers_taken,
            customers_let_out: incident.customers_let_out,
            stopped_by: &incident.stopped_by,
            day: incident.day(),
        };
        let traced = |traced: &'a Traced| JsonTraced {
            id: &traced.id,
            thief: &traced.thief,
            complaints: traced.complaints,
            named: &traced.named,
            named_by_chance: &traced.named_by_chance,
        };
        let (asks, hindered) = outcome.honest_asks();
        Self {
            incidents: outcome.incidents.iter().map(incident).collect(),
            honest: JsonHonest { asks, hindered },
            traced: outcome.traced.iter().map(traced).collect(),
            logs: JsonLogs { verified: outcome.logs, entries: outcome.entries },
            decisions: outcome.decisions(),
            seconds: outcome.seconds,
        }
    }
}
