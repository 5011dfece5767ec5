//! What was held fast goes on: it yields, parks, is woken, ends, and runs others; elsewhere it is the same thread.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::channel;
use std::thread;

use tarae_task::{Reason, current, park, yield_now};

use crate::carrier::{MARK, address, errno, seat_here, set_errno};
use crate::common::stuck::{Driver, Gate, alone, stuck};
use crate::common::{Drove, Queue, wait_until};

#[test]
fn the_others_go_on_with_the_seat_of_a_stuck_thread() {
    for hold_fast in [Gate::spin, Gate::sleep] {
        for straight in [false, true] {
            alone(move || {
                let stuck = stuck(move |gate| {
                    hold_fast(gate);
                    7
                });
                let seat = stuck.take();
                let others: Vec<_> = (0..5)
                    .map(|number| {
                        stuck.queue.spawn(move || {
                            (0..3).for_each(|_| yield_now());
                            number
                        })
                    })
                    .collect();
                let queue = Arc::clone(&stuck.queue);
                assert_eq!(queue.drive(seat, straight, |_| ()), Drove::Idle);
                assert_eq!(queue.finished.load(Ordering::SeqCst), 5);
                assert_eq!((stuck.handle.coroutine().phase(), stuck.drops.count()), ("running", 1));
                let (drove, handle) = stuck.go_on();
                assert_eq!((drove, handle.join().unwrap()), (Drove::LeftBehind, 7));
                assert!((0..5).eq(others.into_iter().map(|other| other.join().unwrap())));
                assert_eq!(queue.finished.load(Ordering::SeqCst), 6);
                assert_eq!(queue.adrift.counts(), [0, 0, 1, 0]);
            });
        }
    }
}

/// To the coroutine nothing has happened: thread-locals, `errno` and the thread's id are those it had.
#[test]
fn one_that_yields_goes_on_elsewhere_as_the_same_thread() {
    alone(|| {
        let stuck = stuck(|gate| {
            MARK.set(17);
            let me = || (MARK.get(), thread::current().id(), current());
            let (before, carrier) = (me(), rustix::thread::gettid());
            gate.spin();
            let set = set_errno();
            yield_now();
            let kept = errno();
            assert_eq!(set, kept);
            assert!(before == me());
            (carrier, rustix::thread::gettid())
        });
        let (seat, queue) = (stuck.take(), Arc::clone(&stuck.queue));
        let (drove, handle) = stuck.go_on();
        assert_eq!((drove, queue.len(), queue.adrift.counts()), (Drove::LeftBehind, 1, [1, 0, 0, 0]));
        assert_eq!(MARK.get(), 0);
        assert_eq!(queue.drive(seat, false, |_| ()), Drove::Idle);
        let (before, after) = handle.join().unwrap();
        assert_eq!((before != after, after), (true, rustix::thread::gettid()));
        assert_eq!(queue.adrift.counts(), [1, 0, 0, 0]);
        assert_eq!(MARK.get(), 0);
    });
}

