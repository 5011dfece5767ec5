//! Work that one coroutine brings is shared, and sharing it costs little.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::alone;
use super::kernel::kernel_thread;
use super::undisturbed::{Verdict, undisturbed};
use crate::support::{LIMIT, MOMENT, ms, runtime, spin_while};

/// How many jobs each kernel thread ran.
type Ran = Arc<Mutex<HashMap<i64, u32>>>;

/// One coroutine spawns `count` jobs of `length` of CPU time each and joins them.
fn burst(runtime: &tarae::Runtime, count: usize, length: Duration) -> Vec<u32> {
    let ran = Ran::default();
    let own = Arc::clone(&ran);
    runtime.run(move || {
        let one = || {
            let ran = Arc::clone(&own);
            tarae::spawn(move || {
                let start = Instant::now();
                spin_while(|| start.elapsed() < length);
                *ran.lock().unwrap().entry(kernel_thread()).or_default() += 1;
            })
        };
        let jobs: Vec<_> = (0..count).map(|_| one()).collect();
        jobs.into_iter().for_each(|job| job.join().unwrap());
    });
    let mut each: Vec<u32> = ran.lock().unwrap().values().copied().collect();
    each.sort_unstable_by(|one, other| other.cmp(one));
    each
}

#[test]
fn a_burst_of_ten_thousand_wakes_others_rarely_and_is_shared() {
    alone("spread::a_burst_of_ten_thousand_wakes_others_rarely_and_is_shared", || {
        undisturbed(|| {
            let runtime = runtime(2);
            let each = burst(&runtime, 10_000, Duration::ZERO);
            let metrics = runtime.metrics();
            runtime.shutdown_timeout(LIMIT).expect("everyone ends");
            assert_eq!(each.iter().sum::<u32>(), 10_000);
            assert!(metrics.spawned >= 10_000, "{metrics:?}");
            let wakes = metrics.remote_wakes as f64 / metrics.spawned as f64;
            let stolen = metrics.stolen;
            Verdict {
                holds: wakes < 0.01 && each.len() >= 2 && stolen > 0,
                figures: format!("{wakes:.4} remote wakes per spawn, {stolen} thefts, by thread {each:?}"),
            }
        });
    });
}

#[test]
fn ten_thousand_short_jobs_keep_both_workers_busy() {
    alone("spread::ten_thousand_short_jobs_keep_both_workers_busy", || {
        undisturbed(|| {
            let runtime = runtime(2);
            let each = burst(&runtime, 10_000, Duration::from_micros(100));
            runtime.shutdown_timeout(LIMIT).expect("everyone ends");
            assert_eq!(each.iter().sum::<u32>(), 10_000);
            let second = each.get(1).copied().unwrap_or(0);
            Verdict { holds: second >= 3_000, figures: format!("by thread {each:?}") }
        });
    });
}

#[test]
fn a_worker_lost_to_a_blocking_call_is_missed_by_those_queued_with_another() {
    alone("spread::a_worker_lost_to_a_blocking_call_is_missed_by_those_queued_with_another", || {
        undisturbed(|| {
            let runtime = runtime(2);
            let blocked = runtime.spawn(|| std::thread::sleep(ms(2000)));
            std::thread::sleep(MOMENT);
            let each = burst(&runtime, 1_000, ms(1));
            blocked.join().unwrap();
            runtime.shutdown_timeout(LIMIT).expect("everyone ends");
            let second = each.get(1).copied().unwrap_or(0);
            Verdict { holds: second >= 300, figures: format!("by thread {each:?}") }
        });
    });
}
