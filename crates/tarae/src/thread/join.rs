//! The right to join a coroutine.

use std::fmt;
use std::sync::OnceLock;

use super::{Result, Thread};

/// Owns the right to join a coroutine; dropping it detaches the coroutine.
///
/// As [`std::thread::JoinHandle`].
pub struct JoinHandle<T> {
    handle: tarae_task::JoinHandle<T>,
    /// Made on demand: most handles are joined without it.
    thread: OnceLock<Thread>,
}

impl<T> JoinHandle<T> {
    pub(crate) fn new(handle: tarae_task::JoinHandle<T>) -> JoinHandle<T> {
        JoinHandle { handle, thread: OnceLock::new() }
    }

    pub(crate) fn into_inner(self) -> tarae_task::JoinHandle<T> {
        self.handle
    }

    /// Returns a handle to the coroutine.
    pub fn thread(&self) -> &Thread {
        self.thread.get_or_init(|| Thread::of_coroutine(self.handle.coroutine().clone()))
    }

    /// Waits until the coroutine has ended, and returns what it returned.
    ///
    /// # Parks
    ///
    /// Until it has ended.
    ///
    /// # Cancellation
    ///
    /// Unwinds when the caller's runtime shuts down; the coroutine is then detached.
    ///
    /// # Errors
    ///
    /// The payload of the panic that ended it. [`is_cancelled`](crate::is_cancelled) recognises the one of a
    /// shutdown.
    pub fn join(self) -> Result<T> {
        self.handle.join()
    }

    /// Whether the coroutine has ended, so that a join would not wait.
    pub fn is_finished(&self) -> bool {
        self.handle.coroutine().is_done()
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").finish_non_exhaustive()
    }
}
