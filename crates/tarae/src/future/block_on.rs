//! Calling a future.
//!
//! Each call has a [`Flag`]: whether its future is to be polled. Its waker sets the flag, then wakes the caller.
//!
//! A caller has one waker but may be in several calls, one inside the poll of another. A wake for the outer one ends the park
//! of the inner one, too early: the inner one sees that its own flag is clear, and parks again. The outer flag stays set until
//! the outer call takes it. So no wake is lost, whichever call parks when it comes.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use tarae_task::{Reason, park, waker, yield_now};

/// Polls `future` until it is ready, and returns what it came to.
///
/// May be called in a future that is itself in `block_on`: then that one makes no progress meanwhile.
///
/// # Parks
///
/// While the future is pending. One that has itself woken while it is polled lets others run before it is polled again.
///
/// # Cancellation
///
/// Unwinds, between two polls, and drops the future.
///
/// # Panics
///
/// With the payload of the future, if it panics.
///
/// # Examples
///
/// ```
/// use tarae::future::block_on;
///
/// let handle = tarae::spawn(|| block_on(async { 6 * 7 }));
/// assert_eq!(block_on(handle).unwrap(), 42);
/// ```
pub fn block_on<F: IntoFuture>(future: F) -> F::Output {
    let mut future = pin!(future.into_future());
    let flag = Arc::new(Flag { is_set: AtomicBool::new(true), caller: waker() });
    let waker = Waker::from(Arc::clone(&flag));
    let mut cx = Context::from_waker(&waker);
    loop {
        if !flag.take() {
            park(Reason::Future);
            continue;
        }
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        if flag.is_set() {
            yield_now();
        }
    }
}

/// Whether a future is to be polled, and who polls it.
struct Flag {
    is_set: AtomicBool,
    caller: Waker,
}

impl Flag {
    /// Acquire: with the Release of the wake.
    fn take(&self) -> bool {
        self.is_set.swap(false, Ordering::Acquire)
    }

    /// Relaxed: advice, and the flag is taken before the poll.
    fn is_set(&self) -> bool {
        self.is_set.load(Ordering::Relaxed)
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Release: what was written before the wake is seen by the poll. A flag that was set has been followed by a wake of
        // the caller, or will be.
        if !self.is_set.swap(true, Ordering::Release) {
            self.caller.wake_by_ref();
        }
    }
}
