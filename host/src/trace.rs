//! What crosses the boundary in one call into a guest.

/// One call into a guest: the words that went in and those that came out, as `docs/contract.md` lays them out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The frame.
    pub frame: Vec<u64>,
    /// The answer, before the host checked it.
    pub answer: Vec<u32>,
}
