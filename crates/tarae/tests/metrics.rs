//! `Runtime::metrics`: each number counts what it says.

#[path = "support/mod.rs"]
mod support;

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tarae::net::{TcpListener, TcpStream};
use tarae::{Metrics, Runtime, blocking, lock_thread, thread};

use support::{LIMIT, bounded, eventually, ms, runtime, spin_while, with_runtimes};

/// Waits until the metrics are as they should be.
#[track_caller]
fn expect(runtime: &Runtime, what: &str, mut holds: impl FnMut(&Metrics) -> bool) {
    let deadline = Instant::now() + LIMIT;
    loop {
        let metrics = runtime.metrics();
        if holds(&metrics) {
            return;
        }
        assert!(Instant::now() < deadline, "{what}: {metrics:#?}");
        std::thread::sleep(ms(1));
    }
}

/// A loop that ends when it is told to.
fn loops(runtime: &Runtime, on: &Arc<AtomicBool>, count: usize) -> Vec<thread::JoinHandle<()>> {
    let one = |_| {
        let on = Arc::clone(on);
        runtime.spawn(move || spin_while(|| on.load(Ordering::SeqCst)))
    };
    (0..count).map(one).collect()
}

fn join_all(all: Vec<thread::JoinHandle<()>>) {
    all.into_iter().for_each(|one| one.join().unwrap());
}

#[test]
fn a_runtime_at_rest_drives_its_workers_and_has_nobody() {
    with_runtimes(|runtime| {
        runtime.run(|| ());
        expect(runtime, "at rest", |metrics| {
            let (threads, coroutines) = (&metrics.threads, &metrics.coroutines);
            metrics.workers == runtime.workers()
                && threads.driving == runtime.workers()
                && threads.left_behind + threads.locked + threads.spare == 0
                && coroutines.ready + coroutines.running + coroutines.parked == 0
                && (metrics.spawned, metrics.finished) == (1, 1)
        });
    });
}

#[test]
fn those_who_wait_are_parked() {
    with_runtimes(|runtime| {
        let before = runtime.metrics();
        let parked: Vec<_> = (0..10).map(|_| runtime.spawn(thread::park)).collect();
        // Not at one moment: who is counted as parked may be on its way there.
        expect(runtime, "ten parked", |metrics| {
            let others = metrics.coroutines.ready + metrics.coroutines.running;
            metrics.coroutines.parked == 10 && others == 0 && metrics.parks >= before.parks + 10
        });
        parked.iter().for_each(|one| one.thread().unpark());
        join_all(parked);
        expect(runtime, "nobody parked", |metrics| metrics.coroutines.parked == 0);
        let after = runtime.metrics();
        assert!(after.wakes >= before.wakes + 10, "{after:?}");
        assert_eq!((after.spawned, after.finished), (before.spawned + 10, before.finished + 10));
    });
}

#[test]
fn those_who_compute_run_and_those_behind_them_are_ready() {
    for workers in [1, 2] {
        bounded(move || {
            let runtime =
                Runtime::builder().workers(workers).spare_threads_max(0).name("test").build().unwrap();
            let on = Arc::new(AtomicBool::new(true));
            let hogs = loops(&runtime, &on, workers);
            expect(&runtime, "all run", |metrics| metrics.coroutines.running == workers as u64);
            let behind: Vec<_> = (0..20).map(|_| runtime.spawn(|| ())).collect();
            expect(&runtime, "twenty are ready", |metrics| metrics.coroutines.ready == 20);
            on.store(false, Ordering::SeqCst);
            join_all(hogs);
            join_all(behind);
            runtime.shutdown_timeout(LIMIT).expect("everyone ends");
        });
    }
}

#[test]
fn stalls_and_hand_offs_are_counted_apart() {
    bounded(|| {
        let runtime = runtime(1);
        let before = runtime.metrics();
        assert_eq!((before.hand_offs, before.stalls, before.stalls_at_limit), (0, 0, 0));
        // Marked: a hand-off, no stall.
        let (go_on, inside) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let marked = runtime.spawn({
            let (go_on, inside) = (Arc::clone(&go_on), Arc::clone(&inside));
            move || {
                blocking(|| {
                    inside.fetch_add(1, Ordering::SeqCst);
                    spin_while(|| !go_on.load(Ordering::SeqCst));
                });
            }
        });
        eventually("it is inside", || inside.load(Ordering::SeqCst) == 1);
        runtime.run(|| ());
        expect(&runtime, "one is left behind", |metrics| metrics.threads.left_behind == 1);
        go_on.store(true, Ordering::SeqCst);
        marked.join().unwrap();
        // At least: where the machine kept the worker from running, there was one hand-off more.
        expect(&runtime, "its thread is a spare one", |metrics| {
            metrics.threads.left_behind == 0 && metrics.threads.spare >= 1 && metrics.threads.driving == 1
        });
        let between = runtime.metrics();
        assert_eq!(between.stalls, 0, "{between:?}");
        assert!(between.hand_offs >= 1, "{between:?}");
        // Unmarked: a hand-off and a stall.
        let on = Arc::new(AtomicBool::new(true));
        let hogs = loops(&runtime, &on, 1);
        expect(&runtime, "it runs", |metrics| metrics.coroutines.running == 1);
        runtime.run(|| ());
        on.store(false, Ordering::SeqCst);
        join_all(hogs);
        let after = runtime.metrics();
        assert!(after.stalls >= 1 && after.hand_offs > between.hand_offs, "{after:?}");
        assert_eq!(after.stalls_at_limit, 0);
        runtime.shutdown_timeout(LIMIT).expect("everyone ends");
    });
}

