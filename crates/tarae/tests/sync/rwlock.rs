//! `RwLock`: many readers, or one writer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicUsize, Ordering};

use crate::counted::Count;
use crate::subject::sync::{Barrier, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError};
use crate::subject::thread;
use crate::support::{MOMENT, eventually, ms};
use crate::threads::everywhere;

#[test]
fn it_is_read_and_written_in_turn() {
    everywhere(|_| {
        let lock = RwLock::new(1);
        assert_eq!(*lock.read().unwrap(), 1);
        *lock.write().unwrap() += 1;
        let (one, other) = (lock.read().unwrap(), lock.read().unwrap());
        assert_eq!((*one, *other), (2, 2));
        drop((one, other));
        *lock.write().unwrap() += 1;
        assert_eq!(*lock.read().unwrap(), 3);
    });
}

#[test]
fn readers_are_inside_at_the_same_time() {
    everywhere(|threads| {
        let (lock, all) = (Arc::new(RwLock::new(4)), Arc::new(Barrier::new(4)));
        let read = threads.each(4, move |_| {
            let guard = lock.read().unwrap();
            // Nobody passes before all four hold it.
            all.wait();
            *guard
        });
        assert_eq!(read, [4; 4]);
    });
}

#[test]
fn a_writer_is_alone() {
    everywhere(|threads| {
        let (lock, inside) = (Arc::new(RwLock::new(0)), Arc::new(AtomicIsize::new(0)));
        let shared = Arc::clone(&lock);
        threads.each(8, move |number| {
            for _ in 0..40 {
                if number % 2 == 0 {
                    let mut guard = shared.write().unwrap();
                    assert_eq!(inside.swap(-1, Ordering::SeqCst), 0);
                    let seen = *guard;
                    thread::yield_now();
                    *guard = seen + 1;
                    assert_eq!(inside.swap(0, Ordering::SeqCst), -1);
                } else {
                    let guard = shared.read().unwrap();
                    assert!(inside.fetch_add(1, Ordering::SeqCst) >= 0);
                    let seen = *guard;
                    thread::yield_now();
                    assert_eq!(*guard, seen);
                    assert!(inside.fetch_sub(1, Ordering::SeqCst) >= 1);
                }
            }
        });
        assert_eq!(*lock.read().unwrap(), 160);
    });
}

#[test]
fn a_reader_sees_all_of_a_write_or_nothing() {
    everywhere(|threads| {
        let lock = Arc::new(RwLock::new((0u32, 0u32)));
        let writer = threads.spawn({
            let lock = Arc::clone(&lock);
            move || {
                for number in 1..=100 {
                    let mut guard = lock.write().unwrap();
                    guard.0 = number;
                    thread::yield_now();
                    guard.1 = number;
                }
            }
        });
        let shared = Arc::clone(&lock);
        threads.each(4, move |_| {
            let mut last = 0;
            while last < 100 {
                let guard = shared.read().unwrap();
                assert!(guard.0 == guard.1 && guard.0 >= last, "{guard:?} after {last}");
                last = guard.0;
                drop(guard);
                thread::yield_now();
            }
        });
        writer.join();
    });
}

#[test]
fn a_writer_waits_for_the_readers() {
    everywhere(|threads| {
        let (lock, wrote) = (Arc::new(RwLock::new(1)), Arc::new(AtomicBool::new(false)));
        let (one, other) = (lock.read().unwrap(), lock.read().unwrap());
        let writer = threads.spawn({
            let (lock, wrote) = (Arc::clone(&lock), Arc::clone(&wrote));
            move || {
                *lock.write().unwrap() = 2;
                wrote.store(true, Ordering::SeqCst);
            }
        });
        thread::sleep(MOMENT);
        drop(one);
        thread::sleep(MOMENT);
        assert!(!wrote.load(Ordering::SeqCst) && *other == 1, "one still reads");
        drop(other);
        writer.join();
        assert_eq!(*lock.read().unwrap(), 2);
    });
}

#[test]
fn readers_wait_for_the_writer() {
    everywhere(|threads| {
        let (lock, read) = (Arc::new(RwLock::new(1)), Arc::new(AtomicUsize::new(0)));
        let mut guard = lock.write().unwrap();
        let readers: Vec<_> = (0..5)
            .map(|_| {
                let (lock, read) = (Arc::clone(&lock), Arc::clone(&read));
                threads.spawn(move || {
                    let value = *lock.read().unwrap();
                    read.fetch_add(1, Ordering::SeqCst);
                    value
                })
            })
            .collect();
        thread::sleep(MOMENT);
        assert_eq!(read.load(Ordering::SeqCst), 0);
        *guard = 9;
        drop(guard);
        readers.into_iter().for_each(|reader| assert_eq!(reader.join(), 9));
    });
}

