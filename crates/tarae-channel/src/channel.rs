//! A channel: its core under a lock, the counts of both ends, and the waits of a single operation.
//!
//! The counts are atomics beside the lock: cloning an end takes no lock, and so does asking for the length, which is
//! published whenever the lock is released.
//!
//! A wait is a [`SendWait`] or a [`ReceiveWait`]: it begins by trying, lists itself under the same lock, and leaves on drop. What it
//! has been granted by then goes back ([`core`](crate::core)).

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::Waker;
use std::time::Instant;

use tarae_task::{Reason, wait_until, with_waker};

use crate::core::wakes::Wakes;
use crate::core::{Core, Received, Receiving, Sending, Sent};
use crate::error::{RecvTimeoutError, SendTimeoutError, TryRecvError, TrySendError};
use crate::sync::{AtomicUsize, Mutex, Ordering};

/// What the senders and the receivers of a channel share.
pub(crate) struct Channel<T> {
    core: Mutex<Core<T>>,
    /// As the lock was last released.
    length: AtomicUsize,
    capacity: Option<usize>,
    senders: AtomicUsize,
    receivers: AtomicUsize,
}

impl<T> Channel<T> {
    /// With one sender and one receiver.
    pub(crate) fn new(capacity: Option<usize>) -> Channel<T> {
        Channel {
            core: Mutex::new(Core::new(capacity.unwrap_or(usize::MAX))),
            length: AtomicUsize::new(0),
            capacity,
            senders: AtomicUsize::new(1),
            receivers: AtomicUsize::new(1),
        }
    }

    /// Calls `f` under the lock, publishes the length, and wakes who is to be woken.
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut Core<T>, &mut Wakes) -> R) -> R {
        let mut wakes = Wakes::default();
        let result = {
            // Nothing under this lock panics, so poison carries no meaning.
            let mut core = self.core.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            let result = f(&mut core, &mut wakes);
            // Relaxed: whoever asks is told what was true a moment ago.
            self.length.store(core.len(), Ordering::Relaxed);
            result
        };
        wakes.wake();
        result
    }

    pub(crate) fn len(&self) -> usize {
        self.length.load(Ordering::Relaxed)
    }

    pub(crate) fn capacity(&self) -> Option<usize> {
        self.capacity
    }

    pub(crate) fn is_full(&self) -> bool {
        self.capacity.is_some_and(|capacity| self.len() >= capacity)
    }

    pub(crate) fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        match self.with(|core, wakes| core.send(message, wakes)) {
            Sent::Done => Ok(()),
            Sent::Full(message) => Err(TrySendError::Full(message)),
            Sent::Closed(message) => Err(TrySendError::Disconnected(message)),
        }
    }

    /// # Parks
    ///
    /// Until there is room, or a receiver; until `deadline` at most.
    pub(crate) fn send(&self, message: T, deadline: Option<Instant>) -> Result<(), SendTimeoutError<T>> {
        let mut wait = SendWait { channel: self, message: Some(message), key: None };
        match wait_until(Reason::Send, deadline, |waker| wait.poll(waker)) {
            Some(outcome) => outcome.map_err(SendTimeoutError::Disconnected),
            None => match wait.leave() {
                None | Some(Sending::Taken) => Ok(()),
                Some(Sending::Waiting(Some(message))) => Err(SendTimeoutError::Timeout(message)),
                Some(Sending::Closed(Some(message))) => Err(SendTimeoutError::Disconnected(message)),
                Some(_) => unreachable!("a sender that is no select has its message, and reserves nothing"),
            },
        }
    }

    /// # Parks
    ///
    /// While a select that has chosen to send makes its message.
    pub(crate) fn try_recv(&self) -> Result<T, TryRecvError> {
        let received = with_waker(|waker| self.with(|core, wakes| core.receive(waker, wakes)));
        match received {
            Received::Message(message) => Ok(message),
            Received::Empty => Err(TryRecvError::Empty),
            Received::Closed => Err(TryRecvError::Disconnected),
            Received::Promised(key) => {
                let mut wait = ReceiveWait { channel: self, key: Some(key) };
                wait_until(Reason::Receive, None, |_| match wait.look() {
                    Look::Nothing => None,
                    Look::Message(message) => Some(Ok(message)),
                    Look::Broken => Some(Err(TryRecvError::Empty)),
                    Look::Closed => Some(Err(TryRecvError::Disconnected)),
                })
                .expect("a wait without a deadline")
            }
        }
    }

    /// # Parks
    ///
    /// Until there is a message; until `deadline` at most.
    pub(crate) fn recv(&self, deadline: Option<Instant>) -> Result<T, RecvTimeoutError> {
        self.recv_at(None, deadline)
    }

    /// As [`recv`](Self::recv), for a receiver that may have a place already.
    pub(crate) fn recv_at(
        &self,
        key: Option<usize>,
        deadline: Option<Instant>,
    ) -> Result<T, RecvTimeoutError> {
        let mut wait = ReceiveWait { channel: self, key };
        match wait_until(Reason::Receive, deadline, |waker| wait.poll(waker)) {
            Some(outcome) => outcome,
            None => match wait.leave() {
                Some(Receiving::Given(message)) => Ok(message),
                Some(Receiving::Closed) => Err(RecvTimeoutError::Disconnected),
                _ => Err(RecvTimeoutError::Timeout),
            },
        }
    }

    /// A receiver that has a place will not use it.
    pub(crate) fn forsake(&self, key: usize) {
        drop(ReceiveWait { channel: self, key: Some(key) });
    }

    pub(crate) fn add_sender(&self) {
        add(&self.senders);
    }

    pub(crate) fn add_receiver(&self) {
        add(&self.receivers);
    }

    pub(crate) fn remove_sender(&self) {
        // The lock orders what the others did before.
        if self.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.with(|core, wakes| core.close_senders(wakes));
        }
    }

    pub(crate) fn remove_receiver(&self) {
        if self.receivers.fetch_sub(1, Ordering::AcqRel) == 1 {
            let messages = self.with(|core, wakes| core.close_receivers(wakes));
            // One that panics as it is dropped does not keep the others; nor does a second one end the process.
            let mut panic = None;
            for message in messages {
                if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(message))) {
                    panic.get_or_insert(payload);
                }
            }
            if let Some(payload) = panic.filter(|_| !std::thread::panicking()) {
                resume_unwind(payload);
            }
        }
    }
}

