//! What a ledger refuses, with its messages; and that a refusal changes nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};

use exportgate_ledger::{
    ApprovalError, Counted, CustomerKey, End, JobError, Ledger, LedgerError, Left, NewAnswer, NewRequest, On,
    RECORD_BYTES_MAX, Reservation, SqliteLedger, SqliteOptions, Subject, SubjectKind, Unseen, Window, WindowRead,
};

use super::stores::{each, key};

const HOUR: i64 = 3_600_000;

fn agent() -> [Subject; 1] {
    [Subject::new(SubjectKind::Agent, "a")]
}

fn reserve(ledger: &dyn Ledger, job: &str, content: u8, ids: &[&str], now_ms: i64) -> Result<(), LedgerError> {
    let customers = ledger.customers(ids.iter().copied());
    ledger.transact(On::Subjects(&agent()), now_ms, &mut |transaction| {
        let (digest, expires_ms) = (&[content; 32], now_ms + HOUR);
        transaction.reserve(&Reservation { job, digest, agent: "a", customers: &customers, expires_ms })?;
        Ok(End::Commit)
    })
}

fn declare(ledger: &dyn Ledger) {
    let window = Window { kind: SubjectKind::Agent, counted: Counted::Customers, length_ms: HOUR };
    ledger.declare(&[window], Unseen::Refuse, 0).unwrap();
}

fn count(ledger: &dyn Ledger, now_ms: i64) -> u64 {
    let subject = &agent()[0];
    let read = WindowRead { subject, counted: Counted::Customers, length_ms: HOUR };
    ledger.count_after(&[read], &ledger.customers([]), now_ms).unwrap()[0]
}

/// The message, and that there is advice.
fn said<T: std::fmt::Debug>(result: Result<T, LedgerError>) -> String {
    let error = result.unwrap_err();
    assert!(!error.help().is_empty(), "{error:?}");
    error.to_string()
}

#[test]
fn jobs_are_held_to_what_was_reserved() {
    each(|place| {
        let ledger = &*place.open();
        declare(ledger);
        reserve(ledger, "1", 0, &["x", "y"], 1_000).unwrap();
        assert_eq!(said(reserve(ledger, "1", 1, &["x"], 1_000)), "job `1` was reserved before with other content");
        reserve(ledger, "1", 0, &["x", "y"], 1_000).unwrap();
        let more = ledger.customers(["x", "y", "z"]);
        let message = "1 customers of job `1` weren't reserved";
        assert_eq!(said(ledger.commit("1", Left::Only(&more), 1_000)), message);
        ledger.commit("1", Left::All, 1_000).unwrap();
        assert_eq!(said(ledger.cancel("1", 1_000)), "job `1` was committed, with 2 customers");
        assert_eq!(said(ledger.use_permit("1", 1_000)), "job `1` was committed, with 2 customers");
        reserve(ledger, "2", 0, &["z"], 1_000).unwrap();
        ledger.cancel("2", 1_000).unwrap();
        ledger.cancel("2", 1_000).unwrap();
        assert_eq!(said(ledger.commit("2", Left::All, 1_000)), "job `2` was cancelled");
        assert_eq!(said(reserve(ledger, "2", 0, &["z"], 1_000)), "job `2` was cancelled");
        assert_eq!(said(ledger.cancel("3", 1_000)), "the ledger knows no job `3`");
        assert_eq!(count(ledger, 1_000), 2, "{}", place.name);
        ledger.verify().unwrap();
    });
}

