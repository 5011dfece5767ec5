//! Locks and their kin with the face of `std::sync`.
//!
//! Names and signatures are std's, and so is what they do; who waits parks, if it is a coroutine, and blocks, if it is a
//! kernel thread. Both may wait for one thing at once, and are served in the order in which they came. A lock may be held
//! across a wait, as a coroutine is a thread: its guard does not leave it.
//!
//! What needs no waiting is std's own: [`Arc`], [`Weak`], [`atomic`], and the errors of poisoned locks, so that a program may
//! mix. [`Semaphore`] and [`WaitGroup`] have no model in std.
//!
//! ```
//! use tarae::sync::{Arc, Mutex, WaitGroup};
//!
//! let total = tarae::run(|| {
//!     let (total, group) = (Arc::new(Mutex::new(0)), WaitGroup::new());
//!     for number in 1..=10 {
//!         let (total, group) = (Arc::clone(&total), group.clone());
//!         tarae::spawn(move || {
//!             *total.lock().unwrap() += number;
//!             drop(group);
//!         });
//!     }
//!     group.wait();
//!     *total.lock().unwrap()
//! });
//! assert_eq!(total, 55);
//! ```
//!
//! # Cancellation
//!
//! Whoever waits here, and is cancelled or out of time, unwinds. What was granted to it meanwhile, a lock, a permit, a
//! notification, is passed on. What unwinds while it holds a lock poisons it, just as by a panic: what it was about to do is
//! half done. The initialiser of a [`Once`] or a [`LazyLock`] is shielded, as it is made for all and not for whoever comes first;
//! that of a [`OnceLock`] is not, and leaves the cell empty.
//!
//! # Differences from std
//!
//! - [`BarrierWaitResult`], [`OnceState`] and [`WaitTimeoutResult`] are types of their own, as std's cannot be made outside of
//!   std.
//! - Left out is what std has deprecated: `Condvar::wait_timeout_ms`, `ONCE_INIT`.
//! - A [`Condvar`] may be used with several mutexes at once, and never wakes without being notified.
//! - An initialiser that asks for what it is to make waits for itself, and does not panic.

pub mod mpsc;

pub use std::sync::{Arc, LockResult, PoisonError, TryLockError, TryLockResult, Weak, atomic};
pub use tarae_sync::{
    AcquireError, AcquireTimeoutError, Barrier, BarrierWaitResult, Condvar, LazyLock, Mutex, MutexGuard,
    Once, OnceLock, OnceState, OwnedSemaphorePermit, RwLock, RwLockReadGuard, RwLockWriteGuard, Semaphore,
    SemaphorePermit, TryAcquireError, WaitGroup, WaitTimeoutResult,
};
