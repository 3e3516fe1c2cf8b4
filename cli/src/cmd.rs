//! The commands, one a file: they read, call the libraries, and print. No policy logic.

pub mod approvals;
pub mod ask;
pub mod audit;
pub mod build;
pub mod check;
pub mod conformance;
pub mod evaluate;
pub mod exposure;
pub mod init;
pub mod inspect;
pub mod ledger;
pub mod release;
pub mod replay;
pub mod reviews;
pub mod revoke;
pub mod test;
pub mod trace;
