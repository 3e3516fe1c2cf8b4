//! The part of the configuration about releases: the key of tokens.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::LedgerConfigError;
use super::store::read_private;
use crate::hex::unhex;
use crate::release::TokenKey;

/// Bytes of a key file that are read: a key is 64 digits and the end of a line.
const KEY_FILE_BYTES_MAX: u64 = 256;

/// How fields that leave as tokens leave: `[release]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseConfig {
    /// The file with the key of tokens: 64 hexadecimal digits, readable by its owner alone. Under another key the same values
    /// have other tokens, and rows released before and after can't be joined.
    pub token_key_file: PathBuf,
}

impl ReleaseConfig {
    /// Reads the key of tokens. A path that isn't absolute begins at `folder`, the one that holds the configuration.
    ///
    /// # Errors
    ///
    /// [`ReleaseConfigError`] when it can't be read, isn't a key, or may be read by others.
    pub fn token_key(&self, folder: &Path) -> Result<TokenKey, ReleaseConfigError> {
        let path = folder.join(&self.token_key_file);
        let text = read_private(&path, KEY_FILE_BYTES_MAX).map_err(ReleaseConfigError)?;
        let bytes = unhex(text.trim()).ok_or(ReleaseConfigError(LedgerConfigError::Key { path }))?;
        Ok(TokenKey::new(&bytes))
    }
}

/// Why the key of tokens can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("tokens: {0}")]
pub struct ReleaseConfigError(LedgerConfigError);

impl ReleaseConfigError {
    /// What to do about it, in one sentence.
    pub fn help(&self) -> String {
        match &self.0 {
            LedgerConfigError::KeyPermissions { path, .. } => format!("chmod 600 {}", path.display()),
            _ => "write 32 random bytes there as 64 hexadecimal digits, for its owner alone: `(umask 077; openssl rand -hex 32 > FILE)`"
                .to_owned(),
        }
    }
}

/// What `[release]` may hold.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileRelease {
    token_key_file: PathBuf,
}

impl FileRelease {
    pub(super) fn into_config(self) -> ReleaseConfig {
        ReleaseConfig { token_key_file: self.token_key_file }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::config::GateConfig;

    #[test]
    fn a_key_is_read_and_what_isnt_one_is_refused() {
        let folder = tempfile::TempDir::new().unwrap();
        let config = GateConfig::from_toml("[release]\ntoken_key_file = \"token.key\"").unwrap().release.unwrap();
        let read = || config.token_key(folder.path());
        assert!(read().unwrap_err().to_string().starts_with("tokens: the key file"));
        let path = folder.path().join("token.key");
        let write = |text: &str| {
            fs::write(&path, text).unwrap();
            #[cfg(unix)]
            fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        };
        write(&"5".repeat(64));
        read().unwrap();
        write("secret");
        let error = read().unwrap_err();
        assert!(error.to_string().ends_with("expected 64 lower-case hexadecimal digits"), "{error}");
        assert!(error.help().contains("openssl rand -hex 32"));
        #[cfg(unix)]
        {
            fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
            assert!(read().unwrap_err().help().starts_with("chmod 600"));
        }
        let unknown = GateConfig::from_toml("[release]\nkey = \"x\"").unwrap_err().to_string();
        assert!(unknown.contains("unknown field `key`"), "{unknown}");
    }
}
