//! A gate on a PostgreSQL ledger: races over one store, and the life of a job.

use std::sync::Arc;

use exportgate::ledger::{CustomerKey, JobError, JobState, Ledger, LedgerError, PostgresLedger, PostgresOptions};
use exportgate::{Cause, Gate, GateConfig, Left, PermitError, SystemClock};

use crate::job::job_of;
use crate::server::Server;
use crate::{determining, gate, limited, race, usage};

fn open(schema: &str, connections_max: usize) -> Arc<dyn Ledger> {
    let options = PostgresOptions { schema: schema.to_owned(), connections_max, ..PostgresOptions::default() };
    Arc::new(PostgresLedger::open(&Server::shared().url(), CustomerKey::new(&[7; 32]).unwrap(), options).unwrap())
}

#[test]
fn sixteen_threads_of_one_gate_pass_no_limit() {
    for window in ["customers24h", "vendor24h"] {
        race(window, &[open(&format!("threads_{window}"), 16)]);
    }
}

#[test]
fn sixteen_gates_with_a_connection_each_pass_no_limit() {
    for window in ["customers24h", "team24h", "vendor24h", "destination24h"] {
        let clients: Vec<_> = (0..16).map(|_| open(&format!("gates_{window}"), 1)).collect();
        race(window, &clients);
    }
}

fn desk(schema: &str) -> (Gate, Arc<dyn Ledger>) {
    let ledger = open(schema, 4);
    (gate(&[&limited(3)], GateConfig::dry_run(), ledger.clone(), Arc::new(SystemClock)), ledger)
}

#[test]
fn a_job_lives_as_it_does_in_a_file() {
    let (desk, ledger) = desk("life");
    let answer = desk.ask(&job_of("job-1", "ana", &["a", "b"], &["card"]));
    assert_eq!(usage(&answer.decision, "customers24h"), 2);
    let permit = answer.permit.unwrap();
    // Asked again it is counted once, and the permit is the same.
    assert_eq!(desk.ask(&job_of("job-1", "ana", &["b", "a"], &["card"])).permit, Some(permit.clone()));
    let error = desk.ask(&job_of("job-1", "ana", &["c"], &["card"])).decision;
    assert!(matches!(error.cause(), Some(Cause::Ledger(LedgerError::Job(JobError::Reused { .. })))), "{error:?}");
    assert_eq!(determining(&desk.ask(&job_of("job-2", "ana", &["c", "d"], &["card"])).decision), ["day"]);
    desk.use_permit(&permit).unwrap();
    let again = desk.use_permit(&permit).unwrap_err();
    assert!(matches!(again, PermitError::Ledger(LedgerError::Job(JobError::Used { .. }))), "{again}");
    for _ in 0..2 {
        desk.commit("job-1", Left::Only(&["a".into()])).unwrap();
    }
    let later = desk.ask(&job_of("job-2", "ana", &["c", "d"], &["card"]));
    assert_eq!(usage(&later.decision, "customers24h"), 3);
    ledger.revoke("ana", "left", 0).unwrap();
    let revoked = desk.use_permit(&later.permit.unwrap()).unwrap_err();
    assert!(matches!(revoked, PermitError::Ledger(LedgerError::Job(JobError::Revoked { .. }))), "{revoked}");
    let denied = desk.ask(&job_of("job-3", "ana", &["a"], &["card"])).decision;
    assert!(matches!(denied.cause(), Some(Cause::Revoked { .. })));
    for _ in 0..2 {
        desk.cancel("job-2").unwrap();
    }
    assert_eq!(ledger.job("job-2").unwrap().unwrap().state, JobState::Cancelled);
    ledger.verify().unwrap();
    // Another gate, opened later, counts what this one let out.
    let (other, _) = self::desk("life");
    ledger.reinstate("ana", 0).unwrap();
    assert_eq!(usage(&other.ask(&job_of("job-4", "ana", &["z"], &["card"])).decision, "customers24h"), 2);
}

#[test]
fn a_server_that_was_killed_denies_and_is_found_again() {
    let server = Server::start();
    let key = CustomerKey::new(&[7; 32]).unwrap();
    let ledger: Arc<dyn Ledger> =
        Arc::new(PostgresLedger::open(&server.url(), key, PostgresOptions::default()).unwrap());
    let desk = gate(&[&limited(3)], GateConfig::dry_run(), ledger.clone(), Arc::new(SystemClock));
    let permit = desk.ask(&job_of("job-1", "ana", &["a"], &["card"])).permit.unwrap();
    server.kill();
    let answer = desk.ask(&job_of("job-2", "ana", &["b"], &["card"]));
    assert!(matches!(answer.decision.cause(), Some(Cause::Ledger(LedgerError::Store(_)))), "{:?}", answer.decision);
    assert!(answer.permit.is_none());
    assert!(desk.use_permit(&permit).is_err(), "a permit that can't be looked up releases nothing");
    server.run();
    desk.use_permit(&permit).unwrap();
    let after = desk.ask(&job_of("job-2", "ana", &["b"], &["card"]));
    assert_eq!(usage(&after.decision, "customers24h"), 2);
    ledger.verify().unwrap();
}
