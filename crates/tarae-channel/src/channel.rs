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

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::Waker;
use std::time::Instant;

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

    /// Sends `message`, or leaves it where it is. `Full`: not before `deadline`.
    ///
    /// # Parks
    ///
    /// Until there is room, or a receiver; until `deadline` at most.
    pub(crate) fn send(&self, message: &mut Option<T>, deadline: Option<Instant>) -> Sent {
        let mut wait = SendWait { channel: self, message, key: None };
        match wait_until(Reason::Send, deadline, |waker| wait.poll(waker)) {
            Some(sent) => sent,
            None => wait.leave(),
        }
    }

    /// # Parks
    ///
    /// While a select that has chosen to send makes its message.
    pub(crate) fn try_recv(&self, into: &mut Option<T>) -> Result<(), TryRecvError> {
        loop {
            let received = with_waker(|waker| self.with(|core, wakes| core.receive(into, waker, wakes)));
            return match received {
                Received::Message => Ok(()),
                Received::Empty => Err(TryRecvError::Empty),
                Received::Closed => Err(TryRecvError::Disconnected),
                Received::Promised(key) => {
                    let mut wait = ReceiveWait { channel: self, into, key: Some(key) };
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
    /// Until there is a message; until `deadline` at most, and then while a select that has chosen to send makes its message.
    pub(crate) fn recv(
        &self,
        into: &mut Option<T>,
        deadline: Option<Instant>,
    ) -> Result<(), RecvTimeoutError> {
        self.recv_at(None, into, deadline)
    }

    /// As [`recv`](Self::recv), for a receiver that may have a place already.
    pub(crate) fn recv_at(
        &self,
        key: Option<usize>,
        into: &mut Option<T>,
        deadline: Option<Instant>,
    ) -> Result<(), RecvTimeoutError> {
        let mut wait = ReceiveWait { channel: self, into, key };
        loop {
            if let Some(outcome) = wait_until(Reason::Receive, deadline, |waker| wait.poll(waker)) {
                return outcome.map_err(RecvTimeoutError::from);
            }
            match wait.expire() {
                State::Granted => return Ok(()),
                State::Closed => return Err(RecvTimeoutError::Disconnected),
                State::Promised(_) => {
                    if let Some(outcome) = wait.redeem() {
                        return outcome.map_err(RecvTimeoutError::from);
                    }
                }
                State::Waiting => return Err(RecvTimeoutError::Timeout),
                // It looks once more: another message may have gone by meanwhile.
                State::Withdrawn => {}
            }
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
    fn poll(&mut self, waker: &Waker) -> Option<Sent> {
        let (key, message) = (&mut self.key, &mut *self.message);
        self.channel.with(|core, wakes| match *key {
            None => match core.send(message, wakes) {
                Sent::Full => {
                    *key = Some(core.wait_to_send(message, waker, None, wakes));
                    None
                }
                sent => Some(sent),
            },
            Some(place) => match core.look_at_sender(place, message) {
                State::Waiting => None,
                state => {
                    *key = None;
                    Some(sent(state))
                }
            },
        })
    }

    fn leave(&mut self) -> Sent {
        match self.key.take() {
            None => Sent::Done,
            Some(key) => sent(self.channel.with(|core, _| core.leave_sender(key, self.message))),
        }
    }
}

/// What has come of a send that had a place.
fn sent(state: State) -> Sent {
    match state {
        State::Granted => Sent::Done,
        State::Closed => Sent::Closed,
        State::Waiting => Sent::Full,
        State::Promised(_) | State::Withdrawn => unreachable!("who has its message promises none"),
    }
}

impl<T> Drop for SendWait<'_, T> {
    fn drop(&mut self) {
        // A message that was not taken is dropped by whoever has lent it, without the lock.
        if self.key.is_some() {
            self.leave();
        }
    }
}

/// The wait of one receive.
struct ReceiveWait<'a, T> {
    channel: &'a Channel<T>,
    into: &'a mut Option<T>,
    key: Option<usize>,
}

impl<T> ReceiveWait<'_, T> {
    fn poll(&mut self, waker: &Waker) -> Option<Result<(), RecvError>> {
        let (key, into) = (&mut self.key, &mut *self.into);
        self.channel.with(|core, wakes| {
            if let Some(place) = *key {
                match core.look_at_receiver(place, into) {
                    State::Waiting | State::Promised(_) => return None,
                    state => {
                        *key = None;
                        if let Some(outcome) = received(state) {
                            return Some(outcome);
                        }
                    }
                }
            }
            match core.receive(into, waker, wakes) {
                Received::Message => return Some(Ok(())),
                Received::Closed => return Some(Err(RecvError)),
                Received::Promised(place) => *key = Some(place),
                Received::Empty => *key = Some(core.wait_to_receive(waker, None, wakes)),
            }
            None
        })
    }

    /// Waits for what it was promised, however long that takes; `None` if the promise was broken.
    fn redeem(&mut self) -> Option<Result<(), RecvError>> {
        let state = wait_until(Reason::Receive, None, |_| {
            let (key, into) = (self.key?, &mut *self.into);
            match self.channel.with(|core, _| core.look_at_receiver(key, into)) {
                State::Waiting | State::Promised(_) => None,
                state => Some(state),
            }
        });
        self.key = None;
        received(state.expect("a wait without a deadline"))
    }

    /// Its deadline has passed. It has left, unless it was promised a message.
    fn expire(&mut self) -> State {
        let Some(key) = self.key else { return State::Waiting };
        let state = self.channel.with(|core, _| core.expire_receiver(key, self.into));
        if !matches!(state, State::Promised(_)) {
            self.key = None;
        }
        state
    }
}

/// What has come of a receive that had a place; `None` if a promise was broken.
fn received(state: State) -> Option<Result<(), RecvError>> {
    match state {
        State::Granted => Some(Ok(())),
        State::Closed => Some(Err(RecvError)),
        State::Withdrawn => None,
        State::Waiting | State::Promised(_) => unreachable!("it waits"),
    }
}

impl<T> Drop for ReceiveWait<'_, T> {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.channel.with(|core, wakes| core.abandon_receiver(key, wakes));
        }
    }
}
