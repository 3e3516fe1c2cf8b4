//! Where the pack lies in this module's memory.
//!
//! The module is compiled once, without a pack. `exportgate-guest-build` makes a module for a pack of it: it puts the pack
//! behind the memory that the linker laid out, and writes address and length into [`SLOT`], which it finds by its first
//! sixteen bytes.

use std::hint::black_box;

/// Sixteen bytes to be found by, then address and length of the pack, little-endian.
#[repr(C, align(8))]
struct Slot {
    mark: [u8; 16],
    address: u32,
    length: u32,
}

#[used]
static SLOT: Slot = Slot { mark: *b"exportgate:pack!", address: 0, length: 0 };

/// The bytes of the pack; none in a module that no pack was put into.
#[expect(unsafe_code, reason = "the pack lies outside of every Rust object: only an address leads to it")]
pub fn pack() -> Option<&'static [u8]> {
    // What the compiler sees is a constant of zeros, and it must not count on that.
    let slot = black_box(&SLOT);
    let (address, length) = (black_box(slot.address) as usize, black_box(slot.length) as usize);
    if address == 0 {
        return None;
    }
    // SAFETY: the tool that wrote address and length put a data segment of that length there, in pages that it added behind
    // those that the linker laid out: they are initialised before anything runs, nothing else is placed in them (the
    // allocator takes its memory from `memory.grow`, which gives pages behind them), and nothing writes to them.
    Some(unsafe { std::slice::from_raw_parts(std::ptr::with_exposed_provenance(address), length) })
}
