//! Panics and cancellations go through it.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use tarae::{blocking, is_cancelled, thread};

use crate::support::{
    LIMIT, MOMENT, ON_PURPOSE, WORKERS, bounded, eventually, hush, ms, on_workers, panic_on_purpose, runtime,
    spin_while, text_of, with_runtimes,
};
use crate::turns::{OnDrop, until_another_ran};

#[test]
fn a_panic_goes_through() {
    on_workers(|| {
        hush();
        for _ in 0..10 {
            let caught = catch_unwind(|| {
                blocking(|| {
                    until_another_ran();
                    panic_on_purpose()
                })
            });
            assert_eq!(text_of(&*caught.unwrap_err()), ON_PURPOSE);
            assert!(!thread::panicking());
            // It has come back to a worker.
            tarae::sleep(ms(1));
            until_another_ran();
        }
    });
}

#[test]
fn a_panic_goes_to_the_joiner_and_harms_nobody_else() {
    with_runtimes(|runtime| {
        hush();
        let one = || runtime.spawn(|| blocking(|| panic_on_purpose()));
        let all: Vec<_> = (0..50).map(|_| one()).collect();
        for one in all {
            assert_eq!(text_of(&*one.join().unwrap_err()), ON_PURPOSE);
        }
        assert_eq!(runtime.run(|| blocking(|| 7)), 7);
    });
}

#[test]
fn a_panic_may_be_caught_inside() {
    on_workers(|| {
        hush();
        let value = blocking(|| {
            let caught = catch_unwind(|| blocking(|| panic_on_purpose()));
            assert_eq!(text_of(&*caught.unwrap_err()), ON_PURPOSE);
            until_another_ran();
            7
        });
        assert_eq!(value, 7);
        thread::yield_now();
    });
}

#[test]
fn cancelled_meanwhile_it_returns_its_value_and_the_next_wait_unwinds() {
    for workers in WORKERS {
        bounded(move || {
            let runtime = runtime(workers);
            let (go_on, inside) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
            let (values, dropped) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
            let handle = runtime.spawn({
                let (go_on, inside) = (Arc::clone(&go_on), Arc::clone(&inside));
                let (values, dropped) = (Arc::clone(&values), Arc::clone(&dropped));
                move || {
                    let _guard = OnDrop(|| {
                        dropped.fetch_add(1, Ordering::SeqCst);
                    });
                    let value = blocking(|| {
                        inside.store(true, Ordering::SeqCst);
                        spin_while(|| !go_on.load(Ordering::SeqCst));
                        7
                    });
                    values.fetch_add(value, Ordering::SeqCst);
                    thread::park();
                    values.fetch_add(1000, Ordering::SeqCst);
                }
            });
            eventually("it is inside", || inside.load(Ordering::SeqCst));
            let soon = std::thread::spawn(move || {
                std::thread::sleep(MOMENT * 3);
                go_on.store(true, Ordering::SeqCst);
            });
            runtime.shutdown_timeout(LIMIT).expect("it ends in time");
            soon.join().unwrap();
            assert_eq!(values.load(Ordering::SeqCst), 7, "the value arrives, and no wait returns");
            assert_eq!(dropped.load(Ordering::SeqCst), 1);
            assert!(is_cancelled(&*handle.join().unwrap_err()));
        });
    }
}

#[test]
fn a_wait_inside_unwinds_when_it_is_cancelled() {
    for workers in WORKERS {
        bounded(move || {
            let runtime = runtime(workers);
            let reached = Arc::new(AtomicU32::new(0));
            let one = || {
                let reached = Arc::clone(&reached);
                runtime.spawn(move || {
                    blocking(|| {
                        reached.fetch_add(1, Ordering::SeqCst);
                        tarae::sleep(ms(3_600_000));
                    });
                })
            };
            let all: Vec<_> = (0..20).map(|_| one()).collect();
            eventually("all are inside", || reached.load(Ordering::SeqCst) == 20);
            std::thread::sleep(MOMENT);
            runtime.shutdown_timeout(LIMIT).expect("everyone ends");
            assert!(all.into_iter().all(|one| is_cancelled(&*one.join().unwrap_err())));
        });
    }
}

#[test]
fn a_destructor_calls_it_while_a_panic_unwinds() {
    on_workers(|| {
        hush();
        for _ in 0..10 {
            let calls = RefCell::new(0);
            let caught = catch_unwind(AssertUnwindSafe(|| {
                let _guard = OnDrop(|| {
                    let inside = blocking(|| {
                        until_another_ran();
                        thread::panicking()
                    });
                    assert!(inside && thread::panicking());
                    tarae::sleep(ms(1));
                    assert!(thread::panicking());
                    *calls.borrow_mut() += 1;
                });
                panic_on_purpose();
            }));
            assert_eq!(text_of(&*caught.unwrap_err()), ON_PURPOSE);
            assert_eq!(*calls.borrow(), 1);
            assert!(!thread::panicking());
        }
    });
}

#[test]
fn a_destructor_calls_it_while_a_panic_unwinds_out_of_it() {
    on_workers(|| {
        hush();
        let calls = RefCell::new(0);
        let caught = catch_unwind(AssertUnwindSafe(|| {
            blocking(|| {
                let _guard = OnDrop(|| *calls.borrow_mut() += blocking(|| 1));
                until_another_ran();
                panic_on_purpose()
            })
        }));
        assert_eq!(text_of(&*caught.unwrap_err()), ON_PURPOSE);
        assert_eq!(*calls.borrow(), 1);
        until_another_ran();
    });
}

#[test]
fn a_destructor_calls_it_while_a_cancellation_unwinds() {
    for workers in WORKERS {
        bounded(move || {
            let runtime = runtime(workers);
            let done = Arc::new(AtomicU32::new(0));
            let one = || {
                let done = Arc::clone(&done);
                runtime.spawn(move || {
                    let _guard = OnDrop(|| {
                        done.fetch_add(blocking(|| 1), Ordering::SeqCst);
                    });
                    thread::park();
                })
            };
            let all: Vec<_> = (0..20).map(|_| one()).collect();
            std::thread::sleep(MOMENT);
            runtime.shutdown_timeout(LIMIT).expect("everyone ends");
            assert_eq!(done.load(Ordering::SeqCst), 20);
            assert!(all.into_iter().all(|one| is_cancelled(&*one.join().unwrap_err())));
        });
    }
}
