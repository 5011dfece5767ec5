//! Threads that were left behind: their seat was taken away, or given up, while their coroutine went on.

mod common;

use std::cell::Cell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use common::crew::Crew;
use common::random::Random;
use common::stuck::{Driver, Gate, alone, stuck};
use common::{Drops, Drove, Mailbox, Queue, Worker, wait_until};
use tarae_task::{
    Cancelled, Ran, Reason, current, give_up_seat, park, sit, waker, with_coroutine, with_seat, yield_now,
};

thread_local! {
    static MARK: Cell<u64> = const { Cell::new(0) };
}

fn is_cancelled<T>(outcome: thread::Result<T>) -> bool {
    outcome.err().is_some_and(|payload| payload.is::<Cancelled>())
}

fn seat_here() -> Option<usize> {
    with_seat(|seat: &Worker| std::ptr::from_ref(seat).addr())
}

fn address(seat: &Worker) -> usize {
    std::ptr::from_ref(seat).addr()
}

/// Sets `errno`, to a value that nothing else here sets it to.
fn set_errno() -> Option<i32> {
    let error = std::fs::File::open("/dev/null/below").expect_err("it is no directory");
    error.raw_os_error()
}

fn errno() -> Option<i32> {
    io::Error::last_os_error().raw_os_error()
}

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

#[test]
fn one_that_panics_brings_its_payload_and_drops_its_locals() {
    alone(|| {
        let local = Drops::default();
        let counted = local.counted();
        let stuck = stuck(move |gate| -> () {
            let _counted = counted;
            gate.spin();
            resume_unwind(Box::new("payload"));
        });
        let (seat, queue) = (stuck.take(), Arc::clone(&stuck.queue));
        let (drove, handle) = stuck.go_on();
        assert_eq!((drove, local.count()), (Drove::LeftBehind, 1));
        assert_eq!(handle.join().unwrap_err().downcast_ref::<&str>(), Some(&"payload"));
        assert_eq!(queue.finished.load(Ordering::SeqCst), 1);
        drop(seat);
        assert_eq!(Arc::strong_count(&queue), 1, "nothing keeps its object alive");
    });
}

/// It suspends while it unwinds, and goes on unwinding elsewhere; nobody else panics meanwhile.
#[test]
fn one_that_yields_while_it_unwinds_goes_on_unwinding_elsewhere() {
    struct Yields;
    impl Drop for Yields {
        fn drop(&mut self) {
            assert!(thread::panicking());
            yield_now();
            assert!(thread::panicking());
        }
    }
    alone(|| {
        let stuck = stuck(|gate| -> () {
            let _yields = Yields;
            gate.spin();
            resume_unwind(Box::new(()));
        });
        let (seat, queue) = (stuck.take(), Arc::clone(&stuck.queue));
        let (drove, handle) = stuck.go_on();
        assert_eq!((drove, thread::panicking()), (Drove::LeftBehind, false));
        let other = queue.spawn(thread::panicking);
        assert_eq!(queue.drive(seat, true, |_| ()), Drove::Idle);
        assert!(handle.join().is_err() && !other.join().unwrap());
    });
}

#[test]
fn one_that_was_cancelled_meanwhile_unwinds_where_it_waits() {
    alone(|| {
        let stuck = stuck(|gate| {
            gate.sleep();
            park(Reason::Other);
        });
        let (seat, queue) = (stuck.take(), Arc::clone(&stuck.queue));
        stuck.handle.coroutine().cancel();
        let (drove, handle) = stuck.go_on();
        assert_eq!((drove, queue.adrift.counts()), (Drove::LeftBehind, [0, 0, 1, 0]));
        assert!(is_cancelled(handle.join()));
        drop(seat);
    });
}

