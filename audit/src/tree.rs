//! A Merkle tree that is only ever appended to: its right edge, from which the root follows.
//!
//! The tree is RFC 6962's: a tree of `n` leaves splits at the largest power of two below `n`. The hashes of its complete
//! subtrees, largest first, are all that appending needs: one for each bit that is set in `n`.

use crate::hash::Hash;

/// The complete subtrees of a tree of some size: at most 64 hashes, whatever the size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    nodes: Vec<Hash>,
}

impl Frontier {
    /// That of a tree without leaves.
    pub fn new() -> Self {
        Self::default()
    }

    /// That of a tree of `size` leaves with these complete subtrees, the largest first; none when `size` has another
    /// number of them.
    pub fn from_nodes(size: u64, nodes: Vec<Hash>) -> Option<Self> {
        (u32::try_from(nodes.len()) == Ok(size.count_ones())).then_some(Self { size, nodes })
    }

    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The hashes of its complete subtrees, the largest first.
    pub fn nodes(&self) -> &[Hash] {
        &self.nodes
    }

    /// Its complete subtrees, the largest first: where each begins, how many leaves it has, and its hash.
    pub fn subtrees(&self) -> impl Iterator<Item = (u64, u64, Hash)> {
        let mut start = 0;
        let sizes = (0..u64::BITS).rev().map(|bit| 1u64 << bit).filter(|size| self.size & size != 0);
        sizes.zip(&self.nodes).map(move |(size, hash)| {
            let begins = start;
            start += size;
            (begins, size, *hash)
        })
    }

    /// Appends a leaf.
    ///
    /// A tree has at most `u64::MAX` leaves; what is appended beyond that has no effect.
    pub fn push(&mut self, leaf: Hash) {
        let Some(grown) = self.size.checked_add(1) else { return };
        // Each complete subtree at the end that the leaf fills up becomes one twice as large.
        let mut hash = leaf;
        for _ in 0..self.size.trailing_ones() {
            let Some(left) = self.nodes.pop() else { break };
            hash = Hash::of_node(&left, &hash);
        }
        self.nodes.push(hash);
        self.size = grown;
    }

    /// Appends a complete subtree of `leaves` leaves. False, and nothing is appended, unless `leaves` is a power of two
    /// that the size so far is a multiple of: else it wouldn't be a subtree.
    #[must_use]
    pub fn push_subtree(&mut self, leaves: u64, hash: Hash) -> bool {
        let grown = self.size.checked_add(leaves);
        let (true, Some(grown)) = (leaves.is_power_of_two() && self.size.is_multiple_of(leaves), grown) else {
            return false;
        };
        let mut hash = hash;
        for _ in 0..(self.size / leaves).trailing_ones() {
            let Some(left) = self.nodes.pop() else { break };
            hash = Hash::of_node(&left, &hash);
        }
        self.nodes.push(hash);
        self.size = grown;
        true
    }

    /// The root of the tree.
    pub fn root(&self) -> Hash {
        let mut nodes = self.nodes.iter().rev();
        let Some(last) = nodes.next() else { return Hash::of_nothing() };
        nodes.fold(*last, |right, left| Hash::of_node(left, &right))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6962, section 2.1, word for word.
    fn tree_hash(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Hash::of_nothing(),
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                Hash::of_node(&tree_hash(left), &tree_hash(right))
            }
        }
    }

    #[test]
    fn every_size_has_the_root_of_the_definition() {
        let leaves: Vec<Hash> = (0..300u32).map(|n| Hash::of_leaf(&n.to_be_bytes())).collect();
        let mut frontier = Frontier::new();
        for size in 0..=leaves.len() {
            assert_eq!(frontier.root(), tree_hash(&leaves[..size]), "{size} leaves");
            let again = Frontier::from_nodes(frontier.size(), frontier.nodes().to_vec()).unwrap();
            assert_eq!(again, frontier);
            if let Some(leaf) = leaves.get(size) {
                frontier.push(*leaf);
            }
        }
    }

    #[test]
    fn a_subtree_counts_as_its_leaves_and_only_where_it_fits() {
        let leaves: Vec<Hash> = (0..40u32).map(|n| Hash::of_leaf(&n.to_be_bytes())).collect();
        let mut by_leaf = Frontier::new();
        leaves[..24].iter().for_each(|leaf| by_leaf.push(*leaf));
        let mut by_subtree = Frontier::new();
        for (_, leaves, hash) in by_leaf.subtrees() {
            assert!(by_subtree.push_subtree(leaves, hash));
        }
        assert_eq!(by_subtree, by_leaf);
        assert!(by_subtree.push_subtree(8, tree_hash(&leaves[24..32])));
        assert_eq!(by_subtree.root(), tree_hash(&leaves[..32]));
        by_subtree.push(leaves[32]);
        assert!(!by_subtree.push_subtree(2, leaves[33]), "33 isn't even");
        assert!(!by_subtree.push_subtree(3, leaves[33]), "no subtree has three leaves");
        assert!(!by_subtree.push_subtree(0, leaves[33]));
        assert_eq!(by_subtree.size(), 33);
    }

    #[test]
    fn a_size_with_another_number_of_subtrees_is_refused() {
        assert_eq!(Frontier::from_nodes(3, vec![Hash::of_nothing()]), None);
        assert_eq!(Frontier::from_nodes(0, vec![Hash::of_nothing()]), None);
    }
}
