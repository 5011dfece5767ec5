//! Scopes: coroutines that borrow.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::panic::Location;

use super::join::heed;
use super::{Builder, JoinHandle, Result, Thread};

/// Within which coroutines are spawned that borrow.
///
/// As [`std::thread::Scope`]. See [`scope`].
pub struct Scope<'scope, 'env> {
    inner: &'scope tarae_task::Scope<'scope, 'env>,
}

/// Opens a scope for coroutines that borrow from its surroundings.
///
/// All that are spawned in it have ended when it returns, also when it unwinds, is cancelled, or runs out of time: they run in
/// parallel, and may borrow what lives outside of the call.
///
/// As [`std::thread::scope`].
///
/// # Parks
///
/// After `f`, until every coroutine of the scope has ended.
///
/// # Cancellation
///
/// The coroutines of the scope are cancelled, and waited for; then it unwinds. They have the deadline that its caller has.
///
/// # Panics
///
/// With the payload of `f`, if `f` panics. If a coroutine has panicked and was not joined.
///
/// # Examples
///
/// ```
/// let mut words = vec!["skein".to_string(), "thread".to_string()];
/// let mut count = 0;
/// tarae::scope(|scope| {
///     scope.spawn(|| count = words.len());
///     scope.spawn(|| println!("{}", words.join(", ")));
/// });
/// words.push(count.to_string());
/// ```
///
/// What is borrowed must outlive the scope:
///
/// ```compile_fail,E0373
/// tarae::scope(|scope| {
///     let inside = 1;
///     scope.spawn(|| println!("{inside}"));
/// });
/// ```
///
/// Two coroutines cannot both change it:
///
/// ```compile_fail,E0499
/// let mut count = 0;
/// tarae::scope(|scope| {
///     scope.spawn(|| count += 1);
///     scope.spawn(|| count += 1);
/// });
/// ```
///
/// Nor can its owner look while one of them does:
///
/// ```compile_fail,E0502
/// let mut count = 0;
/// tarae::scope(|scope| {
///     scope.spawn(|| count += 1);
///     println!("{count}");
/// });
/// ```
///
/// What a coroutine returns outlives it:
///
/// ```compile_fail,E0515
/// tarae::scope(|scope| {
///     let longest = scope.spawn(|| {
///         let own = String::from("its own");
///         own.as_str()
///     });
///     println!("{}", longest.join().unwrap());
/// });
/// ```
///
/// Nor can a handle leave:
///
/// ```compile_fail
/// let handle = tarae::scope(|scope| scope.spawn(|| 1));
/// ```
///
/// ```compile_fail,E0521
/// let mut handles = Vec::new();
/// tarae::scope(|scope| handles.push(scope.spawn(|| 1)));
/// ```
///
/// Nor the scope itself, to one that is not of it:
///
/// ```compile_fail,E0521
/// tarae::scope(|scope| {
///     tarae::spawn(move || drop(scope.spawn(|| 1)));
/// });
/// ```
///
/// Nor what threads cannot share:
///
/// ```compile_fail,E0277
/// let shared = std::rc::Rc::new(1);
/// tarae::scope(|scope| {
///     scope.spawn(|| println!("{shared}"));
/// });
/// ```
///
/// ```compile_fail,E0277
/// tarae::scope(|scope| {
///     scope.spawn(|| std::rc::Rc::new(1));
/// });
/// ```
#[track_caller]
pub fn scope<'env, F, T>(f: F) -> T
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> T,
{
    tarae_task::scope((), |inner, ()| f(inner.dress(Scope { inner })))
}

impl<'scope> Scope<'scope, '_> {
    /// Spawns a coroutine that may borrow what outlives the scope.
    ///
    /// As [`std::thread::Scope::spawn`].
    ///
    /// # Panics
    ///
    /// If no coroutine can be made; [`Builder::spawn_scoped`] returns an error instead.
    ///
    /// # Examples
    ///
    /// ```
    /// let words = ["skein".to_string(), "thread".to_string()];
    /// let total: usize = tarae::scope(|scope| {
    ///     let lengths: Vec<_> = words.iter().map(|word| scope.spawn(|| word.len())).collect();
    ///     lengths.into_iter().map(|length| length.join().unwrap()).sum()
    /// });
    /// assert_eq!(total, 11);
    /// ```
    #[track_caller]
    pub fn spawn<F, T>(&'scope self, f: F) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        self.spawn_with(Builder::new(), Location::caller(), f).expect("failed to spawn thread")
    }

    pub(crate) fn spawn_with<F, T>(
        &'scope self,
        builder: Builder,
        spawned_at: &'static Location<'static>,
        f: F,
    ) -> io::Result<ScopedJoinHandle<'scope, T>>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        let (job, child) = self.inner.child(f);
        let handle = builder.spawn_at(spawned_at, job)?;
        Ok(ScopedJoinHandle { handle, child, scope: PhantomData })
    }
}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

/// Owns the right to join a coroutine of a scope.
///
/// As [`std::thread::ScopedJoinHandle`].
pub struct ScopedJoinHandle<'scope, T> {
    handle: JoinHandle<()>,
    child: tarae_task::Child<'scope, T>,
    scope: PhantomData<&'scope ()>,
}

impl<T> ScopedJoinHandle<'_, T> {
    /// Returns a handle to the coroutine.
    ///
    /// As [`std::thread::ScopedJoinHandle::thread`].
    ///
    /// # Examples
    ///
    /// ```
    /// tarae::scope(|scope| {
    ///     let parked = scope.spawn(tarae::thread::park);
    ///     parked.thread().unpark();
    /// });
    /// ```
    pub fn thread(&self) -> &Thread {
        self.handle.thread()
    }

    /// Waits until the coroutine has ended, and returns what it returned.
    ///
    /// As [`std::thread::ScopedJoinHandle::join`].
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
    /// As [`JoinHandle::join`].
    ///
    /// # Examples
    ///
    /// ```
    /// let word = "skein".to_string();
    /// let length = tarae::scope(|scope| scope.spawn(|| word.len()).join().unwrap());
    /// assert_eq!(length, 5);
    /// ```
    pub fn join(self) -> Result<T> {
        let ended =
            self.handle.join().and_then(|()| self.child.take().expect("a job that has run has a result"));
        heed(&ended);
        ended
    }

    /// Cancels the coroutine, as [`JoinHandle::cancel`]. It then counts as joined: the scope does not panic for it.
    ///
    /// # Examples
    ///
    /// ```
    /// tarae::scope(|scope| {
    ///     let sleeper = scope.spawn(|| tarae::sleep(std::time::Duration::MAX));
    ///     sleeper.cancel();
    /// });
    /// ```
    pub fn cancel(&self) {
        self.handle.cancel();
    }

    /// Whether the coroutine has ended, so that a join would not wait.
    ///
    /// As [`std::thread::ScopedJoinHandle::is_finished`].
    ///
    /// # Examples
    ///
    /// ```
    /// tarae::scope(|scope| {
    ///     let sleeper = scope.spawn(|| tarae::sleep(std::time::Duration::MAX));
    ///     assert!(!sleeper.is_finished());
    ///     sleeper.cancel();
    /// });
    /// ```
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }
}

impl<T> fmt::Debug for ScopedJoinHandle<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedJoinHandle").finish_non_exhaustive()
    }
}
