//! A read-write lock: many read what it guards, or one writes.
//!
//! The lock is that of the mutex, taken together by readers (`lock_word.rs`).

#![allow(unsafe_code, reason = "a guard gives access to what its lock guards")]

use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::NonNull;
use std::sync::{LockResult, PoisonError, TryLockError, TryLockResult};

use crate::lock_word::Mode;
use crate::poison::{Before, Poison};
use crate::raw_lock::RawLock;

/// Guards a value that many may read at a time, or one may write; the others park.
///
/// As [`std::sync::RwLock`]. It may be held across a wait.
///
/// # Who gets it
///
/// As with [`Mutex`](crate::Mutex#who-gets-it). A reader does not overtake a writer that waits: so one that reads already,
/// and asks again, may wait for a writer that waits for it.
///
/// # Cancellation
///
/// A writer that unwinds poisons it, whatever it unwinds for.
///
/// # Examples
///
/// ```
/// # mod tarae { pub use tarae_sync as sync; }
/// let lock = tarae::sync::RwLock::new(5);
/// {
///     let (first, second) = (lock.read().unwrap(), lock.read().unwrap());
///     assert_eq!(*first + *second, 10);
/// }
/// *lock.write().unwrap() += 1;
/// assert_eq!(*lock.read().unwrap(), 6);
/// ```
///
/// # Invariants
///
/// `value` is written by who holds `raw` alone, and read by who holds it; or by who has the lock by `&mut`.
pub struct RwLock<T: ?Sized> {
    raw: RawLock,
    poison: Poison,
    value: UnsafeCell<T>,
}

// SAFETY: With the lock goes its value, which is `Send`; the rest is.
unsafe impl<T: ?Sized + Send> Send for RwLock<T> {}
// SAFETY: By the invariant several threads share the value, which is `Sync`, or one has it, and it is `Send`.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLock<T> {}

impl<T: ?Sized> UnwindSafe for RwLock<T> {}
impl<T: ?Sized> RefUnwindSafe for RwLock<T> {}

impl<T> RwLock<T> {
    /// Returns a lock that nobody holds.
    ///
    /// As [`std::sync::RwLock::new`].
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// use tarae::sync::RwLock;
    ///
    /// static COUNT: RwLock<u32> = RwLock::new(0);
    ///
    /// *COUNT.write().unwrap() += 1;
    /// assert_eq!(*COUNT.write().unwrap(), 1);
    /// ```
    #[inline]
    pub const fn new(value: T) -> RwLock<T> {
        RwLock { raw: RawLock::new(), poison: Poison::new(), value: UnsafeCell::new(value) }
    }

    /// Returns the value.
    ///
    /// As [`std::sync::RwLock::into_inner`].
    ///
    /// # Errors
    ///
    /// With the value, if the lock is poisoned.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// let lock = tarae::sync::RwLock::new(1);
    /// assert_eq!(lock.into_inner().unwrap(), 1);
    /// ```
    pub fn into_inner(self) -> LockResult<T> {
        let RwLock { poison, value, .. } = self;
        poison.wrap(value.into_inner())
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Locks it for reading, and returns a guard that unlocks it when it is dropped.
    ///
    /// As [`std::sync::RwLock::read`].
    ///
    /// # Parks
    ///
    /// Until nobody writes, nor waited to write before.
    ///
    /// # Cancellation
    ///
    /// Unwinds where it would park.
    ///
    /// # Errors
    ///
    /// With the guard, if the lock is poisoned.
    ///
    /// # Panics
    ///
    /// If 2^29 read it already.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// let lock = tarae::sync::RwLock::new(5);
    /// let (one, another) = (lock.read().unwrap(), lock.read().unwrap());
    /// assert_eq!(*one + *another, 10);
    /// ```
    #[inline]
    pub fn read(&self) -> LockResult<RwLockReadGuard<'_, T>> {
        self.raw.acquire_shared();
        self.read_guard()
    }

