//! Job files: a job as JSON text, read by the types of a module's schema.
//!
//! A job file serves dry runs (`exportgate evaluate`, the cases of a pack): what it says of approvals, usage and time is
//! nobody's word. A tool that lets data out builds a [`Job`] itself.
//!
//! # Shape
//!
//! ```json
//! {
//!   "job": "job-1",
//!   "at": "2026-11-05T10:00:00Z",
//!   "agent": {
//!     "id": "ana", "employment": "active", "kind": "human", "region": "eu", "risk": 5,
//!     "in": ["Role::support", "Team::lisbon-1"]
//!   },
//!   "fields": ["customer.email", "ticket.body"],
//!   "env": {
//!     "purpose": "resolve_ticket",
//!     "destination": "reply",
//!     "network": { "ip": "198.51.100.7", "corporate": true },
//!     "auth": { "ageSec": 60, "phishingResistant": true }
//!   },
//!   "approvals": { "distinct": 1, "supervisor": true, "ageSec": 120 },
//!   "usage": { "customers24h": 12 },
//!   "customers": [
//!     { "id": "c-1", "region": "eu", "canary": false, "in": ["Segment::vip"], "ticket": "T-1" }
//!   ],
//!   "entities": [
//!     { "type": "Team", "id": "lisbon-1", "in": ["Vendor::bpo"] },
//!     { "type": "Ticket", "id": "T-1", "attributes": { "customer": "c-1", "openedAt": "2026-11-04T09:00:00Z" } },
//!     { "type": "Destination", "id": "reply", "attributes": { "kind": "ticket_reply" } }
//!   ]
//! }
//! ```
//!
//! | member | what it holds |
//! |---|---|
//! | `job` | the job's id. Required |
//! | `at` | when it is asked, a datetime. Left out: now |
//! | `agent` | `id`, the attributes that the schema declares for `Agent`, and `in`: the entities directly above. Required |
//! | `fields` | names of the catalogue. Required |
//! | `env` | `context.env`, as the schema declares it. Required where it declares attributes that aren't optional |
//! | `approvals` | `distinct` (left out: as many as roles are true), `supervisor`, `dataOwner`, `operator` (left out: false), `ageSec` (left out: 0). Left out: nobody approved |
//! | `usage` | counts after this job, by the names that the schema declares in `context.usage`. A name left out has the count of a fresh start: the customers of this job, and no denials |
//! | `customers` | for each `id`, the attributes that the schema declares for `Customer`, `in`, and `ticket`: the id of a ticket. Required, here or as a table of its own |
//! | `entities` | for each `type`, `id`, and where there are some `attributes`, `in`, `tags` |
//!
//! An attribute of an agent or customer whose name is one of `id`, `in`, `ticket`, `attributes`, `tags` stands in an object
//! `attributes` beside them. Nothing else is allowed: an unknown member is an error, for it may be a typing mistake in one
//! that matters. The gate alone states time, tallies, and the classes of fields, so there are no members for these, and
//! entities of the types `Job`, `Field` and `FieldClass` are errors.
//!
//! # Values
//!
//! | type | JSON |
//! |---|---|
//! | `Bool`, `Long`, `String` | `true`, a whole number, a string |
//! | an entity | its id, a string: the schema knows the type. `{"type": "Team", "id": "lisbon-1"}` says the same |
//! | an entity of an `enum` type | one of its ids |
//! | `Set<T>` | a list |
//! | a record | an object |
//! | `datetime`, `duration`, `decimal`, `ipaddr` | a string as Cedar's constructors take it: `2026-11-05T10:00:00Z`, `1h30m`, `12.50`, `198.51.100.0/24` |
//!
//! Where the type isn't known (`in`), an entity is `Type::id`: the type as the schema names it, with or without the namespace
//! `Export`; the id as it is, or in quotation marks as Cedar prints it.
//!
//! # Customers as a table
//!
//! [`read_with_table`] takes the customers from a table: its header names the columns `id`, `ticket`, `in` (names with
//! spaces between them) and attributes. Cells are texts, `true` and `false`, whole numbers, ids, or Cedar's texts; an empty
//! cell means that the customer hasn't the attribute. Sets and records can't stand in a table.

mod entities;
mod scalars;
mod strict;
mod table;
mod typed;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use exportgate_contract::types::{SchemaTypes, Type};
use exportgate_contract::value::Value;
use exportgate_contract::vocabulary::{APPROVAL_ATTRIBUTES, ENV, EXPORT, USAGE, Window, role};
use serde_json::error::Category;
use serde_json::{Map, Value as Json};

use crate::approvals::{Approvals, ApprovalsSummary};
use crate::job::Job;
use crate::{Customers, CustomersError, Entities, EntitiesError, Entity};
pub use scalars::{parse_datetime, parse_decimal, parse_duration, parse_ip, print_datetime};
use typed::Reader;

