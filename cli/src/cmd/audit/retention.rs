//! `exportgate audit prune` and `rotate`: what is dropped from the log, and the keys that it goes on with.

use exportgate::audit_log::{CustomerKey, Event, KeyRole, PrivateKey, entry, rotate};
use exportgate::ledger::{End, On};
use exportgate::{LogWriter, PruneError, Retention, prune as drop_beginning};

use super::keys::write_new;
use super::open::{Opened, unusable};
use crate::args::audit::{Prune, RotateCommand, RotateCustomers, RotateSigning, time};
use crate::failure::{Exit, Failure};
use crate::operator;
use crate::output::{self, count};
use crate::setup::{failed, now_ms, random};

/// Runs `exportgate audit prune`.
pub fn prune(args: &Prune) -> Result<Exit, Failure> {
    let opened = Opened::read(&args.with.config)?;
    let before_ms = time("--before", &args.before)?;
    let now_ms = now_ms();
    if before_ms > now_ms {
        return Err(Failure::input(format!("`--before {}` lies ahead", args.before))
            .help("name a day that is over: what is dropped can't be asked about any more"));
    }
    let (records, log) = (opened.records()?, opened.writer()?);
    let (keys, by) = (opened.customer_keys()?, operator::name(&opened.setup)?);
    let retention = Retention { origin: &opened.audit.origin, before_ms, by: &by, reason: &args.reason, keys: &keys };
    let dropped = drop_beginning(&records, &log, &retention, now_ms).map_err(|error| match error {
        PruneError::Ledger(error) => failed(&error),
        PruneError::Damaged { .. } => Failure::differs(error.to_string())
            .help("run `exportgate audit verify`, which names what is wrong; nothing of it was dropped"),
        PruneError::Raced => Failure::output(error.to_string()).help("wait for the other one, and look again"),
        other => Failure::output(other.to_string()).help("check that the ledger can be reached"),
    })?;
    if dropped == 0 {
        output::print("nothing in the log is that old")?;
        return Ok(Exit::Done);
    }
    let size = opened.prefix(&records)?.size();
    output::print(&format!(
        "dropped {} entries: the log begins with entry {}; sign a checkpoint now, and send it away",
        count(dropped),
        count(size)
    ))?;
    Ok(Exit::Done)
}

/// Runs `exportgate audit rotate`.
pub fn run(command: &RotateCommand) -> Result<Exit, Failure> {
    match command {
        RotateCommand::Signing(args) => signing(args),
        RotateCommand::Customers(args) => customers(args),
    }
}

/// The old key hands over to a new one. The new key is on disk before the log knows it: else nobody could sign.
fn signing(args: &RotateSigning) -> Result<Exit, Failure> {
    let opened = Opened::read(&args.with.config)?;
    let old = opened.audit.signing_key(opened.folder()).map_err(|error| unusable(&error))?;
    let origin = &opened.audit.origin;
    let new =
        PrivateKey::from_seed(origin, KeyRole::Log, &random()?).map_err(|error| Failure::input(error.to_string()))?;
    let note = rotate(&old, new.public()).map_err(|error| Failure::input(error.to_string()))?.to_string();
    let path = opened.folder().join(&args.to);
    write_new(&path, &new.to_text())?;
    if let Err(failure) = append(&opened, &Event::Rotation(entry::Rotation { note })) {
        // A key that the log doesn't know would only be taken for one that it does.
        drop(std::fs::remove_file(&path));
        return Err(failure);
    }
    output::print(&format!(
        "# From the next checkpoint on the new key signs. Change [audit], keep a copy of the key, and destroy the old one:\n\
         signing_key_file = {:?}\n\
         # Whoever trusts the old public key follows to the new one; whoever comes later trusts this:\n\
         public_keys = [.., \"{}\"]",
        args.to.display().to_string(),
        new.public()
    ))?;
    Ok(Exit::Done)
}

/// A key of the next epoch is made, and announced.
fn customers(args: &RotateCustomers) -> Result<Exit, Failure> {
    let opened = Opened::read(&args.with.config)?;
    let last = opened.customer_keys()?.last().map_or(0, CustomerKey::epoch);
    let epoch = last.checked_add(1).ok_or_else(|| Failure::input("there is no epoch after the last"))?;
    let seed = random()?;
    let name = format!("audit-customers-{epoch}.key");
    let path = opened.folder().join(&name);
    write_new(&path, &CustomerKey::text_of(epoch, &seed))?;
    if let Err(failure) = append(&opened, &LogWriter::announcement(&CustomerKey::new(epoch, &seed))) {
        drop(std::fs::remove_file(&path));
        return Err(failure);
    }
    output::print(&format!(
        "# New entries are under the new key once [audit] names it; the others find customers of earlier ones:\n\
         customer_key_files = [.., {name:?}]"
    ))?;
    Ok(Exit::Done)
}

fn append(opened: &Opened, event: &Event) -> Result<(), Failure> {
    let (records, log) = (opened.records()?, opened.writer()?);
    let appended = records.ledger().transact(On::Subjects(&[]), now_ms(), &mut |transaction| {
        log.append(transaction, event.clone())?;
        Ok(End::Commit)
    });
    appended.map_err(|error| failed(&error))
}
