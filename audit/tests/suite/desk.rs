//! A log as a support desk would write it, made from a seed: decisions, customers, commits, a little of everything else.

use std::collections::BTreeMap;

use exportgate_audit::entry::{
    Alert, Cancel, Commit, Decision, Field, Form, Module, NewCustomerKey, PolicyUse, RowsSum, Uid, Verdict, split,
};
use exportgate_audit::{
    Checkpoint, CustomerHash, CustomerKey, Entry, Event, KeyRole, MemoryRecords, Prefix, PrivateKey, Records,
    next_checkpoint,
};

pub const ORIGIN: &str = "log.example/desk";

/// A log being written.
pub struct Desk {
    pub origin: &'static str,
    pub key: PrivateKey,
    pub customers: CustomerKey,
    pub records: MemoryRecords,
    pub time_ms: i64,
    pub jobs: u64,
}

/// What an agent takes in one job.
pub struct Taking<'a> {
    pub agent: &'a str,
    pub team: &'a str,
    pub destination: &'a str,
    pub customers: &'a [String],
    pub verdict: Verdict,
}

impl Desk {
    pub fn new(origin: &'static str, seed: u8) -> Self {
        let key = PrivateKey::from_seed(origin, KeyRole::Log, &[seed; 32]).unwrap();
        let customers = CustomerKey::new(1, &[seed.wrapping_add(100); 32]);
        let mut desk =
            Self { origin, key, customers, records: MemoryRecords::new(), time_ms: 1_700_000_000_000, jobs: 0 };
        desk.start_epoch(desk.customers.clone());
        desk
    }

    pub fn start_epoch(&mut self, key: CustomerKey) {
        self.append(Event::CustomerKey(NewCustomerKey { epoch: key.epoch(), check: key.check() }));
        self.customers = key;
    }

    pub fn append(&mut self, event: Event) -> u64 {
        let index = self.records.size().unwrap();
        let log = exportgate_audit::entry::LogId::of(self.origin);
        let entry = Entry { log, index, time_ms: self.time_ms, event };
        self.records.push(entry.to_bytes().unwrap())
    }

    /// Decides about a job: two fields, the first plain, the second in part.
    pub fn decide(&mut self, taking: &Taking<'_>) -> String {
        self.jobs += 1;
        self.time_ms += 60_000;
        let job = format!("job-{}", self.jobs);
        let hashes: Vec<CustomerHash> = taking.customers.iter().map(|id| self.customers.hash(id)).collect();
        let groups = match taking.verdict {
            Verdict::Allow => BTreeMap::from([(vec![Form::Plain, Form::Partial], hashes)]),
            Verdict::Deny | Verdict::Challenge => BTreeMap::new(),
        };
        let (rows, parts) = split(&job, self.customers.epoch(), 2, groups).unwrap();
        let decision = Decision {
            job: job.clone(),
            expires_ms: self.time_ms + 600_000,
            agent: Uid::new("Export::Agent", taking.agent),
            groups: vec![Uid::new("Export::Team", taking.team)],
            context: [
                ("destination", taking.destination),
                ("purpose", "ticket"),
                ("ticket", &format!("t-{}", self.jobs)),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
            verdict: taking.verdict,
            cause: String::new(),
            alert: if taking.verdict == Verdict::Deny { Alert::High } else { Alert::None },
            modules: vec![Module { name: "support-desk".into(), version: "1.0.0".into(), sha256: [1; 32] }],
            determining: vec![PolicyUse {
                module: 0,
                id: "support-own-ticket".into(),
                permits: taking.verdict == Verdict::Allow,
                asked: "export".into(),
                points: 1,
            }],
            erring: Vec::new(),
            obligations: Vec::new(),
            remedies: Vec::new(),
            usage: Vec::new(),
            tallies: Vec::new(),
            fields: [("customer.email", "contact"), ("customer.phone", "contact")]
                .map(|(name, class)| Field { name: name.into(), class: class.into() })
                .to_vec(),
            customers_asked: u64::try_from(taking.customers.len()).unwrap(),
            rows,
        };
        self.append(Event::Decision(Box::new(decision)));
        for part in parts {
            self.append(Event::Rows(part));
        }
        job
    }

    /// Allows a job of these customers, and commits it.
    pub fn take(&mut self, agent: &str, team: &str, destination: &str, customers: &[String]) -> String {
        let job = self.decide(&Taking { agent, team, destination, customers, verdict: Verdict::Allow });
        self.commit(&job, None);
        job
    }

    /// Commits a job: all of it, or only these customers.
    pub fn commit(&mut self, job: &str, only: Option<&[String]>) {
        let (rows, parts): (Option<RowsSum>, _) = match only {
            None => (None, Vec::new()),
            Some(only) => {
                let hashes = only.iter().map(|id| self.customers.hash(id)).collect();
                let (sum, parts) =
                    split(job, self.customers.epoch(), 0, BTreeMap::from([(Vec::new(), hashes)])).unwrap();
                (Some(sum), parts)
            }
        };
        let commit = Commit { job: job.to_owned(), rows, obligations: Vec::new(), output_sha256: [0; 32] };
        self.append(Event::Commit(commit));
        for part in parts {
            self.append(Event::Rows(part));
        }
    }

    pub fn cancel(&mut self, job: &str) {
        self.append(Event::Cancel(Cancel { job: job.to_owned(), reason: "failed".into() }));
    }

    /// A checkpoint of all there is.
    pub fn checkpoint(&self) -> String {
        let (checkpoint, _) = next_checkpoint(&self.records, self.origin, &Prefix::none(self.origin), None).unwrap();
        checkpoint.sign(&self.key).unwrap().to_string()
    }

    /// The checkpoint of the first `size` entries.
    pub fn checkpoint_at(&self, size: u64) -> String {
        let frontier = exportgate_audit::measure(&self.records, &Prefix::none(self.origin), size).unwrap();
        let checkpoint = Checkpoint { origin: self.origin.to_owned(), size, root: frontier.root() };
        checkpoint.sign(&self.key).unwrap().to_string()
    }
}

/// Customers by number.
pub fn customers(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    numbers.into_iter().map(|number| format!("customer-{number}")).collect()
}

/// All records of a log, as bytes.
pub fn bytes(records: &dyn Records) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    records
        .read(0, u64::MAX, &mut |_, record| {
            all.push(record.to_vec());
            true
        })
        .unwrap();
    all
}
