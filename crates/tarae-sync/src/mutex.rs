//! A mutex: what it guards is the holder's alone.
//!
//! Who waits stands in line, and how that is fair without a convoy is told in `lock_word.rs`. A lock and an unlock that
//! nobody waits for are one compare-and-swap each, as std's.

#![allow(unsafe_code, reason = "a guard gives access to what its lock guards")]

use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::{LockResult, TryLockError, TryLockResult};

use crate::lock_word::Mode;
use crate::poison::{Before, Poison};
use crate::raw_lock::RawLock;

/// Guards a value: one at a time holds it, coroutine or kernel thread; the others park.
///
/// As [`std::sync::Mutex`]. It may be held across a wait.
///
/// # Who gets it
///
/// Who waits is served in the order in which they came. Who comes while the lock is free takes it, but passes those who
/// wait for no longer than half a millisecond or so: then it is handed to the first of them.
///
/// # Cancellation
///
/// A holder that unwinds poisons it, whatever it unwinds for: what it guards may be half done.
///
/// # Examples
///
/// ```
/// # mod tarae { pub use tarae_sync as sync; }
/// use std::sync::Arc;
/// use tarae::sync::Mutex;
///
/// let count = Arc::new(Mutex::new(0));
/// let threads: Vec<_> = (0..4)
///     .map(|_| {
///         let count = Arc::clone(&count);
///         std::thread::spawn(move || *count.lock().unwrap() += 1)
///     })
///     .collect();
/// threads.into_iter().for_each(|thread| thread.join().unwrap());
/// assert_eq!(*count.lock().unwrap(), 4);
/// ```
///
/// # Invariants
///
/// `value` is touched by who holds `raw` alone, or has the mutex by `&mut`.
pub struct Mutex<T: ?Sized> {
    raw: RawLock,
    poison: Poison,
    value: UnsafeCell<T>,
}

// SAFETY: With the mutex goes its value, which is `Send`; the rest is.
unsafe impl<T: ?Sized + Send> Send for Mutex<T> {}
// SAFETY: By the invariant one thread at a time reaches the value through `&Mutex`; the lock orders one after the other, so
// that is sending it to and fro.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}
// SAFETY: A guard that is shared gives out `&T`, which may be shared; only its owner gets `&mut T`, or unlocks.
unsafe impl<T: ?Sized + Sync> Sync for MutexGuard<'_, T> {}

impl<T: ?Sized> UnwindSafe for Mutex<T> {}
impl<T: ?Sized> RefUnwindSafe for Mutex<T> {}

impl<T> Mutex<T> {
    /// Returns a mutex that nobody holds.
    ///
    /// As [`std::sync::Mutex::new`].
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// use tarae::sync::Mutex;
    ///
    /// static COUNT: Mutex<u32> = Mutex::new(0);
    ///
    /// *COUNT.lock().unwrap() += 1;
    /// assert_eq!(*COUNT.lock().unwrap(), 1);
    /// ```
    #[inline]
    pub const fn new(value: T) -> Mutex<T> {
        Mutex { raw: RawLock::new(), poison: Poison::new(), value: UnsafeCell::new(value) }
    }

    /// Returns the value.
    ///
    /// As [`std::sync::Mutex::into_inner`].
    ///
    /// # Errors
    ///
    /// With the value, if the mutex is poisoned.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// let lock = tarae::sync::Mutex::new(1);
    /// assert_eq!(lock.into_inner().unwrap(), 1);
    /// ```
    pub fn into_inner(self) -> LockResult<T> {
        let Mutex { poison, value, .. } = self;
        poison.wrap(value.into_inner())
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Locks it, and returns a guard that unlocks it when it is dropped.
    ///
    /// As [`std::sync::Mutex::lock`].
    ///
    /// # Parks
    ///
    /// Until nobody else holds it; for ever, if the caller does.
    ///
    /// # Cancellation
    ///
    /// Unwinds where it would park.
    ///
    /// # Errors
    ///
    /// With the guard, if the mutex is poisoned.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// let mutex = tarae::sync::Mutex::new(1);
    /// *mutex.lock().unwrap() += 1;
    /// assert_eq!(mutex.into_inner().unwrap(), 2);
    /// ```
    #[inline]
    pub fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        self.raw.acquire_exclusive();
        self.guard()
    }

