//! The condition variable: notifications are neither lost nor doubled, whoever waits and whoever is cancelled.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tarae::sync::{Condvar, Mutex};
use tarae::thread;

use crate::support::seed::Random;
use crate::support::{bounded, eventually, ms, on_workers, runtime, with_runtimes};

#[test]
fn coroutines_and_kernel_threads_take_turns() {
    const ROUNDS: usize = 300;
    with_runtimes(|runtime| {
        let turns = Arc::new((Mutex::new(0), Condvar::new()));
        let take_turns = |number: usize, turns: Arc<(Mutex<usize>, Condvar)>| {
            move || {
                for round in 0..ROUNDS {
                    let mine = round * 3 + number;
                    let mut turn = turns.1.wait_while(turns.0.lock().unwrap(), |turn| *turn != mine).unwrap();
                    *turn += 1;
                    turns.1.notify_all();
                }
            }
        };
        let coroutines = [0, 1].map(|number| runtime.spawn(take_turns(number, Arc::clone(&turns))));
        let thread = std::thread::spawn(take_turns(2, Arc::clone(&turns)));
        coroutines.into_iter().for_each(|coroutine| coroutine.join().unwrap());
        thread.join().unwrap();
        assert_eq!(*turns.0.lock().unwrap(), 3 * ROUNDS);
    });
}

#[test]
fn a_wait_times_out_with_the_lock() {
    on_workers(|| {
        let (lock, condvar) = (Mutex::new(()), Condvar::new());
        let begin = Instant::now();
        let (guard, result) = condvar.wait_timeout(lock.lock().unwrap(), ms(10)).unwrap();
        assert!(result.timed_out() && begin.elapsed() >= ms(10));
        assert!(lock.try_lock().is_err());
        drop(guard);
        let end = condvar.wait_timeout_while(lock.lock().unwrap(), ms(5), |()| true).unwrap().1;
        assert!(end.timed_out());
        assert!(
            !condvar
                .wait_timeout_while(lock.lock().unwrap(), Duration::MAX, |()| false)
                .unwrap()
                .1
                .timed_out()
        );
    });
}

#[test]
fn a_cancelled_wait_gives_the_lock_back_unpoisoned() {
    on_workers(|| {
        let pair = Arc::new((Mutex::new(false), Condvar::new()));
        let theirs = Arc::clone(&pair);
        let waiter = thread::spawn(move || {
            let mut waits = theirs.0.lock().unwrap();
            *waits = true;
            drop(theirs.1.wait(waits));
        });
        eventually("it waits", || *pair.0.lock().unwrap());
        waiter.cancel();
        assert!(waiter.join().is_err());
        assert!(pair.0.try_lock().is_ok(), "free, and not poisoned");
    });
}

/// As many tokens are taken as were put, each after one `notify_one`, while half of the takers are cancelled.
#[test]
fn a_storm_of_cancellations_loses_no_notification() {
    const TOKENS: usize = 40;
    for workers in [1, 2, 8] {
        bounded(move || {
            let runtime = runtime(workers);
            let mut random = Random::from_environment();
            for _ in 0..20 {
                let tokens = Arc::new((Mutex::new((0_usize, 0_usize)), Condvar::new()));
                let take = |tokens: Arc<(Mutex<(usize, usize)>, Condvar)>| {
                    move || {
                        loop {
                            let held = tokens.0.lock().unwrap();
                            let mut held = tokens.1.wait_while(held, |(there, _)| *there == 0).unwrap();
                            held.0 -= 1;
                            held.1 += 1;
                            if held.1 == TOKENS {
                                return;
                            }
                        }
                    }
                };
                let victims: Vec<_> = (0..20).map(|_| runtime.spawn(take(Arc::clone(&tokens)))).collect();
                let survivors: Vec<_> = (0..2).map(|_| runtime.spawn(take(Arc::clone(&tokens)))).collect();
                for number in 0..TOKENS {
                    tokens.0.lock().unwrap().0 += 1;
                    tokens.1.notify_one();
                    if let Some(victim) = victims.get(number / 2)
                        && random.below(2) == 0
                    {
                        victim.cancel();
                    }
                    if random.below(4) == 0 {
                        tarae::yield_now();
                    }
                }
                eventually("every token is taken", || tokens.0.lock().unwrap().1 == TOKENS);
                for waiter in victims.into_iter().chain(survivors) {
                    waiter.cancel();
                    let _ = waiter.join();
                }
                assert_eq!(*tokens.0.lock().unwrap(), (0, TOKENS));
            }
        });
    }
}
