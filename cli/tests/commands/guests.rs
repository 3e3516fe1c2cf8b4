//! Modules that aren't compiled from Cedar: built from a crate, from a core module, and with an interpreter inside.

use super::*;

/// A folder of `guest-policies`.
fn guest_policies(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-policies").join(name);
    std::fs::canonicalize(path).unwrap().to_str().unwrap().to_owned()
}

/// An empty core module.
const EMPTY: &[u8] = b"\0asm\x01\0\0\0";

#[test]
fn a_new_crate_builds_and_passes_its_cases() {
    let dir = TempDir::new().unwrap();
    run(dir.path(), &["init", "--rust", "my-policy", "--sdk", &guest_policies("sdk")])
        .exits(0)
        .prints("next: exportgate test my-policy");
    // The versions that the guests here are built with: nothing is asked of a registry.
    std::fs::copy(guest_policies("Cargo.lock"), dir.path().join("my-policy/Cargo.lock")).unwrap();
    run(dir.path(), &["test", "my-policy"]).exits(0).prints("2 passed");
    run(dir.path(), &["build", "my-policy", "-o", "my-policy.wasm"]).exits(0).prints("my-policy 0.1.0, 2 policies");
    run(dir.path(), &["inspect", "my-policy.wasm"]).exits(0).prints("few-customers");
}

#[test]
fn a_crate_is_only_made_where_it_can_be_one() {
    let dir = TempDir::new().unwrap();
    for (name, complaint) in [
        ("My-Policy", "`My-Policy` can't be the name of a crate: lower-case letters"),
        ("1st", "`1st` can't be the name of a crate"),
        ("fn", "`fn` can't be the name of a crate: it is a word of Rust's"),
    ] {
        run(dir.path(), &["init", "--rust", name]).exits(3).complains(complaint);
    }
    run(dir.path(), &["init", "--rust", "mine", "--sdk", "nowhere"])
        .exits(3)
        .complains("`nowhere` has no `Cargo.toml`");
    assert!(names(dir.path()).is_empty());
    write(&dir, "full/file", "");
    run(dir.path(), &["init", "--rust", "full"]).exits(3).complains("the folder isn't empty");
    // A folder may be named from within, and the SDK from where the command runs.
    std::fs::create_dir(dir.path().join("here")).unwrap();
    write(&dir, "sdk/Cargo.toml", "");
    run(&dir.path().join("here"), &["init", "--rust", ".", "--sdk", "../sdk"]).exits(0);
    let manifest = std::fs::read_to_string(dir.path().join("here/Cargo.toml")).unwrap();
    assert!(manifest.contains("name = \"here\"") && manifest.contains("{ path = \"/"), "{manifest}");
}

#[test]
fn what_a_crate_lacks_is_named_with_what_to_do() {
    let dir = TempDir::new().unwrap();
    run(dir.path(), &["init", "--rust", "mine", "--sdk", &guest_policies("sdk")]).exits(0);
    // A toolchain without the target, as far as the command can tell.
    let output = Command::new(env!("CARGO_BIN_EXE_exportgate"))
        .args(["build", "mine", "-o", "mine.wasm"])
        .current_dir(dir.path())
        .env("RUSTC", "false")
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("the Rust toolchain has no target `wasm32-unknown-unknown`"), "{stderr}");
    assert!(stderr.contains("help: install it: `rustup target add wasm32-unknown-unknown`"), "{stderr}");

    edit(&dir, "mine/policy.toml", "context.customers", "context.customer");
    run(dir.path(), &["build", "mine", "-o", "mine.wasm"])
        .exits(3)
        .complains("`policy.toml`")
        .complains("context.customer");
    std::fs::remove_file(dir.path().join("mine/Cargo.toml")).unwrap();
    edit(&dir, "mine/policy.toml", "context.customer", "context.customers");
    run(dir.path(), &["build", "mine", "-o", "mine.wasm"])
        .exits(3)
        .complains("`mine` has no `Cargo.toml`")
        .complains("help: a guest in another language is built from its core module: `--core FILE`");
    write_huge(&dir, "mine/policy.toml", 1 << 40);
    run(dir.path(), &["build", "mine", "-o", "mine.wasm"]).exits(3).complains("is larger than 16777216 bytes");
}

#[test]
fn core_modules_that_are_none_or_not_of_this_shape() {
    let dir = with_component();
    let guest = guest_policies("quiet-hours");
    write(&dir, "noise.wasm", "noise");
    write(&dir, "empty.wasm", EMPTY);
    for (core, complaint) in [
        ("none.wasm", "can't use `none.wasm`: there is no such file"),
        ("noise.wasm", "this isn't a WebAssembly core module: it doesn't begin with `\\0asm`"),
        ("empty.wasm", "the module doesn't export `evaluate`"),
        ("pack.wasm", "this isn't a WebAssembly core module: it is a component already"),
    ] {
        run(dir.path(), &["build", &guest, "--core", core, "-o", "out.wasm"]).exits(3).complains(complaint);
    }
    run(dir.path(), &["build", "pack", "--core", "empty.wasm", "-o", "out.wasm"])
        .exits(3)
        .complains("policy.toml` can't be read")
        .complains("help: name the folder of a guest");
    assert_eq!(names(dir.path()), ["empty.wasm", "noise.wasm", "pack", "pack.wasm"]);
}

#[test]
fn interpreters_that_are_none() {
    let dir = with_component();
    write(&dir, "noise.wasm", "noise");
    write(&dir, "empty.wasm", EMPTY);
    for core in ["noise.wasm", "empty.wasm", "pack.wasm"] {
        run(dir.path(), &["build", "pack", "--interpreter", core, "-o", "out.wasm"])
            .exits(3)
            .complains(&format!("can't use `{core}`: this isn't the core module of `cedar-interpreter`"))
            .complains("help: build it: `cargo build");
    }
    // What is wrong with the pack is the pack's, not the interpreter's.
    write(&dir, "pack/policies/limits.cedar", "forbid");
    run(dir.path(), &["build", "pack", "--interpreter", "empty.wasm", "-o", "out.wasm"])
        .exits(3)
        .complains("the pack `pack` has 1 error");
    assert_eq!(names(dir.path()), ["empty.wasm", "noise.wasm", "pack", "pack.wasm"]);
}
