//! Poison: the mark that a lock's holder leaves when it panics, or unwinds for a cancellation, with what it guards half done.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LockResult, PoisonError};
use std::thread::panicking;

#[derive(Debug)]
pub(crate) struct Poison {
    poisoned: AtomicBool,
}

/// Whether the holder was unwinding already when it took the lock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Before {
    panicking: bool,
}

impl Poison {
    pub(crate) const fn new() -> Poison {
        Poison { poisoned: AtomicBool::new(false) }
    }

    /// The lock was taken.
    #[inline]
    pub(crate) fn begin(&self) -> Before {
        Before { panicking: panicking() }
    }

    /// The lock is about to be released.
    #[inline]
    pub(crate) fn end(&self, before: Before) {
        if !before.panicking && panicking() {
            // Relaxed: the release of the lock orders it.
            self.poisoned.store(true, Ordering::Relaxed);
        }
    }

    #[inline]
    pub(crate) fn is_set(&self) -> bool {
        // Relaxed: who holds the lock has it ordered; who does not gets what was so a moment ago.
        self.poisoned.load(Ordering::Relaxed)
    }

    pub(crate) fn clear(&self) {
        self.poisoned.store(false, Ordering::Relaxed);
    }

    /// Hands out `guard` as std does.
    #[inline]
    pub(crate) fn wrap<G>(&self, guard: G) -> LockResult<G> {
        if self.is_set() { Err(PoisonError::new(guard)) } else { Ok(guard) }
    }
}
