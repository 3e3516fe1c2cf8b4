//! The gate's configuration: which modules it trusts, how far, and what the tool around it can carry out.
//!
//! A tool builds a [`GateConfig`] itself or reads it from the text of an `exportgate.toml`. Every option, with an example
//! that reads as it stands:
//!
//! ```
//! let text = r#"
//! ## What the tool carries out. A module that needs something else is refused when the gate is made.
//! obligations = ["watermark", "alert", "notify", "review", "retain", "audit"]
//! remedies = ["approval:supervisor", "step-up:phishing-resistant"]
//! windows = ["customers", "team", "denied"]
//! fallbacks = ["store-down"]
//!
//! ## What a policy that errs means: "deny" (the default), or "skip" as Cedar itself does.
//! erring_policies = "deny"
//!
//! ## How much one job may ask for.
//! ## How long a permit can be used, and a request for approvals answered.
//! permit_seconds = 300
//! approval_seconds = 86_400
//!
//! customers_per_job_max = 70_000
//! fields_per_job_max = 64
//!
//! ## Where what has left is counted. A gate that only evaluates needs none.
//! [ledger]
//! sqlite = "ledger.sqlite"
//! key_file = "ledger.key"
//! durability = "process"
//!
//! ## The audit log, kept in the ledger: what each ask records, and under which keys. Without it, asks aren't recorded.
//! [audit]
//! origin = "log.example/support-desk"
//! customer_key_files = ["audit-customers.key"]
//! signing_key_file = "audit.key"
//! public_keys = ["log.example/support-desk+d588e89c+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c"]
//! checkpoints_file = "audit.checkpoints"
//!
//! ## How fields leave that a decision lets leave as tokens. Without it, no such job can be released.
//! [release]
//! token_key_file = "tokens.key"
//!
//! ## Who may answer requests for approvals with the command, by the user that runs it.
//! [[approvers]]
//! user = 1001
//! role = "supervisor"
//! agent = { id = "sam", employment = "active", kind = "human", in = ["Role::approver"] }
//!
//! ## What a call into a module may take.
//! [engine]
//! fuel_per_call = 50_000_000
//! fuel_per_point = 1_000_000
//! deadline_ms = 10_000
//! memory_bytes_max = 67_108_864
//! stack_bytes_max = 524_288
//! instances_max = 128
//! ## Where compiled modules are kept: a directory of this user alone. Left out, every start compiles them.
//! compile_cache = "/var/cache/exportgate"
//!
//! ## The modules that the gate runs: all of these, and no others. The first is the base, which must allow.
//! [[modules]]
//! name = "support-desk"
//! sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
//! version_min = "1.2.0"
//! isolation = "warm"
//!
//! [[modules]]
//! name = "works-council"
//! sha256 = "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752"
//! "#;
//! let config = exportgate::GateConfig::from_toml(text)?;
//! assert_eq!(config.modules.len(), 2);
//! # Ok::<(), exportgate::GateConfigError>(())
//! ```

mod approvers;
mod audit;
mod release;
mod store;

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use exportgate_contract::limits::{CUSTOMERS_PER_JOB_MAX, FIELDS_PER_JOB_MAX};
use exportgate_contract::obligation::{Fallback, Remedy};
use exportgate_contract::vocabulary::{Counted, Subject, Window};
use serde::Deserialize;

use crate::engine::EngineConfig;
use crate::obligations::ObligationKind;

pub use approvers::ApproverConfig;
pub use audit::{AuditConfig, AuditConfigError};
pub use release::{ReleaseConfig, ReleaseConfigError};
pub use store::{LedgerConfig, LedgerConfigError, LedgerStore};

/// Bytes of a configuration file, 1 MiB: a hundred modules take a few KiB.
pub const CONFIG_BYTES_MAX: usize = 1 << 20;

/// The longest that a permit lasts: a day.
const PERMIT_SECONDS_MAX: usize = 86_400;

/// The longest that a request for approvals lasts: 30 days.
const APPROVAL_SECONDS_MAX: usize = 30 * 86_400;

