//! Each message to each receiver, in a ring of bounded size: who is too slow misses the oldest, and is told how many.
//!
//! Names and behaviour are those of tokio's `sync::broadcast`, but that the capacity is what was asked for, and not rounded up.
//!
//! Messages are numbered. The ring holds `first .. first + ring.len()`, and each receiver knows the number of the next one that it
//! wants: below `first`, it has lagged. A message counts how many receivers have not seen it, and goes when none is left; so
//! a slow receiver costs its own messages and nobody's time. Messages are shared: they are cloned, and dropped, without the lock.
//!
//! # Examples
//!
//! ```
//! use tarae_channel::broadcast;
//!
//! let (sender, mut first) = broadcast::channel(2);
//! sender.send(1).unwrap();
//! let mut second = sender.subscribe(); // from here on
//! sender.send(2).unwrap();
//! sender.send(3).unwrap();
//! assert_eq!(first.recv(), Err(broadcast::RecvError::Lagged(1)));
//! assert_eq!((first.recv(), second.recv()), (Ok(2), Ok(2)));
//! drop(sender);
//! assert_eq!((first.recv(), first.recv()), (Ok(3), Err(broadcast::RecvError::Closed)));
//! ```

mod error;

use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;
use std::time::{Duration, Instant};

use slab::Slab;
use tarae_task::{Reason, wait_until};

pub use error::{RecvError, RecvTimeoutError, SendError, TryRecvError};

/// Makes a channel that keeps the last `capacity` messages for those who have not received them.
///
/// # Panics
///
/// If `capacity` is zero.
pub fn channel<T: Clone>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    assert!(capacity > 0, "broadcast channel capacity cannot be zero");
    let ring = Ring {
        messages: VecDeque::new(),
        first: 0,
        capacity,
        senders: 1,
        receivers: 1,
        waiting: Slab::new(),
    };
    let shared = Arc::new(Shared { ring: Mutex::new(ring) });
    (Sender { shared: Arc::clone(&shared) }, Receiver { shared, next: 0 })
}

struct Shared<T> {
    ring: Mutex<Ring<T>>,
}

struct Ring<T> {
    messages: VecDeque<Message<T>>,
    /// The number of the first that is here.
    first: u64,
    capacity: usize,
    senders: usize,
    receivers: usize,
    waiting: Slab<Waker>,
}

struct Message<T> {
    value: Arc<T>,
    /// How many receivers have not seen it.
    unseen: usize,
}

impl<T> Shared<T> {
    /// Nothing under this lock panics, so poison carries no meaning.
    fn lock(&self) -> MutexGuard<'_, Ring<T>> {
        self.ring.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl<T> Ring<T> {
    /// The number of the next message.
    fn end(&self) -> u64 {
        self.first + self.messages.len() as u64
    }

    /// Takes off what everybody has seen. Who saw the last of them drops it, without the lock.
    fn trim(&mut self) -> Vec<Arc<T>> {
        let mut seen = Vec::new();
        while self.messages.front().is_some_and(|message| message.unseen == 0) {
            seen.extend(self.messages.pop_front().map(|message| message.value));
            self.first += 1;
        }
        seen
    }

    fn subscribe(&mut self) -> u64 {
        self.receivers += 1;
        self.end()
    }
}

fn wake(waiting: Slab<Waker>) {
    waiting.into_iter().for_each(|(_, waker)| waker.wake());
}

/// The end that sends; clones send to the same receivers.
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Sender<T> {
    /// Sends a message to all that receive now, and returns how many they are. Never waits.
    ///
    /// # Errors
    ///
    /// Gives the message back if there is no receiver. There may be one again later ([`subscribe`](Self::subscribe)).
    pub fn send(&self, value: T) -> Result<usize, SendError<T>> {
        let (receivers, overwritten, waiting) = {
            let mut ring = self.shared.lock();
            let receivers = ring.receivers;
            if receivers == 0 {
                return Err(SendError(value));
            }
            let mut overwritten = None;
            if ring.messages.len() == ring.capacity {
                overwritten = ring.messages.pop_front();
                ring.first += 1;
            }
            ring.messages.push_back(Message { value: Arc::new(value), unseen: receivers });
            (receivers, overwritten, mem::take(&mut ring.waiting))
        };
        wake(waiting);
        drop(overwritten);
        Ok(receivers)
    }

    /// Returns a new receiver, of the messages that are sent from now on.
    pub fn subscribe(&self) -> Receiver<T> {
        let next = self.shared.lock().subscribe();
        Receiver { shared: Arc::clone(&self.shared), next }
    }

    /// Returns how many messages there are that not everybody has received.
    pub fn len(&self) -> usize {
        self.shared.lock().messages.len()
    }

    /// Whether everybody has received everything.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns how many receivers there are.
    pub fn receiver_count(&self) -> usize {
        self.shared.lock().receivers
    }

    /// Whether both send to the same receivers.
    pub fn same_channel(&self, other: &Sender<T>) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Sender<T> {
        self.shared.lock().senders += 1;
        Sender { shared: Arc::clone(&self.shared) }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let waiting = {
            let mut ring = self.shared.lock();
            ring.senders -= 1;
            if ring.senders > 0 {
                return;
            }
            mem::take(&mut ring.waiting)
        };
        wake(waiting);
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Sender { .. }")
    }
}

/// The end that receives each message from its subscription on.
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    /// The number of the next message that it wants.
    next: u64,
}

