//! `Condvar`: a wait gives the lock away and takes it again, and no notification is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::subject::sync::{Condvar, Mutex, PoisonError};
use crate::subject::thread;
use crate::support::{MOMENT, eventually, ms, panic_on_purpose};
use crate::threads::{Handle, Threads, everywhere};

type Pair<T> = Arc<(Mutex<T>, Condvar)>;

fn pair<T>(value: T) -> Pair<T> {
    Arc::new((Mutex::new(value), Condvar::new()))
}

#[test]
fn a_notification_without_a_waiter_is_nothing() {
    everywhere(|_| {
        let condvar = Condvar::new();
        condvar.notify_one();
        condvar.notify_all();
        let mutex = Mutex::new(());
        // It was not kept for later.
        let (_guard, result) = condvar.wait_timeout_while(mutex.lock().unwrap(), ms(5), |()| true).unwrap();
        assert!(result.timed_out());
    });
}

#[test]
fn a_waiter_sees_what_the_notifier_did() {
    everywhere(|threads| {
        let pair = pair(0);
        let waiter = threads.spawn({
            let pair = Arc::clone(&pair);
            move || {
                let mut guard = pair.0.lock().unwrap();
                while *guard == 0 {
                    guard = pair.1.wait(guard).unwrap();
                }
                *guard
            }
        });
        thread::sleep(ms(5));
        *pair.0.lock().unwrap() = 7;
        pair.1.notify_one();
        assert_eq!(waiter.join(), 7);
    });
}

#[test]
fn a_notification_under_the_lock_is_as_good() {
    everywhere(|threads| {
        let pair = pair(false);
        let guard = pair.0.lock().unwrap();
        let notifier = threads.spawn({
            let pair = Arc::clone(&pair);
            move || {
                let mut guard = pair.0.lock().unwrap();
                *guard = true;
                pair.1.notify_one();
                drop(guard);
            }
        });
        // The notifier gets the lock only from this wait.
        let mut guard = guard;
        while !*guard {
            guard = pair.1.wait(guard).unwrap();
        }
        drop(guard);
        notifier.join();
    });
}

/// Waiters that all wait, each for one permit.
fn waiters(threads: &Threads, count: usize, pair: &Pair<(usize, usize)>) -> Vec<Handle<()>> {
    let all = (0..count)
        .map(|_| {
            let pair = Arc::clone(pair);
            threads.spawn(move || {
                let mut guard = pair.0.lock().unwrap();
                guard.0 += 1;
                guard = pair.1.wait_while(guard, |(_, permits)| *permits == 0).unwrap();
                guard.1 -= 1;
            })
        })
        .collect();
    // Who has counted itself gives the lock away only by waiting.
    eventually("all wait", || pair.0.lock().unwrap().0 == count);
    all
}

#[test]
fn as_many_notifications_as_waiters_wake_all_of_them() {
    everywhere(|threads| {
        const COUNT: usize = 10;
        let pair = pair((0, 0));
        let waiters = waiters(threads, COUNT, &pair);
        for _ in 0..COUNT {
            pair.0.lock().unwrap().1 += 1;
            pair.1.notify_one();
        }
        waiters.into_iter().for_each(Handle::join);
        assert_eq!(pair.0.lock().unwrap().1, 0);
    });
}

#[test]
fn one_notification_wakes_one_and_not_nobody() {
    everywhere(|threads| {
        let pair = pair((0, 0));
        let mut waiters = waiters(threads, 4, &pair);
        for left in (0..4).rev() {
            pair.0.lock().unwrap().1 += 1;
            pair.1.notify_one();
            eventually("one has ended", || {
                waiters.iter().filter(|waiter| !waiter.is_finished()).count() == left
            });
            let (ended, waiting) = waiters.into_iter().partition::<Vec<_>, _>(Handle::is_finished);
            ended.into_iter().for_each(Handle::join);
            waiters = waiting;
        }
    });
}

#[test]
fn notify_all_wakes_everyone() {
    everywhere(|threads| {
        const COUNT: usize = 20;
        let pair = pair((0, 0));
        let waiters = waiters(threads, COUNT, &pair);
        pair.0.lock().unwrap().1 = COUNT;
        pair.1.notify_all();
        waiters.into_iter().for_each(Handle::join);
    });
}

#[test]
fn a_notification_without_the_lock_wakes_as_well() {
    everywhere(|threads| {
        for _ in 0..20 {
            let pair = pair((0, 0));
            let waiters = waiters(threads, 2, &pair);
            let mut guard = pair.0.lock().unwrap();
            guard.1 = 2;
            drop(guard);
            pair.1.notify_one();
            pair.1.notify_one();
            waiters.into_iter().for_each(Handle::join);
        }
    });
}

#[test]
fn wait_while_returns_at_once_when_there_is_nothing_to_wait_for() {
    everywhere(|_| {
        let (mutex, condvar) = (Mutex::new(3), Condvar::new());
        let mut asked = 0;
        let guard = condvar
            .wait_while(mutex.lock().unwrap(), |value| {
                asked += 1;
                *value += 1;
                false
            })
            .unwrap();
        assert_eq!((*guard, asked), (4, 1), "the condition may change the value");
    });
}

#[test]
fn wait_while_waits_through_notifications_that_change_nothing() {
    everywhere(|threads| {
        let pair = pair(0);
        let waiter = threads.spawn({
            let pair = Arc::clone(&pair);
            move || *pair.1.wait_while(pair.0.lock().unwrap(), |value| *value < 3).unwrap()
        });
        for value in 1..=3 {
            thread::sleep(ms(2));
            assert!(!waiter.is_finished());
            *pair.0.lock().unwrap() = value;
            pair.1.notify_all();
        }
        assert_eq!(waiter.join(), 3);
    });
}

