//! What the benches measure: each group of engines is made once, for the table (`src/main.rs`) and for criterion
//! (`speed.rs`) alike, and doesn't come into being unless all its engines answer alike.

pub mod chart;
pub mod compare;
pub mod counted;
pub mod curves;
pub mod desk;
pub mod document;
pub mod export;
pub mod floor;
pub mod interpreted;
pub mod latency;
pub mod limits;
pub mod load;
pub mod memory;
pub mod native;
pub mod peers;
pub mod question;
pub mod reference;
pub mod rows;
pub mod stages;
pub mod synthetic;
pub mod table;
