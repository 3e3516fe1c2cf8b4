//! What a module's manifest says, as constants: names are looked up while the module is compiled.

use core::marker::PhantomData;

use exportgate_contract::manifest::Axis;

/// What a manifest says, in the form in which a guest needs it. `exportgate build` writes it from the manifest.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    /// The constants, as text: `Export::Segment::"minor"`, `"eu"`. A constant's symbol is its position.
    pub symbols: &'a [&'a str],
    /// The facts, in the manifest's order.
    pub facts: &'a [FactEntry<'a>],
    /// The ids of the policies, in the manifest's order.
    pub policies: &'a [&'a str],
    /// The questions, in the manifest's order.
    pub questions: &'a [QuestionEntry<'a>],
}

/// A fact of the manifest.
#[derive(Clone, Copy, Debug)]
pub struct FactEntry<'a> {
    /// Its name: `context.customers`, `customer in Export::Segment::"minor"`.
    pub name: &'a str,
    /// What it varies over.
    pub axis: Axis,
    /// What kind of value it has.
    pub kind: Kind,
    /// Whether a frame carries the payload of its symbol.
    pub payload: bool,
}

/// A question of the manifest.
#[derive(Clone, Copy, Debug)]
pub struct QuestionEntry<'a> {
    /// The id of its action: `export`.
    pub action: &'a str,
    /// What its answer varies over.
    pub axis: Axis,
    /// The facts that it reads, ascending.
    pub facts: &'a [u32],
    /// The policies that may show up in its outcomes, ascending.
    pub policies: &'a [u32],
}

/// What kind of value a fact has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Only a state: whether something is there.
    State,
    /// `Bool`, and what `in` and `hasTag` say.
    Bool,
    /// `Long`.
    Long,
    /// `decimal`.
    Decimal,
    /// `datetime`.
    Datetime,
    /// `duration`.
    Duration,
    /// `String`.
    Text,
    /// An entity.
    Entity,
    /// `ipaddr`.
    Ip,
    /// `Set`.
    Set,
    /// A record.
    Record,
}

impl Kind {
    /// Whether the word of a value is a symbol.
    pub const fn is_symbol(self) -> bool {
        match self {
            Self::Text | Self::Entity | Self::Ip | Self::Set | Self::Record => true,
            Self::State | Self::Bool | Self::Long | Self::Decimal | Self::Datetime | Self::Duration => false,
        }
    }
}

/// A fact whose value is a `T`: where its cells lie in a frame.
#[derive(Debug)]
pub struct Fact<T> {
    pub(crate) index: u32,
    pub(crate) axis: Axis,
    pub(crate) place: u32,
    value: PhantomData<T>,
}

impl<T> Clone for Fact<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Fact<T> {}

/// A policy, by its position in the manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PolicyIdx(pub u32);

/// A question, by its position in the manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct QuestionId(pub u32);

/// A symbol: within one frame, equal values have equal symbols. It says nothing else, but that the constants of the
/// manifest have the same symbols in every frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol(pub u64);

impl Table<'_> {
    /// The fact called `name`, whose kind must be that of `T`.
    ///
    /// Meant for constants, where it refuses to compile what the manifest doesn't have.
    ///
    /// # Panics
    ///
    /// If the manifest has no such fact, or it is of another kind.
    #[expect(clippy::panic, reason = "a compile error where it is meant to be used")]
    #[expect(clippy::indexing_slicing, reason = "`get` isn't const; the loop ends at the length")]
    pub const fn fact<T: crate::cell::CellType>(&self, name: &str) -> Fact<T> {
        let mut index = 0;
        while index < self.facts.len() {
            let fact = &self.facts[index];
            if equal(fact.name, name) {
                if fact.kind as u8 != T::KIND as u8 {
                    panic!("the fact is of another kind in the manifest");
                }
                let place = self.place(index);
                return Fact { index: index as u32, axis: fact.axis, place, value: PhantomData };
            }
            index += 1;
        }
        panic!("the manifest has no fact of this name");
    }

    /// The constant `text`: `Export::Segment::"minor"` for an entity, `"eu"` for a string.
    ///
    /// # Panics
    ///
    /// If the manifest has no such constant: a compile error in a constant.
    #[expect(clippy::panic, reason = "a compile error where it is meant to be used")]
    pub const fn symbol(&self, text: &str) -> Symbol {
        match position(self.symbols, text) {
            Some(index) => Symbol(index as u64),
            None => panic!("the manifest has no constant of this text"),
        }
    }

    /// The policy with the id `id`.
    ///
    /// # Panics
    ///
    /// If the manifest has no such policy: a compile error in a constant.
    #[expect(clippy::panic, reason = "a compile error where it is meant to be used")]
    pub const fn policy(&self, id: &str) -> PolicyIdx {
        match position(self.policies, id) {
            Some(index) => PolicyIdx(index as u32),
            None => panic!("the manifest has no policy of this id"),
        }
    }

    /// The first question about the action `action`.
    ///
    /// # Panics
    ///
    /// If the manifest has no such question: a compile error in a constant.
    #[expect(clippy::panic, reason = "a compile error where it is meant to be used")]
    #[expect(clippy::indexing_slicing, reason = "`get` isn't const; the loop ends at the length")]
    pub const fn question(&self, action: &str) -> QuestionId {
        let mut index = 0;
        while index < self.questions.len() {
            if equal(self.questions[index].action, action) {
                return QuestionId(index as u32);
            }
            index += 1;
        }
        panic!("the manifest has no question about this action");
    }

    /// How many facts of the axis of fact `index` stand before it.
    #[expect(clippy::indexing_slicing, reason = "`get` isn't const; callers pass an index of a fact")]
    pub(crate) const fn place(&self, index: usize) -> u32 {
        let axis = self.facts[index].axis as u8;
        let (mut at, mut place) = (0, 0);
        while at < index {
            if self.facts[at].axis as u8 == axis {
                place += 1;
            }
            at += 1;
        }
        place
    }
}

#[expect(clippy::indexing_slicing, reason = "`get` isn't const; the loop ends at the length")]
const fn position(texts: &[&str], text: &str) -> Option<usize> {
    let mut index = 0;
    while index < texts.len() {
        if equal(texts[index], text) {
            return Some(index);
        }
        index += 1;
    }
    None
}

#[expect(clippy::indexing_slicing, reason = "`get` isn't const; both have the same length, and the loop ends there")]
const fn equal(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut at = 0;
    while at < a.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    true
}
