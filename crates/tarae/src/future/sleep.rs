//! Futures of a moment, on the timers of the runtime.
//!
//! | a sleep is | what it has |
//! |---|---|
//! | new, or over | nothing |
//! | armed | a timer in the runtime that polled it first, whose waker is a relay to whoever polled it last |
//!
//! Armed once, also if it is polled with another waker each time. A relay that was woken, though the moment has not come, says
//! that the runtime of the timer has ended: the sleep is armed anew, with the runtime of whoever polls it now.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tarae_sched::Wait;
use tarae_task::{Armed, Relay, Schedule, with_coroutine};

use crate::runtime::default_runtime;

/// A future that is ready when a moment has come; made by [`sleep`] and [`sleep_until`].
///
/// Never early. Dropping it takes its timer back.
///
/// # Panics
///
/// If it is polled on a kernel thread, and the default runtime cannot be started.
#[must_use = "futures do nothing unless polled"]
pub struct Sleep {
    /// `None` is never.
    deadline: Option<Instant>,
    alarm: Option<Alarm>,
}

/// Makes a future that is ready after `duration`, counted from now.
///
/// As [`thread::sleep`](crate::thread::sleep), for futures.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
/// use tarae::future::{block_on, sleep};
///
/// let start = Instant::now();
/// block_on(sleep(Duration::from_millis(5)));
/// assert!(start.elapsed() >= Duration::from_millis(5));
/// ```
pub fn sleep(duration: Duration) -> Sleep {
    // A moment that the clock cannot tell is never.
    Sleep { deadline: Instant::now().checked_add(duration), alarm: None }
}

/// Makes a future that is ready at `deadline`.
///
/// # Examples
///
/// ```
/// use std::time::Instant;
/// use tarae::future::{block_on, sleep_until};
///
/// block_on(sleep_until(Instant::now())); // at once
/// ```
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep { deadline: Some(deadline), alarm: None }
}

impl Sleep {
    /// Returns the moment that it waits for; `None` if that is never.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    ///
    /// let at = Instant::now() + Duration::from_secs(1);
    /// assert_eq!(tarae::future::sleep_until(at).deadline(), Some(at));
    /// assert_eq!(tarae::future::sleep(Duration::MAX).deadline(), None);
    /// ```
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Has it wait for another moment, from the next poll on.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use tarae::future::{block_on, sleep};
    ///
    /// let mut hour = sleep(Duration::from_secs(3600));
    /// hour.reset(Instant::now());
    /// block_on(hour);
    /// ```
    pub fn reset(&mut self, deadline: Instant) {
        self.deadline = Some(deadline);
        self.alarm = None;
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.deadline else { return Poll::Pending };
        loop {
            if Instant::now() >= deadline {
                self.alarm = None;
                return Poll::Ready(());
            }
            let alarm = self
                .alarm
                .get_or_insert_with(|| Alarm::arm(deadline).expect("failed to start the default runtime"));
            if !alarm.relay.listen(cx.waker()) {
                return Poll::Pending;
            }
            self.alarm = None;
        }
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

/// An armed timer; taken back on drop.
struct Alarm {
    relay: Arc<Relay>,
    armed: Armed,
    /// Whose timer it is; `None` for the default runtime, armed from a kernel thread.
    schedule: Option<Arc<dyn Schedule>>,
}

impl Alarm {
    fn arm(at: Instant) -> io::Result<Alarm> {
        let relay = Relay::new();
        let waker = Waker::from(Arc::clone(&relay));
        let schedule = with_coroutine(|current| current.map(|current| Arc::clone(current.schedule())));
        let armed = match &schedule {
            Some(schedule) => schedule.arm(at, waker),
            None => default_runtime()?.driver().arm(None, at, waker),
        };
        Ok(Alarm { relay, armed, schedule })
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        match &self.schedule {
            Some(schedule) => schedule.disarm(self.armed),
            // It runs: it was armed there.
            None => {
                if let Ok(runtime) = default_runtime() {
                    runtime.driver().disarm(self.armed);
                }
            }
        }
    }
}
