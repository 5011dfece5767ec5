//! `Once`: one runs, the others wait until it has.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::subject::sync::{Barrier, Once};
use crate::subject::thread;
use crate::support::{MOMENT, eventually, ms, panic_on_purpose, text_of};
use crate::threads::{Threads, everywhere};

/// One whose initialiser has panicked.
fn poisoned(threads: &Threads) -> Arc<Once> {
    let once = Arc::new(Once::new());
    let own = Arc::clone(&once);
    threads.panics(move || own.call_once(|| panic_on_purpose()));
    once
}

#[test]
fn only_the_first_call_runs() {
    everywhere(|_| {
        let (once, mut calls) = (Once::new(), 0);
        assert!(!once.is_completed());
        for _ in 0..3 {
            once.call_once(|| calls += 1);
            assert!(once.is_completed());
        }
        once.call_once_force(|_| calls += 1);
        assert_eq!(calls, 1);
    });
}

#[test]
fn in_a_stampede_one_runs_and_all_see_what_it_did() {
    everywhere(|threads| {
        for _ in 0..10 {
            let (once, ran) = (Arc::new(Once::new()), Arc::new(AtomicUsize::new(0)));
            let shared = Arc::clone(&ran);
            threads.each(10, move |number| {
                (0..number % 3).for_each(|_| thread::yield_now());
                once.call_once(|| {
                    thread::yield_now();
                    shared.fetch_add(1, Ordering::Relaxed);
                    thread::yield_now();
                });
                assert_eq!(shared.load(Ordering::Relaxed), 1);
                assert!(once.is_completed());
            });
            assert_eq!(ran.load(Ordering::SeqCst), 1);
        }
    });
}

