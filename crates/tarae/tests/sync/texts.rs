//! `Debug`, `Display` and `Error`: what std's types print for equal states is what the subject's print.

use std::error::Error;
use std::fmt::{Debug, Display};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::hush;
use crate::support::{bounded, ms, panic_on_purpose};

/// What a value prints, on one line and on many. A guard is gone afterwards.
fn debug<T: Debug>(value: T) -> String {
    format!("{value:?} {value:#?} {value:5?}")
}

fn display<T: Display>(value: T) -> String {
    format!("{value} {value:>30}")
}

fn error<T: Error>(value: T) -> String {
    format!("{} {} source: {}", debug(&value), display(&value), value.source().is_some())
}

/// Evaluates the same statements with the subject's types and with std's, and compares the texts that they make.
macro_rules! same {
    ($texts:block) => {{
        let ours: Vec<String> = bounded(|| {
            #[allow(unused_imports, reason = "each uses some of it")]
            use crate::subject::sync::{mpsc::*, *};
            $texts
        });
        let stds: Vec<String> = bounded(|| {
            #[allow(unused_imports, reason = "each uses some of it")]
            use std::sync::{mpsc::*, *};
            $texts
        });
        assert_eq!(ours, stds);
    }};
}

/// Runs a closure that panics on purpose.
fn panicking(f: impl FnOnce()) {
    hush();
    assert!(catch_unwind(AssertUnwindSafe(f)).is_err());
}

#[test]
fn a_mutex_free_held_and_poisoned() {
    same!({
        let mutex = Mutex::new(vec![1, 2]);
        vec![debug(&mutex)]
    });
    same!({
        let mutex = Mutex::new("text");
        let guard = mutex.lock().unwrap();
        vec![debug(&mutex), debug(&guard), display(&guard)]
    });
    same!({
        let mutex = Mutex::new(5);
        panicking(|| {
            let _guard = mutex.lock();
            panic_on_purpose()
        });
        vec![debug(&mutex), debug(mutex.lock()), debug(mutex.try_lock()), error(mutex.lock().unwrap_err())]
    });
    same!({
        let mutex = Mutex::new(5);
        panicking(|| {
            let _guard = mutex.lock();
            panic_on_purpose()
        });
        let guard = mutex.lock().unwrap_err();
        vec![debug(&mutex), debug(guard.into_inner())]
    });
}

#[test]
fn a_mutex_of_something_unsized() {
    same!({
        let mutex: &Mutex<[u8]> = &Mutex::new([1, 2]);
        vec![debug(mutex), debug(mutex.lock().unwrap())]
    });
    same!({
        let mutex: &Mutex<dyn Debug> = &Mutex::new("x");
        vec![debug(mutex)]
    });
}

#[test]
#[allow(clippy::readonly_write_lock, reason = "that it is held is what matters")]
fn a_rwlock_free_read_written_and_poisoned() {
    same!({
        let lock = RwLock::new(Some(1));
        vec![debug(&lock)]
    });
    same!({
        let lock = RwLock::new("text");
        let read = lock.read().unwrap();
        vec![debug(&lock), debug(&read), display(&read), debug(lock.try_write().map(drop))]
    });
    same!({
        let lock = RwLock::new("text");
        let write = lock.write().unwrap();
        vec![debug(&lock), debug(&write), display(&write), debug(lock.try_read().map(drop))]
    });
    same!({
        let lock = RwLock::new(5);
        panicking(|| {
            let _guard = lock.write();
            panic_on_purpose()
        });
        vec![debug(&lock), debug(lock.read()), debug(lock.try_write()), error(lock.write().unwrap_err())]
    });
}

#[test]
fn poison_and_try_lock_errors() {
    same!({
        let poison = PoisonError::new(1);
        vec![error(&poison)]
    });
    same!({
        let poison = TryLockError::from(PoisonError::new(1));
        vec![error(&poison)]
    });
    same!({
        let held = TryLockError::<()>::WouldBlock;
        vec![error(&held)]
    });
}

#[test]
fn the_description_that_is_deprecated() {
    #[expect(deprecated, reason = "std still has it")]
    fn description<T: Error>(value: &T) -> String {
        value.description().to_owned()
    }
    same!({
        let held = TryLockError::<()>::WouldBlock;
        let poison = TryLockError::from(PoisonError::new(1));
        vec![description(&held), description(&poison), description(&PoisonError::new(1))]
    });
    same!({
        vec![
            description(&SendError(1)),
            description(&RecvError),
            description(&TrySendError::Full(1)),
            description(&TrySendError::Disconnected(1)),
            description(&TryRecvError::Empty),
            description(&TryRecvError::Disconnected),
            description(&RecvTimeoutError::Timeout),
            description(&RecvTimeoutError::Disconnected),
        ]
    });
}

