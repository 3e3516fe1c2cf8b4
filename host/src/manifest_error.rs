//! How a manifest contradicts itself or the contract.

use exportgate_contract::limits::{ID_BYTES_MAX, TERM_DEPTH_MAX, VALUE_DEPTH_MAX};
use exportgate_contract::manifest::Axis;
use exportgate_contract::types::Type;

/// How a manifest contradicts itself or the contract. Positions count from 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// There is more of something than there may be.
    #[error("{found} {what}, at most {limit} are allowed")]
    Limit {
        /// Of what.
        what: &'static str,
        /// How much there is.
        found: usize,
        /// How much there may be.
        limit: usize,
    },
    /// A name is empty, too long, or holds control characters.
    #[error("{what} `{name}` must have 1 to {ID_BYTES_MAX} bytes and no control characters")]
    Name {
        /// What it names.
        what: &'static str,
        /// The name, cut to 64 characters and with control characters escaped.
        name: String,
    },
    /// The version of the pack isn't one.
    #[error("the pack's version must be `major.minor.patch`, found `{found}`")]
    Version {
        /// What stands there.
        found: String,
    },
    /// A thing that must be there once is there twice.
    #[error("{what} `{name}` is given twice")]
    Duplicate {
        /// The kind of thing.
        what: &'static str,
        /// The thing.
        name: String,
    },
    /// A list isn't sorted, or has something twice.
    #[error("{what} aren't in order")]
    Order {
        /// The list.
        what: String,
    },
    /// Something names a thing that isn't there.
    #[error("{what} names {of} {index}, there are {count}")]
    Index {
        /// What names it.
        what: String,
        /// The kind of thing named.
        of: &'static str,
        /// The position named.
        index: u32,
        /// How many there are.
        count: usize,
    },
    /// A symbol is neither string nor entity nor address.
    #[error("symbol {symbol} must be a string, an entity or an address, found a {found}")]
    SymbolKind {
        /// The symbol.
        symbol: usize,
        /// What it is.
        found: &'static str,
    },
    /// A symbol is an address that doesn't exist.
    #[error("symbol {symbol} is no address: prefix or bits out of range")]
    SymbolAddress {
        /// The symbol.
        symbol: usize,
    },
    /// An input isn't on the axis that its name says.
    #[error(
        "input `{name}` is on the axis {found:?}: on rows are `customer` and `ticket`, on columns `field`, all else on the job"
    )]
    InputAxis {
        /// The name of the input.
        name: String,
        /// The axis that it is on.
        found: Axis,
    },
    /// A term names one that isn't before it.
    #[error("term {term} names term {named}, which isn't before it")]
    TermOrder {
        /// The term.
        term: usize,
        /// The term that it names.
        named: u32,
    },
    /// A term has too many steps.
    #[error("term {term} has more than {TERM_DEPTH_MAX} steps")]
    TermDepth {
        /// The term.
        term: usize,
    },
    /// A fact isn't on the axis of the inputs that it is made of.
    #[error("fact {fact} is on the axis {found:?}, its inputs are on {expected:?}")]
    FactAxis {
        /// The fact.
        fact: usize,
        /// The axis that it is on.
        found: Axis,
        /// The axis of its inputs.
        expected: Axis,
    },
    /// A fact that says whether something is so isn't a Bool.
    #[error("fact {fact} must be of type Bool, found `{found}`")]
    FactBool {
        /// The fact.
        fact: usize,
        /// Its type.
        found: Type,
    },
    /// A fact that says which constants an entity is in isn't a set of entities with a payload.
    #[error("fact {fact} must be a set of entities with a payload, found `{found}`")]
    FactAbove {
        /// The fact.
        fact: usize,
        /// Its type.
        found: Type,
    },
    /// A fact wants a payload for a type that has none.
    #[error("fact {fact} wants a payload, which a value of type `{ty}` hasn't")]
    FactPayload {
        /// The fact.
        fact: usize,
        /// Its type.
        ty: Type,
    },
    /// A type nests too deeply.
    #[error("{what} has a type that nests deeper than {VALUE_DEPTH_MAX}")]
    TypeDepth {
        /// Where.
        what: String,
    },
    /// A question that the schema doesn't know.
    #[error(
        "question {question}: the schema has no action `{action}` for a principal of type `{principal}` and a resource of type `{resource}`"
    )]
    QuestionEnvironment {
        /// The question.
        question: usize,
        /// The action.
        action: String,
        /// The entity type of the principal.
        principal: String,
        /// The entity type of the resource.
        resource: String,
    },
    /// A question binds a context attribute that its action doesn't have.
    #[error("question {question} binds `context.{name}`, which its action hasn't")]
    QuestionContext {
        /// The question.
        question: usize,
        /// The attribute.
        name: String,
    },
    /// A question has more answers than it has points.
    #[error("question {question} varies over {found:?}, its inputs over {inputs:?}")]
    QuestionAxis {
        /// The question.
        question: usize,
        /// What it varies over.
        found: Axis,
        /// What its inputs vary over.
        inputs: Axis,
    },
    /// A digest isn't that of the text beside it.
    #[error("the schema's digest isn't that of its text")]
    SchemaDigest,
    /// A pack for exports doesn't keep to the vocabulary.
    #[error("{complaint}")]
    Vocabulary {
        /// The first thing that is wrong.
        complaint: String,
    },
    /// An annotation of a pack for exports isn't known, or has a value that it can't have.
    #[error("policy `{policy}`: {message}")]
    Annotation {
        /// The policy.
        policy: String,
        /// What is wrong.
        message: String,
    },
}
