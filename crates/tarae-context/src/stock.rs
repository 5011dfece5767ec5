//! The stock: what lies on the shelf of a pool, and when to make more.
//!
//! Takers take what is there and never wait. The *filler*, one thread, sleeps until there are few and then adds items until
//! there are enough again.
//!
//! It also *airs* what lies idle: gives back memory that an item holds from its last use. That is a system call each, and so
//! nothing for takers and givers. What was given back last is taken first, so the others lie untouched: while the shelf is
//! not empty the filler looks at it every [`IDLE_AFTER`], and airs as many as lay there all the time since its last look. What
//! is aired goes to the *cellar*, from which takers take when the shelf is empty. So it comes to rest when all is aired.
//!
//! | `filler`    | means                                               | who changes it |
//! |-------------|-----------------------------------------------------|----------------|
//! | `Absent`    | no filler was started yet                           | a taker that sees a shortage → `Called`, and starts one |
//! | `Called`    | a shortage was seen and is the filler's to mend     | the filler, when there are enough again → `Asleep` |
//! | `Asleep`    | there were enough when the filler last looked       | a taker that sees a shortage → `Called`, and wakes it |
//!
//! The race to fear: a taker empties the shelf just as the filler decides to sleep, and nobody mends it. It cannot
//! happen, as shelf and `filler` change under one lock: the taker either comes first, and the filler sees the
//! shortage, or later, and sees `Asleep`. And the same for airing: a giver finds the filler in a sleep without an end
//! (`rests`), and ends it, or the filler finds what it gave. Model-checked in `tarae-models`.

use std::collections::VecDeque;
use std::time::Duration;

use crate::sync::{Condvar, Mutex, MutexGuard};

/// The least that a full shelf holds: a burst this size starts warm.
const FULL_MIN: usize = 32;

/// The most that the filler adds ahead of need, about 10 MB of memory and 20 ms of work.
const FULL_MAX: usize = 1024;

/// How long an item has lain on the shelf, at least, before it is aired; and twice that at most.
const IDLE_AFTER: Duration = Duration::from_millis(250);

/// How many are away to be aired at a time. A taker that wants just these makes new ones.
const AIRED_AT_ONCE: usize = 16;

/// What the filler is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Call {
    /// Add items.
    Fill,
    /// Air what lies idle.
    Air,
}

/// What a taker must do for the filler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Filler {
    /// Nothing: there is enough, or the filler knows.
    Leave,
    /// Start it: there is none yet.
    Start,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Absent,
    Called,
    Asleep,
}

/// # Invariants
///
/// - `idle` and `low` are at most as many as lie on the shelf, and those at its front.
/// - While something lies on the shelf, the filler is awake, or sleeps with an end; or there is none.
struct Inner<T> {
    /// What was given back last is at the end.
    shelf: VecDeque<T>,
    /// What was aired.
    cellar: Vec<T>,
    /// How many are away to be aired.
    airing: usize,
    /// How many, from the front of the shelf, are to be aired.
    idle: usize,
    /// The fewest that have lain on the shelf since the filler last looked.
    low: usize,
    /// Whether the filler sleeps until somebody calls it, or gives something.
    rests: bool,
    /// How many items exist: in stock, with takers, in use.
    made: usize,
    /// The most that were out of stock at a time.
    peak: usize,
    filler: State,
}

impl<T> Inner<T> {
    fn in_stock(&self) -> usize {
        self.shelf.len() + self.airing + self.cellar.len()
    }

    /// How many items a full stock holds: an eighth of those in use, within bounds, so that growth is met in
    /// ever larger steps.
    fn full(&self) -> usize {
        ((self.made - self.in_stock()) / 8).clamp(FULL_MIN, FULL_MAX)
    }

    fn note_peak(&mut self) {
        self.peak = self.peak.max(self.made - self.in_stock());
    }

    fn runs_low(&self) -> bool {
        self.in_stock() < self.full() / 2
    }
}

/// Items of one kind, shared by all threads.
pub(crate) struct Stock<T> {
    inner: Mutex<Inner<T>>,
    called: Condvar,
}

