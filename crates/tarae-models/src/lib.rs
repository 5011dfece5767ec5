//! The atomic protocols of tarae, each compiled against loom and run through every interleaving.
//!
//! A protocol file imports its atomics and locks from `crate::sync` and from nowhere else. This crate includes the same
//! files by path, with a `sync` of its own that is loom's: what is checked is the code that ships, and the
//! code that ships has no configuration for being checked.
//!
//! | model | protocol | what must not happen |
//! |---|---|---|
//! | [`state`] | `tarae-task/src/state.rs` | a lost wake, two `Runnable`s, a result dropped twice or never |
//! | [`idle`] | `tarae-sched/src/idle.rs` | work queued while everybody sleeps, a post of lookout left empty |
//! | [`stock`] | `tarae-context/src/stock.rs` | a shortage that nobody mends |
//! | [`notify`] | `tarae-reactor/src/notify.rs` | a poll that sleeps through a notification |
//! | [`side`] | `tarae-reactor/src/side.rs` | an event between a try and the wait for it that is lost |
//!
//! A model that sleeps where it should have been woken never ends; loom says *deadlock*, or, if it spins, that it *exceeded
//! the maximum number of branches*: read both as a lost wake. `LOOM_LOG=trace LOOM_LOCATION=1` print the interleaving.
//!
//! The models stand for memory that a protocol guards by loom's cells, which give raw pointers; nothing else here is
//! unsafe, and nothing outside of the tests.

#![cfg_attr(not(test), forbid(unsafe_code))]

mod idle;
mod notify;
mod side;
mod state;
mod stock;

/// What the protocol files find in the place of std's.
mod sync {
    pub(crate) use loom::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};
    pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};
}