#[test]
fn one_that_is_cancelled_after_it_parked_unwinds_elsewhere() {
    alone(|| {
        let local = Drops::default();
        let counted = local.counted();
        let stuck = stuck(move |gate| {
            let _counted = counted;
            gate.sleep();
            // It is looked at before a wait, so the second one unwinds.
            loop {
                park(Reason::Other);
            }
        });
        let (seat, queue) = (stuck.take(), Arc::clone(&stuck.queue));
        let (drove, handle) = stuck.go_on();
        handle.coroutine().cancel();
        assert_eq!((drove, local.count(), queue.len()), (Drove::LeftBehind, 0, 1));
        assert_eq!(queue.drive(seat, false, |_| ()), Drove::Idle);
        assert!(is_cancelled::<()>(handle.join()));
        assert_eq!(local.count(), 1);
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
fn it_finds_no_seat_where_it_was_left_and_the_same_one_where_it_goes_on() {
    alone(|| {
        let stuck = stuck(|gate| {
            let before = seat_here();
            gate.spin();
            let left = (seat_here(), give_up_seat::<Worker>().is_none(), seat_here());
            yield_now();
            (before, left, seat_here())
        });
        let (seat, queue) = (stuck.take(), Arc::clone(&stuck.queue));
        let here = Some(address(&seat));
        let (drove, handle) = stuck.go_on();
        assert_eq!(drove, Drove::LeftBehind);
        assert_eq!(queue.drive(seat, false, |_| ()), Drove::Idle);
        assert_eq!(handle.join().unwrap(), (here, (None, true, None), here));
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

/// The thread on which the inner ones are stuck carries two seats; the outer one is taken, then the inner one.
#[test]
fn a_thread_with_two_seats_is_left_behind_twice() {
    alone(|| {
        let (tell, told) = channel();
        let inner_gate = Gate::new();
        let stuck = stuck({
            let inner_gate = Arc::clone(&inner_gate);
            move |gate| {
                let inner = Queue::new();
                let handle = inner.spawn({
                    let gate = Arc::clone(&inner_gate);
                    move || {
                        gate.spin();
                        yield_now();
                        5
                    }
                });
                gate.spin();
                let drove = inner.drive(inner.seat(), false, |watch| tell.send(watch).unwrap());
                assert_eq!((drove, inner.len()), (Drove::LeftBehind, 1));
                yield_now();
                inner.run();
                handle.join().unwrap()
            }
        });
        let (outer_seat, queue) = (stuck.take(), Arc::clone(&stuck.queue));
        stuck.gate.open();
        inner_gate.await_entry();
        let (inner_seat, _) = told.recv().unwrap().take().expect("its coroutine is outside");
        inner_gate.open();
        let (drove, handle) = stuck.go_on();
        assert_eq!((drove, queue.len()), (Drove::LeftBehind, 1));
        assert_eq!(queue.drive(outer_seat, false, |_| ()), Drove::Idle);
        assert_eq!(handle.join().unwrap(), 5);
        drop(inner_seat);
    });
}

#[test]
fn a_seat_in_use_is_not_taken() {
    alone(|| {
        let outside = Gate::new();
        let stuck = stuck({
            let outside = Arc::clone(&outside);
            move |gate| {
                with_seat(|_: &Worker| {
                    with_seat(|_: &Worker| ());
                    gate.spin();
                });
                outside.sleep();
            }
        });
        for _ in 0..100 {
            assert!(stuck.watch.take().is_none(), "its coroutine is inside");
            assert!(!stuck.watch.look().is_outside());
        }
        stuck.gate.open();
        outside.await_entry();
        assert!(stuck.watch.look().is_outside());
        let seat = stuck.take();
        outside.open();
        let (drove, handle) = stuck.go_on();
        assert_eq!(drove, Drove::LeftBehind);
        handle.join().unwrap();
        drop(seat);
    });
}

#[test]
fn a_seat_is_taken_once_and_not_after_its_tenure() {
    alone(|| {
        let stuck = stuck(Gate::spin);
        let (watch, drops) = (stuck.watch.clone(), stuck.drops.clone());
        let seat = stuck.take();
        assert!(stuck.watch.take().is_none() && watch.take().is_none());
        let (drove, handle) = stuck.go_on();
        handle.join().unwrap();
        assert_eq!((drove, drops.count()), (Drove::LeftBehind, 0));
        assert!(watch.take().is_none());
        let queue = Arc::clone(&seat.queue);
        let mut second = None;
        assert_eq!(queue.drive(seat, false, |watch| second = Some(watch)), Drove::Idle);
        assert!(second.expect("it was told").take().is_none());
        assert_eq!(drops.count(), 1);
    });
}

/// The worker's own code is inside: nobody runs who could be left behind.
#[test]
fn a_worker_at_home_keeps_its_seat() {
    alone(|| {
        let (queue, drops) = (Queue::new(), Drops::default());
        sit(queue.counted_seat(&drops), |place, watch| {
            assert!(watch.take().is_none());
            let handle = queue.spawn(|| ());
            let runnable = queue.pop().expect("it was spawned");
            let Ran::Home(place) = runnable.run(place, &queue.links(false)) else { panic!("left behind") };
            assert!(watch.take().is_none() && give_up_seat::<Worker>().is_none());
            handle.join().unwrap();
            assert_eq!((address(&place), drops.count()), (seat_here().unwrap(), 0));
        });
        assert_eq!(drops.count(), 1);
    });
}

/// Nobody runs any more, and the seat is not given up yet: it must not be taken then.
#[test]
fn takers_race_a_worker_that_stands_up() {
    const ROUNDS: usize = 400;
    alone(|| {
        let (queue, drops) = (Queue::new(), Drops::default());
        let (tell, told) = channel::<tarae_task::Watch<Worker>>();
        let asked = Arc::new(AtomicUsize::new(0));
        let taker = thread::spawn({
            let asked = Arc::clone(&asked);
            move || {
                let mut taken = 0;
                for watch in told {
                    // Inside it is until it has stood up.
                    while !watch.look().is_outside() {
                        taken += usize::from(watch.take().is_some());
                        asked.fetch_add(1, Ordering::Relaxed);
                    }
                    taken += usize::from(watch.take().is_some());
                }
                taken
            }
        });
        for round in 0..ROUNDS {
            // With somebody who has run and is gone, and with nobody.
            let runs = usize::from(round.is_multiple_of(2));
            if runs > 0 {
                drop(queue.spawn(|| ()));
            }
            sit(queue.counted_seat(&drops), |mut place, watch| {
                while let Some(runnable) = queue.pop() {
                    let Ran::Home(home) = runnable.run(place, &queue.links(false)) else {
                        panic!("left behind")
                    };
                    place = home;
                }
                assert_eq!(place.runs(), runs);
                let before = asked.load(Ordering::Relaxed);
                tell.send(watch).unwrap();
                // It stands up in the midst of questions.
                while asked.load(Ordering::Relaxed) < before + 2 {
                    thread::yield_now();
                }
            });
            assert_eq!(drops.count(), round + 1);
        }
        drop(tell);
        assert_eq!(taker.join().unwrap(), 0);
    });
}

#[test]
fn of_two_takers_one_gets_the_seat() {
    for _ in 0..50 {
        alone(|| {
            let stuck = stuck(Gate::spin);
            let barrier = std::sync::Barrier::new(2);
            let seats: Vec<_> = thread::scope(|scope| {
                let takers = [0, 1].map(|_| {
                    scope.spawn(|| {
                        barrier.wait();
                        stuck.watch.take()
                    })
                });
                takers.into_iter().filter_map(|taker| taker.join().unwrap()).collect()
            });
            assert_eq!((seats.len(), stuck.drops.count()), (1, 0));
            let drops = stuck.drops.clone();
            assert_eq!(stuck.go_on().0, Drove::LeftBehind);
            drop(seats);
            assert_eq!(drops.count(), 1);
        });
    }
}

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

#[test]
fn a_look_tells_one_run_from_the_next() {
    alone(|| {
        let queue = Queue::new();
        sit(queue.seat(), |mut place, watch| {
            assert!(!watch.look().is_outside());
            let handle = queue.spawn({
                let watch = watch.clone();
                move || {
                    let looks: Vec<_> = (0..4)
                        .map(|_| {
                            let before = watch.look();
                            let inside = with_seat(|_: &Worker| watch.look()).expect("it is there");
                            assert_eq!((before, before.is_outside()), (watch.look(), true));
                            assert!(!inside.is_outside());
                            yield_now();
                            before
                        })
                        .collect();
                    assert!(looks.iter().enumerate().all(|(turn, look)| !looks[..turn].contains(look)));
                }
            });
            while let Some(runnable) = queue.pop() {
                let straight = queue.len().is_multiple_of(2);
                let Ran::Home(home) = runnable.run(place, &queue.links(straight)) else {
                    panic!("left behind")
                };
                place = home;
            }
            handle.join().unwrap();
        });
    });
}

/// One of the storm's coroutines: what it is must not change, wherever it goes on.
struct Sailor {
    number: u64,
    id: thread::ThreadId,
    random: Random,
}

impl Sailor {
    fn new(number: u64, random: Random) -> Sailor {
        MARK.set(number);
        Sailor { number, id: thread::current().id(), random }
    }

    fn check(&self) {
        assert_eq!((MARK.get(), thread::current().id()), (self.number, self.id));
    }

    /// Does one of the things that coroutines do.
    fn act(&mut self) {
        match self.random.below(8) {
            0 | 1 => yield_now(),
            2 => {
                let set = set_errno();
                yield_now();
                assert_eq!(set, errno());
            }
            3 => {
                let until = Instant::now() + Duration::from_micros(self.random.below(60));
                while Instant::now() < until {}
            }
            4 => thread::sleep(Duration::from_micros(self.random.below(200))),
            5 => {
                with_seat(|seat: &Worker| seat.queue.len());
            }
            6 => {
                waker().wake();
                park(Reason::Other);
            }
            _ => with_coroutine(|coroutine| assert!(coroutine.is_some())),
        }
        self.check();
    }
}

/// Pairs send each other numbers; the seats of two are taken at random, and driven by one of five threads. From time to
/// time a coroutine gives its seat up by itself.
#[test]
fn a_storm_of_seats_taken_at_random() {
    const PAIRS: u64 = 12;
    const MESSAGES: u64 = 60;
    const SEATS: usize = 2;
    const THREADS: usize = 5;
    let mut random = Random::from_environment();
    for straight in [false, true] {
        let mut random = random.split();
        alone(move || {
            let (queue, drops) = (Queue::new(), Drops::default());
            let crew = Crew::new(&queue, straight, 2 * PAIRS as usize);
            let mut handles = Vec::new();
            for pair in 0..PAIRS {
                let mailbox = Arc::new(Mailbox::default());
                let (sender, crew, theirs, ours) =
                    (Arc::clone(&mailbox), Arc::clone(&crew), random.split(), random.split());
                handles.push(queue.spawn(move || {
                    let mut sailor = Sailor::new(1 + 2 * pair, theirs);
                    for message in 0..MESSAGES {
                        sailor.act();
                        sender.send(message);
                        sailor.check();
                        if sailor.random.below(50) == 0
                            && let Some(seat) = give_up_seat::<Worker>()
                        {
                            crew.give(seat);
                        }
                    }
                    0
                }));
                handles.push(queue.spawn(move || {
                    let mut sailor = Sailor::new(2 + 2 * pair, ours);
                    (0..MESSAGES)
                        .map(|_| {
                            sailor.act();
                            let message = mailbox.receive();
                            sailor.check();
                            message
                        })
                        .sum()
                }));
            }
            (0..SEATS).for_each(|_| crew.give(queue.counted_seat(&drops)));
            let threads: Vec<_> = (0..THREADS).map(|_| crew.start_thread()).collect();
            let taken = Arc::new(AtomicUsize::new(0));
            let taker = thread::spawn({
                let (crew, taken) = (Arc::clone(&crew), Arc::clone(&taken));
                move || {
                    while !crew.is_done() {
                        thread::sleep(Duration::from_micros(random.below(150)));
                        if let Some((seat, coroutine)) = crew.take(random.next() as usize) {
                            assert!(!coroutine.is_done());
                            taken.fetch_add(1, Ordering::Relaxed);
                            crew.give(seat);
                        }
                    }
                }
            });
            let sums: Vec<u64> = handles.into_iter().map(|handle| handle.join().unwrap()).collect();
            let expected = (0..MESSAGES).sum::<u64>();
            assert!(sums.chunks(2).all(|pair| pair == [0, expected]), "{sums:?}");
            taker.join().unwrap();
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            let (taken, (left_behind, spent)) = (taken.load(Ordering::Relaxed), crew.ends());
            println!("taken {taken}, left behind {left_behind}");
            assert!(0 < taken && taken <= left_behind && spent == 0);
            assert_eq!((queue.finished.load(Ordering::SeqCst), queue.len()), (2 * PAIRS as usize, 0));
            drop(crew);
            assert_eq!(drops.count(), SEATS);
        });
    }
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
        .args(["--exact", "a_seat_given_up_inside_links_ends_the_process", "--nocapture"])
        .env(IN_CHILD, "")
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&child.stderr);
    assert!(stderr.contains("a seat given up inside `Links` or `Schedule`"), "{stderr}");
    assert_eq!(child.status.code(), None, "ended by a signal");
}
