//! The face is std's: the same texts, the same markers, the same poison.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind};
use std::sync as theirs;
use std::sync::{PoisonError, TryLockError};
use std::time::Duration;

use tarae_sync as ours;

/// The same steps on ours and on std's; both must say the same.
macro_rules! both {
    (|$sync:ident| $body:expr) => {{
        let a = {
            use crate::ours as $sync;
            $body
        };
        let b = {
            use crate::theirs as $sync;
            $body
        };
        assert_eq!(a, b);
    }};
}

fn text(value: impl Debug) -> String {
    format!("{value:?} {value:#?}")
}

/// Unwinds past the hook.
fn unwind() -> ! {
    std::panic::resume_unwind(Box::new("on purpose"))
}

fn unwinds<T>(f: impl FnOnce() -> T) -> bool {
    catch_unwind(AssertUnwindSafe(f)).is_err()
}

fn panic_text(f: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(f)).expect_err("it panics");
    payload
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or(payload.downcast_ref::<String>().cloned())
        .expect("a text")
}

#[test]
fn debug_texts_are_those_of_std() {
    both!(|sync| {
        let mutex = sync::Mutex::new(vec![1]);
        let guard = mutex.lock().unwrap();
        let held = (text(&mutex), text(&guard));
        drop(guard);
        assert!(unwinds(|| {
            let _guard = mutex.lock();
            unwind();
        }));
        (held, text(&mutex), text(mutex.lock()), text(mutex.try_lock()))
    });
    both!(|sync| {
        let lock = sync::RwLock::new("a");
        let reader = lock.read().unwrap();
        let read = (text(&lock), text(&reader), reader.to_string());
        drop(reader);
        let writer = lock.write().unwrap();
        let written = (text(&lock), text(&writer), writer.to_string());
        drop(writer);
        assert!(unwinds(|| {
            let _guard = lock.write();
            unwind();
        }));
        (read, written, text(&lock))
    });
    both!(|sync| (text(sync::Condvar::new()), text(sync::Barrier::new(1)), text(sync::Once::new())));
    both!(|sync| text(sync::Barrier::new(1).wait()));
    both!(|sync| {
        let guard = sync::Mutex::new(());
        text(sync::Condvar::new().wait_timeout(guard.lock().unwrap(), Duration::ZERO).unwrap().1)
    });
    both!(|sync| {
        let mut state = String::new();
        sync::Once::new().call_once_force(|once| state = text(once));
        state
    });
    both!(|sync| {
        let cell = sync::OnceLock::new();
        let empty = text(&cell);
        cell.set(3).unwrap();
        (empty, text(&cell), text(cell.clone()), cell == sync::OnceLock::from(3))
    });
    both!(|sync| {
        let lazy = sync::LazyLock::new(|| 3);
        (text(&lazy), *lazy, text(&lazy), text(sync::LazyLock::<String>::default()))
    });
    both!(|sync| (sync::Mutex::new(1).lock().unwrap().to_string(), text(sync::Mutex::<u8>::default())));
}

#[test]
fn poison_is_that_of_std() {
    both!(|sync| {
        let mutex = sync::Mutex::new(1);
        let mut seen = Vec::new();
        assert!(unwinds(|| {
            let _guard = mutex.lock().unwrap();
            unwind();
        }));
        seen.push(mutex.is_poisoned());
        *mutex.lock().unwrap_or_else(PoisonError::into_inner) = 2;
        seen.push(matches!(mutex.try_lock(), Err(TryLockError::Poisoned(guard)) if **guard.get_ref() == 2));
        mutex.clear_poison();
        seen.push(mutex.lock().is_ok());
        // Not by a guard taken while unwinding, nor by one dropped before.
        struct Locks<'a>(&'a sync::Mutex<i32>);
        impl Drop for Locks<'_> {
            fn drop(&mut self) {
                drop(self.0.lock());
            }
        }
        assert!(unwinds(|| {
            let _locks = Locks(&mutex);
            drop(mutex.lock());
            unwind();
        }));
        seen.push(mutex.is_poisoned());
        assert!(unwinds(|| {
            let _guard = mutex.lock().unwrap();
            unwind();
        }));
        let mut mutex = mutex;
        seen.push(mutex.get_mut().is_err());
        seen.push(mutex.into_inner().is_err());
        seen
    });
    both!(|sync| {
        let lock = sync::RwLock::new(1);
        let mut seen = Vec::new();
        assert!(unwinds(|| {
            let _guard = lock.read().unwrap();
            unwind();
        }));
        seen.push(lock.is_poisoned());
        assert!(unwinds(|| {
            let _guard = lock.write().unwrap();
            unwind();
        }));
        seen.extend([
            lock.is_poisoned(),
            lock.read().is_err(),
            lock.try_read().is_err(),
            lock.try_write().is_err(),
        ]);
        lock.clear_poison();
        assert!(unwinds(|| {
            let _guard = sync::RwLockWriteGuard::downgrade(lock.write().unwrap());
            unwind();
        }));
        seen.push(lock.is_poisoned());
        seen.push(lock.into_inner().is_ok());
        seen
    });
}

