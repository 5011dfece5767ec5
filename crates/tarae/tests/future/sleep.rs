//! Futures of a moment.

use std::pin::Pin;
use std::task::Context;
use std::time::{Duration, Instant};

use tarae::future::{Sleep, block_on, sleep, sleep_until};

use crate::support::{LIMIT, MOMENT, bounded, eventually, ms, on_workers, runtime, with_runtimes};
use crate::wakers::{Count, Panics};

fn poll(sleep: &mut Sleep, waker: &std::task::Waker) -> bool {
    Pin::new(sleep).poll(&mut Context::from_waker(waker)).is_ready()
}

#[test]
fn it_is_never_early_and_not_much_too_late() {
    fn check() {
        for duration in [0, 1, 3, 20] {
            let start = Instant::now();
            block_on(sleep(ms(duration)));
            assert!(start.elapsed() >= ms(duration) && start.elapsed() < LIMIT);
        }
        let start = Instant::now();
        block_on(sleep_until(start));
        block_on(sleep_until(start + ms(2)));
        assert!(start.elapsed() >= ms(2));
    }
    on_workers(check);
    bounded(check);
}

#[test]
fn a_sleep_that_is_polled_with_another_waker_wakes_that_one() {
    fn check() {
        let mut nap = sleep(ms(20));
        let (first, first_waker) = Count::new();
        let (second, second_waker) = Count::new();
        assert!(!poll(&mut nap, &first_waker) && !poll(&mut nap, &second_waker));
        eventually("it is woken", || second.wakes() == 1);
        assert!(poll(&mut nap, &second_waker));
        assert_eq!(first.wakes(), 0);
    }
    on_workers(check);
    bounded(check);
}

#[test]
fn a_sleep_that_is_dropped_wakes_nobody_and_keeps_nothing() {
    on_workers(|| {
        let (count, waker) = Count::new();
        let mut naps: Vec<Sleep> = (0..100).map(|_| sleep(ms(5))).collect();
        naps.iter_mut().for_each(|nap| assert!(!poll(nap, &waker)));
        drop(naps);
        drop(waker);
        assert_eq!(std::sync::Arc::strong_count(&count), 1);
        tarae::sleep(MOMENT);
        assert_eq!(count.wakes(), 0);
    });
}

#[test]
fn a_reset_counts_from_then_on() {
    on_workers(|| {
        let (count, waker) = Count::new();
        let mut nap = sleep(ms(2));
        assert!(!poll(&mut nap, &waker));
        nap.reset(Instant::now() + LIMIT);
        assert!(!poll(&mut nap, &waker));
        tarae::sleep(MOMENT);
        assert_eq!((count.wakes(), poll(&mut nap, &waker)), (0, false));
        nap.reset(Instant::now() + ms(2));
        block_on(&mut nap);
    });
}

#[test]
fn a_sleep_without_end_is_pending() {
    let mut never = sleep(Duration::MAX);
    assert_eq!(never.deadline(), None);
    assert!(!poll(&mut never, std::task::Waker::noop()));
}

#[test]
fn a_waker_that_panics_does_not_keep_other_sleepers_from_waking() {
    with_runtimes(|runtime| {
        runtime.run(|| {
            let mut naps: Vec<Sleep> = (0..50).map(|_| sleep(ms(5))).collect();
            let (panics, (count, counts)) = (Panics::waker(), Count::new());
            for (index, nap) in naps.iter_mut().enumerate() {
                assert!(!poll(nap, if index % 2 == 0 { &panics } else { &counts }));
            }
            let sleepers: Vec<_> = (0..50).map(|_| tarae::spawn(|| tarae::sleep(ms(5)))).collect();
            sleepers.into_iter().for_each(|sleeper| sleeper.join().unwrap());
            eventually("all the others are woken", || count.wakes() == 25);
        });
        // Workers and monitor go on.
        assert_eq!(runtime.run(|| tarae::spawn(|| 4).join().unwrap()), 4);
    });
}

/// Its timer is in a runtime that ends: it is woken, and arms another one where it is polled then.
#[test]
fn a_sleep_outlives_the_runtime_in_which_it_was_polled_first() {
    bounded(|| {
        let first = runtime(2);
        let (count, waker) = Count::new();
        let mut nap = sleep(ms(100));
        nap = first.run({
            let waker = waker.clone();
            move || {
                assert!(!poll(&mut nap, &waker));
                nap
            }
        });
        drop(first);
        assert_eq!(count.wakes(), 1, "told that it is to look again");
        let start = Instant::now();
        block_on(nap);
        assert!(start.elapsed() < LIMIT);
    });
}

#[test]
fn a_cancelled_sleeper_takes_its_timer_back() {
    on_workers(|| {
        let handle = tarae::spawn(|| block_on(sleep(Duration::from_secs(3600))));
        tarae::sleep(ms(2));
        handle.cancel();
        assert!(tarae::is_cancelled(&*handle.join().unwrap_err()));
    });
}
