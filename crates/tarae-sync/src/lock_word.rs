//! The lock under [`Mutex`](crate::Mutex) and [`RwLock`](crate::RwLock): one word, and a line.
//!
//! | bits of the word | meaning | written by |
//! |---|---|---|
//! | `EXCLUSIVE`      | one holds it alone | whoever takes it or releases it, by compare-and-swap |
//! | `SHARED` × n     | n hold it together | the same |
//! | `QUEUED`         | somebody stands in line | under the line's mutex |
//! | `CALLED`         | the first in line was woken, and has not tried yet | under the line's mutex |
//!
//! # Who gets it
//!
//! Who comes when nobody holds it takes it, also if others stand in line: they are not running, and to hand it to one of
//! them would leave the lock idle until that one runs, every time: a convoy. Who holds it together with others lets more in
//! only while nobody stands in line, so writers are not starved by readers that overlap.
//!
//! Otherwise one stands in line, and the line is first come, first served. The last holder to release *calls* the first one:
//! wakes it, and leaves it its place. While that one is on its way, releases do not touch the line. If it comes too late, it
//! waits on, still as the first; and if that has gone on for longer than its patience (the caller's to measure), the next
//! release does not free the lock but *grants* it to the one who was passed over. So one in line is passed over for no longer
//! than that for each who stood before, and a lock idles for one wake in as much time.
//!
//! # Why no wake is lost
//!
//! The rule: **`QUEUED` without `CALLED` means that somebody holds the lock who will look at the line.** It is made true when
//! one enters, which sets `QUEUED` in a word that cannot be taken, by compare-and-swap; and when one who was called gives up,
//! which clears `CALLED` in the same way. A release compares the whole word as well: it frees the lock if nobody waits, or if
//! somebody was called; otherwise it goes to the line, and calls the first while it still holds the lock.
//!
//! The race feared: one is called, and leaves, interrupted, while the lock is freed by a release that relied on it. It clears
//! `CALLED` and looks at the word again, still under the mutex ([`LockWord::call`]): if the lock is free it calls the next;
//! if not, whoever took it sees `QUEUED` without `CALLED` when it releases.
//!
//! Model: `tarae-models/src/lock_word.rs`.

use std::task::Waker;

use super::queue::{Line, Queue, Standing, Ticket};
use crate::sync::{AtomicU32, Ordering, const_fn};

const EXCLUSIVE: u32 = 1;
const QUEUED: u32 = 2;
const CALLED: u32 = 4;
const SHARED: u32 = 8;
/// The bits that say who holds it.
const HELD: u32 = !(QUEUED | CALLED);
const MOST_SHARED: u32 = HELD & !EXCLUSIVE;

/// How the lock is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// By one alone.
    Exclusive,
    /// By several.
    Shared,
}

impl Mode {
    /// What one holder adds to the word.
    #[inline(always)]
    const fn unit(self) -> u32 {
        match self {
            Mode::Exclusive => EXCLUSIVE,
            Mode::Shared => SHARED,
        }
    }
}

#[derive(Debug)]
struct Want {
    mode: Mode,
    /// Whether it was passed over for too long.
    impatient: bool,
}

/// The lock without what it guards.
#[derive(Debug)]
pub(crate) struct LockWord {
    word: AtomicU32,
    queue: Queue<Want>,
}

impl LockWord {
    const_fn! {
        pub(crate) fn new() -> LockWord {
            LockWord { word: AtomicU32::new(0), queue: Queue::new() }
        }
    }

