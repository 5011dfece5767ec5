//! The seat of a worker: what it works with, lent to everything it runs, and taken away from a thread that is stuck.
//!
//! A thread that drives a worker [sits](sit) on the worker's seat. Code in the coroutines that it runs reaches the seat
//! by [`with_seat`], as the worker's own code does. A thread's time on a seat is its *tenure*; at each run the tenure
//! is written into the coroutine.
//!
//! ```text
//!  the thread's own thread-locals: HERE.seat ─► its tenure ◄─ Header::seat, written at each run ─ the coroutine it runs
//!                                                │
//!                                                └─► the seat (a Box), for as long as the tenure holds
//! ```
//!
//! **Why a seat may be shared so.** A seat is `Send` but need not be `Sync`. The worker and the coroutine it runs are
//! two threads to the language, but they take turns on one kernel thread: while the coroutine is inside `with_seat` the
//! worker stands still in [`Runnable::run`](crate::Runnable::run), and each stack switch orders the one after the
//! other. That is what a lock gives, which asks for `Send` too. What must not happen is that the coroutine moves elsewhere
//! in the middle: so suspending inside `with_seat` is refused.
//!
//! **How a seat is taken away.** Between those stretches the [hold](crate::hold) says *outside*, and then another thread
//! may take the seat, by a [`Watch`]: it gets the `Box` itself, and with it everything that owning a value means. The
//! thread that was left behind finds out when its coroutine suspends, or uses the seat: it has none any more.

use std::any::{Any, TypeId};
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use tarae_context::errno::KeepErrno;

use crate::barrier;
use crate::coroutine::{Coroutine, Header};
use crate::here::{HERE, Here};
use crate::hold::{Enter, Hold, Runs, Seen};

/// One thread's time on a seat, whatever the seat's type.
///
/// # Invariants
///
/// - `address` is a `Box` of the type `kind` that was given to [`sit`]. It is the tenure's until the hold is lost.
/// - `current` is read and written by the holder while inside, and by whoever takes the seat, under the hold's lock. When
///   the holder is outside, it is the header of the coroutine that runs, which is alive until the holder has come inside.
pub(crate) struct Tenure {
    kind: TypeId,
    address: NonNull<()>,
    hold: Hold,
    current: Cell<*const Header>,
}

// SAFETY: The seat is `Send`, as `sit` asks; `current` is guarded by the hold, as the invariant says; the rest is atomic,
// or never written.
unsafe impl Send for Tenure {}
// SAFETY: As above.
unsafe impl Sync for Tenure {}

impl Tenure {
    /// Goes inside, if the seat is still there.
    #[inline(always)]
    fn enter(&self) -> bool {
        self.hold.enter() == Enter::Inside || self.settle()
    }

    #[cold]
    #[inline(never)]
    fn settle(&self) -> bool {
        let _errno = KeepErrno::new();
        self.hold.settle()
    }

    /// The holder begins to run one coroutine after the other.
    pub(crate) fn begin_runs(&self) -> Runs {
        self.hold.begin_runs()
    }

    /// The holder lets a coroutine run.
    #[inline(always)]
    pub(crate) fn begin_run(&self, runs: &mut Runs, header: *const Header) {
        self.current.set(header);
        self.hold.leave_for_a_run(runs);
    }

    /// The coroutine has come back. Returns whether the holder still has the seat, and is inside.
    #[inline(always)]
    pub(crate) fn end_run(&self, runs: &Runs) -> bool {
        self.hold.enter_after_a_run(runs) == Enter::Inside || self.settle()
    }
}

/// The right to use a seat, here and now: its holder is inside.
///
/// # Invariants
///
/// There is one at most for a tenure, on the thread that sits, and the hold is inside and not lost while it exists.
pub struct Place<'a, S> {
    tenure: &'a Tenure,
    seat: PhantomData<*mut S>,
}

