//! `Mutex`: one at a time, and nobody is forgotten.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::counted::Count;
use crate::subject::sync::{Condvar, Mutex, MutexGuard, TryLockError};
use crate::subject::thread;
use crate::support::{MOMENT, eventually, ms};
use crate::threads::everywhere;

#[test]
fn a_lock_can_be_taken_again_when_its_guard_is_gone() {
    everywhere(|_| {
        let mutex = Mutex::new(1);
        drop(mutex.lock().unwrap());
        *mutex.lock().unwrap() += 1;
        let mut guard = mutex.lock().unwrap();
        *guard *= 10;
        drop(guard);
        assert_eq!(*mutex.lock().unwrap(), 20);
    });
}

#[test]
fn no_increment_is_lost() {
    everywhere(|threads| {
        const THREADS: usize = 8;
        const ROUNDS: usize = 400;
        let mutex = Arc::new(Mutex::new(0));
        let shared = Arc::clone(&mutex);
        threads.each(THREADS, move |number| {
            for round in 0..ROUNDS {
                let mut guard = shared.lock().unwrap();
                let seen = *guard;
                if (round + number) % 50 == 0 {
                    // Held across a wait: whoever comes meanwhile has to.
                    thread::yield_now();
                }
                *guard = seen + 1;
            }
        });
        assert_eq!(*mutex.lock().unwrap(), THREADS * ROUNDS);
    });
}

#[test]
fn never_two_hold_it() {
    everywhere(|threads| {
        let (mutex, inside) = (Arc::new(Mutex::new(())), Arc::new(AtomicUsize::new(0)));
        threads.each(6, move |_| {
            for _ in 0..50 {
                let guard = mutex.lock().unwrap();
                assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0);
                thread::yield_now();
                assert_eq!(inside.fetch_sub(1, Ordering::Relaxed), 1);
                drop(guard);
            }
        });
    });
}

#[test]
fn a_lock_waits_until_the_guard_is_gone() {
    everywhere(|threads| {
        let (mutex, locked) = (Arc::new(Mutex::new(0)), Arc::new(AtomicBool::new(false)));
        let mut guard = mutex.lock().unwrap();
        let waiter = threads.spawn({
            let (mutex, locked) = (Arc::clone(&mutex), Arc::clone(&locked));
            move || {
                let guard = mutex.lock().unwrap();
                locked.store(true, Ordering::SeqCst);
                *guard
            }
        });
        thread::sleep(MOMENT);
        assert!(!locked.load(Ordering::SeqCst), "it is held");
        *guard = 7;
        drop(guard);
        assert_eq!(waiter.join(), 7);
    });
}

#[test]
fn a_crowd_of_waiters_is_let_in_one_after_the_other() {
    everywhere(|threads| {
        const CROWD: usize = 30;
        let mutex = Arc::new(Mutex::new(Vec::new()));
        let guard = mutex.lock().unwrap();
        let crowd: Vec<_> = (0..CROWD)
            .map(|number| {
                let mutex = Arc::clone(&mutex);
                threads.spawn(move || mutex.lock().unwrap().push(number))
            })
            .collect();
        thread::sleep(ms(5));
        drop(guard);
        crowd.into_iter().for_each(|one| one.join());
        let mut order = mutex.lock().unwrap().clone();
        order.sort_unstable();
        assert!(order.into_iter().eq(0..CROWD));
    });
}

#[test]
fn try_lock_succeeds_on_a_free_one_and_does_not_wait_for_a_held_one() {
    everywhere(|threads| {
        let mutex = Arc::new(Mutex::new(5));
        *mutex.try_lock().unwrap() = 6;
        let guard = mutex.lock().unwrap();
        assert!(matches!(mutex.try_lock(), Err(TryLockError::WouldBlock)), "also for who holds it");
        let elsewhere = Arc::clone(&mutex);
        threads.spawn(move || assert!(matches!(elsewhere.try_lock(), Err(TryLockError::WouldBlock)))).join();
        drop(guard);
        let elsewhere = Arc::clone(&mutex);
        assert_eq!(threads.spawn(move || *elsewhere.try_lock().unwrap()).join(), 6);
    });
}

