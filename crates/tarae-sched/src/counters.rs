//! What has happened, counted without sharing: each worker writes its own cache line, readers add them up.

use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_utils::CachePadded;

/// One worker's counters. Written by whoever has the worker's seat; those of the last set by anyone.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) spawned: AtomicU64,
    pub(crate) finished: AtomicU64,
    pub(crate) stolen: AtomicU64,
    pub(crate) parks: AtomicU64,
    pub(crate) wakes: AtomicU64,
    pub(crate) remote_wakes: AtomicU64,
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

    /// Adds one to a counter of a worker, if the caller has its seat, or to that of all others.
    pub(crate) fn count(&self, worker: Option<usize>, field: fn(&Counters) -> &AtomicU64) {
        match worker {
            Some(worker) => count(field(&self.workers[worker])),
            None => {
                field(&self.others).fetch_add(1, Ordering::Release);
            }
        }
    }

    pub(crate) fn read(&self) -> Counts {
        let sum = |field: fn(&Counters) -> &AtomicU64| {
            self.workers.iter().chain([&self.others]).map(|set| field(set).load(Ordering::Acquire)).sum()
        };
        // The ends are read before the starts. Both only grow, so if the sums are equal, there was a moment between
        // the two readings at which nothing was alive.
        let finished = sum(|set| &set.finished);
        let spawned = sum(|set| &set.spawned);
        Counts {
            spawned,
            finished,
            stolen: sum(|set| &set.stolen),
            parks: sum(|set| &set.parks),
            wakes: sum(|set| &set.wakes),
            remote_wakes: sum(|set| &set.remote_wakes),
        }
    }
}

/// What has happened in a scheduler so far. The numbers are read one after the other, while it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) spawned: u64,
    pub(crate) finished: u64,
    pub(crate) stolen: u64,
    pub(crate) parks: u64,
    pub(crate) wakes: u64,
    pub(crate) remote_wakes: u64,
}

impl Counts {
    /// Coroutines that have not ended. If this is 0, none was alive at some moment of the reading.
    pub(crate) fn alive(&self) -> u64 {
        self.spawned.saturating_sub(self.finished)
    }
}

#[cfg(test)]
mod tests;
