//! Sleeps: never shorter than asked for, and not much longer.

use std::time::{Duration, Instant};

use tarae::thread;

use crate::support::seed::Random;
use crate::support::{bounded, ms, on_workers, runtime};

#[test]
fn a_sleep_is_never_early() {
    on_workers(|| {
        let mut random = Random::from_environment();
        let sleepers: Vec<_> = (0..200)
            .map(|_| {
                let duration = Duration::from_nanos(random.below(30_000_000));
                thread::spawn(move || {
                    let start = Instant::now();
                    thread::sleep(duration);
                    let slept = start.elapsed();
                    assert!(slept >= duration, "asked for {duration:?}, slept {slept:?}");
                })
            })
            .collect();
        sleepers.into_iter().for_each(|sleeper| sleeper.join().unwrap());
    });
}

#[test]
fn a_sleep_of_nothing_returns() {
    on_workers(|| {
        for _ in 0..1000 {
            thread::sleep(Duration::ZERO);
        }
        let start = Instant::now();
        thread::sleep(Duration::from_nanos(1));
        assert!(start.elapsed() < ms(1000));
    });
}

#[test]
fn sleepers_sleep_at_the_same_time() {
    on_workers(|| {
        let start = Instant::now();
        let sleepers: Vec<_> = (0..1000).map(|_| thread::spawn(|| thread::sleep(ms(50)))).collect();
        sleepers.into_iter().for_each(|sleeper| sleeper.join().unwrap());
        assert!(start.elapsed() < ms(5000), "{:?}", start.elapsed());
    });
}

#[test]
fn the_shorter_sleep_ends_first() {
    bounded(|| {
        runtime(1).run(|| {
            let (send, receive) = std::sync::mpsc::channel();
            let sleepers: Vec<_> = [200u64, 10, 100]
                .map(|millis| {
                    let send = send.clone();
                    thread::spawn(move || {
                        thread::sleep(ms(millis));
                        send.send(millis).unwrap();
                    })
                })
                .into();
            sleepers.into_iter().for_each(|sleeper| sleeper.join().unwrap());
            assert_eq!(receive.try_iter().collect::<Vec<_>>(), [10, 100, 200]);
        });
    });
}

#[test]
fn a_sleep_is_about_as_long_as_asked_for() {
    bounded(|| {
        let runtime = runtime(2);
        // The best of many: other processes may have had the CPU.
        let best = runtime.run(|| {
            let slept = (0..50).map(|_| {
                let start = Instant::now();
                thread::sleep(ms(5));
                start.elapsed()
            });
            slept.min().unwrap()
        });
        assert!((ms(5)..ms(8)).contains(&best), "{best:?}");
    });
}

#[test]
fn on_a_kernel_thread_sleep_is_that_of_std() {
    bounded(|| {
        let start = Instant::now();
        thread::sleep(ms(5));
        assert!(start.elapsed() >= ms(5));
    });
}
