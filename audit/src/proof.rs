//! Proofs: that a leaf is in a tree, and that one tree is the beginning of another.
//!
//! A proof is a list of hashes of subtrees that don't overlap. Which subtrees these are follows from the positions alone, so
//! a proof is made in two steps: [`Plan`] names the ranges of leaves, and a single pass over the leaves fills in the hashes.
//! Memory doesn't grow with the tree. Verifying needs the proof only.
//!
//! Subtrees that don't begin at the first leaf are those of the Merkle tree certificates draft; the proofs of RFC 6962 are the
//! special case that they begin there.

use std::ops::Range;

use crate::hash::Hash;
use crate::tree::Frontier;

/// Why a proof doesn't hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The positions name no leaf or subtree of the tree.
    #[error("there is no such leaf or subtree in a tree of this size")]
    NotInTree,
    /// The proof has too many or too few hashes.
    #[error("the proof has the wrong number of hashes: {found}, not {expected}")]
    Length {
        /// How many it has.
        found: usize,
        /// How many a proof for these positions has.
        expected: usize,
    },
    /// The proof leads to another root.
    #[error("the proof leads to another root")]
    Root,
}

/// Whether `start..end` is a subtree of any tree that has so many leaves: it begins at a multiple of the power of two that
/// holds it.
fn is_subtree(range: &Range<u64>) -> bool {
    if range.start >= range.end {
        return false;
    }
    match range.end.saturating_sub(range.start).checked_next_power_of_two() {
        Some(power) => range.start.is_multiple_of(power),
        None => range.start == 0,
    }
}

/// Where a tree of `size` leaves, at least two, splits: the largest power of two below `size`.
fn split(size: u64) -> u64 {
    let below = size.saturating_sub(1);
    1u64.checked_shl(u64::BITS.saturating_sub(below.leading_zeros().saturating_add(1))).unwrap_or(1)
}

/// The way from a subtree up to the root: for each step the range of the sibling, the lowest first.
///
/// When the subtree ends within a subtree that the larger tree completes, the steps begin below it: at the complete subtrees
/// that it is made of. That is RFC 6962's SUBPROOF, of which each level is a turn of the loop here.
fn steps(subtree: &Range<u64>, size: u64) -> Vec<Step> {
    let mut found = Vec::new();
    // The part of the tree in which we stand, and whether what we look for is given to the verifier.
    let mut within = 0..size;
    let mut look_for = subtree.clone();
    let mut given = true;
    while look_for != within {
        let at = within.start.saturating_add(split(within.end.saturating_sub(within.start)));
        if look_for.end <= at {
            found.push(Step { sibling: at..within.end, side: Side::Right });
            within.end = at;
        } else if at <= look_for.start {
            found.push(Step { sibling: within.start..at, side: Side::Left });
            within.start = at;
        } else {
            // What we look for ends on the right side: the left one is a complete part of it.
            found.push(Step { sibling: within.start..at, side: Side::Both });
            within.start = at;
            look_for.start = at;
            given = false;
        }
    }
    if !given {
        found.push(Step { sibling: within, side: Side::Start });
    }
    found.reverse();
    found
}

/// One hash of a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    /// The leaves that it covers.
    sibling: Range<u64>,
    side: Side,
}

/// What a hash of a proof is joined to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    /// It is where both computations start.
    Start,
    /// It stands to the left of the larger tree only.
    Left,
    /// It stands to the right of the larger tree only.
    Right,
    /// It stands to the left of both trees.
    Both,
}

/// Follows a proof from `known`, the hash of `subtree`, to a root of `size` leaves. Returns what the proof says the subtree's
/// hash is, and the root.
fn follow(subtree: &Range<u64>, size: u64, known: Hash, proof: &[Hash]) -> Result<(Hash, Hash), ProofError> {
    let steps = steps(subtree, size);
    if steps.len() != proof.len() {
        return Err(ProofError::Length { found: proof.len(), expected: steps.len() });
    }
    let (mut inner, mut outer) = (known, known);
    for (step, hash) in steps.iter().zip(proof) {
        match step.side {
            Side::Start => (inner, outer) = (*hash, *hash),
            Side::Left => outer = Hash::of_node(hash, &outer),
            Side::Right => outer = Hash::of_node(&outer, hash),
            Side::Both => {
                inner = Hash::of_node(hash, &inner);
                outer = Hash::of_node(hash, &outer);
            }
        }
    }
    Ok((inner, outer))
}

/// Checks that the leaf at `index` of a tree of `size` leaves and this `root` has this hash.
///
/// # Errors
///
/// [`ProofError`] when it isn't proved.
pub fn verify_inclusion(index: u64, size: u64, leaf: Hash, proof: &[Hash], root: Hash) -> Result<(), ProofError> {
    verify_subtree_inclusion(index, 0..size, leaf, proof, root)
}

