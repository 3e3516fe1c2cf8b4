//! Everything that can be done to a log after it was written is found, and named.

use super::desk::{Desk, ORIGIN, Taking, bytes, customers};
use exportgate_audit::entry::{LogId, Pruning, Rotation, Verdict};
use exportgate_audit::verify::{Against, Finding, Report};
use exportgate_audit::{
    Checkpoint, Entry, Event, Hash, KeyRole, MemoryRecords, Note, Prefix, PrivateKey, PublicKey, Records, measure,
    rotate, verify,
};

/// A log of 31 jobs with checkpoints of 20 and of all entries.
struct Signed {
    desk: Desk,
    checkpoints: Vec<String>,
}

fn signed() -> Signed {
    let mut desk = Desk::new(ORIGIN, 1);
    for job in 0..30 {
        let taken = customers(job * 3..job * 3 + 3);
        if job % 5 == 4 {
            let taking =
                Taking { agent: "ana", team: "billing", destination: "crm", customers: &taken, verdict: Verdict::Deny };
            desk.decide(&taking);
        } else {
            desk.take("ana", "billing", "crm", &taken);
        }
    }
    let taken = customers(0..3);
    let taking =
        Taking { agent: "bob", team: "billing", destination: "crm", customers: &taken, verdict: Verdict::Allow };
    let job = desk.decide(&taking);
    desk.cancel(&job);
    let checkpoints = vec![desk.checkpoint_at(20), desk.checkpoint()];
    Signed { desk, checkpoints }
}

impl Signed {
    fn keys(&self) -> Vec<PublicKey> {
        vec![self.desk.key.public().clone()]
    }

    fn verify_records(&self, records: &dyn Records) -> Report {
        let against = Against {
            origin: ORIGIN,
            keys: &self.keys(),
            checkpoints: &self.checkpoints,
            prefix: Prefix::none(ORIGIN),
        };
        verify(records, &against).unwrap()
    }

    /// What is found after `change` to the records.
    fn after(&self, change: impl FnOnce(&mut Vec<Vec<u8>>)) -> Vec<String> {
        let mut records = bytes(&self.desk.records);
        change(&mut records);
        let report = self.verify_records(&MemoryRecords::starting_at(0, records));
        assert!(!report.holds());
        report.findings.iter().map(ToString::to_string).collect()
    }
}

/// Whether one finding begins with this word.
#[track_caller]
fn named(findings: &[String], name: &str) {
    assert!(findings.iter().any(|finding| finding.starts_with(name)), "no `{name}` in {findings:#?}");
}

fn altered(record: &[u8], change: impl FnOnce(&mut Entry)) -> Vec<u8> {
    let mut entry = Entry::from_bytes(record).unwrap();
    change(&mut entry);
    entry.to_bytes().unwrap()
}

#[test]
fn an_untouched_log_holds() {
    let log = signed();
    let report = log.verify_records(&log.desk.records);
    assert!(report.holds(), "{:#?}", report.findings);
    assert_eq!(report.size, log.desk.records.size().unwrap());
    assert_eq!(report.uncovered(), 0);
    assert_eq!(report.held.iter().map(|(size, _)| *size).collect::<Vec<_>>(), [20, report.size]);
    let kinds = [("cancel", 1), ("commit", 24), ("customer-key", 1), ("decision", 31), ("rows", 25)];
    assert_eq!(report.kinds, kinds);
}

#[test]
fn an_edited_entry_is_found_whatever_is_edited() {
    let log = signed();
    let size = bytes(&log.desk.records).len();
    let mut random = fastrand::Rng::with_seed(5);
    for index in 0..size {
        let findings = log.after(|records| {
            let place = random.usize(..records[index].len());
            records[index][place] ^= 1 << random.u8(..8);
        });
        let range = if index < 20 {
            "changed: the entries from 0 on, up to before 20"
        } else {
            "changed: the entries from 20 on"
        };
        named(&findings, range);
    }
}

