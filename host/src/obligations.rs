//! What must be done when data leaves: the obligations of several policies, merged.

use std::collections::BTreeSet;
use std::fmt;

use exportgate_contract::obligation::{AlertLevel, AuditDetail, Obligation, WatermarkPart};

/// The obligations of a decision: those of all policies that determined it, over all modules and questions.
///
/// They add up: the union of watermark parts and of people to notify, the highest alert, the shortest review and
/// retention, the fullest audit. A denial carries only its alert.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Obligations {
    /// Mark what leaves with these.
    pub watermark: BTreeSet<WatermarkPart>,
    /// Raise an alert.
    pub alert: Option<AlertLevel>,
    /// Tell the people with these roles.
    pub notify: BTreeSet<String>,
    /// Somebody must review it within so many seconds.
    pub review_seconds: Option<u64>,
    /// What left must be deleted after so many seconds.
    pub retain_seconds: Option<u64>,
    /// How much the decision's log record holds.
    pub audit: Option<AuditDetail>,
}

impl Obligations {
    /// Whether nothing has to be done.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds one obligation.
    pub(crate) fn add(&mut self, obligation: &Obligation) {
        match obligation {
            Obligation::Watermark(parts) => self.watermark.extend(parts),
            Obligation::Alert(level) => self.alert = self.alert.max(Some(*level)),
            Obligation::Notify(role) => {
                self.notify.insert(role.clone());
            }
            Obligation::Review(seconds) => self.review_seconds = shortest(self.review_seconds, Some(*seconds)),
            Obligation::Retain(seconds) => self.retain_seconds = shortest(self.retain_seconds, Some(*seconds)),
            Obligation::Audit(detail) => self.audit = self.audit.max(Some(*detail)),
        }
    }

    /// Adds those of another module or question.
    pub(crate) fn merge(&mut self, other: Self) {
        let Self { watermark, alert, notify, review_seconds, retain_seconds, audit } = other;
        self.watermark.extend(watermark);
        self.alert = self.alert.max(alert);
        self.notify.extend(notify);
        self.review_seconds = shortest(self.review_seconds, review_seconds);
        self.retain_seconds = shortest(self.retain_seconds, retain_seconds);
        self.audit = self.audit.max(audit);
    }

    /// What is left of them when nothing leaves: the alert.
    pub(crate) fn of_denial(self) -> Self {
        Self { alert: self.alert, ..Self::default() }
    }
}

fn shortest(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// A kind of obligation: what a gate's configuration says that the tool can carry out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObligationKind {
    /// `watermark`
    Watermark,
    /// `alert`
    Alert,
    /// `notify`
    Notify,
    /// `review`
    Review,
    /// `retain`
    Retain,
    /// `audit`
    Audit,
}

impl ObligationKind {
    /// Every kind, in the order of their names in a policy's documentation.
    pub const ALL: [Self; 6] = [Self::Watermark, Self::Alert, Self::Notify, Self::Review, Self::Retain, Self::Audit];

    /// How an annotation and a configuration name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Watermark => "watermark",
            Self::Alert => "alert",
            Self::Notify => "notify",
            Self::Review => "review",
            Self::Retain => "retain",
            Self::Audit => "audit",
        }
    }

    /// The kind that has this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The kind of an obligation.
    pub fn of(obligation: &Obligation) -> Self {
        match obligation {
            Obligation::Watermark(_) => Self::Watermark,
            Obligation::Alert(_) => Self::Alert,
            Obligation::Notify(_) => Self::Notify,
            Obligation::Review(_) => Self::Review,
            Obligation::Retain(_) => Self::Retain,
            Obligation::Audit(_) => Self::Audit,
        }
    }
}

impl fmt::Display for ObligationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn obligations_add_up_to_the_strictest() {
        let mut all = Obligations::default();
        for obligation in [
            Obligation::Watermark(vec![WatermarkPart::Job]),
            Obligation::Watermark(vec![WatermarkPart::Agent, WatermarkPart::Job]),
            Obligation::Alert(AlertLevel::High),
            Obligation::Alert(AlertLevel::Info),
            Obligation::Review(3_600),
            Obligation::Review(60),
            Obligation::Review(600),
            Obligation::Audit(AuditDetail::Full),
            Obligation::Audit(AuditDetail::Summary),
        ] {
            all.add(&obligation);
        }
        let mut other = Obligations::default();
        other.add(&Obligation::Retain(86_400));
        other.add(&Obligation::Notify("dpo".to_owned()));
        all.merge(other);
        assert_eq!(all.watermark, BTreeSet::from([WatermarkPart::Agent, WatermarkPart::Job]));
        assert_eq!(all.alert, Some(AlertLevel::High));
        assert_eq!(all.review_seconds, Some(60));
        assert_eq!(all.retain_seconds, Some(86_400));
        assert_eq!(all.audit, Some(AuditDetail::Full));
        assert_eq!(all.notify.len(), 1);
        let denial = all.of_denial();
        assert_eq!(denial, Obligations { alert: Some(AlertLevel::High), ..Obligations::default() });
    }
}
