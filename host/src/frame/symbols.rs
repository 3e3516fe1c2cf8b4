//! Symbols: one number for each distinct string, entity, address, set and record of a frame, and their payloads.

use std::hash::{BuildHasher, Hash, Hasher};

use ahash::RandomState;
use exportgate_contract::frame::{PAYLOAD_IP, PAYLOAD_RECORD, PAYLOAD_SET, PAYLOAD_SET_OF_COMPOSITES, PAYLOAD_STRING};
use exportgate_contract::manifest::ContractVersion;
use exportgate_contract::types::Type;
use exportgate_contract::value::Value;
use hashbrown::HashTable;

use crate::entities::UidRef;
use crate::frame::cells::{Datum, Set};

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
    room: Room<'a>,
}

/// The room that symbols take, used again and again.
#[derive(Debug, Default)]
pub(crate) struct Room<'a> {
    table: HashTable<u32>,
    /// The values of the symbols that aren't constants.
    entries: Vec<Datum<'a>>,
    /// Where the payload of each symbol begins in `payloads`, plus one; 0 for none, and past its end.
    directory: Vec<usize>,
    payloads: Vec<u64>,
    /// Payloads being made, the inner ones last.
    draft: Vec<u64>,
}

impl Room<'_> {
    /// The same room for other values.
    pub(crate) fn again<'b>(self) -> Room<'b> {
        let Self { table, entries, directory, payloads, draft } = self;
        Room { table, entries: super::recycle(entries), directory, payloads, draft }
    }

    /// How many bytes it takes, roughly.
    pub(crate) fn bytes(&self) -> usize {
        let words = self.directory.capacity().saturating_add(self.payloads.capacity());
        let entries = self.entries.capacity().saturating_mul(size_of::<Datum<'_>>());
        words.saturating_mul(8).saturating_add(entries).saturating_add(self.table.capacity().saturating_mul(5))
    }
}

impl<'a> Symbols<'a> {
    /// The symbols of a frame that has only constants yet.
    pub(crate) fn new(constants: &'a Constants, manifest: &'a [Value], mut room: Room<'a>) -> Self {
        room.table.clear();
        room.entries.clear();
        room.directory.clear();
        room.payloads.clear();
        room.draft.clear();
        Self { constants, manifest, room }
    }

    /// Begins anew, with constants only.
    pub(crate) fn clear(&mut self) {
        let room = std::mem::take(&mut self.room);
        *self = Self::new(self.constants, self.manifest, room);
    }