/// What a gate is told when it is made. All of it is checked then, and nothing later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateConfig {
    /// The modules that the gate runs, the base first. Default: none, which means that the gate takes the modules it is
    /// given, the first as the base, each with a fresh instance a job. With pins, every module given must match one, and
    /// every pin must be matched: a restriction can't be lost by forgetting its module.
    pub modules: Vec<ModulePin>,
    /// The kinds of obligations that the tool carries out. Default: none. A module whose policies carry another kind is
    /// refused.
    pub obligations: BTreeSet<ObligationKind>,
    /// The remedies that the tool can offer. Default: none. A module whose policies name another one is refused.
    pub remedies: BTreeSet<Remedy>,
    /// The windows that the tool has the entities for: the teams above agents, and so on. Default: none. A module whose
    /// schema declares a window of another kind is refused.
    pub windows: BTreeSet<WindowKind>,
    /// What may be missing while a permit says that it holds all the same (`@fallback`). Default: nothing. A module whose
    /// policies name another fallback is refused.
    pub fallbacks: BTreeSet<Fallback>,
    /// What a policy that errs means. Default: [`ErringPolicies::Deny`]. It doesn't concern tallies: when a policy of
    /// those errs, the count is unknown, and the job is denied.
    pub erring_policies: ErringPolicies,
    /// How long a permit can be used after the ask. Unit: seconds. Range: 1 to 86,400. Default: 300. It doesn't limit how
    /// long the release takes that begins with it, nor the reservation: that is counted whether or not anything left.
    pub permit_seconds: u64,
    /// How long a request for approvals, with its answers, can be used. Unit: seconds. Range: 60 to 2,592,000 (30 days).
    /// Default: 86,400. Policies may hold approvals to less (`context.approvals.ageSec`).
    pub approval_seconds: u64,
    /// Customers in one job, at most. Range: 1 to 1,000,000, which is the default.
    pub customers_per_job_max: usize,
    /// Fields in one job, at most. Range: 1 to 1,024, which is the default.
    pub fields_per_job_max: usize,
    /// Where the ledger is. Default: nowhere. It serves to open the ledger, before the gate is made.
    pub ledger: Option<LedgerConfig>,
    /// Which audit log asks are recorded in. Default: none, and nothing is recorded. It serves to make the log, after the gate.
    pub audit: Option<AuditConfig>,
    /// How fields leave as tokens. Default: none, and a job in which any does can't be released. The gate itself doesn't read
    /// it: it serves to make the key, for [`crate::Release`].
    pub release: Option<ReleaseConfig>,
    /// Who may answer requests for approvals with the command. Default: nobody. The gate itself doesn't read it.
    pub approvers: Vec<ApproverConfig>,
    /// What a call into a module may take. It serves to make the [`crate::Engine`], before the gate.
    pub engine: EngineConfig,
}

impl Default for GateConfig {
    fn default() -> Self {
        Self {
            modules: Vec::new(),
            obligations: BTreeSet::new(),
            remedies: BTreeSet::new(),
            windows: BTreeSet::new(),
            fallbacks: BTreeSet::new(),
            erring_policies: ErringPolicies::Deny,
            permit_seconds: 300,
            approval_seconds: 86_400,
            customers_per_job_max: CUSTOMERS_PER_JOB_MAX,
            fields_per_job_max: FIELDS_PER_JOB_MAX,
            ledger: None,
            audit: None,
            release: None,
            approvers: Vec::new(),
            engine: EngineConfig::default(),
        }
    }
}

/// A module that the gate runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModulePin {
    /// The name of its pack.
    pub name: String,
    /// SHA-256 of the component, in lower-case hexadecimal digits.
    pub sha256: String,
    /// The lowest version of the pack, `major.minor.patch`. Default: any. A digest pins more; this holds when somebody
    /// changes the digest back.
    pub version_min: Option<Version>,
    /// Whether each job gets an instance of its own. Default: [`Isolation::Fresh`].
    pub isolation: Isolation,
}

/// Whether a guest's memory outlives a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Isolation {
    /// A new instance for each job: nothing that a guest learns in one reaches the next. The default.
    #[default]
    Fresh,
    /// Instances stay and are used again. Several times faster, and for modules whose code is trusted not to carry anything
    /// from one job to the next: what `exportgate build` compiles does not. An instance in which anything went wrong is
    /// dropped all the same.
    Warm,
}

/// What it means that a policy errs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ErringPolicies {
    /// The job is denied: an erring `forbid` might have held.
    #[default]
    Deny,
    /// The policy is skipped, as Cedar does. An erring `forbid` then doesn't forbid.
    Skip,
}

/// A kind of window: how the name of one begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WindowKind {
    /// `customers24h`: distinct customers of the agent.
    Customers,
    /// `team24h`: of the teams above the agent.
    Team,
    /// `vendor24h`: of the vendors above the agent.
    Vendor,
    /// `tenant24h`: of the tenants above the agent.
    Tenant,
    /// `destination24h`: of the destination in `env`.
    Destination,
    /// `denied1h`: denials of the agent.
    Denied,
}

