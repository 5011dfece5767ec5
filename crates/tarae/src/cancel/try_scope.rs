//! A scope that ends with its first error.

use std::any::Any;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, MutexGuard};

use super::{CancelToken, Cancelled};
use crate::runtime::is_cancelled;
use crate::thread::{Builder, JoinHandle, Thread};

/// Within which coroutines are spawned that borrow, and that may fail. See [`try_scope`].
pub struct TryScope<'scope, 'env, E> {
    inner: &'scope tarae_task::Scope<'scope, 'env>,
    failure: &'scope Failure<E>,
}

/// What failed first.
struct Failure<E> {
    first: Mutex<Option<First<E>>>,
    /// Interrupts whoever opened the scope.
    token: CancelToken,
}

enum First<E> {
    Error(E),
    Panic(Box<dyn Any + Send>),
}

impl<E> Failure<E> {
    /// Notes what failed, if it is the first, and cancels the others.
    fn note(&self, scope: &tarae_task::Scope<'_, '_>, failed: First<E>) {
        let later = {
            let mut first = self.lock();
            if first.is_none() { first.replace(failed) } else { Some(failed) }
        };
        scope.cancel();
        self.token.cancel();
        drop(later);
    }

    /// Nothing under this lock panics, so poison carries no meaning.
    fn lock(&self) -> MutexGuard<'_, Option<First<E>>> {
        self.first.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Opens a scope for coroutines that borrow and may fail: the first error, or panic, cancels the others.
///
/// `f`, too, is interrupted in its waits then. When all have ended, the first error is returned; without one, what `f` returns.
/// Otherwise as [`scope`](crate::scope).
///
/// # Parks
///
/// After `f`, until every coroutine of the scope has ended.
///
/// # Cancellation
///
/// The coroutines of the scope are cancelled, and waited for; then it unwinds.
///
/// # Errors
///
/// The first of `f`'s and its coroutines'.
///
/// # Panics
///
/// With the first payload, if that was what failed first.
///
/// # Examples
///
/// ```
/// use std::io;
///
/// fn fetch(part: &str) -> io::Result<usize> {
///     match part {
///         "missing" => Err(io::ErrorKind::NotFound.into()),
///         part => Ok(part.len()),
///     }
/// }
///
/// let parts = ["head".to_string(), "missing".to_string()];
/// let total: io::Result<usize> = tarae::try_scope(|scope| {
///     let all: Vec<_> = parts.iter().map(|part| scope.spawn(|| fetch(part))).collect();
///     all.into_iter().map(|one| Ok(one.join()?)).sum()
/// });
/// assert_eq!(total.unwrap_err().kind(), io::ErrorKind::NotFound);
/// ```
///
/// As with [`scope`](crate::scope), what is borrowed must outlive it, in errors too:
///
/// ```compile_fail,E0597
/// let _ = tarae::try_scope(|scope| {
///     let inside = String::new();
///     scope.spawn(|| Err::<(), _>(inside.as_str()));
///     Ok(())
/// });
/// ```
pub fn try_scope<'env, F, T, E>(f: F) -> Result<T, E>
where
    F: for<'scope> FnOnce(&'scope TryScope<'scope, 'env, E>) -> Result<T, E>,
    E: Send,
{
    let failure = Arc::new(Failure { first: Mutex::new(None), token: CancelToken::new() });
    let result = tarae_task::scope(Arc::clone(&failure), |inner, failure| {
        let scope = inner.dress(TryScope { inner, failure });
        match catch_unwind(AssertUnwindSafe(|| failure.token.run(|| f(scope)))) {
            Ok(Ok(Ok(result))) => return Some(result),
            Ok(Ok(Err(error))) => failure.note(inner, First::Error(error)),
            // By a coroutine whose failure is noted.
            Ok(Err(Cancelled)) => {}
            Err(payload) if is_cancelled(&*payload) => resume_unwind(payload),
            Err(payload) => failure.note(inner, First::Panic(payload)),
        }
        None
    });
    let first = failure.lock().take();
    match first {
        Some(First::Error(error)) => Err(error),
        Some(First::Panic(payload)) => resume_unwind(payload),
        None => Ok(result.expect("what has no result has failed")),
    }
}

