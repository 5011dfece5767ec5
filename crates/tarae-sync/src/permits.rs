//! The count under [`Semaphore`](crate::Semaphore): one word, and a line.
//!
//! | bits of the word | meaning | written by |
//! |---|---|---|
//! | `PERMIT` × n     | n permits are there | whoever takes or gives them, by compare-and-swap |
//! | `QUEUED`         | somebody stands in line | under the line's mutex |
//! | `CLOSED`         | for good | under the line's mutex |
//!
//! While somebody stands in line nobody else takes permits, also if there are some: one who wants many would never get them.
//! So they go to the first in line, as soon as there are as many as it wants, then to the next ([`Permits::deal`]).
//!
//! The race feared: one enters the line while permits come. It enters by compare-and-swap on a word without enough permits,
//! so they come after that, and whoever gives them finds `QUEUED` in the word that it has changed, and deals. Who leaves the
//! line without permits deals, too: it may have kept back those behind it.
//!
//! Model: `tarae-models/src/permits.rs`.

use std::task::Waker;

use super::queue::{Queue, Standing, Ticket};
use crate::sync::{AtomicUsize, Ordering, const_fn};

const QUEUED: usize = 1;
const CLOSED: usize = 2;
const PERMIT: usize = 4;

/// As many permits there can be. A bit is left, so that a sum of two is told from a small one.
pub(crate) const MOST: usize = usize::MAX / PERMIT / 2;

#[derive(Debug)]
struct Want {
    permits: usize,
    /// Whether it was told that there will be none.
    refused: bool,
}

/// Why permits were not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Closed,
    TooFew,
}

/// What became of one who stood in line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It has its permits.
    Taken,
    Closed,
}

/// How one entered.
#[derive(Debug)]
pub(crate) enum Entry {
    Ended(Outcome),
    Stands(Ticket),
}

#[derive(Debug)]
pub(crate) struct Permits {
    word: AtomicUsize,
    queue: Queue<Want>,
}

impl Permits {
    const_fn! {
        // `count` is `MOST` at most.
        pub(crate) fn new(count: usize) -> Permits {
            Permits { word: AtomicUsize::new(count * PERMIT), queue: Queue::new() }
        }
    }

    pub(crate) fn available(&self) -> usize {
        self.word.load(Ordering::Relaxed) / PERMIT
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.word.load(Ordering::Relaxed) & CLOSED != 0
    }

    /// Takes permits, as one who comes may.
    #[inline]
    pub(crate) fn take(&self, wanted: usize) -> Result<(), Refusal> {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let next = taken(word, wanted)?;
            // Acquire, with the Release of `give`: what was written by whoever had the permits is seen.
            match self.word.compare_exchange_weak(word, next, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(now) => word = now,
            }
        }
    }

    /// Takes permits, or stands in line for them.
    pub(crate) fn enter(&self, wanted: usize, waker: &Waker) -> Entry {
        let mut line = self.queue.lock();
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let (next, taken) = match taken(word, wanted) {
                Ok(next) => (next, true),
                Err(Refusal::Closed) => return Entry::Ended(Outcome::Closed),
                Err(Refusal::TooFew) => (word | QUEUED, false),
            };
            // Acquire, as in `take`.
            match self.word.compare_exchange(word, next, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) if taken => return Entry::Ended(Outcome::Taken),
                Ok(_) => return Entry::Stands(line.enter(Want { permits: wanted, refused: false }, waker)),
                Err(now) => word = now,
            }
        }
    }

    /// What became of one in line. If anything, the ticket was used up.
    pub(crate) fn look(&self, ticket: &mut Option<Ticket>) -> Option<Outcome> {
        let mut line = self.queue.lock();
        let refused = ticket.as_ref().and_then(|ticket| line.want(ticket)).is_some_and(|want| want.refused);
        line.take_granted(ticket).then_some(if refused { Outcome::Closed } else { Outcome::Taken })
    }

    /// One in line gives up. Whether it has got its permits meanwhile.
    pub(crate) fn leave(&self, ticket: Ticket) -> bool {
        let deal = {
            let mut line = self.queue.lock();
            let refused = line.want(&ticket).is_some_and(|want| want.refused);
            if line.leave(ticket) == Standing::Granted {
                return !refused;
            }
            if line.is_empty() {
                // Relaxed: under the mutex, as whoever sets it.
                self.word.fetch_and(!QUEUED, Ordering::Relaxed);
            }
            !line.is_empty()
        };
        if deal {
            self.deal();
        }
        false
    }

    /// Gives permits. Says no if there would be more than [`MOST`].
    pub(crate) fn give(&self, count: usize) -> bool {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if count > MOST || word / PERMIT + count > MOST {
                return false;
            }
            // Release, with the Acquire of `take`, `enter` and `deal`.
            let next = word + count * PERMIT;
            match self.word.compare_exchange_weak(word, next, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => break,
                Err(now) => word = now,
            }
        }
        if word & QUEUED != 0 {
            self.deal();
        }
        true
    }

    /// Takes away permits that are there, `count` at most; returns how many.
    pub(crate) fn forget(&self, count: usize) -> usize {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let forgotten = count.min(word / PERMIT);
            let next = word - forgotten * PERMIT;
            match self.word.compare_exchange_weak(word, next, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return forgotten,
                Err(now) => word = now,
            }
        }
    }

    /// Refuses whoever stands in line, and whoever comes.
    pub(crate) fn close(&self) {
        let mut woken = Vec::new();
        {
            let mut line = self.queue.lock();
            // Relaxed: nothing follows from it but an error.
            self.word.fetch_or(CLOSED, Ordering::Relaxed);
            while let Some(want) = line.first_want_mut() {
                want.refused = true;
                woken.extend(line.grant_first());
            }
            self.word.fetch_and(!QUEUED, Ordering::Relaxed);
        }
        woken.into_iter().for_each(Waker::wake);
    }

    /// Gives those in line what is there, one after the other.
    #[cold]
    fn deal(&self) {
        while let Some(waker) = self.deal_to_first() {
            waker.wake();
        }
    }

    fn deal_to_first(&self) -> Option<Waker> {
        let mut line = self.queue.lock();
        let wanted = line.first_want()?.permits;
        let mut word = self.word.load(Ordering::Relaxed);
        while word / PERMIT >= wanted {
            // Acquire, with the Release of `give`; the mutex hands it on.
            let next = word - wanted * PERMIT;
            match self.word.compare_exchange(word, next, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => {
                    let waker = line.grant_first();
                    if line.is_empty() {
                        // Relaxed: under the mutex, as whoever sets it.
                        self.word.fetch_and(!QUEUED, Ordering::Relaxed);
                    }
                    return waker;
                }
                Err(now) => word = now,
            }
        }
        None
    }
}

/// The word after one who comes has taken as many.
#[inline(always)]
fn taken(word: usize, wanted: usize) -> Result<usize, Refusal> {
    if word & CLOSED != 0 {
        return Err(Refusal::Closed);
    }
    let may = wanted == 0 || (word & QUEUED == 0 && word / PERMIT >= wanted);
    if may { Ok(word - wanted * PERMIT) } else { Err(Refusal::TooFew) }
}
