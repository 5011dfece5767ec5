//! A channel: its core under a lock, the counts of both ends, and the waits of a single operation.
//!
//! The counts are atomics beside the lock: cloning an end takes no lock, and so does asking for the length, which is
//! published whenever the lock is released.
//!
//! A wait is a [`SendWait`] or a [`ReceiveWait`]: it begins by trying, lists itself under the same lock, and leaves on drop. What it
//! has been granted by then goes back ([`core`](crate::core)).
//!
//! Messages are lent from the public call down to the place or the queue, as `&mut Option<T>`, and not passed by value: without
//! optimisation each value passed is a copy in a frame, and a coroutine's stack is small. An operation that has failed leaves it
//! where it was.
//!
//! The functions that park are inlined as far as the public call: a frame between the program and its suspension is a return that many
//! processors mispredict. Those that only look are not.
//!
//! Rejected: a lock that spins, of 4.5 ns a round instead of std's 5.4, as who waits for one whose holder is not running burns a
//! CPU; messages in records of their own, taken without the channel's lock, which need a lock or an allocation themselves; a
//! channel that begins at a cache line, which made no difference.

use std::fmt;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use tarae_task::wait::{Limit, wait_limited};
use tarae_task::{Reason, wait_until, with_waker};

use crate::core::list::State;
use crate::core::wakes::Wakes;
use crate::core::{Core, Received, Sent};
use crate::error::{RecvError, RecvTimeoutError, TryRecvError};
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
    #[inline]
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

    /// Sends `message`, or leaves it where it is.
    pub(crate) fn try_send(&self, message: &mut Option<T>) -> Sent {
        self.with(|core, wakes| core.send(message, wakes))
    }

    /// Sends `message`, or leaves it where it is. `Full`: not within `limit`.
    ///
    /// # Parks
    ///
    /// Until there is room, or a receiver; within `limit`.
    #[inline(always)]
    pub(crate) fn send(&self, message: &mut Option<T>, limit: Limit) -> Sent {
        let mut wait = SendWait { channel: self, message, key: None };
        match wait.begin() {
            Sent::Full => wait.end(limit),
            sent => sent,
        }
    }

    /// # Parks
    ///
    /// While a select that has chosen to send makes its message.
    pub(crate) fn try_recv(&self, into: &mut Option<T>) -> Result<(), TryRecvError> {
        loop {
            let received = self.with(|core, wakes| {
                let received = core.receive(into, wakes);
                if let Received::Promised(place) = received {
                    with_waker(|waker| core.wait_for_promise(place, waker));
                }
                received
            });
            return match received {
                Received::Message => Ok(()),
                Received::Empty => Err(TryRecvError::Empty),
                Received::Closed => Err(TryRecvError::Disconnected),
                Received::Promised(place) => {
                    let mut wait = ReceiveWait { channel: self, into, key: Some(place) };
                    match wait.redeem() {
                        Some(outcome) => outcome.map_err(TryRecvError::from),
                        None => continue,
                    }
                }
            };
        }
    }

    /// # Parks
    ///
    /// Until there is a message, within `limit`; and then while a select that has chosen to send makes its message.
    #[inline(always)]
    pub(crate) fn recv(&self, into: &mut Option<T>, limit: Limit) -> Result<(), RecvTimeoutError> {
        let mut wait = ReceiveWait { channel: self, into, key: None };
        match wait.begin() {
            Some(outcome) => outcome.map_err(RecvTimeoutError::from),
            None => wait.end(limit),
        }
    }

    /// As [`recv`](Self::recv), for a receiver that has a place already.
    pub(crate) fn recv_at(&self, key: usize, into: &mut Option<T>) -> Result<(), RecvError> {
        let mut wait = ReceiveWait { channel: self, into, key: Some(key) };
        match wait.look_or_begin() {
            Some(outcome) => outcome,
            None => wait.end(Limit::Until(None)).map_err(|_| RecvError),
        }
    }

    /// A receiver that has a place will not use it.
    pub(crate) fn forsake(&self, key: usize) {
        drop(ReceiveWait { channel: self, into: &mut None, key: Some(key) });
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
            let mut messages = self.with(|core, wakes| core.close_receivers(wakes));
            // One that panics as it is dropped does not keep the others; nor does a second one end the process.
            let mut panic = None;
            loop {
                match catch_unwind(AssertUnwindSafe(|| messages.drop_first())) {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(payload) => {
                        panic.get_or_insert(payload);
                    }
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
    /// Away while it has a place.
    message: &'a mut Option<T>,
    key: Option<usize>,
}

impl<T> SendWait<'_, T> {
    /// Sends, or takes a place if that is not possible.
    #[inline]
    fn begin(&mut self) -> Sent {
        let (key, message) = (&mut self.key, &mut *self.message);
        self.channel.with(|core, wakes| {
            let sent = core.send(message, wakes);
            if sent == Sent::Full {
                *key = Some(with_waker(|waker| core.wait_to_send(message, waker, None, wakes)));
            }
            sent
        })
    }

    /// Waits at the place that it has just taken.
    #[inline(always)]
    fn end(&mut self, limit: Limit) -> Sent {
        let mut is_new = true;
        let sent = wait_limited(Reason::Send, limit, |_| match mem::take(&mut is_new) {
            true => None,
            false => self.look(),
        });
        sent.unwrap_or_else(|| self.leave())
    }

    fn look(&mut self) -> Option<Sent> {
        let (key, message) = (self.key?, &mut *self.message);
        match self.channel.with(|core, _| core.look(key, message)) {
            State::Waiting => None,
            state => {
                self.key = None;
                Some(sent(state))
            }
        }
    }

    #[cold]
    fn leave(&mut self) -> Sent {
        match self.key.take() {
            None => Sent::Done,
            Some(key) => sent(self.channel.with(|core, _| core.leave_sender(key, self.message))),
        }
    }
}

/// What has come of a send that had a place.
#[inline]
fn sent(state: State) -> Sent {
    match state {
        State::Granted => Sent::Done,
        State::Closed => Sent::Closed,
        State::Waiting => Sent::Full,
        State::Promised(_) | State::Withdrawn => unreachable!("who has its message promises none"),
    }
}

impl<T> Drop for SendWait<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // A message that was not taken is dropped by whoever has lent it, without the lock.
        if self.key.is_some() {
            self.leave();
        }
    }
}

