//! Symbols: one number for each distinct string, entity, address, set and record of a frame, and their payloads.

use std::hash::{BuildHasher, Hash, Hasher};

use ahash::RandomState;
use exportgate_contract::frame::{PAYLOAD_IP, PAYLOAD_RECORD, PAYLOAD_SET, PAYLOAD_SET_OF_COMPOSITES, PAYLOAD_STRING};
use exportgate_contract::types::Type;
use exportgate_contract::value::Value;
use hashbrown::HashTable;

use crate::frame::cells::Datum;

/// The constants of a manifest, looked up before anything else; made once, when a module is loaded.
#[derive(Debug)]
pub(crate) struct Constants {
    /// Seeded at random: what is looked up comes from outside.
    hasher: RandomState,
    table: HashTable<u32>,
    count: u32,
}

impl Constants {
    /// The table of `symbols`, which are all different.
    pub(crate) fn new(symbols: &[Value]) -> Self {
        let hasher = RandomState::new();
        let hash_of = |symbol: &u32| symbol_at(symbols, *symbol).map_or(0, |datum| hash(&hasher, datum));
        let mut table = HashTable::with_capacity(symbols.len());
        let mut count = 0;
        for value in symbols {
            table.insert_unique(hash(&hasher, value.into()), count, hash_of);
            count += 1;
        }
        Self { hasher, table, count }
    }
}

fn symbol_at(symbols: &[Value], symbol: u32) -> Option<Datum<'_>> {
    symbols.get(usize::try_from(symbol).ok()?).map(Datum::from)
}

/// The symbols of one frame.
pub(crate) struct Symbols<'a> {
    constants: &'a Constants,
    manifest: &'a [Value],
    table: HashTable<u32>,
    /// The values of the symbols that aren't constants.
    entries: Vec<Datum<'a>>,
    /// Where the payload of each symbol begins in `payloads`, plus one; 0 for none, and past its end.
    directory: Vec<usize>,
    payloads: Vec<u64>,
}

impl<'a> Symbols<'a> {
    /// The symbols of a frame that has only constants yet.
    pub(crate) fn new(constants: &'a Constants, manifest: &'a [Value]) -> Self {
        Self {
            constants,
            manifest,
            table: HashTable::new(),
            entries: Vec::new(),
            directory: Vec::new(),
            payloads: Vec::new(),
        }
    }

    /// The word that stands for a value: the value itself, or its symbol.
    pub(crate) fn word(&mut self, datum: Datum<'a>) -> u64 {
        match datum {
            Datum::Bool(truth) => u64::from(truth),
            Datum::Long(number) | Datum::Decimal(number) | Datum::Datetime(number) | Datum::Duration(number) => {
                number.cast_unsigned()
            }
            Datum::String(_) | Datum::Entity(_) | Datum::Ip(_) | Datum::Set(_) | Datum::Record(_) => {
                u64::from(self.symbol(datum))
            }
        }
    }

    fn symbol(&mut self, datum: Datum<'a>) -> u32 {
        let hash_value = hash(&self.constants.hasher, datum);
        let manifest = self.manifest;
        let constant = self
            .constants
            .table
            .find(hash_value, |known| symbol_at(manifest, *known).is_some_and(|known| same(known, datum)));
        if let Some(symbol) = constant {
            return *symbol;
        }
        let (first, entries) = (self.constants.count, &mut self.entries);
        let entry_at = |entries: &[Datum<'a>], symbol: u32| {
            usize::try_from(symbol - first).ok().and_then(|position| entries.get(position).copied())
        };
        let known =
            self.table.find(hash_value, |known| entry_at(entries, *known).is_some_and(|known| same(known, datum)));
        if let Some(symbol) = known {
            return *symbol;
        }
        // A frame has fewer words than a u32 has numbers, and each symbol takes at least one.
        let symbol = first.saturating_add(u32::try_from(entries.len()).unwrap_or(u32::MAX));
        entries.push(datum);
        let hasher = &self.constants.hasher;
        self.table.insert_unique(hash_value, symbol, |known| {
            entry_at(entries, *known).map_or(0, |known| hash(hasher, known))
        });
        symbol
    }

