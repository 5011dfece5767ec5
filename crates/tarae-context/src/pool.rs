//! The pool: contexts of one slot size, kept warm, shared by the whole process.
//!
//! ```text
//!  worker ◄─► Cache (its own, up to 64) ◄─ 32 at a time ─► Stock (shared) ◄── the filler, ahead of need
//!                                                            ▲
//!                                     a taker that finds it empty makes one for itself
//! ```
//!
//! A context that lies idle gives back the pages that deep calls have touched, after half a second at most: the filler sees
//! to it.
//!
//! Contexts are pooled as the threads of a thread pool are: a thread-local set by one coroutine is there for the next
//! one on the same context. The number of contexts is bounded by the most coroutines that ever lived at once, plus
//! what the filler adds ahead (1,024 at most), plus what lies in the caches of workers (63 each).
//!
//! **Promises.** A coroutine takes its context when it starts, but running out must be told at `spawn`. So `spawn`
//! takes a [promise](Pool::promise) first: that many slots are reserved address space. What can still fail later is
//! making the context: its guard on older kernels, its identity. Then the coroutine stays queued, and until one could be
//! made, spawns are refused beyond the contexts that exist.

use std::fmt;
use std::io;
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock};

use crate::context::Context;
use crate::identity::desk::Desk;
use crate::identity::pin::Pin;
use crate::slab::{Slabs, StackSize};
use crate::stock::{Call, Filler, Stock};

/// How many contexts a worker keeps for itself at most.
const CACHE_MAX: usize = 64;

/// How many contexts, or promises, move between a cache and the pool at a time.
const CACHE_STEP: usize = 32;

/// How far the tops of two neighbouring slots are staggered. Five cache lines: enough for the hottest lines of
/// identity and stack not to meet.
const COLOUR_BYTES: usize = 320;

/// How many colours there are. Identity, colour and a shallow call together must stay within two pages, or every
/// coroutine would hold a third; `docs/design/0001-identity.md` has the figures.
const COLOURS: usize = 7;

/// All contexts of one slot size in this process.
pub struct Pool {
    size: StackSize,
    stock: Stock<Context>,
    slabs: Mutex<Slabs>,
    /// `slabs.slots()`, readable without the lock. Relaxed: only ever grows, and a stale value costs a lock.
    slots: AtomicUsize,
    /// How many slots are promised to coroutines. Relaxed: a count that guards no memory.
    promised: AtomicUsize,
    /// How many contexts exist. Relaxed: advice to spawners.
    made: AtomicUsize,
    /// Whether the last context, or slab, could not be made. Relaxed: advice to spawners.
    short: AtomicBool,
    colour: AtomicUsize,
}

