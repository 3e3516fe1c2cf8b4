//! Expressions: a small total language with errors, every operator of Cedar that a guest computes.

use std::collections::BTreeMap;
use std::sync::Arc;

use exportgate_contract::types::Type;
use exportgate_contract::value::Ip;

use crate::ir::{FactId, GuardId, SymbolId};

/// An expression. See [`crate::ir`] for evaluation and errors.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Expr {
    /// A truth value.
    Bool(bool),
    /// A number of type `Long`, `datetime`, `duration` or `decimal`.
    Word(i64, Type),
    /// A constant string, entity or address.
    Symbol(SymbolId, Type),
    /// Reads a fact. Errs unless its state is VALUE. The type is the fact's.
    Fact(FactId, Type),
    /// Whether a fact's state is VALUE. Errs when it is ERR.
    Has(FactId),
    /// Whether an entity is in a constant, by a fact that says which constants it is in. Errs as reading the fact does.
    Among(FactId, SymbolId),
    /// A guard of the question. Errs as it does.
    Guard(GuardId),
    /// Logical negation.
    Not(Box<Expr>),
    /// True if both are; the second isn't evaluated when the first is false.
    And(Box<Expr>, Box<Expr>),
    /// True if either is; the second isn't evaluated when the first is true.
    Or(Box<Expr>, Box<Expr>),
    /// The second if the first is true, else the third; the other isn't evaluated. Branches have one type.
    If(Box<Expr>, Box<Expr>, Box<Expr>),
    /// Evaluates the first only for its errors, then the second, whose value and type it has.
    Check(Box<Expr>, Box<Expr>),
    /// Equality of two values of one kind: words and symbols as numbers, sets and records by structure.
    Equal(Box<Expr>, Box<Expr>),
    /// `<` of two numbers (Long, datetime, duration, decimal), signed.
    Less(Box<Expr>, Box<Expr>),
    /// `<=` of two numbers, signed.
    LessEqual(Box<Expr>, Box<Expr>),
    /// The sum, of the type given. Errs on overflow.
    Add(Box<Expr>, Box<Expr>, Type),
    /// The difference, of the type given. Errs on overflow.
    Subtract(Box<Expr>, Box<Expr>, Type),
    /// The product of two Longs. Errs on overflow.
    Multiply(Box<Expr>, Box<Expr>),
    /// The negation of a Long. Errs for the least Long.
    Negate(Box<Expr>),
    /// The quotient of a number by a positive constant, truncated toward zero: a Long.
    Quotient(Box<Expr>, i64),
    /// Midnight (UTC) of a datetime's day: rounds down to a whole day. Errs when that is below the least datetime.
    ToDate(Box<Expr>),
    /// The time of day of a datetime: a duration of at least 0 and less than a day.
    ToTime(Box<Expr>),
    /// A number taken as one of another type, with the same word: a duration as its milliseconds.
    Retype(Box<Expr>, Type),
    /// A set of the members given, of element type given. Repetition is allowed.
    Set(Vec<Expr>, Type),
    /// A record: fields evaluated in the order given. Names are constants, each once.
    Record(Vec<(Arc<str>, SymbolId, Expr)>),
    /// Whether a set has no members.
    IsEmpty(Box<Expr>),
    /// Whether a set (first) has a member (second).
    Contains(Box<Expr>, Box<Expr>),
    /// Whether a set (first) has all members of another (second).
    ContainsAll(Box<Expr>, Box<Expr>),
    /// Whether two sets share a member.
    ContainsAny(Box<Expr>, Box<Expr>),
    /// Whether the string that a fact holds matches a pattern. Errs as reading the fact does.
    Like(FactId, Vec<PatternElement>),
    /// A test of an address. Errs as reading its fact does.
    Ip(IpTest, IpOperand),
    /// Whether an address or range (first) lies within a range (second), as Cedar's `isInRange`. Facts are read in order.
    IpInRange(IpOperand, IpOperand),
}

/// An element of a `like` pattern.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PatternElement {
    /// Exactly this character.
    Char(char),
    /// Any characters, or none.
    Wildcard,
}

/// Where an address comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IpOperand {
    /// The fact's value, with its payload.
    Fact(FactId),
    /// A constant.
    Literal(Ip),
}

/// What is asked of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IpTest {
    /// `isIpv4`.
    V4,
    /// `isIpv6`.
    V6,
    /// `isLoopback`.
    Loopback,
    /// `isMulticast`.
    Multicast,
}

impl Expr {
    /// The type of its value.
    pub fn ty(&self) -> Type {
        match self {
            Self::Bool(_)
            | Self::Has(_)
            | Self::Among(..)
            | Self::Guard(_)
            | Self::Not(_)
            | Self::And(..)
            | Self::Or(..)
            | Self::Equal(..)
            | Self::Less(..)
            | Self::LessEqual(..)
            | Self::IsEmpty(_)
            | Self::Contains(..)
            | Self::ContainsAll(..)
            | Self::ContainsAny(..)
            | Self::Like(..)
            | Self::Ip(..)
            | Self::IpInRange(..) => Type::Bool,
            Self::Word(_, ty)
            | Self::Symbol(_, ty)
            | Self::Fact(_, ty)
            | Self::Add(_, _, ty)
            | Self::Subtract(_, _, ty)
            | Self::Retype(_, ty) => ty.clone(),
            Self::Multiply(..) | Self::Negate(_) | Self::Quotient(..) => Type::Long,
            Self::ToDate(_) => Type::Datetime,
            Self::ToTime(_) => Type::Duration,
            Self::If(_, then, _) => then.ty(),
            Self::Check(_, then) => then.ty(),
            Self::Set(_, of) => Type::Set(Box::new(of.clone())),
            Self::Record(fields) => Type::Record(
                fields
                    .iter()
                    .map(|(name, _, field)| {
                        (name.clone(), exportgate_contract::types::Attribute { ty: field.ty(), required: true })
                    })
                    .collect::<BTreeMap<_, _>>(),
            ),
        }
    }
}
