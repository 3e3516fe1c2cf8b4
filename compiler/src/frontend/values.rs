//! Cedar's values as plain data. Extension values are read from the canonical form that Cedar itself gives.

use cedar_policy_core::ast::{
    Literal, Name, PartialValue, RepresentableExtensionValue, RestrictedExpr, Value as CedarValue, ValueKind,
};
use cedar_policy_core::extensions::Extensions;
use exportgate_contract::limits::VALUE_DEPTH_MAX;
use exportgate_contract::value::{Ip, Value};

use crate::frontend::schema::entity_uid;

/// The plain form of `value`; none when it nests deeper than `VALUE_DEPTH_MAX`, or has an unknown extension type.
pub(crate) fn plain_value(value: &CedarValue) -> Option<Value> {
    plain_value_within(value, VALUE_DEPTH_MAX)
}

fn plain_value_within(value: &CedarValue, depth: usize) -> Option<Value> {
    let below = |value: &CedarValue| plain_value_within(value, depth.checked_sub(1)?);
    Some(match value.value_kind() {
        ValueKind::Lit(Literal::Bool(value)) => Value::Bool(*value),
        ValueKind::Lit(Literal::Long(value)) => Value::Long(*value),
        ValueKind::Lit(Literal::String(text)) => Value::String(text.as_str().into()),
        ValueKind::Lit(Literal::EntityUID(uid)) => Value::Entity(entity_uid(uid)),
        ValueKind::Set(set) => Value::set(set.iter().map(below).collect::<Option<Vec<_>>>()?),
        ValueKind::Record(record) => Value::record(
            record.iter().map(|(name, value)| Some((name.as_str(), below(value)?))).collect::<Option<Vec<_>>>()?,
        ),
        ValueKind::ExtensionValue(extension) => plain_extension(extension)?,
    })
}

/// What the constructor `name` makes of a literal string, by Cedar's own code; none when it errs.
pub(crate) fn construct(name: &Name, argument: &str) -> Option<Value> {
    let function = Extensions::all_available().func(name).ok()?;
    match function.call(&[CedarValue::from(argument)]).ok()? {
        PartialValue::Value(value) => plain_value(&value),
        PartialValue::Residual(_) => None,
    }
}

fn plain_extension(extension: &RepresentableExtensionValue) -> Option<Value> {
    let (function, arguments) = extension.value().canonical_repr();
    match (function.to_string().as_str(), arguments.as_slice()) {
        ("decimal", [text]) => decimal(text.as_string()?).map(Value::Decimal),
        ("ip", [text]) => ip(text.as_string()?).map(Value::Ip),
        ("duration", [_]) => duration(&function, arguments.first()?).map(Value::Duration),
        // CEDAR: an instant is the epoch, offset by a duration in milliseconds.
        ("offset", [_, offset]) => {
            let (function, arguments) = offset.as_extn_fn_call()?;
            duration(function, &arguments.into_iter().next()?.to_owned()).map(Value::Datetime)
        }
        _ => None,
    }
}

/// `duration("123ms")`.
fn duration(function: &Name, argument: &RestrictedExpr) -> Option<i64> {
    if function.to_string() != "duration" {
        return None;
    }
    argument.as_string()?.strip_suffix("ms")?.parse().ok()
}

/// `-12.3456`, with exactly four digits after the point, in ten-thousandths.
fn decimal(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.')?;
    if fraction.len() != 4 {
        return None;
    }
    // The sign stands before all digits, so the digits without the point are the number of ten-thousandths.
    format!("{whole}{fraction}").parse().ok()
}

/// `10.0.0.1/24`.
fn ip(text: &str) -> Option<Ip> {
    let (address, prefix) = text.split_once('/')?;
    let prefix = prefix.parse().ok()?;
    Some(match address.parse().ok()? {
        std::net::IpAddr::V4(address) => Ip { address: u32::from(address).into(), prefix, v6: false },
        std::net::IpAddr::V6(address) => Ip { address: address.into(), prefix, v6: true },
    })
}
