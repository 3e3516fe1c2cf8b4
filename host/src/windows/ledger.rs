//! Windows as a ledger counts them: inside a transaction for an ask, outside one for a dry run.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::sync::Arc;

use exportgate_contract::value::EntityUid;
use exportgate_contract::vocabulary::{self, Window};
use exportgate_ledger::{
    Counted, Customers, Ledger, LedgerError, Subject, SubjectKind, Transaction, Unseen, Window as Counts,
    WindowRead as Read,
};

use super::{WindowRead, Windows, WindowsError};
use crate::gate::Clock;
use crate::module::Module;

/// The windows of a ledger, read outside any transaction.
#[derive(Debug)]
pub(crate) struct LedgerWindows {
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
}

impl LedgerWindows {
    pub(crate) fn new(ledger: Arc<dyn Ledger>, clock: Arc<dyn Clock>) -> Self {
        Self { ledger, clock }
    }
}

impl Windows for LedgerWindows {
    fn declare(&self, windows: &[Window]) -> Result<(), WindowsError> {
        let counts: Vec<Counts> = windows.iter().map(|window| counts(*window)).collect();
        self.ledger.declare(&counts, Unseen::Refuse, self.clock.now_ms()).map_err(failed)
    }

    fn read_after(
        &self,
        reads: &[WindowRead],
        customers: &mut dyn ExactSizeIterator<Item = &str>,
        now_ms: i64,
    ) -> Result<Vec<u64>, WindowsError> {
        let key = self.ledger.key();
        let customers: Customers = customers.map(|id| key.hash(id)).collect();
        let subjects = subjects(reads);
        self.ledger.count_after(&to_ledger(reads, &subjects), &customers, now_ms).map_err(failed)
    }
}

/// The windows of a ledger within a transaction, for the customers that it was opened with.
pub(crate) struct TransactionWindows<'a, 't> {
    transaction: RefCell<&'a mut (dyn Transaction + 't)>,
    customers: &'a Customers,
    error: Cell<Option<LedgerError>>,
}

impl<'a, 't> TransactionWindows<'a, 't> {
    /// Windows that count `customers`, the job's, whatever is read.
    pub(crate) fn new(transaction: &'a mut (dyn Transaction + 't), customers: &'a Customers) -> Self {
        Self { transaction: RefCell::new(transaction), customers, error: Cell::new(None) }
    }

    /// How the ledger failed, if it did: the transaction must fail with it.
    pub(crate) fn into_error(self) -> Option<LedgerError> {
        self.error.into_inner()
    }
}

impl fmt::Debug for TransactionWindows<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TransactionWindows(..)")
    }
}

impl Windows for TransactionWindows<'_, '_> {
    fn declare(&self, _: &[Window]) -> Result<(), WindowsError> {
        Ok(())
    }

    fn read_after(
        &self,
        reads: &[WindowRead],
        _: &mut dyn ExactSizeIterator<Item = &str>,
        _: i64,
    ) -> Result<Vec<u64>, WindowsError> {
        let subjects = subjects(reads);
        let reads = to_ledger(reads, &subjects);
        self.transaction.borrow_mut().count_after(&reads, self.customers).map_err(|error| {
            self.error.set(Some(error.clone()));
            failed(error)
        })
    }
}

/// Declares the windows that `modules` read where the ledger can't count one exactly yet: it counts from now on, and too
/// few until the window's length has passed. What an operator may choose, once; a gate refuses such a window.
///
/// # Errors
///
/// [`LedgerError`] when the ledger can't be written.
pub fn declare_from_now(ledger: &dyn Ledger, modules: &[Module], clock_ms: i64) -> Result<(), LedgerError> {
    let windows: Vec<Counts> = modules.iter().flat_map(Module::windows).map(counts).collect();
    ledger.declare(&windows, Unseen::CountFromNow, clock_ms)
}

fn failed(error: LedgerError) -> WindowsError {
    WindowsError::Ledger(error)
}

/// The subject of a ledger that an entity is; none when it isn't of a kind that is counted.
pub(crate) fn subject_of(uid: &EntityUid) -> Option<Subject> {
    let kind = vocabulary::Subject::ALL.into_iter().find(|kind| kind.entity_type() == &*uid.entity_type)?;
    Some(Subject::new(subject_kind(kind), &*uid.id))
}

fn subject_kind(subject: vocabulary::Subject) -> SubjectKind {
    match subject {
        vocabulary::Subject::Agent => SubjectKind::Agent,
        vocabulary::Subject::Team => SubjectKind::Team,
        vocabulary::Subject::Vendor => SubjectKind::Vendor,
        vocabulary::Subject::Tenant => SubjectKind::Tenant,
        vocabulary::Subject::Destination => SubjectKind::Destination,
    }
}

/// The window of the vocabulary in the words of the ledger.
pub(crate) fn counts(window: Window) -> Counts {
    Counts {
        kind: subject_kind(window.subject),
        counted: match window.counted {
            vocabulary::Counted::Customers => Counted::Customers,
            vocabulary::Counted::Denials => Counted::Denials,
        },
        length_ms: window.seconds.saturating_mul(1_000),
    }
}

fn subjects(reads: &[WindowRead]) -> Vec<Subject> {
    reads.iter().map(|read| Subject::new(subject_kind(read.window.subject), &*read.subject.id)).collect()
}

fn to_ledger<'a>(reads: &[WindowRead], subjects: &'a [Subject]) -> Vec<Read<'a>> {
    let reads = reads.iter().zip(subjects).map(|(read, subject)| {
        let Counts { counted, length_ms, .. } = counts(read.window);
        Read { subject, counted, length_ms }
    });
    reads.collect()
}
