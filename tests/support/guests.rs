//! Guests that weren't compiled from Cedar, built once a test run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, LazyLock, Mutex};

use exportgate::{Engine, EngineConfig, Isolation, Module};
use exportgate_compiler::Pack;
use exportgate_guest_build::{build, cargo, interpreter};

use crate::bless::{self, workspace};

/// The folder of a guest crate.
pub fn folder(name: &str) -> PathBuf {
    workspace().join("guest-policies").join(name)
}

/// The core module of a guest crate, built for release when it is first asked for.
pub fn core(name: &str) -> Arc<[u8]> {
    static BUILT: LazyLock<Mutex<BTreeMap<String, Arc<[u8]>>>> = LazyLock::new(Mutex::default);
    let mut built = BUILT.lock().unwrap();
    let core = built.entry(name.to_owned()).or_insert_with(|| {
        cargo::build(&folder(name)).unwrap_or_else(|e| panic!("{name}: {e} ({})", e.help().unwrap_or_default())).into()
    });
    core.clone()
}

/// The files of the pack in a folder of `guest-policies`.
pub fn pack_files(name: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = folder(name);
    let paths = ["toml", "cedar", "cedarschema"].iter().flat_map(|ending| bless::files(&folder, ending));
    let within = |path: &Path| path.strip_prefix(&folder).unwrap().to_string_lossy().replace('\\', "/");
    paths.map(|path| (within(&path), std::fs::read(&path).unwrap())).collect()
}

/// The pack in a folder of `guest-policies`.
pub fn pack(name: &str) -> Pack {
    Pack::from_files(&pack_files(name)).unwrap_or_else(|e| panic!("{e}"))
}

/// The texts of the pack in a folder of `guest-policies`: its schema, and all its policies.
pub fn texts(name: &str) -> (String, String) {
    let pack = pack(name);
    let policies: Vec<&str> = pack.policies().iter().map(|file| file.text()).collect();
    (pack.schema().text().to_owned(), policies.concat())
}

/// An engine that gives a guest the fuel to parse its policies in each fresh instance.
pub fn engine() -> Engine {
    let config = EngineConfig { fuel_per_call: 100_000_000_000, deadline_ms: 600_000, ..EngineConfig::default() };
    Engine::new(&config).unwrap_or_else(|e| panic!("{e}"))
}

/// The module in which Cedar itself answers for the pack in a folder of `guest-policies`, its instance kept.
pub fn interpreted(engine: &Engine, name: &str) -> Module {
    let made = interpreter::interpret(&core("cedar-interpreter"), &pack(name)).unwrap_or_else(|e| panic!("{e}"));
    Module::load(engine, &made.component).unwrap_or_else(|e| panic!("{e}")).with_isolation(Isolation::Warm)
}

/// The component of the guest in C, where there is a compiler for it.
pub fn in_c() -> Option<Vec<u8>> {
    Command::new("clang").arg("--version").stdout(Stdio::null()).status().ok()?;
    let folder = folder("quiet-hours");
    let made = tempfile::tempdir().unwrap();
    let status = Command::new("sh").arg(folder.join("build.sh")).arg(made.path()).status().unwrap();
    assert!(status.success(), "clang fails");
    let core = std::fs::read(made.path().join("quiet_hours.wasm")).unwrap();
    Some(build::build_core(&folder, &core).unwrap_or_else(|e| panic!("{e}")).component)
}
