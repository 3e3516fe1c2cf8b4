//! Whether a value is of the type that a manifest gives it.

use exportgate_contract::types::Type;
use exportgate_contract::value::Value;

use crate::frame::cells::Datum;

/// A value that isn't of its type: where in it, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mismatch {
    /// The path from the value to what is wrong, as Cedar writes it: `.auth.ageSec`, `[]` for a member of a set.
    pub(crate) path: String,
    pub(crate) expected: String,
    pub(crate) found: String,
}

impl Mismatch {
    pub(crate) fn new(expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { path: String::new(), expected: expected.into(), found: found.into() }
    }

    fn within(mut self, step: &str) -> Self {
        self.path.insert_str(0, step);
        self
    }
}

/// Checks a value against its type. The depth of the type, which is limited, bounds the recursion.
///
/// # Errors
///
/// The first [`Mismatch`]: another type, an attribute too many or too few, a set that isn't in order, an address that
/// doesn't exist.
pub(crate) fn check(datum: Datum<'_>, ty: &Type) -> Result<(), Mismatch> {
    let fits = match (datum, ty) {
        (Datum::Bool(_), Type::Bool)
        | (Datum::Long(_), Type::Long)
        | (Datum::String(_), Type::String)
        | (Datum::Decimal(_), Type::Decimal)
        | (Datum::Datetime(_), Type::Datetime)
        | (Datum::Duration(_), Type::Duration) => true,
        (Datum::Entity(uid), Type::Entity(expected)) => uid.entity_type == &**expected,
        (Datum::Ip(ip), Type::Ip) => {
            let exists = if ip.v6 { ip.prefix <= 128 } else { ip.prefix <= 32 && u32::try_from(ip.address).is_ok() };
            if !exists {
                return Err(Mismatch::new("ipaddr", "an address whose prefix or bits are out of range"));
            }
            true
        }
        (Datum::Set(members), Type::Set(of)) => {
            if !members.iter().is_sorted_by(|a, b| a < b) {
                return Err(Mismatch::new(ty.to_string(), "a Set that isn't in order"));
            }
            // Most sets are of words, and of a checked type throughout.
            members.iter().try_for_each(|member| check(member.into(), of).map_err(|error| error.within("[]")))?;
            true
        }
        (Datum::Record(attributes), Type::Record(types)) => {
            for (name, attribute) in types {
                match attributes.get(name) {
                    Some(value) => {
                        check(value.into(), &attribute.ty).map_err(|error| error.within(&format!(".{name}")))?;
                    }
                    None if attribute.required => {
                        return Err(Mismatch::new(attribute.ty.to_string(), "nothing").within(&format!(".{name}")));
                    }
                    None => {}
                }
            }
            if let Some((name, value)) = attributes.iter().find(|(name, _)| !types.contains_key(&***name)) {
                return Err(Mismatch::new("no such attribute", value.kind()).within(&format!(".{name}")));
            }
            true
        }
        _ => false,
    };
    if fits { Ok(()) } else { Err(Mismatch::new(ty.to_string(), describe(datum))) }
}

/// What a value is, for a message.
pub(crate) fn describe(datum: Datum<'_>) -> String {
    match datum {
        Datum::Entity(uid) => uid.entity_type.to_owned(),
        Datum::Bool(_) => "Bool".to_owned(),
        Datum::Long(_) => "Long".to_owned(),
        Datum::Decimal(_) => "decimal".to_owned(),
        Datum::Datetime(_) => "datetime".to_owned(),
        Datum::Duration(_) => "duration".to_owned(),
        Datum::String(_) => "String".to_owned(),
        Datum::Ip(_) => "ipaddr".to_owned(),
        Datum::Set(members) => match members.iter().next() {
            None => "an empty Set".to_owned(),
            Some(member) => format!("a Set of {}", kind(member)),
        },
        Datum::Record(_) => "a record".to_owned(),
    }
}

fn kind(value: &Value) -> String {
    match value {
        Value::Set(_) => "Sets".to_owned(),
        Value::Record(_) => "records".to_owned(),
        _ => describe(value.into()),
    }
}
