//! What has happened, counted without sharing: each worker writes its own cache line, readers add them up.

use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_utils::CachePadded;

/// One worker's counters. Written by the thread that drives the worker (or, for `spawned` of the last one, by anyone).
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) spawned: AtomicU64,
    pub(crate) finished: AtomicU64,
    pub(crate) stolen: AtomicU64,
    pub(crate) notified: AtomicU64,
}

/// Adds one to a counter that only the calling thread writes.
///
/// Release, with Acquire in `Counts`: who sees a coroutine counted as finished sees what it did.
#[inline]
pub(crate) fn count(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Release);
}

/// The counters of all workers, and one more set for threads that are none.
#[derive(Debug)]
pub(crate) struct All {
    workers: Box<[CachePadded<Counters>]>,
    others: CachePadded<Counters>,
}

impl All {
    pub(crate) fn new(workers: usize) -> All {
        All {
            workers: (0..workers).map(|_| CachePadded::default()).collect(),
            others: CachePadded::default(),
        }
    }

    pub(crate) fn of(&self, worker: usize) -> &Counters {
        &self.workers[worker]
    }

    /// Counts a spawn from a thread that is no worker.
    pub(crate) fn count_foreign_spawn(&self) {
        self.others.spawned.fetch_add(1, Ordering::Release);
    }

    /// Counts a coroutine that was dropped before it ran, on any thread.
    pub(crate) fn count_foreign_finish(&self) {
        self.others.finished.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn read(&self) -> Counts {
        let sum = |field: fn(&Counters) -> &AtomicU64| {
            self.workers.iter().chain([&self.others]).map(|set| field(set).load(Ordering::Acquire)).sum()
        };
        // The ends are read before the starts. Both only grow, so if the sums are equal, there was a moment between
        // the two readings at which nothing was alive.
        let finished = sum(|set| &set.finished);
        let spawned = sum(|set| &set.spawned);
        Counts { spawned, finished, stolen: sum(|set| &set.stolen), notified: sum(|set| &set.notified) }
    }
}

/// What has happened in a scheduler so far. The numbers are read one after the other, while it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Coroutines spawned.
    pub spawned: u64,
    /// Coroutines that have ended.
    pub finished: u64,
    /// Times that a worker found work with another.
    pub stolen: u64,
    /// Times that a sleeping worker was woken by another thread: a system call each.
    pub notified: u64,
}

impl Counts {
    /// Coroutines that have not ended. If this is 0, none was alive at some moment of the reading.
    pub fn alive(&self) -> u64 {
        self.spawned.saturating_sub(self.finished)
    }
}

#[cfg(test)]
mod tests;
