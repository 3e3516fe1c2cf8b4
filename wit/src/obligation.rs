//! What annotations of an export policy mean: a closed list, checked when a pack is built and again when it is loaded.
//!
//! Annotations never change what Cedar answers. They tell the gate what has to happen when the policy is among those that
//! determined a decision, what would lift a denial, and what to tell whom.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// What must be done when a policy determines a decision that lets data out. Several add up: the union of watermark parts
/// and of people to notify, the highest alert, the shortest review and retention, the fullest audit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Obligation {
    /// `@watermark("agent,ticket,job")`: mark what leaves with these.
    Watermark(Vec<WatermarkPart>),
    /// `@alert("high")`: raise an alert. Also holds for a policy that denied.
    Alert(AlertLevel),
    /// `@notify("dpo")`: tell the people with this role.
    Notify(String),
    /// `@review("24h")`: somebody must review it within so many seconds.
    Review(u64),
    /// `@retain("30d")`: what left must be deleted after so many seconds.
    Retain(u64),
    /// `@audit("full")`: how much the decision's log record holds.
    Audit(AuditDetail),
}

/// What a watermark names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WatermarkPart {
    /// The agent's id.
    Agent,
    /// The ticket's id.
    Ticket,
    /// The job's id.
    Job,
}

/// How loud an alert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlertLevel {
    /// For the record.
    Info,
    /// Somebody should look today.
    High,
    /// Somebody must look now.
    Critical,
}

/// How much the log record of a decision holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AuditDetail {
    /// Counts and digests.
    Summary,
    /// Also each customer (as a keyed hash) and each field.
    Full,
}

/// What would lift a denial. Each names the context values that the gate assumes when it asks again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Remedy {
    /// `approval:supervisor`: assumes `approvals.supervisor`, one more in `approvals.distinct`, `approvals.ageSec` 0.
    ApprovalSupervisor,
    /// `approval:data_owner`: assumes `approvals.dataOwner`, one more in `approvals.distinct`, `approvals.ageSec` 0.
    ApprovalDataOwner,
    /// `approval:operator`: assumes `approvals.operator`, one more in `approvals.distinct`, `approvals.ageSec` 0.
    ApprovalOperator,
    /// `step-up:phishing-resistant`: assumes `env.auth.phishingResistant` and `env.auth.ageSec` 0.
    StepUpPhishingResistant,
    /// `managed-device`: assumes `env.managedDevice` and `env.network.corporate`.
    ManagedDevice,
}

impl Remedy {
    /// Every remedy, in the order in which they are offered.
    pub const ALL: [Self; 5] = [
        Self::ApprovalSupervisor,
        Self::ApprovalDataOwner,
        Self::ApprovalOperator,
        Self::StepUpPhishingResistant,
        Self::ManagedDevice,
    ];

    /// How an annotation and a decision name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ApprovalSupervisor => "approval:supervisor",
            Self::ApprovalDataOwner => "approval:data_owner",
            Self::ApprovalOperator => "approval:operator",
            Self::StepUpPhishingResistant => "step-up:phishing-resistant",
            Self::ManagedDevice => "managed-device",
        }
    }

    /// The context values that it assumes: each a path below `context`.
    pub fn assumes(self) -> &'static [(&'static [&'static str], Assumed)] {
        match self {
            Self::ApprovalSupervisor => &[
                (&["approvals", "supervisor"], Assumed::True),
                (&["approvals", "distinct"], Assumed::OneMore),
                (&["approvals", "ageSec"], Assumed::Zero),
            ],
            Self::ApprovalDataOwner => &[
                (&["approvals", "dataOwner"], Assumed::True),
                (&["approvals", "distinct"], Assumed::OneMore),
                (&["approvals", "ageSec"], Assumed::Zero),
            ],
            Self::ApprovalOperator => &[
                (&["approvals", "operator"], Assumed::True),
                (&["approvals", "distinct"], Assumed::OneMore),
                (&["approvals", "ageSec"], Assumed::Zero),
            ],
            Self::StepUpPhishingResistant => {
                &[(&["env", "auth", "phishingResistant"], Assumed::True), (&["env", "auth", "ageSec"], Assumed::Zero)]
            }
            Self::ManagedDevice => {
                &[(&["env", "managedDevice"], Assumed::True), (&["env", "network", "corporate"], Assumed::True)]
            }
        }
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a remedy does to a context value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Assumed {
    /// A `Bool` becomes true.
    True,
    /// A `Long` becomes 0.
    Zero,
    /// A `Long` grows by one, unless the `Bool` that the same remedy sets was true already.
    OneMore,
}

/// What one annotation of a policy says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Annotation {
    /// `@id("F3-daily")`: the policy's id.
    Id(String),
    /// `@reason("quota-24h")`: the id of a message for the agent, never text or numbers.
    Reason(String),
    /// `@control("AC-23,CC6.7")`: the controls that it implements.
    Control(Vec<String>),
    /// `@incident("trend-micro-2019")`: the incidents that it answers.
    Incident(Vec<String>),
    /// `@silent`: a denial by this policy tells the agent nothing, and never becomes a challenge.
    Silent,
    /// `@remedy("approval:supervisor")`: what lifts this forbid, or satisfies this permit.
    Remedy(Vec<Remedy>),
    /// `@fallback("store-down")`: this permit also holds while the gate can't do something.
    Fallback(Fallback),
    /// An obligation.
    Obligation(Obligation),
}

