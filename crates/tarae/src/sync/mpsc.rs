//! Channels with the names, signatures and behaviour of [`std::sync::mpsc`], on those of [`channel`](crate::channel).
//!
//! The error types are std's own, so `?` and `match` go on as they did. What std does not have stable yet is in
//! [`channel`](crate::channel): more than one receiver, `select!`, a timeout for `send`.

use std::cell::Cell;
use std::fmt;
use std::iter::FusedIterator;
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::Duration;

pub use std::sync::mpsc::{RecvError, RecvTimeoutError, SendError, TryRecvError, TrySendError};

/// Makes a channel that holds as many messages as memory allows: sending never waits. As [`std::sync::mpsc::channel`].
///
/// # Examples
///
/// ```
/// use tarae::sync::mpsc;
///
/// let (sender, receiver) = mpsc::channel();
/// for id in 0..3 {
///     let sender = sender.clone();
///     tarae::spawn(move || sender.send(id).unwrap());
/// }
/// drop(sender);
/// assert_eq!(receiver.iter().sum::<i32>(), 3);
/// ```
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = tarae_channel::unbounded();
    (Sender { inner: sender }, Receiver::new(receiver))
}

/// Makes a channel that holds `bound` messages; with zero, sender and receiver meet. As [`std::sync::mpsc::sync_channel`].
///
/// # Examples
///
/// ```
/// use tarae::sync::mpsc;
///
/// let (sender, receiver) = mpsc::sync_channel(0);
/// tarae::spawn(move || sender.send("hello").unwrap()); // waits for the next line
/// assert_eq!(receiver.recv(), Ok("hello"));
/// ```
pub fn sync_channel<T>(bound: usize) -> (SyncSender<T>, Receiver<T>) {
    let (sender, receiver) = tarae_channel::bounded(bound);
    (SyncSender { inner: sender }, Receiver::new(receiver))
}

/// The sending end of [`channel`]. As [`std::sync::mpsc::Sender`].
pub struct Sender<T> {
    inner: tarae_channel::Sender<T>,
}

impl<T> Sender<T> {
    /// Sends a message. Never waits. As [`std::sync::mpsc::Sender::send`].
    ///
    /// # Errors
    ///
    /// Gives the message back if the receiver is gone.
    ///
    /// # Examples
    ///
    /// ```
    /// use tarae::sync::mpsc::{SendError, channel};
    ///
    /// let (sender, receiver) = channel();
    /// assert_eq!(sender.send(1), Ok(()));
    /// drop(receiver);
    /// assert_eq!(sender.send(2), Err(SendError(2)));
    /// ```
    pub fn send(&self, t: T) -> Result<(), SendError<T>> {
        self.inner.send(t).map_err(|error| SendError(error.into_inner()))
    }
}

/// The sending end of [`sync_channel`]. As [`std::sync::mpsc::SyncSender`].
pub struct SyncSender<T> {
    inner: tarae_channel::Sender<T>,
}

impl<T> SyncSender<T> {
    /// Sends a message, once there is room, or with a bound of zero a receiver. As [`std::sync::mpsc::SyncSender::send`].
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
    /// Gives the message back if the receiver is gone.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = tarae::sync::mpsc::sync_channel(1);
    /// tarae::spawn(move || (1..=3).for_each(|n| sender.send(n).unwrap())); // waits while there is one already
    /// assert_eq!(receiver.iter().collect::<Vec<_>>(), [1, 2, 3]);
    /// ```
    pub fn send(&self, t: T) -> Result<(), SendError<T>> {
        self.inner.send(t).map_err(|error| SendError(error.into_inner()))
    }

    /// Sends a message if that is possible at once. As [`std::sync::mpsc::SyncSender::try_send`].
    ///
    /// # Errors
    ///
    /// Gives the message back if there is no room, or with a bound of zero nobody who waits for it, or if the receiver is gone.
    ///
    /// # Examples
    ///
    /// ```
    /// use tarae::sync::mpsc::{TrySendError, sync_channel};
    ///
    /// let (sender, _receiver) = sync_channel(1);
    /// assert_eq!(sender.try_send(1), Ok(()));
    /// assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
    /// ```
    pub fn try_send(&self, t: T) -> Result<(), TrySendError<T>> {
        self.inner.try_send(t).map_err(|error| match error {
            tarae_channel::TrySendError::Full(message) => TrySendError::Full(message),
            tarae_channel::TrySendError::Disconnected(message) => TrySendError::Disconnected(message),
        })
    }
}

/// The receiving end of both. As [`std::sync::mpsc::Receiver`].
pub struct Receiver<T> {
    inner: tarae_channel::Receiver<T>,
    /// As std's, it is not `Sync`.
    not_sync: PhantomData<Cell<()>>,
}

impl<T> Receiver<T> {
    fn new(inner: tarae_channel::Receiver<T>) -> Receiver<T> {
        Receiver { inner, not_sync: PhantomData }
    }

