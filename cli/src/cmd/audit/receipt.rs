//! `exportgate audit prove` and `verify-receipt`: an entry, for somebody who has nothing but the log's public key.

use exportgate::audit_log::{Checkpoint, Entry, Event, KeyRole, PublicKey, Receipt, Records, prove as prove_entry};
use exportgate::job_file::print_datetime;
use serde_json::json;

use super::checkpoints;
use super::open::{Opened, broken, public_key};
use super::show::summary;
use crate::args::audit::{Prove, VerifyReceipt};
use crate::failure::{Exit, Failure};
use crate::input;
use crate::output::{self, count};

/// Bytes of a receipt that are read.
const RECEIPT_BYTES_MAX: u64 = 1 << 20;

/// Runs `exportgate audit prove`.
pub fn prove(args: &Prove) -> Result<Exit, Failure> {
    let opened = Opened::read(&args.with.config)?;
    let records = opened.records()?;
    let index = find(&records, &args.id)?;
    let path = args.checkpoint.clone().unwrap_or_else(|| opened.checkpoints_path());
    let checkpoint = checkpoints::read(&path)?.pop().ok_or_else(|| {
        Failure::file(&path, "there is no checkpoint in it").help("sign one first: `exportgate audit checkpoint`")
    })?;
    let keys = opened.public_keys(&[])?;
    let origin = &opened.audit.origin;
    let receipt = prove_entry(&records, origin, &opened.prefix(&records)?, index, &checkpoint, &keys)
        .map_err(|error| broken(&error))?;
    match &args.output {
        None => output::print(receipt.to_string().trim_end())?,
        Some(path) => output::write(path, receipt.to_string().as_bytes())?,
    }
    Ok(Exit::Done)
}

/// The index that `id` means: itself, or that of the last decision about the job of this id.
fn find(records: &dyn Records, id: &str) -> Result<u64, Failure> {
    if let Ok(index) = id.parse() {
        return Ok(index);
    }
    let mut found = None;
    records
        .read(0, u64::MAX, &mut |index, record| {
            if let Ok(Entry { event: Event::Decision(decision), .. }) = Entry::from_bytes(record)
                && decision.job == id
            {
                found = Some(index);
            }
            true
        })
        .map_err(|error| Failure::output(error.to_string()))?;
    found.ok_or_else(|| {
        Failure::input(format!("no decision about a job `{id}` is in the log"))
            .help("look for it with `exportgate audit show`")
    })
}

/// Runs `exportgate audit verify-receipt`.
pub fn verify(args: &VerifyReceipt) -> Result<Exit, Failure> {
    let text = input::read_text(&args.receipt, RECEIPT_BYTES_MAX)?;
    let keys = args.key.iter().map(|text| public_key(text)).collect::<Result<Vec<PublicKey>, _>>()?;
    let receipt = Receipt::from_text(&text).map_err(|error| Failure::file(&args.receipt, error))?;
    let origin = keys.iter().find(|key| key.role() == KeyRole::Log).map(PublicKey::name).ok_or_else(|| {
        Failure::input("no `--key` is that of a log")
            .help("the key of a log is of kind 0x01, one of a witness of kind 0x04")
    })?;
    let proved = receipt.verify(origin, &keys, args.witnesses).map_err(|error| {
        Failure::differs(format!("the receipt `{}` proves nothing: {error}", args.receipt.display()))
            .help("ask for another receipt, and for the log's public key from somebody you trust")
    })?;
    let Checkpoint { size, root, .. } = &proved.checkpoint;
    let by: Vec<String> =
        proved.signed.iter().map(|signed| format!("{}+{}", signed.by.name(), signed.by.id())).collect();
    if args.json {
        let json = json!({ "log": origin, "size": size, "root": root, "signed": by, "entry": proved.entry });
        output::print(&serde_json::to_string_pretty(&json).map_err(|error| Failure::output(error.to_string()))?)?;
        return Ok(Exit::Done);
    }
    let mut table = output::bare_table();
    let mut fact = |name: &str, value: String| output::row(&mut table, [name.to_owned(), value]);
    fact("log", origin.to_owned());
    fact("entry", format!("{} of {}", proved.entry.index, count(*size)));
    fact("time", print_datetime(proved.entry.time_ms));
    fact("what", proved.entry.event.name().to_owned());
    fact("job", proved.entry.event.job().unwrap_or_default().to_owned());
    if let Event::Decision(decision) = &proved.entry.event {
        fact("agent", decision.agent.to_string());
        let policies: Vec<&str> = decision.determining.iter().map(|used| used.id.as_str()).collect();
        fact("policies", policies.join(", "));
    }
    fact("", summary(&proved.entry.event));
    fact("signed by", by.join(", "));
    output::print_table(&table)?;
    Ok(Exit::Done)
}
