//! What exportgate's compiler, guests and host share, and nothing else: the words of a frame and of an answer, the
//! manifest of a module, values, limits, and the vocabulary of an export.
//!
//! The WIT text beside this crate ([`WIT`]) says what a guest exports; this crate says what WIT can't. The whole contract,
//! cell by cell and with its reasons, is `docs/contract.md`.
//!
//! The crate is `no_std` (it needs `alloc`), so that a guest can use the same definitions as the host that runs it.
#![no_std]

extern crate alloc;

pub mod answer;
pub mod frame;
pub mod limits;
pub mod manifest;
pub mod obligation;
pub mod partial;
pub mod types;
pub mod value;
pub mod vocabulary;

/// The WIT text of the contract: package `exportgate:policy`, world [`WORLD`].
pub const WIT: &str = include_str!("../policy.wit");

/// The world that a policy module targets.
pub const WORLD: &str = "guest";

/// The one function that a policy module exports.
pub const EVALUATE: &str = "evaluate";

/// The custom section of a module's core module that holds its [`manifest::Manifest`] as JSON, in UTF-8.
pub const MANIFEST_SECTION: &str = "exportgate:manifest";

/// The version of this contract. A host runs a module whose major version equals its own and whose minor version is not
/// above its own.
pub const CONTRACT_VERSION: manifest::ContractVersion = manifest::ContractVersion { major: 1, minor: 1 };
