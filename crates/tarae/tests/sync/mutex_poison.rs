//! A panic while a `Mutex` is held poisons it, in each way that can happen, and in no other.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::counted::Count;
use crate::subject::sync::{Mutex, PoisonError, TryLockError};
use crate::subject::thread;
use crate::support::{MOMENT, eventually, ms, panic_on_purpose};
use crate::threads::{Threads, everywhere};

/// A mutex that a panicking thread has set to 2.
fn poisoned(threads: &Threads) -> Arc<Mutex<i32>> {
    let mutex = Arc::new(Mutex::new(1));
    let own = Arc::clone(&mutex);
    threads.panics(move || {
        let mut guard = own.lock().unwrap();
        *guard = 2;
        panic_on_purpose()
    });
    mutex
}

#[test]
fn a_panic_of_who_holds_it_poisons_it_for_everyone() {
    everywhere(|threads| {
        let mutex = poisoned(threads);
        assert!(mutex.is_poisoned());
        threads.each(4, move |_| {
            let error = mutex.lock().unwrap_err();
            assert_eq!((**error.get_ref(), *error.into_inner()), (2, 2));
        });
    });
}

#[test]
fn poison_stays_when_the_guard_in_the_error_is_dropped() {
    everywhere(|threads| {
        let mutex = poisoned(threads);
        for round in 0..3 {
            **mutex.lock().unwrap_err().get_mut() += round;
            *mutex.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        }
        assert!(mutex.is_poisoned());
        assert_eq!(*mutex.lock().unwrap_err().into_inner(), 2 + 3 + 3);
    });
}

#[test]
fn try_lock_says_poisoned_and_gives_the_guard() {
    everywhere(|threads| {
        let mutex = poisoned(threads);
        let Err(TryLockError::Poisoned(error)) = mutex.try_lock() else { panic!("it is poisoned") };
        let guard = error.into_inner();
        assert_eq!(*guard, 2);
        assert!(matches!(mutex.try_lock(), Err(TryLockError::WouldBlock)), "held comes before poisoned");
    });
}

#[test]
fn a_poisoned_value_can_be_taken_out_and_is_dropped_once() {
    everywhere(|threads| {
        let count = Count::default();
        for take in [true, false] {
            let mutex = Arc::new(Mutex::new(count.value()));
            let own = Arc::clone(&mutex);
            threads.panics(move || {
                let _guard = own.lock().unwrap();
                panic_on_purpose()
            });
            let mutex = Arc::into_inner(mutex).expect("the other has ended");
            if take {
                let error = mutex.into_inner().unwrap_err();
                assert_eq!(error.get_ref().number, 0);
                drop(error.into_inner());
            }
        }
        count.all_dropped(2);
    });
}

#[test]
fn get_mut_of_a_poisoned_one_is_an_error_that_lends_the_value() {
    everywhere(|threads| {
        let mut mutex = Arc::into_inner(poisoned(threads)).expect("the other has ended");
        *mutex.get_mut().unwrap_err().into_inner() += 1;
        assert!(mutex.is_poisoned());
        assert_eq!(mutex.into_inner().unwrap_err().into_inner(), 3);
    });
}

#[test]
fn cleared_it_is_as_before_until_the_next_panic() {
    everywhere(|threads| {
        let mutex = poisoned(threads);
        mutex.clear_poison();
        assert!(!mutex.is_poisoned());
        assert_eq!(*mutex.lock().unwrap(), 2);
        let own = Arc::clone(&mutex);
        threads.panics(move || {
            let _guard = own.lock().unwrap();
            panic_on_purpose()
        });
        assert!(mutex.lock().is_err());
        // By who holds the guard: after that it is clean at once.
        let guard = mutex.lock().unwrap_err().into_inner();
        mutex.clear_poison();
        drop(guard);
        drop(mutex.lock().unwrap());
        // What is clean stays so.
        mutex.clear_poison();
        assert!(!mutex.is_poisoned());
    });
}

#[test]
fn a_panic_without_the_lock_does_not_poison() {
    everywhere(|threads| {
        let mutex = Arc::new(Mutex::new(()));
        let own = Arc::clone(&mutex);
        threads.panics(move || {
            drop(own.lock().unwrap());
            panic_on_purpose()
        });
        let own = Arc::clone(&mutex);
        threads.panics(move || {
            std::mem::forget(own.try_lock());
            drop(own);
            panic_on_purpose()
        });
        assert!(!mutex.is_poisoned());
    });
}

#[test]
fn a_panic_that_is_caught_outside_of_the_guard_poisons() {
    everywhere(|_| {
        let mutex = Mutex::new(());
        let caught = catch_unwind(AssertUnwindSafe(|| {
            let _guard = mutex.lock().unwrap();
            panic_on_purpose()
        }));
        assert!(caught.is_err() && mutex.is_poisoned());
    });
}

#[test]
fn a_panic_that_is_caught_inside_of_the_guard_does_not() {
    everywhere(|_| {
        let mutex = Mutex::new(());
        let guard = mutex.lock().unwrap();
        assert!(catch_unwind(|| panic_on_purpose()).is_err());
        drop(guard);
        assert!(!mutex.is_poisoned());
    });
}

