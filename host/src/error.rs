//! Why an evaluation has no answer. To the gate each of these is a denial.

use std::fmt;
use std::sync::Arc;

use exportgate_contract::limits::{ANSWER_WORDS_MAX, FRAME_WORDS_MAX, POINTS_PER_CALL_MAX};
use exportgate_contract::value::EntityUid;

use crate::limits::POINTS_MAX;

/// Which call into a guest failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GuestCall {
    /// Making an instance of it.
    Instantiate,
    /// Asking it for room for the frame: its `realloc`.
    Realloc,
    /// Its `evaluate`.
    Evaluate,
    /// Letting it clean up: its `post-return`.
    PostReturn,
}

impl fmt::Display for GuestCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Instantiate => "instantiation",
            Self::Realloc => "realloc",
            Self::Evaluate => "evaluate",
            Self::PostReturn => "post-return",
        })
    }
}

/// Why an evaluation has no answer.
///
/// The instance in which a guest's fault happened is dropped; neither the host nor the next call is harmed. The enum is
/// exhaustive on purpose: a caller who tells causes apart must hear of a new one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvaluateError {
    // The caller asks for something that the module doesn't answer, or says something of the wrong type.
    /// The module answers no question with this action and these types.
    #[error(
        "the module answers no question `{action}` with a principal of type `{principal}` and a resource of type `{resource}`"
    )]
    UnknownEnvironment {
        /// The action asked about.
        action: EntityUid,
        /// The entity type of the principal.
        principal: Arc<str>,
        /// The entity type of the resource.
        resource: Arc<str>,
    },
    /// The context of a request isn't a record.
    #[error("the context must be a record, found a value of type {found}")]
    Context {
        /// What it is.
        found: &'static str,
    },
    /// A value isn't of the type that the schema of the module gives it.
    #[error("`{path}`: expected {expected}, found {found}")]
    FactType {
        /// The path to the value: `context.env.purpose`.
        path: String,
        /// The type that it should have.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A prepared request is asked longer after it was prepared than its facts may be answered from.
    #[error("the request was prepared more than {max_age_ms} ms ago, prepare it again")]
    Outdated {
        /// How old its facts may be, in milliseconds.
        max_age_ms: u128,
    },

    // A limit was met before the guest ran.
    /// The frame of one row, or of the job alone, is longer than a frame may be.
    #[error("the facts of one call take {words} words, at most {FRAME_WORDS_MAX} are allowed")]
    FrameTooLong {
        /// How long the frame would be, in words of 8 bytes.
        words: usize,
    },
    /// The questions have more points for one row than a call may have.
    #[error("{points} answers for one row, at most {POINTS_PER_CALL_MAX} are allowed")]
    TooManyPoints {
        /// How many answers one row needs.
        points: usize,
    },
    /// The questions have more points over all rows than one evaluation may have.
    #[error("{points} answers in one evaluation, at most {POINTS_MAX} are allowed")]
    TooManyAnswers {
        /// How many answers all rows need.
        points: usize,
    },
    /// A question that looks at all rows at once has more rows than one call takes, so that it can't be answered.
    #[error("question `{action}` looks at all rows at once, and {rows} rows don't fit into one call")]
    Unsplittable {
        /// The action of the question.
        action: EntityUid,
        /// How many rows there are.
        rows: usize,
    },
    /// All instances that the engine may have at once are in use.
    #[error("all {limit} instances are in use")]
    InstancesInUse {
        /// How many there may be: `instances_max` of the engine's configuration.
        limit: u32,
    },

    // The guest did what it may not.
    /// It used up its fuel.
    #[error("out of fuel in {call}: the limit is {fuel}")]
    OutOfFuel {
        /// In which call.
        call: GuestCall,
        /// How much it had.
        fuel: u64,
    },
    /// It ran past its deadline.
    #[error("deadline exceeded in {call}: the limit is {deadline_ms} ms")]
    DeadlineExceeded {
        /// In which call.
        call: GuestCall,
        /// How long it may take, in milliseconds.
        deadline_ms: u64,
    },
    /// It asked for more memory than it may have.
    #[error("memory limit exceeded in {call}: {bytes} bytes wanted, the limit is {limit}")]
    MemoryLimit {
        /// In which call.
        call: GuestCall,
        /// How much it wanted, in bytes.
        bytes: usize,
        /// How much it may have, in bytes.
        limit: usize,
    },
    /// It asked for a longer table than it may have.
    #[error("table limit exceeded in {call}: {elements} elements wanted, the limit is {limit}")]
    TableLimit {
        /// In which call.
        call: GuestCall,
        /// How many elements it wanted.
        elements: usize,
        /// How many it may have.
        limit: usize,
    },
    /// It recursed too deeply.
    #[error("stack overflow in {call}")]
    StackOverflow {
        /// In which call.
        call: GuestCall,
    },
    /// It gave up: the instruction `unreachable`, which is also how a panic ends.
    #[error("the guest gave up in {call}: `unreachable` executed")]
    Unreachable {
        /// In which call.
        call: GuestCall,
    },
    /// It trapped for another reason.
    #[error("trap in {call}: {reason}")]
    Trap {
        /// In which call.
        call: GuestCall,
        /// What Wasm calls the reason.
        reason: String,
    },
    /// Its `realloc` returned a pointer that the frame can't be written to.
    #[error("realloc returned {pointer:#x} for {bytes} bytes: {fault}")]
    ReallocPointer {
        /// The pointer.
        pointer: u32,
        /// How many bytes it was asked for.
        bytes: usize,
        /// What is wrong with it.
        fault: PointerFault,
    },
    /// Its `evaluate` returned a pointer where no result can lie.
    #[error("evaluate returned {pointer:#x}: {fault}")]
    ResultPointer {
        /// The pointer.
        pointer: u32,
        /// What is wrong with it.
        fault: PointerFault,
    },
    /// Its result names a list that can't be an answer's.
    #[error("the answer at {pointer:#x} with {words} words: {fault}")]
    AnswerPointer {
        /// The pointer to the list.
        pointer: u32,
        /// The length of the list, in words of 4 bytes.
        words: u32,
        /// What is wrong with it.
        fault: PointerFault,
    },
    /// The answer is longer than an answer may be.
    #[error("the answer has {words} words, at most {ANSWER_WORDS_MAX} are allowed")]
    AnswerTooLong {
        /// Its length, in words of 4 bytes.
        words: u32,
    },
    /// The answer breaks the contract.
    #[error("malformed answer: {0}")]
    Answer(#[from] AnswerError),

    // Ours, or the machine's.
    /// Something failed that should not: a fault of this library or of the machine.
    #[error("internal error: {message}")]
    Internal {
        /// What failed.
        message: String,
    },
}

/// What is wrong with a pointer that a guest gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PointerFault {
    /// It isn't a multiple of this many bytes.
    Misaligned {
        /// The alignment, in bytes.
        alignment: u32,
    },
    /// What it points to doesn't lie within the memory.
    OutOfRange {
        /// The size of the memory, in bytes.
        memory_bytes: usize,
    },
    /// It points into the eight bytes that hold the result itself.
    OverlapsResult,
}

