//! Code that needs a kernel thread: for a while, or for itself alone.

use std::io;

use tarae_sched::Scheduler;

use crate::runtime::driver::Driver;

/// Calls `f`, which may block or compute for long, and lets other coroutines go on meanwhile.
///
/// The worker that runs the calling coroutine goes to another kernel thread, at once if other coroutines wait for it, else
/// as soon as they do. `f` runs here and now, on the same stack, so it may borrow, and need not be `Send`. Afterwards the
/// coroutine comes back to a worker.
///
/// Nothing depends on it: a coroutine that blocks without saying so is found by the runtime's monitor, and costs the
/// others a few milliseconds. With `blocking` it costs them some microseconds. When nobody waits, it costs next to nothing.
///
/// Inside another `blocking`, on a plain kernel thread, and when the runtime may have no more threads
/// ([`spare_threads_max`](crate::Builder::spare_threads_max)), it just calls `f`.
///
/// # Parks
///
/// After `f`, if the worker went to another thread, until a worker is free.
///
/// # Cancellation
///
/// `f` goes on, and what it returns is returned; the next wait unwinds.
///
/// # Panics
///
/// With the payload of `f`, if it panics.
///
/// # Examples
///
/// ```
/// tarae::run(|| {
///     let mut line = String::new();
///     let read = tarae::blocking(|| std::io::stdin().read_line(&mut line)); // others go on meanwhile
///     assert!(read.is_ok());
/// });
/// ```
pub fn blocking<R>(f: impl FnOnce() -> R) -> R {
    Scheduler::<Driver>::blocking(f)
}

/// Keeps a coroutine on its kernel thread, and others off that thread, until it is dropped; made by [`lock_thread`].
///
/// Leaking it is allowed: the coroutine stays locked until it ends, and then its kernel thread ends too.
#[derive(Debug)]
#[must_use = "the coroutine is locked to its thread until this is dropped"]
pub struct ThreadLock {
    _lock: tarae_task::ThreadLock,
}

/// Locks the calling coroutine to its kernel thread, for code that depends on what belongs to kernel threads: affinity,
/// scheduling class, namespaces, signal mask, or a C library that asks for the thread's number.
///
/// Until the [`ThreadLock`] is dropped the coroutine runs on this kernel thread only, and nobody else does. It may wait as
/// before, and then its thread waits with it; so each wake costs a switch of threads. The worker goes to another thread. Locks
/// may be nested; the last one counts. On a plain kernel thread there is nothing to do.
///
/// Whatever was changed about the thread should be changed back before the lock is dropped, as the thread will run others
/// then. A coroutine that ends with its lock leaked takes its kernel thread with it. (The source: `runtime.LockOSThread` of
/// Go.)
///
/// # Parks
///
/// Dropping the lock: until a worker is free.
///
/// # Errors
///
/// `QuotaExceeded` if the runtime may have no more threads
/// ([`spare_threads_max`](crate::Builder::spare_threads_max)). The coroutine is not locked then.
///
/// # Examples
///
/// ```
/// tarae::run(|| {
///     let lock = tarae::lock_thread()?;
///     // Everything in here runs on one and the same kernel thread, also after a wait.
///     tarae::sleep(std::time::Duration::from_millis(1));
///     drop(lock);
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
pub fn lock_thread() -> io::Result<ThreadLock> {
    Scheduler::<Driver>::lock_thread().map(|lock| ThreadLock { _lock: lock })
}