#[test]
fn a_once_that_unwound_is_poisoned_as_that_of_std() {
    both!(|sync| {
        let once = sync::Once::new();
        assert!(unwinds(|| once.call_once(|| unwind())));
        let texts = (panic_text(|| once.call_once(|| ())), panic_text(|| once.wait()));
        let before = once.is_completed();
        let mut poisoned = None;
        once.call_once_force(|state| poisoned = Some(state.is_poisoned()));
        once.wait();
        once.call_once(|| unwind());
        (texts, before, poisoned, once.is_completed())
    });
    both!(|sync| {
        let cell = sync::OnceLock::new();
        assert!(unwinds(|| cell.get_or_init(|| unwind())));
        let empty = cell.get().is_none();
        let set = cell.set(1);
        let again = cell.set(2);
        let mut cell = cell;
        let taken = cell.take();
        (empty, set, again, taken, cell.get().is_none(), *cell.get_or_init(|| 4), cell.into_inner())
    });
    both!(|sync| {
        let lazy: sync::LazyLock<u8, _> = sync::LazyLock::new(|| unwind());
        assert!(unwinds(|| *lazy));
        (panic_text(|| assert_eq!(*lazy, 0)), sync::LazyLock::get(&lazy).is_none(), text(&lazy))
    });
    both!(|sync| {
        let mut lazy = sync::LazyLock::new(|| 1);
        let before = sync::LazyLock::get_mut(&mut lazy).is_none();
        *sync::LazyLock::force_mut(&mut lazy) += 1;
        *lazy += 1;
        (before, *lazy, sync::LazyLock::get(&lazy).copied())
    });
}

/// Whether a type has a marker, asked so that the answer may be no.
macro_rules! has {
    ($marker:path, $of:ty) => {{
        #[allow(dead_code, reason = "one of the two answers")]
        trait No {
            const ANSWER: bool = false;
        }
        impl<T: ?Sized> No for T {}
        #[allow(dead_code, reason = "one of the two answers")]
        struct Ask<T: ?Sized>(std::marker::PhantomData<T>);
        #[allow(dead_code, reason = "one of the two answers")]
        impl<T: ?Sized + $marker> Ask<T> {
            const ANSWER: bool = true;
        }
        <Ask<$of>>::ANSWER
    }};
}

macro_rules! markers {
    ($of:ty) => {
        (has!(Send, $of), has!(Sync, $of), has!(UnwindSafe, $of), has!(RefUnwindSafe, $of), has!(Unpin, $of))
    };
}

#[test]
fn markers_are_those_of_std() {
    use std::cell::{Cell, RefCell};
    use std::marker::PhantomPinned;
    use std::rc::Rc;
    type NotUnwindSafe = &'static mut u8;
    type Local = Rc<u8>;
    type Unshared = Cell<u8>;
    type Pinned = PhantomPinned;
    macro_rules! of_each {
        ($sync:ident, $($name:ident$(<$life:lifetime>)?),*) => {
            vec![$(
                markers!($sync::$name<$($life,)? u8>),
                markers!($sync::$name<$($life,)? NotUnwindSafe>),
                markers!($sync::$name<$($life,)? Local>),
                markers!($sync::$name<$($life,)? Unshared>),
                markers!($sync::$name<$($life,)? Pinned>),
                markers!($sync::$name<$($life,)? RefCell<Local>>),
            )*]
        };
    }
    both!(|sync| of_each!(
        sync,
        Mutex,
        RwLock,
        OnceLock,
        LazyLock,
        MutexGuard<'static>,
        RwLockReadGuard<'static>,
        RwLockWriteGuard<'static>
    ));
    both!(|sync| vec![
        markers!(sync::Condvar),
        markers!(sync::Barrier),
        markers!(sync::BarrierWaitResult),
        markers!(sync::Once),
        markers!(sync::OnceState),
        markers!(sync::WaitTimeoutResult),
        markers!(sync::LazyLock<u8, Rc<u8>>),
        markers!(sync::LazyLock<u8, &'static mut u8>),
    ]);
}

/// Unsized values, constants, and a guard that lends less than the whole: it compiles.
#[test]
fn what_std_takes_is_taken() {
    static MUTEX: ours::Mutex<Vec<u8>> = ours::Mutex::new(Vec::new());
    static LOCK: ours::RwLock<u8> = ours::RwLock::new(1);
    static CONDVAR: ours::Condvar = ours::Condvar::new();
    static BARRIER: ours::Barrier = ours::Barrier::new(1);
    static SEMAPHORE: ours::Semaphore = ours::Semaphore::new(1);
    MUTEX.lock().unwrap().push(1);
    CONDVAR.notify_all();
    assert!(BARRIER.wait().is_leader() && SEMAPHORE.try_acquire().is_ok());
    let slice: &ours::Mutex<[u8]> = &ours::Mutex::new([1, 2, 3]);
    assert_eq!(slice.lock().unwrap().len(), 3);
    let object: Box<ours::RwLock<dyn Debug>> = Box::new(ours::RwLock::new(1));
    assert_eq!(text(&*object.read().unwrap()), "1 1");
    // Readers are covariant in their value.
    fn shorten<'a>(
        guard: ours::RwLockReadGuard<'a, &'static str>,
        _: &'a str,
    ) -> ours::RwLockReadGuard<'a, &'a str> {
        guard
    }
    let names = ours::RwLock::new("a");
    assert_eq!(*shorten(names.read().unwrap(), "b"), "a");
    assert_eq!(*LOCK.read().unwrap(), 1);
}

/// A lock, idle, is not much larger than what it guards.
#[test]
fn locks_are_small() {
    assert!(size_of::<ours::Mutex<()>>() <= 32);
    assert!(size_of::<ours::RwLock<()>>() <= 32);
    assert!(size_of::<ours::Once>() <= 32);
}
