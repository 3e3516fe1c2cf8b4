//! What each call does, and what it refuses.

use exportgate_ledger::{
    ApprovalError, Counted, CustomerKey, End, JobError, JobState, Ledger, LedgerError, Left, NewAnswer, NewRequest, On,
    Reservation, SqliteLedger, SqliteOptions, StoreError, Subject, SubjectKind, Unseen, Window, WindowError,
    WindowRead,
};

use super::stores::{each, key};

const HOUR: i64 = 3_600_000;

fn window(kind: SubjectKind, length_ms: i64) -> Window {
    Window { kind, counted: Counted::Customers, length_ms }
}

fn agent(id: &str) -> Subject {
    Subject::new(SubjectKind::Agent, id)
}

/// Reserves for the agent, whatever the count.
fn reserve(ledger: &dyn Ledger, job: &str, who: &str, ids: &[&str], now_ms: i64) -> Result<(), LedgerError> {
    let customers = ledger.customers(ids.iter().copied());
    ledger.transact(On::Subjects(&[agent(who)]), now_ms, &mut |transaction| {
        let expires_ms = now_ms + 60_000;
        transaction.reserve(&Reservation { job, digest: &[1; 32], agent: who, customers: &customers, expires_ms })?;
        Ok(End::Commit)
    })
}

fn count(ledger: &dyn Ledger, who: &str, length_ms: i64, now_ms: i64) -> u64 {
    let subject = agent(who);
    let read = WindowRead { subject: &subject, counted: Counted::Customers, length_ms };
    ledger.count_after(&[read], &ledger.customers([]), now_ms).unwrap()[0]
}

#[test]
fn distinct_customers_are_counted_once_and_leave_the_window() {
    each(|place| {
        let ledger = &*place.open();
        ledger.declare(&[window(SubjectKind::Agent, HOUR)], Unseen::Refuse, 0).unwrap();
        reserve(ledger, "1", "a", &["x", "y"], 1_000).unwrap();
        reserve(ledger, "2", "a", &["y", "z"], 2_000).unwrap();
        assert_eq!(count(ledger, "a", HOUR, 2_000), 3);
        assert_eq!(count(ledger, "a", HOUR, 1_000 + HOUR - 1), 3);
        assert_eq!(count(ledger, "a", HOUR, 1_000 + HOUR), 2);
        assert_eq!(count(ledger, "a", HOUR, 2_000 + HOUR), 0);
        // A clock that steps back doesn't bring the past back.
        reserve(ledger, "3", "a", &["w"], 2_000 + HOUR).unwrap();
        assert_eq!(count(ledger, "a", HOUR, 0), 1);
    });
}

#[test]
fn cancelling_restores_the_earlier_grant() {
    each(|place| {
        let ledger = &*place.open();
        ledger.declare(&[window(SubjectKind::Agent, HOUR)], Unseen::Refuse, 0).unwrap();
        reserve(ledger, "1", "a", &["x"], 1_000).unwrap();
        reserve(ledger, "2", "a", &["x"], 5_000).unwrap();
        reserve(ledger, "3", "a", &["x"], 9_000).unwrap();
        ledger.cancel("2", 9_500).unwrap();
        ledger.cancel("3", 9_500).unwrap();
        assert_eq!(count(ledger, "a", HOUR, 999 + HOUR), 1);
        assert_eq!(count(ledger, "a", HOUR, 1_000 + HOUR), 0);
    });
}

#[test]
fn what_didnt_leave_is_given_back() {
    each(|place| {
        let ledger = &*place.open();
        ledger.declare(&[window(SubjectKind::Agent, HOUR)], Unseen::Refuse, 0).unwrap();
        reserve(ledger, "1", "a", &["x", "y", "z"], 1_000).unwrap();
        ledger.use_permit("1", 2_000).unwrap();
        let twice = JobError::Used { job: "1".into(), used_ms: 2_000 };
        assert_eq!(ledger.use_permit("1", 2_500), Err(twice.into()));
        let more = ledger.customers(["x", "q"]);
        let too_large = JobError::TooLarge { job: "1".into(), beyond: 1 };
        assert_eq!(ledger.commit("1", Left::Only(&more), 3_000), Err(too_large.into()));
        let left = ledger.customers(["x"]);
        ledger.commit("1", Left::Only(&left), 3_000).unwrap();
        ledger.commit("1", Left::Only(&left), 3_000).unwrap();
        let committed = LedgerError::from(JobError::Committed { job: "1".into(), committed: 1 });
        assert_eq!(ledger.commit("1", Left::All, 3_000), Err(committed.clone()));
        assert_eq!(ledger.cancel("1", 3_000), Err(committed));
        assert_eq!(count(ledger, "a", HOUR, 3_000), 1);
        let job = ledger.job("1").unwrap().unwrap();
        assert_eq!((job.state, job.reserved, job.counted), (JobState::Committed, 3, 1));
    });
}

#[test]
fn a_revoked_agent_cant_use_its_permit() {
    each(|place| {
        let ledger = &*place.open();
        reserve(ledger, "1", "a", &["x"], 1_000).unwrap();
        ledger.revoke("a", "left the company", 2_000).unwrap();
        let revoked = JobError::Revoked { agent: "a".into(), since_ms: 2_000 };
        assert_eq!(ledger.use_permit("1", 3_000), Err(revoked.into()));
        assert!(ledger.reinstate("a", 2_000).unwrap());
        let expired = JobError::Expired { job: "1".into(), expires_ms: 61_000 };
        assert_eq!(ledger.use_permit("1", 61_000), Err(expired.into()));
        assert_eq!(ledger.use_permit("2", 3_000), Err(JobError::Unknown { job: "2".into() }.into()));
    });
}

