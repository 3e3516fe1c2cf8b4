//! The routines that generated code calls: written by hand, and part of a module only if something calls them.
//!
//! A *reference* is the 64-bit word of a set or record: the symbol of one that came in the frame, or, below 0, the address
//! of one that the guest holds itself ([`reference`]). Both have the layout of the contract's payloads; the guest's own sets
//! are unsorted and may repeat members. A payload of another kind than the types allow means a broken frame, and traps.

mod answer;
mod ip;
mod like;
mod memory;
mod sets;
mod sort;

use wasm_encoder::{Instruction as I, ValType};

use exportgate_contract::frame;

use super::code::{Code, Global, Local};
use super::module::Module;

/// A routine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Routine {
    /// `(end)`: sees to it that memory reaches up to `end`, or traps.
    Reserve,
    /// `(outcome end)`: completes the outcome of the current point and writes down its number.
    Record,
    /// `(outcome end) -> number`: the number of the outcome that lies at `Global::Outcome`, complete.
    Find,
    /// `(satisfied, erring, policies) -> number`: the number of an outcome given as words; `policies` is where the number of
    /// the policy of each bit lies.
    Note,
    /// `(start, end)`: sorts a list of policies.
    Sort,
    /// `(list, position, length)`: lets the entry at a position sink to its place in a heap.
    Sink,
    /// `(end, bits, policies) -> end`: appends the policies of the bits to a list.
    Expand,
    /// `(policy)`: notes that a policy erred at the current point.
    Erred,
    /// `(reference) -> address`: where the payload of a symbol, or a composite of the guest, begins.
    Payload,
    /// `(address of members, how many, word) -> found`: binary search among ascending words.
    Search,
    /// The same, giving the member's position, or all ones when there is none.
    Place,
    /// `(set, word) -> found`: whether a set of words has a member.
    HasWord,
    /// `(set, reference) -> found`: whether a set of sets or records has a member.
    HasComposite,
    /// `(set, set) -> bool`: whether all members of the first are in the second.
    Subset,
    /// `(set, set) -> bool`: whether they share a member.
    Intersects,
    /// `(set) -> bool`: whether it has no members.
    IsEmpty,
    /// `(reference, reference) -> bool`: equality by structure.
    Equal,
    /// `(symbol, pattern, length) -> bool`: whether a string matches a pattern.
    Like,
    /// `(symbol) -> address`: the payload of an address.
    IpPayload,
    /// `(payload) -> bool`: whether it is an IPv4 address.
    IsIpv4,
    /// `(payload) -> bool`: whether it is an IPv6 address.
    IsIpv6,
    /// `(payload) -> bool`: whether it is a loopback address.
    IsLoopback,
    /// `(payload) -> bool`: whether it is a multicast address.
    IsMulticast,
    /// `(payload, payload) -> bool`: whether the first lies within the second.
    IpInRange,
}

impl Routine {
    /// The types of its parameters and results.
    pub(super) fn signature(self) -> (&'static [ValType], &'static [ValType]) {
        use ValType::{I32, I64};
        match self {
            Self::Reserve | Self::Record | Self::Erred => (&[I32], &[]),
            Self::Sort => (&[I32, I32], &[]),
            Self::Sink => (&[I32, I32, I32], &[]),
            Self::Find => (&[I32], &[I32]),
            Self::Note => (&[I64, I64, I32], &[I32]),
            Self::Expand => (&[I32, I64, I32], &[I32]),
            Self::Payload | Self::IpPayload | Self::IsEmpty => (&[I64], &[I32]),
            Self::Search | Self::Place => (&[I32, I32, I64], &[I32]),
            Self::HasWord | Self::HasComposite | Self::Subset | Self::Intersects | Self::Equal => (&[I64, I64], &[I32]),
            Self::Like => (&[I64, I32, I32], &[I32]),
            Self::IsIpv4 | Self::IsIpv6 | Self::IsLoopback | Self::IsMulticast => (&[I32], &[I32]),
            Self::IpInRange => (&[I32, I32], &[I32]),
        }
    }
}

