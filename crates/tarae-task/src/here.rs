//! Who runs on this thread: which coroutine, and whose thread it is.
//!
//! A coroutine's thread-locals are its own, so "the current coroutine" is written once, when it starts. What does
//! change under it is the thread that carries it, and the [seat](crate::seat) that comes with it.

use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::panic::catch_unwind;
use std::ptr::{self, NonNull};

use tarae_context::overflow::{self, Occupant};

use crate::coroutine::{Coroutine, Header};
use crate::interrupt::{Frame, shield};
use crate::seat::Tenure;

/// What a thread knows about where it is.
///
/// # Invariants
///
/// - `current` is null, or the header of the coroutine whose thread this is, which is alive while it runs.
/// - Where `current` is null, `seat` is null, or the tenure of the worker that this thread is, or whose stack it is on.
pub(crate) struct Here {
    pub(crate) current: Cell<*const Header>,
    pub(crate) seat: Cell<*const Tenure>,
    /// How many `with_seat` are open: suspending is refused meanwhile.
    pub(crate) pinned: Cell<u32>,
    /// The innermost of what may interrupt a wait of this thread ([`interrupt`](crate::interrupt)).
    pub(crate) frame: Cell<*const Frame>,
    /// Whether a wait has returned an error for the coroutine's own cancellation.
    pub(crate) told: Cell<bool>,
    /// Called when the current coroutine has run; a coroutine leaves none behind.
    at_end: Cell<Option<fn()>>,
}

thread_local! {
    /// Has no destructor and a constant initialiser: an access is one instruction, and allowed in signal handlers.
    pub(crate) static HERE: Here =
        const {
            Here {
                current: Cell::new(ptr::null()),
                seat: Cell::new(ptr::null()),
                pinned: Cell::new(0),
                frame: Cell::new(ptr::null()),
                told: Cell::new(false),
                at_end: Cell::new(None),
            }
        };
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

/// Has `hook` called when the calling coroutine has run: still in it, before anybody can join it; or, if it is asked for while
/// the result is dropped or told, after that. It may wait, and is not interrupted. False on a kernel thread: it is not called.
///
/// There is one hook, for the layer above, which keeps lists of its own; a second takes the place of the first. One that
/// panics ends the process.
pub fn at_end(hook: fn()) -> bool {
    let in_coroutine = with_current(|header| header.is_some());
    if in_coroutine {
        HERE.with(|here| here.at_end.set(Some(hook)));
    }
    in_coroutine
}

/// The current coroutine has run.
pub(crate) fn end() {
    // It may ask for another one.
    while let Some(hook) = HERE.with(|here| here.at_end.take()) {
        if catch_unwind(|| shield(hook)).is_err() {
            eprintln!("fatal runtime error: a coroutine local panicked on drop, aborting");
            std::process::abort();
        }
    }
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
/// If the calling thread is inside [`with_seat`](crate::with_seat).
#[inline(always)]
pub(crate) fn assert_may_suspend() {
    let pinned = HERE.with(|here| here.pinned.get());
    assert!(pinned == 0, "a suspension inside `with_seat`");
}
