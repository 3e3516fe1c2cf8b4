//! Releases rows under a permit: each field in the form that was decided, and on record what really left.
//!
//! In this order, so that whatever is interrupted, nothing leaves that isn't counted:
//!
//! 1. What can be known beforehand is checked: that the permit is this decision's, that every obligation is met, that there is
//!    a key for tokens, a ticket for a watermark that names it.
//! 2. The permit is used: the ledger is asked, for the last time before the first byte.
//! 3. Rows are read, brought into form, and written one by one where nobody sees them. A row that wasn't decided, or that
//!    comes twice, ends it.
//! 4. The sink seals what it has; the ledger is asked once more whether the agent was revoked meanwhile.
//! 5. What left is committed, and then only published. A crash between the two leaves customers counted who didn't leave,
//!    never the reverse.
//!
//! Where a step fails, the sink discards what it has, and the job is cancelled; when either fails too, or the process
//! ends, the job stays unanswered and counts as consumed.
//!
//! Memory: one row, a byte for each customer of the decision, and in the end the ids that left.

mod error;
mod partial;
mod row;
mod stamp;
mod token;

use std::collections::BTreeSet;
use std::sync::Arc;

use exportgate_contract::partial::PartialForm;

use crate::decision::{Decision, Form};
use crate::gate::Gate;
use crate::job::Job;
use crate::obligations::{ObligationKind, Obligations};
use crate::permit::{Left, Permit, PermitError};
pub use error::ReleaseError;
pub use row::{AnyError, Row, Rows, Sink};
use stamp::Stamp;
use token::FieldTokens;
pub use token::TokenKey;

/// Bytes of one row's values and id, 16 MiB: a few large texts. Rows are held in memory one at a time.
pub const ROW_BYTES_MAX: usize = 16 << 20;

/// What is released, and how.
#[derive(Clone, Copy, Debug)]
pub struct Release<'a> {
    /// The gate that gave the permit.
    pub gate: &'a Gate,
    /// The job that was asked.
    pub job: &'a Job,
    /// The decision of the same [`Answer`](crate::Answer) as the permit.
    pub decision: &'a Decision,
    /// The kinds of obligations that the caller carries out in this release. The release itself stamps the watermark. A
    /// decision that holds another kind releases nothing.
    pub carries_out: &'a BTreeSet<ObligationKind>,
    /// The key of tokens. A decision in which a field leaves as a token releases nothing without it.
    pub tokens: Option<&'a TokenKey>,
}

/// What a release did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Released {
    /// Customers that left.
    pub left: usize,
    /// Rows of the input that the decision excludes: they stayed.
    pub excluded: usize,
    /// Customers that might have left, and weren't in the input: given back.
    pub absent: usize,
    /// Values that had to leave in part and don't fit the form of their field: they stayed.
    pub unfit: u64,
}

