//! A process that uses the ledger, and says on its output what was acknowledged.

use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use exportgate_ledger::{
    Counted, CustomerKey, End, Ledger, LedgerError, Left, On, Reservation, SqliteLedger, SqliteOptions, Subject,
    SubjectKind, Unseen, Window, WindowRead,
};

pub(crate) const DAY: i64 = 86_400_000;
/// A time within one window of all that a test does.
pub(crate) const NOW: i64 = 1_700_000_000_000;

/// Which ledger: a file, or `postgres` with the server and the schema.
pub(crate) fn open(store: &str, place: &str) -> Result<Arc<dyn Ledger>, LedgerError> {
    let key = CustomerKey::new(&[7; 32]).unwrap();
    match store {
        "sqlite" => Ok(Arc::new(SqliteLedger::open(place, key, SqliteOptions::default())?)),
        #[cfg(feature = "postgres")]
        "postgres" => {
            use exportgate_ledger::{PostgresLedger, PostgresOptions};
            let (url, schema) = place.split_once('#').unwrap();
            let options = PostgresOptions { schema: schema.to_owned(), ..PostgresOptions::default() };
            Ok(Arc::new(PostgresLedger::open(url, key, options)?))
        }
        other => panic!("no store is called {other}"),
    }
}

/// Whose windows everyone draws on.
pub(crate) fn subjects() -> [Subject; 3] {
    [
        Subject::new(SubjectKind::Agent, "agent"),
        Subject::new(SubjectKind::Team, "team"),
        Subject::new(SubjectKind::Vendor, "vendor"),
    ]
}

pub(crate) fn declare(ledger: &dyn Ledger) -> Result<(), LedgerError> {
    let windows = subjects().map(|subject| Window { kind: subject.kind, counted: Counted::Customers, length_ms: DAY });
    ledger.declare(&windows, Unseen::Refuse, NOW)
}

/// How many customers each of the subjects was granted.
pub(crate) fn counts(ledger: &dyn Ledger) -> Result<Vec<u64>, LedgerError> {
    let subjects = subjects();
    ledger.count_after(&reads(&subjects), &ledger.customers([]), NOW)
}

fn reads(subjects: &[Subject]) -> Vec<WindowRead<'_>> {
    let read = |subject| WindowRead { subject, counted: Counted::Customers, length_ms: DAY };
    subjects.iter().map(read).collect()
}

/// Reserves a customer that nobody else asks for, unless a window would hold more than `limit`; says whether it did.
pub(crate) fn ask(ledger: &dyn Ledger, job: &str, limit: u64) -> Result<bool, LedgerError> {
    let subjects = subjects();
    let customers = ledger.customers([job]);
    let mut granted = false;
    ledger.transact(On::Subjects(&subjects), NOW, &mut |transaction| {
        let counts = transaction.count_after(&reads(&subjects), &customers)?;
        granted = counts.iter().all(|count| *count <= limit);
        if !granted {
            return Ok(End::Discard);
        }
        let (digest, expires_ms) = (&[0; 32], i64::MAX);
        transaction.reserve(&Reservation { job, digest, agent: "agent", customers: &customers, expires_ms })?;
        transaction.append_record(job.as_bytes())?;
        Ok(End::Commit)
    })?;
    Ok(granted)
}

/// Starts a worker.
pub(crate) fn spawn(arguments: &[&str]) -> Child {
    let program = std::env::current_exe().unwrap();
    Command::new(program).arg("--worker").args(arguments).stdout(Stdio::piped()).spawn().unwrap()
}

/// `load STORE PLACE NAME ASKS LIMIT`: asks as often as it can, commits two of three, cancels the others.
/// `once STORE PLACE`: one of everything, for [`super::calls`].
pub(crate) fn main(arguments: &[String]) {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["load", store, place, name, asks, limit] => {
            load(store, place, name, asks.parse().unwrap(), limit.parse().unwrap())
        }
        ["once", store, place] => once(store, place),
        other => panic!("a worker can't do {other:?}"),
    };
    if let Err(error) = result {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

/// Says what was acknowledged, so that it is known even when the process is killed right after.
fn say(what: &str, job: &str) {
    let mut output = std::io::stdout().lock();
    output.write_all(format!("{what} {job}\n").as_bytes()).unwrap();
    output.flush().unwrap();
}

fn load(store: &str, place: &str, name: &str, asks: u64, limit: u64) -> Result<(), LedgerError> {
    let ledger = open(store, place)?;
    for ask_number in 0..asks {
        let job = format!("{name}-{ask_number}");
        if !ask(&*ledger, &job, limit)? {
            say("denied", &job);
            continue;
        }
        say("reserved", &job);
        if ask_number % 3 == 0 {
            say("cancelling", &job);
            ledger.cancel(&job, NOW)?;
            say("cancelled", &job);
        } else {
            ledger.commit(&job, Left::All, NOW)?;
            say("committed", &job);
        }
    }
    Ok(())
}

fn once(store: &str, place: &str) -> Result<(), LedgerError> {
    let ledger = open(store, place)?;
    assert!(ask(&*ledger, "new", u64::MAX)?);
    say("reserved", "new");
    ledger.use_permit("old-1", NOW)?;
    say("used", "old-1");
    ledger.commit("old-1", Left::All, NOW)?;
    say("committed", "old-1");
    ledger.cancel("old-2", NOW)?;
    say("cancelled", "old-2");
    ledger.revoke("agent", "left", NOW)?;
    say("revoked", "agent");
    Ok(())
}
