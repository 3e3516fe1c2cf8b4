//! The part of the configuration about the audit log and its keys.

use std::path::{Path, PathBuf};

use exportgate_audit::{CustomerKey, KeyRole, PrivateKey, PublicKey};
use serde::Deserialize;

use super::GateConfigError;
use super::store::{LedgerConfigError, read_private};
use crate::audit::{AuditLog, LogWriter};
use crate::gate::Gate;

/// Bytes of a key file that are read: a key is a line.
const KEY_FILE_BYTES_MAX: u64 = 1_024;

/// Which log the asks are recorded in, and under which keys: `[audit]`. The log itself is in the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditConfig {
    /// The name of the log, as in a key: without spaces and plus signs; a host name and a path, so that it meets no other.
    pub origin: String,
    /// The files with the keys under which customers are hashed, one epoch each, readable by their owner alone. The one of the
    /// highest epoch is for new entries; the others find customers of earlier ones.
    pub customer_key_files: Vec<PathBuf>,
    /// The file with the key that signs checkpoints, readable by its owner alone. Default: none; then this machine can't sign,
    /// and nobody who takes it over can.
    pub signing_key_file: Option<PathBuf>,
    /// The public keys of the log and of witnesses: what the log is verified with.
    pub public_keys: Vec<PublicKey>,
    /// Where signed checkpoints are kept, each after the one before. Default: `audit.checkpoints`. They prove more elsewhere: send
    /// them away.
    pub checkpoints_file: PathBuf,
}

impl AuditConfig {
    /// The keys of customers, the current one last. Paths that aren't absolute begin at `folder`.
    ///
    /// # Errors
    ///
    /// [`AuditConfigError`] when one can't be read, or two are of one epoch.
    pub fn customer_keys(&self, folder: &Path) -> Result<Vec<CustomerKey>, AuditConfigError> {
        let mut keys: Vec<CustomerKey> = Vec::with_capacity(self.customer_key_files.len());
        for file in &self.customer_key_files {
            let path = folder.join(file);
            let text = read_private(&path, KEY_FILE_BYTES_MAX)?;
            let key = CustomerKey::from_text(&text)
                .map_err(|error| AuditConfigError::Key { path: path.clone(), message: error.to_string() })?;
            if keys.iter().any(|known| known.epoch() == key.epoch()) {
                return Err(AuditConfigError::Epoch { epoch: key.epoch() });
            }
            keys.push(key);
        }
        keys.sort_by_key(CustomerKey::epoch);
        Ok(keys)
    }

    /// The key that signs checkpoints. Paths that aren't absolute begin at `folder`.
    ///
    /// # Errors
    ///
    /// [`AuditConfigError`] when there is none, it can't be read, or it is of another log.
    pub fn signing_key(&self, folder: &Path) -> Result<PrivateKey, AuditConfigError> {
        let path = folder.join(self.signing_key_file.as_ref().ok_or(AuditConfigError::NoSigningKey)?);
        let text = read_private(&path, KEY_FILE_BYTES_MAX)?;
        let wrong = |message: String| AuditConfigError::Key { path: path.clone(), message };
        let key = PrivateKey::from_text(&text).map_err(|error| wrong(error.to_string()))?;
        if key.public().name() == self.origin && key.public().role() == KeyRole::Log {
            return Ok(key);
        }
        Err(wrong(format!("it is a key of `{}`, expected one of the log `{}`", key.public().name(), self.origin)))
    }

    /// The log of what `gate` decides. Paths that aren't absolute begin at `folder`.
    ///
    /// # Errors
    ///
    /// As [`AuditConfig::customer_keys`]; also when there is no such key.
    pub fn log(&self, folder: &Path, gate: &Gate) -> Result<AuditLog, AuditConfigError> {
        Ok(AuditLog::new(&self.origin, self.current_key(folder)?, gate))
    }

    /// The log, for what is recorded without a gate. Paths that aren't absolute begin at `folder`.
    ///
    /// # Errors
    ///
    /// As [`AuditConfig::log`].
    pub fn writer(&self, folder: &Path) -> Result<LogWriter, AuditConfigError> {
        Ok(LogWriter::new(&self.origin, self.current_key(folder)?))
    }

    fn current_key(&self, folder: &Path) -> Result<CustomerKey, AuditConfigError> {
        self.customer_keys(folder)?.pop().ok_or(AuditConfigError::NoCustomerKey)
    }
}

/// Why the audit log of a configuration can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuditConfigError {
    /// A key file can't be read, or is open to others.
    #[error(transparent)]
    File(#[from] LedgerConfigError),
    /// A key file doesn't hold a key that fits.
    #[error("the key file `{}` can't be used: {message}", path.display())]
    Key {
        /// Where it is.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// Two keys of customers are of one epoch.
    #[error("two customer keys are of epoch {epoch}")]
    Epoch {
        /// Which.
        epoch: u32,
    },
    /// There is no key of customers.
    #[error("`[audit]` names no customer key")]
    NoCustomerKey,
    /// There is no key that signs.
    #[error("`[audit]` names no signing key")]
    NoSigningKey,
}

impl AuditConfigError {
    /// What to do about it, in one sentence.
    pub fn help(&self) -> String {
        match self {
            Self::File(error) => error.help(),
            Self::Key { .. } => "restore the key from its backup, or name the right file under `[audit]`".to_owned(),
            Self::Epoch { .. } => "make each new customer key with the next epoch: `exportgate audit keys`".to_owned(),
            Self::NoCustomerKey => "make keys with `exportgate audit keys`, and name them under `[audit]`".to_owned(),
            Self::NoSigningKey => {
                "name `signing_key_file` under `[audit]`, or sign on the machine that has the key".to_owned()
            }
        }
    }
}

/// What `[audit]` may hold.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileAudit {
    origin: String,
    customer_key_files: Vec<PathBuf>,
    signing_key_file: Option<PathBuf>,
    #[serde(default)]
    public_keys: Vec<String>,
    checkpoints_file: Option<PathBuf>,
}

