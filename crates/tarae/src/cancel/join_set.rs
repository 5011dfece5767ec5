//! Coroutines that are joined in the order in which they end.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;

use tarae_task::{Reason, shield, wait_until};

use crate::thread::{Builder, JoinHandle, Result, heed};

/// A set of coroutines, each of which is joined as it ends.
///
/// As tokio's `JoinSet`, in its names; what it aborts is cancelled here.
///
/// Dropping the set cancels those that are left, and does not wait for them; [`shutdown`](Self::shutdown) does.
///
/// # Examples
///
/// ```
/// let mut set = tarae::JoinSet::new();
/// for ms in [30, 10, 20] {
///     set.spawn(move || {
///         tarae::sleep(std::time::Duration::from_millis(ms));
///         ms
///     });
/// }
/// let order: Vec<u64> = std::iter::from_fn(|| set.join_next()).map(|one| one.unwrap()).collect();
/// assert_eq!(order, [10, 20, 30]);
/// ```
pub struct JoinSet<T> {
    members: HashMap<u64, JoinHandle<T>>,
    next: u64,
    ended: Arc<Ended>,
}

/// The members that have ended, or are about to, and have not been joined.
#[derive(Default)]
struct Ended(Mutex<State>);

#[derive(Default)]
struct State {
    members: std::collections::VecDeque<u64>,
    waiter: Option<Waker>,
}

/// Says that a member ends: with its job, whether that has run, was dropped, or unwinds.
struct Ends {
    member: u64,
    ended: Arc<Ended>,
}

impl Drop for Ends {
    fn drop(&mut self) {
        let waiter = {
            let mut state = self.ended.lock();
            state.members.push_back(self.member);
            state.waiter.take()
        };
        waiter.into_iter().for_each(Waker::wake);
    }
}

impl Ended {
    /// Nothing under this lock panics, so poison carries no meaning.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl<T: Send + 'static> JoinSet<T> {
    /// Returns an empty set.
    ///
    /// # Examples
    ///
    /// ```
    /// let set = tarae::JoinSet::<u32>::new();
    /// assert!(set.is_empty());
    /// ```
    pub fn new() -> JoinSet<T> {
        JoinSet { members: HashMap::new(), next: 0, ended: Arc::default() }
    }

