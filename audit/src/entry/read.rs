//! Reads an entry from bytes that anybody may have written.

use super::bytes::{Reader, ascends};
use super::{
    Alert, Approval, Cancel, Commit, Count, Decision, ENTRY_BYTES_MAX, Entry, Event, Field, LogId, Module,
    NewCustomerKey, PolicyUse, Pruning, Revocation, Rotation, Rows, RowsSum, VERSION, Verdict,
};
use crate::hash::Hash;

/// Why bytes aren't an entry. Every entry has one form only: what reads is what would be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// There are more bytes than an entry may have.
    #[error("{found} bytes, an entry has {ENTRY_BYTES_MAX} at most")]
    Long {
        /// How many there are.
        found: usize,
    },
    /// The bytes end too early.
    #[error("the bytes end within the entry")]
    Short,
    /// Bytes follow.
    #[error("{bytes} bytes follow the entry")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// The entry is of another version.
    #[error("version {found}, known is {VERSION}")]
    Version {
        /// Which.
        found: u8,
    },
    /// The entry is of a kind that isn't known.
    #[error("an entry of kind {found}, known are 1 to 9")]
    Kind {
        /// Which.
        found: u8,
    },
    /// A part of it can't be what it is.
    #[error("the {what} can't be read: {problem}")]
    Value {
        /// Which.
        what: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
}

impl Entry {
    /// Reads an entry.
    ///
    /// # Errors
    ///
    /// [`ReadError`]. Bytes that read are the ones that [`Entry::to_bytes`] writes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ReadError> {
        if bytes.len() > ENTRY_BYTES_MAX {
            return Err(ReadError::Long { found: bytes.len() });
        }
        let mut from = Reader::new(bytes);
        let version = from.u8()?;
        if version != VERSION {
            return Err(ReadError::Version { found: version });
        }
        let kind = from.u8()?;
        let (log, index, time_ms) = (LogId(from.array()?), from.u64()?, from.i64()?);
        let event = match kind {
            1 => Event::Decision(Box::new(read_decision(&mut from)?)),
            2 => Event::Rows(Rows::read(&mut from)?),
            3 => Event::Commit(read_commit(&mut from)?),
            4 => Event::Cancel(Cancel { job: from.text("job")?, reason: from.text("reason")? }),
            5 => Event::Approval(read_approval(&mut from)?),
            6 => Event::Revocation(read_revocation(&mut from)?),
            7 => Event::Rotation(Rotation { note: from.lines("rotation")? }),
            8 => Event::CustomerKey(NewCustomerKey { epoch: from.u32()?, check: from.array()? }),
            9 => Event::Pruning(Pruning {
                size: from.u64()?,
                root: Hash(from.array()?),
                by: from.text("name")?,
                reason: from.text("reason")?,
            }),
            found => return Err(ReadError::Kind { found }),
        };
        from.finish()?;
        Ok(Self { log, index, time_ms, event })
    }
}

fn read_decision(from: &mut Reader<'_>) -> Result<Decision, ReadError> {
    let (job, expires_ms) = (from.text("job")?, from.i64()?);
    let agent = from.uid("agent")?;
    let groups = from.list(|from| from.uid("group"))?;
    in_order("groups", &groups)?;
    let context = from.list(|from| Ok((from.text("name of a fact")?, from.text("fact of the job")?)))?;
    in_order("facts of the job", &context.iter().map(|(name, _)| name).collect::<Vec<_>>())?;
    let verdict = match from.u8()? {
        0 => Verdict::Deny,
        1 => Verdict::Allow,
        2 => Verdict::Challenge,
        _ => return Err(ReadError::Value { what: "verdict", problem: "it is none of 0 to 2" }),
    };
    let cause = from.text("cause")?;
    let alert = match from.u8()? {
        0 => Alert::None,
        1 => Alert::Info,
        2 => Alert::High,
        3 => Alert::Critical,
        _ => return Err(ReadError::Value { what: "alert", problem: "it is none of 0 to 3" }),
    };
    let modules = from.list(|from| {
        Ok(Module { name: from.text("module")?, version: from.text("version")?, sha256: from.array()? })
    })?;
    Ok(Decision {
        job,
        expires_ms,
        agent,
        groups,
        context,
        verdict,
        cause,
        alert,
        modules,
        determining: from.list(read_policy)?,
        erring: from.list(read_policy)?,
        obligations: from.list(|from| from.text("obligation"))?,
        remedies: from.list(|from| from.text("remedy"))?,
        usage: from.list(read_count)?,
        tallies: from.list(read_count)?,
        fields: from.list(|from| Ok(Field { name: from.text("field")?, class: from.text("class")? }))?,
        customers_asked: from.u64()?,
        rows: read_sum(from)?,
    })
}

fn in_order<T: PartialOrd>(what: &'static str, items: &[T]) -> Result<(), ReadError> {
    if ascends(items) {
        Ok(())
    } else {
        Err(ReadError::Value { what, problem: "they aren't sorted, or one is there twice" })
    }
}

fn flag(from: &mut Reader<'_>, what: &'static str) -> Result<bool, ReadError> {
    match from.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(ReadError::Value { what, problem: "it is neither 0 nor 1" }),
    }
}

fn read_policy(from: &mut Reader<'_>) -> Result<PolicyUse, ReadError> {
    Ok(PolicyUse {
        module: from.u16()?,
        id: from.text("policy")?,
        permits: flag(from, "effect")?,
        asked: from.text("question")?,
        points: from.u64()?,
    })
}

fn read_count(from: &mut Reader<'_>) -> Result<Count, ReadError> {
    Ok(Count { name: from.text("name of a count")?, count: from.u64()? })
}

fn read_sum(from: &mut Reader<'_>) -> Result<RowsSum, ReadError> {
    Ok(RowsSum { customers: from.u64()?, parts: from.u32()?, epoch: from.u32()?, sha256: from.array()? })
}

fn read_approval(from: &mut Reader<'_>) -> Result<Approval, ReadError> {
    let (job, content) = (from.text("job")?, from.array()?);
    let (by, role) = (from.uid("approver")?, from.text("role")?);
    Ok(Approval { job, content, by, role, given_at_ms: from.i64()?, approved: flag(from, "answer")? })
}

fn read_revocation(from: &mut Reader<'_>) -> Result<Revocation, ReadError> {
    let (kind, id) = (from.text("kind")?, from.text("id")?);
    let (by, reason) = (from.text("revoker")?, from.text("reason")?);
    Ok(Revocation { kind, id, by, reason, lifted: flag(from, "mark of its end")? })
}

fn read_commit(from: &mut Reader<'_>) -> Result<Commit, ReadError> {
    let job = from.text("job")?;
    let rows = if flag(from, "mark of its customers")? { Some(read_sum(from)?) } else { None };
    Ok(Commit { job, rows, obligations: from.list(|from| from.text("obligation"))?, output_sha256: from.array()? })
}
