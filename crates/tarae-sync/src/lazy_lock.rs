//! A value that is made when it is first asked for.
//!
//! | `once`     | `init`        | `value` |
//! |------------|---------------|---------|
//! | incomplete | the function  | empty   |
//! | running    | none          | empty   |
//! | complete   | none          | the value |
//! | poisoned   | none          | empty   |
//!
//! Only who runs in `once` touches the two, so nobody ever blocks in them.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::{Mutex as Cell, OnceLock as ValueCell, PoisonError};

use crate::once::Once;

/// A value that is made when it is first asked for.
///
/// As [`std::sync::LazyLock`].
///
/// # Parks
///
/// Who asks while another one makes the value.
///
/// # Cancellation
///
/// Who waits unwinds. The function that makes the value is [shielded](tarae_task::shield()): a deadline of whoever happens to ask
/// first does not poison it for all.
///
/// # Examples
///
/// ```
/// # mod tarae { pub use tarae_sync as sync; }
/// use tarae::sync::LazyLock;
///
/// static WORDS: LazyLock<Vec<&str>> = LazyLock::new(|| "a skein of threads".split(' ').collect());
///
/// assert_eq!(WORDS[1], "skein");
/// ```
pub struct LazyLock<T, F = fn() -> T> {
    once: Once,
    init: Cell<Option<F>>,
    value: ValueCell<T>,
}

impl<T: RefUnwindSafe + UnwindSafe, F: UnwindSafe> RefUnwindSafe for LazyLock<T, F> {}
impl<T: UnwindSafe, F: UnwindSafe> UnwindSafe for LazyLock<T, F> {}

impl<T, F: FnOnce() -> T> LazyLock<T, F> {
    /// Returns a value that `f` will make.
    ///
    /// As [`std::sync::LazyLock::new`].
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// use tarae::sync::LazyLock;
    ///
    /// static ANSWER: LazyLock<u32> = LazyLock::new(|| 6 * 7);
    ///
    /// assert_eq!(*ANSWER, 42);
    /// ```
    #[inline]
    pub const fn new(f: F) -> LazyLock<T, F> {
        LazyLock { once: Once::new(), init: Cell::new(Some(f)), value: ValueCell::new() }
    }

    /// Makes the value, if nobody has, and returns it.
    ///
    /// As [`std::sync::LazyLock::force`].
    ///
    /// # Parks
    ///
    /// While another one makes it.
    ///
    /// # Cancellation
    ///
    /// Unwinds where it would park. Who makes it does not.
    ///
    /// # Panics
    ///
    /// With the payload of the function; and if it has unwound before. If the function asks for the value it is to make, it
    /// waits for itself.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// use tarae::sync::LazyLock;
    ///
    /// let answer = LazyLock::new(|| 6 * 7);
    /// assert_eq!(LazyLock::force(&answer), &42);
    /// ```
    #[inline]
    #[track_caller]
    pub fn force(this: &LazyLock<T, F>) -> &T {
        match this.value.get() {
            Some(value) => value,
            None => this.make(),
        }
    }

    /// Makes the value, if nobody has, and returns it, by the borrow.
    ///
    /// As [`std::sync::LazyLock::force_mut`].
    ///
    /// # Panics
    ///
    /// As [`force`](Self::force).
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// use tarae::sync::LazyLock;
    ///
    /// let mut numbers = LazyLock::new(|| vec![1]);
    /// LazyLock::force_mut(&mut numbers).push(2);
    /// assert_eq!(*numbers, [1, 2]);
    /// ```
    #[inline]
    #[track_caller]
    pub fn force_mut(this: &mut LazyLock<T, F>) -> &mut T {
        LazyLock::force(this);
        this.value.get_mut().unwrap_or_else(|| unreachable!("just made"))
    }

    #[cold]
    #[track_caller]
    fn make(&self) -> &T {
        self.once.call_once_force(|state| {
            let init = self.init.lock().unwrap_or_else(PoisonError::into_inner).take();
            let Some(init) = init.filter(|_| !state.is_poisoned()) else { panic_poisoned() };
            if self.value.set(init()).is_err() {
                unreachable!("only who runs in `once` sets it");
            }
        });
        self.value.get().unwrap_or_else(|| unreachable!("just made"))
    }
}

impl<T, F> LazyLock<T, F> {
    /// Returns the value, if it has been made.
    ///
    /// As [`std::sync::LazyLock::get`].
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// use tarae::sync::LazyLock;
    ///
    /// let answer = LazyLock::new(|| 6 * 7);
    /// assert_eq!(LazyLock::get(&answer), None);
    /// LazyLock::force(&answer);
    /// assert_eq!(LazyLock::get(&answer), Some(&42));
    /// ```
    #[inline]
    pub fn get(this: &LazyLock<T, F>) -> Option<&T> {
        this.value.get()
    }

    /// Returns the value, by the borrow, if it has been made.
    ///
    /// As [`std::sync::LazyLock::get_mut`].
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// use tarae::sync::LazyLock;
    ///
    /// let mut answer = LazyLock::new(|| 6 * 7);
    /// assert_eq!(LazyLock::get_mut(&mut answer), None);
    /// LazyLock::force(&answer);
    /// *LazyLock::get_mut(&mut answer).unwrap() += 1;
    /// assert_eq!(*answer, 43);
    /// ```
    #[inline]
    pub fn get_mut(this: &mut LazyLock<T, F>) -> Option<&mut T> {
        this.value.get_mut()
    }
}

#[cold]
#[track_caller]
fn panic_poisoned() -> ! {
    panic!("LazyLock instance has previously been poisoned")
}

impl<T, F: FnOnce() -> T> Deref for LazyLock<T, F> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        LazyLock::force(self)
    }
}

impl<T, F: FnOnce() -> T> DerefMut for LazyLock<T, F> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        LazyLock::force_mut(self)
    }
}

impl<T: Default> Default for LazyLock<T> {
    fn default() -> LazyLock<T> {
        LazyLock::new(T::default)
    }
}

impl<T: fmt::Debug, F> fmt::Debug for LazyLock<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_tuple("LazyLock");
        match LazyLock::get(self) {
            Some(value) => text.field(value),
            None => text.field(&format_args!("<uninit>")),
        };
        text.finish()
    }
}
