//! Words of a frame made into Cedar's values again.
//!
//! Cedar compares strings, entities and addresses, and looks into a string or an address only where the policy has it by
//! itself, for which the manifest then asks for a payload. What a frame gives no payload for is therefore only ever
//! compared, and any value does that is equal for equal symbols and unequal to all others: it is made up.

use std::collections::BTreeSet;
use std::str::FromStr;

use cedar_policy::{EntityId, EntityTypeName, EntityUid, RestrictedExpression};
use exportgate_contract::limits::VALUE_DEPTH_MAX;
use exportgate_contract::manifest::Manifest;
use exportgate_contract::types::Type;
use exportgate_contract::value::{Ip, Value};
use exportgate_sdk::{Frame, Symbol};

use crate::pack;

/// A character that no sane text begins with; made-up texts begin with more of them than any text that is known.
const MARK: char = '\u{10FFFF}';

/// Where the search for a network that no known address is in begins: fd00::/8, which nobody routes.
const UNIQUE_LOCAL: u64 = 0xfd00 << 48;

/// What tells made-up values of one frame from those that are known.
pub struct MadeUp {
    /// How made-up texts and ids begin: no text that is known does.
    prefix: String,
    /// The high 64 bits of made-up addresses: no address that is known has them.
    network: u64,
}

impl MadeUp {
    /// For the values of `frame`, whose constants are those of `manifest`.
    pub fn new(frame: &Frame<'_>, manifest: &Manifest) -> Self {
        let marks = |text: &str| text.chars().take_while(|c| *c == MARK).count();
        let constants = manifest.symbols.iter().map(|constant| match constant {
            Value::String(text) => marks(text),
            Value::Entity(uid) => marks(&uid.id),
            _ => 0,
        });
        let texts = (0..frame.symbols()).filter_map(|symbol| frame.text(Symbol(symbol)).text());
        let most = constants.chain(texts.map(|text| marks(&text))).max().unwrap_or(0);
        let ips = manifest.symbols.iter().filter_map(|constant| match constant {
            Value::Ip(ip) => Some(ip.address),
            _ => None,
        });
        let payloads = (0..frame.symbols()).filter_map(|symbol| Some(frame.ip(Symbol(symbol)).address()?.bits));
        let known: BTreeSet<u64> = ips.chain(payloads).map(|address| (address >> 64) as u64).collect();
        let network = (UNIQUE_LOCAL..).find(|network| !known.contains(network)).unwrap_or(UNIQUE_LOCAL);
        Self { prefix: String::from_iter(std::iter::repeat_n(MARK, most + 1)), network }
    }
}

/// Makes the values of one frame.
pub struct Values<'f> {
    frame: &'f Frame<'f>,
    manifest: &'f Manifest,
    made_up: &'f MadeUp,
}

impl<'f> Values<'f> {
    /// For the values of `frame`, whose constants are those of `manifest`.
    pub fn new(frame: &'f Frame<'f>, manifest: &'f Manifest, made_up: &'f MadeUp) -> Self {
        Self { frame, manifest, made_up }
    }

    /// The value of type `ty` that `word` stands for.
    ///
    /// # Errors
    ///
    /// What can't be rebuilt exactly.
    pub fn value(&self, word: u64, ty: &Type) -> Result<RestrictedExpression, String> {
        self.at_depth(word, ty, VALUE_DEPTH_MAX)
    }

