//! Generators: the coroutine as the textbook has it, a function that returns several times and goes on where it stopped.
//!
//! A [`Generator`] runs its body when it is resumed, up to the next [`Yielder::suspend`]: an argument goes in, a value comes out.
//! The body is a coroutine of its own, with a stack and thread-locals of its own: so it may be recursive, suspend at any depth,
//! wait for sockets, and panic; and a generator may go from thread to thread between two resumes.
//!
//! ```
//! use tarae::generator::Generator;
//!
//! let fibonacci = Generator::new(|yielder, ()| {
//!     let (mut a, mut b) = (0u64, 1);
//!     loop {
//!         yielder.suspend(a);
//!         (a, b) = (b, a + b);
//!     }
//! });
//! assert_eq!(fibonacci.take(8).collect::<Vec<_>>(), [0, 1, 1, 2, 3, 5, 8, 13]);
//! ```
//!
//! A walk of a tree is the recursive function that it is anyway:
//!
//! ```
//! use tarae::generator::{Generator, Yielder};
//!
//! struct Tree {
//!     value: u32,
//!     children: Vec<Tree>,
//! }
//!
//! fn walk(tree: &Tree, yielder: &Yielder<(), u32>) {
//!     yielder.suspend(tree.value);
//!     tree.children.iter().for_each(|child| walk(child, yielder));
//! }
//!
//! let leaf = |value| Tree { value, children: Vec::new() };
//! let tree = Tree { value: 1, children: vec![Tree { value: 2, children: vec![leaf(3)] }, leaf(4)] };
//! let values = Generator::new(move |yielder, ()| walk(&tree, yielder));
//! assert_eq!(values.collect::<Vec<_>>(), [1, 2, 3, 4]);
//! ```
//!
//! | room | what it is for |
//! |---|---|
//! | `exchange` | the slot in which arguments and values change hands |
//! | `body` | the body's life: resumed, finished, abandoned |

mod body;
mod exchange;

use std::fmt;
use std::iter::FusedIterator;
use std::panic::Location;

use crate::thread::{Builder, Scope, ScopedJoinHandle};
use body::{Body, Owned};
pub use exchange::Yielder;

/// What a resume came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State<Y, R> {
    /// The body has suspended itself, with this value.
    Yielded(Y),
    /// The body has returned this.
    Complete(R),
}

/// A function that returns several times: takes an `A` at each resume, gives a `Y` each time, and an `R` at last.
///
/// With `()` for both `A` and `R` it is an iterator of `Y`. Dropped before it has ended, it cancels its body and waits until that
/// has unwound: its destructors have run when the drop returns. Unless its runtime has ended before, and left it behind.
///
/// # Examples
///
/// ```
/// use tarae::generator::{Generator, State};
///
/// let mut sum = Generator::new(|yielder, first: u32| {
///     let mut sum = first;
///     while sum < 10 {
///         sum += yielder.suspend(sum);
///     }
///     format!("{sum} is enough")
/// });
/// assert_eq!(sum.resume(3), State::Yielded(3));
/// assert_eq!(sum.resume(4), State::Yielded(7));
/// assert_eq!(sum.resume(5), State::Complete("12 is enough".to_string()));
/// assert!(sum.is_done());
/// ```
pub struct Generator<A, Y, R> {
    body: Body<Owned<R>, A, Y, R>,
}

impl<A, Y, R> Generator<A, Y, R>
where
    A: Send + 'static,
    Y: Send + 'static,
    R: Send + 'static,
{
    /// Makes a generator of `body`, which gets the first argument when it is first resumed.
    ///
    /// The body runs on the runtime of the calling coroutine; from a kernel thread, on the default runtime.
    ///
    /// # Panics
    ///
    /// If no coroutine can be made.
    ///
    /// # Examples
    ///
    /// ```
    /// use tarae::generator::Generator;
    ///
    /// let squares = Generator::new(|yielder, ()| (1..=3).for_each(|n| yielder.suspend(n * n)));
    /// assert_eq!(squares.sum::<i32>(), 14);
    /// ```
    #[track_caller]
    pub fn new<F>(body: F) -> Generator<A, Y, R>
    where
        F: FnOnce(&Yielder<A, Y>, A) -> R + Send + 'static,
    {
        let spawned_at = Location::caller();
        let spawn = |job| Builder::new().spawn_at(spawned_at, job).map(Owned::new);
        Generator { body: Body::start(body, spawn) }
    }

    /// Goes on with the body, up to its next [`suspend`](Yielder::suspend), or its end.
    ///
    /// # Parks
    ///
    /// Until then; the body may wait, too.
    ///
    /// # Cancellation
    ///
    /// Who is interrupted in it cancels the body, waits until that has unwound, and unwinds, as if the body were a function it
    /// called. The generator is then done.
    ///
    /// # Panics
    ///
    /// With the payload of the body, if that panics; if the generator is done; if the body's runtime has cancelled it.
    ///
    /// # Examples
    ///
    /// ```
    /// use tarae::generator::{Generator, State};
    ///
    /// let mut once = Generator::new(|yielder, name: &str| {
    ///     yielder.suspend(format!("hello, {name}"));
    ///     "done"
    /// });
    /// assert_eq!(once.resume("skein"), State::Yielded("hello, skein".to_string()));
    /// assert_eq!(once.resume("nobody"), State::Complete("done"));
    /// ```
    pub fn resume(&mut self, argument: A) -> State<Y, R> {
        self.body.resume(argument)
    }
}