impl<'a, S> Place<'a, S> {
    pub(crate) fn tenure(&self) -> &'a Tenure {
        self.tenure
    }

    /// How many runs there were since the thread sat down.
    pub fn runs(&self) -> usize {
        self.tenure.hold.runs()
    }

    /// # Safety
    ///
    /// The tenure's seat is an `S`, its hold is inside and not lost, and the only `Place` of it was consumed.
    pub(crate) unsafe fn of(tenure: &'a Tenure) -> Place<'a, S> {
        // INVARIANT: The caller's promise.
        Place { tenure, seat: PhantomData }
    }
}

impl<S> Deref for Place<'_, S> {
    type Target = S;

    #[inline(always)]
    fn deref(&self) -> &S {
        // SAFETY: By the invariant the seat is ours; its type is `S`, as `Place` is made in `sit` and in `run`, which
        // consumes one.
        unsafe { self.tenure.address.cast::<S>().as_ref() }
    }
}

impl<S> fmt::Debug for Place<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("runs", &self.tenure.hold.runs()).finish_non_exhaustive()
    }
}

/// Watches a thread that sits, and takes the seat away from it when it is stuck.
pub struct Watch<S> {
    tenure: Arc<Tenure>,
    seat: PhantomData<fn() -> S>,
}

impl<S> Watch<S> {
    /// What there is to see. The same again later, and outside: the same coroutine has been running all the time.
    pub fn look(&self) -> Seen {
        self.tenure.hold.look()
    }

    /// Whether both watch the same thread's same time on the same seat.
    pub fn is_of_the_tenure_of(&self, other: &Watch<S>) -> bool {
        Arc::ptr_eq(&self.tenure, &other.tenure)
    }

    /// Takes the seat, if a coroutine is running there, outside of [`with_seat`], and returns it with that coroutine. The
    /// thread that runs it is left behind: it has no seat from now on.
    ///
    /// Takes some microseconds.
    pub fn take(&self) -> Option<(Box<S>, Coroutine)> {
        self.tenure.hold.take(|| {
            // SAFETY: By the invariant of `Tenure`: we are under the lock, and the holder is outside.
            let coroutine = unsafe { &*self.tenure.current.get() }.coroutine();
            // SAFETY: The tenure has just lost the seat, and so it is ours. A watch has its tenure's type.
            (unsafe { Box::from_raw(self.tenure.address.cast::<S>().as_ptr()) }, coroutine)
        })
    }
}

impl<S> Clone for Watch<S> {
    fn clone(&self) -> Watch<S> {
        Watch { tenure: Arc::clone(&self.tenure), seat: PhantomData }
    }
}

impl<S> fmt::Debug for Watch<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("seen", &self.look()).finish_non_exhaustive()
    }
}

