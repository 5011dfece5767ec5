//! A panic of a writer poisons a `RwLock`; one of a reader does not.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::counted::Count;
use crate::subject::sync::{PoisonError, RwLock, RwLockWriteGuard, TryLockError};
use crate::subject::thread;
use crate::support::{eventually, ms, panic_on_purpose};
use crate::threads::{Threads, everywhere};

/// A lock whose writer has panicked, after it has set it to 2.
fn poisoned(threads: &Threads) -> Arc<RwLock<i32>> {
    let lock = Arc::new(RwLock::new(1));
    let own = Arc::clone(&lock);
    threads.panics(move || {
        let mut guard = own.write().unwrap();
        *guard = 2;
        panic_on_purpose()
    });
    lock
}

#[test]
fn a_writers_panic_poisons_reads_and_writes() {
    everywhere(|threads| {
        let lock = poisoned(threads);
        assert!(lock.is_poisoned());
        threads.each(4, move |number| match number % 2 {
            0 => assert_eq!(*lock.read().unwrap_err().into_inner(), 2),
            _ => assert_eq!(*lock.write().unwrap_err().into_inner(), 2),
        });
    });
}

#[test]
fn a_readers_panic_does_not() {
    everywhere(|threads| {
        let lock = Arc::new(RwLock::new(1));
        let own = Arc::clone(&lock);
        threads.panics(move || {
            let (_one, _other) = (own.read().unwrap(), own.try_read().unwrap());
            panic_on_purpose()
        });
        assert!(!lock.is_poisoned());
        *lock.write().unwrap() += 1;
        assert_eq!(*lock.read().unwrap(), 2);
    });
}

#[test]
fn a_downgraded_writers_panic_does_not() {
    everywhere(|threads| {
        let lock = Arc::new(RwLock::new(1));
        let own = Arc::clone(&lock);
        threads.panics(move || {
            let _read = RwLockWriteGuard::downgrade(own.write().unwrap());
            panic_on_purpose()
        });
        assert!(!lock.is_poisoned());
        assert!(lock.try_write().is_ok(), "its guard is gone");
    });
}

#[test]
fn tries_say_poisoned_and_give_the_guard() {
    everywhere(|threads| {
        let lock = poisoned(threads);
        let Err(TryLockError::Poisoned(error)) = lock.try_write() else { panic!("it is poisoned") };
        *error.into_inner() += 1;
        let Err(TryLockError::Poisoned(error)) = lock.try_read() else { panic!("it is poisoned") };
        let read = error.into_inner();
        assert_eq!(*read, 3);
        assert!(matches!(lock.try_write(), Err(TryLockError::WouldBlock)), "held comes before poisoned");
        assert!(matches!(lock.try_read(), Err(TryLockError::Poisoned(_))));
    });
}

#[test]
fn readers_of_a_poisoned_one_are_inside_together() {
    everywhere(|threads| {
        let lock = poisoned(threads);
        let one = lock.read().unwrap_or_else(PoisonError::into_inner);
        let elsewhere = Arc::clone(&lock);
        threads.spawn(move || drop(elsewhere.read().unwrap_or_else(PoisonError::into_inner))).join();
        assert_eq!(*one, 2);
        drop(one);
        assert!(lock.is_poisoned());
    });
}

#[test]
fn a_poisoned_value_comes_out_and_is_dropped_once() {
    everywhere(|threads| {
        let count = Count::default();
        let lock = Arc::new(RwLock::new(count.value()));
        let own = Arc::clone(&lock);
        threads.panics(move || {
            let _guard = own.write().unwrap();
            panic_on_purpose()
        });
        let mut lock = Arc::into_inner(lock).expect("the other has ended");
        assert_eq!(lock.get_mut().unwrap_err().into_inner().number, 0);
        drop(lock.into_inner().unwrap_err());
        count.all_dropped(1);
    });
}

#[test]
fn a_cleared_one_is_as_before_until_the_next_panic() {
    everywhere(|threads| {
        let lock = poisoned(threads);
        lock.clear_poison();
        assert!(!lock.is_poisoned());
        assert_eq!(*lock.read().unwrap(), 2);
        drop(lock.write().unwrap());
        let own = Arc::clone(&lock);
        threads.panics(move || {
            let _guard = own.write().unwrap();
            panic_on_purpose()
        });
        assert!(lock.read().is_err() && lock.write().is_err());
    });
}

struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        self.0();
    }
}

#[test]
fn a_destructor_writes_while_its_thread_unwinds_and_does_not_poison() {
    everywhere(|threads| {
        let lock = Arc::new(RwLock::new(1));
        let own = Arc::clone(&lock);
        threads.panics(move || {
            let _last = OnDrop(|| {
                *own.write().unwrap() += 1;
                drop(own.read());
            });
            panic_on_purpose()
        });
        assert_eq!(*lock.read().unwrap(), 2);
    });
}

#[test]
fn a_destructor_waits_for_a_reader_while_its_thread_unwinds() {
    everywhere(|threads| {
        let (lock, unwinds) = (Arc::new(RwLock::new(1)), Arc::new(AtomicBool::new(false)));
        let read = lock.read().unwrap();
        let unwinding = threads.spawn({
            let (lock, unwinds) = (Arc::clone(&lock), Arc::clone(&unwinds));
            move || -> () {
                let _last = OnDrop(|| {
                    unwinds.store(true, Ordering::SeqCst);
                    *lock.write().unwrap() += 1;
                });
                panic_on_purpose()
            }
        });
        eventually("it unwinds", || unwinds.load(Ordering::SeqCst));
        thread::sleep(ms(5));
        assert_eq!(*read, 1);
        drop(read);
        assert!(unwinding.outcome().is_err());
        assert_eq!(*lock.read().unwrap(), 2);
    });
}

#[test]
fn where_a_panic_is_caught_decides() {
    everywhere(|_| {
        let lock = RwLock::new(());
        let guard = lock.write().unwrap();
        assert!(catch_unwind(|| panic_on_purpose()).is_err());
        drop(guard);
        assert!(!lock.is_poisoned(), "inside of the guard");
        let caught = catch_unwind(AssertUnwindSafe(|| {
            let _guard = lock.write().unwrap();
            panic_on_purpose()
        }));
        assert!(caught.is_err() && lock.is_poisoned(), "outside of the guard");
    });
}

#[test]
fn waiting_readers_and_writers_get_the_poison() {
    everywhere(|threads| {
        let (lock, go) = (Arc::new(RwLock::new(())), Arc::new(AtomicBool::new(false)));
        let holder = threads.spawn({
            let (lock, go) = (Arc::clone(&lock), Arc::clone(&go));
            move || -> () {
                let _guard = lock.write().unwrap();
                eventually("the sign", || go.load(Ordering::SeqCst));
                panic_on_purpose()
            }
        });
        eventually("it is held", || lock.try_read().is_err());
        let waiters: Vec<_> = (0..6)
            .map(|number| {
                let lock = Arc::clone(&lock);
                threads.spawn(move || match number % 2 {
                    0 => lock.read().is_err(),
                    _ => lock.write().is_err(),
                })
            })
            .collect();
        thread::sleep(ms(10));
        go.store(true, Ordering::SeqCst);
        assert!(holder.outcome().is_err());
        assert!(waiters.into_iter().all(|waiter| waiter.join()));
    });
}
