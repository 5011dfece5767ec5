//! `tarae::thread`: what `std::thread` does is the specification, and where a test can, it asks it.

#[path = "../support/mod.rs"]
mod support;

mod fairness;
mod handles;
mod join;
mod many;
mod park;
mod sleep;
mod traits;
