//! `exportgate audit verify`: goes through the whole log, and names what is wrong with it.

use exportgate::audit_log::verify::{Against, Report};
use exportgate::audit_log::{KeyRole, verify};
use serde_json::json;

use super::checkpoints;
use super::open::Opened;
use crate::args::audit::Verify;
use crate::failure::{Exit, Failure};
use crate::output::{self, count};

/// Runs the command.
pub fn run(args: &Verify) -> Result<Exit, Failure> {
    let opened = Opened::read(&args.with.config)?;
    let keys = opened.public_keys(&args.key)?;
    if !keys.iter().any(|key| key.role() == KeyRole::Log && key.name() == opened.audit.origin) {
        return Err(Failure::input(format!("no public key of the log `{}` to verify it with", opened.audit.origin))
            .help("name it under `[audit]` as `public_keys`, or give it as `--key`"));
    }
    let mut checkpoints = checkpoints::read(&opened.checkpoints_path())?;
    for path in &args.checkpoint {
        let found = checkpoints::read(path)?;
        if found.is_empty() {
            return Err(Failure::file(path, "there is no checkpoint in it"));
        }
        checkpoints.extend(found);
    }
    let origin = &opened.audit.origin;
    let records = opened.records()?;
    let prefix = opened.prefix(&records)?;
    let against = Against { origin, keys: &keys, checkpoints: &checkpoints, prefix };
    let report = verify(&records, &against)
        .map_err(|error| Failure::output(error.to_string()).help("check that the ledger can be reached"))?;
    if args.json {
        output::print(&to_json(origin, &report)?)?;
    } else {
        show(origin, &report)?;
    }
    if report.holds() {
        return Ok(Exit::Done);
    }
    let what = if report.findings_count == 1 { "finding" } else { "findings" };
    Err(Failure::differs(format!("the log doesn't hold: {} {what}", count(report.findings_count)))
        .help("keep the ledger as it is, and compare it with a backup of before"))
}

fn show(origin: &str, report: &Report) -> Result<(), Failure> {
    let mut table = output::bare_table();
    let mut fact = |name: &str, value: String| output::row(&mut table, [name.to_owned(), value]);
    fact("log", origin.to_owned());
    fact("entries", count(report.size));
    if report.pruned > 0 {
        fact("dropped", format!("the first {}", count(report.pruned)));
    }
    for (kind, found) in &report.kinds {
        fact("", format!("{} {kind}", count(*found)));
    }
    fact("root", report.root.to_string());
    match report.held.last() {
        None => fact("checkpoints", "none: nothing proves that this is the log that was written".to_owned()),
        Some((size, signed)) => {
            let by: Vec<String> =
                signed.iter().map(|signed| format!("{}+{}", signed.by.name(), signed.by.id())).collect();
            let all = u64::try_from(report.held.len()).unwrap_or(u64::MAX);
            fact(
                "checkpoints",
                format!("{} hold; the last covers {} entries, by {}", count(all), count(*size), by.join(", ")),
            );
        }
    }
    let uncovered = match report.uncovered() {
        0 => "none".to_owned(),
        more => format!("{} at the end: what no checkpoint covers can be rewritten unseen", count(more)),
    };
    fact("not covered", uncovered);
    output::print_table(&table)?;
    for finding in &report.findings {
        output::print(&format!("wrong: {}", crate::failure::visible(&finding.to_string())))?;
    }
    Ok(())
}

fn to_json(origin: &str, report: &Report) -> Result<String, Failure> {
    let kinds: serde_json::Map<_, _> =
        report.kinds.iter().map(|(kind, count)| ((*kind).to_owned(), (*count).into())).collect();
    let held: Vec<_> = report
        .held
        .iter()
        .map(|(size, signed)| {
            let by: Vec<_> = signed
                .iter()
                .map(|signed| json!({ "key": signed.by.to_string(), "time_seconds": signed.time_seconds }))
                .collect();
            json!({ "size": size, "signed": by })
        })
        .collect();
    let json = json!({
        "log": origin,
        "holds": report.holds(),
        "entries": report.size,
        "dropped": report.pruned,
        "root": report.root,
        "kinds": kinds,
        "checkpoints": held,
        "not_covered": report.uncovered(),
        "findings_count": report.findings_count,
        "findings": report.findings.iter().map(ToString::to_string).collect::<Vec<_>>(),
    });
    serde_json::to_string_pretty(&json).map_err(|error| Failure::output(error.to_string()))
}
