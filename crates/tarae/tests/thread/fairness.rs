//! Nobody waits for ever: yields, wakes and spawns take turns.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use tarae::thread::{self, Thread};

use crate::support::{bounded, ms, runtime};

/// Calls `step` with each number up to `count` in a coroutine of its own, again and again, for a while, and returns how
/// often each was called.
fn turns(count: usize, step: fn()) -> Vec<u64> {
    let stop = Arc::new(AtomicBool::new(false));
    let all: Vec<_> = (0..count)
        .map(|_| {
            let stop = Arc::clone(&stop);
            thread::spawn(move || {
                let mut turns = 0;
                while !stop.load(Ordering::SeqCst) {
                    step();
                    turns += 1;
                }
                turns
            })
        })
        .collect();
    tarae::sleep(ms(100));
    stop.store(true, Ordering::SeqCst);
    all.into_iter().map(|one| one.join().unwrap()).collect()
}

#[test]
fn two_yielders_on_one_worker_take_turns() {
    bounded(|| {
        let turns = runtime(1).run(|| turns(2, thread::yield_now));
        let (least, most) = (*turns.iter().min().unwrap(), *turns.iter().max().unwrap());
        assert!(least > 100 && most < least + least / 2 + 1000, "{turns:?}");
    });
}

#[test]
fn many_yielders_take_turns() {
    bounded(|| {
        let turns = runtime(1).run(|| turns(100, thread::yield_now));
        let (least, most) = (*turns.iter().min().unwrap(), *turns.iter().max().unwrap());
        assert!(least > 0 && most <= 2 * least + 100, "{turns:?}");
    });
}

#[test]
fn two_that_wake_each_other_do_not_keep_a_third_from_running() {
    bounded(|| {
        runtime(1).run(|| {
            fn play(peer: &Thread, stop: &AtomicBool) {
                while !stop.load(Ordering::SeqCst) {
                    peer.unpark();
                    thread::park();
                }
                peer.unpark();
            }
            let stop = Arc::new(AtomicBool::new(false));
            let (send, receive) = std::sync::mpsc::channel::<Thread>();
            let one = thread::spawn({
                let stop = Arc::clone(&stop);
                move || {
                    let peer = loop {
                        match receive.try_recv() {
                            Ok(peer) => break peer,
                            Err(_) => thread::yield_now(),
                        }
                    };
                    play(&peer, &stop);
                }
            });
            let other = thread::spawn({
                let (stop, peer) = (Arc::clone(&stop), one.thread().clone());
                move || play(&peer, &stop)
            });
            send.send(other.thread().clone()).unwrap();
            let start = Instant::now();
            let third = thread::spawn(|| (0..100).for_each(|_| thread::yield_now()));
            third.join().unwrap();
            tarae::sleep(ms(5));
            assert!(start.elapsed() < ms(2000), "{:?}", start.elapsed());
            stop.store(true, Ordering::SeqCst);
            one.join().unwrap();
            other.join().unwrap();
        });
    });
}

#[test]
fn a_kernel_threads_spawn_runs_beside_yielders() {
    for workers in [1, 2] {
        bounded(move || {
            let runtime = runtime(workers);
            let stop = Arc::new(AtomicBool::new(false));
            let yielders: Vec<_> = (0..4)
                .map(|_| {
                    let stop = Arc::clone(&stop);
                    runtime.spawn(move || {
                        while !stop.load(Ordering::SeqCst) {
                            thread::yield_now();
                        }
                    })
                })
                .collect();
            for _ in 0..50 {
                let start = Instant::now();
                runtime.run(|| ());
                assert!(start.elapsed() < ms(2000), "{:?}", start.elapsed());
            }
            stop.store(true, Ordering::SeqCst);
            yielders.into_iter().for_each(|yielder| yielder.join().unwrap());
        });
    }
}

#[test]
fn a_sleeper_wakes_beside_yielders() {
    bounded(|| {
        runtime(1).run(|| {
            static SLEPT: AtomicU64 = AtomicU64::new(0);
            let sleeper = thread::spawn(|| {
                loop {
                    tarae::sleep(ms(1));
                    SLEPT.fetch_add(1, Ordering::SeqCst);
                }
            });
            turns(10, thread::yield_now);
            assert!(SLEPT.load(Ordering::SeqCst) >= 5, "{SLEPT:?} sleeps in 100 ms");
            drop(sleeper);
        });
    });
}
