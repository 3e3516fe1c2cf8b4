//! Modules that come from the compile cache answer as those that were compiled, whatever lies in the cache.

use std::path::{Path, PathBuf};

use super::guest::{self, HONEST};
use crate::{Engine, EngineConfig, Module};

fn engine(cache: &Path) -> Engine {
    Engine::new(&EngineConfig { compile_cache: Some(cache.to_owned()), instances_max: 4, ..EngineConfig::default() })
        .unwrap()
}

fn entries(cache: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![cache.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => open.push(path),
                // Beside each entry lies how often it was used, which a thread of its own writes when it comes to it.
                false if path.extension().is_none() => found.push(path),
                false => {}
            }
        }
    }
    found.sort();
    found
}

fn check_answers(engine: &Engine) {
    let module = Module::load(engine, &guest::guest(HONEST, &guest::manifest())).unwrap();
    assert_eq!(&*guest::ask(&module).unwrap().determining, ["allow-ok".into()]);
}

#[test]
fn a_module_is_compiled_once_for_all_engines_on_one_cache() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    check_answers(&engine(&cache));
    let first = entries(&cache);
    assert_eq!(first.len(), 1, "{first:?}");
    check_answers(&engine(&cache));
    assert_eq!(entries(&cache), first);
}

#[test]
fn an_entry_that_was_damaged_is_compiled_anew() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    check_answers(&engine(&cache));
    let entry = entries(&cache).remove(0);
    let whole = std::fs::read(&entry).unwrap();
    for damaged in [&b""[..], b"no code", &whole[..whole.len() / 2]] {
        std::fs::write(&entry, damaged).unwrap();
        check_answers(&engine(&cache));
    }
}

#[test]
fn an_engine_is_not_made_on_a_cache_that_others_may_write() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    std::fs::create_dir(&cache).unwrap();
    std::fs::set_permissions(&cache, std::fs::Permissions::from_mode(0o777)).unwrap();
    let config = EngineConfig { compile_cache: Some(cache.clone()), ..EngineConfig::default() };
    let error = Engine::new(&config).unwrap_err();
    let found = cache.canonicalize().unwrap();
    let expected =
        format!("the compile cache `{}` holds `{}`, which others may write", cache.display(), found.display());
    assert_eq!(error.to_string(), expected);
}