impl<A, Y, R> Generator<A, Y, R> {
    /// Whether a resume has come to the end of the body, so that there is nothing left to be resumed.
    ///
    /// # Examples
    ///
    /// ```
    /// use tarae::generator::Generator;
    ///
    /// let mut one = Generator::new(|yielder, ()| yielder.suspend(1));
    /// assert_eq!(one.next(), Some(1));
    /// assert!(!one.is_done()); // it has not come to its end yet
    /// assert_eq!(one.next(), None);
    /// assert!(one.is_done());
    /// ```
    pub fn is_done(&self) -> bool {
        self.body.is_done()
    }
}

impl<Y: Send + 'static> Iterator for Generator<(), Y, ()> {
    type Item = Y;

    /// Resumes it; `None` when it is done.
    fn next(&mut self) -> Option<Y> {
        self.body.next()
    }
}

impl<Y: Send + 'static> FusedIterator for Generator<(), Y, ()> {}

impl<A, Y, R> fmt::Debug for Generator<A, Y, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generator").field("is_done", &self.is_done()).finish_non_exhaustive()
    }
}

/// A [`Generator`] whose body borrows: part of a [`scope`](crate::scope).
///
/// The scope waits for the body. One that is neither run to its end nor dropped, but leaked, makes it wait for ever.
///
/// # Examples
///
/// ```
/// use tarae::generator::ScopedGenerator;
///
/// let words = ["skein".to_string(), "thread".to_string()];
/// let lengths: Vec<usize> = tarae::scope(|scope| {
///     let lengths = ScopedGenerator::new(scope, |yielder, ()| {
///         words.iter().for_each(|word| yielder.suspend(word.len()));
///     });
///     lengths.collect()
/// });
/// assert_eq!(lengths, [5, 6]);
/// ```
///
/// What it borrows must outlive the scope:
///
/// ```compile_fail,E0373
/// use tarae::generator::ScopedGenerator;
///
/// tarae::scope(|scope| {
///     let inside = 1;
///     ScopedGenerator::new(scope, |yielder, ()| yielder.suspend(inside)).count();
/// });
/// ```
pub struct ScopedGenerator<'scope, A, Y, R> {
    body: Body<ScopedJoinHandle<'scope, R>, A, Y, R>,
}

impl<'scope, A, Y, R> ScopedGenerator<'scope, A, Y, R>
where
    A: Send + 'scope,
    Y: Send + 'scope,
    R: Send + 'scope,
{
    /// As [`Generator::new`], with a body that may borrow what outlives the scope. It has the deadline that the caller has.
    ///
    /// # Panics
    ///
    /// If no coroutine can be made.
    #[track_caller]
    pub fn new<F>(scope: &'scope Scope<'scope, '_>, body: F) -> ScopedGenerator<'scope, A, Y, R>
    where
        F: FnOnce(&Yielder<A, Y>, A) -> R + Send + 'scope,
    {
        let spawned_at = Location::caller();
        let body = Body::start(body, |job| scope.spawn_with(Builder::new(), spawned_at, job));
        ScopedGenerator { body }
    }

    /// As [`Generator::resume`].
    ///
    /// # Parks
    ///
    /// As [`Generator::resume`].
    ///
    /// # Cancellation
    ///
    /// As [`Generator::resume`].
    ///
    /// # Panics
    ///
    /// As [`Generator::resume`].
    pub fn resume(&mut self, argument: A) -> State<Y, R> {
        self.body.resume(argument)
    }
}

impl<A, Y, R> ScopedGenerator<'_, A, Y, R> {
    /// As [`Generator::is_done`].
    pub fn is_done(&self) -> bool {
        self.body.is_done()
    }
}

impl<'scope, Y: Send + 'scope> Iterator for ScopedGenerator<'scope, (), Y, ()> {
    type Item = Y;

    /// Resumes it; `None` when it is done.
    fn next(&mut self) -> Option<Y> {
        self.body.next()
    }
}

impl<'scope, Y: Send + 'scope> FusedIterator for ScopedGenerator<'scope, (), Y, ()> {}

impl<A, Y, R> fmt::Debug for ScopedGenerator<'_, A, Y, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedGenerator").field("is_done", &self.is_done()).finish_non_exhaustive()
    }
}