#[test]
fn two_condvars_of_one_mutex_do_not_disturb_each_other() {
    everywhere(|threads| {
        struct Queue {
            items: Mutex<Vec<usize>>,
            not_empty: Condvar,
            not_full: Condvar,
        }
        let queue = Arc::new(Queue {
            items: Mutex::default(),
            not_empty: Condvar::default(),
            not_full: Condvar::default(),
        });
        let producers: Vec<_> = (0..4)
            .map(|producer| {
                let queue = Arc::clone(&queue);
                threads.spawn(move || {
                    for number in 0..50 {
                        let items = queue.items.lock().unwrap();
                        let mut items = queue.not_full.wait_while(items, |items| items.len() == 2).unwrap();
                        items.push(producer * 50 + number);
                        drop(items);
                        queue.not_empty.notify_one();
                    }
                })
            })
            .collect();
        let consumer = Arc::clone(&queue);
        let taken = threads.each(4, move |_| {
            let take = |_| {
                let items = consumer.items.lock().unwrap();
                let item = consumer.not_empty.wait_while(items, |items| items.is_empty()).unwrap().pop();
                consumer.not_full.notify_one();
                item.unwrap()
            };
            (0..50).map(take).collect::<Vec<_>>()
        });
        producers.into_iter().for_each(Handle::join);
        let mut taken = taken.concat();
        taken.sort_unstable();
        assert!(taken.into_iter().eq(0..200));
    });
}

#[test]
fn a_waiter_waits_with_another_mutex_after_all_have_gone() {
    everywhere(|threads| {
        let condvar = Arc::new(Condvar::new());
        for _ in 0..3 {
            // A mutex of its own each round: only at the same time must it be the same.
            let mutex = Arc::new(Mutex::new(false));
            let other = threads.spawn({
                let (mutex, condvar) = (Arc::clone(&mutex), Arc::clone(&condvar));
                move || {
                    *mutex.lock().unwrap() = true;
                    condvar.notify_one();
                }
            });
            assert!(*condvar.wait_while(mutex.lock().unwrap(), |done| !*done).unwrap());
            other.join();
        }
    });
}

#[test]
fn a_static_condvar() {
    everywhere(|threads| {
        static READY: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());
        *READY.0.lock().unwrap() = false;
        let waiter = threads.spawn(|| *READY.1.wait_while(READY.0.lock().unwrap(), |ready| !*ready).unwrap());
        *READY.0.lock().unwrap() = true;
        READY.1.notify_all();
        assert!(waiter.join());
    });
}

#[test]
fn a_wait_gives_back_a_poisoned_guard_as_an_error() {
    everywhere(|threads| {
        let pair = pair((0, 0));
        let waiters: Vec<_> = (0..3)
            .map(|number| {
                let pair = Arc::clone(&pair);
                threads.spawn(move || {
                    let mut guard = pair.0.lock().unwrap();
                    guard.0 += 1;
                    match number {
                        0 => loop {
                            match pair.1.wait(guard) {
                                Ok(again) => guard = again,
                                Err(error) => return error.into_inner().1,
                            }
                        },
                        1 => pair.1.wait_while(guard, |(_, value)| *value == 0).unwrap_err().into_inner().1,
                        _ => {
                            let waited =
                                pair.1.wait_timeout_while(guard, ms(20_000), |(_, value)| *value == 0);
                            let (guard, result) = waited.unwrap_err().into_inner();
                            assert!(!result.timed_out());
                            guard.1
                        }
                    }
                })
            })
            .collect();
        eventually("all wait", || pair.0.lock().unwrap().0 == 3);
        let own = Arc::clone(&pair);
        threads.panics(move || {
            own.0.lock().unwrap().1 = 1;
            let mut guard = own.0.lock().unwrap();
            guard.1 = 5;
            panic_on_purpose()
        });
        assert!(pair.0.is_poisoned());
        pair.1.notify_all();
        assert!(waiters.into_iter().all(|waiter| waiter.join() == 5));
    });
}

#[test]
fn a_panicking_condition_poisons_the_mutex() {
    everywhere(|threads| {
        let pair = pair(0);
        let own = Arc::clone(&pair);
        threads.panics(move || drop(own.1.wait_while(own.0.lock().unwrap(), |_| panic_on_purpose())));
        assert!(pair.0.is_poisoned());
        assert_eq!(*pair.0.lock().unwrap_or_else(PoisonError::into_inner), 0);
    });
}

#[test]
fn a_waiter_does_not_hold_the_lock() {
    everywhere(|threads| {
        let pair = pair((0, 0));
        let all = waiters(threads, 5, &pair);
        let locked = Arc::new(AtomicUsize::new(0));
        let (shared, counted) = (Arc::clone(&pair), Arc::clone(&locked));
        threads.each(3, move |_| {
            drop(shared.0.lock().unwrap());
            counted.fetch_add(1, Ordering::SeqCst);
        });
        assert_eq!(locked.load(Ordering::SeqCst), 3);
        thread::sleep(MOMENT);
        assert!(pair.0.try_lock().is_ok());
        pair.0.lock().unwrap().1 = 5;
        pair.1.notify_all();
        all.into_iter().for_each(Handle::join);
    });
}
