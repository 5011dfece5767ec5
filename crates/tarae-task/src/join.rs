//! The join handle: waits for a coroutine to end, and takes its result.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;

use crate::body::{Outcome, drop_result};
use crate::coroutine::Coroutine;
use crate::park::{Reason, park, waker};
use crate::state::{self, Join};

/// Owns the result of a coroutine. Dropping it detaches the coroutine, which goes on.
///
/// # Invariants
///
/// `coroutine` was spawned with result type `T`, and this is its only join handle.
pub struct JoinHandle<T> {
    coroutine: Coroutine,
    result: PhantomData<fn() -> T>,
}

impl<T> JoinHandle<T> {
    /// The caller passes the coroutine it just made, with this result type, once.
    pub(crate) fn new(coroutine: Coroutine) -> JoinHandle<T> {
        // INVARIANT: As above.
        JoinHandle { coroutine, result: PhantomData }
    }

    /// The coroutine.
    pub fn coroutine(&self) -> &Coroutine {
        &self.coroutine
    }

    /// Waits until the coroutine has ended, and returns what it returned, or the payload of its panic.
    ///
    /// # Parks
    ///
    /// Until it has ended.
    ///
    /// # Errors
    ///
    /// The payload of the panic that ended it; [`Cancelled`](crate::Cancelled) if it was cancelled.
    pub fn join(self) -> Result<T, Box<dyn Any + Send + 'static>> {
        let header = self.coroutine.header();
        if !header.state.is_done() {
            // SAFETY: `JOINED` is not set yet: the slot is ours, the only join handle's.
            unsafe { *header.joiner.get() = Some(waker()) };
            match header.state.join() {
                Join::Wait => {
                    // A joiner that unwinds leaves its waker behind: a wake too many, which everyone allows for.
                    while !header.state.is_done() {
                        park(Reason::Join);
                    }
                }
                Join::Done => {}
            }
        }
        self.take().expect("the result of a coroutine that is done, asked for once")
    }

    /// Takes the result of a coroutine whose result is written.
    fn take(&self) -> Option<Outcome<T>> {
        let header = self.coroutine.header();
        let mut outcome: Option<Outcome<T>> = None;
        // SAFETY: The result is written, and belongs to this handle; `T` is its type, by the invariant.
        unsafe { (header.table.take)(header, (&raw mut outcome).cast()) };
        outcome
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        if self.coroutine.header().state.detach() == state::Result::Yours {
            // `None` after `join`.
            drop_result(self.take());
        }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JoinHandle").field(&self.coroutine).finish()
    }
}
