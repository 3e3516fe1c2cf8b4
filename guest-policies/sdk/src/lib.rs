//! Write an exportgate policy module in Rust: a frame decoded into typed facts, outcomes by policy id, the manifest put in
//! its place.
//!
//! A module is a type that implements [`Policy`], a manifest, and two macros:
//!
//! ```text
//! exportgate_sdk::manifest!(TABLE);        // `manifest.json` and `manifest.rs`, which `exportgate build` makes
//! exportgate_sdk::export!(SmallGroups);
//!
//! const CUSTOMERS: Fact<Long> = TABLE.fact("context.customers");
//!
//! struct SmallGroups;
//!
//! impl Policy for SmallGroups {
//!     fn table() -> Table<'static> { TABLE }
//!     fn open(_: &Frame<'_>) -> Self { Self }
//!     fn answer(&self, at: &Point<'_>, outcome: &mut Outcome) {
//!         outcome.add(BULK, at.read(CUSTOMERS).access().map(|customers| customers > 100));
//!     }
//! }
//! ```
//!
//! The names of facts, constants, policies and questions are looked up while the crate is compiled: a name or a type that
//! isn't in the manifest is a compile error, and nothing is searched or parsed when an export is decided. How to write a
//! module, and what it can't do: `docs/guests.md`.
//!
//! The crate is `no_std` (it needs `alloc`) and adds no import to the module.
#![no_std]

extern crate alloc;

pub mod answer;
pub mod cell;
pub mod frame;
pub mod payload;
pub mod table;

use alloc::vec::Vec;

pub use answer::Outcome;
pub use cell::{Bool, Cell, Datetime, Decimal, Duration, Entity, Erred, Ip, Long, Record, Set, Text};
pub use exportgate_contract::manifest::Axis;
pub use frame::{Frame, FrameError, Point};
pub use table::{Fact, FactEntry, Kind, PolicyIdx, QuestionEntry, QuestionId, Symbol, Table};

#[doc(hidden)]
pub mod bindings {
    //! What wit-bindgen makes of the contract's WIT.
    wit_bindgen::generate!({
        path: "../../wit/policy.wit",
        world: "guest",
        pub_export_macro: true,
        export_macro_name: "export_guest",
    });
}

/// A policy module.
pub trait Policy: Sized {
    /// What the manifest says: the constant that [`manifest!`] makes.
    fn table() -> Table<'static>;

    /// Looks at a frame as a whole, before the first point is answered.
    fn open(frame: &Frame<'_>) -> Self;

    /// Says which policies are satisfied, and which err, at one point of one question: [`Point::question`] tells which.
    fn answer(&self, at: &Point<'_>, outcome: &mut Outcome);
}

/// Answers a frame: what the exported function does, but that it traps where this one returns an error.
///
/// # Errors
///
/// [`FrameError`]: the frame breaks the layout of the contract.
pub fn evaluate<P: Policy>(words: &[u64]) -> Result<Vec<u32>, FrameError> {
    let table = P::table();
    let frame = Frame::parse(words, table)?;
    let policy = P::open(&frame);
    let mut answer = answer::Answer::default();
    for &question in frame.questions() {
        let mut points = Ok(());
        frame.each_point(question, |point| {
            let mut outcome = Outcome::default();
            policy.answer(point, &mut outcome);
            if points.is_ok() {
                points = answer.push(outcome, point.entry().policies);
            }
        });
        points?;
    }
    answer.finish()
}

/// The exported function: answers a frame, or traps.
#[doc(hidden)]
pub fn evaluate_or_trap<P: Policy>(words: &[u64]) -> Vec<u32> {
    match evaluate::<P>(words) {
        Ok(answer) => answer,
        Err(error) => trap(error),
    }
}

/// Ends the call; to the host a trap is a denied export.
///
/// On the host, where unit tests run, it panics with the reason; in a module the reason would only cost bytes.
#[cfg_attr(
    not(target_arch = "wasm32"),
    expect(clippy::panic, reason = "this is how a guest refuses a frame; off Wasm only its own tests run it")
)]
pub fn trap(reason: impl core::fmt::Display) -> ! {
    #[cfg(target_arch = "wasm32")]
    {
        let _ = reason;
        core::arch::wasm32::unreachable()
    }
    #[cfg(not(target_arch = "wasm32"))]
    panic!("{reason}")
}

/// Puts `manifest.json`, which lies beside the crate's `Cargo.toml`, into the module's custom section, and defines a
/// constant of type [`Table`] from `manifest.rs` beside it. `exportgate build` makes both files.
#[macro_export]
macro_rules! manifest {
    ($table:ident) => {
        /// What the manifest says, for looking up names.
        pub const $table: $crate::Table<'static> = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/manifest.rs"));

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            const JSON: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/manifest.json"));
            const fn bytes() -> [u8; JSON.len()] {
                let mut bytes = [0; JSON.len()];
                let mut at = 0;
                while at < bytes.len() {
                    bytes[at] = JSON[at];
                    at += 1;
                }
                bytes
            }
            #[used]
            #[unsafe(link_section = "exportgate:manifest")]
            static MANIFEST: [u8; JSON.len()] = bytes();
        };
    };
}

/// Exports a type that implements [`Policy`] as the module's `evaluate`.
#[macro_export]
macro_rules! export {
    ($policy:ty) => {
        #[doc(hidden)]
        struct ExportedPolicy;

        impl $crate::bindings::Guest for ExportedPolicy {
            fn evaluate(frame: $crate::AllocVec<u64>) -> $crate::AllocVec<u32> {
                $crate::evaluate_or_trap::<$policy>(&frame)
            }
        }

        $crate::bindings::export_guest!(ExportedPolicy with_types_in $crate::bindings);
    };
}

#[doc(hidden)]
pub use alloc::vec::Vec as AllocVec;
