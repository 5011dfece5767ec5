//! The end of a runtime, as those see it who wait for one of its coroutines.
//!
//! | state | what is true |
//! |---|---|
//! | going on | whoever is woken will run |
//! | come | whoever has not ended is run by nobody, but by a thread that runs it already, up to its next wait |
//!
//! **The race** is between a look and a park: whoever looks leaves its waker under the lock under which the end comes. Wakers are
//! called, and dropped, after the lock. Who only looks needs no lock: the flag is set once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;

use slab::Slab;
use tarae_sched::Scheduler;
use tarae_task::Coroutine;

use super::driver::Driver;

#[derive(Debug, Default)]
pub(crate) struct End {
    /// Changes under the lock.
    has_come: AtomicBool,
    waiters: Mutex<Slab<Waker>>,
}

impl End {
    /// Says that it has come; again does nothing.
    pub(crate) fn come(&self) {
        let waiters = {
            let mut waiters = self.lock();
            // Release: what its coroutines have done is seen by who finds it.
            self.has_come.store(true, Ordering::Release);
            std::mem::take(&mut *waiters)
        };
        waiters.into_iter().for_each(|(_, waiter)| waiter.wake());
    }

    /// Leaves a waker for it; `None` if it has come.
    fn enter(&self, waker: &Waker) -> Option<usize> {
        let mut waiters = self.lock();
        (!self.has_come()).then(|| waiters.insert(waker.clone()))
    }

    pub(crate) fn has_come(&self) -> bool {
        // Acquire: with the Release of `come`.
        self.has_come.load(Ordering::Acquire)
    }

    fn leave(&self, place: usize) {
        // Gone, if it has come.
        let waiter = self.lock().try_remove(place);
        drop(waiter);
    }

    /// Nothing under this lock panics, so poison carries no meaning.
    fn lock(&self) -> MutexGuard<'_, Slab<Waker>> {
        self.waiters.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// The end of the runtime of a coroutine of this crate.
pub(crate) fn end_of(coroutine: &Coroutine) -> Arc<End> {
    let end = Scheduler::<Driver>::with_wait_of(coroutine, |driver, _| Arc::clone(driver.end()));
    end.expect("a coroutine of this crate waits on its driver")
}

/// One who waits for a coroutine, and wants to be woken when its runtime has ended. It leaves on drop.
pub(crate) struct Heir<'a> {
    end: &'a End,
    place: Option<usize>,
}

impl<'a> Heir<'a> {
    pub(crate) fn new(end: &'a End) -> Heir<'a> {
        Heir { end, place: None }
    }

    /// Whether the end has come; if not, `waker` will be woken. It is always the same one.
    pub(crate) fn look(&mut self, waker: &Waker) -> bool {
        if self.place.is_none() {
            self.place = self.end.enter(waker);
        }
        self.end.has_come()
    }
}

impl Drop for Heir<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.end.leave(place);
        }
    }
}
