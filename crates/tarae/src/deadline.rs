//! Waits that end at a deadline, for coroutines (by their runtime's timers) and kernel threads (by the kernel's).

use std::task::Waker;
use std::time::Instant;

use tarae_sched::Scheduler;
use tarae_task::{Reason, park_deadline, with_coroutine, with_waker};

use crate::runtime::driver::{Armed, Driver};

/// Waits until `ready` returns something, or until `deadline`; looks once more before it gives up.
///
/// `ready` leaves a clone of the waker with whoever will make it true.
pub(crate) fn wait_until<T>(
    reason: Reason,
    deadline: Option<Instant>,
    mut ready: impl FnMut(&Waker) -> Option<T>,
) -> Option<T> {
    let mut alarm = None;
    loop {
        let late = deadline.is_some_and(|deadline| Instant::now() >= deadline);
        if let Some(result) = with_waker(&mut ready) {
            return Some(result);
        }
        if late {
            return None;
        }
        if alarm.is_none() {
            alarm = deadline.and_then(Alarm::arm);
        }
        park_deadline(reason, deadline);
    }
}

/// A timer that wakes the calling coroutine; disarmed on drop, also when a wait unwinds.
struct Alarm(Armed);

impl Alarm {
    /// `None` on a kernel thread, which needs none.
    fn arm(deadline: Instant) -> Option<Alarm> {
        let waker = with_waker(Waker::clone);
        with_driver(|driver, worker| driver.arm(worker, deadline, waker)).map(Alarm)
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        // Still the same coroutine, hence the same driver.
        with_driver(|driver, _| driver.disarm(self.0));
    }
}

/// Calls `f` with what the workers of the calling coroutine's runtime wait on, and the number of the worker it runs on,
/// if it runs on one. `None` on a kernel thread. `f` must not park.
pub(crate) fn with_driver<R>(f: impl FnOnce(&Driver, Option<usize>) -> R) -> Option<R> {
    with_coroutine(|current| Scheduler::with_wait_of(current?, f))
}
