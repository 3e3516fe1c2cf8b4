//! Cedar data for hosts that have no Cedar parser: entities and contexts in Cedar's JSON format, read by the schema.

use std::collections::BTreeMap;
use std::sync::Arc;

use cedar_policy_core::ast::{self, PartialValue};
use cedar_policy_core::entities::{ContextJsonParser, EntityJsonParser, TCComputation};
use cedar_policy_core::extensions::Extensions;
use cedar_policy_core::validator::CoreSchema;
use exportgate_contract::value::{EntityUid, Value};

use crate::error::{CompileError, CompileErrorKind, CompileErrors};
use crate::frontend::schema::{Schema, entity_uid, read_schema};
use crate::frontend::text::check_json_text;
use crate::frontend::values::plain_value;
use crate::frontend::with_stack;
use crate::pack::Format;
use crate::source::SourceFile;

/// An entity as plain data.
#[derive(Clone, Debug, PartialEq)]
pub struct EntityData {
    /// Its name.
    pub uid: EntityUid,
    /// Its attributes.
    pub attributes: BTreeMap<Arc<str>, Value>,
    /// Its tags.
    pub tags: BTreeMap<Arc<str>, Value>,
    /// The entities that it is directly in, sorted.
    pub parents: Vec<EntityUid>,
}

/// Why data can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DataError {
    message: String,
    help: Option<String>,
}

impl DataError {
    /// What to do about it.
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }

    fn from_cedar(error: &dyn miette::Diagnostic) -> Self {
        // Cedar puts what matters into the causes.
        let mut message = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            message.push_str(": ");
            message.push_str(&cause.to_string());
            source = cause.source();
        }
        Self { message, help: error.help().map(|help| help.to_string()) }
    }

    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None }
    }
}

/// A schema, read once for much data.
pub struct DataSchema {
    schema: Schema,
}

impl DataSchema {
    /// Reads a schema.
    ///
    /// # Errors
    ///
    /// What is wrong with the schema.
    pub fn new(format: Format, text: &str) -> Result<Self, CompileErrors> {
        let file = SourceFile::new("schema.cedarschema", text);
        with_stack(|| Ok(Self { schema: read_schema(&file, format)? }))
    }

    /// The entities in `json`, a list as Cedar writes it, and the schema's actions, sorted by name.
    ///
    /// # Errors
    ///
    /// JSON that isn't such a list, or entities that don't conform to the schema.
    pub fn entities(&self, json: &str) -> Result<Vec<EntityData>, DataError> {
        check_json_text(json).map_err(|(_, message)| DataError::new(message))?;
        let core = CoreSchema::new(&self.schema.cedar);
        let parser = EntityJsonParser::new(Some(&core), Extensions::all_available(), TCComputation::ComputeNow);
        let entities = parser.from_json_str(json).map_err(|error| DataError::from_cedar(&error))?;
        let mut plain = entities.iter().map(entity_data).collect::<Result<Vec<_>, _>>()?;
        plain.sort_by(|a, b| a.uid.cmp(&b.uid));
        Ok(plain)
    }

    /// The context in `json`, an object, for requests with `action`.
    ///
    /// # Errors
    ///
    /// An action that the schema lacks, or JSON that isn't a context of the action.
    pub fn context(&self, action: &EntityUid, json: &str) -> Result<Value, DataError> {
        let declared = self.schema.cedar.actions().find(|declared| entity_uid(declared) == *action);
        let context = declared
            .and_then(|uid| cedar_policy_core::validator::context_schema_for_action(&self.schema.cedar, uid))
            .ok_or_else(|| DataError::new(format!("the schema declares no action `{action}`")))?;
        check_json_text(json).map_err(|(_, message)| DataError::new(message))?;
        let parser = ContextJsonParser::new(Some(&context), Extensions::all_available());
        match parser.from_json_str(json).map_err(|error| DataError::from_cedar(&error))? {
            ast::Context::Value(attributes) => {
                let value = ast::Value::record_arc(attributes, None);
                plain_value(&value).ok_or_else(|| DataError::new("the context nests deeper than `VALUE_DEPTH_MAX`"))
            }
            ast::Context::RestrictedResidual(_) => Err(DataError::new("the context holds unknown values")),
        }
    }
}

/// The entities in `json`, by the schema in Cedar's syntax; see [`DataSchema::entities`].
///
/// # Errors
///
/// What is wrong with the schema or the entities.
pub fn parse_entities(schema: &str, json: &str) -> Result<Vec<EntityData>, CompileErrors> {
    DataSchema::new(Format::Cedar, schema)?.entities(json).map_err(data_error)
}

/// The context in `json`, by the schema in Cedar's syntax; see [`DataSchema::context`].
///
/// # Errors
///
/// What is wrong with the schema, the action or the context.
pub fn parse_context(schema: &str, action: &EntityUid, json: &str) -> Result<Value, CompileErrors> {
    DataSchema::new(Format::Cedar, schema)?.context(action, json).map_err(data_error)
}

fn data_error(error: DataError) -> CompileErrors {
    let compile_error = CompileError::new(CompileErrorKind::Parse, error.message);
    error.help.into_iter().fold(compile_error, CompileError::with_help).into()
}

fn entity_data(entity: &ast::Entity) -> Result<EntityData, DataError> {
    let uid = entity_uid(entity.uid());
    let read = |(name, value): (&smol_str::SmolStr, &PartialValue)| {
        let value = match value {
            PartialValue::Value(value) => plain_value(value),
            PartialValue::Residual(_) => None,
        };
        let value =
            value.ok_or_else(|| DataError::new(format!("`{name}` of `{uid}` nests deeper than `VALUE_DEPTH_MAX`")))?;
        Ok((name.as_str().into(), value))
    };
    let attributes = entity.attrs().map(read).collect::<Result<_, DataError>>()?;
    let tags = entity.tags().map(read).collect::<Result<_, DataError>>()?;
    // The closure is computed, so that Cedar checks it; a direct parent that is also an indirect one stays a parent.
    let mut parents: Vec<EntityUid> = entity.parents().map(entity_uid).collect();
    parents.sort_unstable();
    parents.dedup();
    Ok(EntityData { uid, attributes, tags, parents })
}
