//! Threads and workers are two things: which kernel thread drives which worker, and what the others do.
//!
//! | a thread is   | it                                                                | ends                        |
//! |---------------|-------------------------------------------------------------------|-----------------------------|
//! | driving       | has a worker's seat                                               | with the scheduler          |
//! | left behind   | runs one coroutine, whose worker was given to another thread      | see below                   |
//! | spare         | waits for a worker                                                | after [`SPARE_FOR`]         |
//!
//! ```text
//!  started ──► driving ──hand-off──► left behind ──its coroutine waits or ends──► spare ──a worker──► driving
//! ```
//!
//! A worker goes to a spare thread, or to a new one, and that thread is *reserved* before the worker is taken from the one
//! that has it: so a worker is never without a thread, also when the system gives no more. There are as many threads as
//! workers, and at most `spares_max` more.
//!
//! Spares are called last in, first out, so that those which are too many grow old and end.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use tarae_task::census::Blocked;

use crate::core::Core;
use crate::histogram::{Histogram, Recorder};

/// How long a spare thread waits for a worker before it ends.
pub(crate) const SPARE_FOR: Duration = Duration::from_secs(10);

/// The kernel threads of a scheduler.
#[derive(Debug)]
pub(crate) struct Threads {
    workers: usize,
    spares_max: usize,
    state: Mutex<State>,
    /// How many threads have been started, for their names.
    named: AtomicUsize,
    /// Workers that changed hands.
    pub(crate) hand_offs: AtomicU64,
    /// Of those, how many because a coroutine was stuck and had not said that it might be.
    pub(crate) stalls: AtomicU64,
    /// Workers that could not change hands, as there were too many threads.
    pub(crate) stalls_at_limit: AtomicU64,
    /// How long the coroutines ran whose thread was left behind.
    left_behind_slices: Mutex<Recorder>,
    /// Threads that a coroutine is locked to.
    pub(crate) locked: AtomicU64,
}

/// # Invariants
///
/// `total` counts the threads of all three kinds.
#[derive(Debug)]
struct State {
    total: usize,
    left_behind: usize,
    spares: Vec<Arc<Spare>>,
    /// Set once: spares end, and so does whoever comes back.
    closed: bool,
}

/// A thread that waits for a worker.
#[derive(Debug, Default)]
pub(crate) struct Spare {
    place: Mutex<Place>,
    called: Condvar,
}

#[derive(Debug, Default)]
struct Place {
    order: Order,
    blocked: Blocked,
}

#[derive(Debug, Default)]
enum Order {
    #[default]
    Wait,
    Drive(Box<Core>),
    End,
}

/// A thread for a worker that is about to be taken from another one.
#[must_use]
#[derive(Debug)]
pub(crate) enum Reserved {
    /// It waits.
    Waiting(Arc<Spare>),
    /// It is to be started, and is counted already.
    New(Arc<Spare>),
}

/// How many threads are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ThreadCounts {
    /// Driving a worker.
    pub driving: usize,
    /// Running one coroutine that is stuck, blocks, or is locked to the thread; its worker went to another thread.
    pub left_behind: usize,
    /// Of those left behind, how many a coroutine is locked to.
    pub locked: usize,
    /// Waiting for a worker to be handed over.
    pub spare: usize,
}

impl Threads {
    /// The threads of that many workers, which are about to be started.
    pub(crate) fn new(workers: usize, spares_max: usize) -> Threads {
        let state = State { total: workers, left_behind: 0, spares: Vec::new(), closed: false };
        Threads {
            workers,
            spares_max,
            state: Mutex::new(state),
            named: AtomicUsize::new(0),
            hand_offs: AtomicU64::new(0),
            stalls: AtomicU64::new(0),
            stalls_at_limit: AtomicU64::new(0),
            left_behind_slices: Mutex::new(Recorder::new()),
            locked: AtomicU64::new(0),
        }
    }

    /// A number for a new thread's name. The first are those of the workers.
    pub(crate) fn number(&self) -> usize {
        self.named.fetch_add(1, Ordering::Relaxed)
    }

    /// Reserves a thread for a worker that is about to be taken from another one, which is counted as left behind from now
    /// on. `None` if there may be no more threads.
    ///
    /// Counted before it is true, as the other thread may come back as soon as it is.
    pub(crate) fn reserve(&self) -> Option<Reserved> {
        let mut state = self.lock();
        if state.closed {
            return None;
        }
        let reserved = match state.spares.pop() {
            Some(spare) => Reserved::Waiting(spare),
            None if state.total < self.workers + self.spares_max => {
                state.total += 1;
                Reserved::New(Arc::default())
            }
            None => return None,
        };
        state.left_behind += 1;
        Some(reserved)
    }

