//! The grants of many customers, read from a SQLite ledger: one lookup a customer, or one pass over the table where that costs
//! less.

use rusqlite::{Connection, Row, Rows, params};

use super::failure;
use crate::customer::{CustomerHash, Customers};
use crate::error::StoreError;
use crate::rows::{Past, corrupt};

/// Fewer customers are looked up one by one.
const PASS_CUSTOMERS_MIN: usize = 256;
/// How many of the customers are taken for a sample: hashes are spread evenly, so it stands for all.
const SAMPLED: usize = 32;
/// How many rows a pass steps over in the time of one lookup.
const ROWS_A_LOOKUP: i64 = 8;

pub(super) fn read(connection: &Connection, customers: &Customers) -> Result<Past, StoreError> {
    let asked = customers.as_slice();
    match (asked.first(), asked.get(SAMPLED), asked.last()) {
        (Some(first), Some(sampled), Some(last))
            if asked.len() >= PASS_CUSTOMERS_MIN && is_dense(connection, first, sampled)? =>
        {
            pass(connection, asked, first, last)
        }
        _ => look_up(connection, asked),
    }
}

/// Whether a pass over the table costs less than a lookup for each customer.
fn is_dense(connection: &Connection, first: &CustomerHash, sampled: &CustomerHash) -> Result<bool, StoreError> {
    let rows_max = i64::try_from(SAMPLED).unwrap_or(i64::MAX).saturating_mul(ROWS_A_LOOKUP);
    let sql = "SELECT count(*) FROM (SELECT 1 FROM granted WHERE customer >= ?1 AND customer < ?2 LIMIT ?3)";
    let mut statement = connection.prepare_cached(sql).map_err(failure)?;
    let found: i64 = statement.query_row(params![first.0, sampled.0, rows_max], |row| row.get(0)).map_err(failure)?;
    Ok(found < rows_max)
}

fn look_up(connection: &Connection, asked: &[CustomerHash]) -> Result<Past, StoreError> {
    let mut past = Past::default();
    let sql = "SELECT customer, job, at_ms, scope FROM granted WHERE customer = ?1";
    let mut statement = connection.prepare_cached(sql).map_err(failure)?;
    for (place, customer) in asked.iter().enumerate() {
        let mut rows = statement.query([customer.0]).map_err(failure)?;
        while let Some((_, row)) = next(&mut rows)? {
            push(&mut past, place, row)?;
        }
    }
    Ok(past)
}

/// Both the table and the customers are sorted: one step in either.
fn pass(
    connection: &Connection,
    asked: &[CustomerHash],
    first: &CustomerHash,
    last: &CustomerHash,
) -> Result<Past, StoreError> {
    let mut past = Past::default();
    let sql = "SELECT customer, job, at_ms, scope FROM granted WHERE customer >= ?1 AND customer <= ?2
        ORDER BY customer, job";
    let mut statement = connection.prepare_cached(sql).map_err(failure)?;
    let mut rows = statement.query(params![first.0, last.0]).map_err(failure)?;
    let mut asked = asked.iter().enumerate().peekable();
    while let Some((customer, row)) = next(&mut rows)? {
        while asked.next_if(|(_, sought)| sought.0.as_slice() < customer).is_some() {}
        match asked.peek() {
            Some((place, sought)) if sought.0.as_slice() == customer => push(&mut past, *place, row)?,
            Some(_) => {}
            None => break,
        }
    }
    Ok(past)
}

/// The next row, with the bytes of its customer.
fn next<'r>(rows: &'r mut Rows<'_>) -> Result<Option<(&'r [u8], &'r Row<'r>)>, StoreError> {
    let Some(row) = rows.next().map_err(failure)? else { return Ok(None) };
    let customer = row.get_ref(0).map_err(failure)?;
    let customer = customer.as_blob().map_err(|_| corrupt("a customer isn't a blob"))?;
    Ok(Some((customer, row)))
}

fn push(past: &mut Past, place: usize, row: &Row<'_>) -> Result<(), StoreError> {
    let scope = row.get_ref(3).map_err(failure)?;
    let scope = scope.as_blob().map_err(|_| corrupt("a scope isn't a blob"))?;
    past.push(place, row.get(1).map_err(failure)?, row.get(2).map_err(failure)?, scope)
}
