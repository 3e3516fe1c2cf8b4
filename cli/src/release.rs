//! Rows from files, and rows to files: what `exportgate release` reads and writes.

pub mod columns;
mod csv_file;
mod parquet_file;
mod place;
mod quotes;
mod sqlite_file;

use std::path::{Path, PathBuf};

use exportgate::{Rows, Sink};

use crate::failure::Failure;
use columns::Columns;
use place::Place;

/// Bytes of one row as a file has it, 64 MiB, columns that don't leave included: a few documents. A quote that is never closed
/// would else be read into memory whole.
pub const INPUT_ROW_BYTES_MAX: u64 = 64 << 20;

/// The formats, by the ending of a file's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `.csv`: the first line names the columns.
    Csv,
    /// `.parquet`
    Parquet,
    /// `.sqlite`, `.sqlite3` or `.db`
    Sqlite,
}

impl Format {
    /// The format of the file at `path`.
    ///
    /// # Errors
    ///
    /// [`Failure`] when its name has no ending that says.
    pub fn of(path: &Path) -> Result<Self, Failure> {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        match ending {
            "csv" => Ok(Self::Csv),
            "parquet" => Ok(Self::Parquet),
            "sqlite" | "sqlite3" | "db" => Ok(Self::Sqlite),
            _ => Err(Failure::file(path, "its ending doesn't say what it is")
                .help("name a file that ends in `.csv`, `.parquet`, `.sqlite`, `.sqlite3` or `.db`")),
        }
    }
}

/// A file of rows that was opened, with all columns that are wanted.
pub enum Source {
    /// CSV.
    Csv(csv_file::Reader),
    /// Parquet.
    Parquet(Box<parquet_file::Reader>),
    /// SQLite.
    Sqlite(sqlite_file::Reader),
}

impl Source {
    /// Opens the file at `path`; of a database the `table`, or its only one.
    ///
    /// # Errors
    ///
    /// [`Failure`] when it can't be read, isn't such a file, lacks a column, or has one of a type that can't be released.
    pub fn open(path: &Path, table: Option<&str>, columns: &Columns) -> Result<Self, Failure> {
        let format = Format::of(path)?;
        if format != Format::Sqlite && table.is_some() {
            return Err(Failure::file(path, "it has no tables").help("leave `--table` out, or name a SQLite file"));
        }
        match format {
            Format::Csv => csv_file::Reader::open(path, columns).map(Self::Csv),
            Format::Parquet => parquet_file::Reader::open(path, columns).map(|reader| Self::Parquet(Box::new(reader))),
            Format::Sqlite => sqlite_file::Reader::open(path, table, columns).map(Self::Sqlite),
        }
        .map_err(|failure| failure.or(path))
    }

    /// Gives its rows to `take`.
    pub fn rows<T>(&mut self, take: impl FnOnce(&mut dyn Rows) -> T) -> T {
        match self {
            Self::Csv(reader) => take(reader),
            Self::Parquet(reader) => take(&mut **reader),
            Self::Sqlite(reader) => reader.rows(take),
        }
    }
}

/// Why a file can't be used: a reason to be shown with its path, or a failure that was told already.
pub enum Unusable {
    /// The reason, and what to do.
    Because(String, Option<&'static str>),
    /// As it stands.
    Told(Failure),
}

impl Unusable {
    fn because(reason: impl Into<String>) -> Self {
        Self::Because(reason.into(), None)
    }

    fn or(self, path: &Path) -> Failure {
        match self {
            Self::Told(failure) => failure,
            Self::Because(reason, help) => {
                let failure = Failure::file(path, reason);
                match help {
                    Some(help) => failure.help(help),
                    None => failure,
                }
            }
        }
    }
}

/// The file at `path` to be, in the format of its ending; there must be nothing yet. Rows have the customer in a column of this
/// name.
///
/// # Errors
///
/// [`Failure`] when there is something, or nothing can be written there.
pub fn sink(path: &Path, customer: &str) -> Result<Box<dyn Sink>, Failure> {
    let format = Format::of(path)?;
    // SQLite opens its file by name.
    let place = if format == Format::Sqlite { Place::named(path) } else { Place::new(path) };
    let place = place.map_err(|error| {
        Failure::output(format!("can't write `{}`: {error}", path.display()))
            .help("name a file that isn't there yet, in a folder that may be written to")
    })?;
    let customer = customer.to_owned();
    Ok(match format {
        Format::Csv => Box::new(csv_file::Writer::new(place, customer)),
        Format::Parquet => Box::new(parquet_file::Writer::new(place, customer)),
        Format::Sqlite => Box::new(sqlite_file::Writer::new(place, customer)),
    })
}

/// The folder of a file.
fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder.to_path_buf(),
        _ => PathBuf::from("."),
    }
}