    /// Locks it for reading, if that can be now.
    ///
    /// As [`std::sync::RwLock::try_read`].
    ///
    /// # Errors
    ///
    /// If it cannot; or with the guard, if the lock is poisoned.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// let lock = tarae::sync::RwLock::new(1);
    /// let writer = lock.write().unwrap();
    /// assert!(lock.try_read().is_err());
    /// drop(writer);
    /// assert_eq!(*lock.try_read().unwrap(), 1);
    /// ```
    #[inline]
    pub fn try_read(&self) -> TryLockResult<RwLockReadGuard<'_, T>> {
        if self.raw.try_acquire(Mode::Shared) {
            Ok(self.read_guard()?)
        } else {
            Err(TryLockError::WouldBlock)
        }
    }

    /// Locks it for writing, and returns a guard that unlocks it when it is dropped.
    ///
    /// As [`std::sync::RwLock::write`].
    ///
    /// # Parks
    ///
    /// Until nobody reads or writes.
    ///
    /// # Cancellation
    ///
    /// Unwinds where it would park.
    ///
    /// # Errors
    ///
    /// With the guard, if the lock is poisoned.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// let lock = tarae::sync::RwLock::new(1);
    /// *lock.write().unwrap() += 1;
    /// assert_eq!(*lock.read().unwrap(), 2);
    /// ```
    #[inline]
    pub fn write(&self) -> LockResult<RwLockWriteGuard<'_, T>> {
        self.raw.acquire_exclusive();
        self.write_guard()
    }

    /// Locks it for writing, if it is free now.
    ///
    /// As [`std::sync::RwLock::try_write`].
    ///
    /// # Errors
    ///
    /// If it is not; or with the guard, if the lock is poisoned.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// let lock = tarae::sync::RwLock::new(1);
    /// let reader = lock.read().unwrap();
    /// assert!(lock.try_write().is_err());
    /// drop(reader);
    /// *lock.try_write().unwrap() += 1;
    /// ```
    #[inline]
    pub fn try_write(&self) -> TryLockResult<RwLockWriteGuard<'_, T>> {
        if self.raw.try_acquire(Mode::Exclusive) {
            Ok(self.write_guard()?)
        } else {
            Err(TryLockError::WouldBlock)
        }
    }

    /// Whether somebody unwound while writing.
    ///
    /// As [`std::sync::RwLock::is_poisoned`].
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// use tarae::sync::RwLock;
    ///
    /// let lock = RwLock::new(1);
    /// let unwound = std::panic::catch_unwind(|| {
    ///     let _guard = lock.write().unwrap();
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
    /// As [`std::sync::RwLock::clear_poison`].
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// use std::sync::PoisonError;
    /// use tarae::sync::RwLock;
    ///
    /// let lock = RwLock::new(1);
    /// let unwound = std::panic::catch_unwind(|| {
    ///     let _guard = lock.write().unwrap();
    ///     assert_eq!(1, 2, "half done");
    /// });
    /// assert!(unwound.is_err());
    /// *lock.write().unwrap_or_else(PoisonError::into_inner) = 2; // mended
    /// lock.clear_poison();
    /// assert_eq!(*lock.write().unwrap(), 2);
    /// ```
    #[inline]
    pub fn clear_poison(&self) {
        self.poison.clear();
    }

    /// Returns the value, by the borrow instead of the lock.
    ///
    /// As [`std::sync::RwLock::get_mut`].
    ///
    /// # Errors
    ///
    /// With the value, if the lock is poisoned.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// let mut lock = tarae::sync::RwLock::new(1);
    /// *lock.get_mut().unwrap() += 1;
    /// assert_eq!(lock.into_inner().unwrap(), 2);
    /// ```
    pub fn get_mut(&mut self) -> LockResult<&mut T> {
        self.poison.wrap(self.value.get_mut())
    }

    /// The caller shares `raw` from now on.
    #[inline]
    fn read_guard(&self) -> LockResult<RwLockReadGuard<'_, T>> {
        // SAFETY: A cell's pointer is not null.
        let value = unsafe { NonNull::new_unchecked(self.value.get()) };
        // INVARIANT: (of `RwLockReadGuard`) The caller's.
        self.poison.wrap(RwLockReadGuard { raw: &self.raw, value, kind: PhantomData })
    }

    /// The caller has just taken `raw` alone.
    #[inline]
    fn write_guard(&self) -> LockResult<RwLockWriteGuard<'_, T>> {
        // INVARIANT: (of `RwLockWriteGuard`) The caller's.
        self.poison.wrap(RwLockWriteGuard { lock: self, before: self.poison.begin(), kind: PhantomData })
    }
}

