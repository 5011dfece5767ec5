//! Running one coroutine after the other.
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
//! our own, and jobs and results are dropped inside of coroutines, or after the workers have ended. What may set `errno`
//! keeps it ([`KeepErrno`]). A suspension there, off the coroutine's own stack, would be refused (`suspend` in
//! [`park`](mod@crate::park)).
//!
//! **A thread that is left behind.** While a coroutine runs, the [seat](crate::seat) may be taken, or given up. The
//! thread finds out when the coroutine comes back. Then it has no queue and no cache, and goes home;
//! [`adrift`](crate::adrift) says what becomes of the coroutine.

use std::io;
use std::mem::ManuallyDrop;
use std::ptr;

use tarae_context::errno::KeepErrno;
use tarae_context::thread_pointer::{self, Way};
use tarae_context::{Call, Context, Home, Pool, Suspended};

use crate::adrift::Adrift;
use crate::coroutine::Header;
use crate::here::HERE;
use crate::park::{SIGNAL_PARK, SIGNAL_YIELD};
use crate::runnable::{Links, Next, Runnable};
use crate::seat::{Place, Tenure};
use crate::state::Park;

/// How a stretch of running ended.
#[derive(Debug)]
#[must_use]
pub enum Ran<'a, S> {
    /// There was nobody to run any more. The seat is still the caller's.
    Home(Place<'a, S>),
    /// The thread was left behind, and has no seat any more.
    LeftBehind,
    /// As `LeftBehind`; and a coroutine that was locked to this thread has ended without letting go of it. Others should
    /// not run on the thread: whatever was special about it still is.
    Spent,
}

impl Runnable {
    /// Runs the coroutine on the calling thread until it parks, yields or ends, then the one that `links` names next,
    /// and so on until they name none.
    ///
    /// A coroutine that starts takes a context from the cache of the seat; it comes back at the end.
    ///
    /// # Panics
    ///
    /// Inside [`with_seat`](crate::with_seat).
    // Not inlined: its caller may touch thread-locals.
    #[inline(never)]
    pub fn run<'a, L: Links>(self, place: Place<'a, L::Seat>, links: &L) -> Ran<'a, L::Seat> {
        refuse_pinned();
        let run = Run { links, tenure: place.tenure() };
        // Whatever panics between here and the end does so under an identity that is not its own, or between two.
        let abort = AbortOnUnwind;
        let (Some(mut current), _) = run.board(&place, self) else {
            std::mem::forget(abort);
            return Ran::Home(place);
        };
        let mut runs = run.tenure.begin_runs();
        let home = Home::note();
        run.note_who_runs(Some(&current));
        // SAFETY: The `Runnable` owns the coroutine's context. This function touches no thread-local.
        unsafe { current.context().wear() };
        loop {
            run.tenure.begin_run(&mut runs, current.header());
            // SAFETY: We wear it: put on above, or below in the last turn, or not taken off.
            let suspended = unsafe { current.context().enter() };
            if !run.tenure.end_run(&runs) {
                run.retire(suspended);
                // SAFETY: Noted on this kernel thread before it put on anything.
                unsafe { home.go() };
                run.note_who_runs(None);
                let after = Adrift { links }.go_on(current, suspended);
                std::mem::forget(abort);
                return after;
            }
            // SAFETY: We are inside, and the place before was consumed. The type is that of the place.
            let place = unsafe { Place::of(run.tenure) };
            match run.pause(&place, &current, suspended) {
                (None, Pause::Same) => {}
                (Some(next), then) => {
                    // SAFETY: As above; `pause` has boarded it.
                    unsafe { next.context().wear() };
                    if then == Pause::Start {
                        run.settle_in();
                    }
                    run.note_who_runs(Some(&next));
                    run.publish(&place, std::mem::replace(&mut current, next), suspended);
                }
                (None, _) => {
                    // SAFETY: Noted on this kernel thread before it put on anything.
                    unsafe { home.go() };
                    run.note_who_runs(None);
                    run.publish(&place, current, suspended);
                    std::mem::forget(abort);
                    return Ran::Home(place);
                }
            }
        }
    }
}

/// What comes after a run. Beside the next one, and not around it: so the two come back in registers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pause {
    /// The one that ran goes on.
    Same,
    /// The next one is about to start.
    Start,
    /// The next one goes on.
    GoOn,
    Home,
}

/// One stretch of running, from home to home.
struct Run<'l, 't, L> {
    links: &'l L,
    tenure: &'t Tenure,
}

impl<L: Links> Run<'_, '_, L> {
    /// After a run, under the identity of the one that ran: lets go of nothing, as we wear it.
    #[inline(never)]
    fn pause(&self, seat: &L::Seat, ran: &Runnable, suspended: Suspended) -> (Option<Runnable>, Pause) {
        let pause = self.choose(seat, ran, suspended);
        self.clear_seat(suspended);
        pause
    }

