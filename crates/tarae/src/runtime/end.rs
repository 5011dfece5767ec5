//! The end of a runtime, as those see it who wait for one of its coroutines.
//!
//! | state | what is true |
//! |---|---|
//! | going on | whoever is woken will run |
//! | come | whoever has not ended is run by nobody, but by a thread that runs it already, up to its next wait |
//!
//! **The race** is between a look and a park: whoever looks leaves its waker under the lock under which the end comes. Wakers are
//! called, and dropped, after the lock.

use std::sync::{Mutex, MutexGuard};
use std::task::Waker;

use slab::Slab;
use tarae_sched::Scheduler;
use tarae_task::Coroutine;

use super::driver::Driver;

#[derive(Debug, Default)]
pub(crate) struct End(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    has_come: bool,
    waiters: Slab<Waker>,
}

impl End {
    /// Says that it has come; again does nothing.
    pub(crate) fn come(&self) {
        let waiters = {
            let mut state = self.lock();
            state.has_come = true;
            std::mem::take(&mut state.waiters)
        };
        waiters.into_iter().for_each(|(_, waiter)| waiter.wake());
    }

    /// Leaves a waker for it; `None` if it has come.
    fn enter(&self, waker: &Waker) -> Option<usize> {
        let mut state = self.lock();
        (!state.has_come).then(|| state.waiters.insert(waker.clone()))
    }

    fn has_come(&self) -> bool {
        self.lock().has_come
    }

    fn leave(&self, place: usize) {
        let waiter = {
            let mut state = self.lock();
            // Gone, if it has come.
            if state.has_come { None } else { state.waiters.try_remove(place) }
        };
        drop(waiter);
    }

    /// Nothing under this lock panics, so poison carries no meaning.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Whether a coroutine is one that nobody will run any more, unless it runs now.
pub(crate) fn is_left_behind(coroutine: &Coroutine) -> bool {
    !coroutine.is_done() && of(coroutine, End::has_come).unwrap_or(false) && !coroutine.is_done()
}

/// One who waits for a coroutine, and wants to be woken when its runtime has ended. It leaves on drop.
pub(crate) struct Heir<'a> {
    coroutine: &'a Coroutine,
    place: Option<usize>,
}

impl<'a> Heir<'a> {
    pub(crate) fn new(coroutine: &'a Coroutine) -> Heir<'a> {
        Heir { coroutine, place: None }
    }

    /// As [`is_left_behind`]; if not, `waker` will be woken. It is always the same one.
    pub(crate) fn look(&mut self, waker: &Waker) -> bool {
        if self.place.is_none() {
            self.place = of(self.coroutine, |end| end.enter(waker)).flatten();
        }
        is_left_behind(self.coroutine)
    }
}

impl Drop for Heir<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            of(self.coroutine, |end| end.leave(place));
        }
    }
}

fn of<R>(coroutine: &Coroutine, f: impl FnOnce(&End) -> R) -> Option<R> {
    Scheduler::<Driver>::with_wait_of(coroutine, |driver, _| f(driver.end()))
}
