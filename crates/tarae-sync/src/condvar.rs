//! A condition variable: a line of those who have given a mutex back until somebody notifies them.
//!
//! One stands in line before it gives the mutex back, so whoever changes the condition under the mutex finds it there. A
//! notification is a grant: it belongs to one waiter, who returns for it, or passes it on if it unwinds.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::LockResult;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;
use std::time::{Duration, Instant};

use tarae_task::Reason;

use crate::mutex::MutexGuard;
use crate::queue::{Locked, Queue, Standing, Ticket};
use crate::wait::{Wait, wait};

/// Whether a wait with a timeout has ended because of the timeout.
///
/// As [`std::sync::WaitTimeoutResult`], which cannot be made outside of std.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    /// Whether it has.
    ///
    /// As [`std::sync::WaitTimeoutResult::timed_out`].
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// use std::time::Duration;
    /// use tarae::sync::{Condvar, Mutex};
    ///
    /// let (mutex, condvar) = (Mutex::new(()), Condvar::new());
    /// let (_guard, result) = condvar.wait_timeout(mutex.lock().unwrap(), Duration::from_millis(5)).unwrap();
    /// assert!(result.timed_out());
    /// ```
    #[must_use]
    pub fn timed_out(&self) -> bool {
        self.0
    }
}

/// Lets coroutines and kernel threads wait until somebody notifies them.
///
/// As [`std::sync::Condvar`]; notifications are served first come, first served. It may be used with several mutexes.
///
/// `wait_timeout_ms`, which std has deprecated, is left out.
///
/// # Cancellation
///
/// A wait that is interrupted unwinds without the mutex, which the caller has given away with the guard and would only
/// drop: to wait for the lock once more could last. It does not poison it. A notification that came meanwhile is passed on.
/// A wait that was notified, or whose time is up, returns with the lock even if an interrupt is due: the next wait unwinds.
///
/// # Examples
///
/// ```
/// # mod tarae { pub use tarae_sync as sync; }
/// use std::sync::Arc;
/// use tarae::sync::{Condvar, Mutex};
///
/// let pair = Arc::new((Mutex::new(false), Condvar::new()));
/// let starter = std::thread::spawn({
///     let pair = Arc::clone(&pair);
///     move || {
///         *pair.0.lock().unwrap() = true;
///         pair.1.notify_one();
///     }
/// });
/// let started = pair.1.wait_while(pair.0.lock().unwrap(), |started| !*started).unwrap();
/// assert!(*started);
/// # starter.join().unwrap();
/// ```
pub struct Condvar {
    /// Whether somebody stands in line; changes under its mutex.
    awaited: AtomicBool,
    queue: Queue<()>,
}

impl UnwindSafe for Condvar {}
impl RefUnwindSafe for Condvar {}

impl Condvar {
    /// Returns a condition variable that nobody waits for.
    ///
    /// As [`std::sync::Condvar::new`].
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// use tarae::sync::{Condvar, Mutex};
    ///
    /// static READY: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());
    /// *READY.0.lock().unwrap() = true;
    /// READY.1.notify_all();
    /// ```
    #[must_use]
    #[inline]
    pub const fn new() -> Condvar {
        Condvar { awaited: AtomicBool::new(false), queue: Queue::new() }
    }

