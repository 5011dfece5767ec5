//! Locks and their kin with the face of `std::sync`.
//!
//! Names and signatures are std's, and so is what they do; who waits parks, if it is a coroutine, and blocks, if it is a
//! kernel thread. Both may wait for one thing at once.

pub use std::sync::{Arc, LockResult, PoisonError, TryLockError, TryLockResult, Weak, atomic};
pub use tarae_sync::{
    AcquireError, AcquireTimeoutError, Barrier, BarrierWaitResult, Condvar, LazyLock, Mutex, MutexGuard,
    Once, OnceLock, OnceState, OwnedSemaphorePermit, RwLock, RwLockReadGuard, RwLockWriteGuard, Semaphore,
    SemaphorePermit, TryAcquireError, WaitGroup, WaitTimeoutResult,
};
