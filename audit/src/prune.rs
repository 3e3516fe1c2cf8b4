//! What stays of a beginning of the log that was dropped: the hashes of its complete subtrees.

use std::fmt;

use crate::checkpoint::decimal;
use crate::hash::Hash;
use crate::tree::Frontier;

/// The first line of the text.
const HEAD: &str = "exportgate-audit/prefix/v1";
/// Bytes of the text, at most: 64 hashes take 3 KiB.
const TEXT_BYTES_MAX: usize = 1 << 14;

/// The beginning of a log, as hashes only.
///
/// It stands for entries that were dropped. It also saves work: a log measured once up to a checkpoint need not be measured
/// again. Nobody has to trust it: with wrong hashes, no later checkpoint agrees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prefix {
    origin: String,
    frontier: Frontier,
}

/// Why a text isn't the beginning of a log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// The text hasn't the form.
    #[error("not the beginning of a log: {problem}")]
    Form {
        /// What is wrong.
        problem: &'static str,
    },
    /// It is of another log.
    #[error("the beginning of the log `{found}`, expected `{expected}`")]
    Origin {
        /// The log that it is of.
        found: String,
        /// The log asked for.
        expected: String,
    },
}

impl Prefix {
    /// The beginning of the log `origin` that `frontier` measures.
    pub fn new(origin: &str, frontier: Frontier) -> Self {
        Self { origin: origin.to_owned(), frontier }
    }

    /// No beginning: all entries are there.
    pub fn none(origin: &str) -> Self {
        Self::new(origin, Frontier::new())
    }

    /// How many entries it stands for.
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The tree of these entries.
    pub fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    /// Reads the text that a prefix prints: a head line, the origin, the size, and a line for each hash, the largest subtree
    /// first.
    ///
    /// # Errors
    ///
    /// [`PrefixError`].
    pub fn from_text(text: &str, origin: &str) -> Result<Self, PrefixError> {
        let form = |problem| PrefixError::Form { problem };
        if text.len() > TEXT_BYTES_MAX {
            return Err(form("it is too long"));
        }
        let mut lines = text.lines();
        if lines.next() != Some(HEAD) {
            return Err(form("the first line isn't `exportgate-audit/prefix/v1`"));
        }
        let found = lines.next().ok_or_else(|| form("no origin"))?;
        if found != origin {
            return Err(PrefixError::Origin { found: found.to_owned(), expected: origin.to_owned() });
        }
        let size = lines.next().and_then(decimal).ok_or_else(|| form("the size isn't a decimal number"))?;
        let nodes = lines.map(Hash::from_base64).collect::<Option<Vec<_>>>();
        let nodes = nodes.ok_or_else(|| form("a line isn't the base64 of 32 bytes"))?;
        let frontier = Frontier::from_nodes(size, nodes).ok_or_else(|| form("the hashes don't fit the size"))?;
        Ok(Self::new(origin, frontier))
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEAD}\n{}\n{}", self.origin, self.size())?;
        self.frontier.nodes().iter().try_for_each(|node| writeln!(f, "{node}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_comes_back() {
        let mut frontier = Frontier::new();
        for n in 0..7u8 {
            frontier.push(Hash::of_leaf(&[n]));
            let prefix = Prefix::new("log.example/desk", frontier.clone());
            assert_eq!(Prefix::from_text(&prefix.to_string(), "log.example/desk").unwrap(), prefix);
        }
        let text = Prefix::new("log.example/desk", frontier).to_string();
        assert!(matches!(Prefix::from_text(&text, "log.example/other"), Err(PrefixError::Origin { .. })));
        for wrong in [text.replace("\n7\n", "\n8\n"), text.replace("v1", "v2"), text.replace('=', ""), String::new()] {
            assert!(matches!(Prefix::from_text(&wrong, "log.example/desk"), Err(PrefixError::Form { .. })), "{wrong}");
        }
    }
}
