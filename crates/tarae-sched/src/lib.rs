//! The scheduler of tarae: workers, queues, stealing, and the idle protocol.
//!
//! A *worker* is a place in the scheduler: a run queue, a next slot, a cache of contexts, a share of what can be waited
//! for. A *thread* is a kernel thread that drives a worker. Whatever a worker owns lies in its [`Core`](core::Core),
//! one value that a thread holds while it drives; nothing assumes that it stays with that thread.
//!
//! ```text
//!            ┌── next slot: the last one woken here, runs first, can be stolen
//!  worker ───┼── local queue: first in first out, half of it can be stolen
//!            ├── crowd: what does not fit into the queue
//!            ├── fresh: where many wait for a first run, newest first; thieves take the oldest
//!            └── what it waits on when there is nothing to do (trait Wait, above)
//!  shared ───── injector: from kernel threads and other runtimes
//! ```
//!
//! | room | what it is for |
//! |---|---|
//! | [`scheduler`] | spawning and scheduling: the entry from outside |
//! | [`worker`] | the loop: find work, run it, sleep |
//! | [`pace`] | how often a busy worker looks around |
//! | [`core`] | what a worker owns, and lends as its seat |
//! | [`queue`] | first in, first out, and can be stolen from |
//! | [`next_slot`] | the coroutine that runs next, and can be stolen: model-checked |
//! | [`backlog`] | who waits behind the queue, and for a first run beside it |
//! | [`budget`] | what a coroutine that never waits has used of its turn |
//! | [`idle`] | who may sleep and who must wake whom: one protocol, model-checked |
//! | [`monitor`] | looks after workers whose coroutine does not come back |
//! | [`handoff`] | a worker goes from one thread to another |
//! | [`threads`] | which thread drives which worker, and what the others do |
//! | [`wait`] | the trait that joins reactor and timers, implemented above |
//! | [`registry`] | the coroutines that have parked, for shutdown |
//! | [`counters`] | what has happened, counted without sharing |
//! | [`histogram`], [`clock`] | how long things took, by sample |
//! | [`metrics`] | all of it, for the user |
//! | [`report`] | telling about stalls |
//! | [`deadlock`] | nobody can run, and nobody is left who could wake anybody |
//! | [`dump`] | who waits for what, for people to read |
//! | [`shutdown`] | cancel, wait, leave |
//!
//! It knows coroutines by `tarae-task` and nothing of sockets or clocks' timers. The decisions: `docs/design/0003`.

#![forbid(unsafe_code)]

pub mod deadlock;
pub mod dump;
pub mod histogram;
pub mod metrics;
pub mod scheduler;
pub mod shutdown;
pub mod threads;
pub mod wait;

mod backlog;
mod budget;
mod clock;
mod core;
mod counters;
mod handoff;
mod idle;
mod monitor;
mod next_slot;
mod pace;
mod queue;
mod registry;
mod report;
mod worker;

/// The atomics and locks of the idle protocol; the crate of loom models puts its own in this place.
mod sync {
    pub(crate) use std::sync::atomic::{AtomicUsize, Ordering, fence};
    pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};

    pub(crate) use crossbeam_utils::atomic::AtomicCell;
}

pub use deadlock::Deadlock;
pub use dump::Dump;
pub use histogram::Histogram;
pub use metrics::{CoroutineCounts, Metrics, SlotCounts};
pub use scheduler::{Config, Scheduler};
pub use shutdown::LeftBehind;
pub use threads::ThreadCounts;
pub use wait::Wait;