impl Permit {
    /// Releases `rows` to `sink`: uses the permit, writes each row whose customer is included, each field in its form with
    /// the watermark that the decision demands, commits what left, and publishes. When it returns an error, nothing was
    /// published.
    ///
    /// Each row of the input must be of a customer of the job, and of none twice. Customers without a row are given back.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use exportgate::ledger::{CustomerKey, SqliteLedger, SqliteOptions};
    /// # use exportgate::{Approvals, Customers, Engine, Entities, Entity, EntityUid, Gate, GateConfig, Job, Module, Value, WindowKind};
    /// use exportgate::{AnyError, Release, Row, Sink};
    ///
    /// #[derive(Default)]
    /// struct Screen {
    ///     hidden: Vec<String>,
    ///     shown: Vec<String>,
    /// }
    ///
    /// impl Sink for Screen {
    ///     fn begin(&mut self, _columns: &[Arc<str>]) -> Result<(), AnyError> {
    ///         Ok(())
    ///     }
    ///     fn row(&mut self, row: &Row) -> Result<(), AnyError> {
    ///         let values: Vec<&str> = row.values().map(|value| value.unwrap_or("-")).collect();
    ///         self.hidden.push(format!("{}: {}", row.customer(), values.join(", ")));
    ///         Ok(())
    ///     }
    ///     fn seal(&mut self) -> Result<(), AnyError> {
    ///         Ok(())
    ///     }
    ///     fn publish(&mut self) -> Result<(), AnyError> {
    ///         self.shown.append(&mut self.hidden);
    ///         Ok(())
    ///     }
    ///     fn discard(&mut self) -> Result<(), AnyError> {
    ///         self.hidden.clear();
    ///         Ok(())
    ///     }
    /// }
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let config = GateConfig { windows: [WindowKind::Customers].into(), ..GateConfig::default() };
    /// # let engine = Engine::new(&config.engine)?;
    /// # let module = Module::load(&engine, &wat::parse_file("tests/data/front_page.wat")?)?;
    /// # let ledger = SqliteLedger::open(folder.path().join("l"), CustomerKey::new(&[7; 32])?, SqliteOptions::default())?;
    /// # let gate = Gate::with_ledger(&engine, config, vec![module], Arc::new(ledger))?;
    /// # let agent = EntityUid::new("Export::Agent", "ana");
    /// # let ana = Entity::new(agent.clone()).with_parent(EntityUid::new("Export::Role", "support"));
    /// # let job = Job {
    /// #     id: "job-1".into(),
    /// #     agent,
    /// #     fields: ["customer.email", "card"].map(Arc::from).into(),
    /// #     customers: Customers::new(["customer-1", "customer-2"])?,
    /// #     env: Value::record([("managedDevice", Value::Bool(true))]),
    /// #     approvals: Approvals::none(),
    /// #     entities: Arc::new(Entities::new([ana])?),
    /// #     prepared_agent: None,
    /// # };
    /// // The job of this crate's front page: the address leaves in part, the card not at all.
    /// let answer = gate.ask(&job);
    /// let permit = answer.permit.ok_or("denied")?;
    /// let mut stored = [["customer-1", "ana@example.com", "4111111111111111"]].into_iter();
    /// let mut rows = |row: &mut Row| {
    ///     let Some([customer, email, card]) = stored.next() else { return Ok(false) };
    ///     row.begin(customer);
    ///     row.push(Some(email));
    ///     row.push(Some(card));
    ///     Ok(true)
    /// };
    /// let mut screen = Screen::default();
    /// let release =
    ///     Release { gate: &gate, job: &job, decision: &answer.decision, carries_out: &[].into(), tokens: None };
    /// let released = permit.release(&release, &mut rows, &mut screen)?;
    /// assert_eq!(screen.shown, ["customer-1: ****, -"]);
    /// assert_eq!((released.left, released.absent), (1, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ReleaseError`]. No error of ours holds a value, or the id of a customer: a row is named by its number. After one the
    /// job is cancelled, unless the error says that it still counts, or the permit couldn't be used.
    ///
    /// # Security
    ///
    /// `sink` must show nothing before [`Sink::publish`], and nothing at all when that isn't called.
    pub fn release(
        &self,
        release: &Release<'_>,
        rows: &mut dyn Rows,
        sink: &mut dyn Sink,
    ) -> Result<Released, ReleaseError> {
        let Release { gate, .. } = release;
        let plan = match Plan::new(self, release) {
            Ok(plan) => plan,
            // Whose permit it is isn't known then, so its job isn't ours to answer.
            Err(error @ (ReleaseError::OtherDecision { .. } | ReleaseError::Permit(_))) => return Err(error),
            Err(error) => return Err(give_back(self, gate, sink, error)),
        };
        gate.use_permit(self)?;
        let written = match plan.write(rows, sink).and_then(|written| {
            sink.seal().map_err(ReleaseError::Sink)?;
            gate.check_unrevoked(self, &release.job.agent.id)?;
            Ok(written)
        }) {
            Ok(written) => written,
            Err(error) => return Err(give_back(self, gate, sink, error)),
        };
        let ids = release.job.customers.ids().iter().zip(&written.seen);
        let only: Vec<Arc<str>>;
        let left = if written.released.absent == 0 {
            Left::All
        } else {
            only = ids.filter(|(_, seen)| **seen == Seen::Left).map(|(id, _)| id.clone()).collect();
            Left::Only(&only)
        };
        if let Err(source) = gate.commit(self.job(), left) {
            // It may be on record all the same, so it isn't cancelled.
            return Err(match sink.discard() {
                Ok(()) => ReleaseError::Uncommitted(source),
                Err(stays) => kept(ReleaseError::Uncommitted(source), stays),
            });
        }
        sink.publish().map_err(ReleaseError::Unpublished)?;
        Ok(written.released)
    }
}

/// Discards what a release wrote and cancels its job; the error with what came of that.
fn give_back(permit: &Permit, gate: &Gate, sink: &mut dyn Sink, error: ReleaseError) -> ReleaseError {
    if let Err(stays) = sink.discard() {
        return kept(error, stays);
    }
    match gate.cancel(permit.job()) {
        Ok(()) => error,
        Err(failed) => kept(error, Box::new(failed)),
    }
}

fn kept(because: ReleaseError, source: AnyError) -> ReleaseError {
    ReleaseError::StillCounts { because: Box::new(because), source }
}

/// What became of a customer's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// It hasn't come.
    Not,
    Left,
    Stayed,
}

/// What was written.
struct Written {
    seen: Vec<Seen>,
    released: Released,
}

/// A release that was checked, and not begun.
struct Plan<'a> {
    job: &'a Job,
    decision: &'a Decision,
    /// For each field how it is shown in part.
    partial: Vec<PartialForm>,
    /// For each field its tokens; none without a key.
    tokens: Option<Vec<FieldTokens>>,
    stamp: Stamp<'a>,
}

