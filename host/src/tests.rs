//! Tests of the core against guests written as WebAssembly text: loading, sandbox, frames. No compiler is needed for them.

mod frames;
mod guest;
mod load;
mod manifests;
mod sandbox;
