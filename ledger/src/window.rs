//! Windows: whose grants or denials are counted, and how far back.

use std::fmt;

/// What kind of subject a grant counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SubjectKind {
    /// Who asks.
    Agent,
    /// The agent's team.
    Team,
    /// The agent's vendor.
    Vendor,
    /// The tenant.
    Tenant,
    /// Where the data goes.
    Destination,
}

impl SubjectKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Agent, Self::Team, Self::Vendor, Self::Tenant, Self::Destination];

    /// The name of the kind, as messages and stores have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Team => "team",
            Self::Vendor => "vendor",
            Self::Tenant => "tenant",
            Self::Destination => "destination",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for SubjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whose grants or denials are counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    /// What kind of subject it is.
    pub kind: SubjectKind,
    /// Its id; of at most [`crate::SUBJECT_ID_BYTES_MAX`] bytes.
    pub id: String,
}

impl Subject {
    /// A subject.
    pub fn new(kind: SubjectKind, id: impl Into<String>) -> Self {
        Self { kind, id: id.into() }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`", self.kind, self.id.escape_debug())
    }
}

/// What a window counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Counted {
    /// Distinct customers granted.
    Customers,
    /// Denials by policy.
    Denials,
}

impl Counted {
    pub(crate) const ALL: [Self; 2] = [Self::Customers, Self::Denials];

    /// The name of what is counted, as messages and stores have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Customers => "customers",
            Self::Denials => "denials",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|counted| counted.name() == name)
    }
}

/// A window: what is counted, for which kind of subject, and how far back it reaches from now.
///
/// What happened at `t` is within a window of length `w` at time `now` when `t > now - w`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    /// For which kind of subject.
    pub kind: SubjectKind,
    /// What is counted.
    pub counted: Counted,
    /// How far back it reaches, in milliseconds; at most [`WINDOW_MS_MAX`].
    pub length_ms: i64,
}

/// The longest window: 400 days, in milliseconds.
pub const WINDOW_MS_MAX: i64 = 400 * 86_400_000;

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, counted, length_ms } = self;
        let article = if *kind == SubjectKind::Agent { "an" } else { "a" };
        write!(f, "{} of {article} {kind} within {length_ms} ms", counted.name())
    }
}

/// A count to read: one window of one subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowRead<'a> {
    /// Whose.
    pub subject: &'a Subject,
    /// What is counted.
    pub counted: Counted,
    /// How far back, in milliseconds.
    pub length_ms: i64,
}

impl WindowRead<'_> {
    /// The window that is read.
    pub fn window(&self) -> Window {
        Window { kind: self.subject.kind, counted: self.counted, length_ms: self.length_ms }
    }
}

/// What to do when a window is declared for which the store can't have counted everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unseen {
    /// Refuse it: [`crate::WindowError::Unseen`]. What a gate does.
    Refuse,
    /// Count from now on: the window counts too few until its length has passed. What an operator may choose, once.
    CountFromNow,
}
