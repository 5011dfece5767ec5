//! All of them at once, as chance has it: what must hold in the end holds, and nobody is forgotten.
//!
//! The seed is printed. A wake that is lost shows as a test that is not done in time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::subject::sync::{Condvar, Mutex, Once, RwLock, RwLockWriteGuard};
use crate::subject::thread;
use crate::support::seed::Random;
use crate::threads::{Handle, everywhere};

/// Does nothing, yields, or sleeps a little.
fn dawdle(random: &mut Random) {
    match random.below(40) {
        0 => thread::sleep(Duration::from_micros(random.below(300))),
        1..8 => thread::yield_now(),
        _ => {}
    }
}

#[test]
fn mutexes_taken_in_every_way() {
    everywhere(|threads| {
        const THREADS: usize = 8;
        let mut random = Random::from_environment();
        let shared: Arc<[Mutex<usize>; 3]> = Arc::default();
        let each: Vec<_> = (0..THREADS)
            .map(|_| {
                let (shared, mut random) = (Arc::clone(&shared), random.split());
                threads.spawn(move || {
                    let mut added = 0;
                    for _ in 0..250 {
                        let mutex = &shared[random.below(3) as usize];
                        let taken =
                            if random.below(3) == 0 { mutex.try_lock().ok() } else { mutex.lock().ok() };
                        let Some(mut guard) = taken else { continue };
                        let seen = *guard;
                        dawdle(&mut random);
                        *guard = seen + 1;
                        added += 1;
                    }
                    added
                })
            })
            .collect();
        let added: usize = each.into_iter().map(Handle::join).sum();
        let there: usize = shared.iter().map(|mutex| *mutex.lock().unwrap()).sum();
        assert_eq!(there, added);
    });
}

#[test]
fn readers_writers_and_those_who_try() {
    everywhere(|threads| {
        let mut random = Random::from_environment();
        // Two halves that a writer keeps equal.
        let shared = Arc::new(RwLock::new((0usize, 0usize)));
        let each: Vec<_> = (0..8)
            .map(|_| {
                let (shared, mut random) = (Arc::clone(&shared), random.split());
                threads.spawn(move || {
                    let mut written = 0;
                    for _ in 0..200 {
                        match random.below(6) {
                            0 | 1 => {
                                let mut guard = shared.write().unwrap();
                                guard.0 += 1;
                                dawdle(&mut random);
                                guard.1 += 1;
                                written += 1;
                                if random.below(2) == 0 {
                                    let read = RwLockWriteGuard::downgrade(guard);
                                    let seen = *read;
                                    dawdle(&mut random);
                                    assert_eq!(*read, seen);
                                }
                            }
                            2 => {
                                if let Ok(mut guard) = shared.try_write() {
                                    guard.0 += 1;
                                    guard.1 += 1;
                                    written += 1;
                                }
                            }
                            3 => {
                                if let Ok(guard) = shared.try_read() {
                                    assert_eq!(guard.0, guard.1);
                                }
                            }
                            _ => {
                                let guard = shared.read().unwrap();
                                let seen = *guard;
                                dawdle(&mut random);
                                assert_eq!((guard.0, *guard), (guard.1, seen));
                            }
                        }
                    }
                    written
                })
            })
            .collect();
        let written: usize = each.into_iter().map(Handle::join).sum();
        assert_eq!(*shared.read().unwrap(), (written, written));
    });
}

#[test]
fn permits_are_handed_out_through_a_condvar_and_none_is_lost() {
    everywhere(|threads| {
        const PERMITS: usize = 3;
        let mut random = Random::from_environment();
        let pool = Arc::new((Mutex::new(PERMITS), Condvar::new()));
        let out = Arc::new(AtomicUsize::new(0));
        let each: Vec<_> = (0..10)
            .map(|_| {
                let (pool, out, mut random) = (Arc::clone(&pool), Arc::clone(&out), random.split());
                threads.spawn(move || {
                    for _ in 0..60 {
                        let guard = pool.0.lock().unwrap();
                        let mut guard = if random.below(3) == 0 {
                            let wait = Duration::from_micros(random.below(300));
                            let (guard, result) =
                                pool.1.wait_timeout_while(guard, wait, |permits| *permits == 0).unwrap();
                            if result.timed_out() {
                                continue;
                            }
                            guard
                        } else {
                            pool.1.wait_while(guard, |permits| *permits == 0).unwrap()
                        };
                        *guard -= 1;
                        drop(guard);
                        assert!(out.fetch_add(1, Ordering::SeqCst) < PERMITS);
                        dawdle(&mut random);
                        out.fetch_sub(1, Ordering::SeqCst);
                        *pool.0.lock().unwrap() += 1;
                        // One for one: a notification that went to who timed out would be missed by another.
                        pool.1.notify_one();
                    }
                })
            })
            .collect();
        each.into_iter().for_each(Handle::join);
        assert_eq!(*pool.0.lock().unwrap(), PERMITS);
    });
}

#[test]
fn many_rounds_of_onces_that_panic_at_first() {
    everywhere(|threads| {
        use std::panic::{AssertUnwindSafe, catch_unwind};
        for _ in 0..15 {
            let (once, tries) = (Arc::new(Once::new()), Arc::new(AtomicUsize::new(0)));
            let (shared, counted) = (Arc::clone(&once), Arc::clone(&tries));
            threads.each(6, move |_| {
                let forced = || {
                    shared.call_once_force(|state| {
                        let before = counted.fetch_add(1, Ordering::SeqCst);
                        assert_eq!(state.is_poisoned(), before > 0);
                        thread::yield_now();
                        if before < 2 {
                            crate::support::panic_on_purpose();
                        }
                    });
                };
                while catch_unwind(AssertUnwindSafe(forced)).is_err() {}
            });
            assert_eq!(tries.load(Ordering::SeqCst), 3);
            assert!(once.is_completed());
        }
    });
}

#[test]
fn a_baton_goes_round_a_ring_of_condvars() {
    everywhere(|threads| {
        const RUNNERS: usize = 7;
        const ROUNDS: usize = 30;
        let at = Arc::new((Mutex::new(0usize), [const { Condvar::new() }; RUNNERS]));
        let shared = Arc::clone(&at);
        threads.each(RUNNERS, move |number| {
            for round in 0..ROUNDS {
                let (at, turns) = &*shared;
                let mine = round * RUNNERS + number;
                let mut guard = turns[number].wait_while(at.lock().unwrap(), |at| *at != mine).unwrap();
                *guard += 1;
                drop(guard);
                turns[(number + 1) % RUNNERS].notify_one();
            }
        });
        assert_eq!(*at.0.lock().unwrap(), RUNNERS * ROUNDS);
    });
}