impl<T> fmt::Debug for Channel<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

/// One more end.
fn add(count: &AtomicUsize) {
    // As `Arc`: handles that are forgotten in a loop must not wrap the count.
    if count.fetch_add(1, Ordering::Relaxed) > isize::MAX as usize {
        std::process::abort();
    }
}

/// The wait of one send.
struct SendWait<'a, T> {
    channel: &'a Channel<T>,
    /// Before it has a place.
    message: Option<T>,
    key: Option<usize>,
}

impl<T> SendWait<'_, T> {
    fn poll(&mut self, waker: &Waker) -> Option<Result<(), T>> {
        let (key, message) = (&mut self.key, &mut self.message);
        self.channel.with(|core, wakes| match *key {
            None => match core.send(message.take()?, wakes) {
                Sent::Done => Some(Ok(())),
                Sent::Closed(message) => Some(Err(message)),
                Sent::Full(message) => {
                    *key = Some(core.wait_to_send(Some(message), waker, None, wakes));
                    None
                }
            },
            Some(place) => match core.senders.place(place).state {
                Sending::Waiting(_) => None,
                _ => {
                    *key = None;
                    match core.senders.remove(place) {
                        Sending::Closed(Some(message)) => Some(Err(message)),
                        _ => Some(Ok(())),
                    }
                }
            },
        })
    }

    fn leave(&mut self) -> Option<Sending<T>> {
        let key = self.key.take()?;
        Some(self.channel.with(|core, _| core.senders.remove(key)))
    }
}

impl<T> Drop for SendWait<'_, T> {
    fn drop(&mut self) {
        // A message that was not taken is dropped here, without the lock.
        drop(self.leave());
    }
}

/// What a receiver finds at its place.
enum Look<T> {
    Nothing,
    Message(T),
    /// A promise was broken: it has no place any more.
    Broken,
    Closed,
}

/// The wait of one receive.
struct ReceiveWait<'a, T> {
    channel: &'a Channel<T>,
    key: Option<usize>,
}

impl<T> ReceiveWait<'_, T> {
    fn poll(&mut self, waker: &Waker) -> Option<Result<T, RecvTimeoutError>> {
        if self.key.is_some() {
            match self.look() {
                Look::Nothing => return None,
                Look::Message(message) => return Some(Ok(message)),
                Look::Closed => return Some(Err(RecvTimeoutError::Disconnected)),
                Look::Broken => {}
            }
        }
        let key = &mut self.key;
        self.channel.with(|core, wakes| match core.receive(waker, wakes) {
            Received::Message(message) => Some(Ok(message)),
            Received::Closed => Some(Err(RecvTimeoutError::Disconnected)),
            Received::Promised(place) => {
                *key = Some(place);
                None
            }
            Received::Empty => {
                *key = Some(core.wait_to_receive(waker, None, wakes));
                None
            }
        })
    }

    fn look(&mut self) -> Look<T> {
        let Some(key) = self.key else { return Look::Broken };
        let state = self.channel.with(|core, _| match core.receivers.place(key).state {
            Receiving::Waiting | Receiving::Promised => Receiving::Waiting,
            _ => core.receivers.remove(key),
        });
        if matches!(state, Receiving::Waiting) {
            return Look::Nothing;
        }
        self.key = None;
        match state {
            Receiving::Given(message) => Look::Message(message),
            Receiving::Closed => Look::Closed,
            _ => Look::Broken,
        }
    }

    fn leave(&mut self) -> Option<Receiving<T>> {
        let key = self.key.take()?;
        Some(self.channel.with(|core, _| core.leave_receiver(key)))
    }
}

impl<T> Drop for ReceiveWait<'_, T> {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.channel.with(|core, wakes| {
                if let Receiving::Given(message) = core.leave_receiver(key) {
                    core.put_back(message, wakes);
                }
            });
        }
    }
}
