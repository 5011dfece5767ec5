//! The result of a coroutine as a future: wakers that change, panic and wait, and what is left of them.

mod common;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use common::{DEADLINE, Drops, Queue, within};
use tarae_task::{Cancelled, Joining, Reason, Relay, park, yield_now};

#[derive(Default)]
struct Count(AtomicUsize);

impl Count {
    fn new() -> (Arc<Count>, Waker) {
        let count = Arc::new(Count::default());
        (Arc::clone(&count), Waker::from(count))
    }

    fn wakes(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn poll<T>(joining: &mut Joining<T>, waker: &Waker) -> Poll<<Joining<T> as Future>::Output> {
    Pin::new(joining).poll(&mut Context::from_waker(waker))
}

#[test]
fn the_last_waker_is_woken_and_the_result_is_given_once() {
    let (queue, result) = (Queue::new(), Drops::default());
    let counted = result.counted();
    let mut joining = queue.spawn(move || counted).into_future();
    let ((first, first_waker), (last, last_waker)) = (Count::new(), Count::new());
    assert!(poll(&mut joining, &first_waker).is_pending());
    assert!(poll(&mut joining, &last_waker).is_pending());
    queue.run();
    assert_eq!((first.wakes(), last.wakes(), result.count()), (0, 1, 0));
    let Poll::Ready(Ok(counted)) = poll(&mut joining, &last_waker) else { panic!("it is done") };
    drop(joining);
    assert_eq!(result.count(), 0);
    drop(counted);
    assert_eq!(result.count(), 1);
    drop((first_waker, last_waker));
    assert_eq!((Arc::strong_count(&first), Arc::strong_count(&last), Arc::strong_count(&queue)), (1, 1, 1));
}

#[test]
#[should_panic(expected = "not polled again")]
fn a_poll_after_the_result_panics() {
    let queue = Queue::new();
    let mut joining = queue.spawn(|| 1).into_future();
    queue.run();
    assert!(poll(&mut joining, Waker::noop()).is_ready());
    let _ = poll(&mut joining, Waker::noop());
}

#[test]
fn a_dropped_future_lets_go_of_its_waker_and_of_the_result() {
    let (queue, result) = (Queue::new(), Drops::default());
    let counted = result.counted();
    let mut joining = queue.spawn(move || counted).into_future();
    let (count, waker) = Count::new();
    assert!(poll(&mut joining, &waker).is_pending());
    drop((joining, waker));
    assert_eq!((Arc::strong_count(&count), result.count()), (1, 0));
    queue.run();
    assert_eq!((count.wakes(), result.count()), (0, 1));
    assert_eq!(Arc::strong_count(&queue), 1);
}

#[test]
fn a_job_that_is_discarded_wakes_the_watcher() {
    let (queue, job) = (Queue::new(), Drops::default());
    let counted = job.counted();
    let mut joining = queue.spawn(move || drop(counted)).into_future();
    let (count, waker) = Count::new();
    assert!(poll(&mut joining, &waker).is_pending());
    joining.coroutine().cancel();
    queue.run();
    assert_eq!((count.wakes(), job.count()), (1, 1));
    let Poll::Ready(Err(payload)) = poll(&mut joining, &waker) else { panic!("it was cancelled") };
    assert!(payload.is::<Cancelled>());
}

/// A waker of the user's, woken as the last thing that its coroutine does.
#[test]
fn the_watcher_is_woken_on_the_coroutine_where_it_may_wait_and_panic() {
    struct Foreign(AtomicBool);
    impl Wake for Foreign {
        fn wake(self: Arc<Self>) {
            assert!(tarae_task::current().is_some());
            yield_now();
            park(Reason::Other);
            self.0.store(true, Ordering::SeqCst);
            std::panic::resume_unwind(Box::new("a waker's panic"));
        }
    }
    for straight in [false, true] {
        let queue = Queue::new();
        let mut joining = queue.spawn(|| 4).into_future();
        let foreign = Arc::new(Foreign(AtomicBool::new(false)));
        let waker = Waker::from(Arc::clone(&foreign));
        assert!(poll(&mut joining, &waker).is_pending());
        queue.run_straight_on(straight);
        assert!(!joining.coroutine().is_done(), "its waker waits");
        joining.coroutine().wake();
        queue.run_straight_on(straight);
        assert!(foreign.0.load(Ordering::SeqCst) && joining.coroutine().is_done());
        assert!(matches!(poll(&mut joining, &waker), Poll::Ready(Ok(4))));
    }
}

/// The end races the first poll, the next polls and the drop.
#[test]
fn a_race_of_the_end_and_the_polls_loses_no_wake() {
    within(DEADLINE, || {
        for round in 0..2000 {
            let queue = Queue::new();
            let mut joining = queue.spawn(move || round).into_future();
            let (count, waker) = Count::new();
            let runner = thread::spawn({
                let queue = Arc::clone(&queue);
                move || queue.run()
            });
            if round % 3 == 0 {
                thread::yield_now();
            }
            let mut polls = 0;
            loop {
                let wakes = count.wakes();
                if let Poll::Ready(outcome) = poll(&mut joining, &waker) {
                    assert_eq!(outcome.unwrap(), round);
                    break;
                }
                polls += 1;
                if round % 5 == 0 && polls == 2 {
                    break;
                }
                if round % 2 == 0 {
                    while count.wakes() == wakes {
                        thread::sleep(Duration::from_micros(10));
                    }
                }
            }
            drop(joining);
            runner.join().unwrap();
            drop(waker);
            assert_eq!(Arc::strong_count(&count), 1);
        }
    });
}

#[test]
fn a_relay_passes_one_wake_on_and_says_afterwards_that_it_came() {
    let relay = Relay::new();
    let ((first, first_waker), (last, last_waker)) = (Count::new(), Count::new());
    assert!(!relay.listen(&first_waker) && !relay.listen(&last_waker) && !relay.listen(&last_waker));
    drop(first_waker);
    assert_eq!(Arc::strong_count(&first), 1);
    let waker = Waker::from(Arc::clone(&relay));
    waker.wake_by_ref();
    waker.wake();
    assert_eq!((first.wakes(), last.wakes()), (0, 1));
    assert!(relay.listen(&last_waker));
    assert_eq!(Arc::strong_count(&last), 2, "it is not kept");
}

#[test]
fn a_relay_that_was_left_wakes_nobody() {
    let (relay, (count, waker)) = (Relay::new(), Count::new());
    assert!(!relay.listen(&waker));
    relay.leave();
    Waker::from(Arc::clone(&relay)).wake();
    assert_eq!((count.wakes(), relay.listen(&waker)), (0, true));
}
