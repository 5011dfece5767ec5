//! The right to run a coroutine once, and running one after the other.
//!
//! A worker does not run a coroutine, come back, and run the next: it goes straight from one to the next, as long as
//! its [`Links`] name one. Between the two it stands on its own stack but *wears an identity*: first that of the one it
//! leaves, then that of the one it goes to. Changing the identity once instead of twice is a third of a switch.
//!
//! ```text
//!  identity:  home │ A                        │ B                          │ …        │ home
//!  stack:     own  │ A's │ own: pause         │ own: publish │ B's │ own:… │          │ own
//!                          what came of the run   A goes to a queue, or      nothing
//!                          of A? who is next?     to whoever wakes it        to run
//! ```
//!
//! **The rule: an identity is worn only while its coroutine is ours.** While we wear A's, A has not been given away:
//! `pause` takes B but lets go of nothing. When we wear B's, `publish` gives A away: to a queue, to its next waker,
//! or, if it has ended, its context to the cache. From then on others may run A, under A's identity, and we do not wear
//! it any more.
//!
//! **And one for the compiler:** it takes the address of a thread-local to be the same throughout a function. So
//! [`Runnable::run`], in which the identity changes, touches no thread-local; `pause` and `publish` may, as they begin
//! and end under one identity, and are never inlined; nor is `run` itself. No code of the user's runs in them: wakers are
//! our own, and jobs and results are dropped inside of coroutines, or after the workers have ended. What may set `errno` keeps it ([`KeepErrno`]). A suspension there, off the coroutine's own stack, would be refused
//! (`suspend` in [`park`](mod@crate::park)).

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};

use tarae_context::errno::KeepErrno;
use tarae_context::thread_pointer::{self, Way};
use tarae_context::{Cache, Call, Context, Home, Pool, Suspended};

use crate::Cancelled;
use crate::coroutine::{Coroutine, Header};
use crate::here::{HERE, Seat, with_current};
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

/// Who is to run next.
#[derive(Debug)]
pub enum Next {
    /// This one.
    Run(Runnable),
    /// The one that just yielded: nobody else wants to run.
    Same,
    /// Nobody: the worker is to come back from [`Runnable::run`].
    Home,
}

/// What a worker does between one coroutine and the next.
///
/// The methods are called on the worker's stack but under a coroutine's identity: thread-locals are that coroutine's,
/// and a panic aborts the process. They must be short, and must not park.
pub trait Links {
    /// Says who is to run next. `yielded` if the one that just ran wants to go on.
    fn next(&self, yielded: bool) -> Next;

    /// Queues a coroutine that wants to go on: it yielded, or a wake came before it was parked.
    fn requeue(&self, runnable: Runnable);

    /// Notes that a coroutine has ended.
    fn finished(&self);

    /// Keeps a coroutine that could not start, as there is no context for it.
    fn starved(&self, runnable: Runnable, error: io::Error);
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
        // SAFETY: `publish` left a count.
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

    /// Runs the coroutine on the calling thread until it parks, yields or ends, then the one that `links` names next,
    /// and so on until they name none.
    ///
    /// A coroutine that starts takes a context from `cache`; it comes back at the end.
    // Not inlined: its caller may touch thread-locals.
    #[inline(never)]
    pub fn run<L: Links>(self, cache: &RefCell<Cache>, links: &L) {
        let run = Run { cache, links, seat: seat_here() };
        // Whatever panics between here and the end does so under an identity that is not its own, or between two.
        let abort = AbortOnUnwind;
        let Some((mut current, _)) = run.board(self) else {
            std::mem::forget(abort);
            return;
        };
        let home = Home::note();
        run.note_who_runs(Some(&current));
        // SAFETY: The `Runnable` owns the coroutine's context. This function touches no thread-local.
        unsafe { current.context().wear() };
        loop {
            // SAFETY: We wear it: put on above, or below in the last turn, or not taken off.
            let suspended = unsafe { current.context().enter() };
            match run.pause(&current, suspended) {
                Pause::Same => {}
                Pause::Next(next, starts) => {
                    // SAFETY: As above; `pause` has boarded it.
                    unsafe { next.context().wear() };
                    if starts {
                        run.settle_in();
                    }
                    run.note_who_runs(Some(&next));
                    run.publish(std::mem::replace(&mut current, next), suspended);
                }
                Pause::Home => {
                    // SAFETY: Noted on this kernel thread before it put on anything.
                    unsafe { home.go() };
                    run.note_who_runs(None);
                    run.publish(current, suspended);
                    break;
                }
            }
        }
        std::mem::forget(abort);
    }

