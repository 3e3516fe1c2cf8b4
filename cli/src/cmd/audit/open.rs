//! Opens the log that a configuration names, and reads its keys.

use std::path::{Path, PathBuf};

use exportgate::audit_log::entry::ReadError;
use exportgate::audit_log::{CustomerKey, LogError, Prefix, PublicKey};
use exportgate::{AuditConfig, AuditConfigError, LedgerRecords, LogWriter};

use crate::failure::Failure;
use crate::setup::Setup;

/// A configuration with an audit log.
#[derive(Debug)]
pub struct Opened {
    /// The whole configuration.
    pub setup: Setup,
    /// What it says of the log.
    pub audit: AuditConfig,
}

impl Opened {
    /// Reads the configuration at `path`.
    ///
    /// # Errors
    ///
    /// [`Failure`] when it can't be read, or names no log.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let setup = Setup::read(path)?;
        let audit = setup.config.audit.clone().ok_or_else(|| {
            Failure::file(path, "it names no audit log")
                .help("make keys with `exportgate audit keys`, and add the `[audit]` that it prints")
        })?;
        Ok(Self { setup, audit })
    }

    /// The records of the log.
    ///
    /// # Errors
    ///
    /// [`Failure`] when the ledger can't be opened.
    pub fn records(&self) -> Result<LedgerRecords, Failure> {
        Ok(LedgerRecords::new(self.setup.ledger()?))
    }

    /// What stands in place of the beginning of the log, as far as it was dropped.
    ///
    /// # Errors
    ///
    /// [`Failure`] when it can't be read.
    pub fn prefix(&self, records: &LedgerRecords) -> Result<Prefix, Failure> {
        records
            .prefix(&self.audit.origin)
            .map_err(|error| Failure::output(error.to_string()).help("check that the ledger can be reached"))
    }

    /// What writes the log.
    ///
    /// # Errors
    ///
    /// [`Failure`] when its key can't be used.
    pub fn writer(&self) -> Result<LogWriter, Failure> {
        self.audit.writer(self.folder()).map_err(|error| unusable(&error))
    }

    /// The folder that paths of the configuration begin at.
    pub fn folder(&self) -> &Path {
        self.setup.folder()
    }

    /// Where checkpoints are kept.
    pub fn checkpoints_path(&self) -> PathBuf {
        self.folder().join(&self.audit.checkpoints_file)
    }

    /// The keys of customers.
    ///
    /// # Errors
    ///
    /// [`Failure`] when one can't be used.
    pub fn customer_keys(&self) -> Result<Vec<CustomerKey>, Failure> {
        self.audit.customer_keys(self.folder()).map_err(|error| unusable(&error))
    }

    /// The public keys of the configuration, and `more`.
    ///
    /// # Errors
    ///
    /// [`Failure`] when one of `more` isn't a key.
    pub fn public_keys(&self, more: &[String]) -> Result<Vec<PublicKey>, Failure> {
        let more = more.iter().map(|text| public_key(text)).collect::<Result<Vec<_>, _>>()?;
        Ok(self.audit.public_keys.iter().cloned().chain(more).collect())
    }
}

/// The key that was typed.
///
/// # Errors
///
/// [`Failure`] when it isn't one.
pub fn public_key(text: &str) -> Result<PublicKey, Failure> {
    PublicKey::from_text(text).map_err(|error| {
        Failure::input(format!("`--key {text}`: {error}"))
            .help("a public key is `NAME+ID+BASE64`, as `exportgate audit keys` shows it")
    })
}

/// The failure of a key of the configuration.
pub fn unusable(error: &AuditConfigError) -> Failure {
    Failure::input(error.to_string()).help(error.help())
}

/// The failure of a log that can't be read through, measured or proved.
pub fn broken(error: &LogError) -> Failure {
    match error {
        LogError::Records(error) => Failure::output(error.to_string()).help("check that the ledger can be reached"),
        LogError::Missing { .. } | LogError::Inconsistent { .. } => {
            Failure::differs(error.to_string()).help("run `exportgate audit verify`, which names what is wrong")
        }
        LogError::NotCovered { .. } => {
            Failure::input(error.to_string()).help("sign a checkpoint that covers it: `exportgate audit checkpoint`")
        }
        LogError::Pruned { .. } => Failure::input(error.to_string()),
        LogError::Checkpoint(error) => {
            Failure::input(error.to_string()).help("trust the key that signed it: `public_keys` under `[audit]`")
        }
    }
}

/// The failure of an entry that can't be read.
pub fn unreadable(index: u64, error: &ReadError) -> Failure {
    Failure::differs(format!("entry {index} can't be read: {error}"))
        .help("run `exportgate audit verify`, which names what is wrong")
}