#[test]
fn condvar_barrier_and_their_results() {
    same!({
        let condvar = Condvar::new();
        vec![debug(&condvar)]
    });
    same!({
        let barrier = Barrier::new(1);
        vec![debug(&barrier), debug(barrier.wait())]
    });
    same!({
        let mutex = Mutex::new(1);
        let condvar = Condvar::new();
        let late = condvar.wait_timeout_while(mutex.lock().unwrap(), ms(1), |_| true).unwrap().1;
        vec![debug(late), debug(condvar.wait_timeout_while(mutex.lock().unwrap(), ms(1), |_| false).unwrap())]
    });
}

#[test]
fn a_once_before_while_and_after() {
    same!({
        let once = Once::new();
        let before = debug(&once);
        let mut inside = String::new();
        once.call_once_force(|state| inside = debug(&once) + &debug(state));
        vec![before, inside, debug(&once)]
    });
    same!({
        let once = Once::new();
        panicking(|| once.call_once(|| panic_on_purpose()));
        let before = debug(&once);
        let mut inside = String::new();
        once.call_once_force(|state| inside = debug(state));
        vec![before, inside, debug(&once)]
    });
}

#[test]
fn a_once_lock_empty_and_set() {
    same!({
        let cell = OnceLock::<u8>::new();
        vec![debug(&cell)]
    });
    same!({
        let cell = OnceLock::from(vec!["x"]);
        vec![debug(&cell)]
    });
    same!({
        let cell = OnceLock::new();
        let inside = std::cell::OnceCell::new();
        let _set = cell.get_or_init(|| {
            inside.set(debug(&cell)).unwrap();
            5
        });
        vec![inside.into_inner().unwrap(), debug(&cell), debug(cell.set(6))]
    });
}

#[test]
fn a_lazy_lock_before_and_after_and_poisoned() {
    same!({
        let lazy = LazyLock::<Vec<u8>>::new(|| vec![1]);
        let before = debug(&lazy);
        let _made = LazyLock::force(&lazy);
        vec![before, debug(&lazy)]
    });
    same!({
        let lazy = LazyLock::<u8>::new(|| panic_on_purpose());
        panicking(|| assert_eq!(*LazyLock::force(&lazy), 0));
        vec![debug(&lazy)]
    });
}

#[test]
fn the_ends_of_channels() {
    same!({
        let (sender, receiver) = channel::<u8>();
        vec![debug(&sender), debug(&receiver), debug(receiver.iter()), debug(receiver.try_iter())]
    });
    same!({
        let (sender, receiver) = sync_channel::<u8>(1);
        vec![debug(&sender), debug(receiver.into_iter())]
    });
}

#[test]
fn the_errors_of_channels() {
    #[derive(Debug)]
    #[expect(dead_code, reason = "shown or not shown by Debug")]
    struct Message(u8);
    same!({
        vec![
            error(SendError(Message(1))),
            error(TrySendError::Full(Message(1))),
            error(TrySendError::Disconnected(Message(1))),
            error(RecvError),
            error(TryRecvError::Empty),
            error(TryRecvError::Disconnected),
            error(RecvTimeoutError::Timeout),
            error(RecvTimeoutError::Disconnected),
        ]
    });
    // None of them asks anything of the message.
    struct Silent;
    same!({
        let all: [Box<dyn Error>; 3] = [
            Box::new(SendError(Silent)),
            Box::new(TrySendError::Full(Silent)),
            Box::new(TrySendError::Disconnected(Silent)),
        ];
        vec![debug(&all), all.iter().map(|one| one.to_string()).collect()]
    });
}

#[test]
fn the_errors_of_channels_become_each_other() {
    same!({
        vec![
            debug(TrySendError::from(SendError(1))),
            debug(TryRecvError::from(RecvError)),
            debug(RecvTimeoutError::from(RecvError)),
        ]
    });
}

#[test]
fn nothing_is_asked_of_a_value_that_is_not_shown() {
    /// Neither `Debug` nor anything else.
    struct Silent;
    same!({
        let mutex = Mutex::new(Silent);
        let lock = RwLock::new(Silent);
        panicking(|| {
            let _guards = (mutex.lock(), lock.write());
            panic_on_purpose()
        });
        vec![
            error(mutex.lock().err().unwrap()),
            error(lock.read().err().unwrap()),
            error(lock.try_write().err().unwrap()),
        ]
    });
}