    /// The context of a coroutine that has started.
    #[inline(always)]
    #[allow(clippy::mut_from_ref, reason = "the `Runnable` is the right to the context, and there is one")]
    fn context(&self) -> &mut Context {
        // SAFETY: The context belongs to whoever has the `Runnable`. The references made here do not overlap: each is
        // used for one call.
        let context = unsafe { &mut *self.coroutine.header().context.get() };
        context.as_mut().expect("it has started")
    }

    /// Whether it has run before, so that there are frames on its stack.
    pub fn has_started(&self) -> bool {
        // SAFETY: The context belongs to whoever has the `Runnable`.
        unsafe { &*self.coroutine.header().context.get() }.is_some()
    }

    fn discard_job(&self) {
        let header = self.coroutine.header();
        // SAFETY: The stage belongs to whoever has the `Runnable`, and the job has not started.
        unsafe { (header.table.discard)(header, Box::new(Cancelled)) };
    }

    /// Says that it is done, and wakes whoever waits for that.
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

/// What comes after a run.
enum Pause {
    Same,
    /// This one; with `true` it is about to start.
    Next(Runnable, bool),
    Home,
}

/// One stretch of running, from home to home.
struct Run<'a, L> {
    cache: &'a RefCell<Cache>,
    links: &'a L,
    seat: *const Seat,
}