impl Pool {
    /// Returns the pool for slots of this size, the same for every caller.
    pub fn of_size(size: StackSize) -> &'static Pool {
        static POOLS: [OnceLock<Pool>; usize::BITS as usize] =
            [const { OnceLock::new() }; usize::BITS as usize];
        POOLS[size.bytes().trailing_zeros() as usize].get_or_init(|| Pool {
            size,
            stock: Stock::new(),
            slabs: Mutex::new(Slabs::new(size)),
            slots: AtomicUsize::new(0),
            promised: AtomicUsize::new(0),
            made: AtomicUsize::new(0),
            short: AtomicBool::new(false),
            colour: AtomicUsize::new(0),
        })
    }

    /// The size of this pool's slots.
    pub fn size(&self) -> StackSize {
        self.size
    }

    /// Promises slots to `count` coroutines that are about to be spawned.
    ///
    /// # Errors
    ///
    /// `ENOMEM` when no more address space can be reserved; `EAGAIN` when there are as many promises as contexts, and
    /// no further identity can be made. Then nothing is promised.
    pub fn promise(&'static self, count: usize) -> io::Result<()> {
        let promised = self.promised.fetch_add(count, Ordering::Relaxed) + count;
        let kept = if self.is_short() && promised > self.made.load(Ordering::Relaxed) {
            // There may be no context for it. Each spawner tries to make one: so the pool finds out when the pressure
            // is gone.
            self.make().map(|context| {
                self.stock.add(context);
            })
        } else {
            Ok(())
        };
        let reserved = kept.and_then(|()| {
            if promised <= self.slots.load(Ordering::Relaxed) { Ok(()) } else { self.reserve(promised) }
        });
        reserved.inspect_err(|_| {
            self.short.store(true, Ordering::Relaxed);
            self.forgo(count);
        })
    }

    /// Whether the last attempt to make a context, or to reserve slots, failed.
    pub fn is_short(&self) -> bool {
        self.short.load(Ordering::Relaxed)
    }

    /// Takes promises back.
    pub fn forgo(&self, count: usize) {
        self.promised.fetch_sub(count, Ordering::Relaxed);
    }

    /// Takes a context, warm if there is one.
    ///
    /// # Errors
    ///
    /// If there is none and none can be made now.
    pub fn take(&'static self) -> io::Result<Context> {
        let mut one = Vec::with_capacity(1);
        self.take_into(1, &mut one)?;
        Ok(one.pop().expect("take_into adds at least one"))
    }

    /// Adds between 1 and `most` contexts to `into`.
    fn take_into(&'static self, most: usize, into: &mut Vec<Context>) -> io::Result<()> {
        let before = into.len();
        if self.stock.take(most, into) == Filler::Start {
            self.start_filler();
        }
        if into.len() == before {
            into.push(self.make()?);
            self.stock.count_made();
        }
        Ok(())
    }

    /// Returns a context that is at rest.
    pub fn give(&self, mut context: Context) {
        context.count_use();
        self.stock.give(std::iter::once(context));
    }

    /// How many contexts exist, and how many of them lie on the shared shelf.
    pub fn counts(&self) -> (usize, usize) {
        self.stock.counts()
    }

    /// The most contexts that were off the shelf at a time.
    pub fn peak(&self) -> usize {
        self.stock.peak()
    }

    /// Makes a context for somebody who waits for it.
    fn make(&'static self) -> io::Result<Context> {
        let desk = Desk::take();
        let _pin = Pin::to_this_cpu();
        self.make_at(&desk)
    }

    /// Makes a context, reserving a slab if need be. The caller had better be [pinned](Pin).
    fn make_at(&'static self, _desk: &Desk) -> io::Result<Context> {
        let made = self.try_to_make();
        self.short.store(made.is_err(), Ordering::Relaxed);
        if made.is_ok() {
            self.made.fetch_add(1, Ordering::Relaxed);
        }
        made
    }

    fn try_to_make(&'static self) -> io::Result<Context> {
        let region = {
            let mut slabs = self.lock_slabs();
            match slabs.take()? {
                Some(region) => region,
                None => {
                    slabs.grow()?;
                    self.slots.store(slabs.slots(), Ordering::Relaxed);
                    slabs.take()?.expect("a slab was just reserved")
                }
            }
        };
        let colour = self.colour.fetch_add(1, Ordering::Relaxed) % COLOURS * COLOUR_BYTES;
        match Context::new(region, colour, self) {
            Ok(context) => Ok(context),
            Err((error, region)) => {
                self.lock_slabs().give_back(region);
                Err(error)
            }
        }
    }

    fn reserve(&self, promised: usize) -> io::Result<()> {
        let mut slabs = self.lock_slabs();
        while slabs.slots() < promised {
            let grown = slabs.grow();
            self.slots.store(slabs.slots(), Ordering::Relaxed);
            grown?;
        }
        Ok(())
    }

    /// Gives back the pages that deep calls have touched in some of the contexts that lie idle.
    fn air(&self) {
        let mut idle = self.stock.take_idle();
        idle.iter_mut().for_each(Context::trim);
        self.stock.store(idle);
    }

    fn start_filler(&'static self) {
        let filler = move || {
            let mut gave_up = false;
            loop {
                if self.stock.await_call(mem::take(&mut gave_up)) == Call::Air {
                    self.air();
                    continue;
                }
                let _pin = Pin::to_this_cpu();
                gave_up = loop {
                    // With both desks taken, those who wait for contexts are making them, faster without us.
                    let Some(desk) = Desk::try_take() else { break true };
                    let made = self.make_at(&desk);
                    let failed = made.is_err();
                    if !made.is_ok_and(|context| self.stock.add(context)) {
                        break failed;
                    }
                };
            }
        };
        FILLERS.fetch_add(1, Ordering::SeqCst);
        if std::thread::Builder::new().name("tarae-stacks".into()).spawn(filler).is_err() {
            FILLERS.fetch_sub(1, Ordering::SeqCst);
            self.stock.filler_failed_to_start();
        }
    }

    /// Slabs stay consistent whatever panics, so poison carries no meaning.
    fn lock_slabs(&self) -> MutexGuard<'_, Slabs> {
        self.slabs.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (made, shelved) = self.counts();
        f.debug_struct("Pool")
            .field("size", &self.size)
            .field("made", &made)
            .field("shelved", &shelved)
            .field("aired", &self.stock.aired())
            .field("promised", &self.promised.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}

