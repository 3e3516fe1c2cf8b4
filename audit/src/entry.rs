//! What the log records: entries, each a run of canonical bytes that `docs/audit.md` lays out byte by byte.
//!
//! Entries hold no clear data of customers: keyed hashes, counts, and names of fields, never their values. Agents, tickets
//! and jobs are named by their ids. An entry says which log it is of and at which index it stands, so that one that was moved
//! or comes from elsewhere gives itself away.

mod bytes;
mod read;
mod rows;
mod write;

use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::customer::CustomerHash;
use crate::hash::{Hash, hex};

pub use read::ReadError;
pub use rows::{Form, Rows, RowsSum, Run, split};
pub use write::WriteError;

/// Bytes of an entry, at most: what an entry bundle of c2sp.org/tlog-tiles can hold.
pub const ENTRY_BYTES_MAX: usize = 65_535;
/// Bytes of a name, an id or any other text in an entry, at most.
pub const TEXT_BYTES_MAX: usize = 4_096;
/// The version of the format that is written.
pub const VERSION: u8 = 1;

/// Which log an entry is of: the first eight bytes of the SHA-256 of its origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogId([u8; 8]);

impl LogId {
    /// That of the log of this origin.
    pub fn of(origin: &str) -> Self {
        let mut id = [0; 8];
        id.iter_mut().zip(Sha256::digest(origin)).for_each(|(to, from)| *to = from);
        Self(id)
    }
}

impl Serialize for LogId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// Bytes as hexadecimal digits.
fn hexadecimal<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&hex(bytes))
}

/// Pairs as an object.
fn by_name<S: Serializer>(pairs: &[(String, String)], to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(pairs.iter().map(|(name, value)| (name, value)))
}

impl std::fmt::Display for LogId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Which log it is of.
    pub log: LogId,
    /// At which index it stands.
    pub index: u64,
    /// When it was made, in milliseconds since 1970, by the clock of the gate, which never steps back.
    pub time_ms: i64,
    /// What happened.
    pub event: Event,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// The gate decided about a job.
    Decision(Box<Decision>),
    /// Customers of the decision or commit just before, by the forms in which their fields leave.
    Rows(Rows),
    /// What a permit let out has left.
    Commit(Commit),
    /// Nothing of what a permit let out has left.
    Cancel(Cancel),
    /// Somebody approved a job, or said no to it.
    Approval(Approval),
    /// Something isn't trusted any more, or is again.
    Revocation(Revocation),
    /// Checkpoints are signed by another key from here on.
    Rotation(Rotation),
    /// Customers are hashed under another key from here on.
    CustomerKey(NewCustomerKey),
    /// The beginning of the log was dropped.
    Pruning(Pruning),
}

impl Event {
    /// How it is named in output.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Decision(_) => "decision",
            Self::Rows(_) => "rows",
            Self::Commit(_) => "commit",
            Self::Cancel(_) => "cancel",
            Self::Approval(_) => "approval",
            Self::Revocation(_) => "revocation",
            Self::Rotation(_) => "rotation",
            Self::CustomerKey(_) => "customer-key",
            Self::Pruning(_) => "pruning",
        }
    }

    /// The id of the job that it is about, if it is about one.
    pub fn job(&self) -> Option<&str> {
        match self {
            Self::Decision(decision) => Some(&decision.job),
            Self::Rows(rows) => Some(&rows.job),
            Self::Commit(commit) => Some(&commit.job),
            Self::Cancel(cancel) => Some(&cancel.job),
            Self::Approval(approval) => Some(&approval.job),
            Self::Revocation(_) | Self::Rotation(_) | Self::CustomerKey(_) | Self::Pruning(_) => None,
        }
    }
}

/// An entity: an agent, a team, somebody who approved.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Uid {
    /// Its type, `Export::Agent`.
    pub kind: String,
    /// Its id.
    pub id: String,
}

impl Uid {
    /// The entity of this type and id.
    pub fn new(kind: &str, id: &str) -> Self {
        Self { kind: kind.to_owned(), id: id.to_owned() }
    }

    /// Whether somebody who typed `name` means it: its id, or its type and id as in Cedar.
    pub fn is_called(&self, name: &str) -> bool {
        self.id == name || self.to_string() == name
    }
}

impl std::fmt::Display for Uid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}::\"{}\"", self.kind, self.id.escape_debug())
    }
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The job may not leave.
    Deny,
    /// It may.
    Allow,
    /// It may not, but might if somebody did more.
    Challenge,
}

/// How loudly somebody is to be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Alert {
    /// Not at all.
    #[default]
    None,
    /// For information.
    Info,
    /// Soon.
    High,
    /// At once.
    Critical,
}

