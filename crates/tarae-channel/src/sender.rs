//! The sending end.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tarae_task::wait::Limit;

use crate::channel::Channel;
use crate::core::Sent;
use crate::error::{SendError, SendTimeoutError, TrySendError};

/// The sending end of a channel; clones send to the same.
///
/// When the last one is dropped, receivers get what is left, and then an error.
///
/// # Examples
///
/// ```
/// let (sender, receiver) = tarae_channel::unbounded();
/// let second = sender.clone();
/// std::thread::spawn(move || sender.send(1));
/// std::thread::spawn(move || second.send(2));
/// assert_eq!(receiver.recv().unwrap() + receiver.recv().unwrap(), 3);
/// assert!(receiver.recv().is_err()); // both are gone
/// ```
pub struct Sender<T> {
    pub(crate) channel: Arc<Channel<T>>,
}

impl<T> UnwindSafe for Sender<T> {}
impl<T> RefUnwindSafe for Sender<T> {}

impl<T> Sender<T> {
    /// Sends a message, once there is room, or with capacity zero a receiver.
    ///
    /// # Parks
    ///
    /// Until then.
    ///
    /// # Cancellation
    ///
    /// Unwinds, and drops the message, unless it was sent already.
    ///
    /// # Errors
    ///
    /// Gives the message back if all receivers are gone.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = tarae_channel::bounded(1);
    /// assert_eq!(sender.send(1), Ok(()));
    /// drop(receiver);
    /// assert_eq!(sender.send(2).unwrap_err().into_inner(), 2);
    /// ```
    #[inline]
    pub fn send(&self, msg: T) -> Result<(), SendError<T>> {
        let mut message = Some(msg);
        match self.channel.send(&mut message, Limit::Until(None)) {
            Sent::Done => Ok(()),
            Sent::Full | Sent::Closed => Err(SendError(left(&mut message))),
        }
    }

    /// Sends a message if that is possible at once.
    ///
    /// # Errors
    ///
    /// Gives the message back if there is no room, or with capacity zero nobody who waits for it, or if all receivers are gone.
    ///
    /// # Examples
    ///
    /// ```
    /// use tarae_channel::{TrySendError, bounded};
    ///
    /// let (sender, _receiver) = bounded(1);
    /// assert_eq!(sender.try_send(1), Ok(()));
    /// assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
    /// ```
    pub fn try_send(&self, msg: T) -> Result<(), TrySendError<T>> {
        let mut message = Some(msg);
        let error = match self.channel.try_send(&mut message) {
            Sent::Done => return Ok(()),
            Sent::Full => TrySendError::Full,
            Sent::Closed => TrySendError::Disconnected,
        };
        Err(error(left(&mut message)))
    }

    /// Sends a message, as [`send`](Self::send), within `timeout`.
    ///
    /// # Parks
    ///
    /// Until it is sent, or that time has passed.
    ///
    /// # Cancellation
    ///
    /// As [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// Gives the message back if the time has passed, or if all receivers are gone.
    pub fn send_timeout(&self, msg: T, timeout: Duration) -> Result<(), SendTimeoutError<T>> {
        self.send_limited(msg, Limit::Within(timeout))
    }

    /// Sends a message, as [`send`](Self::send), before `deadline`.
    ///
    /// # Parks
    ///
    /// Until it is sent, or then.
    ///
    /// # Cancellation
    ///
    /// As [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// As [`send_timeout`](Self::send_timeout).
    pub fn send_deadline(&self, msg: T, deadline: Instant) -> Result<(), SendTimeoutError<T>> {
        self.send_limited(msg, Limit::Until(Some(deadline)))
    }

    #[inline(always)]
    fn send_limited(&self, msg: T, limit: Limit) -> Result<(), SendTimeoutError<T>> {
        let mut message = Some(msg);
        let error = match self.channel.send(&mut message, limit) {
            Sent::Done => return Ok(()),
            Sent::Full => SendTimeoutError::Timeout,
            Sent::Closed => SendTimeoutError::Disconnected,
        };
        Err(error(left(&mut message)))
    }

    /// Whether there is no message in the channel; always, with capacity zero.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there is no room for a message; always, with capacity zero.
    pub fn is_full(&self) -> bool {
        self.channel.is_full()
    }

    /// Returns how many messages are in the channel.
    pub fn len(&self) -> usize {
        self.channel.len()
    }

    /// Returns how many messages the channel has room for, if that is bounded.
    pub fn capacity(&self) -> Option<usize> {
        self.channel.capacity()
    }

    /// Whether both send to the same channel.
    pub fn same_channel(&self, other: &Sender<T>) -> bool {
        Arc::ptr_eq(&self.channel, &other.channel)
    }
}

/// The message of a send that has failed.
#[cold]
fn left<T>(message: &mut Option<T>) -> T {
    message.take().expect("what is not sent is left")
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Sender<T> {
        self.channel.add_sender();
        Sender { channel: Arc::clone(&self.channel) }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.channel.remove_sender();
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Sender { .. }")
    }
}
