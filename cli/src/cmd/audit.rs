//! `exportgate audit`: keys, verification, entries, receipts, checkpoints and events of the log.

mod checkpoints;
mod keys;
mod open;
mod receipt;
mod retention;
mod show;
mod verify;

use exportgate::audit_log::{Entry, OcsfExport, Records, walk};

use crate::args::audit::{AuditCommand, Export};
use crate::failure::{Exit, Failure};
use crate::output;

pub use open::{Opened, unreadable};

/// Runs `exportgate audit`.
pub fn run(command: &AuditCommand) -> Result<Exit, Failure> {
    match command {
        AuditCommand::Keys(args) => keys::run(args),
        AuditCommand::Verify(args) => verify::run(args),
        AuditCommand::Show(args) => show::run(args),
        AuditCommand::Prove(args) => receipt::prove(args),
        AuditCommand::VerifyReceipt(args) => receipt::verify(args),
        AuditCommand::Checkpoint(args) => checkpoints::sign(args),
        AuditCommand::Export(args) => export(args),
        AuditCommand::Prune(args) => retention::prune(args),
        AuditCommand::Rotate(command) => retention::run(command),
    }
}

fn export(args: &Export) -> Result<Exit, Failure> {
    let opened = Opened::read(&args.with.config)?;
    let records = opened.records()?;
    let mut events = OcsfExport::new(&opened.audit.origin, env!("CARGO_PKG_VERSION"));
    let mut failed = None;
    let print = |events: Vec<serde_json::Value>| events.iter().try_for_each(|event| output::print(&event.to_string()));
    let size = records.size().map_err(|error| Failure::output(error.to_string()))?;
    let prefix = opened.prefix(&records)?;
    walk(&records, &prefix, size, &mut |index, record| {
        if failed.is_some() || index < args.from {
            return;
        }
        failed = match Entry::from_bytes(record) {
            Ok(entry) => print(events.push(entry)).err(),
            Err(error) => Some(unreadable(index, &error)),
        };
    })
    .map_err(|error| open::broken(&error))?;
    match failed {
        Some(failure) => Err(failure),
        None => print(events.finish()).map(|()| Exit::Done),
    }
}
