//! Threads that were left behind: their seat was taken away, or given up, while their coroutine went on.

#[path = "../common/mod.rs"]
mod common;

mod carrier;

mod given_up;
mod goes_on;
mod storm;
mod taken;
mod unwinds;