impl<T> From<T> for RwLock<T> {
    fn from(value: T) -> RwLock<T> {
        RwLock::new(value)
    }
}

impl<T: Default> Default for RwLock<T> {
    fn default() -> RwLock<T> {
        RwLock::new(T::default())
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("RwLock");
        match self.try_read() {
            Ok(guard) => text.field("data", &&*guard),
            Err(TryLockError::Poisoned(poisoned)) => text.field("data", &&**poisoned.get_ref()),
            Err(TryLockError::WouldBlock) => text.field("data", &format_args!("<locked>")),
        };
        text.field("poisoned", &self.is_poisoned()).finish_non_exhaustive()
    }
}

/// The right to read the value of an [`RwLock`], which is unlocked when it is dropped.
///
/// As [`std::sync::RwLockReadGuard`]. It does not leave the coroutine, or the kernel thread, that locked.
///
/// # Invariants
///
/// `raw` is that of the lock that `value` lies in; it is shared, and it is this guard that will release it.
#[must_use = "if unused the RwLock will immediately unlock"]
pub struct RwLockReadGuard<'a, T: ?Sized> {
    raw: &'a RawLock,
    /// No reference: that would say that nobody writes until the end of `drop`.
    value: NonNull<T>,
    /// `UnwindSafe` as std's.
    kind: PhantomData<std::sync::RwLockReadGuard<'a, T>>,
}

// SAFETY: A guard that is shared gives out `&T`, which may be shared.
unsafe impl<T: ?Sized + Sync> Sync for RwLockReadGuard<'_, T> {}
// SAFETY: As above; only its owner gets `&mut T`, or unlocks.
unsafe impl<T: ?Sized + Sync> Sync for RwLockWriteGuard<'_, T> {}

impl<T: ?Sized> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: By the invariants of the guard and of `RwLock` nobody writes while the guard lives.
        unsafe { self.value.as_ref() }
    }
}

impl<T: ?Sized> Drop for RwLockReadGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.raw.release_shared();
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// The right to the value of an [`RwLock`], which is unlocked when it is dropped.
///
/// As [`std::sync::RwLockWriteGuard`]. It does not leave the coroutine, or the kernel thread, that locked.
///
/// # Invariants
///
/// Its `lock.raw` is held exclusively, and it is this guard that will release it.
#[must_use = "if unused the RwLock will immediately unlock"]
pub struct RwLockWriteGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
    before: Before,
    /// `Send` and `Sync` as std's.
    kind: PhantomData<std::sync::RwLockWriteGuard<'a, T>>,
}

impl<'a, T: ?Sized> RwLockWriteGuard<'a, T> {
    /// Goes on reading what was written, before anybody else writes.
    ///
    /// As [`std::sync::RwLockWriteGuard::downgrade`].
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// use tarae::sync::{RwLock, RwLockWriteGuard};
    ///
    /// let lock = RwLock::new(0);
    /// let mut writer = lock.write().unwrap();
    /// *writer = 1;
    /// let reader = RwLockWriteGuard::downgrade(writer);
    /// assert_eq!((*reader, *lock.read().unwrap()), (1, 1));
    /// ```
    pub fn downgrade(s: Self) -> RwLockReadGuard<'a, T> {
        let lock = ManuallyDrop::new(s).lock;
        lock.raw.downgrade();
        lock.read_guard().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: ?Sized> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: By the invariants of the guard and of `RwLock` the value is ours while the guard lives.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> DerefMut for RwLockWriteGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: As in `deref`; and the guard is borrowed by `&mut`.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T: ?Sized> Drop for RwLockWriteGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.poison.end(self.before);
        self.lock.raw.release_exclusive();
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
