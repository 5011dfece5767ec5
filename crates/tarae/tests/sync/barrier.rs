//! `Barrier`: nobody passes before all are there, and one of them leads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::subject::sync::Barrier;
use crate::subject::thread;
use crate::support::MOMENT;
use crate::support::seed::Random;
use crate::threads::everywhere;

#[test]
fn nobody_passes_before_the_last_and_one_leads() {
    everywhere(|threads| {
        const COUNT: usize = 10;
        let (barrier, passed) = (Arc::new(Barrier::new(COUNT)), Arc::new(AtomicUsize::new(0)));
        let early: Vec<_> = (1..COUNT)
            .map(|_| {
                let (barrier, passed) = (Arc::clone(&barrier), Arc::clone(&passed));
                threads.spawn(move || {
                    let leads = barrier.wait().is_leader();
                    passed.fetch_add(1, Ordering::SeqCst);
                    leads
                })
            })
            .collect();
        thread::sleep(MOMENT);
        assert_eq!(passed.load(Ordering::SeqCst), 0);
        let last = barrier.wait().is_leader();
        let leaders = early.into_iter().map(|one| one.join()).filter(|leads| *leads).count();
        assert_eq!(leaders + usize::from(last), 1);
    });
}

#[test]
fn it_is_used_again_and_again() {
    everywhere(|threads| {
        const COUNT: usize = 5;
        const ROUNDS: usize = 100;
        let (barrier, arrived) = (Arc::new(Barrier::new(COUNT)), Arc::new(AtomicUsize::new(0)));
        let led = threads.each(COUNT, move |number| {
            let mut random = Random::from_environment();
            let mut led = 0;
            for round in 0..ROUNDS {
                if random.below(COUNT as u64) == number as u64 {
                    thread::yield_now();
                }
                arrived.fetch_add(1, Ordering::SeqCst);
                led += usize::from(barrier.wait().is_leader());
                let seen = arrived.load(Ordering::SeqCst);
                let expected = (round + 1) * COUNT..(round + 2) * COUNT;
                assert!(expected.contains(&seen), "{seen} have arrived in round {round}");
            }
            led
        });
        assert_eq!(led.into_iter().sum::<usize>(), ROUNDS, "one leader each round");
    });
}

#[test]
fn more_than_a_generation_passes_in_groups() {
    everywhere(|threads| {
        let barrier = Arc::new(Barrier::new(3));
        let leaders = threads.each(12, move |_| barrier.wait().is_leader());
        assert_eq!(leaders.into_iter().filter(|leads| *leads).count(), 4);
    });
}

#[test]
fn one_for_nobody_and_one_for_one_hold_nobody_up() {
    everywhere(|_| {
        for count in [0, 1] {
            let barrier = Barrier::new(count);
            for _ in 0..5 {
                assert!(barrier.wait().is_leader());
            }
        }
    });
}

#[test]
fn what_was_done_before_is_seen_after() {
    everywhere(|threads| {
        let barrier = Arc::new(Barrier::new(4));
        let slots: Arc<[AtomicUsize; 4]> = Arc::default();
        let sums = threads.each(4, move |number| {
            slots[number].store(number + 1, Ordering::Relaxed);
            barrier.wait();
            slots.iter().map(|slot| slot.load(Ordering::Relaxed)).sum::<usize>()
        });
        assert_eq!(sums, [10; 4]);
    });
}

#[test]
fn it_can_be_a_static() {
    everywhere(|threads| {
        static GATE: Barrier = Barrier::new(2);
        static OPEN: AtomicBool = AtomicBool::new(false);
        OPEN.store(false, Ordering::SeqCst);
        let other = threads.spawn(|| {
            GATE.wait();
            OPEN.load(Ordering::SeqCst)
        });
        OPEN.store(true, Ordering::SeqCst);
        GATE.wait();
        assert!(other.join());
    });
}
