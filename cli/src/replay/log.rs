//! The audit log of a play: what came of each ask is read from it again, and in the end it is verified.

use std::collections::BTreeMap;

use exportgate::LedgerRecords;
use exportgate::audit_log::entry::{Decision, Form, Run, Verdict};
use exportgate::audit_log::verify::Against;
use exportgate::audit_log::{CustomerKey, Entry, Event, Prefix, Records, verify};

use super::outcome::{LIMIT, NO_PERMIT};
use super::stage::Asked;

/// The key under which the logs of replays hash their customers. It guards nobody: they are made up.
const KEY: &[u8; 32] = b"and so are those in their logs..";

/// The key of customers in the logs of replays.
pub fn key() -> CustomerKey {
    CustomerKey::new(1, KEY)
}

/// The name of the log of the play `name`.
pub fn origin(name: &str) -> String {
    format!("exportgate.replay/{name}")
}

/// What came of the asks that the log holds, by the id of the job.
///
/// # Errors
///
/// When it can't be read, or holds an entry that no replay wrote.
pub fn recorded(records: &LedgerRecords) -> Result<BTreeMap<String, Asked>, String> {
    let (mut recorded, mut failed) = (BTreeMap::new(), None);
    let mut last: Option<(Box<Decision>, Vec<Run>)> = None;
    records
        .read(0, u64::MAX, &mut |index, record| {
            match Entry::from_bytes(record).map(|entry| entry.event) {
                Ok(Event::Rows(rows)) => {
                    if let Some((_, runs)) = &mut last {
                        runs.extend(rows.runs);
                    }
                }
                Ok(event) => {
                    keep(&mut recorded, last.take());
                    if let Event::Decision(decision) = event {
                        last = Some((decision, Vec::new()));
                    }
                }
                Err(error) => failed = Some(format!("record {index} of its ledger isn't one of a replay: {error}")),
            }
            failed.is_none()
        })
        .map_err(|error| error.to_string())?;
    keep(&mut recorded, last);
    failed.map_or(Ok(recorded), Err)
}

fn keep(recorded: &mut BTreeMap<String, Asked>, found: Option<(Box<Decision>, Vec<Run>)>) {
    if let Some((decision, runs)) = found {
        let asked = asked(&decision, &runs);
        recorded.insert(decision.job, asked);
    }
}

/// What came of an ask, by its entries: as [`Asked::of`] says of the decision.
fn asked(decision: &Decision, runs: &[Run]) -> Asked {
    let leaves = runs.iter().filter(|run| run.forms.iter().any(|form| *form > Form::Suppressed));
    let let_out =
        leaves.fold(0_u64, |sum, run| sum.saturating_add(u64::try_from(run.customers.len()).unwrap_or(u64::MAX)));
    let whole = runs.iter().all(|run| run.forms.iter().all(|form| *form > Form::Suppressed));
    if let_out == decision.customers_asked && whole {
        return Asked { decided: true, let_out, stopped_by: Vec::new() };
    }
    let determines = |asked: &str| match decision.verdict {
        Verdict::Allow => true,
        Verdict::Deny | Verdict::Challenge => asked == "export",
    };
    let forbids = decision.determining.iter().filter(|used| !used.permits && determines(&used.asked));
    let forbids: Vec<String> = forbids.map(|used| used.id.clone()).collect();
    let stopped_by = match (decision.cause.is_empty(), forbids.is_empty()) {
        (false, _) => vec![LIMIT.to_owned()],
        (true, true) => vec![NO_PERMIT.to_owned()],
        (true, false) => forbids,
    };
    Asked { decided: true, let_out, stopped_by }
}

/// Verifies the log; returns how many entries it has.
///
/// # Errors
///
/// When it doesn't hold, or can't be read.
pub fn check(records: &LedgerRecords, origin: &str) -> Result<u64, String> {
    let against = Against { origin, keys: &[], checkpoints: &[], prefix: Prefix::none(origin) };
    let report = verify(records, &against).map_err(|error| error.to_string())?;
    match report.findings.first() {
        None => Ok(report.size),
        Some(finding) => Err(format!("its audit log doesn't hold: {finding}")),
    }
}
