//! A receipt proves an entry to somebody who has a key and nothing else, and proves nothing else.

use super::desk::{Desk, ORIGIN, bytes, customers};
use exportgate_audit::{
    CheckpointError, Event, KeyRole, LogError, MemoryRecords, Note, Prefix, PrivateKey, PublicKey, Receipt,
    ReceiptError, Records, measure, next_checkpoint, prove,
};

fn log() -> (Desk, String, Vec<PublicKey>) {
    let mut desk = Desk::new(ORIGIN, 1);
    for job in 0..15 {
        desk.take("ana", "billing", "crm", &customers(job * 2..job * 2 + 2));
    }
    let checkpoint = desk.checkpoint();
    let keys = vec![desk.key.public().clone()];
    (desk, checkpoint, keys)
}

#[test]
fn every_entry_has_a_receipt_that_holds() {
    let (desk, checkpoint, keys) = log();
    for index in 0..desk.records.size().unwrap() {
        let receipt = prove(&desk.records, ORIGIN, &Prefix::none(ORIGIN), index, &checkpoint, &keys).unwrap();
        let again = Receipt::from_text(&receipt.to_string()).unwrap();
        assert_eq!(again, receipt);
        let proved = again.verify(ORIGIN, &keys, 0).unwrap();
        assert_eq!((proved.entry.index, proved.checkpoint.size), (index, desk.records.size().unwrap()));
    }
}

#[test]
fn an_altered_receipt_proves_nothing() {
    let (desk, checkpoint, keys) = log();
    let receipt = prove(&desk.records, ORIGIN, &Prefix::none(ORIGIN), 4, &checkpoint, &keys).unwrap();
    let mut random = fastrand::Rng::with_seed(8);
    let text = receipt.to_string();
    for _ in 0..2_000 {
        let mut altered = text.clone().into_bytes();
        let place = random.usize(..altered.len());
        altered[place] = random.u8(b' '..127);
        let Ok(altered) = String::from_utf8(altered) else { continue };
        if altered != text {
            let proved = Receipt::from_text(&altered).and_then(|receipt| receipt.verify(ORIGIN, &keys, 0));
            assert!(proved.is_err(), "{altered}");
        }
    }
    let mut moved = receipt.clone();
    moved.index = 5;
    assert!(matches!(moved.verify(ORIGIN, &keys, 0), Err(ReceiptError::Proof(_))));
    assert!(receipt.verify("log.example/other", &keys, 0).is_err());
    assert!(matches!(receipt.verify(ORIGIN, &[], 0), Err(ReceiptError::Checkpoint(CheckpointError::Note(_)))));
    for wrong in ["", "c2sp.org/tlog-proof@v1\n\n", &"x".repeat(500_000)] {
        assert!(matches!(Receipt::from_text(wrong), Err(ReceiptError::Form { .. })));
    }
}

#[test]
fn witnesses_are_counted_once_each() {
    let (desk, checkpoint, mut keys) = log();
    let witness = |n: u8| PrivateKey::from_seed(&format!("w{n}.example"), KeyRole::Witness, &[n; 32]).unwrap();
    let mut note = Note::from_text(&checkpoint).unwrap();
    for n in [10, 10, 11, 12] {
        note.add(&witness(n), 5);
    }
    keys.extend([10, 11].map(|n| witness(n).public().clone()));
    let receipt = prove(&desk.records, ORIGIN, &Prefix::none(ORIGIN), 4, &note.to_string(), &keys).unwrap();
    assert!(receipt.verify(ORIGIN, &keys, 2).is_ok());
    assert_eq!(receipt.verify(ORIGIN, &keys, 3), Err(ReceiptError::Witnesses { found: 2, expected: 3 }));
    // A witness alone is no log.
    assert!(receipt.verify(ORIGIN, &keys[1..], 0).is_err());
}

#[test]
fn what_cant_be_proved_is_said() {
    let (mut desk, checkpoint, keys) = log();
    let size = desk.records.size().unwrap();
    desk.take("ana", "billing", "crm", &customers(0..2));
    let prove_at = |records: &dyn Records, prefix: &Prefix, index| {
        prove(records, ORIGIN, prefix, index, &checkpoint, &keys).unwrap_err()
    };
    let none = Prefix::none(ORIGIN);
    assert_eq!(prove_at(&desk.records, &none, size), LogError::NotCovered { index: size, size });
    let pruned = Prefix::new(ORIGIN, measure(&desk.records, &none, 10).unwrap());
    assert_eq!(prove_at(&desk.records, &pruned, 4), LogError::Pruned { index: 4, first: 10 });
    let mut changed = bytes(&desk.records);
    changed[3][30] ^= 1;
    let changed = MemoryRecords::starting_at(0, changed);
    assert_eq!(prove_at(&changed, &none, 4), LogError::Inconsistent { size });
    let short = MemoryRecords::starting_at(0, bytes(&desk.records)[..8].to_vec());
    assert_eq!(prove_at(&short, &none, 4), LogError::Missing { index: 8 });
    // After pruning, the rest has receipts as before.
    let receipt = prove(&desk.records, ORIGIN, &pruned, 12, &checkpoint, &keys).unwrap();
    assert!(matches!(
        receipt.verify(ORIGIN, &keys, 0).unwrap().entry.event,
        Event::Commit(_) | Event::Rows(_) | Event::Decision(_)
    ));
}

#[test]
fn a_changed_log_isnt_signed_again() {
    let (desk, _, _) = log();
    let none = Prefix::none(ORIGIN);
    let (last, from) = next_checkpoint(&desk.records, ORIGIN, &none, None).unwrap();
    let mut longer = desk;
    longer.take("ana", "billing", "crm", &customers(0..2));
    let (whole, _) = next_checkpoint(&longer.records, ORIGIN, &none, Some(&last)).unwrap();
    let (resumed, _) = next_checkpoint(&longer.records, ORIGIN, &from, Some(&last)).unwrap();
    assert_eq!(whole, resumed);
    let mut changed = bytes(&longer.records);
    changed[3][30] ^= 1;
    let changed = MemoryRecords::starting_at(0, changed);
    let refused = next_checkpoint(&changed, ORIGIN, &none, Some(&last)).unwrap_err();
    assert_eq!(refused, LogError::Inconsistent { size: last.size });
    let short = MemoryRecords::starting_at(0, bytes(&longer.records)[..4].to_vec());
    assert_eq!(
        next_checkpoint(&short, ORIGIN, &none, Some(&last)).unwrap_err(),
        LogError::Inconsistent { size: last.size }
    );
}
