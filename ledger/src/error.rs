//! What a ledger refuses and how it fails, each with what to do about it.

use crate::window::Window;

/// Why a ledger didn't do what it was asked. Nothing was recorded, and nothing may leave.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// The store can't be opened, reached, read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A window can't be declared or read.
    #[error(transparent)]
    Window(#[from] WindowError),
    /// A job isn't in the state that this takes.
    #[error(transparent)]
    Job(#[from] JobError),
    /// An approval doesn't hold.
    #[error(transparent)]
    Approval(#[from] ApprovalError),
    /// Something given is longer, or more, than the ledger takes.
    #[error("{what}: found {found}, at most {max}")]
    Limit {
        /// What.
        what: &'static str,
        /// How much was given.
        found: usize,
        /// How much is taken.
        max: usize,
    },
}

impl LedgerError {
    /// Whether the store is down or can't be trusted, as opposed to a request that it refused.
    pub fn is_store_failure(&self) -> bool {
        matches!(self, Self::Store(_))
    }

    /// What to do, in one sentence.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Store(error) => error.help(),
            Self::Window(error) => error.help(),
            Self::Job(error) => error.help(),
            Self::Approval(error) => error.help(),
            Self::Limit { .. } => "split what is asked, or shorten it",
        }
    }
}

/// Why a store can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It can't be opened, reached, read or written.
    #[error("the ledger's store failed: {message}")]
    Unavailable {
        /// What the store says, in one line.
        message: String,
    },
    /// Another transaction held the store for too long.
    #[error("the ledger's store is busy: {message}")]
    Busy {
        /// What the store says, in one line.
        message: String,
    },
    /// The store is damaged.
    #[error("the ledger's store is damaged: {message}")]
    Corrupt {
        /// What is wrong, in one line.
        message: String,
    },
    /// There is no ledger, and none was made.
    #[error("there is no ledger in `{place}`")]
    Missing {
        /// Where it should be.
        place: String,
    },
    /// What is there isn't a ledger.
    #[error("`{place}` isn't a ledger: {found}")]
    Foreign {
        /// Where.
        place: String,
        /// What was found instead.
        found: String,
    },
    /// The store was written by a newer version.
    #[error("the ledger is of version {found}, this program knows versions up to {known}")]
    Newer {
        /// The version of the store.
        found: i64,
        /// The latest version known.
        known: i64,
    },
    /// The customers of the store were hashed under another key.
    #[error("the ledger's customers were hashed under another key")]
    WrongKey,
    /// The customer key is too short.
    #[error("the customer key has {found} bytes, at least {min} are needed", min = crate::CUSTOMER_KEY_BYTES_MIN)]
    ShortKey {
        /// How many it has.
        found: usize,
    },
}

impl StoreError {
    fn help(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => {
                "see to the disk, its space and its permissions, or to the server; nothing was counted or lost"
            }
            Self::Busy { .. } => "ask again; if it stays so, look for a process that holds the store",
            Self::Corrupt { .. } => {
                "restore a backup into a new place, and keep the damaged files; don't begin an empty ledger, it would forget what left"
            }
            Self::Missing { .. } => {
                "make one (`exportgate ledger init`); if there was one, find it first: an empty ledger has forgotten what left"
            }
            Self::Foreign { .. } => "name the file or database that the ledger was made in",
            Self::Newer { .. } => "run the version that wrote it, or a later one",
            Self::WrongKey => "give the key that the ledger was made with; to change it, see `rotate_key`",
            Self::ShortKey { .. } => "make a key from 32 random bytes, and keep it as long as the longest window",
        }
    }
}

/// Why a window can't be declared or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// A window was read that nobody declared.
    #[error("a window was read that wasn't declared: {window}")]
    Undeclared {
        /// The window.
        window: Window,
    },
    /// A window was declared for which not everything was counted or kept.
    #[error("the window can't be counted exactly before {exact_from_ms} (ms since 1970): {window}")]
    Unseen {
        /// The window.
        window: Window,
        /// From when on the window will have been counted whole, if counting began now.
        exact_from_ms: i64,
    },
    /// The length is none that a window may have.
    #[error("a window of {length_ms} ms was declared, its length must be from 1 to {max} ms", max = crate::WINDOW_MS_MAX)]
    Length {
        /// The length.
        length_ms: i64,
    },
    /// A count was read, or customers were reserved, for a subject that the transaction wasn't opened for.
    #[error("the transaction wasn't opened for {subject}")]
    NotOpened {
        /// The subject.
        subject: crate::Subject,
    },
}

