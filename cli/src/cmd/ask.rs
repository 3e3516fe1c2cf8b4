//! `exportgate ask`, `use`, `commit` and `cancel`: what a tool does around an export, from a command line.

use std::path::Path;
use std::sync::Arc;

use exportgate::job_file::JobFile;
use exportgate::ledger::LedgerError;
use exportgate::{Answer, Approvals, Cause, Decision, Left, Permit, PermitError, Verdict};
use exportgate_contract::limits::CUSTOMERS_PER_JOB_MAX;
use serde::Serialize;

use super::evaluate::{self, Json};
use crate::args::{Ask, Cancel, Commit, Use};
use crate::failure::{Exit, Failure, visible};
use crate::input::{self, CUSTOMERS_FILE_BYTES_MAX};
use crate::output;
use crate::setup::{self, Setup};

/// Runs `exportgate ask`.
pub fn ask(args: &Ask) -> Result<Exit, Failure> {
    let setup = Setup::read(&args.with.config)?;
    let gate = setup.gate()?;
    let base = gate.modules().next().ok_or_else(|| Failure::input("the gate has no modules"))?;
    let file = evaluate::read_job(&args.job, args.customers.as_deref(), base)?;
    check_unstated(&args.job, &file)?;
    let answer = gate.ask(&file.job);
    if let Some(Cause::Job(error)) = answer.decision.cause() {
        return Err(Failure::file(&args.job, error));
    }
    if args.json {
        let json = AskJson {
            decision: Json::new(&file, &answer.decision),
            permit: answer.permit.as_ref().map(Permit::to_string),
            expires: answer.permit.as_ref().map(|permit| exportgate::job_file::print_datetime(permit.expires_ms())),
            without: answer.without.map(|missing| missing.name()),
        };
        let json = serde_json::to_string_pretty(&json).map_err(|error| Failure::output(error.to_string()))?;
        output::print(&json)?;
    } else {
        evaluate::show(&file, &answer.decision)?;
        show_permit(&answer)?;
    }
    warn(&answer.decision);
    Ok(exit(&answer.decision))
}

/// What a verdict is to whoever called the command.
pub(super) fn exit(decision: &Decision) -> Exit {
    match decision.verdict() {
        Verdict::Allow => Exit::Done,
        Verdict::Deny => Exit::Deny,
        Verdict::Challenge(_) => Exit::Challenge,
    }
}

/// What only the ledger may state can't come from a file.
pub(super) fn check_unstated(path: &Path, file: &JobFile) -> Result<(), Failure> {
    let stated = [
        ("at", file.now_ms.is_some()),
        ("usage", !file.usage.is_empty()),
        ("approvals", file.job.approvals != Approvals::none()),
    ];
    match stated.into_iter().find(|(_, stated)| *stated) {
        None => Ok(()),
        Some((name, _)) => {
            Err(Failure::file(path, format_args!("it states `{name}`, which only the ledger can when a job is asked"))
                .help(format!("leave `{name}` out; `exportgate evaluate` takes it, for a dry run")))
        }
    }
}

fn show_permit(answer: &Answer) -> Result<(), Failure> {
    let Some(permit) = &answer.permit else { return Ok(()) };
    let mut table = output::bare_table();
    output::row(&mut table, ["permit".to_owned(), permit.to_string()]);
    output::row(&mut table, ["to be used by".to_owned(), exportgate::job_file::print_datetime(permit.expires_ms())]);
    if let Some(missing) = answer.without {
        output::row(&mut table, ["decided without".to_owned(), missing.to_string()]);
    }
    output::print("")?;
    output::print_table(&table)
}

/// Says what to do where the ledger, and not a policy, is why a job was denied.
pub(super) fn warn(decision: &Decision) {
    if let Some(Cause::Ledger(error)) = decision.cause() {
        eprintln!("{} {}", console::style("help:").for_stderr().cyan(), visible(error.help()));
    }
}

/// What `ask --json` prints.
#[derive(Serialize)]
struct AskJson {
    #[serde(flatten)]
    decision: Json,
    permit: Option<String>,
    expires: Option<String>,
    without: Option<&'static str>,
}

/// Runs `exportgate use`.
pub fn use_permit(args: &Use) -> Result<Exit, Failure> {
    let permit = Permit::parse(&args.permit).ok_or_else(|| {
        Failure::input(format!("`{}` isn't a permit", args.permit))
            .help("give the whole text that `exportgate ask` printed")
    })?;
    let gate = Setup::read(&args.with.config)?.gate()?;
    match gate.use_permit(&permit) {
        Ok(()) => {
            output::print(&format!("job `{}` may leave, now and once", visible(permit.job())))?;
            Ok(Exit::Done)
        }
        Err(error @ (PermitError::Changed { .. } | PermitError::Ledger(LedgerError::Job(_)))) => {
            Err(Failure::denied(format!("nothing may leave: {error}")).help(error.help()))
        }
        Err(error) => Err(unanswered(&error)),
    }
}

/// Runs `exportgate commit`.
pub fn commit(args: &Commit) -> Result<Exit, Failure> {
    let left: Option<Vec<Arc<str>>> = match &args.left {
        None => None,
        Some(path) => {
            let text = input::read_text(path, CUSTOMERS_FILE_BYTES_MAX)?;
            let ids: Vec<Arc<str>> = text.lines().map(str::trim).filter(|id| !id.is_empty()).map(Arc::from).collect();
            if ids.len() > CUSTOMERS_PER_JOB_MAX {
                return Err(Failure::file(path, format_args!("it has more than {CUSTOMERS_PER_JOB_MAX} customers")));
            }
            Some(ids)
        }
    };
    let gate = Setup::read(&args.with.config)?.gate()?;
    gate.commit(&args.job, left.as_deref().map_or(Left::All, Left::Only)).map_err(|error| unanswered(&error))?;
    let what = match left {
        None => "all that was reserved".to_owned(),
        Some(ids) => format!("{} customers", output::count(u64::try_from(ids.len()).unwrap_or(u64::MAX))),
    };
    output::print(&format!("job `{}` is committed: {what} left", visible(&args.job)))?;
    Ok(Exit::Done)
}

/// Runs `exportgate cancel`.
pub fn cancel(args: &Cancel) -> Result<Exit, Failure> {
    let gate = Setup::read(&args.with.config)?.gate()?;
    gate.cancel(&args.job).map_err(|error| unanswered(&error))?;
    output::print(&format!("job `{}` is cancelled: nothing of it counts", visible(&args.job)))?;
    Ok(Exit::Done)
}

fn unanswered(error: &PermitError) -> Failure {
    match error {
        PermitError::Ledger(error) => setup::failed(error),
        other => Failure::input(other.to_string()).help(other.help()),
    }
}