impl<T> Stock<T> {
    pub(crate) fn new() -> Stock<T> {
        Stock {
            inner: Mutex::new(Inner {
                shelf: VecDeque::new(),
                cellar: Vec::new(),
                airing: 0,
                idle: 0,
                low: 0,
                rests: false,
                made: 0,
                peak: 0,
                filler: State::Absent,
            }),
            called: Condvar::new(),
        }
    }

    /// Moves up to `most` items to `into`.
    pub(crate) fn take(&self, most: usize, into: &mut Vec<T>) -> Filler {
        let mut inner = self.lock();
        let kept = inner.shelf.len().saturating_sub(most);
        let from_cellar = inner.cellar.len().saturating_sub(most - (inner.shelf.len() - kept));
        // The warmest last: they are taken next.
        into.extend(inner.cellar.drain(from_cellar..));
        into.extend(inner.shelf.drain(kept..));
        // INVARIANT: Takers take from the end; what is left at the front was not touched.
        inner.low = inner.low.min(kept);
        inner.idle = inner.idle.min(kept);
        inner.note_peak();
        if !inner.runs_low() {
            return Filler::Leave;
        }
        match std::mem::replace(&mut inner.filler, State::Called) {
            State::Absent => Filler::Start,
            State::Called => Filler::Leave,
            State::Asleep => {
                self.called.notify_one();
                Filler::Leave
            }
        }
    }

    /// Puts items back.
    pub(crate) fn give(&self, items: impl Iterator<Item = T>) {
        let mut inner = self.lock();
        inner.shelf.extend(items);
        if inner.rests && !inner.shelf.is_empty() {
            inner.rests = false;
            drop(inner);
            self.called.notify_one();
        }
    }

    /// Counts an item that a taker made for itself.
    pub(crate) fn count_made(&self) {
        let mut inner = self.lock();
        inner.made += 1;
        inner.note_peak();
    }

    /// Puts a new item on the shelf and says whether the shelf wants more. The filler's.
    pub(crate) fn add(&self, item: T) -> bool {
        let mut inner = self.lock();
        inner.made += 1;
        inner.shelf.push_back(item);
        inner.in_stock() < inner.full()
    }

    /// Says that no filler could be started, so that the next taker tries again.
    pub(crate) fn filler_failed_to_start(&self) {
        self.lock().filler = State::Absent;
    }

    /// Sleeps until there is something to do. The filler's.
    ///
    /// With `gave_up` the filler says that it could not mend the last shortage: the next taker will call it again.
    pub(crate) fn await_call(&self, gave_up: bool) -> Call {
        let mut inner = self.lock();
        if gave_up || inner.in_stock() >= inner.full() {
            inner.filler = State::Asleep;
        }
        while inner.filler == State::Asleep {
            if inner.idle > 0 {
                return Call::Air;
            }
            let mut looked = false;
            if inner.shelf.is_empty() {
                inner.rests = true;
                inner = self.called.wait(inner).unwrap_or_else(|poisoned| poisoned.into_inner());
                inner.rests = false;
            } else {
                let waited = self.called.wait_timeout(inner, IDLE_AFTER);
                let (after, result) = waited.unwrap_or_else(|poisoned| poisoned.into_inner());
                (inner, looked) = (after, result.timed_out());
            }
            if looked {
                inner.idle = inner.low;
                inner.low = inner.shelf.len();
            }
        }
        Call::Fill
    }

    /// Takes some of those that are to be aired. The filler's.
    pub(crate) fn take_idle(&self) -> Vec<T> {
        let mut inner = self.lock();
        let some = inner.idle.min(AIRED_AT_ONCE);
        inner.idle -= some;
        inner.low = inner.low.saturating_sub(some);
        inner.airing = some;
        inner.shelf.drain(..some).collect()
    }

    /// Puts those back that were aired. The filler's.
    pub(crate) fn store(&self, aired: Vec<T>) {
        let mut inner = self.lock();
        inner.airing = 0;
        inner.cellar.extend(aired);
    }

    /// How many items were aired and not taken since.
    pub(crate) fn aired(&self) -> usize {
        self.lock().cellar.len()
    }

    /// How many items exist, and how many of them are in stock.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let inner = self.lock();
        (inner.made, inner.in_stock())
    }

    /// The most items that were out of stock at a time.
    pub(crate) fn peak(&self) -> usize {
        self.lock().peak
    }

    /// No code under this lock can panic, so poison carries no meaning.
    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