/// Checks that the leaf at `index` has this hash, where `root` is the hash of the subtree of the leaves `subtree`.
///
/// # Errors
///
/// [`ProofError`] when it isn't proved.
pub fn verify_subtree_inclusion(
    index: u64,
    subtree: Range<u64>,
    leaf: Hash,
    proof: &[Hash],
    root: Hash,
) -> Result<(), ProofError> {
    if !is_subtree(&subtree) || !subtree.contains(&index) {
        return Err(ProofError::NotInTree);
    }
    let size = subtree.end.saturating_sub(subtree.start);
    let index = index.saturating_sub(subtree.start);
    let (_, found) = follow(&(index..index.saturating_add(1)), size, leaf, proof)?;
    if found == root { Ok(()) } else { Err(ProofError::Root) }
}

/// Checks that the tree of `old_size` leaves and `old_root` is the beginning of the one of `size` leaves and `root`.
///
/// # Errors
///
/// [`ProofError`] when it isn't proved. An empty tree is the beginning of all; nothing is proved about it, so it is refused.
pub fn verify_consistency(
    old_size: u64,
    size: u64,
    proof: &[Hash],
    old_root: Hash,
    root: Hash,
) -> Result<(), ProofError> {
    if old_size == 0 {
        return Err(ProofError::NotInTree);
    }
    verify_subtree_consistency(0..old_size, size, proof, old_root, root)
}

/// Checks that the leaves `subtree` of the tree of `size` leaves and `root` have the hash `subtree_root`. No leaves have the hash
/// of nothing in every tree, so about these nothing is proved of `root`.
///
/// # Errors
///
/// [`ProofError`] when it isn't proved.
pub fn verify_subtree_consistency(
    subtree: Range<u64>,
    size: u64,
    proof: &[Hash],
    subtree_root: Hash,
    root: Hash,
) -> Result<(), ProofError> {
    if subtree.start == subtree.end && subtree.end <= size {
        return match proof {
            [] if subtree_root == Hash::of_nothing() => Ok(()),
            [] => Err(ProofError::Root),
            _ => Err(ProofError::Length { found: proof.len(), expected: 0 }),
        };
    }
    if !is_subtree(&subtree) || subtree.end > size {
        return Err(ProofError::NotInTree);
    }
    let (inner, outer) = follow(&subtree, size, subtree_root, proof)?;
    if inner == subtree_root && outer == root { Ok(()) } else { Err(ProofError::Root) }
}

/// A proof to be made: which hashes it consists of, filled in as leaves come by in order.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The ranges in the order of the proof, each with what came by of it.
    parts: Vec<(Range<u64>, Frontier)>,
    size: u64,
    next: u64,
}

impl Plan {
    /// A proof that the leaf at `index` is in the tree of `size` leaves.
    ///
    /// # Errors
    ///
    /// [`ProofError::NotInTree`] when it has no such leaf.
    pub fn inclusion(index: u64, size: u64) -> Result<Self, ProofError> {
        if index >= size {
            return Err(ProofError::NotInTree);
        }
        Ok(Self::of(&steps(&(index..index.saturating_add(1)), size), size))
    }

    /// A proof that the tree of `old_size` leaves is the beginning of the one of `size` leaves.
    ///
    /// # Errors
    ///
    /// [`ProofError::NotInTree`] when it has no leaves, or more than the other.
    pub fn consistency(old_size: u64, size: u64) -> Result<Self, ProofError> {
        if old_size == 0 || old_size > size {
            return Err(ProofError::NotInTree);
        }
        Ok(Self::of(&steps(&(0..old_size), size), size))
    }

    fn of(steps: &[Step], size: u64) -> Self {
        let parts = steps.iter().map(|step| (step.sibling.clone(), Frontier::new())).collect();
        Self { parts, size, next: 0 }
    }

    /// Begins after a prefix whose leaves are gone: takes from it what the proof needs.
    ///
    /// # Errors
    ///
    /// [`ProofError::NotInTree`] when the proof needs a hash from inside the prefix.
    pub fn skip(&mut self, prefix: &Frontier) -> Result<(), ProofError> {
        for (start, leaves, hash) in prefix.subtrees() {
            let end = start.saturating_add(leaves);
            if start >= self.size {
                break;
            }
            // A subtree that a part ends or begins within hides what the part needs.
            let cut = |range: &Range<u64>| {
                range.start < end && start < range.end && !(range.start <= start && end <= range.end)
            };
            if self.parts.iter().any(|(range, _)| cut(range)) {
                return Err(ProofError::NotInTree);
            }
            for (range, frontier) in &mut self.parts {
                if range.contains(&start) && !frontier.push_subtree(leaves, hash) {
                    return Err(ProofError::NotInTree);
                }
            }
        }
        self.next = prefix.size();
        Ok(())
    }

