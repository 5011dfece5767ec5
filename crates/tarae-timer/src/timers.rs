//! The public face: a store of values, each until an [`Instant`].
//!
//! Instants become ticks here and nowhere else. What is stored under a tick, and found again, is
//! [`wheel`](crate::wheel)'s business; how an instant is rounded is [`tick`](crate::tick)'s.

use std::fmt;
use std::time::Instant;

use crate::key::Key;
use crate::tick::Grid;
use crate::wheel::Wheel;

/// Values, each waiting for its deadline.
///
/// The store never reads a clock. Its *present* is the latest time that [`expire`](Self::expire) was told,
/// rounded down to a tick (a whole number of [`RESOLUTION`](crate::RESOLUTION)s after the origin), and at
/// first the origin. It runs no code of its values (they are moved, never dropped or compared, until the
/// store itself is dropped), so it can be called with a lock held.
///
/// The memory is about 2 KiB, and 24 bytes and the value (an [`Option`] of it) for each of the most timers
/// that were ever stored at once; it is kept for reuse until the store is dropped.
pub struct Timers<T> {
    grid: Grid,
    wheel: Wheel<T>,
}

impl<T> Timers<T> {
    /// Makes an empty store whose present is `origin`.
    ///
    /// Nothing is allocated yet. Take an origin near the start of the program: deadlines 2^64 ns (584 years)
    /// or more after it can be stored, but never expire.
    pub const fn new(origin: Instant) -> Self {
        Self { grid: Grid::new(origin), wheel: Wheel::new() }
    }

    /// Stores `value` until `deadline`, and returns the key to [`cancel`](Self::cancel) it.
    ///
    /// A deadline that is past already, even before the origin, is due at the next [`expire`](Self::expire).
    /// Takes constant time, and allocates only if more timers are stored than ever before.
    ///
    /// # Panics
    /// If `u32::MAX` (4,294,967,295) timers are stored already. The value is dropped by the unwinding.
    pub fn insert(&mut self, deadline: Instant, value: T) -> Key {
        self.wheel.insert(self.grid.ceil(deadline), value)
    }

    /// Takes back the value that `key` was given for, or `None` if it has expired or been taken back already.
    ///
    /// Takes constant time. A key never turns valid again, though the memory of its timer is reused.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::{Duration, Instant};
    /// # use tarae_timer::Timers;
    /// let origin = Instant::now();
    /// let mut timers = Timers::new(origin);
    /// let key = timers.insert(origin, "first");
    /// assert_eq!(timers.cancel(key), Some("first"));
    ///
    /// timers.insert(origin, "second");
    /// assert_eq!(timers.cancel(key), None);
    /// ```
    pub fn cancel(&mut self, key: Key) -> Option<T> {
        self.wheel.cancel(key)
    }

    /// Returns when to call [`expire`](Self::expire) next, or `None` if nothing is stored.
    ///
    /// Let the *firing moment* of a value be its deadline, rounded up to a tick, or the present at its
    /// insertion, if that was later. Then the result is
    ///
    /// - the earliest firing moment itself, if that lies in the same 64 ticks (67 ms, counted from the
    ///   origin) as the present;
    /// - else that moment rounded down to the largest of 64, 64², … 64⁷ ticks that still gives a tick after
    ///   the present;
    /// - but the present itself, if an [`expire_some`](Self::expire_some) has stopped there with work left.
    ///
    /// So it is never later than the earliest firing moment. If it is earlier, `expire` at that time returns
    /// nothing but moves timers to where they are seen more precisely, and the next answer is closer. A
    /// caller who does nothing but sleep until here and `expire` wakes at most eight times for one timer;
    /// at most four times if no multiple of 64⁴ ticks (4.9 hours) after the origin lies between.
    ///
    /// `None` also stands for a moment that [`Instant`] cannot express. A value that never expires (see
    /// [`new`](Self::new)) counts as due 2^64 ns after the origin.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::{Duration, Instant};
    /// # use tarae_timer::{RESOLUTION, Timers};
    /// let origin = Instant::now();
    /// let mut timers = Timers::new(origin);
    /// assert_eq!(timers.next_deadline(), None);
    ///
    /// let deadline = origin + 100 * RESOLUTION;
    /// timers.insert(deadline, ());
    /// assert_eq!(timers.next_deadline(), Some(origin + 64 * RESOLUTION));
    ///
    /// timers.expire(origin + 64 * RESOLUTION, &mut Vec::new());
    /// assert_eq!(timers.next_deadline(), Some(deadline));
    /// ```
    pub fn next_deadline(&self) -> Option<Instant> {
        self.wheel.next_tick().and_then(|tick| self.grid.instant(tick))
    }

