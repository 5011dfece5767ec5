//! The read-write lock: readers together, writers alone, whoever is cancelled.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use tarae::sync::{Barrier, PoisonError, RwLock, RwLockWriteGuard, TryLockError};
use tarae::thread;

use crate::support::seed::Random;
use crate::support::{MOMENT, bounded, ms, on_workers, runtime};

#[test]
fn readers_read_together_and_a_writer_waits_for_them() {
    on_workers(|| {
        let lock = Arc::new(RwLock::new(0));
        // Each waits for the others with the lock held.
        let barrier = Arc::new(Barrier::new(3));
        let read = |lock: Arc<RwLock<i32>>, barrier: Arc<Barrier>| {
            move || {
                let value = lock.read().unwrap();
                barrier.wait();
                *value
            }
        };
        let coroutines = [0; 2].map(|_| thread::spawn(read(Arc::clone(&lock), Arc::clone(&barrier))));
        let kernel_thread = std::thread::spawn(read(Arc::clone(&lock), Arc::clone(&barrier)));
        let seen: Vec<i32> = coroutines.into_iter().map(|reader| reader.join().unwrap()).collect();
        assert_eq!((seen, tarae::blocking(|| kernel_thread.join().unwrap())), (vec![0, 0], 0));
        let reader = lock.read().unwrap();
        let writer = thread::spawn({
            let lock = Arc::clone(&lock);
            move || *lock.write().unwrap() = 1
        });
        tarae::sleep(MOMENT);
        assert!(!writer.is_finished());
        assert!(matches!(lock.try_read(), Err(TryLockError::WouldBlock)), "no reader overtakes a writer");
        assert_eq!(*reader, 0);
        drop(reader);
        writer.join().unwrap();
        assert_eq!(*lock.read().unwrap(), 1);
    });
}

#[test]
fn a_cancelled_writer_lets_by_the_readers_behind_it() {
    on_workers(|| {
        let lock = Arc::new(RwLock::new(0));
        let held = lock.read().unwrap();
        let writer = thread::spawn({
            let lock = Arc::clone(&lock);
            move || *lock.write().unwrap() = 1
        });
        tarae::sleep(ms(5));
        let readers = [0; 3].map(|_| {
            let lock = Arc::clone(&lock);
            thread::spawn(move || *lock.read().unwrap())
        });
        tarae::sleep(ms(5));
        writer.cancel();
        // With `held` still there.
        for reader in readers {
            assert_eq!(reader.join().unwrap(), 0);
        }
        assert!(writer.join().is_err());
        assert!(!lock.is_poisoned());
        drop(held);
    });
}

#[test]
fn a_downgrade_lets_in_those_who_read() {
    on_workers(|| {
        let lock = Arc::new(RwLock::new(0));
        let mut writer = lock.write().unwrap();
        let readers = [0; 3].map(|_| {
            let lock = Arc::clone(&lock);
            thread::spawn(move || *lock.read().unwrap())
        });
        tarae::sleep(ms(5));
        *writer = 1;
        let reader = RwLockWriteGuard::downgrade(writer);
        for other in readers {
            assert_eq!(other.join().unwrap(), 1);
        }
        assert!(lock.try_write().is_err());
        drop(reader);
        assert!(lock.try_write().is_ok());
    });
}

/// Never a writer with anybody else; and the lock is free in the end.
#[test]
fn a_storm_of_cancellations_loses_no_lock() {
    const WRITES: i32 = 1_000;
    for workers in [1, 2, 8] {
        bounded(move || {
            let runtime = runtime(workers);
            let mut random = Random::from_environment();
            let lock = Arc::new(RwLock::new(()));
            // Who is inside: readers count one each, a writer a thousand.
            let inside = Arc::new(AtomicI32::new(0));
            struct Inside<'a>(&'a AtomicI32, i32);
            impl Drop for Inside<'_> {
                fn drop(&mut self) {
                    self.0.fetch_sub(self.1, Ordering::SeqCst);
                }
            }
            let work = |lock: Arc<RwLock<()>>, inside: Arc<AtomicI32>, mut random: Random| {
                move || {
                    for _ in 0..20 {
                        if random.below(3) == 0 {
                            let _held = lock.write().unwrap_or_else(PoisonError::into_inner);
                            assert_eq!(inside.fetch_add(WRITES, Ordering::SeqCst), 0, "a writer is alone");
                            let _inside = Inside(&inside, WRITES);
                            thread::yield_now();
                        } else {
                            let _held = lock.read().unwrap_or_else(PoisonError::into_inner);
                            assert!(inside.fetch_add(1, Ordering::SeqCst) < WRITES, "no writer is there");
                            let _inside = Inside(&inside, 1);
                            thread::yield_now();
                        }
                    }
                }
            };
            for _ in 0..15 {
                let spawn = |random: &mut Random| {
                    runtime.spawn(work(Arc::clone(&lock), Arc::clone(&inside), random.split()))
                };
                let coroutines: Vec<_> = (0..16).map(|_| spawn(&mut random)).collect();
                let kernel_thread =
                    std::thread::spawn(work(Arc::clone(&lock), Arc::clone(&inside), random.split()));
                for coroutine in &coroutines {
                    if random.below(2) == 0 {
                        coroutine.cancel();
                    }
                    if random.below(4) == 0 {
                        thread::sleep(std::time::Duration::from_micros(random.below(100)));
                    }
                }
                for coroutine in coroutines {
                    if let Err(payload) = coroutine.join() {
                        assert!(
                            !payload.is::<String>() && !payload.is::<&str>(),
                            "an assertion in a coroutine"
                        );
                    }
                }
                kernel_thread.join().unwrap();
            }
            assert_eq!(inside.load(Ordering::SeqCst), 0);
            assert!(!matches!(lock.try_write(), Err(TryLockError::WouldBlock)), "held by nobody");
        });
    }
}
