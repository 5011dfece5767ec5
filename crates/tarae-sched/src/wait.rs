//! What an idle worker waits on: the second of tarae's two upward calls.

use std::fmt;
use std::task::Waker;
use std::time::{Duration, Instant};

use tarae_task::Armed;

/// What workers wait on, one part for each worker: its sockets, its timers.
///
/// Implemented above, in the one place that joins a reactor and a timer store.
pub trait Wait: Send + Sync + fmt::Debug + 'static {
    /// Blocks until something happens in the part of `worker`, [`notify`](Self::notify) is called for it, or
    /// `timeout` has passed; then wakes whoever waited for what has happened. May return early.
    fn wait(&self, worker: usize, timeout: Option<Duration>);

    /// Wakes whoever waited for what has happened in the part of `worker`, without blocking. If another thread is at
    /// it, leaves it to that one.
    fn poll(&self, worker: usize);

    /// Has `waker` woken at `at`, or shortly after. With a worker, called by whoever has its seat.
    fn arm(&self, worker: Option<usize>, at: Instant, waker: Waker) -> Armed;

    /// Takes a timer back; nothing happens if it has fired.
    fn disarm(&self, armed: Armed);

    /// Says that the workers have ended, or are given up: nobody waits or polls any more. May be called twice.
    fn close(&self);

    /// Whether anybody waits, in any part, for something that may happen outside of the process, or in time; or did, and is
    /// being woken.
    fn may_wake(&self) -> bool;

    /// Makes the current or the next [`wait`](Self::wait) for `worker` return.
    fn notify(&self, worker: usize);
}
