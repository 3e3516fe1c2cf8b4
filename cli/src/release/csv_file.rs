//! CSV: rows with a first line that names the columns, and cells that no table program takes for a formula.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use csv::{ErrorKind, StringRecord};
use exportgate::{AnyError, Row, Rows, Sink};

use super::columns::{Columns, Places};
use super::place::Place;
use super::quotes::Quotes;
use super::{INPUT_ROW_BYTES_MAX, Unusable};
use crate::input;

/// Reads rows.
pub struct Reader {
    reader: csv::Reader<Metered<File>>,
    /// Bytes that the row at hand may still take.
    left: Rc<Cell<u64>>,
    headings: StringRecord,
    places: Places,
    record: StringRecord,
}

impl Reader {
    /// Opens the file at `path`.
    ///
    /// # Errors
    ///
    /// [`Unusable`] when it can't be read, or lacks a column.
    pub fn open(path: &Path, columns: &Columns) -> Result<Self, Unusable> {
        let file = input::open(path).map_err(Unusable::Told)?;
        let left = Rc::new(Cell::new(INPUT_ROW_BYTES_MAX));
        let mut reader = csv::Reader::from_reader(Metered { file, left: left.clone(), quotes: Quotes::new() });
        let headings = match reader.headers() {
            Ok(headings) => headings.clone(),
            Err(error) => {
                let reason = describe(&error, &StringRecord::new());
                return Err(Unusable::Because(reason, Some("write it as CSV with commas, in the encoding UTF-8")));
            }
        };
        let places = columns.find(&headings.iter().collect::<Vec<_>>()).map_err(|reason| {
            Unusable::Because(
                reason,
                Some("the first line names the columns; `--column FIELD=COLUMN` says where a field is"),
            )
        })?;
        Ok(Self { reader, left, headings, places, record: StringRecord::new() })
    }
}

impl Rows for Reader {
    fn next(&mut self, row: &mut Row) -> Result<bool, AnyError> {
        self.left.set(INPUT_ROW_BYTES_MAX);
        match self.reader.read_record(&mut self.record) {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(error) => return Err(describe(&error, &self.headings).into()),
        }
        // INVARIANT: each record has as many cells as the first line, so these are there.
        row.begin(self.record.get(self.places.customer).unwrap_or_default());
        for place in &self.places.fields {
            // CSV can't tell a text without characters from no text.
            row.push(self.record.get(*place).filter(|cell| !cell.is_empty()));
        }
        Ok(true)
    }
}

/// What is wrong with a file, without a word of what is in it.
fn describe(error: &csv::Error, headings: &StringRecord) -> String {
    match error.kind() {
        ErrorKind::UnequalLengths { pos, expected_len, len } => {
            let line = pos.as_ref().map_or(0, csv::Position::line);
            format!("line {line} has {len} cells, expected {expected_len} as in the first line")
        }
        ErrorKind::Utf8 { pos, err } => {
            let line = pos.as_ref().map_or(0, csv::Position::line);
            match headings.get(err.field()) {
                Some(column) => format!("line {line}: the cell in column `{column}` isn't UTF-8"),
                None => format!("line {line} isn't UTF-8"),
            }
        }
        ErrorKind::Io(error) => error.to_string(),
        _ => "it isn't CSV".to_owned(),
    }
}

/// A file of which one row may take so many bytes, and whose quotes must be in order.
struct Metered<R> {
    file: R,
    left: Rc<Cell<u64>>,
    quotes: Quotes,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left.get() == 0 {
            return Err(io::Error::other(format!(
                "a row is larger than {INPUT_ROW_BYTES_MAX} bytes: is a quote never closed?"
            )));
        }
        let read = self.file.read(buffer)?;
        self.left.set(self.left.get().saturating_sub(u64::try_from(read).unwrap_or(u64::MAX)));
        let followed = match buffer.get(..read).unwrap_or_default() {
            [] => self.quotes.end(),
            bytes => self.quotes.follow(bytes),
        };
        followed.map(|()| read).map_err(io::Error::other)
    }
}

/// Writes rows.
pub struct Writer {
    place: Place,
    customer: String,
    writer: Option<csv::Writer<BufWriter<File>>>,
    cell: String,
}