    /// Moves the present to `now` and appends all values that are due to `fired`.
    ///
    /// Never early: a value whose deadline is after `now` stays. At most one
    /// [`RESOLUTION`](crate::RESOLUTION) late: all values go whose deadline is that much before `now`, or more.
    /// A `now` before the present counts as the present: time does not run backwards, but what has been
    /// inserted overdue since then still goes.
    ///
    /// The values come in the order of their firing moments (see [`next_deadline`](Self::next_deadline)), and
    /// those of the same firing moment in the order in which they were inserted. Within one tick, that need
    /// not be the order of their deadlines.
    ///
    /// Takes time for each value that is returned or moved, at most seven moves per value over its life,
    /// and none for the ticks that have passed. `fired` is only ever pushed to: pass the same vec, drained, and
    /// its memory is reused.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::{Duration, Instant};
    /// # use std::task::Waker;
    /// # use std::sync::Mutex;
    /// # use tarae_timer::Timers;
    /// # let origin = Instant::now();
    /// let timers = Mutex::new(Timers::<Waker>::new(origin));
    /// let mut fired = Vec::new();
    /// timers.lock().unwrap().expire(Instant::now(), &mut fired);
    /// // The lock is free again: a woken task may set its next timer.
    /// fired.drain(..).for_each(Waker::wake);
    /// ```
    pub fn expire(&mut self, now: Instant, fired: &mut Vec<T>) {
        let arrived = self.wheel.advance(self.grid.floor(now), usize::MAX, fired);
        debug_assert!(arrived, "no store has so many timers");
    }

    /// Does a part of what [`expire`](Self::expire) does, and returns whether that was all.
    ///
    /// Stops when `moves_max` values have been moved or returned. Many values can share a deadline, and many
    /// can be moved when the present passes a multiple of 64, 64², … 64⁷ ticks: a caller who holds a lock
    /// can let go of it in between. Everything may be called then. The present stays at the tick that was being
    /// worked on, [`next_deadline`](Self::next_deadline) returns it, and the order promised by `expire` holds
    /// over the calls together. With `moves_max` zero, nothing is returned, and it only tells whether there is
    /// something to do.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Instant;
    /// # use tarae_timer::Timers;
    /// let origin = Instant::now();
    /// let mut timers = Timers::new(origin);
    /// for n in 0..5 {
    ///     timers.insert(origin, n);
    /// }
    /// let mut fired = Vec::new();
    /// assert!(!timers.expire_some(origin, 3, &mut fired));
    /// assert_eq!(fired, [0, 1, 2]);
    /// assert!(timers.expire_some(origin, 3, &mut fired));
    /// assert_eq!(fired, [0, 1, 2, 3, 4]);
    /// ```
    #[must_use = "if it returns false, there is more to do"]
    pub fn expire_some(&mut self, now: Instant, moves_max: usize, fired: &mut Vec<T>) -> bool {
        self.wheel.advance(self.grid.floor(now), moves_max, fired)
    }

    /// Returns how many values are stored.
    pub fn len(&self) -> usize {
        self.wheel.len()
    }

    /// Returns whether no value is stored.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> fmt::Debug for Timers<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timers")
            .field("len", &self.len())
            .field("next_deadline", &self.next_deadline())
            .finish_non_exhaustive()
    }
}