    /// Spawns a coroutine of the set.
    ///
    /// # Panics
    ///
    /// If no coroutine can be made; [`spawn_with`](Self::spawn_with) returns an error instead.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut set = tarae::JoinSet::new();
    /// set.spawn(|| 6 * 7);
    /// assert_eq!(set.join_next().unwrap().unwrap(), 42);
    /// ```
    #[track_caller]
    pub fn spawn<F>(&mut self, f: F)
    where
        F: FnOnce() -> T + Send + 'static,
    {
        self.spawn_at(Builder::new(), Location::caller(), f).expect("failed to spawn thread");
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
    /// let mut set = tarae::JoinSet::new();
    /// set.spawn_with(Builder::new().name("baker".into()), || thread::current().name().map(str::to_owned))?;
    /// assert_eq!(set.join_next().unwrap().unwrap().as_deref(), Some("baker"));
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn spawn_with<F>(&mut self, builder: Builder, f: F) -> io::Result<()>
    where
        F: FnOnce() -> T + Send + 'static,
    {
        self.spawn_at(builder, Location::caller(), f)
    }

    fn spawn_at<F>(
        &mut self,
        builder: Builder,
        spawned_at: &'static Location<'static>,
        f: F,
    ) -> io::Result<()>
    where
        F: FnOnce() -> T + Send + 'static,
    {
        let member = self.next;
        // Also if this one cannot be made: its job then says that it ends, and no other has that number.
        self.next += 1;
        let ends = Ends { member, ended: Arc::clone(&self.ended) };
        let job = move || {
            // Dropped after `f`, whatever becomes of it.
            let _ends = ends;
            f()
        };
        let handle = builder.spawn_at(spawned_at, job)?;
        self.members.insert(member, handle);
        Ok(())
    }

    /// Waits for the next one to end, and returns what it returned; `None` if the set is empty.
    ///
    /// # Parks
    ///
    /// Until one has ended.
    ///
    /// # Cancellation
    ///
    /// Unwinds; nobody is lost. Once one has returned, it is waited for: its [locals](crate::local) are being dropped.
    ///
    /// # Errors
    ///
    /// In the result: the payload of its panic, or of its cancellation, as
    /// [`JoinHandle::join`].
    ///
    /// # Examples
    ///
    /// ```
    /// let mut set = tarae::JoinSet::new();
    /// (1..=3).for_each(|n| set.spawn(move || n));
    /// let mut sum = 0;
    /// while let Some(ended) = set.join_next() {
    ///     sum += ended.unwrap();
    /// }
    /// assert_eq!(sum, 6);
    /// ```
    pub fn join_next(&mut self) -> Option<Result<T>> {
        while !self.members.is_empty() {
            let ended = &self.ended;
            let member = wait_until(Reason::Join, None, |waker| {
                let mut state = ended.lock();
                let member = state.members.pop_front();
                if member.is_none() {
                    state.waiter = Some(waker.clone());
                }
                member
            });
            if let Some(handle) = member.and_then(|member| self.members.remove(&member)) {
                return Some(join_ending(handle));
            }
        }
        None
    }

    /// As [`join_next`](Self::join_next), if one has ended already.
    ///
    /// # Errors
    ///
    /// As [`join_next`](Self::join_next).
    ///
    /// # Examples
    ///
    /// ```
    /// let mut set = tarae::JoinSet::new();
    /// set.spawn(|| tarae::sleep(std::time::Duration::MAX));
    /// assert!(set.try_join_next().is_none()); // it has not ended
    /// ```
    pub fn try_join_next(&mut self) -> Option<Result<T>> {
        loop {
            let member = {
                let mut state = self.ended.lock();
                // Of those that are about to end, the first that has: destructors may wait. And any that was never made.
                let has_ended =
                    |member: &u64| self.members.get(member).is_none_or(|handle| handle.is_finished());
                let first = state.members.iter().position(has_ended)?;
                state.members.remove(first)?
            };
            if let Some(handle) = self.members.remove(&member) {
                return Some(join_ending(handle));
            }
        }
    }

    /// Waits for all, and returns what they returned, in the order in which they ended.
    ///
    /// # Parks
    ///
    /// Until all have ended.
    ///
    /// # Cancellation
    ///
    /// Unwinds; those that are left are cancelled, as the set is dropped.
    ///
    /// # Panics
    ///
    /// With the payload of the first that panicked, or was cancelled; those that are left are cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut set = tarae::JoinSet::new();
    /// (1..=3).for_each(|n| set.spawn(move || n));
    /// let mut all = set.join_all();
    /// all.sort();
    /// assert_eq!(all, [1, 2, 3]);
    /// ```
    pub fn join_all(mut self) -> Vec<T> {
        let mut all = Vec::with_capacity(self.members.len());
        while let Some(ended) = self.join_next() {
            all.push(ended.unwrap_or_else(|payload| std::panic::resume_unwind(payload)));
        }
        all
    }

    /// Cancels all; they stay in the set until they are joined.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut set = tarae::JoinSet::new();
    /// (1..=3).for_each(|_| set.spawn(|| tarae::sleep(std::time::Duration::MAX)));
    /// set.cancel_all();
    /// let ended: Vec<_> = std::iter::from_fn(|| set.join_next()).collect();
    /// assert!(ended.iter().all(|ended| ended.as_ref().is_err_and(|payload| tarae::is_cancelled(&**payload))));
    /// assert_eq!(ended.len(), 3);
    /// ```
    pub fn cancel_all(&self) {
        self.members.values().for_each(JoinHandle::cancel);
    }

    /// Cancels all, and waits until they have ended. What they return is dropped.
    ///
    /// # Parks
    ///
    /// Until all have ended.
    ///
    /// # Cancellation
    ///
    /// Unwinds. All have been cancelled by then; those that are left stay in the set.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut set = tarae::JoinSet::new();
    /// set.spawn(|| tarae::sleep(std::time::Duration::MAX));
    /// set.shutdown();
    /// assert!(set.is_empty());
    /// ```
    pub fn shutdown(&mut self) {
        self.cancel_all();
        while self.join_next().is_some() {}
    }
}

/// Joins one that is on its way out: this waits for no more than that, so it is not interrupted, and no result is lost.
fn join_ending<T>(handle: JoinHandle<T>) -> Result<T> {
    let ended = shield(|| handle.join());
    heed(&ended);
    ended
}

impl<T> JoinSet<T> {
    /// How many have not been joined.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut set = tarae::JoinSet::new();
    /// set.spawn(|| ());
    /// assert_eq!(set.len(), 1); // also when it has ended
    /// set.join_next();
    /// assert_eq!(set.len(), 0);
    /// ```
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether all have been joined.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut set = tarae::JoinSet::new();
    /// set.spawn(|| ());
    /// assert!(!set.is_empty());
    /// set.join_next();
    /// assert!(set.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}

impl<T: Send + 'static> Default for JoinSet<T> {
    fn default() -> JoinSet<T> {
        JoinSet::new()
    }
}

impl<T> Drop for JoinSet<T> {
    fn drop(&mut self) {
        self.members.values().for_each(JoinHandle::cancel);
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinSet").field("len", &self.len()).finish_non_exhaustive()
    }
}
