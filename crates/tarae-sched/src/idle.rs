//! The idle protocol: when a worker may sleep, and who must wake it.
//!
//! A worker that finds no work announces that it is going to sleep, looks once more, then sleeps. Work queued before
//! the announcement is found by the second look; work queued after it is followed by a wake.
//!
//! | a worker is | counted in  | it                                                                       |
//! |-------------|-------------|--------------------------------------------------------------------------|
//! | busy        | nothing     | runs coroutines                                                          |
//! | searching   | `searching` | looks for work everywhere; one as a rule, so that thieves do not crowd    |
//! | asleep      | `sleeping`  | is in `sleepers`, and has looked once more since                         |
//!
//! Transitions:
//!
//! ```text
//!  busy ──begin_search──► searching ──found──► busy (and wakes the next, if there may be more)
//!    └────announce──────────┴──announce──► asleep ──claimed by a producer──► searching
//!                                            └────woken by an event: retract──► busy
//! ```
//!
//! **No work is lost.** A producer queues its work, passes a `SeqCst` fence, and reads the word. A sleeper changes the
//! word, passes a `SeqCst` fence, and looks at every queue. One of the fences comes first. Is it the producer's,
//! the sleeper's look finds the work. Is it the sleeper's, the producer sees `sleeping` and claims somebody, unless
//! it sees `searching`. Then the searcher has yet to leave that state, in one of two ways: it announces, and its second
//! look comes after the work was queued; or it finds something, and [`found`](Idle::found) wakes another one, which
//! searches in turn. So wakes pass from hand to hand until one of them finds nothing left. Two things follow for the
//! caller: a sleeper whose second look finds something goes on *searching*, as several producers may have relied on its
//! search and it can take only part of what they queued; and a worker that takes a batch without searching tells others
//! if it leaves something, as a searcher may have looked while the batch was on its way.
//!
//! **The monitor's rest.** One alone in a worker's queue or next slot, and what happens on its sockets while it runs one
//! coroutine for long, is announced to nobody: the [monitor](crate::monitor) looks after that, at short intervals, while
//! any worker is awake. When all sleep it rests, and an idle runtime makes no system call. Whoever leaves sleep calls it
//! back. Both are decided under one lock, so the monitor never rests while a worker is awake.
//!
//! [`Worker`](crate::worker) and the monitor are the only callers. Model-checked in `tarae-models`: `idle`.

use std::time::Duration;

use crate::sync::{AtomicUsize, Condvar, Mutex, MutexGuard, Ordering, fence};

/// One worker more or less in `searching`.
const SEARCHING: usize = 1;
/// One worker more or less in `sleeping`.
const SLEEPING: usize = 1 << 16;
const COUNT: usize = (1 << 16) - 1;

/// The most workers that the counters can hold apart.
pub(crate) const WORKERS_MAX: usize = 1024;

fn searching(word: usize) -> usize {
    word & COUNT
}

fn sleeping(word: usize) -> usize {
    (word / SLEEPING) & COUNT
}

/// Who sleeps and who searches.
///
/// # Invariants
///
/// - `word` counts the members of `asleep` and the searchers. It changes under the lock of `sleepers`, except that
///   `searching` goes from 0 to 1 and back by itself.
/// - While `monitor_rests`, all workers are asleep.
pub(crate) struct Idle {
    workers: usize,
    word: AtomicUsize,
    sleepers: Mutex<Sleepers>,
    monitor_called: Condvar,
}

struct Sleepers {
    asleep: Vec<usize>,
    monitor_rests: bool,
    /// Set once: there is nothing to watch any more.
    ended: bool,
}

/// How a worker left its sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Left {
    /// A producer claimed it: it is searching, and must look everywhere.
    Claimed,
    /// By itself, because of an event: it is busy.
    Alone,
}

/// What the monitor is to do after its rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Rested {
    /// Look after the workers: one at least is awake.
    Called,
    /// End.
    Ended,
    /// Nothing has happened for as long as it wanted to rest.
    LongEnough,
}

impl Idle {
    pub(crate) fn new(workers: usize) -> Idle {
        let sleepers = Sleepers { asleep: Vec::with_capacity(workers), monitor_rests: false, ended: false };
        Idle {
            workers,
            word: AtomicUsize::new(0),
            sleepers: Mutex::new(sleepers),
            monitor_called: Condvar::new(),
        }
    }

    /// Asks to be the searcher. No: another one is.
    pub(crate) fn begin_search(&self) -> bool {
        let mut seen = self.word.load(Ordering::SeqCst);
        while searching(seen) == 0 {
            match self.word.compare_exchange(seen, seen + SEARCHING, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return true,
                Err(now) => seen = now,
            }
        }
        false
    }

