//! `exportgate exposure`: what an agent took, of whom, and where to.

use std::collections::BTreeMap;

use exportgate::audit_log::{CustomerKey, Exposed, Exposure, ExposureQuery, TimelineQuery, exposure, timeline};
use exportgate::job_file::print_datetime;
use serde_json::{Value, json};

use super::audit::Opened;
use crate::args::audit::Exposure as Args;
use crate::customer_list;
use crate::failure::{Exit, Failure};
use crate::output::{self, count};
use crate::timeline::{Marks, draw};

/// Runs the command.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let opened = Opened::read(&args.with.config)?;
    let query =
        ExposureQuery { agent: args.agent.clone(), since_ms: args.span.since_ms()?, until_ms: args.span.until_ms()? };
    let records = opened.records()?;
    let prefix = opened.prefix(&records)?;
    let found = exposure(&records, &prefix, &query).map_err(|error| {
        Failure::input(error.to_string()).help("run `exportgate audit verify` when the log can't be read")
    })?;
    let people = match &args.customers {
        None => None,
        Some(path) => {
            let keys = opened.customer_keys()?;
            let missing = found
                .check_keys(&keys)
                .map_err(|error| Failure::input(error.to_string()).help("name the keys of this log under `[audit]`"))?;
            let ids = customer_list::read(path)?;
            let ids = ids.into_iter().map(|listed| listed.id);
            Some(People { known: resolve(&found, &keys, ids), missing })
        }
    };
    if args.json {
        output::print(&to_json(&found, people.as_ref())?)?;
    } else {
        show(args, &found, people.as_ref())?;
    }
    if let Some(path) = &args.svg {
        let query = TimelineQuery {
            agents: args.agent.iter().cloned().collect(),
            since_ms: query.since_ms,
            until_ms: query.until_ms,
            leaked: Vec::new(),
            only: args.agent.is_some(),
        };
        let drawn = timeline(&records, &prefix, &query, &[])
            .map_err(|error| Failure::input(error.to_string()).help("run `exportgate audit verify`"))?;
        let title = match &args.agent {
            Some(agent) => format!("What {agent} took"),
            None => "What was taken, and by whom".to_owned(),
        };
        output::write(path, draw(&title, &drawn, Marks::None).as_bytes())?;
    }
    Ok(Exit::Done)
}

/// Customers by id, of those that a list had.
struct People<'a> {
    known: BTreeMap<String, Exposed<'a>>,
    /// Epochs whose key isn't there.
    missing: Vec<u32>,
}

fn resolve<'a>(
    found: &'a Exposure,
    keys: &[CustomerKey],
    ids: impl Iterator<Item = String>,
) -> BTreeMap<String, Exposed<'a>> {
    ids.filter_map(|id| found.of(keys, &id).map(|exposed| (id, exposed))).collect()
}

fn show(args: &Args, found: &Exposure, people: Option<&People<'_>>) -> Result<(), Failure> {
    let number = |number: usize| count(u64::try_from(number).unwrap_or(u64::MAX));
    let mut table = output::bare_table();
    let mut fact = |name: &str, value: String| output::row(&mut table, [name.to_owned(), value]);
    fact("agent", args.agent.clone().unwrap_or_else(|| format!("all ({})", number(found.agents.len()))));
    fact("customers", number(found.customers()));
    fact(
        "jobs",
        format!(
            "{} took them, of {} asked; {} refused, {} cancelled",
            count(found.jobs),
            count(found.seen.decisions),
            count(found.seen.refused),
            count(found.seen.cancelled)
        ),
    );
    if found.seen.unanswered > 0 {
        fact("", format!("{} were never answered, and count as taken", count(found.seen.unanswered)));
    }
    if found.seen.unreadable > 0 {
        fact("", format!("{} entries can't be read: run `exportgate audit verify`", count(found.seen.unreadable)));
    }
    output::print_table(&table)?;
    let mut fields = output::table(["field", "plain", "partial", "token"]);
    output::align_right(&mut fields, &[1, 2, 3]);
    for (field, [token, partial, plain]) in found.fields() {
        output::row(&mut fields, [field.to_owned(), count(plain), count(partial), count(token)]);
    }
    let mut places = output::table(["destination", "customers"]);
    output::align_right(&mut places, &[1]);
    for (place, customers) in found.destinations() {
        output::row(&mut places, [place.to_owned(), count(customers)]);
    }
    for table in [fields, places] {
        output::print("")?;
        output::print_table(&table)?;
    }
    let Some(people) = people else {
        return output::print("\nnobody is named: give the customers with `--customers`");
    };
    output::print("")?;
    let mut table = output::table(["customer", "jobs", "first", "last", "destinations", "fields"]);
    output::align_right(&mut table, &[1]);
    for (id, exposed) in &people.known {
        let fields: Vec<String> =
            exposed.fields.iter().map(|(field, form)| format!("{field} {}", form.name())).collect();
        let cells = [
            id.clone(),
            exposed.jobs.to_string(),
            print_datetime(exposed.first_ms),
            print_datetime(exposed.last_ms),
            exposed.destinations.join(", "),
            fields.join(", "),
        ];
        output::row(&mut table, cells);
    }
    output::print_table(&table)?;
    output::print(&format!("{} of the customers listed were exposed", number(people.known.len())))?;
    if !people.missing.is_empty() {
        output::print(&format!(
            "customers hashed under the keys of epochs {:?} can't be named: their keys aren't there",
            people.missing
        ))?;
    }
    Ok(())
}

fn customer_json(exposed: &Exposed<'_>) -> Value {
    let fields: serde_json::Map<String, Value> =
        exposed.fields.iter().map(|(field, form)| ((*field).to_owned(), form.name().into())).collect();
    json!({
        "jobs": exposed.jobs,
        "first": print_datetime(exposed.first_ms),
        "last": print_datetime(exposed.last_ms),
        "destinations": exposed.destinations,
        "fields": fields,
    })
}

fn to_json(found: &Exposure, people: Option<&People<'_>>) -> Result<String, Failure> {
    let fields: serde_json::Map<String, Value> = found
        .fields()
        .into_iter()
        .map(|(field, [token, partial, plain])| {
            (field.to_owned(), json!({ "plain": plain, "partial": partial, "token": token }))
        })
        .collect();
    let mut json = json!({
        "agents": found.agents,
        "customers": found.customers(),
        "jobs": found.jobs,
        "decisions": found.seen.decisions,
        "refused": found.seen.refused,
        "cancelled": found.seen.cancelled,
        "unanswered": found.seen.unanswered,
        "unreadable": found.seen.unreadable,
        "fields": fields,
        "destinations": found.destinations(),
    });
    let more = match people {
        None => {
            let hashes: serde_json::Map<String, Value> = found
                .each()
                .map(|(epoch, hash, exposed)| (format!("{epoch}/{hash}"), customer_json(&exposed)))
                .collect();
            ("hashes", Value::Object(hashes))
        }
        Some(people) => {
            let named: serde_json::Map<String, Value> =
                people.known.iter().map(|(id, exposed)| (id.clone(), customer_json(exposed))).collect();
            ("people", json!({ "named": named, "epochs_missing": people.missing }))
        }
    };
    if let Value::Object(members) = &mut json {
        members.insert(more.0.to_owned(), more.1);
    }
    serde_json::to_string_pretty(&json).map_err(|error| Failure::output(error.to_string()))
}
