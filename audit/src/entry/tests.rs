//! Entries come back from their bytes, and nothing else reads as one.

use std::collections::BTreeMap;

use super::*;

fn entry(event: Event) -> Entry {
    Entry { log: LogId::of("log.example/desk"), index: 7, time_ms: 1_700_000_000_123, event }
}

fn decision() -> Decision {
    Decision {
        job: "job-1".into(),
        expires_ms: 1_700_000_600_000,
        agent: Uid::new("Export::Agent", "ana"),
        groups: vec![Uid::new("Export::Team", "billing"), Uid::new("Export::Vendor", "acme")],
        context: vec![("destination".into(), "crm".into()), ("purpose".into(), "ticket".into())],
        verdict: Verdict::Allow,
        cause: String::new(),
        alert: Alert::High,
        modules: vec![Module { name: "support-desk".into(), version: "1.0.0".into(), sha256: [9; 32] }],
        determining: vec![PolicyUse {
            module: 0,
            id: "support-own-ticket".into(),
            permits: true,
            asked: "export".into(),
            points: 1,
        }],
        erring: Vec::new(),
        obligations: vec!["watermark:agent".into()],
        remedies: Vec::new(),
        usage: vec![Count { name: "customers24h".into(), count: 12 }],
        tallies: vec![Count { name: "canaries".into(), count: 0 }],
        fields: vec![
            Field { name: "customer.email".into(), class: "contact".into() },
            Field { name: "card".into(), class: "payment".into() },
        ],
        customers_asked: 2,
        rows: RowsSum { customers: 2, parts: 1, epoch: 1, sha256: [4; 32] },
    }
}

fn every_kind() -> Vec<Entry> {
    let rows = Rows {
        job: "job-1".into(),
        part: 0,
        fields: 5,
        runs: vec![
            Run { forms: vec![Form::Token; 5], customers: vec![CustomerHash([1; 16])] },
            Run {
                forms: vec![Form::Plain, Form::Plain, Form::Plain, Form::Partial, Form::Suppressed],
                customers: vec![CustomerHash([0; 16]), CustomerHash([2; 16])],
            },
        ],
    };
    [
        Event::Decision(Box::new(decision())),
        Event::Rows(rows),
        Event::Commit(Commit {
            job: "job-1".into(),
            rows: Some(RowsSum { customers: 1, parts: 1, epoch: 1, sha256: [5; 32] }),
            obligations: vec!["watermark".into()],
            output_sha256: [6; 32],
        }),
        Event::Cancel(Cancel { job: "job-1".into(), reason: "failed".into() }),
        Event::Approval(Approval {
            job: "job-1".into(),
            content: [3; 32],
            by: Uid::new("Export::Agent", "sam"),
            role: "supervisor".into(),
            given_at_ms: -1,
            approved: true,
        }),
        Event::Revocation(Revocation {
            kind: "agent".into(),
            id: "ana".into(),
            by: "sam".into(),
            reason: "left".into(),
            lifted: false,
        }),
        Event::Rotation(Rotation { note: "a note\nof two lines\n".into() }),
        Event::CustomerKey(NewCustomerKey { epoch: 2, check: [8; 16] }),
        Event::Pruning(Pruning { size: 5, root: Hash([7; 32]), by: "sam".into(), reason: "retention".into() }),
    ]
    .into_iter()
    .map(entry)
    .collect()
}

#[test]
fn every_kind_comes_back() {
    for entry in every_kind() {
        let bytes = entry.to_bytes().unwrap();
        assert_eq!(Entry::from_bytes(&bytes).unwrap(), entry, "{}", entry.event.name());
    }
}

#[test]
fn no_entry_cut_short_or_long_reads() {
    for entry in every_kind() {
        let bytes = entry.to_bytes().unwrap();
        for length in 0..bytes.len() {
            if let Ok(read) = Entry::from_bytes(&bytes[..length]) {
                // Customers end with the entry, so an entry cut after a run is an entry with fewer customers.
                assert!(matches!(read.event, Event::Rows(_)), "{} cut to {length}", entry.event.name());
                assert_eq!(read.to_bytes().unwrap(), bytes[..length]);
            }
        }
        let longer: Vec<u8> = bytes.iter().copied().chain([0]).collect();
        assert!(Entry::from_bytes(&longer).is_err(), "{}", entry.event.name());
    }
}

