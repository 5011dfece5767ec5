//! Deadlines: until when the waits of the caller may last.
//!
//! [`timeout`] and [`until`] set one, for what they call; a [`scope`](crate::scope) hands it on to its children; [`shield`] hides it.
//! Of several the earliest counts, and [`remaining`] tells how long that is.
//!
//! ```
//! use std::time::Duration;
//!
//! let served = tarae::timeout(Duration::from_secs(5), || {
//!     tarae::scope(|scope| {
//!         // The child has the parent's deadline, and may tell it to another process.
//!         let child = scope.spawn(|| tarae::deadline::remaining().expect("it was inherited"));
//!         child.join().unwrap()
//!     })
//! });
//! assert!(served.unwrap() <= Duration::from_secs(5));
//! ```

use std::time::{Duration, Instant};

use tarae_task::Interrupt;

use super::Elapsed;

/// Calls `f`, and interrupts its waits when `duration` has passed.
///
/// `f` runs on the calling coroutine, borrows what it likes, and has all of the caller's thread-locals. Children that it spawns
/// in a [`scope`](crate::scope) have its deadline; so do timeouts within it, where theirs would be later. What does not wait is
/// not interrupted: if `f` returns, what it returns is returned, be it late.
///
/// On a kernel thread, too; but there a call of a socket is interrupted when the deadline is known as it begins.
///
/// # Parks
///
/// As `f` does.
///
/// # Cancellation
///
/// From the deadline on, a wait in `f` that returns an [`io::Result`](std::io::Result) returns an error of kind
/// [`TimedOut`](std::io::ErrorKind::TimedOut), once; any other, and any after that, unwinds: destructors run, and may wait. In a
/// destructor that runs as something unwinds nothing from outside interrupts; a timeout that it makes itself ends only waits that
/// return an error, each with one: to unwind there might end the process.
///
/// # Errors
///
/// [`Elapsed`], if `f` unwound for it.
///
/// # Panics
///
/// With the payload of `f`, if `f` panics.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// let never = || tarae::sleep(Duration::from_secs(3600));
/// assert!(tarae::timeout(Duration::from_millis(10), never).is_err());
///
/// assert_eq!(tarae::timeout(Duration::from_secs(1), || 6 * 7), Ok(42));
/// ```
pub fn timeout<R>(duration: Duration, f: impl FnOnce() -> R) -> Result<R, Elapsed> {
    match Instant::now().checked_add(duration) {
        Some(at) => until(at, f),
        // A moment that the clock cannot tell is never.
        None => Ok(f()),
    }
}

/// As [`timeout`], with a moment instead of a duration.
///
/// # Parks
///
/// As `f` does.
///
/// # Cancellation
///
/// As [`timeout`].
///
/// # Errors
///
/// As [`timeout`].
///
/// # Panics
///
/// As [`timeout`].
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
///
/// let at = Instant::now() + Duration::from_millis(10);
/// assert!(tarae::deadline::until(at, || tarae::thread::park()).is_err());
/// ```
pub fn until<R>(at: Instant, f: impl FnOnce() -> R) -> Result<R, Elapsed> {
    tarae_task::with_deadline(at, f).map_err(|interrupt| match interrupt {
        Interrupt::Elapsed => Elapsed,
        Interrupt::Cancelled => unreachable!("a deadline elapses"),
    })
}

/// Calls `f`, whose waits are not interrupted by what is outside: no cancellation, no deadline.
///
/// For what must be done to its end: telling the other side, giving a connection back. A timeout inside works. What came in
/// the meantime interrupts the first wait afterwards.
///
/// # Parks
///
/// As `f` does.
///
/// # Panics
///
/// With the payload of `f`, if `f` panics.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// let late = tarae::timeout(Duration::from_millis(5), || {
///     tarae::shield(|| tarae::sleep(Duration::from_millis(20))); // to its end
///     tarae::sleep(Duration::from_millis(20)); // not even begun
/// });
/// assert!(late.is_err());
/// ```
pub fn shield<R>(f: impl FnOnce() -> R) -> R {
    tarae_task::shield(f)
}

/// Returns the moment at which the waits of the caller are interrupted, if there is one.
///
/// In a [`shield`] there is none of those outside, nor in a destructor that runs as something unwinds.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
///
/// assert_eq!(tarae::deadline::current(), None);
/// let at = Instant::now() + Duration::from_secs(5);
/// let seen = tarae::deadline::until(at, || {
///     // A timeout within it that would be later changes nothing.
///     tarae::timeout(Duration::from_secs(60), tarae::deadline::current)
/// });
/// assert_eq!(seen, Ok(Ok(Some(at))));
/// ```
pub fn current() -> Option<Instant> {
    tarae_task::deadline()
}

/// Returns how long it is until [`current`], zero if that has passed; `None` if there is no deadline.
///
/// For telling others, as a header of a request does.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// assert_eq!(tarae::deadline::remaining(), None);
/// let left = tarae::timeout(Duration::from_secs(5), || tarae::deadline::remaining()).unwrap();
/// assert!(left.unwrap() <= Duration::from_secs(5));
/// ```
pub fn remaining() -> Option<Duration> {
    current().map(|at| at.saturating_duration_since(Instant::now()))
}
