//! `block_on`: nested, from coroutines and kernel threads, interrupted.

use std::future::{pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;

use tarae::future::block_on;

use crate::support::{MOMENT, bounded, eventually, ms, on_workers, panic_on_purpose, text_of};
use crate::wakers::{Dropped, Gate};

/// Runs `body` on coroutines of 1, 2 and 8 workers, and on a kernel thread.
fn everywhere(body: fn()) {
    on_workers(body);
    bounded(body);
}

#[test]
fn what_the_future_comes_to_is_returned() {
    everywhere(|| {
        assert_eq!(block_on(ready(7)), 7);
        let borrowed = String::from("not static, and not sent");
        assert_eq!(block_on(async { &borrowed }), "not static, and not sent");
    });
}

#[test]
fn a_wake_from_another_thread_has_it_polled_again() {
    everywhere(|| {
        let gate = Gate::default();
        let opener = std::thread::spawn({
            let gate = gate.clone();
            move || {
                eventually("it waits", || gate.waiting() == 1);
                // For nothing, and then for something.
                gate.wake();
                eventually("it waits again", || gate.waiting() == 1);
                gate.open();
            }
        });
        block_on(gate);
        opener.join().unwrap();
    });
}

#[test]
fn it_is_polled_once_for_each_wake_and_not_for_wakes_of_the_caller() {
    on_workers(|| {
        let (gate, polls) = (Gate::default(), Arc::new(AtomicUsize::new(0)));
        let handle = tarae::spawn({
            let (mut gate, polls) = (gate.clone(), Arc::clone(&polls));
            move || {
                block_on(poll_fn(|cx| {
                    polls.fetch_add(1, Ordering::SeqCst);
                    std::pin::Pin::new(&mut gate).poll(cx)
                }));
            }
        });
        eventually("it waits", || gate.waiting() == 1);
        for _ in 0..10 {
            handle.thread().unpark();
            tarae::yield_now();
        }
        assert_eq!(polls.load(Ordering::SeqCst), 1);
        gate.open();
        handle.join().unwrap();
        assert_eq!(polls.load(Ordering::SeqCst), 2);
    });
}

/// The outer future is woken while the inner one parks: that wake must be there when the outer one would park.
#[test]
fn a_wake_for_the_outer_one_that_comes_in_the_inner_one_is_not_lost() {
    everywhere(|| {
        let (outer, inner) = (Gate::default(), Gate::default());
        let opener = std::thread::spawn({
            let (outer, inner) = (outer.clone(), inner.clone());
            move || {
                eventually("both wait", || outer.waiting() == 1 && inner.waiting() == 1);
                outer.open();
                std::thread::sleep(ms(2));
                inner.open();
            }
        });
        let mut outer = outer;
        let mut first = true;
        block_on(poll_fn(|cx| {
            let poll = std::pin::Pin::new(&mut outer).poll(cx);
            if std::mem::take(&mut first) {
                assert!(poll.is_pending());
                block_on(inner.clone());
                // Pending, though it has been woken meanwhile.
                return Poll::Pending;
            }
            poll
        }));
        opener.join().unwrap();
    });
}

#[test]
fn a_wake_for_the_inner_one_is_not_taken_by_the_outer_one() {
    everywhere(|| {
        for depth in 1..5 {
            fn nest(depth: usize, gates: &[Gate]) {
                let mut gate = gates[depth].clone();
                block_on(poll_fn(|cx| {
                    let poll = std::pin::Pin::new(&mut gate).poll(cx);
                    if poll.is_pending() && depth > 0 {
                        nest(depth - 1, gates);
                    }
                    poll
                }));
            }
            let gates: Vec<Gate> = (0..=depth).map(|_| Gate::default()).collect();
            let opener = std::thread::spawn({
                let gates = gates.clone();
                move || {
                    eventually("all wait", || gates.iter().all(|gate| gate.waiting() > 0));
                    gates.iter().rev().for_each(Gate::open);
                }
            });
            nest(depth, &gates);
            opener.join().unwrap();
        }
    });
}

#[test]
fn one_that_wakes_itself_lets_others_run_between_two_polls() {
    bounded(|| {
        let runtime = crate::support::runtime(1);
        runtime.run(|| {
            let (stop, polls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
            let busy = tarae::spawn({
                let (stop, polls) = (Arc::clone(&stop), Arc::clone(&polls));
                move || {
                    block_on(poll_fn(|cx| {
                        polls.fetch_add(1, Ordering::SeqCst);
                        cx.waker().wake_by_ref();
                        if stop.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
                    }));
                }
            });
            for _ in 0..100 {
                tarae::yield_now();
            }
            stop.store(true, Ordering::SeqCst);
            busy.join().unwrap();
            // They take turns. One that keeps its turn polls a million times until its worker is taken away.
            assert!(polls.load(Ordering::SeqCst) < 1000, "{polls:?} polls");
        });
    });
}

#[test]
fn a_cancelled_one_unwinds_and_drops_its_future() {
    on_workers(|| {
        let dropped = Arc::new(AtomicBool::new(false));
        let handle = tarae::spawn({
            let dropped = Dropped(Arc::clone(&dropped));
            move || {
                block_on(async {
                    let _dropped = dropped;
                    pending::<()>().await;
                });
            }
        });
        tarae::sleep(ms(2));
        assert!(!dropped.load(Ordering::SeqCst));
        handle.cancel();
        assert!(tarae::is_cancelled(&*handle.join().unwrap_err()));
        assert!(dropped.load(Ordering::SeqCst));
    });
}

#[test]
fn a_timeout_ends_it_in_time() {
    everywhere(|| {
        let late = tarae::timeout(ms(5), || block_on(pending::<()>()));
        assert_eq!(late, Err(tarae::Elapsed));
        assert_eq!(tarae::timeout(ms(10_000), || block_on(ready(3))), Ok(3));
    });
}

#[test]
fn a_panic_of_the_future_goes_to_the_caller() {
    everywhere(|| {
        let panic = catch_unwind(AssertUnwindSafe(|| block_on(async { panic_on_purpose() })));
        let Err(payload) = panic;
        assert!(text_of(&*payload).contains("on purpose"));
        assert_eq!(block_on(ready(1)), 1);
    });
}

#[test]
fn one_in_a_destructor_that_runs_in_an_unwinding_comes_to_its_end() {
    on_workers(|| {
        struct Waits(Arc<AtomicBool>);
        impl Drop for Waits {
            fn drop(&mut self) {
                block_on(tarae::future::sleep(ms(2)));
                self.0.store(true, Ordering::SeqCst);
            }
        }
        let done = Arc::new(AtomicBool::new(false));
        let handle = tarae::spawn({
            let waits = Waits(Arc::clone(&done));
            move || {
                let _waits = waits;
                block_on(pending::<()>());
            }
        });
        tarae::sleep(MOMENT);
        handle.cancel();
        assert!(handle.join().is_err());
        assert!(done.load(Ordering::SeqCst));
    });
}

#[test]
fn what_waits_may_be_called_in_a_future() {
    everywhere(|| {
        let sum = block_on(async {
            tarae::sleep(ms(1));
            let one = tarae::spawn(|| 1).join().unwrap();
            let two = tarae::spawn(|| 2).await.unwrap();
            one + two
        });
        assert_eq!(sum, 3);
    });
}
