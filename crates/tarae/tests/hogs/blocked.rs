//! Many coroutines blocked in the kernel at once: by a sleep of std's, and by a lock of std's.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::alone;
use super::echo::Echo;
use super::undisturbed::{Verdict, undisturbed};
use crate::support::{LIMIT, WORKERS, ms, runtime};

/// A hundred coroutines do `nap` at once, a few times over, beside an echo server; and all that in five runtimes, as a burst
/// is too short for a percentile: one bad moment meets all connections at once. The medians count.
fn a_hundred_naps(nap: fn(), within: Duration) {
    undisturbed(move || {
        let (mut slowest, mut p99): (Vec<_>, Vec<_>) = (0..5).map(|_| burst(nap)).unzip();
        slowest.sort();
        p99.sort();
        Verdict {
            holds: slowest[2] <= within && p99[2] <= ms(25),
            figures: format!("all done in {slowest:.1?}; p99 of the echoes {p99:.1?}"),
        }
    });
}

/// How long the slowest of four bursts took, and the p99 of the echoes beside them.
fn burst(nap: fn()) -> (Duration, Duration) {
    let runtime = runtime(2);
    let echo = Echo::start(&runtime, 2, 64);
    let rounds = (0..4).map(|_| {
        let start = Instant::now();
        let naps: Vec<_> = (0..100).map(|_| runtime.spawn(nap)).collect();
        naps.into_iter().for_each(|nap| nap.join().unwrap());
        start.elapsed()
    });
    let slowest = rounds.max().expect("some rounds");
    let echoes = echo.stop();
    runtime.shutdown_timeout(LIMIT).expect("everyone ends");
    assert!(slowest >= ms(100), "{slowest:?}: they did not sleep");
    assert!(echoes.count() > 200, "only {} answers", echoes.count());
    println!("{slowest:.1?}; echoes: {}", echoes.figures());
    (slowest, echoes.p99())
}

#[test]
fn a_hundred_unmarked_sleeps_of_std_pass_side_by_side() {
    alone("blocked::a_hundred_unmarked_sleeps_of_std_pass_side_by_side", || {
        a_hundred_naps(|| std::thread::sleep(ms(100)), ms(1500));
    });
}

#[test]
fn a_hundred_marked_sleeps_of_std_pass_at_once() {
    alone("blocked::a_hundred_marked_sleeps_of_std_pass_at_once", || {
        a_hundred_naps(|| tarae::blocking(|| std::thread::sleep(ms(100))), ms(400));
    });
}

#[test]
fn a_mutex_of_std_held_across_a_sleep_of_ours_is_no_deadlock() {
    alone("blocked::a_mutex_of_std_held_across_a_sleep_of_ours_is_no_deadlock", || {
        for workers in WORKERS {
            let runtime = runtime(workers);
            let count = Arc::new(Mutex::new(0));
            let one = || {
                let count = Arc::clone(&count);
                runtime.spawn(move || {
                    let mut count = count.lock().unwrap();
                    tarae::sleep(ms(1));
                    *count += 1;
                })
            };
            let all: Vec<_> = (0..100).map(|_| one()).collect();
            all.into_iter().for_each(|one| one.join().unwrap());
            assert_eq!(*count.lock().unwrap(), 100);
            runtime.shutdown_timeout(LIMIT).expect("everyone ends");
        }
    });
}
