//! Parquet: flat columns of texts, numbers, truth values, dates and timestamps, read as texts; and a file of texts.

use std::cell::Cell;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Once};

use exportgate::job_file::print_datetime;
use exportgate::{AnyError, Row, Rows, Sink};
use parquet::basic::{Compression, ConvertedType, LogicalType, Repetition, Type as PhysicalType};
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::record::Field;
use parquet::record::reader::RowIter;
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor, Type};

use super::Unusable;
use super::columns::Columns;
use super::place::Place;
use crate::input;

/// Rows of a row group that is written, so that readers can skip over some.
const GROUP_ROWS_MAX: usize = 65_536;

/// Bytes of values of a row group that is written: what a release keeps in memory.
const GROUP_BYTES_MAX: usize = 16 << 20;

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// Reads rows.
pub struct Reader {
    rows: RowIter<'static>,
    /// The columns that are read, in the order of the file.
    columns: Vec<String>,
    /// Where the customer and the fields stand among them.
    customer: usize,
    fields: Vec<usize>,
    /// The values of the row at hand.
    texts: Vec<Option<String>>,
}

impl Reader {
    /// Opens the file at `path`.
    ///
    /// # Errors
    ///
    /// [`Unusable`] when it isn't Parquet, lacks a column, or has one of a type that can't be shown as text.
    pub fn open(path: &Path, columns: &Columns) -> Result<Self, Unusable> {
        let file = input::open(path).map_err(Unusable::Told)?;
        contained(|| Self::over(file, columns)).unwrap_or_else(|| Err(Unusable::because(DAMAGED)))
    }

    fn over(file: File, columns: &Columns) -> Result<Self, Unusable> {
        let reader = SerializedFileReader::new(file).map_err(|_| Unusable::because("it isn't Parquet, or damaged"))?;
        let metadata = reader.metadata();
        let schema = metadata.file_metadata().schema_descr();
        let headings: Vec<&str> = schema.root_schema().get_fields().iter().map(|field| field.name()).collect();
        let places = columns
            .find(&headings)
            .map_err(|reason| Unusable::Because(reason, Some("`--column FIELD=COLUMN` says where a field is")))?;
        let mut wanted: Vec<usize> = [places.customer].into_iter().chain(places.fields.iter().copied()).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let within = |place: usize| wanted.binary_search(&place).unwrap_or(usize::MAX);
        let names: Vec<String> =
            wanted.iter().filter_map(|place| headings.get(*place)).map(|name| (*name).to_owned()).collect();
        for name in &names {
            check_type(schema, name).map_err(Unusable::because)?;
        }
        for group in metadata.row_groups() {
            let read = group.columns().iter().filter(|column| names.contains(&column.column_path().string()));
            for column in read {
                let (codec, name) = (column.compression(), column.column_path().string());
                if !matches!(codec, Compression::UNCOMPRESSED | Compression::SNAPPY) {
                    let reason = format!("column `{name}` is compressed as {codec}, expected `SNAPPY` or none");
                    return Err(Unusable::Because(reason, Some("write the file again with that compression")));
                }
            }
        }
        let root = schema.root_schema();
        let read = wanted.iter().filter_map(|place| root.get_fields().get(*place).cloned()).collect();
        let projection = Type::group_type_builder(root.name()).with_fields(read).build();
        let damaged = |_| Unusable::because(DAMAGED);
        let (customer, fields) = (within(places.customer), places.fields.iter().map(|place| within(*place)).collect());
        let projection = projection.map_err(damaged)?;
        let rows = RowIter::from_file_into(Box::new(reader)).project(Some(projection)).map_err(damaged)?;
        Ok(Self { rows, columns: names, customer, fields, texts: Vec::new() })
    }
}

const DAMAGED: &str = "it is damaged, or a text in it isn't UTF-8";

impl Rows for Reader {
    fn next(&mut self, row: &mut Row) -> Result<bool, AnyError> {
        // NB: what the crate says may hold the bytes of a value.
        let found = match contained(|| self.rows.next()) {
            Some(None) => return Ok(false),
            Some(Some(Ok(found))) => found,
            Some(Some(Err(_))) | None => return Err(DAMAGED.into()),
        };
        self.texts.clear();
        for ((_, value), column) in found.get_column_iter().zip(&self.columns) {
            let text = text(value).map_err(|reason| format!("column `{column}` {reason}"))?;
            self.texts.push(text);
        }
        let at = |place: usize| self.texts.get(place).and_then(Option::as_deref);
        let column = self.columns.get(self.customer).map_or("", String::as_str);
        row.begin(at(self.customer).ok_or_else(|| format!("column `{column}` has no customer"))?);
        self.fields.iter().for_each(|place| row.push(at(*place)));
        Ok(true)
    }
}