    /// Ends a search that found work, and returns whom to wake: where there was something, there may be more.
    #[must_use]
    pub(crate) fn found(&self) -> Option<usize> {
        self.word.fetch_sub(SEARCHING, Ordering::SeqCst);
        self.claim()
    }

    /// Announces that `worker` goes to sleep. It must look at every queue once more before it does.
    pub(crate) fn announce(&self, worker: usize, was_searching: bool) {
        let mut sleepers = self.lock();
        sleepers.asleep.push(worker);
        let change = SLEEPING - if was_searching { SEARCHING } else { 0 };
        self.word.fetch_add(change, Ordering::SeqCst);
        drop(sleepers);
        // Pairs with the fence in `queued`; see "No work is lost".
        fence(Ordering::SeqCst);
    }

    /// Leaves sleep, or the intention to.
    pub(crate) fn retract(&self, worker: usize) -> Left {
        let mut sleepers = self.lock();
        let Some(position) = sleepers.asleep.iter().position(|sleeper| *sleeper == worker) else {
            return Left::Claimed;
        };
        sleepers.asleep.swap_remove(position);
        self.word.fetch_sub(SLEEPING, Ordering::SeqCst);
        self.call_monitor(sleepers);
        Left::Alone
    }

    /// Whether somebody searches.
    pub(crate) fn is_searched(&self) -> bool {
        searching(self.word.load(Ordering::SeqCst)) > 0
    }

    /// Whether all workers sleep.
    pub(crate) fn all_asleep(&self) -> bool {
        sleeping(self.word.load(Ordering::SeqCst)) == self.workers
    }

    /// Calls `f` with each worker that sleeps.
    pub(crate) fn each_asleep(&self, f: impl FnMut(usize)) {
        self.lock().asleep.iter().copied().for_each(f);
    }

    /// Rests while all workers sleep; with `most`, for that long at most. The monitor's.
    pub(crate) fn rest(&self, most: Option<Duration>) -> Rested {
        let mut sleepers = self.lock();
        let mut timed_out = false;
        while sleepers.asleep.len() == self.workers && !sleepers.ended {
            if timed_out {
                sleepers.monitor_rests = false;
                return Rested::LongEnough;
            }
            sleepers.monitor_rests = true;
            (sleepers, timed_out) = self.wait_for_call(sleepers, most);
        }
        sleepers.monitor_rests = false;
        if sleepers.ended { Rested::Ended } else { Rested::Called }
    }

    /// Returns whether `most` has passed. May return early.
    fn wait_for_call<'a>(
        &self,
        sleepers: MutexGuard<'a, Sleepers>,
        most: Option<Duration>,
    ) -> (MutexGuard<'a, Sleepers>, bool) {
        match most {
            None => {
                let called = self.monitor_called.wait(sleepers);
                (called.unwrap_or_else(|poisoned| poisoned.into_inner()), false)
            }
            Some(most) => {
                let waited = self.monitor_called.wait_timeout(sleepers, most);
                let (sleepers, result) = waited.unwrap_or_else(|poisoned| poisoned.into_inner());
                (sleepers, result.timed_out())
            }
        }
    }

    /// Says that there is nothing to watch any more.
    pub(crate) fn end(&self) {
        let mut sleepers = self.lock();
        sleepers.ended = true;
        self.call_monitor(sleepers);
    }

    /// Whether [`end`](Self::end) was called.
    pub(crate) fn has_ended(&self) -> bool {
        self.lock().ended
    }

    /// Tells that work was queued where others can find it, and returns whom to wake for it.
    #[must_use]
    pub(crate) fn queued(&self) -> Option<usize> {
        // Pairs with the fence in `announce`; see "No work is lost".
        fence(Ordering::SeqCst);
        self.claim()
    }

    /// Claims a sleeper, unless somebody searches already. It is counted as searching from here on, so that a burst of
    /// producers wakes one worker and not all.
    fn claim(&self) -> Option<usize> {
        let seen = self.word.load(Ordering::SeqCst);
        if searching(seen) > 0 || sleeping(seen) == 0 {
            return None;
        }
        let mut sleepers = self.lock();
        if searching(self.word.load(Ordering::SeqCst)) > 0 {
            return None;
        }
        let worker = sleepers.asleep.pop()?;
        self.word.fetch_sub(SLEEPING - SEARCHING, Ordering::SeqCst);
        self.call_monitor(sleepers);
        Some(worker)
    }

    /// Calls the monitor from its rest, if it rests, when the lock has been released.
    fn call_monitor(&self, mut sleepers: MutexGuard<'_, Sleepers>) {
        let rests = std::mem::take(&mut sleepers.monitor_rests);
        drop(sleepers);
        if rests {
            self.monitor_called.notify_one();
        }
    }

    /// Nothing under this lock panics, so poison carries no meaning.
    fn lock(&self) -> MutexGuard<'_, Sleepers> {
        self.sleepers.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