#[test]
fn whatever_reads_is_what_would_be_written() {
    let mut random = fastrand::Rng::with_seed(11);
    let mut read = 0;
    for _ in 0..20_000 {
        let kinds = every_kind();
        let entry = &kinds[random.usize(..kinds.len())];
        let mut bytes = entry.to_bytes().unwrap();
        for _ in 0..random.usize(1..4) {
            let place = random.usize(..bytes.len());
            bytes[place] = random.u8(..);
        }
        if let Ok(entry) = Entry::from_bytes(&bytes) {
            assert_eq!(entry.to_bytes().unwrap(), bytes);
            read += 1;
        }
    }
    assert!(read > 1_000, "only {read} of the altered entries read: the test tests too little");
}

#[test]
fn wrong_parts_are_named() {
    let says = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = every_kind()[0].to_bytes().unwrap();
        change(&mut bytes);
        Entry::from_bytes(&bytes).unwrap_err().to_string()
    };
    assert_eq!(says(&|bytes| bytes[0] = 2), "version 2, known is 1");
    assert_eq!(says(&|bytes| bytes[1] = 10), "an entry of kind 10, known are 1 to 9");
    assert_eq!(says(&|bytes| bytes[28] = 0xff), "the job can't be read: it isn't UTF-8");
    assert_eq!(says(&|bytes| bytes[28] = 7), "the job can't be read: it has a control character");
    assert_eq!(says(&|bytes| bytes[26] = 0xff), "the job can't be read: it is too long");
    assert_eq!(says(&|bytes| bytes.resize(70_000, 0)), "70000 bytes, an entry has 65535 at most");
    assert_eq!(says(&Vec::clear), "the bytes end within the entry");
}

#[test]
fn what_the_log_cant_take_is_refused_before_it_is_written() {
    let refused = |change: &dyn Fn(&mut Decision)| {
        let mut decision = decision();
        change(&mut decision);
        entry(Event::Decision(Box::new(decision))).to_bytes().unwrap_err().to_string()
    };
    assert_eq!(
        refused(&|decision| decision.job = "x".repeat(5_000)),
        "the job has 5000 bytes, the log takes 4096 at most"
    );
    assert_eq!(refused(&|decision| decision.agent.id = "a\nb".into()), "the agent has a control character");
    assert_eq!(refused(&|decision| decision.groups.reverse()), "the groups aren't sorted, or one is there twice");
    let many = |decision: &mut Decision| decision.obligations = vec![String::new(); 70_000];
    assert_eq!(refused(&many), "70000 of obligations, the log takes 65535 at most");
    let long = |decision: &mut Decision| decision.obligations = vec!["x".repeat(4_000); 20];
    assert!(refused(&long).ends_with("the log takes 65535 at most"), "{}", refused(&long));
}

#[test]
fn a_job_of_many_customers_is_split_and_summed() {
    let customers = |from: u128, count: u128| -> Vec<CustomerHash> {
        (from..from + count).rev().map(|n| CustomerHash(n.to_be_bytes())).collect()
    };
    let groups = BTreeMap::from([
        (vec![Form::Plain, Form::Token], customers(0, 9_000)),
        (vec![Form::Token, Form::Token], customers(20_000, 3)),
        (vec![Form::Partial, Form::Suppressed], customers(10_000, 5_000)),
    ]);
    let (sum, parts) = split("job-1", 3, 2, groups).unwrap();
    assert_eq!((sum.customers, sum.epoch, sum.parts), (14_003, 3, 4));
    let mut listed = 0;
    for (number, part) in (0..).zip(&parts) {
        assert_eq!(part.part, number);
        let bytes = entry(Event::Rows(part.clone())).to_bytes().unwrap();
        assert!(bytes.len() > 60_000 || number == 3, "{} bytes in part {number}", bytes.len());
        assert_eq!(Entry::from_bytes(&bytes).unwrap().event, Event::Rows(part.clone()));
        listed += part.customers();
    }
    assert_eq!(listed, sum.customers);
    let (none, parts) = split("job-1", 3, 2, BTreeMap::new()).unwrap();
    assert_eq!((none.customers, none.parts, parts.len()), (0, 0, 0));
}

#[test]
fn the_most_fields_a_job_may_have_fit() {
    let forms: Vec<Form> = (0..1_024).map(|n| if n % 3 == 0 { Form::Plain } else { Form::Partial }).collect();
    let groups = (0..500u128).map(|n| {
        let mut forms = forms.clone();
        forms[usize::try_from(n).unwrap()] = Form::Token;
        (forms, vec![CustomerHash(n.to_be_bytes())])
    });
    let (sum, parts) = split("job", 1, 1_024, groups.collect()).unwrap();
    assert_eq!(sum.customers, 500);
    for part in parts {
        assert!(entry(Event::Rows(part)).to_bytes().is_ok());
    }
}
