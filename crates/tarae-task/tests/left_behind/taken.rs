//! Seats that are taken: once, from one whose coroutine is outside, by one taker.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;

use tarae_task::{Ran, give_up_seat, sit, with_seat, yield_now};

use crate::carrier::{address, seat_here};
use crate::common::stuck::{Gate, alone, stuck};
use crate::common::{Drops, Drove, Queue, Worker};

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
