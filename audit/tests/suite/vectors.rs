//! The proof vectors of transparency-dev/merkle and the Ed25519 edge cases of C2SP/CCTV; see `tests/data/README.md`.

use std::collections::BTreeMap;

use exportgate_audit::{
    Hash, KeyRole, PublicKey, verify_consistency, verify_inclusion, verify_subtree_consistency,
    verify_subtree_inclusion,
};
use serde_json::Value;

fn cases(text: &str) -> BTreeMap<String, Value> {
    serde_json::from_str(text).unwrap()
}

fn number(case: &Value, name: &str) -> u64 {
    case[name].as_u64().unwrap()
}

/// Some cases have roots that are no hashes, of 12 bytes, of which only matters whether they are equal: some hash stands for
/// each. No bytes at all are no root.
fn hash(case: &Value, name: &str) -> Option<Hash> {
    let text = case[name].as_str().filter(|text| !text.is_empty())?;
    Some(Hash::from_base64(text).unwrap_or_else(|| Hash::of_leaf(text.as_bytes())))
}

fn proof(case: &Value) -> Option<Vec<Hash>> {
    let hashes = case["proof"].as_array().map(Vec::as_slice).unwrap_or_default();
    hashes.iter().map(|hash| Hash::from_base64(hash.as_str()?)).collect()
}

/// Runs all cases. Returns how many there are, and how many must fail.
fn check(text: &str, holds: impl Fn(&Value) -> Option<bool>) -> (usize, usize) {
    let cases = cases(text);
    let mut wrong = Vec::new();
    for (name, case) in &cases {
        let expected = !case["wantErr"].as_bool().unwrap();
        if holds(case).unwrap_or(false) != expected {
            wrong.push(format!("{name}: {}, expected to hold: {expected}", case["desc"]));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    (cases.len(), cases.values().filter(|case| case["wantErr"] == Value::Bool(true)).count())
}

#[test]
fn inclusion_vectors() {
    let counts = check(include_str!("../data/inclusion.json"), |case| {
        let (index, size) = (number(case, "leafIdx"), number(case, "treeSize"));
        Some(verify_inclusion(index, size, hash(case, "leafHash")?, &proof(case)?, hash(case, "root")?).is_ok())
    });
    assert_eq!(counts, (98, 92));
}

#[test]
fn consistency_vectors() {
    let counts = check(include_str!("../data/consistency.json"), |case| {
        let (old, new) = (number(case, "size1"), number(case, "size2"));
        Some(verify_consistency(old, new, &proof(case)?, hash(case, "root1")?, hash(case, "root2")?).is_ok())
    });
    assert_eq!(counts, (98, 92));
}

#[test]
fn subtree_inclusion_vectors() {
    let counts = check(include_str!("../data/subtree-inclusion.json"), |case| {
        let (index, subtree) = (number(case, "leafIdx"), number(case, "start")..number(case, "end"));
        let (leaf, root) = (hash(case, "leafHash")?, hash(case, "root")?);
        Some(verify_subtree_inclusion(index, subtree, leaf, &proof(case)?, root).is_ok())
    });
    assert_eq!(counts, (204, 192));
}

#[test]
fn subtree_consistency_vectors() {
    let counts = check(include_str!("../data/subtree-consistency.json"), |case| {
        let (subtree, size) = (number(case, "start")..number(case, "end"), number(case, "size"));
        let (inner, outer) = (hash(case, "root1")?, hash(case, "root2")?);
        Some(verify_subtree_consistency(subtree, size, &proof(case)?, inner, outer).is_ok())
    });
    assert_eq!(counts, (118, 106));
}

fn bytes(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

#[test]
fn ed25519_vectors() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("../data/ed25519.json")).unwrap();
    assert_eq!(cases.len(), 914);
    let mut held = 0;
    for case in &cases {
        let flags: Vec<&str> =
            case["flags"].as_array().map(Vec::as_slice).unwrap_or_default().iter().filter_map(Value::as_str).collect();
        let key: [u8; 32] = bytes(case["key"].as_str().unwrap()).try_into().unwrap();
        let signature = bytes(case["sig"].as_str().unwrap());
        // Only signatures that every implementation accepts are: none with points of low order, which CCTV lists as the rule of
        // `verify_strict`.
        let expected = !flags.iter().any(|flag| ["low_order_A", "low_order_R"].contains(flag));
        let found = signed_note(&key, case["msg"].as_str().unwrap(), &signature);
        let allowed = [
            "low_order_component_A",
            "low_order_component_R",
            "low_order_A",
            "low_order_R",
            "low_order_residue",
            "non_canonical_A",
            "non_canonical_R",
            "reencoded_k",
        ];
        assert!(flags.iter().all(|flag| allowed.contains(flag)), "{flags:?}");
        let expected = expected && !flags.contains(&"low_order_residue") && !flags.contains(&"reencoded_k");
        assert_eq!(found, expected, "{}: {flags:?}", case["number"]);
        held += usize::from(found);
    }
    assert!(held > 0);
}

/// Whether the signature holds. The vectors sign a plain message and a note's text ends with a newline, so the crate's own
/// check of a signature is reached through `PublicKey::verifies`.
fn signed_note(key: &[u8; 32], message: &str, signature: &[u8]) -> bool {
    let Ok(key) = PublicKey::new("vector", KeyRole::Log, key) else { return false };
    key.verifies(message.as_bytes(), signature.try_into().unwrap())
}
