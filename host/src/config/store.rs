//! The part of the configuration about the ledger's store and its key, and opening it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use exportgate_ledger::{CustomerKey, Durability, Ledger, LedgerError, SqliteLedger, SqliteOptions};
use serde::Deserialize;

use super::{GateConfigError, name};
use crate::hex::{hex, unhex};

/// Bytes of a key file that are read: a key is 64 digits and the end of a line.
const KEY_FILE_BYTES_MAX: u64 = 256;

/// Where the ledger is, and how it is kept: `[ledger]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerConfig {
    /// The store.
    pub store: LedgerStore,
    /// The file with the key under which customers are hashed: 64 hexadecimal digits, readable by its owner alone. It must be
    /// kept as long as the longest window reaches back: under another key nobody is recognised.
    pub key_file: PathBuf,
    /// What an allowance survives once it was returned. `"process"`, the default: the process being killed; `"power"`: the
    /// power failing too, for the price of a sync of the disk at each ask. PostgreSQL goes by its server's settings.
    pub durability: Durability,
}

/// Where what has left is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LedgerStore {
    /// A SQLite file: for one machine, and any number of processes on it.
    Sqlite(PathBuf),
    /// A PostgreSQL database, by its URL or its `host=... dbname=...`: for many machines. It takes the feature `postgres`. The
    /// tables are in the schema `exportgate_ledger`; [`LedgerConfig::create`] makes them, and nothing else does.
    Postgres(String),
}

impl LedgerConfig {
    /// Opens the ledger. Paths that aren't absolute begin at `folder`, the one that holds the configuration.
    ///
    /// # Errors
    ///
    /// [`LedgerConfigError`] when there is none (it is never made on the way: an empty one has forgotten what left), when the
    /// key can't be used, or the store not be opened.
    pub fn open(&self, folder: &Path) -> Result<Arc<dyn Ledger>, LedgerConfigError> {
        let key_file = folder.join(&self.key_file);
        match &self.store {
            LedgerStore::Sqlite(path) => {
                let path = folder.join(path);
                if !path.exists() {
                    return Err(LedgerConfigError::Missing { path });
                }
                Ok(Arc::new(SqliteLedger::open_existing(path, read_key(&key_file)?, self.sqlite_options())?))
            }
            LedgerStore::Postgres(url) => open_postgres(url, &key_file, false),
        }
    }

    /// Makes the ledger where there is none, and opens it. Makes the key too, from `key`, where there is no key file: 32
    /// bytes that must be random. A PostgreSQL database may hold a ledger already: another machine made it.
    ///
    /// # Errors
    ///
    /// [`LedgerConfigError`] when there is a ledger already, when the key can't be read or written, or the store not be made.
    pub fn create(&self, folder: &Path, key: [u8; 32]) -> Result<Arc<dyn Ledger>, LedgerConfigError> {
        if let LedgerStore::Sqlite(path) = &self.store
            && folder.join(path).exists()
        {
            return Err(LedgerConfigError::Exists { path: folder.join(path) });
        }
        let key_file = folder.join(&self.key_file);
        let made_key = !key_file.exists();
        if made_key {
            write_key(&key_file, &key).map_err(|error| unwritable(&key_file, &error))?;
        }
        let opened = self.make(folder, &key_file);
        if opened.is_err() && made_key {
            // A key that no ledger was made with would only be taken for one that was.
            drop(fs::remove_file(&key_file));
        }
        opened
    }

    fn make(&self, folder: &Path, key_file: &Path) -> Result<Arc<dyn Ledger>, LedgerConfigError> {
        match &self.store {
            LedgerStore::Sqlite(path) => {
                Ok(Arc::new(SqliteLedger::open(folder.join(path), read_key(key_file)?, self.sqlite_options())?))
            }
            LedgerStore::Postgres(url) => open_postgres(url, key_file, true),
        }
    }

    fn sqlite_options(&self) -> SqliteOptions {
        SqliteOptions { durability: self.durability, ..SqliteOptions::default() }
    }
}

/// Opens the ledger of a database; makes it where there is none, if `create` says so.
#[cfg(feature = "postgres")]
fn open_postgres(url: &str, key_file: &Path, create: bool) -> Result<Arc<dyn Ledger>, LedgerConfigError> {
    use exportgate_ledger::{PostgresLedger, PostgresOptions};
    let (key, options) = (read_key(key_file)?, PostgresOptions::default());
    Ok(Arc::new(if create {
        PostgresLedger::open(url, key, options)?
    } else {
        PostgresLedger::open_existing(url, key, options)?
    }))
}

#[cfg(not(feature = "postgres"))]
fn open_postgres(_: &str, _: &Path, _: bool) -> Result<Arc<dyn Ledger>, LedgerConfigError> {
    Err(LedgerConfigError::NoPostgres)
}

fn read_key(path: &Path) -> Result<CustomerKey, LedgerConfigError> {
    let text = read_private(path, KEY_FILE_BYTES_MAX)?;
    let bytes = unhex(text.trim()).ok_or_else(|| LedgerConfigError::Key { path: path.to_path_buf() })?;
    Ok(CustomerKey::new(&bytes)?)
}

