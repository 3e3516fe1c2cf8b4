//! A ledger that fails where a test wants it to.

use std::sync::{Arc, Mutex};

use exportgate::ledger::{
    CustomerKey, Customers, DroppedRecords, Job, Ledger, LedgerError, Left, NewAnswer, NewRequest, NewReview, On,
    Request, Reservation, Reserved, Review, Revocation, Step as Run, StoreError, Subject, Transaction, Unseen,
    Verified, Window, WindowRead,
};

/// The steps of an ask, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Begin,
    Revoked,
    Approvals,
    Count,
    Reserve,
    Review,
    Record,
    BeforeCommit,
    /// The store wrote it, and then said that it failed.
    AfterCommit,
}

impl Step {
    pub const ALL: [Self; 9] = [
        Self::Begin,
        Self::Revoked,
        Self::Approvals,
        Self::Count,
        Self::Reserve,
        Self::Review,
        Self::Record,
        Self::BeforeCommit,
        Self::AfterCommit,
    ];
}

/// When and how to fail.
#[derive(Debug)]
pub struct Failing {
    plan: Mutex<Plan>,
}

#[derive(Debug)]
struct Plan {
    at: Option<Step>,
    with: StoreError,
    failed: bool,
}

impl Failing {
    pub fn new() -> Self {
        let with = StoreError::Unavailable { message: "input/output error".to_owned() };
        Self { plan: Mutex::new(Plan { at: None, with, failed: false }) }
    }

    /// A ledger that is `ledger` but where it fails.
    pub fn around(self: Arc<Self>, ledger: Arc<dyn Ledger>) -> Arc<dyn Ledger> {
        Arc::new(Around { failing: self, ledger })
    }

    pub fn fail_at(&self, step: Option<Step>) {
        self.plan.lock().unwrap().at = step;
    }

    pub fn fail_with(&self, error: StoreError) {
        self.plan.lock().unwrap().with = error;
    }

    /// Whether it failed since it was made.
    pub fn failed(&self) -> bool {
        self.plan.lock().unwrap().failed
    }

    fn pass(&self, step: Step) -> Result<(), LedgerError> {
        let mut plan = self.plan.lock().unwrap();
        if plan.at != Some(step) {
            return Ok(());
        }
        plan.failed = true;
        Err(plan.with.clone().into())
    }
}

#[derive(Debug)]
struct Around {
    failing: Arc<Failing>,
    ledger: Arc<dyn Ledger>,
}

impl Ledger for Around {
    fn key(&self) -> &CustomerKey {
        self.ledger.key()
    }
    fn declare(&self, windows: &[Window], unseen: Unseen, clock_ms: i64) -> Result<(), LedgerError> {
        self.ledger.declare(windows, unseen, clock_ms)
    }
    fn transact(&self, on: On<'_>, clock_ms: i64, step: Run<'_>) -> Result<(), LedgerError> {
        self.failing.pass(Step::Begin)?;
        self.ledger.transact(on, clock_ms, &mut |transaction| {
            let end = step(&mut Inside { failing: &self.failing, transaction })?;
            self.failing.pass(Step::BeforeCommit)?;
            Ok(end)
        })?;
        self.failing.pass(Step::AfterCommit)
    }
    fn count_after(
        &self,
        reads: &[WindowRead<'_>],
        customers: &Customers,
        clock_ms: i64,
    ) -> Result<Vec<u64>, LedgerError> {
        self.ledger.count_after(reads, customers, clock_ms)
    }
    fn revocations(&self) -> Result<Vec<Revocation>, LedgerError> {
        self.ledger.revocations()
    }
    fn request_approval(&self, request: &NewRequest<'_>, clock_ms: i64) -> Result<i64, LedgerError> {
        self.ledger.request_approval(request, clock_ms)
    }
    fn requests(&self) -> Result<Vec<Request>, LedgerError> {
        self.ledger.requests()
    }
    fn request(&self, request: i64) -> Result<Request, LedgerError> {
        self.ledger.request(request)
    }
    fn job(&self, job: &str) -> Result<Option<Job>, LedgerError> {
        self.ledger.job(job)
    }
    fn reviews(&self) -> Result<Vec<Review>, LedgerError> {
        self.ledger.reviews()
    }
    fn records(&self, from: u64, max: usize) -> Result<Vec<(u64, Vec<u8>)>, LedgerError> {
        self.ledger.records(from, max)
    }
    fn records_end(&self) -> Result<u64, LedgerError> {
        self.ledger.records_end()
    }
    fn dropped_records(&self) -> Result<Option<DroppedRecords>, LedgerError> {
        self.ledger.dropped_records()
    }
    fn merge(&self, alias: &str, canonical: &str, clock_ms: i64) -> Result<(), LedgerError> {
        self.ledger.merge(alias, canonical, clock_ms)
    }
    fn sweep(&self, clock_ms: i64) -> Result<bool, LedgerError> {
        self.ledger.sweep(clock_ms)
    }
    fn verify(&self) -> Result<Verified, LedgerError> {
        self.ledger.verify()
    }
    fn declared(&self) -> Result<Vec<Window>, LedgerError> {
        self.ledger.declared()
    }
}

struct Inside<'a> {
    failing: &'a Failing,
    transaction: &'a mut dyn Transaction,
}

