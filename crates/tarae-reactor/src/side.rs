//! One side of a descriptor: whether its system call is worth trying, and who waits until it is.
//!
//! # The race
//!
//! An edge-triggered event is told once. A reader that is told *would block* must forget the readiness it
//! acted on, and must not forget one that arrived meanwhile. So readiness carries a tick, every event
//! moves it on, and [`clear`](SideState::clear) forgets only the tick that was read before the system call:
//!
//! ```text
//!   reader                               poller
//!   readiness ─▶ ready, tick 7
//!   recv ─▶ EAGAIN
//!                                        data arrives; event: ready, tick 8
//!   clear(tick 7): that is over, no change
//!   wait ─▶ Ready, so try again
//! ```
//!
//! # The protocol
//!
//! One word holds the tick, `HANGUP` and `READY`; a lock guards the list of waiters.
//!
//! | transition | lock | effect                                                                    |
//! |------------|------|---------------------------------------------------------------------------|
//! | `event`    | held | next tick, `READY`, `HANGUP` if the event says so; takes all waiters      |
//! | `clear`    | no   | if the word is what was seen: neither `READY` nor `HANGUP`, the same tick |
//! | `drained`  | no   | as `clear`, but nothing if `HANGUP` was seen                              |
//! | `wait`     | held | if not `READY`: joins the list                                            |
//! | `cancel`   | held | leaves the list                                                           |
//!
//! # Why no event is lost
//!
//! A waiter joins the list under the lock, having read a word without `READY`. An event that takes the
//! lock later finds it there. An event that took the lock earlier set `READY`, and only somebody who had
//! read that very tick can have cleared it, after a system call made later still, which found nothing:
//! what the event promised had been used up.
//!
//! # Why a hang-up outlives a short read
//!
//! A short read proves that the buffer is empty (epoll(7), question 9), but not that nothing is left to
//! learn: data and FIN may have come as one event, and no other will follow. Only a *would block* outranks
//! a hang-up; if the kernel says that, it will also say when it is over.
//!
//! Wakers run arbitrary code when they are cloned, woken or dropped: none of that happens under the lock.
//! The number of waiters is bounded by the coroutines and threads that wait; each holds one place.
//!
//! [`Source`](crate::Source) owns two of these. Model: `side` in `tarae-models`.

use std::fmt;
use std::sync::PoisonError;
use std::task::Waker;

use crate::sync::{AtomicU64, Mutex, Ordering};

const READY: u64 = 1;
const HANGUP: u64 = 2;
/// One tick. The 62 bits above the flags do not wrap in practice: that takes a century of an event every
/// nanosecond.
const TICK: u64 = 4;

/// What was known of one side of a source at one moment: whether it was ready, and since which event.
///
/// Opaque but for its two questions. Take it *before* the system call, hand it to
/// [`clear`](crate::Source::clear) or [`drained`](crate::Source::drained) after.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Readiness(u64);

impl Readiness {
    /// Whether the system call is worth trying.
    pub fn is_ready(self) -> bool {
        self.0 & READY != 0
    }

    /// Whether the kernel has reported an end or an error on this side, and no system call has said *would
    /// block* since.
    pub fn is_hangup(self) -> bool {
        self.0 & HANGUP != 0
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readiness")
            .field("ready", &self.is_ready())
            .field("hangup", &self.is_hangup())
            .field("tick", &(self.0 / TICK))
            .finish()
    }
}

/// Names one waiter of one side, never again another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(u64);

/// The readiness and the waiters of one side.
pub(crate) struct SideState {
    word: AtomicU64,
    waiters: Mutex<Waiters>,
}

struct Waiters {
    /// The usual waiter is alone, and needs no allocation.
    first: Option<Waiter>,
    more: Vec<Waiter>,
    next: u64,
}

struct Waiter {
    ticket: Ticket,
    waker: Waker,
}

impl SideState {
    /// Starts ready: nothing is known, so the system call is tried first.
    pub(crate) fn new() -> Self {
        SideState {
            word: AtomicU64::new(READY),
            waiters: Mutex::new(Waiters { first: None, more: Vec::new(), next: 0 }),
        }
    }