    /// Gives the value a payload, and every set and record within it. `ty` is its type, and fits.
    pub(crate) fn add_payload(&mut self, datum: Datum<'a>, ty: &Type) {
        if !matches!(datum, Datum::String(_) | Datum::Ip(_) | Datum::Set(_) | Datum::Record(_)) {
            return;
        }
        let position = usize::try_from(self.symbol(datum)).unwrap_or(usize::MAX);
        if self.directory.get(position).is_some_and(|place| *place != 0) {
            return;
        }
        // Built apart: the payloads of what lies within come first.
        let payload = match (datum, ty) {
            (Datum::String(text), _) => string_payload(text),
            (Datum::Ip(ip), _) => {
                let (high, low) = (ip.address >> 64, ip.address & u128::from(u64::MAX));
                let half = |bits: u128| u64::try_from(bits).unwrap_or(u64::MAX);
                vec![PAYLOAD_IP, if ip.v6 { 6 } else { 4 }, u64::from(ip.prefix), half(high), half(low)]
            }
            (Datum::Set(members), Type::Set(of)) => self.set_payload(members, of),
            (Datum::Record(attributes), Type::Record(types)) => {
                let mut fields: Vec<[u64; 3]> = Vec::with_capacity(attributes.len());
                for (name, value) in attributes {
                    let Some(attribute) = types.get(name) else { continue };
                    self.add_composite(value.into(), &attribute.ty);
                    let composite = u64::from(attribute.ty.is_composite());
                    fields.push([self.word(Datum::String(name)), composite, self.word(value.into())]);
                }
                fields.sort_unstable();
                [PAYLOAD_RECORD, widen(fields.len())].into_iter().chain(fields.into_iter().flatten()).collect()
            }
            _ => return,
        };
        if self.directory.len() <= position {
            self.directory.resize(position.saturating_add(1), 0);
        }
        if let Some(place) = self.directory.get_mut(position) {
            *place = self.payloads.len() + 1;
        }
        self.payloads.extend(payload);
    }

    fn set_payload(&mut self, members: &'a [Value], of: &Type) -> Vec<u64> {
        for member in members {
            self.add_composite(member.into(), of);
        }
        let mut words: Vec<u64> = members.iter().map(|member| self.word(member.into())).collect();
        words.sort_unstable_by_key(|word| word.cast_signed());
        let tag = if of.is_composite() { PAYLOAD_SET_OF_COMPOSITES } else { PAYLOAD_SET };
        [tag, widen(words.len())].into_iter().chain(words).collect()
    }

    /// The payload of a set or record within another; strings and addresses within have none.
    fn add_composite(&mut self, datum: Datum<'a>, ty: &Type) {
        if ty.is_composite() {
            self.add_payload(datum, ty);
        }
    }

    /// How many symbols there are, constants included.
    pub(crate) fn count(&self) -> usize {
        usize::try_from(self.constants.count).unwrap_or(usize::MAX).saturating_add(self.entries.len())
    }

    /// How many words the payloads take, without their directory.
    pub(crate) fn payload_words(&self) -> usize {
        self.payloads.len()
    }

    /// Writes the directory and the payloads to the end of `frame`.
    pub(crate) fn write(&self, frame: &mut Vec<u64>) {
        let first = frame.len() + self.count();
        let places = self.directory.iter().copied().chain(std::iter::repeat(0)).take(self.count());
        frame.extend(places.map(|place| if place == 0 { 0 } else { widen(first + place - 1) }));
        frame.extend_from_slice(&self.payloads);
    }
}

fn string_payload(text: &str) -> Vec<u64> {
    let words = text.as_bytes().chunks(8).map(|chunk| {
        let mut bytes = [0; 8];
        bytes.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
        u64::from_le_bytes(bytes)
    });
    [PAYLOAD_STRING, widen(text.len())].into_iter().chain(words).collect()
}

fn widen(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// INVARIANT: equal by [`same`] means equal hashes.
fn hash(hasher: &RandomState, datum: Datum<'_>) -> u64 {
    let mut state = hasher.build_hasher();
    match datum {
        Datum::String(text) => text.hash(&mut state),
        Datum::Entity(uid) => {
            // Its id alone tells nearly all entities apart.
            state.write_u8(1);
            uid.id.hash(&mut state);
        }
        Datum::Ip(ip) => ip.hash(&mut state),
        Datum::Set(members) => members.hash(&mut state),
        Datum::Record(attributes) => attributes.hash(&mut state),
        Datum::Bool(truth) => truth.hash(&mut state),
        Datum::Long(number) | Datum::Decimal(number) | Datum::Datetime(number) | Datum::Duration(number) => {
            number.hash(&mut state);
        }
    }
    state.finish()
}

/// Whether two values that have symbols are equal; values of different kinds never are.
fn same(left: Datum<'_>, right: Datum<'_>) -> bool {
    match (left, right) {
        (Datum::String(left), Datum::String(right)) => left == right,
        (Datum::Entity(left), Datum::Entity(right)) => left == right,
        (Datum::Ip(left), Datum::Ip(right)) => left == right,
        (Datum::Set(left), Datum::Set(right)) => left == right,
        (Datum::Record(left), Datum::Record(right)) => left == right,
        _ => false,
    }
}
