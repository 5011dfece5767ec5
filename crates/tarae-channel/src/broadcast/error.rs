//! What can come of a broadcast but a message.

use std::error::Error;
use std::fmt;

/// [`send`](super::Sender::send): there is no receiver. Has the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendError<T>(pub T);

/// [`recv`](super::Receiver::recv): no message was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecvError {
    /// All messages were received, and the senders are gone.
    Closed,
    /// This many messages were overwritten before they were received. The next call gets the oldest that is left.
    Lagged(u64),
}

/// [`try_recv`](super::Receiver::try_recv): no message was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryRecvError {
    /// All messages so far were received.
    Empty,
    /// All messages were received, and the senders are gone.
    Closed,
    /// This many messages were overwritten before they were received. The next call gets the oldest that is left.
    Lagged(u64),
}

/// [`recv_timeout`](super::Receiver::recv_timeout): no message was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecvTimeoutError {
    /// None came in time.
    Timeout,
    /// All messages were received, and the senders are gone.
    Closed,
    /// This many messages were overwritten before they were received. The next call gets the oldest that is left.
    Lagged(u64),
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("channel closed")
    }
}

impl<T: fmt::Debug> Error for SendError<T> {}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecvError::Closed => f.pad("channel closed"),
            RecvError::Lagged(missed) => write!(f, "channel lagged by {missed}"),
        }
    }
}

impl Error for RecvError {}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TryRecvError::Empty => f.pad("channel empty"),
            TryRecvError::Closed => f.pad("channel closed"),
            TryRecvError::Lagged(missed) => write!(f, "channel lagged by {missed}"),
        }
    }
}

impl Error for TryRecvError {}

impl fmt::Display for RecvTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecvTimeoutError::Timeout => f.pad("timed out waiting for a message"),
            RecvTimeoutError::Closed => f.pad("channel closed"),
            RecvTimeoutError::Lagged(missed) => write!(f, "channel lagged by {missed}"),
        }
    }
}

impl Error for RecvTimeoutError {}
