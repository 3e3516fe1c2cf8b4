//! Makes exportgate policy modules of guests that weren't compiled from Cedar.
//!
//! A guest crate says in `policy.toml` which policies it has, which questions it answers and what it reads. From that and
//! from its schema [`manifest::derive`] makes the manifest, [`table::print`] the Rust constants that go with it,
//! [`cargo::build`] the core module and [`component::componentize`] the component. [`build()`] does all of it, and
//! [`scaffold::init`] makes a new crate to start from. [`interpreter`] makes modules in which Cedar itself runs.
//!
//! Guests in other languages need [`component::componentize`] only.

pub mod cargo;
pub mod component;
pub mod interpreter;
pub mod manifest;
pub mod reads;
pub mod scaffold;
pub mod spec;
pub mod table;

mod terms;

use exportgate_contract::manifest::ContractVersion;

/// The version of the contract that the guests made here are made for: they read no fact and no directory of a later one.
pub(crate) const CONTRACT_VERSION: ContractVersion = ContractVersion { major: 1, minor: 0 };

pub mod build;

pub use build::{BuildError, Built, build, build_core};
