//! The number of threads: how many there may be, what happens at the bound, and how they go.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tarae::thread::JoinHandle;
use tarae::{Metrics, Runtime, is_cancelled};

use super::alone;
use super::kernel::passing_kernel_threads;
use crate::support::{LIMIT, MOMENT, eventually, ms, spin_while};

/// All kernel threads that a runtime says it has, but the monitor.
fn threads_of(metrics: &Metrics) -> usize {
    let threads = &metrics.threads;
    threads.driving + threads.left_behind + threads.locked + threads.spare
}

fn with_spares(workers: usize, spares: usize) -> Runtime {
    let builder = Runtime::builder().workers(workers).spare_threads_max(spares).name("test");
    let runtime = builder.build().expect("a runtime");
    // Identities are made by kernel threads that end at once: not while threads are counted. And what starts on first use
    // has started.
    let first: Vec<_> = (0..100).map(|_| runtime.spawn(|| tarae::sleep(ms(20)))).collect();
    first.into_iter().for_each(|one| one.join().unwrap());
    runtime
}

/// Notes the highest number of threads that there ever were, of those that it sees.
struct Watch {
    on: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<usize>,
}

impl Watch {
    fn start() -> Watch {
        let (on, ready) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
        let thread = std::thread::spawn({
            let (on, ready) = (Arc::clone(&on), Arc::clone(&ready));
            move || {
                let (mut most, mut last) = (0, BTreeSet::new());
                while on.load(Ordering::SeqCst) {
                    ready.store(true, Ordering::SeqCst);
                    // What was there twice: a thread that was just born still has its parent's name.
                    let now = passing_kernel_threads();
                    most = most.max(now.intersection(&last).count());
                    last = now;
                    std::thread::sleep(Duration::from_micros(500));
                }
                most
            }
        });
        eventually("the watch is on", || ready.load(Ordering::SeqCst));
        Watch { on, thread }
    }

    fn stop(self) -> usize {
        self.on.store(false, Ordering::SeqCst);
        self.thread.join().expect("the watch")
    }
}

/// Twenty coroutines do `nap`; the highest number of extra threads, as the runtime and the kernel say, and the stalls at
/// the limit.
fn extra_threads_for_twenty(runtime: &Runtime, nap: fn()) -> (usize, usize, u64) {
    // The threads of the runtime before may still be ending.
    let mut last = BTreeSet::new();
    eventually("no thread comes or goes", || {
        std::thread::sleep(ms(5));
        let now = passing_kernel_threads();
        now == std::mem::replace(&mut last, now.clone())
    });
    let (workers, before) = (runtime.workers(), last.len());
    let watch = Watch::start();
    let naps: Vec<_> = (0..20).map(|_| runtime.spawn(nap)).collect();
    let mut most = 0;
    while naps.iter().any(|nap| !nap.is_finished()) {
        most = most.max(threads_of(&runtime.metrics()));
        std::thread::sleep(Duration::from_micros(500));
    }
    naps.into_iter().for_each(|nap| nap.join().unwrap());
    // The watch is a thread, too.
    let seen = watch.stop() - 1;
    (most - workers, seen - before, runtime.metrics().stalls_at_limit)
}

#[test]
fn twenty_unmarked_blockers_share_two_spares() {
    alone("bounds::twenty_unmarked_blockers_share_two_spares", || {
        for workers in [1, 2] {
            let runtime = with_spares(workers, 2);
            let (said, seen, at_limit) = extra_threads_for_twenty(&runtime, || std::thread::sleep(ms(50)));
            assert!(said <= 2, "{said} extra threads of 2, as the metrics say");
            assert!(seen <= 2, "{seen} extra threads of 2, as the kernel says");
            assert!(seen >= 1, "nobody was left behind");
            assert!(at_limit > 0, "it was at the limit");
            runtime.shutdown_timeout(LIMIT).expect("everyone ends");
        }
    });
}

