//! The declaration of a coroutine's own value, and what can be done with it.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::error::Error;
use std::fmt;
use std::ptr;
use std::rc::Rc;

use super::store::{self, Found};

/// Declares values that each coroutine has for itself, made at their first use, and dropped when it ends.
///
/// As [`std::thread_local!`], whose syntax it has. The values have been dropped when a join of the coroutine returns; the end of
/// a scope does not wait for them, as std's does not. Their destructors run on the coroutine, may wait, and are not
/// interrupted; they may use other values of the kind, but not those that are dropped already.
///
/// On a kernel thread they are the thread's.
///
/// # Panics
///
/// A destructor that panics ends the process, as std's does.
///
/// # Examples
///
/// ```
/// use std::cell::{Cell, RefCell};
///
/// tarae::coroutine_local! {
///     /// How many requests this coroutine has served.
///     pub static SERVED: Cell<u32> = const { Cell::new(0) };
///     static LOG: RefCell<Vec<String>> = RefCell::new(vec!["start".into()]);
/// }
///
/// for _ in 0..3 {
///     let entries = tarae::spawn(|| {
///         SERVED.set(SERVED.get() + 1);
///         LOG.with_borrow_mut(|log| log.push("end".into()));
///         (SERVED.get(), LOG.take().len())
///     });
///     // Each starts afresh.
///     assert_eq!(entries.join().unwrap(), (1, 2));
/// }
/// ```
#[macro_export]
macro_rules! coroutine_local {
    () => {};
    ($(#[$attribute:meta])* $visibility:vis static $name:ident: $type:ty = $value:expr; $($rest:tt)*) => {
        $crate::coroutine_local!($(#[$attribute])* $visibility static $name: $type = $value);
        $crate::coroutine_local!($($rest)*);
    };
    ($(#[$attribute:meta])* $visibility:vis static $name:ident: $type:ty = $value:expr) => {
        $(#[$attribute])*
        $visibility static $name: $crate::local::LocalKey<$type> = {
            fn value() -> $type {
                $value
            }
            $crate::local::LocalKey::new(value)
        };
    };
}

/// A value that each coroutine has for itself; declared by [`coroutine_local!`](crate::coroutine_local).
///
/// As [`std::thread::LocalKey`].
pub struct LocalKey<T: 'static> {
    value: fn() -> T,
}

impl<T: 'static> LocalKey<T> {
    #[doc(hidden)]
    pub const fn new(value: fn() -> T) -> LocalKey<T> {
        LocalKey { value }
    }

    /// Calls `f` with the caller's value, which is made if this is its first use.
    ///
    /// As [`std::thread::LocalKey::with`].
    ///
    /// `f` may wait; the value stays the coroutine's, whatever thread goes on with it.
    ///
    /// # Panics
    ///
    /// If the value has been dropped: in a destructor at the end of the coroutine.
    ///
    /// # Examples
    ///
    /// ```
    /// tarae::coroutine_local! {
    ///     static NAME: String = "nobody".into();
    /// }
    ///
    /// assert_eq!(tarae::spawn(|| NAME.with(String::len)).join().unwrap(), 6);
    /// ```
    pub fn with<F, R>(&'static self, f: F) -> R
    where
        F: FnOnce(&T) -> R,
    {
        match self.try_with(f) {
            Ok(result) => result,
            Err(error) => refuse(error),
        }
    }

    /// As [`with`](Self::with).
    ///
    /// As [`std::thread::LocalKey::try_with`].
    ///
    /// # Errors
    ///
    /// If the value has been dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// tarae::coroutine_local! {
    ///     static NAME: String = "nobody".into();
    /// }
    ///
    /// assert_eq!(NAME.try_with(String::len), Ok(6)); // an error only at the very end
    /// ```
    pub fn try_with<F, R>(&'static self, f: F) -> Result<R, AccessError>
    where
        F: FnOnce(&T) -> R,
    {
        self.find_or(None).map(|(value, _)| f(&value))
    }

    /// The value, made of `initial` or by the initialiser if this is its first use; and `initial`, if it was not needed.
    fn find_or(&'static self, initial: Option<T>) -> Result<(Rc<T>, Option<T>), AccessError> {
        let key = ptr::from_ref(self).addr();
        match store::find(key) {
            Found::There(value) => Ok((value.downcast().expect("the type of its declaration"), initial)),
            Found::Dropped => Err(AccessError),
            Found::Missing => {
                let value = Rc::new(initial.unwrap_or_else(self.value));
                store::put(key, Rc::clone(&value) as Rc<dyn Any>);
                Ok((value, None))
            }
        }
    }

    /// The value; made of `initial` if this is its first use, which is otherwise given to `change`.
    fn set_or<R>(&'static self, initial: T, change: impl FnOnce(&T, T) -> R) -> Option<R> {
        match self.find_or(Some(initial)) {
            Ok((value, Some(initial))) => Some(change(&value, initial)),
            Ok((_, None)) => None,
            Err(error) => refuse(error),
        }
    }
}

#[cold]
fn refuse(error: AccessError) -> ! {
    panic!("cannot access a coroutine local during or after its destruction: {error:?}")
}

impl<T: 'static> LocalKey<Cell<T>> {
    /// Sets the value; the initialiser does not run.
    ///
    /// As [`std::thread::LocalKey::set`].
    ///
    /// # Panics
    ///
    /// As [`with`](Self::with).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::Cell;
    ///
    /// tarae::coroutine_local! {
    ///     static COUNT: Cell<u32> = const { Cell::new(1) };
    /// }
    ///
    /// COUNT.set(2);
    /// assert_eq!(COUNT.get(), 2);
    /// ```
    pub fn set(&'static self, value: T) {
        self.set_or(Cell::new(value), |cell, value| cell.set(value.into_inner()));
    }

    /// Returns a copy of the value.
    ///
    /// As [`std::thread::LocalKey::get`].
    ///
    /// # Panics
    ///
    /// As [`with`](Self::with).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::Cell;
    ///
    /// tarae::coroutine_local! {
    ///     static COUNT: Cell<u32> = const { Cell::new(1) };
    /// }
    ///
    /// assert_eq!(COUNT.get(), 1);
    /// ```
    pub fn get(&'static self) -> T
    where
        T: Copy,
    {
        self.with(Cell::get)
    }

    /// Takes the value, and leaves the default.
    ///
    /// As [`std::thread::LocalKey::take`].
    ///
    /// # Panics
    ///
    /// As [`with`](Self::with).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::Cell;
    ///
    /// tarae::coroutine_local! {
    ///     static COUNT: Cell<u32> = const { Cell::new(1) };
    /// }
    ///
    /// assert_eq!((COUNT.take(), COUNT.get()), (1, 0));
    /// ```
    pub fn take(&'static self) -> T
    where
        T: Default,
    {
        self.with(Cell::take)
    }

    /// Replaces the value, and returns what it was.
    ///
    /// As [`std::thread::LocalKey::replace`].
    ///
    /// # Panics
    ///
    /// As [`with`](Self::with).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::Cell;
    ///
    /// tarae::coroutine_local! {
    ///     static COUNT: Cell<u32> = const { Cell::new(1) };
    /// }
    ///
    /// assert_eq!((COUNT.replace(2), COUNT.get()), (1, 2));
    /// ```
    pub fn replace(&'static self, value: T) -> T {
        self.with(|cell| cell.replace(value))
    }

    /// Sets the value to what `f` makes of a copy of it.
    ///
    /// As [`Cell::update`].
    ///
    /// # Panics
    ///
    /// As [`with`](Self::with).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::Cell;
    ///
    /// tarae::coroutine_local! {
    ///     static COUNT: Cell<u32> = const { Cell::new(1) };
    /// }
    ///
    /// COUNT.update(|count| count + 1);
    /// assert_eq!(COUNT.get(), 2);
    /// ```
    pub fn update(&'static self, f: impl FnOnce(T) -> T)
    where
        T: Copy,
    {
        self.with(|cell| cell.set(f(cell.get())));
    }
}

impl<T: 'static> LocalKey<RefCell<T>> {
    /// Calls `f` with the value.
    ///
    /// As [`std::thread::LocalKey::with_borrow`].
    ///
    /// # Panics
    ///
    /// If it is mutably borrowed; and as [`with`](Self::with).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::RefCell;
    ///
    /// tarae::coroutine_local! {
    ///     static WORDS: RefCell<Vec<&'static str>> = RefCell::new(vec!["skein"]);
    /// }
    ///
    /// assert_eq!(WORDS.with_borrow(Vec::len), 1);
    /// ```
    pub fn with_borrow<F, R>(&'static self, f: F) -> R
    where
        F: FnOnce(&T) -> R,
    {
        self.with(|cell| f(&cell.borrow()))
    }

    /// Calls `f` with the value, which it may change.
    ///
    /// As [`std::thread::LocalKey::with_borrow_mut`].
    ///
    /// # Panics
    ///
    /// If it is borrowed; and as [`with`](Self::with).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::RefCell;
    ///
    /// tarae::coroutine_local! {
    ///     static WORDS: RefCell<Vec<&'static str>> = RefCell::new(vec!["skein"]);
    /// }
    ///
    /// WORDS.with_borrow_mut(|words| words.push("thread"));
    /// assert_eq!(WORDS.with_borrow(Vec::len), 2);
    /// ```
    pub fn with_borrow_mut<F, R>(&'static self, f: F) -> R
    where
        F: FnOnce(&mut T) -> R,
    {
        self.with(|cell| f(&mut cell.borrow_mut()))
    }

    /// Sets the value; the initialiser does not run.
    ///
    /// As [`std::thread::LocalKey::set`].
    ///
    /// # Panics
    ///
    /// If it is borrowed; and as [`with`](Self::with).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::RefCell;
    ///
    /// tarae::coroutine_local! {
    ///     static WORDS: RefCell<Vec<&'static str>> = RefCell::new(vec!["skein"]);
    /// }
    ///
    /// WORDS.set(vec![]);
    /// assert!(WORDS.take().is_empty());
    /// ```
    pub fn set(&'static self, value: T) {
        // What it was is dropped after the borrow, as its destructor may look here.
        drop(self.set_or(RefCell::new(value), |cell, value| cell.replace(value.into_inner())));
    }

    /// Takes the value, and leaves the default.
    ///
    /// As [`std::thread::LocalKey::take`].
    ///
    /// # Panics
    ///
    /// If it is borrowed; and as [`with`](Self::with).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::RefCell;
    ///
    /// tarae::coroutine_local! {
    ///     static WORDS: RefCell<Vec<&'static str>> = RefCell::new(vec!["skein"]);
    /// }
    ///
    /// assert_eq!(WORDS.take(), ["skein"]);
    /// assert!(WORDS.take().is_empty());
    /// ```
    pub fn take(&'static self) -> T
    where
        T: Default,
    {
        self.with(RefCell::take)
    }

    /// Replaces the value, and returns what it was.
    ///
    /// As [`std::thread::LocalKey::replace`].
    ///
    /// # Panics
    ///
    /// If it is borrowed; and as [`with`](Self::with).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::RefCell;
    ///
    /// tarae::coroutine_local! {
    ///     static WORDS: RefCell<Vec<&'static str>> = RefCell::new(vec!["skein"]);
    /// }
    ///
    /// assert_eq!(WORDS.replace(vec!["thread"]), ["skein"]);
    /// assert_eq!(WORDS.take(), ["thread"]);
    /// ```
    pub fn replace(&'static self, value: T) -> T {
        self.with(|cell| cell.replace(value))
    }
}

impl<T: 'static> fmt::Debug for LocalKey<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalKey").finish_non_exhaustive()
    }
}

/// The value has been dropped: the coroutine, or the kernel thread, is about to end.
///
/// As [`std::thread::AccessError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccessError;

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("already destroyed")
    }
}

impl Error for AccessError {}