thread_local! {
    /// Whether this thread reads a Parquet file.
    static READS: Cell<bool> = const { Cell::new(false) };
}

/// What `work` gives; none when the reader of Parquet files panicked, as it does on some that are damaged. Nothing of the panic
/// is shown: it may hold values.
fn contained<T>(work: impl FnOnce() -> T) -> Option<T> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let shown = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !READS.get() {
                shown(panic);
            }
        }));
    });
    let before = READS.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    READS.set(before);
    done.ok()
}

/// Refuses a column whose values have no plain text.
fn check_type(schema: &SchemaDescriptor, name: &str) -> Result<(), String> {
    let mut found =
        schema.columns().iter().filter(|column| column.path().parts().first().is_some_and(|part| part == name));
    let column = match (found.next(), found.next()) {
        (Some(column), None) if column.path().parts().len() == 1 && column.max_rep_level() == 0 => column,
        _ => return Err(format!("column `{name}` holds records or lists, expected texts or numbers")),
    };
    if is_plain(column) {
        return Ok(());
    }
    let (physical, converted) = (column.physical_type(), column.converted_type());
    let logical = column.logical_type_ref().map_or_else(|| converted.to_string(), |logical| format!("{logical:?}"));
    Err(format!(
        "column `{name}` is of type {physical} ({logical}), expected texts, whole numbers, floating-point numbers, truth values, dates, or timestamps in milli- or microseconds"
    ))
}

fn is_plain(column: &ColumnDescriptor) -> bool {
    let (converted, logical) = (column.converted_type(), column.logical_type_ref());
    match column.physical_type() {
        PhysicalType::BOOLEAN | PhysicalType::FLOAT | PhysicalType::DOUBLE => true,
        PhysicalType::BYTE_ARRAY => {
            matches!(converted, ConvertedType::UTF8 | ConvertedType::ENUM | ConvertedType::JSON)
                || matches!(logical, Some(LogicalType::String))
        }
        PhysicalType::INT32 => match converted {
            ConvertedType::NONE => logical.is_none(),
            _ => matches!(
                converted,
                ConvertedType::INT_8
                    | ConvertedType::INT_16
                    | ConvertedType::INT_32
                    | ConvertedType::UINT_8
                    | ConvertedType::UINT_16
                    | ConvertedType::UINT_32
                    | ConvertedType::DATE
            ),
        },
        PhysicalType::INT64 => match converted {
            ConvertedType::NONE => logical.is_none(),
            _ => matches!(
                converted,
                ConvertedType::INT_64
                    | ConvertedType::UINT_64
                    | ConvertedType::TIMESTAMP_MILLIS
                    | ConvertedType::TIMESTAMP_MICROS
            ),
        },
        PhysicalType::INT96 | PhysicalType::FIXED_LEN_BYTE_ARRAY => false,
    }
}

/// A value as text.
fn text(value: &Field) -> Result<Option<String>, &'static str> {
    Ok(Some(match value {
        Field::Null => return Ok(None),
        Field::Str(text) => text.clone(),
        Field::Bytes(bytes) => std::str::from_utf8(bytes.data()).map_err(|_| "isn't UTF-8")?.to_owned(),
        Field::Bool(value) => value.to_string(),
        Field::Byte(number) => number.to_string(),
        Field::Short(number) => number.to_string(),
        Field::Int(number) => number.to_string(),
        Field::Long(number) => number.to_string(),
        Field::UByte(number) => number.to_string(),
        Field::UShort(number) => number.to_string(),
        Field::UInt(number) => number.to_string(),
        Field::ULong(number) => number.to_string(),
        Field::Float(number) if number.is_finite() => number.to_string(),
        Field::Double(number) if number.is_finite() => number.to_string(),
        Field::Date(days) => {
            let time = print_datetime(i64::from(*days).saturating_mul(DAY_MS));
            time.split('T').next().unwrap_or_default().to_owned()
        }
        Field::TimestampMillis(ms) => print_datetime(*ms),
        Field::TimestampMicros(us) => {
            let time = print_datetime(us.div_euclid(1_000));
            match (us.rem_euclid(1_000), time.strip_suffix('Z')) {
                (0, _) | (_, None) => time,
                (rest, Some(ms)) => format!("{ms}{rest:03}Z"),
            }
        }
        _ => return Err("holds something else than a text or a number"),
    }))
}

