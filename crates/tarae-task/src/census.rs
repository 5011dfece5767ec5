//! How many kernel threads of the process wait in tarae, with no end in sight but a wake.
//!
//! A runtime in which nothing moves asks: could anybody outside still wake one of my coroutines? If every kernel thread
//! of the process is known to wait, nobody can.

use std::sync::atomic::{AtomicUsize, Ordering};

static BLOCKED: AtomicUsize = AtomicUsize::new(0);

/// Counts the comings and goings, so that a reader can tell whether it saw a moment or a movement.
static CHANGES: AtomicUsize = AtomicUsize::new(0);

/// The calling kernel thread waits for a wake while this lives.
#[derive(Debug)]
pub struct Blocked(());

impl Blocked {
    /// Says that the calling kernel thread can do nothing until it is woken.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "it is counted")]
    pub fn new() -> Blocked {
        CHANGES.fetch_add(1, Ordering::SeqCst);
        BLOCKED.fetch_add(1, Ordering::SeqCst);
        Blocked(())
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        CHANGES.fetch_add(1, Ordering::SeqCst);
        BLOCKED.fetch_sub(1, Ordering::SeqCst);
    }
}

/// How many kernel threads are blocked, and a number that changes whenever that does.
pub fn blocked() -> (usize, usize) {
    let changes = CHANGES.load(Ordering::SeqCst);
    (BLOCKED.load(Ordering::SeqCst), changes)
}
