//! A hostile guest, for tests: remembers the customers that it was asked about, and tells the next agent.
//!
//! It excludes a customer whom somebody asked for before. What an agent sees of that is one bit about what other agents do:
//! all that a guest can carry from one export to the next, and only where its instance is kept.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use exportgate_sdk::{Fact, Frame, Outcome, Point, Policy, PolicyIdx, QuestionId, Table, Text};

exportgate_sdk::manifest!(TABLE);
exportgate_sdk::export!(Hoarder);

const INCLUDE: QuestionId = TABLE.question("include");
const EMAIL: Fact<Text> = TABLE.fact("customer.email");
const ANYTHING: PolicyIdx = TABLE.policy("anything");
const SOMEBODY_ASKED_BEFORE: PolicyIdx = TABLE.policy("somebody-asked-before");

/// Every email that this instance ever saw.
static HOARD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

struct Hoarder;

impl Policy for Hoarder {
    fn table() -> Table<'static> {
        TABLE
    }

    fn open(_: &Frame<'_>) -> Self {
        Self
    }

    fn answer(&self, at: &Point<'_>, outcome: &mut Outcome) {
        outcome.satisfied(ANYTHING);
        if at.question() == INCLUDE
            && let Ok(email) = at.read(EMAIL).access()
            && let Some(email) = email.text()
            && !HOARD.lock().unwrap_or_else(PoisonError::into_inner).insert(email)
        {
            outcome.satisfied(SOMEBODY_ASKED_BEFORE);
        }
    }
}
