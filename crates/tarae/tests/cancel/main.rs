//! Scopes, cancellation and timeouts: who is ended by what, that nobody is left on a frame that is gone, and that nothing is
//! left behind.

#![forbid(unsafe_code)]

#[path = "../support/mod.rs"]
mod support;

mod lives;
mod stage;
mod waits;

mod deadlines;
mod destructors;
mod frames;
mod join_set;
mod kernel_threads;
mod nesting;
mod points;
mod scope_points;
mod scopes;
mod sockets;
mod steps;
mod tokens;
mod try_scopes;
