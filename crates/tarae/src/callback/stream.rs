//! A callback that fires many times, as an iterator.
//!
//! Many *emitters* (clones of one closure, on any thread), one reader, a queue with a bound between them. An emitter is
//! somebody else's thread, often one that serves all: it must not block. So what does not fit is lost, the newest or the
//! oldest as the program says, and counted.
//!
//! The reader leaves its waker in the same critical section in which it finds the queue empty, and every emitter takes it out
//! in the one in which it adds a value: so a reader that parks has its waker where the next value finds it. The end is a value
//! like the others: the last emitter leaves it when it is dropped. Wakers are called, and values that are lost dropped, after
//! the lock.

use std::collections::VecDeque;
use std::fmt;
use std::iter::FusedIterator;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;
use std::time::{Duration, Instant};

use tarae_task::{Reason, wait_until};

use crate::Elapsed;

/// Which value a [`stream`] loses when it is full.
///
/// # Examples
///
/// ```
/// use tarae::callback::{OnFull, stream};
///
/// for (on_full, left) in [(OnFull::DropNewest, [1, 2]), (OnFull::DropOldest, [2, 3])] {
///     let (emit, values) = stream(2, on_full);
///     (1..=3).for_each(&emit);
///     drop(emit);
///     assert_eq!(values.collect::<Vec<_>>(), left);
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFull {
    /// The one that comes. For events of which the first matter.
    DropNewest,
    /// The one that has waited longest. For measurements, of which the last matter.
    DropOldest,
}

