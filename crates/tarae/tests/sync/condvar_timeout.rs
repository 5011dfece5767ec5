//! The waits of `Condvar` that end by themselves.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::subject::sync::{Condvar, Mutex};
use crate::subject::thread;
use crate::support::{eventually, ms, panic_on_purpose};
use crate::threads::everywhere;

/// Long enough that nobody waits for it.
const LONG: Duration = ms(20_000);

#[test]
fn a_timeout_is_never_early() {
    everywhere(|_| {
        let (mutex, condvar) = (Mutex::new(()), Condvar::new());
        for timeout in [Duration::ZERO, Duration::from_nanos(1), ms(1), ms(10)] {
            let start = Instant::now();
            let (guard, result) =
                condvar.wait_timeout_while(mutex.lock().unwrap(), timeout, |()| true).unwrap();
            assert!(result.timed_out() && start.elapsed() >= timeout, "{timeout:?}");
            assert!(mutex.try_lock().is_err(), "it has the lock again");
            drop(guard);
            // May return early without reason; but if it says that it timed out, it has.
            let start = Instant::now();
            let (guard, result) = condvar.wait_timeout(mutex.lock().unwrap(), timeout).unwrap();
            assert!(!result.timed_out() || start.elapsed() >= timeout);
            drop(guard);
        }
    });
}

#[test]
fn a_notification_ends_it_before_its_time() {
    everywhere(|threads| {
        for timeout in [LONG, Duration::MAX, Duration::from_secs(u64::MAX / 4)] {
            let pair = Arc::new((Mutex::new((false, false)), Condvar::new()));
            let waiter = threads.spawn({
                let pair = Arc::clone(&pair);
                move || {
                    let start = Instant::now();
                    let mut guard = pair.0.lock().unwrap();
                    guard.0 = true;
                    while !guard.1 {
                        let (again, result) = pair.1.wait_timeout(guard, timeout).unwrap();
                        assert!(!result.timed_out());
                        guard = again;
                    }
                    start.elapsed()
                }
            });
            eventually("it waits", || pair.0.lock().unwrap().0);
            pair.0.lock().unwrap().1 = true;
            pair.1.notify_one();
            assert!(waiter.join() < LONG);
        }
    });
}

#[test]
fn wait_timeout_while_returns_at_once_when_there_is_nothing_to_wait_for() {
    everywhere(|_| {
        let (mutex, condvar) = (Mutex::new(1), Condvar::new());
        for timeout in [Duration::ZERO, LONG, Duration::MAX] {
            let guard = mutex.lock().unwrap();
            let (guard, result) = condvar.wait_timeout_while(guard, timeout, |value| *value == 0).unwrap();
            assert!(!result.timed_out(), "also with no time at all");
            drop(guard);
        }
    });
}

#[test]
fn wait_timeout_while_is_woken_when_the_condition_changes() {
    everywhere(|threads| {
        for timeout in [LONG, Duration::MAX] {
            let pair = Arc::new((Mutex::new(0), Condvar::new()));
            let other = threads.spawn({
                let pair = Arc::clone(&pair);
                move || {
                    for value in 1..=3 {
                        thread::sleep(ms(1));
                        *pair.0.lock().unwrap() = value;
                        pair.1.notify_one();
                    }
                }
            });
            let guard = pair.0.lock().unwrap();
            let (guard, result) = pair.1.wait_timeout_while(guard, timeout, |value| *value < 3).unwrap();
            assert!(!result.timed_out() && *guard == 3);
            drop(guard);
            other.join();
        }
    });
}

#[test]
fn notifications_that_change_nothing_do_not_make_it_longer() {
    everywhere(|threads| {
        let pair = Arc::new((Mutex::new(false), Condvar::new()));
        let pest = threads.spawn({
            let pair = Arc::clone(&pair);
            move || {
                while !*pair.0.lock().unwrap() {
                    pair.1.notify_all();
                    thread::sleep(ms(1));
                }
            }
        });
        let start = Instant::now();
        let guard = pair.0.lock().unwrap();
        let (mut guard, result) = pair.1.wait_timeout_while(guard, ms(20), |_| true).unwrap();
        assert!(result.timed_out());
        *guard = true;
        drop(guard);
        assert!((ms(20)..LONG).contains(&start.elapsed()));
        pest.join();
    });
}

#[test]
fn who_has_timed_out_takes_no_notification_from_others() {
    everywhere(|threads| {
        let pair = Arc::new((Mutex::new((0, false)), Condvar::new()));
        let patient = threads.spawn({
            let pair = Arc::clone(&pair);
            move || {
                let mut guard = pair.0.lock().unwrap();
                guard.0 += 1;
                drop(pair.1.wait_while(guard, |(_, go)| !*go).unwrap());
            }
        });
        eventually("it waits", || pair.0.lock().unwrap().0 == 1);
        let shared = Arc::clone(&pair);
        threads.each(5, move |_| {
            let (_guard, result) =
                shared.1.wait_timeout_while(shared.0.lock().unwrap(), ms(2), |(_, go)| !*go).unwrap();
            assert!(result.timed_out());
        });
        pair.0.lock().unwrap().1 = true;
        pair.1.notify_one();
        patient.join();
    });
}

#[test]
fn a_timeout_takes_its_lock_again_however_long_that_takes() {
    everywhere(|threads| {
        for _ in 0..20 {
            let pair = Arc::new((Mutex::new(0), Condvar::new()));
            let waiter = threads.spawn({
                let pair = Arc::clone(&pair);
                move || {
                    let mut guard = pair.0.lock().unwrap();
                    *guard = 1;
                    let (guard, result) =
                        pair.1.wait_timeout_while(guard, ms(10), |value| *value == 1).unwrap();
                    (*guard, result.timed_out())
                }
            });
            let mut guard = pair.0.lock().unwrap();
            while *guard == 0 {
                drop(guard);
                thread::yield_now();
                guard = pair.0.lock().unwrap();
            }
            thread::sleep(ms(30));
            *guard = 2;
            drop(guard);
            match waiter.join() {
                // By the time that it has the lock, it has nothing to wait for any more.
                (2, false) => return,
                // We were late: it had its lock before.
                (1, true) => {}
                other => panic!("{other:?}"),
            }
        }
        panic!("twenty times late");
    });
}

#[test]
fn a_timeout_with_a_poisoned_mutex_is_an_error_with_both() {
    everywhere(|threads| {
        let pair = Arc::new((Mutex::new(()), Condvar::new()));
        let own = Arc::clone(&pair);
        threads.panics(move || {
            let _guard = own.0.lock().unwrap();
            panic_on_purpose()
        });
        let guard = pair.0.lock().unwrap_err().into_inner();
        let (guard, result) = pair.1.wait_timeout_while(guard, ms(2), |()| true).unwrap_err().into_inner();
        assert!(result.timed_out());
        let (guard, _) = pair.1.wait_timeout(guard, Duration::ZERO).unwrap_err().into_inner();
        drop(guard);
        let guard = pair.0.lock().unwrap_err().into_inner();
        // Without a wait nobody looks.
        drop(pair.1.wait_while(guard, |()| false).unwrap());
    });
}

#[test]
fn results_are_compared_and_copied() {
    let (mutex, condvar) = (Mutex::new(()), Condvar::new());
    let one = condvar.wait_timeout_while(mutex.lock().unwrap(), ms(1), |()| true).unwrap().1;
    let other = condvar.wait_timeout_while(mutex.lock().unwrap(), ms(1), |()| false).unwrap().1;
    let copy = one;
    assert!(copy == one && one != other && one.timed_out() && !other.timed_out());
}