/// A module that was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Module {
    /// The name of its pack.
    pub name: String,
    /// The version of its pack.
    pub version: String,
    /// SHA-256 of the component.
    #[serde(serialize_with = "hexadecimal")]
    pub sha256: [u8; 32],
}

/// A policy that had a say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PolicyUse {
    /// Its module: the place in the decision's list.
    pub module: u16,
    /// Its id.
    pub id: String,
    /// Whether it permits; else it forbids.
    pub permits: bool,
    /// In the answer to which question.
    pub asked: String,
    /// At how many points.
    pub points: u64,
}

/// A number with a name: a window, a tally.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Count {
    /// What is counted.
    pub name: String,
    /// How many.
    pub count: u64,
}

/// A field asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its class in the catalogue; empty when the catalogue doesn't know it.
    pub class: String,
}

/// A decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// The id of the job.
    pub job: String,
    /// When the permit expires, in milliseconds since 1970; 0 when there is none.
    pub expires_ms: i64,
    /// Who asked.
    pub agent: Uid,
    /// What the agent is in: teams, vendors, tenants, roles. Sorted, each once.
    pub groups: Vec<Uid>,
    /// What is known of the job: `channel`, `destination`, `purpose`, `ticket`. Sorted by name, each once.
    #[serde(serialize_with = "by_name")]
    pub context: Vec<(String, String)>,
    /// What was decided.
    pub verdict: Verdict,
    /// What failed, as a code; empty when policies decided.
    pub cause: String,
    /// How loudly somebody is told.
    pub alert: Alert,
    /// The modules that were asked, the base first.
    pub modules: Vec<Module>,
    /// The policies that determined the answers that count.
    pub determining: Vec<PolicyUse>,
    /// The policies that erred.
    pub erring: Vec<PolicyUse>,
    /// What must be done.
    pub obligations: Vec<String>,
    /// What would lift a challenge.
    pub remedies: Vec<String>,
    /// The windows that policies could read, after this job.
    pub usage: Vec<Count>,
    /// The tallies that policies could read.
    pub tallies: Vec<Count>,
    /// The fields asked for, in the order of the job.
    pub fields: Vec<Field>,
    /// How many customers were asked for.
    pub customers_asked: u64,
    /// The customers that may leave, which the next entries list.
    pub rows: RowsSum,
}

impl Decision {
    /// What is known of the job under this name.
    pub fn context(&self, name: &str) -> Option<&str> {
        self.context.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether it let something out.
    pub fn is_allow(&self) -> bool {
        self.verdict == Verdict::Allow
    }
}

/// What has left under a permit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Commit {
    /// The id of the job.
    pub job: String,
    /// The customers that left, which the next entries list; none when all of the decision did.
    pub rows: Option<RowsSum>,
    /// The obligations that were met.
    pub obligations: Vec<String>,
    /// SHA-256 of what left; zeros when nobody took it.
    #[serde(serialize_with = "hexadecimal")]
    pub output_sha256: [u8; 32],
}

/// That nothing left under a permit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cancel {
    /// The id of the job.
    pub job: String,
    /// Why, as a code.
    pub reason: String,
}

/// An answer to a request for approvals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Approval {
    /// Whether it is a yes. One no denies the request for good.
    pub approved: bool,
    /// The id of the job.
    pub job: String,
    /// The digest of what it is about: agent, fields, customers, destination and purpose.
    #[serde(serialize_with = "hexadecimal")]
    pub content: [u8; 32],
    /// Who answered.
    pub by: Uid,
    /// In which role.
    pub role: String,
    /// When, in milliseconds since 1970.
    pub given_at_ms: i64,
}

/// A revocation, or its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Revocation {
    /// Whether it is lifted: it holds no more.
    pub lifted: bool,
    /// What kind of thing: `agent`, `permit`, `module`.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// Who revoked it, or lifted that.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// A new key for checkpoints: a note signed by the key before; see [`crate::rotate`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rotation {
    /// The signed note.
    pub note: String,
}

/// A new key for customers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewCustomerKey {
    /// Its epoch.
    pub epoch: u32,
    /// Its check value, [`crate::CustomerKey::check`].
    #[serde(serialize_with = "hexadecimal")]
    pub check: [u8; 16],
}

/// That the entries before `size` were dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pruning {
    /// How many entries were dropped since the log began.
    pub size: u64,
    /// The root of the tree of these.
    pub root: Hash,
    /// Who did it.
    pub by: String,
    /// Why.
    pub reason: String,
}

#[cfg(test)]
mod tests;