/// Writes a routine, and those that it calls.
pub(super) fn emit(module: &mut Module, routine: Routine) -> Code {
    match routine {
        Routine::Reserve => memory::emit_reserve(),
        Routine::Record => answer::emit_record(module),
        Routine::Sort => sort::emit_sort(module),
        Routine::Sink => sort::emit_sink(),
        Routine::Find => answer::emit_find(),
        Routine::Note => answer::emit_note(module),
        Routine::Expand => answer::emit_expand(),
        Routine::Erred => answer::emit_erred(),
        Routine::Payload => emit_payload(),
        Routine::Search => sets::emit_search(module),
        Routine::Place => sets::emit_place(),
        Routine::HasWord => sets::emit_has_word(module),
        Routine::HasComposite => sets::emit_has_composite(module),
        Routine::Subset => sets::emit_subset(module),
        Routine::Intersects => sets::emit_intersects(module),
        Routine::IsEmpty => sets::emit_is_empty(module),
        Routine::Equal => sets::emit_equal(module),
        Routine::Like => like::emit_like(module),
        Routine::IpPayload => ip::emit_ip_payload(module),
        Routine::IsIpv4 => ip::emit_is_version(4),
        Routine::IsIpv6 => ip::emit_is_version(6),
        Routine::IsLoopback => ip::emit_is_loopback(),
        Routine::IsMulticast => ip::emit_is_multicast(),
        Routine::IpInRange => ip::emit_ip_in_range(),
    }
}

pub(super) use answer::{PROBES_MAX, SLOT_BYTES};
pub(super) use like::encode_pattern;
pub(super) use memory::{emit_allocate, emit_post_return, emit_realloc};

/// The reference of a composite that the guest holds at `address`.
pub(super) fn reference(address: u32) -> i64 {
    i64::MIN | i64::from(address)
}

/// `(reference) -> address`: where its payload begins.
///
/// Traps when a symbol is none of the frame's or its payload lies outside. A symbol without payload leads to word 0 of the
/// frame, whose tag is no payload's.
fn emit_payload() -> Code {
    let mut code = Code::new(1);
    let reference = Local(0);
    code.get(reference).i64(0).push(&I::I64LtS).if_();
    code.get(reference).push(&I::I32WrapI64).push(&I::Return).end();
    // A symbol that the directory leaves out has no payload.
    code.get(reference).global(Global::DirectoryFirst).push(&I::I64ExtendI32U).push(&I::I64LtU).if_();
    code.global(Global::Frame).push(&I::Return).end();
    code.get(reference).global(Global::Symbols).push(&I::I64ExtendI32U).push(&I::I64GeU).trap_if();
    code.global(Global::Directory).get(reference).push(&I::I32WrapI64).i32(3).push(&I::I32Shl).push(&I::I32Add);
    code.load64(0).set(reference);
    // The kind and the count lie in the frame; the rest, if the count is a lie, at worst elsewhere in this memory.
    code.get(reference).i64(1).push(&I::I64Add);
    code.global(Global::Length).push(&I::I64ExtendI32U).push(&I::I64GeU).trap_if();
    code.global(Global::Frame).get(reference).push(&I::I32WrapI64).i32(3).push(&I::I32Shl).push(&I::I32Add);
    code
}

/// Traps unless the payload at `payload` is of kind `kind`.
fn emit_expect_kind(code: &mut Code, payload: Local, kind: u64) {
    code.get(payload).load32(0).i32(small(kind)).push(&I::I32Ne).trap_if();
}

/// A kind of payload as the low half of its word.
fn small(kind: u64) -> u32 {
    // INVARIANT: the kinds are 1 to 5.
    u32::try_from(kind.min(frame::PAYLOAD_RECORD)).unwrap_or(0)
}
