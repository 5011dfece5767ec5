//! The run queue of a worker: first in, first out; others steal from it.
//!
//! It is a ring of crossbeam's deques. Each holds no more than fits into it when it is new: where such a deque grows or shrinks,
//! it pins an epoch, which [`backlog`](crate::backlog) says why not. The owner pushes to the last part in use and pops from the
//! first; as long as few wait, that is one and the same.
//!
//! ```text
//!        ┌ first           ┌ last
//!  │     │ 3 … │ 64 │ 64 │ 17 …│     │     │     parts before `first` and after `last` are empty
//! ```
//!
//! Thieves begin with the first, so they take what has waited longest. Where they find it by an old note they take what is
//! younger: that costs an order that nobody was promised, and nothing else.

use std::array;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_deque::{Injector, Steal, Stealer, Worker as Deque};

/// What fits into a deque before it grows for the first time.
const PART_MAX: usize = 64;

/// How many parts there are.
const PARTS: usize = 8;

/// The most that the queue holds.
#[cfg(test)]
pub(crate) const QUEUE_MAX: usize = PARTS * PART_MAX;

/// The owner's end.
///
/// # Invariants
///
/// All parts are empty but those from `first` to `last`, round the ring; none has more than [`PART_MAX`].
#[derive(Debug)]
pub(crate) struct Queue<T> {
    parts: [Deque<T>; PARTS],
    first: Cell<usize>,
    last: Cell<usize>,
    /// What `first` is, for thieves, who may read it late. Relaxed: the parts guard what is in them.
    told: Arc<AtomicUsize>,
}

/// The thieves' end.
pub(crate) struct Thieves<T> {
    parts: [Stealer<T>; PARTS],
    first: Arc<AtomicUsize>,
}

impl<T> Queue<T> {
    pub(crate) fn new() -> Queue<T> {
        let parts = array::from_fn(|_| Deque::new_fifo());
        Queue { parts, first: Cell::default(), last: Cell::default(), told: Arc::default() }
    }

    pub(crate) fn thieves(&self) -> Thieves<T> {
        Thieves { parts: array::from_fn(|part| self.parts[part].stealer()), first: Arc::clone(&self.told) }
    }

    /// Adds one, unless it is full.
    #[inline]
    pub(crate) fn push(&self, value: T) -> Result<(), T> {
        let last = self.last();
        if last.len() < PART_MAX {
            last.push(value);
            return Ok(());
        }
        self.push_further(value)
    }

    #[cold]
    fn push_further(&self, value: T) -> Result<(), T> {
        let further = (self.last.get() + 1) % PARTS;
        if further == self.first.get() {
            return Err(value);
        }
        self.last.set(further);
        // INVARIANT: It was empty: not one of those from `first` to `last`.
        self.parts[further].push(value);
        Ok(())
    }

    #[inline]
    pub(crate) fn pop(&self) -> Option<T> {
        let popped = self.parts[self.first.get() % PARTS].pop();
        if popped.is_some() { popped } else { self.pop_further() }
    }

    fn pop_further(&self) -> Option<T> {
        loop {
            let first = self.first.get();
            if first == self.last.get() {
                return None;
            }
            // INVARIANT: The one before was just found empty, and only we could fill it.
            let first = (first + 1) % PARTS;
            self.first.set(first);
            self.told.store(first, Ordering::Relaxed);
            if let Some(popped) = self.parts[first].pop() {
                return Some(popped);
            }
        }
    }

    /// How many there are.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        let (first, last) = (self.first.get(), self.last.get());
        let of_last = self.last().len();
        if first == last { of_last } else { of_last + self.len_before(last) }
    }

    #[cold]
    fn len_before(&self, last: usize) -> usize {
        let first = self.first.get();
        (0..PARTS)
            .map(|part| (first + part) % PARTS)
            .take_while(|part| *part != last)
            .map(|part| self.parts[part].len())
            .sum()
    }

    /// Moves some to here that were injected, `most` at most, and returns the first. When this is empty.
    pub(crate) fn fetch(&self, injector: &Injector<T>, most: usize) -> Option<T> {
        until_certain(|| injector.steal_batch_with_limit_and_pop(self.last(), most))
    }

    #[inline]
    fn last(&self) -> &Deque<T> {
        &self.parts[self.last.get() % PARTS]
    }
}

impl<T> Thieves<T> {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.parts.iter().map(Stealer::len).sum()
    }

    /// Moves some to the queue of the thief, which is empty, and returns the first.
    pub(crate) fn steal(&self, thief: &Queue<T>) -> Option<T> {
        self.in_order().find_map(|part| until_certain(|| part.steal_batch_and_pop(thief.last())))
    }

    /// Takes one.
    pub(crate) fn steal_one(&self) -> Option<T> {
        self.in_order().find_map(|part| until_certain(|| part.steal()))
    }

    fn in_order(&self) -> impl Iterator<Item = &Stealer<T>> {
        let first = self.first.load(Ordering::Relaxed);
        (0..PARTS).map(move |part| &self.parts[(first + part) % PARTS])
    }
}

/// Repeats a steal that lost a race. Each loss is another thread's success.
pub(crate) fn until_certain<T>(mut steal: impl FnMut() -> Steal<T>) -> Option<T> {
    loop {
        match steal() {
            Steal::Success(value) => return Some(value),
            Steal::Empty => return None,
            Steal::Retry => {}
        }
    }
}

#[cfg(test)]
mod tests;