    /// The thread that was reserved could not be started.
    pub(crate) fn could_not_start(&self) {
        let mut state = self.lock();
        state.left_behind -= 1;
        state.total -= 1;
    }

    /// The thread that was reserved gets its worker.
    pub(crate) fn hand_over(&self, spare: &Spare, core: Box<Core>) {
        self.hand_offs.fetch_add(1, Ordering::Relaxed);
        spare.give(Order::Drive(core));
    }

    /// The worker could not be taken: the thread that was reserved waits for another.
    pub(crate) fn unreserve(&self, spare: Arc<Spare>) {
        let mut state = self.lock();
        state.left_behind -= 1;
        if state.closed {
            state.total -= 1;
            drop(state);
            spare.give(Order::End);
        } else {
            state.spares.push(spare);
        }
    }

    /// A thread that is about to be started for a worker which no thread has had yet.
    pub(crate) fn first(core: Box<Core>) -> Arc<Spare> {
        let spare = Arc::<Spare>::default();
        spare.give(Order::Drive(core));
        spare
    }

    /// A thread waits for a worker, and returns it. `None`: the thread is to end.
    pub(crate) fn await_worker(&self, spare: &Arc<Spare>) -> Option<Box<Core>> {
        spare.wait(|| self.retire(spare))
    }

    /// A thread that was left behind comes back. `None`: it is to end.
    pub(crate) fn come_back(&self) -> Option<Arc<Spare>> {
        let mut state = self.lock();
        state.left_behind -= 1;
        if state.closed {
            state.total -= 1;
            return None;
        }
        let spare = Arc::<Spare>::default();
        state.spares.push(Arc::clone(&spare));
        Some(spare)
    }

    /// Notes how long a run took in which the thread was left behind.
    pub(crate) fn record_left_behind(&self, slice: Duration) {
        self.left_behind_slices.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).record(slice, 1);
    }

    /// What was noted.
    pub(crate) fn left_behind_slices(&self) -> Histogram {
        self.left_behind_slices.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).snapshot()
    }

    /// A thread that was left behind ends, as it is not fit for others.
    pub(crate) fn end_spent(&self) {
        let mut state = self.lock();
        state.left_behind -= 1;
        state.total -= 1;
    }

    /// A thread that drove a worker to the scheduler's end, ends.
    pub(crate) fn end_driving(&self) {
        self.lock().total -= 1;
    }

    /// A spare has waited long enough. Returns whether it may end: nobody has called it.
    fn retire(&self, spare: &Arc<Spare>) -> bool {
        let mut state = self.lock();
        let position = state.spares.iter().position(|other| Arc::ptr_eq(other, spare));
        if let Some(position) = position {
            state.spares.remove(position);
            state.total -= 1;
        }
        position.is_some()
    }

    /// Ends the spares.
    pub(crate) fn close(&self) {
        let spares = {
            let mut state = self.lock();
            state.closed = true;
            state.total -= state.spares.len();
            std::mem::take(&mut state.spares)
        };
        spares.iter().for_each(|spare| spare.give(Order::End));
    }

    pub(crate) fn counts(&self) -> ThreadCounts {
        let locked = usize::try_from(self.locked.load(Ordering::Relaxed)).unwrap_or(usize::MAX);
        let state = self.lock();
        ThreadCounts {
            driving: state.total - state.left_behind - state.spares.len(),
            left_behind: state.left_behind,
            locked: locked.min(state.left_behind),
            spare: state.spares.len(),
        }
    }

    /// Nothing under this lock panics, so poison carries no meaning.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Spare {
    fn give(&self, order: Order) {
        {
            let mut place = self.lock();
            place.blocked.clear();
            place.order = order;
        }
        self.called.notify_one();
    }

    /// Waits for an order; `retire` says whether it may end when it has waited long enough.
    fn wait(&self, retire: impl FnOnce() -> bool) -> Option<Box<Core>> {
        let waits = |place: &mut Place| {
            let waits = matches!(place.order, Order::Wait);
            if waits {
                place.blocked.set();
            }
            waits
        };
        let waited = self.called.wait_timeout_while(self.lock(), SPARE_FOR, waits);
        let (mut place, result) = waited.unwrap_or_else(|poisoned| poisoned.into_inner());
        if result.timed_out() {
            place.blocked.clear();
            drop(place);
            if retire() {
                return None;
            }
            // Somebody has called: the order is on its way.
            place =
                self.called.wait_while(self.lock(), waits).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
        match std::mem::replace(&mut place.order, Order::End) {
            Order::Drive(core) => Some(core),
            Order::Wait | Order::End => None,
        }
    }

    /// Nothing under this lock panics, so poison carries no meaning.
    fn lock(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