    /// Receives a message if there is one. As [`std::sync::mpsc::Receiver::try_recv`].
    ///
    /// # Errors
    ///
    /// If there is none.
    ///
    /// # Examples
    ///
    /// ```
    /// use tarae::sync::mpsc::{TryRecvError, channel};
    ///
    /// let (sender, receiver) = channel::<i32>();
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    /// drop(sender);
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    /// ```
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        self.inner.try_recv().map_err(|error| match error {
            tarae_channel::TryRecvError::Empty => TryRecvError::Empty,
            tarae_channel::TryRecvError::Disconnected => TryRecvError::Disconnected,
        })
    }

    /// Receives a message. As [`std::sync::mpsc::Receiver::recv`].
    ///
    /// # Parks
    ///
    /// Until there is one.
    ///
    /// # Cancellation
    ///
    /// Unwinds. A message that came at that moment stays in the channel, before all others.
    ///
    /// # Errors
    ///
    /// If there is no message, and all senders are gone.
    ///
    /// # Examples
    ///
    /// ```
    /// use tarae::sync::mpsc::{RecvError, channel};
    ///
    /// let (sender, receiver) = channel();
    /// tarae::spawn(move || sender.send(1).unwrap());
    /// assert_eq!(receiver.recv(), Ok(1));
    /// assert_eq!(receiver.recv(), Err(RecvError)); // its sender is gone
    /// ```
    pub fn recv(&self) -> Result<T, RecvError> {
        self.inner.recv().map_err(|_| RecvError)
    }

    /// Receives a message, within `timeout`. As [`std::sync::mpsc::Receiver::recv_timeout`].
    ///
    /// # Parks
    ///
    /// Until there is one, or that time has passed.
    ///
    /// # Cancellation
    ///
    /// As [`recv`](Self::recv).
    ///
    /// # Errors
    ///
    /// If the time has passed, or there is no message and all senders are gone.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use tarae::sync::mpsc::{RecvTimeoutError, channel};
    ///
    /// let (_sender, receiver) = channel::<i32>();
    /// assert_eq!(receiver.recv_timeout(Duration::from_millis(5)), Err(RecvTimeoutError::Timeout));
    /// ```
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        self.inner.recv_timeout(timeout).map_err(|error| match error {
            tarae_channel::RecvTimeoutError::Timeout => RecvTimeoutError::Timeout,
            tarae_channel::RecvTimeoutError::Disconnected => RecvTimeoutError::Disconnected,
        })
    }

    /// Returns an iterator that receives, and ends when all senders are gone. As [`std::sync::mpsc::Receiver::iter`].
    ///
    /// # Parks
    ///
    /// In `next`, as [`recv`](Self::recv).
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = tarae::sync::mpsc::channel();
    /// tarae::spawn(move || (1..=3).for_each(|n| sender.send(n).unwrap()));
    /// assert_eq!(receiver.iter().sum::<i32>(), 6);
    /// ```
    pub fn iter(&self) -> Iter<'_, T> {
        Iter { rx: self }
    }

    /// Returns an iterator over the messages that are there already. As [`std::sync::mpsc::Receiver::try_iter`].
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = tarae::sync::mpsc::channel();
    /// (1..=3).for_each(|n| sender.send(n).unwrap());
    /// assert_eq!(receiver.try_iter().sum::<i32>(), 6); // and does not wait for a fourth
    /// ```
    pub fn try_iter(&self) -> TryIter<'_, T> {
        TryIter { rx: self }
    }
}

/// Receives until all senders are gone; of [`Receiver::iter`].
///
/// As [`std::sync::mpsc::Iter`].
#[derive(Debug)]
pub struct Iter<'a, T> {
    rx: &'a Receiver<T>,
}

/// Receives what is there; of [`Receiver::try_iter`].
///
/// As [`std::sync::mpsc::TryIter`].
#[derive(Debug)]
pub struct TryIter<'a, T> {
    rx: &'a Receiver<T>,
}

/// Receives until all senders are gone, and owns the receiver.
///
/// As [`std::sync::mpsc::IntoIter`].
#[derive(Debug)]
pub struct IntoIter<T> {
    rx: Receiver<T>,
}

impl<T> Iterator for Iter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.rx.recv().ok()
    }
}

impl<T> FusedIterator for Iter<'_, T> {}

impl<T> Iterator for TryIter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.rx.try_recv().ok()
    }
}

impl<T> Iterator for IntoIter<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.rx.recv().ok()
    }
}

impl<T> FusedIterator for IntoIter<T> {}

impl<'a, T> IntoIterator for &'a Receiver<T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

impl<T> IntoIterator for Receiver<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;

    fn into_iter(self) -> IntoIter<T> {
        IntoIter { rx: self }
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Sender<T> {
        Sender { inner: self.inner.clone() }
    }
}

impl<T> Clone for SyncSender<T> {
    fn clone(&self) -> SyncSender<T> {
        SyncSender { inner: self.inner.clone() }
    }
}

impl<T> UnwindSafe for Sender<T> {}
impl<T> RefUnwindSafe for Sender<T> {}
impl<T> UnwindSafe for SyncSender<T> {}
impl<T> RefUnwindSafe for SyncSender<T> {}
impl<T> UnwindSafe for Receiver<T> {}
impl<T> RefUnwindSafe for Receiver<T> {}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for SyncSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncSender").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}
