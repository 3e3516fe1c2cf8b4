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

pub mod build;

pub use build::{BuildError, Built, build, build_core};
