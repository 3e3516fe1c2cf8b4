//! Random sequences of calls, compared with a model as plain as it can be: a list of grants.

use std::collections::{BTreeMap, BTreeSet};

use exportgate_ledger::{
    Counted, Customers, End, JobError, Ledger, LedgerError, Left, On, Reservation, Reserved, Subject, SubjectKind,
    Unseen, Window, WindowRead,
};
use fastrand::Rng;

use super::stores::{Place, each};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Lengths of windows; the longest is beyond a day, so that the ledger drops what lies behind it.
const LENGTHS: [i64; 4] = [10 * MINUTE, HOUR, DAY, 2 * DAY];
const KINDS: [SubjectKind; 4] = [SubjectKind::Agent, SubjectKind::Team, SubjectKind::Vendor, SubjectKind::Destination];

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Reserved,
    Committed,
    Cancelled,
}

struct ModelJob {
    subjects: Vec<Subject>,
    at_ms: i64,
    customers: BTreeSet<usize>,
    state: State,
    content: u8,
    used: bool,
    expires_ms: i64,
    agent: String,
}

/// What a ledger must know, without any of its structure.
#[derive(Default)]
struct Model {
    now_ms: i64,
    jobs: BTreeMap<String, ModelJob>,
    denials: Vec<(Subject, i64)>,
    /// The person behind each customer id.
    person: BTreeMap<usize, usize>,
    revoked: BTreeMap<String, i64>,
    records: Vec<Vec<u8>>,
}

impl Model {
    fn person(&self, mut id: usize) -> usize {
        while let Some(other) = self.person.get(&id) {
            id = *other;
        }
        id
    }

    fn count(&self, subject: &Subject, counted: Counted, length_ms: i64, with: &BTreeSet<usize>) -> u64 {
        let after_ms = self.now_ms - length_ms;
        if counted == Counted::Denials {
            return self.denials.iter().filter(|(who, at_ms)| who == subject && *at_ms > after_ms).count() as u64;
        }
        let mut people: BTreeSet<usize> = with.iter().map(|id| self.person(*id)).collect();
        for job in self.jobs.values() {
            if job.state != State::Cancelled && job.at_ms > after_ms && job.subjects.contains(subject) {
                people.extend(job.customers.iter().map(|id| self.person(*id)));
            }
        }
        people.len() as u64
    }
}

struct Run<'p> {
    rng: Rng,
    ledger: std::sync::Arc<dyn Ledger>,
    place: &'p Place,
    model: Model,
    customers: usize,
    jobs: usize,
    seed: u64,
}

