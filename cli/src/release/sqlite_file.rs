//! SQLite: the rows of one table, read in one transaction, and a file with one table.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use exportgate::{AnyError, Row, Rows, Sink};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags, params_from_iter};

use super::Unusable;
use super::columns::Columns;
use super::place::Place;
use crate::input;

/// The table of a file that is written.
const TABLE: &str = "released";

/// Reads rows.
pub struct Reader {
    connection: Connection,
    query: String,
    columns: Vec<String>,
}

impl Reader {
    /// Opens the file at `path` for reading only, and begins to read: what is written to it from now on isn't seen.
    ///
    /// # Errors
    ///
    /// [`Unusable`] when it can't be read, is locked, or lacks the table or a column.
    pub fn open(path: &Path, table: Option<&str>, columns: &Columns) -> Result<Self, Unusable> {
        // What isn't there or no file is told as for any other.
        drop(input::open(path).map_err(Unusable::Told)?);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(|error| unusable(&error))?;
        let begin = || {
            connection.busy_timeout(Duration::ZERO)?;
            // Views and functions that the file itself defines aren't trusted.
            connection.execute_batch("pragma trusted_schema = off; begin")?;
            let tables =
                "select name from sqlite_schema where type = 'table' and name not like 'sqlite\\_%' escape '\\'";
            let mut tables = connection.prepare(tables)?;
            tables.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()
        };
        let tables: Vec<String> = begin().map_err(|error| unusable(&error))?;
        let table = choose(&tables, table)?;
        let mut headings = Vec::new();
        let quoted = quote(table);
        connection
            .prepare(&format!("select * from {quoted} limit 0"))
            .map(|statement| headings.extend(statement.column_names().map(str::to_owned)))
            .map_err(|error| unusable(&error))?;
        columns.find(&headings).map_err(|reason| {
            Unusable::Because(
                format!("table `{table}`: {reason}"),
                Some("`--column FIELD=COLUMN` says where a field is"),
            )
        })?;
        let columns: Vec<String> = [&columns.customer].into_iter().chain(&columns.fields).cloned().collect();
        let selected: Vec<String> = columns.iter().map(|column| quote(column)).collect();
        let query = format!("select {} from {quoted}", selected.join(", "));
        Ok(Self { connection, query, columns })
    }

    /// Gives its rows to `take`.
    pub fn rows<T>(&mut self, take: impl FnOnce(&mut dyn Rows) -> T) -> T {
        let mut statement = match self.connection.prepare(&self.query) {
            Ok(statement) => statement,
            Err(error) => return take(&mut Broken(Some(reason(&error)))),
        };
        match statement.query([]) {
            Ok(rows) => take(&mut Selected { rows, columns: &self.columns, number: 0 }),
            Err(error) => take(&mut Broken(Some(reason(&error)))),
        }
    }
}

/// The table that is meant.
fn choose<'a>(tables: &'a [String], table: Option<&str>) -> Result<&'a str, Unusable> {
    let list = || tables.iter().take(5).map(|table| format!("`{table}`")).collect::<Vec<_>>().join(", ");
    match (table, tables) {
        (Some(wanted), _) => match tables.iter().find(|table| *table == wanted) {
            Some(table) => Ok(table),
            None => Err(Unusable::because(format!("it has no table `{wanted}`, but {}", list()))),
        },
        (None, [only]) => Ok(only),
        (None, []) => Err(Unusable::because("it has no tables")),
        (None, several) => Err(Unusable::Because(
            format!("it has {} tables: {}", several.len(), list()),
            Some("name the one that is meant, with `--table`"),
        )),
    }
}

/// Rows of which not even the first can be read.
struct Broken(Option<String>);

impl Rows for Broken {
    fn next(&mut self, _: &mut Row) -> Result<bool, AnyError> {
        Err(self.0.take().unwrap_or_else(|| "it can't be read".to_owned()).into())
    }
}

struct Selected<'a> {
    rows: rusqlite::Rows<'a>,
    columns: &'a [String],
    number: u64,
}