    fn at_depth(&self, word: u64, ty: &Type, depth: usize) -> Result<RestrictedExpression, String> {
        let depth = depth.checked_sub(1).ok_or("a value nests too deeply")?;
        let number = word.cast_signed();
        Ok(match ty {
            Type::Bool => RestrictedExpression::new_bool(word == 1),
            Type::Long => RestrictedExpression::new_long(number),
            Type::String => RestrictedExpression::new_string(self.text(Symbol(word))?),
            Type::Entity(_) => RestrictedExpression::new_entity_uid(self.entity(Symbol(word), ty)?),
            Type::Ip => RestrictedExpression::new_ip(self.ip(Symbol(word))?),
            Type::Decimal => RestrictedExpression::new_decimal(decimal(number)),
            Type::Duration => RestrictedExpression::new_duration(format!("{number}ms")),
            Type::Datetime => {
                // Cedar's own way of writing an instant that its notation for dates has no year for.
                let text = format!(r#"datetime("1970-01-01").offset(duration("{number}ms"))"#);
                RestrictedExpression::from_str(&text).map_err(|error| error.to_string())?
            }
            Type::Set(of) => {
                let members = self.frame.set(Symbol(word)).members().ok_or("a set without a payload")?;
                let members: Result<Vec<_>, String> =
                    members.iter().map(|word| self.at_depth(*word, of, depth)).collect();
                RestrictedExpression::new_set(members?)
            }
            Type::Record(attributes) => {
                let mut fields = Vec::new();
                for field in self.frame.record(Symbol(word)).fields().ok_or("a record without a payload")? {
                    let name = self.text(field.name)?;
                    let attribute =
                        attributes.get(name.as_str()).ok_or("a record with an attribute of no known name")?;
                    if field.composite != attribute.ty.is_composite() {
                        return Err("an attribute that isn't of its type".to_owned());
                    }
                    fields.push((name, self.at_depth(field.word, &attribute.ty, depth)?));
                }
                RestrictedExpression::new_record(fields).map_err(|error| error.to_string())?
            }
        })
    }

    /// The members of a set of entities.
    ///
    /// # Errors
    ///
    /// It isn't one, or has no payload.
    pub fn entities(&self, word: u64, of: &Type) -> Result<Vec<EntityUid>, String> {
        let members = self.frame.set(Symbol(word)).members().ok_or("a set without a payload")?;
        members.iter().map(|word| self.entity(Symbol(*word), of)).collect()
    }

    /// The entity of type `ty` with this symbol.
    ///
    /// # Errors
    ///
    /// The symbol is a constant of another type.
    pub fn entity(&self, symbol: Symbol, ty: &Type) -> Result<EntityUid, String> {
        let Type::Entity(name) = ty else { return Err("an entity of no entity type".to_owned()) };
        match self.constant(symbol) {
            Some(Value::Entity(uid)) if uid.entity_type == *name => pack::uid(uid),
            Some(_) => Err("an entity whose symbol is a constant of another type".to_owned()),
            None => self.made_up(name, &symbol.0.to_string()),
        }
    }

    /// An entity that isn't in the frame, of which nothing is asked: `what` tells such entities apart.
    ///
    /// # Errors
    ///
    /// `name` isn't the name of a type.
    pub fn made_up(&self, name: &str, what: &str) -> Result<EntityUid, String> {
        let name = EntityTypeName::from_str(name).map_err(|error| error.to_string())?;
        Ok(EntityUid::from_type_name_and_id(name, EntityId::new(format!("{}{what}", self.made_up.prefix))))
    }

    /// The string with this symbol.
    ///
    /// # Errors
    ///
    /// The symbol is a constant, and not a string.
    pub fn text(&self, symbol: Symbol) -> Result<String, String> {
        match self.constant(symbol) {
            Some(Value::String(text)) => Ok(text.to_string()),
            Some(_) => Err("a string whose symbol is a constant of another type".to_owned()),
            None => {
                let made_up = || format!("{}{}", self.made_up.prefix, symbol.0);
                Ok(self.frame.text(symbol).text().unwrap_or_else(made_up))
            }
        }
    }

    fn ip(&self, symbol: Symbol) -> Result<String, String> {
        let ip = match self.constant(symbol) {
            Some(Value::Ip(ip)) => *ip,
            Some(_) => return Err("an address whose symbol is a constant of another type".to_owned()),
            None => match self.frame.ip(symbol).address() {
                Some(address) => Ip { address: address.bits, prefix: address.prefix, v6: address.v6 },
                // Within a set or record, where it can only be compared.
                None => {
                    Ip { address: u128::from(self.made_up.network) << 64 | u128::from(symbol.0), prefix: 128, v6: true }
                }
            },
        };
        Ok(match (ip.v6, u32::try_from(ip.address)) {
            // Eight groups: Cedar doesn't read the notation that mixes in an IPv4 address, and Rust would write it.
            (true, _) => {
                let groups = std::net::Ipv6Addr::from_bits(ip.address).segments().map(|group| format!("{group:x}"));
                format!("{}/{}", groups.join(":"), ip.prefix)
            }
            (false, Ok(address)) => format!("{}/{}", std::net::Ipv4Addr::from_bits(address), ip.prefix),
            (false, Err(_)) => return Err("an IPv4 address of more than 32 bits".to_owned()),
        })
    }

    fn constant(&self, symbol: Symbol) -> Option<&'f Value> {
        self.manifest.symbols.get(usize::try_from(symbol.0).ok()?)
    }
}

/// A decimal as Cedar writes it, from its ten-thousandths.
fn decimal(number: i64) -> String {
    let sign = if number < 0 { "-" } else { "" };
    let magnitude = number.unsigned_abs();
    format!("{sign}{}.{:04}", magnitude / 10_000, magnitude % 10_000)
}
