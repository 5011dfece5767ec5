//! The receiving end: of a channel, of a clock, or of nothing.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tarae_task::wait::{Limit, wait_limited};
use tarae_task::{Reason, wait_until};

use crate::channel::Channel;
use crate::clock::Clock;
use crate::error::{RecvError, RecvTimeoutError, TryRecvError};
use crate::iter::{IntoIter, Iter, TryIter};

/// The receiving end of a channel; each message goes to one of its clones.
///
/// When the last one is dropped, what is left in the channel is dropped, and senders get an error.
///
/// # Examples
///
/// ```
/// let (sender, receiver) = tarae_channel::unbounded();
/// std::thread::spawn(move || (0..3).for_each(|n| sender.send(n).unwrap()));
/// assert_eq!(receiver.iter().collect::<Vec<_>>(), [0, 1, 2]);
/// ```
pub struct Receiver<T> {
    pub(crate) flavor: Flavor<T>,
}

/// Where messages come from.
pub(crate) enum Flavor<T> {
    Channel(Arc<Channel<T>>),
    /// `T` is `Instant`, as the function shows.
    Clock(Arc<Clock>, fn(Instant) -> T),
    Never,
}

impl<T> UnwindSafe for Receiver<T> {}
impl<T> RefUnwindSafe for Receiver<T> {}

impl<T> Receiver<T> {
    /// Receives a message.
    ///
    /// # Parks
    ///
    /// Until there is one.
    ///
    /// # Cancellation
    ///
    /// Unwinds. A message that came, or was promised, at that moment stays in the channel, before all others.
    ///
    /// # Errors
    ///
    /// If there is no message, and all senders are gone.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = tarae_channel::bounded(1);
    /// sender.send(5).unwrap();
    /// drop(sender);
    /// assert_eq!(receiver.recv(), Ok(5));
    /// assert!(receiver.recv().is_err());
    /// ```
    #[inline]
    pub fn recv(&self) -> Result<T, RecvError> {
        self.receive(Limit::Until(None)).map_err(|_| RecvError)
    }

