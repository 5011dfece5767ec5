//! An idle runtime makes no system calls: its threads are not switched to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use tarae::net::TcpListener;

use crate::support::proc::{Task, tasks_named};
use crate::support::{bounded, eventually, ms};

/// How often the threads of a runtime waited, in all.
fn switches(tasks: &[Task]) -> u64 {
    tasks.iter().map(|task| task.voluntary_switches().expect("a worker lives")).sum()
}

/// Once all are where they wait: a newborn identity bears its maker's name for a moment.
#[track_caller]
fn stays_quiet(name: &str) {
    std::thread::sleep(ms(200));
    let tasks = tasks_named(name);
    assert!(!tasks.is_empty());
    let before = switches(&tasks);
    std::thread::sleep(ms(1000));
    assert_eq!(switches(&tasks) - before, 0, "context switches of an idle runtime");
}

fn quiet_with_parked_coroutines(name: &'static str, workers: usize) {
    bounded(move || {
        let runtime = tarae::Runtime::builder().workers(workers).name(name).build().unwrap();
        let started = Arc::new(AtomicU32::new(0));
        let parked: Vec<_> = (0..1000)
            .map(|_| {
                let started = Arc::clone(&started);
                runtime.spawn(move || {
                    started.fetch_add(1, Ordering::SeqCst);
                    tarae::thread::park();
                })
            })
            .collect();
        eventually("all have started", || started.load(Ordering::SeqCst) == 1000);
        stays_quiet(name);
        parked.iter().for_each(|one| one.thread().unpark());
        parked.into_iter().for_each(|one| one.join().unwrap());
        stays_quiet(name);
    });
}

#[test]
fn one_worker_with_a_thousand_parked_coroutines_makes_no_switch() {
    quiet_with_parked_coroutines("idle1", 1);
}

#[test]
fn two_workers_with_a_thousand_parked_coroutines_make_no_switch() {
    quiet_with_parked_coroutines("idle2", 2);
}

#[test]
fn eight_workers_with_a_thousand_parked_coroutines_make_no_switch() {
    quiet_with_parked_coroutines("idle8", 8);
}

#[test]
fn workers_that_wait_for_sockets_and_distant_timers_make_no_switch() {
    bounded(|| {
        let runtime = tarae::Runtime::builder().workers(4).name("idle-io").build().unwrap();
        let started = Arc::new(AtomicU32::new(0));
        let waiting: Vec<_> = (0..100)
            .map(|number| {
                let started = Arc::clone(&started);
                runtime.spawn(move || {
                    started.fetch_add(1, Ordering::SeqCst);
                    if number % 2 == 0 {
                        return tarae::sleep(ms(3_600_000));
                    }
                    // Says so once.
                    TcpListener::bind("127.0.0.1:0").unwrap().accept().unwrap_err();
                    tarae::thread::park();
                })
            })
            .collect();
        eventually("all have started", || started.load(Ordering::SeqCst) == 100);
        stays_quiet("idle-io");
        let start = Instant::now();
        drop(runtime);
        assert!(start.elapsed() < ms(900), "all could be cancelled: {:?}", start.elapsed());
        assert!(waiting.into_iter().all(|one| tarae::is_cancelled(&*one.join().unwrap_err())));
    });
}

#[test]
fn a_runtime_that_was_never_used_makes_no_switch() {
    bounded(|| {
        let _runtime = tarae::Runtime::builder().workers(8).name("unused").build().unwrap();
        stays_quiet("unused");
    });
}