    /// Unlocks the mutex, waits for a notification, and locks the mutex again.
    ///
    /// As [`std::sync::Condvar::wait`]. It returns for a notification only, but look at the condition again: others may have
    /// had the lock before.
    ///
    /// # Parks
    ///
    /// Until it was notified, and the mutex is free.
    ///
    /// # Cancellation
    ///
    /// Unwinds while it waits for a notification.
    ///
    /// # Errors
    ///
    /// With the guard, if the mutex is poisoned.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// use tarae::sync::{Condvar, Mutex};
    ///
    /// static QUEUE: Mutex<Vec<u32>> = Mutex::new(Vec::new());
    /// static FILLED: Condvar = Condvar::new();
    ///
    /// std::thread::spawn(|| {
    ///     QUEUE.lock().unwrap().push(7);
    ///     FILLED.notify_one();
    /// });
    /// let mut queue = QUEUE.lock().unwrap();
    /// while queue.is_empty() {
    ///     queue = FILLED.wait(queue).unwrap();
    /// }
    /// assert_eq!(queue.pop(), Some(7));
    /// ```
    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        self.wait_deadline(guard, None).0
    }

    /// Waits while `condition` holds.
    ///
    /// As [`std::sync::Condvar::wait_while`].
    ///
    /// # Parks
    ///
    /// As [`wait`](Self::wait), as long as it holds.
    ///
    /// # Cancellation
    ///
    /// As [`wait`](Self::wait).
    ///
    /// # Errors
    ///
    /// With the guard, if the mutex is poisoned.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// use tarae::sync::{Condvar, Mutex};
    ///
    /// static QUEUE: Mutex<Vec<u32>> = Mutex::new(Vec::new());
    /// static FILLED: Condvar = Condvar::new();
    ///
    /// std::thread::spawn(|| {
    ///     QUEUE.lock().unwrap().push(7);
    ///     FILLED.notify_one();
    /// });
    /// let mut queue = FILLED.wait_while(QUEUE.lock().unwrap(), |queue| queue.is_empty()).unwrap();
    /// assert_eq!(queue.pop(), Some(7));
    /// ```
    pub fn wait_while<'a, T, F>(
        &self,
        mut guard: MutexGuard<'a, T>,
        mut condition: F,
    ) -> LockResult<MutexGuard<'a, T>>
    where
        F: FnMut(&mut T) -> bool,
    {
        while condition(&mut *guard) {
            guard = self.wait(guard)?;
        }
        Ok(guard)
    }

    /// As [`wait`](Self::wait), for `timeout` at most.
    ///
    /// As [`std::sync::Condvar::wait_timeout`].
    ///
    /// # Parks
    ///
    /// Until it was notified or the time is up, and the mutex is free.
    ///
    /// # Cancellation
    ///
    /// As [`wait`](Self::wait).
    ///
    /// # Errors
    ///
    /// With the guard, if the mutex is poisoned.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// use std::time::Duration;
    /// use tarae::sync::{Condvar, Mutex};
    ///
    /// let (mutex, condvar) = (Mutex::new(1), Condvar::new());
    /// let (guard, result) = condvar.wait_timeout(mutex.lock().unwrap(), Duration::from_millis(5)).unwrap();
    /// assert!(result.timed_out()); // nobody notifies
    /// assert_eq!(*guard, 1); // it is locked again all the same
    /// ```
    pub fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        timeout: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        // A moment beyond the end of time never comes.
        let (guard, notified) = self.wait_deadline(guard, Instant::now().checked_add(timeout));
        let result = WaitTimeoutResult(!notified);
        match guard {
            Ok(guard) => Ok((guard, result)),
            Err(poisoned) => Err(PoisonError::new((poisoned.into_inner(), result))),
        }
    }

    /// Waits while `condition` holds, for `timeout` at most.
    ///
    /// As [`std::sync::Condvar::wait_timeout_while`]: it has timed out if the condition still holds.
    ///
    /// # Parks
    ///
    /// As [`wait`](Self::wait), until the time is up.
    ///
    /// # Cancellation
    ///
    /// As [`wait`](Self::wait).
    ///
    /// # Errors
    ///
    /// With the guard, if the mutex is poisoned.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// use std::time::Duration;
    /// use tarae::sync::{Condvar, Mutex};
    ///
    /// let (ready, condvar) = (Mutex::new(false), Condvar::new());
    /// let limit = Duration::from_millis(5);
    /// let (guard, result) = condvar.wait_timeout_while(ready.lock().unwrap(), limit, |ready| !*ready).unwrap();
    /// assert!(!*guard && result.timed_out());
    /// ```
    pub fn wait_timeout_while<'a, T, F>(
        &self,
        mut guard: MutexGuard<'a, T>,
        timeout: Duration,
        mut condition: F,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)>
    where
        F: FnMut(&mut T) -> bool,
    {
        let begin = Instant::now();
        loop {
            if !condition(&mut *guard) {
                return Ok((guard, WaitTimeoutResult(false)));
            }
            let Some(left) = timeout.checked_sub(begin.elapsed()) else {
                return Ok((guard, WaitTimeoutResult(true)));
            };
            guard = self.wait_timeout(guard, left)?.0;
        }
    }

    /// Wakes the one who has waited longest.
    ///
    /// As [`std::sync::Condvar::notify_one`].
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// use std::time::Duration;
    /// use tarae::sync::{Condvar, Mutex};
    ///
    /// let (mutex, condvar) = (Mutex::new(()), Condvar::new());
    /// condvar.notify_one(); // nobody waits, and it is not kept for later
    /// let (_guard, result) = condvar.wait_timeout(mutex.lock().unwrap(), Duration::from_millis(5)).unwrap();
    /// assert!(result.timed_out());
    /// ```
    #[inline]
    pub fn notify_one(&self) {
        // Relaxed: one whom the caller can know of has set it before it gave the mutex back.
        if self.awaited.load(Ordering::Relaxed) {
            let woken = {
                let mut line = self.queue.lock();
                let woken = line.grant_first();
                self.tell_emptiness(&line);
                woken
            };
            woken.into_iter().for_each(Waker::wake);
        }
    }

    /// Wakes all who wait.
    ///
    /// As [`std::sync::Condvar::notify_all`].
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// use tarae::sync::{Condvar, Mutex};
    ///
    /// static IS_OPEN: Mutex<bool> = Mutex::new(false);
    /// static OPENED: Condvar = Condvar::new();
    ///
    /// let visitor = || drop(OPENED.wait_while(IS_OPEN.lock().unwrap(), |is_open| !*is_open).unwrap());
    /// let visitors = [0; 3].map(|_| std::thread::spawn(visitor));
    /// *IS_OPEN.lock().unwrap() = true;
    /// OPENED.notify_all();
    /// visitors.into_iter().for_each(|visitor| visitor.join().unwrap());
    /// ```
    #[inline]
    pub fn notify_all(&self) {
        // Relaxed: as in `notify_one`.
        if self.awaited.load(Ordering::Relaxed) {
            let woken = {
                let mut line = self.queue.lock();
                let woken = line.grant_all();
                self.tell_emptiness(&line);
                woken
            };
            woken.into_iter().for_each(Waker::wake);
        }
    }

    /// Whether it was notified, with the guard.
    fn wait_deadline<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        deadline: Option<Instant>,
    ) -> (LockResult<MutexGuard<'a, T>>, bool) {
        guard.without(|unlock| wait(Reason::Condition, deadline, Notification { condvar: self, unlock }))
    }

    fn tell_emptiness(&self, line: &Locked<'_, ()>) {
        if line.is_empty() {
            self.awaited.store(false, Ordering::Relaxed);
        }
    }
}

