//! Backlogs: where coroutines wait that do not go to a worker's queue. A worker has two.
//!
//! | backlog | who waits in it | the owner takes | thieves take |
//! |---------|-----------------|-----------------|--------------|
//! | `crowd` | those for whom the queue has no room | the oldest, a batch at a time, when the queue is empty | the same, when the queue is empty |
//! | `fresh` | those who were spawned while the queue was not short | the newest; the oldest at each look around | the older half |
//!
//! The newest of the fresh: so a tree of coroutines is walked in depth, and few of its stacks are in use at a time. The
//! oldest now and then, so that none starves. Thieves take what has waited longest and is nearest to a tree's root.
//!
//! **Why a lock, and no deque of crossbeam's.** Its owner can take from one end alone. And where it grows or shrinks, or is
//! stolen from, it pins an epoch: that leaves two kilobytes and a note in the calling thread's thread-locals, and whoever
//! flushes goes through all notes. Between two coroutines the thread-locals are a coroutine's, so there would be as many
//! as coroutines. So the queue never has more than fit into it when it is new, and its owner never steals. Nobody holds the
//! lock for longer than it takes to move a batch.
//!
//! `len` beside it may be read by anybody, and lags behind by no more than a call that is under way: whoever has pushed and
//! passes a fence, as the [idle protocol](crate::idle) asks, is seen by whoever has passed one before it looks.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use tarae_context::errno::KeepErrno;

/// How many leave it together at most.
pub(crate) const BATCH_MAX: usize = 32;

/// Below this much room it does not shrink.
const ROOM_MIN: usize = 64;

/// # Invariants
///
/// `len` is the length of `waiting`, whenever the lock is free.
pub(crate) struct Backlog<T> {
    len: AtomicUsize,
    waiting: Mutex<VecDeque<T>>,
}

impl<T> Backlog<T> {
    pub(crate) fn new() -> Backlog<T> {
        Backlog { len: AtomicUsize::new(0), waiting: Mutex::new(VecDeque::new()) }
    }

    /// How many wait.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds one.
    pub(crate) fn push(&self, value: T) {
        self.change(|waiting| waiting.push_back(value));
    }

    /// Takes the one that came last.
    pub(crate) fn newest(&self) -> Option<T> {
        if self.is_empty() { None } else { self.change(VecDeque::pop_back) }
    }

    /// Takes the one that has waited longest.
    pub(crate) fn oldest(&self) -> Option<T> {
        if self.is_empty() { None } else { self.change(VecDeque::pop_front) }
    }

    /// Takes the oldest ones, the oldest first, `most` at most. `into` is called under the lock.
    pub(crate) fn batch(&self, most: usize, into: impl FnMut(T)) {
        if !self.is_empty() {
            self.change(|waiting| {
                let most = most.min(waiting.len());
                waiting.drain(..most).for_each(into);
            });
        }
    }

    /// As [`batch`](Self::batch), and of half of all, rounded up, what makes a batch.
    pub(crate) fn older_half(&self, into: impl FnMut(T)) {
        if !self.is_empty() {
            self.change(|waiting| {
                let half = waiting.len().div_ceil(2).min(BATCH_MAX);
                waiting.drain(..half).for_each(into);
            });
        }
    }

    #[inline]
    fn change<R>(&self, f: impl FnOnce(&mut VecDeque<T>) -> R) -> R {
        let mut waiting = self.lock();
        let result = f(&mut waiting);
        let (len, room) = (waiting.len(), waiting.capacity());
        if room > ROOM_MIN && len * 4 < room {
            shrink(&mut waiting);
        }
        self.len.store(len, Ordering::Relaxed);
        result
    }

    #[inline]
    fn lock(&self) -> MutexGuard<'_, VecDeque<T>> {
        match self.waiting.try_lock() {
            Ok(waiting) => waiting,
            // Nothing under this lock panics, so poison carries no meaning.
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => self.wait_for_lock(),
        }
    }

    /// The owner may come here between two coroutines, under the identity of one.
    #[cold]
    fn wait_for_lock(&self) -> MutexGuard<'_, VecDeque<T>> {
        let _errno = KeepErrno::new();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives back half of the room.
#[cold]
fn shrink<T>(waiting: &mut VecDeque<T>) {
    let _errno = KeepErrno::new();
    waiting.shrink_to(waiting.capacity() / 2);
}

#[cfg(test)]
mod tests;
