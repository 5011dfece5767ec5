//! What a reader of the counters may rely on while they change.

use std::sync::atomic::AtomicBool;

use super::*;

#[test]
fn counts_are_the_sums_of_all_sets() {
    let all = All::new(3);
    (0..3).for_each(|worker| count(&all.of(worker).spawned));
    all.count(None, |set| &set.spawned);
    all.count(Some(1), |set| &set.finished);
    count(&all.of(2).stolen);
    count(&all.of(2).remote_wakes);
    count(&all.of(0).parks);
    all.count(None, |set| &set.wakes);
    let counts = all.read();
    assert_eq!(counts, Counts { spawned: 4, finished: 1, stolen: 1, remote_wakes: 1, parks: 1, wakes: 1 });
    assert_eq!(counts.alive(), 3);
}

/// Each is spawned by one worker before its predecessor is finished by the other: one is alive at any moment.
#[test]
fn alive_is_never_0_while_somebody_is() {
    let (all, stop) = (All::new(2), AtomicBool::new(false));
    count(&all.of(0).spawned);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..50_000 {
                count(&all.of(0).spawned);
                count(&all.of(1).finished);
            }
            stop.store(true, Ordering::Relaxed);
        });
        while !stop.load(Ordering::Relaxed) {
            assert!(all.read().alive() > 0);
        }
    });
    assert_eq!(all.read().alive(), 1);
}