impl fmt::Display for PointerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misaligned { alignment } => write!(f, "not a multiple of {alignment}"),
            Self::OutOfRange { memory_bytes } => write!(f, "outside the memory of {memory_bytes} bytes"),
            Self::OverlapsResult => f.write_str("overlaps the result that names it"),
        }
    }
}

/// How an answer breaks the contract.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// Its first word isn't the tag of an answer.
    #[error("expected the tag {expected:#x}, found {found:#x}")]
    Tag {
        /// The tag.
        expected: u32,
        /// What stands there.
        found: u32,
    },
    /// It ends before it is complete.
    #[error("it ends after {words} words, within {part}")]
    Truncated {
        /// Its length.
        words: usize,
        /// What is cut.
        part: &'static str,
    },
    /// It claims more outcomes than it has room for.
    #[error("{outcomes} outcomes don't fit into {words} words")]
    TooManyOutcomes {
        /// How many it claims.
        outcomes: u32,
        /// Its length.
        words: usize,
    },
    /// An outcome claims more policies than the answer has room for.
    #[error("outcome {outcome} claims {policies} policies, {left} words are left")]
    TooManyPolicies {
        /// The outcome.
        outcome: usize,
        /// How many policies it claims.
        policies: u64,
        /// How many words are left.
        left: usize,
    },
    /// A policy index that the module doesn't have.
    #[error("outcome {outcome} names policy {policy}, the module has {policies}")]
    UnknownPolicy {
        /// The outcome.
        outcome: usize,
        /// The index.
        policy: u32,
        /// How many policies the module has.
        policies: usize,
    },
    /// The policies of an outcome aren't ascending.
    #[error("outcome {outcome} names policy {policy} after {previous}: not ascending")]
    NotAscending {
        /// The outcome.
        outcome: usize,
        /// The index before.
        previous: u32,
        /// The index.
        policy: u32,
    },
    /// A policy is both satisfied and erring.
    #[error("outcome {outcome} names policy {policy} as satisfied and as erring")]
    SatisfiedAndErring {
        /// The outcome.
        outcome: usize,
        /// The index.
        policy: u32,
    },
    /// A point names an outcome that isn't there.
    #[error("point {point} of question {question} names outcome {outcome}, the answer has {outcomes}")]
    UnknownOutcome {
        /// The question.
        question: u32,
        /// The point.
        point: usize,
        /// The outcome that it names.
        outcome: u32,
        /// How many there are.
        outcomes: usize,
    },
    /// An outcome names a policy that doesn't belong to the question where it is used.
    #[error("question {question} uses outcome {outcome}, which names policy {policy} of another question")]
    ForeignPolicy {
        /// The question.
        question: u32,
        /// The outcome.
        outcome: usize,
        /// The policy.
        policy: u32,
    },
    /// Words are left over.
    #[error("{words} words are left over")]
    Trailing {
        /// How many.
        words: usize,
    },
}
