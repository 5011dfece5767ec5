//! The join handle: waits for a coroutine to end, and takes its result.

use std::any::Any;
use std::convert::Infallible;
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
        let never = self.wait(&mut || None::<Infallible>);
        debug_assert!(never.is_none());
        self.take().expect("the result of a coroutine that is done, asked for once")
    }

    /// As [`join`](Self::join), unless `give_up` says something before the coroutine has ended. It is asked whenever the
    /// caller is woken.
    ///
    /// # Parks
    ///
    /// As [`join`](Self::join).
    ///
    /// # Errors
    ///
    /// What `give_up` says. The coroutine is detached then.
    pub fn join_unless<E>(
        self,
        mut give_up: impl FnMut() -> Option<E>,
    ) -> Result<Result<T, Box<dyn Any + Send + 'static>>, E> {
        let given_up = self.wait(&mut give_up);
        match given_up {
            None => Ok(self.take().expect("the result of a coroutine that is done, asked for once")),
            Some(error) => Err(error),
        }
    }

    /// Waits until it is done, or `give_up` says something.
    fn wait<E>(&self, give_up: &mut impl FnMut() -> Option<E>) -> Option<E> {
        let header = self.coroutine.header();
        if header.state.is_done() {
            return None;
        }
        // SAFETY: `JOINED` is not set yet: the slot is ours, the only join handle's.
        unsafe { *header.joiner.get() = Some(waker()) };
        if header.state.join() == Join::Wait {
            // A joiner that unwinds, or gives up, leaves its waker behind: a wake too many, which everyone allows for.
            while !header.state.is_done() {
                if let Some(error) = give_up() {
                    return Some(error);
                }
                park(Reason::Join);
            }
        }
        None
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
