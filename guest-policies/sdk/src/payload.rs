//! What a symbol stands for, where the frame carries a payload: text, addresses, the members of sets, records.

use alloc::string::String;
use alloc::vec::Vec;

use exportgate_contract::frame::{PAYLOAD_IP, PAYLOAD_RECORD, PAYLOAD_SET, PAYLOAD_SET_OF_COMPOSITES, PAYLOAD_STRING};

use crate::frame::Frame;
use crate::table::{Kind, Symbol};

/// Whether a symbol has a payload of a kind.
pub(crate) fn is(frame: &Frame<'_>, symbol: u64, kind: Kind) -> bool {
    let tag = frame.payload_start(symbol).and_then(|start| frame.words.get(start)).copied();
    match kind {
        Kind::Text => tag == Some(PAYLOAD_STRING),
        Kind::Ip => tag == Some(PAYLOAD_IP),
        Kind::Set => tag == Some(PAYLOAD_SET) || tag == Some(PAYLOAD_SET_OF_COMPOSITES),
        Kind::Record => tag == Some(PAYLOAD_RECORD),
        Kind::State | Kind::Bool | Kind::Long | Kind::Decimal | Kind::Datetime | Kind::Duration | Kind::Entity => false,
    }
}

/// Checks the payload that begins at `start`: its kind, that it ends before the frame does, and its order.
pub(crate) fn check(frame: &Frame<'_>, start: usize) -> Result<(), ()> {
    let (head, rest) = frame.words.get(start..).and_then(|words| words.split_at_checked(2)).ok_or(())?;
    let &[tag, count] = head else { return Err(()) };
    let count = usize::try_from(count).map_err(|_| ())?;
    // A payload lies behind the directory, where no cell can be taken for one.
    let after = frame.payloads.checked_add(usize::try_from(frame.symbols()).map_err(|_| ())?).ok_or(())?;
    if start < after {
        return Err(());
    }
    let composite = |symbol: u64| is(frame, symbol, Kind::Set) || is(frame, symbol, Kind::Record);
    match tag {
        PAYLOAD_STRING => {
            let words = rest.get(..count.div_ceil(8)).ok_or(())?;
            let padding = words.last().filter(|_| count % 8 != 0).is_some_and(|last| last >> (count % 8 * 8) != 0);
            let text = bytes(words, count);
            (!padding && core::str::from_utf8(&text).is_ok()).then_some(()).ok_or(())
        }
        PAYLOAD_IP => {
            let &[prefix, high, low] = rest.get(..3).ok_or(())? else { return Err(()) };
            let fits = match count {
                4 => prefix <= 32 && high == 0 && low <= u64::from(u32::MAX),
                6 => prefix <= 128,
                _ => false,
            };
            fits.then_some(()).ok_or(())
        }
        PAYLOAD_SET => {
            let members = rest.get(..count).ok_or(())?;
            members.is_sorted_by(|a, b| a.cast_signed() < b.cast_signed()).then_some(()).ok_or(())
        }
        PAYLOAD_SET_OF_COMPOSITES => {
            let members = rest.get(..count).ok_or(())?;
            let fits = members.is_sorted_by(|a, b| a < b) && members.iter().all(|member| composite(*member));
            fits.then_some(()).ok_or(())
        }
        PAYLOAD_RECORD => {
            let fields = rest.get(..count.checked_mul(3).ok_or(())?).ok_or(())?.as_chunks::<3>().0;
            let ordered = fields.is_sorted_by(|[a, ..], [b, ..]| a < b);
            let fits = |[name, flag, value]: &[u64; 3]| {
                *name < frame.symbols() && (*flag == 0 || (*flag == 1 && composite(*value)))
            };
            (ordered && fields.iter().all(fits)).then_some(()).ok_or(())
        }
        _ => Err(()),
    }
}

fn bytes(words: &[u64], count: usize) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).take(count).collect()
}