#[test]
fn twenty_marked_blockers_share_two_spares() {
    alone("bounds::twenty_marked_blockers_share_two_spares", || {
        for workers in [1, 2] {
            let runtime = with_spares(workers, 2);
            let nap = || tarae::blocking(|| std::thread::sleep(ms(50)));
            let (said, seen, _) = extra_threads_for_twenty(&runtime, nap);
            assert!(said <= 2, "{said} extra threads of 2, as the metrics say");
            assert!(seen <= 2, "{seen} extra threads of 2, as the kernel says");
            runtime.shutdown_timeout(LIMIT).expect("everyone ends");
        }
    });
}

#[test]
fn without_spares_blockers_take_turns() {
    alone("bounds::without_spares_blockers_take_turns", || {
        for workers in [1, 2] {
            let runtime = with_spares(workers, 0);
            let unmarked = extra_threads_for_twenty(&runtime, || std::thread::sleep(ms(20)));
            let marked =
                extra_threads_for_twenty(&runtime, || tarae::blocking(|| std::thread::sleep(ms(20))));
            assert_eq!((unmarked.0, unmarked.1), (0, 0), "as the metrics say, as the kernel says");
            assert_eq!((marked.0, marked.1), (0, 0), "as the metrics say, as the kernel says");
            runtime.shutdown_timeout(LIMIT).expect("everyone ends");
        }
    });
}

/// Coroutines that keep their kernel thread, and have been left behind on it.
struct Stuck {
    on: Arc<AtomicBool>,
    all: Vec<JoinHandle<&'static str>>,
}

impl Stuck {
    fn start(runtime: &Runtime, count: usize) -> Stuck {
        let (on, reached) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
        let one = || {
            let (on, reached) = (Arc::clone(&on), Arc::clone(&reached));
            runtime.spawn(move || {
                reached.fetch_add(1, Ordering::SeqCst);
                spin_while(|| {
                    std::thread::sleep(ms(1));
                    on.load(Ordering::SeqCst)
                });
                "at last"
            })
        };
        let all = (0..count).map(|_| one()).collect();
        eventually("all are stuck", || reached.load(Ordering::SeqCst) == count);
        // Whoever still has a worker loses it when somebody waits.
        let waits = runtime.spawn(|| (0..20).for_each(|_| tarae::yield_now()));
        waits.join().unwrap();
        Stuck { on, all }
    }

    fn let_go(self) {
        self.on.store(false, Ordering::SeqCst);
        for one in self.all {
            assert_eq!(one.join().unwrap(), "at last", "it ends by itself, late, and its joiner is told");
        }
    }
}

#[test]
fn a_shutdown_leaves_behind_whoever_was_left_behind_already() {
    alone("bounds::a_shutdown_leaves_behind_whoever_was_left_behind_already", || {
        for (workers, count) in [(1, 1), (1, 5), (2, 5), (8, 3)] {
            let before = passing_kernel_threads().len();
            let runtime = Runtime::builder().workers(workers).name("test").build().unwrap();
            let stuck = Stuck::start(&runtime, count);
            let sleeper = runtime.spawn(|| tarae::sleep(ms(3_600_000)));
            std::thread::sleep(MOMENT);
            let start = Instant::now();
            // Ample for the sleeper to unwind, also on a busy machine.
            let left = runtime.shutdown_timeout(ms(500)).expect_err("they cannot be stopped");
            assert!((ms(500)..ms(5000)).contains(&start.elapsed()), "{:?}", start.elapsed());
            assert_eq!((left.coroutines, left.threads), (count as u64, count), "{left}");
            assert!(is_cancelled(&*sleeper.join().unwrap_err()), "who waits is cancelled as ever");
            stuck.let_go();
            eventually("its threads end", || passing_kernel_threads().len() <= before);
        }
    });
}