impl FileAudit {
    pub(super) fn into_config(self) -> Result<AuditConfig, GateConfigError> {
        let value =
            |option, found: &str, expected| GateConfigError::Value { option, found: found.to_owned(), expected };
        let wrong = |c: char| c.is_whitespace() || c.is_control() || c == '+';
        if self.origin.is_empty()
            || self.origin.len() > exportgate_audit::KEY_NAME_BYTES_MAX
            || self.origin.contains(wrong)
        {
            return Err(value("origin", &self.origin, "a name such as `log.example/desk`, without spaces and `+`"));
        }
        let mut public_keys = Vec::with_capacity(self.public_keys.len());
        for text in &self.public_keys {
            let key = PublicKey::from_text(text);
            public_keys.push(key.map_err(|_| value("public_keys", text, "a key as `exportgate audit keys` shows it"))?);
        }
        Ok(AuditConfig {
            origin: self.origin,
            customer_key_files: self.customer_key_files,
            signing_key_file: self.signing_key_file,
            public_keys,
            checkpoints_file: self.checkpoints_file.unwrap_or_else(|| "audit.checkpoints".into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::GateConfig;

    fn config(text: &str) -> AuditConfig {
        let text = format!("[audit]\norigin = \"log.example/desk\"\n{text}");
        GateConfig::from_toml(&text).unwrap().audit.unwrap()
    }

    fn write(folder: &Path, name: &str, text: &str) {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        #[cfg(unix)]
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }

    #[test]
    fn keys_are_read_and_the_current_one_is_of_the_highest_epoch() {
        let folder = tempfile::TempDir::new().unwrap();
        write(folder.path(), "2.key", &CustomerKey::text_of(2, &[2; 32]));
        write(folder.path(), "1.key", &CustomerKey::text_of(1, &[1; 32]));
        let signing = PrivateKey::from_seed("log.example/desk", KeyRole::Log, &[1; 32]).unwrap();
        write(folder.path(), "sign.key", &signing.to_text());
        let audit = config("customer_key_files = [\"2.key\", \"1.key\"]\nsigning_key_file = \"sign.key\"");
        let epochs: Vec<u32> = audit.customer_keys(folder.path()).unwrap().iter().map(CustomerKey::epoch).collect();
        assert_eq!(epochs, [1, 2]);
        assert_eq!(audit.signing_key(folder.path()).unwrap().public(), signing.public());
        assert_eq!(audit.checkpoints_file, Path::new("audit.checkpoints"));
    }

    #[test]
    fn keys_that_cant_be_used_are_refused_by_name() {
        let folder = tempfile::TempDir::new().unwrap();
        let none = config("customer_key_files = []");
        assert_eq!(none.signing_key(folder.path()).unwrap_err(), AuditConfigError::NoSigningKey);
        let missing = config("customer_key_files = [\"gone.key\"]").customer_keys(folder.path()).unwrap_err();
        assert!(missing.to_string().contains("gone.key"), "{missing}");
        write(folder.path(), "a.key", &CustomerKey::text_of(1, &[1; 32]));
        write(folder.path(), "b.key", "nonsense");
        let twice = config("customer_key_files = [\"a.key\", \"a.key\"]");
        assert_eq!(twice.customer_keys(folder.path()).unwrap_err(), AuditConfigError::Epoch { epoch: 1 });
        let nonsense = config("customer_key_files = [\"b.key\"]").customer_keys(folder.path()).unwrap_err();
        assert!(nonsense.to_string().contains("not a key of customers"), "{nonsense}");
        let elsewhere = PrivateKey::from_seed("log.example/other", KeyRole::Log, &[1; 32]).unwrap();
        write(folder.path(), "c.key", &elsewhere.to_text());
        let other = config("customer_key_files = []\nsigning_key_file = \"c.key\"");
        assert!(other.signing_key(folder.path()).unwrap_err().to_string().contains("log.example/other"));
        #[cfg(unix)]
        {
            let path = folder.path().join("a.key");
            fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
            let open = config("customer_key_files = [\"a.key\"]").customer_keys(folder.path()).unwrap_err();
            assert!(open.help().starts_with("chmod 600"), "{}", open.help());
        }
    }

    #[test]
    fn a_wrong_section_is_refused() {
        let says = |text: &str| GateConfig::from_toml(text).unwrap_err().to_string();
        assert!(says("[audit]\norigin = \"a b\"\ncustomer_key_files = []").starts_with("`origin`: expected a name"));
        let key = "[audit]\norigin = \"a\"\ncustomer_key_files = []\npublic_keys = [\"a+00+\"]";
        assert!(says(key).starts_with("`public_keys`: expected a key"), "{}", says(key));
        assert!(says("[audit]\norigin = \"a\"").contains("customer_key_files"));
    }
}
