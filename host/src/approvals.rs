//! What people have approved for exactly this job, as the integrator authenticated it.

mod digest;

use std::collections::BTreeSet;

use exportgate_contract::value::{EntityUid, Value};

pub use digest::JobDigest;
pub(crate) use digest::stated;

/// One approval: who, in which role, when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// Who approved. The integrator has authenticated them.
    pub by: EntityUid,
    /// In which role.
    pub role: ApproverRole,
    /// When, in milliseconds since 1970.
    pub given_at_ms: i64,
}

/// The role in which somebody approves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ApproverRole {
    /// The agent's supervisor.
    Supervisor,
    /// The owner of the data.
    DataOwner,
    /// The person who operates an AI agent.
    Operator,
}

impl ApproverRole {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Supervisor, Self::DataOwner, Self::Operator];

    /// How a configuration and the ledger name it: `supervisor`, `data_owner`, `operator`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Supervisor => "supervisor",
            Self::DataOwner => "data_owner",
            Self::Operator => "operator",
        }
    }

    /// The role of this name; none when there is no such role.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// What policies read as `context.approvals`.
///
/// [`Gate::ask`](crate::Gate::ask) takes them from the ledger, where [`Gate::answer_request`](crate::Gate::answer_request)
/// put them: given by an authenticated person for exactly this job, that is for the same agent, fields, customers,
/// destination and purpose. Those of a [`Job`](crate::Job) serve [`Gate::evaluate`](crate::Gate::evaluate) alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Approvals {
    stated: Stated,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Stated {
    Given(Vec<Approval>),
    Summary(ApprovalsSummary),
}

impl Default for Stated {
    fn default() -> Self {
        Self::Given(Vec::new())
    }
}

/// The record that policies read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApprovalsSummary {
    /// How many people approved.
    pub distinct: i64,
    /// Whether a supervisor did.
    pub supervisor: bool,
    /// Whether the data owner did.
    pub data_owner: bool,
    /// Whether the operator did.
    pub operator: bool,
    /// Seconds since the oldest approval, rounded up; the largest `Long` when there is none, so that a policy that reads
    /// only the age doesn't take no approval for a fresh one.
    pub age_seconds: i64,
}

impl Approvals {
    /// Nobody approved.
    pub fn none() -> Self {
        Self::default()
    }

    /// These people approved.
    pub fn given(approvals: Vec<Approval>) -> Self {
        Self { stated: Stated::Given(approvals) }
    }

    /// Exactly what policies are to read, for dry runs and tests: nobody was authenticated.
    pub fn stated(summary: ApprovalsSummary) -> Self {
        Self { stated: Stated::Summary(summary) }
    }

    /// The approvals one by one; none of them when only a summary was stated.
    pub fn each(&self) -> &[Approval] {
        match &self.stated {
            Stated::Given(given) => given,
            Stated::Summary(_) => &[],
        }
    }

    /// The record that policies read at `now_ms`. An approval from the future is as fresh as can be.
    pub fn summary(&self, now_ms: i64) -> ApprovalsSummary {
        let given = match &self.stated {
            Stated::Given(given) => given,
            Stated::Summary(summary) => return *summary,
        };
        // Nobody gathers so many approvals that comparing each with each is slow; the sort is for who tries.
        let distinct = if given.len() <= 32 {
            let new = |place: usize, by: &EntityUid| given.iter().take(place).all(|earlier| earlier.by != *by);
            given.iter().enumerate().filter(|(place, approval)| new(*place, &approval.by)).count()
        } else {
            given.iter().map(|approval| &approval.by).collect::<BTreeSet<_>>().len()
        };
        let did = |role| given.iter().any(|approval| approval.role == role);
        let oldest_ms = given.iter().map(|approval| approval.given_at_ms).min();
        ApprovalsSummary {
            distinct: i64::try_from(distinct).unwrap_or(i64::MAX),
            supervisor: did(ApproverRole::Supervisor),
            data_owner: did(ApproverRole::DataOwner),
            operator: did(ApproverRole::Operator),
            age_seconds: oldest_ms.map_or(i64::MAX, |oldest_ms| {
                let age_ms = now_ms.saturating_sub(oldest_ms).max(0);
                age_ms.saturating_add(999) / 1_000
            }),
        }
    }
}

impl ApprovalsSummary {
    /// The value of the attribute of `context.approvals` that has this name; none when the vocabulary has no such name.
    pub fn attribute(&self, name: &str) -> Option<Value> {
        match name {
            "ageSec" => Some(Value::Long(self.age_seconds)),
            "dataOwner" => Some(Value::Bool(self.data_owner)),
            "distinct" => Some(Value::Long(self.distinct)),
            "operator" => Some(Value::Bool(self.operator)),
            "supervisor" => Some(Value::Bool(self.supervisor)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn approval(by: &str, role: ApproverRole, given_at_ms: i64) -> Approval {
        Approval { by: EntityUid::new("Export::Agent", by), role, given_at_ms }
    }

    #[test]
    fn people_count_once_and_the_oldest_approval_gives_the_age() {
        let approvals = Approvals::given(vec![
            approval("sam", ApproverRole::Supervisor, 10_000),
            approval("sam", ApproverRole::Operator, 20_000),
            approval("dora", ApproverRole::DataOwner, 15_500),
        ]);
        let summary = approvals.summary(21_001);
        assert_eq!((summary.distinct, summary.age_seconds), (2, 12));
        assert!(summary.supervisor && summary.data_owner && summary.operator);
    }

    #[test]
    fn no_approval_is_as_old_as_can_be() {
        let summary = Approvals::none().summary(5);
        assert_eq!((summary.distinct, summary.age_seconds), (0, i64::MAX));
        assert!(!summary.supervisor && !summary.data_owner && !summary.operator);
    }
}