    /// Locks it, if it is free now.
    ///
    /// As [`std::sync::Mutex::try_lock`].
    ///
    /// # Errors
    ///
    /// If it is not; or with the guard, if the mutex is poisoned.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// let mutex = tarae::sync::Mutex::new(1);
    /// let guard = mutex.lock().unwrap();
    /// assert!(mutex.try_lock().is_err());
    /// drop(guard);
    /// assert_eq!(*mutex.try_lock().unwrap(), 1);
    /// ```
    #[inline]
    pub fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
        if self.raw.try_acquire(Mode::Exclusive) { Ok(self.guard()?) } else { Err(TryLockError::WouldBlock) }
    }

    /// Whether somebody unwound while holding it.
    ///
    /// As [`std::sync::Mutex::is_poisoned`].
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// use tarae::sync::Mutex;
    ///
    /// let lock = Mutex::new(1);
    /// let unwound = std::panic::catch_unwind(|| {
    ///     let _guard = lock.lock().unwrap();
    ///     assert_eq!(1, 2, "half done");
    /// });
    /// assert!(unwound.is_err() && lock.is_poisoned());
    /// ```
    #[inline]
    pub fn is_poisoned(&self) -> bool {
        self.poison.is_set()
    }

    /// Takes the poison away.
    ///
    /// As [`std::sync::Mutex::clear_poison`].
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// use std::sync::PoisonError;
    /// use tarae::sync::Mutex;
    ///
    /// let lock = Mutex::new(1);
    /// let unwound = std::panic::catch_unwind(|| {
    ///     let _guard = lock.lock().unwrap();
    ///     assert_eq!(1, 2, "half done");
    /// });
    /// assert!(unwound.is_err());
    /// *lock.lock().unwrap_or_else(PoisonError::into_inner) = 2; // mended
    /// lock.clear_poison();
    /// assert_eq!(*lock.lock().unwrap(), 2);
    /// ```
    #[inline]
    pub fn clear_poison(&self) {
        self.poison.clear();
    }

    /// Returns the value, by the borrow instead of the lock.
    ///
    /// As [`std::sync::Mutex::get_mut`].
    ///
    /// # Errors
    ///
    /// With the value, if the mutex is poisoned.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// let mut lock = tarae::sync::Mutex::new(1);
    /// *lock.get_mut().unwrap() += 1;
    /// assert_eq!(lock.into_inner().unwrap(), 2);
    /// ```
    pub fn get_mut(&mut self) -> LockResult<&mut T> {
        self.poison.wrap(self.value.get_mut())
    }

    /// The caller has just taken `raw`.
    #[inline]
    fn guard(&self) -> LockResult<MutexGuard<'_, T>> {
        // INVARIANT: (of `MutexGuard`) The caller's.
        self.poison.wrap(MutexGuard { mutex: self, before: self.poison.begin(), kind: PhantomData })
    }
}

impl<T> From<T> for Mutex<T> {
    fn from(value: T) -> Mutex<T> {
        Mutex::new(value)
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Mutex<T> {
        Mutex::new(T::default())
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("Mutex");
        match self.try_lock() {
            Ok(guard) => text.field("data", &&*guard),
            Err(TryLockError::Poisoned(poisoned)) => text.field("data", &&**poisoned.get_ref()),
            Err(TryLockError::WouldBlock) => text.field("data", &"<locked>"),
        };
        text.field("poisoned", &self.is_poisoned()).finish_non_exhaustive()
    }
}

/// The right to the value of a [`Mutex`], which is unlocked when it is dropped.
///
/// As [`std::sync::MutexGuard`]. It does not leave the coroutine, or the kernel thread, that locked.
///
/// # Examples
///
/// ```compile_fail,E0277
/// # mod tarae { pub use tarae_sync as sync; }
/// use tarae::sync::Mutex;
///
/// static MUTEX: Mutex<u32> = Mutex::new(1);
///
/// let guard = MUTEX.lock().unwrap();
/// std::thread::spawn(move || drop(guard));
/// ```
///
/// # Invariants
///
/// Its `mutex.raw` is held exclusively, and it is this guard that will release it.
#[must_use = "if unused the Mutex will immediately unlock"]
pub struct MutexGuard<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
    before: Before,
    /// `Send` and `Sync` as std's.
    kind: PhantomData<std::sync::MutexGuard<'a, T>>,
}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    /// Runs `while_unlocked` with the mutex unlocked, and locks it again, shielded. If that unwinds, it stays unlocked.
    pub(crate) fn without<R>(
        self,
        while_unlocked: impl FnOnce(&dyn Fn()) -> R,
    ) -> (LockResult<MutexGuard<'a, T>>, R) {
        let MutexGuard { mutex, before, .. } = *std::mem::ManuallyDrop::new(self);
        let result = while_unlocked(&|| mutex.raw.release_exclusive());
        mutex.raw.acquire_exclusive_shielded();
        // INVARIANT: Just taken.
        (mutex.poison.wrap(MutexGuard { mutex, before, kind: PhantomData }), result)
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: By the invariants of the guard and of `Mutex` the value is ours while the guard lives.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: As in `deref`; and the guard is borrowed by `&mut`.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.mutex.poison.end(self.before);
        self.mutex.raw.release_exclusive();
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
