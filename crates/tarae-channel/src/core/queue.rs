//! The messages of a channel in their order, those included that are promised and not made yet.
//!
//! A promise is known by its key. A message comes and goes in somebody's `Option`, and each operation that moves one is a function of its
//! own: without optimisation a value that is moved costs the frame it is moved in as much stack as it is large.

use std::collections::VecDeque;

use super::list::Promise;

/// A queue that has been this long is given back when it is empty.
const KEPT_CAPACITY_MAX: usize = 4096;

/// One message.
enum Slot<T> {
    Message(T),
    /// One to come.
    Promise(Promise),
}

/// What was taken from the front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Popped {
    Message,
    Promise(Promise),
    Nothing,
}

/// The messages, first in, first out.
pub(crate) struct Queue<T> {
    slots: VecDeque<Slot<T>>,
}

impl<T> Queue<T> {
    pub(crate) const fn new() -> Queue<T> {
        Queue { slots: VecDeque::new() }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Takes a message in, after all others.
    #[inline]
    pub(crate) fn push(&mut self, message: &mut Option<T>) {
        if let Some(message) = message.take() {
            self.slots.push_back(Slot::Message(message));
        }
    }

    /// Takes a message in, before all others.
    pub(crate) fn push_first(&mut self, message: &mut Option<T>) {
        if let Some(message) = message.take() {
            self.slots.push_front(Slot::Message(message));
        }
    }

    pub(crate) fn promise(&mut self, promise: Promise) {
        self.slots.push_back(Slot::Promise(promise));
    }

    pub(crate) fn promise_first(&mut self, promise: Promise) {
        self.slots.push_front(Slot::Promise(promise));
    }

    /// Takes the first one out.
    #[inline]
    pub(crate) fn pop(&mut self, into: &mut Option<T>) -> Popped {
        match self.slots.pop_front() {
            Some(Slot::Message(message)) => {
                *into = Some(message);
                Popped::Message
            }
            Some(Slot::Promise(promise)) => Popped::Promise(promise),
            None => Popped::Nothing,
        }
    }

    /// Puts the message where it was promised; leaves it if that place is gone. Whether it was there.
    pub(crate) fn keep_promise(&mut self, promise: Promise, message: &mut Option<T>) -> bool {
        let Some(at) = self.place_of(promise) else { return false };
        if let Some(message) = message.take() {
            self.slots[at] = Slot::Message(message);
        }
        true
    }

    /// Forgets a promise. Whether it was there.
    pub(crate) fn break_promise(&mut self, promise: Promise) -> bool {
        let Some(at) = self.place_of(promise) else { return false };
        self.slots.remove(at);
        true
    }

    /// Sought from the end, where it was put.
    fn place_of(&self, promise: Promise) -> Option<usize> {
        self.slots.iter().rposition(|slot| matches!(slot, Slot::Promise(other) if *other == promise))
    }

    /// Gives memory back.
    #[inline]
    pub(crate) fn shrink(&mut self) {
        if self.slots.is_empty() && self.slots.capacity() > KEPT_CAPACITY_MAX {
            self.slots = VecDeque::new();
        }
    }

    /// Drops the first one, which may panic. Whether there was one.
    pub(crate) fn drop_first(&mut self) -> bool {
        let is_there = !self.slots.is_empty();
        if is_there {
            self.slots.drain(..1);
        }
        is_there
    }
}
