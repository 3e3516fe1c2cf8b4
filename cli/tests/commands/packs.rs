//! `init`, `check`, `test`, `build`, `inspect`.

use super::*;

#[test]
fn a_new_pack_passes_check_and_test_and_builds() {
    let dir = with_pack();
    run(dir.path(), &["check", "pack"]).exits(0).prints("no errors, 0 warnings");
    run(dir.path(), &["test", "pack"]).exits(0).prints("4 cases: 4 passed, 0 failed");
    run(dir.path(), &["build", "pack", "-o", "pack.wasm"])
        .exits(0)
        .prints("my-pack 0.1.0, 9 policies")
        .prints("sha256 ");
}

#[test]
fn init_fills_an_empty_folder_and_refuses_any_other() {
    let dir = TempDir::new().unwrap();
    std::fs::create_dir(dir.path().join("empty")).unwrap();
    run(dir.path(), &["init", "empty"]).exits(0);
    write(&dir, "full/note.txt", "mine");
    run(dir.path(), &["init", "full"]).exits(3).complains("`full`: the folder isn't empty").complains("help:");
    assert_eq!(names(&dir.path().join("full")), ["note.txt"]);
    write(&dir, "file", "mine");
    run(dir.path(), &["init", "file"]).exits(3).complains("it is a file");
    assert_eq!(names(dir.path()), ["empty", "file", "full"]);
}

#[test]
fn building_twice_from_different_folders_gives_the_same_bytes() {
    let (one, other) = (with_component(), with_component());
    let bytes = |dir: &TempDir| std::fs::read(dir.path().join("pack.wasm")).unwrap();
    assert!(bytes(&one) == bytes(&other));
}

#[test]
fn all_errors_of_a_pack_are_shown_where_they_stand_and_nothing_is_written() {
    let dir = with_pack();
    edit(&dir, "pack/policies/limits.cedar", "principal.employed", "principal.employee");
    edit(&dir, "pack/policies/grants.cedar", "resolve_ticket", "resolve_tickets");
    for args in [vec!["check", "pack"], vec!["build", "pack", "-o", "pack.wasm"], vec!["test", "pack"]] {
        run(dir.path(), &args)
            .exits(3)
            .complains("principal.employee")
            .complains("resolve_tickets")
            .complains("policies/limits.cedar")
            .complains("policies/grants.cedar")
            .complains("error: the pack `pack` has 2 errors");
    }
    assert_eq!(names(dir.path()), ["pack"]);
}

#[test]
fn a_failed_build_leaves_the_component_of_before() {
    let dir = with_component();
    let before = std::fs::read(dir.path().join("pack.wasm")).unwrap();
    edit(&dir, "pack/policies/limits.cedar", "> 40", "> \"forty\"");
    run(dir.path(), &["build", "pack", "-o", "pack.wasm"]).exits(3);
    assert!(std::fs::read(dir.path().join("pack.wasm")).unwrap() == before);
    assert_eq!(names(dir.path()), ["pack", "pack.wasm"]);
}

#[test]
fn a_component_that_cannot_be_written_is_an_error_of_its_own() {
    let dir = with_pack();
    run(dir.path(), &["build", "pack", "-o", "nowhere/pack.wasm"])
        .exits(5)
        .complains("can't write `nowhere/pack.wasm`");
    run(dir.path(), &["build", "pack", "-o", "pack"]).exits(5).complains("it is a directory");
    assert_eq!(names(dir.path()), ["pack"]);
}

#[test]
fn a_changed_threshold_shows_in_the_cases() {
    let dir = with_pack();
    edit(&dir, "pack/policies/limits.cedar", "> 40", "> 100");
    run(dir.path(), &["test", "pack"])
        .exits(4)
        .prints("FAIL  daily-limit.json: the 41st customer in 24 hours is one too many")
        .prints("verdict\n      - deny\n      + allow")
        .prints("- F2-daily\n      + G1-ticket")
        .prints("4 cases: 3 passed, 1 failed")
        .complains("1 of 4 cases got another decision than expected");
    run(dir.path(), &["test", "pack", "--only", "ticket"]).exits(0).prints("2 cases: 2 passed");
}

#[test]
fn inspect_shows_the_manifest_without_running_anything() {
    let dir = with_component();
    run(dir.path(), &["inspect", "pack.wasm"])
        .exits(0)
        .prints("my-pack 0.1.0")
        .prints("evaluate")
        .prints("G1-ticket")
        .prints("@reason(\"quota-24h\")")
        .prints("policies/limits.cedar sha256");
    let manifest = run(dir.path(), &["inspect", "pack.wasm", "--json"]).exits(0).json();
    assert_eq!(manifest["name"], "my-pack");
    assert_eq!(manifest["policies"].as_array().unwrap().len(), 9);
}

#[test]
fn no_control_codes_reach_a_pipe() {
    let dir = with_component();
    for args in [vec!["inspect", "pack.wasm"], vec!["check", "pack"], vec!["test", "pack"], vec!["check", "nowhere"]] {
        let ran = run(dir.path(), &args);
        assert!(!ran.stdout.contains('\u{1b}') && !ran.stderr.contains('\u{1b}'), "{args:?}");
    }
}
