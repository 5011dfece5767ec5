//! The backlog of a worker: coroutines that wait for their first run, where its queue is not short.
//!
//! The owner takes the newest: so a tree of coroutines is walked in depth, and few of its stacks are in use at a time. At
//! each of its looks around it moves the oldest one to its queue, so that none starves. Thieves take the oldest: they are
//! what is nearest to a tree's root, and have waited longest.
//!
//! A lock, and no deque of crossbeam's: that one lets its owner take from one end alone, and taking from the other as a
//! thief pins an epoch, which would be a note in the thread-locals of each coroutine that ever runs. Nobody holds the lock
//! for longer than it takes to move a batch.
//!
//! `len` beside it may be read by anybody, and lags behind by no more than a call that is under way: whoever has pushed and
//! passes a fence, as the [idle protocol](crate::idle) asks, is seen by whoever has passed one before it looks.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use tarae_context::errno::KeepErrno;

/// How many a thief takes at most.
const BATCH_MAX: usize = 32;

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

    /// Adds one. The owner's.
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

    /// Takes the older half, a batch at most, the oldest first.
    pub(crate) fn older_half(&self) -> Vec<T> {
        if self.is_empty() {
            return Vec::new();
        }
        self.change(|waiting| {
            let half = waiting.len().div_ceil(2).min(BATCH_MAX);
            waiting.drain(..half).collect()
        })
    }

    /// Takes all, the oldest first.
    pub(crate) fn drain(&self) -> VecDeque<T> {
        self.change(std::mem::take)
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