    /// The room, for other symbols.
    pub(crate) fn into_room(self) -> Room<'a> {
        self.room
    }

    /// The constant that this entity is, if it is one.
    pub(crate) fn constant(&self, uid: UidRef<'a>) -> Option<u32> {
        let datum = Datum::Entity(uid);
        self.find_constant(datum, hash(&self.constants.hasher, datum))
    }

    fn find_constant(&self, datum: Datum<'_>, hash: u64) -> Option<u32> {
        let is = |known: &u32| symbol_at(self.manifest, *known).is_some_and(|known| same(known, datum));
        self.constants.table.find(hash, is).copied()
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
        if let Some(symbol) = self.find_constant(datum, hash_value) {
            return symbol;
        }
        let Room { table, entries, .. } = &mut self.room;
        let first = self.constants.count;
        let entry_at = |entries: &[Datum<'a>], symbol: u32| {
            usize::try_from(symbol - first).ok().and_then(|position| entries.get(position).copied())
        };
        let is = |known: &u32| entry_at(entries, *known).is_some_and(|known| same(known, datum));
        if let Some(symbol) = table.find(hash_value, is) {
            return *symbol;
        }
        // A frame has fewer words than a u32 has numbers, and each symbol takes at least one.
        let symbol = first.saturating_add(u32::try_from(entries.len()).unwrap_or(u32::MAX));
        entries.push(datum);
        let hasher = &self.constants.hasher;
        table.insert_unique(hash_value, symbol, |known| {
            entry_at(entries, *known).map_or(0, |known| hash(hasher, known))
        });
        symbol
    }

    /// The word that stands for a value with a payload, which every set and record within it has too. `ty` is its type,
    /// and fits.
    pub(crate) fn word_with_payload(&mut self, datum: Datum<'a>, ty: &Type) -> u64 {
        if !matches!(datum, Datum::String(_) | Datum::Ip(_) | Datum::Set(_) | Datum::Record(_)) {
            return self.word(datum);
        }
        let symbol = self.symbol(datum);
        self.add_payload(usize::try_from(symbol).unwrap_or(usize::MAX), datum, ty);
        u64::from(symbol)
    }

    /// Gives the value with the symbol at `position` a payload.
    fn add_payload(&mut self, position: usize, datum: Datum<'a>, ty: &Type) {
        if self.room.directory.get(position).is_some_and(|place| *place != 0) {
            return;
        }
        // Written apart: the payloads of what lies within come first.
        let draft = self.room.draft.len();
        match (datum, ty) {
            (Datum::String(text), _) => {
                self.room.draft.extend([PAYLOAD_STRING, widen(text.len())]);
                self.room.draft.extend(text_words(text));
            }
            (Datum::Ip(ip), _) => {
                let (high, low) = (ip.address >> 64, ip.address & u128::from(u64::MAX));
                let half = |bits: u128| u64::try_from(bits).unwrap_or(u64::MAX);
                let version = if ip.v6 { 6 } else { 4 };
                self.room.draft.extend([PAYLOAD_IP, version, u64::from(ip.prefix), half(high), half(low)]);
            }
            (Datum::Set(members), Type::Set(of)) => self.draft_set(members, of),
            (Datum::Record(attributes), Type::Record(types)) => {
                self.room.draft.extend([PAYLOAD_RECORD, widen(attributes.len())]);
                for (name, value) in attributes.iter() {
                    let Some(attribute) = types.get(name) else { continue };
                    let composite = u64::from(attribute.ty.is_composite());
                    let words = [self.word(Datum::String(name)), composite, self.member(value.into(), &attribute.ty)];
                    self.room.draft.extend(words);
                }
                let fields = self.room.draft.get_mut(draft.saturating_add(2)..).unwrap_or_default();
                fields.as_chunks_mut::<3>().0.sort_unstable();
            }
            _ => return,
        }
        let Room { directory, payloads, draft: drafts, .. } = &mut self.room;
        if directory.len() <= position {
            directory.resize(position.saturating_add(1), 0);
        }
        if let Some(place) = directory.get_mut(position) {
            *place = payloads.len() + 1;
        }
        payloads.extend_from_slice(drafts.get(draft..).unwrap_or_default());
        drafts.truncate(draft);
    }

    fn draft_set(&mut self, members: Set<'a>, of: &Type) {
        let tag = if of.is_composite() { PAYLOAD_SET_OF_COMPOSITES } else { PAYLOAD_SET };
        self.room.draft.extend([tag, widen(members.len())]);
        let first = self.room.draft.len();
        for member in members.iter() {
            let word = self.member(member.into(), of);
            self.room.draft.push(word);
        }
        let words = self.room.draft.get_mut(first..).unwrap_or_default();
        words.sort_unstable_by_key(|word| word.cast_signed());
    }

    /// The word of what lies within a set or record: sets and records there have payloads too, strings and addresses none.
    fn member(&mut self, datum: Datum<'a>, ty: &Type) -> u64 {
        if ty.is_composite() { self.word_with_payload(datum, ty) } else { self.word(datum) }
    }

    /// Adds the payload of the set of those of `entities` that are constants; returns where among the payloads it begins.
    pub(crate) fn add_constants(&mut self, entities: impl Iterator<Item = UidRef<'a>>) -> u64 {
        let place = self.room.payloads.len();
        self.room.payloads.extend([PAYLOAD_SET, 0]);
        let first = self.room.payloads.len();
        for uid in entities {
            let symbol = self.constant(uid);
            self.room.payloads.extend(symbol.map(u64::from));
        }
        let members = self.room.payloads.get_mut(first..).unwrap_or_default();
        members.sort_unstable();
        // An entity that is reached in several ways comes several times.
        let mut kept = 0_usize;
        for at in 0..members.len() {
            let member = members.get(at).copied();
            if at == 0 || member != members.get(kept.saturating_sub(1)).copied() {
                if let (Some(slot), Some(member)) = (members.get_mut(kept), member) {
                    *slot = member;
                }
                kept += 1;
            }
        }
        self.room.payloads.truncate(first.saturating_add(kept));
        if let Some(count) = self.room.payloads.get_mut(first.saturating_sub(1)) {
            *count = widen(kept);
        }
        widen(place)
    }

    /// The first symbol that the directory has a word for: constants before the first with a payload are left out, where the
    /// module knows that.
    pub(crate) fn directory_first(&self, contract: ContractVersion) -> usize {
        if contract.minor == 0 {
            return 0;
        }
        let constants = usize::try_from(self.constants.count).unwrap_or(usize::MAX);
        self.room.directory.iter().position(|place| *place != 0).map_or(constants, |first| first.min(constants))
    }

    /// How many symbols there are, constants included.
    pub(crate) fn count(&self) -> usize {
        usize::try_from(self.constants.count).unwrap_or(usize::MAX).saturating_add(self.room.entries.len())
    }

    /// How many words the payloads take, without their directory.
    pub(crate) fn payload_words(&self) -> usize {
        self.room.payloads.len()
    }

    /// Writes the directory, which begins with the symbol `directory_first`, and the payloads to the end of `frame`.
    pub(crate) fn write(&self, directory_first: usize, frame: &mut Vec<u64>) {
        let first = frame.len() + self.count().saturating_sub(directory_first);
        let places = self.room.directory.iter().copied().chain(std::iter::repeat(0)).take(self.count());
        let places = places.skip(directory_first);
        frame.extend(places.map(|place| if place == 0 { 0 } else { widen(first + place - 1) }));
        frame.extend_from_slice(&self.room.payloads);
    }
}

fn text_words(text: &str) -> impl Iterator<Item = u64> {
    text.as_bytes().chunks(8).map(|chunk| {
        let mut bytes = [0; 8];
        bytes.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
        u64::from_le_bytes(bytes)
    })
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
        Datum::Set(members) => members.iter().for_each(|member| member.hash(&mut state)),
        Datum::Record(attributes) => {
            for (name, value) in attributes.iter() {
                name.hash(&mut state);
                value.hash(&mut state);
            }
        }
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
        (Datum::Set(left), Datum::Set(right)) => left.iter().eq(right.iter()),
        (Datum::Record(left), Datum::Record(right)) => left.len() == right.len() && left.iter().eq(right.iter()),
        _ => false,
    }
}
