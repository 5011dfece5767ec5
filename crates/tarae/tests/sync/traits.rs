//! Auto traits, bounds and signatures: a type is `Send`, `Sync`, `Unpin`, `UnwindSafe` and has a destructor where std's does.

use std::cell::Cell;
use std::error::Error;
use std::fmt::{Debug, Display};
use std::marker::PhantomData;
use std::ops::DerefMut;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::rc::Rc;

/// The auto traits of a type, asked at compile time: an inherent constant hides the one of the trait.
struct Of<T: ?Sized>(PhantomData<T>);

#[allow(dead_code, reason = "each is used for the types that do not have the trait")]
trait Otherwise {
    const SEND: bool = false;
    const SYNC: bool = false;
    const UNPIN: bool = false;
    const UNWIND_SAFE: bool = false;
    const REF_UNWIND_SAFE: bool = false;
    const CLONE: bool = false;
    const COPY: bool = false;
    const DEBUG: bool = false;
    const DISPLAY: bool = false;
    const DEFAULT: bool = false;
    const ERROR: bool = false;
    const EQ: bool = false;
    const DEREF_MUT: bool = false;
    const ITERATOR: bool = false;
    const INTO_ITERATOR: bool = false;
}

impl<T: ?Sized> Otherwise for Of<T> {}

macro_rules! asked {
    ($($name:ident: $bound:path),* $(,)?) => {
        $(#[allow(dead_code, reason = "each is used for the types that have the trait")]
        impl<T: ?Sized + $bound> Of<T> {
            const $name: bool = true;
        })*

        /// Every answer for a type, with its question.
        macro_rules! traits {
            ($kind:ty) => {
                [$((stringify!($name), <Of<$kind>>::$name)),*]
            };
        }
    };
}

asked!(
    SEND: Send,
    SYNC: Sync,
    UNPIN: Unpin,
    UNWIND_SAFE: UnwindSafe,
    REF_UNWIND_SAFE: RefUnwindSafe,
    CLONE: Clone,
    COPY: Copy,
    DEBUG: Debug,
    DISPLAY: Display,
    DEFAULT: Default,
    ERROR: Error,
    EQ: Eq,
    DEREF_MUT: DerefMut,
    ITERATOR: Iterator,
    INTO_ITERATOR: IntoIterator,
);

