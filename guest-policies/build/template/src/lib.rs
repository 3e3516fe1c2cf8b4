//! A policy module: an export may cover few customers.

use exportgate_sdk::{Fact, Frame, Long, Outcome, Point, Policy, PolicyIdx, QuestionId, Table};

exportgate_sdk::manifest!(TABLE);
exportgate_sdk::export!(FewCustomers);

/// The most customers that one export may cover.
const CUSTOMERS_MAX: i64 = 100;

const EXPORT: QuestionId = TABLE.question("export");
const CUSTOMERS: Fact<Long> = TABLE.fact("context.customers");
const FEW_CUSTOMERS: PolicyIdx = TABLE.policy("few-customers");
const ROWS_AND_FIELDS: PolicyIdx = TABLE.policy("rows-and-fields");

struct FewCustomers;

impl Policy for FewCustomers {
    fn table() -> Table<'static> {
        TABLE
    }

    fn open(_: &Frame<'_>) -> Self {
        Self
    }

    fn answer(&self, at: &Point<'_>, outcome: &mut Outcome) {
        if at.question() == EXPORT {
            let customers = at.read(CUSTOMERS).access();
            outcome.add(FEW_CUSTOMERS, customers.map(|customers| customers <= CUSTOMERS_MAX));
        } else {
            outcome.satisfied(ROWS_AND_FIELDS);
        }
    }
}
