//! Why a gate can't be made.

use std::sync::Arc;

use exportgate_contract::obligation::{Fallback, Remedy};
use exportgate_contract::partial::PartialForm;

use crate::config::{GateConfigError, Version};
use crate::obligations::ObligationKind;
use crate::windows::WindowsError;

/// Why a gate can't be made: the configuration, the modules and the windows don't fit together. Nothing was asked yet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GateError {
    /// The configuration doesn't hold together.
    #[error("the configuration is refused: {0}")]
    Config(#[from] GateConfigError),
    /// The engine was made with other limits than the configuration says.
    #[error("the engine was made with other limits than the configuration says")]
    Engine,
    /// A module was loaded into an engine with other limits than the configuration says.
    #[error("module `{module}` was loaded into an engine with other limits than the configuration says")]
    ModuleEngine {
        /// The name of its pack.
        module: Arc<str>,
    },
    /// There are no modules.
    #[error("the gate has no modules: it needs at least the base")]
    NoModules,
    /// Two modules are the same.
    #[error("module `{module}` is given twice")]
    DuplicateModule {
        /// The name of its pack.
        module: Arc<str>,
    },
    /// A module isn't one of those that the configuration pins.
    #[error("module `{module}` with the digest {sha256} isn't pinned by the configuration")]
    NotPinned {
        /// The name of its pack.
        module: Arc<str>,
        /// Its digest.
        sha256: Arc<str>,
    },
    /// A module has another name than its pin says.
    #[error("the configuration pins `{expected}`, and the module with that digest is `{module}`")]
    Name {
        /// The name of its pack.
        module: Arc<str>,
        /// The name that the pin has.
        expected: String,
    },
    /// A module is older than the configuration allows.
    #[error("module `{module}` has the version {found}, expected {min} or later")]
    Version {
        /// The name of its pack.
        module: Arc<str>,
        /// Its version.
        found: Arc<str>,
        /// The lowest version allowed.
        min: Version,
    },
    /// A module that the configuration pins isn't given.
    #[error("module `{module}`, which the configuration pins, isn't given")]
    PinUnmatched {
        /// The name that the pin has.
        module: String,
    },
    /// The base doesn't answer a question that an export needs.
    #[error("module `{module}` is the base and doesn't answer `{action}`")]
    BaseUnanswered {
        /// The name of its pack.
        module: Arc<str>,
        /// The action.
        action: String,
    },
    /// A module answers nothing that is part of an export.
    #[error("module `{module}` answers no question of an export")]
    NothingAnswered {
        /// The name of its pack.
        module: Arc<str>,
    },
    /// A module answers a question of an export in more than one way.
    #[error("module `{module}` answers `{action}` for more than one type of principal or resource")]
    AnsweredTwice {
        /// The name of its pack.
        module: Arc<str>,
        /// The action.
        action: String,
    },
    /// A module has no field catalogue, but policies about fields or their classes.
    #[error("module `{module}` asks about fields or their classes and has no field catalogue")]
    NoCatalogue {
        /// The name of its pack.
        module: Arc<str>,
    },
    /// The catalogue of a module names a way of showing a field in part that isn't one.
    #[error(
        "the catalogue of module `{module}` shows `{field}` in part as `{form}`, expected one of {}",
        PartialForm::NAMES
    )]
    Partial {
        /// The name of its pack.
        module: Arc<str>,
        /// The field.
        field: String,
        /// What it names.
        form: String,
    },
    /// The schema of a module doesn't speak of exports as the gate does.
    #[error("the schema of module `{module}` doesn't fit: {complaint}")]
    Vocabulary {
        /// The name of its pack.
        module: Arc<str>,
        /// What doesn't fit: the first of all complaints.
        complaint: String,
    },
    /// A module counts something by a tally that it doesn't answer.
    #[error("module `{module}` reads `context.tally.{tally}` and doesn't answer `tally_{tally}`")]
    TallyUnanswered {
        /// The name of its pack.
        module: Arc<str>,
        /// The name of the tally.
        tally: Arc<str>,
    },
    /// A module wants an input that the gate doesn't know.
    #[error("module `{module}` wants the input `{input}`, which the gate doesn't state")]
    Input {
        /// The name of its pack.
        module: Arc<str>,
        /// The name of the input.
        input: String,
    },
    /// A module has an input on another axis than the gate.
    #[error("module `{module}` has the input `{input}` on another axis than the gate")]
    InputAxis {
        /// The name of its pack.
        module: Arc<str>,
        /// The name of the input.
        input: String,
    },
    /// A question of a module is put together otherwise than the vocabulary says.
    #[error("module `{module}` binds `{action}` to other inputs than the gate states, or answers it on another axis")]
    Binding {
        /// The name of its pack.
        module: Arc<str>,
        /// The action.
        action: String,
    },
    /// A policy has an annotation that means nothing to the gate.
    #[error("policy `{policy}` of module `{module}`: {message}")]
    Annotation {
        /// The name of its pack.
        module: Arc<str>,
        /// The id of the policy.
        policy: Arc<str>,
        /// What is wrong with it.
        message: String,
    },
    /// A policy carries an obligation that the configuration doesn't say is supported.
    #[error(
        "policy `{policy}` of module `{module}` carries `@{obligation}`, which the configuration doesn't list as supported"
    )]
    Obligation {
        /// The name of its pack.
        module: Arc<str>,
        /// The id of the policy.
        policy: Arc<str>,
        /// The kind of obligation.
        obligation: ObligationKind,
    },
    /// A policy names a remedy that the configuration doesn't say is supported.
    #[error(
        "policy `{policy}` of module `{module}` names the remedy `{remedy}`, which the configuration doesn't list as supported"
    )]
    Remedy {
        /// The name of its pack.
        module: Arc<str>,
        /// The id of the policy.
        policy: Arc<str>,
        /// The remedy.
        remedy: Remedy,
    },
    /// A policy holds while something is missing, which the configuration doesn't allow.
    #[error(
        "policy `{policy}` of module `{module}` carries `@fallback(\"{fallback}\")`, which the configuration doesn't list under `fallbacks`"
    )]
    Fallback {
        /// The name of its pack.
        module: Arc<str>,
        /// The id of the policy.
        policy: Arc<str>,
        /// What may be missing.
        fallback: Fallback,
    },
    /// A policy names a remedy that assumes something which the schema doesn't declare.
    #[error(
        "policy `{policy}` of module `{module}` names the remedy `{remedy}`, which assumes `context.{path}`: the schema doesn't declare that for `export` as a `{expected}`"
    )]
    RemedyPath {
        /// The name of its pack.
        module: Arc<str>,
        /// The id of the policy.
        policy: Arc<str>,
        /// The remedy.
        remedy: Remedy,
        /// The path that it assumes something of.
        path: String,
        /// The type that it must have.
        expected: &'static str,
    },
    /// A module reads a window of a kind that the configuration doesn't say is supported.
    #[error(
        "module `{module}` reads `context.usage.{window}`, and the configuration doesn't list windows of `{kind}` as supported"
    )]
    WindowKind {
        /// The name of its pack.
        module: Arc<str>,
        /// The name of the window.
        window: Arc<str>,
        /// The kind of window.
        kind: &'static str,
    },
    /// A module reads windows of destinations, and its schema has no destination.
    #[error(
        "module `{module}` reads `context.usage.{window}`, and the schema doesn't declare `context.env.destination` as a `Export::Destination`"
    )]
    WindowDestination {
        /// The name of its pack.
        module: Arc<str>,
        /// The name of the window.
        window: Arc<str>,
    },
    /// The store can't count a window.
    #[error("the windows are refused: {0}")]
    Windows(#[from] WindowsError),
}