    /// The same for a thread that was left behind.
    #[inline(never)]
    fn retire(&self, suspended: Suspended) {
        self.clear_seat(suspended);
    }

    #[inline(always)]
    fn clear_seat(&self, suspended: Suspended) {
        if suspended == Suspended::Ended && thread_pointer::way() != Way::LeftOut {
            // INVARIANT: (of `Here`) Its context may go to another worker, or outlive this one.
            HERE.with(|here| here.seat.set(ptr::null()));
        }
    }

    #[inline(always)]
    fn choose(&self, seat: &L::Seat, ran: &Runnable, suspended: Suspended) -> (Option<Runnable>, Pause) {
        let yielded = suspended == Suspended::With(SIGNAL_YIELD);
        if suspended == Suspended::Ended {
            // The context stays with it. Whoever is woken by this may be next.
            ran.complete();
        }
        loop {
            match self.links.next(seat, yielded) {
                Next::Run(next) => {
                    if let boarded @ (Some(_), _) = self.board(seat, next) {
                        return boarded;
                    }
                }
                Next::Same if yielded => return (None, Pause::Same),
                Next::Same | Next::Home => return (None, Pause::Home),
            }
        }
    }

    /// After a run, under another identity or at home: gives away the one that ran.
    #[inline(never)]
    fn publish(&self, seat: &L::Seat, ran: Runnable, suspended: Suspended) {
        match suspended {
            Suspended::With(SIGNAL_YIELD) => self.links.requeue(Some(seat), ran),
            Suspended::With(SIGNAL_PARK) => {
                if let Some(again) = park(self.links, Some(seat), ran) {
                    self.links.requeue(Some(seat), again);
                }
            }
            Suspended::With(signal) => unreachable!("signal {signal}"),
            Suspended::Ended => {
                let _errno = KeepErrno::new();
                self.links.cache(seat).borrow_mut().give(ran.take_context());
                self.leave(seat, ran);
            }
        }
    }

    /// Makes a coroutine ready to be entered, and says whether it is about to start; `None` if it cannot.
    #[inline(never)]
    fn board(&self, seat: &L::Seat, runnable: Runnable) -> (Option<Runnable>, Pause) {
        let header = runnable.header();
        header.seat.set(self.tenure);
        let starts = !runnable.has_started();
        if starts {
            let _errno = KeepErrno::new();
            let context = match self.find_context(seat, header.attributes.pool) {
                Ok(context) => context,
                Err(error) => {
                    self.links.starved(seat, runnable, error);
                    return (None, Pause::Home);
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
        (Some(runnable), if starts { Pause::Start } else { Pause::GoOn })
    }

    fn find_context(&self, seat: &L::Seat, pool: &'static Pool) -> io::Result<Context> {
        let mut cache = self.links.cache(seat).borrow_mut();
        if ptr::eq(pool, cache.pool()) { cache.take() } else { pool.take() }
    }

    /// Takes back the promise of a coroutine that has ended, and its count.
    fn leave(&self, seat: &L::Seat, ran: Runnable) {
        let pool = ran.header().attributes.pool;
        let mut cache = self.links.cache(seat).borrow_mut();
        if ptr::eq(pool, cache.pool()) {
            cache.forgo();
        } else {
            pool.forgo(1);
        }
        drop(cache);
        ran.forget();
        self.links.finished(Some(seat));
    }

    /// Under the identity of a coroutine that is about to start: leaves word of where we are. One that has run before
    /// knows its seat by its header; in these thread-locals stands nothing yet, or what the last one left.
    #[inline(never)]
    fn settle_in(&self) {
        HERE.with(|here| here.seat.set(self.tenure));
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
            note(runnable.map_or(ptr::null(), |runnable| ptr::from_ref(runnable.header())));
        }
    }
}

/// Parks a coroutine that asked for it. Returns it if it has to run again: a wake came before.
#[inline]
pub(crate) fn park<L: Links>(links: &L, seat: Option<&L::Seat>, ran: Runnable) -> Option<Runnable> {
    let header = ran.header();
    if header.remembered.get().is_none() {
        let _errno = KeepErrno::new();
        header.remembered.set(Some(header.schedule.remember(ran.coroutine())));
    }
    links.parking(seat);
    // From the moment the state says `Parked`, somebody else may run it, to its end: nothing is touched after.
    let parked = ManuallyDrop::new(ran);
    match parked.header().state.park() {
        // INVARIANT: The count stays with the parked coroutine, for `from_parked`.
        Park::Parked => None,
        Park::Again => Some(ManuallyDrop::into_inner(parked)),
    }
}

/// Inside `with_seat` there is a reference to the seat, which may be taken while a coroutine runs.
#[inline(never)]
fn refuse_pinned() {
    assert!(HERE.with(|here| here.pinned.get()) == 0, "a coroutine run inside `with_seat`");
}

/// Nothing may unwind through a stretch of running.
struct AbortOnUnwind;

impl Drop for AbortOnUnwind {
    fn drop(&mut self) {
        std::process::abort();
    }
}
