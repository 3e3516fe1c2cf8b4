//! Opens what a configuration file names: the ledger, the modules, and the gate over them.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use exportgate::job_file::print_datetime;
use exportgate::ledger::{Counted, Ledger, LedgerError, StoreError, SubjectKind, Window, WindowError};
use exportgate::{
    CONFIG_BYTES_MAX, Engine, Gate, GateConfig, GateError, LedgerConfig, LedgerConfigError, LogWriter, Module,
    WindowsError,
};

use crate::failure::Failure;
use crate::input::{self, MODULE_FILE_BYTES_MAX};

/// A configuration, and the folder that its paths begin at.
#[derive(Debug)]
pub struct Setup {
    path: PathBuf,
    folder: PathBuf,
    /// What the file says.
    pub config: GateConfig,
}

impl Setup {
    /// Reads the configuration at `path`.
    ///
    /// # Errors
    ///
    /// [`Failure`] when it can't be read, or isn't a configuration.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let text = input::read_text(path, CONFIG_BYTES_MAX as u64)?;
        let config = GateConfig::from_toml(&text).map_err(|error| Failure::file(path, error))?;
        let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
        Ok(Self { path: path.to_path_buf(), folder, config })
    }

    /// What it says of the ledger.
    ///
    /// # Errors
    ///
    /// [`Failure`] when it says nothing.
    pub fn ledger_config(&self) -> Result<&LedgerConfig, Failure> {
        self.config.ledger.as_ref().ok_or_else(|| {
            Failure::file(&self.path, "it names no ledger")
                .help("add `[ledger]` with `sqlite = \"ledger.sqlite\"` and `key_file = \"ledger.key\"`")
        })
    }

    /// The folder that its paths begin at.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Opens the ledger.
    ///
    /// # Errors
    ///
    /// [`Failure`] when there is none, or it can't be opened.
    pub fn ledger(&self) -> Result<Arc<dyn Ledger>, Failure> {
        self.ledger_config()?.open(&self.folder).map_err(|error| unopened(&error))
    }

    /// What writes the audit log without a gate; none when the configuration names no log.
    ///
    /// # Errors
    ///
    /// [`Failure`] when its key can't be used.
    pub fn log_writer(&self) -> Result<Option<LogWriter>, Failure> {
        let Some(audit) = &self.config.audit else { return Ok(None) };
        let writer = audit.writer(&self.folder);
        writer.map(Some).map_err(|error| Failure::input(error.to_string()).help(error.help()))
    }

    /// Loads the modules that it pins: `NAME.wasm` beside it, whatever the digest lets pass.
    ///
    /// # Errors
    ///
    /// [`Failure`] when it pins none, or one can't be loaded.
    pub fn modules(&self) -> Result<(Engine, Vec<Module>), Failure> {
        if self.config.modules.is_empty() {
            return Err(Failure::file(&self.path, "it pins no modules").help(
                "add `[[modules]]` with `name` and `sha256`, as `exportgate inspect` shows them; the component `NAME.wasm` lies beside this file",
            ));
        }
        let engine = Engine::new(&self.config.engine).map_err(|error| Failure::file(&self.path, error))?;
        let mut modules = Vec::with_capacity(self.config.modules.len());
        for pin in &self.config.modules {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            if pin.name.is_empty() || !pin.name.chars().all(plain) {
                let reason = format!("module `{}`: expected a name of letters, digits, `-` and `_`", pin.name);
                return Err(Failure::file(&self.path, reason));
            }
            let path = self.folder.join(format!("{}.wasm", pin.name));
            let bytes = input::read(&path, MODULE_FILE_BYTES_MAX)?;
            let module =
                Module::load(&engine, &bytes).map_err(|error| Failure::file(&path, &error).help(error.help()))?;
            if module.sha256() != pin.sha256 {
                let reason = format!("its digest is {}, and the configuration pins {}", module.sha256(), pin.sha256);
                return Err(Failure::file(&path, reason)
                    .help("put the component there that was meant, or, if this is it, pin its digest"));
            }
            modules.push(module);
        }
        Ok((engine, modules))
    }

    /// The gate, over the ledger and the modules; what it decides is recorded when the configuration names an audit log.
    ///
    /// # Errors
    ///
    /// [`Failure`] when one of them can't be opened, or they don't fit together.
    pub fn gate(&self) -> Result<Gate, Failure> {
        let ledger = self.ledger()?;
        let (engine, modules) = self.modules()?;
        let gate = Gate::with_ledger(&engine, self.config.clone(), modules, ledger).map_err(|error| match &error {
            GateError::Windows(WindowsError::Ledger(LedgerError::Window(WindowError::Unseen {
                window,
                exact_from_ms,
            }))) => unseen(*window, *exact_from_ms),
            _ => Failure::file(&self.path, &error),
        })?;
        let Some(audit) = &self.config.audit else { return Ok(gate) };
        let log =
            audit.log(&self.folder, &gate).map_err(|error| Failure::input(error.to_string()).help(error.help()))?;
        Ok(gate.with_recorder(Arc::new(log)))
    }
}