    /// Receives a message if there is one.
    ///
    /// # Parks
    ///
    /// While a [`select!`](crate::select!) that has chosen to send makes its message, which is the first in the channel.
    ///
    /// # Cancellation
    ///
    /// As [`recv`](Self::recv), where it parks.
    ///
    /// # Errors
    ///
    /// If there is none.
    ///
    /// # Examples
    ///
    /// ```
    /// use tarae_channel::{TryRecvError, unbounded};
    ///
    /// let (sender, receiver) = unbounded::<i32>();
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    /// drop(sender);
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    /// ```
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        match &self.flavor {
            Flavor::Channel(channel) => {
                let mut message = None;
                channel.try_recv(&mut message)?;
                Ok(taken(&mut message))
            }
            Flavor::Clock(clock, message) => {
                clock.take(Instant::now()).map(message).ok_or(TryRecvError::Empty)
            }
            Flavor::Never => Err(TryRecvError::Empty),
        }
    }

    /// Receives a message, within `timeout`.
    ///
    /// # Parks
    ///
    /// Until there is one, or that time has passed; and then while a [`select!`](crate::select!) that has chosen to send to it
    /// makes its message.
    ///
    /// # Cancellation
    ///
    /// As [`recv`](Self::recv).
    ///
    /// # Errors
    ///
    /// If the time has passed, or there is no message and all senders are gone.
    #[inline]
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        self.receive(Limit::Within(timeout))
    }

    /// Receives a message, before `deadline`; else as [`recv_timeout`](Self::recv_timeout).
    ///
    /// # Parks
    ///
    /// Until there is one, or then.
    ///
    /// # Cancellation
    ///
    /// As [`recv`](Self::recv).
    ///
    /// # Errors
    ///
    /// As [`recv_timeout`](Self::recv_timeout).
    pub fn recv_deadline(&self, deadline: Instant) -> Result<T, RecvTimeoutError> {
        self.receive(Limit::Until(Some(deadline)))
    }

    /// Whether there is no message in the channel; always, with capacity zero.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there is no room for another message; always, with capacity zero.
    pub fn is_full(&self) -> bool {
        match &self.flavor {
            Flavor::Channel(channel) => channel.is_full(),
            Flavor::Clock(clock, _) => clock.is_due(),
            Flavor::Never => true,
        }
    }

    /// Returns how many messages are in the channel.
    pub fn len(&self) -> usize {
        match &self.flavor {
            Flavor::Channel(channel) => channel.len(),
            Flavor::Clock(clock, _) => usize::from(clock.is_due()),
            Flavor::Never => 0,
        }
    }

    /// Returns how many messages the channel has room for, if that is bounded.
    pub fn capacity(&self) -> Option<usize> {
        match &self.flavor {
            Flavor::Channel(channel) => channel.capacity(),
            Flavor::Clock(..) => Some(1),
            Flavor::Never => Some(0),
        }
    }

    /// Returns an iterator that receives, and ends when all senders are gone.
    ///
    /// # Parks
    ///
    /// In `next`, as [`recv`](Self::recv).
    pub fn iter(&self) -> Iter<'_, T> {
        Iter { receiver: self }
    }

    /// Returns an iterator over the messages that are there already.
    pub fn try_iter(&self) -> TryIter<'_, T> {
        TryIter { receiver: self }
    }

    /// Whether both receive from the same channel.
    pub fn same_channel(&self, other: &Receiver<T>) -> bool {
        match (&self.flavor, &other.flavor) {
            (Flavor::Channel(one), Flavor::Channel(other)) => Arc::ptr_eq(one, other),
            (Flavor::Clock(one, _), Flavor::Clock(other, _)) => Arc::ptr_eq(one, other),
            (Flavor::Never, Flavor::Never) => true,
            _ => false,
        }
    }

    #[inline(always)]
    fn receive(&self, limit: Limit) -> Result<T, RecvTimeoutError> {
        match &self.flavor {
            Flavor::Channel(channel) => {
                let mut message = None;
                channel.recv(&mut message, limit)?;
                Ok(taken(&mut message))
            }
            Flavor::Clock(clock, message) => {
                wait_for(clock, limit).map(message).ok_or(RecvTimeoutError::Timeout)
            }
            Flavor::Never => {
                wait_limited(Reason::Receive, limit, |_| None::<()>);
                Err(RecvTimeoutError::Timeout)
            }
        }
    }
}

/// The message of a receive that has succeeded.
fn taken<T>(message: &mut Option<T>) -> T {
    message.take().expect("what is received is there")
}

fn wait_for(clock: &Clock, limit: Limit) -> Option<Instant> {
    let since = Instant::now();
    let deadline = match limit {
        Limit::Until(deadline) => deadline,
        // Further than a clock can tell is never.
        Limit::Within(time) => since.checked_add(time),
    };
    loop {
        // Another receiver may be first, so the next moment is asked for again.
        let next = clock.next();
        let until = [next, deadline].into_iter().flatten().min();
        let taken = wait_until(Reason::Receive, until, |_| clock.take(since));
        if taken.is_some() || deadline.is_some_and(|deadline| until == Some(deadline)) {
            return taken;
        }
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Receiver<T> {
        let flavor = match &self.flavor {
            Flavor::Channel(channel) => {
                channel.add_receiver();
                Flavor::Channel(Arc::clone(channel))
            }
            Flavor::Clock(clock, message) => Flavor::Clock(Arc::clone(clock), *message),
            Flavor::Never => Flavor::Never,
        };
        Receiver { flavor }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        if let Flavor::Channel(channel) = &self.flavor {
            channel.remove_receiver();
        }
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Receiver { .. }")
    }
}

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
        IntoIter { receiver: self }
    }
}
