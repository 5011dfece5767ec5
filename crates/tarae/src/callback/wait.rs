//! A callback that fires once, as a call.
//!
//! Two sides share a slot: the *waiter*, and the *callback*, which is called or dropped once.
//!
//! | state | the value belongs to | left by |
//! |---|---|---|
//! | `Waiting` | nobody: there is none | either side |
//! | `Called` | the slot | the waiter, which takes it, or drops it if it leaves |
//! | `Dropped` | nobody, ever | the waiter |
//! | `Left` | nobody: the waiter is gone | nobody: a value that comes now is dropped by who brings it |
//!
//! **The races.** A value that comes while the waiter leaves (its time is up, it is cancelled, `start` panics): both change the
//! state under the slot's lock, so either the waiter finds the value and drops it, or the callback finds that the waiter has
//! left and drops it. A call or a drop between the waiter's look and its park: the waiter leaves its waker in the same critical
//! section as it looks, so whoever comes later finds it and wakes. Values are dropped, and wakers called, after the lock.

use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;
use std::time::{Duration, Instant};

use tarae_task::{Reason, wait_until};

use super::{Dropped, WaitError};

/// The callback that [`wait`] hands out: called as `done(value)`, or passed on to whatever takes a closure.
///
/// A box, because only a closure can be called and passed where `impl FnOnce(T) + Send + 'static` is asked for, and only a
/// box gives the closure a name that `start` can have as its argument. It is `Sync` as well, for APIs that insist.
pub type Done<T> = Box<dyn FnOnce(T) + Send + Sync + 'static>;

/// Calls `start` with a callback, waits until that is called, and returns the value it was called with.
///
/// The callback may be called from any thread, also before `start` returns. It does not block, and never fails: a value that
/// comes when nobody waits any more is dropped.
///
/// Where `start` returns something of use, such as a handle to the request, assign it to a variable outside; dropped with the
/// caller's frame, it tells the other side when the wait was cancelled.
///
/// # Parks
///
/// After `start`, until the callback is called or dropped.
///
/// # Cancellation
///
/// Unwinds.
///
/// # Errors
///
/// [`Dropped`], if the callback is dropped without being called; also by a panic of who was to call it.
///
/// # Panics
///
/// With the payload of `start`, if `start` panics.
///
/// # Examples
///
/// ```
/// use tarae::callback;
///
/// /// Somebody else's API: calls back from a thread of its own.
/// fn look_up(id: u64, done: impl FnOnce(Result<String, String>) + Send + 'static) {
///     std::thread::spawn(move || done(if id == 7 { Ok("seven".into()) } else { Err("unknown".into()) }));
/// }
///
/// assert_eq!(callback::wait(|done| look_up(7, done)), Ok(Ok("seven".to_string())));
/// assert_eq!(callback::wait(|done| drop::<callback::Done<u8>>(done)), Err(callback::Dropped));
/// ```
pub fn wait<T>(start: impl FnOnce(Done<T>)) -> Result<T, Dropped>
where
    T: Send + 'static,
{
    let waiter = Waiter::start(start);
    wait_until(Reason::Callback, None, |waker| waiter.look(waker)).unwrap_or(Err(Dropped))
}

/// As [`wait`], for `timeout` at most, counted from the call.
///
/// # Parks
///
/// After `start`, until the callback is called or dropped, or the time is up.
///
/// # Cancellation
///
/// Unwinds.
///
/// # Errors
///
/// [`WaitError::Elapsed`] if the callback was not called in time; [`WaitError::Dropped`] if it was dropped uncalled.
///
/// # Panics
///
/// With the payload of `start`, if `start` panics.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tarae::callback::{self, Done, WaitError};
///
/// let mut kept = None;
/// let late = callback::wait_timeout(Duration::from_millis(10), |done: Done<u8>| kept = Some(done));
/// assert_eq!(late, Err(WaitError::Elapsed));
/// ```
pub fn wait_timeout<T>(timeout: Duration, start: impl FnOnce(Done<T>)) -> Result<T, WaitError>
where
    T: Send + 'static,
{
    // A moment that the clock cannot tell is never.
    let deadline = Instant::now().checked_add(timeout);
    let waiter = Waiter::start(start);
    match wait_until(Reason::Callback, deadline, |waker| waiter.look(waker)) {
        Some(ended) => ended.map_err(WaitError::from),
        None => Err(WaitError::Elapsed),
    }
}

enum State<T> {
    Waiting(Option<Waker>),
    Called(T),
    Dropped,
    Left,
}

struct Slot<T>(Mutex<State<T>>);

impl<T> Slot<T> {
    /// Nothing under this lock panics, so poison carries no meaning.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The callback was called, or dropped: puts `end` in place, if anybody waits.
    fn end(&self, end: State<T>) {
        let (unused, waker) = {
            let mut state = self.lock();
            match &mut *state {
                State::Waiting(waker) => {
                    let waker = waker.take();
                    *state = end;
                    (None, waker)
                }
                State::Called(_) | State::Dropped | State::Left => (Some(end), None),
            }
        };
        // First, as a destructor may panic.
        waker.into_iter().for_each(Waker::wake);
        drop(unused);
    }
}

/// The waiter's side; leaves on drop.
struct Waiter<T> {
    slot: Arc<Slot<T>>,
}

impl<T: Send + 'static> Waiter<T> {
    fn start(start: impl FnOnce(Done<T>)) -> Waiter<T> {
        let slot = Arc::new(Slot(Mutex::new(State::Waiting(None))));
        let callback = Callback { slot: Arc::clone(&slot) };
        let waiter = Waiter { slot };
        start(Box::new(move |value| callback.call(value)));
        waiter
    }

    /// What it came to; leaves the waker, if it has not come to anything.
    fn look(&self, waker: &Waker) -> Option<Result<T, Dropped>> {
        let mut state = self.slot.lock();
        if let State::Waiting(left) = &mut *state {
            // Always the same one: the waiter's.
            left.get_or_insert_with(|| waker.clone());
            return None;
        }
        match std::mem::replace(&mut *state, State::Left) {
            State::Called(value) => Some(Ok(value)),
            _ => Some(Err(Dropped)),
        }
    }
}

impl<T> Drop for Waiter<T> {
    fn drop(&mut self) {
        let left = std::mem::replace(&mut *self.slot.lock(), State::Left);
        // A value that came too late, or a waker: dropped after the lock.
        drop(left);
    }
}

/// The callback's side; says on drop that it will not be called, unless it was.
struct Callback<T> {
    slot: Arc<Slot<T>>,
}

impl<T> Callback<T> {
    fn call(self, value: T) {
        self.slot.end(State::Called(value));
    }
}

impl<T> Drop for Callback<T> {
    fn drop(&mut self) {
        // After a call this finds `Called`, or `Left`.
        self.slot.end(State::Dropped);
    }
}