#[test]
fn an_approval_is_used_once() {
    each(|place| {
        let ledger = &*place.open();
        let new = NewRequest { digest: &[3; 32], requested_by: "a", expires_ms: 10_000, text: "{}" };
        let request = ledger.request_approval(&new, 1_000).unwrap();
        let answer = NewAnswer { by: "b", capacity: "supervisor", approve: true };
        ledger.answer_request(request, &answer, 2_000).unwrap();
        let answered = ApprovalError::Answered { request, by: "b".into() };
        assert_eq!(ledger.answer_request(request, &answer, 2_000), Err(answered.into()));
        let consume = |digest: [u8; 32], job: &str| {
            ledger.transact(On::Subjects(&[agent("a")]), 3_000, &mut |transaction| {
                transaction.consume_approvals(request, &digest, job)?;
                Ok(End::Commit)
            })
        };
        assert_eq!(consume([4; 32], "1"), Err(ApprovalError::Other { request }.into()));
        consume([3; 32], "1").unwrap();
        assert_eq!(consume([3; 32], "2"), Err(ApprovalError::Consumed { request, job: "1".into() }.into()));
    });
}

#[test]
fn stores_that_arent_ours_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    drop(SqliteLedger::open(&path, key(), SqliteOptions::default()).unwrap());
    let other_key = CustomerKey::new(&[8; 32]).unwrap();
    let found = SqliteLedger::open(&path, other_key, SqliteOptions::default());
    assert_eq!(found.unwrap_err(), StoreError::WrongKey.into());
    let foreign = folder.path().join("foreign.db");
    std::fs::write(&foreign, "not a database, but long enough to be taken for one by somebody".repeat(100)).unwrap();
    let found = SqliteLedger::open(&foreign, key(), SqliteOptions::default());
    assert!(matches!(found, Err(LedgerError::Store(StoreError::Corrupt { .. }))), "{found:?}");
}

#[test]
fn a_window_that_was_never_counted_is_refused() {
    each(|place| {
        let ledger = &*place.open();
        ledger.declare(&[window(SubjectKind::Agent, HOUR)], Unseen::Refuse, 0).unwrap();
        reserve(ledger, "1", "a", &["x"], 1_000).unwrap();
        // Nothing was dropped yet, so a longer window of the same kind is exact.
        ledger.declare(&[window(SubjectKind::Agent, 24 * HOUR)], Unseen::Refuse, 1_000).unwrap();
        let team = window(SubjectKind::Team, HOUR);
        let unseen = WindowError::Unseen { window: team, exact_from_ms: 1_000 + HOUR };
        assert_eq!(ledger.declare(&[team], Unseen::Refuse, 1_000), Err(unseen.into()));
        ledger.declare(&[team], Unseen::CountFromNow, 1_000).unwrap();
        assert_eq!(ledger.declared().unwrap().len(), 3);
    });
}

#[test]
fn an_agent_revoked_before_anything_was_asked_keeps_no_window_from_being_exact() {
    each(|place| {
        let ledger = &*place.open();
        assert!(ledger.revoke("a", "left", 5_000).unwrap());
        assert!(!ledger.revoke("a", "left again", 5_000).unwrap());
        let window = Window { kind: SubjectKind::Agent, counted: Counted::Customers, length_ms: 1_000 };
        assert_eq!(ledger.declare(&[window], Unseen::Refuse, 5_000), Ok(()), "{}", place.name);
    });
}

#[test]
fn dropped_records_stay_counted_and_their_place_is_kept() {
    each(|place| {
        let ledger = &*place.open();
        let append = |records: u64| {
            let run = ledger.transact(On::Subjects(&[]), 1_000, &mut |transaction| {
                for _ in 0..records {
                    transaction.append_record(b"record")?;
                }
                Ok(End::Commit)
            });
            run.unwrap();
        };
        let drop_before = |before: u64, kept: &[u8]| {
            let mut dropped = 0;
            ledger
                .transact(On::Subjects(&[]), 1_000, &mut |transaction| {
                    dropped = transaction.drop_records(before, kept)?;
                    Ok(End::Commit)
                })
                .map(|()| dropped)
        };
        append(5);
        assert_eq!(ledger.dropped_records().unwrap(), None);
        assert_eq!(drop_before(3, b"three").unwrap(), 3);
        assert_eq!(drop_before(4, b"four").unwrap(), 1);
        let beyond = drop_before(5, b"all").unwrap_err().to_string();
        assert_eq!(beyond, "records to drop: found 5, at most 4", "{}", place.name);
        let dropped = ledger.dropped_records().unwrap().unwrap();
        assert_eq!((dropped.before, dropped.kept.as_slice()), (4, b"four".as_slice()));
        append(2);
        let left: Vec<u64> = ledger.records(0, 10).unwrap().into_iter().map(|(index, _)| index).collect();
        assert_eq!((left, ledger.records_end().unwrap()), (vec![4, 5, 6], 7), "{}", place.name);
        assert_eq!(ledger.verify().unwrap().records, 3);
    });
}