#[test]
fn what_is_tried_does_not_wait() {
    everywhere(|threads| {
        let lock = Arc::new(RwLock::new(0));
        let tried = |lock: &RwLock<i32>| {
            let read = lock.try_read().map(drop).map_err(|error| matches!(error, TryLockError::WouldBlock));
            let write = lock.try_write().map(drop).map_err(|error| matches!(error, TryLockError::WouldBlock));
            (read, write)
        };
        let elsewhere = |lock: &Arc<RwLock<i32>>| {
            let lock = Arc::clone(lock);
            threads.spawn(move || tried(&lock)).join()
        };
        assert_eq!(tried(&lock), (Ok(()), Ok(())));
        let read = lock.read().unwrap();
        assert_eq!((tried(&lock), elsewhere(&lock)), ((Ok(()), Err(true)), (Ok(()), Err(true))));
        let second = lock.try_read().unwrap();
        drop(read);
        assert_eq!(elsewhere(&lock), (Ok(()), Err(true)), "the second still reads");
        drop(second);
        let mut write = lock.try_write().unwrap();
        *write = 5;
        assert_eq!((tried(&lock), elsewhere(&lock)), ((Err(true), Err(true)), (Err(true), Err(true))));
        drop(write);
        assert_eq!(elsewhere(&lock), (Ok(()), Ok(())));
        assert_eq!(*lock.try_read().unwrap(), 5);
    });
}

#[test]
fn forgotten_guards_lock_for_ever() {
    everywhere(|_| {
        let mut read = RwLock::new(1);
        std::mem::forget(read.read());
        assert!(read.try_write().is_err() && read.try_read().is_ok());
        assert_eq!(*read.get_mut().unwrap(), 1);
        let write = RwLock::new(1);
        std::mem::forget(write.write());
        assert!(write.try_write().is_err() && write.try_read().is_err());
        assert_eq!(write.into_inner().unwrap(), 1);
    });
}

#[test]
fn a_writer_becomes_a_reader_without_letting_anyone_between() {
    everywhere(|threads| {
        let (lock, stop) = (Arc::new(RwLock::new(0u64)), Arc::new(AtomicBool::new(false)));
        let rivals: Vec<_> = (0..3)
            .map(|_| {
                let (lock, stop) = (Arc::clone(&lock), Arc::clone(&stop));
                threads.spawn(move || {
                    while !stop.load(Ordering::SeqCst) {
                        *lock.write().unwrap() += 1;
                        thread::yield_now();
                    }
                })
            })
            .collect();
        for round in 0..100 {
            let mut write = lock.write().unwrap();
            *write = 1000 * round;
            let read = RwLockWriteGuard::downgrade(write);
            thread::yield_now();
            assert_eq!(*read, 1000 * round);
        }
        stop.store(true, Ordering::SeqCst);
        rivals.into_iter().for_each(|rival| rival.join());
    });
}

#[test]
fn a_downgrade_lets_the_waiting_readers_in() {
    everywhere(|threads| {
        let (lock, together) = (Arc::new(RwLock::new(1)), Arc::new(Barrier::new(4)));
        let mut write = lock.write().unwrap();
        let readers: Vec<_> = (0..3)
            .map(|_| {
                let (lock, together) = (Arc::clone(&lock), Arc::clone(&together));
                threads.spawn(move || {
                    let guard = lock.read().unwrap();
                    together.wait();
                    *guard
                })
            })
            .collect();
        thread::sleep(ms(10));
        *write = 2;
        let read = RwLockWriteGuard::downgrade(write);
        // All four hold it: the three were let in beside this one.
        together.wait();
        assert!(lock.try_write().is_err());
        assert_eq!(*read, 2);
        drop(read);
        readers.into_iter().for_each(|reader| assert_eq!(reader.join(), 2));
        assert!(lock.try_write().is_ok());
    });
}

#[test]
fn a_waiting_writer_gets_in_after_a_downgraded_one() {
    everywhere(|threads| {
        let (lock, wrote) = (Arc::new(RwLock::new(1)), Arc::new(AtomicBool::new(false)));
        let write = lock.write().unwrap();
        let writer = threads.spawn({
            let (lock, wrote) = (Arc::clone(&lock), Arc::clone(&wrote));
            move || {
                *lock.write().unwrap() += 1;
                wrote.store(true, Ordering::SeqCst);
            }
        });
        thread::sleep(ms(5));
        let read = RwLockWriteGuard::downgrade(write);
        thread::sleep(MOMENT);
        assert!(!wrote.load(Ordering::SeqCst) && *read == 1);
        drop(read);
        writer.join();
        assert_eq!(*lock.read().unwrap(), 2);
    });
}

