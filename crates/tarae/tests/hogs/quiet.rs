//! An idle runtime makes no system calls, its monitor and its spares included.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::alone;
use super::kernel::{kernel_threads, voluntary_switches};
use crate::support::{LIMIT, eventually, ms, runtime};

#[test]
fn ten_thousand_parked_coroutines_make_no_switch_in_ten_seconds() {
    alone("quiet::ten_thousand_parked_coroutines_make_no_switch_in_ten_seconds", || {
        const COUNT: u32 = 10_000;
        let others = kernel_threads();
        let runtime = runtime(2);
        let started = Arc::new(AtomicU32::new(0));
        let parked: Vec<_> = (0..COUNT)
            .map(|_| {
                let started = Arc::clone(&started);
                runtime.spawn(move || {
                    started.fetch_add(1, Ordering::SeqCst);
                    tarae::thread::park();
                })
            })
            .collect();
        eventually("all have started", || started.load(Ordering::SeqCst) == COUNT);
        std::thread::sleep(ms(1000));
        let ours: BTreeSet<i64> = kernel_threads().difference(&others).copied().collect();
        assert!(ours.len() >= 2, "the workers");
        let before = voluntary_switches(&ours);
        std::thread::sleep(ms(10_000));
        assert_eq!(voluntary_switches(&ours), before, "switches, threads");
        assert_eq!(kernel_threads().difference(&others).copied().collect::<BTreeSet<_>>(), ours);
        parked.iter().for_each(|one| one.thread().unpark());
        parked.into_iter().for_each(|one| one.join().unwrap());
        runtime.shutdown_timeout(LIMIT).expect("everyone ends");
    });
}