/// What may be missing when a permit holds all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fallback {
    /// `store-down`: the ledger, for one customer at a time.
    StoreDown,
}

impl Fallback {
    /// Every fallback.
    pub const ALL: [Self; 1] = [Self::StoreDown];

    /// How an annotation and a configuration name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::StoreDown => "store-down",
        }
    }
}

impl fmt::Display for Fallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An annotation that isn't in the list, or whose value isn't one of those it may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnnotationError {
    key: String,
    message: String,
}

impl AnnotationError {
    /// The key of the annotation.
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl fmt::Display for AnnotationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl core::error::Error for AnnotationError {}

/// Reads one annotation of an export policy.
///
/// # Errors
///
/// [`AnnotationError`] when the key isn't one of the list, or its value isn't one of those that the key may have.
pub fn parse(key: &str, value: &str) -> Result<Annotation, AnnotationError> {
    let fail = |message: String| AnnotationError { key: key.to_owned(), message };
    let expected = |what: &str| fail(format!("`@{key}` expects {what}, found `{value}`"));
    let text = || {
        let plain = !value.is_empty() && value.chars().all(|c| c.is_ascii_graphic());
        plain
            .then(|| value.to_owned())
            .ok_or_else(|| expected("a short name of visible ASCII characters, without spaces"))
    };
    let list = || {
        let items: Vec<String> = value.split(',').map(|item| item.trim().to_owned()).collect();
        if items.iter().any(String::is_empty) { Err(expected("names with commas between them")) } else { Ok(items) }
    };
    Ok(match key {
        "id" if value.is_empty() || value.chars().any(char::is_control) => {
            return Err(expected("a name without control characters"));
        }
        "id" => Annotation::Id(value.to_owned()),
        "reason" => Annotation::Reason(text()?),
        "control" => Annotation::Control(list()?),
        "incident" => Annotation::Incident(list()?),
        "silent" if value.is_empty() => Annotation::Silent,
        "silent" => return Err(expected("no value")),
        "remedy" => Annotation::Remedy(parse_remedies(value).ok_or_else(|| {
            expected("one or more of `approval:supervisor`, `approval:data_owner`, `approval:operator`, `step-up:phishing-resistant`, `managed-device`")
        })?),
        "fallback" => Annotation::Fallback(
            Fallback::ALL
                .into_iter()
                .find(|fallback| fallback.name() == value)
                .ok_or_else(|| expected("`store-down`"))?,
        ),
        "watermark" => Annotation::Obligation(Obligation::Watermark(
            parse_watermark(value).ok_or_else(|| expected("one or more of `agent`, `ticket`, `job`"))?,
        )),
        "alert" => Annotation::Obligation(Obligation::Alert(match value {
            "info" => AlertLevel::Info,
            "high" => AlertLevel::High,
            "critical" => AlertLevel::Critical,
            _ => return Err(expected("`info`, `high` or `critical`")),
        })),
        "notify" => Annotation::Obligation(Obligation::Notify(text()?)),
        "review" => Annotation::Obligation(Obligation::Review(
            parse_seconds(value).ok_or_else(|| expected("a time such as `30m`, `24h` or `7d`"))?,
        )),
        "retain" => Annotation::Obligation(Obligation::Retain(
            parse_seconds(value).ok_or_else(|| expected("a time such as `30m`, `24h` or `7d`"))?,
        )),
        "audit" => Annotation::Obligation(Obligation::Audit(match value {
            "summary" => AuditDetail::Summary,
            "full" => AuditDetail::Full,
            _ => return Err(expected("`summary` or `full`")),
        })),
        _ => {
            return Err(fail(format!(
                "unknown annotation `@{key}`: expected one of `@id`, `@reason`, `@control`, `@incident`, `@silent`, `@remedy`, `@fallback`, `@watermark`, `@alert`, `@notify`, `@review`, `@retain`, `@audit`"
            )));
        }
    })
}

fn parse_remedies(value: &str) -> Option<Vec<Remedy>> {
    value.split(',').map(|name| Remedy::ALL.into_iter().find(|remedy| remedy.name() == name.trim())).collect()
}

fn parse_watermark(value: &str) -> Option<Vec<WatermarkPart>> {
    value
        .split(',')
        .map(|part| match part.trim() {
            "agent" => Some(WatermarkPart::Agent),
            "ticket" => Some(WatermarkPart::Ticket),
            "job" => Some(WatermarkPart::Job),
            _ => None,
        })
        .collect()
}

/// A time such as `90s`, `30m`, `24h` or `7d`, in seconds.
fn parse_seconds(value: &str) -> Option<u64> {
    let unit = match value.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    let digits = value.get(..value.len().checked_sub(1)?)?;
    if !digits.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(unit).filter(|seconds| *seconds > 0)
}