impl<T> Receiver<T> {
    /// Returns how many messages it has not received; of them, those it has missed included.
    pub fn len(&self) -> usize {
        (self.shared.lock().end() - self.next) as usize
    }

    /// Whether it has received everything.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns how many senders there are.
    pub fn sender_count(&self) -> usize {
        self.shared.lock().senders
    }

    /// Whether all senders are gone.
    pub fn is_closed(&self) -> bool {
        self.sender_count() == 0
    }

    /// Returns a new receiver, of the messages that are sent from now on.
    pub fn resubscribe(&self) -> Receiver<T> {
        let next = self.shared.lock().subscribe();
        Receiver { shared: Arc::clone(&self.shared), next }
    }

    /// Whether both receive from the same senders.
    pub fn same_channel(&self, other: &Receiver<T>) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl<T: Clone> Receiver<T> {
    /// Receives the next message.
    ///
    /// # Parks
    ///
    /// Until there is one.
    ///
    /// # Cancellation
    ///
    /// Unwinds. No message is missed by it.
    ///
    /// # Errors
    ///
    /// If messages were overwritten before it received them; or if it has received all, and the senders are gone.
    pub fn recv(&mut self) -> Result<T, RecvError> {
        match self.receive(None) {
            Ok(value) => Ok(value),
            Err(RecvTimeoutError::Lagged(missed)) => Err(RecvError::Lagged(missed)),
            Err(RecvTimeoutError::Closed) => Err(RecvError::Closed),
            Err(RecvTimeoutError::Timeout) => unreachable!("it has no deadline"),
        }
    }

    /// Receives the next message, if there is one.
    ///
    /// # Errors
    ///
    /// If there is none; else as [`recv`](Self::recv).
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        self.take(|_| ()).map(unshare)
    }

    /// Receives the next message, within `timeout`.
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
    /// If the time has passed; else as [`recv`](Self::recv).
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        // Further than a clock can tell is never.
        self.receive(Instant::now().checked_add(timeout))
    }

    fn receive(&mut self, deadline: Option<Instant>) -> Result<T, RecvTimeoutError> {
        let mut wait = Wait { receiver: self, place: None };
        let taken = wait_until(Reason::Receive, deadline, |waker| wait.poll(waker));
        drop(wait);
        taken.unwrap_or(Err(RecvTimeoutError::Timeout)).map(unshare)
    }
}

impl<T> Receiver<T> {
    /// Takes the next message; if there is none, calls `otherwise` under the same lock.
    fn take(&mut self, otherwise: impl FnOnce(&mut Ring<T>)) -> Result<Arc<T>, TryRecvError> {
        let mut ring = self.shared.lock();
        if self.next < ring.first {
            let missed = ring.first - self.next;
            self.next = ring.first;
            return Err(TryRecvError::Lagged(missed));
        }
        let index = (self.next - ring.first) as usize;
        let Some(message) = ring.messages.get_mut(index) else {
            if ring.senders == 0 {
                return Err(TryRecvError::Closed);
            }
            otherwise(&mut ring);
            return Err(TryRecvError::Empty);
        };
        message.unseen -= 1;
        let value = Arc::clone(&message.value);
        self.next += 1;
        let seen = ring.trim();
        drop(ring);
        drop(seen);
        Ok(value)
    }
}

/// The value itself for the last who sees it, a clone for the others.
fn unshare<T: Clone>(value: Arc<T>) -> T {
    Arc::try_unwrap(value).unwrap_or_else(|shared| T::clone(&shared))
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut ring = self.shared.lock();
        ring.receivers -= 1;
        let unseen = self.next.saturating_sub(ring.first) as usize;
        ring.messages.iter_mut().skip(unseen).for_each(|message| message.unseen -= 1);
        let seen = ring.trim();
        drop(ring);
        drop(seen);
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Receiver { .. }")
    }
}

/// The wait of one receive; leaves the list on drop.
struct Wait<'a, T> {
    receiver: &'a mut Receiver<T>,
    /// Its key, and the number of the message it waits for: the list is emptied when that is sent.
    place: Option<(usize, u64)>,
}

impl<T> Wait<'_, T> {
    fn poll(&mut self, waker: &Waker) -> Option<Result<Arc<T>, RecvTimeoutError>> {
        let next = self.receiver.next;
        let place = &mut self.place;
        let taken = self.receiver.take(|ring| {
            // Listed for this message already, and it has not been sent: it still is.
            if place.is_none() {
                *place = Some((ring.waiting.insert(waker.clone()), next));
            }
        });
        match taken {
            Ok(value) => Some(Ok(value)),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Closed) => Some(Err(RecvTimeoutError::Closed)),
            Err(TryRecvError::Lagged(missed)) => Some(Err(RecvTimeoutError::Lagged(missed))),
        }
    }
}

impl<T> Drop for Wait<'_, T> {
    fn drop(&mut self) {
        if let Some((key, awaited)) = self.place {
            let mut ring = self.receiver.shared.lock();
            // Its place is another's, once the list was emptied.
            if ring.end() == awaited && ring.senders > 0 {
                let left = ring.waiting.try_remove(key);
                drop(ring);
                drop(left);
            }
        }
    }
}