/// The text of a file that holds a key, and that nobody but its owner may read: its first `bytes_max` bytes.
pub(super) fn read_private(path: &Path, bytes_max: u64) -> Result<String, LedgerConfigError> {
    let unreadable =
        |error: io::Error| LedgerConfigError::KeyFile { path: path.to_path_buf(), message: error.to_string() };
    let file = File::open(path).map_err(unreadable)?;
    let found = file.metadata().map_err(unreadable)?;
    if !found.is_file() {
        let message = "it isn't a file".to_owned();
        return Err(LedgerConfigError::KeyFile { path: path.to_path_buf(), message });
    }
    check_private(path, &found)?;
    let mut text = String::new();
    file.take(bytes_max).read_to_string(&mut text).map_err(unreadable)?;
    Ok(text)
}

/// Refuses a key that others than its owner may read or write.
#[cfg(unix)]
fn check_private(path: &Path, found: &fs::Metadata) -> Result<(), LedgerConfigError> {
    use std::os::unix::fs::PermissionsExt;
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(LedgerConfigError::KeyPermissions { path: path.to_path_buf(), mode })
}

#[cfg(not(unix))]
fn check_private(_: &Path, _: &fs::Metadata) -> Result<(), LedgerConfigError> {
    Ok(())
}

fn write_key(path: &Path, key: &[u8; 32]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    writeln!(file, "{}", hex(key))?;
    file.sync_all()
}

fn unwritable(path: &Path, error: &io::Error) -> LedgerConfigError {
    LedgerConfigError::KeyFile { path: path.to_path_buf(), message: error.to_string() }
}

/// Why the ledger of a configuration can't be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerConfigError {
    /// There is no ledger.
    #[error("there is no ledger at `{}`", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The configuration names a PostgreSQL database, and this build can't use one.
    #[error("this build has no PostgreSQL: it was made without the feature `postgres`")]
    NoPostgres,
    /// There is a ledger already.
    #[error("there is something at `{}` already", path.display())]
    Exists {
        /// Where.
        path: PathBuf,
    },
    /// The key file can't be read or written.
    #[error("the key file `{}` can't be used: {message}", path.display())]
    KeyFile {
        /// Where it is.
        path: PathBuf,
        /// What the system says.
        message: String,
    },
    /// Others than its owner may read the key, or write it.
    #[error("the key file `{}` is open to others: its mode is {mode:03o}, expected 600 or 400", path.display())]
    KeyPermissions {
        /// Where it is.
        path: PathBuf,
        /// The permissions it has.
        mode: u32,
    },
    /// The key file doesn't hold a key.
    #[error("the key file `{}` doesn't hold a key: expected 64 lower-case hexadecimal digits", path.display())]
    Key {
        /// Where it is.
        path: PathBuf,
    },
    /// The store can't be opened.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl LedgerConfigError {
    /// What to do about it, in one sentence.
    pub fn help(&self) -> String {
        match self {
            Self::Missing { .. } => {
                "make one with `exportgate ledger init`; if there was one, find it first: an empty ledger has forgotten what left".to_owned()
            }
            Self::NoPostgres => "build with the feature `postgres`, which the command has unless it was built with `--no-default-features`; or name a SQLite file".to_owned(),
            Self::Exists { .. } => "use the ledger that is there, or name another place under `[ledger]`".to_owned(),
            Self::KeyFile { .. } => "check where the configuration says that it is, and who may read it".to_owned(),
            Self::KeyPermissions { path, .. } => format!("chmod 600 {}", path.display()),
            Self::Key { .. } => "restore the key from its backup; with another key the ledger recognises nobody".to_owned(),
            Self::Ledger(error) => error.help().to_owned(),
        }
    }
}

/// What `[ledger]` may hold.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileLedger {
    sqlite: Option<PathBuf>,
    postgres: Option<String>,
    key_file: PathBuf,
    durability: Option<String>,
}

impl FileLedger {
    pub(super) fn into_config(self) -> Result<LedgerConfig, GateConfigError> {
        let durability = |name: &str| match name {
            "process" => Some(Durability::ProcessCrash),
            "power" => Some(Durability::PowerFailure),
            _ => None,
        };
        let store = match (self.sqlite, self.postgres) {
            (Some(path), None) => LedgerStore::Sqlite(path),
            (None, Some(url)) => LedgerStore::Postgres(url),
            // NB: a URL may hold a password, so it isn't shown.
            (sqlite, _) => {
                let found = if sqlite.is_some() { "both" } else { "neither" };
                return Err(GateConfigError::Value {
                    option: "ledger",
                    found: found.to_owned(),
                    expected: "either `sqlite` or `postgres`",
                });
            }
        };
        Ok(LedgerConfig {
            store,
            key_file: self.key_file,
            durability: match self.durability {
                None => Durability::default(),
                Some(text) => name("durability", text, "`process` or `power`", durability)?,
            },
        })
    }
}
