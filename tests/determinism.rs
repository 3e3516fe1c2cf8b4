//! The same pack gives the same bytes, wherever it lies and whenever it is compiled.

use std::collections::BTreeMap;
use std::path::Path;

use exportgate_compiler::{CompileOptions, Pack, compile};
use exportgate_tests::bless::{data, files, workspace};
use exportgate_tests::case;

/// The files of a folder as a pack has them.
fn pack_files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    ["toml", "cedar", "cedarschema"]
        .into_iter()
        .flat_map(|extension| files(folder, extension))
        .map(|path| {
            let within = path.strip_prefix(folder).unwrap().to_string_lossy().replace('\\', "/");
            (within, std::fs::read(&path).unwrap())
        })
        .collect()
}

fn compile_folder(folder: &Path) -> Vec<u8> {
    let pack = Pack::from_files(&pack_files(folder)).unwrap_or_else(|e| panic!("{e}"));
    compile(&pack, &CompileOptions::default()).unwrap_or_else(|e| panic!("{e}")).component
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn a_pack_gives_the_same_bytes_from_any_directory() {
    let original = workspace().join("guest-policies/support-desk");
    let expected = compile_folder(&original);
    let mut copies = Vec::new();
    for name in ["a", "another directory with a longer name"] {
        let parent = tempfile::tempdir().unwrap();
        let copy = parent.path().join(name);
        // Written in another order than they are listed.
        for (path, bytes) in pack_files(&original).iter().rev() {
            let path = copy.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        // In a thread of its own: a hash map there has other seeds.
        let folder = copy.clone();
        let found = std::thread::spawn(move || compile_folder(&folder)).join().unwrap();
        assert!(found == expected, "compiled from `{name}` the bytes differ");
        assert!(!holds(&found, &copy.to_string_lossy()), "the module names where it was compiled");
        copies.push(parent);
    }
    let checkout = workspace().canonicalize().unwrap();
    assert!(!holds(&expected, &checkout.to_string_lossy()), "the module names where it was compiled");
}

#[test]
fn each_case_gives_the_same_bytes_again() {
    for case in case::load_all(&data().join("cases")).iter().filter(|case| case.file.should_validate) {
        let make = || {
            let pack = Pack::bare("case", &case.schema, &case.policies);
            compile(&pack, &CompileOptions::default()).unwrap_or_else(|e| panic!("{}: {e}", case.name())).component
        };
        let again = std::thread::scope(|scope| scope.spawn(make).join().unwrap());
        assert!(make() == again, "{}", case.name());
    }
}
