//! How many kernel threads of the process wait in tarae, with no end in sight but a wake.
//!
//! A runtime in which nothing moves asks: could anybody outside still wake one of my coroutines? If every kernel thread
//! of the process is known to wait, nobody can.
//!
//! A thread stops being counted when it *is woken*, not when it gets to run: between the two it may do anything, and is
//! known to. So the count is changed under the lock that the waker takes.

use std::sync::atomic::{AtomicUsize, Ordering};

static BLOCKED: AtomicUsize = AtomicUsize::new(0);

/// Counts the comings and goings, so that a reader can tell whether it saw a moment or a movement.
static CHANGES: AtomicUsize = AtomicUsize::new(0);

/// Whether a kernel thread is counted as blocked. Lies under the lock of what it waits for.
#[derive(Debug, Default)]
pub struct Blocked(bool);

impl Blocked {
    /// The thread is about to wait, and will go on only when it is woken.
    pub fn set(&mut self) {
        if !std::mem::replace(&mut self.0, true) {
            BLOCKED.fetch_add(1, Ordering::SeqCst);
            CHANGES.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// It is woken, or goes on by itself.
    pub fn clear(&mut self) {
        if std::mem::replace(&mut self.0, false) {
            CHANGES.fetch_add(1, Ordering::SeqCst);
            BLOCKED.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// What was counted at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Census {
    /// How many kernel threads are blocked.
    pub blocked: usize,
    changes: usize,
}

/// Counts. Two censuses that are equal say that there was no change in between.
pub fn take() -> Census {
    let changes = CHANGES.load(Ordering::SeqCst);
    Census { blocked: BLOCKED.load(Ordering::SeqCst), changes }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The only test that counts in this process.
    #[test]
    fn a_change_there_and_back_is_seen() {
        let before = take();
        let mut place = Blocked::default();
        place.set();
        place.set();
        assert_eq!(take().blocked, before.blocked + 1);
        place.clear();
        place.clear();
        assert_eq!(take().blocked, before.blocked);
        assert_ne!(take(), before);
        assert_eq!(take(), take());
    }
}
