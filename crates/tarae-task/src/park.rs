//! Park, wake and yield: the two verbs, for coroutines and for plain kernel threads.

use std::fmt;
use std::sync::atomic::Ordering;
use std::task::Waker;
use std::time::Instant;

use crate::coroutine::Header;
use crate::here::{assert_may_suspend, with_current};
use crate::interrupt::{self, Interrupt};
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
    /// A lock: a mutex, or a read-write lock.
    Lock = 6,
    /// A condition variable to be notified.
    Condition = 7,
    /// The others at a barrier.
    Barrier = 8,
    /// An initialisation that another one makes.
    Once = 9,
    /// Permits of a semaphore, or a wait group to be done.
    Permits = 10,
    /// Room in a channel, or a receiver.
    Send = 11,
    /// A message.
    Receive = 12,
    /// Any of several channels.
    Select = 13,
    /// The children of a scope.
    Scope = 14,
    /// A callback to be called.
    Callback = 15,
    /// A future.
    Future = 16,
    /// A generator's next value, or to be resumed.
    Generator = 17,
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
            Reason::Lock => "a lock",
            Reason::Condition => "a condition variable",
            Reason::Barrier => "the others at a barrier",
            Reason::Once => "an initialisation (once)",
            Reason::Permits => "permits (semaphore) or a wait group",
            Reason::Send => "room in a channel (send)",
            Reason::Receive => "a message (receive)",
            Reason::Select => "any of several channels (select)",
            Reason::Scope => "the children of a scope",
            Reason::Callback => "a callback",
            Reason::Future => "a future",
            Reason::Generator => "a generator",
        })
    }
}

impl Reason {
    /// All, in the order of their numbers.
    const ALL: [Reason; 18] = [
        Reason::Other,
        Reason::Join,
        Reason::Unpark,
        Reason::Sleep,
        Reason::Read,
        Reason::Write,
        Reason::Lock,
        Reason::Condition,
        Reason::Barrier,
        Reason::Once,
        Reason::Permits,
        Reason::Send,
        Reason::Receive,
        Reason::Select,
        Reason::Scope,
        Reason::Callback,
        Reason::Future,
        Reason::Generator,
    ];

    pub(crate) fn from_number(number: u8) -> Reason {
        Reason::ALL[usize::from(number)]
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
/// Unwinds instead of parking when the caller was cancelled, or a deadline of its has passed ([`interrupt`]);
/// unless it is unwinding already.
#[inline(always)]
pub fn park(reason: Reason) {
    park_deadline(reason, None);
}

/// As [`park()`], but on a kernel thread returns at `deadline` at the latest.
///
/// A coroutine does *not* return at the deadline: whoever calls has armed a timer that wakes it then.
#[inline(always)]
pub fn park_deadline(reason: Reason, deadline: Option<Instant>) {
    with_current(|header| {
        interrupt::unwind_if_due(header);
        park_here(header, reason, || interrupt::deadline_of_park(deadline));
    });
}

/// As [`park_deadline`], for a wait that returns an error where that one unwinds.
///
/// # Errors
///
/// Once for each cancellation or deadline; afterwards it unwinds.
#[inline(always)]
pub fn try_park_deadline(reason: Reason, deadline: Option<Instant>) -> Result<(), Interrupt> {
    with_current(|header| {
        interrupt::check_of(header)?;
        park_here(header, reason, || interrupt::deadline_of_wait(deadline));
        Ok(())
    })
}

/// As [`park()`], but never unwinds: it returns when the caller is interrupted, and at once where it was before.
///
/// Who goes on waiting then shields itself, or a kernel thread would not block.
pub(crate) fn park_unless_interrupted(reason: Reason) -> Option<Interrupt> {
    with_current(|header| {
        let pending = interrupt::pending(header);
        if pending.is_none() {
            park_here(header, reason, || interrupt::deadline_of_park(None));
        }
        pending
    })
}

#[inline(always)]
fn park_here(header: Option<&Header>, reason: Reason, deadline: impl FnOnce() -> Option<Instant>) {
    match header {
        Some(header) => {
            if !header.state.take_notification() {
                header.reason.store(reason as u8, Ordering::Relaxed);
                suspend(header, SIGNAL_PARK);
            }
        }
        None => kernel_thread::park(deadline()),
    }
}

/// Waits for the token of a kernel thread, as `std::thread::park` does, until `deadline` at most. May return early.
///
/// # Cancellation
///
/// Unwinds, as [`park()`].
///
/// # Panics
///
/// On a coroutine: its token is not std's.
pub fn park_kernel_thread(deadline: Option<Instant>) {
    with_current(|header| {
        assert!(header.is_none(), "a coroutine waits for the token of a kernel thread");
        interrupt::unwind_if_due(None);
        kernel_thread::park_in_std(interrupt::deadline_of_park(deadline));
        if interrupt::pending(None).is_some() {
            // Nobody can tell whether std's park ended for the token. It goes back: at worst a park ends for nothing.
            std::thread::current().unpark();
            interrupt::unwind_if_due(None);
        }
    });
}

/// Lets others run. On a kernel thread, `std::thread::yield_now`.
///
/// # Parks
///
/// Until others that can run now have had a turn: those in the queue of its worker. Of many that wait for their first run,
/// one at least has it within 16 turns.
///
/// # Cancellation
///
/// Unwinds, as [`park()`].
#[inline(always)]
pub fn yield_now() {
    with_current(|header| {
        match header {
            Some(header) => suspend(header, SIGNAL_YIELD),
            None => std::thread::yield_now(),
        }
        interrupt::unwind_if_due(header);
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
