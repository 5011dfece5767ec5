//! `JoinSet`: each is joined once, as it ends, however it ends.

use std::collections::BTreeSet;
use std::time::Duration;

use tarae::{Elapsed, JoinSet, thread};

use super::lives::Lives;
use crate::support::seed::Random;
use crate::support::{bounded, eventually, hush, ms, on_workers, panic_on_purpose, runtime};

#[test]
fn members_are_joined_as_they_end() {
    on_workers(|| {
        let mut set = JoinSet::new();
        for after in [40, 5, 80] {
            set.spawn(move || {
                tarae::sleep(ms(after));
                after
            });
        }
        assert_eq!(set.len(), 3);
        let order: Vec<u64> = std::iter::from_fn(|| set.join_next()).map(Result::unwrap).collect();
        assert_eq!(order, [5, 40, 80]);
        assert!(set.is_empty() && set.join_next().is_none() && set.try_join_next().is_none());
    });
}

#[test]
fn each_is_joined_once_whatever_became_of_it() {
    hush();
    on_workers(|| {
        let (mut set, lives) = (JoinSet::new(), Lives::default());
        for number in 0..60 {
            let life = lives.one();
            set.spawn(move || {
                let _life = life;
                if number % 3 == 0 {
                    panic_on_purpose();
                }
                tarae::sleep(if number % 3 == 1 { Duration::MAX } else { ms(1) });
                number
            });
        }
        let mut done = BTreeSet::new();
        let (mut panicked, mut cancelled) = (0, 0);
        while set.len() > 20 {
            match set.join_next().unwrap() {
                Ok(number) => assert!(done.insert(number)),
                Err(payload) => {
                    assert!(!tarae::is_cancelled(&*payload));
                    panicked += 1;
                }
            }
        }
        set.cancel_all();
        while let Some(ended) = set.join_next() {
            cancelled += u32::from(tarae::is_cancelled(&*ended.unwrap_err()));
        }
        assert_eq!((done.len(), panicked, cancelled, lives.count()), (20, 20, 20, 0));
    });
}

#[test]
fn a_spawn_that_fails_is_no_member() {
    on_workers(|| {
        let mut set = JoinSet::new();
        set.spawn(|| 1);
        let failed = set.spawn_with(thread::Builder::new().stack_size(1 << 62), || 2);
        assert!(failed.is_err());
        set.spawn_with(thread::Builder::new().name("third".into()), || 3).unwrap();
        assert_eq!(set.len(), 2);
        let mut all = set.join_all();
        all.sort_unstable();
        assert_eq!(all, [1, 3]);
    });
}

#[test]
fn a_wait_that_is_interrupted_loses_nobody() {
    on_workers(|| {
        let mut set = JoinSet::new();
        set.spawn(|| tarae::sleep(ms(10)));
        let mut late = 0;
        while let Err(Elapsed) = tarae::timeout(ms(1), || drop(set.join_next())) {
            late += 1;
        }
        assert!(late > 0 && set.is_empty());
    });
}

#[test]
fn dropping_it_cancels_and_shutting_it_down_waits_as_well() {
    on_workers(|| {
        let lives = Lives::default();
        let fill = |set: &mut JoinSet<()>| {
            for _ in 0..10 {
                let life = lives.one();
                set.spawn(move || {
                    let _life = life;
                    thread::park();
                    unreachable!("nobody unparks it");
                });
            }
        };
        let mut set = JoinSet::new();
        fill(&mut set);
        tarae::sleep(ms(1));
        set.shutdown();
        assert_eq!((lives.count(), set.len()), (0, 0));
        fill(&mut set);
        drop(set);
        eventually("all have ended", || lives.count() == 0);
    });
}

#[test]
fn join_all_passes_a_panic_on_and_ends_the_others() {
    hush();
    on_workers(|| {
        let lives = Lives::default();
        let mut set = JoinSet::new();
        for number in 0..4 {
            let life = lives.one();
            set.spawn(move || {
                let _life = life;
                if number == 2 {
                    panic_on_purpose();
                }
                thread::park();
            });
        }
        assert!(tarae::spawn(move || set.join_all()).join().is_err());
        eventually("the others have ended", || lives.count() == 0);
    });
}

#[test]
fn it_may_be_joined_elsewhere_and_from_a_kernel_thread() {
    let mut random = Random::from_environment();
    bounded(move || {
        let runtime = runtime(2);
        for _ in 0..50 {
            let count = random.below(8);
            let most = random.below(400);
            let mut set = runtime.run(move || {
                let mut set = JoinSet::new();
                (0..count)
                    .for_each(|number| set.spawn(move || tarae::sleep(Duration::from_micros(number * most))));
                set
            });
            let mut joined = 0;
            while set.join_next().transpose().unwrap().is_some() {
                joined += 1;
            }
            assert_eq!(joined, count);
        }
    });
}

#[test]
fn one_whose_locals_are_being_dropped_has_not_ended_yet() {
    /// Waits as it is dropped.
    struct Slow;

    impl Drop for Slow {
        fn drop(&mut self) {
            tarae::sleep(ms(100));
        }
    }

    tarae::coroutine_local! { static LOCAL: Slow = Slow; }

    on_workers(|| {
        let mut set = JoinSet::new();
        set.spawn(|| LOCAL.with(|_| 1));
        tarae::sleep(ms(20));
        assert!(set.try_join_next().is_none(), "a look does not wait");
        set.spawn(|| 2);
        eventually("the other one ends", || match set.try_join_next() {
            Some(ended) => {
                assert_eq!(ended.unwrap(), 2);
                true
            }
            None => false,
        });
        assert_eq!(set.join_next().unwrap().unwrap(), 1);
        assert!(set.try_join_next().is_none() && set.is_empty());
    });
}