/// One who waits for a notification.
struct Notification<'a> {
    condvar: &'a Condvar,
    unlock: &'a dyn Fn(),
}

impl Wait for Notification<'_> {
    type Ticket = Ticket;

    fn enter(&mut self, waker: &Waker) -> Option<Ticket> {
        let ticket = {
            let mut line = self.condvar.queue.lock();
            self.condvar.awaited.store(true, Ordering::Relaxed);
            line.enter((), waker)
        };
        (self.unlock)();
        Some(ticket)
    }

    fn look(&mut self, ticket: &mut Option<Ticket>, _: &Waker) -> bool {
        let mut line = self.condvar.queue.lock();
        line.take_granted(ticket)
    }

    fn leave(&mut self, ticket: Ticket) -> bool {
        let mut line = self.condvar.queue.lock();
        let granted = line.leave(ticket) == Standing::Granted;
        self.condvar.tell_emptiness(&line);
        granted
    }

    fn pass_on(&mut self) {
        self.condvar.notify_one();
    }
}

impl Default for Condvar {
    fn default() -> Condvar {
        Condvar::new()
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condvar").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use tarae_task::with_flag;

    use super::*;

    /// One that is notified as soon as it stands in line.
    struct Hasty<'a>(Notification<'a>);

    impl Wait for Hasty<'_> {
        type Ticket = Ticket;

        fn enter(&mut self, waker: &Waker) -> Option<Ticket> {
            let ticket = self.0.enter(waker);
            self.0.condvar.notify_one();
            ticket
        }

        fn look(&mut self, ticket: &mut Option<Ticket>, waker: &Waker) -> bool {
            self.0.look(ticket, waker)
        }

        fn leave(&mut self, ticket: Ticket) -> bool {
            self.0.leave(ticket)
        }

        fn pass_on(&mut self) {
            self.0.pass_on();
        }
    }

    #[test]
    fn a_notification_of_one_that_unwinds_goes_to_the_next() {
        let condvar = Condvar::new();
        let behind = std::cell::Cell::new(None);
        // The next one comes when the mutex is free.
        let unlock = || behind.set(Some(condvar.queue.lock().enter((), Waker::noop())));
        let hasty = Hasty(Notification { condvar: &condvar, unlock: &unlock });
        let unwound = with_flag(&AtomicBool::new(true), || wait(Reason::Condition, None, hasty));
        assert!(unwound.is_err());
        let mut behind = behind.take();
        assert!(condvar.queue.lock().take_granted(&mut behind));
        assert!(!condvar.awaited.load(Ordering::Relaxed));
    }
}
