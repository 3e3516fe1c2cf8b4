//! `conformance`: cases in Cedar's format, found, run, compared, counted.

use super::*;

const SCHEMA: &str = "entity User; entity Photo { owner: User };\n\
    action view appliesTo { principal: User, resource: Photo, context: { n: Long } };";

fn case(policies: &str, decision: &str, reason: &str, errors: &str) -> String {
    format!(
        r#"{{"policies":"{policies}","entities":"data/entities.json","schema":"data/schema.cedarschema","shouldValidate":true,
        "requests":[{{"description":"view","principal":{{"type":"User","id":"u"}},"action":{{"type":"Action","id":"view"}},
        "resource":{{"type":"Photo","id":"p"}},"context":{{"n":9223372036854775807}},
        "decision":"{decision}","reason":[{reason}],"errors":[{errors}]}}]}}"#
    )
}

fn with_cases() -> TempDir {
    let dir = TempDir::new().unwrap();
    write(&dir, "root/data/schema.cedarschema", SCHEMA);
    write(
        &dir,
        "root/data/entities.json",
        r#"[{"uid":{"type":"Photo","id":"p"},"attrs":{"owner":{"__entity":{"type":"User","id":"u"}}},"parents":[]}]"#,
    );
    write(&dir, "root/data/own.cedar", "permit(principal, action, resource) when { resource.owner == principal };");
    write(
        &dir,
        "root/data/erring.cedar",
        "permit(principal, action, resource); forbid(principal, action, resource) when { context.n + 1 > 0 };",
    );
    write(&dir, "root/data/loose.cedar", "permit(principal, action, resource) when { resource.size > 3 };");
    write(&dir, "root/cases/own.json", case("data/own.cedar", "allow", "\"policy0\"", ""));
    write(&dir, "root/cases/deep/erring.json", case("data/erring.cedar", "allow", "\"policy0\"", "\"policy1\""));
    dir
}

#[test]
fn folders_and_single_cases_are_run_and_counted() {
    let dir = with_cases();
    run(dir.path(), &["conformance", "root"]).exits(0).prints("requests 2, mismatches 0, refused 0");
    run(dir.path(), &["conformance", "root/cases/own.json"]).exits(0).prints("requests 1, mismatches 0, refused 0");
    run(&dir.path().join("root/cases"), &["conformance", "own.json"])
        .exits(0)
        .prints("requests 1, mismatches 0, refused 0");
}

#[test]
fn a_mismatch_is_shown_and_fails() {
    let dir = with_cases();
    write(&dir, "root/cases/wrong.json", case("data/erring.cedar", "deny", "\"policy1\"", ""));
    run(dir.path(), &["conformance", "root"])
        .exits(4)
        .prints("wrong.json request 0 (view)")
        .prints("expected  deny, by [policy1], erring []")
        .prints("found     allow, by [policy0], erring [policy1]")
        .prints("requests 3, mismatches 1, refused 0");
    let json = run(dir.path(), &["conformance", "root", "--json"]).exits(4).json();
    assert_eq!(json["mismatches"][0]["found"], "allow, by [policy0], erring [policy1]");
}

#[test]
fn a_set_that_is_not_strictly_valid_is_refused_with_cedars_message() {
    let dir = with_cases();
    write(&dir, "root/cases/loose.json", case("data/loose.cedar", "deny", "", ""));
    run(dir.path(), &["conformance", "root"])
        .exits(0)
        .prints("size")
        .prints("1 of the refused cases say of themselves that they are valid")
        .prints("requests 2, mismatches 0, refused 1");
    let json = run(dir.path(), &["conformance", "root", "--json"]).exits(0).json();
    let error = json["refused"][0]["errors"][0].as_str().unwrap().to_owned();
    assert!(error.contains("policy `policy0`: attribute `size`"), "{error}");
}

#[test]
fn what_was_not_run_is_not_counted_as_run() {
    let dir = with_cases();
    write(&dir, "root/cases/absent.json", case("data/none.cedar", "allow", "", ""));
    run(dir.path(), &["conformance", "root"])
        .exits(3)
        .prints("names `data/none.cedar`")
        .prints("requests 2, mismatches 0, refused 0")
        .complains("1 cases can't be read");
    write(&dir, "root/cases/absent.json", "{");
    run(dir.path(), &["conformance", "root"]).exits(3).prints("absent.json");
    std::fs::create_dir(dir.path().join("empty")).unwrap();
    run(dir.path(), &["conformance", "empty"]).exits(3).complains("it holds no case");
    run(dir.path(), &["conformance", "root/data/entities.json"]).exits(3).complains("entities.json");
}