/// Runs what it holds when it is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        self.0();
    }
}

#[test]
fn a_destructor_locks_while_its_thread_unwinds_and_does_not_poison() {
    everywhere(|threads| {
        let mutex = Arc::new(Mutex::new(1));
        let own = Arc::clone(&mutex);
        threads.panics(move || {
            let _last = OnDrop(|| *own.lock().unwrap() += 1);
            panic_on_purpose()
        });
        assert_eq!(*mutex.lock().unwrap(), 2);
    });
}

#[test]
fn a_destructor_waits_for_a_held_lock_while_its_thread_unwinds() {
    everywhere(|threads| {
        let (mutex, unwinds) = (Arc::new(Mutex::new(1)), Arc::new(AtomicBool::new(false)));
        let mut guard = mutex.lock().unwrap();
        let unwinding = threads.spawn({
            let (mutex, unwinds) = (Arc::clone(&mutex), Arc::clone(&unwinds));
            move || {
                let _last = OnDrop(|| {
                    unwinds.store(true, Ordering::SeqCst);
                    let mut guard = mutex.lock().unwrap();
                    assert_eq!(*guard, 2);
                    *guard += 1;
                });
                panic_on_purpose()
            }
        });
        eventually("it unwinds", || unwinds.load(Ordering::SeqCst));
        thread::sleep(ms(5));
        *guard += 1;
        drop(guard);
        let outcome: std::thread::Result<()> = unwinding.outcome();
        assert!(outcome.is_err());
        assert_eq!(*mutex.lock().unwrap(), 3);
    });
}

#[test]
fn a_panic_within_an_unwinding_poisons_only_what_was_locked_before() {
    everywhere(|threads| {
        let (outer, inner) = (Arc::new(Mutex::new(())), Arc::new(Mutex::new(())));
        let (own_outer, own_inner) = (Arc::clone(&outer), Arc::clone(&inner));
        threads.panics(move || {
            let _guard = own_outer.lock().unwrap();
            let _last = OnDrop(|| {
                // Locked while it unwinds: that one more panic comes is not told apart.
                let caught = catch_unwind(AssertUnwindSafe(|| {
                    let _guard = own_inner.lock().unwrap();
                    panic_on_purpose()
                }));
                assert!(caught.is_err());
            });
            panic_on_purpose()
        });
        assert_eq!((outer.is_poisoned(), inner.is_poisoned()), (true, false));
    });
}

#[test]
fn every_lock_that_was_held_is_poisoned() {
    everywhere(|threads| {
        let all: Arc<Vec<Mutex<()>>> = Arc::new((0..5).map(|_| Mutex::new(())).collect());
        let own = Arc::clone(&all);
        threads.panics(move || {
            let _held: Vec<_> = own[..4].iter().map(|mutex| mutex.lock().unwrap()).collect();
            panic_on_purpose()
        });
        let poisoned: Vec<_> = all.iter().map(Mutex::is_poisoned).collect();
        assert_eq!(poisoned, [true, true, true, true, false]);
    });
}

#[test]
fn who_waits_for_it_gets_the_poison() {
    everywhere(|threads| {
        let (mutex, go) = (Arc::new(Mutex::new(())), Arc::new(AtomicBool::new(false)));
        let holder = threads.spawn({
            let (mutex, go) = (Arc::clone(&mutex), Arc::clone(&go));
            move || {
                let _guard = mutex.lock().unwrap();
                eventually("the sign", || go.load(Ordering::SeqCst));
                panic_on_purpose()
            }
        });
        eventually("it is held", || mutex.try_lock().is_err());
        let waiters: Vec<_> = (0..4)
            .map(|_| {
                let mutex = Arc::clone(&mutex);
                threads.spawn(move || mutex.lock().is_err())
            })
            .collect();
        thread::sleep(MOMENT);
        go.store(true, Ordering::SeqCst);
        let outcome: std::thread::Result<()> = holder.outcome();
        assert!(outcome.is_err() && waiters.into_iter().all(|waiter| waiter.join()));
    });
}

#[test]
fn a_neighbours_panic_poisons_nothing_of_ours() {
    everywhere(|threads| {
        let mutex = Arc::new(Mutex::new(0));
        let neighbours: Vec<_> = (0..4)
            .map(|_| {
                threads.spawn(|| {
                    let _slow = OnDrop(|| thread::sleep(ms(2)));
                    panic_on_purpose()
                })
            })
            .collect();
        for _ in 0..100 {
            let mut guard = mutex.lock().unwrap();
            *guard += 1;
            thread::yield_now();
        }
        assert_eq!(*mutex.lock().unwrap(), 100);
        for neighbour in neighbours {
            let outcome: std::thread::Result<()> = neighbour.outcome();
            assert!(outcome.is_err());
        }
    });
}

#[test]
fn an_error_is_made_of_anything_and_gives_it_back() {
    let mut error = PoisonError::new(5);
    *error.get_mut() += 1;
    assert_eq!((*error.get_ref(), error.into_inner()), (6, 6));
    let TryLockError::Poisoned(error) = TryLockError::from(PoisonError::new("x")) else {
        panic!("a poisoned one")
    };
    assert_eq!(error.into_inner(), "x");
}
