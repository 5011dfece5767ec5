//! It stays on its kernel thread, which is its own, until it lets go.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tarae::thread;
use tarae::{ThreadLock, blocking, lock_thread};

use crate::claims::{under_pressure, wait_in_every_way};
use crate::kernel::{kernel_thread, kernel_threads};
use crate::support::{child, eventually, ms};

#[test]
fn it_stays_on_its_kernel_thread_alone_whatever_it_waits_for() {
    under_pressure(|claims| {
        let lock = lock_thread().unwrap();
        let home = claims.claim();
        (0..10).for_each(|_| wait_in_every_way(claims, home));
        claims.give_up(home);
        drop(lock);
    });
}

#[test]
fn locking_itself_moves_nobody() {
    under_pressure(|_| {
        for _ in 0..50 {
            let before = kernel_thread();
            let lock = lock_thread().unwrap();
            assert_eq!(kernel_thread(), before, "it stays where it is");
            drop(lock);
            thread::yield_now();
        }
    });
}

#[test]
fn nested_locks_count() {
    under_pressure(|claims| {
        for first_out_first in [true, false] {
            let mut locks = vec![lock_thread().unwrap(), lock_thread().unwrap(), lock_thread().unwrap()];
            let home = claims.claim();
            while locks.len() > 1 {
                drop(if first_out_first { locks.remove(0) } else { locks.pop().unwrap() });
                (0..3).for_each(|_| wait_in_every_way(claims, home));
                // One more, and gone: it still counts.
                drop(lock_thread().unwrap());
                tarae::sleep(ms(1));
                assert_eq!(kernel_thread(), home);
            }
            claims.give_up(home);
            drop(locks);
            thread::yield_now();
            claims.assert_not_here();
        }
    });
}

#[test]
fn the_guard_is_not_send() {
    // Two implementations fit whatever is Send, and then the call is ambiguous: it would not compile.
    trait UnlessSend<Marker> {
        fn compiles() {}
    }
    struct Send_;
    impl<T: ?Sized> UnlessSend<()> for T {}
    impl<T: ?Sized + Send> UnlessSend<Send_> for T {}
    <ThreadLock as UnlessSend<_>>::compiles();
}

#[test]
fn on_a_kernel_thread_it_does_nothing() {
    child::alone("stays::on_a_kernel_thread_it_does_nothing", || {
        let before = kernel_threads();
        let home = kernel_thread();
        let (outer, inner) = (lock_thread().unwrap(), lock_thread().unwrap());
        drop(outer);
        tarae::sleep(ms(1));
        drop(inner);
        std::mem::forget(lock_thread().unwrap());
        assert_eq!(kernel_thread(), home);
        assert_eq!(kernel_threads(), before, "no runtime starts for it");
    });
}

#[test]
fn what_belongs_to_the_kernel_thread_is_the_coroutines_own() {
    const NAME: &str = "painted";
    fn name() -> String {
        std::fs::read_to_string("/proc/thread-self/comm").unwrap().trim_end().to_owned()
    }
    under_pressure(|_| {
        let painter = tarae::spawn(|| {
            // It does not take the paint off: nobody else may get this thread.
            std::mem::forget(lock_thread().unwrap());
            std::fs::write("/proc/thread-self/comm", NAME).unwrap();
            for _ in 0..20 {
                tarae::sleep(ms(1));
                assert_eq!(name(), NAME);
            }
        });
        let others: Vec<_> = (0..10)
            .map(|_| {
                tarae::spawn(|| {
                    for _ in 0..50 {
                        assert_ne!(name(), NAME, "another one's kernel thread");
                        tarae::sleep(Duration::from_micros(500));
                    }
                })
            })
            .collect();
        painter.join().unwrap();
        others.into_iter().for_each(|other| other.join().unwrap());
    });
}

#[test]
fn an_unlocked_coroutine_moves_again() {
    // With one worker too: a hand-over brings it to another kernel thread.
    under_pressure(|_| {
        let lock = lock_thread().unwrap();
        let home = kernel_thread();
        tarae::sleep(ms(1));
        drop(lock);
        eventually("it moves", || {
            blocking(|| std::thread::sleep(ms(1)));
            kernel_thread() != home
        });
    });
}

#[test]
fn a_hundred_are_locked_at_once() {
    const COUNT: usize = 100;
    under_pressure(|claims| {
        let all_in = Arc::new(AtomicU32::new(0));
        let one = |_| {
            let (claims, all_in) = (Arc::clone(claims), Arc::clone(&all_in));
            tarae::spawn(move || {
                let lock = lock_thread().unwrap();
                let home = claims.claim();
                all_in.fetch_add(1, Ordering::SeqCst);
                eventually("all are locked", || all_in.load(Ordering::SeqCst) as usize == COUNT);
                wait_in_every_way(&claims, home);
                claims.give_up(home);
                drop(lock);
                thread::yield_now();
                home
            })
        };
        let all: Vec<_> = (0..COUNT).map(one).collect();
        let homes: BTreeSet<i64> = all.into_iter().map(|one| one.join().unwrap()).collect();
        assert_eq!(homes.len(), COUNT);
    });
}