/// Returns a callback that may be called any number of times, and the values with which it is called, as an iterator.
///
/// The callback is a closure: it can be called, cloned, and passed where `impl Fn(T) + Send + Sync + 'static` is asked for. It
/// never blocks. The iterator ends when all clones of the callback have been dropped; keep none.
///
/// `capacity` is how many values wait for the iterator, at most; what is lost beyond is counted by [`Stream::lost`]. Where the
/// callback's caller may be made to wait instead, send to a channel with a bound.
///
/// # Panics
///
/// If `capacity` is 0.
///
/// # Examples
///
/// ```
/// use tarae::callback::{self, OnFull};
///
/// /// Somebody else's API.
/// fn subscribe(on_price: impl Fn(u32) + Send + 'static) {
///     std::thread::spawn(move || (1..=3).for_each(|price| on_price(price * 100)));
/// }
///
/// let (on_price, prices) = callback::stream(16, OnFull::DropOldest);
/// subscribe(on_price);
/// assert_eq!(prices.collect::<Vec<_>>(), [100, 200, 300]);
/// ```
pub fn stream<T>(capacity: usize, on_full: OnFull) -> (impl Fn(T) + Clone + Send + Sync + 'static, Stream<T>)
where
    T: Send + 'static,
{
    assert!(capacity > 0, "a stream without room");
    let queue = Queue { values: VecDeque::new(), lost: 0, waker: None, end: None };
    let shared = Arc::new(Shared { queue: Mutex::new(queue), capacity, on_full });
    let emitter = Arc::new(Emitter { shared: Arc::clone(&shared) });
    (move |value| emitter.emit(value), Stream { shared })
}

struct Shared<T> {
    queue: Mutex<Queue<T>>,
    capacity: usize,
    on_full: OnFull,
}

struct Queue<T> {
    values: VecDeque<T>,
    lost: u64,
    /// The reader's, while it waits.
    waker: Option<Waker>,
    end: Option<End>,
}

#[derive(Clone, Copy)]
enum End {
    /// Nobody emits any more.
    Emitters,
    /// Nobody reads any more.
    Reader,
}

impl<T> Shared<T> {
    /// Nothing under this lock panics but for want of memory, before anything has changed: so poison carries no meaning.
    fn lock(&self) -> MutexGuard<'_, Queue<T>> {
        self.queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// The right to emit; ends the stream on drop.
struct Emitter<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Emitter<T> {
    fn emit(&self, value: T) {
        let (lost, waker) = {
            let mut queue = self.shared.lock();
            if queue.end.is_some() {
                (Some(value), None)
            } else if queue.values.len() < self.shared.capacity {
                queue.values.push_back(value);
                (None, queue.waker.take())
            } else {
                queue.lost += 1;
                let lost = match self.shared.on_full {
                    OnFull::DropNewest => Some(value),
                    OnFull::DropOldest => {
                        let oldest = queue.values.pop_front();
                        queue.values.push_back(value);
                        oldest
                    }
                };
                (lost, None)
            }
        };
        // First, as a destructor may panic.
        waker.into_iter().for_each(Waker::wake);
        drop(lost);
    }
}

impl<T> Drop for Emitter<T> {
    fn drop(&mut self) {
        let waker = {
            let mut queue = self.shared.lock();
            queue.end.get_or_insert(End::Emitters);
            queue.waker.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }
}

/// The values with which a callback is called; from [`stream`].
///
/// Dropped before the callback is, values that come later are dropped where they are emitted.
pub struct Stream<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Stream<T> {
    /// Returns a value that is there, without waiting; `None` if there is none now, be it that none will come.
    ///
    /// # Examples
    ///
    /// ```
    /// use tarae::callback::{OnFull, stream};
    ///
    /// let (emit, mut values) = stream(1, OnFull::DropNewest);
    /// assert_eq!(values.try_next(), None);
    /// emit(1);
    /// assert_eq!(values.try_next(), Some(1));
    /// ```
    pub fn try_next(&mut self) -> Option<T> {
        self.shared.lock().values.pop_front()
    }

    /// As `next`, for `timeout` at most.
    ///
    /// # Parks
    ///
    /// Until the callback is called, or all of its clones have been dropped, or the time is up.
    ///
    /// # Cancellation
    ///
    /// Unwinds; no value is lost.
    ///
    /// # Errors
    ///
    /// If there was no value in time. There may be one later.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use tarae::callback::{OnFull, stream};
    ///
    /// let (emit, mut values) = stream(1, OnFull::DropNewest);
    /// assert_eq!(values.next_timeout(Duration::from_millis(5)), Err(tarae::Elapsed));
    /// emit(1);
    /// drop(emit);
    /// assert_eq!(values.next_timeout(Duration::from_millis(5)), Ok(Some(1)));
    /// assert_eq!(values.next_timeout(Duration::from_millis(5)), Ok(None)); // nobody is left to call
    /// ```
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<T>, Elapsed> {
        self.wait(Instant::now().checked_add(timeout)).ok_or(Elapsed)
    }

    /// How many values were lost because there was no room.
    ///
    /// # Examples
    ///
    /// ```
    /// use tarae::callback::{OnFull, stream};
    ///
    /// let (emit, values) = stream(2, OnFull::DropOldest);
    /// (1..=5).for_each(emit);
    /// assert_eq!(values.lost(), 3);
    /// ```
    pub fn lost(&self) -> u64 {
        self.shared.lock().lost
    }

    fn wait(&mut self, deadline: Option<Instant>) -> Option<Option<T>> {
        let mut replaced = None;
        let waited = wait_until(Reason::Callback, deadline, |waker| {
            let mut queue = self.shared.lock();
            if let Some(value) = queue.values.pop_front() {
                return Some(Some(value));
            }
            if queue.end.is_some() {
                return Some(None);
            }
            // May be another's: whoever read before, and timed out.
            if !queue.waker.as_ref().is_some_and(|left| left.will_wake(waker)) {
                replaced = queue.waker.replace(waker.clone());
            }
            None
        });
        drop(replaced);
        waited
    }
}

impl<T> Iterator for Stream<T> {
    type Item = T;

    /// Waits for the next value; `None` when all clones of the callback have been dropped.
    ///
    /// # Parks
    ///
    /// Until the callback is called, or all of its clones have been dropped.
    ///
    /// # Cancellation
    ///
    /// Unwinds; no value is lost.
    fn next(&mut self) -> Option<T> {
        self.wait(None).flatten()
    }
}

impl<T> FusedIterator for Stream<T> {}

impl<T> Drop for Stream<T> {
    fn drop(&mut self) {
        let (values, waker) = {
            let mut queue = self.shared.lock();
            queue.end = Some(End::Reader);
            (std::mem::take(&mut queue.values), queue.waker.take())
        };
        drop(waker);
        drop(values);
    }
}

impl<T> fmt::Debug for Stream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (waiting, lost) = {
            let queue = self.shared.lock();
            (queue.values.len(), queue.lost)
        };
        f.debug_struct("Stream")
            .field("waiting", &waiting)
            .field("capacity", &self.shared.capacity)
            .field("lost", &lost)
            .finish()
    }
}
