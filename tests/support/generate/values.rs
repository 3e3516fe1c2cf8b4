//! Values of a type: small pools, so that equal values meet, and the extremes, so that arithmetic overflows. Each value comes
//! as data (for entities and requests) or as Cedar text (for policies).

use exportgate::{EntityUid, Value};
use exportgate_contract::value::Ip;

use crate::generate::schema::{Attr, Schema, Ty, quote};
use crate::generate::{chance, pick};

const LONGS: [i64; 12] = [0, 1, -1, 2, 3, 7, 10, 100, -10, i64::MAX, i64::MIN, i64::MAX - 1];
const STRINGS: [&str; 9] = ["", "a", "b", "ab", "a*b", "\u{e9}", "\u{1F511}k", "quo\"te\\", "aab"];
const DECIMALS: [&str; 7] = ["0.0", "1.0", "-1.5", "1.2345", "922337203685477.5807", "-922337203685477.5808", "1.0000"];
const DATETIMES: [(&str, i64); 7] = [
    ("1970-01-01", 0),
    ("1969-12-31T23:59:59.999Z", -1),
    ("2024-02-29T12:30:00Z", 1_709_209_800_000),
    ("2024-02-29", 1_709_164_800_000),
    ("0001-01-01", -62_135_596_800_000),
    ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
    ("2024-02-29T12:30:00+0100", 1_709_206_200_000),
];
/// Instants that no text can say, near the ends of the range.
const FAR_DATETIMES: [i64; 3] = [i64::MIN, i64::MAX, i64::MIN + 1];
const DURATIONS: [(&str, i64); 8] = [
    ("0ms", 0),
    ("1ms", 1),
    ("-1ms", -1),
    ("1d", 86_400_000),
    ("24h", 86_400_000),
    ("-1d12h", -129_600_000),
    ("1h30m", 5_400_000),
    ("9223372036854775807ms", i64::MAX),
];
const IPS: [&str; 12] = [
    "127.0.0.1",
    "127.0.0.0/7",
    "127.0.0.0/8",
    "10.0.0.1/24",
    "10.0.0.2/24",
    "10.0.0.0/8",
    "0.0.0.0/0",
    "224.0.0.1",
    "::1",
    "::ffff:7f00:1",
    "ff00::/8",
    "2001:db8::/32",
];

/// A value of `ty`, as data.
pub fn value(rng: &mut fastrand::Rng, schema: &Schema, ty: &Ty) -> Value {
    match ty {
        Ty::Bool => Value::Bool(rng.bool()),
        Ty::Long => Value::Long(*pick(rng, &LONGS)),
        Ty::String => Value::string(*pick(rng, &STRINGS)),
        Ty::Entity(entity) => Value::Entity(uid(rng, schema, *entity)),
        Ty::Action => Value::Entity(action(rng, schema)),
        Ty::Set(of) => {
            let members: Vec<Value> = (0..rng.usize(0..=4)).map(|_| value(rng, schema, of)).collect();
            Value::set(members)
        }
        Ty::Record(attrs) => record(rng, schema, attrs),
        Ty::Decimal => Value::Decimal(decimal(*pick(rng, &DECIMALS))),
        Ty::Datetime if chance(rng, 15) => Value::Datetime(*pick(rng, &FAR_DATETIMES)),
        Ty::Datetime => Value::Datetime(pick(rng, &DATETIMES).1),
        Ty::Duration => Value::Duration(pick(rng, &DURATIONS).1),
        Ty::Ip => Value::Ip(ip(*pick(rng, &IPS))),
    }
}

/// A record with these attributes; optional ones are there half the time.
pub fn record(rng: &mut fastrand::Rng, schema: &Schema, attrs: &[Attr]) -> Value {
    let fields: Vec<(String, Value)> = attrs
        .iter()
        .filter_map(|attr| {
            let given = attr.required || rng.bool();
            given.then(|| (attr.name.clone(), value(rng, schema, &attr.ty)))
        })
        .collect();
    Value::record(fields)
}

/// An entity of a type: mostly one of its own ids, sometimes one that no store holds.
pub fn uid(rng: &mut fastrand::Rng, schema: &Schema, entity: usize) -> EntityUid {
    let def = &schema.entities[entity];
    let id = if !def.enumerated && chance(rng, 8) { "nobody" } else { pick(rng, &def.ids).as_str() };
    EntityUid::new(schema.name(entity), id)
}

