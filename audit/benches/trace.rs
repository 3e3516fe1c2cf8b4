//! How long a trace over a year's log takes, and how much memory.
//!
//! `cargo bench -p exportgate-audit -- --records 10000000` asks a log of so many records (else 300,000), made from a seed while it
//! is read: 2,000 agents in 200 teams, five million customers, each decision of one customer followed by that customer. One
//! agent sold what they took; 50 of those customers complain. Run the printed binary under `/usr/bin/time -v` for its memory.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a bench may panic: that is how it fails")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use exportgate_audit::entry::{Alert, Count, Decision, Field, Form, LogId, Module, PolicyUse, Uid, Verdict, split};
use exportgate_audit::trace::{Leaked, TraceQuery};
use exportgate_audit::{CustomerKey, Entry, Event, Prefix, Records, RecordsError, trace};
use fastrand::Rng;

const ORIGIN: &str = "log.example/desk";
const AGENTS: u64 = 2_000;
const CUSTOMERS: u64 = 5_000_000;
const THIEF: u64 = 777;
const YEAR_MS: i64 = 365 * 86_400_000;
const START_MS: i64 = 1_700_000_000_000;

/// A log that is made as it is read: record `2n` is a decision, `2n + 1` its customer.
struct Made {
    records: u64,
    key: CustomerKey,
}

/// Which agent asks in decision `n`, and for which customer.
fn asked(n: u64) -> (u64, u64) {
    let mut rng = Rng::with_seed(n);
    (rng.u64(..AGENTS), rng.u64(..CUSTOMERS))
}

impl Made {
    fn decision(&self, n: u64) -> [Event; 2] {
        let (agent, customer) = asked(n);
        let job = format!("job-{n}");
        let hashes = vec![self.key.hash(&customer_id(customer))];
        let groups = BTreeMap::from([(vec![Form::Plain, Form::Partial], hashes)]);
        let (rows, mut parts) = split(&job, 1, 2, groups).unwrap();
        let fact = |name: &str, value: String| (name.to_owned(), value);
        let decision = Decision {
            expires_ms: self.time_ms(n) + 300_000,
            agent: Uid::new("Export::Agent", &format!("agent-{agent}")),
            groups: vec![Uid::new("Export::Team", &format!("team-{}", agent / 10))],
            context: vec![
                fact("destination", format!("crm-{}", agent % 7)),
                fact("purpose", "resolve_ticket".to_owned()),
                fact("ticket", format!("t-{n}")),
            ],
            verdict: Verdict::Allow,
            cause: String::new(),
            alert: Alert::None,
            modules: vec![Module { name: "support-desk".into(), version: "1.0.0".into(), sha256: [1; 32] }],
            determining: vec![PolicyUse {
                module: 0,
                id: "ticket-per-customer".into(),
                permits: true,
                asked: "export".into(),
                points: 1,
            }],
            erring: Vec::new(),
            obligations: vec!["watermark:agent,ticket".into()],
            remedies: Vec::new(),
            usage: vec![Count { name: "customers24h".into(), count: 12 }],
            tallies: Vec::new(),
            fields: [("customer.email", "contact"), ("customer.phone", "contact")]
                .map(|(name, class)| Field { name: name.into(), class: class.into() })
                .to_vec(),
            customers_asked: 1,
            job,
            rows,
        };
        [Event::Decision(Box::new(decision)), Event::Rows(parts.remove(0))]
    }

    /// The decisions are spread over a year.
    fn time_ms(&self, n: u64) -> i64 {
        START_MS + (YEAR_MS as f64 * n as f64 / (self.records as f64 / 2.0)) as i64
    }
}

fn customer_id(customer: u64) -> String {
    format!("customer-{customer}")
}

impl Records for Made {
    fn size(&self) -> Result<u64, RecordsError> {
        Ok(self.records)
    }

    fn read(&self, from: u64, to: u64, each: &mut dyn FnMut(u64, &[u8]) -> bool) -> Result<(), RecordsError> {
        let log = LogId::of(ORIGIN);
        for n in from / 2..to.min(self.records) / 2 {
            for (event, index) in self.decision(n).into_iter().zip(2 * n..) {
                let entry = Entry { log, index, time_ms: self.time_ms(n), event };
                if index >= from && !each(index, &entry.to_bytes().unwrap()) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// How long this thread was on a processor, to some milliseconds: other work on the machine doesn't prolong it.
fn on_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or_default())
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let after = |name: &str| arguments.iter().position(|found| found == name).and_then(|at| arguments.get(at + 1));
    let records = after("--records").map_or(300_000, |records| records.parse().expect("`--records` takes a number"));
    let log = Made { records, key: CustomerKey::new(1, &[7; 32]) };

    // What it takes to make the log, without asking anything of it.
    let begin = on_cpu();
    let mut bytes = 0_u64;
    log.read(0, u64::MAX, &mut |_, record| {
        bytes += record.len() as u64;
        true
    })
    .unwrap();
    let making = on_cpu().saturating_sub(begin);

    let of_the_thief = (0..records / 2).map(asked).filter(|(agent, _)| *agent == THIEF);
    let mut taken: Vec<u64> = of_the_thief.map(|(_, customer)| customer).collect();
    let mut rng = Rng::with_seed(50);
    rng.shuffle(&mut taken);
    let complaints: Vec<u64> = taken.into_iter().take(50).collect();
    let strangers: Vec<u64> = (0..50).map(|_| rng.u64(..CUSTOMERS)).collect();
    for (who, leaked) in [("of what one agent took", complaints), ("drawn from all customers", strangers)] {
        let leaked: Vec<Leaked> =
            leaked.into_iter().map(|customer| Leaked { customer: customer_id(customer), canary: false }).collect();
        let query = TraceQuery { leaked, since_ms: None, until_ms: None, population: None };
        let (begin, began) = (on_cpu(), Instant::now());
        let found = trace(&log, &Prefix::none(ORIGIN), &query, std::slice::from_ref(&log.key)).unwrap();
        let (took, elapsed) = (on_cpu().saturating_sub(begin), began.elapsed());
        let named: Vec<&str> = found.named.iter().map(|suspect| suspect.name.as_str()).collect();
        println!(
            "trace/{records} records, {} MB/50 complaints {who}: cpu {:.1?} beside {making:.1?} to make the log, \
             {elapsed:.1?} in all; named: {named:?}",
            bytes / 1_000_000,
            took.saturating_sub(making),
        );
    }
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load {}", load.split(' ').next().unwrap_or_default());
}