impl Writer {
    /// A file at `place` to be.
    pub fn new(place: Place, customer: String) -> Self {
        Self { place, customer, writer: None, cell: String::new() }
    }
}

impl Sink for Writer {
    fn begin(&mut self, columns: &[Arc<str>]) -> Result<(), AnyError> {
        let writer = csv::Writer::from_writer(BufWriter::new(self.place.file()?.try_clone()?));
        let writer = self.writer.insert(writer);
        for name in [&*self.customer].into_iter().chain(columns.iter().map(|name| &**name)) {
            writer.write_field(harmless(name, &mut self.cell))?;
        }
        Ok(writer.write_record(None::<&[u8]>)?)
    }

    fn row(&mut self, row: &Row) -> Result<(), AnyError> {
        let writer = self.writer.as_mut().ok_or("no rows were announced")?;
        writer.write_field(harmless(row.customer(), &mut self.cell))?;
        for value in row.values() {
            writer.write_field(harmless(value.unwrap_or_default(), &mut self.cell))?;
        }
        Ok(writer.write_record(None::<&[u8]>)?)
    }

    fn seal(&mut self) -> Result<(), AnyError> {
        let writer = self.writer.take().ok_or("no rows were announced")?;
        let mut writer = writer.into_inner().map_err(|error| error.error().to_string())?;
        writer.flush()?;
        Ok(self.place.file()?.sync_all()?)
    }

    fn publish(&mut self) -> Result<(), AnyError> {
        Ok(self.place.publish()?)
    }

    fn discard(&mut self) -> Result<(), AnyError> {
        // What wasn't written is never written: the buffer goes without being flushed.
        if let Some(Ok(writer)) = self.writer.take().map(csv::Writer::into_inner) {
            let _ = writer.into_parts();
        }
        Ok(self.place.discard()?)
    }
}

/// The text of a cell that a table program shows as it is: with an apostrophe before what it would take for a formula. A plain
/// number keeps its sign. `cell` is room for that.
fn harmless<'a>(value: &'a str, cell: &'a mut String) -> &'a str {
    let suspect = |c: char| matches!(c, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠');
    if !value.starts_with(suspect) || is_number(value) {
        return value;
    }
    cell.clear();
    cell.push('\'');
    cell.push_str(value);
    cell
}

/// Whether it is a sign and digits, with one point or comma at most between them.
fn is_number(value: &str) -> bool {
    let Some(digits) = value.strip_prefix(['+', '-']) else { return false };
    let mut parts = digits.splitn(2, ['.', ',']);
    parts.all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_shown_and_not_computed() {
        for (value, expected) in [
            ("=1+1", "'=1+1"),
            ("=HYPERLINK(\"http://x\")", "'=HYPERLINK(\"http://x\")"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("+491701234567", "+491701234567"),
            ("+49 170 1234567", "'+49 170 1234567"),
            ("-12.50", "-12.50"),
            ("-12,50", "-12,50"),
            ("-1-1", "'-1-1"),
            ("-1.2.3", "'-1.2.3"),
            ("-", "'-"),
            ("+.5", "'+.5"),
            ("-cmd|' /C calc'!A0", "'-cmd|' /C calc'!A0"),
            ("\t=1", "'\t=1"),
            ("\r=1", "'\r=1"),
            ("＝1", "'＝1"),
            ("a=1", "a=1"),
            ("", ""),
            ("tok_0123", "tok_0123"),
            ("****1234", "****1234"),
        ] {
            assert_eq!(harmless(value, &mut String::new()), expected);
        }
    }

    #[test]
    fn a_row_may_take_so_many_bytes_and_no_more() {
        let left = Rc::new(Cell::new(4));
        let mut metered = Metered { file: &b"abcdefgh"[..], left: left.clone(), quotes: Quotes::new() };
        let mut buffer = [0; 4];
        assert_eq!(metered.read(&mut buffer).unwrap(), 4);
        assert!(metered.read(&mut buffer).unwrap_err().to_string().starts_with("a row is larger than 67108864 bytes"));
        left.set(1);
        assert_eq!(metered.read(&mut buffer).unwrap(), 4);
    }
}
