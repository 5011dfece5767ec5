//! The mutex: mixed waiters, fairness, and storms of cancellations.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tarae::sync::{Mutex, TryLockError};
use tarae::thread;

use crate::support::seed::Random;
use crate::support::{bounded, eventually, ms, on_workers, runtime, with_runtimes};

/// What may be done under a lock, or between two.
fn dawdle(random: &mut Random) {
    match random.below(8) {
        0 => thread::yield_now(),
        1 => tarae::sleep(std::time::Duration::from_micros(random.below(200))),
        2 => (0..random.below(200)).for_each(|_| std::hint::spin_loop()),
        _ => {}
    }
}

/// Adds, so that an addition by two at once would be lost.
fn add_slowly(count: &mut usize, random: &mut Random) {
    let seen = *count;
    dawdle(random);
    *count = seen + 1;
}

#[test]
fn coroutines_and_kernel_threads_exclude_each_other() {
    const EACH: usize = 300;
    with_runtimes(|runtime| {
        let mut random = Random::from_environment();
        let count = Arc::new(Mutex::new(0));
        let work = |mut random: Random, count: Arc<Mutex<usize>>| {
            move || {
                for _ in 0..EACH {
                    add_slowly(&mut count.lock().unwrap(), &mut random);
                    dawdle(&mut random);
                }
            }
        };
        let coroutines: Vec<_> =
            (0..8).map(|_| runtime.spawn(work(random.split(), Arc::clone(&count)))).collect();
        let threads: Vec<_> =
            (0..3).map(|_| std::thread::spawn(work(random.split(), Arc::clone(&count)))).collect();
        coroutines.into_iter().for_each(|coroutine| coroutine.join().unwrap());
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(*count.lock().unwrap(), 11 * EACH);
        assert!(count.try_lock().is_ok());
    });
}

#[test]
fn those_in_line_are_served_in_order() {
    on_workers(|| {
        let order = Arc::new(Mutex::new(Vec::new()));
        let held = order.lock().unwrap();
        let waiters: Vec<_> = (0..10)
            .map(|number| {
                let order = Arc::clone(&order);
                let waiter = thread::spawn(move || order.lock().unwrap().push(number));
                // Until it stands in line, which nobody outside can see.
                tarae::sleep(ms(5));
                waiter
            })
            .collect();
        drop(held);
        waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
        assert_eq!(*order.lock().unwrap(), Vec::from_iter(0..10));
    });
}

/// One that takes the lock again at once is handed off from, though it never waits.
#[test]
fn one_that_keeps_taking_it_does_not_starve_the_others() {
    with_runtimes(|runtime| {
        let (lock, over) = (Arc::new(Mutex::new(())), Arc::new(AtomicBool::new(false)));
        let greedy = runtime.spawn({
            let (lock, over) = (Arc::clone(&lock), Arc::clone(&over));
            move || {
                while !over.load(Ordering::Relaxed) {
                    let held = lock.lock().unwrap();
                    tarae::yield_now();
                    drop(held);
                }
            }
        });
        let meek = runtime.spawn({
            let lock = Arc::clone(&lock);
            move || (0..20).for_each(|_| drop(lock.lock().unwrap()))
        });
        (0..20).for_each(|_| drop(lock.lock().unwrap()));
        meek.join().unwrap();
        over.store(true, Ordering::Relaxed);
        greedy.join().unwrap();
    });
}

#[test]
fn a_cancelled_waiter_leaves_the_line() {
    on_workers(|| {
        let lock = Arc::new(Mutex::new(0));
        let held = lock.lock().unwrap();
        let [first, second] = [1, 2].map(|number| {
            let lock = Arc::clone(&lock);
            thread::spawn(move || *lock.lock().unwrap() = number)
        });
        tarae::sleep(ms(5));
        first.cancel();
        assert!(first.join().is_err());
        drop(held);
        second.join().unwrap();
        assert_eq!(*lock.lock().unwrap(), 2);
        assert!(!lock.is_poisoned());
    });
}

#[test]
fn a_cancelled_holder_poisons() {
    on_workers(|| {
        let lock = Arc::new(Mutex::new(0));
        let (theirs, holds) = (Arc::clone(&lock), Arc::new(AtomicBool::new(false)));
        let tells = Arc::clone(&holds);
        let holder = thread::spawn(move || {
            let _held = theirs.lock().unwrap();
            tells.store(true, Ordering::Relaxed);
            tarae::sleep(std::time::Duration::MAX);
        });
        eventually("it holds the lock", || holds.load(Ordering::Relaxed));
        assert!(matches!(lock.try_lock(), Err(TryLockError::WouldBlock)));
        holder.cancel();
        assert!(holder.join().is_err());
        assert!(lock.is_poisoned());
        assert_eq!(lock.lock().unwrap_err().into_inner().to_string(), "0");
    });
}

/// Everyone who got the lock has counted it, whoever was cancelled on the way; and it is free in the end.
#[test]
fn a_storm_of_cancellations_loses_no_lock() {
    for workers in [1, 2, 8] {
        bounded(move || {
            let runtime = runtime(workers);
            let mut random = Random::from_environment();
            let (lock, entries) = (Arc::new(Mutex::new(0)), Arc::new(AtomicUsize::new(0)));
            for _ in 0..20 {
                let waiters: Vec<_> = (0..20)
                    .map(|_| {
                        let (lock, entries) = (Arc::clone(&lock), Arc::clone(&entries));
                        let mut random = random.split();
                        runtime.spawn(move || {
                            for _ in 0..10 {
                                let mut held = lock.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                                let seen = *held;
                                entries.fetch_add(1, Ordering::Relaxed);
                                // Before it may unwind.
                                *held = seen + 1;
                                dawdle(&mut random);
                                assert_eq!(*held, seen + 1, "nobody else was there");
                            }
                        })
                    })
                    .collect();
                let keen = std::thread::spawn({
                    let (lock, entries) = (Arc::clone(&lock), Arc::clone(&entries));
                    move || {
                        for _ in 0..20 {
                            *lock.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) += 1;
                            entries.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
                for waiter in &waiters {
                    if random.below(2) == 0 {
                        waiter.cancel();
                    }
                    dawdle(&mut random);
                }
                for waiter in waiters {
                    if let Err(payload) = waiter.join() {
                        assert!(!payload.is::<String>(), "an assertion in a waiter");
                    }
                }
                keen.join().unwrap();
            }
            let count = *lock.try_lock().unwrap_or_else(|error| match error {
                TryLockError::Poisoned(poisoned) => poisoned.into_inner(),
                TryLockError::WouldBlock => panic!("the lock is held by nobody"),
            });
            assert_eq!(count, entries.load(Ordering::Relaxed));
        });
    }
}