impl WindowKind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Customers, Self::Team, Self::Vendor, Self::Tenant, Self::Destination, Self::Denied];

    /// How the name of a window of this kind begins.
    pub fn name(self) -> &'static str {
        match self {
            Self::Customers => "customers",
            Self::Team => "team",
            Self::Vendor => "vendor",
            Self::Tenant => "tenant",
            Self::Destination => "destination",
            Self::Denied => "denied",
        }
    }

    /// The kind of a window.
    pub fn of(window: Window) -> Self {
        match (window.counted, window.subject) {
            (Counted::Denials, _) => Self::Denied,
            (Counted::Customers, Subject::Agent) => Self::Customers,
            (Counted::Customers, Subject::Team) => Self::Team,
            (Counted::Customers, Subject::Vendor) => Self::Vendor,
            (Counted::Customers, Subject::Tenant) => Self::Tenant,
            (Counted::Customers, Subject::Destination) => Self::Destination,
        }
    }
}

/// A version of a pack: `1.2.0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    major: u64,
    minor: u64,
    patch: u64,
}

impl Version {
    /// The version that `text` names; none when it isn't three numbers with points between them.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(|part| {
            let plain = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| part.parse::<u64>().ok()).flatten()
        });
        let version = Self { major: parts.next()??, minor: parts.next()??, patch: parts.next()?? };
        parts.next().is_none().then_some(version)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl GateConfig {
    /// A configuration for dry runs, where nothing leaves: it trusts the modules it is given, and claims that every
    /// obligation, remedy, window and fallback is supported.
    pub fn dry_run() -> Self {
        Self {
            obligations: ObligationKind::ALL.into(),
            remedies: Remedy::ALL.into(),
            windows: WindowKind::ALL.into(),
            fallbacks: Fallback::ALL.into(),
            ..Self::default()
        }
    }

    /// Reads the text of an `exportgate.toml`. Options that aren't there have their defaults; keys that the gate doesn't
    /// know are errors.
    ///
    /// # Errors
    ///
    /// [`GateConfigError`] with the place and what was expected.
    pub fn from_toml(text: &str) -> Result<Self, GateConfigError> {
        if text.len() > CONFIG_BYTES_MAX {
            return Err(GateConfigError::TooLong { bytes: text.len() });
        }
        let file: File = toml::from_str(text).map_err(|error| syntax_error(text, &error))?;
        let config = file.into_config()?;
        config.check()?;
        Ok(config)
    }

    /// Checks ranges and pins; a gate does it when it is made.
    pub(crate) fn check(&self) -> Result<(), GateConfigError> {
        let in_range = |option, value: usize, min: usize, max: usize| {
            if (min..=max).contains(&value) {
                return Ok(());
            }
            Err(GateConfigError::OutOfRange { option, value, min, max })
        };
        let seconds = |seconds: u64| usize::try_from(seconds).unwrap_or(usize::MAX);
        in_range("permit_seconds", seconds(self.permit_seconds), 1, PERMIT_SECONDS_MAX)?;
        in_range("approval_seconds", seconds(self.approval_seconds), 60, APPROVAL_SECONDS_MAX)?;
        in_range("customers_per_job_max", self.customers_per_job_max, 1, CUSTOMERS_PER_JOB_MAX)?;
        in_range("fields_per_job_max", self.fields_per_job_max, 1, FIELDS_PER_JOB_MAX)?;
        let mut digests = BTreeSet::new();
        for pin in &self.modules {
            let hexadecimal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            if pin.sha256.len() != 64 || !pin.sha256.bytes().all(hexadecimal) {
                return Err(GateConfigError::Digest { module: pin.name.clone(), found: pin.sha256.clone() });
            }
            if !digests.insert(&pin.sha256) {
                return Err(GateConfigError::DuplicatePin { module: pin.name.clone() });
            }
        }
        Ok(())
    }
}

