//! The token: `unpark` leaves it, `park` takes it, there is one at most.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tarae::thread;

use crate::support::{MOMENT, bounded, eventually, ms, on_workers, runtime, with_runtimes};

#[test]
fn an_unpark_before_the_park_counts() {
    on_workers(|| {
        thread::current().unpark();
        thread::park();
        let handle = thread::spawn(|| {
            tarae::sleep(ms(5));
            thread::park();
        });
        handle.thread().unpark();
        handle.join().unwrap();
    });
}

#[test]
fn an_unpark_before_the_first_run_counts() {
    with_runtimes(|runtime| {
        for _ in 0..200 {
            let handle = runtime.spawn(thread::park);
            handle.thread().unpark();
            handle.join().unwrap();
        }
    });
}

#[test]
fn many_unparks_leave_one_token() {
    on_workers(|| {
        let passed = Arc::new(AtomicU32::new(0));
        let own = Arc::clone(&passed);
        let handle = thread::spawn(move || {
            tarae::sleep(MOMENT);
            loop {
                thread::park();
                if own.fetch_add(1, Ordering::SeqCst) == 1 {
                    return;
                }
            }
        });
        (0..10).for_each(|_| handle.thread().unpark());
        tarae::sleep(MOMENT * 3);
        assert_eq!(passed.load(Ordering::SeqCst), 1, "ten unparks were one token");
        handle.thread().unpark();
        handle.join().unwrap();
    });
}

#[test]
fn other_wakes_do_not_end_a_park() {
    on_workers(|| {
        let (parks, passed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (parks_now, passed_now) = (Arc::clone(&parks), Arc::clone(&passed));
        let handle = thread::spawn(move || {
            // Leaves wakes behind: of a join that was ready, a sleep, a yield.
            thread::spawn(|| ()).join().unwrap();
            tarae::sleep(ms(1));
            thread::yield_now();
            thread::park_timeout(ms(1));
            parks_now.store(true, Ordering::SeqCst);
            thread::park();
            passed_now.store(true, Ordering::SeqCst);
        });
        eventually("it is about to park", || parks.load(Ordering::SeqCst));
        tarae::sleep(MOMENT);
        assert!(!passed.load(Ordering::SeqCst));
        handle.thread().unpark();
        handle.join().unwrap();
    });
}

#[test]
fn a_token_is_not_taken_by_other_waits() {
    on_workers(|| {
        thread::current().unpark();
        tarae::sleep(ms(2));
        thread::yield_now();
        thread::spawn(|| ()).join().unwrap();
        // Still there.
        thread::park();
    });
}

#[test]
fn a_kernel_thread_unparks_a_coroutine_and_the_other_way_round() {
    with_runtimes(|runtime| {
        const ROUNDS: u32 = 500;
        let turn = Arc::new(AtomicU32::new(0));
        let kernel = thread::current();
        let coroutine = runtime.spawn({
            let turn = Arc::clone(&turn);
            move || {
                for round in 0..ROUNDS {
                    while turn.load(Ordering::SeqCst) != 2 * round + 1 {
                        thread::park();
                    }
                    turn.store(2 * round + 2, Ordering::SeqCst);
                    kernel.unpark();
                }
            }
        });
        for round in 0..ROUNDS {
            turn.store(2 * round + 1, Ordering::SeqCst);
            coroutine.thread().unpark();
            while turn.load(Ordering::SeqCst) != 2 * round + 2 {
                thread::park();
            }
        }
        coroutine.join().unwrap();
    });
}

#[test]
fn a_park_of_tarae_on_a_kernel_thread_takes_the_token_of_std() {
    bounded(|| {
        std::thread::current().unpark();
        thread::park();
        thread::current().unpark();
        std::thread::park();
        let start = Instant::now();
        thread::park_timeout(ms(10));
        // Both may return early without reason, but neither may hang.
        assert!(start.elapsed() < ms(5000));
    });
}

#[test]
fn coroutines_hand_a_baton_round_a_ring() {
    on_workers(|| {
        const RUNNERS: usize = 50;
        let at = Arc::new(AtomicU32::new(u32::MAX));
        let ring: Vec<_> = (0..RUNNERS as u32)
            .map(|number| {
                let at = Arc::clone(&at);
                thread::spawn(move || {
                    for _ in 0..20 {
                        while at.load(Ordering::SeqCst) != number {
                            thread::park();
                        }
                        at.store(u32::MAX, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        for _ in 0..20 {
            for (number, runner) in ring.iter().enumerate() {
                at.store(number as u32, Ordering::SeqCst);
                runner.thread().unpark();
                while at.load(Ordering::SeqCst) != u32::MAX {
                    thread::yield_now();
                }
            }
        }
        ring.into_iter().for_each(|runner| runner.join().unwrap());
    });
}

#[test]
fn a_park_timeout_is_never_early_and_ends_early_with_a_token() {
    on_workers(|| {
        for millis in [0, 1, 5, 20] {
            let start = Instant::now();
            thread::park_timeout(ms(millis));
            assert!(start.elapsed() >= ms(millis));
        }
        let start = Instant::now();
        thread::current().unpark();
        thread::park_timeout(ms(20_000));
        assert!(start.elapsed() < ms(10_000));
        let handle = thread::spawn(|| thread::park_timeout(Duration::MAX));
        tarae::sleep(ms(5));
        handle.thread().unpark();
        handle.join().unwrap();
    });
}

#[test]
fn what_was_written_before_the_unpark_is_seen_after_the_park() {
    on_workers(|| {
        for _ in 0..500 {
            let value = Arc::new(AtomicU32::new(0));
            let own = Arc::clone(&value);
            let handle = thread::spawn(move || {
                thread::park();
                own.load(Ordering::Relaxed)
            });
            value.store(7, Ordering::Relaxed);
            handle.thread().unpark();
            assert_eq!(handle.join().unwrap(), 7);
        }
    });
}

#[test]
fn an_unpark_races_the_end() {
    bounded(|| {
        let runtime = runtime(2);
        for _ in 0..2000 {
            let handle = runtime.spawn(thread::yield_now);
            let thread = handle.thread().clone();
            thread.unpark();
            drop(handle);
            thread.unpark();
        }
    });
}
