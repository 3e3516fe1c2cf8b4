//! Refuses bulk exports of sensitive fields that would single out small groups of customers.
//!
//! A table of a thousand customers in which three are minors shows these three, whatever else is hidden: few enough to be
//! found again by age, place or plan. So where a job asks for sensitive fields in bulk, each segment of customers that it
//! touches must be there in a number that hides the single one, or not at all.
//!
//! The rule reads counts, and counts are tallies: the module answers, for each customer, in which of its segments they
//! are, and the host adds up over all customers of the job, however many frames they come in.

use exportgate_sdk::{Erred, Fact, Frame, Long, Outcome, Point, Policy, PolicyIdx, QuestionId, Set, Symbol, Table};

exportgate_sdk::manifest!(TABLE);
exportgate_sdk::export!(MinimumGroup);

/// The fewest customers of a segment that may leave together, as in the rules for published statistics.
const GROUP_MIN: i64 = 5;

/// Jobs up to this many customers aren't bulk: whoever asks for a few works on their tickets, and knows who they are.
const BULK_ABOVE: i64 = 25;

/// Field classes that turn a group of customers into a harm to them.
const SENSITIVE: [Symbol; 2] =
    [TABLE.symbol(r#"Export::FieldClass::"restricted""#), TABLE.symbol(r#"Export::FieldClass::"payment""#)];

const CUSTOMERS: Fact<Long> = TABLE.fact("context.customers");
const CLASSES: Fact<Set> = TABLE.fact("context.classes");

/// How many customers of the job are in each segment.
const TALLIES: [Fact<Long>; 3] =
    [TABLE.fact("context.tally.minor"), TABLE.fact("context.tally.celebrity"), TABLE.fact("context.tally.employee")];

/// The question that counts a segment, and the fact that answers it.
const SEGMENTS: [(QuestionId, Fact<exportgate_sdk::Bool>); 3] = [
    (TABLE.question("tally_minor"), TABLE.fact(r#"customer in Export::Segment::"minor""#)),
    (TABLE.question("tally_celebrity"), TABLE.fact(r#"customer in Export::Segment::"celebrity""#)),
    (TABLE.question("tally_employee"), TABLE.fact(r#"customer in Export::Segment::"employee""#)),
];

const EXPORT: QuestionId = TABLE.question("export");

const NO_SMALL_GROUP: PolicyIdx = TABLE.policy("no-small-group");
const SMALL_GROUP: PolicyIdx = TABLE.policy("small-group");
const IN_SEGMENT: PolicyIdx = TABLE.policy("in-segment");
const ROWS_AND_FIELDS: PolicyIdx = TABLE.policy("rows-and-fields");

struct MinimumGroup;

impl Policy for MinimumGroup {
    fn table() -> Table<'static> {
        TABLE
    }

    fn open(_: &Frame<'_>) -> Self {
        Self
    }

    fn answer(&self, at: &Point<'_>, outcome: &mut Outcome) {
        if at.question() == EXPORT {
            let small = small_group(at);
            outcome.add(SMALL_GROUP, small);
            outcome.add(NO_SMALL_GROUP, small.map(|small| !small));
        } else if let Some((_, segment)) = SEGMENTS.iter().find(|(question, _)| *question == at.question()) {
            outcome.add(IN_SEGMENT, at.read(*segment).access());
        } else {
            outcome.satisfied(ROWS_AND_FIELDS);
        }
    }
}

/// Whether a bulk job asks for sensitive fields of fewer than [`GROUP_MIN`] customers of a segment, but of some.
fn small_group(at: &Point<'_>) -> Result<bool, Erred> {
    if at.read(CUSTOMERS).access()? <= BULK_ABOVE {
        return Ok(false);
    }
    let classes = at.read(CLASSES).access()?;
    if !SENSITIVE.iter().any(|class| classes.contains(*class)) {
        return Ok(false);
    }
    for tally in TALLIES {
        if (1..GROUP_MIN).contains(&at.read(tally).access()?) {
            return Ok(true);
        }
    }
    Ok(false)
}
