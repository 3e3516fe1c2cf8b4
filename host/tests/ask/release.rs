//! Releasing rows: each in the form decided, what left on record, and nothing at all where anything goes wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex};

use exportgate::audit_log;
use exportgate::ledger::{CustomerKey, JobState, Ledger, SqliteLedger, SqliteOptions, StoreError};
use exportgate::{
    Answer, AnyError, AuditLog, Column, Customers, Engine, EngineConfig, Form, Gate, GateConfig, Job, Module,
    ObligationKind, Release, ReleaseError, Released, Row, Rows, Sink, TokenKey,
};
use exportgate_contract::manifest::Manifest;
use exportgate_contract::value::Value;
use tempfile::TempDir;

use crate::failing::{Failing, Step};
use crate::guest::{Guest, Rule, Test, permit};
use crate::job::job_of;
use crate::{Hand, NOW_MS};

/// What stands in the values of every field that mustn't leave.
const SECRET: &str = "S3CR3T";

/// A gate on a ledger in a temporary folder, with an audit log.
struct Desk {
    gate: Gate,
    ledger: Arc<dyn Ledger>,
    failing: Arc<Failing>,
    clock: Arc<Hand>,
    folder: TempDir,
    tokens: TokenKey,
}

impl Desk {
    fn new(guest: &Guest) -> Self {
        let folder = TempDir::new().unwrap();
        let key = CustomerKey::new(&[7; 32]).unwrap();
        let path = folder.path().join("ledger.sqlite");
        let sqlite = Arc::new(SqliteLedger::open(path, key, SqliteOptions::default()).unwrap());
        let failing = Arc::new(Failing::new());
        let ledger = failing.clone().around(sqlite);
        let clock = Arc::new(Hand(AtomicI64::new(NOW_MS)));
        let gate = gate(guest, ledger.clone(), clock.clone());
        Self { gate, ledger, failing, clock, folder, tokens: TokenKey::new(&[3; 32]) }
    }

    fn ask(&self, job: &Job) -> Answer {
        let answer = self.gate.ask(job);
        assert!(answer.decision.is_allow(), "{:?}", answer.decision.cause());
        answer
    }

    fn release(&self, job: &Job, answer: &Answer, rows: &mut dyn Rows, to: &Shelf) -> Result<Released, ReleaseError> {
        self.release_with(job, answer, &[], rows, to)
    }

    fn release_with(
        &self,
        job: &Job,
        answer: &Answer,
        carries_out: &[ObligationKind],
        rows: &mut dyn Rows,
        to: &Shelf,
    ) -> Result<Released, ReleaseError> {
        let carries_out: BTreeSet<ObligationKind> = carries_out.iter().copied().collect();
        let release = Release {
            gate: &self.gate,
            job,
            decision: &answer.decision,
            carries_out: &carries_out,
            tokens: Some(&self.tokens),
        };
        answer.permit.as_ref().unwrap().release(&release, rows, &mut to.sink())
    }

    fn state(&self, job: &str) -> (JobState, u64) {
        let known = self.ledger.job(job).unwrap().unwrap();
        (known.state, known.counted)
    }

    /// Nothing that is on disk has a value that had to stay.
    #[track_caller]
    fn check_no_secret_on_disk(&self) {
        for entry in std::fs::read_dir(self.folder.path()).unwrap() {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            let found = bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
            assert!(!found, "a secret is in {}", path.display());
        }
    }
}

fn gate(guest: &Guest, ledger: Arc<dyn Ledger>, clock: Arc<Hand>) -> Gate {
    let engine = Engine::new(&EngineConfig::default()).unwrap();
    let module = Module::load(&engine, &guest.build()).unwrap();
    let gate = Gate::with_ledger_and_clock(&engine, GateConfig::dry_run(), vec![module], ledger, clock).unwrap();
    let log = AuditLog::new("log.example/desk", audit_log::CustomerKey::new(1, &[9; 32]), &gate);
    gate.with_recorder(Arc::new(log))
}