    /// Takes the lock, if nobody has anything to do with it.
    #[inline(always)]
    pub(crate) fn take_exclusive(&self) -> bool {
        // Acquire, with the Release of `release`: what the last holder wrote is seen.
        self.word.compare_exchange(0, EXCLUSIVE, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Releases the lock, if nobody waits for it.
    #[inline(always)]
    pub(crate) fn release_exclusive(&self) -> bool {
        // Release, with the Acquire of whoever takes it next.
        self.word.compare_exchange(EXCLUSIVE, 0, Ordering::Release, Ordering::Relaxed).is_ok()
    }

    /// Takes the lock as one who comes may.
    #[inline]
    pub(crate) fn take(&self, mode: Mode) -> bool {
        let mut word = self.word.load(Ordering::Relaxed);
        while may_come(word, mode) {
            // Acquire, with the Release of `release`.
            match self.word.compare_exchange_weak(
                word,
                word + mode.unit(),
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// Whether it is held, and nobody waits: who came last may be done any moment.
    pub(crate) fn is_held_alone(&self) -> bool {
        self.word.load(Ordering::Relaxed) & (QUEUED | CALLED) == 0
    }

    /// Takes the lock, or stands in line for it.
    pub(crate) fn enter(&self, mode: Mode, waker: &Waker) -> Option<Ticket> {
        let mut line = self.queue.lock();
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let is_mine = may_come(word, mode);
            let next = if is_mine { word + mode.unit() } else { word | QUEUED };
            assert!(mode == Mode::Exclusive || word & HELD < MOST_SHARED, "too many active read locks");
            // Acquire, with the Release of `release`.
            match self.word.compare_exchange(word, next, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) if is_mine => return None,
                Ok(_) => return Some(line.enter(Want { mode, impatient: false }, waker)),
                Err(now) => word = now,
            }
        }
    }

    /// One in line looks whether the lock is its, or can be. If so, the ticket was used up.
    ///
    /// `is_impatient` is asked if it was called in vain.
    pub(crate) fn look(
        &self,
        ticket: &mut Option<Ticket>,
        mode: Mode,
        waker: &Waker,
        is_impatient: impl FnOnce() -> bool,
    ) -> bool {
        let next = {
            let mut line = self.queue.lock();
            let Some(mine) = ticket.take() else { unreachable!("it stands in line") };
            let is_mine = match line.standing(&mine) {
                Standing::Waiting => false,
                Standing::Granted => true,
                Standing::Called => self.try_called(&mut line, &mine, mode, waker, is_impatient),
            };
            if !is_mine {
                *ticket = Some(mine);
                return false;
            }
            line.leave(mine);
            self.tell_emptiness(&line);
            // Who shares lets in the next who shares.
            self.call(&mut line)
        };
        next.into_iter().for_each(Waker::wake);
        true
    }

    /// The first in line, who was called, takes the lock or waits on.
    fn try_called(
        &self,
        line: &mut Line<Want>,
        ticket: &Ticket,
        mode: Mode,
        waker: &Waker,
        is_impatient: impl FnOnce() -> bool,
    ) -> bool {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let is_mine = may_first(word, mode);
            let next = if is_mine { word + mode.unit() } else { word } & !CALLED;
            // Acquire, with the Release of `release`. Compared also where it only gives up: a release in between has
            // relied on it.
            match self.word.compare_exchange(word, next, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) if is_mine => return true,
                Ok(_) => break,
                Err(now) => word = now,
            }
        }
        line.wait_on(ticket, waker);
        if let Some(want) = line.want(ticket) {
            want.impatient |= is_impatient();
        }
        false
    }

    /// One in line gives up. Whether the lock had been granted to it: then it holds it.
    pub(crate) fn leave(&self, ticket: Ticket) -> bool {
        let (standing, next) = {
            let mut line = self.queue.lock();
            let standing = line.leave(ticket);
            if standing == Standing::Called {
                // Relaxed: guards nothing; the mutex orders it with those who look at it next.
                self.word.fetch_and(!CALLED, Ordering::Relaxed);
            }
            self.tell_emptiness(&line);
            (standing, self.call(&mut line))
        };
        next.into_iter().for_each(Waker::wake);
        standing == Standing::Granted
    }

    /// Releases the lock.
    #[inline]
    pub(crate) fn release(&self, mode: Mode) {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if word & (QUEUED | CALLED) == QUEUED && word & HELD == mode.unit() {
                return self.pass_on(mode);
            }
            // Release, with the Acquire of whoever takes it next.
            match self.word.compare_exchange_weak(
                word,
                word - mode.unit(),
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(now) => word = now,
            }
        }
    }

    /// The last holder releases the lock, and somebody stands in line who was not called.
    #[cold]
    fn pass_on(&self, mode: Mode) {
        let next = {
            let mut line = self.queue.lock();
            let mut word = self.word.load(Ordering::Relaxed);
            loop {
                // Who stood there may have left meanwhile, and others come.
                let is_last = word & (QUEUED | CALLED) == QUEUED && word & HELD == mode.unit();
                let heir = line.first_want().filter(|want| is_last && want.impatient).map(|want| want.mode);
                let freed = word - mode.unit();
                let next = match heir {
                    Some(heir) => freed + heir.unit(),
                    None if is_last => freed | CALLED,
                    None => freed,
                };
                // Release, with the Acquire of whoever takes it next. An heir finds it by the mutex: what it is to see of those who
                // shared the lock before is acquired here.
                match self.word.compare_exchange(word, next, Ordering::AcqRel, Ordering::Relaxed) {
                    Err(now) => word = now,
                    Ok(_) if heir.is_some() => {
                        let heir = line.grant_first();
                        self.tell_emptiness(&line);
                        break heir;
                    }
                    Ok(_) if is_last => break line.call_first(),
                    Ok(_) => break None,
                }
            }
        };
        next.into_iter().for_each(Waker::wake);
    }

    /// Who holds it alone lets others share it.
    pub(crate) fn downgrade(&self) {
        // Release, with the Acquire of whoever shares it.
        let before = self.word.fetch_add(SHARED - EXCLUSIVE, Ordering::Release);
        if before & (QUEUED | CALLED) == QUEUED {
            let next = {
                let mut line = self.queue.lock();
                self.call(&mut line)
            };
            next.into_iter().for_each(Waker::wake);
        }
    }

    /// Calls the first in line, if it was not, and may take the lock as it is. The caller wakes it.
    fn call(&self, line: &mut Line<Want>) -> Option<Waker> {
        let mode = line.first_want()?.mode;
        let mut word = self.word.load(Ordering::Relaxed);
        while word & CALLED == 0 && may_first(word, mode) {
            // Relaxed: it takes nothing. Compared: who takes the lock meanwhile will release it to the line.
            match self.word.compare_exchange(word, word | CALLED, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return line.call_first(),
                Err(now) => word = now,
            }
        }
        None
    }

    /// Says in the word that nobody stands in line any more.
    fn tell_emptiness(&self, line: &Line<Want>) {
        if line.is_empty() {
            // Relaxed: under the mutex, as whoever sets it.
            self.word.fetch_and(!QUEUED, Ordering::Relaxed);
        }
    }
}

/// Whether one who comes may take the lock.
#[inline(always)]
fn may_come(word: u32, mode: Mode) -> bool {
    let may_join = mode == Mode::Shared && word & (EXCLUSIVE | QUEUED) == 0 && word & HELD < MOST_SHARED;
    word & HELD == 0 || may_join
}

/// Whether the first in line may.
fn may_first(word: u32, mode: Mode) -> bool {
    let may_join = mode == Mode::Shared && word & EXCLUSIVE == 0 && word & HELD < MOST_SHARED;
    word & HELD == 0 || may_join
}
