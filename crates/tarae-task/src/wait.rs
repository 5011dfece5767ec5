//! The loop that every wait is, with a deadline of its own: by the scheduler's timers on a coroutine, by the kernel's on a
//! kernel thread.

use std::convert::Infallible;
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::here::with_current;
use crate::interrupt::Interrupt;
use crate::park::{Reason, park_deadline, try_park_deadline, with_waker};

/// How long a wait waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Until then; without a moment for ever.
    Until(Option<Instant>),
    /// So long from when it begins to wait: the clock is not read where it need not.
    Within(Duration),
}

/// Waits until `ready` returns something, or until `deadline`; looks once more before it gives up.
///
/// `ready` leaves a clone of the waker with whoever will make it true.
///
/// # Parks
///
/// In between.
///
/// # Cancellation
///
/// Unwinds, as [`park()`](crate::park()). What `ready` says counts before that: nothing that was there is lost.
#[inline(always)]
pub fn wait_until<T>(
    reason: Reason,
    deadline: Option<Instant>,
    ready: impl FnMut(&Waker) -> Option<T>,
) -> Option<T> {
    wait_limited(reason, Limit::Until(deadline), ready)
}

/// As [`wait_until`], within any limit.
#[inline(always)]
pub fn wait_limited<T>(
    reason: Reason,
    limit: Limit,
    mut ready: impl FnMut(&Waker) -> Option<T>,
) -> Option<T> {
    let park = |deadline| {
        park_deadline(reason, deadline);
        Ok::<(), Infallible>(())
    };
    match wait(limit, &mut ready, park) {
        Ok(result) => result,
        Err(never) => match never {},
    }
}

/// As [`wait_until`], for a wait that returns an error where that one unwinds.
///
/// # Errors
///
/// Once for each cancellation or deadline; afterwards it unwinds.
#[inline(always)]
pub fn try_wait_until<T>(
    reason: Reason,
    deadline: Option<Instant>,
    mut ready: impl FnMut(&Waker) -> Option<T>,
) -> Result<Option<T>, Interrupt> {
    wait(Limit::Until(deadline), &mut ready, |deadline| try_park_deadline(reason, deadline))
}

#[inline(always)]
fn wait<T, E>(
    mut limit: Limit,
    ready: &mut impl FnMut(&Waker) -> Option<T>,
    park: impl Fn(Option<Instant>) -> Result<(), E>,
) -> Result<Option<T>, E> {
    let mut alarm = None;
    loop {
        if let Some(result) = with_waker(&mut *ready) {
            return Ok(Some(result));
        }
        let (deadline, late) = match limit {
            Limit::Until(deadline) => (deadline, deadline.is_some_and(|deadline| Instant::now() >= deadline)),
            // Further than a clock can tell is never.
            Limit::Within(time) => (Instant::now().checked_add(time), time.is_zero()),
        };
        if late {
            return Ok(with_waker(&mut *ready));
        }
        limit = Limit::Until(deadline);
        if alarm.is_none() {
            alarm = deadline.and_then(Alarm::arm);
        }
        park(deadline)?;
    }
}

/// Where the scheduler keeps a timer; what the numbers mean is its own business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Armed {
    /// In which part.
    pub part: usize,
    /// Under which key.
    pub key: u64,
}

/// A timer that wakes the calling coroutine; disarmed on drop, also when a wait unwinds.
#[derive(Debug)]
pub(crate) struct Alarm(Armed);

impl Alarm {
    /// `None` on a kernel thread, which needs none.
    pub(crate) fn arm(at: Instant) -> Option<Alarm> {
        with_current(|header| {
            header.map(|header| Alarm(header.schedule.arm(at, header.with_waker(Waker::clone))))
        })
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        // Still the same coroutine, hence the same scheduler.
        with_current(|header| {
            if let Some(header) = header {
                header.schedule.disarm(self.0);
            }
        });
    }
}