#[test]
fn a_careful_edit_is_found_too() {
    let log = signed();
    // The agent of a decision is another one now: a well-formed entry at its place.
    let findings = log.after(|records| {
        records[1] = altered(&records[1], |entry| {
            let Event::Decision(decision) = &mut entry.event else { panic!("not a decision") };
            decision.agent.id = "bob".into();
        });
    });
    assert_eq!(
        findings,
        ["changed: the entries from 0 on, up to before 20, aren't those of the checkpoint of 20 entries"]
    );
    // A customer of a decision is another one now: the digest that the decision holds tells on its own.
    let findings = log.after(|records| {
        let last = records[2].len() - 1;
        records[2][last] ^= 1;
    });
    named(&findings, "edited: the customers up to entry 2 aren't those that were listed: their digest differs");
}

#[test]
fn a_deleted_entry_is_found() {
    let log = signed();
    // The store left a gap.
    let gap = Gap { records: log.desk.records.clone(), missing: 7 };
    let report = log.verify_records(&gap);
    assert_eq!(report.findings[0], Finding::Missing { from: 7, to: 8 });
    // Somebody closed the gap: everything after it has moved.
    let findings = log.after(|records| {
        records.remove(7);
    });
    named(&findings, "moved: entry 7 says that it is entry 8");
    // Somebody even rewrote the indices.
    let findings = log.after(|records| {
        records.remove(7);
        renumber(records);
    });
    named(&findings, "changed: the entries from 0 on, up to before 20");
    named(&findings, "truncated:");
}

fn renumber(records: &mut [Vec<u8>]) {
    for (index, record) in (0..).zip(records) {
        *record = altered(record, |entry| entry.index = index);
    }
}

/// Records of which one isn't there.
struct Gap {
    records: MemoryRecords,
    missing: u64,
}

impl Records for Gap {
    fn size(&self) -> Result<u64, exportgate_audit::RecordsError> {
        self.records.size()
    }

    fn read(
        &self,
        from: u64,
        to: u64,
        each: &mut dyn FnMut(u64, &[u8]) -> bool,
    ) -> Result<(), exportgate_audit::RecordsError> {
        self.records.read(from, to, &mut |index, record| index == self.missing || each(index, record))
    }
}

#[test]
fn reordered_entries_are_found() {
    let log = signed();
    let findings = log.after(|records| records.swap(4, 7));
    named(&findings, "moved: entry 4 says that it is entry 7");
    named(&findings, "changed: the entries from 0 on");
    let findings = log.after(|records| {
        records.swap(4, 13);
        renumber(records);
    });
    named(&findings, "reordered: entry");
    named(&findings, "changed: the entries from 0 on");
}

#[test]
fn a_truncated_log_is_found() {
    let log = signed();
    let size = bytes(&log.desk.records).len();
    let findings = log.after(|records| records.truncate(size - 1));
    assert_eq!(
        findings,
        [format!("truncated: {} entries are left of the {size} that a checkpoint was signed for", size - 1)]
    );
    // Without the checkpoint that covers the end, the end isn't covered: the report says how much isn't.
    let only_first = Signed { checkpoints: vec![log.checkpoints[0].clone()], ..log };
    let report = only_first.verify_records(&only_first.desk.records);
    assert!(report.holds());
    assert_eq!(report.uncovered(), report.size - 20);
}

#[test]
fn a_spliced_entry_is_found() {
    let log = signed();
    let mut other = Desk::new("log.example/other", 2);
    other.take("eve", "sales", "crm", &customers(0..3));
    let foreign = bytes(&other.records);
    let findings = log.after(|records| records[5] = foreign[1].clone());
    let id = LogId::of("log.example/other");
    named(&findings, &format!("spliced: entry 5 is of another log, {id}"));
    named(&findings, "changed: the entries from 0 on");
    // An own entry put in twice.
    let findings = log.after(|records| records.insert(9, records[4].clone()));
    named(&findings, "moved: entry 9 says that it is entry 4");
}