    pub(crate) fn readiness(&self) -> Readiness {
        // Acquire: pairs with the Release of `event`. Whoever sees an event's tick makes a system call that
        // sees what the event is about. An older word than the current one only costs another try.
        Readiness(self.word.load(Ordering::Acquire))
    }

    /// Forgets the readiness that was `seen`, because the system call after it would have blocked.
    pub(crate) fn clear(&self, seen: Readiness) {
        let cleared = seen.0 & !(READY | HANGUP);
        // Relaxed: a clear publishes nothing, and on one word its order among the events is given. A
        // failure means that an event came, or that another waiter has cleared: both are as they should be.
        let _ = self.word.compare_exchange(seen.0, cleared, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Forgets the readiness that was `seen`, because the system call after it moved less than it could
    /// have; unless that readiness was a hang-up, which is still to be read.
    pub(crate) fn drained(&self, seen: Readiness) {
        if !seen.is_hangup() {
            self.clear(seen);
        }
    }

    /// Joins the waiters; `None` if the side is ready, so that there is nothing to wait for.
    pub(crate) fn wait(&self, waker: &Waker) -> Option<Ticket> {
        // Looks before it clones, and clones before it locks.
        if self.readiness().is_ready() {
            return None;
        }
        let waker = waker.clone();
        let mut waiters = lock(&self.waiters);
        // Relaxed: the lock orders this after every event that has not seen us.
        if Readiness(self.word.load(Ordering::Relaxed)).is_ready() {
            drop(waiters);
            drop(waker);
            return None;
        }
        Some(waiters.join(waker))
    }

    /// Leaves the waiters; false if an event has taken this one already.
    pub(crate) fn cancel(&self, ticket: Ticket) -> bool {
        let left = lock(&self.waiters).leave(ticket);
        // The lock is free again; the waker is dropped here.
        left.is_some()
    }

    /// Whether anybody waits.
    pub(crate) fn has_waiters(&self) -> bool {
        let waiters = lock(&self.waiters);
        waiters.first.is_some() || !waiters.more.is_empty()
    }

    /// Records an event and moves the waiters to `woken`; the caller wakes them when it holds no lock.
    pub(crate) fn event(&self, hangup: bool, woken: &mut Vec<Waker>) {
        let flags = if hangup { READY | HANGUP } else { READY };
        let mut waiters = lock(&self.waiters);
        // Release: pairs with the Acquire of `readiness`. A read-modify-write, for `clear` takes no lock.
        let _ = self
            .word
            .fetch_update(Ordering::Release, Ordering::Relaxed, |word| Some(word.wrapping_add(TICK) | flags));
        woken.extend(waiters.first.take().map(|waiter| waiter.waker));
        woken.extend(waiters.more.drain(..).map(|waiter| waiter.waker));
    }
}

impl Waiters {
    fn join(&mut self, waker: Waker) -> Ticket {
        let ticket = Ticket(self.next);
        self.next += 1;
        let waiter = Waiter { ticket, waker };
        if self.first.is_none() {
            self.first = Some(waiter);
        } else {
            self.more.push(waiter);
        }
        ticket
    }

    fn leave(&mut self, ticket: Ticket) -> Option<Waiter> {
        if let Some(first) = self.first.take_if(|first| first.ticket == ticket) {
            return Some(first);
        }
        let index = self.more.iter().position(|waiter| waiter.ticket == ticket)?;
        Some(self.more.swap_remove(index))
    }
}

#[cfg(test)]
impl SideState {
    /// For how many further waiters memory has been allocated.
    pub(crate) fn spill(&self) -> usize {
        lock(&self.waiters).more.capacity()
    }
}

/// Nothing panics under these locks; if something did, the list would still be whole.
fn lock<T>(mutex: &Mutex<T>) -> impl std::ops::DerefMut<Target = T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for SideState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = {
            let waiters = lock(&self.waiters);
            usize::from(waiters.first.is_some()) + waiters.more.len()
        };
        f.debug_struct("SideState").field("readiness", &self.readiness()).field("waiting", &waiting).finish()
    }
}
