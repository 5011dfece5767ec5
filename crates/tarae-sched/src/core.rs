//! What a worker owns, and lends as its seat to what it runs.
//!
//! The thread that drives the worker holds the [`Core`]; code in coroutines reaches it through `with_seat`, so it has
//! cells where both write. Beside it stands the [`Remote`], the part that other threads may touch.

use std::cell::{Cell, RefCell};
use std::fmt;

use crossbeam_deque::{Stealer, Worker as Deque};
use crossbeam_utils::atomic::AtomicCell;
use tarae_context::{Cache, Pool};
use tarae_task::Runnable;

/// How many coroutines in a row may come from the next slot before the queue has its turn. Two that wake each other
/// would otherwise keep everybody else waiting.
const NEXT_IN_A_ROW_MAX: u32 = 16;

/// The part of a worker that other threads reach.
pub(crate) struct Remote {
    pub(crate) stealer: Stealer<Runnable>,
    /// The last one woken on this worker: it runs next, while what it needs is warm.
    next: AtomicCell<Option<Runnable>>,
}

impl Remote {
    /// Takes what the owner has not come to.
    pub(crate) fn steal_next(&self) -> Option<Runnable> {
        self.next.take()
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("queued", &self.stealer.len()).finish_non_exhaustive()
    }
}

/// The part of a worker that its thread owns.
#[derive(Debug)]
pub(crate) struct Core {
    /// The number of its scheduler.
    pub(crate) scheduler: usize,
    pub(crate) worker: usize,
    pub(crate) queue: Deque<Runnable>,
    pub(crate) cache: RefCell<Cache>,
    /// Whether we put something into the next slot since we last took from it. A thief may have taken it.
    next_filled: Cell<bool>,
    next_in_a_row: Cell<u32>,
    /// While the worker wakes many at once, they go to the queue, in their order, and others are told once, after.
    pub(crate) in_batch: Cell<bool>,
}

impl Core {
    pub(crate) fn new(scheduler: usize, worker: usize, pool: &'static Pool) -> (Core, Remote) {
        let queue = Deque::new_fifo();
        let remote = Remote { stealer: queue.stealer(), next: AtomicCell::new(None) };
        let core = Core {
            scheduler,
            worker,
            queue,
            cache: RefCell::new(Cache::new(pool)),
            next_filled: Cell::new(false),
            next_in_a_row: Cell::new(0),
            in_batch: Cell::new(false),
        };
        (core, remote)
    }

    /// Puts a coroutine into the next slot; who was there goes to the queue. Returns whether that happened.
    pub(crate) fn put_next(&self, remote: &Remote, runnable: Runnable) -> bool {
        let displaced = remote.next.swap(Some(runnable));
        self.next_filled.set(true);
        match displaced {
            Some(displaced) => {
                self.queue.push(displaced);
                true
            }
            None => false,
        }
    }

    /// Takes the next coroutine of this worker: from the next slot, or, in its turn, from the queue.
    #[inline]
    pub(crate) fn pop(&self, remote: &Remote) -> Option<Runnable> {
        if self.next_filled.get() {
            self.next_filled.set(false);
            if let Some(runnable) = remote.next.take() {
                let in_a_row = self.next_in_a_row.get() + 1;
                if in_a_row <= NEXT_IN_A_ROW_MAX {
                    self.next_in_a_row.set(in_a_row);
                    return Some(runnable);
                }
                self.queue.push(runnable);
            }
        }
        self.next_in_a_row.set(0);
        self.queue.pop()
    }
}

#[cfg(test)]
mod tests;
