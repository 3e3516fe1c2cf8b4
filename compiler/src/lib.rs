//! Compiles Cedar export policies to sandboxed WebAssembly components.