#[test]
fn a_shutdown_waits_for_whoever_was_left_behind_and_ends_in_time() {
    alone("bounds::a_shutdown_waits_for_whoever_was_left_behind_and_ends_in_time", || {
        for workers in [1, 2, 8] {
            let before = passing_kernel_threads().len();
            let runtime = Runtime::builder().workers(workers).name("test").build().unwrap();
            let stuck = Stuck::start(&runtime, 4);
            let on = Arc::clone(&stuck.on);
            let soon = std::thread::spawn(move || {
                std::thread::sleep(ms(100));
                on.store(false, Ordering::SeqCst);
            });
            runtime.shutdown_timeout(LIMIT).expect("they end in time");
            assert!(stuck.all.iter().all(JoinHandle::is_finished));
            stuck.let_go();
            soon.join().unwrap();
            eventually("its threads end", || passing_kernel_threads().len() <= before);
        }
    });
}

#[test]
fn a_coroutine_left_behind_by_a_shutdown_may_wait_and_is_never_run_again() {
    alone("bounds::a_coroutine_left_behind_by_a_shutdown_may_wait_and_is_never_run_again", || {
        for workers in [1, 2] {
            let before = passing_kernel_threads().len();
            let runtime = Runtime::builder().workers(workers).name("test").build().unwrap();
            let (on, after) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
            let handle = runtime.spawn({
                let (on, after) = (Arc::clone(&on), Arc::clone(&after));
                move || {
                    spin_while(|| on.load(Ordering::SeqCst));
                    after.fetch_add(1, Ordering::SeqCst);
                    tarae::sleep(ms(1));
                    after.fetch_add(1, Ordering::SeqCst);
                }
            });
            runtime.spawn(|| tarae::sleep(ms(20))).join().unwrap();
            assert!(runtime.shutdown_timeout(ms(50)).is_err());
            on.store(false, Ordering::SeqCst);
            eventually("it has come to its wait", || after.load(Ordering::SeqCst) == 1);
            eventually("its thread ends", || passing_kernel_threads().len() <= before);
            assert_eq!(after.load(Ordering::SeqCst), 1, "a cancelled wait does not return");
            drop(handle);
        }
    });
}

#[test]
fn a_marked_call_left_behind_by_a_shutdown_ends_like_an_unmarked_one() {
    alone("bounds::a_marked_call_left_behind_by_a_shutdown_ends_like_an_unmarked_one", || {
        for workers in [1, 2] {
            let runtime = Runtime::builder().workers(workers).name("test").build().unwrap();
            let on = Arc::new(AtomicBool::new(true));
            let handle = runtime.spawn({
                let on = Arc::clone(&on);
                move || tarae::blocking(|| spin_while(|| on.load(Ordering::SeqCst)))
            });
            // It gives its worker away.
            runtime.spawn(|| tarae::sleep(ms(20))).join().unwrap();
            assert!(runtime.shutdown_timeout(ms(50)).is_err());
            on.store(false, Ordering::SeqCst);
            eventually("it ends, and its joiner is told", || handle.is_finished());
            handle.join().unwrap();
        }
    });
}

#[test]
fn spares_are_kept_for_a_while_and_then_end() {
    alone("bounds::spares_are_kept_for_a_while_and_then_end", || {
        let runtime = with_spares(2, 512);
        let before = passing_kernel_threads().len();
        let nap = || tarae::blocking(|| std::thread::sleep(ms(100)));
        let naps: Vec<_> = (0..30).map(|_| runtime.spawn(nap)).collect();
        naps.into_iter().for_each(|nap| nap.join().unwrap());
        let idle_since = Instant::now();
        eventually("nobody is left behind", || runtime.metrics().threads.left_behind == 0);
        std::thread::sleep(ms(5000));
        let threads = runtime.metrics().threads;
        assert!(threads.spare >= 20, "after 5 s idle they are kept: {threads:?}");
        assert!(passing_kernel_threads().len() >= before + 20);
        eventually("they end", || {
            runtime.metrics().threads.spare == 0 && passing_kernel_threads().len() <= before
        });
        let took = idle_since.elapsed();
        assert!((ms(9_900)..ms(12_500)).contains(&took), "{took:?}");
        assert_eq!(threads_of(&runtime.metrics()), 2);
        // The next ones get new ones.
        runtime.run(move || (0..5).map(|_| tarae::spawn(nap)).for_each(|nap| nap.join().unwrap()));
        runtime.shutdown_timeout(LIMIT).expect("everyone ends");
    });
}
