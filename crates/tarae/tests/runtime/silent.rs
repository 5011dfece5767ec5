//! What goes on within a worker makes no system calls, but for a look at its sockets every 200 µs.

use std::time::{Duration, Instant};

use tarae::{Metrics, Runtime};

use crate::support::{bounded, runtime};

const TURNS: u32 = 100_000;

/// Runs `body` as a coroutine, and returns what it did to the metrics, and how long it took.
fn watched(runtime: &Runtime, body: impl FnOnce() + Send + 'static) -> (Metrics, Metrics, Duration) {
    // Whatever is made once, is made now.
    runtime.run(|| tarae::spawn(tarae::yield_now).join().unwrap());
    let before = runtime.metrics();
    let start = Instant::now();
    runtime.run(body);
    (before, runtime.metrics(), start.elapsed())
}

/// With one worker, whatever crosses threads is a remote wake, a poll, or a hand-off.
fn is_silent(body: fn()) {
    bounded(move || {
        let (before, after, took) = watched(&runtime(1), body);
        // One wakes the worker for `body`, one may be the monitor's.
        assert!(after.remote_wakes - before.remote_wakes <= 2, "{} remote wakes", after.remote_wakes);
        let polls = u128::from(after.polls - before.polls);
        // Every 200 µs, before and after each sleep, and one that the monitor may ask for at each of its steps.
        assert!(polls <= 10 + took.as_micros() / 100, "{polls} polls in {took:?}");
    });
}

#[test]
fn yields_make_no_system_call() {
    is_silent(|| {
        let other = tarae::spawn(|| (0..TURNS).for_each(|_| tarae::yield_now()));
        (0..TURNS).for_each(|_| tarae::yield_now());
        other.join().unwrap();
    });
}

#[test]
fn wakes_within_a_worker_make_no_system_call() {
    is_silent(|| {
        let me = tarae::thread::current();
        let other = tarae::spawn(move || {
            for _ in 0..TURNS {
                tarae::thread::park();
                me.unpark();
            }
        });
        for _ in 0..TURNS {
            other.thread().unpark();
            tarae::thread::park();
        }
        other.join().unwrap();
    });
}

#[test]
fn spawns_and_joins_within_a_worker_make_no_system_call() {
    is_silent(|| (0..TURNS).for_each(|_| tarae::spawn(|| ()).join().unwrap()));
}