#[test]
fn a_whole_foreign_log_is_found() {
    let log = signed();
    let mut other = Desk::new("log.example/other", 1);
    other.take("eve", "sales", "crm", &customers(0..3));
    let report = log.verify_records(&other.records);
    assert!(report.findings.iter().any(|finding| matches!(finding, Finding::Foreign { .. })));
    assert!(report.findings.iter().any(|finding| matches!(finding, Finding::Truncated { .. })));
    let foreign = Signed { checkpoints: vec![other.checkpoint()], desk: log.desk };
    let report = foreign.verify_records(&foreign.desk.records);
    assert_eq!(
        report.findings[0].to_string(),
        "a checkpoint can't be used: a checkpoint of the log `log.example/other`, expected `log.example/desk`"
    );
}

#[test]
fn a_checkpoint_by_another_key_is_found() {
    let log = signed();
    let other = PrivateKey::from_seed(ORIGIN, KeyRole::Log, &[9; 32]).unwrap();
    // The whole log was written anew and signed by somebody else.
    let (checkpoint, _) =
        exportgate_audit::next_checkpoint(&log.desk.records, ORIGIN, &Prefix::none(ORIGIN), None).unwrap();
    let forged = checkpoint.sign(&other).unwrap().to_string();
    let forged = Signed { checkpoints: vec![forged], desk: log.desk };
    let report = forged.verify_records(&forged.desk.records);
    assert!(matches!(&report.findings[..], [Finding::OtherKey { .. }]), "{:#?}", report.findings);
    assert_eq!(report.uncovered(), report.size);
    // A signature that was cut from another checkpoint.
    let mixed = forged.desk.checkpoint().replace(&checkpoint.size.to_string(), "20");
    let mixed = Signed { checkpoints: vec![mixed], ..forged };
    let report = mixed.verify_records(&mixed.desk.records);
    assert!(report.findings[0].to_string().contains("doesn't hold"), "{}", report.findings[0]);
}

#[test]
fn two_checkpoints_of_one_size_are_a_split_view() {
    let mut log = signed();
    let split = Checkpoint { origin: ORIGIN.into(), size: 20, root: Hash::of_nothing() };
    log.checkpoints.push(split.sign(&log.desk.key).unwrap().to_string());
    let report = log.verify_records(&log.desk.records);
    assert_eq!(report.findings, [Finding::SplitView { size: 20 }]);
}

#[test]
fn keys_are_followed_and_retired_ones_refused() {
    let mut log = signed();
    let old = log.checkpoints.clone();
    let next = PrivateKey::from_seed(ORIGIN, KeyRole::Log, &[7; 32]).unwrap();
    let note = rotate(&log.desk.key, next.public()).unwrap().to_string();
    log.desk.append(Event::Rotation(Rotation { note: note.clone() }));
    let by_retired = log.desk.checkpoint();
    let first = log.keys();
    log.desk.key = next;
    let by_next = log.desk.checkpoint();
    let check = |checkpoints: &[String]| {
        let against = Against { origin: ORIGIN, keys: &first, checkpoints, prefix: Prefix::none(ORIGIN) };
        verify(&log.desk.records, &against).unwrap()
    };
    // Whoever trusts the first key alone follows to the second.
    let all: Vec<String> = old.iter().cloned().chain([by_next]).collect();
    let report = check(&all);
    assert!(report.holds() && report.uncovered() == 0, "{:#?}", report.findings);
    let report = check(&[by_retired]);
    assert!(matches!(&report.findings[..], [Finding::RetiredKey { .. }]), "{:#?}", report.findings);
    // Nobody puts in a key of their own.
    let thief = PrivateKey::from_seed(ORIGIN, KeyRole::Log, &[66; 32]).unwrap();
    let stolen = rotate(&thief, PrivateKey::from_seed(ORIGIN, KeyRole::Log, &[67; 32]).unwrap().public()).unwrap();
    log.desk.append(Event::Rotation(Rotation { note: stolen.to_string() }));
    let against = Against { origin: ORIGIN, keys: &first, checkpoints: &all, prefix: Prefix::none(ORIGIN) };
    let report = verify(&log.desk.records, &against).unwrap();
    assert!(matches!(&report.findings[..], [Finding::Rotation { .. }]), "{:#?}", report.findings);
}

