//! What a worker owns, and lends as its seat to what it runs.
//!
//! The thread that drives the worker sits on the [`Core`]; code in coroutines reaches it through `with_seat`, so it has
//! cells where both write. Beside it stands the [`Remote`], the part that other threads may touch.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use crossbeam_deque::Injector;
use tarae_context::{Cache, Pool};
use tarae_task::{Runnable, Watch};

use crate::backlog::{BATCH_MAX, Backlog};
use crate::budget::{Budget, Turn};
use crate::clock::Stamping;
use crate::counters::count;
use crate::histogram::Recorder;
use crate::next_slot::{Filled, NextSlot};
use crate::queue::{Queue, Thieves, until_certain};

/// How many coroutines in a row may come from the next slot before the queue has its turn. Two that wake each other
/// would otherwise keep everybody else waiting.
const NEXT_IN_A_ROW_MAX: u32 = 16;

/// How many coroutines in a row may come from the queue while some wait for their first run beside it.
const QUEUED_IN_A_ROW_MAX: u32 = 16;

/// How many may wait in the queue before one that is spawned waits beside it. Up to here they start in the order in which they
/// were spawned; and so many branches of a tree are walked side by side.
const QUEUE_SHORT: usize = 32;

/// How many come to the queue at a time, when it is empty. So many fit into the first cache with all that they touch first.
const REFILL: usize = 16;

/// The part of a worker that other threads reach.
pub(crate) struct Remote {
    queue: Thieves<Runnable>,
    /// The last one woken on this worker: it runs next, while what it needs is warm.
    next: NextSlot<Runnable>,
    /// Those who wait behind the queue.
    crowd: Backlog<Runnable>,
    /// Those who wait for a first run beside it.
    fresh: Backlog<Runnable>,
    /// Who drives the worker, as the monitor sees it; nobody before and after, or while there is no thread for it.
    watch: Mutex<Option<Watch<Core>>>,
    /// The kernel's number of the thread that drives the worker.
    pub(crate) thread: AtomicI32,
    /// What the coroutine that runs does with its turn.
    pub(crate) turn: Turn,
    /// How often the worker has looked at its sockets and timers.
    pub(crate) looks: AtomicU64,
    /// Set by the monitor, to have the worker look around before its next run.
    pub(crate) look_wanted: AtomicBool,
    /// How long coroutines ran at a time, and how long they waited for their turn.
    pub(crate) run_slice: Recorder,
    pub(crate) schedule_latency: Recorder,
}

impl Remote {
    /// How many wait, but for the next slot.
    pub(crate) fn queued(&self) -> usize {
        self.queue.len() + self.crowd.len() + self.fresh.len()
    }

    /// Moves a part of what waits to the thief's queue, which is empty, and returns the first: half of the queue, and of those
    /// who wait for a first run the oldest, as the owner may be long in coming to them.
    pub(crate) fn steal(&self, thief: &Core) -> Option<Runnable> {
        let first = self.queue.steal(&thief.queue);
        let push = |runnable| thief.queue.push(runnable).expect("two batches fit into an empty queue");
        if first.is_none() {
            // The owner has not come to it.
            self.crowd.batch(BATCH_MAX, push);
        }
        self.fresh.older_half(push);
        first.or_else(|| thief.queue.pop())
    }

    /// Takes all that waits, but for the next slot, one after the other. When nobody drives the worker any more.
    pub(crate) fn take_any(&self) -> Option<Runnable> {
        self.queue.steal_one().or_else(|| self.crowd.oldest()).or_else(|| self.fresh.oldest())
    }

    /// Takes what the owner has not come to.
    pub(crate) fn steal_next(&self) -> Option<Runnable> {
        self.next.steal()
    }

    /// Who drives the worker, if anybody does.
    pub(crate) fn watch(&self) -> Option<Watch<Core>> {
        self.watch_slot().clone()
    }

    /// A thread sits down.
    pub(crate) fn begin_tenure(&self, watch: Watch<Core>) {
        self.thread.store(rustix::thread::gettid().as_raw_nonzero().get(), Ordering::Relaxed);
        self.turn.begin_run();
        let before = self.watch_slot().replace(watch);
        drop(before);
    }

    /// The worker has ended.
    pub(crate) fn end_tenure(&self) {
        let before = self.watch_slot().take();
        drop(before);
    }

    /// Notes that the worker has looked at its sockets and timers.
    pub(crate) fn count_look(&self) {
        count(&self.looks);
        if self.look_wanted.load(Ordering::Relaxed) {
            self.look_wanted.store(false, Ordering::Relaxed);
        }
    }

    /// Nothing under this lock panics, so poison carries no meaning.
    fn watch_slot(&self) -> MutexGuard<'_, Option<Watch<Core>>> {
        self.watch.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("queued", &self.queued()).finish_non_exhaustive()
    }
}

/// The part of a worker that its thread owns.
#[derive(Debug)]
pub(crate) struct Core {
    /// The number of its scheduler.
    pub(crate) scheduler: usize,
    pub(crate) worker: usize,
    queue: Queue<Runnable>,
    pub(crate) cache: RefCell<Cache>,
    next_filled: Filled,
    next_in_a_row: Cell<u32>,
    queued_in_a_row: Cell<u32>,
    /// While the worker wakes many at once, they go to the queue, in their order, and others are told once, after.
    pub(crate) in_batch: Cell<bool>,
    /// When the worker last looked at its sockets and timers, whichever thread drove it.
    pub(crate) polled: Cell<Instant>,
    /// Which of the coroutines that are queued are stamped, for the histogram of latencies.
    pub(crate) stamping: Stamping,
    /// How much of its turn the coroutine that runs has used.
    pub(crate) budget: Budget,
}

