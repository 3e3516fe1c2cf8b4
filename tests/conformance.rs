//! Compares every case file with cedar-policy: the answers in the file, the IR, the compiled module called by the host (with
//! the compiler's passes and without), and the same module called through Wasmtime's component API.

use std::collections::BTreeMap;

use exportgate::Engine;
use exportgate_compiler::{CompileOptions, Pack, Passes, compile};
use exportgate_tests::case::{self, Case};
use exportgate_tests::cedar::CedarReference;
use exportgate_tests::compiled::{self, CaseData, CompiledModule, ComponentApi, IrInterpreter};
use exportgate_tests::engine::{Answer, PolicyEngine};
use exportgate_tests::{bless, component};

fn cases() -> Vec<Case> {
    let cases = case::load_all(&bless::data().join("cases"));
    assert!(!cases.is_empty(), "no case files");
    cases
}

fn assert_none(wrong: &[String]) {
    let shown = wrong.len().min(20);
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong[..shown].join("\n"));
}

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
    for mut case in cases() {
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
    assert_none(&wrong);
}

#[test]
fn each_policy_of_a_case_shows_something() {
    let mut wrong = Vec::new();
    for case in cases().iter().filter(|case| case.file.should_validate) {
        let mut shown: BTreeMap<String, usize> = BTreeMap::new();
        let reference = CedarReference::of(case).unwrap();
        for answer in oracle(case).unwrap() {
            for id in answer.determining.union(&answer.erring) {
                *shown.entry(id.clone()).or_default() += 1;
            }
        }
        for policy in reference.policies().policies() {
            let id = policy.id().to_string();
            // Some policies are there to show that they never matter; their names say so.
            if !shown.contains_key(&id) && !id.starts_with("never") {
                wrong.push(format!("{}: `{id}` neither determines an answer nor errs", case.name()));
            }
        }
    }
    assert_none(&wrong);
}

/// Asks one engine all requests of a case.
fn compare(engine: Result<&dyn PolicyEngine, String>, case: &Case, wrong: &mut Vec<String>) {
    let engine = match engine {
        Ok(engine) => engine,
        Err(message) => return wrong.push(format!("{}: {message}", case.name())),
    };
    for request in &case.file.requests {
        let expected = request.expected();
        match engine.authorize(request) {
            Ok(found) if Some(&found) == expected.as_ref() => {}
            found => {
                let shown = |answer: &Answer| answer.to_string();
                wrong.push(format!(
                    "{}: `{}`:\n  expected {}\n  {} {}",
                    case.name(),
                    request.description,
                    expected.as_ref().map_or_else(|| "nothing yet".to_owned(), shown),
                    engine.name(),
                    found.as_ref().map_or_else(Clone::clone, shown)
                ));
            }
        }
    }
}

fn compare_compiled(engine: &Engine, runtime: &wasmtime::Engine, case: &Case, wrong: &mut Vec<String>) {
    let data = match CaseData::new(&case.schema, &case.entities) {
        Ok(data) => data,
        Err(message) => return wrong.push(format!("{}: {message}", case.name())),
    };
    let interpreter = IrInterpreter::new(case, &data);
    compare(interpreter.as_ref().map(|engine| engine as _).map_err(Clone::clone), case, wrong);
    let none = Passes::NONE;
    let plain = CompiledModule::new("compiled without passes", engine, case, &data, none);
    compare(plain.as_ref().map(|engine| engine as _).map_err(Clone::clone), case, wrong);
    let compiled = CompiledModule::new("compiled", engine, case, &data, Passes::default());
    compare(compiled.as_ref().map(|engine| engine as _).map_err(Clone::clone), case, wrong);
    let Ok(compiled) = &compiled else { return };
    let component = ComponentApi::new(runtime, compiled);
    compare(component.as_ref().map(|engine| engine as _).map_err(Clone::clone), case, wrong);
}

#[test]
fn compiled_policies_answer_as_cedar_does() {
    if bless::blessing() {
        return;
    }
    let (engine, runtime) = (compiled::engine(), component::engine());
    let mut wrong = Vec::new();
    for case in cases() {
        if case.file.should_validate {
            compare_compiled(&engine, &runtime, &case, &mut wrong);
        } else if compile(&Pack::bare("case", &case.schema, &case.policies), &CompileOptions::default()).is_ok() {
            wrong.push(format!("{}: compiles, and isn't strictly valid", case.name()));
        }
    }
    assert_none(&wrong);
}
