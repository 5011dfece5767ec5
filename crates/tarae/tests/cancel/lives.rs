//! Values whose lives are counted, and values that notice that they are gone while somebody uses them.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};

/// How many values live; a value that is dropped twice makes it too few.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lives {
    live: Arc<AtomicI64>,
    made: Arc<AtomicU64>,
}

impl Lives {
    pub(crate) fn one(&self) -> Life {
        self.live.fetch_add(1, Ordering::SeqCst);
        self.made.fetch_add(1, Ordering::SeqCst);
        Life(self.clone())
    }

    pub(crate) fn count(&self) -> i64 {
        self.live.load(Ordering::SeqCst)
    }

    pub(crate) fn made(&self) -> u64 {
        self.made.load(Ordering::SeqCst)
    }
}

#[derive(Debug)]
pub(crate) struct Life(Lives);

impl Drop for Life {
    fn drop(&mut self) {
        self.0.live.fetch_sub(1, Ordering::SeqCst);
    }
}

const ALIVE: u64 = 0x0A11_5E11_0A11_5E11;
const GONE: u64 = 0xDEAD_DEAD_DEAD_DEAD;

/// What children borrow. It lies in the frame that must not go before they do.
#[derive(Debug)]
pub(crate) struct Canary {
    word: AtomicU64,
    users: AtomicUsize,
    faults: Arc<AtomicUsize>,
}

impl Canary {
    /// `faults` counts what went wrong: it outlives the canary.
    pub(crate) fn new(faults: &Arc<AtomicUsize>) -> Canary {
        Canary { word: AtomicU64::new(ALIVE), users: AtomicUsize::new(0), faults: Arc::clone(faults) }
    }

    /// Borrows it until the user is dropped.
    pub(crate) fn user(&self) -> User<'_> {
        self.users.fetch_add(1, Ordering::SeqCst);
        let user = User(self);
        user.look();
        user
    }
}

impl Drop for Canary {
    fn drop(&mut self) {
        self.word.store(GONE, Ordering::SeqCst);
        if self.users.load(Ordering::SeqCst) != 0 {
            self.faults.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[derive(Debug)]
pub(crate) struct User<'a>(&'a Canary);

impl User<'_> {
    pub(crate) fn look(&self) {
        if self.0.word.load(Ordering::SeqCst) != ALIVE {
            // Whatever lies there now: what it points to is no place to write to.
            eprintln!("a frame is gone under its user");
            std::process::abort();
        }
    }
}

impl Drop for User<'_> {
    fn drop(&mut self) {
        self.look();
        self.0.users.fetch_sub(1, Ordering::SeqCst);
    }
}
