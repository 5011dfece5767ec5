//! What goes on in a scheduler, for its user. Nothing here is counted for this page alone: it adds up what the parts count.

use std::sync::atomic::Ordering;

use crate::histogram::Histogram;
use crate::scheduler::{Scheduler, Shared};
use crate::threads::ThreadCounts;
use crate::wait::Wait;

/// What goes on in a runtime, and what has happened since it started.
///
/// The numbers are read one after the other while the runtime runs, so two of them need not be of the same moment.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Metrics {
    /// How many workers there are: how many coroutines run at the same time, those that are stuck aside.
    pub workers: usize,
    /// How many kernel threads there are, by what they do. The monitor, the thread that tells of stalls for a moment, and those
    /// that make stacks ahead of need, are not among them.
    pub threads: ThreadCounts,
    /// How many coroutines there are, by state.
    pub coroutines: CoroutineCounts,
    /// Coroutines spawned.
    pub spawned: u64,
    /// Coroutines that have ended.
    pub finished: u64,
    /// Times that a worker found work with another.
    pub stolen: u64,
    /// Times that a coroutine suspended itself to wait.
    pub parks: u64,
    /// Times that a coroutine that waited was queued, as what it waited for has happened.
    pub wakes: u64,
    /// Times that a sleeping worker was told of work by another thread: a system call, as a rule.
    pub remote_wakes: u64,
    /// Times that a worker went from one kernel thread to another.
    pub hand_offs: u64,
    /// Of those, how many because a coroutine was stuck without having said that it might be.
    pub stalls: u64,
    /// Times that a worker should have gone to another kernel thread, and could not: there were as many spare threads as
    /// there may be.
    pub stalls_at_limit: u64,
    /// Times that a worker looked at its sockets and timers.
    pub polls: u64,
    /// The slots of the runtime's stack size: a stack and a thread identity each. Runtimes with the same stack size
    /// share them.
    pub slots: SlotCounts,
    /// How many thread identities were made for these slots. They are reused and never released.
    pub identities: usize,
    /// How long coroutines that were spawned or woken waited for their turn. By sample: one in 64, more of them after each of a
    /// worker's looks at its sockets; of those that come from other threads one in 16. Each is counted as those it stands
    /// for.
    pub schedule_latency: Histogram,
    /// How long coroutines ran at a time, until they waited, yielded or ended. By sample, one run in 2,048 at least, each
    /// counted as the runs it stands for; and all in which the kernel thread was left behind.
    pub run_slice: Histogram,
}

/// How many coroutines there are, by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CoroutineCounts {
    /// In a queue, or waiting for a stack.
    pub ready: u64,
    /// On a kernel thread; also one that is locked to it, and waits.
    pub running: u64,
    /// Waiting for something.
    pub parked: u64,
}

impl CoroutineCounts {
    /// Coroutines that have not ended. If this is 0, none was alive at some moment of the reading.
    pub fn alive(&self) -> u64 {
        self.ready + self.running + self.parked
    }
}

/// How many slots there are, by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SlotCounts {
    /// In use by a coroutine, or at hand for the next one in a worker's cache.
    pub live: usize,
    /// On the shelf, warm.
    pub idle: usize,
    /// The most that were live at a time.
    pub peak: usize,
}

impl<W: Wait> Scheduler<W> {
    /// What goes on, and what has happened so far.
    pub fn metrics(&self) -> Metrics {
        let shared = &*self.shared;
        let threads = shared.threads.counts();
        let counts = shared.counters.read();
        let (identities, idle) = shared.pool.counts();
        let mut run_slice = shared.merged(|worker| shared.remotes[worker].run_slice.snapshot());
        run_slice.merge(&shared.threads.left_behind_slices());
        let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        Metrics {
            workers: self.workers(),
            threads,
            coroutines: shared.coroutines(counts.alive(), threads),
            spawned: counts.spawned,
            finished: counts.finished,
            stolen: counts.stolen,
            parks: counts.parks,
            wakes: counts.wakes,
            remote_wakes: counts.remote_wakes,
            hand_offs: load(&shared.threads.hand_offs),
            stalls: load(&shared.threads.stalls),
            stalls_at_limit: load(&shared.threads.stalls_at_limit),
            polls: shared.remotes.iter().map(|remote| load(&remote.looks)).sum(),
            slots: SlotCounts { live: identities - idle, idle, peak: shared.pool.peak() },
            identities,
            schedule_latency: shared.merged(|worker| shared.remotes[worker].schedule_latency.snapshot()),
            run_slice,
        }
    }
}

impl<W: Wait> Shared<W> {
    fn coroutines(&self, alive: u64, threads: ThreadCounts) -> CoroutineCounts {
        let ready = (self.queued() + self.starved_count.load(Ordering::Relaxed)) as u64;
        let in_coroutines = self.remotes.iter().filter_map(|remote| remote.watch());
        let running = in_coroutines.filter(|watch| watch.look().is_outside()).count() + threads.left_behind;
        // What is read at different moments may not add up.
        let ready = ready.min(alive);
        let running = (running as u64).min(alive - ready);
        CoroutineCounts { ready, running, parked: alive - ready - running }
    }

    fn merged(&self, of: impl Fn(usize) -> Histogram) -> Histogram {
        (0..self.remotes.len()).map(of).fold(Histogram::default(), |mut sum, histogram| {
            sum.merge(&histogram);
            sum
        })
    }
}
