//! `timeout` and `deadline`: what has one, who inherits it, and what it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tarae::{Elapsed, deadline, thread};

use crate::support::seed::Random;
use crate::support::{bounded, eventually, ms, on_workers, runtime};

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn what_returns_in_time_is_returned_and_what_does_not_wait_is_not_ended() {
    on_workers(|| {
        assert_eq!(tarae::timeout(HOUR, || 1), Ok(1));
        assert_eq!(tarae::timeout(Duration::ZERO, || 2), Ok(2));
        assert_eq!(tarae::timeout(Duration::MAX, || 3), Ok(3));
        assert_eq!(tarae::timeout(Duration::ZERO, thread::yield_now), Err(Elapsed));
        let start = Instant::now();
        assert_eq!(tarae::timeout(ms(10), || tarae::sleep(HOUR)), Err(Elapsed));
        assert!(start.elapsed() >= ms(10));
        // It is over.
        tarae::sleep(ms(1));
        assert_eq!(deadline::current(), None);
    });
}

#[test]
fn a_timeout_that_is_over_wakes_nobody_and_ends_nothing() {
    on_workers(|| {
        tarae::timeout(ms(5), || tarae::sleep(ms(1))).unwrap();
        let start = Instant::now();
        tarae::sleep(ms(20));
        assert!(start.elapsed() >= ms(20));
        for _ in 0..100 {
            assert_eq!(tarae::timeout(Duration::from_micros(200), thread::park), Err(Elapsed));
        }
    });
}

#[test]
fn the_earliest_deadline_is_the_one_that_is_read() {
    on_workers(|| {
        assert_eq!(deadline::remaining(), None);
        let soon = Instant::now() + HOUR;
        deadline::until(soon, || {
            assert_eq!(deadline::current(), Some(soon));
            tarae::timeout(HOUR * 2, || assert_eq!(deadline::current(), Some(soon))).unwrap();
            tarae::timeout(HOUR / 2, || assert!(deadline::remaining().unwrap() <= HOUR / 2)).unwrap();
            tarae::shield(|| {
                assert_eq!(deadline::current(), None);
                tarae::timeout(HOUR * 3, || assert!(deadline::remaining().unwrap() > HOUR * 2)).unwrap();
            });
            assert_eq!(deadline::current(), Some(soon));
        })
        .unwrap();
        assert_eq!(deadline::until(Instant::now() - ms(1), deadline::remaining), Ok(Some(Duration::ZERO)));
    });
}

#[test]
fn children_of_a_scope_inherit_it_and_others_do_not() {
    on_workers(|| {
        let at = Instant::now() + HOUR;
        deadline::until(at, || {
            tarae::scope(|scope| {
                assert_eq!(scope.spawn(deadline::current).join().unwrap(), Some(at));
                let nested =
                    scope.spawn(|| tarae::scope(|inner| inner.spawn(deadline::current).join().unwrap()));
                assert_eq!(nested.join().unwrap(), Some(at));
                // Of the scope, not of the call in which they are spawned.
                let earlier = at - HOUR / 2;
                let one = deadline::until(earlier, || scope.spawn(deadline::current)).unwrap();
                assert_eq!(one.join().unwrap(), Some(at));
                let shielded = tarae::shield(|| scope.spawn(deadline::current));
                assert_eq!(shielded.join().unwrap(), Some(at));
            });
            let failing = tarae::try_scope(|scope| {
                scope.spawn(|| Ok::<_, tarae::Cancelled>(deadline::current())).join()
            });
            assert_eq!(failing, Ok(Some(at)));
            assert_eq!(tarae::spawn(deadline::current).join().unwrap(), None);
            let mut set = tarae::JoinSet::new();
            set.spawn(deadline::current);
            assert_eq!(set.join_next().unwrap().unwrap(), None);
        })
        .unwrap();
    });
}

#[test]
fn children_are_ended_by_the_deadline_that_they_inherit_each_at_its_own_wait() {
    on_workers(|| {
        let (begun, dropped) = (AtomicU32::new(0), AtomicU32::new(0));
        struct Counts<'a>(&'a AtomicU32);
        impl Drop for Counts<'_> {
            fn drop(&mut self) {
                tarae::sleep(ms(2));
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let late = tarae::timeout(ms(10), || {
            tarae::scope(|scope| {
                for _ in 0..10 {
                    scope.spawn(|| {
                        begun.fetch_add(1, Ordering::SeqCst);
                        let _counts = Counts(&dropped);
                        thread::park();
                    });
                }
            });
        });
        // On a busy machine it may have been too late to begin.
        assert_eq!((late, dropped.into_inner()), (Err(Elapsed), begun.into_inner()));
    });
}

#[test]
fn a_detached_coroutine_goes_on_after_its_spawners_deadline() {
    on_workers(|| {
        let done = Arc::new(AtomicBool::new(false));
        let theirs = Arc::clone(&done);
        let late = tarae::timeout(ms(3), || {
            drop(tarae::spawn(move || {
                tarae::sleep(ms(15));
                theirs.store(true, Ordering::SeqCst);
            }));
            thread::park();
        });
        assert_eq!(late, Err(Elapsed));
        eventually("it goes on", || done.load(Ordering::SeqCst));
    });
}

#[test]
fn equal_deadlines_are_the_outermosts() {
    on_workers(|| {
        let at = Instant::now() + ms(5);
        let outer = deadline::until(at, || {
            let inner = deadline::until(at, thread::park);
            unreachable!("{inner:?}");
        });
        assert_eq!(outer, Err::<(), _>(Elapsed));
    });
}

#[test]
fn a_cancellation_goes_past_every_timeout() {
    bounded(|| {
        let runtime = runtime(1);
        for _ in 0..50 {
            let one = runtime.spawn(|| {
                // Both at once, as often as not.
                let _ = tarae::timeout(ms(1), || tarae::timeout(ms(1), thread::park));
                thread::park();
            });
            std::thread::sleep(ms(1));
            one.cancel();
            assert!(tarae::is_cancelled(&*one.join().unwrap_err()));
        }
    });
}

/// Wakes that come while timeouts pass: a wait is ended by one or by the other, and neither is lost.
#[test]
fn a_storm_of_timeouts_and_wakes_hangs_nobody() {
    for workers in [1, 2, 8] {
        let mut random = Random::from_environment();
        bounded(move || {
            let runtime = runtime(workers);
            let all: Vec<_> = (0..50)
                .map(|_| {
                    let mut random = random.split();
                    runtime.spawn(move || {
                        for _ in 0..40 {
                            let me = thread::current();
                            let after = Duration::from_micros(random.below(1200));
                            let waker = tarae::spawn(move || {
                                tarae::sleep(after);
                                me.unpark();
                            });
                            let most = Duration::from_micros(random.below(1200));
                            let woken = tarae::timeout(most, thread::park);
                            waker.join().unwrap();
                            if woken.is_err() {
                                // It is still there, or the next park would wait for ever.
                                thread::park();
                            }
                        }
                    })
                })
                .collect();
            all.into_iter().for_each(|one| one.join().unwrap());
        });
    }
}