#[test]
fn locked_threads_are_among_those_left_behind() {
    bounded(|| {
        let runtime = runtime(2);
        let locked: Vec<_> = (0..5)
            .map(|_| {
                runtime.spawn(|| {
                    let _lock = lock_thread().unwrap();
                    thread::park();
                })
            })
            .collect();
        expect(&runtime, "five locked and parked", |metrics| {
            metrics.threads.locked == 5
                && metrics.threads.left_behind == 5
                && metrics.threads.driving == 2
                && metrics.coroutines.parked + metrics.coroutines.running == 5
        });
        locked.iter().for_each(|one| one.thread().unpark());
        join_all(locked);
        expect(&runtime, "none locked", |metrics| metrics.threads.locked + metrics.threads.left_behind == 0);
        runtime.shutdown_timeout(LIMIT).expect("everyone ends");
    });
}

#[test]
fn slots_are_live_while_somebody_has_a_stack() {
    bounded(|| {
        // A size that no other test uses: runtimes of one size share their slots.
        let runtime = Runtime::builder().workers(2).stack_size(512 * 1024).name("test").build().unwrap();
        let parked: Vec<_> = (0..200).map(|_| runtime.spawn(thread::park)).collect();
        expect(&runtime, "two hundred parked", |metrics| metrics.parks >= 200);
        let there = runtime.metrics();
        assert!(there.slots.live >= 200 && there.slots.peak >= there.slots.live, "{there:?}");
        assert!(there.identities >= 200, "{there:?}");
        parked.iter().for_each(|one| one.thread().unpark());
        join_all(parked);
        let gone = runtime.metrics();
        assert!(gone.slots.live + gone.slots.idle >= 200, "they are kept: {gone:?}");
        assert!(gone.slots.idle >= 100, "on the shelf: {gone:?}");
        assert!(gone.slots.peak >= 200, "the most there ever were: {gone:?}");
        runtime.shutdown_timeout(LIMIT).expect("everyone ends");
    });
}

#[test]
fn sockets_and_timers_are_polled_for() {
    with_runtimes(|runtime| {
        let before = runtime.metrics().polls;
        runtime.run(|| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let peer = thread::spawn(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                tarae::sleep(ms(5));
                stream.write_all(&[7]).unwrap();
            });
            listener.accept().unwrap().0.read_exact(&mut [0]).unwrap();
            peer.join().unwrap();
        });
        assert!(runtime.metrics().polls > before);
    });
}

/// What a runtime with one worker has measured after forty runs of ten milliseconds, each of which kept those after it
/// waiting.
fn measured_after_long_runs() -> Metrics {
    let runtime = Runtime::builder().workers(1).spare_threads_max(0).name("test").build().unwrap();
    runtime.run(|| {
        let one = || {
            let end = Instant::now() + ms(10);
            spin_while(|| Instant::now() < end);
        };
        join_all((0..40).map(|_| thread::spawn(one)).collect());
    });
    let metrics = runtime.metrics();
    runtime.shutdown_timeout(LIMIT).expect("everyone ends");
    metrics
}

#[track_caller]
fn assert_shows_them(histogram: &tarae::Histogram) {
    assert!(histogram.count() > 0, "{histogram:?}");
    let quantiles = [0.0, 0.5, 0.9, 0.99, 1.0].map(|share| histogram.quantile(share));
    assert!(quantiles.is_sorted(), "{quantiles:?}");
    assert!(histogram.mean() <= histogram.max(), "{histogram:?}");
    // By sample: perhaps not the longest one. But about half of all are long.
    assert!(histogram.quantile(0.9) >= ms(5), "{histogram:?}");
    assert!(histogram.max() < Duration::from_secs(20), "{histogram:?}");
}

#[test]
fn long_runs_show_in_the_histogram_of_runs() {
    bounded(|| assert_shows_them(&measured_after_long_runs().run_slice));
}

#[test]
fn long_waits_show_in_the_histogram_of_latencies() {
    bounded(|| assert_shows_them(&measured_after_long_runs().schedule_latency));
}
