//! The stock: what lies on the shelf of a pool, and when to make more.
//!
//! Takers take what is there and never wait. The *filler*, one thread, sleeps until the shelf runs low and then adds
//! items until there are enough again.
//!
//! | `filler`    | means                                               | who changes it |
//! |-------------|-----------------------------------------------------|----------------|
//! | `Absent`    | no filler was started yet                           | a taker that sees a shortage → `Called`, and starts one |
//! | `Called`    | a shortage was seen and is the filler's to mend     | the filler, when the shelf is full again → `Asleep` |
//! | `Asleep`    | the shelf was full when the filler last looked      | a taker that sees a shortage → `Called`, and wakes it |
//!
//! The race to fear: a taker empties the shelf just as the filler decides to sleep, and nobody mends it. It cannot
//! happen, as shelf and `filler` change under one lock: the taker either comes first, and the filler sees the
//! shortage, or later, and sees `Asleep`. Model-checked in `tarae-models`.

use crate::sync::{Condvar, Mutex, MutexGuard};

/// The least that a full shelf holds: a burst this size starts warm.
const FULL_MIN: usize = 32;

/// The most that the filler adds ahead of need, about 10 MB of memory and 20 ms of work.
const FULL_MAX: usize = 1024;

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

struct Inner<T> {
    shelf: Vec<T>,
    /// How many items exist: on the shelf, with takers, in use.
    made: usize,
    /// The most that were off the shelf at a time.
    peak: usize,
    filler: State,
}

impl<T> Inner<T> {
    /// How many items a full shelf holds: an eighth of those in use, within bounds, so that growth is met in
    /// ever larger steps.
    fn full(&self) -> usize {
        ((self.made - self.shelf.len()) / 8).clamp(FULL_MIN, FULL_MAX)
    }

    fn note_peak(&mut self) {
        self.peak = self.peak.max(self.made - self.shelf.len());
    }

    fn runs_low(&self) -> bool {
        self.shelf.len() < self.full() / 2
    }
}

/// Items of one kind, shared by all threads.
pub(crate) struct Stock<T> {
    inner: Mutex<Inner<T>>,
    shortage: Condvar,
}

impl<T> Stock<T> {
    pub(crate) fn new() -> Stock<T> {
        Stock {
            inner: Mutex::new(Inner { shelf: Vec::new(), made: 0, peak: 0, filler: State::Absent }),
            shortage: Condvar::new(),
        }
    }

    /// Moves up to `most` items to `into`.
    pub(crate) fn take(&self, most: usize, into: &mut Vec<T>) -> Filler {
        let mut inner = self.lock();
        let kept = inner.shelf.len() - most.min(inner.shelf.len());
        into.extend(inner.shelf.drain(kept..));
        inner.note_peak();
        if !inner.runs_low() {
            return Filler::Leave;
        }
        match std::mem::replace(&mut inner.filler, State::Called) {
            State::Absent => Filler::Start,
            State::Called => Filler::Leave,
            State::Asleep => {
                self.shortage.notify_one();
                Filler::Leave
            }
        }
    }

    /// Puts items back.
    pub(crate) fn give(&self, items: impl Iterator<Item = T>) {
        self.lock().shelf.extend(items);
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
        inner.shelf.push(item);
        inner.shelf.len() < inner.full()
    }

    /// Says that no filler could be started, so that the next taker tries again.
    pub(crate) fn filler_failed_to_start(&self) {
        self.lock().filler = State::Absent;
    }

    /// Sleeps until there is a shortage. The filler's.
    ///
    /// With `gave_up` the filler says that it could not mend the last one: the next taker will call it again.
    pub(crate) fn await_shortage(&self, gave_up: bool) {
        let mut inner = self.lock();
        if gave_up || inner.shelf.len() >= inner.full() {
            inner.filler = State::Asleep;
        }
        while inner.filler == State::Asleep {
            inner = self.shortage.wait(inner).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
    }

    /// How many items exist, and how many of them are on the shelf.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let inner = self.lock();
        (inner.made, inner.shelf.len())
    }

    /// The most items that were off the shelf at a time.
    pub(crate) fn peak(&self) -> usize {
        self.lock().peak
    }

    /// No code under this lock can panic, so poison carries no meaning.
    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