#[test]
fn one_that_parks_is_woken_afterwards() {
    alone(|| {
        let stuck = stuck(|gate| {
            gate.sleep();
            let set = set_errno();
            park(Reason::Read);
            (set == errno(), seat_here())
        });
        let (seat, queue) = (stuck.take(), Arc::clone(&stuck.queue));
        let (drove, handle) = stuck.go_on();
        assert_eq!((drove, handle.coroutine().phase(), queue.len()), (Drove::LeftBehind, "parked", 0));
        assert_eq!((queue.remembered.load(Ordering::SeqCst), queue.adrift.counts()), (1, [0, 1, 0, 0]));
        handle.coroutine().wake();
        assert_eq!(queue.len(), 1);
        let here = address(&seat);
        assert_eq!(queue.drive(seat, true, |_| ()), Drove::Idle);
        assert_eq!(handle.join().unwrap(), (true, Some(here)));
        assert_eq!(queue.forgotten.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_wake_while_it_was_stuck_makes_its_park_return_at_once() {
    alone(|| {
        let stuck = stuck(|gate| {
            gate.spin();
            park(Reason::Other);
            3
        });
        let (seat, queue) = (stuck.take(), Arc::clone(&stuck.queue));
        stuck.handle.coroutine().wake();
        let (drove, handle) = stuck.go_on();
        assert_eq!((drove, handle.join().unwrap()), (Drove::LeftBehind, 3));
        assert_eq!(queue.adrift.counts(), [0, 0, 1, 0]);
        drop(seat);
    });
}

/// It has said that it will park, and is not parked yet.
#[test]
fn a_wake_while_it_is_being_parked_queues_it_again() {
    alone(|| {
        let stuck = stuck(|gate| {
            gate.spin();
            park(Reason::Other);
            3
        });
        let (seat, queue) = (stuck.take(), Arc::clone(&stuck.queue));
        *queue.woken_at_parking.lock().unwrap() = Some(stuck.handle.coroutine().clone());
        let (drove, handle) = stuck.go_on();
        assert_eq!((drove, queue.len(), queue.adrift.counts()), (Drove::LeftBehind, 1, [1, 1, 0, 0]));
        assert_eq!(queue.drive(seat, false, |_| ()), Drove::Idle);
        assert_eq!(handle.join().unwrap(), 3);
    });
}

#[test]
fn one_that_ends_wakes_its_joiner() {
    alone(|| {
        let stuck = stuck(|gate| {
            gate.sleep();
            7
        });
        let (seat, queue) = (stuck.take(), Arc::clone(&stuck.queue));
        let (handle, gate, thread) = (stuck.handle, stuck.gate, stuck.thread);
        let driver = Driver::start(&queue, seat);
        let joiner = queue.spawn(move || handle.join().unwrap());
        wait_until(|| joiner.coroutine().phase() == "parked");
        gate.open();
        assert_eq!(thread.join().unwrap(), Drove::LeftBehind);
        assert_eq!(joiner.join().unwrap(), 7);
        driver.stop();
        assert_eq!(queue.adrift.counts(), [0, 0, 1, 1]);
    });
}

/// Nobody would run it again.
#[test]
fn one_that_yields_after_the_end_of_the_scheduler_stays_where_it_is() {
    alone(|| {
        let (tell, told) = channel();
        let stuck = stuck(move |gate| {
            gate.spin();
            let before = rustix::thread::gettid();
            for _ in 0..3 {
                tarae_task::rejoin();
                assert_eq!((rustix::thread::gettid(), seat_here()), (before, None));
            }
            tell.send(()).unwrap();
            // Cancelled like everyone after a stop.
            park(Reason::Other);
        });
        let (seat, queue) = (stuck.take(), Arc::clone(&stuck.queue));
        queue.stopped.store(true, Ordering::SeqCst);
        let (drove, handle) = stuck.go_on();
        told.recv().unwrap();
        assert_eq!(drove, Drove::LeftBehind);
        assert!(handle.join().unwrap_err().is::<tarae_task::Cancelled>());
        drop((seat, queue));
    });
}

#[test]
fn what_it_spawns_and_wakes_runs_with_the_seat() {
    alone(|| {
        let (tell, told) = channel();
        let stuck = stuck(move |gate| {
            gate.spin();
            let queue: Arc<Queue> = told.recv().unwrap();
            let sleeper: tarae_task::Coroutine = {
                let parked = queue.woken_at_parking.lock().unwrap().take();
                parked.expect("left there by the test")
            };
            sleeper.wake();
            queue.spawn(seat_here)
        });
        let (seat, queue) = (stuck.take(), Arc::clone(&stuck.queue));
        let here = Some(address(&seat));
        let sleeper = queue.spawn(|| park(Reason::Other));
        // A second seat, so that the first stays with the test.
        assert_eq!(queue.drive(queue.seat(), false, |_| ()), Drove::Idle);
        *queue.woken_at_parking.lock().unwrap() = Some(sleeper.coroutine().clone());
        tell.send(Arc::clone(&queue)).unwrap();
        let (drove, handle) = stuck.go_on();
        assert_eq!((drove, queue.len(), queue.adrift.counts()), (Drove::LeftBehind, 2, [0, 0, 1, 1]));
        let spawned = handle.join().unwrap();
        assert_eq!(queue.drive(seat, false, |_| ()), Drove::Idle);
        sleeper.join().unwrap();
        assert_eq!(spawned.join().unwrap(), here);
    });
}

/// It has a scheduler of its own on its stack, as a program has that blocks on a runtime inside of another one.
#[test]
fn one_that_was_left_behind_may_itself_run_others() {
    alone(|| {
        let stuck = stuck(|gate| {
            gate.spin();
            let me = thread::current().id();
            let inner = Queue::new();
            let handles: Vec<_> = (0..4)
                .map(|number| {
                    inner.spawn(move || {
                        yield_now();
                        assert!(seat_here().is_some());
                        number
                    })
                })
                .collect();
            inner.run_straight_on(true);
            assert_eq!((thread::current().id(), seat_here()), (me, None));
            handles.into_iter().map(|handle| handle.join().unwrap()).sum::<u64>()
        });
        let seat = stuck.take();
        let (drove, handle) = stuck.go_on();
        assert_eq!((drove, handle.join().unwrap()), (Drove::LeftBehind, 6));
        drop(seat);
    });
}