#[test]
fn a_pruned_log_holds_and_says_what_is_gone() {
    let mut log = signed();
    let frontier = measure(&log.desk.records, &Prefix::none(ORIGIN), 20).unwrap();
    let prefix = Prefix::new(ORIGIN, frontier.clone());
    let kept = |desk: &Desk| MemoryRecords::starting_at(20, bytes(&desk.records).split_off(20));
    let check = |records: &dyn Records, prefix: &Prefix, checkpoints: &[String], keys: &[PublicKey]| {
        verify(records, &Against { origin: ORIGIN, keys, checkpoints, prefix: prefix.clone() }).unwrap()
    };
    let keys = log.keys();
    // Dropped without a word.
    let report = check(&kept(&log.desk), &prefix, &log.checkpoints, &keys);
    assert_eq!(report.findings, [Finding::UnrecordedPruning { size: 20 }]);
    // Dropped and recorded.
    let early = log.desk.checkpoint_at(11);
    let pruning = Pruning { size: 20, root: frontier.root(), by: "sam".into(), reason: "retention".into() };
    log.desk.append(Event::Pruning(pruning));
    let checkpoints: Vec<String> = log.checkpoints.iter().cloned().chain([early, log.desk.checkpoint()]).collect();
    let report = check(&kept(&log.desk), &prefix, &checkpoints, &keys);
    assert!(report.holds(), "{:#?}", report.findings);
    assert_eq!((report.pruned, report.in_pruned, report.uncovered()), (20, 1, 0));
    // With another beginning, no checkpoint agrees.
    let mut nodes = frontier.nodes().to_vec();
    nodes[0] = Hash::of_nothing();
    let forged = Prefix::new(ORIGIN, exportgate_audit::Frontier::from_nodes(20, nodes).unwrap());
    let report = check(&kept(&log.desk), &forged, &checkpoints, &keys);
    assert!(matches!(report.findings[0], Finding::Changed { from: 0, to: 20 }), "{:#?}", report.findings);
    // Without the beginning, all of it is missing.
    let report = check(&kept(&log.desk), &Prefix::none(ORIGIN), &checkpoints, &keys);
    assert!(report.findings.contains(&Finding::Missing { from: 0, to: 20 }), "{:#?}", report.findings);
}

#[test]
fn a_witness_is_heard_and_a_forged_one_refused() {
    let mut log = signed();
    let witness = PrivateKey::from_seed("witness.example/w1", KeyRole::Witness, &[3; 32]).unwrap();
    let mut note = Note::from_text(&log.checkpoints[1]).unwrap();
    note.add(&witness, 1_700_000_000);
    log.checkpoints[1] = note.to_string();
    let keys = [log.desk.key.public().clone(), witness.public().clone()];
    let against = Against { origin: ORIGIN, keys: &keys, checkpoints: &log.checkpoints, prefix: Prefix::none(ORIGIN) };
    let report = verify(&log.desk.records, &against).unwrap();
    assert!(report.holds());
    assert_eq!(report.held[1].1.len(), 2);
    assert_eq!(report.held[1].1[1].time_seconds, Some(1_700_000_000));
}

#[test]
fn findings_are_capped_and_counted() {
    let log = signed();
    let records: Vec<Vec<u8>> = (0..5_000).map(|_| b"not an entry".to_vec()).collect();
    let report = log.verify_records(&MemoryRecords::starting_at(0, records));
    assert_eq!(report.findings.len(), 1_000);
    assert!(report.findings_count >= 5_000);
}

#[test]
fn any_bytes_at_all_are_only_findings() {
    let log = signed();
    let mut random = fastrand::Rng::with_seed(3);
    for _ in 0..200 {
        let records: Vec<Vec<u8>> =
            (0..random.usize(..40)).map(|_| (0..random.usize(..80)).map(|_| random.u8(..)).collect()).collect();
        let report = log.verify_records(&MemoryRecords::starting_at(random.u64(..3), records));
        assert!(!report.holds());
    }
}