/// Where a release goes in a test: what is hidden becomes shown when it is published.
#[derive(Clone, Default)]
struct Shelf {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    columns: Vec<String>,
    hidden: Vec<(String, Vec<Option<String>>)>,
    shown: Option<Vec<(String, Vec<Option<String>>)>>,
    /// Which step fails.
    fails: Option<&'static str>,
    /// What is done when it is sealed.
    on_seal: Option<Box<dyn FnMut() + Send>>,
    discarded: bool,
}

struct ShelfSink(Arc<Mutex<State>>);

impl Shelf {
    fn failing(step: &'static str) -> Self {
        let shelf = Self::default();
        shelf.state.lock().unwrap().fails = Some(step);
        shelf
    }

    fn on_seal(work: impl FnMut() + Send + 'static) -> Self {
        let shelf = Self::default();
        shelf.state.lock().unwrap().on_seal = Some(Box::new(work));
        shelf
    }

    fn sink(&self) -> ShelfSink {
        ShelfSink(self.state.clone())
    }

    fn shown(&self) -> Option<Vec<(String, Vec<Option<String>>)>> {
        self.state.lock().unwrap().shown.clone()
    }

    fn columns(&self) -> Vec<String> {
        self.state.lock().unwrap().columns.clone()
    }

    /// Nothing was shown, and nothing is kept.
    #[track_caller]
    fn check_empty(&self) {
        let state = self.state.lock().unwrap();
        assert!(state.shown.is_none() && state.hidden.is_empty());
    }
}

impl ShelfSink {
    fn pass(&self, step: &'static str) -> Result<(), AnyError> {
        if self.0.lock().unwrap().fails == Some(step) { Err("the shelf is full".into()) } else { Ok(()) }
    }
}

impl Sink for ShelfSink {
    fn begin(&mut self, columns: &[Arc<str>]) -> Result<(), AnyError> {
        self.pass("begin")?;
        self.0.lock().unwrap().columns = columns.iter().map(|column| column.to_string()).collect();
        Ok(())
    }

    fn row(&mut self, row: &Row) -> Result<(), AnyError> {
        self.pass("row")?;
        let values = row.values().map(|value| value.map(str::to_owned)).collect();
        self.0.lock().unwrap().hidden.push((row.customer().to_owned(), values));
        Ok(())
    }

    fn seal(&mut self) -> Result<(), AnyError> {
        self.pass("seal")?;
        let work = self.0.lock().unwrap().on_seal.take();
        if let Some(mut work) = work {
            work();
        }
        Ok(())
    }

    fn publish(&mut self) -> Result<(), AnyError> {
        let mut state = self.0.lock().unwrap();
        let hidden = std::mem::take(&mut state.hidden);
        if state.fails == Some("publish") {
            return Err("the shelf is gone".into());
        }
        state.shown = Some(hidden);
        Ok(())
    }

    fn discard(&mut self) -> Result<(), AnyError> {
        self.pass("discard")?;
        let mut state = self.0.lock().unwrap();
        state.hidden.clear();
        state.discarded = true;
        Ok(())
    }
}

/// A row to be read: a customer and its values.
type Given<'a> = (&'a str, &'a [Option<&'a str>]);