/// Bytes of a job file, 1 GiB: a million customers with a dozen attributes.
pub const JOB_FILE_BYTES_MAX: usize = 1 << 30;

/// Complaints that an error lists; it counts the rest.
pub const COMPLAINTS_LISTED_MAX: usize = 5;

/// What a job file says.
#[derive(Clone, Debug)]
pub struct JobFile {
    /// The job.
    pub job: Job,
    /// When it is asked, in milliseconds since 1970; none when the file doesn't say.
    pub now_ms: Option<i64>,
    /// The windows for which the file states a count after the job.
    pub usage: BTreeMap<Window, u64>,
}

/// Reads the text of a job file.
///
/// # Errors
///
/// [`JobFileError`]: everything that is wrong is reported together, with the path to each.
pub fn read(schema: &SchemaTypes, text: &str) -> Result<JobFile, JobFileError> {
    read_json(schema, &parse(text)?)
}

/// Reads the text of an agent alone, as the `agent` of a job file.
///
/// # Errors
///
/// As [`read`].
pub fn read_agent(schema: &SchemaTypes, text: &str) -> Result<Entity, JobFileError> {
    let json = parse(text)?;
    let mut reader = Reader::new(schema);
    let agent = reader.agent(&json);
    agent.filter(|_| !reader.has_complaints()).ok_or_else(|| reader.into_error())
}

/// Reads a job file that was parsed already: one within another JSON document.
///
/// # Errors
///
/// As [`read`].
pub fn read_json(schema: &SchemaTypes, json: &Json) -> Result<JobFile, JobFileError> {
    read_job(schema, json, None)
}

/// Reads the text of a job file without `customers`, and the customers from a table.
///
/// # Errors
///
/// As [`read`]; a complaint about the table names row (from 1, the header not counted) and column: `table[12].region`.
pub fn read_with_table(
    schema: &SchemaTypes,
    text: &str,
    header: &[String],
    rows: &[Vec<String>],
) -> Result<JobFile, JobFileError> {
    read_job(schema, &parse(text)?, Some((header, rows)))
}

fn parse(text: &str) -> Result<Json, JobFileError> {
    if text.len() > JOB_FILE_BYTES_MAX {
        return Err(JobFileError::TooLong { bytes: text.len() });
    }
    let strict = serde_json::from_str::<strict::Strict>(text);
    strict.map(|strict::Strict(json)| json).map_err(|error| match error.classify() {
        Category::Data => JobFileError::Ambiguous { message: error.to_string() },
        Category::Io | Category::Syntax | Category::Eof => {
            JobFileError::Syntax { line: error.line(), column: error.column(), message: error.to_string() }
        }
    })
}

/// A table: header and rows.
type Table<'a> = (&'a [String], &'a [Vec<String>]);

fn read_job(schema: &SchemaTypes, json: &Json, table: Option<Table<'_>>) -> Result<JobFile, JobFileError> {
    let mut reader = Reader::new(schema);
    let Json::Object(members) = json else {
        reader.expected::<()>("an object", json);
        return Err(reader.into_error());
    };
    const KNOWN: [&str; 9] = ["job", "at", "agent", "fields", "env", "approvals", "usage", "customers", "entities"];
    reader.no_other_members(members, &KNOWN);
    let id = reader.required(members, "job", |reader, json| reader.id(json));
    let now_ms = reader.optional(members, "at", |reader, json| match reader.value(&Type::Datetime, json)? {
        Value::Datetime(ms) => Some(ms),
        _ => None,
    });
    let agent = reader.required(members, "agent", Reader::agent);
    let fields = reader.required(members, "fields", |reader, json| reader.list(json, Reader::id));
    let env = read_env(&mut reader, members);
    let approvals = reader.optional(members, "approvals", read_approvals).unwrap_or_default();
    let usage = reader.optional(members, "usage", read_usage).unwrap_or_default();
    let entities = reader.optional(members, "entities", |reader, json| reader.list(json, Reader::entity));
    let customers = match table {
        None => reader.required(members, "customers", Reader::customers),
        Some(_) if members.contains_key("customers") => {
            reader.within("customers", |reader| {
                reader.complain("the customers come from a table, so there can't be any here".to_owned());
            });
            None
        }
        Some((header, rows)) => reader.within("table", |reader| reader.table(header, rows)),
    };
    let complete = id.zip(agent).zip(fields).zip(env).zip(customers);
    let Some(((((id, agent), fields), env), customers)) = complete.filter(|_| !reader.has_complaints()) else {
        return Err(reader.into_error());
    };
    let customers: Customers = customers.build()?;
    let uid = agent.uid.clone();
    let entities = Entities::new(entities.unwrap_or_default().into_iter().chain([agent]))?;
    let fields: Vec<Arc<str>> = fields;
    let (fields, entities) = (fields.into(), Arc::new(entities));
    let job = Job { id, agent: uid, fields, customers, env, approvals, entities, prepared_agent: None };
    Ok(JobFile { job, now_ms, usage })
}

