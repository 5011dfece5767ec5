//! Seats that are given up by the coroutine itself, and when that is refused.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::Ordering;
use std::thread;

use tarae_task::{Ran, give_up_seat, sit, with_seat, yield_now};

use crate::carrier::{address, seat_here};
use crate::common::stuck::{alone, stuck};
use crate::common::{Drops, Drove, Queue, Worker};

#[test]
fn a_coroutine_gives_its_seat_up_once() {
    alone(|| {
        let (queue, drops) = (Queue::new(), Drops::default());
        let handle = queue.spawn(|| {
            assert!(give_up_seat::<u32>().is_none(), "another kind");
            let before = seat_here();
            let seat = give_up_seat::<Worker>().expect("it is there");
            assert_eq!((before, seat_here()), (Some(address(&seat)), None));
            assert!(give_up_seat::<Worker>().is_none());
            seat
        });
        let other = queue.spawn(seat_here);
        assert_eq!(queue.drive(queue.counted_seat(&drops), true, |_| ()), Drove::LeftBehind);
        let seat = handle.join().unwrap();
        assert_eq!((drops.count(), queue.len(), queue.adrift.counts()), (0, 1, [0, 0, 1, 0]));
        let here = address(&seat);
        assert_eq!(queue.drive(seat, false, |_| ()), Drove::Idle);
        assert_eq!((other.join().unwrap(), drops.count()), (Some(here), 1));
    });
}

#[test]
fn nobody_gives_up_a_seat_outside_of_coroutines() {
    alone(|| {
        assert!(give_up_seat::<Worker>().is_none());
        let queue = Queue::new();
        sit(queue.seat(), |place, _| {
            assert!(give_up_seat::<Worker>().is_none());
            assert_eq!(Some(address(&place)), seat_here());
        });
        sit(Box::new(5), |place, _| assert_eq!((give_up_seat::<i32>(), *place), (None, 5)));
    });
}

#[test]
fn a_seat_given_up_while_it_is_in_use_is_refused() {
    alone(|| {
        let (queue, drops) = (Queue::new(), Drops::default());
        let handle = queue.spawn(|| {
            let refused = catch_unwind(|| with_seat(|_: &Worker| drop(give_up_seat::<Worker>()))).is_err();
            (refused, seat_here().is_some(), give_up_seat::<Worker>().is_some())
        });
        assert_eq!(queue.drive(queue.counted_seat(&drops), false, |_| ()), Drove::LeftBehind);
        assert_eq!((handle.join().unwrap(), drops.count()), ((true, true, true), 1));
    });
}

/// A taker and the coroutine both want it.
#[test]
fn a_seat_taken_while_it_is_given_up_has_one_owner() {
    for _ in 0..50 {
        alone(|| {
            let stuck = stuck(|gate| {
                gate.spin();
                give_up_seat::<Worker>()
            });
            let (watch, drops) = (stuck.watch.clone(), stuck.drops.clone());
            let taker = thread::spawn(move || watch.take());
            let (drove, handle) = stuck.go_on();
            let (given_up, taken) = (handle.join().unwrap(), taker.join().unwrap());
            assert_eq!(drove, Drove::LeftBehind);
            assert!(given_up.is_some() != taken.is_some());
            assert_eq!(drops.count(), 0);
            drop((given_up, taken));
            assert_eq!(drops.count(), 1);
        });
    }
}

/// The coroutine would give away, or another thread take, what the closure still has a reference to.
#[test]
fn a_run_inside_with_seat_is_refused() {
    alone(|| {
        let (queue, drops) = (Queue::new(), Drops::default());
        let handle = queue.spawn(|| drop(give_up_seat::<Worker>()));
        let refused = catch_unwind(AssertUnwindSafe(|| {
            sit(queue.counted_seat(&drops), |place, _| {
                with_seat(|_: &Worker| {
                    let ran = queue.pop().unwrap().run(place, &queue.links(false));
                    assert!(!matches!(ran, Ran::LeftBehind) && drops.count() == 0, "the reference dangles");
                });
            });
        }));
        let payload = refused.expect_err("it was refused");
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"a coroutine run inside `with_seat`"));
        assert_eq!(drops.count(), 1);
        assert!(handle.join().is_err(), "its right to run was dropped");
    });
}

#[test]
fn a_tenure_that_unwinds_drops_its_seat_if_it_has_it() {
    alone(|| {
        let (queue, drops) = (Queue::new(), Drops::default());
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            sit(queue.counted_seat(&drops), |_place, _| resume_unwind(Box::new(())));
        }));
        assert_eq!((unwound.is_err(), drops.count(), seat_here()), (true, 1, None));
        let handle = queue.spawn(give_up_seat::<Worker>);
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            sit(queue.counted_seat(&drops), |place, _| {
                let runnable = queue.pop().expect("it was spawned");
                assert!(matches!(runnable.run(place, &queue.links(false)), Ran::LeftBehind));
                assert_eq!(seat_here(), None);
                resume_unwind(Box::new(()));
            });
        }));
        assert_eq!((unwound.is_err(), drops.count()), (true, 1));
        drop(handle.join());
        assert_eq!(drops.count(), 2);
    });
}

/// Under a coroutine's identity but off its stack: the worker has lent the seat to its `Links`. The run must die.
#[test]
fn a_seat_given_up_inside_links_ends_the_process() {
    const IN_CHILD: &str = "TARAE_TASK_TEST_GIVES_UP_INSIDE_LINKS";
    if std::env::var_os(IN_CHILD).is_some() {
        let queue = Queue::new();
        let handle = queue.spawn(|| {
            yield_now();
            yield_now();
        });
        queue.give_up_at_requeue.store(true, Ordering::SeqCst);
        drop(queue.spawn(yield_now));
        queue.run_straight_on(true);
        drop(handle);
        return;
    }
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "given_up::a_seat_given_up_inside_links_ends_the_process", "--nocapture"])
        .env(IN_CHILD, "")
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&child.stderr);
    assert!(stderr.contains("a seat given up inside `Links` or `Schedule`"), "{stderr}");
    assert_eq!(child.status.code(), None, "ended by a signal");
}
