//! `exportgate approvals`: requests for approvals of exactly one job, and their answers.

use exportgate::job_file::print_datetime;
use exportgate::ledger::{Request, RequestState};
use exportgate::{ApproveError, RequestText};
use serde::Serialize;

use super::evaluate;
use crate::args::{Answered, ApprovalsCommand, Listed, Requested};
use crate::failure::{Exit, Failure};
use crate::operator;
use crate::output::{self, count};
use crate::setup::{Setup, failed, now_ms};

/// Runs `exportgate approvals`.
pub fn run(command: &ApprovalsCommand) -> Result<Exit, Failure> {
    match command {
        ApprovalsCommand::Request(args) => request(args),
        ApprovalsCommand::Approve(args) => answer(args, true),
        ApprovalsCommand::Deny(args) => answer(args, false),
        ApprovalsCommand::List(args) => list(args),
    }
}

fn request(args: &Requested) -> Result<Exit, Failure> {
    let gate = Setup::read(&args.with.config)?.gate()?;
    let base = gate.modules().next().ok_or_else(|| Failure::input("the gate has no modules"))?;
    let file = evaluate::read_job(&args.job, args.customers.as_deref(), base)?;
    let number = gate.request_approval(&file.job).map_err(|error| refused(&error))?;
    output::print(&format!(
        "request {number} is filed; somebody else answers it with `exportgate approvals approve {number}`"
    ))?;
    Ok(Exit::Done)
}

/// The user who runs this answers: as the operating system knows them, and as whom the configuration knows them.
fn answer(args: &Answered, approve: bool) -> Result<Exit, Failure> {
    let setup = Setup::read(&args.with.config)?;
    let gate = setup.gate()?;
    let (approver, known) = operator::approver(&setup, &args.with.config, &gate)?;
    gate.answer_request(args.request, &approver, approve).map_err(|error| refused(&error))?;
    let did = if approve { "approved" } else { "denied" };
    output::print(&format!("request {} is {did} by `{}` as {}", args.request, approver.uid().id, known.role.name()))?;
    Ok(Exit::Done)
}

fn list(args: &Listed) -> Result<Exit, Failure> {
    let ledger = Setup::read(&args.with.config)?.ledger()?;
    let requests = ledger.requests().map_err(|error| failed(&error))?;
    let now_ms = now_ms();
    let rows = requests.iter().filter(|request| args.all || is_open(request, now_ms));
    if args.json {
        let rows: Vec<Json> = rows.map(|request| Json::new(request, now_ms)).collect();
        output::print(&serde_json::to_string_pretty(&rows).map_err(|error| Failure::output(error.to_string()))?)?;
        return Ok(Exit::Done);
    }
    let mut table = output::table(["no", "job", "agent", "customers", "fields", "for", "to", "expires", "state"]);
    output::align_right(&mut table, &[0, 3]);
    for request in rows {
        let row = Json::new(request, now_ms);
        output::row(
            &mut table,
            [
                row.number.to_string(),
                row.job,
                row.agent,
                row.customers.map(|customers| count(u64::try_from(customers).unwrap_or(u64::MAX))).unwrap_or_default(),
                row.fields.join(", "),
                row.purpose.unwrap_or_default(),
                row.destination.unwrap_or_default(),
                row.expires,
                row.state,
            ],
        );
    }
    if table.row_count() == 0 {
        let none = if args.all { "there are no requests" } else { "no request is open; `--all` lists the others too" };
        output::print(none)?;
    } else {
        output::print_table(&table)?;
    }
    Ok(Exit::Done)
}

fn is_open(request: &Request, now_ms: i64) -> bool {
    request.state == RequestState::Open && now_ms < request.expires_ms
}

/// A request, as `--json` prints it.
#[derive(Serialize)]
struct Json {
    number: i64,
    job: String,
    agent: String,
    customers: Option<usize>,
    fields: Vec<String>,
    purpose: Option<String>,
    destination: Option<String>,
    requested: String,
    expires: String,
    state: String,
    answers: Vec<JsonAnswer>,
}

#[derive(Serialize)]
struct JsonAnswer {
    by: String,
    role: String,
    approved: bool,
    at: String,
}

impl Json {
    fn new(request: &Request, now_ms: i64) -> Self {
        let text = RequestText::read(&request.text);
        let by = |approved: bool| {
            let answers = request.answers.iter().filter(|answer| answer.approve == approved);
            answers.map(|answer| format!("{} ({})", answer.by, answer.capacity)).collect::<Vec<_>>().join(", ")
        };
        let state = match &request.state {
            RequestState::Denied => format!("denied by {}", by(false)),
            RequestState::Consumed { job } => format!("used by job {job}"),
            RequestState::Open if now_ms >= request.expires_ms => "expired".to_owned(),
            RequestState::Open if request.answers.is_empty() => "open".to_owned(),
            RequestState::Open => format!("approved by {}", by(true)),
        };
        let shown = |text: Option<&String>| text.map(|text| short(text));
        Self {
            number: request.number,
            job: text.as_ref().map(|text| text.job.clone()).unwrap_or_default(),
            agent: request.requested_by.clone(),
            customers: text.as_ref().map(|text| text.customers),
            fields: text.as_ref().map(|text| text.fields.clone()).unwrap_or_default(),
            purpose: shown(text.as_ref().and_then(|text| text.purpose.as_ref())),
            destination: shown(text.as_ref().and_then(|text| text.destination.as_ref())),
            requested: print_datetime(request.requested_ms),
            expires: print_datetime(request.expires_ms),
            state,
            answers: request
                .answers
                .iter()
                .map(|answer| JsonAnswer {
                    by: answer.by.clone(),
                    role: answer.capacity.clone(),
                    approved: answer.approve,
                    at: print_datetime(answer.at_ms),
                })
                .collect(),
        }
    }
}

/// An entity of the vocabulary by its id alone: `Export::Purpose::"qa_review"` is `qa_review`.
fn short(text: &str) -> String {
    let id = text.split_once("::\"").and_then(|(_, id)| id.strip_suffix('"'));
    id.unwrap_or(text).to_owned()
}

/// The failure of somebody who may not answer, or can't.
pub fn refused(error: &ApproveError) -> Failure {
    match error {
        ApproveError::Ledger(error) => failed(error),
        ApproveError::OwnReview { .. } => {
            Failure::denied(error.to_string()).help("somebody else must look at it, and close it")
        }
        ApproveError::Refused { .. } | ApproveError::Own { .. } => {
            Failure::denied(error.to_string()).help("somebody whom the policies let approve this job must answer")
        }
        other => Failure::input(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn entities_are_shown_by_their_id() {
        assert_eq!(short("Export::Purpose::\"qa_review\""), "qa_review");
        assert_eq!(short("Purpose::\"a::\\\"b\""), "a::\\\"b");
        assert_eq!(short("anything"), "anything");
    }
}
