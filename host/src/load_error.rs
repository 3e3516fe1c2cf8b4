//! Why a module isn't loaded, with advice for each reason.

use exportgate_contract::CONTRACT_VERSION;
use exportgate_contract::limits::{MANIFEST_BYTES_MAX, MODULE_BYTES_MAX};
use exportgate_contract::manifest::ContractVersion;

use crate::manifest_error::ManifestError;

/// Why a module isn't loaded. [`Self::help`] says what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// It is larger than a module may be.
    #[error("the module has {bytes} bytes, at most {MODULE_BYTES_MAX} are allowed")]
    TooLarge {
        /// Its size in bytes.
        bytes: usize,
    },
    /// It isn't a component.
    #[error("expected a WebAssembly component, found {found}")]
    NotAComponent {
        /// What it seems to be.
        found: &'static str,
    },
    /// Its bytes can't be parsed: cut short, damaged, or never WebAssembly.
    #[error("malformed component at byte {offset}: {message}")]
    Malformed {
        /// Where.
        offset: usize,
        /// What the parser says.
        message: String,
    },
    /// It parses, but breaks a rule of WebAssembly, or uses a feature that guests may not.
    #[error("invalid component at byte {offset}: {message}")]
    Invalid {
        /// Where.
        offset: usize,
        /// What the validator says.
        message: String,
    },
    /// The component imports something.
    #[error("the component imports `{name}`")]
    Import {
        /// The name of the import.
        name: String,
    },
    /// The component holds something that a policy module has no use for.
    #[error("the component holds {what}")]
    Unsupported {
        /// What it holds.
        what: &'static str,
    },
    /// The component holds a thing more or less often than once.
    #[error("expected exactly one {what}, found {found}")]
    Count {
        /// The thing.
        what: &'static str,
        /// How many there are.
        found: usize,
    },
    /// The component exports something else than `evaluate`.
    #[error("expected the one export `evaluate`, found `{name}`")]
    Export {
        /// The name of the export.
        name: String,
    },
    /// `evaluate` has another type.
    #[error("expected `evaluate: func(frame: list<u64>) -> list<u32>`, found another type")]
    Signature,
    /// The `canon lift` of `evaluate` has an option that no policy module needs.
    #[error("the `canon lift` of `evaluate` has the option `{option}`")]
    LiftOption {
        /// The option.
        option: &'static str,
    },
    /// The `canon lift` of `evaluate` lacks an option, or has it twice.
    #[error("the `canon lift` of `evaluate` must have the option `{option}` once")]
    LiftOptionMissing {
        /// The option.
        option: &'static str,
    },
    /// The core module imports something.
    #[error("the core module imports `{module}` `{name}`")]
    CoreImport {
        /// From where.
        module: String,
        /// What.
        name: String,
    },
    /// The core module holds something that a guest may not have.
    #[error("the core module holds {what}")]
    CoreUnsupported {
        /// What it holds.
        what: &'static str,
    },
    /// The core module declares more than it may.
    #[error("the core module has {found} {what}, at most {limit} are allowed")]
    CoreLimit {
        /// Of what.
        what: &'static str,
        /// How much.
        found: u64,
        /// How much it may.
        limit: u64,
    },
    /// The core module has no manifest.
    #[error("the core module has no section `exportgate:manifest`")]
    ManifestMissing,
    /// The core module has several manifests.
    #[error("the core module has more than one section `exportgate:manifest`")]
    ManifestRepeated,
    /// The manifest is longer than it may be.
    #[error("the manifest has {bytes} bytes, at most {MANIFEST_BYTES_MAX} are allowed")]
    ManifestTooLarge {
        /// Its size in bytes.
        bytes: usize,
    },
    /// The manifest isn't text.
    #[error("the manifest isn't UTF-8: byte {offset}")]
    ManifestNotText {
        /// The first byte that isn't.
        offset: usize,
    },
    /// The manifest isn't the JSON that the contract describes.
    #[error("the manifest can't be read: {message}")]
    ManifestSyntax {
        /// What the parser says.
        message: String,
    },
    /// The module was made for another version of the contract.
    #[error("the module is made for contract {found}, this host runs {CONTRACT_VERSION}")]
    Contract {
        /// The version that the module was made for.
        found: ContractVersion,
    },
    /// The manifest contradicts itself or the contract.
    #[error("manifest: {0}")]
    Manifest(#[from] ManifestError),
    /// The core module is valid, but can't be compiled.
    #[error("the core module can't be compiled: {message}")]
    Compile {
        /// What the compiler says.
        message: String,
    },
}

impl LoadError {
    /// What to do about it: a sentence for people.
    pub fn help(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => {
                "split the pack into several modules, or strip debug sections from a guest of your own"
            }
            Self::NotAComponent { found } if *found == "a core module" => {
                "make a component of it: `exportgate build` does, and so does `wasm-tools component new`"
            }
            Self::NotAComponent { .. } => "name a file that `exportgate build` wrote",
            Self::Malformed { .. } => "the file is damaged or cut short: build or fetch it again",
            Self::Invalid { .. } => {
                "guests may use WebAssembly 2.0 without SIMD, and nothing later: check the target features of your compiler"
            }
            Self::Import { .. } | Self::CoreImport { .. } => {
                "a policy module imports nothing: remove clocks, randomness, files and logging, and build for `wasm32-unknown-unknown`"
            }
            Self::Unsupported { .. } | Self::Count { .. } | Self::Export { .. } => {
                "a policy module is one component for the world `guest`, made of one core module, that exports `evaluate` and nothing else"
            }
            Self::Signature => "build the guest against the WIT text of this version of exportgate",
            Self::LiftOption { .. } | Self::LiftOptionMissing { .. } => {
                "make the component with `wasm-tools component new` or wit-component: they lift `evaluate` as the host expects"
            }
            Self::CoreUnsupported { .. } => {
                "build the guest as a library without a start function, with one memory and at most one table"
            }
            Self::CoreLimit { .. } => "make the guest smaller: fewer or shorter functions, less initial memory",
            Self::ManifestMissing | Self::ManifestRepeated => {
                "the manifest is one custom section of the core module: `exportgate build` writes it, and the guest SDK's macro does"
            }
            Self::ManifestTooLarge { .. } => "split the pack into several modules",
            Self::ManifestNotText { .. } | Self::ManifestSyntax { .. } => {
                "build the module again with the compiler or SDK of this version of exportgate"
            }
            Self::Contract { found } if *found > CONTRACT_VERSION => {
                "use a newer exportgate to run it, or an older one to build it"
            }
            Self::Contract { .. } => "build the module again with this version of exportgate",
            Self::Manifest(_) => {
                "the module's manifest can't be trusted: build it again, and if that doesn't help report it with the manifest attached"
            }
            Self::Compile { .. } => {
                "the module is valid, but beyond what the compiler takes: make its functions smaller"
            }
        }
    }
}
