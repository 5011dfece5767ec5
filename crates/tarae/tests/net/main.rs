//! `tarae::net` over loopback: what std's sockets do is the specification, and where a test can, it asks them.
//!
//! Peers are std's sockets in plain threads, or tarae's in coroutines. Every test is bounded by a deadline.

#[path = "../support/mod.rs"]
mod support;

mod connect;
mod leaks;
mod listener;
mod options;
mod peers;
mod runtimes;
mod timeouts;
mod transfer;
