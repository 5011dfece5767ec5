//! What few channels have: promises of selects that send, and those who watch. Kept aside, so that the others stay small.

use std::task::Waker;

use slab::Slab;

use super::list::Promise;
use super::wakes::Wakes;

/// Where a promise stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    InQueue,
    /// At the place of a receiver.
    With(usize),
}

/// What is kept aside.
#[derive(Debug, Default)]
pub(crate) struct Rare {
    promises: Slab<Standing>,
    pub(crate) send_watchers: Watchers,
    pub(crate) receive_watchers: Watchers,
}

impl Rare {
    pub(crate) fn promise(&mut self, standing: Standing) -> Promise {
        // Fewer than there are places and messages.
        Promise(self.promises.insert(standing) as u32)
    }

    pub(crate) fn move_promise(&mut self, promise: Promise, standing: Standing) {
        self.promises[promise.0 as usize] = standing;
    }

    /// Ends a promise, and returns where it stood.
    pub(crate) fn end_promise(&mut self, promise: Promise) -> Standing {
        self.promises.remove(promise.0 as usize)
    }

    pub(crate) fn any_promise(&self) -> Option<Promise> {
        self.promises.iter().next().map(|(key, _)| Promise(key as u32))
    }
}

/// Those who want to know when an end is ready, and claim nothing: by number.
#[derive(Debug, Default)]
pub(crate) struct Watchers(Vec<(u64, Waker)>);

impl Watchers {
    pub(crate) fn add(&mut self, number: u64, waker: &Waker) {
        if self.0.iter().all(|(other, _)| *other != number) {
            self.0.push((number, waker.clone()));
        }
    }

    pub(crate) fn remove(&mut self, number: u64) {
        self.0.retain(|(other, _)| *other != number);
    }

    /// Wakes them all, once.
    pub(crate) fn wake(&mut self, wakes: &mut Wakes) {
        self.0.drain(..).for_each(|(_, waker)| wakes.push(Some(waker)));
    }
}