impl Run<'_> {
    fn subjects(&mut self) -> Vec<Subject> {
        let agent = self.rng.usize(..4);
        let mut subjects = vec![
            Subject::new(SubjectKind::Agent, format!("agent-{agent}")),
            Subject::new(SubjectKind::Team, format!("team-{}", agent % 2)),
            Subject::new(SubjectKind::Vendor, "vendor"),
        ];
        if self.rng.bool() {
            subjects.push(Subject::new(SubjectKind::Destination, format!("to-{}", self.rng.usize(..3))));
        }
        if self.rng.u8(..8) == 0 {
            subjects.push(Subject::new(SubjectKind::Team, "team-2"));
        }
        subjects
    }

    fn some_customers(&mut self) -> BTreeSet<usize> {
        let most = if self.rng.u8(..10) == 0 { 40 } else { 5 };
        (0..self.rng.usize(..most)).map(|_| self.rng.usize(..self.customers)).collect()
    }

    fn set(&self, ids: &BTreeSet<usize>) -> Customers {
        let ids: Vec<String> = ids.iter().map(|id| format!("customer-{id}")).collect();
        self.ledger.customers(ids.iter().map(String::as_str))
    }

    /// A clock that mostly goes on, and sometimes steps back; what the ledger takes it for.
    fn clock(&mut self) -> i64 {
        let step = match self.rng.u8(..20) {
            0 => DAY,
            1..4 => HOUR,
            4..8 => 10 * MINUTE,
            8..12 => 1,
            12 => -HOUR,
            _ => 0,
        };
        let clock_ms = self.model.now_ms + if step > 1 { self.rng.i64(0..step) } else { step };
        clock_ms.max(1)
    }

    fn ask(&mut self) {
        let subjects = self.subjects();
        let customers = self.some_customers();
        let clock_ms = self.clock();
        let now_ms = self.model.now_ms.max(clock_ms);
        let agent = subjects[0].id.clone();
        let again = self.rng.u8(..8) == 0 && self.jobs > 0;
        let id = if again { format!("job-{}", self.rng.usize(..self.jobs)) } else { format!("job-{}", self.jobs) };
        let content = if self.rng.u8(..8) == 0 { 1 } else { 0 };
        let limit = self.rng.u64(1..60);
        let length_ms = LENGTHS[self.rng.usize(..LENGTHS.len())];
        let set = self.set(&customers);
        let reads: Vec<WindowRead<'_>> = subjects
            .iter()
            .flat_map(|subject| LENGTHS.map(|length_ms| WindowRead { subject, counted: Counted::Customers, length_ms }))
            .chain(LENGTHS.map(|length_ms| WindowRead { subject: &subjects[0], counted: Counted::Denials, length_ms }))
            .collect();
        let expires_ms = now_ms + HOUR;
        let discard = self.rng.u8(..10) == 0;
        let record = self.rng.bool().then(|| id.clone().into_bytes());
        let (mut counts, mut reserved, mut granted) = (Vec::new(), None, false);
        let result = self.ledger.transact(On::Subjects(&subjects), clock_ms, &mut |transaction| {
            assert_eq!(transaction.now_ms(), now_ms, "the time of the transaction");
            counts = transaction.count_after(&reads, &set)?;
            let position = reads.iter().position(|read| read.length_ms == length_ms).unwrap();
            granted = counts[position] <= limit;
            if granted {
                let digest = &[content; 32];
                let job = Reservation { job: &id, digest, agent: &agent, customers: &set, expires_ms };
                reserved = Some(transaction.reserve(&job)?);
            } else {
                transaction.record_denial(&subjects[0])?;
            }
            if let Some(record) = &record {
                let next = transaction.next_record()?;
                assert_eq!(transaction.append_record(record)?, next);
            }
            Ok(if discard { End::Discard } else { End::Commit })
        });
        let before = self.model.now_ms;
        self.model.now_ms = now_ms;
        for (read, count) in reads.iter().zip(&counts) {
            let expected = self.model.count(read.subject, read.counted, read.length_ms, &customers);
            let shown = || format!("{}, seed {} at {now_ms}: {read:?}", self.place.name, self.seed);
            assert_eq!(*count, expected, "{}", shown());
        }
        let outside = self.ledger.count_after(&reads, &set, clock_ms);
        if result.is_err() || discard {
            self.model.now_ms = before;
        }
        if granted {
            // A job that no window can see may have been forgotten.
            let known =
                self.model.jobs.get(&id).filter(|job| job.at_ms > now_ms - 2 * DAY || reserved != Some(Reserved::Now));
            let expected = match known {
                None => Ok(Reserved::Now),
                Some(job) if job.content != content || job.agent != agent => {
                    Err(LedgerError::from(JobError::Reused { job: id.clone() }))
                }
                Some(job) if job.state == State::Reserved => Ok(Reserved::Before),
                Some(job) if job.state == State::Cancelled => Err(JobError::Cancelled { job: id.clone() }.into()),
                Some(job) => {
                    let people: BTreeSet<usize> = job.customers.iter().map(|id| self.model.person(*id)).collect();
                    assert!(people.len() <= job.customers.len());
                    match &result {
                        Err(LedgerError::Job(JobError::Committed { .. })) => return,
                        other => panic!("{}: a committed job was reserved again: {other:?}", self.place.name),
                    }
                }
            };
            assert_eq!(result.clone().map(|()| reserved.unwrap()), expected, "{}: job {id}", self.place.name);
        }
        if discard || result.is_err() {
            return;
        }
        if let Some(record) = record {
            self.model.records.push(record);
        }
        if reserved == Some(Reserved::Now) {
            let job = ModelJob {
                subjects,
                at_ms: now_ms,
                customers,
                state: State::Reserved,
                content,
                used: false,
                expires_ms,
                agent,
            };
            self.model.jobs.insert(id, job);
            self.jobs = self.model.jobs.len();
        } else if !granted {
            // The dry run saw the denial that was just recorded.
            self.model.denials.push((subjects[0].clone(), now_ms));
        }
        assert!(outside.is_ok(), "{}: {outside:?}", self.place.name);
    }

    fn answer(&mut self) {
        if self.jobs == 0 {
            return;
        }
        let id = format!("job-{}", self.rng.usize(..self.jobs));
        let clock_ms = self.clock();
        let now_ms = self.model.now_ms.max(clock_ms);
        let forgotten = self.ledger.job(&id).unwrap().is_none();
        let choice = self.rng.u8(..4);
        let part: BTreeSet<usize> = {
            let customers: Vec<usize> = self.model.jobs[&id].customers.iter().copied().collect();
            customers.into_iter().filter(|_| self.rng.bool()).collect()
        };
        let set = self.set(&part);
        let result = match choice {
            0 => self.ledger.cancel(&id, clock_ms),
            1 => self.ledger.commit(&id, Left::All, clock_ms),
            2 => self.ledger.commit(&id, Left::Only(&set), clock_ms),
            _ => self.ledger.use_permit(&id, clock_ms),
        };
        let people: BTreeSet<usize> = part.iter().map(|id| self.model.person(*id)).collect();
        let revoked = self.model.revoked.contains_key(&self.model.jobs[&id].agent);
        let model = &self.model;
        let job = &model.jobs[&id];
        if forgotten {
            assert!(job.at_ms <= model.now_ms - 2 * DAY, "{}: job {id} was forgotten early", self.place.name);
            assert_eq!(result, Err(JobError::Unknown { job: id }.into()));
            return;
        }
        let wanted = match (choice, job.state) {
            (0, State::Reserved | State::Cancelled) | (1 | 2, State::Reserved) => true,
            (3, State::Reserved) => !job.used && now_ms < job.expires_ms && !revoked,
            // Whether it is the same as what was committed: not modelled.
            (1 | 2, State::Committed) => result.is_ok(),
            _ => false,
        };
        assert_eq!(result.is_ok(), wanted, "{}: job {id}, choice {choice}: {result:?}", self.place.name);
        if result.is_err() {
            return;
        }
        let kept: BTreeSet<usize> =
            job.customers.iter().copied().filter(|id| people.contains(&model.person(*id))).collect();
        let changed = job.state == State::Reserved;
        self.model.now_ms = now_ms;
        let job = self.model.jobs.get_mut(&id).unwrap();
        match (choice, changed) {
            (0, true) => job.state = State::Cancelled,
            (1, true) => job.state = State::Committed,
            (2, true) => {
                job.state = State::Committed;
                job.customers = kept;
            }
            (3, true) => job.used = true,
            _ => {}
        }
    }

    fn merge(&mut self) {
        let (alias, canonical) = (self.rng.usize(..self.customers), self.rng.usize(..self.customers));
        let clock_ms = self.clock();
        self.ledger.merge(&format!("customer-{alias}"), &format!("customer-{canonical}"), clock_ms).unwrap();
        let (alias, canonical) = (self.model.person(alias), self.model.person(canonical));
        self.model.now_ms = self.model.now_ms.max(clock_ms);
        if alias != canonical {
            self.model.person.insert(alias, canonical);
        }
    }

    fn step(&mut self) {
        match self.rng.u8(..100) {
            0..55 => self.ask(),
            55..90 => self.answer(),
            90..92 => self.merge(),
            92..94 => {
                let agent = format!("agent-{}", self.rng.usize(..4));
                self.ledger.revoke(&agent, "", self.model.now_ms).unwrap();
                self.model.revoked.insert(agent, 0);
            }
            94..96 => {
                let agent = format!("agent-{}", self.rng.usize(..4));
                let was = self.model.revoked.remove(&agent).is_some();
                assert_eq!(self.ledger.reinstate(&agent, self.model.now_ms).unwrap(), was);
            }
            96 => {
                self.ledger.sweep(self.model.now_ms).unwrap();
            }
            97 => self.ledger = self.place.open(),
            _ => {
                let verified = self.ledger.verify().unwrap_or_else(|e| panic!("{}: {e}", self.place.name));
                assert_eq!(verified.records, self.model.records.len() as u64);
            }
        }
    }
}