#[test]
fn approvals_are_held_to_their_request() {
    each(|place| {
        let ledger = &*place.open();
        let request = |expires_ms| {
            let new = NewRequest { digest: &[1; 32], requested_by: "a", expires_ms, text: "sixty customers" };
            ledger.request_approval(&new, 1_000).unwrap()
        };
        let answer = |request, by, approve| {
            ledger.answer_request(request, &NewAnswer { by, capacity: "supervisor", approve }, 2_000)
        };
        let consume = |request, digest: [u8; 32], now_ms| {
            ledger.transact(On::Subjects(&agent()), now_ms, &mut |transaction| {
                transaction.consume_approvals(request, &digest, "job")?;
                Ok(End::Commit)
            })
        };
        let (late, no, good) = (request(1_500), request(9_000), request(9_000));
        assert_eq!(answer(late, "b", true), Err(ApprovalError::Expired { request: late, expires_ms: 1_500 }.into()));
        answer(no, "b", false).unwrap();
        assert_eq!(said(answer(no, "c", true)), format!("request {no} was denied by `b`"));
        assert_eq!(said(consume(no, [1; 32], 3_000)), format!("request {no} was denied by `b`"));
        answer(good, "b", true).unwrap();
        assert_eq!(said(answer(good, "b", true)), format!("`b` has answered request {good} before"));
        assert_eq!(
            said(consume(good, [2; 32], 3_000)),
            format!("request {good} is about something else than what is asked")
        );
        assert_eq!(said(consume(good, [1; 32], 9_000)), format!("request {good} expired at 9000 (ms since 1970)"));
        assert_eq!(said(consume(99, [1; 32], 3_000)), "the ledger knows no request 99");
        assert_eq!(ledger.requests().unwrap().len(), 3, "{}", place.name);
        assert_eq!(ledger.request(good).unwrap().answers.len(), 1);
    });
}

#[test]
fn a_job_finds_the_approvals_that_it_used_until_its_permit_is_used() {
    each(|place| {
        let ledger = &*place.open();
        declare(ledger);
        let new = NewRequest { digest: &[1; 32], requested_by: "a", expires_ms: 5_000, text: "two customers" };
        let request = ledger.request_approval(&new, 1_000).unwrap();
        let yes = NewAnswer { by: "b", capacity: "supervisor", approve: true };
        ledger.answer_request(request, &yes, 2_000).unwrap();
        let found = |job: &str, now_ms| {
            let mut found = 0;
            let run = ledger.transact(On::Subjects(&agent()), now_ms, &mut |transaction| {
                found = transaction.approvals(&[1; 32], job)?.len();
                Ok(End::Discard)
            });
            run.unwrap();
            found
        };
        assert_eq!((found("1", 3_000), found("2", 3_000), found("1", 5_000)), (1, 1, 0));
        reserve(ledger, "1", 0, &["x"], 3_000).unwrap();
        let consume = ledger.transact(On::Subjects(&agent()), 3_000, &mut |transaction| {
            transaction.consume_approvals(request, &[1; 32], "1")?;
            Ok(End::Commit)
        });
        consume.unwrap();
        // It was in time when it was used.
        assert_eq!((found("1", 3_000), found("2", 3_000), found("1", 6_000)), (1, 0, 1), "{}", place.name);
        assert_eq!(found("1", 3_000 + HOUR), 0, "the permit has expired");
        ledger.use_permit("1", 7_000).unwrap();
        assert_eq!(found("1", 7_000), 0);
        // Nor does a job of that id find them once the first is forgotten.
        ledger.commit("1", Left::All, 7_000).unwrap();
        let late = 3 * 24 * HOUR;
        reserve(ledger, "other", 0, &["y"], late).unwrap();
        while ledger.sweep(late).unwrap() {}
        assert_eq!(ledger.job("1").unwrap(), None);
        assert_eq!(found("1", late), 0);
        let again = ledger.transact(On::Subjects(&agent()), late, &mut |transaction| {
            transaction.consume_approvals(request, &[1; 32], "1")?;
            Ok(End::Commit)
        });
        assert_eq!(said(again), format!("request {request} expired at 5000 (ms since 1970)"), "{}", place.name);
    });
}

