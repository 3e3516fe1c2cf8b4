//! `exportgate init`: makes a small pack to start from, which passes `check` and `test`.

use std::fs;
use std::path::Path;

use crate::args::Init;
use crate::failure::{Exit, Failure};
use crate::{guest, input, output};

/// The files of a new pack.
const FILES: [(&str, &str); 11] = [
    ("README.md", include_str!("init/README.md")),
    ("pack.toml", include_str!("init/pack.toml")),
    ("schema.cedarschema", include_str!("init/schema.cedarschema")),
    ("fields.toml", include_str!("init/fields.toml")),
    ("policies/grants.cedar", include_str!("init/policies/grants.cedar")),
    ("policies/limits.cedar", include_str!("init/policies/limits.cedar")),
    ("policies/fields.cedar", include_str!("init/policies/fields.cedar")),
    ("cases/ticket.json", include_str!("init/cases/ticket.json")),
    ("cases/no-ticket.json", include_str!("init/cases/no-ticket.json")),
    ("cases/daily-limit.json", include_str!("init/cases/daily-limit.json")),
    ("cases/legal-hold.json", include_str!("init/cases/legal-hold.json")),
];

/// Runs the command.
pub fn run(args: &Init) -> Result<Exit, Failure> {
    let dir = args.dir.as_path();
    if dir.exists() {
        if !dir.is_dir() {
            return Err(Failure::file(dir, "it is a file, expected a new or empty folder"));
        }
        if !input::entries(dir)?.is_empty() {
            return Err(Failure::file(dir, "the folder isn't empty").help("name a new folder, or an empty one"));
        }
    }
    if args.rust {
        return guest::init(dir, args.sdk.as_deref());
    }
    make(dir)?;
    output::print(&format!("made {}: {} files\nnext: exportgate test {}", dir.display(), FILES.len(), dir.display()))?;
    Ok(Exit::Done)
}

/// Makes the pack beside `dir` first and gives it its name then, so that nobody ever sees half of it.
fn make(dir: &Path) -> Result<(), Failure> {
    let fail = |error: &dyn std::fmt::Display| Failure::output(format!("can't make `{}`: {error}", dir.display()));
    let parent = match dir.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent).map_err(|error| fail(&error))?;
    let made = tempfile::Builder::new().prefix(".exportgate-").tempdir_in(parent).map_err(|error| fail(&error))?;
    // NB: within the private folder, so that the pack itself has the permissions of any new folder.
    let pack = made.path().join("pack");
    for (name, text) in FILES {
        let path = pack.join(name);
        let folder = path.parent().unwrap_or(&pack);
        fs::create_dir_all(folder).and_then(|()| fs::write(&path, text)).map_err(|error| fail(&error))?;
    }
    // NB: renaming onto an empty folder replaces it.
    fs::rename(&pack, dir).map_err(|error| fail(&error))
}
