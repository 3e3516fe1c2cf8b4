//! The words of an answer.
//!
//! An answer is a list of 32-bit words: [`TAG`], the number of outcomes, the outcomes, then for each question asked, in
//! order, the index of the outcome at each of its points (as many as the axis of the question has; a cell's point is
//! `row * columns + column`), and nothing after that.
//!
//! An outcome is: the number of satisfied policies, the number of erring policies, the satisfied ones, the erring ones;
//! each list ascending, and only policies that the question lists. Two outcomes of one answer may be equal.

/// What word 0 holds: `EGA` and the major version of the contract.
pub const TAG: u32 = 0x4547_4101;

/// Word 0: [`TAG`].
pub const WORD_TAG: usize = 0;
/// Word 1: how many outcomes follow the header.
pub const WORD_OUTCOMES: usize = 1;
/// How many words the header takes.
pub const HEADER_WORDS: usize = 2;