impl Rows for Selected<'_> {
    fn next(&mut self, row: &mut Row) -> Result<bool, AnyError> {
        self.number = self.number.saturating_add(1);
        let Some(found) = self.rows.next().map_err(|error| reason(&error))? else { return Ok(false) };
        for (place, column) in self.columns.iter().enumerate() {
            let value = found.get_ref(place).map_err(|error| reason(&error))?;
            let text =
                |bytes| std::str::from_utf8(bytes).map_err(|_| format!("the value in column `{column}` isn't UTF-8"));
            match value {
                ValueRef::Text(bytes) if place == 0 => row.begin(text(bytes)?),
                ValueRef::Integer(number) if place == 0 => row.begin(&number.to_string()),
                ValueRef::Null if place == 0 => return Err(format!("column `{column}` has no customer").into()),
                ValueRef::Null => row.push(None),
                ValueRef::Text(bytes) => row.push(Some(text(bytes)?)),
                ValueRef::Integer(number) => row.push_shown(number),
                ValueRef::Real(number) if place > 0 && number.is_finite() => row.push_shown(number),
                ValueRef::Real(_) | ValueRef::Blob(_) => {
                    let found = value.data_type().to_string().to_lowercase();
                    return Err(format!("column `{column}` holds a {found}, expected a text or a number").into());
                }
            }
        }
        Ok(true)
    }
}

fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn unusable(error: &rusqlite::Error) -> Unusable {
    Unusable::Because(reason(error), None)
}

/// What SQLite says, without a word of what is in the file.
fn reason(error: &rusqlite::Error) -> String {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "it is locked: another program is writing to it".to_owned()
        }
        Some(ErrorCode::NotADatabase) => "it isn't a SQLite file".to_owned(),
        Some(ErrorCode::DatabaseCorrupt) => "it is damaged".to_owned(),
        Some(ErrorCode::DiskFull) => "the disk is full".to_owned(),
        Some(ErrorCode::CannotOpen) => "it can't be opened".to_owned(),
        Some(ErrorCode::TooBig) => "a value is too large".to_owned(),
        Some(code) => format!("SQLite failed: {code:?}"),
        None => "SQLite failed".to_owned(),
    }
}

/// Writes rows into a table of a new file, all columns texts.
pub struct Writer {
    place: Place,
    customer: String,
    open: Option<(Connection, String)>,
}

impl Writer {
    /// A file at `place` to be.
    pub fn new(place: Place, customer: String) -> Self {
        Self { place, customer, open: None }
    }
}

impl Sink for Writer {
    fn begin(&mut self, columns: &[Arc<str>]) -> Result<(), AnyError> {
        let open = || {
            let connection = Connection::open_with_flags(
                self.place.written_at().map_err(|_| rusqlite::Error::InvalidQuery)?,
                OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
            )?;
            // Nobody else sees the file, and it is whole or it isn't published: no journal beside it that would stay.
            connection.execute_batch("pragma journal_mode = off; pragma synchronous = off; begin")?;
            let customer = quote(&self.customer);
            let texts: Vec<String> = columns.iter().map(|column| format!("{} text", quote(column))).collect();
            let columns = [format!("{customer} text not null")].into_iter().chain(texts).collect::<Vec<_>>();
            connection.execute_batch(&format!("create table {TABLE} ({})", columns.join(", ")))?;
            let values = vec!["?"; columns.len()].join(", ");
            Ok((connection, format!("insert into {TABLE} values ({values})")))
        };
        self.open = Some(open().map_err(|error: rusqlite::Error| reason(&error))?);
        Ok(())
    }

    fn row(&mut self, row: &Row) -> Result<(), AnyError> {
        let (connection, insert) = self.open.as_ref().ok_or("no rows were announced")?;
        let values = [Some(row.customer())].into_iter().chain(row.values());
        let inserted =
            connection.prepare_cached(insert).and_then(|mut insert| insert.execute(params_from_iter(values)));
        inserted.map_err(|error| reason(&error))?;
        Ok(())
    }

    fn seal(&mut self) -> Result<(), AnyError> {
        let (connection, _) = self.open.take().ok_or("no rows were announced")?;
        connection.execute_batch("commit").map_err(|error| reason(&error))?;
        connection.close().map_err(|(_, error)| reason(&error))?;
        Ok(self.place.file()?.sync_all()?)
    }

    fn publish(&mut self) -> Result<(), AnyError> {
        Ok(self.place.publish()?)
    }

    fn discard(&mut self) -> Result<(), AnyError> {
        drop(self.open.take());
        Ok(self.place.discard()?)
    }
}
