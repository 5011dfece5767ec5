//! A cell that is written once: std's cell, behind our [`Once`], which parks those who wait.
//!
//! The value lies in [`std::sync::OnceLock`], which is touched by who runs in `once` only, so nobody ever blocks in it. It is
//! the one that says whether there is a value: an initialiser that unwinds leaves none, and poisons nothing.

use std::fmt;
use std::sync::OnceLock as Cell;

use crate::once::Once;

/// A cell that is written once.
///
/// As [`std::sync::OnceLock`].
///
/// # Examples
///
/// ```
/// # mod tarae { pub use tarae_sync as sync; }
/// static NAME: tarae::sync::OnceLock<String> = tarae::sync::OnceLock::new();
///
/// assert_eq!(NAME.get(), None);
/// assert_eq!(NAME.get_or_init(|| "tarae".to_owned()), "tarae");
/// assert_eq!(NAME.set("skein".to_owned()), Err("skein".to_owned()));
/// ```
pub struct OnceLock<T> {
    once: Once,
    value: Cell<T>,
}

impl<T> OnceLock<T> {
    /// Returns an empty cell.
    ///
    /// As [`std::sync::OnceLock::new`].
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// static NAME: tarae::sync::OnceLock<String> = tarae::sync::OnceLock::new();
    ///
    /// assert_eq!(NAME.get(), None);
    /// ```
    #[inline]
    #[must_use]
    pub const fn new() -> OnceLock<T> {
        OnceLock { once: Once::new(), value: Cell::new() }
    }

    /// Returns the value, if it is there.
    ///
    /// As [`std::sync::OnceLock::get`].
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// let cell = tarae::sync::OnceLock::from(1);
    /// assert_eq!(cell.get(), Some(&1));
    /// ```
    #[inline]
    pub fn get(&self) -> Option<&T> {
        self.value.get()
    }

    /// Returns the value, by the borrow.
    ///
    /// As [`std::sync::OnceLock::get_mut`].
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// let mut cell = tarae::sync::OnceLock::from(1);
    /// *cell.get_mut().unwrap() += 1;
    /// assert_eq!(cell.get(), Some(&2));
    /// ```
    #[inline]
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut()
    }

    /// Waits until there is a value.
    ///
    /// As [`std::sync::OnceLock::wait`].
    ///
    /// # Parks
    ///
    /// Until then.
    ///
    /// # Cancellation
    ///
    /// Unwinds where it would park.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// use tarae::sync::OnceLock;
    ///
    /// static PORT: OnceLock<u16> = OnceLock::new();
    ///
    /// std::thread::spawn(|| PORT.set(7878));
    /// assert_eq!(*PORT.wait(), 7878);
    /// ```
    pub fn wait(&self) -> &T {
        loop {
            if let Some(value) = self.value.get() {
                return value;
            }
            self.once.wait_force();
        }
    }

    /// Puts `value` into the cell, if it is empty; if another one is about to fill it, waits for that.
    ///
    /// As [`std::sync::OnceLock::set`].
    ///
    /// # Parks
    ///
    /// While another one runs its initialiser.
    ///
    /// # Cancellation
    ///
    /// Unwinds where it would park.
    ///
    /// # Errors
    ///
    /// With `value`, if there is one already.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// let cell = tarae::sync::OnceLock::new();
    /// assert_eq!(cell.set(1), Ok(()));
    /// assert_eq!(cell.set(2), Err(2));
    /// ```
    pub fn set(&self, value: T) -> Result<(), T> {
        let mut value = Some(value);
        self.get_or_init_with(|| value.take());
        value.map_or(Ok(()), Err)
    }

    /// Returns the value; the first to come makes it with `f`, and the others wait.
    ///
    /// As [`std::sync::OnceLock::get_or_init`].
    ///
    /// # Parks
    ///
    /// While another one runs its initialiser.
    ///
    /// # Cancellation
    ///
    /// Unwinds where it would park. An `f` that unwinds leaves the cell empty.
    ///
    /// # Panics
    ///
    /// With the payload of `f`. If `f` asks for the value it is to make, it waits for itself.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// let cell = tarae::sync::OnceLock::new();
    /// assert_eq!(cell.get_or_init(|| 1), &1);
    /// assert_eq!(cell.get_or_init(|| 2), &1);
    /// ```
    #[inline]
    pub fn get_or_init<F>(&self, f: F) -> &T
    where
        F: FnOnce() -> T,
    {
        match self.value.get() {
            Some(value) => value,
            None => self.get_or_init_slowly(f),
        }
    }

    #[cold]
    fn get_or_init_slowly(&self, f: impl FnOnce() -> T) -> &T {
        self.get_or_init_with(|| Some(f()));
        self.value.get().unwrap_or_else(|| unreachable!("the initialisation has happened"))
    }

    fn get_or_init_with(&self, f: impl FnOnce() -> Option<T>) {
        if self.once.is_completed() {
            return;
        }
        // Not shielded: an `f` that is interrupted leaves the cell empty, and the next one makes the value.
        self.once.call(true, |_| {
            if let Some(value) = f()
                && self.value.set(value).is_err()
            {
                unreachable!("only who runs in `once` sets it");
            }
        });
    }

    /// Returns the value, if there is one.
    ///
    /// As [`std::sync::OnceLock::into_inner`].
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// assert_eq!(tarae::sync::OnceLock::from(1).into_inner(), Some(1));
    /// ```
    #[inline]
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }

    /// Takes the value out; the cell may be written once more.
    ///
    /// As [`std::sync::OnceLock::take`].
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// let mut cell = tarae::sync::OnceLock::from(1);
    /// assert_eq!(cell.take(), Some(1));
    /// assert_eq!(cell.set(2), Ok(()));
    /// ```
    #[inline]
    pub fn take(&mut self) -> Option<T> {
        self.once = Once::new();
        self.value.take()
    }
}

impl<T> Default for OnceLock<T> {
    fn default() -> OnceLock<T> {
        OnceLock::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for OnceLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_tuple("OnceLock");
        match self.get() {
            Some(value) => text.field(value),
            None => text.field(&format_args!("<uninit>")),
        };
        text.finish()
    }
}

impl<T: Clone> Clone for OnceLock<T> {
    fn clone(&self) -> OnceLock<T> {
        self.get().cloned().map_or_else(OnceLock::new, OnceLock::from)
    }
}

impl<T> From<T> for OnceLock<T> {
    fn from(value: T) -> OnceLock<T> {
        let cell = OnceLock::new();
        match cell.set(value) {
            Ok(()) => cell,
            Err(_) => unreachable!("it was empty"),
        }
    }
}

impl<T: PartialEq> PartialEq for OnceLock<T> {
    fn eq(&self, other: &OnceLock<T>) -> bool {
        self.get() == other.get()
    }
}

impl<T: Eq> Eq for OnceLock<T> {}
