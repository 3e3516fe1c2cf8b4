//! What a cell holds: a value of a type, or one of Cedar's two ways of not having one.

use crate::frame::Frame;
use crate::payload;
use crate::table::{Kind, Symbol};

/// A cell of a fact at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell<V> {
    /// It has a value.
    Value(V),
    /// What it would be read of exists, and lacks it: `has` is false, an access errs.
    Absent,
    /// What it would be read of isn't there: `has` errs too.
    Err,
}

/// A read that errs, as it would in Cedar: the policy errs, and the decision is a denial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erred;

impl<V> Cell<V> {
    /// The value, as Cedar's `a.b` gives it.
    ///
    /// # Errors
    ///
    /// [`Erred`]: it is absent, or what it would be read of is.
    pub fn access(self) -> Result<V, Erred> {
        match self {
            Self::Value(value) => Ok(value),
            Self::Absent | Self::Err => Err(Erred),
        }
    }

    /// Whether it is there, as Cedar's `a has b` says.
    ///
    /// # Errors
    ///
    /// [`Erred`]: what it would be read of isn't there.
    pub fn has(&self) -> Result<bool, Erred> {
        match self {
            Self::Value(_) => Ok(true),
            Self::Absent => Ok(false),
            Self::Err => Err(Erred),
        }
    }
}

/// A type that a fact can have.
pub trait CellType {
    /// The kind in the manifest.
    const KIND: Kind;
    /// What a value is in Rust.
    type Value<'f>;
    /// The value that a word stands for, in a frame that was checked.
    fn value<'f>(frame: &'f Frame<'_>, word: u64) -> Self::Value<'f>;
}

/// A fact that only says whether something is there.
#[derive(Clone, Copy, Debug)]
pub enum State {}
/// A truth value.
#[derive(Clone, Copy, Debug)]
pub enum Bool {}
/// A 64-bit signed integer.
#[derive(Clone, Copy, Debug)]
pub enum Long {}
/// A decimal, in ten-thousandths.
#[derive(Clone, Copy, Debug)]
pub enum Decimal {}
/// An instant, in milliseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub enum Datetime {}
/// A duration, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub enum Duration {}
/// A string: its symbol, and its text where the manifest asks for a payload.
#[derive(Clone, Copy, Debug)]
pub enum Text {}
/// An entity: its symbol.
#[derive(Clone, Copy, Debug)]
pub enum Entity {}
/// An address or range.
#[derive(Clone, Copy, Debug)]
pub enum Ip {}
/// A set.
#[derive(Clone, Copy, Debug)]
pub enum Set {}
/// A record.
#[derive(Clone, Copy, Debug)]
pub enum Record {}

macro_rules! inline {
    ($($name:ident: $value:ty = $read:expr;)*) => {$(
        impl CellType for $name {
            const KIND: Kind = Kind::$name;
            type Value<'f> = $value;

            fn value(_: &Frame<'_>, word: u64) -> $value {
                let read: fn(u64) -> $value = $read;
                read(word)
            }
        }
    )*};
}

inline! {
    State: () = |_| ();
    Bool: bool = |word| word == 1;
    Long: i64 = |word| word.cast_signed();
    Decimal: i64 = |word| word.cast_signed();
    Datetime: i64 = |word| word.cast_signed();
    Duration: i64 = |word| word.cast_signed();
    Entity: Symbol = Symbol;
}

macro_rules! symbolic {
    ($($name:ident: $value:ident;)*) => {$(
        impl CellType for $name {
            const KIND: Kind = Kind::$name;
            type Value<'f> = payload::$value<'f>;

            fn value<'f>(frame: &'f Frame<'_>, word: u64) -> payload::$value<'f> {
                payload::$value::new(frame, Symbol(word))
            }
        }
    )*};
}

symbolic! {
    Text: TextValue;
    Ip: IpValue;
    Set: SetValue;
    Record: RecordValue;
}
