//! Coroutines locked to their kernel thread.

#[path = "../common/mod.rs"]
mod common;

mod place;

mod ends;
mod stays;
mod storm;
mod wakes;
