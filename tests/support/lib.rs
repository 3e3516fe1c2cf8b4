//! What the tests share: case files, the oracle (cedar-policy), and the engines that are compared with it.

pub mod bless;
pub mod case;
pub mod cedar;
pub mod compiled;
pub mod component;
pub mod differential;
pub mod engine;
pub mod fuzz;
pub mod generate;
pub mod guests;
pub mod hostile;
pub mod interpret;
pub mod interpreter_guest;
pub mod replay;
