//! What this layer asks of the scheduler above it.

use std::any::Any;
use std::fmt;
use std::task::Waker;
use std::time::Instant;

use crate::coroutine::Coroutine;
use crate::runnable::Runnable;
use crate::wait::Armed;

/// Why a coroutine wants to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It was just spawned.
    Spawned,
    /// It was woken.
    Woken,
}

/// A scheduler, as its coroutines see it. They keep it alive.
pub trait Schedule: Any + Send + Sync + fmt::Debug {
    /// Queues a coroutine that can run. Called on any thread, coroutines included; it must not park.
    fn schedule(&self, runnable: Runnable, cause: Cause);

    /// Notes a coroutine that is about to park for the first time, so that it can be found and cancelled. The key
    /// comes back in [`forget`](Self::forget).
    fn remember(&self, coroutine: &Coroutine) -> u64;

    /// Forgets a coroutine that is done.
    fn forget(&self, key: u64);

    /// Has `waker` woken at `at`, or shortly after. Called by a coroutine of this scheduler, on its stack.
    fn arm(&self, at: Instant, waker: Waker) -> Armed;

    /// Takes a timer back; nothing happens if it has fired.
    fn disarm(&self, armed: Armed);
}