#[test]
fn a_try_lock_that_succeeds_holds_it() {
    everywhere(|threads| {
        let mutex = Arc::new(Mutex::new(false));
        let mut guard = mutex.try_lock().unwrap();
        let waiter = threads.spawn({
            let mutex = Arc::clone(&mutex);
            move || *mutex.lock().unwrap()
        });
        thread::sleep(ms(5));
        *guard = true;
        drop(guard);
        assert!(waiter.join(), "it waited");
    });
}

#[test]
fn a_forgotten_guard_locks_for_ever() {
    everywhere(|threads| {
        let mutex = Arc::new(Mutex::new(()));
        std::mem::forget(mutex.lock().unwrap());
        let elsewhere = Arc::clone(&mutex);
        threads.spawn(move || assert!(matches!(elsewhere.try_lock(), Err(TryLockError::WouldBlock)))).join();
        assert!(!mutex.is_poisoned());
    });
}

#[test]
fn the_value_comes_out_and_is_dropped_once() {
    everywhere(|_| {
        let count = Count::default();
        let mutex = Mutex::new(count.value());
        assert_eq!(mutex.lock().unwrap().number, 0);
        let value = mutex.into_inner().unwrap();
        assert_eq!(count.dropped(), 0);
        drop(value);
        drop(Mutex::new(count.value()));
        let replaced = Mutex::new(count.value());
        *replaced.lock().unwrap() = count.value();
        assert_eq!(count.dropped(), 3);
        drop(replaced);
        count.all_dropped(4);
    });
}

#[test]
fn who_owns_it_needs_no_lock() {
    everywhere(|_| {
        let mut mutex = Mutex::new(String::from("a"));
        mutex.get_mut().unwrap().push('b');
        assert_eq!(*mutex.lock().unwrap(), "ab");
        assert_eq!(mutex.into_inner().unwrap(), "ab");
        // A guard that was forgotten does not matter to the owner.
        let mut forgotten = Mutex::new(1);
        std::mem::forget(forgotten.lock());
        *forgotten.get_mut().unwrap() += 1;
        assert_eq!(forgotten.into_inner().unwrap(), 2);
    });
}

#[test]
fn it_is_made_by_default_and_from_a_value() {
    assert_eq!(*Mutex::<u8>::default().lock().unwrap(), 0);
    assert_eq!(*Mutex::from("text").lock().unwrap(), "text");
    let inferred: Mutex<Vec<u8>> = vec![1].into();
    assert_eq!(inferred.into_inner().unwrap(), [1]);
}

#[test]
fn a_static_needs_no_initialiser() {
    everywhere(|threads| {
        static TOTAL: Mutex<(usize, Option<String>)> = Mutex::new((0, None));
        #[allow(clippy::declare_interior_mutable_const, reason = "each use is one of its own")]
        const EMPTY: Mutex<Vec<u8>> = Mutex::new(Vec::new());
        let before = TOTAL.lock().unwrap().0;
        threads.each(4, |_| TOTAL.lock().unwrap().0 += 1);
        assert_eq!(TOTAL.lock().unwrap().0, before + 4);
        let array = [const { Mutex::new(3) }; 2];
        assert_eq!(array.map(|mutex| mutex.into_inner().unwrap()), [3, 3]);
        assert!({ EMPTY }.into_inner().unwrap().is_empty());
    });
}

#[test]
fn values_without_a_size_of_their_own() {
    everywhere(|threads| {
        trait Counts: Send {
            fn count(&mut self) -> u32;
        }
        impl Counts for u32 {
            fn count(&mut self) -> u32 {
                *self += 1;
                *self
            }
        }
        let slice: &Mutex<[i32]> = &Mutex::new([1, 2, 3]);
        slice.lock().unwrap()[1] = 20;
        let guard: MutexGuard<'_, [i32]> = slice.lock().unwrap();
        assert_eq!(&*guard, [1, 20, 3]);
        let object: Arc<Mutex<dyn Counts>> = Arc::new(Mutex::new(0));
        let shared = Arc::clone(&object);
        threads.each(4, move |_| shared.lock().unwrap().count());
        assert_eq!(object.lock().unwrap().count(), 5);
        let mut boxed: Box<Mutex<[u8]>> = Box::new(Mutex::new([0; 4]));
        boxed.get_mut().unwrap().fill(9);
        assert_eq!(*boxed.lock().unwrap(), [9; 4]);
    });
}