#[test]
fn the_others_wait_for_the_one_that_runs() {
    everywhere(|threads| {
        let (once, go) = (Arc::new(Once::new()), Arc::new(AtomicBool::new(false)));
        let (starts, passed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let first = threads.spawn({
            let (once, go, starts) = (Arc::clone(&once), Arc::clone(&go), Arc::clone(&starts));
            move || {
                once.call_once(|| {
                    starts.store(true, Ordering::SeqCst);
                    eventually("the sign", || go.load(Ordering::SeqCst));
                });
            }
        });
        eventually("the first runs", || starts.load(Ordering::SeqCst));
        assert!(!once.is_completed(), "it runs still");
        let others: Vec<_> = (0..5)
            .map(|number| {
                let (once, passed) = (Arc::clone(&once), Arc::clone(&passed));
                threads.spawn(move || {
                    match number {
                        0 => once.call_once_force(|_| unreachable!("one runs")),
                        1 => once.wait(),
                        2 => once.wait_force(),
                        _ => once.call_once(|| unreachable!("one runs")),
                    }
                    assert!(once.is_completed());
                    passed.fetch_add(1, Ordering::SeqCst);
                })
            })
            .collect();
        thread::sleep(MOMENT);
        assert_eq!(passed.load(Ordering::SeqCst), 0);
        go.store(true, Ordering::SeqCst);
        first.join();
        others.into_iter().for_each(|other| other.join());
        once.wait();
    });
}

#[test]
fn a_wait_waits_for_whoever_will_run() {
    everywhere(|threads| {
        let (once, did) = (Arc::new(Once::new()), Arc::new(AtomicBool::new(false)));
        let waiters: Vec<_> = (0..4)
            .map(|number| {
                let (once, did) = (Arc::clone(&once), Arc::clone(&did));
                threads.spawn(move || {
                    if number % 2 == 0 {
                        once.wait()
                    } else {
                        once.wait_force()
                    }
                    did.load(Ordering::Relaxed)
                })
            })
            .collect();
        thread::sleep(ms(10));
        assert!(waiters.iter().all(|waiter| !waiter.is_finished()), "nobody has run it");
        once.call_once(|| did.store(true, Ordering::Relaxed));
        assert!(waiters.into_iter().all(|waiter| waiter.join()));
    });
}

#[test]
fn a_panic_poisons_it_for_the_next_ones() {
    everywhere(|threads| {
        let once = poisoned(threads);
        assert!(!once.is_completed());
        let specified = std::sync::Once::new();
        let _ = catch_unwind(|| specified.call_once(|| panic_on_purpose()));
        for _ in 0..2 {
            let mut ran = false;
            let ours = catch_unwind(AssertUnwindSafe(|| once.call_once(|| ran = true)));
            let stds = catch_unwind(|| specified.call_once(|| ()));
            assert_eq!(text_of(&*ours.unwrap_err()), text_of(&*stds.unwrap_err()));
            assert!(!ran);
        }
        let ours = catch_unwind(AssertUnwindSafe(|| once.wait()));
        let stds = catch_unwind(|| specified.wait());
        assert_eq!(text_of(&*ours.unwrap_err()), text_of(&*stds.unwrap_err()));
    });
}

#[test]
fn a_forced_call_is_told_and_heals_it() {
    everywhere(|threads| {
        let once = poisoned(threads);
        let mut told = None;
        once.call_once_force(|state| told = Some(state.is_poisoned()));
        assert_eq!(told, Some(true));
        assert!(once.is_completed());
        once.call_once(|| unreachable!("it has run"));
        once.wait();
        let fresh = Once::new();
        fresh.call_once_force(|state| told = Some(state.is_poisoned()));
        assert_eq!(told, Some(false));
    });
}

#[test]
fn a_forced_call_may_panic_as_well_and_another_one_heals() {
    everywhere(|threads| {
        let once = poisoned(threads);
        for _ in 0..3 {
            let own = Arc::clone(&once);
            threads.panics(move || {
                own.call_once_force(|state| {
                    assert!(state.is_poisoned());
                    panic_on_purpose()
                });
            });
            assert!(!once.is_completed());
        }
        once.call_once_force(|state| assert!(state.is_poisoned()));
        assert!(once.is_completed());
    });
}

#[test]
fn who_waits_while_the_first_panics_is_told() {
    everywhere(|threads| {
        let (once, go) = (Arc::new(Once::new()), Arc::new(AtomicBool::new(false)));
        let (starts, healed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let first = threads.spawn({
            let (once, go, starts) = (Arc::clone(&once), Arc::clone(&go), Arc::clone(&starts));
            move || {
                once.call_once(|| {
                    starts.store(true, Ordering::SeqCst);
                    eventually("the sign", || go.load(Ordering::SeqCst));
                    panic_on_purpose()
                });
            }
        });
        eventually("the first runs", || starts.load(Ordering::SeqCst));
        let callers: Vec<_> = (0..3)
            .map(|_| {
                let once = Arc::clone(&once);
                threads.spawn(move || {
                    let ran =
                        catch_unwind(AssertUnwindSafe(|| once.call_once(|| unreachable!("it is poisoned"))));
                    assert!(ran.is_err(), "it was poisoned, and nobody has healed it");
                })
            })
            .collect();
        thread::sleep(ms(10));
        go.store(true, Ordering::SeqCst);
        assert!(first.outcome().is_err());
        callers.into_iter().for_each(|caller| caller.join());
        let forcing: Vec<_> = (0..3)
            .map(|_| {
                let (once, healed) = (Arc::clone(&once), Arc::clone(&healed));
                threads.spawn(move || {
                    once.call_once_force(|_| {
                        healed.fetch_add(1, Ordering::SeqCst);
                    });
                })
            })
            .collect();
        forcing.into_iter().for_each(|one| one.join());
        assert_eq!(healed.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_forced_wait_outlasts_a_poisoned_state() {
    everywhere(|threads| {
        let once = poisoned(threads);
        let waiter = threads.spawn({
            let once = Arc::clone(&once);
            move || {
                once.wait_force();
                once.is_completed()
            }
        });
        thread::sleep(MOMENT);
        assert!(!waiter.is_finished(), "poisoned is not completed");
        once.call_once_force(|_| ());
        assert!(waiter.join());
    });
}

#[test]
fn an_unforced_wait_is_told_of_a_panic_that_comes_later() {
    everywhere(|threads| {
        let once = Arc::new(Once::new());
        let waiter = threads.spawn({
            let once = Arc::clone(&once);
            move || -> () { once.wait() }
        });
        thread::sleep(ms(10));
        let own = Arc::clone(&once);
        threads.panics(move || own.call_once(|| panic_on_purpose()));
        assert!(waiter.outcome().is_err());
    });
}

#[test]
fn one_may_run_another() {
    everywhere(|_| {
        let (outer, inner, mut ran) = (Once::new(), Once::new(), Vec::new());
        outer.call_once(|| {
            inner.call_once(|| ran.push("inner"));
            ran.push("outer");
        });
        assert_eq!(ran, ["inner", "outer"]);
        assert!(outer.is_completed() && inner.is_completed());
    });
}

#[test]
fn many_at_the_same_time_do_not_disturb_each_other() {
    everywhere(|threads| {
        let all: Arc<Vec<(Once, AtomicUsize)>> =
            Arc::new((0..20).map(|_| (Once::new(), AtomicUsize::new(0))).collect());
        let (shared, start) = (Arc::clone(&all), Arc::new(Barrier::new(6)));
        threads.each(6, move |number| {
            start.wait();
            for step in 0..20 {
                let (once, ran) = &shared[(number * 3 + step) % 20];
                once.call_once(|| {
                    ran.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        assert!(all.iter().all(|(once, ran)| once.is_completed() && ran.load(Ordering::SeqCst) == 1));
    });
}

#[test]
fn as_a_static_it_serves_all_threads() {
    everywhere(|threads| {
        static START: Once = Once::new();
        static RAN: AtomicUsize = AtomicUsize::new(0);
        threads.each(4, |_| {
            START.call_once(|| {
                RAN.fetch_add(1, Ordering::SeqCst);
            });
        });
        assert_eq!(RAN.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_deadline_of_who_comes_first_does_not_poison_it() {
    everywhere(|_| {
        let once = Once::new();
        let late = tarae::timeout(MOMENT / 4, || {
            once.call_once(|| tarae::sleep(MOMENT));
            tarae::sleep(MOMENT);
        });
        assert_eq!(late, Err(tarae::Elapsed), "the wait after it");
        once.call_once(|| unreachable!("it has run"));
    });
}
