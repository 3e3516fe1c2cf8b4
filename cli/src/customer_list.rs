//! Reads a list of customers: a CSV file with a column `id`, and where it matters a column `canary`.

use std::path::Path;

use crate::failure::Failure;
use crate::input::{self, CUSTOMERS_FILE_BYTES_MAX};

/// A customer of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The canonical id.
    pub id: String,
    /// Whether it is a canary.
    pub canary: bool,
}

/// The customers in the file at `path`, in its order.
///
/// # Errors
///
/// [`Failure`] with the line, when the file isn't such a list.
pub fn read(path: &Path) -> Result<Vec<Listed>, Failure> {
    parse(&input::read_text(path, CUSTOMERS_FILE_BYTES_MAX)?).map_err(|reason| Failure::file(path, reason))
}

fn parse(text: &str) -> Result<Vec<Listed>, String> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let headings = reader.headers().map_err(|error| error.to_string())?.clone();
    let column = |name: &str| headings.iter().position(|heading| heading.trim() == name);
    let id_column = column("id").ok_or("it has no column `id`; the first line names the columns")?;
    let canary_column = column("canary");
    let mut listed = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| match error.position() {
            Some(at) => format!("line {}: another number of columns than the first line", at.line()),
            None => error.to_string(),
        })?;
        let line = record.position().map_or(0, csv::Position::line);
        let id = record.get(id_column).unwrap_or_default();
        if id.is_empty() {
            return Err(format!("line {line}: the id is empty"));
        }
        let canary = match canary_column.and_then(|column| record.get(column)).unwrap_or_default() {
            "" | "false" => false,
            "true" => true,
            other => return Err(format!("line {line}: `canary` is `{other}`, expected `true` or `false`")),
        };
        listed.push(Listed { id: id.to_owned(), canary });
    }
    Ok(listed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_by_the_names_of_their_columns() {
        let listed = parse("name,id,canary\nx,c-1,\ny,c-2,true\nz,c-3,false\n").unwrap();
        let found: Vec<(&str, bool)> = listed.iter().map(|listed| (listed.id.as_str(), listed.canary)).collect();
        assert_eq!(found, [("c-1", false), ("c-2", true), ("c-3", false)]);
        assert_eq!(parse("id\n"), Ok(Vec::new()));
    }

    #[test]
    fn what_isnt_a_list_is_refused_with_its_line() {
        let says = |text: &str| parse(text).unwrap_err();
        assert_eq!(says("a,b\n1,2\n"), "it has no column `id`; the first line names the columns");
        assert_eq!(says("id,b\n1,2\n3\n"), "line 3: another number of columns than the first line");
        assert_eq!(says("id,b\n,2\n"), "line 2: the id is empty");
        assert_eq!(says("id,canary\n1,yes\n"), "line 2: `canary` is `yes`, expected `true` or `false`");
    }
}