#[test]
fn values_of_no_size_are_locked_as_well() {
    everywhere(|threads| {
        let (gate, inside) = (Arc::new(Mutex::new(())), Arc::new(AtomicBool::new(false)));
        threads.each(4, move |_| {
            let _guard = gate.lock().unwrap();
            assert!(!inside.swap(true, Ordering::SeqCst));
            thread::yield_now();
            inside.store(false, Ordering::SeqCst);
        });
    });
}

#[test]
fn a_mutex_can_hold_what_uses_other_mutexes() {
    everywhere(|threads| {
        let inner = Arc::new(Mutex::new(1));
        let outer = Arc::new(Mutex::new(Arc::clone(&inner)));
        let shared = Arc::clone(&outer);
        threads.each(3, move |_| {
            let inner = shared.lock().unwrap();
            *inner.lock().unwrap() += 1;
        });
        assert_eq!(*inner.lock().unwrap(), 4);
    });
}

#[test]
fn a_guard_lends_what_lives_in_the_mutex() {
    fn longest<'a>(guard: &'a MutexGuard<'_, Vec<String>>) -> &'a str {
        guard.iter().max_by_key(|text| text.len()).unwrap()
    }
    let mutex = Mutex::new(vec![String::from("a"), String::from("long")]);
    let guard = mutex.lock().unwrap();
    assert_eq!(longest(&guard), "long");
    assert_eq!(guard.len(), 2, "through Deref");
}

#[test]
fn a_guard_is_dropped_at_the_end_of_its_statement() {
    everywhere(|_| {
        let mutex = Mutex::new(vec![1]);
        mutex.lock().unwrap().push(2);
        assert_eq!(mutex.lock().unwrap().len(), 2);
        drop(mutex.try_lock().unwrap());
        // The scrutinee of a match is held to its end.
        match mutex.lock().unwrap().len() {
            2 => assert!(mutex.try_lock().is_err()),
            _ => unreachable!("two were pushed"),
        }
    });
}

#[test]
fn it_passes_between_two_through_a_condvar() {
    everywhere(|threads| {
        let pair = Arc::new((Mutex::new(0), Condvar::new()));
        let other = threads.spawn({
            let pair = Arc::clone(&pair);
            move || {
                for turn in 0..100 {
                    let mut at = pair.1.wait_while(pair.0.lock().unwrap(), |at| *at != 2 * turn + 1).unwrap();
                    *at += 1;
                    pair.1.notify_one();
                }
            }
        });
        for turn in 0..100 {
            *pair.0.lock().unwrap() = 2 * turn + 1;
            pair.1.notify_one();
            drop(pair.1.wait_while(pair.0.lock().unwrap(), |at| *at != 2 * turn + 2).unwrap());
        }
        other.join();
    });
}

#[test]
fn everyone_gets_a_turn_beside_one_who_takes_it_again_and_again() {
    everywhere(|threads| {
        let (mutex, stop) = (Arc::new(Mutex::new(0u64)), Arc::new(AtomicBool::new(false)));
        let greedy = threads.spawn({
            let (mutex, stop) = (Arc::clone(&mutex), Arc::clone(&stop));
            move || {
                while !stop.load(Ordering::SeqCst) {
                    *mutex.lock().unwrap() += 1;
                    thread::yield_now();
                }
            }
        });
        eventually("the greedy one runs", || *mutex.lock().unwrap() > 0);
        let shared = Arc::clone(&mutex);
        threads.each(3, move |_| (0..20).for_each(|_| *shared.lock().unwrap() += 1));
        stop.store(true, Ordering::SeqCst);
        greedy.join();
        assert!(*mutex.lock().unwrap() > 60);
    });
}
