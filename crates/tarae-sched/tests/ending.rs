//! Shutdown, with coroutines in every state: who has to unwind, who never starts, who is left behind.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Waker;
use std::thread;
use std::time::Duration;

use common::{Counted, DEADLINE, Flag, Gate, await_end, end, spawn, spin_until, start, within};
use tarae_task::{Cancelled, yield_now};

fn is_cancelled<T>(outcome: Result<T, Box<dyn std::any::Any + Send>>) -> bool {
    outcome.err().is_some_and(|payload| payload.is::<Cancelled>())
}

#[test]
fn close_unwinds_the_parked_and_never_starts_the_queued() {
    for workers in [1, 2, 8] {
        within(DEADLINE, move || {
            let scheduler = start(workers);
            let dropped = Arc::new(AtomicUsize::new(0));
            let gate = Gate::new();
            let parked: Vec<_> = (0..50)
                .map(|_| {
                    let (gate, counted) = (Arc::clone(&gate), Counted(Arc::clone(&dropped)));
                    spawn(&scheduler, move || {
                        let _counted = counted;
                        gate.pass();
                    })
                })
                .collect();
            while gate.waiting() < 50 {
                thread::yield_now();
            }
            // Every worker is busy from here on, so that what comes after stays in the queue.
            let (go, running) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
            let busy: Vec<_> = (0..workers)
                .map(|_| {
                    let (go, running) = (Arc::clone(&go), Arc::clone(&running));
                    spawn(&scheduler, move || {
                        running.fetch_add(1, Ordering::SeqCst);
                        spin_until(&go);
                        5
                    })
                })
                .collect();
            while running.load(Ordering::SeqCst) < workers {
                thread::yield_now();
            }
            let started = Arc::new(AtomicUsize::new(0));
            let queued: Vec<_> = (0..50)
                .map(|_| {
                    let (started, counted) = (Arc::clone(&started), Counted(Arc::clone(&dropped)));
                    spawn(&scheduler, move || {
                        let _counted = counted;
                        started.fetch_add(1, Ordering::SeqCst);
                    })
                })
                .collect();
            scheduler.close();
            assert!(!scheduler.has_ended(Waker::noop()), "some run");
            go.store(true, Ordering::Release);
            assert!(await_end(&scheduler, DEADLINE));
            assert!(parked.into_iter().all(|handle| is_cancelled(handle.join())));
            assert!(queued.into_iter().all(|handle| is_cancelled(handle.join())));
            busy.into_iter().for_each(|handle| assert_eq!(handle.join().unwrap(), 5));
            assert_eq!((started.load(Ordering::SeqCst), dropped.load(Ordering::SeqCst)), (0, 100));
            assert_eq!(scheduler.clear(), Ok(()));
            assert_eq!(scheduler.metrics().coroutines.alive(), 0);
        });
    }
}

#[test]
fn the_end_of_an_empty_scheduler_wakes_who_asked() {
    for workers in [1, 2, 8] {
        within(DEADLINE, move || {
            let scheduler = start(workers);
            let flag = Arc::new(Flag::default());
            assert!(!scheduler.has_ended(&Waker::from(Arc::clone(&flag))));
            scheduler.close();
            assert!(await_end(&scheduler, DEADLINE));
            // Woken after the count went to 0, by the thread that did it.
            spin_until(&flag.0);
        });
    }
}

/// A worker may find its wait in any state when the close comes: asleep, about to be, lookout, searching.
#[test]
fn close_races_workers_on_their_way_to_sleep() {
    within(DEADLINE, || {
        for round in 0..200 {
            let scheduler = start(1 + round % 4);
            (0..round % 5).for_each(|_| drop(spawn(&scheduler, yield_now)));
            assert!(end(&scheduler, Duration::from_secs(20)), "round {round}");
            assert_eq!(scheduler.clear(), Ok(()));
        }
    });
}

#[test]
fn close_races_coroutines_that_park_and_spawn() {
    within(DEADLINE, || {
        for round in 0..50_u64 {
            let scheduler = start(2);
            let gate = Gate::new();
            let handles: Vec<_> = (0..20)
                .map(|_| {
                    let (below, gate) = (scheduler.clone(), Arc::clone(&gate));
                    spawn(&scheduler, move || {
                        let child = spawn(&below, move || gate.pass());
                        let _ = child.join();
                    })
                })
                .collect();
            thread::sleep(Duration::from_micros(round * 20));
            assert!(end(&scheduler, Duration::from_secs(20)), "round {round}");
            handles.into_iter().for_each(|handle| drop(handle.join()));
            assert_eq!((scheduler.clear(), scheduler.metrics().coroutines.alive()), (Ok(()), 0));
        }
    });
}

#[test]
fn stop_leaves_behind_what_runs_on_and_drops_what_is_injected() {
    within(DEADLINE, || {
        let scheduler = start(1);
        let (go, running) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let stuck = {
            let (go, running) = (Arc::clone(&go), Arc::clone(&running));
            spawn(&scheduler, move || {
                running.store(true, Ordering::Release);
                spin_until(&go);
                5
            })
        };
        spin_until(&running);
        let dropped = Arc::new(AtomicUsize::new(0));
        let counted = Counted(Arc::clone(&dropped));
        let queued = spawn(&scheduler, move || drop(counted));
        assert!(!end(&scheduler, Duration::from_millis(50)));
        scheduler.stop();
        let left = scheduler.clear().expect_err("one is stuck");
        assert_eq!(left.threads, 1, "{left}");
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
        assert!(is_cancelled(queued.join()));
        go.store(true, Ordering::Release);
        assert!(await_end(&scheduler, DEADLINE));
        assert_eq!(stuck.join().unwrap(), 5);
    });
}

#[test]
fn stop_leaves_the_parked_behind_that_do_not_unwind() {
    within(DEADLINE, || {
        let scheduler = start(2);
        let gate = Gate::new();
        let open = Arc::new(AtomicBool::new(false));
        let stubborn = {
            let (gate, open) = (Arc::clone(&gate), Arc::clone(&open));
            spawn(&scheduler, move || {
                let _ = catch_unwind(AssertUnwindSafe(|| gate.pass()));
                spin_until(&open);
            })
        };
        while gate.waiting() == 0 {
            thread::yield_now();
        }
        assert!(!end(&scheduler, Duration::from_millis(50)));
        scheduler.stop();
        let left = scheduler.clear().expect_err("one caught its cancellation");
        assert_eq!(left.coroutines, 1, "{left}");
        open.store(true, Ordering::Release);
        assert!(await_end(&scheduler, DEADLINE));
        stubborn.join().unwrap();
    });
}

/// It catches its cancellation and yields on: the worker must end all the same, after the present run.
#[test]
fn stop_ends_a_worker_whose_coroutine_yields_for_ever() {
    within(DEADLINE, || {
        let scheduler = start(1);
        let (begun, release) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        {
            let (begun, release) = (Arc::clone(&begun), Arc::clone(&release));
            drop(spawn(&scheduler, move || {
                while !release.load(Ordering::Acquire) {
                    begun.store(true, Ordering::Release);
                    let _ = catch_unwind(yield_now);
                }
            }));
        }
        spin_until(&begun);
        assert!(!end(&scheduler, Duration::from_millis(50)));
        scheduler.stop();
        let ended = await_end(&scheduler, Duration::from_secs(5));
        let left = scheduler.clear();
        release.store(true, Ordering::Release);
        assert!(ended, "the worker runs on");
        assert!(left.is_err(), "it was left behind, and nobody said so");
    });
}
