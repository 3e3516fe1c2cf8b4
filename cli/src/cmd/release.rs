//! `exportgate release`: asks about a job, and releases the rows of a file under the permit.

use std::collections::BTreeSet;

use exportgate::job_file::JobFile;
use exportgate::ledger::{LedgerError, StoreError};
use exportgate::{
    AnyError, Cause, Decision, ObligationKind, PermitError, Release, ReleaseError, Released, Row, Rows, TokenKey,
};
use indicatif::ProgressBar;
use serde::Serialize;

use super::ask::{check_unstated, exit, warn};
use super::evaluate::{self, Json};
use crate::args::Release as Args;
use crate::failure::{Exit, Failure};
use crate::output::{self, count};
use crate::progress;
use crate::release::columns::Columns;
use crate::release::{Source, sink};
use crate::setup::Setup;

/// What whoever runs the command may say to carry out: the rest is the command's own.
const BY_HAND: [ObligationKind; 3] = [ObligationKind::Alert, ObligationKind::Notify, ObligationKind::Retain];

/// Rows between two looks at the progress bar.
const STEP: u64 = 1_024;

/// Runs the command. All that can be known to fail is looked at before anything is asked.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let setup = Setup::read(&args.with.config)?;
    let carries_out = carried_out(args, &setup)?;
    let tokens = tokens(&setup)?;
    let gate = setup.gate()?;
    let base = gate.modules().next().ok_or_else(|| Failure::input("the gate has no modules"))?;
    let file = evaluate::read_job(&args.job, args.customers.as_deref(), base)?;
    check_unstated(&args.job, &file)?;
    let columns = Columns::new(&args.customer_column, &file.job.fields, &args.column)
        .map_err(|reason| Failure::input(format!("`--column`: {reason}")))?;
    let mut source = Source::open(&args.input, args.table.as_deref(), &columns)?;
    let mut sink = sink(&args.output, &args.customer_column)?;
    let answer = gate.ask(&file.job);
    if let Some(Cause::Job(error)) = answer.decision.cause() {
        return Err(Failure::file(&args.job, error));
    }
    if !args.json {
        evaluate::show(&file, &answer.decision)?;
    }
    let Some(permit) = &answer.permit else {
        print_json(args, &file, &answer.decision, None)?;
        warn(&answer.decision);
        return Ok(exit(&answer.decision));
    };
    if let Some(missing) = answer.without {
        // What this process alone remembers would be forgotten when it ends.
        return Err(Failure::output(format!("nothing may leave: it was decided without the ledger (`{missing}`)"))
            .help("wait until the ledger is back: what leaves by this command must be on record"));
    }
    let release = Release {
        gate: &gate,
        job: &file.job,
        decision: &answer.decision,
        carries_out: &carries_out,
        tokens: tokens.as_ref(),
    };
    let bar = progress::bar(u64::try_from(file.job.customers.len()).unwrap_or(u64::MAX), "releasing");
    let released = source.rows(|rows| {
        let mut watched = Watched { rows, bar: &bar, read: 0 };
        permit.release(&release, &mut watched, &mut *sink)
    });
    bar.finish_and_clear();
    let released = released.map_err(|error| failed(args, &error))?;
    if args.json {
        print_json(args, &file, &answer.decision, Some(&released))?;
    } else {
        show(args, &released)?;
    }
    Ok(Exit::Done)
}

/// The obligations that are carried out: by the ledger, the audit log, and whoever runs the command.
fn carried_out(args: &Args, setup: &Setup) -> Result<BTreeSet<ObligationKind>, Failure> {
    let mut kinds: BTreeSet<ObligationKind> = [ObligationKind::Review].into();
    if setup.config.audit.is_some() {
        kinds.insert(ObligationKind::Audit);
    }
    for name in &args.carry_out {
        let kind = ObligationKind::parse(name).filter(|kind| BY_HAND.contains(kind));
        kinds.insert(kind.ok_or_else(|| {
            Failure::input(format!("`--carry-out {name}`: expected `alert`, `notify` or `retain`")).help(
                "the command itself sees to `watermark` and `review`, and to `audit` where `[audit]` is configured",
            )
        })?);
    }
    Ok(kinds)
}

