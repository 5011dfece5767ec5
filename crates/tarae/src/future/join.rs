//! Awaiting a coroutine.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tarae_task::Joining;

use crate::thread::Result;

/// A future of what a coroutine returns; dropping it detaches the coroutine.
///
/// Made by awaiting a [`JoinHandle`](crate::thread::JoinHandle), or by its `into_future`. It may be polled on any thread, with
/// another waker each time; the one of the last poll is woken.
///
/// Ready as soon as there is a result; the coroutine itself ends some instructions later.
///
/// # Errors
///
/// As [`JoinHandle::join`](crate::thread::JoinHandle::join).
///
/// # Panics
///
/// If it is polled after it was ready.
///
/// # Examples
///
/// ```
/// use tarae::future::{Join, block_on};
///
/// let sum: Join<i32> = tarae::spawn(|| 1 + 2).into_future();
/// assert_eq!(block_on(sum).unwrap(), 3);
/// ```
#[must_use = "futures do nothing unless polled"]
pub struct Join<T> {
    joining: Joining<T>,
}

impl<T> Join<T> {
    pub(crate) fn new(joining: Joining<T>) -> Join<T> {
        Join { joining }
    }

    /// Cancels the coroutine, as [`JoinHandle::cancel`](crate::thread::JoinHandle::cancel).
    ///
    /// # Examples
    ///
    /// ```
    /// let sleeper = tarae::spawn(|| tarae::sleep(std::time::Duration::MAX)).into_future();
    /// sleeper.cancel();
    /// assert!(tarae::is_cancelled(&*tarae::future::block_on(sleeper).unwrap_err()));
    /// ```
    pub fn cancel(&self) {
        self.joining.coroutine().cancel();
    }

    /// Whether the coroutine has ended.
    ///
    /// As [`JoinHandle::is_finished`](crate::thread::JoinHandle::is_finished).
    ///
    /// # Examples
    ///
    /// ```
    /// let sleeper = tarae::spawn(|| tarae::sleep(std::time::Duration::MAX)).into_future();
    /// assert!(!sleeper.is_finished());
    /// ```
    pub fn is_finished(&self) -> bool {
        self.joining.coroutine().is_done()
    }
}

impl<T> Future for Join<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        Pin::new(&mut self.joining).poll(cx)
    }
}

impl<T> fmt::Debug for Join<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Join").finish_non_exhaustive()
    }
}