impl<'scope, E> TryScope<'scope, '_, E>
where
    E: Send,
{
    /// Spawns a coroutine that may borrow what outlives the scope, and that may fail.
    ///
    /// # Panics
    ///
    /// If no coroutine can be made; [`spawn_with`](Self::spawn_with) returns an error instead.
    ///
    /// # Examples
    ///
    /// ```
    /// let sum = tarae::try_scope(|scope| {
    ///     let (one, two) = (scope.spawn(|| "1".parse::<i32>()), scope.spawn(|| "2".parse::<i32>()));
    ///     Ok::<_, std::num::ParseIntError>(one.join().unwrap_or(0) + two.join().unwrap_or(0))
    /// });
    /// assert_eq!(sum, Ok(3));
    /// ```
    #[track_caller]
    pub fn spawn<F, T>(&'scope self, f: F) -> TryScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> Result<T, E> + Send + 'scope,
        T: Send + 'scope,
    {
        self.spawn_at(Builder::new(), Location::caller(), f).expect("failed to spawn thread")
    }

    /// As [`spawn`](Self::spawn), with a name or a stack size.
    ///
    /// # Errors
    ///
    /// As [`Builder::spawn`].
    ///
    /// # Panics
    ///
    /// As [`Builder::spawn`].
    ///
    /// # Examples
    ///
    /// ```
    /// use tarae::thread::{self, Builder};
    ///
    /// let name = tarae::try_scope(|scope| {
    ///     let child = || std::io::Result::Ok(thread::current().name().map(str::to_owned));
    ///     Ok(scope.spawn_with(Builder::new().name("baker".into()), child)?.join()?)
    /// })?;
    /// assert_eq!(name.as_deref(), Some("baker"));
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn spawn_with<F, T>(
        &'scope self,
        builder: Builder,
        f: F,
    ) -> io::Result<TryScopedJoinHandle<'scope, T>>
    where
        F: FnOnce() -> Result<T, E> + Send + 'scope,
        T: Send + 'scope,
    {
        self.spawn_at(builder, Location::caller(), f)
    }

    fn spawn_at<F, T>(
        &'scope self,
        builder: Builder,
        spawned_at: &'static Location<'static>,
        f: F,
    ) -> io::Result<TryScopedJoinHandle<'scope, T>>
    where
        F: FnOnce() -> Result<T, E> + Send + 'scope,
        T: Send + 'scope,
    {
        let TryScope { inner, failure } = *self;
        let (job, child) = inner.child(move || match catch_unwind(AssertUnwindSafe(f)) {
            Ok(Ok(result)) => Some(result),
            Ok(Err(error)) => {
                failure.note(inner, First::Error(error));
                None
            }
            Err(payload) if is_cancelled(&*payload) => resume_unwind(payload),
            Err(payload) => {
                failure.note(inner, First::Panic(payload));
                None
            }
        });
        let handle = builder.spawn_at(spawned_at, job)?;
        Ok(TryScopedJoinHandle { handle, child })
    }
}

impl<E> fmt::Debug for TryScope<'_, '_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TryScope")
            .field("has_failed", &self.failure.token.is_cancelled())
            .finish_non_exhaustive()
    }
}

/// Owns the right to join a coroutine of a [`try_scope`].
pub struct TryScopedJoinHandle<'scope, T> {
    handle: JoinHandle<()>,
    child: tarae_task::Child<'scope, Option<T>>,
}

impl<T> TryScopedJoinHandle<'_, T> {
    /// Returns a handle to the coroutine.
    ///
    /// # Examples
    ///
    /// ```
    /// tarae::try_scope(|scope| {
    ///     let parked = scope.spawn(|| Ok::<_, ()>(tarae::thread::park()));
    ///     parked.thread().unpark();
    ///     Ok(())
    /// })
    /// # .unwrap();
    /// ```
    pub fn thread(&self) -> &Thread {
        self.handle.thread()
    }

    /// Waits until the coroutine has ended, and returns what it returned.
    ///
    /// Where it failed, the scope has its error, and whoever opened the scope is interrupted.
    ///
    /// # Parks
    ///
    /// Until it has ended.
    ///
    /// # Cancellation
    ///
    /// Unwinds; the scope still waits for the coroutine. Also where both were interrupted, as a deadline that they share does,
    /// and the coroutine was first.
    ///
    /// # Errors
    ///
    /// If it failed, or was cancelled. There is nothing to be done but to pass it on: `?` turns it into an
    /// [`io::Error`].
    ///
    /// # Examples
    ///
    /// ```
    /// let lengths = tarae::try_scope(|scope| {
    ///     let handle = scope.spawn(|| std::io::Result::Ok("skein".len()));
    ///     Ok::<_, std::io::Error>(handle.join()?)
    /// });
    /// assert_eq!(lengths.unwrap(), 5);
    /// ```
    pub fn join(self) -> Result<T, Cancelled> {
        let ended = self.handle.join().ok().and_then(|()| self.child.take());
        let result = ended.and_then(|outcome| outcome.ok().flatten());
        if result.is_none() {
            tarae_task::heed();
        }
        result.ok_or(Cancelled)
    }

    /// Cancels the coroutine, as [`JoinHandle::cancel`]. That is no failure: the scope goes on.
    ///
    /// # Examples
    ///
    /// ```
    /// let result = tarae::try_scope(|scope| {
    ///     let sleeper = scope.spawn(|| Ok::<_, ()>(tarae::sleep(std::time::Duration::MAX)));
    ///     sleeper.cancel();
    ///     assert_eq!(sleeper.join(), Err(tarae::Cancelled));
    ///     Ok("it goes on")
    /// });
    /// assert_eq!(result, Ok("it goes on"));
    /// ```
    pub fn cancel(&self) {
        self.handle.cancel();
    }

    /// Whether the coroutine has ended, so that a join would not wait.
    ///
    /// # Examples
    ///
    /// ```
    /// tarae::try_scope(|scope| {
    ///     let sleeper = scope.spawn(|| Ok::<_, ()>(tarae::sleep(std::time::Duration::MAX)));
    ///     assert!(!sleeper.is_finished());
    ///     sleeper.cancel();
    ///     Ok(())
    /// })
    /// # .unwrap();
    /// ```
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }
}

impl<T> fmt::Debug for TryScopedJoinHandle<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TryScopedJoinHandle").finish_non_exhaustive()
    }
}
