//! One suite of tests for every store.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic: that is how it fails"
)]

#[path = "suite/calls.rs"]
mod calls;
#[path = "suite/model.rs"]
mod model;
#[cfg(feature = "postgres")]
#[path = "support/server.rs"]
#[expect(dead_code, reason = "other tests kill servers")]
mod server;
#[path = "suite/stores.rs"]
mod stores;
