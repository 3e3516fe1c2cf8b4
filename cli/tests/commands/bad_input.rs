//! What comes from outside and can't be used: each command says which file and why, and leaves nothing behind.

use super::*;

#[test]
fn files_that_are_not_there_or_are_no_files() {
    let dir = with_component();
    std::fs::create_dir(dir.path().join("folder")).unwrap();
    let before = names(dir.path());
    for args in [
        vec!["inspect", "none"],
        vec!["evaluate", "none", "--job", "job.json"],
        vec!["evaluate", "pack.wasm", "--job", "none"],
        vec!["conformance", "none"],
    ] {
        run(dir.path(), &args).exits(3).complains("error: can't use `none`: there is no such file");
    }
    for args in [
        vec!["inspect", "folder"],
        vec!["evaluate", "folder", "--job", "x"],
        vec!["evaluate", "pack.wasm", "--job", "folder"],
    ] {
        run(dir.path(), &args).exits(3).complains("error: can't use `folder`: it is a directory");
    }
    for command in ["check", "test", "replay"] {
        run(dir.path(), &[command, "none"]).exits(3).complains("can't use `none").complains("help:");
        run(dir.path(), &[command, "folder"]).exits(3).complains("can't use `folder");
        run(dir.path(), &[command, "pack.wasm"]).exits(3).complains("can't use `pack.wasm");
    }
    run(dir.path(), &["build", "folder", "-o", "out.wasm"]).exits(3).complains("it has no `pack.toml`");
    assert_eq!(names(dir.path()), before);
}

#[test]
fn files_that_are_too_large_are_not_read_whole() {
    let dir = with_component();
    write_huge(&dir, "huge", 1 << 40);
    run(dir.path(), &["inspect", "huge"]).exits(3).complains("larger than 16777216 bytes");
    run(dir.path(), &["evaluate", "pack.wasm", "--job", "huge"]).exits(3).complains("larger than");
    write_huge(&dir, "pack/policies/limits.cedar", 1 << 40);
    run(dir.path(), &["check", "pack"]).exits(3).complains("policies/limits.cedar").complains("larger than");
}

#[test]
fn texts_must_be_utf_8() {
    let dir = with_component();
    write(&dir, "job.json", b"{\"job\": \"\xff\"}");
    run(dir.path(), &["evaluate", "pack.wasm", "--job", "job.json"]).exits(3).complains("it isn't UTF-8 (byte 9)");
    write(&dir, "pack/policies/limits.cedar", b"// \xff\n");
    run(dir.path(), &["build", "pack", "-o", "other.wasm"])
        .exits(3)
        .complains("UTF-8")
        .complains("policies/limits.cedar");
    assert_eq!(names(dir.path()), ["job.json", "pack", "pack.wasm"]);
}

#[test]
fn components_that_are_cut_short_or_are_none() {
    let dir = with_component();
    let bytes = std::fs::read(dir.path().join("pack.wasm")).unwrap();
    write(&dir, "job.json", "{}");
    for length in [0, 4, 8, 100, bytes.len() / 2, bytes.len() - 1] {
        write(&dir, "cut.wasm", &bytes[..length]);
        run(dir.path(), &["inspect", "cut.wasm"]).exits(3).complains("can't use `cut.wasm`");
        run(dir.path(), &["evaluate", "cut.wasm", "--job", "job.json"]).exits(3).complains("can't use `cut.wasm`");
    }
    let noise: Vec<u8> = (0..5_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    write(&dir, "noise.wasm", noise);
    run(dir.path(), &["inspect", "noise.wasm"]).exits(3).complains("can't use `noise.wasm`");
    write(&dir, "core.wasm", b"\0asm\x01\0\0\0");
    run(dir.path(), &["inspect", "core.wasm"]).exits(3).complains("can't use `core.wasm`");
}

#[test]
fn packs_that_hold_something_else() {
    let dir = with_pack();
    let pack_toml = std::fs::read_to_string(dir.path().join("pack/pack.toml")).unwrap();
    write(&dir, "pack/pack.toml", "name = ");
    run(dir.path(), &["check", "pack"]).exits(3).complains("pack.toml");
    write(&dir, "pack/pack.toml", pack_toml.replace("policies/limits.cedar", "policies/none.cedar"));
    run(dir.path(), &["check", "pack"]).exits(3).complains("policies/none.cedar");
    write(&dir, "pack/pack.toml", format!("{pack_toml}\ncolour = \"red\"\n"));
    run(dir.path(), &["check", "pack"]).exits(3).complains("colour");
}

#[test]
fn cases_that_hold_something_else() {
    let dir = with_pack();
    write(&dir, "pack/cases/z.json", "{");
    run(dir.path(), &["test", "pack"]).exits(3).complains("z.json");
    write(&dir, "pack/cases/z.json", "{\"description\": \"x\", \"job\": {}, \"expect\": {\"verdict\": \"allow\"}}");
    run(dir.path(), &["test", "pack"]).exits(3).complains("z.json").complains("`job`");
    write(&dir, "pack/cases/z.json", "{\"description\": \"x\", \"job\": {}, \"expect\": {\"verdict\": \"maybe\"}}");
    run(dir.path(), &["test", "pack"]).exits(3).complains("maybe");
    std::fs::remove_dir_all(dir.path().join("pack/cases")).unwrap();
    run(dir.path(), &["test", "pack"]).exits(3).complains("it holds no such cases");
}
