//! The right to join a coroutine.

use std::fmt;
use std::sync::OnceLock;

use super::{Result, Thread};
use crate::future::Join;
use crate::runtime::is_cancelled;

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
    /// Unwinds; the coroutine is then detached. Also where both were cancelled, as they are when the runtime shuts down, and the
    /// coroutine was first.
    ///
    /// # Errors
    ///
    /// The payload of the panic that ended it. [`is_cancelled`](crate::is_cancelled) recognises the one of a
    /// cancellation.
    pub fn join(self) -> Result<T> {
        let ended = self.handle.join();
        heed(&ended);
        ended
    }

    /// Cancels the coroutine: the wait that it is in, or its next one, is interrupted. Returns at once.
    ///
    /// A wait that returns an [`io::Result`](std::io::Result) returns an error, once; any other, and any after that, unwinds:
    /// destructors run, and may wait. A coroutine that has not started does not start. One that never waits goes on.
    ///
    /// # Examples
    ///
    /// ```
    /// let sleeper = tarae::spawn(|| tarae::sleep(std::time::Duration::MAX));
    /// sleeper.cancel();
    /// assert!(tarae::is_cancelled(&*sleeper.join().unwrap_err()));
    /// ```
    pub fn cancel(&self) {
        self.handle.coroutine().cancel();
    }

    /// Whether the coroutine has ended, so that a join would not wait.
    pub fn is_finished(&self) -> bool {
        self.handle.coroutine().is_done()
    }
}

/// Unwinds if somebody's end was a cancellation, and the caller is interrupted as well: its wait was as good as interrupted, and
/// a program that unwraps what it joins does not panic for it.
pub(crate) fn heed<T>(ended: &Result<T>) {
    if ended.as_ref().is_err_and(|payload| is_cancelled(&**payload)) {
        tarae_task::heed();
    }
}

/// A handle is awaited as it is joined.
///
/// # Examples
///
/// ```
/// let answer = tarae::future::block_on(async {
///     let handle = tarae::spawn(|| 6 * 7);
///     handle.await.unwrap()
/// });
/// assert_eq!(answer, 42);
/// ```
impl<T> IntoFuture for JoinHandle<T> {
    type Output = Result<T>;
    type IntoFuture = Join<T>;

    fn into_future(self) -> Join<T> {
        Join::new(self.handle.into_future())
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").finish_non_exhaustive()
    }
}
