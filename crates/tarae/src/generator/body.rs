//! The body of a generator, as its owner sees it: a coroutine that runs only between a resume and the next suspension.
//!
//! The owner has the coroutine's handle until the body has ended. However it ends, the handle is joined: so when a resume
//! says that the body has ended, or a drop returns, nothing of it runs any more, and its values are dropped.
//!
//! That last wait is shielded: without it a scoped body would outlive what it borrows only to be caught by the scope, and a
//! result that is there would be lost. An interrupted owner has cancelled the body before, so the wait is as long as the
//! body's destructors.
//!
//! One wait has no end: for a body that does not unwind, as it suspends itself in a [`shield`], and whose runtime is shut down
//! meanwhile. Nobody will run it; so whoever waits is told of the [`end`](crate::runtime::end), and leaves it behind, as the
//! runtime does. A scope cannot: it waits.

use std::io;
use std::marker::PhantomData;
use std::panic::resume_unwind;
use std::sync::Arc;

use tarae_task::{Cancelled, JoinHandle, check, shield, with_waker};

use super::State;
use super::exchange::{Ends, Exchange, Yielder};
use crate::runtime::end::{End, Heir, end_of};
use crate::runtime::is_cancelled;
use crate::thread::{self, Result, ScopedJoinHandle};

const CANCELLED: &str = "a generator was cancelled by its runtime";

/// The handle of a body's coroutine, of either kind.
pub(super) trait Handle<R> {
    /// Joins it, or gives it up as cancelled, if nobody will run it any more.
    fn join(self) -> Result<R>;
    fn cancel(&self);
    /// Whether nobody will run it any more.
    fn is_left_behind(&self) -> bool;
}

/// The handle of a body that borrows nothing.
pub(super) struct Owned<R> {
    handle: JoinHandle<R>,
    /// Of its runtime.
    end: Arc<End>,
}

impl<R> Owned<R> {
    pub(super) fn new(handle: thread::JoinHandle<R>) -> Owned<R> {
        let handle = handle.into_inner();
        Owned { end: end_of(handle.coroutine()), handle }
    }
}

impl<R> Handle<R> for Owned<R> {
    fn join(self) -> Result<R> {
        let coroutine = self.handle.coroutine().clone();
        let mut heir = Heir::new(&self.end);
        // Whoever has ended did so before its runtime.
        let mut is_left_behind = || with_waker(|waker| heir.look(waker)) && !coroutine.is_done();
        let ended = self.handle.join_unless(|| is_left_behind().then_some(()));
        ended.unwrap_or_else(|()| Err(Box::new(Cancelled::payload())))
    }

    fn cancel(&self) {
        self.handle.coroutine().cancel();
    }

    fn is_left_behind(&self) -> bool {
        self.end.has_come() && !self.handle.coroutine().is_done()
    }
}

impl<R> Handle<R> for ScopedJoinHandle<'_, R> {
    fn join(self) -> Result<R> {
        self.join()
    }

    fn cancel(&self) {
        self.cancel();
    }

    /// Its scope waits for it all the same.
    fn is_left_behind(&self) -> bool {
        false
    }
}

pub(super) struct Body<H: Handle<R>, A, Y, R> {
    /// `None` when it is done.
    handle: Option<H>,
    exchange: Arc<Exchange<A, Y>>,
    result: PhantomData<fn() -> R>,
}

impl<'a, H, A, Y, R> Body<H, A, Y, R>
where
    H: Handle<R>,
    A: Send + 'a,
    Y: Send + 'a,
{
    /// Has `spawn` make a coroutine that waits for the first argument, and then runs `body`.
    #[track_caller]
    pub(super) fn start<F>(
        body: F,
        spawn: impl FnOnce(Box<dyn FnOnce() -> R + Send + 'a>) -> io::Result<H>,
    ) -> Body<H, A, Y, R>
    where
        F: FnOnce(&Yielder<A, Y>, A) -> R + Send + 'a,
        R: 'a,
    {
        let exchange = Arc::new(Exchange::new());
        let ends = Ends(Arc::clone(&exchange));
        let job = move || {
            let ends = ends;
            let body = body;
            let yielder = Yielder::new(Arc::clone(&ends.0));
            let first = yielder.argument();
            body(&yielder, first)
        };
        let handle = spawn(Box::new(job)).expect("failed to spawn thread");
        Body { handle: Some(handle), exchange, result: PhantomData }
    }
}

impl<H, A, Y, R> Body<H, A, Y, R>
where
    H: Handle<R>,
{
    pub(super) fn resume(&mut self, argument: A) -> State<Y, R> {
        assert!(!self.is_done(), "a generator was resumed after it had ended");
        if self.handle.as_ref().is_some_and(Handle::is_left_behind) {
            self.refuse();
        }
        let interrupted = Abandon(self);
        interrupted.0.exchange.put(argument);
        let value = interrupted.0.exchange.wait();
        std::mem::forget(interrupted);
        if let Some(value) = value {
            return State::Yielded(value);
        }
        match self.join().expect("joined once") {
            Ok(result) => State::Complete(result),
            Err(payload) if is_cancelled(&*payload) && check().is_ok() => {
                panic!("{CANCELLED}")
            }
            Err(payload) => resume_unwind(payload),
        }
    }

    #[cold]
    fn refuse(&mut self) -> ! {
        self.handle = None;
        panic!("{CANCELLED}");
    }

    pub(super) fn is_done(&self) -> bool {
        self.handle.is_none()
    }

    /// Waits until the body has ended; `None` if that is known.
    fn join(&mut self) -> Option<Result<R>> {
        let handle = self.handle.take()?;
        Some(shield(|| handle.join()))
    }

    /// Has the body unwind, and waits until it has.
    fn abandon(&mut self) -> Option<Result<R>> {
        self.exchange.close();
        self.handle.as_ref()?.cancel();
        self.join()
    }
}

impl<H, Y> Body<H, (), Y, ()>
where
    H: Handle<()>,
{
    pub(super) fn next(&mut self) -> Option<Y> {
        if self.is_done() {
            return None;
        }
        match self.resume(()) {
            State::Yielded(value) => Some(value),
            State::Complete(()) => None,
        }
    }
}

/// Abandons a body when a wait for it unwinds.
struct Abandon<'a, H: Handle<R>, A, Y, R>(&'a mut Body<H, A, Y, R>);

impl<H: Handle<R>, A, Y, R> Drop for Abandon<'_, H, A, Y, R> {
    fn drop(&mut self) {
        // What the body says to it nobody can be told, who unwinds.
        drop(self.0.abandon());
    }
}

impl<H: Handle<R>, A, Y, R> Drop for Body<H, A, Y, R> {
    fn drop(&mut self) {
        if let Some(Err(payload)) = self.abandon()
            && !is_cancelled(&*payload)
            && !std::thread::panicking()
        {
            // A destructor of the body's panicked.
            resume_unwind(payload);
        }
    }
}
