//! One message, from one to one.
//!
//! | state         | the message belongs to | next                                                                 |
//! |---------------|------------------------|----------------------------------------------------------------------|
//! | `Open`        | the sender             | `send`: sent; the sender dropped: closed; the receiver dropped: closed |
//! | `Sent`        | the channel            | received: closed; the receiver dropped: closed, the message dropped  |
//! | `Closed`      | nobody, or whoever sends, who gets it back | final                                            |
//!
//! All under one lock, held for a move. A receiver that is interrupted has not received: the message is still there for the next
//! call, or is dropped with the receiver.
//!
//! # Examples
//!
//! ```
//! use tarae_channel::oneshot;
//!
//! let (sender, receiver) = oneshot::channel();
//! std::thread::spawn(move || sender.send(42).unwrap());
//! assert_eq!(receiver.recv(), Ok(42));
//! ```

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;
use std::time::{Duration, Instant};

use tarae_task::{Reason, wait_until};

use crate::error::{RecvError, RecvTimeoutError, TryRecvError};

/// Makes a channel for one message.
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared { inner: Mutex::new(Inner { state: State::Open, waker: None }) });
    (Sender { shared: Arc::clone(&shared) }, Receiver { shared })
}

/// The end that sends, once.
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

/// The end that receives, once.
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    inner: Mutex<Inner<T>>,
}

struct Inner<T> {
    state: State<T>,
    /// Of a receiver that waits.
    waker: Option<Waker>,
}

enum State<T> {
    Open,
    Sent(T),
    Closed,
}

impl<T> Shared<T> {
    /// Nothing under this lock panics, so poison carries no meaning.
    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl<T> Sender<T> {
    /// Sends the message. Never waits.
    ///
    /// # Errors
    ///
    /// Gives the message back if the receiver is gone.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = tarae_channel::oneshot::channel();
    /// drop(receiver);
    /// assert!(sender.is_closed());
    /// assert_eq!(sender.send("hello"), Err("hello"));
    /// ```
    pub fn send(self, message: T) -> Result<(), T> {
        let waker = {
            let mut inner = self.shared.lock();
            if matches!(inner.state, State::Closed) {
                return Err(message);
            }
            inner.state = State::Sent(message);
            inner.waker.take()
        };
        waker.into_iter().for_each(Waker::wake);
        Ok(())
    }

    /// Whether the receiver is gone.
    pub fn is_closed(&self) -> bool {
        matches!(self.shared.lock().state, State::Closed)
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let waker = {
            let mut inner = self.shared.lock();
            if matches!(inner.state, State::Open) {
                inner.state = State::Closed;
            }
            inner.waker.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }
}

impl<T> Receiver<T> {
    /// Receives the message.
    ///
    /// # Parks
    ///
    /// Until it was sent.
    ///
    /// # Cancellation
    ///
    /// Unwinds. The receiver is dropped then, and a message that has just come with it.
    ///
    /// # Errors
    ///
    /// If the sender is gone, and has not sent it.
    pub fn recv(mut self) -> Result<T, RecvError> {
        self.receive(None).map_err(|_| RecvError)
    }

    /// Receives the message, if it was sent.
    ///
    /// # Errors
    ///
    /// If it was not, or was received already.
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        self.look(None)
    }

    /// Receives the message, within `timeout`.
    ///
    /// # Parks
    ///
    /// Until it was sent, or that time has passed.
    ///
    /// # Cancellation
    ///
    /// Unwinds. A message that has just come can be received by the next call.
    ///
    /// # Errors
    ///
    /// If the time has passed; if the sender is gone, and has not sent it; or if it was received already.
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        // Further than a clock can tell is never.
        self.receive(Instant::now().checked_add(timeout))
    }

    /// Receives the message, before `deadline`; else as [`recv_timeout`](Self::recv_timeout).
    ///
    /// # Parks
    ///
    /// Until it was sent, or then.
    ///
    /// # Errors
    ///
    /// As [`recv_timeout`](Self::recv_timeout).
    pub fn recv_deadline(&mut self, deadline: Instant) -> Result<T, RecvTimeoutError> {
        self.receive(Some(deadline))
    }

    /// Whether there is no message, and will be none: the sender is gone without, or it was received.
    pub fn is_closed(&self) -> bool {
        matches!(self.shared.lock().state, State::Closed)
    }

    fn receive(&mut self, deadline: Option<Instant>) -> Result<T, RecvTimeoutError> {
        let outcome = wait_until(Reason::Receive, deadline, |waker| match self.look(Some(waker)) {
            Ok(message) => Some(Ok(message)),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err(RecvTimeoutError::Disconnected)),
        });
        // A waker that was left wakes whoever it is for once too often, which a wait may be.
        outcome.unwrap_or(Err(RecvTimeoutError::Timeout))
    }

    fn look(&mut self, waker: Option<&Waker>) -> Result<T, TryRecvError> {
        let mut inner = self.shared.lock();
        match std::mem::replace(&mut inner.state, State::Closed) {
            State::Sent(message) => Ok(message),
            State::Closed => Err(TryRecvError::Disconnected),
            State::Open => {
                inner.state = State::Open;
                let left = waker.and_then(|waker| inner.waker.replace(waker.clone()));
                drop(inner);
                drop(left);
                Err(TryRecvError::Empty)
            }
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let (state, waker) = {
            let mut inner = self.shared.lock();
            (std::mem::replace(&mut inner.state, State::Closed), inner.waker.take())
        };
        // Without the lock: a message's destructor is the program's.
        drop((state, waker));
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Sender { .. }")
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Receiver { .. }")
    }
}