impl Core {
    pub(crate) fn new(scheduler: usize, worker: usize, pool: &'static Pool) -> (Box<Core>, Remote) {
        let queue = Queue::new();
        let remote = Remote {
            queue: queue.thieves(),
            next: NextSlot::new(),
            crowd: Backlog::new(),
            fresh: Backlog::new(),
            watch: Mutex::new(None),
            thread: AtomicI32::new(0),
            turn: Turn::default(),
            looks: AtomicU64::new(0),
            look_wanted: AtomicBool::new(false),
            run_slice: Recorder::new(),
            schedule_latency: Recorder::new(),
        };
        let core = Core {
            scheduler,
            worker,
            queue,
            cache: RefCell::new(Cache::new(pool)),
            next_filled: Filled::default(),
            next_in_a_row: Cell::new(0),
            queued_in_a_row: Cell::new(0),
            in_batch: Cell::new(false),
            polled: Cell::new(Instant::now()),
            stamping: Stamping::new(),
            budget: Budget::default(),
        };
        (Box::new(core), remote)
    }

    /// Puts a coroutine into the next slot; who was there goes to the queue. Returns whether that happened.
    pub(crate) fn put_next(&self, remote: &Remote, runnable: Runnable) -> bool {
        match remote.next.put(&self.next_filled, runnable) {
            Some(displaced) => {
                self.push(remote, displaced);
                true
            }
            None => false,
        }
    }

    /// Queues a coroutine behind all that are queued.
    #[inline]
    pub(crate) fn push(&self, remote: &Remote, runnable: Runnable) {
        let left = if remote.crowd.is_empty() { self.queue.push(runnable) } else { Err(runnable) };
        if let Err(runnable) = left {
            remote.crowd.push(runnable);
        }
    }

    /// Queues one of many that were woken together. They go the long way, and on it what they need is fetched.
    pub(crate) fn push_of_many(&self, remote: &Remote, runnable: Runnable) {
        runnable.prefetch_context();
        remote.crowd.push(runnable);
    }

    /// Queues a coroutine that was just spawned, and returns how many wait now.
    pub(crate) fn push_fresh(&self, remote: &Remote, runnable: Runnable) -> usize {
        if self.queue.len() + remote.crowd.len() < QUEUE_SHORT {
            self.push(remote, runnable);
        } else {
            remote.fresh.push(runnable);
        }
        self.queued(remote)
    }

    /// How many wait, but for the next slot.
    pub(crate) fn queued(&self, remote: &Remote) -> usize {
        self.queue.len() + remote.crowd.len() + remote.fresh.len()
    }

    /// Gives a batch of what was injected its turn: it goes behind the queue. Returns how many.
    pub(crate) fn serve_injected(&self, remote: &Remote, injector: &Injector<Runnable>) -> usize {
        let batch = (0..BATCH_MAX).map_while(|_| until_certain(|| injector.steal()));
        batch.map(|runnable| self.push(remote, runnable)).count()
    }

    /// Takes a batch of what was injected, if nothing is queued here, and returns the first.
    pub(crate) fn fetch_injected(&self, injector: &Injector<Runnable>) -> Option<Runnable> {
        self.queue.fetch(injector, BATCH_MAX)
    }

    /// Gives the one its turn that has waited longest for a first run: it goes behind the queue.
    pub(crate) fn serve_oldest(&self, remote: &Remote) {
        remote.fresh.oldest().into_iter().for_each(|runnable| self.push(remote, runnable));
    }

    /// Takes the next coroutine of this worker: from the next slot, or, in its turn, from the queue, or of those who wait for a
    /// first run the newest.
    #[inline]
    pub(crate) fn pop(&self, remote: &Remote) -> Option<Runnable> {
        if let Some(runnable) = remote.next.take(&self.next_filled) {
            let in_a_row = self.next_in_a_row.get() + 1;
            if in_a_row <= NEXT_IN_A_ROW_MAX {
                self.next_in_a_row.set(in_a_row);
                return Some(runnable);
            }
            self.push(remote, runnable);
        }
        self.next_in_a_row.set(0);
        if remote.fresh.is_empty() {
            return self.pop_queued(remote);
        }
        let in_a_row = self.queued_in_a_row.get() + 1;
        if in_a_row <= QUEUED_IN_A_ROW_MAX
            && let Some(runnable) = self.pop_queued(remote)
        {
            self.queued_in_a_row.set(in_a_row);
            return Some(runnable);
        }
        self.queued_in_a_row.set(0);
        // A thief may have been faster.
        remote.fresh.newest().or_else(|| self.pop_queued(remote))
    }

    #[inline]
    fn pop_queued(&self, remote: &Remote) -> Option<Runnable> {
        let popped = self.queue.pop();
        if popped.is_some() || remote.crowd.is_empty() { popped } else { self.refill(remote) }
    }

    #[cold]
    fn refill(&self, remote: &Remote) -> Option<Runnable> {
        let mut batch = [const { None }; REFILL];
        let mut places = batch.iter_mut();
        remote
            .crowd
            .batch(REFILL, |runnable| *places.next().expect("it is no more than that") = Some(runnable));
        batch.iter().flatten().for_each(Runnable::look_up);
        for runnable in batch.into_iter().flatten() {
            runnable.prefetch();
            self.queue.push(runnable).expect("it was empty");
        }
        self.queue.pop()
    }

    /// Whether others wait for their turn on this worker.
    pub(crate) fn has_queued(&self, remote: &Remote) -> bool {
        self.queued(remote) > 0 || self.next_filled.is_set()
    }
}

#[cfg(test)]
mod tests;
