//! What loads, and the exact refusal of what doesn't.

use exportgate_contract::manifest::ContractVersion;

use super::guest::{self, HONEST, INSTANCE, LIFT};
use crate::{LoadError, Module};

/// The message and help with which the bytes are refused.
fn check_refused(bytes: &[u8], message: &str) -> LoadError {
    let error = Module::load(&guest::engine(), bytes).expect_err("it must be refused");
    assert_eq!(error.to_string(), message);
    assert!(!error.help().is_empty());
    error
}

#[test]
fn what_wit_component_makes_loads() {
    let bytes = guest::guest(HONEST, &guest::manifest());
    let module = Module::load(&guest::engine(), &bytes).unwrap();
    assert_eq!(module.manifest(), &guest::manifest());
    assert_eq!(module.sha256(), crate::artifact::hex(&<sha2::Sha256 as sha2::Digest>::digest(&bytes)));
}

#[test]
fn exports_are_found_by_the_lift_and_not_by_name() {
    let core = guest::core_text()
        .replace("\"memory\"", "\"m\"")
        .replace("\"cabi_realloc\"", "\"evaluate \"")
        .replace("\"evaluate\"", "\"cabi_realloc\"");
    let instance = INSTANCE
        .replace("\"memory\"", "\"m\"")
        .replace("\"cabi_realloc\"", "\"evaluate \"")
        .replace("\"evaluate\"", "\"cabi_realloc\"");
    let module = Module::load(&guest::engine(), &guest::component_text(&[&core, &instance, LIFT])).unwrap();
    assert_eq!(&*guest::ask(&module).unwrap().determining, ["allow-ok".into()]);
}

#[test]
fn a_missing_post_return_is_no_fault() {
    let lift = LIFT.replace("(post-return $post)", "");
    Module::load(&guest::engine(), &guest::component_text(&[&guest::core_text(), INSTANCE, &lift])).unwrap();
}

#[test]
fn bytes_that_are_no_component_are_refused() {
    check_refused(b"", "expected a WebAssembly component, found an empty file");
    check_refused(b"(component)", "expected a WebAssembly component, found WebAssembly text");
    check_refused(b"MZ\x90\0", "expected a WebAssembly component, found something else");
    let core = check_refused(&guest::core(HONEST, b"{}"), "expected a WebAssembly component, found a core module");
    assert!(core.help().contains("wasm-tools component new"));
    check_refused(&vec![0; (16 << 20) + 1], "the module has 16777217 bytes, at most 16777216 are allowed");
}

#[test]
fn no_truncation_loads_or_panics() {
    let bytes = guest::guest(HONEST, &guest::manifest());
    let engine = guest::engine();
    for length in 0..bytes.len() {
        // What ends with whole sections is a component of its own; then only names for people are missing.
        let custom_follows = bytes[length] == 0;
        let loaded = Module::load(&engine, &bytes[..length]);
        assert!(loaded.is_err() || custom_follows, "{length} bytes of {}", bytes.len());
        assert!(loaded.is_err() || loaded.is_ok_and(|module| *module.manifest() == guest::manifest()));
    }
}

#[test]
fn no_flipped_byte_panics() {
    let bytes = guest::guest(HONEST, &guest::manifest());
    let engine = guest::engine();
    for position in (0..bytes.len()).step_by(3) {
        let mut damaged = bytes.clone();
        damaged[position] ^= 0x55;
        // Names in custom sections may change without harm; all else is refused, and either way nothing panics.
        let _ = Module::load(&engine, &damaged);
    }
}