/// `env`, by the type that the schema gives it for `export`, or else for another action of an export.
fn read_env(reader: &mut Reader<'_>, members: &Map<String, Json>) -> Option<Value> {
    let schema = reader.schema();
    let exports = schema.actions.iter().filter(|action| &*action.uid.id == EXPORT);
    let others = schema.actions.iter().filter(|action| role(&action.uid.id).is_some());
    let declared = exports.chain(others).find_map(|action| action.context.get(ENV));
    let nothing = Json::Object(Map::new());
    match (declared, members.get(ENV)) {
        (None, None) => Some(Value::record::<Arc<str>>([])),
        (None, Some(_)) => {
            reader.within(ENV, |reader| reader.complain("the schema declares no `env`".to_owned()));
            None
        }
        (Some(attribute), json) => reader.within(ENV, |reader| reader.value(&attribute.ty, json.unwrap_or(&nothing))),
    }
}

fn read_approvals(reader: &mut Reader<'_>, json: &Json) -> Option<Approvals> {
    let Json::Object(members) = json else { return reader.expected("an object", json) };
    let known: Vec<&str> = APPROVAL_ATTRIBUTES.iter().map(|(name, _)| *name).collect();
    reader.no_other_members(members, &known);
    let mut truth = |name| {
        let value = reader.optional(members, name, |reader, json| reader.value(&Type::Bool, json));
        value == Some(Value::Bool(true))
    };
    let (supervisor, data_owner, operator) = (truth("supervisor"), truth("dataOwner"), truth("operator"));
    let mut number = |name| match reader.optional(members, name, |reader, json| reader.value(&Type::Long, json)) {
        Some(Value::Long(number)) => Some(number),
        _ => None,
    };
    let roles = i64::from(supervisor) + i64::from(data_owner) + i64::from(operator);
    let distinct = number("distinct").unwrap_or(roles);
    let age_seconds = number("ageSec").unwrap_or(0);
    Some(Approvals::stated(ApprovalsSummary { distinct, supervisor, data_owner, operator, age_seconds }))
}

fn read_usage(reader: &mut Reader<'_>, json: &Json) -> Option<BTreeMap<Window, u64>> {
    let Json::Object(members) = json else { return reader.expected("an object", json) };
    let schema = reader.schema();
    let declared = |name: &str| {
        let actions = schema.actions.iter().filter(|action| role(&action.uid.id).is_some());
        let mut records = actions.filter_map(|action| action.context.get(USAGE));
        records.any(|attribute| matches!(&attribute.ty, Type::Record(windows) if windows.contains_key(name)))
    };
    let mut usage = BTreeMap::new();
    for (name, json) in members {
        reader.within(name, |reader| {
            let Some(window) = Window::parse(name).filter(|_| declared(name)) else {
                reader.complain("the schema declares no such window".to_owned());
                return;
            };
            match json.as_u64() {
                Some(count) => {
                    usage.insert(window, count);
                }
                None => {
                    reader.expected::<()>("a count", json);
                }
            }
        });
    }
    Some(usage)
}

/// What is wrong at one place of a job file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    pub(crate) path: String,
    pub(crate) message: String,
}

impl Complaint {
    /// The place: `customers[3].region`; empty for the whole file.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What was expected and what was found there.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            return f.write_str(&self.message);
        }
        write!(f, "`{}`: {}", self.path, self.message)
    }
}

/// Why a job file can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JobFileError {
    /// It is longer than [`JOB_FILE_BYTES_MAX`].
    #[error("the job file has {bytes} bytes, at most {JOB_FILE_BYTES_MAX} are allowed")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// An object in it has a member twice.
    #[error("the job file is ambiguous: {message}")]
    Ambiguous {
        /// Which member, and where.
        message: String,
    },
    /// It isn't JSON.
    #[error("the job file isn't JSON: {message}")]
    Syntax {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What is wrong there.
        message: String,
    },
    /// It doesn't say what the schema wants.
    #[error("{}", Listed(complaints, *more))]
    Complaints {
        /// The first [`COMPLAINTS_LISTED_MAX`] complaints.
        complaints: Vec<Complaint>,
        /// How many more there are.
        more: usize,
    },
    /// The customers can't be taken.
    #[error("`customers`: {0}")]
    Customers(#[from] CustomersError),
    /// The entities can't be taken.
    #[error("`entities`: {0}")]
    Entities(#[from] EntitiesError),
}

/// Complaints in one line.
struct Listed<'a>(&'a [Complaint], usize);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, complaint) in self.0.iter().enumerate() {
            let separator = if i == 0 { "" } else { "; " };
            write!(f, "{separator}{complaint}")?;
        }
        if self.1 > 0 {
            write!(f, "; and {} more", self.1)?;
        }
        Ok(())
    }
}