/// What an `exportgate.toml` may hold.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    modules: Vec<FilePin>,
    #[serde(default)]
    obligations: Vec<String>,
    #[serde(default)]
    remedies: Vec<String>,
    #[serde(default)]
    windows: Vec<String>,
    #[serde(default)]
    fallbacks: Vec<String>,
    erring_policies: Option<String>,
    permit_seconds: Option<u64>,
    approval_seconds: Option<u64>,
    customers_per_job_max: Option<usize>,
    fields_per_job_max: Option<usize>,
    ledger: Option<store::FileLedger>,
    audit: Option<audit::FileAudit>,
    release: Option<release::FileRelease>,
    #[serde(default)]
    approvers: Vec<approvers::FileApprover>,
    #[serde(default)]
    engine: FileEngine,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FilePin {
    name: String,
    sha256: String,
    version_min: Option<String>,
    isolation: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileEngine {
    fuel_per_call: Option<u64>,
    fuel_per_point: Option<u64>,
    deadline_ms: Option<u64>,
    memory_bytes_max: Option<usize>,
    stack_bytes_max: Option<usize>,
    instances_max: Option<u32>,
    compile_cache: Option<PathBuf>,
}

impl File {
    fn into_config(self) -> Result<GateConfig, GateConfigError> {
        let default = GateConfig::default();
        let windows = |name: &str| WindowKind::ALL.into_iter().find(|kind| kind.name() == name);
        let remedies = |name: &str| Remedy::ALL.into_iter().find(|remedy| remedy.name() == name);
        let fallbacks = |name: &str| Fallback::ALL.into_iter().find(|fallback| fallback.name() == name);
        let erring_policies = |name: &str| match name {
            "deny" => Some(ErringPolicies::Deny),
            "skip" => Some(ErringPolicies::Skip),
            _ => None,
        };
        Ok(GateConfig {
            modules: self.modules.into_iter().map(FilePin::into_pin).collect::<Result<_, _>>()?,
            obligations: names("obligations", self.obligations, OBLIGATIONS, ObligationKind::parse)?,
            remedies: names("remedies", self.remedies, REMEDIES, remedies)?,
            windows: names("windows", self.windows, WINDOWS, windows)?,
            fallbacks: names("fallbacks", self.fallbacks, "`store-down`", fallbacks)?,
            erring_policies: match self.erring_policies {
                None => default.erring_policies,
                Some(text) => name("erring_policies", text, "`deny` or `skip`", erring_policies)?,
            },
            permit_seconds: self.permit_seconds.unwrap_or(default.permit_seconds),
            approval_seconds: self.approval_seconds.unwrap_or(default.approval_seconds),
            customers_per_job_max: self.customers_per_job_max.unwrap_or(default.customers_per_job_max),
            fields_per_job_max: self.fields_per_job_max.unwrap_or(default.fields_per_job_max),
            ledger: self.ledger.map(store::FileLedger::into_config).transpose()?,
            audit: self.audit.map(audit::FileAudit::into_config).transpose()?,
            release: self.release.map(release::FileRelease::into_config),
            approvers: self
                .approvers
                .into_iter()
                .map(approvers::FileApprover::into_config)
                .collect::<Result<_, _>>()?,
            engine: self.engine.into_config(default.engine),
        })
    }
}

impl FilePin {
    fn into_pin(self) -> Result<ModulePin, GateConfigError> {
        let isolation = |name: &str| match name {
            "fresh" => Some(Isolation::Fresh),
            "warm" => Some(Isolation::Warm),
            _ => None,
        };
        Ok(ModulePin {
            name: self.name,
            sha256: self.sha256,
            version_min: match self.version_min {
                None => None,
                Some(text) => Some(name("version_min", text, "a version such as `1.2.0`", Version::parse)?),
            },
            isolation: match self.isolation {
                None => Isolation::default(),
                Some(text) => name("isolation", text, "`fresh` or `warm`", isolation)?,
            },
        })
    }
}

impl FileEngine {
    fn into_config(self, default: EngineConfig) -> EngineConfig {
        EngineConfig {
            fuel_per_call: self.fuel_per_call.unwrap_or(default.fuel_per_call),
            fuel_per_point: self.fuel_per_point.unwrap_or(default.fuel_per_point),
            deadline_ms: self.deadline_ms.unwrap_or(default.deadline_ms),
            memory_bytes_max: self.memory_bytes_max.unwrap_or(default.memory_bytes_max),
            stack_bytes_max: self.stack_bytes_max.unwrap_or(default.stack_bytes_max),
            instances_max: self.instances_max.unwrap_or(default.instances_max),
            compile_cache: self.compile_cache,
            equal_rows_once: default.equal_rows_once,
        }
    }
}

const OBLIGATIONS: &str = "one of `watermark`, `alert`, `notify`, `review`, `retain`, `audit`";
const REMEDIES: &str = "one of `approval:supervisor`, `approval:data_owner`, `approval:operator`, `step-up:phishing-resistant`, `managed-device`";
const WINDOWS: &str = "one of `customers`, `team`, `vendor`, `tenant`, `destination`, `denied`";

fn name<T>(
    option: &'static str,
    text: String,
    expected: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<T, GateConfigError> {
    parse(&text).ok_or(GateConfigError::Value { option, found: text, expected })
}

fn names<T: Ord>(
    option: &'static str,
    texts: Vec<String>,
    expected: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<BTreeSet<T>, GateConfigError> {
    texts.into_iter().map(|text| name(option, text, expected, &parse)).collect()
}

fn syntax_error(text: &str, error: &toml::de::Error) -> GateConfigError {
    let start = error.span().map_or(0, |span| span.start);
    let before = text.get(..start).unwrap_or("");
    let line = before.matches('\n').count().saturating_add(1);
    let message = error.message().replace('\n', ", ");
    GateConfigError::Syntax { line, message }
}

/// Why a configuration can't be read or doesn't hold together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GateConfigError {
    /// It is longer than [`CONFIG_BYTES_MAX`].
    #[error("the configuration has {bytes} bytes, at most {CONFIG_BYTES_MAX} are allowed")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// It isn't TOML, has a key that the gate doesn't know, or a value of another type.
    #[error("line {line}: {message}")]
    Syntax {
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// A name isn't one of those that the option may have.
    #[error("`{option}`: expected {expected}, found `{found}`")]
    Value {
        /// The option.
        option: &'static str,
        /// What it is.
        found: String,
        /// What it may be.
        expected: &'static str,
    },
    /// A number isn't in its range.
    #[error("`{option}` is {value}, expected {min} to {max}")]
    OutOfRange {
        /// The option.
        option: &'static str,
        /// What it is.
        value: usize,
        /// The least that it may be.
        min: usize,
        /// The most that it may be.
        max: usize,
    },
    /// A digest isn't one.
    #[error("`sha256` of module `{module}`: expected 64 lower-case hexadecimal digits, found `{found}`")]
    Digest {
        /// The name of the module.
        module: String,
        /// What stands there.
        found: String,
    },
    /// Two pins have the same digest.
    #[error("module `{module}` is pinned twice")]
    DuplicatePin {
        /// The name of the module.
        module: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        GateConfig::from_toml(text).unwrap_err().to_string()
    }

    #[test]
    fn an_empty_file_gives_the_defaults() {
        assert_eq!(GateConfig::from_toml("").unwrap(), GateConfig::default());
    }

    #[test]
    fn unknown_keys_are_errors() {
        assert!(message("fields_per_job = 5").starts_with("line 1: unknown field `fields_per_job`, expected one of"));
        assert!(message("\n[engine]\nfuel = 5").starts_with("line 3: unknown field `fuel`"));
        assert!(message("[[modules]]\nname = 'x'\nsha256 = ''\nwarm = true").contains("unknown field `warm`"));
    }

    #[test]
    fn values_are_held_to_their_names_and_ranges() {
        assert_eq!(
            message("obligations = ['encrypt']"),
            format!("`obligations`: expected {OBLIGATIONS}, found `encrypt`")
        );
        assert_eq!(message("windows = ['agent']"), format!("`windows`: expected {WINDOWS}, found `agent`"));
        assert_eq!(message("erring_policies = 'allow'"), "`erring_policies`: expected `deny` or `skip`, found `allow`");
        assert_eq!(message("customers_per_job_max = 0"), "`customers_per_job_max` is 0, expected 1 to 1000000");
        assert_eq!(message("fields_per_job_max = 9999"), "`fields_per_job_max` is 9999, expected 1 to 1024");
        let pin = |sha256: &str, rest: &str| format!("[[modules]]\nname = 'x'\nsha256 = '{sha256}'\n{rest}\n");
        assert_eq!(
            message(&pin("AB", "")),
            "`sha256` of module `x`: expected 64 lower-case hexadecimal digits, found `AB`"
        );
        let digest = "0".repeat(64);
        assert_eq!(message(&pin(&digest, "isolation = 'hot'")), "`isolation`: expected `fresh` or `warm`, found `hot`");
        assert_eq!(
            message(&pin(&digest, "version_min = '1.2'")),
            "`version_min`: expected a version such as `1.2.0`, found `1.2`"
        );
        assert_eq!(message(&(pin(&digest, "") + &pin(&digest, ""))), "module `x` is pinned twice");
        assert_eq!(
            message(&"#".repeat(CONFIG_BYTES_MAX + 1)),
            "the configuration has 1048577 bytes, at most 1048576 are allowed"
        );
    }

    #[test]
    fn versions_compare_by_number() {
        let version = |text| Version::parse(text).unwrap();
        assert!(version("1.10.0") > version("1.9.9"));
        assert_eq!(Version::parse("1.2"), None);
        assert_eq!(Version::parse("1.2.3.4"), None);
        assert_eq!(Version::parse("1.+2.3"), None);
    }
}