/// These rows.
fn rows(rows: &[Given<'_>]) -> impl Rows + use<> {
    let rows: Vec<(String, Vec<Option<String>>)> = rows
        .iter()
        .map(|(customer, values)| {
            ((*customer).to_owned(), values.iter().map(|value| value.map(str::to_owned)).collect())
        })
        .collect();
    let mut rows = rows.into_iter();
    move |row: &mut Row| {
        let Some((customer, values)) = rows.next() else { return Ok(false) };
        row.begin(&customer);
        values.iter().for_each(|value| row.push(value.as_deref()));
        Ok(true)
    }
}

/// Contact data plain, of canaries in part; payment data as a token, of canaries not at all; who is on hold stays.
fn desk_rules() -> Vec<Rule> {
    vec![
        permit("may-export", "export", Test::Always),
        permit("may-leave", "include", Test::Always).unless(Test::Is("customer.hold")),
        permit("plain", "reveal_plain", Test::In("field", "FieldClass", "contact")).unless(Test::Is("customer.canary")),
        permit("partial", "reveal_partial", Test::In("field", "FieldClass", "contact")),
        permit("token", "reveal_token", Test::In("field", "FieldClass", "payment")).unless(Test::Is("customer.canary")),
    ]
}

fn desk_guest() -> Guest {
    let mut guest = Guest::new(desk_rules());
    guest.edit = |manifest| {
        show_in_part(manifest, "customer.email", "email");
        show_in_part(manifest, "card", "show-last-4");
    };
    guest
}

fn show_in_part(manifest: &mut Manifest, field: &str, form: &str) {
    let catalogue = manifest.catalogue.as_mut().unwrap();
    let attributes = &mut catalogue.fields.get_mut(field).unwrap().attributes;
    attributes.insert("partial".into(), Value::string(form));
}

/// A guest that shows everything as it is, and whose export has these annotations.
fn annotated(notes: &[(&'static str, &'static str)]) -> Guest {
    let mut export = permit("may-export", "export", Test::Always);
    for (key, value) in notes {
        export = export.note(key, value);
    }
    let rules =
        vec![export, permit("may-leave", "include", Test::Always), permit("plain", "reveal_plain", Test::Always)];
    Guest::new(rules)
}

const FIELDS: [&str; 3] = ["customer.email", "customer.name", "card"];

#[test]
fn each_value_leaves_in_its_form_and_what_left_is_counted() {
    let desk = Desk::new(&desk_guest());
    let job = job_of("job-1", "ana", &["c-1", "canary-1", "held-1", "c-2"], &FIELDS);
    let answer = desk.ask(&job);
    let shelf = Shelf::default();
    let email = |name: &str| format!("{name}@example.com");
    let (one, two, three) = (email("ana.b"), email("bob.b"), email(SECRET));
    let mut input = rows(&[
        ("canary-1", &[Some(&two), Some("Bob B"), Some("4111111111111111-S3CR3T")]),
        ("held-1", &[Some(&three), Some("S3CR3T"), Some("S3CR3T")]),
        ("c-1", &[Some(&one), None, Some("4000 0000 0000 1234")]),
    ]);
    let released = desk.release(&job, &answer, &mut input, &shelf).unwrap();
    assert_eq!(released, Released { left: 2, excluded: 1, absent: 1, unfit: 0 });
    assert_eq!(shelf.columns(), FIELDS);
    let shown = shelf.shown().unwrap();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(shown[0], ("canary-1".to_owned(), vec![some("b***@***"), some("****"), None]));
    assert_eq!(shown[1].1[..2], [some("ana.b@example.com"), None]);
    let token = shown[1].1[2].clone().unwrap();
    assert!(token.starts_with("tok_") && token.len() == 36, "{token}");
    // Who was included and had no row is given back.
    assert_eq!(desk.state("job-1"), (JobState::Committed, 2));
    desk.ledger.verify().unwrap();
    desk.check_no_secret_on_disk();
}

#[test]
fn values_that_do_not_fit_their_form_and_empty_ones_stay() {
    let desk = Desk::new(&desk_guest());
    let job = job_of("job-1", "ana", &["canary-1", "canary-2", "c-1", "c-2"], &FIELDS);
    let answer = desk.ask(&job);
    let shelf = Shelf::default();
    let mut input = rows(&[
        ("canary-1", &[Some("not an address"), Some(""), Some("1")]),
        ("canary-2", &[None, None, None]),
        ("c-1", &[Some(""), Some("N"), Some("")]),
        ("c-2", &[Some("=1+1"), Some("N"), None]),
    ]);
    let released = desk.release(&job, &answer, &mut input, &shelf).unwrap();
    assert_eq!(released, Released { left: 4, excluded: 0, absent: 0, unfit: 1 });
    let values: Vec<Vec<Option<String>>> = shelf.shown().unwrap().into_iter().map(|(_, values)| values).collect();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(values[0], [None, None, None]);
    assert_eq!(values[1], [None, None, None]);
    assert_eq!(values[2], [some(""), some("N"), None]);
    assert_eq!(values[3], [some("=1+1"), some("N"), None]);
}

/// What the value of a field is in a made-up database.
fn stored(customer: usize, field: usize, leaves: bool) -> String {
    let mark = if leaves { "" } else { SECRET };
    match field {
        0 => format!("user{customer}{mark}@example.com"),
        1 => format!("Name {customer}{mark}"),
        _ => format!("4000{customer:012}{mark}"),
    }
}

/// Every cell, against what the decision says of it: the forms are made anew here, from their description.
///
/// A million rows: `RELEASE_ROWS=1000000 cargo test --release --workspace --test ask -- every_row`.
#[test]
fn every_row_is_as_it_was_decided() {
    let count: usize = std::env::var("RELEASE_ROWS").map_or(5_000, |rows| rows.parse().unwrap());
    let desk = Desk::new(&desk_guest());
    let ids: Vec<Arc<str>> = (0..count).map(|number| Arc::from(format!("customer-{number}"))).collect();
    let flag = |every: usize| Column::bools((0..count).map(move |number| Some(number.is_multiple_of(every))));
    let customers = Customers::new(ids.iter().cloned()).unwrap();
    let customers = customers.with_attribute("canary", flag(7)).unwrap().with_attribute("hold", flag(5)).unwrap();
    let job = Job { customers, ..job_of("job-1", "ana", &[], &FIELDS) };
    let answer = desk.ask(&job);
    let decision = &answer.decision;
    // The input comes in another order than the job, and every ninth customer isn't in it.
    let step = (count / 3..).find(|step| gcd(*step, count) == 1).unwrap();
    let mut place = 0_usize;
    let mut left = count;
    let mut input = |row: &mut Row| {
        loop {
            if left == 0 {
                return Ok(false);
            }
            left -= 1;
            place = (place + step) % count;
            if place % 9 != 8 {
                break;
            }
        }
        row.begin(&format!("customer-{place}"));
        for field in 0..FIELDS.len() {
            row.push(Some(&stored(place, field, decision.form(place, field) > Form::Suppressed)));
        }
        Ok(true)
    };
    /// Compares each row as it comes, and keeps none.
    struct Compared<'a> {
        decision: &'a exportgate::Decision,
        seen: Vec<bool>,
        rows: usize,
        tokens: BTreeMap<String, usize>,
        published: bool,
    }
    impl Sink for Compared<'_> {
        fn begin(&mut self, columns: &[Arc<str>]) -> Result<(), AnyError> {
            assert_eq!(columns, FIELDS.map(Arc::from));
            Ok(())
        }
        fn row(&mut self, row: &Row) -> Result<(), AnyError> {
            let customer: usize = row.customer().strip_prefix("customer-").unwrap().parse().unwrap();
            assert!(self.decision.includes(customer) && customer % 9 != 8 && !customer.is_multiple_of(5));
            assert!(!std::mem::replace(&mut self.seen[customer], true));
            self.rows += 1;
            assert_eq!(row.len(), FIELDS.len());
            for (field, value) in row.values().enumerate() {
                let form = self.decision.form(customer, field);
                let stored = stored(customer, field, form > Form::Suppressed);
                let expected = match (form, field) {
                    (Form::Plain, _) => Some(stored),
                    (Form::Partial, 0) => Some("u***@***".to_owned()),
                    (Form::Partial, 1) => Some("****".to_owned()),
                    (Form::Partial, _) => Some(format!("****{}", stored.get(stored.len() - 4..).unwrap())),
                    (Form::Token, _) => {
                        let token = value.unwrap().to_owned();
                        assert!(token.starts_with("tok_") && token.len() == 36 && !token.contains(&stored));
                        // Different values, different tokens; a sample, for memory's sake.
                        if customer < 10_000 {
                            assert_eq!(self.tokens.insert(token.clone(), customer), None);
                        }
                        Some(token)
                    }
                    (Form::Suppressed, _) => None,
                };
                assert_eq!(value.map(str::to_owned), expected);
                assert!(!value.is_some_and(|value| value.contains(SECRET)));
            }
            Ok(())
        }
        fn seal(&mut self) -> Result<(), AnyError> {
            Ok(())
        }
        fn publish(&mut self) -> Result<(), AnyError> {
            self.published = true;
            Ok(())
        }
        fn discard(&mut self) -> Result<(), AnyError> {
            Err("nothing may be discarded here".into())
        }
    }
    let seen = vec![false; count];
    let mut sink = Compared { decision, seen, rows: 0, tokens: BTreeMap::new(), published: false };
    let release =
        Release { gate: &desk.gate, job: &job, decision, carries_out: &BTreeSet::new(), tokens: Some(&desk.tokens) };
    let released = answer.permit.as_ref().unwrap().release(&release, &mut input, &mut sink).unwrap();
    assert!(sink.published && sink.rows > count / 2 && released.left == sink.rows);
    assert!(sink.seen.iter().enumerate().all(|(place, seen)| *seen == (place % 9 != 8 && !place.is_multiple_of(5))));
    assert_eq!(desk.state("job-1"), (JobState::Committed, u64::try_from(sink.rows).unwrap()));
    desk.check_no_secret_on_disk();
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Rows that can't be released, what is said of each, and what isn't: any value, or any id.
#[test]
fn rows_that_were_not_decided_release_nothing() {
    let good: &[Option<&str>] = &[Some("S3CR3T"), Some("S3CR3T"), Some("S3CR3T")];
    let cases: [(&str, &[Given<'_>]); 5] = [
        ("row 2 is of a customer about whom nothing was decided", &[("c-1", good), ("S3CR3T", good)]),
        ("row 3 is of a customer who had a row before", &[("c-1", good), ("c-2", good), ("c-1", good)]),
        ("row 2 is of a customer who had a row before", &[("held-1", good), ("held-1", good)]),
        ("row 1 has 2 values, expected 3: one for each field of the job", &[("c-1", &good[1..])]),
        ("row 1 is of a customer about whom nothing was decided", &[("", good)]),
    ];
    for (message, input) in cases {
        let desk = Desk::new(&desk_guest());
        let job = job_of("job-1", "ana", &["c-1", "c-2", "held-1"], &FIELDS);
        let shelf = Shelf::default();
        let error = desk.release(&job, &desk.ask(&job), &mut rows(input), &shelf).unwrap_err();
        assert_eq!(error.to_string(), message);
        assert!(!format!("{error:?}{}", error.help()).contains(SECRET));
        shelf.check_empty();
        assert_eq!(desk.state("job-1"), (JobState::Cancelled, 0));
        desk.ledger.verify().unwrap();
        desk.check_no_secret_on_disk();
    }
}

#[test]
fn a_row_may_have_so_many_bytes_and_no_more() {
    let long = "x".repeat(exportgate::ROW_BYTES_MAX - 3);
    for (value, fits) in [(long.clone(), true), (long + "x", false)] {
        let desk = Desk::new(&annotated(&[]));
        let job = job_of("job-1", "ana", &["c-1"], &["card"]);
        let shelf = Shelf::default();
        let released = desk.release(&job, &desk.ask(&job), &mut rows(&[("c-1", &[Some(&value)])]), &shelf);
        match released {
            Ok(_) => assert!(fits),
            Err(error) => {
                assert!(!fits);
                assert_eq!(error.to_string(), "row 1 has more than 16777216 bytes");
                shelf.check_empty();
            }
        }
    }
}

#[test]
fn a_source_or_a_sink_that_fails_releases_nothing() {
    let good: &[Option<&str>] = &[Some("S3CR3T"), None, None];
    let job = job_of("job-1", "ana", &["c-1", "c-2"], &FIELDS);
    let mut read = 0;
    let mut broken = |row: &mut Row| {
        read += 1;
        if read == 2 {
            return Err("line 3 has 2 cells".into());
        }
        row.begin("c-1");
        good.iter().for_each(|value| row.push(*value));
        Ok(true)
    };
    let desk = Desk::new(&desk_guest());
    let shelf = Shelf::default();
    let error = desk.release(&job, &desk.ask(&job), &mut broken, &shelf).unwrap_err();
    assert_eq!(error.to_string(), "row 2 can't be read: line 3 has 2 cells");
    shelf.check_empty();
    assert_eq!(desk.state("job-1"), (JobState::Cancelled, 0));
    for step in ["begin", "row", "seal"] {
        let desk = Desk::new(&desk_guest());
        let shelf = Shelf::failing(step);
        let error = desk.release(&job, &desk.ask(&job), &mut rows(&[("c-1", good)]), &shelf).unwrap_err();
        assert_eq!(error.to_string(), "the rows can't be written: the shelf is full", "{step}");
        shelf.check_empty();
        assert_eq!(desk.state("job-1"), (JobState::Cancelled, 0), "{step}");
    }
    // What is on record as left, and isn't shown, stays on record.
    let desk = Desk::new(&desk_guest());
    let shelf = Shelf::failing("publish");
    let error = desk.release(&job, &desk.ask(&job), &mut rows(&[("c-1", good)]), &shelf).unwrap_err();
    let message = "what was to leave is recorded, and can't be put in its place, so it counts and nothing left: \
                   the shelf is gone";
    assert_eq!(error.to_string(), message);
    shelf.check_empty();
    assert_eq!(desk.state("job-1"), (JobState::Committed, 1));
    // What can't be removed counts, and nobody says that it doesn't.
    let desk = Desk::new(&desk_guest());
    let shelf = Shelf::failing("discard");
    let error = desk.release(&job, &desk.ask(&job), &mut rows(&[("c-9", good)]), &shelf).unwrap_err();
    let message = "row 1 is of a customer about whom nothing was decided; and it couldn't be taken back, so all of the \
                   job counts as if it had left: the shelf is full";
    assert_eq!(error.to_string(), message);
    assert_eq!(desk.state("job-1"), (JobState::Reserved, 2));
}

#[test]
fn a_permit_that_is_not_good_any_more_releases_nothing() {
    let job = job_of("job-1", "ana", &["c-1"], &FIELDS);
    let good: &[Option<&str>] = &[Some("a@example.com"), None, None];
    let refused = |desk: &Desk, answer: &Answer, message: &str, state| {
        let shelf = Shelf::default();
        let error = desk.release(&job, answer, &mut rows(&[("c-1", good)]), &shelf).unwrap_err();
        assert!(error.to_string().starts_with(message), "{error}");
        shelf.check_empty();
        assert!(!shelf.state.lock().unwrap().discarded, "the sink wasn't touched");
        assert_eq!(desk.state("job-1"), state);
    };
    let desk = Desk::new(&desk_guest());
    let answer = desk.ask(&job);
    desk.release(&job, &answer, &mut rows(&[("c-1", good)]), &Shelf::default()).unwrap();
    refused(&desk, &answer, "job `job-1` was committed, with 1 customers", (JobState::Committed, 1));
    // Used by another process, which is at it: its job isn't cancelled.
    let desk = Desk::new(&desk_guest());
    let answer = desk.ask(&job);
    desk.gate.use_permit(answer.permit.as_ref().unwrap()).unwrap();
    refused(&desk, &answer, "the permit of job `job-1` was used at", (JobState::Reserved, 1));
    let desk = Desk::new(&desk_guest());
    let answer = desk.ask(&job);
    desk.clock.set(NOW_MS + 300_000);
    refused(&desk, &answer, "the permit of job `job-1` expired at", (JobState::Reserved, 1));
    let desk = Desk::new(&desk_guest());
    let answer = desk.ask(&job);
    desk.ledger.revoke("ana", "left", NOW_MS).unwrap();
    refused(&desk, &answer, "agent `ana` is revoked since", (JobState::Reserved, 1));
    // Another catalogue is another module.
    let desk = Desk::new(&desk_guest());
    let answer = desk.ask(&job);
    let mut other = desk_guest();
    other.edit = |manifest| show_in_part(manifest, "customer.email", "mask-to-fixed-value");
    let changed = Desk { gate: gate(&other, desk.ledger.clone(), desk.clock.clone()), ..desk };
    let message = "the permit of job `job-1` was given for other content, or by other modules";
    refused(&changed, &answer, message, (JobState::Reserved, 1));
}

#[test]
fn an_agent_who_is_revoked_while_rows_are_written_gets_nothing() {
    let desk = Desk::new(&desk_guest());
    let job = job_of("job-1", "ana", &["c-1"], &FIELDS);
    let answer = desk.ask(&job);
    let ledger = desk.ledger.clone();
    let shelf = Shelf::on_seal(move || {
        ledger.revoke("ana", "left", NOW_MS).unwrap();
    });
    let error = desk.release(&job, &answer, &mut rows(&[("c-1", &[None, None, None])]), &shelf).unwrap_err();
    assert!(error.to_string().starts_with("agent `ana` is revoked since"), "{error}");
    shelf.check_empty();
    assert_eq!(desk.state("job-1"), (JobState::Cancelled, 0));
}

#[test]
fn a_permit_releases_its_own_job_and_decision_only() {
    let desk = Desk::new(&desk_guest());
    let job = job_of("job-1", "ana", &["c-1", "c-2"], &FIELDS);
    let answer = desk.ask(&job);
    let message = "the permit of job `job-1` wasn't given for this job and decision";
    let refused = |job: &Job, answer: &Answer| {
        let shelf = Shelf::default();
        let error = desk.release(job, answer, &mut rows(&[]), &shelf).unwrap_err();
        assert_eq!(error.to_string(), message);
        shelf.check_empty();
        assert_eq!(desk.state("job-1"), (JobState::Reserved, 2));
    };
    let with_permit = |decision| Answer { decision, permit: answer.permit.clone(), without: None };
    // Another job's decision; this job's with other rows, other fields, another agent; a denial.
    let other = job_of("job-2", "ana", &["c-1", "c-2"], &FIELDS);
    refused(&other, &with_permit(desk.ask(&other).decision));
    refused(&job, &with_permit(desk.gate.evaluate(&job_of("job-1", "ana", &["c-1", "held-2"], &FIELDS))));
    refused(&job_of("job-1", "ana", &["c-1", "c-3"], &FIELDS), &answer);
    refused(&job_of("job-1", "bob", &["c-1", "c-2"], &FIELDS), &answer);
    refused(&job_of("job-1", "ana", &["c-1", "c-2"], &FIELDS[..2]), &answer);
    refused(&job, &with_permit(exportgate::Decision::empty()));
    desk.release(&job, &answer, &mut rows(&[]), &Shelf::default()).unwrap();
    assert_eq!(desk.state("job-1").1, 0);
}

#[test]
fn obligations_that_nobody_carries_out_release_nothing() {
    let guest =
        annotated(&[("alert", "high"), ("notify", "dpo"), ("retain", "30d"), ("audit", "full"), ("review", "24h")]);
    let desk = Desk::new(&guest);
    let job = job_of("job-1", "ana", &["c-1"], &["card"]);
    let shelf = Shelf::default();
    let some = [ObligationKind::Alert, ObligationKind::Review, ObligationKind::Audit];
    let error = desk.release_with(&job, &desk.ask(&job), &some, &mut rows(&[]), &shelf).unwrap_err();
    assert_eq!(error.to_string(), "the decision demands `notify`, `retain`, which nobody carries out here");
    shelf.check_empty();
    assert_eq!(desk.state("job-1"), (JobState::Cancelled, 0));
    let job = job_of("job-2", "ana", &["c-1"], &["card"]);
    let all = [some.as_slice(), &[ObligationKind::Notify, ObligationKind::Retain]].concat();
    desk.release_with(&job, &desk.ask(&job), &all, &mut rows(&[("c-1", &[None])]), &shelf).unwrap();
    assert_eq!(desk.state("job-2"), (JobState::Committed, 1));
}

#[test]
fn the_watermark_stands_in_every_row() {
    let desk = Desk::new(&annotated(&[("watermark", "agent,ticket,job")]));
    let ticketed = |id: &str, tickets: [Option<&str>; 2]| {
        let job = job_of(id, "ana", &["c-1", "c-2"], &["card"]);
        Job { customers: job.customers.clone().with_tickets(tickets).unwrap(), ..job }
    };
    let job = ticketed("job-1", [Some("t-1"), Some("t-2")]);
    let shelf = Shelf::default();
    let mut input = rows(&[("c-2", &[Some("2")]), ("c-1", &[None])]);
    desk.release(&job, &desk.ask(&job), &mut input, &shelf).unwrap();
    assert_eq!(shelf.columns(), ["card", "watermark_agent", "watermark_ticket", "watermark_job"]);
    let some = |text: &str| Some(text.to_owned());
    let expected = [
        ("c-2".to_owned(), vec![some("2"), some("ana"), some("t-2"), some("job-1")]),
        ("c-1".to_owned(), vec![None, some("ana"), some("t-1"), some("job-1")]),
    ];
    assert_eq!(shelf.shown().unwrap(), expected);
    let job = ticketed("job-2", [Some("t-1"), None]);
    let error = desk.release(&job, &desk.ask(&job), &mut rows(&[]), &Shelf::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the watermark must name the ticket, and the job names none for a customer that leaves"
    );
    assert_eq!(desk.state("job-2"), (JobState::Cancelled, 0));
    let mut guest = annotated(&[("watermark", "job")]);
    guest.edit = |manifest| {
        let fields = &mut manifest.catalogue.as_mut().unwrap().fields;
        let card = fields.get("card").unwrap().clone();
        fields.insert("watermark_job".into(), card);
    };
    let desk = Desk::new(&guest);
    let job = job_of("job-1", "ana", &["c-1"], &["watermark_job"]);
    let error = desk.release(&job, &desk.ask(&job), &mut rows(&[]), &Shelf::default()).unwrap_err();
    assert_eq!(error.to_string(), "the watermark needs the column `watermark_job`, which is a field of the job");
}

#[test]
fn tokens_need_a_key_and_catalogues_name_forms_that_there_are() {
    let desk = Desk::new(&desk_guest());
    let job = job_of("job-1", "ana", &["c-1", "canary-1"], &FIELDS);
    let answer = desk.ask(&job);
    let release = Release {
        gate: &desk.gate,
        job: &job,
        decision: &answer.decision,
        carries_out: &BTreeSet::new(),
        tokens: None,
    };
    let shelf = Shelf::default();
    let error = answer.permit.unwrap().release(&release, &mut rows(&[]), &mut shelf.sink()).unwrap_err();
    assert_eq!(error.to_string(), "field `card` must leave as a token, and there is no key for tokens");
    assert_eq!(desk.state("job-1"), (JobState::Cancelled, 0));
    let refused = |edit: fn(&mut Manifest)| {
        let mut guest = desk_guest();
        guest.edit = edit;
        let engine = Engine::new(&EngineConfig::default()).unwrap();
        let module = Module::load(&engine, &guest.build()).unwrap();
        let windows = Arc::new(exportgate::MemoryWindows::new());
        Gate::new(&engine, GateConfig::dry_run(), vec![module], windows).unwrap_err().to_string()
    };
    let message = refused(|manifest| show_in_part(manifest, "card", "show-all"));
    let begins =
        "the catalogue of module `sample` shows `card` in part as `show-all`, expected one of `mask-to-fixed-value`";
    assert!(message.starts_with(begins), "{message}");
}

/// The ledger fails when what left is recorded, and then for good: nothing is shown, and all of it counts.
#[test]
fn a_ledger_that_fails_at_the_end_releases_nothing() {
    let job = job_of("job-1", "ana", &["c-1", "c-2"], &FIELDS);
    let good: &[Option<&str>] = &[Some("S3CR3T"), None, None];
    for (step, message) in [
        (Step::Record, "what was to leave can't be recorded, so nothing left, and all of it counts as if it had: "),
        (Step::Begin, "the ledger's store can't be used"),
    ] {
        let desk = Desk::new(&desk_guest());
        let answer = desk.ask(&job);
        let failing = desk.failing.clone();
        failing.fail_with(StoreError::Unavailable { message: "disk full".to_owned() });
        let shelf = Shelf::on_seal(move || failing.fail_at(Some(step)));
        let error = desk.release(&job, &answer, &mut rows(&[("c-1", good)]), &shelf).unwrap_err();
        let text = error.to_string();
        let begins = if step == Step::Begin { "" } else { message };
        assert!(text.starts_with(begins) && text.contains("disk full") && !text.contains(SECRET), "{text}");
        if step == Step::Begin {
            assert!(text.contains("couldn't be taken back, so all of the job counts as if it had left"), "{text}");
        }
        shelf.check_empty();
        desk.failing.fail_at(None);
        assert_eq!(desk.state("job-1"), (JobState::Reserved, 2));
        desk.ledger.verify().unwrap();
    }
}
