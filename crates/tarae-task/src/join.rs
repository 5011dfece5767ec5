//! The join handle: waits for a coroutine to end, and takes its result; the future that does the same.
//!
//! | who waits | is woken | by whom |
//! |---|---|---|
//! | [`JoinHandle::join`], by parking | when the coroutine is done | the worker that ran it, between two coroutines |
//! | [`Joining`], by being polled | when the result is written | the coroutine itself, as the waker may be code of the user's |
//!
//! The joiner slot takes one waker, once. A future may be polled with another one each time: so what lies in the slot is a
//! [`Relay`], which has the one of the last poll.

use std::any::Any;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::body::{Outcome, drop_result};
use crate::coroutine::Coroutine;
use crate::park::{Reason, park, waker};
use crate::relay::Relay;
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
            self.take().into_iter().for_each(drop_result);
        }
    }
}

impl<T> IntoFuture for JoinHandle<T> {
    type Output = Result<T, Box<dyn Any + Send + 'static>>;
    type IntoFuture = Joining<T>;

    fn into_future(self) -> Joining<T> {
        Joining { relay: None, handle: self }
    }
}

/// A future of the result of a coroutine. Dropping it detaches the coroutine.
///
/// # Panics
///
/// If it is polled after it was ready.
#[must_use = "futures do nothing unless polled"]
pub struct Joining<T> {
    /// Made at the first poll that finds no result.
    relay: Option<Arc<Relay>>,
    handle: JoinHandle<T>,
}

impl<T> Joining<T> {
    /// The coroutine.
    pub fn coroutine(&self) -> &Coroutine {
        self.handle.coroutine()
    }

    /// Whether the result is written; if not, the waker is woken when it is.
    fn is_written(&mut self, waker: &Waker) -> bool {
        let header = self.handle.coroutine.header();
        if header.state.has_result() {
            return true;
        }
        if let Some(relay) = &self.relay {
            return relay.listen(waker);
        }
        let relay = Relay::new();
        relay.listen(waker);
        // SAFETY: `WATCHED` is set below and nowhere else, once, as there is no relay yet; and `JOINED` never, as this is the
        // only join handle. So the slot is ours.
        unsafe { *header.joiner.get() = Some(Waker::from(Arc::clone(&relay))) };
        self.relay = Some(relay);
        header.state.watch() == Join::Done
    }
}

impl<T> Future for Joining<T> {
    type Output = Result<T, Box<dyn Any + Send + 'static>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if !this.is_written(cx.waker()) {
            return Poll::Pending;
        }
        Poll::Ready(this.handle.take().expect("a future that was ready is not polled again"))
    }
}

impl<T> Drop for Joining<T> {
    fn drop(&mut self) {
        // The relay stays in the slot, and may be dropped where no code of the user's may run: so without the waker.
        if let Some(relay) = &self.relay {
            relay.leave();
        }
    }
}

impl<T> fmt::Debug for Joining<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Joining").field(&self.handle.coroutine).finish()
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JoinHandle").field(&self.coroutine).finish()
    }
}
