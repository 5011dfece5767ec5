//! What this layer asks of the scheduler above it.

use std::any::Any;
use std::fmt;

use crate::coroutine::Coroutine;
use crate::runnable::Runnable;

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
}
