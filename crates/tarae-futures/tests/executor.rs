//! The executor and the timer, as hyper sees them.

#[path = "../../tarae/tests/support/mod.rs"]
mod support;

use std::future::pending;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use futures_util::future::{Either, join_all, select};
use hyper::rt::{Executor as _, Timer as _};
use tarae::future::block_on;
use tarae_futures::{Executor, Timer, spawn};

use support::{LIMIT, bounded, eventually, hush, ms, on_workers, panic_on_purpose, runtime};

#[test]
fn many_tasks_run_and_all_end() {
    const TASKS: usize = 2000;
    fn check() {
        let done = Arc::new(AtomicUsize::new(0));
        for task in 0..TASKS {
            let done = Arc::clone(&done);
            Executor.execute(async move {
                if task % 2 == 0 {
                    Timer.sleep(ms(task as u64 % 7)).await;
                }
                spawn(async { tarae::yield_now() }).await.unwrap();
                done.fetch_add(1, Ordering::SeqCst);
            });
        }
        eventually("all are done", || done.load(Ordering::SeqCst) == TASKS);
    }
    on_workers(check);
    bounded(check);
}

#[test]
fn tasks_are_awaited_together() {
    on_workers(|| {
        let sum: usize = block_on(async {
            let tasks = (0..500).map(|n| spawn(async move { n }).into_future());
            join_all(tasks).await.into_iter().map(|result| result.unwrap()).sum()
        });
        assert_eq!(sum, 124_750);
    });
}

#[test]
fn a_task_that_panics_ends_alone() {
    on_workers(|| {
        hush();
        Executor.execute(async { panic_on_purpose() });
        assert!(spawn(async { panic_on_purpose() }).join().is_err());
        assert_eq!(spawn(async { 3 }).join().unwrap(), 3);
    });
}

#[test]
fn a_cancelled_task_drops_its_future_and_a_detached_one_goes_on() {
    struct Dropped(Arc<AtomicBool>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    on_workers(|| {
        let flags = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        let task = |flag: &Arc<AtomicBool>| {
            let dropped = Dropped(Arc::clone(flag));
            spawn(async move {
                let _dropped = dropped;
                pending::<()>().await;
            })
        };
        let cancelled = task(&flags[0]);
        let detached = task(&flags[1]);
        let canceller = detached.thread().clone();
        drop(detached);
        tarae::sleep(ms(2));
        cancelled.cancel();
        assert!(tarae::is_cancelled(&*cancelled.join().unwrap_err()));
        assert!(flags[0].load(Ordering::SeqCst) && !flags[1].load(Ordering::SeqCst));
        canceller.unpark();
        // What is left ends with the runtime.
    });
}

#[test]
fn tasks_end_with_their_runtime() {
    bounded(|| {
        let runtime = runtime(2);
        let ended = Arc::new(AtomicUsize::new(0));
        struct Counts(Arc<AtomicUsize>);
        impl Drop for Counts {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        runtime.run({
            let ended = Arc::clone(&ended);
            move || {
                for _ in 0..200 {
                    let counts = Counts(Arc::clone(&ended));
                    Executor.execute(async move {
                        let _counts = counts;
                        Timer.sleep(Duration::from_secs(3600)).await;
                    });
                }
            }
        });
        runtime.shutdown_timeout(LIMIT).expect("everyone ends");
        assert_eq!(ended.load(Ordering::SeqCst), 200);
    });
}

/// Its waker goes from hand to hand, as in a queue of an async crate.
#[test]
fn tasks_that_wake_each_other_go_on() {
    #[derive(Default)]
    struct Ring {
        turn: usize,
        wakers: Vec<Option<Waker>>,
    }
    on_workers(|| {
        const TASKS: usize = 50;
        const ROUNDS: usize = 40;
        let ring = Arc::new(Mutex::new(Ring { turn: 0, wakers: vec![None; TASKS] }));
        let tasks: Vec<_> = (0..TASKS)
            .map(|me| {
                let ring = Arc::clone(&ring);
                spawn(async move {
                    for round in 0..ROUNDS {
                        std::future::poll_fn(|cx| {
                            let mut ring = ring.lock().unwrap();
                            if ring.turn == round * TASKS + me {
                                ring.turn += 1;
                                let next = ring.wakers[(me + 1) % TASKS].take();
                                drop(ring);
                                next.into_iter().for_each(Waker::wake);
                                return Poll::Ready(());
                            }
                            ring.wakers[me] = Some(cx.waker().clone());
                            Poll::Pending
                        })
                        .await;
                    }
                })
            })
            .collect();
        tasks.into_iter().for_each(|task| task.join().unwrap());
        assert_eq!(ring.lock().unwrap().turn, TASKS * ROUNDS);
    });
}

#[test]
fn the_timer_is_never_early_and_can_be_reset() {
    fn check() {
        block_on(async {
            let start = Instant::now();
            Timer.sleep(ms(5)).await;
            assert!(start.elapsed() >= ms(5));
            Timer.sleep_until(start).await;
            let mut nap = Timer.sleep(Duration::from_secs(3600));
            let polled = std::future::poll_fn(|cx| Poll::Ready(nap.as_mut().poll(cx))).await;
            assert!(polled.is_pending());
            Timer.reset(&mut nap, Instant::now() + ms(2));
            nap.await;
            assert!(start.elapsed() < LIMIT && start.elapsed() >= ms(7));
        });
    }
    on_workers(check);
    bounded(check);
}

/// One that hyper may have been given by another timer.
#[test]
fn a_sleep_of_another_timer_is_replaced() {
    struct Never;
    impl Future for Never {
        type Output = ();
        fn poll(self: Pin<&mut Self>, _: &mut std::task::Context<'_>) -> Poll<()> {
            Poll::Pending
        }
    }
    impl hyper::rt::Sleep for Never {}
    bounded(|| {
        let mut nap: Pin<Box<dyn hyper::rt::Sleep>> = Box::pin(Never);
        Timer.reset(&mut nap, Instant::now() + ms(1));
        block_on(nap);
    });
}

#[test]
fn the_one_that_is_ready_first_wins_and_the_other_one_is_dropped() {
    on_workers(|| {
        for _ in 0..20 {
            let fast = spawn(async { 1 }).into_future();
            match block_on(select(fast, Timer.sleep(LIMIT))) {
                Either::Left((result, _)) => assert_eq!(result.unwrap(), 1),
                Either::Right(_) => panic!("it took long"),
            }
            let slow = spawn(pending::<()>());
            let thread = slow.thread().clone();
            assert!(matches!(block_on(select(slow.into_future(), Timer.sleep(ms(1)))), Either::Right(_)));
            thread.unpark();
        }
    });
}
