//! The commands, one a file: they read, call the libraries, and print. No policy logic.

pub mod build;
pub mod check;
pub mod conformance;
pub mod evaluate;
pub mod init;
pub mod inspect;
pub mod replay;
pub mod test;
