//! `Runtime`: building, running, ending, and sharing work among its workers. Every test is bounded by a deadline.

#[path = "../support/mod.rs"]
mod support;

mod build;
mod idle;
mod interrupted;
mod run;
mod shutdown;
mod shutdown_late;
mod silent;
mod stealing;
