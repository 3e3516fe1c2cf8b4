//! Writes an entry as bytes.

use super::bytes::{Writer, ascends};
use super::{
    Alert, Approval, Cancel, Commit, Count, Decision, ENTRY_BYTES_MAX, Entry, Event, Field, Module, PolicyUse, Pruning,
    Revocation, RowsSum, TEXT_BYTES_MAX, VERSION, Verdict,
};

/// Why something can't be recorded. What can't be recorded can't be allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// A text is too long.
    #[error("the {what} has {found} bytes, the log takes {TEXT_BYTES_MAX} at most")]
    Text {
        /// What it is.
        what: &'static str,
        /// How long it is.
        found: usize,
    },
    /// A text that is one line has a control character.
    #[error("the {what} has a control character")]
    Control {
        /// What it is.
        what: &'static str,
    },
    /// A list is too long.
    #[error("{found} of {what}, the log takes 65535 at most")]
    List {
        /// What it is a list of.
        what: &'static str,
        /// How long it is.
        found: usize,
    },
    /// A list isn't sorted, or has something twice.
    #[error("the {what} aren't sorted, or one is there twice")]
    Order {
        /// What it is a list of.
        what: &'static str,
    },
    /// The whole is too long.
    #[error("an entry of {found} bytes, the log takes {ENTRY_BYTES_MAX} at most")]
    Entry {
        /// How long it is.
        found: usize,
    },
    /// Customers take more entries than can be counted.
    #[error("the customers take more than {} entries", u32::MAX)]
    Rows,
}

impl Entry {
    /// The bytes of the entry: those that the log keeps, and that its leaf hash is over.
    ///
    /// # Errors
    ///
    /// [`WriteError`] when it is larger than the log takes, or not in order.
    pub fn to_bytes(&self) -> Result<Vec<u8>, WriteError> {
        let mut to = Writer::default();
        to.u8(VERSION);
        to.u8(kind(&self.event));
        to.bytes(&self.log.0);
        to.u64(self.index);
        to.i64(self.time_ms);
        match &self.event {
            Event::Decision(decision) => write_decision(&mut to, decision),
            Event::Rows(rows) => rows.write(&mut to),
            Event::Commit(commit) => write_commit(&mut to, commit),
            Event::Cancel(cancel) => write_cancel(&mut to, cancel),
            Event::Approval(approval) => write_approval(&mut to, approval),
            Event::Revocation(revocation) => write_revocation(&mut to, revocation),
            Event::Rotation(rotation) => to.lines("rotation", &rotation.note),
            Event::CustomerKey(key) => {
                to.u32(key.epoch);
                to.bytes(&key.check);
            }
            Event::Pruning(pruning) => write_pruning(&mut to, pruning),
        }
        to.finish()
    }
}

/// The byte that says what an entry is.
pub(super) fn kind(event: &Event) -> u8 {
    match event {
        Event::Decision(_) => 1,
        Event::Rows(_) => 2,
        Event::Commit(_) => 3,
        Event::Cancel(_) => 4,
        Event::Approval(_) => 5,
        Event::Revocation(_) => 6,
        Event::Rotation(_) => 7,
        Event::CustomerKey(_) => 8,
        Event::Pruning(_) => 9,
    }
}

fn write_decision(to: &mut Writer, decision: &Decision) {
    to.text("job", &decision.job);
    to.i64(decision.expires_ms);
    to.uid("agent", &decision.agent);
    if !ascends(&decision.groups) {
        to.refuse(WriteError::Order { what: "groups" });
    }
    to.list("groups", &decision.groups, |to, group| to.uid("group", group));
    let names: Vec<&String> = decision.context.iter().map(|(name, _)| name).collect();
    if !ascends(&names) {
        to.refuse(WriteError::Order { what: "facts of the job" });
    }
    to.list("facts of the job", &decision.context, |to, (name, value)| {
        to.text("name of a fact", name);
        to.text("fact of the job", value);
    });
    to.u8(match decision.verdict {
        Verdict::Deny => 0,
        Verdict::Allow => 1,
        Verdict::Challenge => 2,
    });
    to.text("cause", &decision.cause);
    to.u8(match decision.alert {
        Alert::None => 0,
        Alert::Info => 1,
        Alert::High => 2,
        Alert::Critical => 3,
    });
    to.list("modules", &decision.modules, |to, Module { name, version, sha256 }| {
        to.text("module", name);
        to.text("version", version);
        to.bytes(sha256);
    });
    to.list("policies", &decision.determining, write_policy);
    to.list("policies that erred", &decision.erring, write_policy);
    to.list("obligations", &decision.obligations, |to, text| to.text("obligation", text));
    to.list("remedies", &decision.remedies, |to, text| to.text("remedy", text));
    to.list("windows", &decision.usage, write_count);
    to.list("tallies", &decision.tallies, write_count);
    to.list("fields", &decision.fields, |to, Field { name, class }| {
        to.text("field", name);
        to.text("class", class);
    });
    to.u64(decision.customers_asked);
    write_sum(to, &decision.rows);
}

fn write_policy(to: &mut Writer, policy: &PolicyUse) {
    to.u16(policy.module);
    to.text("policy", &policy.id);
    to.u8(u8::from(policy.permits));
    to.text("question", &policy.asked);
    to.u64(policy.points);
}

fn write_count(to: &mut Writer, count: &Count) {
    to.text("name of a count", &count.name);
    to.u64(count.count);
}

fn write_sum(to: &mut Writer, sum: &RowsSum) {
    to.u64(sum.customers);
    to.u32(sum.parts);
    to.u32(sum.epoch);
    to.bytes(&sum.sha256);
}

fn write_commit(to: &mut Writer, commit: &Commit) {
    to.text("job", &commit.job);
    to.u8(u8::from(commit.rows.is_some()));
    if let Some(sum) = &commit.rows {
        write_sum(to, sum);
    }
    to.list("obligations", &commit.obligations, |to, text| to.text("obligation", text));
    to.bytes(&commit.output_sha256);
}

fn write_cancel(to: &mut Writer, cancel: &Cancel) {
    to.text("job", &cancel.job);
    to.text("reason", &cancel.reason);
}

fn write_approval(to: &mut Writer, approval: &Approval) {
    to.text("job", &approval.job);
    to.bytes(&approval.content);
    to.uid("approver", &approval.by);
    to.text("role", &approval.role);
    to.i64(approval.given_at_ms);
    to.u8(u8::from(approval.approved));
}

fn write_revocation(to: &mut Writer, revocation: &Revocation) {
    to.text("kind", &revocation.kind);
    to.text("id", &revocation.id);
    to.text("revoker", &revocation.by);
    to.text("reason", &revocation.reason);
    to.u8(u8::from(revocation.lifted));
}

fn write_pruning(to: &mut Writer, pruning: &Pruning) {
    to.u64(pruning.size);
    to.bytes(&pruning.root.0);
    to.text("name", &pruning.by);
    to.text("reason", &pruning.reason);
}
