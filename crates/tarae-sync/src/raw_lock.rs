//! The lock word with a wait: what [`Mutex`](crate::Mutex) and [`RwLock`](crate::RwLock) take and release.

use std::task::Waker;
use std::time::{Duration, Instant};

use tarae_task::{Reason, shield};

use crate::lock_word::{LockWord, Mode};
use crate::queue::Ticket;
use crate::wait::{Wait, wait};

/// For how long the first in line is passed over, before the lock is handed to it.
///
/// Long beside the microsecond or the fifty that a wake takes, as the lock idles for one then; short beside what a person
/// or a timeout notices.
const PATIENCE: Duration = Duration::from_micros(500);

/// How often one who comes looks again before it stands in line: a few hundred nanoseconds in all, about what a park costs.
const LOOKS: u32 = 4;

#[derive(Debug)]
pub(crate) struct RawLock {
    word: LockWord,
}

impl RawLock {
    pub(crate) const fn new() -> RawLock {
        RawLock { word: LockWord::new() }
    }

    /// Parks until the lock is the caller's.
    #[inline(always)]
    pub(crate) fn acquire_exclusive(&self) {
        if !self.word.take_exclusive() {
            self.acquire_slowly(Mode::Exclusive);
        }
    }

    /// As [`acquire_exclusive`](Self::acquire_exclusive), and is not interrupted.
    pub(crate) fn acquire_exclusive_shielded(&self) {
        if !self.word.take_exclusive() {
            shield(|| self.acquire_slowly(Mode::Exclusive));
        }
    }

    #[inline(always)]
    pub(crate) fn release_exclusive(&self) {
        if !self.word.release_exclusive() {
            self.word.release(Mode::Exclusive);
        }
    }

    #[inline]
    pub(crate) fn acquire_shared(&self) {
        if !self.word.take(Mode::Shared) {
            self.acquire_slowly(Mode::Shared);
        }
    }

    #[inline]
    pub(crate) fn release_shared(&self) {
        self.word.release(Mode::Shared);
    }

    #[inline]
    pub(crate) fn try_acquire(&self, mode: Mode) -> bool {
        self.word.take(mode)
    }

    pub(crate) fn downgrade(&self) {
        self.word.downgrade();
    }

    #[cold]
    fn acquire_slowly(&self, mode: Mode) {
        for look in 0..LOOKS {
            if self.word.take(mode) {
                return;
            }
            // Where others stand in line, whoever holds it may well be parked.
            if !self.word.is_held_alone() {
                break;
            }
            (0..1 << look).for_each(|_| std::hint::spin_loop());
        }
        wait(Reason::Lock, None, Claim { word: &self.word, mode, passed_over: None });
    }
}

/// One who wants the lock.
struct Claim<'a> {
    word: &'a LockWord,
    mode: Mode,
    /// Since when it comes too late when it is called.
    passed_over: Option<Instant>,
}

impl Wait for Claim<'_> {
    type Ticket = Ticket;

    fn enter(&mut self, waker: &Waker) -> Option<Ticket> {
        self.word.enter(self.mode, waker)
    }

    fn look(&mut self, ticket: &mut Option<Ticket>, waker: &Waker) -> bool {
        let passed_over = &mut self.passed_over;
        self.word.look(ticket, self.mode, waker, || {
            let now = Instant::now();
            now - *passed_over.get_or_insert(now) >= PATIENCE
        })
    }

    fn leave(&mut self, ticket: Ticket) -> bool {
        self.word.leave(ticket)
    }

    fn pass_on(&mut self) {
        self.word.release(self.mode);
    }
}