fn compare(place: &Place, seed: u64, steps: usize) {
    let mut rng = Rng::with_seed(seed);
    let customers = rng.usize(5..60);
    let ledger = place.open();
    let windows: Vec<Window> = KINDS
        .iter()
        .flat_map(|kind| LENGTHS.map(|length_ms| Window { kind: *kind, counted: Counted::Customers, length_ms }))
        .chain(LENGTHS.map(|length_ms| Window { kind: SubjectKind::Agent, counted: Counted::Denials, length_ms }))
        .collect();
    ledger.declare(&windows, Unseen::Refuse, 0).unwrap();
    let model = Model { now_ms: i64::MIN / 2, ..Model::default() };
    let mut run = Run { rng, ledger, place, model, customers, jobs: 0, seed };
    run.model.now_ms = 1_000_000_000_000;
    // The first transaction sets the time: of the vendor, whom all others count for, since PostgreSQL keeps time by subject.
    let on = [Subject::new(SubjectKind::Agent, "agent-0"), Subject::new(SubjectKind::Vendor, "vendor")];
    let ledger = run.ledger.clone();
    ledger
        .transact(On::Subjects(&on), run.model.now_ms, &mut |transaction| {
            transaction.append_record(b"begin")?;
            Ok(End::Commit)
        })
        .unwrap();
    run.model.records.push(b"begin".to_vec());
    for _ in 0..steps {
        run.step();
    }
    run.ledger.verify().unwrap_or_else(|e| panic!("{}, seed {seed}: {e}", place.name));
    let records: Vec<Vec<u8>> = run.ledger.records(0, 10_000).unwrap().into_iter().map(|(_, record)| record).collect();
    assert_eq!(records, run.model.records, "{}, seed {seed}", place.name);
}

#[test]
fn any_sequence_of_calls_counts_as_a_plain_list_does() {
    let seeds = std::env::var("LEDGER_MODEL_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(4);
    for seed in 0..seeds {
        each(|place| compare(place, seed, 250));
    }
}