/// Writes rows: every column a text.
pub struct Writer {
    place: Place,
    customer: String,
    writer: Option<SerializedFileWriter<BufWriter<File>>>,
    /// The rows of the group at hand, by column: the customer's first.
    columns: Vec<Vec<Option<ByteArray>>>,
    bytes: usize,
}

impl Writer {
    /// A file at `place` to be.
    pub fn new(place: Place, customer: String) -> Self {
        Self { place, customer, writer: None, columns: Vec::new(), bytes: 0 }
    }

    /// Writes the rows that came together as one row group.
    fn write_group(&mut self) -> Result<(), AnyError> {
        let writer = self.writer.as_mut().ok_or("no rows were announced")?;
        if self.columns.first().is_none_or(Vec::is_empty) {
            return Ok(());
        }
        let mut group = writer.next_row_group().map_err(unwritten)?;
        for values in &mut self.columns {
            let mut column = group.next_column().map_err(unwritten)?.ok_or("a column is missing")?;
            let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
            let present: Vec<ByteArray> = values.drain(..).flatten().collect();
            column.typed::<ByteArrayType>().write_batch(&present, Some(&levels), None).map_err(unwritten)?;
            column.close().map_err(unwritten)?;
        }
        group.close().map_err(unwritten)?;
        self.bytes = 0;
        Ok(())
    }
}

/// What the crate says, if it is about the file: all else may hold values.
fn unwritten(error: ParquetError) -> AnyError {
    match error {
        ParquetError::External(error) => match error.downcast::<std::io::Error>() {
            Ok(error) => error,
            Err(_) => "the Parquet file can't be written".into(),
        },
        _ => "the Parquet file can't be written".into(),
    }
}

impl Sink for Writer {
    fn begin(&mut self, columns: &[Arc<str>]) -> Result<(), AnyError> {
        let names: Vec<&str> = [&*self.customer].into_iter().chain(columns.iter().map(|name| &**name)).collect();
        let column = |name: &&str| {
            let text = Type::primitive_type_builder(name, PhysicalType::BYTE_ARRAY)
                .with_logical_type(Some(LogicalType::String))
                .with_repetition(Repetition::OPTIONAL);
            Ok(Arc::new(text.build()?))
        };
        let schema = names.iter().map(column).collect::<Result<Vec<_>, ParquetError>>();
        let schema = schema.and_then(|fields| Type::group_type_builder("released").with_fields(fields).build());
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_statistics_enabled(EnabledStatistics::None)
            .build();
        self.columns = vec![Vec::new(); names.len()];
        let file = BufWriter::new(self.place.file()?.try_clone()?);
        let writer = SerializedFileWriter::new(file, Arc::new(schema.map_err(unwritten)?), Arc::new(properties));
        self.writer = Some(writer.map_err(unwritten)?);
        Ok(())
    }

    fn row(&mut self, row: &Row) -> Result<(), AnyError> {
        for (column, value) in self.columns.iter_mut().zip([Some(row.customer())].into_iter().chain(row.values())) {
            self.bytes = self.bytes.saturating_add(value.map_or(0, str::len));
            column.push(value.map(ByteArray::from));
        }
        let rows = self.columns.first().map_or(0, Vec::len);
        if rows >= GROUP_ROWS_MAX || self.bytes >= GROUP_BYTES_MAX {
            self.write_group()?;
        }
        Ok(())
    }

    fn seal(&mut self) -> Result<(), AnyError> {
        self.write_group()?;
        let writer = self.writer.take().ok_or("no rows were announced")?;
        let mut file = writer.into_inner().map_err(unwritten)?;
        file.flush()?;
        Ok(self.place.file()?.sync_all()?)
    }

    fn publish(&mut self) -> Result<(), AnyError> {
        Ok(self.place.publish()?)
    }

    fn discard(&mut self) -> Result<(), AnyError> {
        drop(self.writer.take());
        self.columns.clear();
        Ok(self.place.discard()?)
    }
}

#[cfg(test)]
mod tests {
    use parquet::data_type::{BoolType, DoubleType, Int32Type, Int64Type};
    use parquet::schema::parser::parse_message_type;

    use super::*;

