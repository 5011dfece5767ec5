//! The right to run a coroutine once.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use tarae_context::thread_pointer::{self, Way};
use tarae_context::{Cache, Call, Context, Pool, Suspended};

use crate::Cancelled;
use crate::coroutine::{Coroutine, Header};
use crate::here::HERE;
use crate::park::{SIGNAL_PARK, SIGNAL_YIELD};
use crate::state::{Completed, Park};

/// The right to run a coroutine once: whoever has it owns the coroutine's stack. Not `Clone`.
///
/// Dropping it unrun cancels a coroutine that has not started; one that has is leaked, with its stack: live frames
/// are never freed under anybody.
///
/// # Invariants
///
/// At most one exists for a coroutine at any time, as the state word says.
pub struct Runnable {
    coroutine: ManuallyDrop<Coroutine>,
}

/// What came of a run.
#[derive(Debug)]
#[must_use]
pub enum Ran {
    /// It wants to go on after others have had their turn.
    Yielded(Runnable),
    /// It asked to park, but a wake came first: it is to go on soon.
    Again(Runnable),
    /// It waits, and belongs to whoever wakes it.
    Parked,
    /// It has ended.
    Done,
    /// It could not start: there is no context for it. Try again when one may be had.
    Starved(Runnable, io::Error),
}

impl Runnable {
    /// # Safety
    ///
    /// The coroutine is `Ready` and no other `Runnable` exists for it.
    pub(crate) unsafe fn new(coroutine: Coroutine) -> Runnable {
        // INVARIANT: The caller's promise.
        Runnable { coroutine: ManuallyDrop::new(coroutine) }
    }

    /// Takes back the count that a parked coroutine holds of itself.
    ///
    /// # Safety
    ///
    /// The caller's wake or cancel has just taken the coroutine from `Parked` to `Ready`.
    pub(crate) unsafe fn from_parked(header: NonNull<Header>) -> Runnable {
        // SAFETY: `into_parked` left a count.
        let coroutine = unsafe { Coroutine::from_raw(header) };
        // SAFETY: The phase was `Parked`, in which no `Runnable` exists, and one caller took it away.
        unsafe { Runnable::new(coroutine) }
    }

    /// The coroutine.
    pub fn coroutine(&self) -> &Coroutine {
        &self.coroutine
    }

    /// Cancels the coroutine: it unwinds at its next wait, or, if it has not started, never starts.
    pub fn cancel(&self) {
        self.coroutine.header().state.cancel_runnable();
    }

    /// Runs the coroutine on the calling thread until it parks, yields or ends. A first run takes a context from
    /// `cache`; it comes back at the end. Between the two the cache is free for what the coroutine does.
    pub fn run(self, cache: &RefCell<Cache>) -> Ran {
        let header = self.coroutine.header();
        // SAFETY: The context belongs to whoever has the `Runnable`.
        let context = unsafe { &mut *header.context.get() };
        HERE.with(|here| header.seat.set(here.seat.get()));
        let suspended = match context {
            Some(context) => {
                header.state.begin_run();
                let _shared = SharedThreadLocals::enter(header);
                context.resume()
            }
            None => {
                if header.state.is_cancelled() {
                    self.discard(cache);
                    return Ran::Done;
                }
                let fresh = match take_context(header.attributes.pool, cache) {
                    Ok(fresh) => context.insert(fresh),
                    Err(error) => return Ran::Starved(self, error),
                };
                header.suspender.set(fresh.suspender());
                header.state.begin_run();
                let call = Call { function: header.table.run, argument: std::ptr::from_ref(header).cast() };
                let _shared = SharedThreadLocals::enter(header);
                // SAFETY: A context from the cache is at rest. The table's function may be called with the header on
                // any thread, once, as the `Runnable` says; this count keeps the header alive until it has ended.
                unsafe { fresh.start(call) }
            }
        };
        match suspended {
            Suspended::With(SIGNAL_YIELD) => Ran::Yielded(self),
            Suspended::With(SIGNAL_PARK) => self.park(),
            Suspended::With(signal) => unreachable!("signal {signal}"),
            Suspended::Ended => self.end(cache),
        }
    }

