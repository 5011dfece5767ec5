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
//! **The lookout.** One alone in a worker's queue or next slot, and what happens on its sockets while it runs one
//! coroutine for long, is announced to nobody. So while any worker is busy and another sleeps, one sleeper is the *lookout*: it
//! sleeps in short steps and looks after the busy ones at each. The post is given at `announce`, given up at `retract`,
//! where another sleeper is claimed to take it, and resigned when all have slept for a while: then nobody steps, and an
//! idle runtime makes no system call. All of that is decided under one lock, so the post is never empty while one
//! works and another sleeps, unless a searcher is on its way to sleep, who will be asked then.
//!
//! [`Worker`](crate::worker) is the only caller. Model-checked in `tarae-models`: `idle`.

use crate::sync::{AtomicUsize, Mutex, MutexGuard, Ordering, fence};

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
/// - `lookout` is a member of `asleep`.
pub(crate) struct Idle {
    workers: usize,
    word: AtomicUsize,
    sleepers: Mutex<Sleepers>,
}

struct Sleepers {
    asleep: Vec<usize>,
    lookout: Option<usize>,
}

/// How a worker left its sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Left {
    /// A producer claimed it: it is searching, and must look everywhere.
    Claimed,
    /// By itself, because of an event: it is busy. Somebody may have to be woken to be the lookout.
    Alone(Option<usize>),
}

impl Idle {
    pub(crate) fn new(workers: usize) -> Idle {
        let sleepers = Sleepers { asleep: Vec::with_capacity(workers), lookout: None };
        Idle { workers, word: AtomicUsize::new(0), sleepers: Mutex::new(sleepers) }
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

    /// Announces that `worker` goes to sleep. It must look at every queue once more before it does. Returns whether
    /// it is the lookout.
    #[must_use]
    pub(crate) fn announce(&self, worker: usize, was_searching: bool) -> bool {
        let mut sleepers = self.lock();
        sleepers.asleep.push(worker);
        let lookout = sleepers.lookout.is_none() && self.workers > 1;
        if lookout {
            sleepers.lookout = Some(worker);
        }
        let change = SLEEPING - if was_searching { SEARCHING } else { 0 };
        self.word.fetch_add(change, Ordering::SeqCst);
        drop(sleepers);
        // Pairs with the fence in `queued`; see "No work is lost".
        fence(Ordering::SeqCst);
        lookout
    }

    /// Leaves sleep, or the intention to.
    pub(crate) fn retract(&self, worker: usize) -> Left {
        let mut sleepers = self.lock();
        let Some(position) = sleepers.asleep.iter().position(|sleeper| *sleeper == worker) else {
            return Left::Claimed;
        };
        sleepers.asleep.swap_remove(position);
        self.word.fetch_sub(SLEEPING, Ordering::SeqCst);
        if sleepers.lookout == Some(worker) {
            sleepers.lookout = None;
        }
        let vacant = sleepers.lookout.is_none();
        Left::Alone(if vacant { self.claim_locked(&mut sleepers) } else { None })
    }

    /// Whether `worker` is still asleep, as far as the others know.
    pub(crate) fn is_asleep(&self, worker: usize) -> bool {
        self.lock().asleep.contains(&worker)
    }

    /// Gives up the post of the lookout, if there is nobody left to look after. Returns whether that was so.
    pub(crate) fn resign(&self) -> bool {
        let mut sleepers = self.lock();
        let quiet = sleepers.asleep.len() == self.workers;
        if quiet {
            sleepers.lookout = None;
        }
        quiet
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
        self.claim_locked(&mut self.lock())
    }

    fn claim_locked(&self, sleepers: &mut Sleepers) -> Option<usize> {
        if searching(self.word.load(Ordering::SeqCst)) > 0 {
            return None;
        }
        // The lookout last: it is the one that the others rely on.
        let position = sleepers.asleep.iter().rposition(|sleeper| Some(*sleeper) != sleepers.lookout);
        let worker = match position {
            Some(position) => sleepers.asleep.swap_remove(position),
            None => sleepers.asleep.pop()?,
        };
        if sleepers.lookout == Some(worker) {
            sleepers.lookout = None;
        }
        self.word.fetch_sub(SLEEPING - SEARCHING, Ordering::SeqCst);
        Some(worker)
    }

    /// Nothing under this lock panics, so poison carries no meaning.
    fn lock(&self) -> MutexGuard<'_, Sleepers> {
        self.sleepers.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