/// An action or a group of them.
fn action(rng: &mut fastrand::Rng, schema: &Schema) -> EntityUid {
    EntityUid::new(schema.action_type(), pick(rng, &schema.actions).id.as_str())
}

/// A literal of `ty`, as Cedar text; none for a type without literals of its own.
pub fn literal(rng: &mut fastrand::Rng, schema: &Schema, ty: &Ty) -> Option<String> {
    Some(match ty {
        Ty::Bool => rng.bool().to_string(),
        Ty::Long => match *pick(rng, &LONGS) {
            i64::MIN => "-9223372036854775808".to_owned(),
            number => number.to_string(),
        },
        Ty::String => quote(*pick(rng, &STRINGS)),
        Ty::Entity(_) | Ty::Action => {
            let uid = if let Ty::Entity(entity) = ty { uid(rng, schema, *entity) } else { action(rng, schema) };
            format!("{}::{}", uid.entity_type, quote(&uid.id))
        }
        Ty::Decimal => format!("decimal(\"{}\")", pick(rng, &DECIMALS)),
        Ty::Datetime => format!("datetime(\"{}\")", pick(rng, &DATETIMES).0),
        Ty::Duration => format!("duration(\"{}\")", pick(rng, &DURATIONS).0),
        Ty::Ip => format!("ip(\"{}\")", pick(rng, &IPS)),
        Ty::Set(_) | Ty::Record(_) => return None,
    })
}

/// A `like` pattern, as Cedar text with its quotes.
pub fn pattern(rng: &mut fastrand::Rng) -> String {
    const PARTS: [&str; 9] = ["*", "a", "b", "\\*", "\u{e9}", "\u{1F511}", "\\u{2a}", "\\\"", "**"];
    let parts: String = (0..rng.usize(0..=4)).map(|_| *pick(rng, &PARTS)).collect();
    format!("\"{parts}\"")
}

/// A value in Cedar's own text, for handing it to the oracle: `datetime` and `duration` by their offsets.
pub fn print(value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Long(value) => value.to_string(),
        Value::String(text) => quote(text),
        Value::Entity(uid) => format!("{}::{}", uid.entity_type, quote(&uid.id)),
        Value::Set(members) => {
            format!("[{}]", members.iter().map(print).collect::<Vec<_>>().join(", "))
        }
        Value::Record(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|(name, value)| format!("{}: {}", quote(name), print(value))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        Value::Decimal(units) => {
            let sign = if *units < 0 { "-" } else { "" };
            let units = units.unsigned_abs();
            format!("decimal(\"{sign}{}.{:04}\")", units / 10_000, units % 10_000)
        }
        Value::Datetime(ms) => format!("datetime(\"1970-01-01\").offset(duration(\"{ms}ms\"))"),
        Value::Duration(ms) => format!("duration(\"{ms}ms\")"),
        Value::Ip(ip) => {
            let address = if ip.v6 {
                std::net::Ipv6Addr::from(ip.address).to_string()
            } else {
                std::net::Ipv4Addr::from(u32::try_from(ip.address).unwrap_or_default()).to_string()
            };
            // Cedar takes no IPv4 address written within an IPv6 one.
            let address = if ip.v6 && address.contains('.') { hex(ip.address) } else { address };
            format!("ip(\"{address}/{}\")", ip.prefix)
        }
    }
}

fn hex(address: u128) -> String {
    let groups: Vec<String> = (0..8).rev().map(|i| format!("{:x}", (address >> (16 * i)) & 0xffff)).collect();
    groups.join(":")
}

fn decimal(text: &str) -> i64 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let negative = whole.starts_with('-');
    let whole: i128 = whole.trim_start_matches('-').parse().unwrap_or_default();
    let fraction: i128 = format!("{fraction:0<4}").parse().unwrap_or_default();
    let units = whole * 10_000 + fraction;
    i64::try_from(if negative { -units } else { units }).unwrap_or_default()
}

fn ip(text: &str) -> Ip {
    let (address, prefix) =
        text.split_once('/').map_or((text, None), |(address, prefix)| (address, prefix.parse().ok()));
    match address.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(v4)) => Ip { address: u32::from(v4).into(), prefix: prefix.unwrap_or(32), v6: false },
        Ok(std::net::IpAddr::V6(v6)) => Ip { address: v6.into(), prefix: prefix.unwrap_or(128), v6: true },
        Err(error) => panic!("`{text}`: {error}"),
    }
}