/// The failure of a window that was declared too late.
fn unseen(window: Window, exact_from_ms: i64) -> Failure {
    let until = print_datetime(exact_from_ms);
    Failure::input(format!(
        "a policy reads `context.usage.{}`, which the ledger can't count exactly before {until}",
        window_name(window)
    ))
    .help(
        "ask by the old module until then; or run `exportgate ledger declare --count-from-now` once, knowing that the window counts too few until then",
    )
}

/// A name that policies may read the window by: in days from two days on, `customers24h` and `customers7d`.
pub fn window_name(window: Window) -> String {
    let prefix = match (window.counted, window.kind) {
        (Counted::Denials, _) => "denied",
        (Counted::Customers, SubjectKind::Agent) => "customers",
        (Counted::Customers, kind) => kind.name(),
    };
    let (length, unit) = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m")]
        .into_iter()
        .find(|(unit_ms, unit)| window.length_ms % unit_ms == 0 && (*unit != "d" || window.length_ms > *unit_ms))
        .map_or((window.length_ms, "ms"), |(unit_ms, unit)| (window.length_ms / unit_ms, unit));
    format!("{prefix}{length}{unit}")
}

/// The failure of a ledger that can't be opened.
pub fn unopened(error: &LedgerConfigError) -> Failure {
    match error {
        LedgerConfigError::Ledger(error) => failed(error),
        other => Failure::input(other.to_string()).help(other.help()),
    }
}

/// The failure of a ledger that refused, or couldn't be written.
pub fn failed(error: &LedgerError) -> Failure {
    let failure = match error {
        LedgerError::Store(StoreError::Unavailable { .. } | StoreError::Busy { .. }) => {
            Failure::output(error.to_string())
        }
        _ => Failure::input(error.to_string()),
    };
    failure.help(error.help())
}

/// 32 bytes that nobody can guess.
///
/// # Errors
///
/// [`Failure`] when the system has none.
pub fn random() -> Result<[u8; 32], Failure> {
    let mut bytes = [0; 32];
    let read = std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    read.map(|()| bytes).map_err(|error| {
        Failure::output(format!("can't make a key: no random bytes from this system: {error}"))
            .help("make the key on another machine, and copy it here")
    })
}

/// Milliseconds since 1970; before that, 0.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_have_the_names_that_policies_read() {
        let name = |kind, counted, length_ms| window_name(Window { kind, counted, length_ms });
        assert_eq!(name(SubjectKind::Agent, Counted::Customers, 86_400_000), "customers24h");
        assert_eq!(name(SubjectKind::Agent, Counted::Denials, 3_600_000), "denied1h");
        assert_eq!(name(SubjectKind::Team, Counted::Customers, 5_400_000), "team90m");
        assert_eq!(name(SubjectKind::Destination, Counted::Customers, 25 * 3_600_000), "destination25h");
    }
}
