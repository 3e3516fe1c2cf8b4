//! Writes results: tables on standard output, and files that are there wholly or not at all.

use std::io::{self, Write};
use std::path::Path;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use console::Term;
use sha2::{Digest, Sha256};

use crate::failure::{Failure, visible};

/// How wide a table may become when standard output isn't a terminal, in characters: wide enough for any table of ours,
/// so that a file or a pipe gets whole lines.
const PIPED_WIDTH: u16 = 160;

/// How narrow a terminal may be before tables stop shrinking with it, in characters.
const WIDTH_MIN: u16 = 60;

/// How wide texts on standard error may become, in characters.
pub fn error_width() -> usize {
    let terminal = Term::stderr();
    usize::from(if terminal.is_term() { terminal.size().1.max(WIDTH_MIN) } else { PIPED_WIDTH })
}

/// A table with these headings, as wide as the terminal at most.
pub fn table<const COLUMNS: usize>(headings: [&str; COLUMNS]) -> Table {
    let mut table = bare_table();
    table.set_header(headings);
    table
}

/// A table without headings, as wide as the terminal at most.
pub fn bare_table() -> Table {
    let terminal = Term::stdout();
    let width = if terminal.is_term() { terminal.size().1.max(WIDTH_MIN) } else { PIPED_WIDTH };
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    table
}

/// Puts the cells of these columns to the right, as numbers want it.
pub fn align_right(table: &mut Table, columns: &[usize]) {
    for column in columns {
        if let Some(column) = table.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

/// Adds a row whose cells may come from outside.
pub fn row(table: &mut Table, cells: impl IntoIterator<Item = String>) {
    table.add_row(cells.into_iter().map(|cell| cell.lines().map(visible).collect::<Vec<_>>().join("\n")));
}

/// Prints `text` and a line's end to standard output.
///
/// # Errors
///
/// [`Failure`] when it can't be written; a reader that stopped reading (`| head`) is no failure.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.write_all(b"\n")).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::output(format!("can't write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Prints a table, without the blanks that fill its last column.
///
/// # Errors
///
/// As [`print`].
pub fn print_table(table: &Table) -> Result<(), Failure> {
    print(&table.to_string().lines().map(str::trim_end).collect::<Vec<_>>().join("\n"))
}

/// Writes `bytes` to `path`: to a file beside it first, which then takes its name, so that nobody ever sees half of it.
///
/// # Errors
///
/// [`Failure`] when it can't be written; what was at `path` before is then unchanged.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let fail = |error: &dyn std::fmt::Display| {
        Failure::output(format!("can't write `{}`: {error}", path.display()))
            .help("check that its folder exists and may be written to")
    };
    if path.is_dir() {
        return Err(fail(&"it is a directory"));
    }
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".exportgate-");
    // NB: a temporary file is private unless told otherwise; this gives it what any new file gets, less the user's mask.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder).map_err(|error| fail(&error))?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(|error| fail(&error))?;
    file.persist(path).map_err(|error| fail(&error.error))?;
    Ok(())
}

/// SHA-256 of `bytes`, in lower-case hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A size in bytes, for people.
pub fn size(bytes: usize) -> String {
    match bytes {
        0..1_024 => format!("{bytes} B"),
        1_024..1_048_576 => format!("{:.1} KiB", ratio(bytes, 1_024)),
        _ => format!("{:.1} MiB", ratio(bytes, 1_048_576)),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a size shown with one decimal")]
fn ratio(bytes: usize, unit: usize) -> f64 {
    bytes as f64 / unit as f64
}

/// A count with a comma at each thousand.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len().saturating_mul(2));
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && digits.len().saturating_sub(i) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::{count, size};

    #[test]
    fn thousands_are_grouped() {
        assert_eq!([0, 999, 1_000, 9_700_000].map(count), ["0", "999", "1,000", "9,700,000"]);
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!([0, 1_023, 1_536, 3 << 20].map(size), ["0 B", "1023 B", "1.5 KiB", "3.0 MiB"]);
    }
}
