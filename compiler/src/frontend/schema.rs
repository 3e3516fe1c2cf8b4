//! Reads a schema with Cedar's own code, and says what it says as plain data.

use std::collections::BTreeMap;
use std::sync::Arc;

use cedar_policy_core::ast;
use cedar_policy_core::extensions::Extensions;
use cedar_policy_core::validator::json_schema::Fragment;
use cedar_policy_core::validator::types::{Attributes, BoolType, EntityKind, Type as CedarType};
use cedar_policy_core::validator::{ValidatorEntityTypeKind, ValidatorSchema, ValidatorSchemaFragment};
use exportgate_contract::types::{Action, Attribute, EntityType, SchemaTypes, Type};
use exportgate_contract::value::EntityUid;

use crate::diagnostic::{Diagnostic, Severity};
use crate::error::{CompileError, CompileErrorKind, CompileErrors};
use crate::frontend::{text, type_size};
use crate::pack::Format;
use crate::source::SourceFile;

/// A schema, as Cedar sees it and as plain data.
pub(crate) struct Schema {
    pub(crate) cedar: ValidatorSchema,
    pub(crate) types: SchemaTypes,
    pub(crate) warnings: Vec<Diagnostic>,
}

/// Reads `file`.
///
/// # Errors
///
/// Cedar's own; and `external` declarations (RFC 116), which are refused by name: a decision needs the declared type.
pub(crate) fn read_schema(file: &SourceFile, format: Format) -> Result<Schema, CompileErrors> {
    let fail = |kind, error: &dyn miette::Diagnostic| {
        CompileErrors::from(CompileError::from_diagnostic(
            kind,
            Diagnostic::from_cedar(Severity::Error, error, (format == Format::Cedar).then_some(file)),
        ))
    };
    let extensions = Extensions::all_available();
    let (fragment, warnings) = match format {
        Format::Cedar => {
            text::check_text(file, text::Text::Schema)?;
            let (fragment, warnings) = Fragment::from_cedarschema_str(file.text(), extensions)
                .map_err(|error| fail(CompileErrorKind::Parse, &error))?;
            let warnings =
                warnings.map(|warning| Diagnostic::from_cedar(Severity::Warning, &warning, Some(file))).collect();
            (fragment, warnings)
        }
        Format::Json => {
            text::check_json(file)?;
            let fragment =
                Fragment::from_json_str(file.text()).map_err(|error| fail(CompileErrorKind::Parse, &error))?;
            (fragment, Vec::new())
        }
    };
    type_size::check_types(&fragment).map_err(|error| error.with_place(file, 0, 0))?;
    let fragment = ValidatorSchemaFragment::from_schema_fragment(fragment)
        .map_err(|error| fail(CompileErrorKind::Schema, &error))?;
    let cedar = ValidatorSchema::from_schema_fragments([fragment], extensions)
        .map_err(|error| fail(CompileErrorKind::Schema, &error))?;
    if let Err(error) = cedar.check_complete() {
        let mut error = fail(CompileErrorKind::Unsupported, &error);
        error = error
            .into_iter()
            .map(|error| error.with_help("`external` declarations (RFC 116) aren't supported: declare it here"))
            .next()
            .map_or_else(|| CompileError::new(CompileErrorKind::Internal, "an error was lost").into(), Into::into);
        return Err(error);
    }
    let types = schema_types(&cedar)?;
    Ok(Schema { cedar, types, warnings })
}

/// The contract's form of an entity type's name.
pub(crate) fn entity_type_name(name: &ast::EntityType) -> Arc<str> {
    name.to_string().into()
}

/// The contract's form of an entity's name.
pub(crate) fn entity_uid(uid: &ast::EntityUID) -> EntityUid {
    EntityUid { entity_type: entity_type_name(uid.entity_type()), id: AsRef::<str>::as_ref(uid.eid()).into() }
}

/// The contract's form of a type, with the singleton types of truth values widened; none for types that no value of a
/// strictly valid policy has.
pub(crate) fn value_type(ty: &CedarType) -> Option<Type> {
    Some(match ty {
        CedarType::Never => return None,
        CedarType::Bool(BoolType::AnyBool | BoolType::True | BoolType::False) => Type::Bool,
        CedarType::Long => Type::Long,
        CedarType::String => Type::String,
        CedarType::Entity(EntityKind::AnyEntity) => return None,
        CedarType::Entity(EntityKind::Entity(names)) => Type::Entity(entity_type_name(names.get_single_entity()?)),
        CedarType::Set { element_type } => Type::Set(Box::new(value_type(element_type.as_deref()?)?)),
        CedarType::Record { attrs, .. } => Type::Record(attributes(attrs)?),
        CedarType::ExtensionType { name } => match name.to_string().as_str() {
            "decimal" => Type::Decimal,
            "datetime" => Type::Datetime,
            "duration" => Type::Duration,
            "ipaddr" => Type::Ip,
            _ => return None,
        },
    })
}

fn attributes(attributes: &Attributes) -> Option<BTreeMap<Arc<str>, Attribute>> {
    attributes
        .iter()
        .map(|(name, attribute)| {
            let ty = value_type(&attribute.attr_type)?;
            Some((name.as_str().into(), Attribute { ty, required: attribute.is_required }))
        })
        .collect()
}

fn schema_types(schema: &ValidatorSchema) -> Result<SchemaTypes, CompileError> {
    let unknown = |place: &dyn std::fmt::Display| {
        let message = format!("`{place}` has a type that exportgate doesn't know");
        CompileError::new(CompileErrorKind::Unsupported, message)
    };
    let mut types = SchemaTypes::default();
    for entity in schema.entity_types() {
        let name = entity.name();
        let mut parents: Vec<Arc<str>> = schema.ancestors(name).into_iter().flatten().map(entity_type_name).collect();
        parents.sort_unstable();
        let tags = match entity.tag_type() {
            Some(ty) => Some(value_type(ty).ok_or_else(|| unknown(name))?),
            None => None,
        };
        let ids = match &entity.kind {
            ValidatorEntityTypeKind::Enum(ids) => Some(ids.iter().map(|id| AsRef::<str>::as_ref(id).into()).collect()),
            ValidatorEntityTypeKind::Standard(_) | ValidatorEntityTypeKind::External => None,
        };
        let attributes = attributes(entity.attributes()).ok_or_else(|| unknown(name))?;
        types.entities.insert(entity_type_name(name), EntityType { attributes, parents, tags, ids });
    }
    for action in schema.action_ids() {
        let names = |names: Vec<&ast::EntityType>| {
            let mut names: Vec<Arc<str>> = names.into_iter().map(entity_type_name).collect();
            names.sort_unstable();
            names
        };
        let principals = names(action.applies_to_principals().collect());
        let resources = names(action.applies_to_resources().collect());
        let context = match action.context_type() {
            Some(CedarType::Record { attrs, .. }) => attributes(attrs).ok_or_else(|| unknown(action.name()))?,
            _ => BTreeMap::new(),
        };
        let mut groups: Vec<EntityUid> = schema
            .action_ids()
            .filter(|group| group.descendants().any(|descendant| descendant == action.name()))
            .map(|group| entity_uid(group.name()))
            .collect();
        groups.sort_unstable();
        types.actions.push(Action { uid: entity_uid(action.name()), groups, principals, resources, context });
    }
    types.actions.sort_unstable_by(|a, b| a.uid.cmp(&b.uid));
    Ok(types)
}
