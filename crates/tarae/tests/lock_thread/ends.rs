//! Leaks, panics, and shutdowns.

use std::panic::catch_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::channel;

use tarae::thread;
use tarae::{blocking, is_cancelled, lock_thread};

use crate::claims::{Claims, Pressure, under_pressure, wait_in_every_way};
use crate::kernel::{kernel_thread, kernel_threads, passing_kernel_threads};
use crate::support::{
    LIMIT, MOMENT, ON_PURPOSE, WORKERS, bounded, child, eventually, hush, ms, panic_on_purpose, runtime,
    spin_while, text_of,
};

#[test]
fn a_leaked_guard_ends_the_kernel_thread_with_the_coroutine() {
    for workers in WORKERS {
        bounded(move || {
            let (runtime, claims) = (runtime(workers), Arc::new(Claims::default()));
            let pressure = Pressure::start(&runtime, &claims);
            for _ in 0..10 {
                let own = Arc::clone(&claims);
                let home = runtime.run(move || {
                    std::mem::forget(lock_thread().unwrap());
                    let home = own.claim();
                    wait_in_every_way(&own, home);
                    home
                });
                eventually("its kernel thread ends", || !kernel_threads().contains(&home));
                // The kernel may give its number to a new one.
                claims.0.lock().unwrap().remove(&home);
            }
            pressure.stop();
            eventually("no thread is locked", || runtime.metrics().threads.locked == 0);
            assert_eq!(runtime.run(|| 7), 7);
            runtime.shutdown_timeout(LIMIT).expect("everyone ends");
        });
    }
}

#[test]
fn a_leaked_guard_ends_the_kernel_thread_after_a_panic_too() {
    for workers in WORKERS {
        bounded(move || {
            hush();
            let runtime = runtime(workers);
            let (send, receive) = channel();
            let handle = runtime.spawn(move || {
                std::mem::forget(lock_thread().unwrap());
                send.send(kernel_thread()).unwrap();
                tarae::sleep(ms(1));
                panic_on_purpose()
            });
            let home = receive.recv().unwrap();
            assert_eq!(text_of(&*handle.join().unwrap_err()), ON_PURPOSE);
            eventually("its kernel thread ends", || !kernel_threads().contains(&home));
            assert_eq!(runtime.run(|| 7), 7);
            runtime.shutdown_timeout(LIMIT).expect("everyone ends");
        });
    }
}

#[test]
fn a_panic_unlocks() {
    under_pressure(|claims| {
        hush();
        for _ in 0..10 {
            let own = Arc::clone(claims);
            let locked = tarae::spawn(move || {
                let lock = lock_thread().unwrap();
                let home = own.claim();
                tarae::sleep(ms(1));
                own.give_up(home);
                let _lock = lock;
                panic_on_purpose()
            });
            assert_eq!(text_of(&*locked.join().unwrap_err()), ON_PURPOSE);
        }
        let caught = catch_unwind(|| {
            let _lock = lock_thread().unwrap();
            panic_on_purpose()
        });
        assert_eq!(text_of(&*caught.unwrap_err()), ON_PURPOSE);
        let home = kernel_thread();
        eventually("it moves", || {
            blocking(|| std::thread::sleep(ms(1)));
            kernel_thread() != home
        });
    });
}

#[test]
fn a_shutdown_cancels_it_like_any_other() {
    for workers in WORKERS {
        bounded(move || {
            let runtime = runtime(workers);
            let locked = Arc::new(AtomicU32::new(0));
            let one = |leaks: bool| {
                let locked = Arc::clone(&locked);
                runtime.spawn(move || {
                    let lock = lock_thread().unwrap();
                    if leaks {
                        std::mem::forget(lock_thread().unwrap());
                    }
                    locked.fetch_add(1, Ordering::SeqCst);
                    thread::park();
                    drop(lock);
                })
            };
            let all: Vec<_> = (0..20).map(|number| one(number % 2 == 0)).collect();
            eventually("all are locked", || locked.load(Ordering::SeqCst) == 20);
            std::thread::sleep(MOMENT);
            runtime.shutdown_timeout(LIMIT).expect("everyone ends");
            assert!(all.into_iter().all(|one| is_cancelled(&*one.join().unwrap_err())));
        });
    }
}

#[test]
fn a_shutdown_leaves_a_stuck_one_behind() {
    child::alone("ends::a_shutdown_leaves_a_stuck_one_behind", || {
        for workers in WORKERS {
            bounded(move || {
                let before = passing_kernel_threads().len();
                let runtime = runtime(workers);
                let (on, stuck) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
                let handle = runtime.spawn({
                    let (on, stuck) = (Arc::clone(&on), Arc::clone(&stuck));
                    move || {
                        let _lock = lock_thread().unwrap();
                        stuck.store(true, Ordering::SeqCst);
                        spin_while(|| on.load(Ordering::SeqCst));
                        "at last"
                    }
                });
                eventually("it is stuck", || stuck.load(Ordering::SeqCst));
                let left = runtime.shutdown_timeout(ms(50)).expect_err("it cannot be stopped");
                assert_eq!((left.coroutines, left.threads), (1, 1), "{left}");
                on.store(false, Ordering::SeqCst);
                assert_eq!(handle.join().unwrap(), "at last");
                eventually("its threads end", || passing_kernel_threads().len() <= before);
            });
        }
    });
}

#[test]
fn a_destructor_locks_while_a_panic_unwinds() {
    struct Locks(Arc<Claims>);
    impl Drop for Locks {
        fn drop(&mut self) {
            let lock = lock_thread().unwrap();
            let home = self.0.claim();
            tarae::sleep(ms(2));
            assert!(thread::panicking());
            self.0.give_up(home);
            drop(lock);
        }
    }
    under_pressure(|claims| {
        hush();
        for _ in 0..5 {
            let own = Locks(Arc::clone(claims));
            let panics = tarae::spawn(move || {
                let _own = own;
                panic_on_purpose()
            });
            assert_eq!(text_of(&*panics.join().unwrap_err()), ON_PURPOSE);
        }
    });
}