impl Transaction for Inside<'_> {
    fn now_ms(&self) -> i64 {
        self.transaction.now_ms()
    }
    fn revoked_since_ms(&mut self, agent: &str) -> Result<Option<i64>, LedgerError> {
        self.failing.pass(Step::Revoked)?;
        self.transaction.revoked_since_ms(agent)
    }
    fn count_after(&mut self, reads: &[WindowRead<'_>], customers: &Customers) -> Result<Vec<u64>, LedgerError> {
        self.failing.pass(Step::Count)?;
        self.transaction.count_after(reads, customers)
    }
    fn reserve(&mut self, job: &Reservation<'_>) -> Result<Reserved, LedgerError> {
        let reserved = self.transaction.reserve(job)?;
        self.failing.pass(Step::Reserve)?;
        Ok(reserved)
    }
    fn job(&mut self, job: &str) -> Result<Option<Job>, LedgerError> {
        self.transaction.job(job)
    }
    fn use_permit(&mut self, job: &str) -> Result<(), LedgerError> {
        self.transaction.use_permit(job)
    }
    fn commit(&mut self, job: &str, left: Left<'_>) -> Result<(), LedgerError> {
        self.transaction.commit(job, left)
    }
    fn cancel(&mut self, job: &str) -> Result<(), LedgerError> {
        self.transaction.cancel(job)
    }
    fn record_denial(&mut self, agent: &Subject) -> Result<(), LedgerError> {
        self.transaction.record_denial(agent)
    }
    fn approvals(&mut self, digest: &[u8; 32], job: &str) -> Result<Vec<Request>, LedgerError> {
        self.failing.pass(Step::Approvals)?;
        self.transaction.approvals(digest, job)
    }
    fn consume_approvals(&mut self, request: i64, digest: &[u8; 32], job: &str) -> Result<(), LedgerError> {
        self.transaction.consume_approvals(request, digest, job)
    }
    fn answer_request(&mut self, request: i64, answer: &NewAnswer<'_>) -> Result<(), LedgerError> {
        self.transaction.answer_request(request, answer)
    }
    fn revoke(&mut self, agent: &str, reason: &str) -> Result<bool, LedgerError> {
        self.transaction.revoke(agent, reason)
    }
    fn reinstate(&mut self, agent: &str) -> Result<bool, LedgerError> {
        self.transaction.reinstate(agent)
    }
    fn review(&mut self, review: i64) -> Result<Option<Review>, LedgerError> {
        self.transaction.review(review)
    }
    fn close_review(&mut self, review: i64, by: &str) -> Result<bool, LedgerError> {
        self.transaction.close_review(review, by)
    }
    fn add_review(&mut self, review: &NewReview<'_>) -> Result<i64, LedgerError> {
        let number = self.transaction.add_review(review)?;
        self.failing.pass(Step::Review)?;
        Ok(number)
    }
    fn drop_records(&mut self, before: u64, kept: &[u8]) -> Result<u64, LedgerError> {
        self.transaction.drop_records(before, kept)
    }
    fn next_record(&mut self) -> Result<u64, LedgerError> {
        self.transaction.next_record()
    }
    fn append_record(&mut self, record: &[u8]) -> Result<u64, LedgerError> {
        let index = self.transaction.append_record(record)?;
        self.failing.pass(Step::Record)?;
        Ok(index)
    }
}
