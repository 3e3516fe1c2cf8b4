//! `exportgate audit show`: entries, as a table or whole.

use exportgate::audit_log::entry::{Revocation, Verdict};
use exportgate::audit_log::{Entry, Event, Records};
use exportgate::job_file::print_datetime;

use super::open::{Opened, unreadable};
use crate::args::audit::Show;
use crate::failure::{Exit, Failure};
use crate::output::{self, count};

/// Runs the command.
pub fn run(args: &Show) -> Result<Exit, Failure> {
    let records = Opened::read(&args.with.config)?.records()?;
    let mut shown = Vec::new();
    let mut failed = None;
    records
        .read(args.from, u64::MAX, &mut |index, record| {
            match Entry::from_bytes(record) {
                Ok(entry) if is_meant(args, &entry) => shown.push(entry),
                Ok(_) => {}
                Err(error) => failed = Some(unreadable(index, &error)),
            }
            failed.is_none() && u64::try_from(shown.len()).is_ok_and(|shown| shown < args.max)
        })
        .map_err(|error| Failure::output(error.to_string()))?;
    if args.json {
        for entry in &shown {
            output::print(&serde_json::to_string(entry).map_err(|error| Failure::output(error.to_string()))?)?;
        }
    } else {
        let mut table = output::table(["index", "time", "what", "job", "agent", ""]);
        output::align_right(&mut table, &[0]);
        shown.iter().for_each(|entry| output::row(&mut table, cells(entry)));
        output::print_table(&table)?;
    }
    failed.map_or(Ok(Exit::Done), Err)
}

fn is_meant(args: &Show, entry: &Entry) -> bool {
    let of_job = args.job.as_ref().is_none_or(|job| entry.event.job() == Some(job));
    let of_agent = args.agent.as_ref().is_none_or(|agent| match &entry.event {
        Event::Decision(decision) => decision.agent.is_called(agent),
        Event::Approval(approval) => approval.by.is_called(agent),
        Event::Revocation(revocation) => revocation.id == *agent,
        _ => false,
    });
    of_job && of_agent
}

fn cells(entry: &Entry) -> [String; 6] {
    let agent = match &entry.event {
        Event::Decision(decision) => decision.agent.id.clone(),
        _ => String::new(),
    };
    [
        entry.index.to_string(),
        print_datetime(entry.time_ms),
        entry.event.name().to_owned(),
        entry.event.job().unwrap_or_default().to_owned(),
        agent,
        summary(&entry.event),
    ]
}

/// What happened, in a few words.
pub fn summary(event: &Event) -> String {
    match event {
        Event::Decision(decision) => {
            let verdict = match decision.verdict {
                Verdict::Allow => {
                    format!("allow {} of {} customers", count(decision.rows.customers), count(decision.customers_asked))
                }
                Verdict::Deny => format!("deny {} customers", count(decision.customers_asked)),
                Verdict::Challenge => {
                    format!("challenge {} customers: {}", count(decision.customers_asked), decision.remedies.join(", "))
                }
            };
            let fields: Vec<&str> = decision.fields.iter().map(|field| field.name.as_str()).collect();
            let to = decision.context("destination").map(|to| format!(" to {to}")).unwrap_or_default();
            let cause = if decision.cause.is_empty() { String::new() } else { format!(" ({})", decision.cause) };
            format!("{verdict}, {}{to}{cause}", fields.join(", "))
        }
        Event::Rows(rows) => format!("{} customers", count(rows.customers())),
        Event::Commit(commit) => match &commit.rows {
            None => "all left".to_owned(),
            Some(rows) => format!("{} customers left", count(rows.customers)),
        },
        Event::Cancel(cancel) => cancel.reason.clone(),
        Event::Approval(approval) => {
            let said = if approval.approved { "yes" } else { "no" };
            format!("{said} by {} as {}", approval.by.id, approval.role)
        }
        Event::Revocation(revocation) => {
            let Revocation { kind, id, by, reason, lifted } = revocation;
            let what = if *lifted { "lifted" } else { "revoked" };
            let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
            format!("{kind} {id} {what} by {by}{why}")
        }
        Event::Rotation(_) => "another key signs checkpoints from here on".to_owned(),
        Event::CustomerKey(key) => format!("epoch {}", key.epoch),
        Event::Pruning(pruning) => {
            format!("the first {} entries, by {}: {}", count(pruning.size), pruning.by, pruning.reason)
        }
    }
}