#[test]
fn components_of_another_shape_are_refused_by_name() {
    let core = guest::core_text();
    let check = |parts: &[&str], message: &str| check_refused(&guest::component_text(parts), message);
    check(&[r#"(import "clock" (func))"#, &core, INSTANCE, LIFT], "the component imports `clock`");
    check(&["(component)", &core, INSTANCE, LIFT], "the component holds a nested component");
    check(&["(core type (func))", &core, INSTANCE, LIFT], "the component holds core types");
    check(&[&core, "(core module)", INSTANCE, LIFT], "expected exactly one core module, found 2");
    check(&[&core, INSTANCE, "(core instance (instantiate $m))", LIFT], "expected exactly one core instance, found 2");
    check(
        &[&core, INSTANCE, "(core instance (export \"x\" (func $post)))", LIFT],
        "the component holds a core instance made of exports",
    );
    check(
        &[&core, INSTANCE, LIFT, "(export \"other\" (func $lifted))"],
        "expected the one export `evaluate`, found `other`",
    );
    check(&[&core, INSTANCE], "expected exactly one export, found 0");
    check(
        &[&core, INSTANCE, "(core func (canon resource.drop 0))", LIFT].map(|part| {
            if part.contains("resource.drop") {
                "(type $r (resource (rep i32))) (core func (canon resource.drop $r))"
            } else {
                part
            }
        }),
        "the component holds a canonical function other than a lift",
    );
    check(
        &[
            &core,
            INSTANCE,
            LIFT,
            "(func (type $f) (canon lift (core func $evaluate) (memory $memory) (realloc $realloc)))",
        ],
        "expected exactly one `canon lift`, found 2",
    );
}

#[test]
fn an_evaluate_of_another_type_is_refused() {
    let core = guest::core_text();
    let expected = "expected `evaluate: func(frame: list<u64>) -> list<u32>`, found another type";
    for (from, to) in [("list u64", "list s64"), ("list u32", "list f32"), ("\"frame\"", "\"words\"")] {
        check_refused(&guest::component_text(&[&core, &INSTANCE.replace(from, to), LIFT]), expected);
    }
    let missing = LIFT.replace("(post-return $post)", "string-encoding=utf16");
    check_refused(
        &guest::component_text(&[&core, INSTANCE, &missing]),
        "the `canon lift` of `evaluate` has the option `string-encoding`",
    );
}

#[test]
fn core_modules_beyond_limits_are_refused() {
    let json = serde_json::to_vec(&guest::manifest()).unwrap();
    let check = |from: &str, to: &str, message: &str| {
        check_refused(&guest::component(guest::core(&HONEST.replace(from, to), &json)), message);
    };
    let memory = "(memory (export \"memory\") 1)";
    check(
        memory,
        "(memory (export \"memory\") 1025)",
        "the core module has 67174400 bytes of memory, at most 67108864 are allowed",
    );
    check(
        memory,
        "(memory (export \"memory\") 1) (table 20001 funcref)",
        "the core module has 20001 table elements, at most 20000 are allowed",
    );
    check(
        memory,
        "(memory (export \"memory\") 1) (table 1 funcref) (table 1 funcref)",
        "the core module has 2 tables, at most 1 are allowed",
    );
    check(memory, "(memory (export \"memory\") 1) (start $s) (func $s)", "the core module holds a start function");
    let long = format!("(memory (export \"memory\") 1) (func {})", "(drop (i64.const -1))".repeat(180_000));
    check(memory, &long, "the core module has 540002 bytes in one function, at most 524288 are allowed");
    let locals = format!("(memory (export \"memory\") 1) (func (local {}))", "i32 ".repeat(10_001));
    check(memory, &locals, "the core module has 10001 locals in one function, at most 10000 are allowed");
}

#[test]
fn core_modules_with_imports_are_refused() {
    // wit-component wouldn't make these.
    let core = guest::core_text().replace("(memory (export", "(import \"env\" \"clock\" (func)) (memory (export");
    let instance = INSTANCE.replace("(instantiate $m)", "(instantiate $m (with \"env\" (instance $env)))");
    check_refused(
        &guest::component_text(&[
            &core,
            "(core module $e (func (export \"clock\")))",
            "(core instance $env (instantiate $e))",
            &instance,
            LIFT,
        ]),
        "the component holds a core instance with arguments",
    );
    let bytes = guest::component_text(&[&core, INSTANCE, LIFT]);
    check_refused(&bytes, "the core module imports `env` `clock`");
}

#[test]
fn features_that_guests_have_no_use_for_are_refused() {
    let json = serde_json::to_vec(&guest::manifest()).unwrap();
    for (part, word) in [
        ("(func (result v128) (v128.const i64x2 0 0))", "SIMD"),
        ("(func $t (return_call $t))", "tail calls"),
        ("(type (struct))", "gc"),
        ("(global i32 (i32.add (i32.const 1) (i32.const 2)))", "constant expression"),
    ] {
        let wat = HONEST.replace("(global $next", &format!("{part} (global $next"));
        let mut core = wat::parse_str(&wat).unwrap();
        guest::add_section(&mut core, exportgate_contract::MANIFEST_SECTION, &json);
        let error = Module::load(&guest::engine(), &guest::component(core)).expect_err(word);
        assert!(matches!(error, LoadError::Invalid { .. } | LoadError::Malformed { .. }), "{word}: {error}");
    }
}

#[test]
fn manifests_that_cannot_be_read_are_refused() {
    let check = |core: Vec<u8>, message: &str| check_refused(&guest::component(core), message);
    check(wat::parse_str(HONEST).unwrap(), "the core module has no section `exportgate:manifest`");
    let mut twice = guest::core(HONEST, b"{}");
    guest::add_section(&mut twice, exportgate_contract::MANIFEST_SECTION, b"{}");
    check(twice, "the core module has more than one section `exportgate:manifest`");
    check(guest::core(HONEST, b"{\"x\xff\"}"), "the manifest isn't UTF-8: byte 3");
    check(guest::core(HONEST, b"{}"), "the manifest can't be read: missing field `contract` at line 1 column 2");
    check(
        guest::core(HONEST, &vec![b' '; (8 << 20) + 1]),
        "the manifest has 8388609 bytes, at most 8388608 are allowed",
    );
    let mut json = serde_json::to_value(guest::manifest()).unwrap();
    json["later"] = true.into();
    let error = check_json(&json);
    assert!(error.starts_with("the manifest can't be read: unknown field `later`"), "{error}");
}

#[test]
fn another_contract_is_refused_whatever_else_it_says() {
    let mut json = serde_json::to_value(guest::manifest()).unwrap();
    json["later"] = true.into();
    for (major, minor, help) in [(2, 0, "newer exportgate"), (1, 2, "newer exportgate"), (0, 9, "again")] {
        json["contract"] = serde_json::json!({ "major": major, "minor": minor });
        let bytes = guest::component(guest::core(HONEST, &serde_json::to_vec(&json).unwrap()));
        let error =
            check_refused(&bytes, &format!("the module is made for contract {major}.{minor}, this host runs 1.1"));
        assert!(error.help().contains(help), "{}", error.help());
        assert_eq!(error, LoadError::Contract { found: ContractVersion { major, minor } });
    }
}

fn check_json(json: &serde_json::Value) -> String {
    let bytes = guest::component(guest::core(HONEST, &serde_json::to_vec(json).unwrap()));
    Module::load(&guest::engine(), &bytes).expect_err("it must be refused").to_string()
}