/// Sits on `seat` during `f`: lends it to everything that the calling kernel thread runs meanwhile. Drops the seat at the
/// end, unless it was taken.
pub fn sit<S: Any + Send, R>(seat: Box<S>, f: impl FnOnce(Place<'_, S>, Watch<S>) -> R) -> R {
    /// Puts back what was there before and drops the seat, also when `f` unwinds.
    struct StandUp<S> {
        tenure: Arc<Tenure>,
        before: *const Tenure,
        seat: PhantomData<Box<S>>,
    }
    impl<S> Drop for StandUp<S> {
        fn drop(&mut self) {
            HERE.with(|here| here.seat.set(self.before));
            if self.tenure.hold.give_up() {
                // SAFETY: The tenure has just given up the seat, and so it is ours.
                drop(unsafe { Box::from_raw(self.tenure.address.cast::<S>().as_ptr()) });
            }
        }
    }
    // INVARIANT: (of `Tenure`) The box is given up to it.
    let tenure = Arc::new(Tenure {
        kind: TypeId::of::<S>(),
        address: NonNull::from(Box::leak(seat)).cast(),
        hold: Hold::new(barrier::is_offered()),
        current: Cell::new(ptr::null()),
    });
    // INVARIANT: (of `Here`) The tenure lives until `StandUp` has taken it out again.
    let before = HERE.with(|here| here.seat.replace(Arc::as_ptr(&tenure)));
    let stand_up = StandUp::<S> { tenure: Arc::clone(&tenure), before, seat: PhantomData };
    let watch = Watch { tenure, seat: PhantomData };
    // SAFETY: A new hold is inside, and this is its first place. The type is right.
    f(unsafe { Place::of(&stand_up.tenure) }, watch)
}

/// Calls `f` with the seat of the worker that runs the calling code, if there is one, it is an `S`, and it has not been
/// taken away.
///
/// # Panics
///
/// A suspension inside `f` panics.
#[inline]
pub fn with_seat<S: Any + Send, R>(f: impl FnOnce(&S) -> R) -> Option<R> {
    HERE.with(|here| {
        let tenure = tenure_here(here);
        if tenure.is_null() {
            return None;
        }
        // SAFETY: By the invariant of `Here`, or by that of `Header::seat`, the worker is in `sit` further down the stack
        // of this kernel thread, so its tenure is alive.
        let tenure = unsafe { &*tenure };
        if tenure.kind != TypeId::of::<S>() {
            return None;
        }
        let inside = tenure.hold.is_inside();
        if !inside && !tenure.enter() {
            return None;
        }
        let _stay = Stay::new(here, if inside { None } else { Some(&tenure.hold) });
        // SAFETY: The type was compared, and the hold is inside. The worker stands still while we are here; see the head
        // of this file.
        Some(f(unsafe { tenure.address.cast::<S>().as_ref() }))
    })
}

/// Gives up the seat of the worker that runs the calling coroutine: its thread is left behind from now on, as if the
/// seat had been taken away. `None` outside of coroutines, or if it has none, or one of another type.
///
/// # Panics
///
/// Inside [`with_seat`], and inside the methods of [`Links`](crate::Links) and [`Schedule`](crate::Schedule) that a worker
/// calls.
pub fn give_up_seat<S: Any + Send>() -> Option<Box<S>> {
    HERE.with(|here| {
        assert!(here.pinned.get() == 0, "a seat given up inside `with_seat`");
        // Only in a coroutine: a worker's own code has a `Place`.
        let header = NonNull::new(here.current.get().cast_mut())?;
        // SAFETY: By the invariant of `Here` the current coroutine is alive.
        let tenure = NonNull::new(unsafe { header.as_ref() }.seat.get().cast_mut())?;
        // SAFETY: By the invariant of `Header::seat`, as in `with_seat`.
        let tenure = unsafe { tenure.as_ref() };
        if tenure.kind != TypeId::of::<S>() {
            return None;
        }
        // Off the coroutine's own stack, though under its identity: the worker has lent the seat.
        assert!(!tenure.hold.is_inside(), "a seat given up inside `Links` or `Schedule`");
        if !tenure.hold.give_up() {
            return None;
        }
        // SAFETY: The tenure has just given up the seat, and so it is ours. The type was compared.
        Some(unsafe { Box::from_raw(tenure.address.cast::<S>().as_ptr()) })
    })
}

#[inline(always)]
fn tenure_here(here: &Here) -> *const Tenure {
    match NonNull::new(here.current.get().cast_mut()) {
        // SAFETY: By the invariant of `Here` the current coroutine is alive.
        Some(header) => unsafe { header.as_ref() }.seat.get(),
        None => here.seat.get(),
    }
}

/// Refuses suspensions while it lives, and goes outside at the end, if it was outside before.
struct Stay<'a> {
    here: &'a Here,
    hold: Option<&'a Hold>,
}

impl<'a> Stay<'a> {
    #[inline(always)]
    fn new(here: &'a Here, hold: Option<&'a Hold>) -> Stay<'a> {
        here.pinned.set(here.pinned.get() + 1);
        Stay { here, hold }
    }
}

impl Drop for Stay<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.here.pinned.set(self.here.pinned.get() - 1);
        if let Some(hold) = self.hold {
            hold.leave();
        }
    }
}
