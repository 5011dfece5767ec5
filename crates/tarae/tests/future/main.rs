//! `tarae::future`: futures called by coroutines and kernel threads, and coroutines awaited by futures.

#[path = "../support/mod.rs"]
mod support;

mod block_on;
mod foreign;
mod join;
mod polled;
mod sleep;
mod storm;
mod wakers;
