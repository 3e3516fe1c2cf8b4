//! The command `exportgate`: everything a policy author or an operator types, and the engine that replays incidents.
//!
//! A library beside its binary, so that tests can watch each decision of a replay ([`replay::Observer`]), and ask others than
//! compiled modules about cases ([`conformance::Answerer`]). No policy logic.

mod args;
mod case;
mod cmd;
pub mod conformance;
mod customer_list;
pub mod failure;
mod guest;
mod input;
mod operator;
mod output;
mod pack;
mod progress;
mod release;
pub mod replay;
mod setup;
mod svg;
mod timeline;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use args::{Cli, Command};
use failure::{Exit, Failure};

/// Reads the command line, runs one command, and gives its exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error).into(),
    };
    run(&cli.command).unwrap_or_else(|failure| failure.print()).into()
}

fn run(command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::Build(args) => cmd::build::run(args),
        Command::Check(args) => cmd::check::run(args),
        Command::Test(args) => cmd::test::run(args),
        Command::Inspect(args) => cmd::inspect::run(args),
        Command::Evaluate(args) => cmd::evaluate::run(args),
        Command::Ask(args) => cmd::ask::ask(args),
        Command::Use(args) => cmd::ask::use_permit(args),
        Command::Commit(args) => cmd::ask::commit(args),
        Command::Cancel(args) => cmd::ask::cancel(args),
        Command::Release(args) => cmd::release::run(args),
        Command::Revoke(args) => cmd::revoke::revoke(args),
        Command::Reinstate(args) => cmd::revoke::reinstate(args),
        Command::Revocations(args) => cmd::revoke::list(args),
        Command::Approvals(command) => cmd::approvals::run(command),
        Command::Reviews(command) => cmd::reviews::run(command),
        Command::Ledger(command) => cmd::ledger::run(command),
        Command::Audit(command) => cmd::audit::run(command),
        Command::Exposure(args) => cmd::exposure::run(args),
        Command::Trace(args) => cmd::trace::run(args),
        Command::Replay(args) => cmd::replay::run(args),
        Command::Init(args) => cmd::init::run(args),
        Command::Conformance(args) => cmd::conformance::run(args),
    }
}

/// Prints the help that was asked for, or what is wrong with the command line.
///
/// NB: clap's own exit code for wrong arguments is 2, which would be read as a challenge here.
fn usage(error: &clap::Error) -> Exit {
    let printed = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion if printed.is_ok() => Exit::Done,
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Output,
        _ => Exit::Input,
    }
}
