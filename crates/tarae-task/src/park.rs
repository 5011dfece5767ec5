//! Park, wake and yield: the two verbs, for coroutines and for plain kernel threads.

use std::fmt;
use std::sync::atomic::Ordering;
use std::task::Waker;
use std::time::Instant;

use crate::Cancelled;
use crate::coroutine::Header;
use crate::here::{assert_may_suspend, with_current};
use crate::kernel_thread;

pub(crate) const SIGNAL_YIELD: u8 = 0;
pub(crate) const SIGNAL_PARK: u8 = 1;

/// What a coroutine waits for; for dumps, nothing depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[non_exhaustive]
pub enum Reason {
    /// Something without a name.
    Other = 0,
    /// Another coroutine's end.
    Join = 1,
    /// `unpark`.
    Unpark = 2,
    /// A moment in time.
    Sleep = 3,
    /// Data, or a peer to connect.
    Read = 4,
    /// Room for data, or a connection being made.
    Write = 5,
}

impl fmt::Display for Reason {
    /// Completes "waits for".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::Other => "something without a name",
            Reason::Join => "the end of a coroutine (join)",
            Reason::Unpark => "unpark",
            Reason::Sleep => "a moment in time (sleep)",
            Reason::Read => "data or a peer (socket)",
            Reason::Write => "room for data or a connection (socket)",
        })
    }
}

impl Reason {
    pub(crate) fn from_number(number: u8) -> Reason {
        [Reason::Other, Reason::Join, Reason::Unpark, Reason::Sleep, Reason::Read, Reason::Write]
            [usize::from(number)]
    }
}

/// Returns the waker of the calling coroutine or kernel thread.
pub fn waker() -> Waker {
    with_waker(Waker::clone)
}

/// Calls `f` with the waker of the calling coroutine or kernel thread.
#[inline]
pub fn with_waker<R>(f: impl FnOnce(&Waker) -> R) -> R {
    with_current(|header| match header {
        Some(header) => header.with_waker(f),
        None => kernel_thread::with_waker(f),
    })
}

/// Waits for a wake. May return early: the caller looks at its condition again.
///
/// # Parks
///
/// Until the waker of the caller is woken. A wake that came since the last park counts.
///
/// # Cancellation
///
/// A coroutine that was cancelled unwinds, unless it is unwinding already.
#[inline(always)]
pub fn park(reason: Reason) {
    with_current(|header| match header {
        Some(header) => park_coroutine(header, reason),
        None => kernel_thread::park(None),
    });
}

/// As [`park`], but on a kernel thread returns at `deadline` at the latest.
///
/// A coroutine does *not* return at the deadline: whoever calls has asked its own runtime's timers to wake it then,
/// which this layer does not know.
#[inline(always)]
pub fn park_deadline(reason: Reason, deadline: Option<Instant>) {
    with_current(|header| match header {
        Some(header) => park_coroutine(header, reason),
        None => kernel_thread::park(deadline),
    });
}

#[inline(always)]
fn park_coroutine(header: &Header, reason: Reason) {
    unwind_if_cancelled(header);
    if header.state.take_notification() {
        return;
    }
    header.reason.store(reason as u8, Ordering::Relaxed);
    suspend(header, SIGNAL_PARK);
    unwind_if_cancelled(header);
}

/// Lets others run. On a kernel thread, `std::thread::yield_now`.
///
/// # Parks
///
/// Until the others that can run now have had a turn.
///
/// # Cancellation
///
/// A coroutine that was cancelled unwinds.
#[inline(always)]
pub fn yield_now() {
    with_current(|header| match header {
        Some(header) => {
            suspend(header, SIGNAL_YIELD);
            unwind_if_cancelled(header);
        }
        None => std::thread::yield_now(),
    });
}

/// Goes back to the scheduler from a thread that was left behind, and returns on a worker. On a kernel thread it does
/// nothing.
///
/// # Cancellation
///
/// Does not unwind: the next wait does.
pub fn rejoin() {
    with_current(|header| {
        if let Some(header) = header {
            suspend(header, SIGNAL_YIELD);
        }
    });
}

#[inline(always)]
fn suspend(header: &Header, signal: u8) {
    assert_may_suspend();
    let suspender = header.suspender.get();
    // Between two coroutines a worker wears an identity on its own stack: there is nothing to suspend there.
    assert!(suspender.is_on_its_stack(), "a suspension inside `Links` or `Schedule`");
    // SAFETY: The header is the current coroutine's, and we are on its stack, so this code runs in its context.
    unsafe { suspender.suspend(signal) };
}

#[inline(always)]
fn unwind_if_cancelled(header: &Header) {
    if header.state.is_cancelled() {
        unwind();
    }
}

/// Unwinds with the private payload, past the panic hook. What already unwinds goes on and may wait.
#[cold]
fn unwind() {
    if !std::thread::panicking() {
        std::panic::resume_unwind(Box::new(Cancelled));
    }
}
