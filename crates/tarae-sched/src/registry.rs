//! The coroutines that have parked at least once: whoever shuts down must find them.
//!
//! One that never parked needs no entry: it is in a queue, or runs. Sharded, so that workers do not meet: a worker
//! enters into its own shard.

use std::sync::{Mutex, MutexGuard};

use crossbeam_utils::CachePadded;
use slab::Slab;
use tarae_task::Coroutine;

/// # Invariants
///
/// Once `closed`, every coroutine that is entered gets cancelled, by whoever comes second: the one that enters, or the
/// one that closes.
#[derive(Debug, Default)]
struct Shard {
    parked: Slab<Coroutine>,
    closed: bool,
}

#[derive(Debug)]
pub(crate) struct Registry {
    shards: Box<[CachePadded<Mutex<Shard>>]>,
}

impl Registry {
    pub(crate) fn new(shards: usize) -> Registry {
        Registry { shards: (0..shards).map(|_| CachePadded::default()).collect() }
    }

    /// Enters a coroutine and returns its key.
    pub(crate) fn enter(&self, shard: usize, coroutine: &Coroutine) -> u64 {
        let coroutine = coroutine.clone();
        let (index, closed) = {
            let mut entries = self.lock(shard);
            (entries.parked.insert(coroutine.clone()), entries.closed)
        };
        if closed {
            coroutine.cancel();
        }
        (index * self.shards.len() + shard) as u64
    }

    /// Removes what was entered under `key`.
    pub(crate) fn remove(&self, key: u64) {
        let key = usize::try_from(key).expect("a key is a usize");
        let entry = self.lock(key % self.shards.len()).parked.remove(key / self.shards.len());
        // Dropped after the lock, like everything that frees.
        drop(entry);
    }

    /// Cancels everyone in it, and everyone who will be.
    pub(crate) fn close(&self) {
        for shard in 0..self.shards.len() {
            let parked: Vec<Coroutine> = {
                let mut entries = self.lock(shard);
                entries.closed = true;
                entries.parked.iter().map(|(_, coroutine)| coroutine.clone()).collect()
            };
            parked.iter().for_each(Coroutine::cancel);
        }
    }

    /// A handle to everyone in it.
    pub(crate) fn list(&self) -> Vec<Coroutine> {
        let shards = 0..self.shards.len();
        shards
            .flat_map(|shard| {
                self.lock(shard).parked.iter().map(|(_, coroutine)| coroutine.clone()).collect::<Vec<_>>()
            })
            .collect()
    }

    /// The slab stays consistent whatever panics, so poison carries no meaning.
    fn lock(&self, shard: usize) -> MutexGuard<'_, Shard> {
        self.shards[shard].lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests;
