//! Every test that runs policies: one binary, so that Wasmtime and Cedar are linked once.

mod allocations;
mod approve;
mod conformance;
mod cost;
mod determinism;
mod exports;
mod fuzz;
mod generated;
mod guests;
mod hostile;
mod job_texts;
mod prepared_agents;
mod replay;
mod rows;
mod scoped;
