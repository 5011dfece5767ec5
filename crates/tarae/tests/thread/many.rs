//! Many coroutines: short ones one after the other, and long ones at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tarae::thread;

use crate::support::{bounded, on_workers, with_runtimes};

#[test]
fn a_hundred_thousand_short_ones_from_a_coroutine() {
    on_workers(|| {
        const COUNT: u64 = 100_000;
        let sum = Arc::new(AtomicU64::new(0));
        for batch in 0..100 {
            let all: Vec<_> = (0..COUNT / 100)
                .map(|number| {
                    let sum = Arc::clone(&sum);
                    thread::spawn(move || {
                        sum.fetch_add(batch * COUNT / 100 + number, Ordering::Relaxed);
                    })
                })
                .collect();
            all.into_iter().for_each(|one| one.join().unwrap());
        }
        assert_eq!(sum.load(Ordering::Relaxed), COUNT * (COUNT - 1) / 2);
    });
}

#[test]
fn a_hundred_thousand_short_ones_queued_at_once_from_a_kernel_thread() {
    with_runtimes(|runtime| {
        let all: Vec<_> = (0..100_000u64).map(|number| runtime.spawn(move || number)).collect();
        let sum: u64 = all.into_iter().map(|one| one.join().unwrap()).sum();
        assert_eq!(sum, 100_000 * 99_999 / 2);
    });
}

#[test]
fn five_thousand_alive_at_once() {
    with_runtimes(|runtime| {
        let all: Vec<_> = (0..5_000u32)
            .map(|number| {
                runtime.spawn(move || {
                    thread::park();
                    number
                })
            })
            .collect();
        all.iter().for_each(|one| one.thread().unpark());
        all.into_iter().enumerate().for_each(|(number, one)| assert_eq!(one.join().unwrap(), number as u32));
    });
}

#[test]
fn kernel_threads_spawn_at_the_same_time() {
    bounded(|| {
        let runtime = Arc::new(crate::support::runtime(2));
        let spawners: Vec<_> = (0..4)
            .map(|_| {
                let runtime = Arc::clone(&runtime);
                std::thread::spawn(move || {
                    (0..5_000u64).map(|number| runtime.spawn(move || number).join().unwrap()).sum::<u64>()
                })
            })
            .collect();
        spawners.into_iter().for_each(|spawner| assert_eq!(spawner.join().unwrap(), 5_000 * 4_999 / 2));
    });
}
