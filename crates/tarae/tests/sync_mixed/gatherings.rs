//! Barriers and wait groups.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tarae::sync::{Barrier, WaitGroup};
use tarae::thread;

use crate::support::{MOMENT, ms, on_workers, with_runtimes};

#[test]
fn a_barrier_gathers_coroutines_and_kernel_threads_again_and_again() {
    const ROUNDS: usize = 100;
    with_runtimes(|runtime| {
        let shared = Arc::new((Barrier::new(5), AtomicUsize::new(0), AtomicUsize::new(0)));
        let work = |shared: Arc<(Barrier, AtomicUsize, AtomicUsize)>| {
            move || {
                for round in 1..=ROUNDS {
                    shared.1.fetch_add(1, Ordering::SeqCst);
                    shared.2.fetch_add(usize::from(shared.0.wait().is_leader()), Ordering::SeqCst);
                    let arrived = shared.1.load(Ordering::SeqCst);
                    assert!(arrived >= round * 5 && arrived < (round + 1) * 5, "{arrived} in round {round}");
                }
            }
        };
        let coroutines = [0; 3].map(|_| runtime.spawn(work(Arc::clone(&shared))));
        let threads = [0; 2].map(|_| std::thread::spawn(work(Arc::clone(&shared))));
        coroutines.into_iter().for_each(|coroutine| coroutine.join().unwrap());
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(shared.2.load(Ordering::SeqCst), ROUNDS, "one leads each time");
    });
}

#[test]
fn a_cancelled_arrival_does_not_count() {
    on_workers(|| {
        let barrier = Arc::new(Barrier::new(2));
        let arrive = || {
            let barrier = Arc::clone(&barrier);
            thread::spawn(move || barrier.wait().is_leader())
        };
        let first = arrive();
        tarae::sleep(ms(5));
        first.cancel();
        assert!(first.join().is_err());
        let second = arrive();
        tarae::sleep(MOMENT);
        assert!(!second.is_finished(), "alone");
        assert!(barrier.wait().is_leader());
        assert!(!second.join().unwrap());
    });
}

#[test]
fn a_group_waits_for_all_its_clones_also_for_those_that_are_cancelled() {
    on_workers(|| {
        let (group, done) = (WaitGroup::new(), Arc::new(AtomicUsize::new(0)));
        let handles: Vec<_> = (0..20)
            .map(|number| {
                let (group, done) = (group.clone(), Arc::clone(&done));
                thread::spawn(move || {
                    let _group = group;
                    tarae::sleep(if number % 2 == 0 { ms(number) } else { std::time::Duration::MAX });
                    done.fetch_add(1, Ordering::SeqCst);
                })
            })
            .collect();
        let on_thread = std::thread::spawn({
            let group = group.clone();
            move || {
                tarae::sleep(ms(20));
                drop(group);
            }
        });
        handles.iter().skip(1).step_by(2).for_each(|handle| handle.cancel());
        let fickle = thread::spawn({
            let group = group.clone();
            move || group.wait()
        });
        fickle.cancel();
        group.wait();
        assert_eq!(done.load(Ordering::SeqCst), 10);
        assert!(fickle.join().is_err() || done.load(Ordering::SeqCst) == 10);
        on_thread.join().unwrap();
    });
}
