//! `exportgate audit checkpoint`, and the file that keeps checkpoints: signed notes, one after the other.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use exportgate::audit_log::{Checkpoint, PublicKey, next_checkpoint};

use super::open::{Opened, broken, unusable};
use crate::args::WithConfig;
use crate::failure::{Exit, Failure};
use crate::input;
use crate::output;

/// Bytes of a file of checkpoints, 256 MiB: a checkpoint every minute of a year takes about 130 MiB.
const CHECKPOINTS_FILE_BYTES_MAX: u64 = 256 << 20;

/// Runs `exportgate audit checkpoint`.
pub fn sign(args: &WithConfig) -> Result<Exit, Failure> {
    let opened = Opened::read(&args.config)?;
    let key = opened.audit.signing_key(opened.folder()).map_err(|error| unusable(&error))?;
    let records = opened.records()?;
    let path = opened.checkpoints_path();
    let kept = read(&path)?;
    let keys = [key.public().clone()];
    let last = match kept.last() {
        None => None,
        Some(last) => Some(last_signed(&path, last, &opened.audit.origin, &opened.public_keys(&[])?, &keys)?),
    };
    let prefix = opened.prefix(&records)?;
    let (next, _) =
        next_checkpoint(&records, &opened.audit.origin, &prefix, last.as_ref()).map_err(|error| broken(&error))?;
    let note = next.sign(&key).map_err(|error| Failure::input(error.to_string()))?.to_string();
    if last.is_none_or(|last| last.size < next.size) {
        append(&path, &note)?;
    }
    // What is signed and not kept is worse than what is kept and not printed, so it is printed last.
    output::print(note.trim_end())?;
    Ok(Exit::Done)
}

/// The last checkpoint that was kept. It must be one of ours: else whoever changed the file could have the log signed anew.
fn last_signed(
    path: &Path,
    note: &str,
    origin: &str,
    trusted: &[PublicKey],
    own: &[PublicKey],
) -> Result<Checkpoint, Failure> {
    let keys: Vec<PublicKey> = trusted.iter().chain(own).cloned().collect();
    Checkpoint::open(note, origin, &keys)
        .map(|(checkpoint, _)| checkpoint)
        .map_err(|error| Failure::file(path, format_args!("its last checkpoint: {error}")))
}

/// The checkpoints in a file; none when there is no such file.
///
/// # Errors
///
/// [`Failure`] when it can't be read.
pub fn read(path: &Path) -> Result<Vec<String>, Failure> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    Ok(split(&input::read_text(path, CHECKPOINTS_FILE_BYTES_MAX)?))
}

/// The notes in a text: each ends with the last of its signature lines.
fn split(text: &str) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    let mut note = String::new();
    let mut signed = false;
    for line in text.lines() {
        let is_signature = line.starts_with('\u{2014}');
        if signed && !is_signature {
            notes.push(std::mem::take(&mut note));
            signed = false;
            // Between two notes empty lines mean nothing.
            if line.is_empty() {
                continue;
            }
        }
        if note.is_empty() && line.is_empty() {
            continue;
        }
        signed |= is_signature;
        note.push_str(line);
        note.push('\n');
    }
    if !note.is_empty() {
        notes.push(note);
    }
    notes
}

fn append(path: &Path, note: &str) -> Result<(), Failure> {
    let written = OpenOptions::new().create(true).append(true).open(path).and_then(|mut file| {
        file.write_all(note.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| {
        Failure::output(format!("can't keep the checkpoint in `{}`: {error}", path.display()))
            .help("check that its folder exists and may be written to")
    })
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn notes_are_split_after_their_signatures() {
        let (one, two) =
            ("log\n1\nroot\n\n\u{2014} log AAAA\n\u{2014} w BBBB\n", "log\n2\nroot\n\n\u{2014} log CCCC\n");
        assert_eq!(split(&format!("{one}{two}")), [one, two]);
        assert_eq!(split(&format!("\n{one}\n\n{two}\n")), [one, two]);
        assert_eq!(split("half a note"), ["half a note\n"]);
        assert_eq!(split(""), Vec::<String>::new());
    }
}