/// The words of a payload behind its first two, as many as `width` times the count says.
fn body<'f>(frame: &'f Frame<'_>, symbol: Symbol, width: usize) -> Option<(u64, usize, &'f [u64])> {
    let (head, rest) = frame.words.get(frame.payload_start(symbol.0)?..)?.split_at_checked(2)?;
    let &[tag, count] = head else { return None };
    let count = usize::try_from(count).ok()?;
    let words = if tag == PAYLOAD_STRING { count.div_ceil(8) } else { count.checked_mul(width)? };
    Some((tag, count, rest.get(..words)?))
}

macro_rules! value {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name<'f> {
            frame: &'f Frame<'f>,
            symbol: Symbol,
        }

        impl<'f> $name<'f> {
            pub(crate) fn new(frame: &'f Frame<'_>, symbol: Symbol) -> Self {
                Self { frame, symbol }
            }

            /// Its symbol.
            pub fn symbol(self) -> Symbol {
                self.symbol
            }
        }

        impl PartialEq for $name<'_> {
            /// Equal symbols are equal values, within one frame.
            fn eq(&self, other: &Self) -> bool {
                self.symbol == other.symbol
            }
        }

        impl Eq for $name<'_> {}
    };
}

value! {
    /// A string.
    TextValue
}

value! {
    /// An address or range.
    IpValue
}

value! {
    /// A set.
    SetValue
}

value! {
    /// A record.
    RecordValue
}

impl TextValue<'_> {
    /// Its text; none where the frame carries no payload for it.
    pub fn text(self) -> Option<String> {
        let (tag, count, words) = body(self.frame, self.symbol, 1)?;
        (tag == PAYLOAD_STRING).then(|| String::from_utf8(bytes(words, count)).ok()).flatten()
    }
}

/// An address with the length of its network part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The address; of an IPv4 address the low 32 bits.
    pub bits: u128,
    /// Length of the network part in bits.
    pub prefix: u8,
    /// Whether it is an IPv6 address.
    pub v6: bool,
}

impl IpValue<'_> {
    /// The address; none where the frame carries no payload for it.
    pub fn address(self) -> Option<Address> {
        let words = self.frame.words.get(self.frame.payload_start(self.symbol.0)?..)?.get(..5)?;
        let &[PAYLOAD_IP, version, prefix, high, low] = words else { return None };
        let bits = (u128::from(high) << 64) | u128::from(low);
        Some(Address { bits, prefix: u8::try_from(prefix).ok()?, v6: version == 6 })
    }
}

impl<'f> SetValue<'f> {
    /// The words of its members, each once: numbers ascending, or symbols; none where the frame carries no payload for it.
    pub fn members(self) -> Option<&'f [u64]> {
        let (tag, _, members) = body(self.frame, self.symbol, 1)?;
        (tag == PAYLOAD_SET || tag == PAYLOAD_SET_OF_COMPOSITES).then_some(members)
    }

    /// Whether a string, entity or address is a member.
    ///
    /// Traps where the frame carries no payload for the set: a manifest that doesn't ask for one can't be asked this.
    pub fn contains(self, member: Symbol) -> bool {
        match self.members() {
            Some(members) => members.binary_search_by_key(&member.0.cast_signed(), |word| word.cast_signed()).is_ok(),
            None => crate::trap("the manifest doesn't ask for the members of this set"),
        }
    }
}

/// An attribute of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// The symbol of its name.
    pub name: Symbol,
    /// Whether its value is a set or record, so that the word is a symbol with a payload of its own.
    pub composite: bool,
    /// The word of its value.
    pub word: u64,
}

impl<'f> RecordValue<'f> {
    /// Its attributes; none where the frame carries no payload for it.
    pub fn fields(self) -> Option<impl Iterator<Item = Field> + 'f> {
        let (tag, _, words) = body(self.frame, self.symbol, 3)?;
        let field = |[name, flag, word]: &[u64; 3]| Field { name: Symbol(*name), composite: *flag == 1, word: *word };
        (tag == PAYLOAD_RECORD).then(|| words.as_chunks::<3>().0.iter().map(field))
    }
}