impl WindowError {
    fn help(&self) -> &'static str {
        match self {
            Self::Undeclared { .. } => "declare the windows of all loaded policies before reading them",
            Self::Unseen { .. } => {
                "wait that long with the policy that reads it, or declare it once with `Unseen::CountFromNow`, knowing that it counts too few until then"
            }
            Self::Length { .. } => "write a length of at most 400 days",
            Self::NotOpened { .. } => "name all subjects of the job when the transaction begins",
        }
    }
}

/// Why a job can't be reserved, used, committed or cancelled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// The ledger knows no such job.
    #[error("the ledger knows no job `{job}`")]
    Unknown {
        /// The id.
        job: String,
    },
    /// The transaction wasn't opened for the job.
    #[error("the transaction wasn't opened for job `{job}`")]
    NotOpened {
        /// The id.
        job: String,
    },
    /// The id was used for a job with other content.
    #[error("job `{job}` was reserved before with other content")]
    Reused {
        /// The id.
        job: String,
    },
    /// More is said to have left than was reserved.
    #[error("{beyond} customers of job `{job}` weren't reserved")]
    TooLarge {
        /// The id.
        job: String,
        /// How many customers weren't reserved.
        beyond: usize,
    },
    /// The job was committed, with other customers than these if it is committed again.
    #[error("job `{job}` was committed, with {committed} customers")]
    Committed {
        /// The id.
        job: String,
        /// How many customers left.
        committed: u64,
    },
    /// The job was cancelled.
    #[error("job `{job}` was cancelled")]
    Cancelled {
        /// The id.
        job: String,
    },
    /// The permit was used before.
    #[error("the permit of job `{job}` was used at {used_ms} (ms since 1970)")]
    Used {
        /// The id.
        job: String,
        /// When.
        used_ms: i64,
    },
    /// The permit expired.
    #[error("the permit of job `{job}` expired at {expires_ms} (ms since 1970)")]
    Expired {
        /// The id.
        job: String,
        /// When.
        expires_ms: i64,
    },
    /// The agent was revoked.
    #[error("agent `{agent}` is revoked since {since_ms} (ms since 1970)")]
    Revoked {
        /// The agent.
        agent: String,
        /// Since when.
        since_ms: i64,
    },
}

impl JobError {
    fn help(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "check the id; jobs are forgotten when no window can see them any more",
            Self::NotOpened { .. } => "open the transaction with `On::Job` and its id",
            Self::Reused { .. } => "give each job an id of its own",
            Self::TooLarge { .. } => {
                "release no more than was reserved; if more has left, report it: it wasn't decided on"
            }
            Self::Committed { .. } => "nothing: what was committed stays counted",
            Self::Cancelled { .. } => "ask again under a new id",
            Self::Used { .. } => "ask again under a new id: a permit releases once",
            Self::Expired { .. } => "cancel the job, and ask again under a new id",
            Self::Revoked { .. } => "reinstate the agent, if that is meant",
        }
    }
}

/// Why an approval doesn't hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApprovalError {
    /// The ledger knows no such request.
    #[error("the ledger knows no request {request}")]
    Unknown {
        /// The number of the request.
        request: i64,
    },
    /// The request is about something else.
    #[error("request {request} is about something else than what is asked")]
    Other {
        /// The number of the request.
        request: i64,
    },
    /// The request expired.
    #[error("request {request} expired at {expires_ms} (ms since 1970)")]
    Expired {
        /// The number of the request.
        request: i64,
        /// When.
        expires_ms: i64,
    },
    /// The request was denied.
    #[error("request {request} was denied by `{by}`")]
    Denied {
        /// The number of the request.
        request: i64,
        /// By whom.
        by: String,
    },
    /// The approvals were used.
    #[error("the approvals of request {request} were used by job `{job}`")]
    Consumed {
        /// The number of the request.
        request: i64,
        /// The job.
        job: String,
    },
    /// This person answered the request before.
    #[error("`{by}` has answered request {request} before")]
    Answered {
        /// The number of the request.
        request: i64,
        /// Who.
        by: String,
    },
}

impl ApprovalError {
    fn help(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "list the requests, and check the number",
            Self::Other { .. } => {
                "an approval holds for the same agent, fields, customers, destination and purpose only: request another"
            }
            Self::Expired { .. } | Self::Denied { .. } | Self::Consumed { .. } => "request another approval",
            Self::Answered { .. } => "somebody else must answer",
        }
    }
}
