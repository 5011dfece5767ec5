//! Futures on coroutines: each gets one of its own, which blocks on it.
//!
//! That is dearer than a task of an async runtime by a stack, and gives the future all that a coroutine has: it may call what
//! waits, be cancelled, and be moved by the scheduler at any wait.

use std::future::Future;

use tarae::future::block_on;
use tarae::thread::JoinHandle;

/// Spawns a coroutine that runs `future`, and returns a handle to join, or to await, it.
///
/// It runs on the runtime of the calling coroutine; called from a kernel thread, on the default runtime. If the handle is
/// dropped, it goes on.
///
/// # Cancellation
///
/// [`JoinHandle::cancel`] drops the future, at its next wait.
///
/// # Panics
///
/// If no coroutine can be made.
///
/// # Examples
///
/// ```
/// let one = tarae_futures::spawn(async { 1 });
/// let sum = tarae_futures::spawn(async move { one.await.unwrap() + 1 });
/// assert_eq!(sum.join().unwrap(), 2);
/// ```
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: IntoFuture + Send + 'static,
    F::Output: Send + 'static,
{
    tarae::spawn(move || block_on(future))
}

/// Runs futures as coroutines, where hyper asks for an executor.
///
/// As [`spawn`], and detaches them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Executor;

impl<F> hyper::rt::Executor<F> for Executor
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    #[track_caller]
    fn execute(&self, future: F) {
        drop(spawn(future));
    }
}
