//! `exportgate revoke`, `reinstate` and `revocations`: who may not ask any more.

use exportgate::job_file::print_datetime;
use serde::Serialize;

use crate::args::{Reinstate, Revocations, Revoke};
use crate::failure::{Exit, Failure, visible};
use crate::operator;
use crate::output;
use crate::setup::{Setup, failed, now_ms};

/// Runs `exportgate revoke`.
pub fn revoke(args: &Revoke) -> Result<Exit, Failure> {
    check_agent(&args.agent)?;
    let setup = Setup::read(&args.with.config)?;
    let (ledger, log) = (setup.ledger()?, setup.log_writer()?);
    let by = operator::name(&setup)?;
    exportgate::revoke(&*ledger, log.as_ref(), &args.agent, &by, &args.reason, now_ms())
        .map_err(|error| failed(&error))?;
    output::print(&format!(
        "agent `{}` is revoked: every ask is denied from now on, and permits already given release nothing",
        visible(&args.agent)
    ))?;
    Ok(Exit::Done)
}

/// Runs `exportgate reinstate`.
pub fn reinstate(args: &Reinstate) -> Result<Exit, Failure> {
    let setup = Setup::read(&args.with.config)?;
    let (ledger, log) = (setup.ledger()?, setup.log_writer()?);
    let by = operator::name(&setup)?;
    if exportgate::reinstate(&*ledger, log.as_ref(), &args.agent, &by, &args.reason, now_ms())
        .map_err(|error| failed(&error))?
    {
        output::print(&format!("agent `{}` may ask again, by the policies", visible(&args.agent)))?;
        return Ok(Exit::Done);
    }
    Err(Failure::input(format!("agent `{}` isn't revoked", args.agent)).help("`exportgate revocations` lists who is"))
}

/// Runs `exportgate revocations`.
pub fn list(args: &Revocations) -> Result<Exit, Failure> {
    let ledger = Setup::read(&args.with.config)?.ledger()?;
    let revoked = ledger.revocations().map_err(|error| failed(&error))?;
    if args.json {
        let rows: Vec<Json<'_>> = revoked
            .iter()
            .map(|one| Json { agent: &one.agent, since: print_datetime(one.since_ms), reason: &one.reason })
            .collect();
        output::print(&serde_json::to_string_pretty(&rows).map_err(|error| Failure::output(error.to_string()))?)?;
    } else if revoked.is_empty() {
        output::print("nobody is revoked")?;
    } else {
        let mut table = output::table(["agent", "since", "reason"]);
        for one in revoked {
            output::row(&mut table, [one.agent, print_datetime(one.since_ms), one.reason]);
        }
        output::print_table(&table)?;
    }
    Ok(Exit::Done)
}

/// An agent that can't ask can't be revoked either: most likely a slip of the pen.
fn check_agent(agent: &str) -> Result<(), Failure> {
    if agent.trim().is_empty() || agent.chars().any(char::is_control) {
        return Err(
            Failure::input(format!("`{agent}` can't be an agent's id")).help("name the agent as jobs do: `ana`")
        );
    }
    Ok(())
}

#[derive(Serialize)]
struct Json<'a> {
    agent: &'a str,
    since: String,
    reason: &'a str,
}
