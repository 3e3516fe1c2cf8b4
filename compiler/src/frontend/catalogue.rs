//! Reads the field catalogue, `fields.toml`: which fields there are, and the classes of each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use exportgate_contract::limits::ID_BYTES_MAX;
use exportgate_contract::manifest::{Catalogue, CatalogueField};
use exportgate_contract::partial::PartialForm;
use exportgate_contract::types::{SchemaTypes, Type};
use exportgate_contract::value::{EntityUid, Value};
use exportgate_contract::vocabulary;
use serde::Deserialize;

use crate::error::{CompileError, CompileErrorKind, CompileErrors};
use crate::pack::toml_error;
use crate::source::SourceFile;

/// Fields, and classes with parents, of one catalogue.
pub(crate) const CATALOGUE_ENTRIES_MAX: usize = 65_536;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CatalogueTable {
    fields: BTreeMap<String, FieldTable>,
    #[serde(default)]
    classes: BTreeMap<String, ClassTable>,
}

#[derive(Deserialize)]
struct FieldTable {
    classes: Vec<String>,
    #[serde(default)]
    description: String,
    #[serde(flatten)]
    attributes: BTreeMap<String, toml::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClassTable {
    r#in: Vec<String>,
}

/// Reads the catalogue in `file`, against the schema's fields and field classes.
///
/// # Errors
///
/// Faults of syntax; fields or classes that the schema doesn't allow; classes that are below themselves; attributes
/// that the schema doesn't declare for fields, or with another type.
pub(crate) fn read_catalogue(file: &SourceFile, types: &SchemaTypes) -> Result<Catalogue, CompileErrors> {
    let table: CatalogueTable = toml::from_str(file.text()).map_err(|error| toml_error(file, &error))?;
    let mut errors = Vec::new();
    let mut fail = |message: String, name: &str| {
        let at = file.text().find(name).unwrap_or(0);
        let end = at.saturating_add(name.len());
        errors.push(CompileError::new(CompileErrorKind::Catalogue, message).with_place(file, at, end));
    };
    let entries = table.fields.len().saturating_add(table.classes.len());
    if entries > CATALOGUE_ENTRIES_MAX {
        let message =
            format!("{entries} entries, more than the limit `CATALOGUE_ENTRIES_MAX` of {CATALOGUE_ENTRIES_MAX}");
        return Err(CompileError::new(CompileErrorKind::Limit, message).into());
    }
    if table.fields.is_empty() {
        fail("the catalogue has no fields".to_owned(), "");
    }
    let allowed = |entity: &str, id: &str| {
        let ids = types.entities.get(entity).and_then(|entity| entity.ids.as_ref());
        ids.is_none_or(|ids| ids.iter().any(|allowed| &**allowed == id))
    };
    let check_class = |class: &str, fail: &mut dyn FnMut(String, &str)| {
        if let Some(complaint) = unfit_id(class) {
            fail(format!("the field class `{}` {complaint}", class.escape_debug()), class);
        } else if !allowed(vocabulary::FIELD_CLASS, class) {
            fail(format!("the schema's `{}` doesn't list `{class}`", vocabulary::FIELD_CLASS), class);
        }
    };
    let mut catalogue = Catalogue { sha256: file.sha256().to_owned(), ..Catalogue::default() };
    for (name, field) in &table.fields {
        if let Some(complaint) = unfit_id(name) {
            fail(format!("the field `{}` {complaint}", name.escape_debug()), name);
        } else if !allowed(vocabulary::FIELD, name) {
            fail(format!("the schema's `{}` doesn't list `{name}`", vocabulary::FIELD), name);
        }
        for class in &field.classes {
            check_class(class, &mut fail);
        }
        let attributes = read_attributes(name, field, types, &mut fail);
        let classes = sorted(&field.classes);
        let field = CatalogueField { classes, attributes, description: field.description.clone() };
        catalogue.fields.insert(name.as_str().into(), field);
    }
    for (class, ClassTable { r#in: parents }) in &table.classes {
        check_class(class, &mut fail);
        for parent in parents {
            check_class(parent, &mut fail);
        }
        catalogue.classes.insert(class.as_str().into(), sorted(parents));
    }
    for class in catalogue.classes.keys() {
        if is_below_itself(&catalogue.classes, class) {
            fail(format!("the field class `{class}` is below itself"), class);
        }
    }
    CompileErrors::check(errors)?;
    Ok(catalogue)
}

fn sorted(names: &[String]) -> Vec<Arc<str>> {
    names.iter().map(|name| name.as_str().into()).collect::<BTreeSet<Arc<str>>>().into_iter().collect()
}

/// What makes a name unfit as an id, to be read after the name.
fn unfit_id(id: &str) -> Option<String> {
    let unfit = id.is_empty() || id.len() > ID_BYTES_MAX || id.chars().any(char::is_control);
    unfit.then(|| format!("must have 1 to {ID_BYTES_MAX} bytes and no control characters"))
}

fn is_below_itself(classes: &BTreeMap<Arc<str>, Vec<Arc<str>>>, class: &Arc<str>) -> bool {
    let mut seen = BTreeSet::new();
    let mut rest: Vec<&Arc<str>> = classes.get(class).into_iter().flatten().collect();
    while let Some(above) = rest.pop() {
        if above == class {
            return true;
        }
        if seen.insert(above) {
            rest.extend(classes.get(above).into_iter().flatten());
        }
    }
    false
}

fn read_attributes(
    name: &str,
    field: &FieldTable,
    types: &SchemaTypes,
    fail: &mut dyn FnMut(String, &str),
) -> BTreeMap<Arc<str>, Value> {
    let mut read = BTreeMap::new();
    let Some(declared) = types.entities.get(vocabulary::FIELD).map(|field| &field.attributes) else {
        return read;
    };
    for (attribute, value) in &field.attributes {
        match declared.get(attribute.as_str()) {
            None => fail(format!("the schema declares no attribute `{attribute}` for the field `{name}`"), name),
            Some(declared) => match read_value(value, &declared.ty) {
                Some(value) => {
                    if let Some(complaint) = unfit_partial(attribute, &value) {
                        fail(format!("the field `{name}`: {complaint}"), name);
                    }
                    read.insert(attribute.as_str().into(), value);
                }
                None => {
                    fail(format!("`{attribute}` of the field `{name}` expects a value of type `{}`", declared.ty), name)
                }
            },
        }
    }
    for (attribute, declaration) in declared {
        if declaration.required && !field.attributes.contains_key(&**attribute) {
            fail(format!("the field `{name}` lacks the attribute `{attribute}: {}`", declaration.ty), name);
        }
    }
    read
}

/// What is wrong with an attribute that names how a field is shown in part.
fn unfit_partial(attribute: &str, value: &Value) -> Option<String> {
    match value {
        _ if attribute != vocabulary::FIELD_PARTIAL => None,
        Value::String(form) if PartialForm::parse(form).is_some() => None,
        Value::String(form) => Some(format!("`{attribute}` is `{form}`, expected one of {}", PartialForm::NAMES)),
        _ => Some(format!("`{attribute}` must be a `String` in the schema: how the field is shown in part")),
    }
}

/// A value of the type; an entity is given by its id. Only what TOML can say plainly.
fn read_value(value: &toml::Value, ty: &Type) -> Option<Value> {
    match (ty, value) {
        (Type::Bool, toml::Value::Boolean(value)) => Some(Value::Bool(*value)),
        (Type::Long, toml::Value::Integer(value)) => Some(Value::Long(*value)),
        (Type::String, toml::Value::String(text)) => Some(Value::string(text.as_str())),
        (Type::Entity(entity), toml::Value::String(id)) => {
            Some(Value::Entity(EntityUid { entity_type: entity.clone(), id: id.as_str().into() }))
        }
        (Type::Set(of), toml::Value::Array(members)) => {
            Some(Value::set(members.iter().map(|member| read_value(member, of)).collect::<Option<Vec<_>>>()?))
        }
        _ => None,
    }
}
