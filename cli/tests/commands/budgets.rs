//! Does what docs/budgets.md says, step by step.

use super::*;

/// A fenced block of the page: what stands after the fence, and the text.
struct Block {
    language: String,
    file: Option<String>,
    text: String,
}

fn blocks() -> Vec<Block> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/budgets.md");
    let page = std::fs::read_to_string(page).unwrap();
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```") else { continue };
        let (language, file) = info.split_once(' ').map_or((info, None), |(language, file)| (language, Some(file)));
        let mut text = String::new();
        for line in lines.by_ref().take_while(|line| *line != "```") {
            text.push_str(line);
            text.push('\n');
        }
        blocks.push(Block { language: language.to_owned(), file: file.map(str::to_owned), text });
    }
    blocks
}

const DIGEST: &str = "SHA256 THAT INSPECT PRINTED";

#[test]
fn the_page_about_budgets_is_true() {
    let dir = TempDir::new().unwrap();
    let (mut digest, mut ran) = (String::new(), 0);
    for block in blocks() {
        let path = block.file.as_ref().map(|file| dir.path().join(file));
        match (block.language.as_str(), path) {
            ("sh", None) => {
                for line in block.text.lines() {
                    let (command, exits) = match line.split_once("   # exits with ") {
                        None => (line, 0),
                        Some((command, exits)) => (command, exits.chars().next().unwrap().to_digit(10).unwrap()),
                    };
                    let args: Vec<&str> = command.split(' ').collect();
                    assert_eq!(args[0], "exportgate");
                    let ran_command = run(dir.path(), &args[1..]).exits(i32::try_from(exits).unwrap());
                    if line.contains("denied by F3-weekly") {
                        assert!(ran_command.stdout.contains("F3-weekly"), "{}", ran_command.stdout);
                    }
                    if line.contains("can't count `team24h`") {
                        assert!(ran_command.stderr.contains("`context.usage.team24h`"), "{}", ran_command.stderr);
                        assert!(ran_command.stderr.contains("--count-from-now"), "{}", ran_command.stderr);
                    }
                    if args[1] == "inspect" {
                        let line =
                            ran_command.stdout.lines().find(|line| line.trim_start().starts_with("sha256")).unwrap();
                        digest = line.split_whitespace().last().unwrap().to_owned();
                    }
                    ran += 1;
                }
            }
            ("diff", Some(path)) => {
                let mut text = std::fs::read_to_string(&path).unwrap();
                let mut lines = block.text.lines().peekable();
                while let Some(line) = lines.next() {
                    let old = line.strip_prefix('-').unwrap().to_owned();
                    let mut new = Vec::new();
                    while let Some(line) = lines.peek().and_then(|line| line.strip_prefix('+')) {
                        new.push(line.to_owned());
                        lines.next();
                    }
                    let old = match text.lines().find(|line| line.starts_with("sha256")) {
                        Some(pinned) if old.contains(DIGEST) => pinned.to_owned(),
                        _ => old,
                    };
                    assert!(text.contains(&old), "no `{old}` in {}", path.display());
                    text = text.replacen(&old, &new.join("\n"), 1);
                }
                std::fs::write(path, text.replace(DIGEST, &digest)).unwrap();
            }
            ("cedar", Some(path)) => {
                let text = std::fs::read_to_string(&path).unwrap();
                std::fs::write(path, text + &block.text).unwrap();
            }
            ("json" | "toml", Some(path)) => {
                assert!(!path.exists(), "{}", path.display());
                std::fs::write(path, block.text.replace(DIGEST, &digest)).unwrap();
            }
            (language, _) => panic!("the page has a block of {language} that this test doesn't know"),
        }
    }
    assert!(ran > 15 && !digest.is_empty(), "{ran}");
}
