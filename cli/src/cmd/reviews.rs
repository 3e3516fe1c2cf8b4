//! `exportgate reviews`: what was let out on condition that somebody looks at it, such as break-glass.

use exportgate::job_file::print_datetime;
use exportgate::ledger::Review;
use serde::{Deserialize, Serialize};

use super::approvals::refused;
use crate::args::{Closed, Listed, ReviewsCommand};
use crate::failure::{Exit, Failure, visible};
use crate::operator;
use crate::output::{self, count};
use crate::setup::{Setup, failed, now_ms};

/// Runs `exportgate reviews`.
pub fn run(command: &ReviewsCommand) -> Result<Exit, Failure> {
    match command {
        ReviewsCommand::List(args) => list(args),
        ReviewsCommand::Close(args) => close(args),
    }
}

fn close(args: &Closed) -> Result<Exit, Failure> {
    let setup = Setup::read(&args.with.config)?;
    let gate = setup.gate()?;
    let (by, _) = operator::approver(&setup, &args.with.config, &gate)?;
    if gate.close_review(args.review, &by).map_err(|error| refused(&error))? {
        output::print(&format!("review {} is closed by `{}`", args.review, visible(&by.uid().id)))?;
        return Ok(Exit::Done);
    }
    Err(Failure::input(format!("there is no open review {}", args.review)).help("`exportgate reviews list` shows them"))
}

fn list(args: &Listed) -> Result<Exit, Failure> {
    let ledger = Setup::read(&args.with.config)?.ledger()?;
    let reviews = ledger.reviews().map_err(|error| failed(&error))?;
    let now_ms = now_ms();
    let rows = reviews.iter().filter(|review| args.all || review.closed.is_none());
    let rows: Vec<Json> = rows.map(|review| Json::new(review, now_ms)).collect();
    if args.json {
        output::print(&serde_json::to_string_pretty(&rows).map_err(|error| Failure::output(error.to_string()))?)?;
    } else if rows.is_empty() {
        output::print(if args.all { "nothing was ever left for review" } else { "nothing waits for review" })?;
    } else {
        let mut table = output::table(["no", "job", "agent", "customers", "policies", "left", "due", "state"]);
        output::align_right(&mut table, &[0, 3]);
        for row in rows {
            output::row(
                &mut table,
                [
                    row.number.to_string(),
                    row.job,
                    row.agent,
                    row.customers.map(count).unwrap_or_default(),
                    row.policies.join(", "),
                    row.left,
                    row.due,
                    row.state,
                ],
            );
        }
        output::print_table(&table)?;
    }
    Ok(Exit::Done)
}

/// What the gate wrote about the job.
#[derive(Default, Deserialize)]
struct Text {
    agent: String,
    customers: u64,
    policies: Vec<String>,
}

/// An item, as `--json` prints it.
#[derive(Serialize)]
struct Json {
    number: i64,
    job: String,
    agent: String,
    customers: Option<u64>,
    policies: Vec<String>,
    left: String,
    due: String,
    state: String,
}

impl Json {
    fn new(review: &Review, now_ms: i64) -> Self {
        let text: Option<Text> = serde_json::from_str(&review.text).ok();
        let customers = text.as_ref().map(|text| text.customers);
        let Text { agent, policies, .. } = text.unwrap_or_default();
        Self {
            number: review.number,
            job: review.job.clone(),
            agent,
            customers,
            policies,
            left: print_datetime(review.left_ms),
            due: print_datetime(review.due_ms),
            state: match &review.closed {
                Some((by, at_ms)) => format!("closed by {by} at {}", print_datetime(*at_ms)),
                None if now_ms >= review.due_ms => "overdue".to_owned(),
                None => "open".to_owned(),
            },
        }
    }
}
