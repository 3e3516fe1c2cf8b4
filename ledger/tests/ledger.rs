//! One suite of tests for every store.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic: that is how it fails"
)]
#![cfg_attr(
    feature = "postgres",
    expect(clippy::expect_used, reason = "only the server of the PostgreSQL tests is expected to be there")
)]

#[path = "suite/calls.rs"]
mod calls;
#[path = "suite/model.rs"]
mod model;
#[path = "suite/refusals.rs"]
mod refusals;
#[cfg(feature = "postgres")]
#[path = "support/server.rs"]
#[expect(dead_code, reason = "other tests kill servers and make databases")]
mod server;
#[path = "suite/stores.rs"]
mod stores;