    /// The next leaf comes by.
    pub fn push(&mut self, leaf: Hash) {
        for (range, frontier) in &mut self.parts {
            if range.contains(&self.next) {
                frontier.push(leaf);
            }
        }
        self.next = self.next.saturating_add(1);
    }

    /// The proof; none unless all leaves of the tree came by.
    pub fn finish(self) -> Option<Vec<Hash>> {
        (self.next >= self.size).then(|| self.parts.into_iter().map(|(_, frontier)| frontier.root()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(count: u32) -> Vec<Hash> {
        (0..count).map(|n| Hash::of_leaf(&n.to_be_bytes())).collect()
    }

    fn frontier(leaves: &[Hash]) -> Frontier {
        let mut frontier = Frontier::new();
        leaves.iter().for_each(|leaf| frontier.push(*leaf));
        frontier
    }

    fn made(mut plan: Plan, leaves: &[Hash]) -> Vec<Hash> {
        leaves.iter().for_each(|leaf| plan.push(*leaf));
        plan.finish().unwrap()
    }

    #[test]
    fn every_proof_of_small_trees_holds_and_no_altered_one_does() {
        let leaves = leaves(20);
        for size in 1..=20 {
            let tree = &leaves[..size];
            let root = frontier(tree).root();
            let size = u64::try_from(size).unwrap();
            for (index, leaf) in (0..size).zip(tree) {
                let proof = made(Plan::inclusion(index, size).unwrap(), tree);
                assert_eq!(verify_inclusion(index, size, *leaf, &proof, root), Ok(()), "{index} of {size}");
                assert_eq!(verify_inclusion(index, size, Hash::of_nothing(), &proof, root), Err(ProofError::Root));
                if index > 0 {
                    assert!(verify_inclusion(index - 1, size, *leaf, &proof, root).is_err());
                }
            }
            for old in 1..=size {
                let proof = made(Plan::consistency(old, size).unwrap(), tree);
                let old_root = frontier(&leaves[..usize::try_from(old).unwrap()]).root();
                assert_eq!(verify_consistency(old, size, &proof, old_root, root), Ok(()), "{old} of {size}");
                for place in 0..proof.len() {
                    let mut altered = proof.clone();
                    altered[place] = Hash::of_nothing();
                    assert!(verify_consistency(old, size, &altered, old_root, root).is_err());
                }
            }
        }
    }

    #[test]
    fn proofs_are_made_after_a_prefix_that_is_gone() {
        let leaves = leaves(100);
        let root = frontier(&leaves).root();
        for kept_from in [1usize, 7, 8, 37, 64, 99] {
            let prefix = frontier(&leaves[..kept_from]);
            for index in kept_from..100 {
                let mut plan = Plan::inclusion(u64::try_from(index).unwrap(), 100).unwrap();
                plan.skip(&prefix).unwrap();
                let proof = made(plan, &leaves[kept_from..]);
                let index = u64::try_from(index).unwrap();
                assert_eq!(
                    verify_inclusion(index, 100, leaves[usize::try_from(index).unwrap()], &proof, root),
                    Ok(()),
                    "{index} after {kept_from}"
                );
            }
            for old in kept_from..100 {
                let old_root = frontier(&leaves[..old]).root();
                let old = u64::try_from(old).unwrap();
                let mut plan = Plan::consistency(old, 100).unwrap();
                plan.skip(&prefix).unwrap();
                let proof = made(plan, &leaves[kept_from..]);
                assert_eq!(verify_consistency(old, 100, &proof, old_root, root), Ok(()), "{old} after {kept_from}");
            }
        }
        // What lies inside the prefix can't be proved any more.
        let mut plan = Plan::inclusion(3, 100).unwrap();
        assert_eq!(plan.skip(&frontier(&leaves[..8])), Err(ProofError::NotInTree));
        let mut plan = Plan::consistency(5, 100).unwrap();
        assert_eq!(plan.skip(&frontier(&leaves[..8])), Err(ProofError::NotInTree));
    }

    #[test]
    fn huge_trees_split_without_overflow() {
        assert_eq!((split(2), split(3), split(4), split(5)), (1, 2, 2, 4));
        assert_eq!(split(u64::MAX), 1 << 63);
        let steps = steps(&(u64::MAX - 2..u64::MAX - 1), u64::MAX);
        assert!(steps.len() <= 64, "{}", steps.len());
        assert_eq!(Plan::inclusion(5, 5).unwrap_err(), ProofError::NotInTree);
        assert_eq!(Plan::consistency(0, 5).unwrap_err(), ProofError::NotInTree);
        assert_eq!(Plan::consistency(6, 5).unwrap_err(), ProofError::NotInTree);
    }
}
