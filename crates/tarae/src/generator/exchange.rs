//! The slot in which arguments and values change hands: two wakes for a resume, one each way.
//!
//! | turn | the slot holds | whose move it is |
//! |---|---|---|
//! | `Idle` | nothing | the resumer's: the body waits, or is about to |
//! | `Argument` | an argument | the body's: it takes it, and runs |
//! | `Running` | nothing | the body's |
//! | `Yielded` | a value | the resumer's: it takes it |
//! | `Closed` | nothing, ever again | the body's: it unwinds |
//!
//! Beside the turn stands whether the body has *ended*: then nobody takes an argument any more, but a value that was left
//! is still the resumer's.
//!
//! **The race** is between a look and a park: either side leaves its waker in the same critical section in which it finds that
//! it is not its move, and the other takes it out in the one in which it moves. Values are dropped, and wakers called, after
//! the lock.

use std::fmt;
use std::marker::PhantomData;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;

use tarae_task::{Cancelled, Reason, wait_until};

pub(super) struct Exchange<A, Y>(Mutex<Inside<A, Y>>);

struct Inside<A, Y> {
    turn: Turn<A, Y>,
    ended: bool,
    /// Whoever waits: there is one at a time.
    waker: Option<Waker>,
}

enum Turn<A, Y> {
    Idle,
    Argument(A),
    Running,
    Yielded(Y),
    Closed,
}

impl<A, Y> Exchange<A, Y> {
    pub(super) fn new() -> Exchange<A, Y> {
        Exchange(Mutex::new(Inside { turn: Turn::Idle, ended: false, waker: None }))
    }

    /// Gives the body an argument; one that nobody will take is dropped.
    pub(super) fn put(&self, argument: A) {
        let (argument, waker) = {
            let mut inside = self.lock();
            if inside.ended {
                (Some(argument), None)
            } else {
                inside.turn = Turn::Argument(argument);
                (None, inside.waker.take())
            }
        };
        waker.into_iter().for_each(Waker::wake);
        drop(argument);
    }

    /// Waits for the next value; `None` if the body has ended without one.
    pub(super) fn wait(&self) -> Option<Y> {
        wait_until(Reason::Generator, None, |waker| {
            let mut inside = self.lock();
            match std::mem::replace(&mut inside.turn, Turn::Idle) {
                Turn::Yielded(value) => Some(Some(value)),
                _ if inside.ended => Some(None),
                turn => {
                    inside.turn = turn;
                    inside.waker = Some(waker.clone());
                    None
                }
            }
        })
        .flatten()
    }

    /// The generator is given up: a body that is suspended unwinds.
    pub(super) fn close(&self) {
        let (turn, waker) = {
            let mut inside = self.lock();
            (std::mem::replace(&mut inside.turn, Turn::Closed), inside.waker.take())
        };
        waker.into_iter().for_each(Waker::wake);
        drop(turn);
    }

    /// Waits for an argument; `None` if the generator was given up.
    pub(super) fn take(&self) -> Option<A> {
        wait_until(Reason::Generator, None, |waker| {
            let mut inside = self.lock();
            match std::mem::replace(&mut inside.turn, Turn::Running) {
                Turn::Argument(argument) => Some(Some(argument)),
                turn => {
                    let is_closed = matches!(turn, Turn::Closed);
                    inside.turn = turn;
                    if is_closed {
                        return Some(None);
                    }
                    inside.waker = Some(waker.clone());
                    None
                }
            }
        })
        .flatten()
    }

    /// Gives the resumer a value; nobody wants it if the generator was given up.
    fn give(&self, value: Y) {
        let (value, waker) = {
            let mut inside = self.lock();
            if matches!(inside.turn, Turn::Closed) {
                (Some(value), None)
            } else {
                inside.turn = Turn::Yielded(value);
                (None, inside.waker.take())
            }
        };
        waker.into_iter().for_each(Waker::wake);
        drop(value);
    }

    fn end(&self) {
        let waker = {
            let mut inside = self.lock();
            inside.ended = true;
            inside.waker.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }

    /// Nothing under this lock panics, so poison carries no meaning.
    fn lock(&self) -> MutexGuard<'_, Inside<A, Y>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Says on drop that the body has ended: that it has run, was dropped, or unwinds.
pub(super) struct Ends<A, Y>(pub(super) Arc<Exchange<A, Y>>);

impl<A, Y> Drop for Ends<A, Y> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// With which the body of a generator suspends itself.
///
/// It stays with the body's coroutine: two could not both have the next argument.
pub struct Yielder<A, Y> {
    exchange: Arc<Exchange<A, Y>>,
    /// Neither `Send` nor `Sync`.
    stays: PhantomData<*const ()>,
}

impl<A, Y> Yielder<A, Y> {
    pub(super) fn new(exchange: Arc<Exchange<A, Y>>) -> Yielder<A, Y> {
        Yielder { exchange, stays: PhantomData }
    }

    /// Gives `value` to whoever has resumed the generator, and returns the argument of the next resume.
    ///
    /// # Parks
    ///
    /// Until the generator is resumed.
    ///
    /// # Cancellation
    ///
    /// Unwinds when the generator is dropped, or whoever resumes it is interrupted; also in a [`shield`](crate::shield).
    ///
    /// # Panics
    ///
    /// In a destructor that runs because the generator was dropped: nobody will resume it.
    ///
    /// # Examples
    ///
    /// ```
    /// use tarae::generator::{Generator, State};
    ///
    /// let mut echo = Generator::new(|yielder, first: u32| {
    ///     let second = yielder.suspend(first);
    ///     yielder.suspend(second);
    /// });
    /// assert_eq!(echo.resume(1), State::Yielded(1));
    /// assert_eq!(echo.resume(2), State::Yielded(2));
    /// assert_eq!(echo.resume(3), State::Complete(()));
    /// ```
    pub fn suspend(&self, value: Y) -> A {
        self.exchange.give(value);
        self.argument()
    }

    /// Waits for the next argument.
    pub(super) fn argument(&self) -> A {
        self.exchange.take().unwrap_or_else(|| {
            assert!(
                !std::thread::panicking(),
                "a generator suspends itself in a destructor after it was dropped"
            );
            resume_unwind(Box::new(Cancelled::payload()))
        })
    }
}

impl<A, Y> fmt::Debug for Yielder<A, Y> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Yielder").finish_non_exhaustive()
    }
}
