//! `exportgate trace`: whose takings explain that these customers' data turned up.

use exportgate::audit_log::trace::{Leaked, Suspect, Trace, TraceQuery, trace};
use exportgate::audit_log::{TimelineQuery, timeline};
use exportgate::job_file::print_datetime;
use serde_json::{Value, json};

use super::audit::Opened;
use crate::args::audit::Trace as Args;
use crate::customer_list;
use crate::failure::{Exit, Failure, visible};
use crate::output::{self, count};
use crate::timeline::{Marks, draw};

/// Suspects that a picture shows.
const SUSPECTS_DRAWN_MAX: usize = 5;

/// Runs the command.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let opened = Opened::read(&args.with.config)?;
    let listed = customer_list::read(&args.customers)?;
    let query = TraceQuery {
        leaked: listed.into_iter().map(|listed| Leaked { customer: listed.id, canary: listed.canary }).collect(),
        since_ms: args.span.since_ms()?,
        until_ms: args.span.until_ms()?,
        population: args.population,
    };
    let keys = opened.customer_keys()?;
    let records = opened.records()?;
    let prefix = opened.prefix(&records)?;
    let found = trace(&records, &prefix, &query, &keys).map_err(|error| {
        Failure::input(error.to_string()).help("check the list of customers, and the keys under `[audit]`")
    })?;
    if args.json {
        let json =
            serde_json::to_string_pretty(&to_json(&found)).map_err(|error| Failure::output(error.to_string()))?;
        output::print(&json)?;
    } else {
        show(&found)?;
    }
    if let Some(path) = &args.svg {
        // The agents who are named, and then those who explain most.
        let mut agents: Vec<String> = Vec::new();
        for suspect in found.named.iter().chain(&found.agents) {
            if !agents.contains(&suspect.name) {
                agents.push(suspect.name.clone());
            }
        }
        let days = TimelineQuery {
            agents: agents.into_iter().take(SUSPECTS_DRAWN_MAX).collect(),
            since_ms: query.since_ms,
            until_ms: query.until_ms,
            leaked: query.leaked.into_iter().map(|leaked| leaked.customer).collect(),
            only: false,
        };
        let drawn = timeline(&records, &prefix, &days, &keys)
            .map_err(|error| Failure::input(error.to_string()).help("run `exportgate audit verify`"))?;
        output::write(path, draw("Who took the leaked customers", &drawn, Marks::Leaked).as_bytes())?;
    }
    Ok(Exit::Done)
}

fn show(found: &Trace) -> Result<(), Failure> {
    let mut table = output::bare_table();
    let mut fact = |name: &str, value: String| output::row(&mut table, [name.to_owned(), value]);
    let canaries =
        if found.canaries == 0 { String::new() } else { format!(", and {} canaries", count(found.canaries)) };
    fact(
        "leaked",
        format!("{} customers{canaries}; nobody on record took {} of them", count(found.leaked), count(found.untaken)),
    );
    fact(
        "on record",
        format!("about {} customers, in {} decisions", count(found.population), count(found.seen.decisions)),
    );
    if found.seen.unreadable > 0 {
        fact("", format!("{} entries can't be read: run `exportgate audit verify`", count(found.seen.unreadable)));
    }
    if !found.epochs_missing.is_empty() {
        fact(
            "",
            format!("the customers of epochs {:?} can't be matched: their keys aren't there", found.epochs_missing),
        );
    }
    output::print_table(&table)?;
    output::print("")?;
    if found.named.is_empty() {
        output::print("nobody is named: what everybody took of them is what honest work gives, or too little to tell")?;
    }
    for suspect in &found.named {
        output::print(&format!("{}: {}", suspect.evidence.name(), visible(&suspect.line)))?;
        for caution in &suspect.cautions {
            output::print(&format!("  caution: {}", visible(caution)))?;
        }
    }
    for (kind, suspects) in
        [("agent", &found.agents), ("group", &found.groups), ("destination", &found.destinations), ("job", &found.jobs)]
    {
        if suspects.is_empty() {
            continue;
        }
        let mut table =
            output::table([kind, "leaked", "by chance", "taken", "canaries", "explains", "evidence", "when"]);
        output::align_right(&mut table, &[1, 2, 3, 4, 5]);
        suspects.iter().take(10).for_each(|suspect| output::row(&mut table, cells(suspect)));
        output::print("")?;
        output::print_table(&table)?;
    }
    Ok(())
}

fn cells(suspect: &Suspect) -> [String; 8] {
    let when = suspect.when_ms.map(|(first, last)| {
        let (first, last) = (print_datetime(first), print_datetime(last));
        let day = |time: &str| time.split('T').next().unwrap_or_default().to_owned();
        format!("{} to {}", day(&first), day(&last))
    });
    [
        suspect.name.clone(),
        count(suspect.hits),
        format!("{:.1}", suspect.expected),
        count(suspect.taken),
        count(suspect.canaries),
        format!("{:.0} %", suspect.share * 100.0),
        suspect.evidence.name().to_owned(),
        when.unwrap_or_default(),
    ]
}

fn suspects(suspects: &[Suspect]) -> Vec<Value> {
    suspects
        .iter()
        .map(|suspect| {
            json!({
                "name": suspect.name,
                "evidence": suspect.evidence.name(),
                "leaked": suspect.hits,
                "expected": suspect.expected,
                "taken": suspect.taken,
                "canaries": suspect.canaries,
                "share": suspect.share,
                "weight_log10": suspect.weight,
                "chance": suspect.chance,
                "jobs": suspect.jobs,
                "first": suspect.when_ms.map(|(first, _)| print_datetime(first)),
                "last": suspect.when_ms.map(|(_, last)| print_datetime(last)),
                "line": suspect.line,
                "cautions": suspect.cautions,
            })
        })
        .collect()
}

fn to_json(found: &Trace) -> Value {
    json!({
        "leaked": found.leaked,
        "canaries": found.canaries,
        "untaken": found.untaken,
        "population": found.population,
        "decisions": found.seen.decisions,
        "unreadable": found.seen.unreadable,
        "epochs_missing": found.epochs_missing,
        "named": suspects(&found.named),
        "agents": suspects(&found.agents),
        "groups": suspects(&found.groups),
        "destinations": suspects(&found.destinations),
        "jobs": suspects(&found.jobs),
    })
}
