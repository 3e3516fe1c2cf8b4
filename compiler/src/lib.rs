//! Compiles Cedar export policies to sandboxed WebAssembly components.

pub mod ir;
