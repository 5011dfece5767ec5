//! Awaiting coroutines.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tarae::future::block_on;

use crate::support::{MOMENT, eventually, hush, on_workers, panic_on_purpose, with_runtimes};
use crate::wakers::{Count, Dropped, Gate, Panics};

#[test]
fn a_result_a_panic_and_a_cancellation_reach_whoever_awaits() {
    on_workers(|| {
        hush();
        block_on(async {
            assert_eq!(tarae::spawn(|| vec![1, 2]).await.unwrap(), [1, 2]);
            assert!(tarae::spawn(|| panic_on_purpose()).await.is_err());
            let sleeper = tarae::spawn(|| tarae::sleep(std::time::Duration::MAX));
            sleeper.cancel();
            assert!(tarae::is_cancelled(&*sleeper.await.unwrap_err()));
        });
    });
}

#[test]
fn one_that_has_ended_is_ready_at_once() {
    on_workers(|| {
        let handle = tarae::spawn(|| 5);
        eventually("it ends", || handle.is_finished());
        let (count, waker) = Count::new();
        let polled = pin!(handle.into_future()).poll(&mut Context::from_waker(&waker));
        assert!(matches!(polled, Poll::Ready(Ok(5))));
        assert_eq!((count.wakes(), Arc::strong_count(&count)), (0, 2));
    });
}

#[test]
fn the_waker_of_the_last_poll_is_woken_once_and_no_other_one() {
    with_runtimes(|runtime| {
        let gate = Gate::default();
        let mut join = runtime
            .spawn({
                let gate = gate.clone();
                move || block_on(gate)
            })
            .into_future();
        let mut poll = |waker: &_| Pin::new(&mut join).poll(&mut Context::from_waker(waker)).is_ready();
        let (first, first_waker) = Count::new();
        let (second, second_waker) = Count::new();
        assert!(!poll(&first_waker) && !poll(&second_waker) && !poll(&first_waker) && !poll(&second_waker));
        drop(first_waker);
        assert_eq!(Arc::strong_count(&first), 1, "nobody keeps it");
        eventually("it waits", || gate.waiting() == 1);
        gate.open();
        eventually("it is woken", || second.wakes() == 1);
        assert!(poll(&second_waker));
        assert_eq!((first.wakes(), second.wakes()), (0, 1));
    });
}

#[test]
fn dropping_the_future_detaches_and_lets_go_of_the_waker() {
    with_runtimes(|runtime| {
        let (gate, ended) = (Gate::default(), Arc::new(AtomicBool::new(false)));
        let mut join = runtime
            .spawn({
                let (gate, ended) = (gate.clone(), Dropped(Arc::clone(&ended)));
                move || {
                    block_on(gate);
                    ended
                }
            })
            .into_future();
        let (count, waker) = Count::new();
        assert!(Pin::new(&mut join).poll(&mut Context::from_waker(&waker)).is_pending());
        drop((join, waker));
        assert_eq!(Arc::strong_count(&count), 1);
        assert!(!ended.load(Ordering::SeqCst));
        gate.open();
        eventually("the result is dropped", || ended.load(Ordering::SeqCst));
        assert_eq!(count.wakes(), 0);
    });
}

#[test]
fn a_waker_that_panics_hurts_neither_the_coroutine_nor_the_worker() {
    with_runtimes(|runtime| {
        for _ in 0..10 {
            let gate = Gate::default();
            let mut join = runtime
                .spawn({
                    let gate = gate.clone();
                    move || {
                        block_on(gate);
                        8
                    }
                })
                .into_future();
            assert!(Pin::new(&mut join).poll(&mut Context::from_waker(&Panics::waker())).is_pending());
            gate.open();
            assert_eq!(block_on(join).unwrap(), 8);
        }
        assert_eq!(runtime.run(|| 9), 9);
    });
}

/// It may: it is woken on the coroutine's own stack.
#[test]
fn a_waker_that_waits_and_spawns_is_as_any_code_of_the_coroutine() {
    struct Waits(AtomicUsize);
    impl std::task::Wake for Waits {
        fn wake(self: Arc<Self>) {
            tarae::yield_now();
            let two = tarae::spawn(|| 2).join().unwrap();
            tarae::sleep(crate::support::ms(1));
            self.0.fetch_add(two, Ordering::SeqCst);
        }
    }
    with_runtimes(|runtime| {
        let (gate, waits) = (Gate::default(), Arc::new(Waits(AtomicUsize::new(0))));
        let mut join = runtime
            .spawn({
                let gate = gate.clone();
                move || block_on(gate)
            })
            .into_future();
        let waker = Arc::clone(&waits).into();
        assert!(Pin::new(&mut join).poll(&mut Context::from_waker(&waker)).is_pending());
        gate.open();
        eventually("it has waited", || waits.0.load(Ordering::SeqCst) == 2);
        assert!(Pin::new(&mut join).poll(&mut Context::from_waker(&waker)).is_ready());
    });
}

#[test]
fn those_that_may_never_start_wake_whoever_awaits_them() {
    crate::support::bounded(|| {
        let runtime = crate::support::runtime(1);
        let (release, held) = std::sync::mpsc::channel::<()>();
        let (start, started) = std::sync::mpsc::channel();
        let hog = runtime.spawn(move || {
            start.send(()).unwrap();
            held.recv().is_err()
        });
        started.recv().unwrap();
        let mut joins: Vec<_> = (0..100).map(|n| runtime.spawn(move || n).into_future()).collect();
        let (count, waker) = Count::new();
        let pending = joins
            .iter_mut()
            .filter_map(|join| {
                Pin::new(join).poll(&mut Context::from_waker(&waker)).is_pending().then_some(())
            })
            .count();
        std::thread::spawn(move || {
            std::thread::sleep(MOMENT);
            drop(release);
        });
        runtime.shutdown_timeout(crate::support::LIMIT).unwrap();
        assert_eq!(count.wakes(), pending);
        assert!(hog.join().is_ok());
    });
}

#[test]
fn many_are_awaited_by_one_and_one_awaits_a_chain() {
    on_workers(|| {
        let all: Vec<_> = (0..1000).map(|n| tarae::spawn(move || n)).collect();
        let sum = block_on(async {
            let mut sum = 0;
            for handle in all {
                sum += handle.await.unwrap();
            }
            sum
        });
        assert_eq!(sum, 499_500);
        let chain =
            (0..100).fold(tarae::spawn(|| 0), |inner, _| tarae::spawn(move || block_on(inner).unwrap() + 1));
        assert_eq!(block_on(chain).unwrap(), 100);
    });
}

#[test]
fn a_waker_that_waits_for_a_lock_is_called_by_one_that_was_cancelled_too() {
    struct Queues {
        queue: tarae::sync::Mutex<u32>,
        woken: AtomicBool,
    }

    impl std::task::Wake for Queues {
        fn wake(self: Arc<Self>) {
            *self.queue.lock().unwrap() += 1;
            self.woken.store(true, Ordering::SeqCst);
        }
    }

    with_runtimes(|runtime| {
        let executor = Arc::new(Queues { queue: tarae::sync::Mutex::new(0), woken: AtomicBool::new(false) });
        let waker = std::task::Waker::from(Arc::clone(&executor));
        let sleeper = runtime.spawn(|| tarae::sleep(std::time::Duration::MAX));
        let queue = executor.queue.lock().unwrap();
        let mut join = pin!(sleeper.into_future());
        assert!(join.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        join.cancel();
        std::thread::sleep(MOMENT);
        drop(queue);
        eventually("it is woken", || executor.woken.load(Ordering::SeqCst));
        assert!(join.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
    });
}
