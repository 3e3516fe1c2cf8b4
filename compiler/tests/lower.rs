//! Lowers the case files in `lower/` and compares the IR, and compiles those in `errors/` and compares what is reported.
//!
//! A case is sections that begin with `--- NAME`: `schema` and `policies` (or any files of a pack, by path), then `expected`.
//! With `BLESS=1` the last is rewritten; the diff is to be reviewed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use exportgate_compiler::{Pack, ir, lower};

fn check_dir(dir: &str, answer: impl Fn(&BTreeMap<String, Vec<u8>>) -> String) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(dir);
    let mut cases = 0;
    let mut wrong = Vec::new();
    for entry in fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let (input, expected) = text.split_once("--- expected\n").expect("a case has an expected section");
        let mut files = BTreeMap::new();
        for section in input.split("--- ").skip(1) {
            let (name, body) = section.split_once('\n').unwrap();
            files.insert(name.to_owned(), body.as_bytes().to_vec());
        }
        let found = answer(&files);
        cases += 1;
        if found != expected {
            if std::env::var_os("BLESS").is_some() {
                fs::write(&path, format!("{input}--- expected\n{found}")).unwrap();
            } else {
                wrong.push(format!("{}:\nexpected\n{expected}\nfound\n{found}", path.display()));
            }
        }
    }
    assert!(cases > 0, "no cases in {}", dir.display());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn pack(files: &BTreeMap<String, Vec<u8>>) -> Result<Pack, exportgate_compiler::CompileErrors> {
    match (files.get("schema"), files.get("policies")) {
        (Some(schema), Some(policies)) => {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            Ok(Pack::bare("case", &text(schema), &text(policies)))
        }
        _ => Pack::from_files(files),
    }
}

#[test]
fn conditions_lower_to_the_ir_expected() {
    check_dir("lower", |files| {
        let program = pack(files).and_then(|pack| lower(&pack)).unwrap_or_else(|errors| panic!("{}", errors.render()));
        ir::verify::verify(&program).unwrap();
        ir::print::print_program(&program)
    });
}

#[test]
fn faults_are_reported_with_place_and_help() {
    check_dir("errors", |files| match pack(files).and_then(|pack| lower(&pack)) {
        Ok(_) => panic!("a case of an error compiles"),
        Err(errors) => errors.render(),
    });
}