#[test]
fn what_is_too_much_is_refused_whole() {
    each(|place| {
        let ledger = &*place.open();
        declare(ledger);
        let subjects: Vec<Subject> = (0..65).map(|n| Subject::new(SubjectKind::Team, n.to_string())).collect();
        let nothing = ledger.transact(On::Subjects(&subjects), 0, &mut |_| Ok(End::Commit));
        assert_eq!(said(nothing), "subjects of a transaction: found 65, at most 64");
        let customers = ledger.customers(["x"]);
        let long = vec![0; RECORD_BYTES_MAX + 1];
        let result = ledger.transact(On::Subjects(&agent()), 1_000, &mut |transaction| {
            let (digest, expires_ms) = (&[0; 32], HOUR);
            transaction.reserve(&Reservation { job: "1", digest, agent: "a", customers: &customers, expires_ms })?;
            transaction.append_record(&long)?;
            Ok(End::Commit)
        });
        assert_eq!(said(result), "bytes of a record: found 65536, at most 65535");
        // The reservation before it went with it.
        assert_eq!((count(ledger, 1_000), ledger.job("1").unwrap()), (0, None), "{}", place.name);
        let id = "j".repeat(513);
        assert_eq!(said(reserve(ledger, &id, 0, &["x"], 1_000)), "bytes of a job's id: found 513, at most 512");
    });
}

#[test]
fn a_transaction_counts_only_what_it_was_opened_for() {
    each(|place| {
        let ledger = &*place.open();
        declare(ledger);
        reserve(ledger, "1", 0, &["x"], 1_000).unwrap();
        let other = Subject::new(SubjectKind::Agent, "other");
        let read = WindowRead { subject: &other, counted: Counted::Customers, length_ms: HOUR };
        let none = ledger.customers([]);
        let on = agent();
        let run = |step: &mut dyn FnMut(&mut dyn exportgate_ledger::Transaction) -> Result<End, LedgerError>| {
            said(ledger.transact(On::Subjects(&on), 1_000, step))
        };
        let message = "the transaction wasn't opened for agent `other`";
        assert_eq!(run(&mut |transaction| transaction.count_after(&[read], &none).map(|_| End::Commit)), message);
        assert_eq!(run(&mut |transaction| transaction.record_denial(&other).map(|()| End::Commit)), message);
        let undeclared = WindowRead { subject: &on[0], counted: Counted::Denials, length_ms: HOUR };
        let message = "a window was read that wasn't declared: denials of an agent within 3600000 ms";
        assert_eq!(run(&mut |transaction| transaction.count_after(&[undeclared], &none).map(|_| End::Commit)), message);
        let result = ledger.transact(On::Subjects(std::slice::from_ref(&other)), 1_000, &mut |transaction| {
            transaction.cancel("1")?;
            Ok(End::Commit)
        });
        assert_eq!(result, Err(JobError::NotOpened { job: "1".into() }.into()), "{}", place.name);
        assert_eq!(count(ledger, 1_000), 1);
    });
}

#[test]
fn a_panic_in_a_transaction_writes_nothing_and_harms_nobody() {
    each(|place| {
        let ledger = &*place.open();
        declare(ledger);
        let customers = ledger.customers(["x"]);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            ledger.transact(On::Subjects(&agent()), 1_000, &mut |transaction| {
                let (digest, expires_ms) = (&[0; 32], HOUR);
                transaction.reserve(&Reservation {
                    job: "1",
                    digest,
                    agent: "a",
                    customers: &customers,
                    expires_ms,
                })?;
                panic!("a policy engine that panics");
            })
        }));
        assert!(panicked.is_err());
        assert_eq!(count(ledger, 1_000), 0, "{}", place.name);
        reserve(ledger, "1", 0, &["x"], 1_000).unwrap();
        assert_eq!(count(ledger, 1_000), 1);
        ledger.verify().unwrap();
    });
}

#[test]
fn another_key_is_refused() {
    each(|place| {
        declare(&*place.open());
        let other = CustomerKey::new(&[8; 32]).unwrap();
        let message = "the ledger's customers were hashed under another key";
        assert_eq!(said(place.open_with(other)), message, "{}", place.name);
    });
    assert_eq!(said(CustomerKey::new(&[7; 31])), "the customer key has 31 bytes, at least 32 are needed");
}