impl<L: Links> Run<'_, L> {
    /// After a run, under the identity of the one that ran: lets go of nothing, as we wear it.
    #[inline(never)]
    fn pause(&self, ran: &Runnable, suspended: Suspended) -> Pause {
        let pause = self.choose(ran, suspended);
        if suspended == Suspended::Ended && thread_pointer::way() != Way::LeftOut {
            // INVARIANT: (of `Here`) Its context may go to another worker, or outlive this one.
            HERE.with(|here| here.seat.set(ptr::null()));
        }
        pause
    }

    #[inline(always)]
    fn choose(&self, ran: &Runnable, suspended: Suspended) -> Pause {
        let yielded = suspended == Suspended::With(SIGNAL_YIELD);
        if suspended == Suspended::Ended {
            // The context stays with it. Whoever is woken by this may be next.
            ran.complete();
        }
        loop {
            match self.links.next(yielded) {
                Next::Run(next) => {
                    if let Some((next, starts)) = self.board(next) {
                        return Pause::Next(next, starts);
                    }
                }
                Next::Same if yielded => return Pause::Same,
                Next::Same | Next::Home => return Pause::Home,
            }
        }
    }

    /// After a run, under another identity or at home: gives away the one that ran.
    #[inline(never)]
    fn publish(&self, ran: Runnable, suspended: Suspended) {
        match suspended {
            Suspended::With(SIGNAL_YIELD) => self.links.requeue(ran),
            Suspended::With(SIGNAL_PARK) => self.park(ran),
            Suspended::With(signal) => unreachable!("signal {signal}"),
            Suspended::Ended => {
                let _errno = KeepErrno::new();
                // SAFETY: The context belongs to whoever has the `Runnable`.
                let context = unsafe { &mut *ran.coroutine.header().context.get() }.take();
                self.cache.borrow_mut().give(context.expect("it just ran in it"));
                self.leave(ran);
            }
        }
    }

    fn park(&self, ran: Runnable) {
        let header = ran.coroutine.header();
        if header.remembered.get().is_none() {
            let _errno = KeepErrno::new();
            header.remembered.set(Some(header.schedule.remember(&ran.coroutine)));
        }
        // From the moment the state says `Parked`, somebody else may run it, to its end: nothing is touched after.
        let parked = ManuallyDrop::new(ran);
        match parked.coroutine.header().state.park() {
            // INVARIANT: The count stays with the parked coroutine, for `from_parked`.
            Park::Parked => {}
            Park::Again => self.links.requeue(ManuallyDrop::into_inner(parked)),
        }
    }

    /// Makes a coroutine ready to be entered, and says whether it is about to start; `None` if it cannot.
    #[inline(never)]
    fn board(&self, runnable: Runnable) -> Option<(Runnable, bool)> {
        let header = runnable.coroutine.header();
        header.seat.set(self.seat);
        let starts = !runnable.has_started();
        if starts {
            let _errno = KeepErrno::new();
            let context = match take_context(header.attributes.pool, self.cache) {
                Ok(context) => context,
                Err(error) => {
                    self.links.starved(runnable, error);
                    return None;
                }
            };
            header.suspender.set(context.suspender());
            let call = Call { function: header.table.run, argument: ptr::from_ref(header).cast() };
            // SAFETY: A context from the cache is at rest. The table's function may be called with the header on any
            // thread, once, as the `Runnable` says; this count keeps the header alive until it has ended.
            unsafe { context.prepare(call) };
            // SAFETY: The context belongs to whoever has the `Runnable`.
            unsafe { *header.context.get() = Some(context) };
        }
        header.state.begin_run();
        Some((runnable, starts))
    }

    /// Takes back the promise of a coroutine that has ended, and its count.
    fn leave(&self, ran: Runnable) {
        let pool = ran.coroutine.header().attributes.pool;
        let mut cache = self.cache.borrow_mut();
        if ptr::eq(pool, cache.pool()) {
            cache.forgo();
        } else {
            pool.forgo(1);
        }
        drop(cache);
        ran.forget();
        self.links.finished();
    }

    /// Under the identity of a coroutine that is about to start: leaves word of where we are. One that has run before
    /// knows its seat by its header; in these thread-locals stands nothing yet, or what the last one left.
    #[inline(never)]
    fn settle_in(&self) {
        HERE.with(|here| here.seat.set(self.seat));
    }

    /// Where the soundness tests leave the identity switch out, all share the worker's thread-locals: who runs must be
    /// written each time, and taken back.
    #[inline(always)]
    fn note_who_runs(&self, runnable: Option<&Runnable>) {
        #[cold]
        #[inline(never)]
        fn note(header: *const Header) {
            HERE.with(|here| here.current.set(header));
        }
        if thread_pointer::way() == Way::LeftOut {
            note(runnable.map_or(ptr::null(), |runnable| ptr::from_ref(runnable.coroutine.header())));
        }
    }
}

/// The seat of the calling code, which may itself be a coroutine's.
#[inline(never)]
fn seat_here() -> *const Seat {
    with_current(|header| match header {
        Some(header) => header.seat.get(),
        None => HERE.with(|here| here.seat.get()),
    })
}

fn take_context(pool: &'static Pool, cache: &RefCell<Cache>) -> io::Result<Context> {
    let mut cache = cache.borrow_mut();
    if ptr::eq(pool, cache.pool()) { cache.take() } else { pool.take() }
}

/// Nothing may unwind through a stretch of running.
struct AbortOnUnwind;

impl Drop for AbortOnUnwind {
    fn drop(&mut self) {
        std::process::abort();
    }
}

impl Drop for Runnable {
    fn drop(&mut self) {
        if self.has_started() {
            // Its count stays with it: it is leaked.
            return;
        }
        self.discard_job();
        self.complete();
        self.coroutine.header().attributes.pool.forgo(1);
        // SAFETY: Not used afterwards.
        unsafe { ManuallyDrop::drop(&mut self.coroutine) };
    }
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