static FILLERS: AtomicUsize = AtomicUsize::new(0);

/// How many kernel threads of the process make contexts ahead of need. They run no code of the program's.
pub fn fillers() -> usize {
    FILLERS.load(Ordering::SeqCst)
}

/// A worker's own contexts and promises, in front of a [`Pool`].
///
/// # Invariants
///
/// `promises` are taken from the pool and given to nobody yet; `contexts` holds at most [`CACHE_MAX`].
#[derive(Debug)]
pub struct Cache {
    pool: &'static Pool,
    contexts: Vec<Context>,
    /// The processor has been asked for those from here on, or they were in use since.
    fetched: usize,
    promises: usize,
}

impl Cache {
    /// Returns an empty cache.
    pub fn new(pool: &'static Pool) -> Cache {
        Cache { pool, contexts: Vec::with_capacity(CACHE_MAX), fetched: 0, promises: 0 }
    }

    /// The pool behind the cache.
    pub fn pool(&self) -> &'static Pool {
        self.pool
    }

    /// As [`Pool::promise`] for one coroutine, mostly without touching shared memory.
    ///
    /// # Errors
    ///
    /// As [`Pool::promise`].
    #[inline]
    pub fn promise(&mut self) -> io::Result<()> {
        if self.promises == 0 {
            // One by one when contexts are short, or a whole step is not to be had.
            if self.pool.is_short() || self.pool.promise(CACHE_STEP).is_err() {
                return self.pool.promise(1);
            }
            self.promises = CACHE_STEP;
        }
        self.promises -= 1;
        Ok(())
    }

    /// Takes back one promise.
    #[inline]
    pub fn forgo(&mut self) {
        self.promises += 1;
        if self.promises >= 2 * CACHE_STEP {
            self.pool.forgo(CACHE_STEP);
            self.promises -= CACHE_STEP;
        }
        // Others may be refused one while it lies here.
        if self.pool.is_short() {
            self.pool.forgo(mem::take(&mut self.promises));
        }
    }

    /// Takes a context, mostly without touching shared memory.
    ///
    /// # Errors
    ///
    /// As [`Pool::take`].
    #[inline]
    pub fn take(&mut self) -> io::Result<Context> {
        if self.contexts.is_empty() {
            self.pool.take_into(CACHE_STEP, &mut self.contexts)?;
            self.contexts.iter().for_each(Context::look_up);
            self.fetched = self.contexts.len();
        }
        let taken = self.contexts.pop().expect("take_into adds at least one");
        if self.contexts.len() <= self.fetched {
            self.fetch_next();
        }
        Ok(taken)
    }

    /// Asks the processor for what the next takers will touch, so that it is there when they come: with many coroutines it is
    /// out of all caches. Of the next but one only what says where the rest is.
    fn fetch_next(&mut self) {
        let mut next = self.contexts.iter().rev();
        if let Some(next) = next.next() {
            next.prefetch();
        }
        if let Some(after) = next.next() {
            after.prefetch_inner();
        }
        self.fetched = self.contexts.len().saturating_sub(1);
    }

    /// Returns a context that is at rest; the warmest is taken next.
    #[inline]
    pub fn give(&mut self, mut context: Context) {
        if !std::ptr::eq(context.pool(), self.pool) {
            context.pool().give(context);
            return;
        }
        context.count_use();
        self.contexts.push(context);
        if self.contexts.len() >= CACHE_MAX {
            self.spill();
        }
    }

    /// Moves the coldest contexts to the pool.
    #[cold]
    fn spill(&mut self) {
        self.pool.stock.give(self.contexts.drain(..CACHE_STEP));
        self.fetched = self.fetched.saturating_sub(CACHE_STEP);
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        self.pool.forgo(self.promises);
        self.pool.stock.give(self.contexts.drain(..));
    }
}

#[cfg(test)]
mod tests;