impl<'a> Plan<'a> {
    fn new(permit: &Permit, release: &Release<'a>) -> Result<Self, ReleaseError> {
        let Release { gate, job, decision, carries_out, tokens } = *release;
        let other = || ReleaseError::OtherDecision { job: permit.job.clone() };
        let same = permit.job == job.id && decision.job() == &*job.id && decision.customers() == job.customers.len();
        if !same || !decision.is_allow() || decision.fields() != &*job.fields {
            return Err(other());
        }
        if gate.content(job, decision)? != permit.content {
            return Err(other());
        }
        let unmet: BTreeSet<ObligationKind> = kinds(decision.obligations())
            .into_iter()
            .filter(|kind| *kind != ObligationKind::Watermark && !carries_out.contains(kind))
            .collect();
        if !unmet.is_empty() {
            return Err(ReleaseError::Obligations { kinds: unmet });
        }
        let stamp = Stamp::new(job, decision)?;
        if tokens.is_none()
            && let Some(field) = first_token(decision)
        {
            return Err(ReleaseError::NoTokenKey { field: field.clone() });
        }
        Ok(Self {
            job,
            decision,
            partial: job.fields.iter().map(|field| gate.partial_form(field)).collect(),
            tokens: tokens.map(|key| job.fields.iter().map(|field| key.of_field(field)).collect()),
            stamp,
        })
    }

    /// Reads all rows and writes those that leave.
    fn write(&self, rows: &mut dyn Rows, sink: &mut dyn Sink) -> Result<Written, ReleaseError> {
        let fields = self.job.fields.len();
        let columns: Vec<Arc<str>> = self.job.fields.iter().cloned().chain(self.stamp.columns()).collect();
        sink.begin(&columns).map_err(ReleaseError::Sink)?;
        let mut seen = vec![Seen::Not; self.job.customers.len()];
        let mut released = Released::default();
        let (mut input, mut output) = (Row::default(), Row::default());
        for row in 1_u64.. {
            input.clear();
            if !rows.next(&mut input).map_err(|source| ReleaseError::Rows { row, source })? {
                break;
            }
            if input.bytes() > ROW_BYTES_MAX {
                return Err(ReleaseError::RowTooLarge { row });
            }
            if input.len() != fields {
                return Err(ReleaseError::Values { row, found: input.len(), expected: fields });
            }
            let customer = self.job.customers.row(input.customer()).ok_or(ReleaseError::Undecided { row })?;
            let before = seen.get_mut(customer).ok_or(ReleaseError::Undecided { row })?;
            if *before != Seen::Not {
                return Err(ReleaseError::Twice { row });
            }
            if !self.decision.includes(customer) {
                *before = Seen::Stayed;
                released.excluded = released.excluded.saturating_add(1);
                continue;
            }
            *before = Seen::Left;
            released.left = released.left.saturating_add(1);
            output.clear();
            output.begin(input.customer());
            self.bring_into_form(customer, &input, &mut output, &mut released.unfit);
            self.stamp.put(customer, &mut output);
            sink.row(&output).map_err(ReleaseError::Sink)?;
        }
        released.absent = self.decision.customers_included().saturating_sub(released.left);
        Ok(Written { seen, released })
    }

    /// Puts each value of `input` into `output`, in the form decided for it.
    fn bring_into_form(&self, customer: usize, input: &Row, output: &mut Row, unfit: &mut u64) {
        for (field, value) in input.values().enumerate() {
            match (self.decision.form(customer, field), value) {
                (Form::Suppressed, _) | (_, None) => output.push(None),
                (Form::Plain, Some(value)) => output.push(Some(value)),
                // An empty text has nothing to show in part, and every empty text would have one token.
                (Form::Partial | Form::Token, Some("")) => output.push(None),
                (Form::Partial, Some(value)) => {
                    let form = self.partial.get(field).copied().unwrap_or_default();
                    if !partial::put(form, value, output) {
                        *unfit = unfit.saturating_add(1);
                        output.push(None);
                    }
                }
                (Form::Token, Some(value)) => {
                    match self.tokens.as_ref().and_then(|tokens| tokens.get(field)) {
                        Some(tokens) => tokens.put(value, output),
                        // INVARIANT: `Plan::new` demands a key where any field leaves as a token.
                        None => output.push(None),
                    }
                }
            }
        }
    }
}

/// The kinds of obligations that are in these.
fn kinds(obligations: &Obligations) -> BTreeSet<ObligationKind> {
    let Obligations { watermark, alert, notify, review_seconds, retain_seconds, audit } = obligations;
    [
        (ObligationKind::Watermark, !watermark.is_empty()),
        (ObligationKind::Alert, alert.is_some()),
        (ObligationKind::Notify, !notify.is_empty()),
        (ObligationKind::Review, review_seconds.is_some()),
        (ObligationKind::Retain, retain_seconds.is_some()),
        (ObligationKind::Audit, audit.is_some()),
    ]
    .into_iter()
    .filter_map(|(kind, there)| there.then_some(kind))
    .collect()
}

/// The first field that leaves as a token for anybody.
fn first_token(decision: &Decision) -> Option<&Arc<str>> {
    let mut fields = decision.fields().iter().enumerate();
    match decision.forms_of_all() {
        Some(forms) => fields.find(|(field, _)| forms.get(*field) == Some(&Form::Token)),
        None => fields.find(|(field, _)| {
            (0..decision.customers()).any(|customer| decision.form(customer, *field) == Form::Token)
        }),
    }
    .map(|(_, name)| name)
}

impl From<PermitError> for ReleaseError {
    fn from(error: PermitError) -> Self {
        Self::Permit(error)
    }
}