/// Neither `Send` nor `Sync`, and shows nothing.
struct Local(#[expect(dead_code, reason = "only its traits matter")] Rc<u8>);
type NotSync = Cell<u8>;
/// `Sync`, but not `Send`.
struct Pinned(
    #[expect(dead_code, reason = "only its traits matter")] std::sync::MutexGuard<'static, u8>,
    std::marker::PhantomPinned,
);
type Unique = &'static mut u8;
type Object = dyn Debug;
type SendObject = dyn Debug + Send;
type Slice = [u8];

/// Compares one type for each of these parameters.
macro_rules! same {
    ($kind:ident; $($parameter:ty),*) => {
        $(same!(@ $parameter, crate::subject::sync::$kind<$parameter>, std::sync::$kind<$parameter>);)*
    };
    ($kind:ident<'static>; $($parameter:ty),*) => {
        $(same!(
            @ $parameter, crate::subject::sync::$kind<'static, $parameter>, std::sync::$kind<'static, $parameter>
        );)*
    };
    (@ $parameter:ty, $ours:ty, $stds:ty) => {
        assert_eq!(traits!($ours), traits!($stds), "{}", stringify!($stds))
    };
    ($kind:ident) => {
        assert_eq!(traits!(crate::subject::sync::$kind), traits!(std::sync::$kind), "{}", stringify!($kind));
    };
}

/// The same for a type of `mpsc`.
macro_rules! same_mpsc {
    ($kind:ident; $($parameter:ty),*) => {
        $(same!(@ $parameter, crate::subject::sync::mpsc::$kind<$parameter>, std::sync::mpsc::$kind<$parameter>);)*
    };
    ($kind:ident<'static>; $($parameter:ty),*) => {
        $(same!(
            @ $parameter, crate::subject::sync::mpsc::$kind<'static, $parameter>, std::sync::mpsc::$kind<'static, $parameter>
        );)*
    };
    ($kind:ident) => {
        assert_eq!(
            traits!(crate::subject::sync::mpsc::$kind),
            traits!(std::sync::mpsc::$kind),
            "{}", stringify!($kind)
        );
    };
}

#[test]
fn the_questions_are_answered_rightly() {
    assert_eq!(traits!(Rc<u8>)[..3], [("SEND", false), ("SYNC", false), ("UNPIN", true)]);
    assert_eq!(traits!(NotSync)[..3], [("SEND", true), ("SYNC", false), ("UNPIN", true)]);
    assert_eq!(traits!(Pinned)[..3], [("SEND", false), ("SYNC", true), ("UNPIN", false)]);
    assert_eq!(traits!(Unique)[3..5], [("UNWIND_SAFE", false), ("REF_UNWIND_SAFE", true)]);
    assert_eq!(traits!(u8)[5..8], [("CLONE", true), ("COPY", true), ("DEBUG", true)]);
}

#[test]
fn locks_and_their_guards() {
    same!(Mutex; u8, Local, NotSync, Pinned, Unique, Object, SendObject, Slice);
    same!(RwLock; u8, Local, NotSync, Pinned, Unique, Object, SendObject, Slice);
    same!(MutexGuard<'static>; u8, Local, NotSync, Pinned, Unique, SendObject, Slice);
    same!(RwLockReadGuard<'static>; u8, Local, NotSync, Pinned, Unique, SendObject, Slice);
    same!(RwLockWriteGuard<'static>; u8, Local, NotSync, Pinned, Unique, SendObject, Slice);
    // What the comparison is most of all about.
    const { assert!(!<Of<crate::subject::sync::MutexGuard<'static, u8>>>::SEND) };
    const { assert!(!<Of<crate::subject::sync::RwLockReadGuard<'static, u8>>>::SEND) };
    const { assert!(!<Of<crate::subject::sync::RwLockWriteGuard<'static, u8>>>::SEND) };
}

#[test]
fn errors_of_locks() {
    same!(PoisonError; u8, Local, NotSync, Unique);
    same!(TryLockError; u8, Local, NotSync, Unique);
}

#[test]
fn what_has_no_parameter() {
    same!(Condvar);
    same!(WaitTimeoutResult);
    same!(Barrier);
    same!(BarrierWaitResult);
    same!(Once);
    same!(OnceState);
}

#[test]
fn what_is_made_once() {
    same!(OnceLock; u8, Local, NotSync, Pinned, Unique);
    same!(LazyLock; u8, Local, NotSync, Pinned, Unique);
    type WithLocal = Box<dyn FnOnce() -> u8>;
    type WithSend = Box<dyn FnOnce() -> u8 + Send>;
    assert_eq!(
        traits!(crate::subject::sync::LazyLock<u8, WithLocal>),
        traits!(std::sync::LazyLock<u8, WithLocal>)
    );
    assert_eq!(
        traits!(crate::subject::sync::LazyLock<u8, WithSend>),
        traits!(std::sync::LazyLock<u8, WithSend>)
    );
}

#[test]
fn channels_their_iterators_and_their_errors() {
    same_mpsc!(Sender; u8, Local, NotSync, Pinned, Unique);
    same_mpsc!(SyncSender; u8, Local, NotSync, Pinned, Unique);
    same_mpsc!(Receiver; u8, Local, NotSync, Pinned, Unique);
    same_mpsc!(Iter<'static>; u8, Local, NotSync);
    same_mpsc!(TryIter<'static>; u8, Local, NotSync);
    same_mpsc!(IntoIter; u8, Local, NotSync);
    same_mpsc!(SendError; u8, Local, NotSync, Unique);
    same_mpsc!(TrySendError; u8, Local, NotSync, Unique);
    same_mpsc!(RecvError);
    same_mpsc!(TryRecvError);
    same_mpsc!(RecvTimeoutError);
    const { assert!(!<Of<crate::subject::sync::mpsc::Receiver<u8>>>::SYNC) };
}

#[test]
fn a_value_is_dropped_where_std_drops_it() {
    use std::mem::needs_drop;
    // Those of u8 may be put where a destructor may not, as in std.
    assert_eq!(
        needs_drop::<crate::subject::sync::PoisonError<u8>>(),
        needs_drop::<std::sync::PoisonError<u8>>()
    );
    assert!(needs_drop::<crate::subject::sync::MutexGuard<'static, u8>>());
    assert!(needs_drop::<crate::subject::sync::RwLockReadGuard<'static, u8>>());
}

/// What lives as long as the lock itself may be inside of it, though it is dropped with it.
#[test]
fn what_is_inside_may_borrow_from_what_goes_first() {
    use crate::subject::sync::{Mutex, OnceLock, RwLock};
    let text = String::from("text");
    let (mutex, lock, cell) = (Mutex::new(""), RwLock::new(""), OnceLock::new());
    {
        *mutex.lock().unwrap() = &text;
        *lock.write().unwrap() = &text;
        cell.set(text.as_str()).unwrap();
    }
    assert_eq!(
        (mutex.into_inner().unwrap(), *lock.read().unwrap(), cell.get()),
        ("text", "text", Some(&"text"))
    );
}

#[test]
fn what_is_const_in_std_is_const() {
    use crate::subject::sync::{Barrier, Condvar, LazyLock, Mutex, Once, OnceLock, RwLock};
    const _: Mutex<Option<Rc<u8>>> = Mutex::new(None);
    const _: RwLock<[u8; 3]> = RwLock::new([1, 2, 3]);
    const _: Condvar = Condvar::new();
    const _: Barrier = Barrier::new(3);
    const _: Once = Once::new();
    const _: OnceLock<String> = OnceLock::new();
    const _: LazyLock<String> = LazyLock::new(String::new);
}
