//! Who runs on this thread: which coroutine, and on whose seat.
//!
//! A coroutine's thread-locals are its own, so "the current coroutine" is written once, when it starts. What does
//! change under it is the worker that carries it. A worker lends what it works with, its *seat*, to everything it
//! runs: code in a coroutine reaches it by [`with_seat`], as the worker's own code does.
//!
//! ```text
//!  the worker's thread-locals: HERE.seat ─► its seat ◄─ written at each run ─ the coroutine it runs
//!                                                                                ▲
//!  the coroutine's thread-locals: HERE.current ───── written once, at start ─────┘
//! ```
//!
//! **Why a seat may be shared so.** A seat is `Send` but need not be `Sync`. The worker and the coroutine it runs are
//! two threads to the language, but they take turns on one kernel thread: while the coroutine is inside
//! `with_seat` the worker stands still in `Runnable::run`, and each stack switch orders the one after the other. That is
//! what a lock gives, which asks for `Send` too. What must not happen is that the coroutine moves elsewhere in the
//! middle: so suspending inside `with_seat` is refused.

use std::any::{Any, TypeId};
use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};

use tarae_context::overflow::{self, Occupant};

use crate::coroutine::{Coroutine, Header};

/// What a thread knows about where it is.
///
/// # Invariants
///
/// - `current` is null, or the header of the coroutine whose thread this is, which is alive while it runs.
/// - Where `current` is null, `seat` is null, or the seat of the worker that this thread is, or whose stack it is on.
pub(crate) struct Here {
    pub(crate) current: Cell<*const Header>,
    pub(crate) seat: Cell<*const Seat>,
    /// How many `with_seat` are open: suspending is refused meanwhile.
    pinned: Cell<u32>,
}

thread_local! {
    /// Has no destructor and a constant initialiser: an access is one instruction, and allowed in signal handlers.
    pub(crate) static HERE: Here =
        const { Here { current: Cell::new(ptr::null()), seat: Cell::new(ptr::null()), pinned: Cell::new(0) } };
}

/// A seat without its type.
pub(crate) struct Seat {
    kind: TypeId,
    address: *const (),
}

/// Lends `seat` to everything that the calling kernel thread runs during `f`. Inside a coroutine it has no effect: there
/// the seat is that of the worker that runs it.
pub fn sit<S: Any + Send, R>(seat: &S, f: impl FnOnce() -> R) -> R {
    /// Puts back what was there before, also when `f` unwinds.
    struct StandUp(*const Seat);
    impl Drop for StandUp {
        fn drop(&mut self) {
            HERE.with(|here| here.seat.set(self.0));
        }
    }
    let cell = Seat { kind: TypeId::of::<S>(), address: ptr::from_ref(seat).cast() };
    // INVARIANT: `cell` lives on this stack until `StandUp` has taken it out again.
    let _stand_up = StandUp(HERE.with(|here| here.seat.replace(&raw const cell)));
    f()
}

/// Calls `f` with the seat of the worker that runs the calling code, if there is one and it is an `S`.
///
/// # Panics
///
/// A suspension inside `f` panics.
#[inline]
pub fn with_seat<S: Any + Send, R>(f: impl FnOnce(&S) -> R) -> Option<R> {
    HERE.with(|here| {
        let seat = match NonNull::new(here.current.get().cast_mut()) {
            // SAFETY: By the invariant of `Here` the current coroutine is alive.
            Some(header) => unsafe { header.as_ref() }.seat.get(),
            None => here.seat.get(),
        };
        if seat.is_null() {
            return None;
        }
        // SAFETY: By the invariant of `Here`, or by that of `Header::seat`, the worker is in `sit` further down the
        // stack of this kernel thread, so its seat is alive.
        let seat = unsafe { &*seat };
        if seat.kind != TypeId::of::<S>() {
            return None;
        }
        let _pin = Pin::new(here);
        // SAFETY: The type was compared. The worker stands still while we are here; see the head of this file.
        Some(f(unsafe { &*seat.address.cast::<S>() }))
    })
}

/// Refuses suspensions while it lives.
struct Pin<'a>(&'a Here);

impl Pin<'_> {
    fn new(here: &Here) -> Pin<'_> {
        here.pinned.set(here.pinned.get() + 1);
        Pin(here)
    }
}

impl Drop for Pin<'_> {
    fn drop(&mut self) {
        self.0.pinned.set(self.0.pinned.get() - 1);
    }
}

/// Returns the coroutine that the calling code runs in, if it runs in one.
pub fn current() -> Option<Coroutine> {
    with_current(|header| header.map(Header::coroutine))
}

/// Calls `f` with the coroutine that the calling code runs in, if it runs in one, without counting.
#[inline]
pub fn with_coroutine<R>(f: impl FnOnce(Option<&Coroutine>) -> R) -> R {
    with_current(|header| match header {
        Some(header) => {
            // SAFETY: The handle is not dropped, so the count it seems to own is not given back; the coroutine is
            // alive while its own code runs.
            let coroutine = unsafe { Coroutine::from_raw(NonNull::from(header)) };
            f(Some(&ManuallyDrop::new(coroutine)))
        }
        None => f(None),
    })
}

/// Prepares the calling kernel thread for running coroutines: an overflow of a coroutine's stack is reported with its
/// name and spawn site.
pub fn prepare_thread() {
    overflow::install(|report| {
        with_current(|header| {
            if let Some(header) = header {
                let (lo, slot_bytes) = header.suspender.get().slot();
                let attributes = &header.attributes;
                report(Occupant {
                    lo,
                    slot_bytes,
                    name: attributes.name.as_deref(),
                    spawned_at: attributes.spawned_at,
                });
            }
        });
    });
    overflow::prepare_thread();
}

/// Calls `f` with the header of the current coroutine.
///
/// Always inlined, as is what suspends: each frame between a coroutine's code and its suspension is a return that the
/// processor mispredicts, having switched stacks in between.
#[inline(always)]
pub(crate) fn with_current<R>(f: impl FnOnce(Option<&Header>) -> R) -> R {
    // Only the address is taken in the closure, so that `f` is inlined into its caller.
    let current = HERE.with(|here| here.current.get());
    // SAFETY: By the invariant of `Here` the current coroutine is alive, and it is the one that calls.
    f(unsafe { current.as_ref() })
}

/// # Panics
///
/// If the calling thread is inside [`with_seat`].
#[inline(always)]
pub(crate) fn assert_may_suspend() {
    let pinned = HERE.with(|here| here.pinned.get());
    assert!(pinned == 0, "a suspension inside `with_seat`");
}
