//! Locks and their kin with the face of `std::sync`: who waits for them parks.
//!
//! Coroutines and kernel threads wait mixed, first come, first served, in one kind of line.
//!
//! | file | what it is for |
//! |---|---|
//! | `queue` | the line: who waits, what was granted; model-checked |
//! | `wait` | the wait of one who stands in line |
//! | `lock_word` | the lock under mutex and read-write lock; model-checked |
//! | `raw_lock` | its wait: how often one looks, how patient one is |
//! | `permits` | the count under the semaphore; model-checked |
//! | `poison` | the mark of a holder that unwound |
//! | the others | a type each |
//!
//! Unsafe code is where a guard gives access to what its lock guards, in `mutex` and `rwlock`, and nowhere else.

#![deny(unsafe_code)]

mod barrier;
mod condvar;
mod lazy_lock;
mod lock_word;
mod mutex;
mod once;
mod once_lock;
mod permit;
mod permits;
mod poison;
mod queue;
mod raw_lock;
mod rwlock;
mod semaphore;
mod wait;
mod wait_group;

#[cfg(test)]
mod models;

/// The atomics and locks of the protocols; the crate of loom models puts its own in this place.
mod sync {
    pub(crate) use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
    pub(crate) use std::sync::{Mutex, MutexGuard};

    /// A constructor that is constant where those of the atomics are.
    macro_rules! const_fn {
        ($visibility:vis fn $($rest:tt)*) => { $visibility const fn $($rest)* };
    }
    pub(crate) use const_fn;
}

pub use barrier::{Barrier, BarrierWaitResult};
pub use condvar::{Condvar, WaitTimeoutResult};
pub use lazy_lock::LazyLock;
pub use mutex::{Mutex, MutexGuard};
pub use once::{Once, OnceState};
pub use once_lock::OnceLock;
pub use permit::{OwnedSemaphorePermit, SemaphorePermit};
pub use rwlock::{RwLock, RwLockReadGuard, RwLockWriteGuard};
pub use semaphore::{AcquireError, AcquireTimeoutError, Semaphore, TryAcquireError};
pub use wait_group::WaitGroup;