#[test]
fn a_rotated_key_counts_too_much_and_never_too_few() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let open = || SqliteLedger::open(&path, key(), SqliteOptions::default()).unwrap();
    let (ledger, other) = (open(), open());
    declare(&ledger);
    reserve(&ledger, "1", 0, &["x"], 1_000).unwrap();
    let ledger = ledger.rotate_key(CustomerKey::new(&[8; 32]).unwrap()).unwrap();
    assert_eq!(count(&ledger, 1_000), 1);
    reserve(&ledger, "2", 0, &["x"], 2_000).unwrap();
    assert_eq!(count(&ledger, 2_000), 2);
    assert_eq!(count(&ledger, 1_000 + HOUR), 1);
    // Who still has the old key is refused, and can't count beside the others.
    let refused = reserve(&other, "3", 0, &["x"], 2_000);
    assert_eq!(said(refused), "the ledger's customers were hashed under another key");
    let ledger: &dyn Ledger = &ledger;
    ledger.commit("1", Left::All, 2_000).unwrap();
    ledger.verify().unwrap();
}

#[test]
fn files_that_are_damaged_or_not_ledgers_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let open = |name: &str| SqliteLedger::open(path(name), key(), SqliteOptions::default());
    let missing = SqliteLedger::open_existing(path("missing.db"), key(), SqliteOptions::default());
    assert!(said(missing).starts_with("there is no ledger in `"), "{:?}", path("missing.db").exists());
    std::fs::write(path("empty.db"), "").unwrap();
    let empty = SqliteLedger::open_existing(path("empty.db"), key(), SqliteOptions::default());
    assert!(said(empty).starts_with("there is no ledger in `"));

    let foreign = rusqlite::Connection::open(path("foreign.db")).unwrap();
    foreign.execute_batch("CREATE TABLE customers (id TEXT)").unwrap();
    assert!(said(open("foreign.db")).ends_with("isn't a ledger: a SQLite database with other tables"));

    drop(open("newer.db").unwrap());
    rusqlite::Connection::open(path("newer.db")).unwrap().pragma_update(None, "user_version", 9).unwrap();
    assert_eq!(said(open("newer.db")), "the ledger is of version 9, this program knows versions up to 2");

    let ledger = open("first.db").unwrap();
    declare(&ledger);
    reserve(&ledger, "1", 0, &["x"], 1_000).unwrap();
    drop(ledger);
    let first = rusqlite::Connection::open(path("first.db")).unwrap();
    first.execute_batch("DROP TABLE dropped; PRAGMA user_version = 1").unwrap();
    let ledger = SqliteLedger::open_existing(path("first.db"), key(), SqliteOptions::default()).unwrap();
    assert_eq!(count(&ledger, 1_000), 1, "a ledger of version 1 keeps what it counted");
    Ledger::verify(&ledger).unwrap();
    assert_eq!(first.pragma_query_value(None, "user_version", |row| row.get(0)), Ok(2));

    let ledger = open("damaged.db").unwrap();
    declare(&ledger);
    let ids: Vec<String> = (0..500).map(|id| id.to_string()).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    reserve(&ledger, "1", 0, &ids, 1_000).unwrap();
    drop(ledger);
    let mut bytes = std::fs::read(path("damaged.db")).unwrap();
    let end = bytes.len();
    // All but the first page, which tells what the file is.
    bytes[4_096..end].fill(0x5a);
    std::fs::write(path("damaged.db"), bytes).unwrap();
    let found = open("damaged.db").and_then(|ledger| Ledger::verify(&ledger).map(|_| ()));
    assert!(said(found).starts_with("the ledger's store is damaged: "));

    // A count that nobody changed by the ledger's rules.
    let ledger = open("edited.db").unwrap();
    declare(&ledger);
    reserve(&ledger, "1", 0, &["x"], 1_000).unwrap();
    let edited = rusqlite::Connection::open(path("edited.db")).unwrap();
    edited.execute("DELETE FROM granted", []).unwrap();
    assert_eq!(said(Ledger::verify(&ledger)), "the ledger's store is damaged: a customer of a job has no grant");
}