#[test]
fn a_writer_gets_in_beside_readers_that_come_and_go() {
    everywhere(|threads| {
        let (lock, stop) = (Arc::new(RwLock::new(0)), Arc::new(AtomicBool::new(false)));
        let readers: Vec<_> = (0..4)
            .map(|_| {
                let (lock, stop) = (Arc::clone(&lock), Arc::clone(&stop));
                threads.spawn(move || {
                    while !stop.load(Ordering::SeqCst) {
                        drop(lock.read().unwrap());
                        thread::yield_now();
                    }
                })
            })
            .collect();
        (0..20).for_each(|_| *lock.write().unwrap() += 1);
        stop.store(true, Ordering::SeqCst);
        readers.into_iter().for_each(|reader| reader.join());
        assert_eq!(*lock.read().unwrap(), 20);
    });
}

#[test]
fn a_crowd_of_both_is_let_in() {
    everywhere(|threads| {
        let lock = Arc::new(RwLock::new(0));
        let guard = lock.write().unwrap();
        let crowd: Vec<_> = (0..24)
            .map(|number| {
                let lock = Arc::clone(&lock);
                threads.spawn(move || match number % 3 {
                    0 => *lock.write().unwrap() += 1,
                    _ => drop(lock.read().unwrap()),
                })
            })
            .collect();
        thread::sleep(ms(5));
        drop(guard);
        crowd.into_iter().for_each(|one| one.join());
        assert_eq!(*lock.read().unwrap(), 8);
        eventually("it is free", || lock.try_write().is_ok());
    });
}

#[test]
fn its_value_comes_out_and_is_dropped_once() {
    everywhere(|_| {
        let count = Count::default();
        let mut lock = RwLock::new(count.value());
        *lock.write().unwrap() = count.value();
        assert_eq!((count.dropped(), lock.read().unwrap().number), (1, 1));
        *lock.get_mut().unwrap() = count.value();
        let value = lock.into_inner().unwrap();
        assert_eq!((count.dropped(), value.number), (2, 2));
        drop((value, RwLock::new(count.value())));
        count.all_dropped(4);
    });
}

#[test]
fn it_is_made_by_default_and_from_a_value_and_in_a_static() {
    everywhere(|threads| {
        static TEXT: RwLock<String> = RwLock::new(String::new());
        threads.each(3, |_| TEXT.write().unwrap().push('x'));
        assert!(TEXT.read().unwrap().len().is_multiple_of(3));
        assert_eq!(*RwLock::<u8>::default().read().unwrap(), 0);
        assert_eq!(RwLock::from('x').into_inner().unwrap(), 'x');
        let array = [const { RwLock::new(()) }; 3];
        drop(array.each_ref().map(|lock| lock.write().unwrap()));
    });
}

#[test]
fn a_lock_holds_values_without_a_size_of_their_own() {
    everywhere(|threads| {
        trait Shape: Send + Sync {
            fn corners(&self) -> u32;
            fn cut(&mut self);
        }
        impl Shape for u32 {
            fn corners(&self) -> u32 {
                *self
            }
            fn cut(&mut self) {
                *self += 1;
            }
        }
        let slice: &RwLock<[i32]> = &RwLock::new([1, 2]);
        slice.write().unwrap()[0] = 5;
        assert_eq!(&*slice.read().unwrap(), [5, 2]);
        let shape: Arc<RwLock<dyn Shape>> = Arc::new(RwLock::new(3));
        let shared = Arc::clone(&shape);
        threads.each(4, move |_| {
            shared.write().unwrap().cut();
            assert!(shared.read().unwrap().corners() > 3);
        });
        assert_eq!(shape.read().unwrap().corners(), 7);
    });
}

#[test]
fn a_read_guard_of_something_long_lived_serves_as_one_of_something_shorter() {
    fn shortened<'lock, 'short>(
        guard: RwLockReadGuard<'lock, &'static str>,
        _until: &'short str,
    ) -> RwLockReadGuard<'lock, &'short str>
    where
        'short: 'lock,
    {
        guard
    }
    let local = String::from("local");
    let lock = RwLock::new("static");
    assert_eq!(*shortened(lock.read().unwrap(), &local), "static");
}
