//! Reads what comes from outside: files with a size limit, texts that must be UTF-8, and the files of a pack.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use exportgate_contract::limits::MODULE_BYTES_MAX;

use crate::failure::Failure;

/// Bytes of a component file: what a host loads at most.
pub const MODULE_FILE_BYTES_MAX: u64 = MODULE_BYTES_MAX as u64;

/// Bytes of a job, case or incident file, 256 MiB: a job of a million customers belongs into a CSV file beside it.
pub const JOB_FILE_BYTES_MAX: u64 = 256 << 20;

/// Bytes of a customers file, 512 MiB: a million customers with half a kilobyte each.
pub const CUSTOMERS_FILE_BYTES_MAX: u64 = 512 << 20;

/// Bytes of one file of a pack, 32 MiB: 10,000 policies take about 5 MB.
pub const PACK_FILE_BYTES_MAX: u64 = 32 << 20;

/// Bytes of all files of a pack, 64 MiB: they are held in memory together.
pub const PACK_BYTES_MAX: u64 = 64 << 20;

/// Files of a pack, its cases and replays not counted: packs have a dozen.
pub const PACK_FILES_MAX: usize = 4_096;

/// Folders within folders of a pack: deeper trees aren't packs.
pub const PACK_DEPTH_MAX: usize = 16;

/// Entries of one folder that is read for cases, incidents or conformance files.
pub const FOLDER_ENTRIES_MAX: usize = 100_000;

/// The file that makes a folder a pack.
pub const PACK_FILE: &str = "pack.toml";

/// The folder of a pack that holds its cases.
pub const CASES: &str = "cases";

/// The folder of a pack that holds its incidents.
pub const REPLAYS: &str = "replays";

/// The endings of the files that a pack is made of.
const PACK_ENDINGS: [&str; 4] = ["toml", "cedar", "cedarschema", "json"];

/// The bytes of the file at `path`, at most `bytes_max`.
///
/// # Errors
///
/// [`Failure`] when it isn't there, isn't a file, can't be read, or is larger.
pub fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, Failure> {
    let file = open(path)?;
    let mut bytes = Vec::new();
    // NB: one byte more than allowed, since a pipe or a device has no length to ask for.
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| unreadable(path, &error))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > bytes_max) {
        return Err(Failure::file(path, format_args!("it is larger than {bytes_max} bytes, the most that is read")));
    }
    Ok(bytes)
}

/// Opens the file at `path`, to be read in parts.
///
/// # Errors
///
/// [`Failure`] when it isn't there, isn't a file, or can't be read.
pub fn open(path: &Path) -> Result<File, Failure> {
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    let kind = file.metadata().map_err(|error| unreadable(path, &error))?;
    if kind.is_dir() {
        return Err(Failure::file(path, "it is a directory, expected a file"));
    }
    Ok(file)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    match error.kind() {
        ErrorKind::NotFound => {
            Failure::file(path, "there is no such file").help("check the path; it is relative to the current directory")
        }
        ErrorKind::PermissionDenied => {
            Failure::file(path, "permission denied").help("make it readable for the user that runs this command")
        }
        _ => Failure::file(path, error),
    }
}

/// The text of the file at `path`, at most `bytes_max` bytes, a byte order mark left out.
///
/// # Errors
///
/// As [`read`], and when it isn't UTF-8.
pub fn read_text(path: &Path, bytes_max: u64) -> Result<String, Failure> {
    let bytes = read(path, bytes_max)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        Failure::file(path, format_args!("it isn't UTF-8 (byte {})", error.utf8_error().valid_up_to()))
            .help("save it in the encoding UTF-8")
    })?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// The files of the pack in the folder `dir`: path within the pack (with `/`) and bytes. Its cases and replays aren't
/// part of what is compiled, and hidden files neither.
///
/// # Errors
///
/// [`Failure`] when `dir` holds no pack, or a file can't be read, or a limit of this module is exceeded.
pub fn read_pack(dir: &Path) -> Result<BTreeMap<String, Vec<u8>>, Failure> {
    if !dir.is_dir() {
        let reason =
            if dir.exists() { "it is a file, expected the folder of a pack" } else { "there is no such folder" };
        return Err(Failure::file(dir, reason).help("name the folder that holds `pack.toml`"));
    }
    if !dir.join(PACK_FILE).exists() {
        return Err(Failure::file(dir, format_args!("it has no `{PACK_FILE}`, so it isn't a pack"))
            .help("name the folder that holds `pack.toml`, or make a new pack with `exportgate init DIR`"));
    }
    let mut files = BTreeMap::new();
    let mut folders = vec![(dir.to_path_buf(), String::new(), 0_usize)];
    let mut bytes_left = PACK_BYTES_MAX;
    while let Some((folder, prefix, depth)) = folders.pop() {
        for (name, path) in entries(&folder)? {
            if name.starts_with('.') || (depth == 0 && (name == CASES || name == REPLAYS)) {
                continue;
            }
            let within = format!("{prefix}{name}");
            if path.symlink_metadata().is_ok_and(|kind| kind.is_dir()) {
                if depth >= PACK_DEPTH_MAX {
                    return Err(Failure::file(&path, format_args!("folders are nested deeper than {PACK_DEPTH_MAX}")));
                }
                folders.push((path, format!("{within}/"), depth.saturating_add(1)));
            } else if has_ending(&path, &PACK_ENDINGS) {
                let bytes = read(&path, PACK_FILE_BYTES_MAX.min(bytes_left))?;
                bytes_left = bytes_left.saturating_sub(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
                files.insert(within, bytes);
                if files.len() > PACK_FILES_MAX {
                    return Err(Failure::file(dir, format_args!("the pack has more than {PACK_FILES_MAX} files")));
                }
            }
        }
    }
    Ok(files)
}

/// The files in the folder `dir` whose name has `ending`, sorted by name; none when there is no such folder.
///
/// # Errors
///
/// [`Failure`] when the folder can't be read.
pub fn list(dir: &Path, ending: &str) -> Result<Vec<PathBuf>, Failure> {
    if !dir.exists() {
        return Ok(Vec::new());
    }
    Ok(entries(dir)?.into_values().filter(|path| path.is_file() && has_ending(path, &[ending])).collect())
}

/// The entries of a folder by name, sorted.
///
/// # Errors
///
/// [`Failure`] when it can't be read, has more than [`FOLDER_ENTRIES_MAX`], or a name isn't UTF-8.
pub fn entries(dir: &Path) -> Result<BTreeMap<String, PathBuf>, Failure> {
    let mut entries = BTreeMap::new();
    for entry in fs::read_dir(dir).map_err(|error| Failure::file(dir, error))? {
        let path = entry.map_err(|error| Failure::file(dir, error))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(|| {
            Failure::file(&path, "its name isn't UTF-8").help("rename it, or move it out of this folder")
        })?;
        entries.insert(name.to_owned(), path.clone());
        if entries.len() > FOLDER_ENTRIES_MAX {
            return Err(Failure::file(dir, format_args!("it has more than {FOLDER_ENTRIES_MAX} entries")));
        }
    }
    Ok(entries)
}

fn has_ending(path: &Path, endings: &[&str]) -> bool {
    path.extension().is_some_and(|found| endings.iter().any(|ending| found == *ending))
}