#[cfg(feature = "postgres")]
#[test]
fn schemas_that_are_damaged_or_not_ledgers_are_refused() {
    use exportgate_ledger::{PostgresClock, PostgresLedger, PostgresOptions, StoreError};

    let url = super::server::Server::shared().url();
    let options = |schema: &str| PostgresOptions {
        schema: schema.to_owned(),
        clock: PostgresClock::Caller,
        ..PostgresOptions::default()
    };
    let open = |schema: &str| PostgresLedger::open(&url, key(), options(schema));
    let existing = |schema: &str| PostgresLedger::open_existing(&url, key(), options(schema));
    let mut server = postgres::Client::connect(&url, postgres::NoTls).unwrap();
    let mut run = |sql: &str| server.batch_execute(sql).unwrap();
    let there = |schema: &str| {
        let mut server = postgres::Client::connect(&url, postgres::NoTls).unwrap();
        let row = server.query_one("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", &[&schema]);
        row.unwrap().get::<_, bool>(0)
    };

    // Another database than the one meant: nothing begins anew, and nothing is made.
    let message = "there is no ledger in `schema nowhere of the PostgreSQL database postgres`";
    assert_eq!(said(existing("nowhere")), message);
    assert!(!there("nowhere"));
    run("CREATE SCHEMA bare");
    assert!(said(existing("bare")).starts_with("there is no ledger in `schema bare of"));
    drop(open("bare").unwrap());
    drop(existing("bare").unwrap());

    run("CREATE SCHEMA others; CREATE TABLE others.customers (id TEXT)");
    for foreign in [open("others"), existing("others")] {
        let message = "`schema others of the PostgreSQL database postgres` isn't a ledger: a schema with other tables";
        assert_eq!(said(foreign), message);
    }

    let ledger = open("first").unwrap();
    declare(&ledger);
    reserve(&ledger, "1", 0, &["x"], 1_000).unwrap();
    run("DROP TABLE first.dropped; UPDATE first.ledger_version SET version = 1");
    let ledger = existing("first").unwrap();
    assert_eq!(count(&ledger, 1_000), 1, "a ledger of version 1 keeps what it counted");
    Ledger::verify(&ledger).unwrap();

    drop(open("newer").unwrap());
    run("UPDATE newer.ledger_version SET version = 9");
    assert_eq!(said(open("newer")), "the ledger is of version 9, this program knows versions up to 2");
    run("UPDATE newer.ledger_version SET version = 0");
    assert!(said(open("newer")).ends_with("isn't a ledger: a ledger of version 0"));
    run("DELETE FROM newer.ledger_version");
    assert_eq!(said(open("newer")), "the ledger's store is damaged: the row of its version is missing");

    let other = PostgresLedger::open_existing(&url, CustomerKey::new(&[8; 32]).unwrap(), options("bare"));
    assert_eq!(said(other), "the ledger's customers were hashed under another key");

    // Tables that went, rows that went, counts that nobody changed by the ledger's rules.
    let edited = |schema: &str, sql: &str| {
        let ledger = open(schema).unwrap();
        declare(&ledger);
        reserve(&ledger, "1", 0, &["x"], 1_000).unwrap();
        let mut server = postgres::Client::connect(&url, postgres::NoTls).unwrap();
        server.batch_execute(&format!("SET search_path = {schema}; {sql}")).unwrap();
        said(Ledger::verify(&ledger))
    };
    let damaged = "the ledger's store is damaged: ";
    assert_eq!(edited("no_grant", "DELETE FROM granted"), format!("{damaged}a customer of a job has no grant"));
    assert!(edited("counted", "UPDATE moment SET count = 2").starts_with(damaged));
    assert_eq!(edited("stateless", "DELETE FROM state"), format!("{damaged}the row of its state is missing"));
    assert!(edited("tableless", "DROP TABLE moment").starts_with(damaged));
    let error = existing("stateless").map(|_| ()).unwrap_err();
    assert!(matches!(error, LedgerError::Store(StoreError::Corrupt { .. })), "{error}");
    assert!(!format!("{error}").contains('\n'));
}