    /// A file with two rows: two customers in columns of bytes, one value in all others.
    fn write(path: &Path, schema: &str) {
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let file = File::create(path).unwrap();
        let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties)).unwrap();
        let mut group = writer.next_row_group().unwrap();
        while let Some(mut column) = group.next_column().unwrap() {
            let levels = Some(&[1_i16, 0][..]);
            use parquet::column::writer::ColumnWriter;
            let written = match column.untyped() {
                ColumnWriter::BoolColumnWriter(_) => column.typed::<BoolType>().write_batch(&[true], levels, None),
                ColumnWriter::Int32ColumnWriter(_) => column.typed::<Int32Type>().write_batch(&[20_000], levels, None),
                ColumnWriter::Int64ColumnWriter(_) => {
                    column.typed::<Int64Type>().write_batch(&[1_793_872_800_123_456], levels, None)
                }
                ColumnWriter::DoubleColumnWriter(_) => column.typed::<DoubleType>().write_batch(&[12.5], levels, None),
                _ => {
                    let two = [ByteArray::from("c-1"), ByteArray::from("c-2")];
                    column.typed::<ByteArrayType>().write_batch(&two, Some(&[1, 1]), None)
                }
            };
            written.unwrap();
            column.close().unwrap();
        }
        group.close().unwrap();
        writer.close().unwrap();
    }

    fn columns(fields: &[&str]) -> Columns {
        Columns { customer: "id".to_owned(), fields: fields.iter().map(|field| (*field).to_owned()).collect() }
    }

    fn read(path: &Path, fields: &[&str]) -> Result<Vec<Vec<Option<String>>>, String> {
        let mut reader = Reader::open(path, &columns(fields)).map_err(|error| match error {
            Unusable::Because(reason, _) => reason,
            Unusable::Told(failure) => failure.message().to_owned(),
        })?;
        let (mut row, mut rows) = (Row::default(), Vec::new());
        while reader.next(&mut row).map_err(|error| error.to_string())? {
            rows.push(row.values().map(|value| value.map(str::to_owned)).collect());
        }
        Ok(rows)
    }

    const PLAIN: &str = "message m {
        optional int32 day (DATE); optional binary id (UTF8); optional int64 at (TIMESTAMP_MICROS);
        optional boolean on; optional int64 number; optional int32 small (INT_8); optional double amount;
        optional binary text (UTF8);
    }";

    #[test]
    fn values_of_plain_types_become_texts() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("in.parquet");
        write(&path, PLAIN);
        let fields = ["text", "day", "at", "on", "number", "small", "amount"];
        let first = ["c-1", "2024-10-04", "2026-11-05T10:00:00.123456Z", "true", "1793872800123456", "32", "12.5"];
        let mut second = vec![None; first.len()];
        second[0] = Some("c-2".to_owned());
        assert_eq!(read(&path, &fields).unwrap(), [first.map(|text| Some(text.to_owned())).into(), second]);
        assert_eq!(read(&path, &["none"]).unwrap_err(), "it has no column `none`");
    }

    #[test]
    fn other_types_are_refused_by_name() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("in.parquet");
        for (column, found) in [
            ("optional binary x;", "column `x` is of type BYTE_ARRAY (NONE), expected texts"),
            ("optional int32 x (DECIMAL(9, 2));", "column `x` is of type INT32 (Decimal"),
            ("optional int64 x (TIMESTAMP(NANOS, true));", "column `x` is of type INT64 (Timestamp"),
            ("optional int32 x (TIME_MILLIS);", "column `x` is of type INT32 (TIME_MILLIS)"),
            ("optional group x { optional int32 a; }", "column `x` holds records or lists, expected texts or numbers"),
        ] {
            write(&path, &format!("message m {{ optional binary id (UTF8); {column} }}"));
            let error = read(&path, &["x"]).unwrap_err();
            assert!(error.starts_with(found), "{error}");
            // Where it isn't asked for, nobody minds.
            assert_eq!(read(&path, &[]).unwrap().len(), 2);
        }
    }

    /// Each byte changed, and each length: an answer or an error, and no panic that gets out.
    #[test]
    fn damaged_files_are_errors() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("in.parquet");
        write(&path, "message m { optional binary id (UTF8); optional int32 day (DATE); }");
        let good = std::fs::read(&path).unwrap();
        let mut failed = 0;
        for place in 0..good.len() {
            let mut changed = good.clone();
            changed[place] ^= 0x55;
            std::fs::write(&path, &changed).unwrap();
            failed += usize::from(read(&path, &["day"]).is_err());
            std::fs::write(&path, &good[..place]).unwrap();
            assert!(read(&path, &["day"]).is_err(), "cut at {place}");
        }
        assert!(failed > 20, "{failed} of {} found", good.len());
    }
}