    fn park(self) -> Ran {
        let header = self.coroutine.header();
        if header.remembered.get().is_none() {
            header.remembered.set(Some(header.schedule.remember(&self.coroutine)));
        }
        // From the moment the state says `Parked`, somebody else may run it, to its end: nothing is touched after.
        let parked = ManuallyDrop::new(self);
        match parked.coroutine.header().state.park() {
            // INVARIANT: The count stays with the parked coroutine, for `from_parked`.
            Park::Parked => Ran::Parked,
            Park::Again => Ran::Again(ManuallyDrop::into_inner(parked)),
        }
    }

    fn end(self, cache: &RefCell<Cache>) -> Ran {
        let header = self.coroutine.header();
        // SAFETY: The context belongs to whoever has the `Runnable`.
        let context = unsafe { &mut *header.context.get() }.take();
        cache.borrow_mut().give(context.expect("it just ran in it"));
        self.leave(cache);
        Ran::Done
    }

    /// Ends a coroutine that has not started.
    fn discard(self, cache: &RefCell<Cache>) {
        self.discard_job();
        self.leave(cache);
    }

    /// Tells the joiner, takes the promise back, and gives up the count.
    fn leave(self, cache: &RefCell<Cache>) {
        self.complete();
        let pool = self.coroutine.header().attributes.pool;
        let mut cache = cache.borrow_mut();
        if std::ptr::eq(pool, cache.pool()) {
            cache.forgo();
        } else {
            pool.forgo(1);
        }
        drop(cache);
        self.forget();
    }

    fn discard_job(&self) {
        let header = self.coroutine.header();
        // SAFETY: The stage belongs to whoever has the `Runnable`, and the job has not started.
        unsafe { (header.table.discard)(header, Box::new(Cancelled)) };
    }

    fn complete(&self) {
        let header = self.coroutine.header();
        if let Some(key) = header.remembered.take() {
            header.schedule.forget(key);
        }
        if header.state.complete() == Completed::WakeJoiner {
            // SAFETY: `WakeJoiner` says that the slot is ours.
            let joiner = unsafe { &mut *header.joiner.get() }.take();
            if let Some(joiner) = joiner {
                joiner.wake();
            }
        }
    }

    /// Gives the count back, without the consequences of dropping a `Runnable` unrun.
    fn forget(self) {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: `this` is not used or dropped afterwards.
        unsafe { ManuallyDrop::drop(&mut this.coroutine) };
    }
}

impl Drop for Runnable {
    fn drop(&mut self) {
        let header = self.coroutine.header();
        // SAFETY: The context belongs to whoever has the `Runnable`.
        let started = unsafe { &*header.context.get() }.is_some();
        if started {
            // Its count stays with it: it is leaked.
            return;
        }
        self.discard_job();
        self.complete();
        header.attributes.pool.forgo(1);
        // SAFETY: Not used afterwards.
        unsafe { ManuallyDrop::drop(&mut self.coroutine) };
    }
}

fn take_context(pool: &'static Pool, cache: &RefCell<Cache>) -> io::Result<Context> {
    let mut cache = cache.borrow_mut();
    if std::ptr::eq(pool, cache.pool()) { cache.take() } else { pool.take() }
}

impl fmt::Debug for Runnable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Runnable").field(&*self.coroutine).finish()
    }
}

// SAFETY: (`Send` comes with `Coroutine`; `Sync` too.) Running takes the `Runnable` by value; `&Runnable` gives no
// more than `&Coroutine`.
const _: () = {
    const fn assert_send_sync<T: Send + Sync>() {}
    assert_send_sync::<Runnable>();
};

/// Where the soundness tests leave the identity switch out, a coroutine borrows its worker's thread-locals: who runs
/// must then be written at each run, and taken back.
struct SharedThreadLocals(bool);

impl SharedThreadLocals {
    #[inline]
    fn enter(header: &Header) -> SharedThreadLocals {
        let shared = thread_pointer::way() == Way::LeftOut;
        if shared {
            HERE.with(|here| here.current.set(header));
        }
        SharedThreadLocals(shared)
    }
}

impl Drop for SharedThreadLocals {
    #[inline]
    fn drop(&mut self) {
        if self.0 {
            HERE.with(|here| here.current.set(std::ptr::null()));
        }
    }
}
