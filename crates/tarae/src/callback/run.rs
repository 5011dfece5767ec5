//! Straight code for a caller that passes a callback.

use std::panic::{AssertUnwindSafe, Location, catch_unwind};

use tarae_task::{Cancelled, shield};

use crate::thread::{Builder, JoinHandle, Result};

/// Runs `f` as a coroutine, and calls `on_done` with what it came to.
///
/// For code that must hand a callback to its caller, and is to be written straight: the body of `get_report(id, on_done)` is
/// `callback::run(move || report(id), on_done)`. Returns at once. The handle may be dropped; with it the coroutine can be
/// cancelled, or joined: it ends when `on_done` has returned.
///
/// `on_done` is called once, whatever happens: with what `f` returns; with the payload, if `f` panics or is cancelled
/// ([`is_cancelled`](crate::is_cancelled) tells them apart), also before it has started. It runs on the coroutine, after `f`, and
/// waits in it are not interrupted. Where `f` never started because its runtime shuts down, it may run on another thread.
///
/// # Panics
///
/// If no coroutine can be made; `on_done` has then been called, as if it were cancelled. A panic of `on_done` goes to whoever
/// joins.
///
/// # Examples
///
/// ```
/// use tarae::callback;
///
/// fn add_later(a: u32, b: u32, on_done: impl FnOnce(u32) + Send + 'static) {
///     callback::run(
///         move || {
///             tarae::sleep(std::time::Duration::from_millis(5));
///             a + b
///         },
///         |sum| on_done(sum.unwrap_or(0)),
///     );
/// }
///
/// assert_eq!(callback::wait(|done| add_later(2, 3, done)), Ok(5));
/// ```
#[track_caller]
pub fn run<F, T, D>(f: F, on_done: D) -> JoinHandle<()>
where
    F: FnOnce() -> T + Send + 'static,
    T: 'static,
    D: FnOnce(Result<T>) + Send + 'static,
{
    let job = Job { parts: Some((f, on_done)) };
    Builder::new().spawn_at(Location::caller(), move || job.run()).expect("failed to spawn thread")
}

/// What is to be run; says on drop that it was cancelled, if it has not run.
struct Job<F, T, D>
where
    F: FnOnce() -> T,
    D: FnOnce(Result<T>),
{
    parts: Option<(F, D)>,
}

impl<F, T, D> Job<F, T, D>
where
    F: FnOnce() -> T,
    D: FnOnce(Result<T>),
{
    fn run(mut self) {
        let Some((f, on_done)) = self.parts.take() else { return };
        let outcome = catch_unwind(AssertUnwindSafe(f));
        shield(|| on_done(outcome));
    }
}

impl<F, T, D> Drop for Job<F, T, D>
where
    F: FnOnce() -> T,
    D: FnOnce(Result<T>),
{
    fn drop(&mut self) {
        let Some((f, on_done)) = self.parts.take() else { return };
        let outcome = match catch_unwind(AssertUnwindSafe(|| drop(f))) {
            Ok(()) => Err(Box::new(Cancelled::payload()) as _),
            Err(panic) => Err(panic),
        };
        shield(|| on_done(outcome));
    }
}
