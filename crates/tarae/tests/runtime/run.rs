//! Running and spawning: from kernel threads, from coroutines, and across runtimes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tarae::thread::{self, Thread};

use crate::support::{
    ON_PURPOSE, bounded, hush, panic_on_purpose, runtime, spin_while, text_of, with_runtimes,
};

#[test]
fn run_returns_what_the_job_returns() {
    with_runtimes(|runtime| assert_eq!(runtime.run(|| String::from("done")), "done"));
}

#[test]
fn a_panic_goes_through_run_with_its_payload() {
    with_runtimes(|runtime| {
        hush();
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            runtime.run(|| panic_on_purpose());
        }));
        assert_eq!(text_of(&*caught.unwrap_err()), ON_PURPOSE);
        assert_eq!(runtime.run(|| 7), 7, "the runtime goes on");
    });
}

#[test]
fn run_inside_a_coroutine_of_the_same_runtime() {
    with_runtimes_shared(|runtime| {
        let inner = Arc::clone(&runtime);
        assert_eq!(runtime.run(move || inner.run(|| tarae::run(|| 5)) + 1), 6);
    });
}

#[test]
fn run_inside_a_coroutine_of_another_runtime() {
    with_runtimes_shared(|one| {
        let other = runtime(1);
        let sum = one.run(move || {
            let sum = other.run(|| {
                thread::yield_now();
                20
            });
            drop(other);
            sum + 1
        });
        assert_eq!(sum, 21);
    });
}

#[test]
fn spawn_inside_a_coroutine_uses_its_runtime() {
    with_runtimes(|runtime| {
        let before = runtime.metrics().spawned;
        runtime.run(|| {
            let children: Vec<_> = (0..10).map(|n| tarae::spawn(move || n)).collect();
            assert_eq!(children.into_iter().map(|child| child.join().unwrap()).sum::<i32>(), 45);
        });
        assert_eq!(runtime.metrics().spawned - before, 11);
    });
}

#[test]
fn two_runtimes_wake_each_others_coroutines() {
    for (workers, others) in [(1, 1), (2, 1), (8, 2)] {
        bounded(move || {
            const ROUNDS: u32 = 2_000;
            let (one, other) = (runtime(workers), runtime(others));
            let turn = Arc::new(AtomicU32::new(0));
            let pong = other.spawn({
                let turn = Arc::clone(&turn);
                move || {
                    let mut ping: Option<Thread> = None;
                    move_along(&turn, 1, ROUNDS, || ping.get_or_insert_with(wait_for_peer).unpark());
                }
            });
            let ping = one.spawn({
                let (turn, pong) = (Arc::clone(&turn), pong.thread().clone());
                move || move_along(&turn, 0, ROUNDS, || pong.unpark())
            });
            *PEER.lock().unwrap() = Some(ping.thread().clone());
            ping.join().unwrap();
            pong.join().unwrap();
            *PEER.lock().unwrap() = None;
            assert_eq!(turn.load(Ordering::SeqCst), ROUNDS);
        });
    }

    static PEER: std::sync::Mutex<Option<Thread>> = std::sync::Mutex::new(None);

    fn wait_for_peer() -> Thread {
        loop {
            if let Some(peer) = PEER.lock().unwrap().clone() {
                return peer;
            }
            thread::yield_now();
        }
    }

    /// Advances `turn` whenever it is odd or even as `mine` says, and tells the other one.
    fn move_along(turn: &AtomicU32, mine: u32, rounds: u32, mut tell: impl FnMut()) {
        loop {
            let now = turn.load(Ordering::SeqCst);
            if now >= rounds {
                return tell();
            }
            if now % 2 == mine {
                turn.store(now + 1, Ordering::SeqCst);
                tell();
            } else {
                thread::park();
            }
        }
    }
}

#[test]
fn a_coroutine_joins_one_of_another_runtime() {
    with_runtimes(|one| {
        let other = runtime(1);
        let slow = other.spawn(|| {
            tarae::sleep(crate::support::MOMENT);
            "late"
        });
        assert_eq!(one.run(move || slow.join().unwrap()), "late");
    });
}

#[test]
fn a_kernel_thread_spawns_onto_a_runtime_while_its_workers_are_busy() {
    with_runtimes(|runtime| {
        let released = Arc::new(AtomicU32::new(0));
        let busy: Vec<_> = (0..runtime.workers())
            .map(|_| {
                let released = Arc::clone(&released);
                runtime.spawn(move || spin_while(|| released.load(Ordering::SeqCst) == 0))
            })
            .collect();
        let queued: Vec<_> = (0..1000).map(|n| runtime.spawn(move || n)).collect();
        released.store(1, Ordering::SeqCst);
        assert_eq!(queued.into_iter().map(|job| job.join().unwrap()).sum::<i32>(), 499_500);
        busy.into_iter().for_each(|job| job.join().unwrap());
    });
}

#[test]
fn all_is_counted_as_finished_in_the_end() {
    with_runtimes(|runtime| {
        let jobs: Vec<_> = (0..500).map(|_| runtime.spawn(thread::yield_now)).collect();
        jobs.into_iter().for_each(|job| job.join().unwrap());
        crate::support::eventually("all finished", || runtime.metrics().coroutines.alive() == 0);
        assert_eq!(runtime.metrics().spawned, 500);
    });
}

/// As `with_runtimes`, with a runtime that coroutines may hold.
fn with_runtimes_shared(body: fn(Arc<tarae::Runtime>)) {
    for workers in crate::support::WORKERS {
        bounded(move || body(Arc::new(runtime(workers))));
    }
}