fn tokens(setup: &Setup) -> Result<Option<TokenKey>, Failure> {
    let Some(release) = &setup.config.release else { return Ok(None) };
    let key = release.token_key(setup.folder());
    key.map(Some).map_err(|error| Failure::input(error.to_string()).help(error.help()))
}

/// Rows that a progress bar counts.
struct Watched<'a> {
    rows: &'a mut dyn Rows,
    bar: &'a ProgressBar,
    read: u64,
}

impl Rows for Watched<'_> {
    fn next(&mut self, row: &mut Row) -> Result<bool, AnyError> {
        self.read = self.read.saturating_add(1);
        if self.read.is_multiple_of(STEP) {
            self.bar.set_position(self.read);
        }
        self.rows.next(row)
    }
}

/// What a release that failed is to whoever called the command.
fn failed(args: &Args, error: &ReleaseError) -> Failure {
    let failure = match root(error) {
        ReleaseError::Permit(PermitError::Ledger(LedgerError::Store(
            StoreError::Unavailable { .. } | StoreError::Busy { .. },
        )))
        | ReleaseError::Sink(_)
        | ReleaseError::Uncommitted(_)
        | ReleaseError::Unpublished(_) => Failure::output(format!("can't write `{}`: {error}", args.output.display())),
        ReleaseError::Permit(_) | ReleaseError::Obligations { .. } | ReleaseError::NoTicket => {
            Failure::denied(format!("nothing may leave: {error}"))
        }
        ReleaseError::OtherDecision { .. } | ReleaseError::NoTokenKey { .. } | ReleaseError::ColumnTaken { .. } => {
            Failure::input(error.to_string())
        }
        ReleaseError::Rows { .. }
        | ReleaseError::Values { .. }
        | ReleaseError::RowTooLarge { .. }
        | ReleaseError::Undecided { .. }
        | ReleaseError::Twice { .. }
        | ReleaseError::StillCounts { .. } => Failure::file(&args.input, error),
    };
    match root(error) {
        ReleaseError::Obligations { kinds } if kinds.iter().all(|kind| BY_HAND.contains(kind)) => {
            let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
            let help = format!("see to it and say `--carry-out {}`, asking under a new id", names.join(","));
            failure.help(help)
        }
        _ => failure.help(error.help()),
    }
}

/// What went wrong first.
fn root(error: &ReleaseError) -> &ReleaseError {
    match error {
        ReleaseError::StillCounts { because, .. } => root(because),
        other => other,
    }
}

fn show(args: &Args, released: &Released) -> Result<(), Failure> {
    let number = |number: usize| count(u64::try_from(number).unwrap_or(u64::MAX));
    let mut table = output::bare_table();
    let mut fact = |name: &str, value: String| output::row(&mut table, [name.to_owned(), value]);
    fact("released", format!("{} customers, to {}", number(released.left), args.output.display()));
    if released.excluded > 0 {
        fact("stayed", format!("{} customers, whom the decision excludes", number(released.excluded)));
    }
    if released.absent > 0 {
        fact("given back", format!("{} customers, who weren't in {}", number(released.absent), args.input.display()));
    }
    if released.unfit > 0 {
        fact("suppressed", format!("{} values, which can't be shown in part", count(released.unfit)));
    }
    output::print("")?;
    output::print_table(&table)
}

/// What `release --json` prints.
#[derive(Serialize)]
struct ReleaseJson {
    #[serde(flatten)]
    decision: Json,
    released: Option<ReleasedJson>,
}

#[derive(Serialize)]
struct ReleasedJson {
    left: usize,
    excluded: usize,
    absent: usize,
    unfit: u64,
}

fn print_json(args: &Args, file: &JobFile, decision: &Decision, released: Option<&Released>) -> Result<(), Failure> {
    if !args.json {
        return Ok(());
    }
    let released = released.map(|released| ReleasedJson {
        left: released.left,
        excluded: released.excluded,
        absent: released.absent,
        unfit: released.unfit,
    });
    let json = ReleaseJson { decision: Json::new(file, decision), released };
    let json = serde_json::to_string_pretty(&json).map_err(|error| Failure::output(error.to_string()))?;
    output::print(&json)
}