/// What a receiver finds at its place.
enum Look {
    Waiting,
    /// It has no place any more, as in what follows.
    Over(Result<(), RecvError>),
    /// A promise was broken.
    Broken,
}

/// The wait of one receive.
struct ReceiveWait<'a, T> {
    channel: &'a Channel<T>,
    into: &'a mut Option<T>,
    key: Option<usize>,
}

impl<T> ReceiveWait<'_, T> {
    /// Receives, or takes a place if that is not possible.
    #[inline]
    fn begin(&mut self) -> Option<Result<(), RecvError>> {
        let (key, into) = (&mut self.key, &mut *self.into);
        self.channel.with(|core, wakes| {
            match core.receive(into, wakes) {
                Received::Message => return Some(Ok(())),
                Received::Closed => return Some(Err(RecvError)),
                Received::Promised(place) => {
                    *key = Some(place);
                    with_waker(|waker| core.wait_for_promise(place, waker));
                }
                Received::Empty => {
                    *key = Some(with_waker(|waker| core.wait_to_receive(waker, None, wakes)));
                }
            }
            None
        })
    }

    /// Waits at the place that it has just taken, or looked at.
    #[inline(always)]
    fn end(&mut self, limit: Limit) -> Result<(), RecvTimeoutError> {
        let mut is_new = true;
        let outcome = wait_limited(Reason::Receive, limit, |_| match mem::take(&mut is_new) {
            true => None,
            false => self.look_or_begin(),
        });
        match outcome {
            Some(outcome) => outcome.map_err(RecvTimeoutError::from),
            None => self.expire(),
        }
    }

    fn look_or_begin(&mut self) -> Option<Result<(), RecvError>> {
        match self.look() {
            Look::Waiting => None,
            Look::Over(outcome) => Some(outcome),
            Look::Broken => self.begin(),
        }
    }

    #[inline]
    fn look(&mut self) -> Look {
        let Some(key) = self.key else { return Look::Broken };
        let state = self.channel.with(|core, _| core.look(key, self.into));
        if matches!(state, State::Waiting | State::Promised(_)) {
            return Look::Waiting;
        }
        self.key = None;
        received(state).map_or(Look::Broken, Look::Over)
    }

    /// Its deadline has passed: it leaves, unless it was promised a message.
    #[cold]
    fn expire(&mut self) -> Result<(), RecvTimeoutError> {
        while let Some(key) = self.key {
            let outcome = match self.channel.with(|core, _| core.expire_receiver(key, self.into)) {
                State::Promised(_) => self.redeem(),
                state => {
                    self.key = None;
                    if state == State::Waiting {
                        break;
                    }
                    received(state)
                }
            };
            // After a broken promise it looks once more: another message may have gone by meanwhile.
            if let Some(outcome) = outcome.or_else(|| self.begin()) {
                return outcome.map_err(RecvTimeoutError::from);
            }
        }
        Err(RecvTimeoutError::Timeout)
    }

    /// Waits for what it was promised, however long that takes; `None` if the promise was broken.
    #[cold]
    fn redeem(&mut self) -> Option<Result<(), RecvError>> {
        let look = wait_until(Reason::Receive, None, |_| match self.look() {
            Look::Waiting => None,
            look => Some(look),
        });
        match look {
            Some(Look::Over(outcome)) => Some(outcome),
            _ => None,
        }
    }
}

/// What has come of a receive that had a place; `None` if a promise was broken.
#[inline]
fn received(state: State) -> Option<Result<(), RecvError>> {
    match state {
        State::Granted => Some(Ok(())),
        State::Closed => Some(Err(RecvError)),
        State::Withdrawn => None,
        State::Waiting | State::Promised(_) => unreachable!("it waits"),
    }
}

impl<T> Drop for ReceiveWait<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if self.key.is_some() {
            self.abandon();
        }
    }
}

impl<T> ReceiveWait<'_, T> {
    #[cold]
    fn abandon(&mut self) {
        if let Some(key) = self.key.take() {
            self.channel.with(|core, wakes| core.abandon_receiver(key, wakes));
        }
    }
}
