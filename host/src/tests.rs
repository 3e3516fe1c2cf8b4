//! Tests of the core against guests written as WebAssembly text: loading, sandbox, frames. No compiler is needed for them.

mod compile_cache;
// The tests beside the library make components in the same way.
#[path = "../tests/support/component.rs"]
mod component;
mod frames;
mod guest;
mod load;
mod manifests;
mod sandbox;
