//! Compares every case file with cedar-policy: the answers in the file, the compiled module called directly, and the same
//! module called through Wasmtime's component API.

use exportgate_tests::bless;
use exportgate_tests::case::{self, Case};
use exportgate_tests::cedar::CedarReference;
use exportgate_tests::engine::{Answer, PolicyEngine};

/// The answers of cedar-policy to each request of a case, after checking `shouldValidate`.
fn oracle(case: &Case) -> Result<Vec<Answer>, String> {
    let reference = CedarReference::of(case)?;
    match (case.file.should_validate, reference.validate()) {
        (true, Err(message)) => return Err(format!("isn't strictly valid: {message}")),
        (false, Ok(())) => return Err("is strictly valid, and `shouldValidate` says that it isn't".to_owned()),
        _ => {}
    }
    case.file
        .requests
        .iter()
        .map(|request| reference.authorize(request).map_err(|e| format!("`{}`: {e}", request.description)))
        .collect()
}

#[test]
fn case_files_hold_what_cedar_answers() {
    let mut wrong = Vec::new();
    let cases = case::load_all(&bless::data().join("cases"));
    assert!(!cases.is_empty(), "no case files");
    for mut case in cases {
        match oracle(&case) {
            Err(message) => wrong.push(format!("{}: {message}", case.name())),
            Ok(answers) if bless::blessing() => case.bless(&answers),
            Ok(answers) => {
                for (request, answer) in case.file.requests.iter().zip(answers) {
                    if request.expected().as_ref() != Some(&answer) {
                        wrong.push(format!("{}: `{}`: cedar answers {answer}", case.name(), request.description));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong (BLESS=1 rewrites them):\n{}", wrong.len(), wrong.join("\n"));
}
